"""Widget of notebook 5: greedy pre-training, one step at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ipywidgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from course_utils.inference import decode_all, encode_all
from course_utils.plotting import tile
from course_utils.pretraining import GreedyPretrainer, Stage
from course_utils.widgets.base import TITLE, grey_shape, labelled, picture, pixel_axes, pixel_figure
from course_utils.widgets.net_drawing import TRAINED, NetDrawing
from course_utils.widgets.stepper import Frame, Look, Stepper


class PretrainingStepper(Stepper):
    """Show greedy pre-training: every layer is trained, frozen, and transforms the data for the next.

    Step 0 is the untouched net; then there are three steps for each stage, and one for the head.

    Parameters
    ----------
    pretrainer
        With all its stages trained.
    images
        To look at, `(n, 1, h, w)` grey ones of the net's size, of which eight are shown.
    n_classes
        Of the head that is put on at the end.

    Raises
    ------
    ValueError
        Stages are missing, the images have another size than the net's, or there are no classes.
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
        self.step = ipywidgets.IntSlider(0, 0, last, **labelled("step", 420))
        self.next.on_click(lambda _: self._go_to(self.step.value + 1))
        self.again.on_click(lambda _: self._go_to(0))
        figure = pixel_figure(864, 306)
        self._net = NetDrawing(figure, (*pretrainer.sizes, n_classes))
        self._panels = self._draw_panels(figure)
        moving = (*self._net.artists, *self._panels.values())
        super().__init__(figure, (self.next, self.again, self.step), moving, slider=self.step)

    def _go_to(self, step: int) -> None:
        self.step.value = min(step, self.step.max)

    def _restored_by(self, stage: Stage) -> Tensor:
        """The digits as the stage restores them; what is not a picture goes down through the decoders below."""
        x = decode_all(stage.autoencoder, encode_all(stage.autoencoder, self._hidden[stage.number - 1]))
        for below in reversed(self._stages[: stage.number - 1]):
            x = decode_all(below.autoencoder, x)
        return x.view(-1, 1, *self._shape)

    def _seen_filters(self) -> list[Tensor]:
        """Of each layer the first units' weights, as pictures in [-1, 1], each scaled to its own range, 0 stays 0."""
        found, seen = [], torch.eye(math.prod(self._shape), dtype=torch.float32)
        for stage in self._stages:
            seen = stage.layer.weight.detach().cpu() @ seen
            first = seen[: self.N_FILTERS]
            first = first / first.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
            found.append(first.view(-1, 1, *self._shape))
        return found

    def _draw_panels(self, figure: Figure) -> dict[str, Axes]:
        """The Axes on the right, of which each step shows some."""
        n, (h, w), left, wide = len(self._images), self._shape, 448, 400
        places = {
            "digits": (left, 40, wide, 200), "curve": (left + 34, 28, wide - 34, 112), "strip": (left, 198, wide, 100),
            "filters": (left, 30, wide, 266), "icons": (left - 34, 30, 30, 30 * n), "units": (left, 30, wide, 30 * n),
            "weights": (left + 50, 40, wide - 50, 38 * (len(self._stages) + 1)),
        }  # fmt: skip
        panels = {name: pixel_axes(figure, *place) for name, place in places.items()}
        self._digits = picture(panels["digits"], f"the images: {h}×{w} pixels", (2 * h + 1, 4 * w + 3))
        self._digits.set_data(_tiled(self._images, n_columns=4, n=8))
        self._draw_curve(panels["curve"])
        self._strip = picture(panels["strip"], "", (2 * h + 1, self.N_IMAGES * (w + 1) - 1))
        self._seen = picture(panels["filters"], "", (4 * h + 3, 6 * w + 5), limits=(-1, 1))
        icons = picture(panels["icons"], "", (n * (h + 1) - 1, w))
        icons.set_data(_tiled(self._images, n_columns=1, n=n))
        self._units = picture(panels["units"], "", (n, self.N_UNITS))
        self._units.set_interpolation("none")
        for shown in (icons, self._units):
            shown.axes.set_aspect("auto")
        self._draw_weights(panels["weights"])
        self._titles = {name: panels[name].set_title("", **TITLE) for name in ("curve", "strip", "filters", "units")}
        return panels

    def _draw_curve(self, ax: Axes) -> None:
        (self._line,) = ax.plot([], [], "o-", color=TRAINED, markersize=4)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=9)
        ax.set_xlabel("epoch", fontsize=9, labelpad=1)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(4))

    def _draw_weights(self, ax: Axes) -> None:
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

    def frame(self, step: int) -> Frame:
        """Return the look of a step of the pre-training, and the line below."""
        if step == 0:
            return self._untouched()
        if step == self.step.max:
            return self._with_head()
        i, kind = (step - 1) // len(self.KINDS), self.KINDS[(step - 1) % len(self.KINDS)]
        stage, n = self._stages[i], len(self._stages)
        draw = {"train": self._train, "freeze": self._freeze, "transform": self._transform}[kind]
        mirror = None if kind == "transform" else (i, kind == "train")
        names = ["frozen"] * i + ["training" if kind == "train" else "frozen"] + ["untrained"] * (n - i - 1)
        moved = kind == "transform"
        net = self._net.show(names, data_at=i + moved, n_data=self._n_data, moved=moved, mirror=mirror)
        panels, text = draw(stage)
        return Frame({**net, **panels}, f"<b>Stage {stage.number} of {n}, {kind}:</b> {text}")

    def _untouched(self) -> Frame:
        n = len(self._stages)
        net = self._net.show(["untrained"] * n, data_at=0, n_data=self._n_data)
        sizes = "-".join(map(str, self._pretrainer.sizes))
        what = f"its {n} layers are trained one after another" if n > 1 else "its layer is trained"
        text = f"The untouched net <b>{sizes}</b>, and {self._n_data:,} images without labels. Press “next”: {what}."
        return Frame({**net, self._panels["digits"]: {}}, text)

    def _train(self, stage: Stage) -> Frame:
        losses, k = stage.history["train_loss"], stage.number
        unit = "loss" if "loss" in self._pretrainer.options else "squared error"
        decoders = "the decoder restores" if k == 1 else f"the decoders {k} to 1 restore"
        strip = torch.cat([_padded(images, self.N_IMAGES) for images in (self._images, self._restored[k - 1])])
        look: Look = {
            self._panels["curve"]: {
                "xlim": (0.8, max(2, len(losses)) + 0.2),
                "ylim": (0, 1.1 * max(losses, default=1.0)),
            },
            self._line: {"data": (range(1, len(losses) + 1), losses)},
            self._titles["curve"]: {"text": f"{unit} of {_autoencoder(stage)}"},
            self._panels["strip"]: {},
            self._strip: {"data": _tiled(strip, n_columns=8, n=16)},
            self._titles["strip"]: {"text": f"the digits, and what {decoders}"},
        }
        given = "the images" if k == 1 else f"what layer {k - 1} gives it"
        noisy = " from a corrupted copy" if self._pretrainer.options.get("corrupt") else ""
        text = f"{_autoencoder(stage)} learns to restore {given}{noisy}; {_course(unit, losses)}."
        if k > 1:
            below = "decoder of stage 1 makes" if k == 2 else f"decoders of stages {k - 1} to 1 make"
            text += f" It restores {stage.data_shape[1]:,} hidden values a digit; the {below} a picture of them."
        return Frame(look, text)

    def _freeze(self, stage: Stage) -> Frame:
        k, filters = stage.number, self._filters[stage.number - 1]
        through = "" if k == 1 else ", seen through the layers below"
        look: Look = {
            self._panels["filters"]: {},
            self._seen: {"data": _tiled(filters, n_columns=6, n=self.N_FILTERS)},
            self._titles["filters"]: {"text": f"layer {k}, first {len(filters)} units{through}"},
        }
        text = (
            f"the weights of layer {k} stay as they are from now on, and the decoder is thrown away. Bright: a pixel "
            f"that excites the unit; dark: one that inhibits it; grey: 0; each picture scaled to its own range."
        )
        if k > 1:
            below = f"layer{'s' * (k > 2)} below"
            text += f" The weights are multiplied through those of the {below}, as if all were linear."
        return Frame(look, text)

    def _transform(self, stage: Stage) -> Frame:
        k, z = stage.number, self._hidden[stage.number]
        shown, n_units = z[:, : self.N_UNITS], z.shape[1]
        which = f"the first {self.N_UNITS} of {n_units:,}" if n_units > self.N_UNITS else f"all {n_units}"
        look: Look = {
            self._panels["icons"]: {},
            self._panels["units"]: {},
            self._units: {"data": shown.numpy(), "clim": (0, max(shown.max().item(), 1e-12))},
            self._titles["units"]: {"text": f"a row a digit: {which} hidden units, black = 0"},
        }
        share = 100 * (z == 0).float().mean().item()
        use = "the head will be given" if k == len(self._stages) else f"stage {k + 1} is trained on"
        text = (
            f"all {self._n_data:,} images pass through the frozen layer {k}: {self._n_data:,} × {n_units:,} numbers, "
            f"which {use}. Of these {len(z)} digits' hidden units <b>{share:.0f} %</b> are 0."
        )
        return Frame(look, text)

    def _with_head(self) -> Frame:
        n, (*sizes, n_classes) = len(self._stages), self._net.sizes
        net = self._net.show(["pre-trained"] * n + ["random"], data_at=n, n_data=self._n_data)
        text = (
            f"<b>Add the head:</b> the classifier {'-'.join(map(str, self._net.sizes))} starts from the "
            f"{n} pre-trained layer{'s' * (n > 1)} and a random head of {sizes[-1]:,} × {n_classes} weights. Only now "
            f"labels are needed: fine-tuning trains all layers, or, with frozen=True, the head alone."
        )
        return Frame({**net, self._panels["weights"]: {}}, text)


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
    return torch.cat([images, images.new_ones(n - len(images), *images.shape[1:])])


def _tiled(images: Tensor, *, n_columns: int, n: int) -> np.ndarray:
    """A grid of n places, of which those without an image stay blank."""
    return tile(_padded(images, n), n_columns=n_columns)
