"""Auto-encoders: each has `encode` (input → code), `decode` (code → reconstruction) and `forward` (both)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from course_utils.layers import TiedLinear

BATCH_SIZE = 1_000  # for passes without a gradient: bounds the memory, and larger is no faster


class DenseAutoencoder(nn.Module):
    """What the dense auto-encoders share: images of any shape in, flat inside, the same shape out.

    Sub-classes set `encoder`, `decoder` (modules on flat vectors) and call `super().__init__(n_features, n_codes)`.
    """

    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, n_features: int, n_codes: int) -> None:
        super().__init__()
        if n_features < 1 or n_codes < 1:
            raise ValueError(f"n_features and n_codes must be at least 1, not {n_features} and {n_codes}.")
        self.n_features, self.n_codes = n_features, n_codes

    def encode(self, x: Tensor) -> Tensor:
        """Codes `(n, n_codes)` of `(n, …)` images with n_features numbers each."""
        return self.encoder(self._flat(x))

    def decode(self, z: Tensor) -> Tensor:
        """Flat reconstructions `(n, n_features)` of codes `(n, n_codes)`."""
        if z.ndim != 2 or z.shape[1] != self.n_codes:
            raise ValueError(f"This model decodes codes of shape (n, {self.n_codes}); it was given {tuple(z.shape)}.")
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstructions, in the shape of x."""
        return self.decode(self.encode(x)).view_as(x)

    def _flat(self, x: Tensor) -> Tensor:
        if x.ndim < 2 or x.shape[1:].numel() != self.n_features:
            raise ValueError(
                f"This model takes (n, …) images with {self.n_features} numbers each; it was given {tuple(x.shape)}."
            )
        return x.flatten(1)


class LinearAutoencoder(DenseAutoencoder):
    """PCA as a network: x − mean → W → z → W' + mean. Without a squashing function anywhere.

    mean: `(n_features,)` or an image, subtracted before and added after; None: nothing is subtracted (not centred).
    tied: W' is Wᵀ, as in PCA; otherwise both matrices are learnt. There are no biases: the mean takes their part.
    Its minimum is PCA's subspace (Baldi & Hornik 1989, Neural Networks 2:53).
    """

    def __init__(self, n_features: int, n_codes: int, *, mean: Tensor | None = None, tied: bool = False) -> None:
        super().__init__(n_features, n_codes)
        self.register_buffer("mean", torch.zeros(n_features) if mean is None else mean.flatten().clone())
        if self.mean.shape != (n_features,):
            raise ValueError(f"mean has {self.mean.numel()} numbers; the model has n_features = {n_features}.")
        self.encoder = nn.Linear(n_features, n_codes, bias=False)
        # Orthonormal rows: what comes out of W W' at the start is neither blown up nor lost, so a large lr is safe.
        nn.init.orthogonal_(self.encoder.weight)
        self.decoder = nn.Linear(n_codes, n_features, bias=False)
        with torch.no_grad():
            self.decoder.weight.copy_(self.encoder.weight.t())
        if tied:
            self.decoder = TiedLinear(self.encoder)
            self.decoder.bias.requires_grad_(False)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(self._flat(x) - self.mean)

    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z) + self.mean


class DeepAutoencoder(DenseAutoencoder):
    """A stack of dense layers down to the code and its mirror image up: 784-1000-500-250-30 and back.

    sizes: numbers a layer, from the image to the code. Hidden units are ReLU; the code is linear (a ReLU code would
    lose half of its range), the output a sigmoid (pixels are in [0, 1]; `output="linear"` for data that are not).
    tied: the decoder's weights are the encoder's, transposed (`TiedLinear`).
    mean: the mean image of the training set, where the output starts; see `start_he`. `start="torch"` keeps
    torch's default starting values instead, so that one can see what they do.
    Hinton & Salakhutdinov, Science 313:504 (2006), for the shape; He et al., ICCV 2015, for the start.
    """

    def __init__(
        self, sizes: Sequence[int], *, tied: bool = False, mean: Tensor | float = 0.5,
        output: Literal["sigmoid", "linear"] = "sigmoid", start: Literal["he", "torch"] = "he",
    ) -> None:  # fmt: skip
        sizes = _check_sizes(sizes)
        if output not in ("sigmoid", "linear") or start not in ("he", "torch"):
            raise ValueError(f"output is sigmoid or linear, start is he or torch; not {output!r} and {start!r}.")
        super().__init__(sizes[0], sizes[-1])
        self.sizes, self.tied, self.output = sizes, tied, output
        down = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes)]
        up = [TiedLinear(d) if tied else nn.Linear(d.out_features, d.in_features) for d in reversed(down)]
        self.encoder = nn.Sequential(*_with_relu_between(down))
        self.decoder = nn.Sequential(*_with_relu_between(up), *([nn.Sigmoid()] if output == "sigmoid" else []))
        if start == "he":
            start_he(down, up, mean=mean, sigmoid=output == "sigmoid")


