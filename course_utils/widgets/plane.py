"""Widgets of notebook 8: wander over the plane of a code of two numbers, or move each number of a longer one."""

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
import traitlets
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor

from course_utils.generation import decode_images, drift, limits_of, plane_grid
from course_utils.metrics import sse_of_each_image
from course_utils.models import encode_all
from course_utils.plotting import COLOURS, plot_codes, tile
from course_utils.widgets.base import LiveFigure, grey_shape, picture, png_bytes
from course_utils.widgets.pointer import _PointerWidget

_PLANE_JS = """
const DIRECTIONS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export default {
  render({ model, el }) {
    const [left, top, wide, high] = model.get("frame");  // the plane within the picture, as shares of it
    const box = document.createElement("div");
    box.className = "course-plane";
    box.style.cssText =
      `position:relative;width:${model.get("width")}px;max-width:100%;touch-action:none;cursor:crosshair`;
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    box.setAttribute("aria-label", "the code plane: move the pointer over it, or use the arrow keys");
    const image = document.createElement("img");
    image.style.cssText = "width:100%;display:block";
    image.draggable = false;
    const plane = document.createElement("div");
    plane.style.cssText = "position:absolute;overflow:hidden;pointer-events:none;" +
      `left:${100 * left}%;top:${100 * top}%;width:${100 * wide}%;height:${100 * high}%`;
    const part = (style) => {
      const line = document.createElement("div");
      line.style.cssText = `position:absolute;box-sizing:border-box;${style}`;
      plane.append(line);
      return line;
    };
    const edge = "background:black;box-shadow:0 0 0 1px white;";
    const across = part(edge + "left:0;width:100%;height:1px");
    const down = part(edge + "top:0;height:100%;width:1px");
    const ring = part("width:14px;height:14px;margin:-7px;border:3px solid #D55E00;border-radius:50%");
    box.append(image, plane);
    el.append(box);

    let at = [0.5, 0.5], waiting = false, changed = false;
    const mark = () => {
      down.style.left = ring.style.left = `${100 * at[0]}%`;
      across.style.top = ring.style.top = `${100 * (1 - at[1])}%`;
    };
    const send = () => {
      if (waiting) { changed = true; return; }
      waiting = true; changed = false;
      model.set("at", at);
      model.set("n_sent", model.get("n_sent") + 1);
      model.save_changes();
    };
    const answered = () => { waiting = false; if (changed) send(); };
    const moved = () => { if (!waiting && Array.isArray(model.get("at"))) { at = model.get("at"); mark(); } };
    const draw = () => {
      const before = image.src;
      image.src = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
      if (before) URL.revokeObjectURL(before);
    };
    const go = (u, v) => {
      at = [Math.min(Math.max(u, 0), 1), Math.min(Math.max(v, 0), 1)];
      mark();
      send();
    };
    const follow = (event) => {
      const area = plane.getBoundingClientRect();
      const u = (event.clientX - area.left) / area.width, v = 1 - (event.clientY - area.top) / area.height;
      const held = box.hasPointerCapture(event.pointerId);  // a drag that began here may leave the plane
      if (held || (u >= 0 && u <= 1 && v >= 0 && v <= 1)) go(u, v);
    };
    box.addEventListener("pointerdown", (event) => { box.setPointerCapture(event.pointerId); follow(event); });
    box.addEventListener("pointermove", follow);
    box.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.1 : 0.02;
      const move = DIRECTIONS[event.key];
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();
      go(at[0] + move[0] * step, at[1] + move[1] * step);
    });
    model.on("change:n_answered", answered);
    model.on("change:at", moved);
    model.on("change:png", draw);
    draw();
    moved();
    mark();
    return () => {
      model.off("change:n_answered", answered);
      model.off("change:at", moved);
      model.off("change:png", draw);
      URL.revokeObjectURL(image.src);
    };
  },
};
"""
Place = tuple[float, float]


