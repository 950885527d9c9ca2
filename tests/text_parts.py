"""Both parts of a corpus together, and whether two corpora are the same."""

import torch

from course_utils.data import TextData


def texts_of(corpus: TextData) -> tuple[str, ...]:
    """Return the texts of both parts."""
    return corpus.train_texts + corpus.test_texts


def titles_of(corpus: TextData) -> tuple[str, ...]:
    """Return the titles of both parts."""
    return corpus.train_titles + corpus.test_titles


def assert_same(one: dict[str, object], other: dict[str, object]) -> None:
    """Compare two corpora field by field."""
    assert one.keys() == other.keys()
    for field in one:
        same = torch.equal if isinstance(one[field], torch.Tensor) else lambda a, b: a == b
        assert same(one[field], other[field]), field