class BinaryAutoencoder(DeepAutoencoder):
    """A DeepAutoencoder whose code is of bits: 0.01 instead of 0.73, so that it can be stored and compared as bits.

    The code's units are sigmoids. In training, Gaussian noise of standard deviation `noise` is added to what goes into
    them: only a unit far out on its sigmoid, near 0 or 1, gets a message through. `encode` gives the values in (0, 1),
    `bits` thresholds them, and `decode` takes either. Salakhutdinov & Hinton, Semantic hashing (2009).
    """

    def __init__(self, sizes: Sequence[int], *, noise: float = 4.0, **options: Any) -> None:
        super().__init__(sizes, **options)
        if noise < 0:
            raise ValueError(f"noise is {noise}; a standard deviation is at least 0.")
        self.noise = noise

    def encode(self, x: Tensor) -> Tensor:
        a = super().encode(x)
        return torch.sigmoid(a + self.noise * torch.randn_like(a) if self.training else a)

    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z.to(next(self.parameters()).dtype))

    def bits(self, x: Tensor) -> Tensor:
        """Codes of a whole set as booleans `(n, n_codes)`, on the CPU; as `encode_all`."""
        return encode_all(self, x) > 0.5


class TextAutoencoder(DenseAutoencoder):
    """Word counts → code → the probability of each word: 2000-500-250-125-10 and its mirror image, softmax at the end.

    sizes: numbers a layer, from the vocabulary to the code; idf: `(n_words,)`, how much a word tells; word_counts:
    `(n_words,)`, of the whole training set, to whose shares the output starts. The encoder sees
    log(1 + count) · idf, scaled to length √n_words, so that a long document and a short one on the same matter are
    alike. `decode` and `forward` give logarithms of probabilities, as `metrics.nats_per_word` takes them.
    Hinton & Salakhutdinov, Science 313:504 (2006), Fig. 4; the idf is ours.
    """

    def __init__(self, sizes: Sequence[int], *, idf: Tensor | None = None, word_counts: Tensor | None = None) -> None:
        sizes = _check_sizes(sizes)
        super().__init__(sizes[0], sizes[-1])
        self.register_buffer(
            "idf", torch.ones(sizes[0]) if idf is None else torch.as_tensor(idf, dtype=torch.float32).clone()
        )
        if self.idf.shape != (sizes[0],):
            raise ValueError(f"idf has {self.idf.numel()} numbers; the vocabulary has {sizes[0]} words.")
        word_counts = torch.ones(sizes[0]) if word_counts is None else torch.as_tensor(word_counts)
        if word_counts.shape != (sizes[0],) or not word_counts.sum() > 0:
            raise ValueError(f"word_counts must hold the count of each of the {sizes[0]} words, not all of them 0; its "
                             f"shape is {tuple(word_counts.shape)}.")  # fmt: skip
        frequencies = word_counts / word_counts.sum()
        down = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes)]
        up = [nn.Linear(d.out_features, d.in_features) for d in reversed(down)]
        self.encoder = nn.Sequential(*_with_relu_between(down))
        self.decoder = nn.Sequential(*_with_relu_between(up), nn.LogSoftmax(dim=1))
        start_he(down, up, mean=frequencies.clamp(min=1e-6).log(), sigmoid=False)

    def encode(self, x: Tensor) -> Tensor:
        """Codes `(n, n_codes)` of counts `(n, n_words)`, which need not be whole numbers."""
        weighed = self._flat(x).log1p() * self.idf
        return self.encoder(nn.functional.normalize(weighed) * self.n_features**0.5)


