"""Chapter 4, S10 to S12: pixels, PCA and codes as rankings of the same images, clean and shifted."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import torch
from torch import Tensor, nn

from course_utils.claims.rows import BOTH, CHAPTER, ERROR, P10, SSE, Measurement, compared_precisions, row
from course_utils.claims.shared import by_size, fitted_pca, images, pca_sse_of_each, test_sse_of_each
from course_utils.claims.verdicts import compared_by_item
from course_utils.corruption import Corruption, masking, shifting
from course_utils.data import DataError, ImageData
from course_utils.inference import encode_all
from course_utils.metrics import Precision
from course_utils.models import BinaryAutoencoder, ConvAutoencoder, DeepAutoencoder
from course_utils.retrieval import CodeSearch, search_precisions
from course_utils.settings import Settings
from course_utils.training import Trainer

MNIST_LIST = "LeCun, Cortes & Burges, the MNIST database: nearest neighbours, Euclidean, K. Wilder"
N_CODES, HIDDEN, MAX_SHIFT = 30, (500, 250), 3
OFTEN = 0.5
BITS = (8, 16, 32, 64, 128)
N_RETRIEVED = (1, 10, 100)
LINEAR = ("pixels", "PCA")
CODES = (
    "deep", "deep, trained on masks", "deep, trained on shifts",
    "convolutional", "64 bits", "64 bits, trained on shifts",
)  # fmt: skip


def new_model(kind: str, data: ImageData, seed: int) -> tuple[nn.Module, Corruption | None]:
    """Build an untrained net of CODES, or of another number of bits: the net, and what it is trained to ignore."""
    torch.manual_seed(seed)
    mean = data.train_images.mean(dim=0)
    net, _, condition = kind.partition(", ")
    ignored = {"trained on masks": masking(0.5), "trained on shifts": shifting(MAX_SHIFT)}.get(condition)
    if net == "deep":
        return DeepAutoencoder((data.n_features, *HIDDEN, N_CODES), mean=mean), ignored
    if net == "convolutional":
        return ConvAutoencoder(data.image_shape, N_CODES, channels=(8, 8), mean=mean), ignored
    n_bits = int(net.removesuffix(" bits"))
    return BinaryAutoencoder((data.n_features, *HIDDEN, n_bits), noise=2.0, mean=mean), ignored


@cache
def trained_model(data: ImageData, seed: int, kind: str) -> nn.Module:
    """Train a net of CODES: 480 to 640 steps on 4,000 images, 1,200 to 1,600 on 10,000, 6,000 on 60,000."""
    model, corrupt = new_model(kind, data, seed)
    (small, large), batch_size, lr = ((8, 5), 50, 1e-2) if kind == "convolutional" else ((12, 10), 100, 1e-3)
    trainer = Trainer(model, lr=lr, batch_size=batch_size, corrupt=corrupt, seed=seed)
    trainer.fit(data.train_images, n_epochs=by_size(data, small=small, large=large))
    return model.cpu()


def search_by(kind: str, data: ImageData, model: nn.Module | None = None) -> CodeSearch:
    """Search the training images by "pixels", by "PCA", or by the code of a trained model of `kind`."""
    if kind == "pixels":
        return CodeSearch(lambda x: x.flatten(1), data.train_images, metric="euclidean")
    if kind == "PCA":
        pca = fitted_pca(data, N_CODES)
        return CodeSearch(
            lambda x: torch.from_numpy(pca.transform(x.flatten(1).numpy())), data.train_images, metric="euclidean"
        )
    if isinstance(model, BinaryAutoencoder):
        return CodeSearch(model.bits, data.train_images, metric="hamming")
    assert model is not None
    return CodeSearch(lambda x: encode_all(model, x), data.train_images, metric="euclidean")


def queries(data: ImageData, *, shifted: bool) -> Tensor:
    """Give the test images, as they are or shifted by up to MAX_SHIFT pixels, always the same ones."""
    return shifting(MAX_SHIFT)(data.test_images, torch.Generator().manual_seed(0)) if shifted else data.test_images


@cache
def precisions(data: ImageData, seed: int, kind: str) -> dict[tuple[str, int], Precision]:
    """Measure precision at 1, 10 and 100 with "clean" and with "shifted" queries."""
    search = search_by(kind, data, None if kind in LINEAR else trained_model(data, seed, kind))
    measure = partial(search_precisions, search, labels=data.train_labels, query_labels=data.test_labels)
    return {
        (query, k): precision
        for query in ("clean", "shifted")
        for k, precision in measure(queries(data, shifted=query == "shifted"), ks=N_RETRIEVED).items()
    }


def at_10(data: ImageData, seed: int, kind: str, query: str) -> Precision:
    """Measure precision at 10; no seed enters the linear methods."""
    return precisions(data, 0 if kind in LINEAR else seed, kind)[query, 10]


def against_pixels(data: ImageData, seed: int, kind: str, query: str = "clean") -> Measurement:
    """Compare the precision at 10 of a code with that of the pixels."""
    return compared_precisions(at_10(data, seed, kind, query), at_10(data, seed, "pixels", query))


def with_table(data: ImageData, seed: int, kind: str) -> Measurement:
    """Compare a code with pixels; series: every method's precision at 1, 10, 100 with clean, then shifted queries."""
    table = {
        kind: [precision.value for precision in precisions(data, 0 if kind in LINEAR else seed, kind).values()]
        for kind in (*LINEAR, *CODES)
    }
    return replace(against_pixels(data, seed, kind), series=table)


