"""Chapter 7, S18: de-noising auto-encoders, beside classical filters."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from course_utils.claims.rows import BOTH, BOUND, CHAPTER, Measurement, row
from course_utils.claims.shared import by_size, deep_autoencoder, mean_of, right_of_each, trained
from course_utils.claims.verdicts import against_number, compared_by_item
from course_utils.corruption import Corruption, corrupted, gaussian, masking, one_of, salt_and_pepper
from course_utils.data import ImageData
from course_utils.filters import FILTERS, tuned_filter
from course_utils.inference import encode_all, reconstruct
from course_utils.metrics import psnr_of_each_image
from course_utils.models import DeepAutoencoder

PSNR = "dB"
SIZES = (784, 1000)
CODE_SIZES = (784, 500, 30)
NOISE = gaussian(0.5)
KINDS: dict[str, Corruption] = {
    "Gaussian 0.5": NOISE,
    "masking 0.5": masking(0.5),
    "salt and pepper 0.3": salt_and_pepper(0.3),
}
TRAINED_ON: dict[str, Corruption | None] = {"no noise": None, **KINDS, "all three": one_of(*KINDS.values())}
N_FILTERED = 500  # test images that the filters, of which some are slow, and the nets are compared on
TEST_NOISE_SEED = 1_000  # no seed of a training
DECIBELS_ABOVE, DECIBELS_LOST = 2.0, 1.0  # bounds of this course
N_NOISY, PENALTIES = 60_000, (10.0, 100.0, 1_000.0)  # of the linear map


def net(
    data: ImageData, seed: int, corrupt: Corruption | None = None, *, sizes: tuple[int, ...] = SIZES,
    x: Tensor | tuple[Tensor, Tensor] | None = None, n_epochs: int | None = None, **options: Any,
) -> DeepAutoencoder:  # fmt: skip
    """Train a net on x, or on the clean training images: 15 epochs of 4,000, or 6 of 60,000, unless given."""
    return trained(
        lambda: deep_autoencoder(data, sizes), data.train_images if x is None else x, corrupt=corrupt, seed=seed,
        n_epochs=n_epochs or by_size(data, small=15, large=6), batch_size=by_size(data, small=100, large=250),
        **options,
    )  # fmt: skip


@cache
def denoiser(data: ImageData, seed: int, trained_on: str = "Gaussian 0.5") -> DeepAutoencoder:
    """Train 784-1000-784 to restore the clean image from the noise of TRAINED_ON."""
    return net(data, seed, TRAINED_ON[trained_on])


def noisy_and_clean(data: ImageData, seed: int, corrupt: Corruption) -> tuple[Tensor, Tensor]:
    """Make test images noisy, always in the same way; the noisy ones and the clean ones."""
    x = data.test_images[:N_FILTERED]
    return corrupted(x, corrupt, seed=TEST_NOISE_SEED + seed), x


def psnr_of(model: nn.Module, data: ImageData, seed: int, corrupt: Corruption = NOISE) -> Tensor:
    """Measure the PSNR in dB of what the model makes of each noisy test image: `(n,)`."""
    x_noisy, x = noisy_and_clean(data, seed, corrupt)
    return psnr_of_each_image(reconstruct(model, x_noisy), x)


def against_denoiser(digits: ImageData, seed: int, other: nn.Module) -> Measurement:
    """Compare the de-noiser with another net."""
    return compared_by_item(psnr_of(model, digits, seed) for model in (denoiser(digits, seed), other))


@cache
def psnr_of_filters(data: ImageData, seed: int, kind: str) -> dict[str, Tensor]:
    """Measure the PSNR in dB of each noisy test image, "none", and of what each tuned filter makes of it.

    A filter is tuned on 200 training images with that noise; "best" is the filter that is best there.
    """
    x_train = data.train_images[:200]
    x_noisy, x = noisy_and_clean(data, seed, KINDS[kind])
    tuned = {name: tuned_filter(name, corrupted(x_train, KINDS[kind], seed=seed), x_train) for name in FILTERS}
    found = {name: psnr_of_each_image(smooth(x_noisy), x) for name, (smooth, _) in tuned.items()}
    best = max(tuned, key=lambda name: tuned[name][1])
    return {"none": psnr_of_each_image(x_noisy, x)} | found | {"best": found[best]}


@row("denoiser-beats-filters", "S18",
     "A de-noising auto-encoder removes noise from images it has not seen, better than a classical filter.",
     quantity="Gaussian noise of 0.5, clipped: PSNR of 784-1000-784 − of the best of four tuned filters",
     unit=PSNR, relation=">", reference=DECIBELS_ABOVE, source=BOUND, reproduced=BOTH)  # fmt: skip
def gain_over_filters(digits: ImageData, seed: int) -> Measurement:
    """Measure how far the de-noiser is above the best classical filter; series: all of them, by kind of noise."""
    filters = {kind: psnr_of_filters(digits, seed, kind) for kind in KINDS}
    nets = {kind: psnr_of(denoiser(digits, seed, kind), digits, seed, KINDS[kind]) for kind in KINDS}
    series = {name: [filters[kind][name].mean().item() for kind in KINDS] for name in ("none", *FILTERS)}
    series["de-noiser"] = [psnr.mean().item() for psnr in nets.values()]
    gain = nets["Gaussian 0.5"] - filters["Gaussian 0.5"]["best"]
    return replace(against_number(gain, DECIBELS_ABOVE), series=series)


@cache
def linear_map(data: ImageData, seed: int, kind: str) -> tuple[Tensor, Tensor]:
    """Fit a linear map, noisy image → clean image, by ridge regression on 60,000 noisy training images.

    The strength of the penalty is chosen on the validation split.

    Returns
    -------
    tuple of Tensor
        Weights (784, 784) and intercept (784,): `x_noisy @ weights.T + intercept`.
    """
    train, validation = data.validation_split()
    x, x_validation = data.train_images[train].flatten(1), data.train_images[validation[:1_000]].flatten(1)
    n_draws = max(1, N_NOISY // len(x))
    noisy = torch.cat([corrupted(x, KINDS[kind], seed=seed + 100 * draw) for draw in range(n_draws)]).numpy()
    noisy_validation = corrupted(x_validation, KINDS[kind], seed=seed + TEST_NOISE_SEED).numpy()
    clean = x.repeat(n_draws, 1).numpy()
    fits = [Ridge(alpha).fit(noisy, clean) for alpha in PENALTIES]
    best = max(fits, key=lambda fit: psnr_of_each_image(_restored(fit, noisy_validation), x_validation).mean())
    return torch.from_numpy(best.coef_), torch.from_numpy(best.intercept_)


def _restored(fit: Ridge, noisy: np.ndarray) -> Tensor:
    return torch.from_numpy(fit.predict(noisy)).clamp(0, 1).float()


def psnr_of_linear_map(data: ImageData, seed: int, kind: str) -> Tensor:
    """Measure the PSNR in dB of what the linear map makes of each noisy test image, clipped to [0, 1]: `(n,)`."""
    weights, intercept = linear_map(data, seed, kind)
    x_noisy, x = noisy_and_clean(data, seed, KINDS[kind])
    restored = x_noisy.flatten(1) @ weights.float().T + intercept.float()
    return psnr_of_each_image(restored.clamp(0, 1), x.flatten(1))


@row("linear-map-beats-filters", "S18",
     "A linear map that has learnt from digits removes noise better than a classical filter.",
     quantity="Gaussian noise of 0.5, clipped: PSNR of a ridge regression, against the best of four tuned filters",
     unit=PSNR, relation=">", reproduced=BOTH)  # fmt: skip
def linear_map_against_filters(digits: ImageData, seed: int) -> Measurement:
    """Compare the linear map with the best classical filter; series: the linear map by kind of noise."""
    by_kind = {kind: psnr_of_linear_map(digits, seed, kind) for kind in KINDS}
    series = {"linear map": [psnr.mean().item() for psnr in by_kind.values()]}
    best = psnr_of_filters(digits, seed, "Gaussian 0.5")["best"]
    return replace(compared_by_item([by_kind["Gaussian 0.5"], best]), series=series)


@row("denoiser-beats-linear-map", "S18",
     "A hidden layer removes more noise than a linear map that has learnt from the same digits.",
     quantity="PSNR of 784-1000-784, against a ridge regression, mean of three kinds of noise",
     unit=PSNR, relation=">", reproduced=BOTH)  # fmt: skip
def denoiser_against_linear_map(digits: ImageData, seed: int) -> Measurement:
    """Compare the nets with the linear maps, each trained on the kind of noise that it is tried on."""
    of_nets = mean_of(psnr_of(denoiser(digits, seed, kind), digits, seed, KINDS[kind]) for kind in KINDS)
    return compared_by_item([of_nets, mean_of(psnr_of_linear_map(digits, seed, kind) for kind in KINDS)])


@row("clean-target-matters", "S18",
     "The target is the clean image, not the noisy one.",
     said_by=CHAPTER,
     quantity="PSNR, trained to restore the clean image, against the noisy one",
     unit=PSNR, relation=">", reproduced=BOTH)  # fmt: skip
def clean_target(digits: ImageData, seed: int) -> Measurement:
    """Compare the de-noiser with a net that restores the noisy image itself: five draws stand for ever new noise."""
    noisy = torch.cat([corrupted(digits.train_images, NOISE, seed=seed + 100 * draw) for draw in range(5)])
    return against_denoiser(digits, seed, net(digits, seed, x=noisy, n_epochs=by_size(digits, small=3, large=1)))


@row("fresh-noise-matters", "S18",
     "The noise must be drawn anew at every step.",
     quantity="PSNR, fresh noise against noise drawn once", unit=PSNR, relation=">", reproduced=("quick",))  # fmt: skip
def fresh_noise(digits: ImageData, seed: int) -> Measurement:
    """Compare the de-noiser with a net that gets the same noisy images at every epoch."""
    x = digits.train_images
    return against_denoiser(digits, seed, net(digits, seed, x=(corrupted(x, NOISE, seed=seed), x), supervised=True))


@row("clean-validation-misleads", "S18",
     "Validated without noise, the wrong net looks better.",
     quantity="PSNR on clean images: trained without noise, against the de-noiser",
     unit=PSNR, relation=">", reproduced=BOTH)  # fmt: skip
def clean_validation(digits: ImageData, seed: int) -> Measurement:
    """Compare the net that was trained without noise with the de-noiser, on clean images."""
    x, nets = digits.test_images, (denoiser(digits, seed, kind) for kind in ("no noise", "Gaussian 0.5"))
    return compared_by_item(psnr_of_each_image(reconstruct(model, x), x) for model in nets)


@row("clipping-matters", "S18",
     "Clipping changes the noise: train on what will be met.",
     quantity="PSNR on clipped noise: trained on clipped noise, against noise that is not clipped",
     unit=PSNR, relation=">", reproduced=BOTH)  # fmt: skip
def forgotten_clipping(digits: ImageData, seed: int) -> Measurement:
    """Compare the de-noiser with a net that was trained on noise without clipping."""
    return against_denoiser(digits, seed, net(digits, seed, gaussian(0.5, clip=False)))


@row("noisy-targets-will-do", "S18",
     "No clean image is needed: other noise on the target averages out, where its mean is 0.",
     said_by="Lehtinen et al., ICML 2018",
     quantity="PSNR lost by targets with noise of their own, not clipped, against clean targets",
     unit=PSNR, relation="<", reference=DECIBELS_LOST,
     source="this course's bound; Lehtinen et al., ICML 2018, for the idea", reproduced=BOTH)  # fmt: skip
def other_noise_as_target(digits: ImageData, seed: int) -> Measurement:
    """Measure the dB lost where the target has noise of its own: Lehtinen et al. 2018, Noise2Noise."""
    x, noise = digits.train_images, gaussian(0.5, clip=False)
    clean = net(digits, seed, noise)
    noisy = net(digits, seed, noise, x=(x, corrupted(x, noise, seed=seed + 1)), supervised=True)
    lost = psnr_of(clean, digits, seed, noise) - psnr_of(noisy, digits, seed, noise)
    return against_number(lost, DECIBELS_LOST)


@cache
def matrix(data: ImageData, seed: int) -> dict[str, list[Tensor]]:
    """Measure the PSNR of each test image by what the net was trained on: without noise, then with each of KINDS."""
    x = data.test_images[:N_FILTERED]
    return {
        trained_on: [psnr_of_each_image(reconstruct(denoiser(data, seed, trained_on), x), x)]
        + [psnr_of(denoiser(data, seed, trained_on), data, seed, kind) for kind in KINDS.values()]
        for trained_on in TRAINED_ON
    }


@row("matched-noise-is-best", "S18",
     "A de-noiser removes the kind of noise it was trained on.",
     quantity="PSNR on the kind of noise trained on, against the two other kinds, mean of three",
     unit=PSNR, relation=">", reproduced=BOTH)  # fmt: skip
def matched_noise(digits: ImageData, seed: int) -> Measurement:
    """Compare the noise trained on with the other two kinds; series: the matrix."""
    table = matrix(digits, seed)
    matched = mean_of(table[kind][i] for i, kind in enumerate(KINDS, start=1))
    others = mean_of(table[kind][i] for kind in KINDS for i, other in enumerate(KINDS, start=1) if other != kind)
    series = {trained_on: [psnr.mean().item() for psnr in row] for trained_on, row in table.items()}
    return replace(compared_by_item([matched, others]), series=series)


@row("one-net-for-all-noises", "S18",
     "One net can learn several kinds of noise.",
     quantity="PSNR that one net for three kinds of noise loses to three nets",
     unit=PSNR, relation="<", reference=DECIBELS_LOST, source=BOUND, reproduced=BOTH)  # fmt: skip
def one_for_all(digits: ImageData, seed: int) -> Measurement:
    """Measure the dB that one net loses to three, mean of the kinds."""
    table = matrix(digits, seed)
    lost = mean_of(table[kind][i] - table["all three"][i] for i, kind in enumerate(KINDS, start=1))
    return against_number(lost, DECIBELS_LOST)


@cache
def numbers_of(data: ImageData, seed: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give 30 numbers of up to 10,000 training images, of the test images, and of these with noise.

    They are the code of a net that was trained without noise, "plain", or to take it off, "de-noising"; or "PCA".
    """
    x, x_test = data.train_images[:10_000], data.test_images
    images = x, x_test, corrupted(x_test, NOISE, seed=TEST_NOISE_SEED + seed)
    if kind == "PCA":
        pca = PCA(CODE_SIZES[-1], svd_solver="covariance_eigh").fit(x.flatten(1).numpy())
        train, clean, noisy = (pca.transform(some.flatten(1).numpy()) for some in images)
    else:
        model = net(data, seed, NOISE if kind == "de-noising" else None, sizes=CODE_SIZES)
        train, clean, noisy = (encode_all(model, some).numpy() for some in images)
    return train, clean, noisy


