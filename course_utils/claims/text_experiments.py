"""Text retrieval behind the ledger: words, LSA and codes as rankings of the same documents."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import normalize
from torch import Tensor

from course_utils.claims.measuring import Measurement
from course_utils.corruption import varied_masking
from course_utils.data import TextData, load_corpus
from course_utils.metrics import Precision, nats_per_word, precision_at_k, word_frequencies
from course_utils.models import TextAutoencoder
from course_utils.retrieval import CodeSearch, encode_dataset
from course_utils.settings import Settings
from course_utils.text import BagOfWords, Weighting
from course_utils.training import Trainer

N_RETRIEVED = (1, 3, 10, 30, 100, 300)
LSA_SIZES = (2, 5, 10, 20, 50, 100, 200)
HIDDEN = (500, 250, 125)
LEAST_KEPT = 0.01


@dataclass(frozen=True, eq=False)
class Documents:
    """A corpus as counts: the training documents are searched, with the test documents as queries.

    sentences: the first sentence of each test document, twelve words at most, as counts.
    """

    corpus: TextData
    bag: BagOfWords
    collection: csr_array
    queries: csr_array
    sentences: csr_array

    @classmethod
    def of(cls, corpus: TextData) -> Documents:
        bag = BagOfWords().fit(corpus.train_texts)
        sentences = [first_sentence(text) for text in corpus.test_texts]
        return cls(corpus, bag, *(bag.transform(texts) for texts in (corpus.train_texts, corpus.test_texts, sentences)))

    def precision(self, search: CodeSearch, k: int, queries: csr_array | None = None) -> Precision:
        """Precision at k, in topics, of the test documents as queries, or of others in their place."""
        found = search.search(self.queries if queries is None else queries, k).indices
        return precision_at_k(self.corpus.train_labels[found], self.corpus.test_labels, k=k)


def first_sentence(text: str, max_words: int = 12) -> str:
    """What somebody might type: the first sentence, or its beginning (some corpora come without punctuation)."""
    return " ".join(re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0].split()[:max_words])


def documents(cfg: Settings) -> Documents:
    """The documents of this profile."""
    return _documents(cfg.pick(quick="python-docs", full="20newsgroups"))


@cache
def _documents(name: str) -> Documents:
    return Documents.of(load_corpus(name))


def by_words(docs: Documents, weighting: Weighting, *, metric: str = "cosine") -> CodeSearch:
    """The vector space model: documents as weighed counts of their words."""
    return CodeSearch(lambda counts: docs.bag.weigh(counts, weighting), docs.collection, metric=metric)


def by_lsa(docs: Documents, n_codes: int, weighting: Weighting, *, metric: str | None = None) -> CodeSearch:
    """Latent semantic analysis (Deerwester et al. 1990): a truncated SVD of the weighed counts, scaled to length 1.

    Two numbers are compared as places on the map, more by their direction.
    """
    weigh: Callable[[Any], Any] = lambda counts: normalize(docs.bag.weigh(counts, weighting))  # noqa: E731
    svd = TruncatedSVD(n_codes, random_state=0).fit(weigh(docs.collection))
    metric = metric or ("euclidean" if n_codes == 2 else "cosine")
    return CodeSearch(lambda counts: svd.transform(weigh(counts)).astype(np.float32), docs.collection, metric=metric)


@cache  # fitted once, whatever is asked of it
def both_lsa(docs: Documents, n_codes: int) -> tuple[CodeSearch, ...]:
    """LSA of log counts, and of tf-idf."""
    return tuple(by_lsa(docs, n_codes, weighting) for weighting in ("log counts", "tf-idf"))


def best_lsa(docs: Documents, n_codes: int, k: int, queries: csr_array | None = None) -> Precision:
    """LSA with the weighting that suits it, whichever finds more."""
    found = [docs.precision(search, k, queries) for search in both_lsa(docs, n_codes)]
    return max(found, key=lambda precision: precision.value)


def by_code(
    docs: Documents, n_codes: int, *, seed: int, n_epochs: int | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = nats_per_word,
) -> CodeSearch:  # fmt: skip
    """The text auto-encoder, trained with many of the words of each document hidden, as a query hides them.

    n_epochs: 20 unless given, and more for a small collection, so that there are 280 steps.
    """
    x = torch.from_numpy(docs.collection.toarray())
    torch.manual_seed(seed)
    model = TextAutoencoder(
        (x.shape[1], *HIDDEN, n_codes), idf=torch.from_numpy(docs.bag.idf), word_counts=x.sum(dim=0)
    )
    trainer = Trainer(
        model,
        loss=loss,
        lr=2e-3,
        batch_size=200,
        corrupt=varied_masking(LEAST_KEPT),
        value_range=(0, torch.inf),
        seed=seed,
    )
    if n_epochs is None:
        n_epochs = max(20, round(280 / math.ceil(len(x) / trainer.batch_size)))
    if n_epochs:
        trainer.fit(x, n_epochs=n_epochs)
    metric = "euclidean" if n_codes == 2 else "cosine"
    return CodeSearch(lambda counts: encode_dataset(model, counts), docs.collection, metric=metric)


@cache  # several claims look at the same trained nets
def code(cfg: Settings, seed: int, n_codes: int) -> CodeSearch:
    """The trained text auto-encoder of this profile."""
    return by_code(documents(cfg), n_codes, seed=seed)


@cache  # no seed enters
def linear(cfg: Settings) -> dict[str, CodeSearch]:
    """Words, and LSA of 2, 10 and 50 dimensions, each with the weighting that suits it."""
    docs = documents(cfg)
    searches = {weighting: by_words(docs, weighting) for weighting in ("tf-idf", "log counts")}
    for n_codes in (2, 10, 50):
        searches[f"LSA-{n_codes}"] = max(both_lsa(docs, n_codes), key=lambda search: docs.precision(search, 100).value)
    return searches


@cache  # no seed enters
def lsa(cfg: Settings, n_codes: int, k: int) -> Precision:
    """`best_lsa` of this profile's documents."""
    return best_lsa(documents(cfg), n_codes, k)


