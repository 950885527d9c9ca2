"""What both kinds of data need: the error they raise, the range check, the cache, and the known checksums."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from course_utils.provenance import code_fingerprint
from course_utils.settings import settings


class DataError(RuntimeError):
    """Data that is missing, damaged or of the wrong kind; the message says what to do."""


def check_range(values: Tensor, lowest: float, highest: float, *, name: str) -> None:
    """Raises DataError unless all values are numbers from lowest to highest."""
    # Two reductions see everything: a NaN anywhere makes the minimum NaN, and NaN >= 0 is false.
    low, high = values.min().item(), values.max().item()
    if not (low >= lowest and high <= highest):
        what = "contains NaN" if math.isnan(low) else f"reaches from {low:g} to {high:g}"
        first = (~((values >= lowest) & (values <= highest))).nonzero()[0, 0].item()
        raise DataError(
            f"{name} {what}; values must be within [{lowest:g}, {highest:g}] (the first that is not: sample {first}). "
            f"For images: divide bytes by 255, and replace what is missing."
        )


def cached(
    name: str, keys: Sequence[str], make: Callable[[], dict[str, np.ndarray]], *, made_from: str = ""
) -> dict[str, np.ndarray]:
    """The arrays that `make` returns, kept in the cache folder; a missing or damaged file is made anew.

    The file's name tells the code of `make`, and a checksum of `made_from`, what the code reads: a file that another
    version of either has left is not used. Where the code cannot be read, or was changed since it was imported, the
    arrays are made anew, and not kept.
    """
    content = hashlib.sha256(made_from.encode()).hexdigest()[:16]
    try:
        path = settings().cache_folder / f"{name}-{code_fingerprint(make)}-{content}.npz"
    except (OSError, SyntaxError, ValueError):
        return make()
    try:
        with path.open("rb") as file, np.load(file) as stored:  # opened here: np.load leaves a damaged file open
            return {key: stored[key] for key in keys}
    except Exception:  # a damaged archive raises half a dozen kinds of error
        arrays = make()
    file = None
    try:  # written whole or not at all: two kernels may start at once
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            np.savez(file, **arrays)
        os.replace(file.name, path)
    except OSError:  # a read-only home directory costs speed, not the lesson
        if file is not None:
            Path(file.name).unlink(missing_ok=True)
    return arrays


# ------------------------------------------------- are these the data that the course's numbers were measured with?

KNOWN_FILE = Path(__file__).with_name("known.json")  # written by `make lock`


class OtherDataWarning(UserWarning):
    """The installed packages give other data than the course's numbers were measured with."""


def known_data() -> dict[str, dict[str, Any]]:
    """Of each offline data set: the versions that it was made from (`versions`), and its checksum (`sha256`)."""
    return json.loads(KNOWN_FILE.read_text(encoding="utf-8"))


def note_on_data(name: str, sha256: str) -> str:
    """How data differ from the known ones, in one sentence, which is a warning, too; empty where they do not."""
    known = known_data()[name]
    _loaded()[name] = sha256
    if sha256 == known["sha256"]:
        return ""
    here = {package: _version(package) for package in known["versions"]}
    other = [f"{p} {here[p]} here, {v} there" for p, v in known["versions"].items() if here[p] != v]
    why = "; ".join(other) or "although the packages have the same versions"
    note = f"{name}: these are not the data that the course's numbers were measured with ({why}), so yours will differ."
    warnings.warn(note, OtherDataWarning, stacklevel=4)  # the line that calls load_…
    return note


@functools.cache
def _loaded() -> dict[str, str]:
    """One dictionary for this process. (As a variable of the module it would be a part of the code's fingerprint.)"""
    return {}


def loaded_data() -> dict[str, str]:
    """Name → checksum of the offline data sets that were loaded so far."""
    return dict(_loaded())


def differing_data() -> set[str]:
    """Names of those that are not the ones that the course's numbers were measured with."""
    return {name for name, sha256 in _loaded().items() if sha256 != known_data()[name]["sha256"]}


def _version(package: str) -> str:
    """Without what a builder appends to it, such as +cpu."""
    return metadata.version(package).partition("+")[0]