class PlanePointer(_PointerWidget):
    """A picture of a plane with a cross on it, which follows the pointer and the arrow keys (faster with shift).

    at: [u, v], the cross in shares of the plane's width and height, from the bottom left; frame: left, top, width and
    height of the plane within the picture `png`, as shares of it; width: the picture's, in pixels.
    """

    _esm = _PLANE_JS
    png = traitlets.CBytes(b"").tag(sync=True)
    at = traitlets.Any([0.5, 0.5]).tag(sync=True)
    frame = traitlets.List([0.0, 0.0, 1.0, 1.0]).tag(sync=True)
    width = traitlets.Int(400).tag(sync=True)

    @property
    def place(self) -> Place | None:
        """(u, v), both in [0, 1]; None where a message holds no such place."""
        at = self.at
        if not isinstance(at, (list, tuple)) or len(at) != 2 or any(type(share) not in (int, float) for share in at):
            return None
        return (float(at[0]), float(at[1])) if all(0 <= share <= 1 for share in at) else None  # NaN is not, either


@dataclass
class _Plane:
    """A model with the codes of the images, and what is drawn of its plane: computed once, when it is asked for."""

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
        return self.drift_percent(self.cells(self.N_SIDE)).view(self.N_SIDE, self.N_SIDE).numpy()

    @cached_property
    def density_map(self) -> np.ndarray:
        return self.n_near(self.cells(self.N_SIDE)).view(self.N_SIDE, self.N_SIDE).numpy()

    @cached_property
    def tiles(self) -> np.ndarray:
        return tile(self.decoded(self.cells(self.N_TILES)), n_columns=self.N_TILES, pad=0)


