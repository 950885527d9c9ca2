"""Chapter 2, S3 to S5: the deep auto-encoder, its starting values, and tied weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from torch import Tensor

from course_utils.claims.rows import BOTH, CHAPTER, HS06, SSE, Measurement, row
from course_utils.claims.shared import (
    NoData,
    by_size,
    deep_autoencoder,
    pca_sse_of_each,
    sse_after_training,
    test_sse_of_each,
    trained,
)
from course_utils.claims.verdicts import against_number, compared_by_item, ratio_by_item
from course_utils.corruption import shifting
from course_utils.data import ImageData
from course_utils.metrics import bce_nats_per_image, count_parameters
from course_utils.models import Activation, DeepAutoencoder

SIZES = (784, 1000, 500, 250, 30)
CODE_SIZES = (2, 4, 8, 16, 32, 64)
EQUAL = 1.0
# Of 0.0005 to 0.004 the best on the validation split of the quick profile, with shifts and without.
LR_OF: dict[Activation, float] = {"relu": 1e-3, "silu": 2e-3}
LR_LOGISTIC = 2e-2  # of 0.003, 0.01 and 0.02 the best on the validation split


@cache  # four rows look at the same trained nets
def deep_net(data: ImageData, seed: int, *, tied: bool = False) -> dict[str, Tensor]:
    """Measure the error of each image by 784-1000-500-250-30: 15 epochs of 4,000, or 30 of 60,000."""
    return sse_of(data, seed, SIZES, epochs=by_size(data, small=15, large=30), tied=tied)


def sse_of(data: ImageData, seed: int, sizes: tuple[int, ...], *, epochs: int, **options: Any) -> dict[str, Tensor]:
    """Measure the error of each image by a deep auto-encoder; batches of 100 images of 4,000, or 250 of 60,000."""
    return sse_after_training(
        lambda: deep_autoencoder(data, sizes, **options), data,
        n_epochs=epochs, batch_size=by_size(data, small=100, large=250), seed=seed,
    )  # fmt: skip


@row("deep-beats-pca", "S5",
     "At 30 numbers, the deep auto-encoder restores digits better than PCA.",
     said_by=CHAPTER,
     quantity="test error of 784-1000-500-250-30, against PCA-30", unit=SSE, relation="<", reproduced=BOTH,
     seeds=(5, 3))  # fmt: skip
def deep_against_pca(digits: ImageData, seed: int) -> Measurement:
    """Compare the deep net with PCA-30."""
    return compared_by_item([deep_net(digits, seed)["test"], pca_sse_of_each(digits, 30)])


@row("deep30-mnist-sse", "S3",
     "784-1000-500-250-30 reaches the published error (by RBM pre-training and more).",
     said_by=HS06,
     quantity="test error after 30 epochs of Adam",
     unit=SSE, relation="≈", reference=3.0, tolerance=0.1, source=HS06, only_on="full", seeds=(5, 3))  # fmt: skip
def deep_against_published(digits: ImageData, seed: int) -> Measurement:
    """Measure the test SSE of the deep net with a code of 30; the test images are those of the published number."""
    return Measurement(deep_net(digits, seed)["test"].mean().item())


@cache
def modern_net(data: ImageData, seed: int, *, activation: Activation = "silu", shifts: bool = True) -> Tensor:
    """Measure the test error of each image by the same net with what came after 2006, in as many epochs."""
    model = trained(
        lambda: deep_autoencoder(data, SIZES, activation=activation), data.train_images,
        seed=seed, n_epochs=by_size(data, small=15, large=30), batch_size=by_size(data, small=100, large=250),
        lr=LR_OF[activation], augment=shifting(1) if shifts else None,
    )  # fmt: skip
    return test_sse_of_each(data, model)


@row("deep30-beats-2006", "S3",
     "From a random start, with SiLU and digits moved by a pixel, the same net is below the error of 2006.",
     quantity="test error after 30 epochs of Adam",
     unit=SSE, relation="<", reference=3.0, source=HS06, only_on="full", seeds=(5, 3),
     reproduced=("full",))  # fmt: skip
def modern_against_published(digits: ImageData, seed: int) -> Measurement:
    """Measure the test SSE of the deep net with a smooth activation and shifted digits."""
    return against_number(modern_net(digits, seed), 3.0)


@row("smooth-activation-helps", "S3",
     "A smooth activation restores digits better than ReLU does.",
     quantity="test error with SiLU, against ReLU; both on digits moved by a pixel", unit=SSE, relation="<",
     seeds=(5, 3), reproduced=("quick",))  # fmt: skip
def smooth_against_relu(digits: ImageData, seed: int) -> Measurement:
    """Compare SiLU with ReLU."""
    return compared_by_item([modern_net(digits, seed), modern_net(digits, seed, activation="relu")])


@row("shifts-help", "S3",
     "To move the training digits by a pixel lowers the error on digits that are not moved.",
     quantity="test error, trained on moved digits, against unmoved ones; both with SiLU", unit=SSE, relation="<",
     seeds=(5, 3), reproduced=("quick",))  # fmt: skip
def shifts_against_none(digits: ImageData, seed: int) -> Measurement:
    """Compare training on shifted digits with training on digits as they are."""
    return compared_by_item([modern_net(digits, seed), modern_net(digits, seed, shifts=False)])


@row("logistic-pca30-mnist-sse", "S4",
     "A linear code and a sigmoid output (logistic PCA) reach the published error at 30 numbers.",
     said_by=HS06,
     quantity="test error of 784-30 with a sigmoid output, 20 epochs of cross-entropy",
     unit=SSE, relation="<", reference=8.01, source=HS06, only_on="full", seeds=(10, 10))  # fmt: skip
def logistic_pca(digits: ImageData, seed: int) -> Measurement:
    """Measure the test SSE of a linear encoder with a linear decoder and a sigmoid."""
    model = trained(
        lambda: deep_autoencoder(digits, (digits.n_features, 30)), digits.train_images,
        seed=seed, n_epochs=20, batch_size=250, lr=LR_LOGISTIC, loss=bce_nats_per_image,
    )  # fmt: skip
    return Measurement(test_sse_of_each(digits, model).mean().item())


@row("deep-beats-pca-all-sizes", "S5",
     "Deep is better than PCA at every code size from 2 to 64.",
     quantity="largest ratio of test errors, deep / PCA, over the code sizes",
     unit="ratio", relation="<", reference=EQUAL, source="equal errors", reproduced=("full",),
     seeds=(3, 3))  # fmt: skip
def deep_against_pca_all_sizes(digits: ImageData, seed: int) -> Measurement:
    """Measure the largest ratio deep / PCA over the code sizes: below 1, deep is better at every one."""
    n_epochs = by_size(digits, small=15, large=5)
    deep = [sse_of(digits, seed, (*SIZES[:-1], k), epochs=n_epochs)["test"] for k in CODE_SIZES]
    pca = [pca_sse_of_each(digits, k) for k in CODE_SIZES]
    ratio = max(map(ratio_by_item, zip(deep, pca, strict=True)), key=Tensor.mean)
    series: dict[str, Sequence[float]] = {"code size": CODE_SIZES}
    series |= {name: [sse.mean().item() for sse in curve] for name, curve in {"deep": deep, "PCA": pca}.items()}
    return replace(against_number(ratio, EQUAL), series=series)


@row("start-decides", "S3",
     "A deep auto-encoder needs good starting values.",
     said_by="Hinton & Salakhutdinov, Science 313:504 (2006), p. 504",
     quantity="test error from torch's default start, against He's, after the same few epochs",
     unit=SSE, relation=">", reproduced=BOTH)  # fmt: skip
def start_decides(digits: ImageData, seed: int) -> Measurement:
    """Compare torch's starting values with He's, after the same few epochs."""
    n_epochs = by_size(digits, small=8, large=3)
    inits = ("default", "he")
    return compared_by_item(sse_of(digits, seed, SIZES, epochs=n_epochs, init=init)["test"] for init in inits)


@row("tied-halves-weights", "S4",
     "Tied weights halve the number of parameters.",
     said_by=CHAPTER,
     quantity="parameters of the tied net, of the free net's",
     unit="%", relation="≈", reference=50.0, tolerance=0.5, source="the biases are not shared",
     on=lambda cfg: NoData("none"), seeded=False, reproduced=BOTH)  # fmt: skip
def tied_parameters(nothing: NoData, seed: int) -> Measurement:
    """Count the parameters of the tied deep net, in percent of the free net's."""
    tied, free = (count_parameters(DeepAutoencoder(SIZES, tied=tied)) for tied in (True, False))
    return Measurement(100 * tied / free)


@row("tied-narrows-gap", "S4",
     "Tied weights over-fit less.",
     said_by=CHAPTER,
     quantity="test error − training error of the tied net, against the free net's",
     unit=SSE, relation="<", reproduced=BOTH, seeds=(5, 3))  # fmt: skip
def tied_gap(digits: ImageData, seed: int) -> Measurement:
    """Compare test SSE − train SSE of the tied deep net with the free one's; the interval is over the test images."""
    nets = {"tied": deep_net(digits, seed, tied=True), "not tied": deep_net(digits, seed)}
    series = {name: [sse["train"].mean().item(), sse["test"].mean().item()] for name, sse in nets.items()}
    return replace(compared_by_item(sse["test"] - sse["train"].mean() for sse in nets.values()), series=series)


@row("tied-lowers-test-error", "S4",
     "Tied weights restore unseen digits better.",
     quantity="test error of the tied net, against the free net's", unit=SSE, relation="<", seeds=(5, 3))  # fmt: skip
def tied_test_error(digits: ImageData, seed: int) -> Measurement:
    """Compare the test SSE of the tied deep net with the free one's."""
    return compared_by_item(deep_net(digits, seed, tied=tied)["test"] for tied in (True, False))
