"""The user's own images: the files below a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.data.common import DataError, left_out_note
from course_utils.data.pixels import channels_first, images_from_bytes
from course_utils.data.sampling import check_share, draw_share
from course_utils.data.types import ImageData

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}

FilesByClass = dict[str, list[Path]]


def image_folder(
    path: str | Path, *, size: tuple[int, int] = (32, 32), grey: bool = False, test_share: float = 0.2,
    skip_unreadable: bool = False, seed: int = 0,
) -> ImageData:  # fmt: skip
    """Read the images below a folder, scaled to fill the size and cropped around the centre.

    Parameters
    ----------
    path
        A folder with one sub-folder per class, or without any: one class. If it contains `train/` and `test/`, that is
        the split.
    size
        Height and width, in pixels.
    grey
        Whether to convert the images to one channel; otherwise they have three.
    test_share
        The share of each class that is drawn for testing, where there is no split.
    skip_unreadable
        Whether to leave out unreadable files, which are then counted and named in the result's `source`.
    seed
        Of the draw.

    Returns
    -------
    ImageData
        The images; the data set has the folder's name.

    Raises
    ------
    DataError
        There is no such folder, there are no images in it, files are unreadable (listed), or an argument is wrong.
    """
    root = Path(path).expanduser().resolve()
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. image_folder needs a folder of images, or one sub-folder per class.")
    if len(size) != 2 or min(size) < 1:
        raise DataError(f"size is {size}; it must be (height, width), each at least 1.")
    check_share(test_share)
    files = _files_by_part(root, test_share, np.random.default_rng(seed))
    class_names = tuple(sorted(set(files["train"]) | set(files["test"])))
    train_images, train_labels, train_bad = _read_images(files["train"], class_names, size, grey)
    test_images, test_labels, test_bad = _read_images(files["test"], class_names, size, grey)
    bad = train_bad + test_bad
    if bad and not skip_unreadable:
        shown = "".join(f"\n  {name}: {why}" for name, why in bad[:5])
        more = f"\n  … and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise DataError(f"{len(bad)} files below {root} are not readable images:{shown}{more}\n"
                        f"Remove them, or call image_folder(…, skip_unreadable=True).")  # fmt: skip
    for part, labels in (("train", train_labels), ("test", test_labels)):
        if not len(labels):
            raise DataError(f"{root} contains no readable {part} image ({', '.join(sorted(IMAGE_SUFFIXES))}); at least "
                            f"2 images per class are needed for a split.")  # fmt: skip
    return ImageData(
        name=root.name,
        train_images=train_images, train_labels=train_labels, test_images=test_images, test_labels=test_labels,
        class_names=class_names,
        source=f"Images below the folder {root.name}.{left_out_note('not readable', [name for name, _ in bad])}",
    )  # fmt: skip


def _files_by_part(root: Path, test_share: float, rng: np.random.Generator) -> dict[str, FilesByClass]:
    """Return the files to train on and to test on: the split that the folder has, or a drawn one."""
    if (root / "train").is_dir() and (root / "test").is_dir():
        return {part: _files_by_class(root / part, root.name) for part in ("train", "test")}
    split: dict[str, FilesByClass] = {"train": {}, "test": {}}
    for name, files in _files_by_class(root, root.name).items():
        test, train = draw_share(len(files), test_share, rng)
        split["test"][name], split["train"][name] = [files[i] for i in test], [files[i] for i in train]
    return split


def _files_by_class(root: Path, name_if_flat: str) -> FilesByClass:
    """Return the image files of each class, sorted; a root without folders is one class."""
    folders = [f for f in sorted(root.iterdir()) if f.is_dir() and not f.name.startswith(".")]
    loose = [f.name for f in sorted(root.iterdir()) if folders and f.suffix.lower() in IMAGE_SUFFIXES]
    if loose:
        raise DataError(f"{root} contains class folders and also images beside them, such as {loose[0]}, whose class "
                        f"is unknown. Move them into a class folder.")  # fmt: skip
    classes = {folder.name: folder for folder in folders} or {name_if_flat: root}
    files = {name: _image_files(folder) for name, folder in classes.items()}
    return {name: found for name, found in files.items() if found}


def _image_files(folder: Path) -> list[Path]:
    """Return the image files at any depth, sorted, without hidden ones."""
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    return [file for file in found if not any(p.startswith(".") for p in file.relative_to(folder).parts)]


def _read_images(
    files: FilesByClass, class_names: Sequence[str], size: tuple[int, int], grey: bool
) -> tuple[Tensor, Tensor, list[tuple[str, str]]]:
    """Return images, labels, and (name, error) of each unreadable file."""
    pixels, labels, bad = [], [], []
    for name, members in files.items():
        for file in members:
            try:
                pixels.append(_read_image(file, size, grey))
            except Exception as error:  # a decoder meets whatever the bytes lead it to: TypeError, struct.error, …
                bad.append((file.name, str(error)))
                continue
            labels.append(class_names.index(name))
    stacked = np.stack(pixels) if pixels else np.empty((0, *size, *(() if grey else (3,))), dtype=np.uint8)
    return images_from_bytes(channels_first(stacked)), torch.tensor(labels, dtype=torch.int64), bad


def _read_image(file: Path, size: tuple[int, int], grey: bool) -> np.ndarray:
    """Return the pixels of an image that is turned upright, scaled and cropped."""
    from PIL import Image, ImageOps

    with Image.open(file) as image:
        if image.mode.startswith(("I", "F")):  # converting would clip it to white
            raise ValueError(f"more than 8 bits per pixel (mode {image.mode}); convert it first")
        upright = ImageOps.exif_transpose(image).convert("L" if grey else "RGB")
        return np.asarray(ImageOps.fit(upright, (size[1], size[0])))
