"""Texts as vectors: counts of the commonest words, and their weights, by scikit-learn's vectorisers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import scipy.sparse as sp

from course_utils.checks import whole_number
from course_utils.data.words import iterate_words, words_of

StopWords = Literal["english"] | Iterable[str] | None
Weighting = Literal["0/1", "counts", "log counts", "tf-idf"]
WEIGHTINGS = ("0/1", "counts", "log counts", "tf-idf")
MAX_WITHOUT_BLANKS = 60  # Chinese, for example, has sentences without any
MAX_QUERY_WORDS = 2_000  # only the beginning of a longer query is read


class TextError(ValueError):
    """Texts cannot be made into vectors; the message names what was wrong and what to do."""


@dataclass(frozen=True, repr=False, eq=False)
class Query:
    """A query as counts of known words.

    Parameters
    ----------
    counts
        Sparse, `(1, n_words)`. All zeros where no word is known: then there is nothing to search for, and `message`
        says so.
    known
        Its words that are in the vocabulary.
    unknown
        The others, each with the known words that are spelt most like it.
    shortened
        The query was longer than `MAX_QUERY_WORDS`, and the rest was not read.
    ignored
        Its stop words, which are left out.
    """

    counts: sp.csr_array
    known: tuple[str, ...]
    unknown: dict[str, tuple[str, ...]]
    shortened: bool = False
    ignored: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """Problems with the query, in words for the person who typed it; empty where there are none."""
        parts = []
        if not self.known:
            parts.append("No word of this query is in the vocabulary: there is nothing to search for.")
        for word, near in list(self.unknown.items())[:5]:
            word = word if len(word) <= 30 else word[:30] + "…"
            parts.append(f"Not in the vocabulary: “{word}”" + (f"; near it: {', '.join(near)}." if near else "."))
        if len(self.unknown) > 5:
            parts.append(f"And {len(self.unknown) - 5} more unknown words.")
        if self.ignored and not self.known:
            parts.append(f"Left out as stop words: {', '.join(self.ignored[:5])}.")
        if self.shortened:
            parts.append(f"Only the first {MAX_QUERY_WORDS:,} words were read.")
        return " ".join(parts)


class BagOfWords:
    """Documents as counts of the commonest words of the training texts; the order of the words is lost.

    A word is two letters or more of any script, in lower case (`data.words.words_of`); where a language writes no
    blanks, it is two neighbouring characters. After `fit`, `words` is the vocabulary, and `document_frequency`,
    `(len(words),)`, the number of training texts that contain each word.

    Parameters
    ----------
    n_words
        The largest size of the vocabulary, at least 1.
    stop_words
        Words that are left out: "english" for English function words (the, of, …), which leaves texts of other
        languages as they are; a list of your own; None for none.

    Raises
    ------
    TextError
        n_words is not a whole number of at least 1, or stop_words is something else.
    """

    def __init__(self, n_words: int = 2_000, *, stop_words: StopWords = "english") -> None:
        self.n_words = whole_number("n_words", n_words, error=TextError)
        self.stop_words = _stop_words(stop_words)

    def fit(self, texts: Sequence[str]) -> BagOfWords:
        """Choose the vocabulary.

        Parameters
        ----------
        texts
            Training texts, a string each.

        Returns
        -------
        BagOfWords
            Itself.

        Raises
        ------
        TextError
            There are no texts or no words in them, or something is not a string.
        """
        from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer  # here: long to import

        texts = _check_texts(texts)
        vectorizer = CountVectorizer(
            tokenizer=words_of, token_pattern=None, lowercase=False, stop_words=self.stop_words,
            max_features=self.n_words, dtype=np.float32,
        )  # fmt: skip
        try:
            counts = sp.csr_array(vectorizer.fit_transform(texts))
        except ValueError as error:  # scikit-learn's "empty vocabulary"
            raise TextError(f"The {len(texts)} texts contain no word to count ({error}).") from None
        self._vectorizer = vectorizer
        self.words = tuple(vectorizer.get_feature_names_out())
        self.document_frequency = np.bincount(counts.indices, minlength=len(self.words))
        self._tfidf = TfidfTransformer(norm=None).fit(counts)
        return self

    def transform(self, texts: Sequence[str]) -> sp.csr_array:
        """Count the words of texts.

        Parameters
        ----------
        texts
            A string each, at least one.

        Returns
        -------
        sp.csr_array
            Counts `(n, len(words))`, float32. A text without a known word is a row of zeros.

        Raises
        ------
        TextError
            As `fit`; or there is no vocabulary yet.
        """
        self._check_fitted()
        return sp.csr_array(self._vectorizer.transform(_check_texts(texts)))

    def query(self, text: str) -> Query:
        """Count the words of one query, and find known words that are spelt like the unknown ones.

        Parameters
        ----------
        text
            What somebody typed; only its first `MAX_QUERY_WORDS` words are read.

        Returns
        -------
        Query
            Its counts, and its known and unknown words.

        Raises
        ------
        TextError
            text is not a string, or there is no vocabulary yet.
        """
        self._check_fitted()
        if not isinstance(text, str):
            raise TextError(f"A query must be a string, not {type(text).__name__}.")
        # Cut before counting: a query of a megabyte is answered in milliseconds, too.
        words = list(islice(iterate_words(text), MAX_QUERY_WORDS + 1))
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
            ignored=tuple(dict.fromkeys(w for w in words if w in ignored)),
            shortened=shortened,
        )

    def weigh(self, counts: sp.csr_array, weighting: Weighting) -> sp.csr_array:
        """Weight counts of words. Rows are not normalised.

        Parameters
        ----------
        counts
            `(n, len(words))`, as `transform` gives them.
        weighting
            "0/1" (the word occurs), "counts" (unchanged), "log counts" (log(1 + count)) or "tf-idf" (count · idf).

        Returns
        -------
        sp.csr_array
            Weights, `(n, len(words))`.

        Raises
        ------
        TextError
            The weighting is unknown, or there is no vocabulary yet.
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
        """Inverse document frequency, `(len(words),)`: ln((1 + n) / (1 + document_frequency)) + 1.

        1 for a word that is in each of the n training texts, more for rarer words.
        """
        self._check_fitted()
        return self._tfidf.idf_

    def _check_fitted(self) -> None:
        if not hasattr(self, "words"):
            raise TextError("This bag of words has no vocabulary yet: call fit(texts) first.")


