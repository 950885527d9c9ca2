"""Widget of notebook 7: a digit with noise of a kind and a strength, restored by a net and by the best filter."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ipywidgets
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor

from course_utils.corruption import Corruption, corrupted, gaussian, masking, salt_and_pepper
from course_utils.filters import TunedFilter, best_filter
from course_utils.inference import reconstruct
from course_utils.metrics import psnr_db
from course_utils.widgets.base import WRAPPING, LiveFigure, grey_shape, labelled, picture, pixel_axes, pixel_figure
from course_utils.widgets.pointer import DrawingPad

EXACT_DB = 99.9  # an image that is restored exactly counts 100 dB
AS_GOOD_DB = 0.005  # what is less is not seen in two decimals


class Noise(NamedTuple):
    """A kind of noise: what makes it of a level, the levels to choose from, and the level's name."""

    make: Callable[[float], Corruption]
    levels: tuple[float, ...]
    unit: str


NOISES: Mapping[str, Noise] = {
    "Gaussian": Noise(gaussian, (0.1, 0.2, 0.35, 0.5, 0.7, 1.0), "standard deviation"),
    "masking": Noise(masking, (0.0, 0.1, 0.3, 0.5, 0.7, 0.9), "share of pixels"),
    "salt and pepper": Noise(salt_and_pepper, (0.0, 0.05, 0.15, 0.3, 0.45, 0.6), "share of pixels"),
}
STRENGTHS = {"median": "{0:g}×{0:g} pixels", "Gaussian": "sd {0:g} pixels", "total variation": "weight {0:g}"}


class DenoisingExplorer(LiveFigure):
    """Show a clean digit, its noisy copy, what a net makes of that, and what the best classical filter does, in dB.

    What is drawn on the pad, which is there for images of 28×28 alone, takes the clean image's place until the pad is
    cleared or another digit is chosen.

    Parameters
    ----------
    models
        Name → an auto-encoder that restores images.
    images
        `(n, 1, h, w)` clean grey ones that the nets have not seen.
    training_images
        `(m, 1, h, w)`, on the first N_TUNING of which the filter of every kind and level of noise is tuned once, so
        that a slider answers at once.
    noise, level
        The kind and the level to begin with, of `NOISES`.

    Raises
    ------
    ValueError
        There are no models or there is no such noise, images are not grey or differ in size, or a model gives another
        shape.
    """

    N_TUNING, TUNING_SEED = 20, 0
    FILTER_NAMES = tuple(STRENGTHS)

    def __init__(
        self, models: Mapping[str, torch.nn.Module], images: Tensor, *, training_images: Tensor,
        noise: str = "Gaussian", level: float = 0.5,
    ) -> None:  # fmt: skip
        n, h, w = grey_shape(images)
        _check(models, images, training_images, noise, level)
        self._models, self._images = models, images
        self._filters = self._tuned(training_images[: self.N_TUNING])
        self._is_drawn = False
        self.model = ipywidgets.Dropdown(options=list(models), **labelled("net", 300))
        self.noise = ipywidgets.Dropdown(options=list(NOISES), value=noise, **labelled("noise", 300))
        levels = NOISES[noise].levels
        self.level = ipywidgets.SelectionSlider(options=levels, value=level, **labelled("level", 380))
        self.digit = ipywidgets.IntSlider(0, 0, n - 1, **labelled("digit no.", 380))
        self.seed = ipywidgets.IntSlider(0, 0, 99, **labelled("noise no.", 380))
        self.pad = DrawingPad() if (h, w) == (DrawingPad.SIZE, DrawingPad.SIZE) else None
        controls = (self.model, self.noise, self.level, self.digit, self.seed)
        figure = self._draw((h, w))
        asking = (ipywidgets.VBox(controls), *([] if self.pad is None else [self.pad]))
        super().__init__(
            figure, controls, (*self._pictures, *self._names, *self._psnrs),
            arrangement=ipywidgets.HBox(asking, layout=WRAPPING),
        )  # fmt: skip
        if self.pad is not None:
            self.pad.on_input(lambda: self.respond(self.pad))

    def _tuned(self, x: Tensor) -> dict[tuple[str, float], TunedFilter]:
        """The best filter for each kind and level, by its PSNR on training images x: never on what is shown."""
        return {
            (name, level): best_filter(
                corrupted(x, noise.make(level), seed=self.TUNING_SEED), x, names=self.FILTER_NAMES
            )
            for name, noise in NOISES.items()
            for level in noise.levels
        }

    def _draw(self, shape: tuple[int, int]) -> Figure:
        """Four pictures in a row, in pixels: names above, decibels below, both of which change."""
        width, size, top = 864, 204, 44
        figure = pixel_figure(width, 276)
        self._pictures, self._names, self._psnrs = [], [], []
        for i, heading in enumerate(("clean", "noisy", "net", "best filter")):
            ax = pixel_axes(figure, i * (width - size) / 3, top, size, size)
            self._pictures.append(picture(ax, "", shape))
            style: dict[str, Any] = {"fontsize": 10.5, "parse_math": False, "transform": ax.transAxes, "va": "center"}
            ax.text(0, 1 + 31 / size, heading, weight="bold", **style)
            self._names.append(ax.text(0, 1 + 12 / size, "", **style))
            self._psnrs.append(ax.text(0, -14 / size, "", **style))
        return figure

    def prepare(self, control: ipywidgets.Widget | None) -> None:
        """Take what is drawn, or the chosen digit in its place, and the levels of a newly chosen noise."""
        if isinstance(control, DrawingPad):
            self._is_drawn = bool(control.image.any())  # a cleared pad: back to the chosen digit
        elif control is self.digit:
            self._is_drawn = False
        elif control is self.noise:
            self._offer_levels()

    def _offer_levels(self) -> None:
        """The levels of the chosen kind, with the same place on the slider; drawn once, when all is set."""
        place = self.level.index
        with self.held():
            self.level.options = NOISES[self.noise.value].levels
            self.level.index = place

    def update(self) -> str:
        """Draw the image, spoilt and restored by net and filter; return their decibels."""
        kind, level, name = self.noise.value, self.level.value, self.model.value
        x = self.pad.image if self.pad is not None and self._is_drawn else self._images[[self.digit.value]]
        x_noisy = corrupted(x, NOISES[kind].make(level), seed=self.seed.value)
        by_filter = self._filters[kind, level]
        shown = (x, x_noisy, reconstruct(self._models[name], x_noisy), by_filter(x_noisy))
        psnrs = [psnr_db(image, x) for image in shown]
        what = "your drawing" if self._is_drawn else f"digit no. {self.digit.value}"
        filter_name = f"{by_filter.name}, {STRENGTHS[by_filter.name].format(by_filter.strength)}"
        for ax_image, image in zip(self._pictures, shown, strict=True):
            ax_image.set_data(image[0, 0].numpy())
        for text, title in zip(self._names, (what, f"{kind}, {level:g}", name, filter_name), strict=True):
            text.set_text(_short(title))
        for text, psnr in zip(self._psnrs[1:], psnrs[1:], strict=True):
            _write(text, psnr, bold=psnr == max(psnrs[2:]))
        hint = " Clear the pad, or move “digit no.”, and the digits are back." if self._is_drawn else ""
        return (
            f"{what}, {kind} noise, {NOISES[kind].unit} {level:g}: noisy <b>{_decibels(psnrs[1])}</b>, net "
            f"“{html.escape(name)}” <b>{_decibels(psnrs[2])}</b>, best filter ({filter_name}) "
            f"<b>{_decibels(psnrs[3])}</b>. {_verdict(*psnrs[1:])}{hint}"
        )


