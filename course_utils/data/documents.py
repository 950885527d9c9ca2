"""What all texts share: what a word is, the title of a text without one, and the split into train and test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from course_utils.data.types import TextData

WORD = r"[^\W\d_]{2,}"  # two letters or more, of any script; digits and underscores separate words

Document = dict[str, str]  # its topic, title and text


def first_words(text: str, n_characters: int = 60) -> str:
    """Shorten a text to its first words, in one line: the title of a text without one."""
    line = " ".join(text.split())
    return line if len(line) <= n_characters else line[:n_characters].rsplit(" ", 1)[0] + " …"


def split_documents(
    name: str, documents: Sequence[Document], *, test: Sequence[bool] | np.ndarray, source: str, note: str = ""
) -> TextData:
    """Make a corpus of documents; its topics are sorted by name.

    Parameters
    ----------
    name, source, note
        As in TextData.
    documents
        Each with `topic`, `title` and `text`.
    test
        Which documents are for testing.

    Returns
    -------
    TextData
        The documents in the given order, in two parts.

    Raises
    ------
    DataError
        There are fewer than two topics, or a part is empty.
    """
    topic_names = tuple(sorted({d["topic"] for d in documents}))
    tests = [d for d, is_test in zip(documents, test, strict=True) if is_test]
    trains = [d for d, is_test in zip(documents, test, strict=True) if not is_test]
    return TextData(
        name=name,
        train_texts=_all("text", trains), train_titles=_all("title", trains), train_labels=_labels(trains, topic_names),
        test_texts=_all("text", tests), test_titles=_all("title", tests), test_labels=_labels(tests, topic_names),
        topic_names=topic_names, source=source, note=note,
    )  # fmt: skip


def _all(key: str, documents: Iterable[Document]) -> tuple[str, ...]:
    return tuple(d[key] for d in documents)


def _labels(documents: Iterable[Document], topic_names: Sequence[str]) -> Tensor:
    return torch.tensor([topic_names.index(d["topic"]) for d in documents], dtype=torch.int64)
