"""Widget of notebook 8: move each number of a code."""

from __future__ import annotations

from typing import Any

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.generation import decode_images, drift
from course_utils.inference import encode_all
from course_utils.metrics import sse_of_each_image
from course_utils.plotting import COLOURS
from course_utils.widgets.base import WRAPPING, LiveFigure, grey_shape, labelled, picture, signed


class CodeSliders(LiveFigure):
    """Move each number of a code with a slider: what does each do to the decoded image?

    The sliders' ranges are the mean of the images' codes ± 3 standard deviations. A slider stands at the nearest of
    its steps; the value itself counts until that slider is moved.

    Parameters
    ----------
    model
        An auto-encoder.
    images
        `(n, 1, h, w)` grey ones, one of which sets the sliders to its code.
    n_sliders
        For a longer code, only that many numbers have a slider, those of the largest standard deviation first; the
        others keep the values of the chosen image, or of the mean code.

    Raises
    ------
    ValueError
        Images are not grey, or n_sliders is below 1.
    """

    N_SDS, N_STEPS = 3, 50  # a slider's reach to either side, in standard deviations and in steps

    def __init__(self, model: torch.nn.Module, images: Tensor, *, n_sliders: int = 10) -> None:
        n, h, w = grey_shape(images)
        if n_sliders < 1:
            raise ValueError(f"n_sliders is {n_sliders}; there must be at least 1 to move.")
        self._model, self._images, self._image_shape = model, images, (1, h, w)
        self._codes = encode_all(model, images)
        self._mean = self._codes.mean(dim=0)
        sds = self._codes.std(dim=0, correction=0)
        n_codes = len(sds)
        order = sds.argsort(descending=True, stable=True) if n_codes > n_sliders else torch.arange(n_codes)
        self.shown = tuple(order[:n_sliders].tolist())
        self.sliders = tuple(self._slider(i, sds[i].item()) for i in self.shown)
        self.digit = ipywidgets.IntSlider(0, 0, n - 1, **labelled("digit no.", 380))
        self.reset = ipywidgets.Button(description="mean code", tooltip="set every number to its mean")
        figure = Figure(figsize=(9.6, 2.6), dpi=90, layout="constrained")
        axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.9))
        self._pictures = [picture(axes[0], "the digit", (h, w)), picture(axes[1], "decoded from the sliders", (h, w))]
        self._points = self._draw_code(axes[2], sds)
        self._take(0)
        moving = (*self._pictures, self._points)
        super().__init__(figure, (self.digit, *self.sliders), moving, arrangement=self._arranged(n_codes))
        self.reset.on_click(lambda _button: self.respond(self.reset))

    def _arranged(self, n_codes: int) -> ipywidgets.VBox:
        n = len(self.sliders)
        some = f"the {n} numbers of the code that vary most, of {n_codes}: most first"
        label = ipywidgets.Label("every number of the code" if n == n_codes else some)
        columns = {"grid_template_columns": "repeat(auto-fill, 400px)"}
        first = ipywidgets.HBox((self.digit, self.reset), layout=WRAPPING)
        return ipywidgets.VBox((first, label, ipywidgets.GridBox(self.sliders, layout=columns)))

    def _slider(self, i: int, sd: float) -> ipywidgets.SelectionSlider:
        """Of places, not of numbers: a FloatSlider rounds what it is set to, and answers as if it had been moved."""
        mean, reach = self._mean[i].item(), self.N_SDS * sd or 1.0  # a number that never varies: a slider all the same
        values = [mean + reach * k / self.N_STEPS for k in range(-self.N_STEPS, self.N_STEPS + 1)]
        return ipywidgets.SelectionSlider(
            options=[(signed(value, 2), value) for value in values], index=self.N_STEPS,
            **labelled(f"number {i + 1}", 380),
        )  # fmt: skip

    def _draw_code(self, ax: Axes, sds: Tensor) -> Any:
        """The code as points, over the ranges of all numbers; returns the points."""
        places = range(1, len(sds) + 1)
        reach = self.N_SDS * sds
        ax.vlines(places, self._mean - reach, self._mean + reach, color="0.85", linewidth=5)
        ax.plot(places, self._mean, "_", color="0.5", markersize=9)
        ax.set(xlabel="number of the code", ylabel="value", xlim=(0.4, len(sds) + 0.6))
        ax.locator_params(axis="x", integer=True)
        ax.set_title("the code (grey: mean ± 3 sd)", loc="left", fontsize=10)
        (points,) = ax.plot(places, self._mean, "o", color=COLOURS[0], markersize=5)
        return points

    def _take(self, i: int | None) -> None:
        """The code of image i, or the mean, and the sliders with it: drawn once, when all are set."""
        self._z = (self._mean if i is None else self._codes[i]).clone()
        self._what = "the mean code" if i is None else f"the code of digit no. {i}"
        with self.held():
            for place, slider in zip(self.shown, self.sliders, strict=True):
                lowest, highest = slider.options[0][1], slider.options[-1][1]
                share = (self._z[place].item() - lowest) / (highest - lowest)
                slider.index = min(max(round(2 * self.N_STEPS * share), 0), 2 * self.N_STEPS)

    def prepare(self, control: ipywidgets.Widget | None) -> None:
        """Take a moved slider's number into the code."""
        if control is not None and control in self.sliders:
            self._z[self.shown[self.sliders.index(control)]] = control.value
            self._what = self._what if self._what.endswith("moved") else f"{self._what}, moved"
        else:
            self._take(None if control is self.reset else self.digit.value)

    def update(self) -> str:
        """Draw the decoded digit and the code; return the line below."""
        x, z = self._images[[self.digit.value]], self._z[None]
        x_hat = decode_images(self._model, z, self._image_shape)
        for shown, image in zip(self._pictures, (x, x_hat), strict=True):
            shown.set_data(image[0, 0].numpy())
        self._points.set_ydata(self._z)
        return (
            f"{self._what}: SSE to digit no. {self.digit.value} <b>{sse_of_each_image(x_hat, x).item():.2f}</b>; drift "
            f"|encode(decode(z)) − z| <b>{drift(self._model, z, self._image_shape).item():.2f}</b>, the code's length "
            f"being {z.norm().item():.2f}"
        )
