"""What every widget of the course is built on: a figure of which only what moves is redrawn."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from PIL import Image
from torch import Tensor

WRAPPING = {"flex_flow": "row wrap"}  # of controls in a row, in a narrow window
DPI = 90
# With y, matplotlib does not look for what the title could overlap, which takes 5 ms.
TITLE: dict[str, Any] = {"loc": "left", "fontsize": 10, "y": 1.0}


class LiveFigure(ipywidgets.VBox):
    """Show controls above a figure, of which only the `moving` artists are redrawn, and a line of text below it.

    Sub-classes build figure and controls, call `super().__init__`, and write `update()`. An error in it is shown below
    the figure: without that, an exception in a callback that a browser triggers shows nowhere.

    Parameters
    ----------
    figure
        What is drawn, once.
    controls
        Of those with a `value`, each change brings a redraw.
    moving
        The artists that `update` changes, in the order in which they are drawn.
    arrangement
        How the controls stand above the figure, if not simply in a row.
    """

    _is_held = False

    def __init__(
        self, figure: Figure, controls: Sequence[ipywidgets.Widget], moving: Sequence[Artist], *,
        arrangement: ipywidgets.Widget | None = None,
    ) -> None:  # fmt: skip
        self._figure, self._moving = figure, tuple(moving)
        self._canvas = FigureCanvasAgg(figure)
        for artist in self._moving:
            artist.set_animated(True)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)
        self.picture = ipywidgets.Image(format="png", layout={"width": f"{figure.bbox.width:.0f}px", "margin": "0"})
        self.readout = ipywidgets.HTML()
        self.errors = ipywidgets.Output()
        self.refresh()
        above = arrangement or ipywidgets.HBox(tuple(controls), layout=WRAPPING)
        super().__init__((above, self.picture, self.readout, self.errors))
        for control in (c for c in controls if c.has_trait("value")):
            control.observe(lambda change: self.respond(change["owner"]), names="value")

    def update(self) -> str:
        """Set the moving artists from the controls' values; returns the text below the figure."""
        raise NotImplementedError

    def prepare(self, control: ipywidgets.Widget | None) -> None:
        """Adapt the other controls to the one that was changed, before the redraw; None for what is not a control."""

    def refresh(self) -> None:
        """Redraw what moves, and send the picture."""
        self.readout.value = self.update()
        self._canvas.restore_region(self._background)
        for artist in self._moving:
            self._figure.draw_artist(artist)
        self.picture.value = self._png(compress_level=1)

    def respond(self, control: ipywidgets.Widget | None = None) -> None:
        """Redraw after a control was changed, and show an error below the figure."""
        if self._is_held:
            return
        if self.errors.outputs:
            self.errors.outputs = ()
        with self.errors:
            self.prepare(control)
            self.refresh()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let controls be set without a redraw for each."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    def _png(self, **options: Any) -> bytes:
        return png_bytes(Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB"), **options)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The live view for a front end with a kernel, and the picture as it stands for one without (GitHub)."""
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        plain = html.unescape(re.sub(r"<[^>]+>", " ", self.readout.value))  # read aloud by a screen reader
        text = re.sub(r" ([.,:;])", r"\1", " ".join(plain.split()))
        still = {
            "text/plain": f"{type(self).__name__}: {text}",
            "image/png": base64.b64encode(self._png(optimize=True)).decode(),
        }
        return {**bundle, **still}


def png_bytes(image: Image.Image, **options: Any) -> bytes:
    """A picture as the bytes of a PNG file; options are Pillow's."""
    buffer = io.BytesIO()
    image.save(buffer, "png", **options)
    return buffer.getvalue()


def grey_shape(images: Tensor) -> tuple[int, int, int]:
    """`(n, h, w)` of grey images; ValueError for anything else."""
    if images.ndim != 4 or images.shape[1] != 1 or not len(images):
        raise ValueError(
            f"This widget shows grey images, (n, 1, h, w) with n of at least 1, not {tuple(images.shape)}."
        )
    return len(images), images.shape[2], images.shape[3]


def labelled(description: str, width: int) -> dict[str, Any]:
    """Options of a control: the label in front of it, and its width in pixels."""
    return {"description": description, "layout": {"width": f"{width}px"}}


def pixel_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in pixels, for `pixel_axes`."""
    size = (width / DPI, height / DPI)
    return Figure(figsize=size, dpi=DPI, layout="none")  # type: ignore[arg-type]  # missing in Matplotlib's stubs


def pixel_axes(figure: Figure | SubFigure, left: float, top: float, wide: float, high: float) -> Axes:
    """Axes at a place in pixels, from the figure's top left."""
    width, height = (round(size) for size in figure.bbox.size)
    return figure.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))


def picture(
    ax: Axes, title: str, shape: tuple[int, int], *, limits: tuple[float, float] = (0, 1), cmap: str = "gray"
) -> AxesImage:  # fmt: skip
    """An empty picture of that shape in Axes without a frame: what a widget sets the data of."""
    ax.set_title(title, loc="left", fontsize=10)
    ax.set_axis_off()
    return ax.imshow(np.zeros(shape), vmin=limits[0], vmax=limits[1], cmap=cmap, interpolation="nearest")


def signed(number: float, digits: int = 0) -> str:
    """A number with that many digits after the point, and a minus sign in place of a hyphen."""
    return f"{number:.{digits}f}".replace("-", "−")
