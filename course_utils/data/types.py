"""What a data set is: images, texts or vectors with a fixed split, checked when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from course_utils.data.common import DataError
from course_utils.data.pixels import check_images
from course_utils.data.sampling import draw_by_class

if TYPE_CHECKING:
    import scipy.sparse as sp

VALIDATION_SHARE = 0.1


@dataclass(frozen=True, repr=False, eq=False)
class ImageData:
    """Images with a fixed split. Fields cannot be reassigned; `dataclasses.replace` makes a changed copy.

    Parameters
    ----------
    name
        The name of the data set.
    train_images, test_images
        `(n, c, h, w)` float32 in [0, 1].
    train_labels, test_labels
        `(n,)` int64, indices into class_names.
    class_names
        One name per class.
    source
        Where the images came from, in one sentence.
    note
        How they differ from the images that the course's numbers were measured with; empty if they do not.
    given_validation
        Indices into train_images of the validation split that the data came with; None: `validation_split` draws one.
    cautions
        What makes numbers about these images mean less, in a sentence each.

    Raises
    ------
    DataError
        The parts do not fit together; the message names the field.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    class_names: tuple[str, ...]
    source: str
    note: str = ""
    given_validation: Tensor | None = None
    cautions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            check_images(images, name=f"{self.name}: {part}_images")
            _check_labels(labels, len(images), len(self.class_names), name=self.name, part=part, kind="images")
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"{self.name}: train images are {tuple(self.train_images.shape[1:])}, "
                f"test images {tuple(self.test_images.shape[1:])}; they must have the same shape."
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(c, h, w)` of one image."""
        _, c, h, w = self.train_images.shape
        return c, h, w

    @property
    def n_features(self) -> int:
        """Number of values in one image: c · h · w."""
        return self.train_images[0].numel()

    def validation_split(self) -> tuple[Tensor, Tensor]:
        """Split the training set: nine tenths to train on, a tenth, drawn by class in proportion, to validate on.

        Data that came with a validation split keep it. Otherwise the split is always the same: it does not depend on
        the caller's random state. Every class with at least two images has at least one on each side; a single image is
        for training. The training tensors stay whole.

        Returns
        -------
        tuple of Tensor
            Indices into train_images to train on, and indices to validate on: int64, each in ascending order.

        Raises
        ------
        DataError
            No class has two training images.

        Examples
        --------
        >>> data = load_images("mnist-5k")
        >>> train, validation = data.validation_split()
        >>> data.train_images[train].shape, data.train_images[validation].shape
        (torch.Size([3600, 1, 28, 28]), torch.Size([400, 1, 28, 28]))
        """
        if self.given_validation is not None:
            is_held_out = torch.zeros(len(self.train_labels), dtype=torch.bool)
            is_held_out[self.given_validation] = True
            return (~is_held_out).nonzero().flatten(), is_held_out.nonzero().flatten()
        rng = np.random.RandomState(0)  # RandomState: the stream that never changes
        held_out = torch.from_numpy(draw_by_class(self.train_labels.numpy(), VALIDATION_SHARE, rng))
        if not held_out.any():
            raise DataError(
                f"{self.name} has {len(self.train_labels)} training images, and at most one per class; a validation "
                f"split needs a class with at least 2."
            )
        return (~held_out).nonzero().flatten(), held_out.nonzero().flatten()

    def __repr__(self) -> str:
        c, h, w = self.image_shape
        return (
            f"{self.name}: {len(self.train_images):,} train and {len(self.test_images):,} test images of "
            f"{c}×{h}×{w} (channels × height × width), {len(self.class_names)} classes. {self.source}"
            + _cautions(self.cautions)
        )


@dataclass(frozen=True, repr=False, eq=False)
class TextData:
    """Documents with a fixed split. Fields cannot be reassigned; `dataclasses.replace` makes a changed copy.

    Parameters
    ----------
    name
        The name of the corpus.
    train_texts, test_texts
        One string per document.
    train_titles, test_titles
        A short name per document.
    train_labels, test_labels
        `(n,)` int64, indices into topic_names.
    topic_names
        One name per topic, at least two.
    source
        Where the texts came from, in one sentence.
    note
        How they differ from the texts that the course's numbers were measured with; empty if they do not.
    cautions
        What makes numbers about these texts mean less, in a sentence each.

    Raises
    ------
    DataError
        The parts do not fit together (the message names the field), or there are fewer than two topics.
    """

    name: str
    train_texts: tuple[str, ...]
    train_titles: tuple[str, ...]
    train_labels: Tensor
    test_texts: tuple[str, ...]
    test_titles: tuple[str, ...]
    test_labels: Tensor
    topic_names: tuple[str, ...]
    source: str
    note: str = ""
    cautions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_topics(self.name, self.topic_names)
        for part in ("train", "test"):
            texts, titles, labels = (getattr(self, f"{part}_{kind}") for kind in ("texts", "titles", "labels"))
            _check_labels(labels, len(texts), len(self.topic_names), name=self.name, part=part, kind="documents")
            if len(titles) != len(texts):
                raise DataError(f"{self.name}: {len(texts)} {part}_texts, but {len(titles)} {part}_titles.")

    def __repr__(self) -> str:
        texts = _describe(self.name, len(self.train_texts), len(self.test_texts), self.topic_names, self.source)
        return texts + _cautions(self.cautions)


@dataclass(frozen=True, repr=False, eq=False)
class VectorData:
    """Documents that are published only as vectors, with a fixed split.

    Parameters
    ----------
    name
        The name of the corpus.
    train_vectors, test_vectors
        Sparse `(n, n_words)` float32: weights ≥ 0 of the n_words most frequent words.
    train_labels, test_labels
        `(n,)` int64, indices into topic_names.
    topic_names
        One name per topic, at least two.
    source
        Where the vectors came from, in one sentence.

    Raises
    ------
    DataError
        The parts do not fit together (the message names the field), or there are fewer than two topics.
    """

    name: str
    train_vectors: sp.csr_array
    train_labels: Tensor
    test_vectors: sp.csr_array
    test_labels: Tensor
    topic_names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        _check_topics(self.name, self.topic_names)
        for part in ("train", "test"):
            n, labels = getattr(self, f"{part}_vectors").shape[0], getattr(self, f"{part}_labels")
            _check_labels(labels, n, len(self.topic_names), name=self.name, part=part, kind="documents")

    def __repr__(self) -> str:
        n_train, n_test = self.train_vectors.shape[0], self.test_vectors.shape[0]
        return _describe(self.name, n_train, n_test, self.topic_names, self.source)


def _check_labels(labels: Tensor, n: int, n_classes: int, *, name: str, part: str, kind: str) -> None:
    if not n:
        raise DataError(f"{name}: there are no {part} {kind}.")
    if labels.shape != (n,) or labels.dtype != torch.int64:
        raise DataError(
            f"{name}: {n} {part} {kind} need {n} {part}_labels of torch.int64, "
            f"not {tuple(labels.shape)} of {labels.dtype}."
        )
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(f"{name}: {part}_labels must be indices from 0 to {n_classes - 1}.")


def _check_topics(name: str, topic_names: Sequence[str]) -> None:
    if len(topic_names) < 2:
        raise DataError(
            f"{name} needs at least 2 topics, but has {len(topic_names)} ({', '.join(topic_names) or 'none'}): with "
            f"one topic, every document is a right answer to every query. Use one sub-folder per topic, or one label "
            f"per line."
        )


def _describe(name: str, n_train: int, n_test: int, topic_names: Sequence[str], source: str) -> str:
    return f"{name}: {n_train:,} train and {n_test:,} test documents, {len(topic_names)} topics. {source}"


def _cautions(sentences: Sequence[str]) -> str:
    return "".join(f"\nCaution: {sentence}" for sentence in sentences)
