"""Errors that can be trained on: differentiable, each a scalar with its unit in the name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.metrics.checks import check_classes, check_shapes


def sse_per_image(x_hat: Tensor, x: Tensor) -> Tensor:
    """Sum the squared error over the pixels of an image, and take the mean over images.

    Parameters
    ----------
    x_hat, x
        Reconstructions and images, `(n, …)` of one shape.

    Returns
    -------
    Tensor
        A scalar in Hinton & Salakhutdinov's (2006) unit: a code of 0 numbers, the mean image, has 52.90 on MNIST's test
        set.

    Raises
    ------
    ValueError
        The shapes differ (broadcasting would give a wrong number), or there is no image.
    """
    check_shapes(x_hat, x)
    return F.mse_loss(x_hat, x, reduction="sum") / len(x)


def sse_of_each_image(x_hat: Tensor, x: Tensor) -> Tensor:
    """Sum the squared error over the pixels, one number an image: `(n,)`; otherwise as `sse_per_image`."""
    check_shapes(x_hat, x)
    return (x_hat - x).square().flatten(1).sum(dim=1)


def bce_nats_per_image(x_hat: Tensor, x: Tensor) -> Tensor:
    """Sum the binary cross-entropy over the pixels of an image, and take the mean over images.

    A perfect reconstruction does not reach 0, since pixels are grey: 45.53 nats on MNIST's test set.

    Parameters
    ----------
    x_hat
        Probabilities `(n, …)` in [0, 1], as a sigmoid gives them.
    x
        Images of that shape, in [0, 1].

    Returns
    -------
    Tensor
        A scalar, in nats per image.

    Raises
    ------
    ValueError
        The shapes differ, or x_hat leaves [0, 1].
    """
    check_shapes(x_hat, x)
    _check_probabilities(x_hat)
    return F.binary_cross_entropy(x_hat, x, reduction="sum") / len(x)


def bce_of_each_image(x_hat: Tensor, x: Tensor) -> Tensor:
    """Sum the binary cross-entropy over the pixels, in nats, one an image: `(n,)`; else as `bce_nats_per_image`."""
    check_shapes(x_hat, x)
    _check_probabilities(x_hat)
    return F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(dim=1)


def kl_nats_per_image(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Sum the Kullback-Leibler divergence of N(mean, variance) from N(0, 1) over the code; mean over images.

    Parameters
    ----------
    mean, log_variance
        `(n, n_codes)`, of the code of each image, independent along the code.

    Returns
    -------
    Tensor
        A scalar in nats per image, the unit of `bce_nats_per_image`, so that the two can be added.

    References
    ----------
    Kingma & Welling, ICLR 2014, appendix B.
    """
    check_shapes(mean, log_variance)
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum() / len(mean)


def negative_elbo(kl_weight: float = 1.0) -> Callable[[tuple[Tensor, Tensor, Tensor], Tensor], Tensor]:
    """Make a variational auto-encoder's loss: `bce_nats_per_image` + kl_weight · `kl_nats_per_image`.

    Parameters
    ----------
    kl_weight
        With 1 the loss is an upper bound of −log p(x); with others it is that of a β-VAE. At least 0.

    Returns
    -------
    function
        From what `VariationalAutoencoder.forward_sampled` gives, (x_hat, mean, log_variance), and x, to nats per image.

    Raises
    ------
    ValueError
        The weight is negative.

    References
    ----------
    Kingma & Welling, ICLR 2014; Higgins et al., ICLR 2017 (β-VAE).
    """
    _check_weight("kl_weight", kl_weight)
    loss = partial(_negative_elbo, kl_weight=kl_weight)
    loss.__name__ = f"negative_elbo({kl_weight})"  # type: ignore[attr-defined]
    return loss


def _negative_elbo(output: tuple[Tensor, Tensor, Tensor], x: Tensor, *, kl_weight: float) -> Tensor:
    x_hat, mean, log_variance = output
    return bce_nats_per_image(x_hat, x) + kl_weight * kl_nats_per_image(mean, log_variance)


def penalised_sse(weight: float) -> Callable[[tuple[Tensor, Tensor], Tensor], Tensor]:
    """Make the loss `sse_per_image` + weight · |z|², the chapter's remedy for a code plane with holes.

    Parameters
    ----------
    weight
        Of the squared length of the code, mean over images; at least 0.

    Returns
    -------
    function
        From what `models.forward_with_code` gives, (x_hat, z), and x, to a scalar.

    Raises
    ------
    ValueError
        The weight is negative.
    """
    _check_weight("weight", weight)
    loss = partial(_penalised_sse, weight=weight)
    loss.__name__ = f"penalised_sse({weight})"  # type: ignore[attr-defined]
    return loss


def _penalised_sse(output: tuple[Tensor, Tensor], x: Tensor, *, weight: float) -> Tensor:
    x_hat, z = output
    return sse_per_image(x_hat, x) + weight * z.square().sum() / len(z)


def nats_per_word(log_probabilities: Tensor, counts: Tensor) -> Tensor:
    """Compute the cross-entropy of a document's word frequencies and the predicted ones, mean of the documents.

    Parameters
    ----------
    log_probabilities
        `(n, n_words)`, a softmax's logarithm.
    counts
        `(n, n_words)`, weights ≥ 0, which are divided by their sum here. A document without a word counts 0.

    Returns
    -------
    Tensor
        A scalar in nats per word; a uniform guess has ln(n_words).

    References
    ----------
    Hinton & Salakhutdinov, Science 313:504 (2006), supporting text.
    """
    check_shapes(log_probabilities, counts)
    return -(word_frequencies(counts.to(log_probabilities.dtype)) * log_probabilities).sum() / len(counts)


def word_frequencies(counts: Tensor) -> Tensor:
    """Return each word's share of its document, `(n, n_words)`; a document without a word has zeros."""
    return counts / counts.sum(dim=1, keepdim=True).clamp(min=torch.finfo(counts.dtype).tiny)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute −log of the probability that a softmax gives to the right class, mean over samples.

    Parameters
    ----------
    logits
        `(n, n_classes)`.
    labels
        `(n,)` whole numbers.

    Returns
    -------
    Tensor
        A scalar, in nats.

    Raises
    ------
    ValueError
        A label outside the classes, or shapes that do not fit.
    """
    check_classes(logits, labels)
    return F.cross_entropy(logits, labels)


def _check_probabilities(x_hat: Tensor) -> None:
    low, high = (value.item() for value in x_hat.detach().aminmax())
    if not (low >= 0 and high <= 1):  # also for NaN
        raise ValueError(f"x_hat must be probabilities in [0, 1], as a sigmoid gives them; it reaches from {low:g} to "
                         f"{high:g}.")  # fmt: skip


def _check_weight(name: str, weight: float) -> None:
    if not 0 <= weight < math.inf:
        raise ValueError(f"{name} is {weight}; the weight of a term of the loss is a number of at least 0.")