@row("pixel-neighbours-wrong", "S10",
     "The nearest images by pixels are often wrong.",
     said_by=CHAPTER,
     quantity="wrong digits among the ten nearest by pixels",
     unit="share", relation=">", reference=OFTEN, source="this course's reading of “often”", seeded=False)  # fmt: skip
def pixel_neighbours_wrong(digits: ImageData, seed: int) -> Measurement:
    """Measure the share of wrong images among the ten nearest by pixels."""
    right = at_10(digits, seed, "pixels", "clean")
    return Measurement(1 - right.value, interval=(1 - right.high - OFTEN, 1 - right.low - OFTEN))


@row("pixels-fail-when-shifted", "S10",
     "Pixels fail where the same digit lies a little elsewhere.",
     quantity="pixels, queries shifted by up to 3 pixels, against clean ones",
     unit=P10, relation="<", seeded=False, reproduced=BOTH)  # fmt: skip
def pixels_on_shifted(digits: ImageData, seed: int) -> Measurement:
    """Compare shifted queries with clean ones."""
    return compared_precisions(*(at_10(digits, seed, "pixels", query) for query in ("shifted", "clean")))


@row("nearest-digit-error-mnist", "S10",
     "The class of the nearest training image by pixels has the published error.",
     said_by=MNIST_LIST,
     quantity="test digits whose nearest of 60,000 by pixels is another digit",
     unit=ERROR, relation="≈", reference=3.09, tolerance=0.02, source=MNIST_LIST, only_on="full",
     seeded=False)  # fmt: skip
def error_of_the_nearest(digits: ImageData, seed: int) -> Measurement:
    """Measure the error of the nearest neighbour; the test images are those of the published number."""
    return Measurement(100 * (1 - precisions(digits, seed, "pixels")["clean", 1].value))


@row("conv30-beats-pca30", "S11",
     "A convolutional encoder to 30 numbers keeps more of the image than PCA.",
     quantity="test error of the convolutional net, against PCA-30",
     unit=SSE, relation="<", reproduced=("full",))  # fmt: skip
def convolutional_restores(digits: ImageData, seed: int) -> Measurement:
    """Compare the convolutional net with PCA."""
    by_net = test_sse_of_each(digits, trained_model(digits, seed, "convolutional"))
    return compared_by_item([by_net, pca_sse_of_each(digits, N_CODES)])


@row("code-beats-pixels", "S12",
     "Searching by code is better than by pixels.",
     said_by=CHAPTER,
     quantity="deep code of 30 numbers, against pixels", unit=P10, relation=">")  # fmt: skip
def code_against_pixels(digits: ImageData, seed: int) -> Measurement:
    """Compare the deep code with pixels; series: the whole table."""
    return with_table(digits, seed, "deep")


@row("conv-code-beats-pixels", "S12",
     "Searching by a convolutional code is better than by pixels.",
     said_by=CHAPTER,
     quantity="convolutional code of 30 numbers, against pixels", unit=P10, relation=">")  # fmt: skip
def convolutional_against_pixels(digits: ImageData, seed: int) -> Measurement:
    """Compare the convolutional code with pixels."""
    return against_pixels(digits, seed, "convolutional")


@row("code-beats-pixels-shifted", "S12",
     "Searching by code is better than by pixels where the query is shifted.",
     quantity="deep code, shifted queries, against pixels", unit=P10, relation=">", reproduced=("full",))  # fmt: skip
