"""Texts as vectors: the commonest words, and how they are weighed. Thin, on scikit-learn's vectorisers."""

from __future__ import annotations

import difflib
import numbers
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from course_utils.data.documents import WORD

Weighting = Literal["0/1", "counts", "log counts", "tf-idf"]
WEIGHTINGS = ("0/1", "counts", "log counts", "tf-idf")
MAX_QUERY_WORDS = 2_000  # of a longer query the beginning is read


class TextError(ValueError):
    """Texts that cannot be made into vectors; the message names what was wrong and what to do."""


@dataclass(frozen=True, repr=False, eq=False)
class Query:
    """A query as counts of known words. counts: sparse `(1, n_words)`; known: its words that are in the vocabulary.

    unknown: the others, each with the nearest known words. `counts` is all zeros where nothing is known: there is then
    no direction to search in, and `message` says so.
    """

    counts: sp.csr_array
    known: tuple[str, ...]
    unknown: dict[str, tuple[str, ...]]
    shortened: bool = False

    @property
    def message(self) -> str:
        """What a person who typed the query should know, in a sentence or two; empty where all is well."""
        parts = []
        if not self.known:
            parts.append("No word of this query is in the vocabulary: there is nothing to search for.")
        for word, near in list(self.unknown.items())[:5]:
            word = word if len(word) <= 30 else word[:30] + "…"
            parts.append(f"Not in the vocabulary: “{word}”" + (f"; near it: {', '.join(near)}." if near else "."))
        if len(self.unknown) > 5:
            parts.append(f"And {len(self.unknown) - 5} more unknown words.")
        if self.shortened:
            parts.append(f"Only the first {MAX_QUERY_WORDS:,} words were read.")
        return " ".join(parts)


class BagOfWords:
    """Documents as counts of the `n_words` commonest words of the training texts; their order is lost.

    A word is two letters or more, in lower case; English function words (the, of, …) are left out unless
    `stop_words=None`. `words` is the vocabulary, `document_frequency` in how many training texts each word stands.
    """

    def __init__(self, n_words: int = 2_000, *, stop_words: Literal["english"] | None = "english") -> None:
        if not isinstance(n_words, numbers.Integral) or n_words < 1:
            raise TextError(f"n_words is {n_words}; it must be a whole number of at least 1.")
        if stop_words not in ("english", None):
            raise TextError(f"stop_words is {stop_words!r}; it must be 'english' or None.")
        self.n_words: int = n_words
        self.stop_words: Literal["english"] | None = stop_words

    def fit(self, texts: Sequence[str]) -> BagOfWords:
        """Choose the vocabulary. Raises TextError: no texts, no words in them, something that is not a string."""
        texts = _check_texts(texts)
        vectorizer = CountVectorizer(
            token_pattern=rf"(?u){WORD}", stop_words=self.stop_words, max_features=self.n_words, dtype=np.float32
        )
        try:
            counts = sp.csr_array(vectorizer.fit_transform(texts))
        except ValueError as error:  # scikit-learn's "empty vocabulary"
            raise TextError(f"The {len(texts)} texts hold no word that could be counted ({error}).") from None
        self._vectorizer = vectorizer
        self.words = tuple(vectorizer.get_feature_names_out())
        self.document_frequency = np.bincount(counts.indices, minlength=len(self.words))
        self._tfidf = TfidfTransformer(norm=None).fit(counts)
        return self

    def transform(self, texts: Sequence[str]) -> sp.csr_array:
        """Counts `(n, len(words))`, sparse float32. A text without a known word is a row of zeros."""
        self._check_fitted()
        return sp.csr_array(self._vectorizer.transform(_check_texts(texts)))

    def query(self, text: str) -> Query:
        """One text as a Query: which of its words are known, and what else may have been meant."""
        self._check_fitted()
        if not isinstance(text, str):
            raise TextError(f"A query is a string, not {type(text).__name__}.")
        # Words of a query that is longer than any document are cut before they are counted: an answer in milliseconds.
        words = [match[0] for match in islice(re.finditer(WORD, text.lower()), MAX_QUERY_WORDS + 1)]
        shortened, words = len(words) > MAX_QUERY_WORDS, words[:MAX_QUERY_WORDS]
        ignored = self._vectorizer.get_stop_words() or ()
        vocabulary = self._vectorizer.vocabulary_
        unknown = dict.fromkeys(w for w in words if w not in vocabulary and w not in ignored)
        for word in list(unknown)[:5]:  # each is compared with the whole vocabulary, some 10 ms
            unknown[word] = tuple(difflib.get_close_matches(word[:40], self.words, n=3, cutoff=0.75))
        return Query(
            counts=sp.csr_array(self._vectorizer.transform([" ".join(words)])),
            known=tuple(dict.fromkeys(w for w in words if w in vocabulary)),
            unknown={word: near or () for word, near in unknown.items()},
            shortened=shortened,
        )

    def weigh(self, counts: sp.csr_array, weighting: Weighting) -> sp.csr_array:
        """The same rows, weighed: "0/1", "counts", "log counts" (log(1 + count)) or "tf-idf" (count · idf).

        idf = ln((1 + n) / (1 + document_frequency)) + 1, from the training texts. Rows are not normalised.
        """
        self._check_fitted()
        if weighting not in WEIGHTINGS:
            raise TextError(f"weighting is {weighting!r}; it must be one of {', '.join(WEIGHTINGS)}.")
        if weighting == "0/1":
            return (counts > 0).astype(np.float32)
        if weighting == "log counts":
            return counts.log1p()
        return sp.csr_array(self._tfidf.transform(counts)).astype(np.float32) if weighting == "tf-idf" else counts

    @property
    def idf(self) -> np.ndarray:
        """How much a word tells: `(len(words),)`, 1 for a word in every training text, more for rarer ones."""
        self._check_fitted()
        return self._tfidf.idf_

    def _check_fitted(self) -> None:
        if not hasattr(self, "words"):
            raise TextError("This bag of words has no vocabulary yet: call fit(texts) first.")


def first_sentence(text: str, max_words: int = 12) -> str:
    """Cut a text to what somebody might type as a query.

    Parameters
    ----------
    text
        A document.
    max_words
        No more words than these are kept.

    Returns
    -------
    str
        Its first sentence, or that sentence's beginning: some corpora come without punctuation.
    """
    return " ".join(re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0].split()[:max_words])


def _check_texts(texts: Iterable[str]) -> Sequence[str]:
    if isinstance(texts, str):
        raise TextError("texts is one string; a list of documents is needed (for one: [text]).")
    if not isinstance(texts, Iterable):
        raise TextError(f"texts is {type(texts).__name__}; a list of documents is needed.")
    texts = list(texts)
    if not texts:
        raise TextError("There are no texts: the corpus is empty.")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TextError(f"Document {i} is {type(text).__name__}, not a string.")
    return texts
