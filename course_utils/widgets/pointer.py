"""Two controls for the pointer: a pad to draw a digit on, and pictures to click on. JavaScript within, nothing fetched.

The pad sends one message at a time, and the newest state next: a slow kernel skips states instead of lagging behind.
"""

from __future__ import annotations

from collections.abc import Callable

import anywidget
import numpy as np
import torch
import traitlets
from PIL import Image
from torch import Tensor

from course_utils.plotting import tile
from course_utils.widgets.base import png_bytes

_PAD_JS = """
export default {
  render({ model, el }) {
    const SIZE = 28, SCALE = 10, SIDE = SIZE * SCALE;
    const pad = document.createElement("canvas");
    pad.width = pad.height = SIDE;
    pad.style.cssText = "width:168px;height:168px;background:black;touch-action:none;cursor:crosshair;display:block";
    pad.setAttribute("role", "img");
    pad.setAttribute("aria-label", "draw a digit here with the pointer");
    const button = document.createElement("button");
    button.textContent = "clear";
    button.className = "jupyter-button";
    el.append(pad, button);

    const ink = pad.getContext("2d");
    const small = document.createElement("canvas");
    small.width = small.height = SIZE;
    const grid = small.getContext("2d", { willReadFrequently: true });
    ink.lineWidth = 2.6 * SCALE;
    grid.imageSmoothingQuality = "high";
    ink.lineCap = ink.lineJoin = "round";
    ink.strokeStyle = "white";
    const blank = () => { ink.fillStyle = "black"; ink.fillRect(0, 0, SIDE, SIDE); };
    blank();
    const drawn = new Uint8Array(model.get("drawing")?.buffer ?? 0);  // shown again: what was drawn before
    if (drawn.length === SIZE * SIZE) {
      drawn.forEach((grey, i) => {
        ink.fillStyle = `rgb(${grey},${grey},${grey})`;
        ink.fillRect((i % SIZE) * SCALE, Math.floor(i / SIZE) * SCALE, SCALE, SCALE);
      });
    }

    let waiting = false, changed = false;
    const send = () => {
      if (waiting) { changed = true; return; }
      grid.drawImage(pad, 0, 0, SIZE, SIZE);
      const rgba = grid.getImageData(0, 0, SIZE, SIZE).data;
      const grey = new Uint8Array(SIZE * SIZE);
      for (let i = 0; i < grey.length; i++) grey[i] = rgba[4 * i];
      waiting = true; changed = false;
      model.set("drawing", new DataView(grey.buffer));
      model.set("n_sent", model.get("n_sent") + 1);
      model.save_changes();
    };
    const answered = () => { waiting = false; if (changed) send(); };
    model.on("change:n_answered", answered);

    let last = null;
    const place = (event) => {
      const box = pad.getBoundingClientRect();
      return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
    };
    const stroke = (event) => {
      const [x, y] = place(event);
      ink.beginPath();
      ink.moveTo(...(last ?? [x, y]));
      ink.lineTo(x + 0.01, y);  // a line of length 0 would draw nothing
      ink.stroke();
      last = [x, y];
      send();
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      last = null;
      stroke(event);
    });
    pad.addEventListener("pointermove", (event) => { if (last) stroke(event); });
    for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { last = null; });
    button.addEventListener("click", () => { blank(); send(); });
    return () => model.off("change:n_answered", answered);
  },
};
"""

_CHOOSER_JS = """
export default {
  render({ model, el }) {
    const n = model.get("n"), columns = model.get("n_columns"), cell = model.get("cell");
    const rows = Math.ceil(n / columns);
    const box = document.createElement("div");
    box.style.cssText =
      `position:relative;width:${columns * cell}px;max-width:100%;aspect-ratio:${columns}/${rows};cursor:pointer`;
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "pictures: click one, or use the arrow keys");
    const image = document.createElement("img");
    image.style.cssText = "width:100%;height:100%;image-rendering:pixelated;display:block";
    image.draggable = false;
    image.src = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    const frame = document.createElement("div");
    frame.style.cssText =
      `position:absolute;width:${100 / columns}%;height:${100 / rows}%;box-sizing:border-box;border:3px solid #E69F00`;
    box.append(image, frame);
    el.append(box);

    const mark = () => {
      const chosen = model.get("chosen");
      frame.style.display = chosen < 0 ? "none" : "block";
      frame.style.left = `${100 * (chosen % columns) / columns}%`;
      frame.style.top = `${100 * Math.floor(chosen / columns) / rows}%`;
    };
    const choose = (i) => {
      if (i < 0 || i >= n) return;
      model.set("chosen", i);
      model.set("n_sent", model.get("n_sent") + 1);
      model.save_changes();
      mark();
    };
    box.addEventListener("click", (event) => {
      const at = box.getBoundingClientRect();
      const row = Math.floor(rows * (event.clientY - at.top) / at.height);
      choose(row * columns + Math.floor(columns * (event.clientX - at.left) / at.width));
    });
    box.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      if (step) { event.preventDefault(); event.stopPropagation(); choose(Math.max(model.get("chosen"), 0) + step); }
    });
    model.on("change:chosen", mark);
    mark();
    return () => { model.off("change:chosen", mark); URL.revokeObjectURL(image.src); };
  },
};
"""


class _PointerWidget(anywidget.AnyWidget):
    """`n_sent` counts what the browser sent, `n_answered` what was handled: the browser waits for it."""

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


class DrawingPad(_PointerWidget):
    """A black pad of 28×28 to draw a digit on with a white pen. `image`: what is drawn, `(1, 1, 28, 28)` in [0, 1]."""

    SIZE = 28
    _esm = _PAD_JS
    drawing = traitlets.CBytes(b"").tag(sync=True)

    @property
    def image(self) -> Tensor:
        """The drawing as an image; black where nothing was drawn yet, or where a message is not a drawing."""
        pixels = np.zeros(self.SIZE**2, dtype=np.uint8)
        if len(self.drawing) == len(pixels):
            pixels = np.frombuffer(self.drawing, dtype=np.uint8)
        return torch.from_numpy(pixels.astype(np.float32) / 255).view(1, 1, self.SIZE, self.SIZE)


class PictureChooser(_PointerWidget):
    """Images `(n, c, h, w)` as a grid; click one, or use the arrow keys. `chosen`: its place, or −1 for none."""

    _esm = _CHOOSER_JS
    png = traitlets.CBytes(b"").tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)
    n = traitlets.Int(1).tag(sync=True)
    n_columns = traitlets.Int(1).tag(sync=True)
    cell = traitlets.Int(42).tag(sync=True)

    def __init__(self, images: Tensor, *, n_columns: int = 10) -> None:
        grid = tile(images.clamp(0, 1), n_columns=n_columns, pad=0, pad_value=0.0)
        picture = png_bytes(Image.fromarray((255 * grid).round().astype(np.uint8)))
        super().__init__(png=picture, n=len(images), n_columns=n_columns)
