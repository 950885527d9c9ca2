"""The experiments on de-noising (S18): each takes the settings and a seed, and returns a Measurement."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from course_utils.claims.experiments import digits, images
from course_utils.claims.measuring import Measurement
from course_utils.corruption import Corruption, corrupted, gaussian, masking, one_of, salt_and_pepper
from course_utils.filters import FILTERS, tuned_filter
from course_utils.metrics import psnr_db
from course_utils.models import DeepAutoencoder, encode_all, reconstruct
from course_utils.settings import Settings
from course_utils.training import Trainer

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


def trained(
    name: str, seed: int, corrupt: Corruption | None = None, *, sizes: tuple[int, ...] = SIZES,
    data: Tensor | tuple[Tensor, Tensor] | None = None, **options: Any,
) -> DeepAutoencoder:  # fmt: skip
    """A net trained on the data, or on the clean training images: 15 epochs of 4,000, or 6 of 60,000."""
    x = images(name).train_images
    n_epochs, batch_size = (15, 100) if len(x) <= 10_000 else (6, 250)
    torch.manual_seed(seed)
    model = DeepAutoencoder(sizes, mean=x.mean(dim=0))
    trainer = Trainer(model, corrupt=corrupt, batch_size=batch_size, seed=seed, **options)
    trainer.fit(x if data is None else data, n_epochs=n_epochs)
    return model.cpu()


@cache
def denoiser(name: str, seed: int, trained_on: str = "Gaussian 0.5") -> DeepAutoencoder:
    """784-1000-784 that got the noise of TRAINED_ON and had to restore the clean image."""
    return trained(name, seed, TRAINED_ON[trained_on])


def test_images(name: str, corrupt: Corruption, seed: int) -> tuple[Tensor, Tensor]:
    """Noisy test images and clean ones."""
    x = images(name).test_images[:N_FILTERED]
    return corrupted(x, corrupt, seed=TEST_NOISE_SEED + seed), x


def psnr_of(model: nn.Module, name: str, seed: int, corrupt: Corruption = NOISE) -> float:
    """PSNR in dB of what the model makes of noisy test images."""
    x_noisy, x = test_images(name, corrupt, seed)
    return psnr_db(reconstruct(model, x_noisy), x)


@cache
def psnr_of_filters(name: str, seed: int, kind: str = "Gaussian 0.5") -> dict[str, float]:
    """PSNR in dB of each classical filter, tuned on 200 training images with that noise."""
    x_train = images(name).train_images[:200]
    x_noisy, x = test_images(name, KINDS[kind], seed)
    tuned = {f: tuned_filter(f, corrupted(x_train, KINDS[kind], seed=seed), x_train)[0] for f in FILTERS}
    return {"none": psnr_db(x_noisy, x)} | {f: psnr_db(smooth(x_noisy), x) for f, smooth in tuned.items()}


# ------------------------------------------------------------------------------------ S18, one a row of the ledger


def gain_over_filters(cfg: Settings, seed: int) -> Measurement:
    """dB by which the de-noiser's PSNR is above the best classical filter's; series: all of them, by kind of noise."""
    name = digits(cfg).name
    rows = {kind: psnr_of_filters(name, seed, kind) for kind in KINDS}
    series = {method: [row[method] for row in rows.values()] for method in ("none", *FILTERS)}
    series["de-noiser"] = [psnr_of(denoiser(name, seed, kind), name, seed, KINDS[kind]) for kind in KINDS]
    best = max(psnr for method, psnr in rows["Gaussian 0.5"].items() if method != "none")
    return Measurement(series["de-noiser"][0] - best, data=name, series=series)


def clean_target(cfg: Settings, seed: int) -> Measurement:
    """PSNR of the de-noiser, against the same net trained to restore the noisy image itself, drawn anew each epoch."""
    name = digits(cfg).name
    x = images(name).train_images
    n_draws = 5  # five draws of the noise stand for one anew at every step
    noisy = torch.cat([corrupted(x, NOISE, seed=seed + 100 * draw) for draw in range(n_draws)])
    n_epochs, batch_size = (3, 100) if len(x) <= 10_000 else (1, 250)
    torch.manual_seed(seed)
    model = DeepAutoencoder(SIZES, mean=x.mean(dim=0))
    Trainer(model, batch_size=batch_size, seed=seed).fit(noisy, n_epochs=n_epochs)
    return Measurement(psnr_of(denoiser(name, seed), name, seed), psnr_of(model.cpu(), name, seed), name)


def fresh_noise(cfg: Settings, seed: int) -> Measurement:
    """PSNR of the de-noiser, against one that got the same noisy images at every epoch."""
    name = digits(cfg).name
    x = images(name).train_images
    once = trained(name, seed, data=(corrupted(x, NOISE, seed=seed), x), supervised=True)
    return Measurement(psnr_of(denoiser(name, seed), name, seed), psnr_of(once, name, seed), name)


def clean_validation(cfg: Settings, seed: int) -> Measurement:
    """PSNR on clean test images: of the net that was trained without noise, against the de-noiser."""
    name = digits(cfg).name
    x = images(name).test_images
    plain, robust = (
        psnr_db(reconstruct(denoiser(name, seed, trained_on), x), x) for trained_on in ("no noise", "Gaussian 0.5")
    )
    return Measurement(plain, robust, name)


def forgotten_clipping(cfg: Settings, seed: int) -> Measurement:
    """PSNR on clipped noise: of the de-noiser trained on it, against one that was trained on noise without clipping."""
    name = digits(cfg).name
    unclipped = trained(name, seed, gaussian(0.5, clip=False))
    return Measurement(psnr_of(denoiser(name, seed), name, seed), psnr_of(unclipped, name, seed), name)


def other_noise_as_target(cfg: Settings, seed: int) -> Measurement:
    """dB lost where the target has other noise of its own, not clipped: Lehtinen et al. 2018, Noise2Noise."""
    name = digits(cfg).name
    x, noise = images(name).train_images, gaussian(0.5, clip=False)
    clean = trained(name, seed, noise)
    noisy = trained(name, seed, noise, data=(x, corrupted(x, noise, seed=seed + 1)), supervised=True)
    return Measurement(psnr_of(clean, name, seed, noise) - psnr_of(noisy, name, seed, noise), data=name)


@cache
def matrix(name: str, seed: int) -> dict[str, list[float]]:
    """PSNR by what the net was trained on: on no noise, then on each of KINDS."""
    x = images(name).test_images[:N_FILTERED]
    return {
        trained_on: [psnr_db(reconstruct(denoiser(name, seed, trained_on), x), x)]
        + [psnr_of(denoiser(name, seed, trained_on), name, seed, kind) for kind in KINDS.values()]
        for trained_on in TRAINED_ON
    }


def matched_noise(cfg: Settings, seed: int) -> Measurement:
    """PSNR on the noise trained on, mean of three kinds, against the mean on the other two; series: the matrix."""
    table = matrix(digits(cfg).name, seed)
    rows = torch.tensor([table[kind][1:] for kind in KINDS])
    matched = rows.diagonal().mean()
    others = (rows.sum() - rows.diagonal().sum()) / 6
    return Measurement(matched.item(), others.item(), digits(cfg).name, series=table)


def one_for_all(cfg: Settings, seed: int) -> Measurement:
    """dB that one net for three kinds of noise loses to three nets for one each, mean of the kinds."""
    table = matrix(digits(cfg).name, seed)
    lost = [table[kind][i] - table["all three"][i] for i, kind in enumerate(KINDS, start=1)]
    return Measurement(sum(lost) / len(lost), data=digits(cfg).name)


@cache
def probes(name: str, seed: int) -> dict[str, tuple[float, float]]:
    """Percent of digits that a linear classifier recognises from a code of 30: on clean and on noisy test images.

    The classifier is trained on codes of clean images, of as many as 10,000.
    """
    data = images(name)
    x_noisy = corrupted(data.test_images, NOISE, seed=TEST_NOISE_SEED + seed)
    found = {}
    for kind, corrupt in {"plain": None, "de-noising": NOISE}.items():
        model = trained(name, seed, corrupt, sizes=CODE_SIZES)
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
        classifier.fit(encode_all(model, data.train_images[:10_000]).numpy(), data.train_labels[:10_000].numpy())
        found[kind] = tuple(
            100 * classifier.score(encode_all(model, x).numpy(), data.test_labels.numpy())
            for x in (data.test_images, x_noisy)
        )
    return found


def code_on_noisy(cfg: Settings, seed: int) -> Measurement:
    """Percent recognised from the code of noisy images, de-noising against plain; series: clean and noisy."""
    found = probes(digits(cfg).name, seed)
    series = {kind: list(both) for kind, both in found.items()}
    return Measurement(found["de-noising"][1], found["plain"][1], digits(cfg).name, series)


def code_on_clean(cfg: Settings, seed: int) -> Measurement:
    """Percent recognised from the code of clean images, de-noising against plain."""
    found = probes(digits(cfg).name, seed)
    return Measurement(found["de-noising"][0], found["plain"][0], digits(cfg).name)
