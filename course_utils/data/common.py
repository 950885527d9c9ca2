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
    """Check that all values are numbers from lowest to highest.

    Parameters
    ----------
    values
        A non-empty tensor of any shape; the first dimension is the sample.
    lowest, highest
        The range, both ends included.
    name
        What the values are, for the message.

    Raises
    ------
    DataError
        A value is NaN or outside the range; the message names the first sample with such a value.
    """
    # Two reductions see everything: a NaN anywhere makes the minimum NaN, and NaN >= 0 is false.
    low, high = values.min().item(), values.max().item()
    if not (low >= lowest and high <= highest):
        what = "contains NaN" if math.isnan(low) else f"has values from {low:g} to {high:g}"
        first = (~((values >= lowest) & (values <= highest))).nonzero()[0, 0].item()
        raise DataError(
            f"{name} {what}; values must be within [{lowest:g}, {highest:g}] (first wrong sample: {first}). "
            f"For images: divide bytes by 255, and replace missing values."
        )


def left_out_note(reason: str, names: Sequence[str]) -> str:
    """Say how many files were left out and name the first five: a sentence for `source`, empty if there are none."""
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return f" Left out, {reason}: {len(names)} ({shown})." if names else ""


def cached(
    name: str, keys: Sequence[str], make: Callable[[], dict[str, np.ndarray]], *, made_from: str = ""
) -> dict[str, np.ndarray]:
    """Load arrays from the cache folder, or make and store them where the file is missing or damaged.

    The file's name contains a fingerprint of the code of `make` and a checksum of `made_from`: a file that another
    version of either has left is not used. Where the code cannot be read, or was changed after it was imported, the
    arrays are made again and not stored.

    Parameters
    ----------
    name
        The beginning of the file's name.
    keys
        The names of the arrays.
    make
        Returns the arrays by name.
    made_from
        What the code reads, or a checksum of it.

    Returns
    -------
    dict
        Name → array.
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
    _store(path, arrays)
    return arrays


def _store(path: Path, arrays: dict[str, Any]) -> None:
    """Write the file whole or not at all."""
    # Two kernels may start at once, so neither may see a file that the other has half written.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, suffix=".tmp", ignore_cleanup_errors=True) as folder:
            unfinished = Path(folder) / path.name
            np.savez(unfinished, **arrays)
            os.replace(unfinished, path)
    except OSError:  # a read-only home directory costs speed, not the lesson
        return


# ------------------------------------------------- are these the data that the course's numbers were measured with?

KNOWN_FILE = Path(__file__).with_name("known.json")  # written by `make lock`


class OtherDataWarning(UserWarning):
    """The installed packages give other data than the course's numbers were measured with."""


def known_data() -> dict[str, dict[str, Any]]:
    """Read, for each offline data set, the `versions` of the packages it was made from and its checksum, `sha256`."""
    return json.loads(KNOWN_FILE.read_text(encoding="utf-8"))


def note_on_data(name: str, sha256: str) -> str:
    """Compare data with the known ones, and warn if they differ.

    Parameters
    ----------
    name
        The data set, as in `known_data`.
    sha256
        The checksum of the data that were loaded.

    Returns
    -------
    str
        How the data differ from the known ones, in one sentence, which is also the warning; empty if they do not.
    """
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
    """Return the one dictionary of this process."""
    # As a variable of the module it would be a part of the code's fingerprint.
    return {}


def loaded_data() -> dict[str, str]:
    """Return name → checksum of the offline data sets that were loaded so far."""
    return dict(_loaded())


def differing_data() -> set[str]:
    """Return the names of loaded data sets that differ from those that the course's numbers were measured with."""
    return {name for name, sha256 in _loaded().items() if sha256 != known_data()[name]["sha256"]}


def _version(package: str) -> str:
    """Return the version without what a builder appends to it, such as +cpu."""
    return metadata.version(package).partition("+")[0]
