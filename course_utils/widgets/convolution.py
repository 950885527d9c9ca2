"""Widgets of notebook 6: max-pooling and unpooling cell by cell, deconvolution number by number, positions swapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from torch import Tensor

from course_utils.layers import MaxPool, Positions, Unpool, deconvolution, overlapping_sums
from course_utils.metrics import sse_of_each_image
from course_utils.models import ConvAutoencoder
from course_utils.plotting import COLOURS
from course_utils.widgets.base import LiveFigure, grey_shape, picture


def _tint(colour: str, share: float = 0.35) -> str:
    """That share of the colour, the rest white: a ground that black numbers are read on."""
    return to_hex([1 - share * (1 - c) for c in to_rgb(colour)])


CHOSEN, FRAME = COLOURS[0], COLOURS[1]
KEPT, EMPTY, ZERO, EDGE, FAINT = _tint(CHOSEN), "white", "0.92", "0.6", "0.55"
NOTHING = ("", "none", "black", "none")  # a cell that is not there
Cell = tuple[str, str, str, str]  # the number, and the colours of ground, number and edge


def _cell(number: int | str, ground: str = EMPTY, ink: str = "black") -> Cell:
    return (number if isinstance(number, str) else _signed(number), ground, ink, EDGE)


class _Cells:
    """Squares with a number in each, as two artists: a `Text` for each number would take four times as long to draw."""

    def __init__(self, ax: Axes, corners: Sequence[tuple[float, float]], *, size: float = 1, fontsize: float) -> None:
        squares = [[(x, y), (x + size, y), (x + size, y + size), (x, y + size)] for x, y in corners]
        self._squares = ax.add_collection(PolyCollection(squares, linewidths=0.8), autolim=False)
        middles = [(x + size / 2, y + size / 2) for x, y in corners]
        self._numbers = PathCollection([_outline("", 1)] * len(corners), offsets=middles, offset_transform=ax.transData)
        self._numbers.set(transform=IdentityTransform(), linewidths=0)
        ax.add_collection(self._numbers, autolim=False)
        self._height = fontsize * ax.figure.dpi / 72
        self.n = len(corners)
        self.artists = (self._squares, self._numbers)

    def show(self, cells: Sequence[Cell]) -> None:
        """One for each square, in the order of the corners."""
        if len(cells) != self.n:
            raise ValueError(f"There are {self.n} squares, and {len(cells)} cells to show.")
        numbers, grounds, inks, edges = zip(*cells, strict=True)
        self._squares.set(facecolors=grounds, edgecolors=edges)
        self._numbers.set(paths=[_outline(number, self._height) for number in numbers], facecolors=inks)


@lru_cache(maxsize=1_000)
def _outline(text: str, height: float) -> Path:
    """The text's outline, in pixels, (0, 0) at its middle; of a digit's height, so that all stand on one line."""
    if not text:
        return Path(np.zeros((1, 2)))
    path = TextPath((0, 0), text, size=height * min(1, 3.4 / len(text)))  # a square has room for three digits
    left, right = path.get_extents().intervalx
    shift = ((left + right) / 2, TextPath((0, 0), "0", size=height).get_extents().y1 / 2)
    return Path(path.vertices - shift, path.codes)


def _board(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure that is one plane, in units of cells, (0, 0) at its top left."""
    figure = Figure(figsize=(9.6, 9.6 * height / width), dpi=90, layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    return figure, ax


def _frame(ax: Axes, width: float, height: float) -> Rectangle:
    return ax.add_patch(Rectangle((0, 0), width, height, fill=False, edgecolor=FRAME, linewidth=3, visible=False))


def _move(frame: Rectangle, corner: tuple[float, float] | None) -> None:
    frame.set_visible(corner is not None)
    if corner is not None:
        frame.set_xy(corner)


def _field(value: int, low: int, high: int, tooltip: str) -> ipywidgets.BoundedIntText:
    return ipywidgets.BoundedIntText(value, min=low, max=high, tooltip=tooltip, layout={"width": "52px"})


def _signed(number: int) -> str:
    return f"{number:d}".replace("-", "−")


def _factor(number: int) -> str:
    return f"({_signed(number)})" if number < 0 else _signed(number)


def _whole_numbers(name: str, values: Any, shape: tuple[int, ...], low: int, high: int) -> list[int]:
    """The values row by row; ValueError for another shape, for fractions, and beyond the limits."""
    values = torch.as_tensor(values)
    limits = f"whole numbers from {low} to {high}".replace("-", "−")
    if values.shape != shape:
        raise ValueError(f"{name} must be {limits} of shape {shape}, not of shape {tuple(values.shape)}.")
    if any(v != round(v) or not low <= v <= high for v in values.nan_to_num(nan=high + 1.0).flatten().tolist()):
        raise ValueError(f"{name} must be {limits}; it is {values.tolist()}.")
    return [int(v) for v in values.flatten().tolist()]


class UnpoolingStepper(LiveFigure):
    """Max-pooling and unpooling of a 4×4 plane, one 2×2 cell a step: the plane's numbers can be changed at any step.

    values: `(4, 4)` whole numbers from 0 to 9 to begin with; step: where to begin, 0 (the input alone) to 8. Steps 1
    to 4 pool, steps 5 to 8 unpool: with the recorded positions, or by repeating the value.
    Raises ValueError for other values.
    """

    DEFAULT = ((1, 3, 2, 0), (0, 5, 7, 4), (6, 2, 1, 8), (3, 5, 0, 8))
    PLACES = ("top left", "top right", "bottom left", "bottom right")
    N_CELLS = 4

    def __init__(self, values: Tensor | None = None, *, step: int = 0) -> None:
        numbers = _whole_numbers("values", self.DEFAULT if values is None else values, (4, 4), 0, 9)
        self.fields = tuple(
            _field(number, 0, 9, f"input, row {i // 4 + 1}, column {i % 4 + 1}") for i, number in enumerate(numbers)
        )
        last = 2 * self.N_CELLS
        self.step = ipywidgets.IntSlider(step, 0, last, description="step", layout={"width": "400px"})
        self.play = ipywidgets.Play(value=self.step.value, min=0, max=last, interval=1200)
        self.link = ipywidgets.jslink((self.play, "value"), (self.step, "value"))  # in the browser: no way round
        self.way_up = ipywidgets.ToggleButtons(options=("positions", "repeat"), description="way up")

        figure, ax = _board(16.8, 5.35)
        gap, top = 0.15, 0.95
        plane = [(c + gap * (c // 2), top + r + gap * (r // 2)) for r in range(4) for c in range(4)]
        small = [(c, 1 + top + r) for r in range(2) for c in range(2)]
        self._corners = {
            "input": [(x + 0.2, y) for x, y in plane],
            "pooled": [(x + 6.1, y - 0.5) for x, y in small],
            "positions": [(x + 8.8, y - 0.5) for x, y in small],
            "unpooled": [(x + 12.45, y) for x, y in plane],
        }
        self._cells = {name: _Cells(ax, corners, fontsize=15) for name, corners in self._corners.items()}
        self._frames = {
            name: _frame(ax, *((2, 2) if name in ("input", "unpooled") else (1, 1))) for name in self._corners
        }
        for name, corners in self._corners.items():
            ax.text(corners[0][0], corners[0][1] - 0.25, name, fontsize=11)
        for x, word in ((5.2, "max-pool"), (11.62, "unpool")):
            ax.annotate("", (x + 0.5, 2.45), (x - 0.5, 2.45), arrowprops={"arrowstyle": "->", "color": "0.3"})
            ax.text(x, 2.25, word, ha="center", fontsize=9, color="0.3")
        self._draw_places(ax)
        moving = [artist for cells in self._cells.values() for artist in cells.artists]
        grid = ipywidgets.GridBox(self.fields, layout={"grid_template_columns": "repeat(4, 56px)"})
        wrapping = {"flex_flow": "row wrap"}  # in a narrow window
        steps = ipywidgets.VBox((self.way_up, ipywidgets.HBox((self.play, self.step), layout=wrapping)))
        plane_and_steps = (ipywidgets.VBox((ipywidgets.Label("input (0 to 9)"), grid)), steps)
        super().__init__(
            figure, (*self.fields, self.step, self.way_up), (*moving, *self._frames.values()),
            arrangement=ipywidgets.HBox(plane_and_steps, layout=wrapping),
        )  # fmt: skip

    def _draw_places(self, ax: Axes) -> None:
        """The legend: how the places within a cell are numbered."""
        x, y, size = 9.8, 4.1, 0.5
        corners = [(x + size * (i % 2), y + size * (i // 2)) for i in range(4)]
        legend = _Cells(ax, corners, size=size, fontsize=9)
        legend.show([_cell(i, ink="0.3") for i in range(4)])
        ax.text(x - 0.15, y + size, "places\nin a cell:", ha="right", va="center", fontsize=9, color="0.3")

    def update(self) -> str:
        x = torch.tensor([float(field.value) for field in self.fields]).view(1, 1, 4, 4)
        by_positions, step = self.way_up.value == "positions", self.step.value
        pooled, positions = MaxPool(2)(x)
        unpooled = Unpool(2, mode=self.way_up.value)(pooled, positions if by_positions else None)
        values, places = pooled.flatten().int().tolist(), positions.within_cells().flatten().tolist()
        kept = positions.indices.flatten().tolist()
        now, up = (step - 1) % self.N_CELLS, step > self.N_CELLS  # the cell of this step, and the way
        self._move_frames(now if step else None, up, by_positions)
        self._show_way_down(min(step, self.N_CELLS), now, up, values, kept, places if by_positions else None)
        kept_places = kept if by_positions else list(range(16))
        self._show_way_up(step - self.N_CELLS, unpooled.flatten().int().tolist(), kept_places)
        if step == 0:
            return "The input: 16 numbers in 4 cells of 2×2. Step on: max-pooling keeps the largest of each cell."
        head = f"cell {now + 1} of {self.N_CELLS}: "
        if not up:
            n_equal = sum(field.value == values[now] for i, field in enumerate(self.fields) if _cell_of(i) == now)
            return head + self._pooled(values[now], places[now], n_equal, by_positions, positions)
        head += f"<b>{values[now]}</b> "
        if by_positions:
            head += f"goes back to place {places[now]} ({self.PLACES[places[now]]}), the other three become 0"
        else:
            head += "fills the cell"
        return head if step < 2 * self.N_CELLS else f"{head}.<br>{self._lost(x, unpooled, positions, by_positions)}"

    def _show_way_down(
        self, n_done: int, now: int, up: bool, values: list[int], kept: list[int], places: list[int] | None
    ) -> None:
        cells = [_cell(field.value) for field in self.fields]
        for i in range(n_done):
            cells[kept[i]] = _cell(values[i], CHOSEN, "white") if i == now and not up else _cell(values[i], KEPT)
        self._cells["input"].show(cells)
        to_come = [_cell("")] * (self.N_CELLS - n_done)
        self._cells["pooled"].show([_cell(value, KEPT) for value in values[:n_done]] + to_come)
        recorded = [_cell("–", ZERO, FAINT)] * self.N_CELLS  # none are needed
        if places is not None:
            recorded = [_cell(place) for place in places[:n_done]] + to_come
        self._cells["positions"].show(recorded)

    def _show_way_up(self, n_done: int, numbers: list[int], kept: list[int]) -> None:
        cells = []
        for i, number in enumerate(numbers):
            if _cell_of(i) >= n_done:
                cells.append(_cell(""))
            elif i not in kept:
                cells.append(_cell(number, ZERO, FAINT))
            else:
                is_new = _cell_of(i) == n_done - 1
                cells.append(_cell(number, CHOSEN, "white") if is_new else _cell(number, KEPT))
        self._cells["unpooled"].show(cells)

    def _move_frames(self, now: int | None, up: bool, by_positions: bool) -> None:
        framed = {"pooled", "unpooled" if up else "input"} | ({"positions"} if by_positions else set())
        for name, frame in self._frames.items():
            corners = self._corners[name]
            if now is None or name not in framed:
                _move(frame, None)
            else:
                _move(frame, corners[now if len(corners) == 4 else 8 * (now // 2) + 2 * (now % 2)])

    def _pooled(self, value: int, place: int, n_equal: int, by_positions: bool, positions: Positions) -> str:
        if not by_positions:
            return f"the largest is <b>{value}</b>; its place is not recorded"
        first = f", the first of {n_equal} equal ones" if n_equal > 1 else ""
        where = f"at place {place} ({self.PLACES[place]}){first}"
        return f"the largest is <b>{value}</b>, {where}: {positions.n_bits / self.N_CELLS:g} bits to remember"

    def _lost(self, x: Tensor, unpooled: Tensor, positions: Positions, by_positions: bool) -> str:
        sse = sse_of_each_image(unpooled, x).item()
        bits = f"{self.N_CELLS} × {positions.n_bits / self.N_CELLS:g} = <b>{positions.n_bits:g}</b> bits"
        needed = f"the positions needed {bits}" if by_positions else "no positions were needed: <b>0</b> bits"
        lost = f"What was lost: the squared differences input − unpooled sum to <b>{sse:g}</b>."
        return f"{lost} Beside the {self.N_CELLS} numbers, {needed}."


def _cell_of(i: int) -> int:
    """The 2×2 cell that number i of the 4×4 plane lies in."""
    return i // 8 * 2 + i % 4 // 2


class DeconvolutionStepper(LiveFigure):
    """Deconvolution in one dimension, computed in two ways side by side, one output a step.

    On the left every input number stamps its multiple of the kernel, and what stands in one column is added
    (`overlapping_sums`); on the right the reversed kernel slides over the input with zeros between and around its
    numbers (`deconvolution`).
    x, kernel: 3 whole numbers from −9 to 9 each; stride: 1 to 3; t: the output to begin with. All can be changed.
    Raises ValueError for others.
    """

    N, MAX_STRIDE = 3, 3
    STAMP_COLOURS = tuple(_tint(COLOURS[i], 0.45) for i in (5, 4, 3))

    def __init__(
        self, x: Sequence[int] | Tensor = (1, 2, 3), kernel: Sequence[int] | Tensor = (4, 5, 6), *, stride: int = 2,
        t: int = 0,
    ) -> None:  # fmt: skip
        x, kernel = (_whole_numbers(name, v, (self.N,), -9, 9) for name, v in (("x", x), ("kernel", kernel)))
        if stride not in range(1, self.MAX_STRIDE + 1):
            raise ValueError(f"stride is {stride}; it must be 1, 2 or 3.")
        self.x = tuple(_field(number, -9, 9, f"input number {i + 1}") for i, number in enumerate(x))
        self.kernel = tuple(_field(number, -9, 9, f"kernel number {i + 1}") for i, number in enumerate(kernel))
        self.stride = ipywidgets.IntSlider(stride, 1, self.MAX_STRIDE, description="stride", layout={"width": "240px"})
        n_out = self._n_out()
        self.t = ipywidgets.IntSlider(t, 0, n_out, description="output t", layout={"width": "400px"})
        self.play = ipywidgets.Play(value=self.t.value, min=0, max=n_out, interval=1200)
        self.link = ipywidgets.jslink((self.play, "value"), (self.t, "value"))

        longest = (self.N - 1) * self.MAX_STRIDE + self.N
        n_padded = longest + self.N - 1
        figure, ax = _board(25.4, 7.75)
        self._left, self._right, self._top, self._bottom = 1.85, 14.05, 2.45, 5.75
        rows = {
            "kernel": (self._left, 1.1, self.N), "input": None, "stamps": None,
            "left out": (self._left, self._bottom, longest),
            "padded": (self._right, 1.1, n_padded), "window": (self._right, self._top, n_padded),
            "products": (self._right, self._top + 1, n_padded),
            "right out": (self._right + 1, self._bottom, longest),
        }  # fmt: skip
        stamps_at = [self._top + i for i in range(self.N)]
        corners = {name: [(row[0] + i, row[1]) for i in range(row[2])] for name, row in rows.items() if row}
        corners["input"] = [(0.45, y) for y in stamps_at]
        corners["stamps"] = [(self._left + i, y) for y in stamps_at for i in range(longest)]
        self._cells = {name: _Cells(ax, corners[name], fontsize=9.5) for name in rows}
        self._column = _frame(ax, 1, self._bottom + 1 - self._top)
        self._window, self._output = _frame(ax, self.N, self._top + 2 - 1.1), _frame(ax, 1, 1)
        below = {"y": self._bottom + 1.4, "s": "", "ha": "center", "va": "center", "fontsize": 9.5, "color": FRAME}
        self._below = [ax.text(x=0, **below) for _ in range(2)]
        self._draw_words(ax)
        moving = [artist for cells in self._cells.values() for artist in cells.artists]
        wrapping = {"flex_flow": "row wrap"}  # in a narrow window
        numbers = (ipywidgets.Label("input"), *self.x, ipywidgets.Label("kernel"), *self.kernel, self.stride)
        rows_of_controls = [ipywidgets.HBox(row, layout=wrapping) for row in (numbers, (self.play, self.t))]
        super().__init__(
            figure, (*self.x, *self.kernel, self.stride, self.t),
            (*moving, self._column, self._window, self._output, *self._below),
            arrangement=ipywidgets.VBox(rows_of_controls),
        )  # fmt: skip

    def _draw_words(self, ax: Axes) -> None:
        ax.text(0.45, 0.5, "stamp and add", fontsize=11, va="center")
        ax.text(self._right - 2.0, 0.5, "pad and convolve", fontsize=11, va="center")
        beside = {"fontsize": 9, "va": "center", "color": "0.3"}
        ax.text(self._left + self.N + 0.2, 1.6, "kernel", **beside)
        ax.text(0.95, self._top - 0.3, "input", ha="center", **beside)
        for y in range(self.N):
            ax.text(self._left - 0.2, self._top + y + 0.5, "×", ha="center", **beside)
        ax.text(self._left - 0.2, self._bottom + 0.5, "sum", ha="right", **beside)
        words = {1.6: "padded\ninput", self._top + 0.5: "reversed\nkernel", self._top + 1.5: "products"}
        for y, word in {**words, self._bottom + 0.5: "sum"}.items():
            ax.text(self._right - 0.2, y, word, ha="right", **beside)

    def _n_out(self) -> int:
        return (self.N - 1) * self.stride.value + self.N

    def _changed(self, change: Mapping[str, Any]) -> None:
        if change["owner"] is self.stride:
            # Fewer outputs: a slider beyond the last goes back to it, and draws for itself.
            self.t.max = self.play.max = self._n_out()
        super()._changed(change)

    def update(self) -> str:
        x, kernel = ([field.value for field in fields] for fields in (self.x, self.kernel))
        stride, n_out, t = self.stride.value, self._n_out(), self.t.value
        x_row, kernel_row = (torch.tensor(numbers, dtype=torch.float32) for numbers in (x, kernel))
        left = overlapping_sums(x_row, kernel_row, stride=stride).int().tolist()
        right = deconvolution(x_row.view(1, 1, -1), kernel_row.view(1, 1, -1), stride=stride).flatten().int().tolist()
        self._show_stamps(x, kernel)
        self._show_window(x, kernel)
        for name, sums in (("left out", left), ("right out", right)):
            filled = [_cell(number, KEPT) if i <= t else _cell("") for i, number in enumerate(sums)]
            self._show(name, filled)
        self._point_at(t if t < n_out else None)
        if t == n_out:
            n_equal = sum(a == b for a, b in zip(left, right, strict=True))
            verdict = "they agree" if n_equal == n_out else "they do <b>not</b> agree"
            return f"all {n_out} outputs by both computations: {verdict} (<b>{n_equal}</b> of <b>{n_out}</b> are equal)"
        # The zeros that were put in add nothing: what is left are the same products, in the same order.
        overlapping = [(i, t - i * stride) for i in range(self.N) if 0 <= t - i * stride < self.N]
        stamped = " + ".join(f"{_factor(x[i])}·{_factor(kernel[j])}" for i, j in overlapping)
        convolved = " + ".join(f"{_factor(kernel[j])}·{_factor(x[i])}" for i, j in overlapping)
        return (
            f"output {t}: stamps {stamped} = <b>{_signed(left[t])}</b>; reversed kernel {convolved} = "
            f"<b>{_signed(right[t])}</b>"
        )

    def _show(self, name: str, cells: Sequence[Cell]) -> None:
        """These cells, and nothing in the room for a larger stride."""
        self._cells[name].show([*cells, *[NOTHING] * (self._cells[name].n - len(cells))])

    def _show_stamps(self, x: list[int], kernel: list[int]) -> None:
        self._show("kernel", [_cell(weight) for weight in kernel])
        self._show("input", [_cell(number, colour) for number, colour in zip(x, self.STAMP_COLOURS, strict=True)])
        longest = self._cells["stamps"].n // self.N
        stamps = [NOTHING] * (self.N * longest)
        for i, (number, colour) in enumerate(zip(x, self.STAMP_COLOURS, strict=True)):
            first = i * longest + i * self.stride.value
            stamps[first : first + self.N] = [_cell(number * weight, colour) for weight in kernel]
        self._show("stamps", stamps)

    def _show_window(self, x: list[int], kernel: list[int]) -> None:
        t, n_out = self.t.value, self._n_out()
        window = range(t, t + self.N) if t < n_out else range(0)
        # Which input number a place of the padded row holds; the others are zeros between and around them.
        source = {self.N - 1 + i * self.stride.value: i for i in range(self.N)}
        padded, weights, products = [], [], []
        for place in range(n_out + self.N - 1):
            is_number = place in source
            number = x[source[place]] if is_number else 0
            colours = (self.STAMP_COLOURS[source[place]], "black") if is_number else (ZERO, FAINT)
            weight = kernel[self.N - 1 - (place - t)] if place in window else None  # reversed
            padded.append(_cell(number, *colours))
            weights.append(NOTHING if weight is None else _cell(weight))
            products.append(NOTHING if weight is None else _cell(weight * number, *colours))
        self._show("padded", padded)
        self._show("window", weights)
        self._show("products", products)

    def _point_at(self, t: int | None) -> None:
        at = None if t is None else (self._left + t, self._top)
        _move(self._column, at)
        _move(self._window, t if t is None else (self._right + t, 1.1))
        _move(self._output, t if t is None else (self._right + 1 + t, self._bottom))
        for text, first in zip(self._below, (self._left, self._right + 1), strict=True):
            text.set(text="" if t is None else f"t = {t}", x=first + (t or 0) + 0.5)


class PositionsExplorer(LiveFigure):
    """What the positions of the maxima carry: a code of one digit is decoded with the positions of another.

    model: a ConvAutoencoder with unpool="positions"; images: `(n, 1, h, w)` grey images that it takes, n of at least 2.
    Two sliders choose A and B. Below each picture: its SSE to A and to B, the smaller one bold.
    Raises ValueError for a model without positions, for one image, and for images of another size.
    """

    DECODED = (("A", "A"), ("A", "B"), ("B", "A"), ("A", "shuffled"), ("average", "A"))
    SEED = 0

    def __init__(self, model: ConvAutoencoder, images: Tensor, *, a: int = 0, b: int = 1) -> None:
        n, h, w = grey_shape(images)
        if getattr(model, "unpool", None) != "positions":
            raise ValueError("This widget needs a ConvAutoencoder with unpool='positions': others record no positions.")
        if n < 2:
            raise ValueError("There is one image: positions are swapped between two, so n must be at least 2.")
        self._model, self._images = model, images
        with _evaluating(model):
            self._codes, self._positions = model.encode_with_positions(images.to(next(model.parameters()).device))
        generator = torch.Generator().manual_seed(self.SEED)
        self._shuffled = [positions.shuffled(generator) for positions in self._positions]
        self.a = ipywidgets.IntSlider(a, 0, n - 1, description="digit A", layout={"width": "320px"})
        self.b = ipywidgets.IntSlider(b, 0, n - 1, description="digit B", layout={"width": "320px"})
        figure, moving = self._draw((h, w))
        super().__init__(figure, (self.a, self.b), moving)

    def _draw(self, shape: tuple[int, int]) -> tuple[Figure, list[Any]]:
        width, height = 864, 196
        figure = Figure(figsize=(width / 90, height / 90), dpi=90, layout="none")
        size, top, gap = 104, 46, 8
        words_end = 2 * (size + gap) + 80
        lefts = [0, size + gap, *(words_end + 4 + i * (size + gap) for i in range(len(self.DECODED)))]
        self._pictures, self._errors = [], []
        for left in lefts:
            ax = figure.add_axes((left / width, 1 - (top + size) / height, size / width, size / height))
            self._pictures.append(picture(ax, "", shape))
        lines = {"code": 16, "positions": 34, "SSE to A": top + size + 13, "SSE to B": top + size + 31}
        for word, y in lines.items():
            x = (words_end - 2) / width
            figure.text(x, 1 - y / height, word, ha="right", va="center", fontsize=9.5, color="0.3")
        style = {"ha": "center", "va": "center", "fontsize": 10}
        for name, shown in zip("AB", self._pictures, strict=False):
            self._write(shown.axes, size, lines["positions"] - top, name, **style)
        for shown, names in zip(self._pictures[2:], self.DECODED, strict=True):
            for line, name in zip(("code", "positions"), names, strict=True):
                self._write(shown.axes, size, lines[line] - top, name, **style)
            self._errors.append(
                [self._write(shown.axes, size, lines[f"SSE to {name}"] - top, "", **style) for name in "AB"]
            )
        return figure, [*self._pictures, *(text for pair in self._errors for text in pair)]

    @staticmethod
    def _write(ax: Axes, size: int, y: float, text: str, **style: Any) -> Any:
        """Text at y pixels below the top of a picture of that size; A and B each in a colour of its own."""
        colour = {"A": COLOURS[0], "B": COLOURS[1]}.get(text, "black")
        weight = "bold" if text in ("A", "B") else "normal"
        return ax.text(0.5, 1 - y / size, text, transform=ax.transAxes, color=colour, weight=weight, **style)

    def update(self) -> str:
        pair = {"A": self.a.value, "B": self.b.value}
        x_hat = self._decoded(**pair)
        for shown, image in zip(self._pictures, [*self._images[list(pair.values())], *x_hat], strict=True):
            shown.set_data(image[0].numpy())
        errors = [sse_of_each_image(x_hat, self._images[[i]].expand_as(x_hat)).tolist() for i in pair.values()]
        for texts, sses in zip(self._errors, zip(*errors, strict=True), strict=True):
            for text, sse in zip(texts, sses, strict=True):
                text.set(text=f"{sse:.1f}", weight="bold" if sse == min(sses) else "normal")
        right, swapped, _, shuffled, _ = errors[0]
        return (
            f"code of A, SSE against A: with its own positions <b>{right:.2f}</b>, with B's <b>{swapped:.2f}</b>, with "
            f"shuffled ones <b>{shuffled:.2f}</b>. The code has {self._codes.shape[1]} numbers; the positions are "
            f"{self._bits:,.0f} bits more."
        )

    @property
    def _bits(self) -> float:
        return sum(positions.n_bits for positions in self._positions)

    def _decoded(self, **pair: int) -> Tensor:
        codes = {"average": self._codes.mean(0), **{name: self._codes[i] for name, i in pair.items()}}
        z = torch.stack([codes[code] for code, _ in self.DECODED])
        # One batch: of every pooling the rows that DECODED names, from the recorded positions or the shuffled ones.
        positions = []
        for recorded, shuffled in zip(self._positions, self._shuffled, strict=True):
            sources = {"shuffled": shuffled[[pair["A"]]], **{name: recorded[[i]] for name, i in pair.items()}}
            indices = torch.cat([sources[name].indices for _, name in self.DECODED])
            positions.append(Positions(indices, recorded.size, recorded.kernel_size))
        with _evaluating(self._model):
            return self._model.decode(z, positions).cpu()


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """In eval mode and without a gradient, as `encode_all`, which gives no positions; afterwards in its mode again."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
