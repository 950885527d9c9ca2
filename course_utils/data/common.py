"""What both kinds of data need: the error they raise, the range check, and the cache."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

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


def cached(name: str, keys: Sequence[str], make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays that `make` returns, kept in the cache folder; a missing or damaged file is made anew."""
    path = settings().cache_folder / f"{name}.npz"
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
