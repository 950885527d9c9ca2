"""What makes numbers about a user's own data mean less: results that mislead are worse than none."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.data.types import ImageData, TextData

FEW, MOST, MOSTLY = 4, 0.9, 0.75
SAME = 2 / 255  # so near, on average, are copies of a picture that was saved twice
MAX_COMPARED = 2_000
AnyData = TypeVar("AnyData", ImageData, TextData)


class DataCaution(UserWarning):
    """The data are read; what is computed with them may mean less than it seems to."""


def caution(data: AnyData, sentences: Sequence[str]) -> AnyData:
    """Return the data with these sentences, each also shown as a warning."""
    for sentence in sentences:
        warnings.warn(f"{data.name}: {sentence}", DataCaution, stacklevel=3)  # the line that calls image_folder
    return replace(data, cautions=tuple(sentences))


def cautions_about_images(data: ImageData, *, folders_in_the_class: Sequence[str] = ()) -> list[str]:
    """Find what makes numbers about these images mean less, in a sentence each.

    Parameters
    ----------
    data
        The images.
    folders_in_the_class
        Where there is one class: the folders in it, which may be the classes that were meant.
    """
    found = _about_classes(data.class_names, data.train_labels, data.test_labels, "image")
    if len(data.class_names) == 1 and len(folders_in_the_class) > 1:
        found[0] += (f" If its folders ({', '.join(folders_in_the_class[:3])}, …) are the classes, give "
                     f"image_folder the folder {data.class_names[0]}.")  # fmt: skip
    x = data.train_images
    ranges = x.amax(dim=(2, 3)) - x.amin(dim=(2, 3))  # of each channel
    n_plain = int((ranges.amax(dim=1) < SAME).sum())
    if n_plain:
        found.append(f"{n_plain} of {len(x)} training images are of a single colour: they cost nothing to restore, "
                     f"so the mean error is smaller than that of the others.")  # fmt: skip
    share = (x.amax(dim=0) - x.amin(dim=0) < SAME).double().mean().item()
    if share > MOSTLY and n_plain < len(x):
        found.append(f"{100 * share:.0f} % of the pixels are the same in all training images: errors per image are "
                     f"those of the rest.")  # fmt: skip
    n_copies = _n_copies(data.train_images, data.test_images)
    n_compared = min(len(data.test_images), MAX_COMPARED)
    if n_copies > 0.05 * n_compared:
        found.append(f"{n_copies} of {n_compared} test images are (nearly) in the training set, too: a search finds "
                     f"the copy, and errors on test images are no better than those on training images.")  # fmt: skip
    return found


def cautions_about_texts(data: TextData) -> list[str]:
    """Find what makes numbers about these texts mean less, in a sentence each."""
    found = _about_classes(data.topic_names, data.train_labels, data.test_labels, "document")
    known = set(data.train_texts)
    n_copies = sum(text in known for text in data.test_texts)
    if n_copies > 0.05 * len(data.test_texts):
        found.append(f"{n_copies} of {len(data.test_texts)} test documents are in the training set, word for word: a "
                     f"search finds the copy.")  # fmt: skip
    return found


def _about_classes(names: Sequence[str], train: Tensor, test: Tensor, kind: str) -> list[str]:
    what = {"image": "class", "document": "topic"}[kind]
    if len(names) == 1:
        return [f"there is one {what} only, {names[0]}: every result of a search is right, and nothing can be "
                f"classified. Reconstruction errors mean what they always do."]  # fmt: skip
    n_train, n_test = train.bincount(minlength=len(names)), test.bincount(minlength=len(names))
    n_all = n_train + n_test
    found = []
    few = [f"{name} {n}" for name, n in zip(names, n_all.tolist(), strict=True) if n < FEW]
    if few:
        found.append(f"{_some(few)}: so few {kind}s of a {what} that its results are chance for the most part. Better "
                     f"have a hundred.")  # fmt: skip
    for part, other, counts in (("test", "train", n_train), ("train", "test", n_test)):
        missing = [name for name, n in zip(names, counts.tolist(), strict=True) if not n]
        if missing:
            found.append(f"{_some(missing)}: in the {part} part alone, not in the {other} part; so nothing that is "
                         f"said about it was both learnt and tested.")  # fmt: skip
    share = n_test.max().item() / max(n_test.sum().item(), 1)
    if share >= MOST:
        largest = names[int(n_test.argmax())]
        found.append(f"{100 * share:.0f} % of the test {kind}s are of one {what}, {largest}: always naming it would be "
                     f"right as often. Compare with that, not with {100 / len(names):.0f} %.")  # fmt: skip
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _n_copies(train: Tensor, test: Tensor) -> int:
    """How many of the first test images have a training image that differs by SAME at most, on average over 8 × 8."""
    small_train, small_test = (F.adaptive_avg_pool2d(x, 8).flatten(1) for x in (train, test[:MAX_COMPARED]))
    nearest = torch.cat([torch.cdist(part, small_train, p=1).amin(dim=1) for part in small_test.split(200)])
    return int((nearest / small_train.shape[1] < SAME).sum())
