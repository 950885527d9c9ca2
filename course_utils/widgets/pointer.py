"""Controls for the pointer: a pad to draw on, pictures to choose from, a plane to move over. Nothing is fetched.

The JavaScript of each stands in a file of its own beside this one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets
from PIL import Image
from torch import Tensor

from course_utils.plotting import tile
from course_utils.widgets.base import png_bytes

SCRIPTS = Path(__file__).parent
Place = tuple[float, float]


class PointerWidget(anywidget.AnyWidget):
    """Wait for messages of the browser: `n_sent` counts what it sent, `n_answered` what was handled."""

    n_sent = traitlets.Int(0).tag(sync=True)
    n_answered = traitlets.Int(0).tag(sync=True)

    def on_input(self, handle: Callable[[], None]) -> None:
        """Call `handle` for every message of the browser; it is answered even where `handle` fails."""

        def handled(_change: object) -> None:
            try:
                handle()
            finally:
                self.n_answered += 1

        self.observe(handled, names="n_sent")


class DrawingPad(PointerWidget):
    """Show a black pad of 28×28 to draw a digit on with a white pen."""

    SIZE = 28
    _esm = SCRIPTS / "drawing_pad.js"
    drawing = traitlets.CBytes(b"").tag(sync=True)

    @property
    def image(self) -> Tensor:
        """The drawing, `(1, 1, 28, 28)` in [0, 1]; black where nothing was drawn, or a message is not a drawing."""
        pixels = np.zeros(self.SIZE**2, dtype=np.uint8)
        if len(self.drawing) == len(pixels):
            pixels = np.frombuffer(self.drawing, dtype=np.uint8)
        return torch.from_numpy(pixels.astype(np.float32) / 255).view(1, 1, self.SIZE, self.SIZE)


class PictureChooser(PointerWidget):
    """Show images as a grid; click one, or use the arrow keys. `chosen` is its number, or −1 for none.

    Parameters
    ----------
    images
        What to choose from, `(n, c, h, w)` in [0, 1], n of at least 1.
    n_columns
        Images in a row.

    Raises
    ------
    ValueError
        There are no images.
    """

    _esm = SCRIPTS / "picture_chooser.js"
    png = traitlets.CBytes(b"").tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)
    n = traitlets.Int(1).tag(sync=True)
    n_columns = traitlets.Int(1).tag(sync=True)
    cell = traitlets.Int(42).tag(sync=True)

    def __init__(self, images: Tensor, *, n_columns: int = 10) -> None:
        grid = tile(images.clamp(0, 1), n_columns=n_columns, pad=0, pad_value=0.0)
        picture = png_bytes(Image.fromarray((255 * grid).round().astype(np.uint8)))
        super().__init__(png=picture, n=len(images), n_columns=n_columns)


class PlanePointer(PointerWidget):
    """Show a picture of a plane with a cross on it, which follows the pointer and the arrow keys (faster with shift).

    Parameters
    ----------
    png
        The picture.
    at
        [u, v], the cross in shares of the plane's width and height, from the bottom left.
    frame
        Left, top, width and height of the plane within the picture, as shares of it.
    width
        The picture's, in pixels.
    """

    _esm = SCRIPTS / "plane_pointer.js"
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
