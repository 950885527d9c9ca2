"""Auto-encoders: each has `encode` (input → code), `decode` (code → reconstruction) and `forward` (both)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from course_utils.layers import MaxPool, Positions, TiedLinear, Unpool, cropped

Activation = Literal["relu", "sigmoid"]
Start = Literal["he", "torch"]
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
        return flat(x, self.n_features)


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


class Variational(NamedTuple):
    """What a variational auto-encoder makes of images: reconstructions from sampled codes, and their distributions.

    x_hat: in the shape of the images; mean, log_variance: `(n, n_codes)`.
    """

    x_hat: Tensor
    mean: Tensor
    log_variance: Tensor


class VariationalAutoencoder(DenseAutoencoder):
    """An auto-encoder whose encoder gives a distribution for each image, N(mean, variance): the code is drawn from it.

    sizes: numbers a layer, from the image to the code, as in (784, 400, 20); the decoder mirrors them. mean: the mean
    image of the training set, where the output starts. Trained with `negative_elbo`, on what `sampled` gives:

        Trainer(model, loss=negative_elbo(), output=VariationalAutoencoder.sampled)

    As an auto-encoder like the others (`encode`, `forward`) it takes the mean of the distribution as the code.
    Kingma & Welling, Auto-encoding variational Bayes, ICLR 2014.
    """

    def __init__(self, sizes: Sequence[int], *, mean: Tensor | float = 0.5) -> None:
        sizes = _check_sizes(sizes)
        if len(sizes) < 3:
            raise ValueError(f"sizes need a hidden layer between image and code, as in (784, 400, 20), not {sizes}.")
        super().__init__(sizes[0], sizes[-1])
        self.sizes = sizes
        down = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes)]
        up = [nn.Linear(d.out_features, d.in_features) for d in reversed(down)]
        self.body = nn.Sequential(*_with_relu_between(down[:-1]), nn.ReLU())
        self.to_mean = down[-1]
        self.to_log_variance = nn.Linear(sizes[-2], sizes[-1])
        self.decoder = nn.Sequential(*_with_relu_between(up), nn.Sigmoid())
        start_he(down, up, mean=mean)
        # Variance 1 at first, whatever the image: the noise that the net starts with is the prior's.
        nn.init.zeros_(self.to_log_variance.weight)
        nn.init.zeros_(self.to_log_variance.bias)

    def encode_distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code of each image, both `(n, n_codes)`.

        The logarithm, because it may be any number, where a variance must stay above 0.
        """
        h = self.body(self._flat(x))
        return self.to_mean(h), self.to_log_variance(h)

    def encode(self, x: Tensor) -> Tensor:
        return self.encode_distribution(x)[0]

    def sampled(self, x: Tensor) -> Variational:
        """Reconstructions from codes drawn at random, with the distributions that they were drawn from.

        z = mean + sd · ε with ε from N(0, 1): drawn so, z is a function of mean and sd, and the gradient reaches both
        (the reparametrisation trick).
        """
        mean, log_variance = self.encode_distribution(x)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return Variational(self.decode(z).view_as(x), mean, log_variance)


