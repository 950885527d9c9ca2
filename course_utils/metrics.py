"""Numbers with a unit: the unit stands in the name. Reductions are over pixels first, then the mean over images.

Those that serve as a training loss are differentiable and return a scalar tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import subspace_angles
from scipy.stats import bootstrap
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


def psnr_db(x_hat: Tensor, x: Tensor) -> float:
    """Peak signal-to-noise ratio in decibels, mean over images: 10 log10(1 / squared error per pixel), white being 1.

    10 dB more is a tenth of the squared error. Of each image first, then the mean: a mean of logarithms, which is not
    the logarithm of the mean. An image that is restored exactly would have infinitely many; it counts 100.
    """
    mse = sse_of_each_image(x_hat, x) / x[0].numel()
    return -10 * mse.clamp(min=1e-10).log10().double().mean().item()


def bce_nats_per_image(x_hat: Tensor, x: Tensor) -> Tensor:
    """Binary cross-entropy in nats, summed over the pixels, mean over images. x_hat: probabilities in [0, 1].

    A perfect reconstruction does not reach 0, since pixels are grey: 45.53 nats on MNIST's test set.
    """
    _check_shapes(x_hat, x)
    return F.binary_cross_entropy(x_hat, x, reduction="sum") / len(x)


def kl_nats_per_image(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1) in nats, summed over the code, mean over images.

    mean, log_variance: `(n, n_codes)`, of the code of each image, independent along the code. The unit is that of
    `bce_nats_per_image`, so that the two can be added. Kingma & Welling 2014, appendix B.
    """
    _check_shapes(mean, log_variance)
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum() / len(mean)