class PlaneExplorer(LiveFigure):
    """Move the pointer over the plane of a code of two numbers: beside it stands what the decoder makes of the place.

    models: name → an auto-encoder with a code of 2 numbers, as in `{"plain": …, "variational": …}`; images:
    `(n, 1, h, w)`, whose codes are the points; labels: `(n,)` whole numbers; class_names: of the labels, if not their
    numbers. The plane is shown with the codes, with how many there are around every place, with holes (how far a code
    is from the code of its own image), or filled with decoded digits. The cross begins at the code of the first image.
    Raises ValueError: no models, a code of another size, images that are not grey, labels that do not fit.
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
        self.model = ipywidgets.Dropdown(options=list(models), description="model", layout={"width": "260px"})
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
        super().__init__(figure, (self.model, self.overlay), (*self._pictures, self._nearest_name))
        above, *below = self.children
        beside = ipywidgets.HBox((self.pointer, self.picture), layout={"flex_flow": "row wrap"})
        self.children = (above, beside, *below[1:])
        self.pointer.on_input(self._moved)

    def _draw(self, shape: tuple[int, int]) -> Figure:
        """What stands beside the plane: the decoded digit, large, and the image whose code is nearest."""
        width, height = 296, self.HEIGHT
        figure = Figure(figsize=(width / 90, height / 90), dpi=90, layout="none")
        self._pictures = []
        for title, top, size in (("decoded here", self.TOP, 280), ("", self.TOP + 308, 112)):
            ax = figure.add_axes((8 / width, 1 - (top + size) / height, size / width, size / height))
            self._pictures.append(picture(ax, title, shape))
        style = {"transform": self._pictures[1].axes.transAxes, "fontsize": 10, "parse_math": False}
        self._nearest_name = self._pictures[1].axes.text(1.08, 0.5, "", va="center", **style)
        return figure

    def _moved(self) -> None:
        if (place := self.pointer.place) is not None:
            self._place = place
            self._changed({})

    def update(self) -> str:
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
            f"z = ({_signed(x)}, {_signed(y)}); codes near it (within {100 * plane.RADIUS:g} % of the plane's width): "
            f"<b>{n_near:,}</b> of {n:,}, the nearest is of a “{html.escape(name)}”.<br>Drift |encode(decode(z)) − z|: "
            f"<b>{here * plane.width / 100:.3f}</b>, {here:.1f} % of the width (codes of images: "
            f"{plane.usual_drift_percent:.1f} %, median)."
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
        width, height, side = self.WIDTH, self.HEIGHT, self.SIDE
        figure = Figure(figsize=(width / 90, height / 90), dpi=90, layout="none")
        bottom = height - self.TOP - side
        ax = figure.add_axes((self.LEFT / width, bottom / height, side / width, side / height))
        plane = self._planes[name]
        extent = (plane.low[0], plane.high[0], plane.low[1], plane.high[1])
        if overlay == "codes":
            plot_codes(plane.codes, self._labels, self._class_names, ax=ax)
            title = "codes of the images"
        elif overlay == "digits":
            ax.imshow(plane.tiles, extent=extent, cmap="gray", vmin=0, vmax=1)
            title = "decoded at the middle of each tile"
        elif overlay == "density":
            n_most = max(1, int(plane.density_map.max()))
            shown = (plane.density_map, "Blues", PowerNorm(0.5, 0, n_most))
            self._draw_map(ax, *shown, extent, f"codes within {100 * plane.RADIUS:g} % of the plane's width")
            title = "how many codes are near"
        else:
            # One scale for all models, the smaller values spread: it is there that codes of images are.
            self._draw_map(
                ax, plane.drift_map, "cividis", PowerNorm(0.5, 0, 40), extent, "drift, % of the plane's width"
            )
            ax.scatter(*plane.codes.T, s=1.5, color="white", linewidths=0)
            title = "holes: where the drift is large (white: the codes)"
        ax.set(xlim=extent[:2], ylim=extent[2:], xlabel="first number of the code", ylabel="second")
        ax.grid(visible=False)
        ax.set_title(title, loc="left", fontsize=10)
        return figure

    def _draw_map(
        self, ax: Axes, values: np.ndarray, cmap: str | Colormap, norm: Normalize, extent: Sequence[float], label: str
    ) -> None:  # fmt: skip
        shown = ax.imshow(values, extent=extent, cmap=cmap, norm=norm, interpolation="bilinear")
        width, height = self.WIDTH, self.HEIGHT
        beside = ((self.LEFT + self.SIDE + 8) / width, 1 - (self.TOP + self.SIDE) / height, 12 / width)
        bar = ax.figure.add_axes((*beside, self.SIDE / height))
        ax.figure.colorbar(shown, cax=bar, label=label, extend="max" if np.max(values) > norm.vmax else "neither")

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


def _plane(name: str, model: torch.nn.Module, images: Tensor) -> _Plane:
    codes = encode_all(model, images)
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"{name} has codes of shape {tuple(codes.shape)}; a plane needs a code of 2 numbers, (n, 2). "
                         f"CodeSliders shows longer codes.")  # fmt: skip
    return _Plane(model, codes, tuple(images.shape[1:]))


def _checked_labels(labels: Tensor, n: int, class_names: Sequence[str] | None) -> Tensor:
    if labels.shape != (n,):
        raise ValueError(f"labels has shape {tuple(labels.shape)} for {n} images: one label an image, ({n},).")
    n_classes = math.inf if class_names is None else len(class_names)
    if labels.is_floating_point() or not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"labels must be whole numbers from 0 to below {n_classes}, not {labels.dtype} from "
                         f"{labels.min().item()} to {labels.max().item()}.")  # fmt: skip
    return labels.long()


def _signed(number: float) -> str:
    return f"{number:.2f}".replace("-", "−")


class CodeSliders(LiveFigure):
    """A slider for each number of a code: what does each do to the decoded image?

    model: an auto-encoder; images: `(n, 1, h, w)`, one of which sets the sliders to its code; their codes set the
    sliders' ranges, mean ± 3 standard deviations. n_sliders: for a longer code, only that many numbers have a slider,
    those of the largest standard deviation first; the others keep the values of the chosen image, or of the mean code.
    A slider stands at the nearest of its steps; the value itself counts until that slider is moved.
    Raises ValueError for images that are not grey, and n_sliders below 1.
    """

    N_SDS, N_STEPS = 3, 50  # a slider's reach to either side, in standard deviations and in steps

    def __init__(self, model: torch.nn.Module, images: Tensor, *, n_sliders: int = 10) -> None:
        n, h, w = grey_shape(images)
        if n_sliders < 1:
            raise ValueError(f"n_sliders is {n_sliders}; there must be at least 1 to move.")
        self._model, self._images = model, images
        self._codes = encode_all(model, images)
        self._mean = self._codes.mean(dim=0)
        sds = self._codes.std(dim=0, correction=0)
        n_codes = len(sds)
        order = sds.argsort(descending=True, stable=True) if n_codes > n_sliders else torch.arange(n_codes)
        self.shown = tuple(order[:n_sliders].tolist())
        self.sliders = tuple(self._slider(i, sds[i].item()) for i in self.shown)
        self.digit = ipywidgets.IntSlider(0, 0, n - 1, description="digit no.", layout={"width": "380px"})
        self.reset = ipywidgets.Button(description="mean code", tooltip="set every number to its mean")
        self._is_setting, self._what = False, ""

        figure = Figure(figsize=(9.6, 2.6), dpi=90, layout="constrained")
        axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.9))
        self._pictures = [picture(axes[0], "the digit", (h, w)), picture(axes[1], "decoded from the sliders", (h, w))]
        self._points = self._draw_code(axes[2], sds)
        self._take(0)
        columns = {"grid_template_columns": "repeat(auto-fill, 400px)"}
        words = "every number of the code" if len(self.shown) == n_codes else (
            f"the {len(self.shown)} numbers of the code that vary most, of {n_codes}: most first"
        )  # fmt: skip
        arrangement = ipywidgets.VBox(
            (
                ipywidgets.HBox((self.digit, self.reset), layout={"flex_flow": "row wrap"}),
                ipywidgets.Label(words),
                ipywidgets.GridBox(self.sliders, layout=columns),
            )
        )
        super().__init__(figure, (self.digit, *self.sliders), (*self._pictures, self._points), arrangement=arrangement)
        self.reset.on_click(lambda _button: self._changed({"owner": self.reset}))

    def _slider(self, i: int, sd: float) -> ipywidgets.SelectionSlider:
        """Of places, not of numbers: a FloatSlider rounds what it is set to, and answers as if it had been moved."""
        mean, reach = self._mean[i].item(), self.N_SDS * sd or 1.0  # a number that never varies: a slider all the same
        values = [mean + reach * k / self.N_STEPS for k in range(-self.N_STEPS, self.N_STEPS + 1)]
        return ipywidgets.SelectionSlider(
            options=[(_signed(value), value) for value in values], index=self.N_STEPS,
            description=f"number {i + 1}", layout={"width": "380px"},
        )  # fmt: skip

    def _draw_code(self, ax: Axes, sds: Tensor) -> Any:
        """The code as points, over the ranges of all numbers; returns the points."""
        places = range(1, len(sds) + 1)
        reach = self.N_SDS * sds
        ax.vlines(places, self._mean - reach, self._mean + reach, color="0.85", linewidth=5)
        ax.plot(places, self._mean, "_", color="0.5", markersize=9)
        ax.set(xlabel="number of the code", ylabel="value", xlim=(0.4, len(sds) + 0.6))
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_title("the code (grey: mean ± 3 sd)", loc="left", fontsize=10)
        (points,) = ax.plot(places, self._mean, "o", color=COLOURS[0], markersize=5)
        return points

    def _take(self, i: int | None) -> None:
        """The code of image i, or the mean, and the sliders with it: drawn once, when all are set."""
        self._z = (self._mean if i is None else self._codes[i]).clone()
        self._what = "the mean code" if i is None else f"the code of digit no. {i}"
        self._is_setting = True
        try:
            for place, slider in zip(self.shown, self.sliders, strict=True):
                lowest, highest = slider.options[0][1], slider.options[-1][1]
                share = (self._z[place].item() - lowest) / (highest - lowest)
                slider.index = min(max(round(2 * self.N_STEPS * share), 0), 2 * self.N_STEPS)
        finally:
            self._is_setting = False

    def _changed(self, change: Mapping[str, Any]) -> None:
        if self._is_setting:
            return
        owner = change.get("owner")
        if owner in self.sliders:
            self._z[self.shown[self.sliders.index(owner)]] = owner.value
            self._what = self._what if self._what.endswith("moved") else f"{self._what}, moved"
        elif owner is not None:
            self._take(None if owner is self.reset else self.digit.value)
        super()._changed(change)

    def update(self) -> str:
        x, z = self._images[[self.digit.value]], self._z[None]
        x_hat = decode_images(self._model, z, tuple(x.shape[1:]))
        for shown, image in zip(self._pictures, (x, x_hat), strict=True):
            shown.set_data(image[0, 0].numpy())
        self._points.set_ydata(self._z)
        return (
            f"{self._what}: SSE to digit no. {self.digit.value} <b>{sse_of_each_image(x_hat, x).item():.2f}</b>; drift "
            f"|encode(decode(z)) − z| <b>{drift(self._model, z, tuple(x.shape[1:])).item():.2f}</b>, the code's length "
            f"being {z.norm().item():.2f}"
        )