def first_sentence(text: str, max_words: int = 12) -> str:
    """Shorten a text to what somebody might type as a query.

    Parameters
    ----------
    text
        A document.
    max_words
        The largest number of words that are kept.

    Returns
    -------
    str
        Its first sentence, or that sentence's beginning: some corpora come without punctuation.
    """
    sentence = re.split(r"(?<=[.!?])\s|(?<=[。！？।])", text.strip(), maxsplit=1)[0]
    words = sentence.split()[:max_words]
    return " ".join(word if word.isascii() else word[:MAX_WITHOUT_BLANKS] for word in words)


def _stop_words(stop_words: StopWords) -> Literal["english"] | list[str] | None:
    """As scikit-learn takes them; a list as words that the texts are counted by."""
    if stop_words is None or stop_words == "english":
        return stop_words  # type: ignore[return-value]  # mypy keeps the Iterable
    if isinstance(stop_words, str) or not isinstance(stop_words, Iterable):
        raise TextError(f"stop_words is {stop_words!r}; it must be 'english', a list of words, or None.")
    words = list(stop_words)
    if not all(isinstance(word, str) for word in words):
        raise TextError("stop_words holds something that is not a string; it must be a list of words.")
    return sorted({part for word in words for part in words_of(word)})


def _check_texts(texts: Iterable[str]) -> Sequence[str]:
    if isinstance(texts, str):
        raise TextError("texts is one string; it must be a list of documents. For one document: [text].")
    if not isinstance(texts, Iterable):
        raise TextError(f"texts is {type(texts).__name__}; it must be a list of documents.")
    texts = list(texts)
    if not texts:
        raise TextError("There are no texts: the corpus is empty.")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TextError(f"Document {i} is {type(text).__name__}, not a string.")
    return texts
