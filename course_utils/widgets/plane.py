"""Widget of notebook 8: wander over the plane of a code of two numbers."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import ipywidgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor

from course_utils.generation import decode_images, drift, limits_of, plane_grid
from course_utils.inference import encode_all
from course_utils.plotting import COLOURS, plot_codes, tile
from course_utils.widgets.base import (
    WRAPPING,
    LiveFigure,
    grey_shape,
    labelled,
    picture,
    pixel_axes,
    pixel_figure,
    png_bytes,
    signed,
)
from course_utils.widgets.pointer import Place, PlanePointer

Extent = tuple[float, float, float, float]  # left, right, bottom, top


@dataclass
class Plane:
    """Hold a model with the codes of images, and compute once, when asked for, what is drawn of its plane.

    Parameters
    ----------
    model
        An auto-encoder with a code of 2 numbers.
    codes
        Of the images, `(n, 2)`.
    image_shape
        `(1, h, w)`.
    """

    model: torch.nn.Module
    codes: Tensor
    image_shape: tuple[int, int, int]

    N_SIDE = 49  # of the maps, 8 pixels a cell
    N_TILES = 14  # decoded digits in a row: 28 pixels each, as they are
    RADIUS = 0.05  # of the circle in which codes are counted, as a share of the plane's width

    def __post_init__(self) -> None:
        self.low, self.high = limits_of(self.codes)
        self.width = self.high[0] - self.low[0]

    def code_at(self, place: Place) -> Tensor:
        """The code `(1, 2)` at a place in shares of the plane."""
        return torch.tensor([[low + share * self.width for low, share in zip(self.low, place, strict=True)]])

    def place_of(self, z: Tensor) -> Place:
        """The place of a code `(2,)` in shares of the plane; at its edge for one beyond it."""
        u, v = ((z - torch.tensor(self.low)) / self.width).clamp(0, 1).tolist()
        return u, v

    def decoded(self, z: Tensor) -> Tensor:
        """Decode codes `(n, 2)` to images `(n, c, h, w)`."""
        return decode_images(self.model, z, self.image_shape)

    def drift_percent(self, z: Tensor) -> Tensor:
        """`generation.drift` in % of the plane's width: so, planes of different scales can be compared."""
        return 100 * drift(self.model, z, self.image_shape) / self.width

    def n_near(self, z: Tensor) -> Tensor:
        """How many images' codes lie within RADIUS of each code of z: `(n,)`."""
        batches = z.split(1_000)  # 1,000 × 10,000 distances take 40 MB
        return torch.cat([(torch.cdist(batch, self.codes) < self.RADIUS * self.width).sum(dim=1) for batch in batches])

    def cells(self, n_side: int) -> Tensor:
        """The middles of n_side² cells that fill the plane, row by row from the top left: `(n_side², 2)`."""
        half = self.width / n_side / 2
        low, high = ((self.low[0] + half, self.low[1] + half), (self.high[0] - half, self.high[1] - half))
        return plane_grid(low, high, n_side=n_side)

    @cached_property
    def usual_drift_percent(self) -> float:
        """The drift of the images' own codes, the median."""
        return self.drift_percent(self.codes).median().item()

    @cached_property
    def drift_map(self) -> np.ndarray:
        """Compute how far a code moves when it is decoded and encoded again, in percent, `(N_SIDE, N_SIDE)`."""
        return self.drift_percent(self.cells(self.N_SIDE)).view(self.N_SIDE, self.N_SIDE).numpy()

    @cached_property
    def density_map(self) -> np.ndarray:
        """Count the codes near each cell, `(N_SIDE, N_SIDE)`."""
        return self.n_near(self.cells(self.N_SIDE)).view(self.N_SIDE, self.N_SIDE).numpy()

    @cached_property
    def tiles(self) -> np.ndarray:
        """Decode the middles of N_TILES² cells, and tile the images."""
        return tile(self.decoded(self.cells(self.N_TILES)), n_columns=self.N_TILES, pad=0)