def code_against_pixels_shifted(digits: ImageData, seed: int) -> Measurement:
    """Compare the deep code with pixels, with shifted queries."""
    return against_pixels(digits, seed, "deep", "shifted")


@row("conv-code-beats-pixels-shifted", "S12",
     "Convolution makes the code robust to shifts.",
     quantity="convolutional code, shifted queries, against pixels",
     unit=P10, relation=">", reproduced=BOTH)  # fmt: skip
def convolutional_against_pixels_shifted(digits: ImageData, seed: int) -> Measurement:
    """Compare the convolutional code with pixels, with shifted queries."""
    return against_pixels(digits, seed, "convolutional", "shifted")


@row("shift-trained-beats-pixels", "S12",
     "A code that was trained to ignore shifts finds shifted digits where pixels do not.",
     quantity="deep code, trained on shifted images, shifted queries, against pixels",
     unit=P10, relation=">", reproduced=BOTH)  # fmt: skip
def shift_trained_against_pixels_shifted(digits: ImageData, seed: int) -> Measurement:
    """Compare the code that was trained to ignore the shift with pixels, with shifted queries."""
    return against_pixels(digits, seed, "deep, trained on shifts", "shifted")


@row("shift-trained-reaches-clean-pixels", "S12",
     "A code that was trained to ignore shifts finds shifted digits as well as pixels find those that are not shifted.",
     quantity="deep code, trained on shifted images, shifted queries, against pixels with clean ones",
     unit=P10, relation="≈", tolerance=0.01, reproduced=("full",))  # fmt: skip
def shift_trained_against_clean_pixels(digits: ImageData, seed: int) -> Measurement:
    """Compare the code that was trained to ignore the shift, shifted queries, with pixels, clean queries."""
    return compared_precisions(
        at_10(digits, seed, "deep, trained on shifts", "shifted"), at_10(digits, seed, "pixels", "clean")
    )


@row("bits-find-as-numbers", "S12",
     "64 bits find nearly what 30 numbers find, to five results in a hundred (semantic hashing).",
     said_by="Salakhutdinov & Hinton, Semantic hashing, Int. J. Approx. Reasoning 50:969 (2009)",
     quantity="64-bit code by Hamming distance, against the deep code of 30 numbers",
     unit=P10, relation="≈", tolerance=0.05, reproduced=BOTH)  # fmt: skip
def bits_against_numbers(digits: ImageData, seed: int) -> Measurement:
    """Compare 64 bits with 30 numbers (960 bits); series: precision over the number of bits."""
    by_bits = [at_10(digits, seed, f"{n_bits} bits", "clean") for n_bits in BITS]
    series = {"bits": BITS, "64 bits": [precision.value for precision in by_bits]}
    difference = compared_precisions(by_bits[BITS.index(64)], at_10(digits, seed, "deep", "clean"))
    return replace(difference, series=series)


def colour_pictures(cfg: Settings) -> ImageData:
    """Load the colour pictures of this profile."""
    return images(cfg.pick(quick="photos", full="cifar10"))


@row("code-beats-pixels-colour", "S12",
     "On colour pictures, too, searching by code is better than by pixels.",
     quantity="convolutional code of 30 numbers, against pixels",
     unit=P10, relation=">", on=colour_pictures, reproduced=("quick",), seeds=(5, 3))  # fmt: skip
def code_against_pixels_colour(pictures: ImageData, seed: int) -> Measurement:
    """Compare the convolutional code with pixels on colour pictures; series: the whole table."""
    return with_table(pictures, seed, "convolutional")


def clothes(cfg: Settings) -> ImageData:
    """Load Fashion-MNIST; raises DataError in the quick profile, which is offline."""
    if cfg.profile != "full":
        raise DataError("Fashion-MNIST is not among the offline data: make claims PROFILE=full.")
    return images("fashion-mnist")


@row("code-beats-pixels-fashion", "S12",
     "On clothes, too, searching by code is better than by pixels.",
     quantity="convolutional code of 30 numbers, against pixels, on Fashion-MNIST",
     unit=P10, relation=">", on=clothes, only_on="full", seeds=(10, 3))  # fmt: skip
def code_against_pixels_fashion(clothes: ImageData, seed: int) -> Measurement:
    """Compare the convolutional code with pixels on Fashion-MNIST; series: the whole table."""
    return with_table(clothes, seed, "convolutional")
