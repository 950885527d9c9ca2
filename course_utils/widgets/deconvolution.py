"""Widget of notebook 6: deconvolution computed in two ways, number by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import ipywidgets
import torch
from matplotlib.axes import Axes
from torch import Tensor

from course_utils.layers import deconvolution, overlapping_sums
from course_utils.plotting import COLOURS
from course_utils.widgets.base import WRAPPING, labelled, signed
from course_utils.widgets.cells import BLANK, Cell, Cells, board, cell, faint, frame, lit, number_fields, tint
from course_utils.widgets.stepper import Frame, Look, Stepper


class DeconvolutionStepper(Stepper):
    """Show deconvolution in one dimension, computed in two ways side by side, one output a step.

    On the left every input number stamps its multiple of the kernel, and what stands in one column is added
    (`overlapping_sums`); on the right the reversed kernel slides over the input with zeros between and around its
    numbers (`deconvolution`). All numbers can be changed.

    Parameters
    ----------
    x, kernel
        3 whole numbers from −9 to 9 each.
    stride
        From 1 to 3.
    t
        The output to begin with.

    Raises
    ------
    ValueError
        The numbers are others than these.
    """

    N, MAX_STRIDE = 3, 3
    STAMP_COLOURS = tuple(tint(COLOURS[i], 0.45) for i in (5, 4, 3))
    LEFT, RIGHT, TOP, BOTTOM = 1.85, 14.05, 2.45, 5.75  # all of these in cells
    LONGEST = (N - 1) * MAX_STRIDE + N
    PADDED = LONGEST + N - 1
    ROWS: ClassVar = {  # the left, the top, columns and rows
        "kernel": (LEFT, 1.1, N, 1), "input": (0.45, TOP, 1, N), "stamps": (LEFT, TOP, LONGEST, N),
        "left out": (LEFT, BOTTOM, LONGEST, 1), "padded": (RIGHT, 1.1, PADDED, 1), "window": (RIGHT, TOP, PADDED, 1),
        "products": (RIGHT, TOP + 1, PADDED, 1), "right out": (RIGHT + 1, BOTTOM, LONGEST, 1),
    }  # fmt: skip
    WORDS = (  # beside them: x, y, the word, and its side at x
        (LEFT + N + 0.2, 1.6, "kernel", "left"), (0.95, TOP - 0.3, "input", "center"),
        (LEFT - 0.2, TOP + 0.5, "×", "center"), (LEFT - 0.2, TOP + 1.5, "×", "center"),
        (LEFT - 0.2, TOP + 2.5, "×", "center"),
        (LEFT - 0.2, BOTTOM + 0.5, "sum", "right"), (RIGHT - 0.2, 1.6, "padded\ninput", "right"),
        (RIGHT - 0.2, TOP + 0.5, "reversed\nkernel", "right"), (RIGHT - 0.2, TOP + 1.5, "products", "right"),
        (RIGHT - 0.2, BOTTOM + 0.5, "sum", "right"),
    )  # fmt: skip

    def __init__(
        self, x: Sequence[int] | Tensor = (1, 2, 3), kernel: Sequence[int] | Tensor = (4, 5, 6), *, stride: int = 2,
        t: int = 0,
    ) -> None:  # fmt: skip
        self.x, self.kernel = (
            number_fields(name, values, (self.N,), [f"{word} number {i + 1}" for i in range(self.N)], low=-9, high=9)
            for name, values, word in (("x", x, "input"), ("kernel", kernel, "kernel"))
        )
        if stride not in range(1, self.MAX_STRIDE + 1):
            raise ValueError(f"stride is {stride}; it must be 1, 2 or 3.")
        self.stride = ipywidgets.IntSlider(stride, 1, self.MAX_STRIDE, **labelled("stride", 240))
        self.t = ipywidgets.IntSlider(t, 0, self._n_out(), **labelled("output t", 400))
        labels = (ipywidgets.Label("input"), *self.x, ipywidgets.Label("kernel"), *self.kernel, self.stride)
        numbers = ipywidgets.HBox(labels, layout=WRAPPING)
        figure, ax = board(25.4, 7.75)
        self._draw(ax)
        moving = [artist for cells in self._cells.values() for artist in cells.artists]
        super().__init__(
            figure, (*self.x, *self.kernel, self.stride, self.t),
            (*moving, self._column, self._window, self._output, *self._below), slider=self.t,
            arrangement=ipywidgets.VBox((numbers, self.player(self.t))),
        )  # fmt: skip

    def _draw(self, ax: Axes) -> None:
        corners = {
            name: [(x + i, y + j) for j in range(n_rows) for i in range(n_columns)]
            for name, (x, y, n_columns, n_rows) in self.ROWS.items()
        }
        self._cells = {name: Cells(ax, places, fontsize=9.5) for name, places in corners.items()}
        self._column = frame(ax, 1, self.BOTTOM + 1 - self.TOP)
        self._window, self._output = frame(ax, self.N, self.TOP + 2 - 1.1), frame(ax, 1, 1)
        below: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9.5, "color": COLOURS[1]}
        self._below = [ax.text(0, self.BOTTOM + 1.4, "", **below) for _ in range(2)]
        ax.text(0.45, 0.5, "stamp and add", fontsize=11, va="center")
        ax.text(self.RIGHT - 2.0, 0.5, "pad and convolve", fontsize=11, va="center")
        for x, y, word, side in self.WORDS:
            ax.text(x, y, word, ha=side, va="center", fontsize=9, color="0.3")

    def _n_out(self) -> int:
        return (self.N - 1) * self.stride.value + self.N

    def prepare(self, control: ipywidgets.Widget | None) -> None:
        """Keep the step among the outputs that the stride leaves."""
        if control is self.stride:
            with self.held():  # with fewer outputs, a slider beyond the last goes back to it
                self.t.max = self.play.max = self._n_out()

    def frame(self, step: int) -> Frame:
        """Return the look of one output by both computations, and the line below."""
        x, kernel = ([field.value for field in fields] for fields in (self.x, self.kernel))
        left, right = self._sums(x, kernel)
        look = {**self._stamps(x, kernel), **self._slid(x, kernel, step)}
        for name, sums in (("left out", left), ("right out", right)):
            filled = [lit(number, is_new=False) if i <= step else BLANK for i, number in enumerate(sums)]
            look |= self._cells[name].show(filled)
        if step < len(left):
            return Frame({**look, **self._pointed(step)}, self._text(x, kernel, step, left[step], right[step]))
        n_out, n_equal = len(left), sum(a == b for a, b in zip(left, right, strict=True))
        verdict = "they agree" if n_equal == n_out else "they do <b>not</b> agree"
        equal = f"(<b>{n_equal}</b> of <b>{n_out}</b> are equal)"
        return Frame(look, f"all {n_out} outputs by both computations: {verdict} {equal}")

    def _sums(self, x: list[int], kernel: list[int]) -> tuple[list[int], list[int]]:
        """The outputs, by both computations."""
        rows, stride = [torch.tensor(numbers, dtype=torch.float32) for numbers in (x, kernel)], self.stride.value
        right = deconvolution(*(row.view(1, 1, -1) for row in rows), stride=stride)
        return overlapping_sums(*rows, stride=stride).int().tolist(), right.flatten().int().tolist()

    def _stamps(self, x: list[int], kernel: list[int]) -> Look:
        coloured = list(zip(x, self.STAMP_COLOURS, strict=True))
        stamps = {
            i * self.LONGEST + i * self.stride.value + j: cell(number * weight, colour)
            for i, (number, colour) in enumerate(coloured)
            for j, weight in enumerate(kernel)
        }
        return {
            **self._cells["kernel"].show([cell(weight) for weight in kernel]),
            **self._cells["input"].show([cell(number, colour) for number, colour in coloured]),
            **self._cells["stamps"].show(stamps),
        }

    def _slid(self, x: list[int], kernel: list[int], t: int) -> Look:
        # Which input number a place of the padded row holds; the others are zeros between and around them.
        source = {self.N - 1 + i * self.stride.value: i for i in range(self.N)}

        def product(place: int, weight: int = 1) -> Cell:
            i = source.get(place)
            return faint(0) if i is None else cell(weight * x[i], self.STAMP_COLOURS[i])

        n_out = self._n_out()
        window = dict(enumerate(reversed(kernel), start=t)) if t < n_out else {}
        return {
            **self._cells["padded"].show([product(place) for place in range(n_out + self.N - 1)]),
            **self._cells["window"].show({place: cell(weight) for place, weight in window.items()}),
            **self._cells["products"].show({place: product(place, weight) for place, weight in window.items()}),
        }

    def _pointed(self, t: int) -> Look:
        left, right = self.LEFT + t, self.RIGHT + t
        return {
            self._column: {"xy": (left, self.TOP)},
            self._window: {"xy": (right, 1.1)},
            self._output: {"xy": (right + 1, self.BOTTOM)},
            self._below[0]: {"text": f"t = {t}", "x": left + 0.5},
            self._below[1]: {"text": f"t = {t}", "x": right + 1.5},
        }

    def _text(self, x: list[int], kernel: list[int], t: int, left: int, right: int) -> str:
        # The zeros that were put in add nothing: what is left are the same products, in the same order.
        places = [(i, t - i * self.stride.value) for i in range(self.N)]
        pairs = [(_factor(x[i]), _factor(kernel[j])) for i, j in places if 0 <= j < self.N]
        stamped = " + ".join(f"{a}·{b}" for a, b in pairs)
        convolved = " + ".join(f"{b}·{a}" for a, b in pairs)
        return (
            f"output {t}: stamps {stamped} = <b>{signed(left)}</b>; reversed kernel {convolved} = "
            f"<b>{signed(right)}</b>"
        )


def _factor(number: int) -> str:
    return f"({signed(number)})" if number < 0 else signed(number)
