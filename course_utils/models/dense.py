"""Auto-encoders of dense layers: `encode` (input → code), `decode` (code → reconstruction) and `forward` (both)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from course_utils.checks import whole_number
from course_utils.inference import encode_all
from course_utils.layers import TiedLinear
from course_utils.models.parts import (
    Activation,
    Init,
    check_init,
    check_sizes,
    flatten_images,
    in_float32,
    init_he_,
    with_activation_between,
)


class DenseAutoencoder(nn.Module):
    """What the dense auto-encoders share: images of any shape in, flat inside, the same shape out.

    Sub-classes set `encoder` and `decoder` (modules on flat vectors).

    Parameters
    ----------
    n_features
        Numbers an image.
    n_codes
        Numbers a code.
    """

    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, n_features: int, n_codes: int) -> None:
        super().__init__()
        self.n_features, self.n_codes = whole_number("n_features", n_features), whole_number("n_codes", n_codes)

    def encode(self, x: Tensor) -> Tensor:
        """Return codes `(n, n_codes)` of `(n, …)` images with n_features numbers each."""
        return self.encoder(self._flat(x))

    def decode(self, z: Tensor) -> Tensor:
        """Return flat reconstructions `(n, n_features)` of codes `(n, n_codes)`."""
        if z.ndim != 2 or z.shape[1] != self.n_codes:
            raise ValueError(f"This model decodes codes of shape (n, {self.n_codes}); it was given {tuple(z.shape)}.")
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """Return reconstructions, in the shape of x."""
        return self.decode(self.encode(x)).view_as(x)

    def _flat(self, x: Tensor) -> Tensor:
        return flatten_images(x, self.n_features)


class LinearAutoencoder(DenseAutoencoder):
    """PCA as a network: x − mean → W → z → W' + mean. Without a squashing function anywhere.

    Parameters
    ----------
    n_features
        Numbers an image.
    n_codes
        Numbers a code.
    mean
        `(n_features,)` or an image, subtracted before and added after; None: nothing is subtracted (not centred).
    tied
        W' is Wᵀ, as in PCA; otherwise both matrices are learnt. There are no biases: the mean takes their part.

    References
    ----------
    Baldi & Hornik, Neural Networks 2:53 (1989): its minimum is PCA's subspace.
    """

    encoder: nn.Linear

    @in_float32()
    def __init__(self, n_features: int, n_codes: int, *, mean: Tensor | None = None, tied: bool = False) -> None:
        super().__init__(n_features, n_codes)
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(n_features) if mean is None else mean.flatten().float().clone())
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
        """Encode images, minus their mean: `(n, …)` → `(n, n_codes)`."""
        return self.encoder(self._flat(x) - self.mean)

    def decode(self, z: Tensor) -> Tensor:
        """Decode codes, plus the mean: `(n, n_codes)` → `(n, …)`."""
        return super().decode(z) + self.mean


class DeepAutoencoder(DenseAutoencoder):
    """A stack of dense layers down to the code and its mirror image up: 784-1000-500-250-30 and back.

    The code is linear: a ReLU code would lose half of its range.

    Parameters
    ----------
    sizes
        Numbers a layer, from the image to the code.
    tied
        The decoder's weights are the encoder's, transposed (`TiedLinear`).
    mean
        The mean image of the training set, where the output starts.
    activation
        Of the hidden units: "relu", "gelu", "silu", "tanh" or "sigmoid".
    output
        "sigmoid", as pixels are in [0, 1]; "linear" for data that are not.
    init
        "he": starting values by `init_he_`. "default": torch's, so that one can see what they do.

    References
    ----------
    Hinton & Salakhutdinov, Science 313:504 (2006), for the shape; He et al., ICCV 2015, for the start;
    Hendrycks & Gimpel, arXiv 1606.08415 (2016), for GELU and SiLU.
    """

    @in_float32()
    def __init__(
        self, sizes: Sequence[int], *, tied: bool = False, mean: Tensor | float = 0.5,
        activation: Activation = "relu", output: Literal["sigmoid", "linear"] = "sigmoid", init: Init = "he",
    ) -> None:  # fmt: skip
        sizes = check_sizes(sizes)
        check_init(init)
        if output not in ("sigmoid", "linear"):
            raise ValueError(f"output is {output!r}; it must be 'sigmoid' or 'linear'.")
        super().__init__(sizes[0], sizes[-1])
        self.sizes, self.tied, self.output = sizes, tied, output
        down = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes)]
        up = [TiedLinear(d) if tied else nn.Linear(d.out_features, d.in_features) for d in reversed(down)]
        self.encoder = nn.Sequential(*with_activation_between(down, activation))
        last = [nn.Sigmoid()] if output == "sigmoid" else []
        self.decoder = nn.Sequential(*with_activation_between(up, activation), *last)
        if init == "he":
            init_he_(down, up, mean=mean, sigmoid=output == "sigmoid", activation=activation)


class BinaryAutoencoder(DeepAutoencoder):
    """A DeepAutoencoder whose code is of bits: 0.01 instead of 0.73, so that it can be stored and compared as bits.

    The code's units are sigmoids. In training, Gaussian noise is added to what goes into them: only a unit far out on
    its sigmoid, near 0 or 1, gets a message through. `encode` gives the values in (0, 1), `bits` thresholds them, and
    `decode` takes either.

    Parameters
    ----------
    sizes
        Numbers a layer, from the image to the code.
    noise
        Standard deviation of the noise.
    options
        Of `DeepAutoencoder`.

    References
    ----------
    Salakhutdinov & Hinton, Semantic hashing (2009).
    """

    def __init__(self, sizes: Sequence[int], *, noise: float = 4.0, **options: Any) -> None:
        super().__init__(sizes, **options)
        if noise < 0:
            raise ValueError(f"noise is {noise}; a standard deviation is at least 0.")
        self.noise = noise

    def encode(self, x: Tensor) -> Tensor:
        """Encode images as probabilities of bits `(n, n_bits)`; in training with noise before the sigmoid."""
        a = super().encode(x)
        return torch.sigmoid(a + self.noise * torch.randn_like(a) if self.training else a)

    def decode(self, z: Tensor) -> Tensor:
        """Decode bits or their probabilities: `(n, n_bits)` → `(n, …)`."""
        return super().decode(z.to(next(self.parameters()).dtype))

    def bits(self, x: Tensor) -> Tensor:
        """Return the codes of a whole set as booleans `(n, n_codes)`, on the CPU; as `encode_all`."""
        return encode_all(self, x) > 0.5


class VariationalOutput(NamedTuple):
    """What a variational auto-encoder makes of images: reconstructions from sampled codes, and their distributions.

    Parameters
    ----------
    x_hat
        Reconstructions, in the shape of the images.
    mean, log_variance
        Of the distribution of each code, `(n, n_codes)`.
    """

    x_hat: Tensor
    mean: Tensor
    log_variance: Tensor


class VariationalAutoencoder(DenseAutoencoder):
    """An auto-encoder whose encoder gives a distribution for each image, N(mean, variance): the code is drawn from it.

    It is trained with `negative_elbo`, on what `forward_sampled` gives:

        Trainer(model, loss=negative_elbo(), output=VariationalAutoencoder.forward_sampled)

    As an auto-encoder like the others (`encode`, `forward`) it takes the mean of the distribution as the code.

    Parameters
    ----------
    sizes
        Numbers a layer, from the image to the code, as in (784, 400, 20); the decoder mirrors them.
    mean
        The mean image of the training set, where the output starts.

    References
    ----------
    Kingma & Welling, Auto-encoding variational Bayes, ICLR 2014.
    """

    @in_float32()
    def __init__(self, sizes: Sequence[int], *, mean: Tensor | float = 0.5) -> None:
        sizes = check_sizes(sizes)
        if len(sizes) < 3:
            raise ValueError(f"sizes need a hidden layer between image and code, as in (784, 400, 20), not {sizes}.")
        super().__init__(sizes[0], sizes[-1])
        self.sizes = sizes
        down = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes)]
        up = [nn.Linear(d.out_features, d.in_features) for d in reversed(down)]
        self.body = nn.Sequential(*with_activation_between(down[:-1]), nn.ReLU())
        self.to_mean = down[-1]
        self.to_log_variance = nn.Linear(sizes[-2], sizes[-1])
        self.decoder = nn.Sequential(*with_activation_between(up), nn.Sigmoid())
        init_he_(down, up, mean=mean)
        # Variance 1 at first, whatever the image: the noise that the net starts with is the prior's.
        nn.init.zeros_(self.to_log_variance.weight)
        nn.init.zeros_(self.to_log_variance.bias)

    def encode_distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the code of each image, both `(n, n_codes)`.

        The logarithm, because it may be any number, where a variance must stay above 0.
        """
        h = self.body(self._flat(x))
        return self.to_mean(h), self.to_log_variance(h)

    def encode(self, x: Tensor) -> Tensor:
        """Encode images as the means of their codes' distributions: `(n, …)` → `(n, n_codes)`."""
        return self.encode_distribution(x)[0]

    def forward_sampled(self, x: Tensor) -> VariationalOutput:
        """Return reconstructions from codes drawn at random, with the distributions that they were drawn from.

        z = mean + sd · ε with ε from N(0, 1): drawn so, z is a function of mean and sd, and the gradient reaches both
        (the reparametrisation trick).
        """
        mean, log_variance = self.encode_distribution(x)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return VariationalOutput(self.decode(z).view_as(x), mean, log_variance)


