"""Widgets of notebook 5: greedy pre-training one step at a time, and what it brings at every number of labels."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ipywidgets
import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from course_utils.models import decode_all, encode_all
from course_utils.plotting import COLOURS, tile
from course_utils.pretraining import GreedyPretrainer, Stage
from course_utils.widgets.base import LiveFigure, grey_shape, picture

DATA, TRAINED, PALE, FAINT = COLOURS[0], COLOURS[1], "#F9D3B4", "0.6"
# With y, matplotlib does not look for what the title could overlap, which takes 5 ms.
TITLE: dict[str, Any] = {"loc": "left", "fontsize": 10, "y": 1.0}


@dataclass(frozen=True)
class _Look:
    """How the weights between two layers are drawn, the word on them, and the colour of the layer that they lead to."""

    word: str
    face: str
    edge: str
    style: str
    layer: str


LOOKS = {
    "untrained": _Look("untrained", "0.97", FAINT, "--", "0.9"),
    "training": _Look("training", PALE, TRAINED, "-", TRAINED),
    "frozen": _Look("frozen", "0.55", "0.2", "-", "0.25"),
    "pre-trained": _Look("pre-\ntrained", "0.55", "0.2", "-", "0.25"),
    "random": _Look("random", PALE, TRAINED, "-", TRAINED),
    "nothing": _Look("", "none", "none", "-", "none"),
}


class _Net:
    """A net from left to right, layers as columns, weights as trapezoids, and above it the mirror of one of them.

    sizes: numbers a layer; the last is of the head, which is drawn at the end alone.
    """

    WIDTH = 412  # all of these in pixels
    MIDDLE, UPPER_MIDDLE, TALLEST, COLUMN = 176, 54, 92, 14

    def __init__(self, figure: Figure, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        width, height = figure.bbox.size
        self._ax = ax = figure.add_axes((0, 0, self.WIDTH / width, 1))
        ax.set(xlim=(0, self.WIDTH), ylim=(height, 0))  # in pixels, (0, 0) at the top left
        ax.set_axis_off()
        slot = min(90, (self.WIDTH - 60) / (len(sizes) - 1))
        self._x = [34 + i * slot for i in range(len(sizes))]
        self._heights = [max(16, self.TALLEST * size / max(sizes)) for size in sizes]
        small = min(8.5, 8.5 * slot / 80)

        columns = [self._column(i, self.MIDDLE) for i in range(len(sizes))]
        trapezoids = [self._trapezoid(i, self.MIDDLE) for i in range(len(sizes) - 1)]
        self._weights = ax.add_collection(PolyCollection(trapezoids, linewidths=1.2), autolim=False)
        self._columns = ax.add_collection(PolyCollection(columns, linewidths=1.2), autolim=False)
        self._mirror = ax.add_collection(PolyCollection([], linewidths=1.2, linestyles="--"), autolim=False)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "boxstyle": "round,pad=0.15"}
        style = {"ha": "center", "va": "center", "fontsize": small, "bbox": box}
        middles = [(a + b) / 2 for a, b in pairwise(self._x)]
        self._words = [ax.text(x, self.MIDDLE, "", **style) for x in middles]
        self._decoder = ax.text(0, self.UPPER_MIDDLE, "", **style)
        below = self.MIDDLE + self.TALLEST / 2 + 12
        for x, size in zip(self._x[:-1], self.sizes, strict=False):
            ax.text(x, below, f"{size:,}", ha="center", va="center", fontsize=9)
        self._head = ax.text(self._x[-1], below, f"{self.sizes[-1]:,}", ha="center", va="center", fontsize=9)
        self._data = ax.text(0, below + 24, "", ha="center", va="center", fontsize=10, color=DATA, weight="bold")
        (self._pointer,) = ax.plot([], [], "^", color=DATA, markersize=7)
        (self._way,) = ax.plot([], [], "-", color=DATA, linewidth=2)
        (self._way_up,) = ax.plot([], [], ":^", color=TRAINED, markevery=[1], markersize=6)
        (self._compared,) = ax.plot([], [], ":", color=TRAINED)
        self._error = ax.text(0, 0, "error", ha="center", va="center", fontsize=small, color=TRAINED, bbox=box)
        self.artists: tuple[Artist, ...] = (
            self._weights, self._columns, self._mirror, self._way_up, self._compared, self._error, *self._words,
            self._decoder, self._head, self._data, self._pointer, self._way,
        )  # fmt: skip

    def show(
        self, looks: Sequence[str], *, data_at: int, n_data: int, moved: bool = False, mirror: tuple[int, bool] | None,
        head: bool = False,
    ) -> None:  # fmt: skip
        """looks: of the weights, by name; data_at: the layer that the n_data samples have reached; moved: just now.

        mirror: of which weights the decoder is drawn, and whether it is in use or thrown away; None for no decoder.
        """
        chosen = [LOOKS[name] for name in looks]
        chosen += [LOOKS["nothing"]] * (len(self.sizes) - 1 - len(chosen))
        self._weights.set(
            facecolors=[look.face for look in chosen], edgecolors=[look.edge for look in chosen],
            linestyles=[look.style for look in chosen],
        )  # fmt: skip
        for text, look in zip(self._words, chosen, strict=True):
            text.set(text=look.word, visible=bool(look.word))
        faces, edges = ["white", *(look.layer for look in chosen)], ["0.2", *(look.edge for look in chosen)]
        faces[data_at] = edges[data_at] = DATA
        self._columns.set(facecolors=faces, edgecolors=edges, linestyles=["-", *(look.style for look in chosen)])
        self._head.set_visible(head)
        x = self._x[data_at]
        below = self.MIDDLE + self.TALLEST / 2
        self._data.set_text(f"data: {n_data:,} × {self.sizes[data_at]:,}")
        half = 78  # of the text: it must not leave the picture
        self._data.set_position((min(max(x, half), self.WIDTH - half), below + 46))
        self._pointer.set_data([x], [below + 28])
        self._way.set_visible(moved)
        if moved:
            self._way.set_data([self._x[data_at - 1], x - 5], [below + 28, below + 28])
        self._show_mirror(mirror)

    def _show_mirror(self, mirror: tuple[int, bool] | None) -> None:
        in_use = mirror is not None and mirror[1]
        for artist in (self._way_up, self._compared, self._error):
            artist.set_visible(in_use)
        self._mirror.set_visible(mirror is not None)
        self._decoder.set_visible(mirror is not None)
        if mirror is None:
            return
        i = mirror[0]
        columns = [self._column(j, self.UPPER_MIDDLE) for j in (i, i + 1)]
        self._mirror.set_verts([self._trapezoid(i, self.UPPER_MIDDLE), *columns])
        self._mirror.set(
            facecolors=LOOKS["training"].face if in_use else "none", edgecolors=TRAINED if in_use else FAINT
        )
        self._decoder.set_text("decoder" if in_use else "thrown\naway")
        self._decoder.set_x((self._x[i] + self._x[i + 1]) / 2)
        tops = [self.MIDDLE - self._heights[j] / 2 for j in (i, i + 1)]
        bottoms = [self.UPPER_MIDDLE + self._heights[j] / 2 for j in (i, i + 1)]
        self._way_up.set_data([self._x[i + 1]] * 2, [tops[1] - 2, bottoms[1] + 5])
        self._compared.set_data([self._x[i]] * 2, [tops[0] - 2, bottoms[0] + 2])
        self._error.set_position((self._x[i], (tops[0] + bottoms[0]) / 2))

    def _column(self, i: int, middle: float) -> list[tuple[float, float]]:
        half, x = self._heights[i] / 2, self._x[i]
        left, right = x - self.COLUMN / 2, x + self.COLUMN / 2
        return [(left, middle - half), (right, middle - half), (right, middle + half), (left, middle + half)]

    def _trapezoid(self, i: int, middle: float) -> list[tuple[float, float]]:
        a, b = self._heights[i] / 2, self._heights[i + 1] / 2
        left, right = self._x[i] + self.COLUMN / 2, self._x[i + 1] - self.COLUMN / 2
        return [(left, middle - a), (right, middle - b), (right, middle + b), (left, middle + a)]


class PretrainingStepper(LiveFigure):
    """Greedy pre-training, one press a step: every layer is trained, frozen, and transforms the data for the next.

    pretrainer: with all its stages trained; images: `(n, 1, h, w)`, digits to look at, of which eight are shown;
    n_classes: of the head that is put on at the end. Steps: 0 is the untouched net, then three for each stage, then the
    head. Raises ValueError where stages are missing, and for images of another size than the net's.
    """

    N_IMAGES, N_FILTERS, N_UNITS = 8, 24, 200
    KINDS = ("train", "freeze", "transform")

    def __init__(self, pretrainer: GreedyPretrainer, images: Tensor, *, n_classes: int = 10) -> None:
        _, h, w = grey_shape(images)
        if len(pretrainer.stages) < pretrainer.n_stages:
            raise ValueError(f"{len(pretrainer.stages)} of {pretrainer.n_stages} layers are trained; call fit first.")
        if h * w != pretrainer.sizes[0]:
            raise ValueError(f"The images have {h}×{w} = {h * w} numbers; the net takes {pretrainer.sizes[0]}.")
        if n_classes < 1:
            raise ValueError(f"n_classes is {n_classes}; a head has at least 1.")
        self._pretrainer, self._stages, self._shape = pretrainer, tuple(pretrainer.stages), (h, w)
        self._images, self._n_data = images[: self.N_IMAGES].detach().cpu(), pretrainer.stages[0].data_shape[0]
        self._hidden = [pretrainer.transform(self._images, n_layers=i) for i in range(len(self._stages) + 1)]
        self._restored = [self._restored_by(stage) for stage in self._stages]
        self._filters = self._seen_filters()
        last = len(self.KINDS) * len(self._stages) + 1
        self.next = ipywidgets.Button(description="next ▶", tooltip="the next step", layout={"width": "110px"})
        self.again = ipywidgets.Button(description="start again", tooltip="back to step 0", layout={"width": "110px"})
        self.step = ipywidgets.IntSlider(0, 0, last, description="step", layout={"width": "420px"})
        self.next.on_click(lambda _: self._go_to(self.step.value + 1))
        self.again.on_click(lambda _: self._go_to(0))

        figure = Figure(figsize=(9.6, 3.4), dpi=90, layout="none")
        self._net = _Net(figure, (*pretrainer.sizes, n_classes))
        self._panels = self._draw_panels(figure)
        super().__init__(figure, (self.next, self.again, self.step), (*self._net.artists, *self._panels.values()))

    def _go_to(self, step: int) -> None:
        self.step.value = min(step, self.step.max)

    # ------------------------------------------------------------------------------------------ computed beforehand

    def _restored_by(self, stage: Stage) -> Tensor:
        """The digits as the stage restores them; what is no picture goes down through the decoders below."""
        x = decode_all(stage.autoencoder, encode_all(stage.autoencoder, self._hidden[stage.number - 1]))
        for below in reversed(self._stages[: stage.number - 1]):
            x = decode_all(below.autoencoder, x)
        return x.view(-1, 1, *self._shape)

    def _seen_filters(self) -> list[Tensor]:
        """Of each layer the first units' weights, as pictures in [-1, 1], each scaled to its own range, 0 stays 0."""
        found, seen = [], torch.eye(math.prod(self._shape))
        for stage in self._stages:
            seen = stage.layer.weight.detach().cpu() @ seen
            first = seen[: self.N_FILTERS]
            first = first / first.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
            found.append(first.view(-1, 1, *self._shape))
        return found

    # ----------------------------------------------------------------------------------------------------- drawn once

    def _draw_panels(self, figure: Figure) -> dict[str, Axes]:
        """The Axes on the right, of which each step shows some."""
        (width, height), n, (h, w) = figure.bbox.size, len(self._images), self._shape

        def axes(left: float, top: float, wide: float, high: float) -> Axes:
            return figure.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))

        left, wide = 448, 400
        panels = {
            "digits": axes(left, 40, wide, 200), "curve": axes(left + 34, 28, wide - 34, 112),
            "strip": axes(left, 198, wide, 100), "filters": axes(left, 30, wide, 266),
            "icons": axes(left - 34, 30, 30, 30 * n), "units": axes(left, 30, wide, 30 * n),
            "weights": axes(left + 50, 40, wide - 50, 38 * (len(self._stages) + 1)),
        }  # fmt: skip
        self._digits = picture(panels["digits"], f"the images: {h}×{w} pixels", (2 * h + 1, 4 * w + 3))
        self._digits.set_data(_tiled(self._images, n_columns=4, n=8))
        curve = panels["curve"]
        (self._line,) = curve.plot([], [], "o-", color=TRAINED, markersize=4)
        curve.spines[["top", "right"]].set_visible(False)
        curve.tick_params(labelsize=9)
        curve.set_xlabel("epoch", fontsize=9, labelpad=1)
        curve.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        curve.yaxis.set_major_locator(MaxNLocator(4))
        self._strip = picture(panels["strip"], "", (2 * h + 1, self.N_IMAGES * (w + 1) - 1))
        self._seen = picture(panels["filters"], "", (4 * h + 3, 6 * w + 5), limits=(-1, 1))
        icons = picture(panels["icons"], "", (n * (h + 1) - 1, w))
        icons.set_data(_tiled(self._images, n_columns=1, n=n))
        self._units = picture(panels["units"], "", (n, self.N_UNITS))
        self._units.set_interpolation("none")
        for shown in (icons, self._units):
            shown.axes.set_aspect("auto")
        return panels | {"weights": self._draw_weights(panels["weights"])}

    def _draw_weights(self, ax: Axes) -> Axes:
        """Where the classifier's weights come from, layer by layer."""
        sizes = [stage.layer.weight.numel() for stage in self._stages] + [self._net.sizes[-2] * self._net.sizes[-1]]
        n = len(self._stages)
        ax.barh(range(n + 1), sizes, height=0.6, color=["0.45"] * n + [TRAINED])
        for i, size in enumerate(sizes):
            name, start = ("head", "random") if i == n else (f"layer {i + 1}", "pre-trained")
            ax.text(-0.03 * max(sizes), i, name, ha="right", va="center", fontsize=10)
            ax.text(size + 0.03 * max(sizes), i, f"{size:,}, {start}", va="center", fontsize=9)
        ax.set(ylim=(n + 0.6, -0.6), xlim=(0, 1.9 * max(sizes)))
        ax.set_axis_off()
        ax.set_title("weights of the classifier, and where they start", **TITLE)
        return ax

    # ---------------------------------------------------------------------------------------------------- at each step

    def update(self) -> str:
        step, n = self.step.value, len(self._stages)
        if step == 0:
            self._net.show(["untrained"] * n, data_at=0, n_data=self._n_data, mirror=None)
            self._show_panels("digits")
            sizes = "-".join(map(str, self._pretrainer.sizes))
            what = f"its {n} layers are trained one after another" if n > 1 else "its layer is trained"
            return (
                f"The untouched net <b>{sizes}</b>, and {self._n_data:,} images without labels. Press “next”: {what}."
            )
        if step == self.step.max:
            return self._add_the_head()
        i, kind = (step - 1) // len(self.KINDS), self.KINDS[(step - 1) % len(self.KINDS)]
        stage, is_trained = self._stages[i], kind != "train"
        looks = ["frozen"] * (i + is_trained) + ["training"] * (not is_trained) + ["untrained"] * (n - i - 1)
        moved = kind == "transform"
        mirror = {"train": (i, True), "freeze": (i, False), "transform": None}[kind]
        self._net.show(looks, data_at=i + moved, n_data=self._n_data, moved=moved, mirror=mirror)
        text = {"train": self._train, "freeze": self._freeze, "transform": self._transform}[kind](stage)
        return f"<b>Stage {stage.number} of {n}, {kind}:</b> {text}"

    def _show_panels(self, *names: str) -> None:
        for name, ax in self._panels.items():
            ax.set_visible(name in names)

    def _train(self, stage: Stage) -> str:
        self._show_panels("curve", "strip")
        losses, k = stage.history["train_loss"], stage.number
        unit = "loss" if "loss" in self._pretrainer.options else "squared error"
        curve = self._panels["curve"]
        self._line.set_data(range(1, len(losses) + 1), losses)
        curve.set(xlim=(0.8, max(2, len(losses)) + 0.2), ylim=(0, 1.1 * max(losses, default=1.0)))
        curve.set_title(f"{unit} of {self._autoencoder(stage)}", **TITLE)
        restored = self._restored[k - 1]
        self._strip.set_data(_tiled(torch.cat([_padded(self._images, 8), _padded(restored, 8)]), n_columns=8, n=16))
        decoders = "the decoder restores" if k == 1 else f"the decoders {k} to 1 restore"
        self._strip.axes.set_title(f"the digits, and what {decoders}", **TITLE)
        given = "the images" if k == 1 else f"what layer {k - 1} gives it"
        noisy = " from a corrupted copy" if self._pretrainer.options.get("corrupt") else ""
        text = f"{self._autoencoder(stage)} learns to restore {given}{noisy}; {_course(unit, losses)}."
        if k > 1:
            below = "decoder of stage 1 makes" if k == 2 else f"decoders of stages {k - 1} to 1 make"
            text += f" It restores {stage.data_shape[1]:,} hidden values a digit; the {below} a picture of them."
        return text

    def _freeze(self, stage: Stage) -> str:
        self._show_panels("filters")
        k, filters = stage.number, self._filters[stage.number - 1]
        self._seen.set_data(_tiled(filters, n_columns=6, n=self.N_FILTERS))
        through = "" if k == 1 else ", seen through the layers below"
        self._seen.axes.set_title(f"layer {k}, first {len(filters)} units{through}", **TITLE)
        text = (
            f"the weights of layer {k} stay as they are from now on, and the decoder is thrown away. Bright: a pixel "
            f"that excites the unit; dark: one that inhibits it; grey: 0; each picture scaled to its own range."
        )
        if k > 1:
            text += (
                f" The weights are multiplied through those of the layer{'s' * (k > 2)} below, as if all were linear."
            )
        return text

    def _transform(self, stage: Stage) -> str:
        self._show_panels("icons", "units")
        k, z = stage.number, self._hidden[stage.number]
        shown = z[:, : self.N_UNITS]
        self._units.set_data(shown.numpy())
        self._units.set_clim(0, max(shown.max().item(), 1e-12))
        n_units = z.shape[1]
        which = f"the first {self.N_UNITS} of {n_units:,}" if n_units > self.N_UNITS else f"all {n_units}"
        self._units.axes.set_title(f"a row a digit: {which} hidden units, black = 0", **TITLE)
        share = 100 * (z == 0).float().mean().item()
        is_last = k == len(self._stages)
        use = "the head will be given" if is_last else f"stage {k + 1} is trained on"
        return (
            f"all {self._n_data:,} images pass through the frozen layer {k}: {self._n_data:,} × {n_units:,} numbers, "
            f"which {use}. Of these {len(z)} digits' hidden units <b>{share:.0f} %</b> are 0."
        )

    def _add_the_head(self) -> str:
        n, (*sizes, n_classes) = len(self._stages), self._net.sizes
        self._net.show(["pre-trained"] * n + ["random"], data_at=n, n_data=self._n_data, mirror=None, head=True)
        self._show_panels("weights")
        return (
            f"<b>Add the head:</b> the classifier {'-'.join(map(str, self._net.sizes))} starts from the "
            f"{n} pre-trained layer{'s' * (n > 1)} and a random head of {sizes[-1]:,} × {n_classes} weights. Only now "
            f"labels are needed: fine-tuning trains all layers, or, with frozen=True, the head alone."
        )

    @staticmethod
    def _autoencoder(stage: Stage) -> str:
        n_out, n_in = stage.layer.weight.shape
        return f"{n_in}-{n_out}-{n_in}"


