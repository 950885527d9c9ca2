"""Widgets of notebooks 1 and 2: what is left of a digit, and of a walk between two."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.inference import decode_all, encode_all
from course_utils.metrics import sse_of_each_image
from course_utils.plotting import COLOURS, METHOD_COLOURS
from course_utils.widgets.base import LiveFigure, grey_shape, labelled, picture

RESIDUAL_COLOURS = "RdBu_r"


class PCAExplorer(LiveFigure):
    """Show a digit restored from its first k principal components, k from 0 to all; what is missing; the error.

    Parameters
    ----------
    images
        To choose from, `(n, 1, h, w)` grey ones.
    mean
        Of the training images, h · w numbers.
    components
        `(k_max, h · w)`, orthonormal rows, largest variance first.
    k
        To begin with.

    Raises
    ------
    ValueError
        The sizes do not agree, or the images are not grey.
    """

    def __init__(self, images: Tensor, *, mean: Tensor, components: Tensor, k: int = 10) -> None:
        n, h, w = grey_shape(images)
        k_max = len(components)
        if mean.numel() != h * w or components.shape[1] != h * w:
            raise ValueError(
                f"Images have {h * w} numbers, the mean {mean.numel()}, a component {components.shape[1]}: "
                f"they must agree."
            )
        self._x = images.flatten(1)
        self._mean, self._components = mean.flatten(), components
        self._z = (self._x - self._mean) @ components.T  # all codes at once: a code of k is the first k of these
        centred = (self._x - self._mean).square().sum(1, keepdim=True)
        # Orthonormal components: each takes its squared coordinate off the error (Pythagoras).
        self._errors_by_k = torch.cat([centred, centred - self._z.square().cumsum(1)], dim=1).clamp(min=0)
        self.digit = ipywidgets.IntSlider(0, 0, n - 1, **labelled("digit no.", 280))
        self.k = ipywidgets.IntSlider(min(k, k_max), 0, k_max, **labelled("k", 440))

        figure = Figure(figsize=(9.6, 2.9), dpi=90, layout="constrained")
        axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.9))
        self._pictures = [
            picture(axes[0], "the digit", (h, w)),
            picture(axes[1], "from k numbers", (h, w)),
            picture(axes[2], "error (red: too bright)", (h, w), limits=(-1, 1), cmap=RESIDUAL_COLOURS),
        ]
        curve = axes[3]
        curve.plot(self._errors_by_k.mean(0), color="0.6", label=f"mean of these {n}")
        (self._line,) = curve.plot([], [], color=COLOURS[0], label="this digit")
        (self._point,) = curve.plot([], [], "o", color=COLOURS[1], markersize=8)
        curve.set(xlabel="k", ylabel="SSE", xlim=(-2, k_max + 2), ylim=(0, 1.05 * self._errors_by_k.max().item()))
        curve.set_title("error against k", loc="left", fontsize=10)
        curve.legend(frameon=False, fontsize=9)
        super().__init__(figure, (self.digit, self.k), (*self._pictures, self._line, self._point))

    def update(self) -> str:
        """Draw the digit restored from k components; return its error and the mean."""
        i, k = self.digit.value, self.k.value
        shape = self._pictures[0].get_size()
        x, x_hat = self._x[i], self._mean + self._z[i, :k] @ self._components[:k]
        for shown, values in zip(self._pictures, (x, x_hat, x_hat - x), strict=True):
            shown.set_data(values.view(shape).numpy())
        self._line.set_data(range(self._errors_by_k.shape[1]), self._errors_by_k[i])
        sse = (x_hat - x).square().sum().item()
        self._point.set_data([k], [sse])
        mean = self._errors_by_k[:, k].mean().item()
        return f"k = {k}: SSE of this digit <b>{sse:.2f}</b>, mean of all {len(self._x)} <b>{mean:.2f}</b>"


class CodeSizeExplorer(LiveFigure):
    """Show a digit restored by several methods from a code whose size a slider sets, and the errors at every size.

    Parameters
    ----------
    images
        To choose from, `(n, 1, h, w)` grey ones.
    reconstructions
        Method → code size → `(n, 1, h, w)`, the same sizes for each method, as in
        `{"PCA": {2: …, 4: …}, "deep": {2: …, 4: …}}`.

    Raises
    ------
    ValueError
        There are no methods, they have different sizes, or shapes do not agree.
    """

    def __init__(self, images: Tensor, reconstructions: Mapping[str, Mapping[int, Tensor]]) -> None:
        _, h, w = grey_shape(images)
        if not reconstructions:
            raise ValueError("There is no method to compare: reconstructions is empty.")
        sizes = sorted(next(iter(reconstructions.values())))
        if any(sorted(by_size) != sizes for by_size in reconstructions.values()):
            raise ValueError("Every method needs reconstructions for the same code sizes.")
        self._images, self._reconstructions, self._sizes = images, reconstructions, sizes
        self._errors_by_method = {
            name: torch.stack([sse_of_each_image(by_size[k], images) for k in sizes])
            for name, by_size in reconstructions.items()
        }
        self.digit = ipywidgets.IntSlider(0, 0, len(images) - 1, **labelled("digit no.", 280))
        self.size = ipywidgets.SelectionSlider(
            options=sizes, value=sizes[len(sizes) // 2], **labelled("code size", 440)
        )

        n_pictures = 1 + len(reconstructions)
        figure = Figure(figsize=(9.6, 2.9), dpi=90, layout="constrained")
        axes = figure.subplots(1, n_pictures + 1, width_ratios=[1] * n_pictures + [1.9])
        self._pictures = [
            picture(ax, name, (h, w)) for ax, name in zip(axes, ("the digit", *reconstructions), strict=False)
        ]
        curve, self._lines, self._points = axes[-1], [], []
        for name, spare in zip(reconstructions, COLOURS[2:], strict=False):
            colour = METHOD_COLOURS.get(name, spare)
            self._lines += curve.plot([], [], "-", color=colour, label=name)
            self._points += curve.plot([], [], "o", color=colour, markersize=8)
        highest = max(errors.max().item() for errors in self._errors_by_method.values())
        curve.set_xscale("log", base=2)
        curve.set_xticks(sizes, [str(k) for k in sizes])
        curve.set(xlabel="code size", ylabel="SSE", xlim=(sizes[0] * 0.8, sizes[-1] * 1.25), ylim=(0, 1.05 * highest))
        curve.set_title("error of this digit", loc="left", fontsize=10)
        curve.legend(frameon=False, fontsize=9)
        super().__init__(figure, (self.digit, self.size), (*self._pictures, *self._lines, *self._points))

    def update(self) -> str:
        """Draw the digit restored from codes of the chosen size; return the errors."""
        i, k = self.digit.value, self.size.value
        shown = [self._images[i], *(by_size[k][i] for by_size in self._reconstructions.values())]
        for ax_image, image in zip(self._pictures, shown, strict=True):
            ax_image.set_data(image[0].numpy())
        texts = []
        for (name, errors), line, point in zip(self._errors_by_method.items(), self._lines, self._points, strict=True):
            line.set_data(self._sizes, errors[:, i])
            sse = errors[self._sizes.index(k), i].item()
            point.set_data([k], [sse])
            texts.append(f"{name} <b>{sse:.2f}</b>")
        return f"code of {k} numbers: SSE of this digit: {', '.join(texts)}"


class WalkExplorer(LiveFigure):
    """Walk from one digit to another with one slider, in pixel space and in code space, one above the other.

    Parameters
    ----------
    model
        An auto-encoder with `encode` and `decode`.
    images
        To choose both ends from, `(n, 1, h, w)` grey ones.
    start, end
        The numbers of both ends to begin with.

    Raises
    ------
    ValueError
        The images are not grey.
    """

    N_STEPS = 8

    def __init__(self, model: torch.nn.Module, images: Tensor, *, start: int = 0, end: int = 1) -> None:
        n, h, w = grey_shape(images)
        self._shape = (h, w)
        self._images, self._codes = images, encode_all(model, images)
        self._decode: Callable[[Tensor], Tensor] = lambda z: decode_all(model, z)
        self.start = ipywidgets.IntSlider(start, 0, n - 1, **labelled("from no.", 250))
        self.end = ipywidgets.IntSlider(end, 0, n - 1, **labelled("to no.", 250))
        self.t = ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.02, **labelled("t", 340))

        figure = Figure(figsize=(9.6, 2.2), dpi=90, layout="constrained")
        grid = figure.subplot_mosaic([["strip", "pixel", "code"]], width_ratios=(3.4, 1, 1))
        self._strip = picture(
            grid["strip"], "the walk: mixed pixels above, mixed codes below", (2 * h, (self.N_STEPS + 1) * w)
        )
        self._pixel = picture(grid["pixel"], "at t: pixels", self._shape)
        self._code = picture(grid["code"], "at t: codes", self._shape)
        (self._marker,) = grid["strip"].plot([], [], color=COLOURS[1], linewidth=2)
        super().__init__(figure, (self.start, self.end, self.t), (self._strip, self._pixel, self._code, self._marker))

    def update(self) -> str:
        """Draw the way between two digits, and where t stands on it; return the line below."""
        a, b, t = self.start.value, self.end.value, self.t.value
        weights = torch.cat([torch.linspace(0, 1, self.N_STEPS + 1, dtype=torch.float32), self._codes.new_tensor([t])])[
            :, None
        ]
        pixels = torch.lerp(self._images[a].flatten(), self._images[b].flatten(), weights).view(-1, *self._shape)
        decoded = self._decode(torch.lerp(self._codes[a], self._codes[b], weights)).view(-1, *self._shape)
        strip = [torch.cat(list(frames[:-1]), dim=1) for frames in (pixels, decoded)]
        self._strip.set_data(torch.cat(strip).numpy())
        self._pixel.set_data(pixels[-1].numpy())
        self._code.set_data(decoded[-1].numpy())
        h, w = self._shape
        self._marker.set_data([(self.N_STEPS * t + 0.5) * w - 0.5] * 2, [-0.5, 2 * h - 0.5])
        distance = (pixels[-1] - decoded[-1]).square().sum().item()
        return f"t = {t:.2f}: the two pictures at t are <b>{distance:.2f}</b> apart (squared difference, summed)"
