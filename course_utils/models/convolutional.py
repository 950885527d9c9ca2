"""The auto-encoder of convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from course_utils.layers import MaxPool, Positions, Unpool, crop_to
from course_utils.models.parts import in_float32


class ConvAutoencoder(nn.Module):
    """Convolution and pooling down to the code, unpooling and convolution up: images `(n, c, h, w)` of one shape.

    Parameters
    ----------
    image_shape
        `(c, h, w)`, any size that leaves something to pool; an odd one is rounded up on the way down and restored on
        the way up.
    n_codes
        Numbers a code.
    channels
        Of each stage: a 3×3 convolution, a ReLU and 2×2 max-pooling. A dense layer then makes the code.
    unpool
        The way up. "repeat": each value fills its 2×2 cell, then a 3×3 convolution. "positions": each value goes back
        to where its maximum was, then a 3×3 convolution; the positions pass the code by, so `decode` needs them, and
        without an image there are none. "transposed": a transposed convolution (deconvolution) with stride 2, of 4×4:
        a multiple of the stride.
    mean
        The mean image of the training set, where the output starts.
    """

    @in_float32()
    def __init__(
        self, image_shape: Sequence[int], n_codes: int, *, channels: Sequence[int] = (8, 16),
        unpool: Literal["repeat", "positions", "transposed"] = "repeat", mean: Tensor | float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        c, h, w = image_shape
        if not channels:
            raise ValueError("channels is empty: at least one convolution is needed, as in channels=(8, 16).")
        if unpool not in ("repeat", "positions", "transposed"):
            raise ValueError(f"unpool is {unpool!r}; it must be 'repeat', 'positions' or 'transposed'.")
        mean = torch.as_tensor(mean)
        if mean.numel() != 1 and mean.shape != (c, h, w):
            raise ValueError(f"mean has shape {tuple(mean.shape)}; it must be one number or a {c}×{h}×{w} image.")
        if min(c, h, w, n_codes, *channels) < 1:
            raise ValueError(f"Sizes must be at least 1: image_shape {tuple(image_shape)}, n_codes {n_codes}.")
        self.image_shape, self.n_codes, self.unpool = (c, h, w), n_codes, unpool
        # Height and width on the way down, the image's first: 28, 14, 7, or 7, 4, 2 (rounded up).
        self.sizes = [(-(-h // 2**i), -(-w // 2**i)) for i in range(len(channels) + 1)]
        if min(self.sizes[-2]) < 2:
            raise ValueError(f"{h}×{w} images are too small for {len(channels)} pooling(s); give fewer channels.")
        small = (channels[-1], *self.sizes[-1])
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in pairwise((c, *channels)))
        self.pool = MaxPool(2)
        self.to_code = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(small), n_codes))
        self.from_code = nn.Sequential(nn.Linear(n_codes, math.prod(small)), nn.ReLU(), nn.Unflatten(1, small))
        upward = list(pairwise((*reversed(channels), c)))
        if unpool == "transposed":
            self.up_layers = nn.ModuleList(nn.ConvTranspose2d(i, o, 4, stride=2, padding=1) for i, o in upward)
        else:
            self.unpooling = Unpool(2, mode=unpool)
            self.up_layers = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in upward)
        self.output_bias = nn.Parameter(torch.zeros(c, h, w))
        self._start(mean)
        # Weights stored channel by channel within a pixel: the same numbers, twice as fast on a processor.
        self.to(memory_format=torch.channels_last)

    def _start(self, mean: Tensor) -> None:
        """As `init_he_`: He weights, a small output layer, and the mean image as its bias.

        (Of a transposed convolution torch counts out_channels · 4² numbers as a unit's inputs, where it has
        in_channels · 2²: here both are within a factor of 4.)
        """
        layers = [m for m in self.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]
        for layer in layers:
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        with torch.no_grad():
            layers[-1].weight.mul_(0.1)
            self.output_bias.copy_(torch.logit(mean.clamp(0.01, 0.99)))

    def encode(self, x: Tensor) -> Tensor:
        """Return codes `(n, n_codes)` of images `(n, c, h, w)`."""
        return self.encode_with_positions(x)[0]

    def encode_with_positions(self, x: Tensor) -> tuple[Tensor, list[Positions]]:
        """Return codes `(n, n_codes)`, and the positions of each pooling, in the order of the way down."""
        if x.ndim != 4 or tuple(x.shape[1:]) != self.image_shape:
            raise ValueError(f"This model takes (n, *{self.image_shape}) images; it was given {tuple(x.shape)}.")
        positions = []
        for convolution in self.convolutions:
            x, places = self.pool(torch.relu(convolution(x)))
            positions.append(places)
        return self.to_code(x), positions

    def decode(self, z: Tensor, positions: Sequence[Positions] | None = None) -> Tensor:
        """Return images `(n, c, h, w)` of codes `(n, n_codes)`; with unpool="positions", of the positions, too."""
        if z.ndim != 2 or z.shape[1] != self.n_codes:
            raise ValueError(f"This model decodes codes of shape (n, {self.n_codes}); it was given {tuple(z.shape)}.")
        positions = positions or ()
        if self.unpool == "positions" and len(positions) != len(self.convolutions):
            raise ValueError(
                f"unpool='positions' decodes a code together with the positions of {len(self.convolutions)} poolings "
                f"(encode_with_positions); from a code alone, as in generation, unpool='repeat' can."
            )
        x = self.from_code(z)
        n_stages = len(self.up_layers)
        for stage, layer in enumerate(self.up_layers, start=1):
            size = self.sizes[-1 - stage]
            if self.unpool == "transposed":
                x = crop_to(layer(x), size, max_crop=1)
            elif self.unpool == "positions":
                x = layer(self.unpooling(x, positions[-stage], size=size))
            else:
                x = layer(self.unpooling(x, size=size))
            if stage < n_stages:
                x = torch.relu(x)
        return torch.sigmoid(x + self.output_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return reconstructions, in the shape of x."""
        z, positions = self.encode_with_positions(x)
        return self.decode(z, positions if self.unpool == "positions" else None)

    def n_position_bits(self) -> float:
        """Return the bits of all positions of one image: what passes the code by where unpool is "positions"."""
        cells = zip(self.convolutions, self.sizes[1:], strict=True)
        return sum(c.out_channels * h * w * math.log2(self.pool.kernel_size**2) for c, (h, w) in cells)
