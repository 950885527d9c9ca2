"""Squares with a number in each, which the widgets of notebook 6 draw, and fields to change such numbers in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import ipywidgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import IdentityTransform

from course_utils.plotting import COLOURS
from course_utils.widgets.base import pixel_figure, signed
from course_utils.widgets.stepper import Look


def tint(colour: str, share: float = 0.35) -> str:
    """That share of the colour, the rest white: a ground that black numbers are read on."""
    red, green, blue = (1 - share * (1 - c) for c in to_rgb(colour))
    return to_hex((red, green, blue))


BOARD_WIDTH = 864  # in pixels
CHOSEN, FRAME = COLOURS[0], COLOURS[1]
KEPT, EMPTY, ZERO, EDGE, FAINT = tint(CHOSEN), "white", "0.92", "0.6", "0.55"
Cell = tuple[str, str, str, str]  # the number, and the colours of ground, number and edge
NOTHING: Cell = ("", "none", "black", "none")  # a cell that is not there


def cell(number: int | str, ground: str = EMPTY, ink: str = "black") -> Cell:
    """A cell with that number, or with a sign in its place."""
    return (number if isinstance(number, str) else signed(number), ground, ink, EDGE)


BLANK = cell("")


def lit(number: int, *, is_new: bool) -> Cell:
    """A cell that the step takes or sets, dark, or that an earlier step did, light."""
    return cell(number, CHOSEN, "white") if is_new else cell(number, KEPT)


def faint(number: int | str) -> Cell:
    """A cell that carries nothing."""
    return cell(number, ZERO, FAINT)


class Cells:
    """Draw numbers in squares, as two artists: a `Text` for each number would take four times as long.

    Parameters
    ----------
    ax
        Axes in units of cells, as of `board`.
    corners
        (x, y) of the top left of each square.
    size
        Of a square.
    fontsize
        Of the numbers, in points.
    """

    def __init__(self, ax: Axes, corners: Sequence[tuple[float, float]], *, size: float = 1, fontsize: float) -> None:
        squares = [[(x, y), (x + size, y), (x + size, y + size), (x, y + size)] for x, y in corners]
        self.squares = ax.add_collection(PolyCollection(squares, linewidths=0.8), autolim=False)
        middles = [(x + size / 2, y + size / 2) for x, y in corners]
        self.numbers = PathCollection([outline("", 1)] * len(corners), offsets=middles, offset_transform=ax.transData)
        self.numbers.set(transform=IdentityTransform(), linewidths=0)
        ax.add_collection(self.numbers, autolim=False)
        self.height = fontsize * ax.figure.dpi / 72
        self.corners, self.n = corners, len(corners)
        self.artists = (self.squares, self.numbers)

    def show(self, cells: Sequence[Cell] | Mapping[int, Cell], *, others: Cell = NOTHING) -> Look:
        """The look of the squares with these cells, from the first on or by number; the others are all alike.

        Raises
        ------
        ValueError
            A cell has no square.
        """
        numbered = cells if isinstance(cells, Mapping) else dict(enumerate(cells))
        if any(i not in range(self.n) for i in numbered):
            raise ValueError(f"There are {self.n} squares, and {len(cells)} cells to show, up to {max(numbered)}.")
        numbers, grounds, inks, edges = zip(*(numbered.get(i, others) for i in range(self.n)), strict=True)
        return {
            self.squares: {"facecolors": grounds, "edgecolors": edges},
            self.numbers: {"paths": [outline(number, self.height) for number in numbers], "facecolors": inks},
        }


@lru_cache(maxsize=1_000)
def outline(text: str, height: float) -> Path:
    """The text's outline, in pixels, (0, 0) at its middle; of a digit's height, so that all stand on one line."""
    if not text:
        return Path(np.zeros((1, 2)))
    path = TextPath((0, 0), text, size=height * min(1, 3.4 / len(text)))  # a square has room for three digits
    left, right = path.get_extents().intervalx
    shift = ((left + right) / 2, TextPath((0, 0), "0", size=height).get_extents().y1 / 2)
    return Path(path.vertices - shift, path.codes)


def board(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure that is one plane, in units of cells, (0, 0) at its top left."""
    figure = pixel_figure(BOARD_WIDTH, BOARD_WIDTH * height / width)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    return figure, ax


def frame(ax: Axes, width: float, height: float) -> Rectangle:
    """A frame of that size in cells, whose `xy` a step sets."""
    rectangle = Rectangle((0, 0), width, height, fill=False, edgecolor=FRAME, linewidth=3)
    ax.add_patch(rectangle)
    return rectangle


def number_fields(
    name: str, values: Any, shape: tuple[int, ...], tooltips: Sequence[str], *, low: int, high: int
) -> tuple[ipywidgets.BoundedIntText, ...]:
    """Fields to change whole numbers in, row by row.

    Parameters
    ----------
    name
        Of the values, for the error.
    values
        To begin with.
    shape
        That the values must have.
    tooltips
        Of each field.
    low, high
        Of the numbers.

    Raises
    ------
    ValueError
        The values have another shape, are not whole numbers, or are beyond low or high.
    """
    values = torch.as_tensor(values)
    limits = f"whole numbers from {signed(low)} to {high}"
    if values.shape != shape:
        raise ValueError(f"{name} must be {limits} of shape {shape}, not of shape {tuple(values.shape)}.")
    numbers = values.nan_to_num(nan=high + 1.0).flatten().tolist()
    if any(v != round(v) or not low <= v <= high for v in numbers):
        raise ValueError(f"{name} must be {limits}; it is {values.tolist()}.")
    return tuple(
        ipywidgets.BoundedIntText(int(v), min=low, max=high, tooltip=tooltip, layout={"width": "52px"})
        for v, tooltip in zip(numbers, tooltips, strict=True)
    )
