"""The experiments behind the ledger: each takes the settings and a seed, and returns a Measurement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from course_utils.claims.measuring import Measurement
from course_utils.data import ImageData, load_images
from course_utils.metrics import count_parameters, principal_angles_deg, sse_per_image
from course_utils.models import DeepAutoencoder, LinearAutoencoder
from course_utils.settings import Settings
from course_utils.training import Trainer

DEEP_SIZES = (784, 1000, 500, 250, 30)
CODE_SIZES = (2, 4, 8, 16, 32, 64)


def digits(cfg: Settings) -> ImageData:
    """The digits of this profile."""
    return images(cfg.pick(quick="mnist-5k", full="mnist"))


@cache
def images(name: str) -> ImageData:
    """The data set of that name, read once for all claims."""
    return load_images(name)


def pca_test_sse(data: ImageData, n_codes: int) -> float:
    """Test SSE per image of PCA fitted on the training images: centred, not clipped to [0, 1]."""
    x_train, x_test = data.train_images.flatten(1), data.test_images.flatten(1)
    pca = PCA(n_codes, svd_solver="covariance_eigh").fit(x_train.numpy())
    x_hat = torch.from_numpy(pca.inverse_transform(pca.transform(x_test.numpy())))
    return sse_per_image(x_hat, x_test).item()


def trained(
    data: ImageData, sizes: Sequence[int], *, seed: int, n_epochs: int, batch_size: int,
    freeze_encoder: bool = False, **options: Any,
) -> dict[str, float]:  # fmt: skip
    """Build a DeepAutoencoder from the seed and train it: train and test SSE per image, both with the final weights."""
    torch.manual_seed(seed)
    model = DeepAutoencoder(sizes, mean=data.train_images.mean(0), **options)
    model.encoder.requires_grad_(not freeze_encoder)
    trainer = Trainer(model, batch_size=batch_size, seed=seed)
    trainer.fit(data.train_images, n_epochs=n_epochs)
    return {"train": trainer.evaluate(data.train_images), "test": trainer.evaluate(data.test_images)}


@cache  # four claims look at the same trained nets
def deep_net(cfg: Settings, seed: int, *, tied: bool = False) -> dict[str, float]:
    """Train and test SSE of 784-1000-500-250-30. Quick: 15 epochs in batches of 100; full: 30 in batches of 250."""
    n_epochs, batch_size = cfg.pick(quick=(15, 100), full=(30, 250))
    return trained(digits(cfg), DEEP_SIZES, tied=tied, n_epochs=n_epochs, batch_size=batch_size, seed=seed)


@cache  # four claims look at the same nets
def linear_net(cfg: Settings, seed: int, *, centred: bool = True) -> LinearAutoencoder:
    """A tied linear auto-encoder with a code of 10, trained for 800 steps on 4,000 images, 6,000 on 60,000."""
    data = digits(cfg)
    torch.manual_seed(seed)
    mean = data.train_images.mean(0) if centred else None
    model = LinearAutoencoder(data.n_features, 10, mean=mean, tied=True)
    n_epochs = cfg.pick(quick=20, full=10)
    Trainer(model, lr=1e-2, batch_size=100, seed=seed).fit(data.train_images, n_epochs=n_epochs)
    return model.cpu()


@cache
def principal_axes(cfg: Settings) -> Tensor:
    """PCA's ten leading axes, `(10, 784)`."""
    pca = PCA(10, svd_solver="covariance_eigh").fit(digits(cfg).train_images.flatten(1).numpy())
    return torch.from_numpy(pca.components_)


# -------------------------------------------------------------------------------------------- one a row of the ledger


def halves_train_together(cfg: Settings, seed: int) -> Measurement:
    """A decoder trained behind an encoder that stays random, against both trained together; 784-256-10."""
    data, n_epochs = digits(cfg), cfg.pick(quick=10, full=5)
    sse = {
        frozen: trained(data, (784, 256, 10), freeze_encoder=frozen, n_epochs=n_epochs, batch_size=100, seed=seed)[
            "test"
        ]
        for frozen in (True, False)
    }
    return Measurement(sse[True], sse[False], data.name)