@cache
def recognised(data: ImageData, seed: int, kind: str) -> dict[str, Tensor]:
    """Whether a linear classifier recognises each test digit from its 30 numbers, 100 or 0, in three ways: `(n,)` each.

    It is trained on standardised numbers of clean training images, and tried on "clean" images, on "noisy" ones, and on
    noisy ones that are "re-standardised": mean and standard deviation are then those of the noisy images themselves,
    which takes the grey veil of the noise off; no label is used.
    """
    train, clean, noisy = numbers_of(data, seed, kind)
    scaler = StandardScaler().fit(train)
    classifier = LogisticRegression(max_iter=1_000)
    classifier.fit(scaler.transform(train), data.train_labels[: len(train)].numpy())
    ways = {
        "clean": scaler.transform(clean),
        "noisy": scaler.transform(noisy),
        "re-standardised": StandardScaler().fit_transform(noisy),
    }
    return {way: right_of_each(classifier, numbers, data.test_labels) for way, numbers in ways.items()}


def codes_compared(
    data: ImageData, seed: int, other: str, way: str, series: tuple[str, ...] = ()
) -> Measurement:  # fmt: skip
    """Compare what a classifier recognises from the de-noising code with what it does from other numbers.

    Series, where ways are named: both kinds, in each of these ways.
    """
    found = {kind: recognised(data, seed, kind) for kind in (other, "de-noising")}
    means = {kind: [by_way[name].mean().item() for name in series] for kind, by_way in found.items()}
    measured = compared_by_item([found["de-noising"][way], found[other][way]])
    return replace(measured, series=means) if series else measured


