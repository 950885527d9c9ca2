"""What the measurements of several chapters share: data sets, a net trained from a seed, PCA's error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from course_utils.data import ImageData, load_images
from course_utils.inference import reconstruct
from course_utils.metrics import sse_of_each_image
from course_utils.models import DeepAutoencoder
from course_utils.settings import Settings
from course_utils.training import Trainer

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


def digits(cfg: Settings) -> ImageData:
    """Load the digits of this profile."""
    return images(cfg.pick(quick="mnist-5k", full="mnist"))


@cache
def images(name: str) -> ImageData:
    """Load the data set of that name, once for all rows."""
    return load_images(name)


@dataclass(frozen=True)
class NoData:
    """Stand in for a data set where a row needs none."""

    name: str


def by_size(data: ImageData, *, small: T, large: T) -> T:
    """Pick what suits a data set of some thousand training images, or of tens of thousands."""
    return small if len(data.train_images) < 20_000 else large


def deep_autoencoder(data: ImageData, sizes: tuple[int, ...], **options: Any) -> DeepAutoencoder:
    """Build a DeepAutoencoder whose output starts at the mean of the training images."""
    return DeepAutoencoder(sizes, mean=data.train_images.mean(dim=0), **options)


def trained(make: Callable[[], M], x: Tensor | tuple[Tensor, Tensor], *, seed: int, n_epochs: int, **options: Any) -> M:
    """Build a model from the seed and train it.

    Parameters
    ----------
    make
        Builds the model.
    x
        What it is trained on, as `Trainer.fit` takes it.
    seed
        Decides the starting values, the batches and the noise.
    n_epochs
        How often the data are passed.
    options
        Of the Trainer.

    Returns
    -------
    Module
        The trained model, on the CPU.
    """
    torch.manual_seed(seed)
    model = make()
    Trainer(model, seed=seed, **options).fit(x, n_epochs=n_epochs)
    return model.cpu()


def sse_after_training(
    make: Callable[[], nn.Module], data: ImageData, *, seed: int, n_epochs: int, batch_size: int
) -> dict[str, Tensor]:
    """Train a model on the training images: the squared error of each of them `(n,)`, "train", and of each "test"."""
    model = trained(make, data.train_images, seed=seed, n_epochs=n_epochs, batch_size=batch_size)
    x = {"train": data.train_images, "test": data.test_images}
    return {split: sse_of_each_image(reconstruct(model, images), images) for split, images in x.items()}


def test_sse_of_each(data: ImageData, model: nn.Module) -> Tensor:
    """Measure the squared error of each test image, summed over its pixels: `(n,)`."""
    return sse_of_each_image(reconstruct(model, data.test_images), data.test_images)


def fitted_probe(codes: Any, labels: Tensor) -> Pipeline:
    """Fit a linear classifier to standardised codes `(n, k)`: how well it does says what they tell of the class."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)).fit(np.asarray(codes), labels.numpy())


def right_of_each(classifier: Any, codes: Any, labels: Tensor) -> Tensor:
    """Whether the classifier is right of each code `(n, k)`: 100 or 0, `(n,)`, so that the mean is in percent."""
    return 100.0 * torch.from_numpy(classifier.predict(np.asarray(codes)) == labels.numpy())


def mean_of(of_each: Iterable[Tensor]) -> Tensor:
    """Average several numbers of each test image, such as one a kind of noise: `(n,)`."""
    return torch.stack(list(of_each)).mean(dim=0)


@cache
def fitted_pca(data: ImageData, n_codes: int) -> PCA:
    """Fit PCA to the training images, centred."""
    return PCA(n_codes, svd_solver="covariance_eigh").fit(data.train_images.flatten(1).numpy())


def pca_sse_of_each(data: ImageData, n_codes: int) -> Tensor:
    """Measure PCA's squared error of each test image, not clipped to [0, 1]: `(n,)`."""
    x, pca = data.test_images.flatten(1), fitted_pca(data, n_codes)
    return sse_of_each_image(torch.from_numpy(pca.inverse_transform(pca.transform(x.numpy()))), x)