def pca30_mnist_sse(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of PCA with 30 components."""
    data = digits(cfg)
    return Measurement(pca_test_sse(data, 30), data=data.name)


def linear_angle(cfg: Settings, seed: int) -> Measurement:
    """Largest principal angle between the tied linear net's subspace and PCA's, ten dimensions, in degrees."""
    angles = principal_angles_deg(linear_net(cfg, seed).encoder.weight.T, principal_axes(cfg).T)
    return Measurement(float(angles[0]), data=digits(cfg).name)


def linear_axes(cfg: Settings, seed: int) -> Measurement:
    """Of the net's ten axes, the one nearest to a principal axis: its angle."""
    axes = torch.nn.functional.normalize(linear_net(cfg, seed).encoder.weight.detach(), dim=1)
    cosines = (axes @ principal_axes(cfg).T).abs()
    return Measurement(cosines.max().clamp(max=1).acos().rad2deg().item(), data=digits(cfg).name)


def linear_sse(cfg: Settings, seed: int) -> Measurement:
    """By how many percent the linear net's test SSE is above PCA's."""
    data = digits(cfg)
    sse = Trainer(linear_net(cfg, seed)).evaluate(data.test_images)
    return Measurement(100 * (sse / pca_test_sse(data, 10) - 1), data=data.name)


def centring(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of the tied linear net without centring, against with it."""
    data = digits(cfg)
    sse = {
        centred: Trainer(linear_net(cfg, seed, centred=centred)).evaluate(data.test_images) for centred in (True, False)
    }
    return Measurement(sse[False], sse[True], data.name)


def deep_against_pca(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of the deep net with a code of 30, against PCA-30."""
    return Measurement(deep_net(cfg, seed)["test"], pca_test_sse(digits(cfg), 30), digits(cfg).name)


def deep_against_published(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of the deep net with a code of 30."""
    return Measurement(deep_net(cfg, seed)["test"], data=digits(cfg).name)


def deep_against_pca_all_sizes(cfg: Settings, seed: int) -> Measurement:
    """The largest ratio deep / PCA over the code sizes: below 1, deep is better at every one."""
    data = digits(cfg)
    n_epochs, batch_size = cfg.pick(quick=(15, 100), full=(5, 250))
    deep = [
        trained(data, (*DEEP_SIZES[:-1], k), n_epochs=n_epochs, batch_size=batch_size, seed=seed)["test"]
        for k in CODE_SIZES
    ]
    pca = [pca_test_sse(data, n_codes) for n_codes in CODE_SIZES]
    series = {"code size": CODE_SIZES, "deep": deep, "PCA": pca}
    return Measurement(max(d / p for d, p in zip(deep, pca, strict=True)), data=data.name, series=series)


def start_decides(cfg: Settings, seed: int) -> Measurement:
    """torch's starting values against He's, after the same few epochs."""
    data = digits(cfg)
    n_epochs, batch_size = cfg.pick(quick=(8, 100), full=(3, 250))
    sse = {
        start: trained(data, DEEP_SIZES, start=start, n_epochs=n_epochs, batch_size=batch_size, seed=seed)["test"]
        for start in ("torch", "he")
    }
    return Measurement(sse["torch"], sse["he"], data.name)


def tied_parameters(cfg: Settings, seed: int) -> Measurement:
    """Parameters of the tied deep net, in percent of the free net's."""
    tied, free = (count_parameters(DeepAutoencoder(DEEP_SIZES, tied=tied)) for tied in (True, False))
    return Measurement(100 * tied / free, data="none")


def tied_gap(cfg: Settings, seed: int) -> Measurement:
    """Test SSE − train SSE of the tied deep net, against the free one."""
    tied, free = deep_net(cfg, seed, tied=True), deep_net(cfg, seed)
    series = {"tied": [tied["train"], tied["test"]], "not tied": [free["train"], free["test"]]}
    return Measurement(tied["test"] - tied["train"], free["test"] - free["train"], digits(cfg).name, series)


def tied_test_error(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of the tied deep net, against the free one."""
    return Measurement(deep_net(cfg, seed, tied=True)["test"], deep_net(cfg, seed)["test"], digits(cfg).name)
