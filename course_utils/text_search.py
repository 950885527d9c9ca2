"""Search among documents: by their words, by latent semantic analysis, by the code of a text auto-encoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import normalize
from torch import Tensor

from course_utils.corruption import varied_masking
from course_utils.data import TextData
from course_utils.data.sampling import draw_by_class
from course_utils.data.types import VALIDATION_SHARE
from course_utils.inference import encode_all
from course_utils.metrics import Precision, nats_per_word, word_frequencies
from course_utils.models import TextAutoencoder
from course_utils.retrieval import CodeSearch, Metric, search_precisions
from course_utils.text import BagOfWords, Weighting, first_sentence
from course_utils.training import Trainer

HIDDEN = (500, 250, 125)
LEAST_KEPT = 0.01


@dataclass(frozen=True, eq=False)
class Documents:
    """A corpus as counts: the training documents are searched, with the test documents as queries.

    Parameters
    ----------
    corpus
        The texts, with their topics.
    bag
        The words that are counted.
    collection
        The training documents, counts `(n_train, n_words)`.
    queries
        The test documents, counts `(n_test, n_words)`.
    sentences
        The first sentence of each test document, twelve words at most, as counts.
    """

    corpus: TextData
    bag: BagOfWords
    collection: csr_array
    queries: csr_array
    sentences: csr_array

    @classmethod
    def of(cls, corpus: TextData) -> Documents:
        """Count the words of a corpus."""
        bag = BagOfWords().fit(corpus.train_texts)
        sentences = [first_sentence(text) for text in corpus.test_texts]
        return cls(corpus, bag, *(bag.transform(texts) for texts in (corpus.train_texts, corpus.test_texts, sentences)))

    @property
    def name(self) -> str:
        """The name of the corpus."""
        return self.corpus.name

    @cache  # noqa: B019 - as long as the documents are there, which is for the whole process
    def validation(self) -> Documents:
        """Give the training documents alone: nine tenths are searched, a tenth of each topic asks.

        What is chosen, a weighting or a size, is chosen with these, so that the test documents only judge it.
        """
        labels, (texts, titles) = self.corpus.train_labels, (self.corpus.train_texts, self.corpus.train_titles)
        is_asked = draw_by_class(labels.numpy(), VALIDATION_SHARE, np.random.RandomState(0))
        searched, asked = np.flatnonzero(~is_asked), np.flatnonzero(is_asked)
        parts: dict[str, Any] = {
            f"{part}_{kind}": tuple(of_all[i] for i in places)
            for part, places in {"train": searched, "test": asked}.items()
            for kind, of_all in {"texts": texts, "titles": titles}.items()
        }
        corpus = replace(self.corpus, train_labels=labels[searched], test_labels=labels[asked], **parts)
        sentences = self.bag.transform([first_sentence(text) for text in corpus.test_texts])
        return Documents(corpus, self.bag, self.collection[searched], self.collection[asked], sentences)

    def precision(self, search: CodeSearch, k: int, queries: csr_array | None = None) -> Precision:
        """Measure precision at k, in topics, of the test documents as queries, or of others in their place."""
        return self.precisions(search, (k,), queries)[k]

    def precisions(
        self, search: CodeSearch, ks: Sequence[int], queries: csr_array | None = None
    ) -> dict[int, Precision]:
        """Measure it at several k, from one search."""
        labels, query_labels = self.corpus.train_labels, self.corpus.test_labels
        queries = self.queries if queries is None else queries
        return search_precisions(search, queries, labels=labels, query_labels=query_labels, ks=ks)


def by_words(docs: Documents, weighting: Weighting, *, metric: Metric = "cosine") -> CodeSearch:
    """Search by weighed counts of words: the vector space model.

    Parameters
    ----------
    docs
        The documents.
    weighting
        As `BagOfWords.weigh` takes it.
    metric
        As CodeSearch takes it.

    Returns
    -------
    CodeSearch
        It takes counts.
    """
    return CodeSearch(lambda counts: docs.bag.weigh(counts, weighting), docs.collection, metric=metric)


def by_lsa(docs: Documents, n_codes: int, weighting: Weighting, *, metric: Metric | None = None) -> CodeSearch:
    """Search by latent semantic analysis: a truncated SVD of the weighed counts, scaled to length 1.

    Parameters
    ----------
    docs
        The documents.
    n_codes
        Dimensions that are kept.
    weighting
        As `BagOfWords.weigh` takes it.
    metric
        As CodeSearch takes it; unless given, two numbers are compared as places on the map, more by their direction.

    Returns
    -------
    CodeSearch
        It takes counts.

    References
    ----------
    Deerwester et al., Indexing by latent semantic analysis, J. Am. Soc. Inf. Sci. 41:391 (1990).
    """
    weigh: Callable[[Any], Any] = lambda counts: normalize(docs.bag.weigh(counts, weighting))  # noqa: E731
    svd = TruncatedSVD(n_codes, random_state=0).fit(weigh(docs.collection))
    metric = metric or ("euclidean" if n_codes == 2 else "cosine")
    return CodeSearch(lambda counts: svd.transform(weigh(counts)).astype(np.float32), docs.collection, metric=metric)


@cache  # fitted once, whatever is asked of it
def both_lsa(docs: Documents, n_codes: int) -> dict[Weighting, CodeSearch]:
    """Search by LSA of log counts, and of tf-idf."""
    weightings: tuple[Weighting, ...] = ("log counts", "tf-idf")
    return {weighting: by_lsa(docs, n_codes, weighting) for weighting in weightings}


def best_lsa(docs: Documents, n_codes: int, k: int, *, sentences: bool = False) -> CodeSearch:
    """Search by LSA with the weighting that suits it: the one that finds more where the training documents ask.

    Parameters
    ----------
    docs
        The documents.
    n_codes
        Dimensions that are kept.
    k
        It is chosen by precision at k.
    sentences
        Whether single sentences ask.
    """
    tuning = docs.validation()
    queries = tuning.sentences if sentences else tuning.queries
    searches = both_lsa(tuning, n_codes)
    chosen = max(searches, key=lambda weighting: tuning.precision(searches[weighting], k, queries).value)
    return both_lsa(docs, n_codes)[chosen]


def by_code(
    docs: Documents, n_codes: int, *, seed: int, n_epochs: int | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = nats_per_word,
) -> CodeSearch:  # fmt: skip
    """Train the text auto-encoder, and search by its codes.

    Many of the words of each document are hidden in training, as a query hides them.

    Parameters
    ----------
    docs
        The documents.
    n_codes
        Numbers in the code.
    seed
        Decides the starting values, the batches and what is hidden.
    n_epochs
        20 unless given, and more for a small collection, so that there are 280 steps.
    loss
        `loss(log_probabilities, counts)`.

    Returns
    -------
    CodeSearch
        It takes counts.
    """
    x = torch.from_numpy(docs.collection.toarray())
    torch.manual_seed(seed)
    idf = torch.from_numpy(docs.bag.idf)
    model = TextAutoencoder((x.shape[1], *HIDDEN, n_codes), idf=idf, word_counts=x.sum(dim=0))
    trainer = Trainer(
        model, loss=loss, lr=2e-3, batch_size=200, corrupt=varied_masking(LEAST_KEPT), value_range=(0, torch.inf),
        seed=seed,
    )  # fmt: skip
    if n_epochs is None:
        n_epochs = max(20, round(280 / math.ceil(len(x) / trainer.batch_size)))
    if n_epochs:
        trainer.fit(x, n_epochs=n_epochs)
    metric: Metric = "euclidean" if n_codes == 2 else "cosine"
    return CodeSearch(lambda counts: encode_all(model, counts), docs.collection, metric=metric)


def squared_error(log_probabilities: Tensor, counts: Tensor) -> Tensor:
    """Compute the squared error between word frequencies, in place of the cross-entropy `nats_per_word`.

    Parameters
    ----------
    log_probabilities
        Of the words, as a TextAutoencoder gives them, `(n, n_words)`.
    counts
        Of the words of each document, `(n, n_words)`.

    Returns
    -------
    Tensor
        Summed over the words, mean over the documents.
    """
    return (log_probabilities.exp() - word_frequencies(counts)).square().sum(dim=1).mean()


def auc_without_a_shared_word(docs: Documents, search: CodeSearch, n_queries: int = 1_000) -> np.ndarray:
    """Measure how a search ranks the documents that share no word with a query of one sentence.

    Parameters
    ----------
    docs
        The documents; the sentences of the first test documents are the queries.
    search
        How documents are ranked.
    n_queries
        How many test documents are used.

    Returns
    -------
    ndarray
        For each query that has right and wrong ones among them, the area under the ROC curve, right topics against
        others: 0.5 is chance, and what any similarity of words has, being 0 for all of these documents.
    """
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
    return np.array(areas)