@row("denoising-code-is-robust", "S18",
     "De-noising makes the code robust: a digit is recognised from it in spite of noise.",
     said_by=CHAPTER,
     quantity="linear classifier on a code of 30, noisy images: de-noising, against plain",
     unit="% right", relation=">", reproduced=("full",))  # fmt: skip
def code_on_noisy(digits: ImageData, seed: int) -> Measurement:
    """Compare the codes of noisy images, de-noising and plain; series: clean and noisy."""
    return codes_compared(digits, seed, "plain", "noisy", series=("clean", "noisy"))


@row("denoising-code-is-better", "S18",
     "De-noising makes a better code, even for clean images.",
     said_by="Vincent et al., ICML 2008",
     quantity="linear classifier on a code of 30, clean images: de-noising, against plain",
     unit="% right", relation=">")  # fmt: skip
def code_on_clean(digits: ImageData, seed: int) -> Measurement:
    """Compare the codes of clean images, de-noising and plain."""
    return codes_compared(digits, seed, "plain", "clean")


@row("denoising-code-beats-pca-on-noisy", "S18",
     "On noisy images the de-noising code tells more of the digit than PCA does.",
     quantity="linear classifier on 30 numbers, noisy images: de-noising, against PCA",
     unit="% right", relation=">", reproduced=BOTH)  # fmt: skip
def code_against_pca(digits: ImageData, seed: int) -> Measurement:
    """Compare the de-noising code of noisy images with PCA's; series: as they are, re-standardised."""
    return codes_compared(digits, seed, "PCA", "noisy", series=("noisy", "re-standardised"))


@row("denoising-code-beats-pca-without-the-veil", "S18",
     "It does so, too, where the grey veil of the noise is taken off both.",
     quantity="the same, each number re-standardised over the noisy images: de-noising, against PCA",
     unit="% right", relation=">")  # fmt: skip
def code_against_pca_without_veil(digits: ImageData, seed: int) -> Measurement:
    """Compare the two where mean and standard deviation are those of the noisy images."""
    return codes_compared(digits, seed, "PCA", "re-standardised")
