"""The standard data sets, downloaded through torchvision and scikit-learn where they are missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from course_utils.data.common import DataError
from course_utils.data.documents import WORD, first_words, split_documents
from course_utils.data.own_images import image_folder
from course_utils.data.pixels import channels_first, images_from_bytes
from course_utils.data.types import ImageData, TextData, VectorData
from course_utils.settings import settings

if TYPE_CHECKING:
    import scipy.sparse as sp


def _not_available(
    name: str, folder: Path, error: Exception, *, layout: str, offline: str, more: str = ""
) -> DataError:
    """Return the error of a data set that could not be read or downloaded, with what to do."""
    return DataError(
        f"{name} could not be read from {folder} or downloaded to it ({type(error).__name__}: {error}).{more} Put the "
        f"files there in {layout}'s layout, set COURSE_DATA to a folder that contains them, or connect to a network; "
        f"offline, use {offline} or COURSE_PROFILE=quick."
    )


# ------------------------------------------------------------------------------------------------------------- images

# SHA-256 of the unpacked files: torchvision checks an archive when it downloads it, but not what lies there later.
IDX_FILES = {
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


def load_torchvision(name: str, class_name: str, *, offline: str) -> ImageData:
    """Load a data set of torchvision with its standard split.

    Parameters
    ----------
    name
        Its name in this course.
    class_name
        Its class in `torchvision.datasets`.
    offline
        The data set to use without a network, for the message.

    Returns
    -------
    ImageData
        All its images.

    Raises
    ------
    DataError
        A file is damaged, or missing and cannot be downloaded.
    """
    from torchvision import datasets

    folder, checksums = settings().data_folder, IDX_FILES.get(class_name, {})
    raw = folder / class_name / "raw"
    _check_idx_files(raw, checksums)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        train, test = (getattr(datasets, class_name)(folder, train=part, download=True) for part in (True, False))
    except Exception as error:  # no network, no permission, half an archive: each library raises its own
        raise _not_available(
            name, folder, error,
            layout="torchvision", offline=f"load_images({offline!r})", more=_what_is_missing(raw, checksums),
        ) from error  # fmt: skip
    return ImageData(
        name=name,
        train_images=images_from_bytes(channels_first(train.data)), train_labels=torch.as_tensor(train.targets),
        test_images=images_from_bytes(channels_first(test.data)), test_labels=torch.as_tensor(test.targets),
        class_names=tuple(label.split(" - ")[0] for label in train.classes),
        source=f"The standard {class_name} split, through torchvision.",
    )  # fmt: skip


def load_cifar10() -> ImageData:
    """Load CIFAR-10: the images in cifar10/train and cifar10/test of the data folder, or else torchvision's archive."""
    folder = settings().data_folder / "cifar10"
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        return image_folder(folder, skip_unreadable=True)
    return load_torchvision("cifar10", "CIFAR10", offline="photos")


def _check_idx_files(folder: Path, checksums: dict[str, str]) -> None:
    for file_name, expected in checksums.items():
        path = folder / file_name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise DataError(
                f"{path} is truncated or damaged (its SHA-256 differs from that of the published file). Delete it to "
                f"download it again, or replace it with an intact copy."
            )


def _what_is_missing(folder: Path, file_names: Iterable[str]) -> str:
    """List the files that are missing and those that are partly downloaded: torchvision names only the first."""
    missing = [name for name in file_names if not (folder / name).exists()]
    partial = [f"{name}.gz" for name in missing if (folder / f"{name}.gz").exists()]
    return (f" Missing in {folder}: {', '.join(missing)}." if missing else "") + (
        f" Partly downloaded, delete: {', '.join(partial)}." if partial else ""
    )


# -------------------------------------------------------------------------------------------------------------- texts


def load_20newsgroups() -> TextData:
    """Load the 20 newsgroups, split by date, without headers, footers, quotes, and the posts that are empty then."""
    from sklearn.datasets import fetch_20newsgroups

    remove = ("headers", "footers", "quotes")
    documents, n_empty = [], 0
    for part in ("train", "test"):
        bunch = _fetch("20newsgroups", fetch_20newsgroups, subset=part, remove=remove)
        for text, label in zip(bunch.data, bunch.target, strict=True):
            if len(re.findall(WORD, text)) < 2:
                n_empty += 1
                continue
            topic = bunch.target_names[label]
            documents.append({"topic": topic, "title": first_words(text), "text": text.strip(), "part": part})
    return split_documents(
        "20newsgroups", documents, test=[d["part"] == "test" for d in documents],
        source=f"scikit-learn's 20 newsgroups, split by date, without headers, footers and quotes; {n_empty:,} posts "
        f"in which nothing was left are left out.",
    )  # fmt: skip


RCV1_WORDS, RCV1_TEST = 2_000, 20_000
RCV1_TOPICS = {"CCAT": "corporate", "ECAT": "economics", "GCAT": "government and society", "MCAT": "markets"}


def load_rcv1() -> VectorData:
    """Load the stories of RCV1 that have exactly one main topic: LYRL2004 split, weights of the 2,000 commonest stems.

    scikit-learn publishes no counts: a weight is (1 + log count) · idf, divided by the story's length.

    References
    ----------
    D. D. Lewis, Y. Yang, T. G. Rose and F. Li, "RCV1: A new benchmark collection for text categorization research",
    Journal of Machine Learning Research 5:361-397 (2004).
    """
    train_vectors, train_labels = _rcv1_part("train")
    test_vectors, test_labels = _rcv1_part("test", RCV1_TEST)
    n_stories_with = np.bincount(train_vectors.indices, minlength=train_vectors.shape[1])
    commonest = np.sort(np.argsort(-n_stories_with, kind="stable")[:RCV1_WORDS])
    return VectorData(
        name="rcv1",
        train_vectors=train_vectors[:, commonest].astype(np.float32), train_labels=torch.from_numpy(train_labels),
        test_vectors=test_vectors[:, commonest].astype(np.float32), test_labels=torch.from_numpy(test_labels),
        topic_names=tuple(RCV1_TOPICS.values()),
        source=f"RCV1-v2 (Lewis et al. 2004) through scikit-learn: stories of one main topic, LYRL2004 split, the "
        f"first {RCV1_TEST:,} of its test stories at most; (1 + log count) · idf of the 2,000 commonest stems.",
    )  # fmt: skip


def _rcv1_part(part: str, n_at_most: int | None = None) -> tuple[sp.csr_array, np.ndarray]:
    """Return vectors and labels of the (first) stories with exactly one main topic."""
    import scipy.sparse as sp  # here, as all that takes long to import and is rarely needed
    from sklearn.datasets import fetch_rcv1

    bunch = _fetch("rcv1", fetch_rcv1, subset=part)
    columns = [list(bunch.target_names).index(topic) for topic in RCV1_TOPICS]
    is_main = bunch.target[:, columns].toarray().astype(bool)
    rows = np.flatnonzero(is_main.sum(axis=1) == 1)[:n_at_most]
    return sp.csr_array(bunch.data[rows]), is_main[rows].argmax(axis=1)


def _fetch(name: str, fetch: Callable[..., Any], **options: object) -> Any:
    """Read scikit-learn's file, or download it."""
    # The file is a pickle: who can write to the data folder can run code here.
    folder = settings().data_folder / "scikit_learn_data"
    try:
        return fetch(data_home=folder, **options)
    except Exception as error:  # no network, no permission, a damaged file: each raises its own
        raise _not_available(
            name, folder, error, layout="scikit-learn", offline="load_corpus('python-docs')"
        ) from error