class PlaneExplorer(LiveFigure):
    """Move the pointer over the plane of a code of two numbers: beside it stands what the decoder makes of the place.

    The plane is shown with the codes, with how many there are around every place, with holes (how far a code is from
    the code of its own image), or filled with decoded digits. The cross begins at the code of the first image.

    Parameters
    ----------
    models
        Name → an auto-encoder with a code of 2 numbers, as in `{"plain": …, "variational": …}`.
    images
        `(n, 1, h, w)` grey ones, whose codes are the points.
    labels
        `(n,)` whole numbers.
    class_names
        Of the labels, if not their numbers.
    overlay
        What the plane is shown with at the beginning.

    Raises
    ------
    ValueError
        There are no models, a code has another size, images are not grey, or labels do not fit.
    """

    OVERLAYS = ("codes", "density", "holes", "digits")
    WIDTH, HEIGHT, SIDE = 534, 464, 392  # of the plane's picture and of the plane, in pixels
    LEFT, TOP = 68, 26

    def __init__(
        self, models: Mapping[str, torch.nn.Module], images: Tensor, labels: Tensor, *,
        class_names: Sequence[str] | None = None, overlay: Literal["codes", "density", "holes", "digits"] = "codes",
    ) -> None:  # fmt: skip
        _, h, w = grey_shape(images)
        if not models:
            raise ValueError("There is no model whose plane could be shown: models is empty.")
        self._images, self._labels = images, _checked_labels(labels, len(images), class_names)
        n_classes = int(self._labels.max()) + 1
        self._class_names = tuple(map(str, range(n_classes) if class_names is None else class_names))
        self._planes = {name: _plane(name, model, images) for name, model in models.items()}
        self._drawn_planes: dict[tuple[str, str], tuple[bytes, np.ndarray]] = {}
        self.model = ipywidgets.Dropdown(options=list(models), **labelled("model", 260))
        self.overlay = ipywidgets.ToggleButtons(
            options=self.OVERLAYS, value=overlay, description="overlay", style={"button_width": "84px"}
        )
        first = self._planes[self.model.value]
        self._place = first.place_of(first.codes[0])
        self.pointer = PlanePointer(
            at=list(self._place), width=self.WIDTH,
            frame=[self.LEFT / self.WIDTH, self.TOP / self.HEIGHT, self.SIDE / self.WIDTH, self.SIDE / self.HEIGHT],
            layout={"max_width": "100%"},
        )  # fmt: skip
        figure = self._draw((h, w))
        above = ipywidgets.HBox((self.model, self.overlay), layout=WRAPPING)
        moving = (*self._pictures, self._nearest_name)
        super().__init__(figure, (self.model, self.overlay), moving, arrangement=above)
        beside = ipywidgets.HBox((self.pointer, self.picture), layout=WRAPPING)
        self.children = (above, beside, self.readout, self.errors)
        self.pointer.on_input(self._moved)

    def _draw(self, shape: tuple[int, int]) -> Figure:
        """What stands beside the plane: the decoded digit, large, and the image whose code is nearest."""
        figure = pixel_figure(296, self.HEIGHT)
        self._pictures = [
            picture(pixel_axes(figure, 8, top, size, size), title, shape)
            for title, top, size in (("decoded here", self.TOP, 280), ("", self.TOP + 308, 112))
        ]
        style: dict[str, Any] = {"transform": self._pictures[1].axes.transAxes, "fontsize": 10, "parse_math": False}
        self._nearest_name = self._pictures[1].axes.text(1.08, 0.5, "", va="center", **style)
        return figure

    def _moved(self) -> None:
        if (place := self.pointer.place) is not None:
            self._place = place
            self.respond()

    def update(self) -> str:
        """Draw the plane and what is decoded at the cross; return the line below."""
        plane = self._planes[self.model.value]
        self.pointer.png, _ = self._drawn_plane(self.model.value, self.overlay.value)
        z = plane.code_at(self._place)
        distances = (plane.codes - z).norm(dim=1)
        nearest = int(distances.argmin())
        name = self._class_names[self._labels[nearest]]
        for shown, image in zip(self._pictures, (plane.decoded(z)[0], self._images[nearest]), strict=True):
            shown.set_data(image[0].numpy())
        self._nearest_name.set_text(f"the image with\nthe nearest code:\n“{name}”")
        (x, y), here = z[0].tolist(), plane.drift_percent(z).item()
        n_near, n = plane.n_near(z).item(), len(plane.codes)
        return (
            f"z = ({signed(x, 2)}, {signed(y, 2)}); codes near it (within {100 * plane.RADIUS:g} % of the plane's "
            f"width): <b>{n_near:,}</b> of {n:,}, the nearest is of a “{html.escape(name)}”.<br>Drift "
            f"|encode(decode(z)) − z|: <b>{here * plane.width / 100:.3f}</b>, {here:.1f} % of the width (codes of "
            f"images: {plane.usual_drift_percent:.1f} %, median)."
        )

    def _drawn_plane(self, name: str, overlay: str) -> tuple[bytes, np.ndarray]:
        """The plane as PNG and as `(h, w, 3)` bytes, without the cross; drawn once."""
        if (name, overlay) not in self._drawn_planes:
            canvas = FigureCanvasAgg(self._plane_figure(name, overlay))
            canvas.draw()
            pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
            self._drawn_planes[name, overlay] = (png_bytes(Image.fromarray(pixels), compress_level=1), pixels)
        return self._drawn_planes[name, overlay]

    def _plane_figure(self, name: str, overlay: str) -> Figure:
        figure, plane = pixel_figure(self.WIDTH, self.HEIGHT), self._planes[name]
        ax = pixel_axes(figure, self.LEFT, self.TOP, self.SIDE, self.SIDE)
        limits = {"xlim": (plane.low[0], plane.high[0]), "ylim": (plane.low[1], plane.high[1])}
        title = self._draw_overlay(ax, plane, overlay, (*limits["xlim"], *limits["ylim"]))
        ax.set(**limits, xlabel="first number of the code", ylabel="second")
        ax.grid(visible=False)
        ax.set_title(title, loc="left", fontsize=10)
        return figure

    def _draw_overlay(self, ax: Axes, plane: Plane, overlay: str, extent: Extent) -> str:
        """Fill the plane, whose limits are extent; returns the title."""
        if overlay == "codes":
            plot_codes(plane.codes, self._labels, self._class_names, ax=ax)
            return "codes of the images"
        if overlay == "digits":
            ax.imshow(plane.tiles, extent=extent, cmap="gray", vmin=0, vmax=1)
            return "decoded at the middle of each tile"
        if overlay == "density":
            norm = PowerNorm(0.5, 0, max(1, int(plane.density_map.max())))
            label = f"codes within {100 * plane.RADIUS:g} % of the plane's width"
            self._draw_map(ax, plane.density_map, label, extent=extent, cmap="Blues", norm=norm)
            return "how many codes are near"
        # One scale for all models, the smaller values spread: it is there that codes of images are.
        norm, label = PowerNorm(0.5, 0, 40), "drift, % of the plane's width"
        self._draw_map(ax, plane.drift_map, label, extent=extent, cmap="cividis", norm=norm)
        x, y = plane.codes.T
        ax.scatter(x, y, s=1.5, color="white", linewidths=0)
        return "holes: where the drift is large (white: the codes)"

    def _draw_map(self, ax: Axes, values: np.ndarray, label: str, *, norm: Normalize, **options: Any) -> None:
        shown = ax.imshow(values, norm=norm, interpolation="bilinear", **options)
        beside = pixel_axes(ax.figure, self.LEFT + self.SIDE + 8, self.TOP, 12, self.SIDE)
        extend = "max" if np.max(values) > norm.vmax else "neither"
        ax.figure.colorbar(shown, cax=beside, label=label, extend=extend)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """As every LiveFigure's; the still has the plane with its cross to the left of the digit."""
        return {**super()._repr_mimebundle_(**kwargs), "image/png": base64.b64encode(self._still()).decode()}

    def _still(self) -> bytes:
        digit = Image.open(io.BytesIO(self.picture.value))
        still = Image.new("RGB", (self.WIDTH + digit.width, self.HEIGHT), "white")
        still.paste(Image.fromarray(self._drawn_plane(self.model.value, self.overlay.value)[1]))
        still.paste(digit, (self.WIDTH, 0))
        pen = ImageDraw.Draw(still)
        (left, top), side = (self.LEFT, self.TOP), self.SIDE
        x, y = round(left + self._place[0] * side), round(top + (1 - self._place[1]) * side)
        for colour, width in (("white", 3), ("black", 1)):
            pen.line((left, y, left + side, y), colour, width)
            pen.line((x, top, x, top + side), colour, width)
        pen.ellipse((x - 7, y - 7, x + 7, y + 7), outline=COLOURS[1], width=3)
        return png_bytes(still, optimize=True)


def _plane(name: str, model: torch.nn.Module, images: Tensor) -> Plane:
    codes = encode_all(model, images)
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"{name} has codes of shape {tuple(codes.shape)}; a plane needs a code of 2 numbers, (n, 2). "
                         f"CodeSliders shows longer codes.")  # fmt: skip
    _, h, w = grey_shape(images)
    return Plane(model, codes, (1, h, w))


def _checked_labels(labels: Tensor, n: int, class_names: Sequence[str] | None) -> Tensor:
    if labels.shape != (n,):
        raise ValueError(f"labels has shape {tuple(labels.shape)} for {n} images: one label an image, ({n},).")
    n_classes = math.inf if class_names is None else len(class_names)
    if labels.is_floating_point() or not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"labels must be whole numbers from 0 to below {n_classes}, not {labels.dtype} from "
                         f"{labels.min().item()} to {labels.max().item()}.")  # fmt: skip
    return labels.long()