class ConvAutoencoder(nn.Module):
    """Convolution and pooling down to the code, unpooling and convolution up: images `(n, c, h, w)` of one shape.

    image_shape: `(c, h, w)`, h and w multiples of 2 for each entry of `channels`; each stage is a 3×3 convolution, a
    ReLU and 2×2 max-pooling; a dense layer makes the code. The way up repeats each value over its 2×2 cell.
    mean: the mean image of the training set, where the output starts.
    """

    def __init__(
        self, image_shape: Sequence[int], n_codes: int, *, channels: Sequence[int] = (8, 16), mean: Tensor | float = 0.5
    ) -> None:
        super().__init__()
        c, h, w = image_shape
        factor = 2 ** len(channels)
        if not channels:
            raise ValueError("channels is empty: at least one convolution is needed, as in channels=(8, 16).")
        mean = torch.as_tensor(mean)
        if mean.numel() != 1 and mean.shape != (c, h, w):
            raise ValueError(f"mean has shape {tuple(mean.shape)}; it must be one number or a {c}×{h}×{w} image.")
        if h % factor or w % factor:
            raise ValueError(f"With {len(channels)} poolings, height and width must be multiples of {factor}; "
                             f"the images are {h}×{w}.")  # fmt: skip
        if min(c, h, w, n_codes, *channels) < 1:
            raise ValueError(f"Sizes must be at least 1: image_shape {tuple(image_shape)}, n_codes {n_codes}.")
        self.image_shape, self.n_codes = (c, h, w), n_codes
        small = (channels[-1], h // factor, w // factor)
        down = [nn.Conv2d(n_in, n_out, 3, padding=1) for n_in, n_out in pairwise((c, *channels))]
        to_code = nn.Linear(math.prod(small), n_codes)
        from_code = nn.Linear(n_codes, math.prod(small))
        up = [nn.Conv2d(d.out_channels, d.in_channels, 3, padding=1) for d in reversed(down)]
        self.encoder = nn.Sequential(
            *(module for conv in down for module in (conv, nn.ReLU(), nn.MaxPool2d(2))), nn.Flatten(), to_code
        )
        stages = [module for conv in up for module in (nn.Upsample(scale_factor=2), conv, nn.ReLU())]
        self.decoder = nn.Sequential(from_code, nn.ReLU(), nn.Unflatten(1, small), *stages[:-1])
        self.output_bias = nn.Parameter(torch.zeros(c, h, w))
        self._start(mean)

    def _start(self, mean: Tensor) -> None:
        """As `start_he`: He weights, a small output layer, and the mean image as its bias."""
        layers = [m for m in self.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        for layer in layers:
            nn.init.zeros_(layer.bias)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        with torch.no_grad():
            layers[-1].weight.mul_(0.1)
            self.output_bias.copy_(torch.logit(mean.clamp(0.01, 0.99)))

    def encode(self, x: Tensor) -> Tensor:
        """Codes `(n, n_codes)` of images `(n, c, h, w)`."""
        if x.ndim != 4 or tuple(x.shape[1:]) != self.image_shape:
            raise ValueError(f"This model takes (n, *{self.image_shape}) images; it was given {tuple(x.shape)}.")
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Images `(n, c, h, w)` of codes `(n, n_codes)`."""
        if z.ndim != 2 or z.shape[1] != self.n_codes:
            raise ValueError(f"This model decodes codes of shape (n, {self.n_codes}); it was given {tuple(z.shape)}.")
        return torch.sigmoid(self.decoder(z) + self.output_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstructions, in the shape of x."""
        return self.decode(self.encode(x))


def start_he(down: Sequence[nn.Linear], up: Sequence[nn.Module], *, mean: Tensor | float, sigmoid: bool) -> None:
    """Starting values in place: He weights, biases 0, a small output layer whose bias is the mean image.

    He weights keep the size of the signal from layer to layer, so that gradients reach the first one. A small output
    layer and the mean as its bias put the first reconstruction at the mean image: the net starts where a bad start
    gets stuck. Tied layers share `down`'s weights, so only their biases are set.
    """
    for layer in (*down, *up):
        nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    output = up[-1]
    with torch.no_grad():
        if isinstance(output, nn.Linear):
            output.weight.mul_(0.1)
        mean = torch.as_tensor(mean, dtype=output.bias.dtype).flatten()
        if mean.numel() not in (1, output.bias.numel()):
            raise ValueError(f"mean has {mean.numel()} numbers; the model has n_features = {output.bias.numel()}.")
        mean = mean.expand_as(output.bias)
        # logit(0) is −∞, and a pixel that starts far out learns nothing, as the sigmoid is flat there.
        output.bias.copy_(torch.logit(mean.clamp(0.01, 0.99)) if sigmoid else mean)


def _check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(sizes)
    if len(sizes) < 2:
        raise ValueError(f"sizes must name the input's numbers and the code's, as in (784, 256, 30), not {sizes}.")
    if min(sizes) < 1:
        raise ValueError(f"Every layer needs at least 1 unit; sizes are {sizes}.")
    return sizes


def _with_relu_between(layers: Sequence[nn.Module]) -> list[nn.Module]:
    return [module for layer in layers for module in (layer, nn.ReLU())][:-1]


def encode_all(model: nn.Module, x: Tensor) -> Tensor:
    """Codes of a whole set, on the CPU: `model.encode` in batches, in eval mode, without a gradient."""
    return _in_batches(model, model.encode, x)


def decode_all(model: nn.Module, z: Tensor) -> Tensor:
    """Reconstructions of a whole set of codes, on the CPU; as `encode_all`."""
    return _in_batches(model, model.decode, z)


def reconstruct(model: nn.Module, x: Tensor) -> Tensor:
    """Reconstructions of a whole set, on the CPU, in the shape of x; as `encode_all`."""
    return _in_batches(model, model, x)


def _in_batches(model: nn.Module, apply: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if not len(x):
        raise ValueError(f"There is nothing to encode or decode: the input has shape {tuple(x.shape)}.")
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    try:
        with torch.no_grad():  # not inference_mode, whose tensors cannot be trained on
            return torch.cat([apply(batch.to(device)).cpu() for batch in x.split(BATCH_SIZE)])
    finally:
        model.train(was_training)
