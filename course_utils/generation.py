"""New images from a decoder: where to take the codes from, and what comes out."""

from __future__ import annotations

import math

import psutil
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from course_utils.models import decode_all, encode_all

BYTES_A_NUMBER = 4
SAMPLES_AT_A_TIME = 10_000  # torch draws from every component of a mixture, in double precision, and takes one of them
SHARE_OF_FREE_MEMORY = 0.5


# ---------------------------------------------------------------------------------------------- where codes come from


class CodeDistribution:
    """A distribution of codes, a mixture of Gaussians: one to sample new codes from, and to say where codes are dense.

    weights: `(k,)`; means: `(k, n_codes)`; covariances: `(k, n_codes, n_codes)`.
    """

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        factors = torch.linalg.cholesky(covariances.double())
        components = MultivariateNormal(means.double(), scale_tril=factors)
        self._distribution = MixtureSameFamily(Categorical(weights.double()), components)
        self.n_codes = means.shape[1]

    def sample(self, n: int, *, seed: int) -> Tensor:
        """n codes `(n, n_codes)`, the same ones for the same seed. Raises as `check_memory`."""
        check_memory(n, self.n_codes, what="codes")
        with torch.random.fork_rng(devices=[]):  # torch's distributions draw from the global generator
            torch.default_generator.manual_seed(seed)
            sizes = (min(SAMPLES_AT_A_TIME, n - done) for done in range(0, n, SAMPLES_AT_A_TIME))
            return torch.cat([self._distribution.sample((size,)).float() for size in sizes])

    def log_density(self, z: Tensor) -> Tensor:
        """Logarithm of the density at each code `(n, n_codes)`, in nats: `(n,)`."""
        check_codes(z, self.n_codes)
        return self._distribution.log_prob(z.double()).float()


def standard_normal(n_codes: int) -> CodeDistribution:
    """N(0, 1) in every number of the code: what a variational auto-encoder is trained for, and no other."""
    return CodeDistribution(torch.ones(1), torch.zeros(1, n_codes), torch.eye(n_codes)[None])


def fitted_gaussian(codes: Tensor) -> CodeDistribution:
    """The Gaussian with the mean and covariance of codes `(n, n_codes)`. Raises ValueError for too few codes."""
    _check_enough(codes)
    # A unit that is 0 for every image has no variance; a trace of it keeps the matrix invertible.
    covariance = torch.atleast_2d(codes.double().T.cov()) + 1e-9 * torch.eye(codes.shape[1])
    return CodeDistribution(torch.ones(1), codes.mean(dim=0)[None], covariance[None])


def fitted_mixture(codes: Tensor, *, n_components: int = 10, seed: int = 0) -> CodeDistribution:
    """A mixture of Gaussians fitted to codes `(n, n_codes)` by expectation maximisation (scikit-learn)."""
    _check_enough(codes, n_components)
    mixture = GaussianMixture(n_components, random_state=seed).fit(codes.double().numpy())
    return CodeDistribution(*map(torch.from_numpy, (mixture.weights_, mixture.means_, mixture.covariances_)))


def plane_grid(low: tuple[float, float], high: tuple[float, float], *, n_side: int) -> Tensor:
    """Codes `(n_side², 2)` on a grid over a plane, row by row from the top left: as images are tiled under a plot.

    low, high: the plane's corners (x, y) at the bottom left and the top right.
    """
    if n_side < 2 or not (low[0] < high[0] and low[1] < high[1]):
        raise ValueError(f"A grid needs n_side of at least 2 and low below high; they are {n_side}, {low} and {high}.")
    check_memory(n_side**2, 2, what="codes")
    y, x = torch.linspace(high[1], low[1], n_side), torch.linspace(low[0], high[0], n_side)
    return torch.cartesian_prod(y, x).flip(1)


def limits_of(codes: Tensor, *, share: float = 0.98) -> tuple[tuple[float, float], tuple[float, float]]:
    """Corners (x, y) of the square plane around that share of 2-D codes in either direction: low, high.

    Raises ValueError where the codes are not 2-D.
    """
    check_codes(codes, 2)
    edges = codes.quantile(torch.tensor([(1 - share) / 2, (1 + share) / 2]), dim=0)
    middle, half = edges.mean(dim=0), 0.55 * (edges[1] - edges[0]).max().clamp(min=1e-6)
    low, high = (middle - half).tolist(), (middle + half).tolist()
    return (low[0], low[1]), (high[0], high[1])


def line(start: Tensor, end: Tensor, *, n: int) -> Tensor:
    """n codes `(n, n_codes)` from start to end, both `(n_codes,)`, at equal distances."""
    if start.ndim != 1 or start.shape != end.shape or n < 2:
        raise ValueError(
            f"A line needs two codes (n_codes,) and n of at least 2, not {tuple(start.shape)}, {tuple(end.shape)}, {n}."
        )
    return torch.lerp(start, end, torch.linspace(0, 1, n)[:, None])


def circle(centre: Tensor, radius: float, *, n: int) -> Tensor:
    """n codes `(n, 2)` around a centre `(2,)`, counter-clockwise from the right."""
    if centre.shape != (2,) or radius <= 0 or n < 2:
        raise ValueError(f"A circle needs a centre (2,), a radius above 0 and n of at least 2, not "
                         f"{tuple(centre.shape)}, {radius} and {n}.")  # fmt: skip
    angle = 2 * math.pi * torch.arange(n) / n
    return centre + radius * torch.stack([angle.cos(), angle.sin()], dim=1)


# ---------------------------------------------------------------------------------------------- what comes out


def decode_images(model: nn.Module, z: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """Images `(n, c, h, w)` of codes `(n, n_codes)`. Raises ValueError for codes of another size; as `check_memory`."""
    check_memory(len(z), math.prod(image_shape), what="images")
    return decode_all(model, z).view(len(z), *image_shape)


def drift(model: nn.Module, z: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """How far a code is from the code of its own image, |encode(decode(z)) − z|: `(n,)`, in the code's unit.

    Small where the decoder makes of z what the encoder knows; large in a hole, where it makes something else.
    """
    return (encode_all(model, decode_images(model, z, image_shape)) - z).norm(dim=1)


def check_memory(n: int, numbers_each: int, *, what: str) -> None:
    """Raises ValueError where n is below 1, MemoryError where they would fill more than half of the free memory."""
    if n < 1:
        raise ValueError(f"{n} {what} cannot be made; ask for at least 1.")
    needed, free = n * numbers_each * BYTES_A_NUMBER, psutil.virtual_memory().available
    if needed > SHARE_OF_FREE_MEMORY * free:
        fit = int(SHARE_OF_FREE_MEMORY * free / (numbers_each * BYTES_A_NUMBER))
        raise MemoryError(f"{n:,} {what} take {needed / 2**30:,.1f} GiB, and {free / 2**30:.1f} GiB are free. "
                          f"Take at most {fit:,} at a time.")  # fmt: skip


def check_codes(z: Tensor, n_codes: int) -> None:
    """Raises ValueError where z is not `(n, n_codes)`."""
    if z.ndim != 2 or z.shape[1] != n_codes:
        hint = " A plane needs a model with a code of 2 numbers." if n_codes == 2 else ""
        raise ValueError(f"The codes must be (n, {n_codes}), not {tuple(z.shape)}.{hint}")


def _check_enough(codes: Tensor, n_components: int = 1) -> None:
    if codes.ndim != 2 or len(codes) < max(2, n_components):
        raise ValueError(
            f"The codes must be (n, n_codes), n at least {max(2, n_components)}; not {tuple(codes.shape)}."
        )
