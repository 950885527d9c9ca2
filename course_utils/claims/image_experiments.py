"""Image search behind the ledger: pixels, PCA and codes as rankings of the same images, clean and shifted."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from course_utils.claims.experiments import digits, images, pca_test_sse
from course_utils.claims.measuring import Measurement
from course_utils.corruption import Corruption, masking, shifting
from course_utils.data import DataError, ImageData
from course_utils.metrics import precision_at_k, sse_per_image
from course_utils.models import BinaryAutoencoder, ConvAutoencoder, DeepAutoencoder, reconstruct
from course_utils.retrieval import CodeSearch, encode_dataset
from course_utils.settings import Settings
from course_utils.training import Trainer

N_CODES, HIDDEN, MAX_SHIFT = 30, (500, 250), 3
N_BITS = 64
BITS = (8, 16, 32, 64, 128)
N_RETRIEVED = (1, 10, 100)
CODES = (
    "deep", "deep, trained on masks", "deep, trained on shifts",
    "convolutional", "64 bits", "64 bits, trained on shifts",
)  # fmt: skip


def new_model(kind: str, data: ImageData, seed: int, *, n_bits: int = N_BITS) -> tuple[nn.Module, Corruption | None]:
    """An untrained net of CODES, and what it is trained to ignore."""
    torch.manual_seed(seed)
    mean = data.train_images.mean(dim=0)
    ignored = {"trained on masks": masking(0.5), "trained on shifts": shifting(MAX_SHIFT)}.get(kind.partition(", ")[2])
    if kind.startswith("deep"):
        return DeepAutoencoder((data.n_features, *HIDDEN, N_CODES), mean=mean), ignored
    if kind.startswith("convolutional"):
        return ConvAutoencoder(data.image_shape, N_CODES, channels=(8, 8), mean=mean), ignored
    return BinaryAutoencoder((data.n_features, *HIDDEN, n_bits), noise=2.0, mean=mean), ignored


@cache
def trained_model(kind: str, name: str, seed: int, n_bits: int) -> nn.Module:
    """A net of CODES, trained for 480 to 640 steps on 4,000 images, 3,000 to 6,000 on 60,000."""
    data = images(name)
    model, corrupt = new_model(kind, data, seed, n_bits=n_bits)
    small = len(data.train_images) < 20_000
    batch_size, lr = (50, 2e-3) if kind.startswith("convolutional") else (100, 1e-3)
    n_epochs = (12 if kind != "convolutional" else 8) if small else 5
    Trainer(model, lr=lr, batch_size=batch_size, corrupt=corrupt, seed=seed).fit(data.train_images, n_epochs=n_epochs)
    return model.cpu()


def search_by(kind: str, data: ImageData, model: nn.Module | None = None) -> CodeSearch:
    """The training images, searched by "pixels", by "PCA", or by the code of a trained model of `kind`."""
    if kind == "pixels":
        return CodeSearch(lambda x: x.flatten(1), data.train_images, metric="euclidean")
    if kind == "PCA":
        pca = PCA(N_CODES, svd_solver="covariance_eigh").fit(data.train_images.flatten(1).numpy())
        return CodeSearch(
            lambda x: torch.from_numpy(pca.transform(x.flatten(1).numpy())), data.train_images, metric="euclidean"
        )
    if isinstance(model, BinaryAutoencoder):
        return CodeSearch(model.bits, data.train_images, metric="hamming")
    return CodeSearch(lambda x: encode_dataset(model, x), data.train_images, metric="euclidean")


def queries(data: ImageData, *, shifted: bool) -> Tensor:
    """The test images, as they are or shifted by up to MAX_SHIFT pixels, always the same ones."""
    return shifting(MAX_SHIFT)(data.test_images, torch.Generator().manual_seed(0)) if shifted else data.test_images


@cache
def precisions(kind: str, name: str, seed: int, n_bits: int) -> dict[str, dict[int, float]]:
    """Precision at 1, 10 and 100 with clean and with shifted queries."""
    data = images(name)
    model = None if kind in ("pixels", "PCA") else trained_model(kind, name, seed, n_bits)
    search, result = search_by(kind, data, model), {}
    for query in ("clean", "shifted"):
        found = search.search(queries(data, shifted=query == "shifted"), max(N_RETRIEVED)).indices
        labels = data.train_labels[found]
        result[query] = {k: precision_at_k(labels, data.test_labels, k=k).value for k in N_RETRIEVED}
    return result


def table(name: str, seed: int) -> dict[str, list[float]]:
    """Every method's precision at 1, 10, 100 with clean, then with shifted queries: the columns of a figure."""
    rows = {}
    for kind in ("pixels", "PCA", *CODES):
        result = precisions(kind, name, 0 if kind in ("pixels", "PCA") else seed, N_BITS)
        rows[kind] = [result[query][k] for query in ("clean", "shifted") for k in N_RETRIEVED]
    return rows


