"""Widget of notebook 6: the code of one digit with the positions of another."""

from __future__ import annotations

from typing import Any

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course_utils.inference import evaluating
from course_utils.layers import Positions
from course_utils.metrics import sse_of_each_image
from course_utils.models import ConvAutoencoder
from course_utils.plotting import COLOURS
from course_utils.widgets.base import LiveFigure, grey_shape, labelled, picture, pixel_axes, pixel_figure


class PositionsExplorer(LiveFigure):
    """Show what the positions of the maxima carry: a code of one digit is decoded with the positions of another.

    Two sliders choose A and B. Below each picture: its SSE to A and to B, the smaller one bold.

    Parameters
    ----------
    model
        A `ConvAutoencoder` with unpool="positions".
    images
        Grey images that it takes, `(n, 1, h, w)`, n of at least 2.
    a, b
        The numbers of A and B to begin with.

    Raises
    ------
    ValueError
        The model records no positions, there is one image, or the images have another size than the model's.
    """

    DECODED = (("A", "A"), ("A", "B"), ("B", "A"), ("A", "shuffled"), ("average", "A"))
    SEED = 0

    def __init__(self, model: ConvAutoencoder, images: Tensor, *, a: int = 0, b: int = 1) -> None:
        n, h, w = grey_shape(images)
        if getattr(model, "unpool", None) != "positions":
            raise ValueError("This widget needs a ConvAutoencoder with unpool='positions': others record no positions.")
        if n < 2:
            raise ValueError("There is one image: positions are swapped between two, so n must be at least 2.")
        self._model, self._images = model, images
        with evaluating(model):
            self._codes, self._positions = model.encode_with_positions(images.to(next(model.parameters()).device))
        generator = torch.Generator().manual_seed(self.SEED)
        self._shuffled = [positions.shuffled(generator) for positions in self._positions]
        self.a = ipywidgets.IntSlider(a, 0, n - 1, **labelled("digit A", 320))
        self.b = ipywidgets.IntSlider(b, 0, n - 1, **labelled("digit B", 320))
        figure, moving = self._draw((h, w))
        super().__init__(figure, (self.a, self.b), moving)

    def _draw(self, shape: tuple[int, int]) -> tuple[Figure, list[Any]]:
        width, height = 864, 196
        figure = pixel_figure(width, height)
        size, top, gap = 104, 46, 8
        words_end = 2 * (size + gap) + 80
        lefts = [0, size + gap, *(words_end + 4 + i * (size + gap) for i in range(len(self.DECODED)))]
        self._pictures = [picture(pixel_axes(figure, left, top, size, size), "", shape) for left in lefts]
        self._errors = []
        lines = {"code": 16, "positions": 34, "SSE to A": top + size + 13, "SSE to B": top + size + 31}
        for word, y in lines.items():
            x = (words_end - 2) / width
            figure.text(x, 1 - y / height, word, ha="right", va="center", fontsize=9.5, color="0.3")
        style = {"ha": "center", "va": "center", "fontsize": 10}
        for name, shown in zip("AB", self._pictures, strict=False):
            self._write(shown.axes, size, lines["positions"] - top, name, **style)
        for shown, names in zip(self._pictures[2:], self.DECODED, strict=True):
            for line, name in zip(("code", "positions"), names, strict=True):
                self._write(shown.axes, size, lines[line] - top, name, **style)
            self._errors.append(
                [self._write(shown.axes, size, lines[f"SSE to {name}"] - top, "", **style) for name in "AB"]
            )
        return figure, [*self._pictures, *(text for pair in self._errors for text in pair)]

    @staticmethod
    def _write(ax: Axes, size: int, y: float, text: str, **style: Any) -> Any:
        """Text at y pixels below the top of a picture of that size; A and B each in a colour of its own."""
        colour = {"A": COLOURS[0], "B": COLOURS[1]}.get(text, "black")
        weight = "bold" if text in ("A", "B") else "normal"
        return ax.text(0.5, 1 - y / size, text, transform=ax.transAxes, color=colour, weight=weight, **style)

    def update(self) -> str:
        """Draw each digit decoded with its own positions and the other's; return the errors."""
        pair = {"A": self.a.value, "B": self.b.value}
        x_hat = self._decoded(**pair)
        for shown, image in zip(self._pictures, [*self._images[list(pair.values())], *x_hat], strict=True):
            shown.set_data(image[0].numpy())
        errors = [sse_of_each_image(x_hat, self._images[[i]].expand_as(x_hat)).tolist() for i in pair.values()]
        for texts, sses in zip(self._errors, zip(*errors, strict=True), strict=True):
            for text, sse in zip(texts, sses, strict=True):
                text.set(text=f"{sse:.1f}", weight="bold" if sse == min(sses) else "normal")
        right, swapped, _, shuffled, _ = errors[0]
        return (
            f"code of A, SSE against A: with its own positions <b>{right:.2f}</b>, with B's <b>{swapped:.2f}</b>, with "
            f"shuffled ones <b>{shuffled:.2f}</b>. The code has {self._codes.shape[1]} numbers; the positions are "
            f"{self._bits:,.0f} bits more."
        )

    @property
    def _bits(self) -> float:
        return sum(positions.n_bits for positions in self._positions)

    def _decoded(self, **pair: int) -> Tensor:
        codes = {"average": self._codes.mean(0), **{name: self._codes[i] for name, i in pair.items()}}
        z = torch.stack([codes[code] for code, _ in self.DECODED])
        # One batch: of every pooling the rows that DECODED names, from the recorded positions or the shuffled ones.
        positions = []
        for recorded, shuffled in zip(self._positions, self._shuffled, strict=True):
            sources = {"shuffled": shuffled[[pair["A"]]], **{name: recorded[[i]] for name, i in pair.items()}}
            indices = torch.cat([sources[name].indices for _, name in self.DECODED])
            positions.append(Positions(indices, recorded.size, recorded.kernel_size))
        with evaluating(self._model):
            return self._model.decode(z, positions).cpu()
