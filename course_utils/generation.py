"""New images from a decoder: where to take the codes from, and what comes out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import psutil
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal
from torch.nn import functional as F

from course_utils.inference import decode_all, encode_all
from course_utils.settings import seeded

if TYPE_CHECKING:
    from course_utils.models import VariationalAutoencoder

BYTES_A_NUMBER = 4
SAMPLES_AT_A_TIME = 10_000  # torch draws from every component of a mixture, in double precision, and takes one of them
SHARE_OF_FREE_MEMORY = 0.5


# ---------------------------------------------------------------------------------------------- where codes come from


class CodeDistribution:
    """A distribution of codes, a mixture of Gaussians, to sample new codes from.

    Parameters
    ----------
    weights
        `(k,)`, of the Gaussians.
    means
        `(k, n_codes)`.
    covariances
        `(k, n_codes, n_codes)`.
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        factors = torch.linalg.cholesky(covariances.double())
        components = MultivariateNormal(means.double(), scale_tril=factors)
        self.mixture = MixtureSameFamily(Categorical(weights.double()), components)
        self.n_codes = means.shape[1]

    def sample(self, n: int, *, seed: int) -> Tensor:
        """Draw n codes `(n, n_codes)`, the same ones for the same seed; errors as `check_memory`."""
        check_memory(n, self.n_codes, what="codes")
        with seeded(seed):  # torch's distributions draw from the global generator
            sizes = (min(SAMPLES_AT_A_TIME, n - done) for done in range(0, n, SAMPLES_AT_A_TIME))
            return torch.cat([self.mixture.sample((size,)).float() for size in sizes])


def standard_normal(n_codes: int) -> CodeDistribution:
    """Return N(0, 1) in every number of the code: only a variational auto-encoder is trained for these codes."""
    return CodeDistribution(torch.ones(1), torch.zeros(1, n_codes), torch.eye(n_codes)[None])


def fitted_gaussian(codes: Tensor) -> CodeDistribution:
    """Fit a Gaussian to codes `(n, n_codes)`: their mean and covariance; ValueError for too few codes."""
    _check_enough(codes)
    # A unit that is 0 for every image has no variance; a trace of it keeps the matrix invertible.
    covariance = torch.atleast_2d(codes.double().T.cov()) + 1e-9 * torch.eye(codes.shape[1], dtype=torch.float64)
    return CodeDistribution(torch.ones(1), codes.mean(dim=0)[None], covariance[None])


def fitted_mixture(codes: Tensor, *, n_components: int = 10, seed: int = 0) -> CodeDistribution:
    """Fit a mixture of Gaussians to codes `(n, n_codes)` by expectation maximisation (scikit-learn)."""
    from sklearn.mixture import GaussianMixture  # here: long to import

    _check_enough(codes, n_components)
    mixture = GaussianMixture(n_components, random_state=seed).fit(codes.double().numpy())
    return CodeDistribution(*map(torch.from_numpy, (mixture.weights_, mixture.means_, mixture.covariances_)))


def plane_grid(low: tuple[float, float], high: tuple[float, float], *, n_side: int) -> Tensor:
    """Return codes on a grid over a plane, row by row from the top left: as images are tiled under a plot.

    Parameters
    ----------
    low, high
        The plane's corners (x, y) at the bottom left and the top right.
    n_side
        Codes along each side, at least 2.

    Returns
    -------
    Tensor
        `(n_side², 2)`.
    """
    if n_side < 2 or not (low[0] < high[0] and low[1] < high[1]):
        raise ValueError(f"A grid needs n_side of at least 2 and low below high; they are {n_side}, {low} and {high}.")
    check_memory(n_side**2, 2, what="codes")
    y, x = (torch.linspace(*ends, n_side, dtype=torch.float32) for ends in ((high[1], low[1]), (low[0], high[0])))
    return torch.cartesian_prod(y, x).flip(1)