def _course(unit: str, losses: Sequence[float]) -> str:
    """In words how the loss went."""
    if not losses:
        return "in 0 epochs: the layer keeps its random start"
    if len(losses) == 1:
        return f"{unit} <b>{losses[0]:.1f}</b> in the one epoch"
    return f"{unit} <b>{losses[0]:.1f} → {losses[-1]:.1f}</b> in {len(losses)} epochs"


def _padded(images: Tensor, n: int) -> Tensor:
    """The images, and white ones until there are n."""
    return torch.cat([images, torch.ones(n - len(images), *images.shape[1:])])


def _tiled(images: Tensor, *, n_columns: int, n: int) -> np.ndarray:
    """A grid of n places, of which those without an image stay blank."""
    return tile(_padded(images, n), n_columns=n_columns)


class LabelBudgetExplorer(LiveFigure):
    """What each start brings at a number of labels that a slider sets: test errors as bars, and over all budgets.

    measured: column → (means over the seeds, half widths of their 95 % intervals), as `claims.series` gives them. The
    column "labels" has the budgets, each larger than the one before; every other column is a start, with the test
    error in % at each budget. Raises ValueError without budgets, without a start, and for columns of unequal length.
    """

    MARKERS = "osD^vPX*"

    def __init__(self, measured: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
        if "labels" not in measured:
            raise ValueError(
                f"There is no column 'labels' with the budgets; there are {', '.join(measured) or 'none'}."
            )
        self._budgets = [round(n) for n in measured["labels"][0]]
        self._starts = {name: column for name, column in measured.items() if name != "labels"}
        if not self._starts:
            raise ValueError("There is no start to show: 'labels' is the only column.")
        for name, column in self._starts.items():
            if any(len(values) != len(self._budgets) for values in column):
                raise ValueError(f"{name!r} has {' and '.join(str(len(v)) for v in column)} values for "
                                 f"{len(self._budgets)} budgets: columns must be equally long.")  # fmt: skip
        if not self._budgets or self._budgets[0] < 1 or any(b <= a for a, b in pairwise(self._budgets)):
            raise ValueError(f"Budgets must be at least 1, each larger than the one before, not {self._budgets}.")
        self.budget = ipywidgets.SelectionSlider(
            options=[(f"{n:,}", n) for n in self._budgets], description="labels", layout={"width": "420px"}
        )
        self.reference = ipywidgets.Dropdown(
            options=list(self._starts), description="compared with", style={"description_width": "initial"},
            layout={"width": "320px"},
        )  # fmt: skip
        figure = Figure(figsize=(9.6, 3.2), dpi=90, layout="constrained")
        self._bars_ax, curves = figure.subplots(1, 2, width_ratios=(1.15, 1))
        self._draw_bars(self._bars_ax)
        self._line = self._draw_curves(curves)
        super().__init__(figure, (self.budget, self.reference), (self._bars_ax, self._line))

    def _draw_bars(self, ax: Axes) -> None:
        n = len(self._starts)
        self._bars = ax.barh(range(n), [1.0] * n, height=0.62, color=[_colour(i) for i in range(n)], alpha=0.75)
        self._intervals = ax.add_collection(LineCollection([], colors="black", linewidths=1.5), autolim=False)
        self._numbers = [
            ax.text(1, i, "", ha="right", va="center", fontsize=9, transform=ax.get_yaxis_transform()) for i in range(n)
        ]
        self._compared = ax.axvline(0, color="0.3", linestyle="--", linewidth=1)
        ax.set_yticks(range(n), list(self._starts))
        ax.set(ylim=(n - 0.4, -0.6), xlabel="test error in %")
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False)  # its lines would run through the numbers
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(5))

    def _draw_curves(self, ax: Axes) -> Artist:
        """All that was measured, which does not move; returns the line at the chosen budget, which does."""
        values = [np.asarray(column) for column in self._starts.values()]
        for i, (name, (mean, half)) in enumerate(zip(self._starts, values, strict=True)):
            ax.plot(self._budgets, mean, marker=self.MARKERS[i % 8], markersize=5, color=_colour(i), label=name)
            ax.fill_between(self._budgets, mean - half, mean + half, color=_colour(i), alpha=0.2, linewidth=0)
        low, high = min((m - h).min() for m, h in values), max((m + h).max() for m, h in values)
        ax.set_xscale("log")
        ax.set_xticks(self._budgets, [f"{n:,}" for n in self._budgets])
        if low > 0:  # the differences at a few per cent are read as well as those at many
            ax.set_yscale("log")
            ticks = [
                t for t in (0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100) if 0.9 * low <= t <= 1.1 * high
            ]
            ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set(xlabel="labels", ylabel="test error in %")
        ax.set_title("at every number of labels, 95 % intervals", **TITLE)
        ax.legend(loc="lower left", bbox_to_anchor=(0.06, 0), frameon=False, fontsize=8.5, handlelength=1.6)
        return ax.axvline(self._budgets[0], color="0.3", linestyle="--", linewidth=1)

    def update(self) -> str:
        i, reference = self._budgets.index(self.budget.value), self.reference.value
        means, halves = ([float(column[j][i]) for column in self._starts.values()] for j in (0, 1))
        widest = max(mean + half for mean, half in zip(means, halves, strict=True))
        for bar, text, mean, half in zip(self._bars, self._numbers, means, halves, strict=True):
            bar.set_width(mean)
            text.set_text(f"{mean:.1f} ± {half:.1f}")
        self._intervals.set_segments(
            [[(mean - half, j), (mean + half, j)] for j, (mean, half) in enumerate(zip(means, halves, strict=True))]
        )
        chosen = list(self._starts).index(reference)
        self._compared.set_xdata([means[chosen]] * 2)
        # To the scale of this budget: on one for all, the bars at many labels could not be told apart.
        self._bars_ax.set_xlim(0, 1.3 * widest or 1)  # the numbers stand at the right
        self._bars_ax.set_title(f"with {self.budget.label} labels", **TITLE)
        self._line.set_xdata([self.budget.value] * 2)
        head = f"{self.budget.label} labels, against <b>{html.escape(reference)}</b> ({means[chosen]:.1f} %):"
        lines = [
            f"{html.escape(name)} <b>{_points(means[j] - means[chosen])}</b>, "
            f"{_intervals(means[j] - means[chosen], halves[j], halves[chosen])}"
            for j, name in enumerate(self._starts)
            if name != reference
        ]
        return "<br>".join([head, *lines]) if lines else f"{head} there is no other start."


def _colour(i: int) -> str:
    return COLOURS[i % len(COLOURS)]


def _points(difference: float) -> str:
    rounded = round(difference, 1)
    return "0.0 points" if rounded == 0 else f"{rounded:+.1f} points".replace("-", "−")


def _intervals(difference: float, *halves: float) -> str:
    if not any(halves):
        return "measured once, no intervals"
    return "intervals overlap" if abs(difference) <= sum(halves) else "intervals apart"
