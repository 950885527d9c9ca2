"""The user's own images: the files below a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from course_utils.data.cautions import caution, cautions_about_images
from course_utils.data.common import DataError, left_out_note
from course_utils.data.folders import arranged, files_below, is_hidden
from course_utils.data.pictures import is_picture, laid_on, read_picture, vanishes, visible_brightness
from course_utils.data.pixels import channels_first, images_from_bytes
from course_utils.data.sampling import check_share, draw_share
from course_utils.data.types import ImageData

Ground = float | Literal["auto"]


@dataclass
class _Part:
    """Pictures of one part of a split, in order, with the place of each one's class."""

    files: list[Path] = field(default_factory=list)
    pixels: list[np.ndarray] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def take(self, other: _Part, places: Sequence[int] | np.ndarray) -> None:
        """Add pictures of another part, by their places there."""
        self.files += [other.files[i] for i in places]
        self.pixels += [other.pixels[i] for i in places]
        self.labels += [other.labels[i] for i in places]


def image_folder(
    path: str | Path, *, size: tuple[int, int] = (32, 32), grey: bool = False, test_share: float = 0.2,
    ground: Ground = "auto", skip_unreadable: bool = False, seed: int = 0,
) -> ImageData:  # fmt: skip
    """Read the images below a folder, scaled to fill the size and cropped around the centre.

    Whatever Pillow reads is read, by its content; other files are counted and named in the result's `source`, and so
    are hidden ones. What may mislead, as one class only, is said in a warning and in the result's `cautions`.

    Parameters
    ----------
    path
        A folder with one sub-folder per class, or without any: one class. Folders `train/` and `test/` (or `val/`), in
        any usual spelling, with the classes inside, are the split; pictures in `val/` beside `test/` are among the
        training images, and `validation_split()` gives them.
    size
        Height and width, in pixels.
    grey
        Whether to convert the images to one channel; otherwise they have three.
    test_share
        The share of each class that is drawn for testing, where there is no split.
    ground
        What transparent pictures are laid on: a grey value from 0, black, to 1. "auto": white where what is visible in
        them is dark on average, else black.
    skip_unreadable
        Whether to leave out damaged pictures, which are then counted and named, too. The split is drawn among the
        others.
    seed
        Of the draw.

    Returns
    -------
    ImageData
        The images; the data set has the folder's name.

    Raises
    ------
    DataError
        There is no such folder, there are no images in it, files are unreadable (listed), it is not clear what is a
        class, transparent pictures cannot be seen on the ground (listed), or an argument is wrong.
    """
    root = Path(path).expanduser().resolve()
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. image_folder needs a folder of images, or one sub-folder per class.")
    if len(size) != 2 or min(size) < 1:
        raise DataError(f"size is {size}; it must be (height, width), each at least 1.")
    if ground != "auto" and not (isinstance(ground, (int, float)) and 0 <= ground <= 1):
        raise DataError(f"ground is {ground!r}; it must be 'auto' or a grey value from 0 (black) to 1 (white).")
    check_share(test_share)
    everything = files_below(root)
    shown = [file for file in everything if not is_hidden(file)]
    pictures = [file for file in shown if is_picture(root / file)]
    order = arranged(root, pictures, name_if_flat=root.name)
    parts, bad = {}, []
    for name, classes in order.parts.items():
        parts[name], unreadable = _read(root, classes, order.class_names, size, grey)
        bad += unreadable
    if bad and not skip_unreadable:
        listed = "".join(f"\n  {file}: {why}" for file, why in bad[:5])
        more = f"\n  … and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise DataError(f"{len(bad)} files below {root} are not readable images:{listed}{more}\n"
                        f"Remove them, or call image_folder(…, skip_unreadable=True).")  # fmt: skip
    no_pictures = sorted(set(shown) - set(pictures))
    said = _lay_on_ground(list(parts.values()), ground)
    train, test, n_validation = _split(parts, test_share, np.random.default_rng(seed))
    for part, found in (("train", train), ("test", test)):
        if not found.files:
            raise DataError(_nothing_in(root, part, no_pictures))
    source = "".join([
        f"Images below the folder {root.name}.", order.said, said,
        left_out_note("not readable", [str(file) for file, _ in bad]),
        left_out_note("no picture", [str(file) for file in no_pictures]),
        left_out_note("hidden", [str(file) for file in everything if is_hidden(file)]),
    ])  # fmt: skip
    n_train = len(train.files)
    data = ImageData(
        name=root.name, class_names=order.class_names, source=source,
        train_images=_images(train), train_labels=torch.tensor(train.labels),
        test_images=_images(test), test_labels=torch.tensor(test.labels),
        given_validation=torch.arange(n_train - n_validation, n_train) if n_validation else None,
    )  # fmt: skip
    folders = {file.parts[1] for file in pictures if len(file.parts) > 2} if len(order.class_names) == 1 else set()
    return caution(data, cautions_about_images(data, folders_in_the_class=sorted(folders)))