def limits_of(codes: Tensor, *, share: float = 0.98) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the corners (x, y) of the square around a share of 2-D codes in either direction: low, high.

    Raises
    ------
    ValueError
        The codes are not 2-D.
    """
    check_codes(codes, 2)
    edges = codes.quantile(torch.tensor([(1 - share) / 2, (1 + share) / 2], dtype=codes.dtype), dim=0)
    middle, half = edges.mean(dim=0), 0.55 * (edges[1] - edges[0]).max().clamp(min=1e-6)
    low, high = (middle - half).tolist(), (middle + half).tolist()
    return (low[0], low[1]), (high[0], high[1])


def line(start: Tensor, end: Tensor, *, n: int) -> Tensor:
    """Return n codes `(n, n_codes)` from start to end, both `(n_codes,)`, at equal distances."""
    if start.ndim != 1 or start.shape != end.shape or n < 2:
        raise ValueError(
            f"A line needs two codes (n_codes,) and n of at least 2, not {tuple(start.shape)}, {tuple(end.shape)}, {n}."
        )
    return torch.lerp(start, end, torch.linspace(0, 1, n, dtype=start.dtype)[:, None])


def circle(centre: Tensor, radius: float, *, n: int) -> Tensor:
    """Return n codes `(n, 2)` around a centre `(2,)`, counter-clockwise from the right."""
    if centre.shape != (2,) or radius <= 0 or n < 2:
        raise ValueError(f"A circle needs a centre (2,), a radius above 0 and n of at least 2, not "
                         f"{tuple(centre.shape)}, {radius} and {n}.")  # fmt: skip
    angle = 2 * math.pi * torch.arange(n, dtype=centre.dtype) / n
    return centre + radius * torch.stack([angle.cos(), angle.sin()], dim=1)


# ---------------------------------------------------------------------------------------------- what comes out


def decode_images(model: nn.Module, z: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """Decode codes `(n, n_codes)` to images `(n, c, h, w)`; ValueError for codes of another size; as `check_memory`."""
    check_memory(len(z), math.prod(image_shape), what="images")
    return decode_all(model, z).view(len(z), *image_shape)


def drift(model: nn.Module, z: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """Measure how far a code is from the code of its own image, |encode(decode(z)) − z|: `(n,)`, in the code's unit.

    Small where the decoder makes of z what the encoder knows; large in a hole, where it makes something else.
    """
    return (encode_all(model, decode_images(model, z, image_shape)) - z).norm(dim=1)


def nll_of_each_image(
    model: VariationalAutoencoder, x: Tensor, *, n_samples: int = 500, seed: int = 0
) -> Tensor:  # fmt: skip
    """Estimate −log p(x) of binary images by importance sampling: codes are drawn from the encoder's distribution.

    log p(x) is estimated as log (1/n Σ p(x|z) p(z) / q(z|x)). On average −log p(x) comes out a little too high, the
    less so the more samples there are; with one sample it is the negative ELBO.

    Parameters
    ----------
    model
        Its decoder gives for each pixel the probability of a 1.
    x
        Images `(n, …)` of 0 and 1. Grey pixels have no likelihood here; `torch.bernoulli(x)` draws a binary image.
    n_samples
        Codes an image.
    seed
        Draws them.

    Returns
    -------
    Tensor
        `(n,)` float32, in nats.

    Raises
    ------
    ValueError
        A pixel is neither 0 nor 1.

    References
    ----------
    Rezende, Mohamed & Wierstra, Stochastic backpropagation and approximate inference in deep generative models, ICML
    2014; Burda, Grosse & Salakhutdinov, Importance weighted autoencoders, ICLR 2016.
    """
    if not ((x == 0) | (x == 1)).all():
        raise ValueError("x has pixels that are neither 0 nor 1, and grey ones have no likelihood here. "
                         "torch.bernoulli(x) draws binary images.")  # fmt: skip
    generator, found = torch.Generator().manual_seed(seed), []
    with torch.no_grad():
        for image, mean, log_variance in zip(x.flatten(1), *model.encode_distribution(x), strict=True):
            noise = torch.randn(n_samples, len(mean), generator=generator, dtype=mean.dtype)
            z = mean + (0.5 * log_variance).exp() * noise
            log_prior_over_encoder = 0.5 * (noise.square() - z.square() + log_variance).sum(dim=1)
            pixels = F.binary_cross_entropy(model.decode(z), image.expand(n_samples, -1), reduction="none").sum(dim=1)
            found.append(math.log(n_samples) - (log_prior_over_encoder - pixels).logsumexp(dim=0))
    return torch.stack(found)


def check_memory(n: int, numbers_each: int, *, what: str) -> None:
    """Raise ValueError where n is below 1, MemoryError where they would fill more than half of the free memory."""
    if n < 1:
        raise ValueError(f"{n} {what} cannot be made; ask for at least 1.")
    needed, free = n * numbers_each * BYTES_A_NUMBER, psutil.virtual_memory().available
    if needed > SHARE_OF_FREE_MEMORY * free:
        fit = int(SHARE_OF_FREE_MEMORY * free / (numbers_each * BYTES_A_NUMBER))
        raise MemoryError(f"{n:,} {what} take {needed / 2**30:,.1f} GiB, and {free / 2**30:.1f} GiB are free. "
                          f"Take at most {fit:,} at a time.")  # fmt: skip


def check_codes(z: Tensor, n_codes: int) -> None:
    """Raise ValueError where z is not `(n, n_codes)`."""
    if z.ndim != 2 or z.shape[1] != n_codes:
        hint = " A plane needs a model with a code of 2 numbers." if n_codes == 2 else ""
        raise ValueError(f"The codes must be (n, {n_codes}), not {tuple(z.shape)}.{hint}")


def _check_enough(codes: Tensor, n_components: int = 1) -> None:
    if codes.ndim != 2 or len(codes) < max(2, n_components):
        raise ValueError(
            f"The codes must be (n, n_codes), n at least {max(2, n_components)}; not {tuple(codes.shape)}."
        )