def squared_error(log_probabilities: Tensor, counts: Tensor) -> Tensor:
    """Squared error between the document's word frequencies and the predicted ones, summed over the words."""
    return (log_probabilities.exp() - word_frequencies(counts)).square().sum(dim=1).mean()


# -------------------------------------------------------------------------------------------- one a row of the ledger


def cosine_against_inner_product(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 of counts by cosine, against the inner product."""
    docs = documents(cfg)
    cosine, inner = (docs.precision(by_words(docs, "counts", metric=m), 10) for m in ("cosine", "inner product"))
    return Measurement(cosine.value, inner.value, docs.corpus.name)


def tfidf_against_binary(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 of tf-idf, against 0/1."""
    docs = documents(cfg)
    tfidf, binary = (docs.precision(by_words(docs, w), 10) for w in ("tf-idf", "0/1"))
    return Measurement(tfidf.value, binary.value, docs.corpus.name)


def without_a_shared_word(cfg: Settings, seed: int) -> Measurement:
    """Of the documents that share no word with a one-sentence query: does the code put the right ones first?

    The area under the ROC curve, mean over queries: 0.5 is chance, and what any similarity of words has, being 0.
    """
    docs, search = documents(cfg), code(cfg, seed, 10)
    return Measurement(auc_without_a_shared_word(docs, search), data=docs.corpus.name)


def auc_without_a_shared_word(docs: Documents, search: CodeSearch, n_queries: int = 1_000) -> float:
    """As `without_a_shared_word`, over the first n_queries test documents."""
    sentences, n = docs.sentences[:n_queries], docs.collection.shape[0]
    apart = (sentences @ docs.collection.T).toarray() == 0
    right = (docs.corpus.test_labels[:n_queries, None] == docs.corpus.train_labels[None]).numpy()
    found, place = search.search(sentences, n).indices, torch.arange(n)
    rank = torch.empty_like(found).scatter_(1, found, place.expand_as(found)).numpy()
    areas = []
    for i in np.flatnonzero(sentences.sum(axis=1)):
        truth = right[i, apart[i]]
        if 0 < truth.sum() < len(truth):
            areas.append(roc_auc_score(truth, -rank[i, apart[i]]))
    return float(np.mean(areas))


def map_against_lsa(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 on the map of two numbers: the code's, against LSA's."""
    docs = documents(cfg)
    return Measurement(docs.precision(code(cfg, seed, 2), 10).value, lsa(cfg, 2, 10).value, docs.corpus.name)


def softmax_against_squared_error(cfg: Settings, seed: int) -> Measurement:
    """Precision at 100 of the 2-D code, trained by the softmax's cross-entropy, against squared error."""
    docs = documents(cfg)
    squared = by_code(docs, 2, seed=seed, loss=squared_error)
    return Measurement(
        docs.precision(code(cfg, seed, 2), 100).value, docs.precision(squared, 100).value, docs.corpus.name
    )


def code2_against_lsa2(cfg: Settings, seed: int) -> Measurement:
    """Precision at 100 of the 2-D code, against LSA-2."""
    docs = documents(cfg)
    return Measurement(docs.precision(code(cfg, seed, 2), 100).value, lsa(cfg, 2, 100).value, docs.corpus.name)


def code10_against_lsa10(cfg: Settings, seed: int) -> Measurement:
    """Precision at 100 of the 10-D code, against LSA-10; series: every method over the number retrieved."""
    docs = documents(cfg)
    codes = {"code-2": code(cfg, seed, 2), "code-10": code(cfg, seed, 10)}
    series = {}
    for name, search in (linear(cfg) | codes).items():
        labels = docs.corpus.train_labels[search.search(docs.queries, max(N_RETRIEVED)).indices]
        series[name] = [precision_at_k(labels, docs.corpus.test_labels, k=k).value for k in N_RETRIEVED]
    value = docs.precision(codes["code-10"], 100).value
    return Measurement(value, lsa(cfg, 10, 100).value, docs.corpus.name, {"retrieved": N_RETRIEVED, **series})


def code10_against_best_lsa(cfg: Settings, seed: int) -> Measurement:
    """Precision at 100 of the 10-D code, against LSA at its best size; series: LSA over its size."""
    docs = documents(cfg)
    by_size = [lsa(cfg, n, 100).value for n in LSA_SIZES]
    value = docs.precision(code(cfg, seed, 10), 100).value
    return Measurement(value, max(by_size), docs.corpus.name, {"size": LSA_SIZES, "LSA": by_size})


def code10_against_words(cfg: Settings, seed: int) -> Measurement:
    """Precision at 10 of the 10-D code, against the best of the bags of words."""
    docs = documents(cfg)
    words = max(docs.precision(by_words(docs, w), 10).value for w in ("0/1", "log counts", "tf-idf"))
    return Measurement(docs.precision(code(cfg, seed, 10), 10).value, words, docs.corpus.name)


def code10_against_lsa10_on_sentences(cfg: Settings, seed: int) -> Measurement:
    """Precision at 100 where the query is one sentence: the 10-D code, against LSA-10."""
    docs = documents(cfg)
    linear_value = best_lsa(docs, 10, 100, docs.sentences).value
    return Measurement(docs.precision(code(cfg, seed, 10), 100, docs.sentences).value, linear_value, docs.corpus.name)