def _read(
    root: Path, classes: dict[str, list[Path]], class_names: Sequence[str], size: tuple[int, int], grey: bool
) -> tuple[_Part, list[tuple[Path, str]]]:
    """Read the pictures of a part; also (file, why) of each unreadable one."""
    part, bad = _Part(), []
    for name, files in classes.items():
        for file in files:
            try:
                pixels = read_picture(root / file, size, grey=grey)
            except Exception as error:  # a decoder meets whatever the bytes lead it to: TypeError, struct.error, …
                bad.append((file, str(error)))
                continue
            part.files.append(file)
            part.pixels.append(pixels)
            part.labels.append(class_names.index(name))
    return part, bad


def _lay_on_ground(parts: Sequence[_Part], ground: Ground) -> str:
    """Lay transparent pictures on the ground, in place; returns how, in a sentence, or nothing where there are none."""
    see_through = [(part, i) for part in parts for i, pixels in enumerate(part.pixels) if pixels.shape[-1] in (2, 4)]
    if not see_through:
        return ""
    brightness = np.mean([visible_brightness(part.pixels[i]) for part, i in see_through])
    value = (1.0 if brightness < 0.5 else 0.0) if ground == "auto" else float(ground)
    unseen = [str(part.files[i]) for part, i in see_through if vanishes(part.pixels[i], value)]
    if unseen:
        raise DataError(f"{len(unseen)} of {len(see_through)} transparent pictures could not be seen on a ground of "
                        f"{value:g} (0 is black, 1 is white): {', '.join(unseen[:5])}{', …' if unseen[5:] else ''}. "
                        f"Choose another: image_folder(…, ground=0.5).")  # fmt: skip
    for part, i in see_through:
        part.pixels[i] = laid_on(part.pixels[i], value)
    name = {0.0: "black", 1.0: "white"}.get(value, f"grey ({value:g})")
    return f" Transparent pictures, laid on {name}: {len(see_through)}."


def _split(parts: dict[str, _Part], test_share: float, rng: np.random.Generator) -> tuple[_Part, _Part, int]:
    """The parts to train on and to test on; of the first, how many at its end are for validation."""
    train, test = _Part(), _Part()
    if "all" not in parts:
        given = parts.get("validation", _Part())
        for found in (parts["train"], given):
            train.take(found, range(len(found.files)))
        return train, parts["test"], len(given.files)
    labels = np.array(parts["all"].labels, dtype=int)
    for label in range(labels.max(initial=-1) + 1):
        members = np.flatnonzero(labels == label)
        if len(members):
            drawn, rest = draw_share(len(members), test_share, rng)
            test.take(parts["all"], members[drawn])
            train.take(parts["all"], members[rest])
    return train, test, 0


def _nothing_in(root: Path, part: str, others: Sequence[Path]) -> str:
    kinds = Counter(file.suffix.lower() or "without a suffix" for file in others)
    there = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(5))
    says = f"{root} contains no readable {part} image; at least 2 images per class are needed for a split."
    return says + (f" Files that are no pictures, or that Pillow does not read: {there}." if there else "")


def _images(part: _Part) -> torch.Tensor:
    return images_from_bytes(channels_first(np.stack(part.pixels)))
