"""Numbers with a unit: the unit stands in the name. Reductions are over pixels first, then the mean over images.

Those that serve as a training loss are differentiable and return a scalar tensor.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import subspace_angles
from torch import Tensor
from torch.nn import functional as F


def sse_per_image(x_hat: Tensor, x: Tensor) -> Tensor:
    """Squared error summed over the pixels of an image, mean over images: a scalar.

    x_hat, x: `(n, …)` of one shape. Hinton & Salakhutdinov's (2006) unit: a code of 0 numbers, the mean image, has
    52.90 on MNIST's test set. Raises ValueError where the shapes differ (broadcasting would give a wrong number).
    """
    _check_shapes(x_hat, x)
    return F.mse_loss(x_hat, x, reduction="sum") / len(x)


def sse_of_each_image(x_hat: Tensor, x: Tensor) -> Tensor:
    """Squared error summed over the pixels, one number an image: `(n,)`."""
    _check_shapes(x_hat, x)
    return (x_hat - x).square().flatten(1).sum(dim=1)


def mse_per_pixel(x_hat: Tensor, x: Tensor) -> Tensor:
    """Squared error, mean over all pixels of all images: `sse_per_image` / pixels of an image."""
    _check_shapes(x_hat, x)
    return F.mse_loss(x_hat, x)


def bce_nats_per_image(x_hat: Tensor, x: Tensor) -> Tensor:
    """Binary cross-entropy in nats, summed over the pixels, mean over images. x_hat: probabilities in [0, 1].

    A perfect reconstruction does not reach 0, since pixels are grey: 45.53 nats on MNIST's test set.
    """
    _check_shapes(x_hat, x)
    return F.binary_cross_entropy(x_hat, x, reduction="sum") / len(x)


def principal_angles_deg(a: Tensor | np.ndarray, b: Tensor | np.ndarray) -> np.ndarray:
    """Angles between two subspaces in degrees, largest first: 0 where they share a direction, 90 where orthogonal.

    a, b: `(n_features, k)`, the columns span the subspace and need not be orthogonal (Björck & Golub 1973, by scipy).
    """
    a, b = (np.asarray(torch.as_tensor(m).detach().cpu(), dtype=np.float64) for m in (a, b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[0]:
        raise ValueError(f"Both must be (n_features, k) with the same n_features, not {a.shape} and {b.shape}.")
    return np.degrees(subspace_angles(a, b))


def count_parameters(model: torch.nn.Module) -> int:
    """Trainable numbers in a model; a weight that two layers share counts once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _check_shapes(x_hat: Tensor, x: Tensor) -> None:
    if x_hat.shape != x.shape:
        raise ValueError(
            f"Reconstructions of shape {tuple(x_hat.shape)} for data of shape {tuple(x.shape)}: they must agree."
        )
    if not len(x):
        raise ValueError("There is no image to take the error of: the batch is empty.")