def with_code(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The reconstructions, in the shape of x, and the codes: for a loss that looks at the code, too."""
    z = model.encode(x)
    return model.decode(z).view_as(x), z


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

    image_shape: `(c, h, w)`, any size that leaves something to pool; an odd one is rounded up on the way down and
    restored on the way up. channels: of each stage, a 3×3 convolution, a ReLU and 2×2 max-pooling; a dense layer makes
    the code. mean: the mean image of the training set, where the output starts.
    unpool: the way up.
    - "repeat": each value fills its 2×2 cell, then a 3×3 convolution.
    - "positions": each value goes back to where its maximum was, then a 3×3 convolution. The positions pass the code
      by: `decode` needs them, and without an image there are none.
    - "transposed": a transposed convolution (deconvolution) with stride 2, of 4×4: a multiple of the stride.
    """

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

    def _start(self, mean: Tensor) -> None:
        """As `start_he`: He weights, a small output layer, and the mean image as its bias.

        (Of a transposed convolution torch counts out_channels · 4² numbers as a unit's inputs, where it has
        in_channels · 2²: here both are within a factor of 4.)
        """
        layers = [m for m in self.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]
        for layer in layers:
            nn.init.zeros_(layer.bias)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        with torch.no_grad():
            layers[-1].weight.mul_(0.1)
            self.output_bias.copy_(torch.logit(mean.clamp(0.01, 0.99)))

    def encode(self, x: Tensor) -> Tensor:
        """Codes `(n, n_codes)` of images `(n, c, h, w)`."""
        return self.encode_with_positions(x)[0]

    def encode_with_positions(self, x: Tensor) -> tuple[Tensor, list[Positions]]:
        """Codes `(n, n_codes)`, and the positions of each pooling, in the order of the way down."""
        if x.ndim != 4 or tuple(x.shape[1:]) != self.image_shape:
            raise ValueError(f"This model takes (n, *{self.image_shape}) images; it was given {tuple(x.shape)}.")
        positions = []
        for convolution in self.convolutions:
            x, places = self.pool(torch.relu(convolution(x)))
            positions.append(places)
        return self.to_code(x), positions

    def decode(self, z: Tensor, positions: Sequence[Positions] | None = None) -> Tensor:
        """Images `(n, c, h, w)` of codes `(n, n_codes)`; with unpool="positions" also of the poolings' positions."""
        if z.ndim != 2 or z.shape[1] != self.n_codes:
            raise ValueError(f"This model decodes codes of shape (n, {self.n_codes}); it was given {tuple(z.shape)}.")
        if self.unpool == "positions" and (positions is None or len(positions) != len(self.convolutions)):
            raise ValueError(
                f"unpool='positions' decodes a code together with the positions of {len(self.convolutions)} poolings "
                f"(encode_with_positions); from a code alone, as in generation, unpool='repeat' can."
            )
        x = self.from_code(z)
        n_stages = len(self.up_layers)
        for stage, layer in enumerate(self.up_layers, start=1):
            size = self.sizes[-1 - stage]
            if self.unpool == "transposed":
                x = cropped(layer(x), size, by_less_than=2)
            elif self.unpool == "positions":
                x = layer(self.unpooling(x, positions[-stage], size=size))
            else:
                x = layer(self.unpooling(x, size=size))
            if stage < n_stages:
                x = torch.relu(x)
        return torch.sigmoid(x + self.output_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstructions, in the shape of x."""
        z, positions = self.encode_with_positions(x)
        return self.decode(z, positions if self.unpool == "positions" else None)

    def n_position_bits(self) -> float:
        """Bits of all positions of one image: what passes the code by where unpool is "positions"."""
        cells = zip(self.convolutions, self.sizes[1:], strict=True)
        return sum(c.out_channels * h * w * math.log2(self.pool.kernel_size**2) for c, (h, w) in cells)


class Classifier(nn.Module):
    """Dense layers from a flat image to one number a class: 784-1000-1000-500-10.

    sizes: numbers a layer, from the image to the classes. activation: of the hidden units; the last layer gives
    logits, as `metrics.cross_entropy` takes them. start: "he" (He et al. 2015), or "torch": uniform within
    ±1/√n_in, the usual heuristic before 2010 (as Glorot & Bengio 2010 describe it).
    `body` is all but the last layer, `head` the last: `body.requires_grad_(False)` trains the head alone.
    """

    def __init__(self, sizes: Sequence[int], *, activation: Activation = "relu", start: Start = "he") -> None:
        super().__init__()
        sizes = _check_sizes(sizes)
        if start not in ("he", "torch"):
            raise ValueError(f"start is {start!r}; it must be 'he' or 'torch'.")
        self.sizes = sizes
        layers = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes)]
        self.body = nn.Sequential(*(m for layer in layers[:-1] for m in (layer, activation_layer(activation))))
        self.head = layers[-1]
        if start == "he":
            start_he(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, n_classes)` of `(n, …)` images."""
        return self.head(self.body(flat(x, self.sizes[0])))


def flat(x: Tensor, n_features: int, *, taker: str = "This model") -> Tensor:
    """Images `(n, …)` as `(n, n_features)`; ValueError, naming who takes them, for images of another size."""
    if x.ndim < 2 or x.shape[1:].numel() != n_features:
        raise ValueError(f"{taker} takes (n, …) images with {n_features} numbers each; it was given {tuple(x.shape)}.")
    return x.flatten(1)


def activation_layer(activation: Activation) -> nn.Module:
    """The module of that name; ValueError for another."""
    if activation not in ("relu", "sigmoid"):
        raise ValueError(f"activation is {activation!r}; it must be 'relu' or 'sigmoid'.")
    return nn.ReLU() if activation == "relu" else nn.Sigmoid()


def start_he(
    down: Sequence[nn.Linear], up: Sequence[nn.Module] = (), *, mean: Tensor | float = 0.5, sigmoid: bool = True
) -> None:  # fmt: skip
    """Starting values in place: He weights, biases 0, a small output layer whose bias is the mean image.

    He weights keep the size of the signal from layer to layer, so that gradients reach the first one. A small output
    layer and the mean as its bias put the first reconstruction at the mean image: the net starts where a bad start
    gets stuck. Tied layers share `down`'s weights, so only their biases are set. Without `up`, a classifier, all
    layers are started alike.
    """
    for layer in (*down, *up):
        nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if not up:
        return
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


def predict_logits(model: nn.Module, x: Tensor) -> Tensor:
    """A classifier's logits `(n, n_classes)` of a whole set, on the CPU; as `encode_all`."""
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