def _check(
    models: Mapping[str, torch.nn.Module], images: Tensor, training_images: Tensor, noise: str, level: float
) -> None:  # fmt: skip
    grey_shape(training_images)
    if images.shape[1:] != training_images.shape[1:]:
        raise ValueError(f"The images are {tuple(images.shape[1:])}, the training images "
                         f"{tuple(training_images.shape[1:])}: they must agree.")  # fmt: skip
    if not models:
        raise ValueError("There is no net to restore images with: models is empty.")
    if noise not in NOISES or level not in NOISES[noise].levels:
        choice = "; ".join(f"{name}: {', '.join(map(str, n.levels))}" for name, n in NOISES.items())
        raise ValueError(f"There is no {noise!r} noise of level {level}; there are {choice}.")
    for name, model in models.items():
        shape = reconstruct(model, images[:1]).shape
        if shape != images[:1].shape:
            raise ValueError(f"{name} makes {tuple(shape)} of {tuple(images[:1].shape)}: it does not restore images.")


def _write(text: Text, psnr: float, *, bold: bool) -> None:
    text.set(text=_decibels(psnr), weight="bold" if bold else "normal")


def _decibels(psnr: float) -> str:
    return "exact" if psnr > EXACT_DB else f"{psnr:.2f} dB"


def _verdict(noisy: float, net: float, by_filter: float) -> str:
    """Who restores better, by how much; and whether that is better than to leave the noise."""
    if noisy > EXACT_DB:
        return "There is no noise: whatever is done to the image can only harm it."
    better, gain = ("net", net - by_filter) if net > by_filter else ("filter", by_filter - net)
    if gain < AS_GOOD_DB:
        verdict = "Net and filter are equally good."
    else:
        verdict = (
            f"The {better} is better by <b>{gain:.2f} dB</b>: the other's squared error is {10 ** (gain / 10):.1f} "
            "times as large."
        )
    return verdict if max(net, by_filter) > noisy else f"{verdict} Neither is better than the noisy image itself."


def _short(title: str) -> str:
    """What fits above a picture."""
    return title if len(title) <= 32 else f"{title[:31]}…"