def negative_elbo(kl_weight: float = 1.0) -> Callable[[tuple[Tensor, Tensor, Tensor], Tensor], Tensor]:
    """A variational auto-encoder's loss, nats per image: `bce_nats_per_image` + kl_weight · `kl_nats_per_image`.

    It takes what `VariationalAutoencoder.sampled` gives, (x_hat, mean, log_variance), and x. With kl_weight 1 it is an
    upper bound of −log p(x) (Kingma & Welling 2014); with others it is the loss of a β-VAE (Higgins et al. 2017).
    Raises ValueError for a negative weight.
    """
    _check_weight("kl_weight", kl_weight)

    def loss(output: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
        x_hat, mean, log_variance = output
        return bce_nats_per_image(x_hat, x) + kl_weight * kl_nats_per_image(mean, log_variance)

    loss.__name__ = f"negative_elbo({kl_weight})"  # a checkpoint remembers by the name what was minimised
    return loss


def penalised_sse(weight: float) -> Callable[[tuple[Tensor, Tensor], Tensor], Tensor]:
    """The loss `sse_per_image` + weight · |z|², |z|² being the squared length of the code, mean over images.

    It takes what `models.with_code` gives, (x_hat, z), and x. The chapter's remedy for a code plane with holes.
    Raises ValueError for a negative weight.
    """
    _check_weight("weight", weight)

    def loss(output: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        x_hat, z = output
        return sse_per_image(x_hat, x) + weight * z.square().sum() / len(z)

    loss.__name__ = f"penalised_sse({weight})"
    return loss


def nats_per_word(log_probabilities: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy of a document's word frequencies and the predicted ones, in nats per word, mean of the documents.

    log_probabilities: `(n, n_words)`, a softmax's logarithm; counts: `(n, n_words)`, weights ≥ 0, divided by their sum
    here. Per word of a document: a uniform guess has ln(n_words). A document without a word counts 0.
    Hinton & Salakhutdinov, Science 313:504 (2006), supporting text.
    """
    _check_shapes(log_probabilities, counts)
    return -(word_frequencies(counts.to(log_probabilities.dtype)) * log_probabilities).sum() / len(counts)


def word_frequencies(counts: Tensor) -> Tensor:
    """Each word's share of its document, `(n, n_words)`; a document without a word has zeros."""
    return counts / counts.sum(dim=1, keepdim=True).clamp(min=torch.finfo(counts.dtype).tiny)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """−log of the probability that the softmax of the logits gives to the right class, in nats, mean over samples.

    logits: `(n, n_classes)`, labels: `(n,)` whole numbers. Raises ValueError for a label outside the classes.
    """
    _check_classes(logits, labels)
    return F.cross_entropy(logits, labels)


def error_percent(logits: Tensor, labels: Tensor) -> float:
    """Percent of samples whose largest logit is not the right class. Shapes and errors as `cross_entropy`."""
    _check_classes(logits, labels)
    return 100 * (logits.argmax(dim=1) != labels).double().mean().item()


def checkerboard_percent(images: Tensor) -> float:
    """How much of a checkerboard is in images `(n, c, h, w)`: % of their variance, mean over images and channels.

    The pixels are sorted into four phases: even or odd row, even or odd column. In a natural picture the four means
    are about equal; a transposed convolution with stride 2 writes each phase with other weights. The variance between
    the four means, in % of the variance of the pixels. An odd last row or column is left out; a constant image has 0.
    Odena et al., Deconvolution and checkerboard artifacts, Distill (2016), for the cause.
    """
    if images.ndim != 4 or min(images.shape[-2:]) < 2:
        raise ValueError(f"images must be (n, c, h, w) with h and w of at least 2, not {tuple(images.shape)}.")
    h, w = (size - size % 2 for size in images.shape[-2:])
    cells = images[..., :h, :w].double().unflatten(3, (w // 2, 2)).unflatten(2, (h // 2, 2))
    between = cells.mean(dim=(2, 4)).flatten(2).var(dim=2, unbiased=False)
    within = cells.flatten(2).var(dim=2, unbiased=False).clamp(min=torch.finfo(torch.float64).tiny)
    return 100 * (between / within).mean().item()


def derivatives_by_pixel(model: torch.nn.Module, images: Tensor, pixels: Tensor) -> Tensor:
    """How much restored pixels depend on every pixel of the image: rows of the model's Jacobian, `(n, k, n_features)`.

    model: flat images `(n, n_features)` → reconstructions of that shape; images: `(n, …)`; pixels: `(k,)` places of
    the flat reconstruction.
    """

    def restored(image: Tensor) -> Tensor:
        return model(image[None])[0, pixels]

    return torch.func.vmap(torch.func.jacrev(restored))(images.flatten(1))


def effective_classes(labels: Tensor, *, n_classes: int) -> float:
    """How many classes there are, counted by how often: e to the entropy of their shares, from 1 to n_classes.

    labels: `(n,)` whole numbers. All classes equally often: n_classes; one class alone: 1. What tells samples of all
    ten digits from a thousand times the same one.
    """
    if not len(labels):
        raise ValueError("There is no label to count.")
    if not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}; the classes are 0 to {n_classes - 1}.")
    shares = torch.bincount(labels, minlength=n_classes).double() / len(labels)
    return torch.special.entr(shares).sum().exp().item()


def grey_ink_percent(images: Tensor) -> float:
    """How blurred images in [0, 1] on black are: % of their inked pixels, those above 0.1, that are below 0.9.

    A sharp stroke has a rim of grey and is white within; a blurred one is all rim. Images without any ink have 0.
    """
    inked = images > 0.1
    return 100 * (inked & (images < 0.9)).sum().item() / max(1, inked.sum().item())


def nearest_sse(images: Tensor, others: Tensor) -> Tensor:
    """Squared error, summed over pixels, of each image to the most similar one of others: `(n,)`.

    images, others: `(n, …)` and `(m, …)`. Near 0: a copy.
    """
    if images.shape[1:] != others.shape[1:] or not len(others):
        raise ValueError(f"{tuple(images.shape)} images cannot be compared with {tuple(others.shape)}.")
    others = others.flatten(1)
    # In batches: 1,000 × 60,000 distances take 240 MB.
    nearest = [torch.cdist(batch, others).amin(dim=1) for batch in images.flatten(1).split(1_000)]
    return torch.cat(nearest).square()


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


# ----------------------------------------------------------------------------------------------------------- retrieval


@dataclass(frozen=True, eq=False)
class Estimate:
    """A mean over queries, with its 95 % interval: from low to high."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, eq=False)
class Precision(Estimate):
    """Precision at k, the share of right answers among the first k, and its interval over the queries.

    of_each_query: `(n_queries,)` in [0, 1], which `paired_difference` compares query by query.
    """

    k: int
    of_each_query: np.ndarray


def precision_at_k(found_labels: Tensor, query_labels: Tensor, *, k: int, seed: int = 0) -> Precision:
    """Share of the first k results that have the query's label, mean over queries, with its 95 % interval.

    found_labels: `(n_queries, at least k)`, labels of the results, the nearest first, the query itself not among them;
    query_labels: `(n_queries,)`. The interval is a bootstrap over the queries: what other queries would have given.
    Raises ValueError: fewer than k results, no query, shapes that do not fit.
    """
    if found_labels.ndim != 2 or query_labels.shape != found_labels.shape[:1]:
        raise ValueError(f"found_labels is {tuple(found_labels.shape)} for {tuple(query_labels.shape)} query_labels; "
                         f"they must be (n_queries, n_results) and (n_queries,).")  # fmt: skip
    if not len(query_labels):
        raise ValueError("There is no query to take the precision of.")
    if not 1 <= k <= found_labels.shape[1]:
        raise ValueError(f"k is {k}, with {found_labels.shape[1]} results a query; it must be from 1 to that.")
    hits = (found_labels[:, :k] == query_labels[:, None]).sum(dim=1).double().cpu().numpy()
    mean = _bootstrap(hits, k, seed)
    return Precision(mean.value, mean.low, mean.high, k, hits / k)


def paired_difference(a: Precision, b: Precision, *, seed: int = 0) -> Estimate:
    """a − b on the same queries, mean with its 95 % bootstrap interval: above 0 throughout, a is better.

    Paired: how hard a query is cancels out, so the interval is much narrower than those of a and b suggest.
    """
    if a.of_each_query.shape != b.of_each_query.shape or a.k != b.k:
        raise ValueError(f"Only precisions on the same queries and at the same k can be paired; these are on "
                         f"{len(a.of_each_query)} and {len(b.of_each_query)} queries, at {a.k} and {b.k}.")  # fmt: skip
    return _bootstrap(np.rint(a.k * (a.of_each_query - b.of_each_query)), a.k, seed)


def _bootstrap(counts: np.ndarray, k: int, seed: int) -> Estimate:
    """Mean of counts / k, with its interval. Whole numbers are added without rounding, in any order, on any machine."""
    mean = float(counts.sum()) / (len(counts) * k)
    if np.ptp(counts) == 0:  # also a single query: resampling gives the same again
        return Estimate(mean, mean, mean)
    interval = bootstrap(
        (counts,), np.mean, n_resamples=2_000, method="percentile", batch=200, rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(mean, float(interval.low) / k, float(interval.high) / k)


def _check_classes(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits must be (n, n_classes) and labels (n,), not {tuple(logits.shape)} and "
                         f"{tuple(labels.shape)}.")  # fmt: skip
    if labels.dtype != torch.int64:
        raise ValueError(f"labels are classes, torch.int64; they are {labels.dtype} (labels.long()).")
    if not len(labels):
        raise ValueError(f"There is nothing to compare: logits are {tuple(logits.shape)}.")
    if not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}; the classes are 0 to "
                         f"{logits.shape[1] - 1}. Check n_classes, and where the labels come from.")  # fmt: skip


def _check_weight(name: str, weight: float) -> None:
    if not 0 <= weight < math.inf:
        raise ValueError(f"{name} is {weight}; the weight of a term of the loss is a number of at least 0.")


def _check_shapes(x_hat: Tensor, x: Tensor) -> None:
    if x_hat.shape != x.shape:
        raise ValueError(
            f"Reconstructions of shape {tuple(x_hat.shape)} for data of shape {tuple(x.shape)}: they must agree."
        )
    if not len(x):
        raise ValueError("There is no image to take the error of: the batch is empty.")
