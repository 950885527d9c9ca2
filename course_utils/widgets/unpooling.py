"""Widget of notebook 6: max-pooling and unpooling, cell by cell."""

from __future__ import annotations

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.layers import MaxPool, Positions, Unpool
from course_utils.metrics import sse_of_each_image
from course_utils.widgets.base import WRAPPING, labelled
from course_utils.widgets.cells import BLANK, Cells, board, cell, faint, frame, lit, number_fields
from course_utils.widgets.stepper import Frame, Look, Stepper


class UnpoolingStepper(Stepper):
    """Show max-pooling and unpooling of a 4×4 plane, one 2×2 cell a step; its numbers can be changed at any step.

    Steps 1 to 4 pool, steps 5 to 8 unpool: with the recorded positions, or by repeating the value.

    Parameters
    ----------
    values
        The plane to begin with, `(4, 4)` whole numbers from 0 to 9.
    step
        Where to begin, from 0 (the input alone) to 8.

    Raises
    ------
    ValueError
        The values have another shape, or are not whole numbers from 0 to 9.
    """

    DEFAULT = ((1, 3, 2, 0), (0, 5, 7, 4), (6, 2, 1, 8), (3, 5, 0, 8))
    PLACES = ("top left", "top right", "bottom left", "bottom right")
    N_CELLS = 4

    def __init__(self, values: Tensor | None = None, *, step: int = 0) -> None:
        tooltips = [f"input, row {i // 4 + 1}, column {i % 4 + 1}" for i in range(16)]
        values = torch.tensor(self.DEFAULT) if values is None else values
        self.fields = number_fields("values", values, (4, 4), tooltips, low=0, high=9)
        self.step = ipywidgets.IntSlider(step, 0, 2 * self.N_CELLS, **labelled("step", 400))
        self.way_up = ipywidgets.ToggleButtons(options=("positions", "repeat"), description="way up")
        grid = ipywidgets.GridBox(self.fields, layout={"grid_template_columns": "repeat(4, 56px)"})
        plane = ipywidgets.VBox((ipywidgets.Label("input (0 to 9)"), grid))
        steps = ipywidgets.VBox((self.way_up, self.player(self.step)))
        figure = self._draw()
        moving = [artist for cells in self._cells.values() for artist in cells.artists]
        super().__init__(
            figure, (*self.fields, self.step, self.way_up), (*moving, *self._frames.values()), slider=self.step,
            arrangement=ipywidgets.HBox((plane, steps), layout=WRAPPING),
        )  # fmt: skip

    def _draw(self) -> Figure:
        figure, ax = board(16.8, 5.35)
        gap, top = 0.15, 0.95
        plane = [(c + gap * (c // 2), top + r + gap * (r // 2)) for r in range(4) for c in range(4)]
        small: list[tuple[float, float]] = [(c, 1 + top + r - 0.5) for r in range(2) for c in range(2)]
        panels = {"input": (plane, 0.2), "pooled": (small, 6.1), "positions": (small, 8.8), "unpooled": (plane, 12.45)}
        corners = {name: [(x + left, y) for x, y in places] for name, (places, left) in panels.items()}
        self._cells = {name: Cells(ax, places, fontsize=15) for name, places in corners.items()}
        self._frames = {name: frame(ax, *((2, 2) if name in ("input", "unpooled") else (1, 1))) for name in self._cells}
        for name, places in corners.items():
            ax.text(places[0][0], places[0][1] - 0.25, name, fontsize=11)
        for x, word in ((5.2, "max-pool"), (11.62, "unpool")):
            ax.annotate("", (x + 0.5, 2.45), (x - 0.5, 2.45), arrowprops={"arrowstyle": "->", "color": "0.3"})
            ax.text(x, 2.25, word, ha="center", fontsize=9, color="0.3")
        self._draw_places(ax)
        return figure

    def _draw_places(self, ax: Axes) -> None:
        """The legend: how the places within a cell are numbered."""
        x, y, size = 9.8, 4.1, 0.5
        legend = Cells(ax, [(x + size * (i % 2), y + size * (i // 2)) for i in range(4)], size=size, fontsize=9)
        for artist, properties in legend.show([cell(i, ink="0.3") for i in range(4)]).items():
            artist.set(**properties)
        ax.text(x - 0.15, y + size, "places\nin a cell:", ha="right", va="center", fontsize=9, color="0.3")

    def frame(self, step: int) -> Frame:
        """Return the look of one step of pooling or unpooling, and the line below."""
        x = torch.tensor([float(field.value) for field in self.fields]).view(1, 1, 4, 4)
        pooled, positions = MaxPool(2)(x)
        unpooled = Unpool(2, mode=self.way_up.value)(pooled, positions if self._by_positions else None)
        look = {**self._way_down(step, pooled, positions), **self._way_up(step, unpooled, positions)}
        return Frame({**look, **self._framed(step)}, self._text(step, x, unpooled, positions))

    @property
    def _by_positions(self) -> bool:
        return self.way_up.value == "positions"

    def _way_down(self, step: int, pooled: Tensor, positions: Positions) -> Look:
        n_done = min(step, self.N_CELLS)
        values, kept = pooled.flatten().int().tolist(), positions.indices.flatten().tolist()
        numbers = [cell(field.value) for field in self.fields]
        for i in range(n_done):
            numbers[kept[i]] = lit(values[i], is_new=i == step - 1)
        recorded = [faint("–")] * self.N_CELLS  # none are needed
        if self._by_positions:
            recorded = [cell(place) for place in positions.within_cells().flatten().tolist()[:n_done]]
        return {
            **self._cells["input"].show(numbers),
            **self._cells["pooled"].show([lit(value, is_new=False) for value in values[:n_done]], others=BLANK),
            **self._cells["positions"].show(recorded, others=BLANK),
        }

    def _way_up(self, step: int, unpooled: Tensor, positions: Positions) -> Look:
        now, kept = step - self.N_CELLS - 1, positions.indices.flatten().tolist()
        cells = {
            i: lit(number, is_new=_cell_of(i) == now) if i in kept or not self._by_positions
            else faint(number)
            for i, number in enumerate(unpooled.flatten().int().tolist()) if _cell_of(i) <= now
        }  # fmt: skip
        return self._cells["unpooled"].show(cells, others=BLANK)

    def _framed(self, step: int) -> Look:
        if step == 0:
            return {}
        now, up = (step - 1) % self.N_CELLS, step > self.N_CELLS
        first = 8 * (now // 2) + 2 * (now % 2)  # the number at the top left of the cell
        framed = {"unpooled" if up else "input": first, "pooled": now}
        framed |= {"positions": now} if self._by_positions else {}
        return {self._frames[name]: {"xy": self._cells[name].corners[i]} for name, i in framed.items()}

    def _text(self, step: int, x: Tensor, unpooled: Tensor, positions: Positions) -> str:
        if step == 0:
            return "The input: 16 numbers in 4 cells of 2×2. Step on: max-pooling keeps the largest of each cell."
        now = (step - 1) % self.N_CELLS
        value = int(x.flatten()[positions.indices.flatten()[now]])
        place = int(positions.within_cells().flatten()[now])
        head, where = f"cell {now + 1} of {self.N_CELLS}: ", f"place {place} ({self.PLACES[place]})"
        if step <= self.N_CELLS:
            return f"{head}the largest is <b>{value}</b>{self._recorded(now, value, where, positions)}"
        to = f"goes back to {where}, the other three become 0" if self._by_positions else "fills the cell"
        lost = f".<br>{self._lost(x, unpooled, positions)}" if step == self.step.max else ""
        return f"{head}<b>{value}</b> {to}{lost}"

    def _recorded(self, now: int, value: int, where: str, positions: Positions) -> str:
        if not self._by_positions:
            return "; its place is not recorded"
        n_equal = sum(field.value == value for i, field in enumerate(self.fields) if _cell_of(i) == now)
        first = f", the first of {n_equal} equal ones" if n_equal > 1 else ""
        return f", at {where}{first}: {positions.n_bits / self.N_CELLS:g} bits to remember"

    def _lost(self, x: Tensor, unpooled: Tensor, positions: Positions) -> str:
        sse = sse_of_each_image(unpooled, x).item()
        bits = f"{self.N_CELLS} × {positions.n_bits / self.N_CELLS:g} = <b>{positions.n_bits:g}</b> bits"
        needed = f"the positions needed {bits}" if self._by_positions else "no positions were needed: <b>0</b> bits"
        lost = f"What was lost: the squared differences input − unpooled sum to <b>{sse:g}</b>."
        return f"{lost} Beside the {self.N_CELLS} numbers, {needed}."


def _cell_of(i: int) -> int:
    """The 2×2 cell that number i of the 4×4 plane lies in."""
    return i // 8 * 2 + i % 4 // 2