def forward_with_code(model: DenseAutoencoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the reconstructions, in the shape of x, and the codes: for a loss that looks at the code, too."""
    z = model.encode(x)
    return model.decode(z).view_as(x), z


class TextAutoencoder(DenseAutoencoder):
    """Word counts → code → the probability of each word: 2000-500-250-125-10 and its mirror image, softmax at the end.

    The encoder sees log(1 + count) · idf, scaled to length √n_words, so that a long document and a short one on the
    same matter are alike. `decode` and `forward` give logarithms of probabilities, as `metrics.nats_per_word` takes
    them.

    Parameters
    ----------
    sizes
        Numbers a layer, from the vocabulary to the code.
    idf
        `(n_words,)`, how much a word tells.
    word_counts
        `(n_words,)`, of the whole training set; the output starts at their shares.

    References
    ----------
    Hinton & Salakhutdinov, Science 313:504 (2006), Fig. 4; the idf is ours.
    """

    @in_float32()
    def __init__(self, sizes: Sequence[int], *, idf: Tensor | None = None, word_counts: Tensor | None = None) -> None:
        sizes = check_sizes(sizes)
        super().__init__(sizes[0], sizes[-1])
        self.idf: Tensor
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
        self.encoder = nn.Sequential(*with_activation_between(down))
        self.decoder = nn.Sequential(*with_activation_between(up), nn.LogSoftmax(dim=1))
        init_he_(down, up, mean=frequencies.clamp(min=1e-6).log(), sigmoid=False)

    def encode(self, x: Tensor) -> Tensor:
        """Return codes `(n, n_codes)` of counts `(n, n_words)`, which need not be whole numbers."""
        weighed = self._flat(x).log1p() * self.idf
        return self.encoder(nn.functional.normalize(weighed) * self.n_features**0.5)
