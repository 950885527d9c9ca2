"""The search of documents, on a corpus that is small enough to see what is right."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from course_utils.data import TextData
from course_utils.text_search import Documents, auc_without_a_shared_word, best_lsa, both_lsa, by_words, squared_error

SOUP, CAKE = "broth bean carrot onion", "flour sugar butter egg"


@pytest.fixture
def docs() -> Documents:
    """Two topics without a common word; a query shares one word with half of its topic's documents."""
    train = (SOUP, "broth bean. carrot", "onion carrot", CAKE, "flour sugar. butter", "egg butter")
    test = ("broth bean. onion", "flour sugar. egg")
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    return Documents.of(
        TextData("kitchen", train, train, labels, test, test, torch.tensor([0, 1]), ("soup", "cake"), "made up")
    )


def test_documents_are_counted_and_sentences_are_the_first_ones(docs):
    assert docs.name == "kitchen"
    assert docs.collection.shape == (6, 8)
    assert docs.queries.sum(axis=1).tolist() == [3, 3]
    assert docs.sentences.sum(axis=1).tolist() == [2, 2]


def test_words_and_lsa_find_the_topic(docs):
    assert docs.precision(by_words(docs, "tf-idf"), 3).value == pytest.approx(1.0)
    assert docs.precision(by_words(docs, "tf-idf"), 6).value == pytest.approx(0.5)


def test_what_is_chosen_is_chosen_among_the_training_documents(monkeypatch):
    """By log counts the training documents find more, by tf-idf the test documents do: log counts are taken."""
    train = (SOUP, "broth bean. carrot", "onion carrot", CAKE, "flour sugar. butter", "egg butter") * 5
    labels = torch.tensor([0, 0, 0, 1, 1, 1] * 5)
    docs = Documents.of(
        TextData("kitchen", train, train, labels, train[:2], train[:2], labels[:2], ("soup", "cake"), "made up")
    )
    tuning = docs.validation()
    assert tuning.collection.shape[0] + tuning.queries.shape[0] == len(train)
    assert len(tuning.corpus.test_texts) == tuning.sentences.shape[0] == len(tuning.corpus.test_labels) > 1
    assert tuning.bag is docs.bag

    def precision(self, search, k, queries=None):
        better = "log counts" if self is tuning else "tf-idf"
        return SimpleNamespace(value=float(search is both_lsa(self, 2)[better]))

    monkeypatch.setattr(Documents, "precision", precision)
    for sentences in (False, True):
        assert best_lsa(docs, 2, 3, sentences=sentences) is both_lsa(docs, 2)["log counts"]


class Ranking:
    """A search that gives the same order to every query of a topic."""

    def __init__(self, orders: list[list[int]]) -> None:
        self.orders = torch.tensor(orders)

    def search(self, queries: object, k: int) -> Ranking:
        self.indices = self.orders[:, :k]
        return self


@pytest.mark.parametrize(
    ("orders", "area"),
    [
        ([[0, 1, 2, 3, 4, 5], [3, 4, 5, 0, 1, 2]], 1.0),
        ([[3, 4, 5, 0, 1, 2], [0, 1, 2, 3, 4, 5]], 0.0),
        ([[3, 2, 4, 5, 0, 1], [0, 5, 1, 2, 3, 4]], 2 / 3),  # of "onion carrot" and of "egg butter" one is before
    ],
)
def test_the_area_is_of_the_documents_without_a_shared_word(docs, orders, area):
    assert auc_without_a_shared_word(docs, Ranking(orders)).mean() == pytest.approx(area)


def test_squared_error_is_of_the_frequencies():
    log_probabilities = torch.log(torch.tensor([[0.5, 0.5], [0.25, 0.75]]))
    counts = torch.tensor([[3.0, 1.0], [0.0, 2.0]])
    expected = np.mean([0.25**2 + 0.25**2, 0.25**2 + 0.25**2])
    assert squared_error(log_probabilities, counts).item() == pytest.approx(expected)
