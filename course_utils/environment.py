"""The course's own environment variables, and the environment of a child process.

Only here and in `settings` is the environment read. This module imports nothing that is slow to import, so that a
command which needs no tensors, such as grading, starts at once.
"""

from __future__ import annotations

import difflib
import os
import sys
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


class SettingsError(ValueError):
    """An environment variable holds something that the course cannot use."""


def refuse_misspelt_variables() -> None:
    """Refuse COURSE_PROFLE=full, for example, which would run the quick profile without a message.

    Raises
    ------
    SettingsError
        The message names the variable, what was probably meant, and all that there are.
    """
    for name in sorted(set(os.environ) - set(VARIABLES)):
        if name.startswith("COURSE") and (meant := difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.84)):
            known = "\n".join(f"  {variable}: {meaning}" for variable, meaning in VARIABLES.items())
            raise SettingsError(f"{name} is not a variable of this course; did you mean {meant[0]}? Known:\n{known}")


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
