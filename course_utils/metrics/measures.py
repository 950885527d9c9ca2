"""Numbers that are only reported, each with its unit in the name."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from course_utils.metrics.checks import check_classes
from course_utils.metrics.losses import sse_of_each_image


def psnr_db(x_hat: Tensor, x: Tensor) -> float:
    """Compute the peak signal-to-noise ratio in decibels, mean over images; see `psnr_of_each_image`."""
    return psnr_of_each_image(x_hat, x).mean().item()


def psnr_of_each_image(x_hat: Tensor, x: Tensor) -> Tensor:
    """Compute each image's peak signal-to-noise ratio: 10 log10(1 / squared error per pixel), white being 1.

    Ten decibels more mean a tenth of the squared error. It is taken of each image before any mean: the mean of
    logarithms is not the logarithm of the mean. An image that is restored exactly would have infinitely many decibels;
    it counts 100.

    Parameters
    ----------
    x_hat, x
        Restored and clean images, `(n, …)` of one shape, in [0, 1].

    Returns
    -------
    Tensor
        In decibels, `(n,)`.
    """
    mse = sse_of_each_image(_exact(x_hat), _exact(x)) / x[0].numel()
    return -10 * mse.clamp(min=1e-10).log10()


def error_percent(logits: Tensor, labels: Tensor) -> float:
    """Return the percentage of samples whose largest logit is not the right class; otherwise as `cross_entropy`."""
    check_classes(logits, labels)
    return 100 * (logits.argmax(dim=1) != labels).sum().item() / len(labels)


def checkerboard_percent(images: Tensor) -> float:
    """Measure how much of a checkerboard is in images: % of their variance, mean over images and channels.

    The pixels are sorted into four phases: even or odd row, even or odd column. In a natural picture the four means
    are about equal; a transposed convolution with stride 2 writes each phase with other weights. The variance between
    the four means, in % of the variance of the pixels.

    Parameters
    ----------
    images
        `(n, c, h, w)`, h and w at least 2. An odd last row or column is left out; a constant image has 0.

    References
    ----------
    Odena et al., Deconvolution and checkerboard artifacts, Distill (2016), for the cause.
    """
    if images.ndim != 4 or min(images.shape[-2:]) < 2:
        raise ValueError(f"images must be (n, c, h, w) with h and w of at least 2, not {tuple(images.shape)}.")
    h, w = (size - size % 2 for size in images.shape[-2:])
    cells = _exact(images[..., :h, :w]).unflatten(3, (w // 2, 2)).unflatten(2, (h // 2, 2))
    between = cells.mean(dim=(2, 4)).flatten(2).var(dim=2, unbiased=False)
    within = cells.flatten(2).var(dim=2, unbiased=False).clamp(min=torch.finfo(torch.float64).tiny)
    return 100 * (between / within).mean().item()


def derivatives_by_pixel(model: torch.nn.Module, images: Tensor, pixels: Tensor) -> Tensor:
    """Compute how much restored pixels depend on every pixel of the image: rows of the model's Jacobian.

    Parameters
    ----------
    model
        Flat images `(n, n_features)` → reconstructions of that shape.
    images
        `(n, …)`.
    pixels
        `(k,)` places of the flat reconstruction.

    Returns
    -------
    Tensor
        `(n, k, n_features)`.
    """

    def restored(image: Tensor) -> Tensor:
        return model(image[None])[0, pixels]

    return torch.func.vmap(torch.func.jacrev(restored))(images.flatten(1))


def effective_classes(labels: Tensor, *, n_classes: int) -> float:
    """Count the classes by how often they occur: e to the entropy of their shares.

    It tells samples of all ten digits from a thousand times the same one.

    Parameters
    ----------
    labels
        `(n,)` whole numbers, at least one.
    n_classes
        How many there may be.

    Returns
    -------
    float
        n_classes where all occur equally often, 1 for one class alone.
    """
    if not len(labels):
        raise ValueError("There is no label to count.")
    if not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}; the classes are 0 to {n_classes - 1}.")
    shares = torch.bincount(labels.cpu(), minlength=n_classes).double() / len(labels)
    return torch.special.entr(shares).sum().exp().item()


def grey_ink_percent(images: Tensor) -> float:
    """Measure how blurred images in [0, 1] on black are: % of their inked pixels, those above 0.1, that are below 0.9.

    A sharp stroke has a rim of grey and is white within; a blurred one is all rim. Images without any ink have 0.
    """
    inked = images > 0.1
    return 100 * (inked & (images < 0.9)).sum().item() / max(1, inked.sum().item())


def nearest_sse(images: Tensor, others: Tensor) -> Tensor:
    """Sum the squared error over pixels, of each image `(n, …)` to the most similar one of others `(m, …)`: `(n,)`.

    Near 0: a copy.
    """
    if images.shape[1:] != others.shape[1:] or not len(others):
        raise ValueError(f"{tuple(images.shape)} images cannot be compared with {tuple(others.shape)}.")
    others = others.flatten(1)
    # In batches: 1,000 × 60,000 distances take 240 MB.
    nearest = [torch.cdist(batch, others).amin(dim=1) for batch in images.flatten(1).split(1_000)]
    return torch.cat(nearest).square()


def principal_angles_deg(a: Tensor | np.ndarray, b: Tensor | np.ndarray) -> np.ndarray:
    """Compute the angles between two subspaces.

    Parameters
    ----------
    a, b
        `(n_features, k)`, the columns span the subspace and need not be orthogonal.

    Returns
    -------
    ndarray
        In degrees, largest first: 0 where they share a direction, 90 where they are orthogonal.

    References
    ----------
    Björck & Golub, Mathematics of Computation 27 (1973), by scipy.
    """
    from scipy.linalg import subspace_angles  # here: long to import

    a, b = (np.asarray(torch.as_tensor(m).detach().cpu(), dtype=np.float64) for m in (a, b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[0]:
        raise ValueError(f"Both must be (n_features, k) with the same n_features, not {a.shape} and {b.shape}.")
    return np.degrees(subspace_angles(a, b))


def count_parameters(model: torch.nn.Module) -> int:
    """Count the trainable numbers in a model; a weight that two layers share counts once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _exact(x: Tensor) -> Tensor:
    """In float64, on the CPU: Apple's GPUs have no such type."""
    return x.cpu().double()
