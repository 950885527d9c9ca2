"""A net that is trained layer after layer, as `PretrainingStepper` draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from matplotlib.artist import Artist
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from course_utils.plotting import COLOURS
from course_utils.widgets.base import pixel_axes
from course_utils.widgets.stepper import Look

DATA, TRAINED, PALE, FAINT = COLOURS[0], COLOURS[1], "#F9D3B4", "0.6"
Corners = list[tuple[float, float]]


@dataclass(frozen=True)
class WeightLook:
    """How the weights between two layers are drawn, the word on them, and the colour of the layer that they lead to."""

    word: str
    face: str
    edge: str
    style: str
    layer: str


LOOKS = {
    "untrained": WeightLook("untrained", "0.97", FAINT, "--", "0.9"),
    "training": WeightLook("training", PALE, TRAINED, "-", TRAINED),
    "frozen": WeightLook("frozen", "0.55", "0.2", "-", "0.25"),
    "pre-trained": WeightLook("pre-\ntrained", "0.55", "0.2", "-", "0.25"),
    "random": WeightLook("random", PALE, TRAINED, "-", TRAINED),
    "nothing": WeightLook("", "none", "none", "-", "none"),
}


class NetDrawing:
    """Draw a net from left to right, layers as columns, weights as trapezoids, and above it the mirror of one of them.

    Parameters
    ----------
    figure
        Where it is drawn, at the left.
    sizes
        Numbers a layer; the last is of the head, which is drawn at the end alone.
    """

    WIDTH = 412  # all of these in pixels
    MIDDLE, UPPER_MIDDLE, TALLEST, COLUMN = 176, 54, 92, 14
    BELOW = MIDDLE + TALLEST / 2

    def __init__(self, figure: Figure, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        height = figure.bbox.height
        self._ax = ax = pixel_axes(figure, 0, 0, self.WIDTH, height)
        ax.set(xlim=(0, self.WIDTH), ylim=(height, 0))  # in pixels, (0, 0) at the top left
        ax.set_axis_off()
        slot = min(90, (self.WIDTH - 60) / (len(sizes) - 1))
        self.x = [34 + i * slot for i in range(len(sizes))]
        self._heights = [max(16, self.TALLEST * size / max(sizes)) for size in sizes]
        columns = [self._column(i, self.MIDDLE) for i in range(len(sizes))]
        trapezoids = [self._trapezoid(i, self.MIDDLE) for i in range(len(sizes) - 1)]
        self.weights = ax.add_collection(PolyCollection(trapezoids, linewidths=1.2), autolim=False)
        self.columns = ax.add_collection(PolyCollection(columns, linewidths=1.2), autolim=False)
        self.mirror = ax.add_collection(PolyCollection([], linewidths=1.2, linestyles="--"), autolim=False)
        self._draw_texts(min(8.5, 8.5 * slot / 80))
        (self.pointer,) = ax.plot([], [], "^", color=DATA, markersize=7)
        (self.way,) = ax.plot([], [], "-", color=DATA, linewidth=2)
        (self.way_up,) = ax.plot([], [], ":^", color=TRAINED, markevery=[1], markersize=6)
        (self.compared,) = ax.plot([], [], ":", color=TRAINED)
        self.artists: tuple[Artist, ...] = (
            self.weights, self.columns, self.mirror, self.way_up, self.compared, self.error, *self.words,
            self.decoder, self.head, self.data, self.pointer, self.way,
        )  # fmt: skip

    def _draw_texts(self, small: float) -> None:
        """The words on the weights, of that font size, and the sizes below the layers."""
        middle: dict[str, Any] = {"ha": "center", "va": "center"}
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "boxstyle": "round,pad=0.15"}
        style: dict[str, Any] = {**middle, "fontsize": small, "bbox": box}
        self.words = [self._ax.text((a + b) / 2, self.MIDDLE, "", **style) for a, b in pairwise(self.x)]
        self.decoder = self._ax.text(0, self.UPPER_MIDDLE, "", **style)
        sizes = [
            self._ax.text(x, self.BELOW + 12, f"{size:,}", fontsize=9, **middle)
            for x, size in zip(self.x, self.sizes, strict=True)
        ]
        self.head = sizes[-1]
        self.data = self._ax.text(0, 0, "", fontsize=10, color=DATA, weight="bold", **middle)
        self.error = self._ax.text(0, 0, "error", color=TRAINED, **style)

    def show(
        self, names: Sequence[str], *, data_at: int, n_data: int, moved: bool = False,
        mirror: tuple[int, bool] | None = None,
    ) -> Look:  # fmt: skip
        """The look of the net.

        Parameters
        ----------
        names
            Of the weights, from the first layer on: keys of `LOOKS`; with one more than layers are pre-trained, there
            is a head.
        data_at
            The layer that the data have reached.
        n_data
            Number of samples.
        moved
            Whether the data have just reached it.
        mirror
            Of which weights the decoder is drawn, and whether it is in use or thrown away; None for no decoder.
        """
        looks = [LOOKS[name] for name in names]
        looks += [LOOKS["nothing"]] * (len(self.sizes) - 1 - len(looks))
        faces, edges = ["white", *(look.layer for look in looks)], ["0.2", *(look.edge for look in looks)]
        faces[data_at] = edges[data_at] = DATA
        styles = [look.style for look in looks]
        return {
            self.weights: {
                "facecolors": [look.face for look in looks], "edgecolors": [look.edge for look in looks],
                "linestyles": styles,
            },
            self.columns: {"facecolors": faces, "edgecolors": edges, "linestyles": ["-", *styles]},
            **{text: {"text": look.word} for text, look in zip(self.words, looks, strict=True) if look.word},
            **({self.head: {}} if len(names) == len(self.words) else {}),
            **self._show_data(data_at, n_data, moved),
            **({} if mirror is None else self._show_mirror(*mirror)),
        }  # fmt: skip

    def _show_data(self, layer: int, n_data: int, moved: bool) -> Look:
        x, half = self.x[layer], 78  # half of the text, which must not leave the picture
        at = (min(max(x, half), self.WIDTH - half), self.BELOW + 46)
        y = self.BELOW + 28
        way: Look = {self.way: {"data": ([self.x[layer - 1], x - 5], [y, y])}} if moved else {}
        text = f"data: {n_data:,} × {self.sizes[layer]:,}"
        return {self.data: {"text": text, "position": at}, self.pointer: {"data": ([x], [y])}, **way}

    def _show_mirror(self, i: int, in_use: bool) -> Look:
        columns = [self._column(j, self.UPPER_MIDDLE) for j in (i, i + 1)]
        look: Look = {
            self.mirror: {
                "verts": [self._trapezoid(i, self.UPPER_MIDDLE), *columns],
                "facecolors": PALE if in_use else "none", "edgecolors": TRAINED if in_use else FAINT,
            },
            self.decoder: {
                "text": "decoder" if in_use else "thrown\naway", "x": (self.x[i] + self.x[i + 1]) / 2,
            },
        }  # fmt: skip
        return {**look, **self._show_error(i)} if in_use else look

    def _show_error(self, i: int) -> Look:
        """The way up to the decoder, and what is compared with what."""
        tops = [self.MIDDLE - self._heights[j] / 2 for j in (i, i + 1)]
        bottoms = [self.UPPER_MIDDLE + self._heights[j] / 2 for j in (i, i + 1)]
        return {
            self.way_up: {"data": ([self.x[i + 1]] * 2, [tops[1] - 2, bottoms[1] + 5])},
            self.compared: {"data": ([self.x[i]] * 2, [tops[0] - 2, bottoms[0] + 2])},
            self.error: {"position": (self.x[i], (tops[0] + bottoms[0]) / 2)},
        }

    def _column(self, i: int, middle: float) -> Corners:
        half, x = self._heights[i] / 2, self.x[i]
        return _quadrangle((x - self.COLUMN / 2, half), (x + self.COLUMN / 2, half), middle)

    def _trapezoid(self, i: int, middle: float) -> Corners:
        left, right = self.x[i] + self.COLUMN / 2, self.x[i + 1] - self.COLUMN / 2
        return _quadrangle((left, self._heights[i] / 2), (right, self._heights[i + 1] / 2), middle)


def _quadrangle(left: tuple[float, float], right: tuple[float, float], middle: float) -> Corners:
    """Two upright sides, each (x, half its height), around the height of the middle."""
    (x, a), (y, b) = left, right
    return [(x, middle - a), (y, middle - b), (y, middle + b), (x, middle + a)]