def _against_pixels(
    kind: str, name: str, seed: int, *, query: str, k: int = 10, series: dict[str, Any] | None = None
) -> Measurement:  # fmt: skip
    value, pixels = precisions(kind, name, seed, N_BITS)[query][k], precisions("pixels", name, 0, N_BITS)[query][k]
    return Measurement(value, pixels, name, series or {})


# -------------------------------------------------------------------------------------------- one a row of the ledger


def pixel_neighbours_wrong(cfg: Settings, seed: int) -> Measurement:
    """Share of wrong images among the ten nearest by pixels."""
    name = digits(cfg).name
    return Measurement(1 - precisions("pixels", name, 0, N_BITS)["clean"][10], data=name)


def pixels_on_shifted(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 of pixels with shifted queries, against clean ones."""
    name = digits(cfg).name
    result = precisions("pixels", name, 0, N_BITS)
    return Measurement(result["shifted"][10], result["clean"][10], name)


def convolutional_restores(cfg: Settings, seed: int) -> Measurement:
    """Test SSE of the convolutional net with a code of 30, against PCA-30."""
    data = digits(cfg)
    x_hat = reconstruct(trained_model("convolutional", data.name, seed, N_BITS), data.test_images)
    return Measurement(sse_per_image(x_hat, data.test_images).item(), pca_test_sse(data, N_CODES), data.name)


def code_against_pixels(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 of the deep code, against pixels; series: the whole table."""
    name = digits(cfg).name
    return _against_pixels("deep", name, seed, query="clean", series=table(name, seed))


def convolutional_against_pixels(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 of the convolutional code, against pixels."""
    return _against_pixels("convolutional", digits(cfg).name, seed, query="clean")


def code_against_pixels_shifted(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 with shifted queries: the deep code, against pixels."""
    return _against_pixels("deep", digits(cfg).name, seed, query="shifted")


def convolutional_against_pixels_shifted(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 with shifted queries: the convolutional code, against pixels."""
    return _against_pixels("convolutional", digits(cfg).name, seed, query="shifted")


def shift_trained_against_pixels_shifted(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 with shifted queries: the code that was trained to ignore the shift, against pixels."""
    return _against_pixels("deep, trained on shifts", digits(cfg).name, seed, query="shifted")


def bits_against_numbers(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 of 64 bits, against 30 numbers (960 bits); series: precision over the number of bits."""
    name = digits(cfg).name
    by_bits = [precisions("64 bits", name, seed, n_bits)["clean"][10] for n_bits in BITS]
    numbers = precisions("deep", name, seed, N_BITS)["clean"][10]
    return Measurement(by_bits[BITS.index(N_BITS)], numbers, name, {"bits": BITS, "64 bits": by_bits})


def code_against_pixels_colour(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 on colour pictures: the convolutional code, against pixels; series: the whole table."""
    name = cfg.pick(quick="photos", full="cifar10")
    return _against_pixels("convolutional", name, seed, query="clean", series=table(name, seed))


def code_against_pixels_fashion(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 on Fashion-MNIST: the convolutional code, against pixels; series: the whole table."""
    if cfg.profile != "full":
        raise DataError("Fashion-MNIST is not among the offline data: make claims PROFILE=full.")
    return _against_pixels("convolutional", "fashion-mnist", seed, query="clean", series=table("fashion-mnist", seed))
