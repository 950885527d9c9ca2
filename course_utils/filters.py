"""De-noising without learning: standard filters of scipy, scikit-image and bm3d, tuned on training images.

A net is compared with them fairly only if their strength and grey values are fitted to the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from course_utils.data import DataError
from course_utils.metrics import psnr_db

Smoother = Callable[[np.ndarray, float], np.ndarray]


def _median(images: np.ndarray, size: float) -> np.ndarray:
    return ndimage.median_filter(images, size=(1, 1, int(size), int(size)))


def _gaussian(images: np.ndarray, sd: float) -> np.ndarray:
    return ndimage.gaussian_filter(images, sigma=(0, 0, sd, sd))


def _total_variation(images: np.ndarray, weight: float) -> np.ndarray:
    from skimage.restoration import denoise_tv_chambolle  # here, as below: long to import

    return np.stack([denoise_tv_chambolle(image, weight=weight, channel_axis=0) for image in images])


def _non_local_means(images: np.ndarray, h: float) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    options = {"patch_size": 5, "patch_distance": 5, "fast_mode": True}
    if images.shape[1] == 1:  # a channel axis of one would be compared as a third dimension
        return np.stack([denoise_nl_means(image[0], h=h, **options) for image in images])[:, None]
    return np.stack([denoise_nl_means(image, h=h, channel_axis=0, **options) for image in images])


def _bm3d(images: np.ndarray, sd: float) -> np.ndarray:
    try:
        from bm3d import bm3d
    except ImportError:
        raise DataError("The filter BM3D is in a package of its own: pip install 'autoencoder-course[bm3d]'.") from None
    # It takes images (h, w, c), and gives grey ones back without the channel.
    smoothed = [bm3d(image.transpose(1, 2, 0), sd).reshape(*image.shape[1:], -1) for image in images]
    return np.stack(smoothed).transpose(0, 3, 1, 2)


# The strengths that are tried: the window in pixels; the standard deviation in pixels; the weight of smoothness (Rudin
# et al. 1992, by Chambolle 2004); how unlike two patches may be that are averaged (Buades et al. 2005).
FILTERS: Mapping[str, tuple[Smoother, Sequence[float]]] = {
    "median": (_median, (1, 3, 5)),
    "Gaussian": (_gaussian, (0.01, 0.5, 0.7, 0.9, 1.1, 1.4)),
    "total variation": (_total_variation, (0.01, 0.1, 0.2, 0.3, 0.5)),
    "non-local means": (_non_local_means, (0.1, 0.2, 0.3, 0.4)),
}
# BM3D (Dabov et al. 2007): half a second an image. It needs the extra "bm3d", whose licence is for non-commercial use.
SLOW_FILTERS: Mapping[str, tuple[Smoother, Sequence[float]]] = {"BM3D": (_bm3d, (0.2, 0.3, 0.4, 0.5))}
ALL_FILTERS = {**FILTERS, **SLOW_FILTERS}


@dataclass(frozen=True)
class TunedFilter:
    """A filter with its strength, then a linear stretch of the grey values: gain · y + offset, clipped to [0, 1].

    The stretch undoes what clipping did to the noise: on a black ground only the positive half of it is left, a grey
    veil that smoothing cannot take away. It gains up to 4 dB; without it the comparison with a net would be unfair.

    Parameters
    ----------
    name
        One of `FILTERS` or `SLOW_FILTERS`.
    strength
        The argument of that filter: a size, a standard deviation or a weight.
    gain, offset
        Of the stretch.
    """

    name: str
    strength: float
    gain: float = 1.0
    offset: float = 0.0

    def __call__(self, x_noisy: Tensor) -> Tensor:
        """De-noise images `(n, c, h, w)`; the result has that shape. ValueError for any other shape, or no image."""
        _check_images(x_noisy)
        smooth, _ = ALL_FILTERS[self.name]
        return self.stretched(smooth(x_noisy.numpy(), self.strength))

    def stretched(self, y: np.ndarray) -> Tensor:
        """Stretch the grey values of smoothed images, and clip them to [0, 1]."""
        return torch.from_numpy(self.gain * y + self.offset).float().clamp(0, 1)


def tuned_filter(name: str, x_noisy: Tensor, x: Tensor) -> tuple[TunedFilter, float]:
    """Find the strength and the grey values with which a filter restores training images best.

    Parameters
    ----------
    name
        One of `FILTERS` or `SLOW_FILTERS`.
    x_noisy, x
        Training images with and without noise, `(n, c, h, w)`, in [0, 1].

    Returns
    -------
    tuple
        The filter, and its PSNR on these images, in dB.

    Raises
    ------
    ValueError
        The name is unknown, or the shapes differ or are not `(n, c, h, w)`.
    DataError
        BM3D is not installed.
    """
    if name not in ALL_FILTERS:
        raise ValueError(f"There is no filter {name!r}; the filters are {', '.join(ALL_FILTERS)}.")
    _check_images(x_noisy)
    if x_noisy.shape != x.shape:
        raise ValueError(f"x_noisy is {tuple(x_noisy.shape)} and x is {tuple(x.shape)}; their shapes must agree.")
    smooth, strengths = ALL_FILTERS[name]
    found = []
    for strength in strengths:
        y = smooth(x_noisy.numpy(), strength)
        # Least squares, unless y is constant. In double precision: in single, polyfit finds a million pixels of little
        # contrast to be constant.
        flat = y.ravel().astype(np.float64)
        gain, offset = np.polyfit(flat, x.numpy().ravel(), deg=1) if np.ptp(y) else (1.0, 0.0)
        candidate = TunedFilter(name, strength, float(gain), float(offset))
        found.append((candidate, psnr_db(candidate.stretched(y), x)))
    return max(found, key=lambda candidate_and_psnr: candidate_and_psnr[1])


def best_filter(x_noisy: Tensor, x: Tensor, *, names: Sequence[str] = tuple(FILTERS)) -> TunedFilter:
    """Tune several filters, and choose the one with the highest PSNR: a trained net has to be better than that.

    Parameters
    ----------
    x_noisy, x
        As of `tuned_filter`.
    names
        Of `FILTERS` or `SLOW_FILTERS`, at least one.

    Returns
    -------
    TunedFilter
        The best filter, tuned.

    Raises
    ------
    ValueError, DataError
        As `tuned_filter`; or names is empty.
    """
    found = [tuned_filter(name, x_noisy, x) for name in names]
    return max(found, key=lambda candidate_and_psnr: candidate_and_psnr[1])[0]


def _check_images(x: Tensor) -> None:
    if x.ndim != 4 or not len(x):
        raise ValueError(f"Filters take images (n, c, h, w) with n of at least 1, not {tuple(x.shape)}.")
