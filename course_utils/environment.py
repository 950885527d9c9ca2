"""The course's own environment variables, and the environment of a child process.

Only here and in `settings` is the environment read. This module imports nothing that is slow to import, so that a
command which needs no tensors, such as grading, starts at once.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import warnings
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

VARIABLES = {
    "COURSE_PROFILE": "quick (default: minutes, offline) or full (the standard data sets)",
    "COURSE_SEED": "a whole number >= 0 (default 0)",
    "COURSE_DEVICE": "cpu (default), auto, cuda, cuda:1, mps",
    "COURSE_DATA": "folder of the data sets, in torchvision's and scikit-learn's layout",
    "COURSE_CACHE": "folder for what is computed once and kept",
    "COURSE_QUIET": "1: no progress bars",
}


class SettingsWarning(UserWarning):
    """An environment variable looks like one of the course's, and is not."""


class SettingsError(ValueError):
    """An environment variable holds something that the course cannot use."""


def refuse_misspelt_variables() -> None:
    """Refuse COURSE_PROFLE=full, for example, which would run the quick profile without a message.

    Another program may have variables of such names, as COURSE_DATE or COURSE_QUIZ. So a name is refused only where its
    value is one that the variable would have that was probably meant; otherwise a warning says that it is not read.

    Raises
    ------
    SettingsError
        The message names the variable, what was probably meant, and all that there are.
    """
    for name in sorted(set(os.environ) - set(VARIABLES)):
        meant = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.84) if name.startswith("COURSE") else []
        if not meant or len(name) >= len(meant[0]) + 3:  # COURSE_DATABASE is a word of its own
            continue
        known = "\n".join(f"  {variable}: {meaning}" for variable, meaning in VARIABLES.items())
        if _is_value_of(meant[0], os.environ[name]):
            raise SettingsError(f"{name} is not a variable of this course; did you mean {meant[0]}? Known:\n{known}")
        warnings.warn(f"{name} is not a variable of this course, and not read; if {meant[0]} is meant, rename it.",
                      SettingsWarning, stacklevel=2)  # fmt: skip


def _is_value_of(variable: str, value: str) -> bool:
    """Whether a value can be this variable's, and hardly anything else's: a number can be everybody's."""
    if variable == "COURSE_PROFILE":
        return value in ("quick", "full")
    if variable == "COURSE_DEVICE":
        return re.fullmatch(r"cpu|auto|mps|cuda(:\d+)?", value) is not None
    return variable in ("COURSE_DATA", "COURSE_CACHE") and os.path.isdir(os.path.expanduser(value))


def one_of(name: str, choices: tuple[T, ...], *, default: T) -> T:
    """Return the value of a variable that has a few, or the default where it is unset or empty.

    Raises
    ------
    SettingsError
        It has another value.
    """
    value = os.environ.get(name) or default
    for choice in choices:
        if choice == value:
            return choice
    raise SettingsError(f"{name} is {value!r}; it must be {' or '.join(map(str, choices))}.")


def is_quiet() -> bool:
    """Whether progress bars are left out.

    Raises
    ------
    SettingsError
        The variable is neither 0 nor 1, or the name of some variable is misspelt.
    """
    refuse_misspelt_variables()
    return one_of("COURSE_QUIET", ("0", "1"), default="0") == "1"


def search_path() -> str:
    """Return PATH with the folder of this interpreter first, where the commands of its packages are."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([str(Path(sys.executable).parent), *folders]))


def plain_environment() -> dict[str, str]:
    """Return the environment for a child process: it finds the same packages, and the user's settings have no effect.

    Returns
    -------
    dict
        Name → value of environment variables.
    """
    kept = ("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "TMPDIR", "CONDA_PREFIX",
            "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MPLCONFIGDIR")  # fmt: skip
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    packages = os.pathsep.join(filter(None, sys.path))
    return environment | {"PYTHONPATH": packages, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
