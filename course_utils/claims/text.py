"""Chapter 3, S6 to S9: words, LSA and codes as rankings of the same documents."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from course_utils.claims.rows import BOTH, CHAPTER, P10, P100, Measurement, compared_precisions, row
from course_utils.claims.verdicts import interval_of_mean
from course_utils.data import TextData, load_corpus
from course_utils.metrics import Precision
from course_utils.retrieval import CodeSearch
from course_utils.settings import Settings
from course_utils.text import Weighting
from course_utils.text_search import (
    Documents,
    auc_without_a_shared_word,
    best_lsa,
    both_lsa,
    by_code,
    by_words,
    squared_error,
)

CHANCE = 0.5
N_RETRIEVED = (1, 3, 10, 30, 100, 300)
LSA_SIZES = (2, 5, 10, 20, 50, 100, 200)


def documents(cfg: Settings) -> Documents:
    """Load the documents of this profile."""
    return documents_of(cfg.pick(quick="python-docs", full="20newsgroups"))


@cache
def documents_of(name: str) -> Documents:
    """Load a corpus as counts, once for all rows."""
    corpus = load_corpus(name)
    assert isinstance(corpus, TextData)
    return Documents.of(corpus)


@cache  # several rows look at the same trained nets
def code(docs: Documents, seed: int, n_codes: int) -> CodeSearch:
    """Train the text auto-encoder, and search by its codes."""
    return by_code(docs, n_codes, seed=seed)


def by_code_at(k: int, docs: Documents, seed: int, n_codes: int) -> Precision:
    """Measure precision at k of the code."""
    return docs.precision(code(docs, seed, n_codes), k)


@cache  # no seed enters
def by_lsa_at(k: int, docs: Documents, n_codes: int, *, sentences: bool = False) -> Precision:
    """Measure precision at k of LSA with the weighting that suits it, of the test documents or their sentences."""
    search = best_lsa(docs, n_codes, k, sentences=sentences)
    return docs.precision(search, k, docs.sentences if sentences else docs.queries)


@cache  # no seed enters
def linear(docs: Documents) -> dict[str, CodeSearch]:
    """Search by words, and by LSA of 2, 10 and 50 dimensions, each with the weighting that suits it."""
    weightings: tuple[Weighting, ...] = ("tf-idf", "log counts")
    searches: dict[str, CodeSearch] = {weighting: by_words(docs, weighting) for weighting in weightings}
    return searches | {f"LSA-{n_codes}": best_lsa(docs, n_codes, 100) for n_codes in (2, 10, 50)}


@cache  # no seed enters
def best_words_at_10(docs: Documents) -> Precision:
    """Measure precision at 10 of the bag of words whose weighting finds most where the training documents ask."""
    tuning, weightings = docs.validation(), typing.get_args(Weighting)
    chosen = max(weightings, key=lambda w: tuning.precision(by_words(tuning, w), 10).value)
    return docs.precision(by_words(docs, chosen), 10)


@cache  # no seed enters
def best_lsa_size(docs: Documents) -> int:
    """Choose the size of LSA_SIZES that finds most among 100 where the training documents ask."""
    tuning = docs.validation()
    return max(LSA_SIZES, key=lambda n: max(tuning.precision(s, 100).value for s in both_lsa(tuning, n).values()))


@row("cosine-beats-inner", "S6",
     "Documents are ranked by their inner product with the query, or by the cosine; the cosine finds more.",
     quantity="counts of words, cosine against inner product",
     unit=P10, relation=">", on=documents, seeded=False, reproduced=BOTH)  # fmt: skip
def cosine_against_inner_product(docs: Documents, seed: int) -> Measurement:
    """Compare counts by cosine with counts by the inner product."""
    searches = (by_words(docs, "counts", metric=metric) for metric in ("cosine", "inner product"))
    return compared_precisions(*(docs.precision(search, 10) for search in searches))


@row("tfidf-beats-binary", "S7",
     "Weighing the words (tf-idf) finds more than 0/1.",
     quantity="tf-idf against 0/1, cosine",
     unit=P10, relation=">", on=documents, seeded=False, reproduced=("full",))  # fmt: skip
def tfidf_against_binary(docs: Documents, seed: int) -> Measurement:
    """Compare tf-idf with 0/1."""
    return compared_precisions(*(docs.precision(by_words(docs, weighting), 10) for weighting in ("tf-idf", "0/1")))


@row("code-finds-without-a-word", "S7",
     "Words alone cannot relate a document to a query that shares no word with it; a code can.",
     quantity="short queries, documents without a common word: does code-10 put the right ones first?",
     unit="area under the ROC curve", relation=">", reference=CHANCE, source="any similarity of words: all are 0",
     on=documents, reproduced=BOTH)  # fmt: skip
def without_a_shared_word(docs: Documents, seed: int) -> Measurement:
    """Measure whether the code puts the right ones first, of the documents that share no word with the query."""
    areas = auc_without_a_shared_word(docs, code(docs, seed, 10))
    return Measurement(areas.mean(), interval=interval_of_mean((areas - CHANCE).tolist()))


@row("code2-map-beats-lsa2", "S8",
     "On the map of two numbers the topics lie apart, as they do not on LSA's.",
     said_by=CHAPTER,
     quantity="the ten nearest on the map, code-2 against LSA-2",
     unit=P10, relation=">", on=documents, reproduced=BOTH)  # fmt: skip
def map_against_lsa(docs: Documents, seed: int) -> Measurement:
    """Compare the code's map of two numbers with LSA's."""
    return compared_precisions(by_code_at(10, docs, seed, 2), by_lsa_at(10, docs, 2))


@row("softmax-beats-squared", "S8",
     "A softmax over the words is the right output for counts; squared error is not.",
     quantity="code-2 trained by cross-entropy, against squared error",
     unit=P100, relation=">", on=documents, reproduced=("full",))  # fmt: skip
def softmax_against_squared_error(docs: Documents, seed: int) -> Measurement:
    """Compare the code trained by the softmax's cross-entropy with the code trained by squared error."""
    squared = by_code(docs, 2, seed=seed, loss=squared_error)
    return compared_precisions(by_code_at(100, docs, seed, 2), docs.precision(squared, 100))


@row("code2-beats-lsa2", "S9",
     "Retrieval by a code of two numbers is much better than by LSA.",
     said_by=CHAPTER,
     quantity="code-2 against LSA-2", unit=P100, relation=">", on=documents, reproduced=BOTH)  # fmt: skip
def code2_against_lsa2(docs: Documents, seed: int) -> Measurement:
    """Compare the code of two numbers with LSA-2."""
    return compared_precisions(by_code_at(100, docs, seed, 2), by_lsa_at(100, docs, 2))


@row("code10-beats-lsa10", "S9",
     "Retrieval by a code of ten numbers is better than by LSA of the same size.",
     said_by="Hinton & Salakhutdinov, Science 313:504 (2006), Fig. 4A",
     quantity="code-10 against LSA-10", unit=P100, relation=">", on=documents, reproduced=BOTH)  # fmt: skip
def code10_against_lsa10(docs: Documents, seed: int) -> Measurement:
    """Compare the code of ten numbers with LSA-10; series: every method over the number retrieved."""
    codes = {"code-2": code(docs, seed, 2), "code-10": code(docs, seed, 10)}
    series: dict[str, Sequence[float]] = {"retrieved": N_RETRIEVED}
    for name, search in (linear(docs) | codes).items():
        series[name] = [precision.value for precision in docs.precisions(search, N_RETRIEVED).values()]
    return replace(compared_precisions(by_code_at(100, docs, seed, 10), by_lsa_at(100, docs, 10)), series=series)


@row("code10-beats-best-lsa", "S9",
     "Retrieval by a code of ten numbers is better than by LSA of any size.",
     quantity="code-10 against LSA at its best size, 2 to 200, chosen among training documents",
     unit=P100, relation=">", on=documents, reproduced=("full",))  # fmt: skip
def code10_against_best_lsa(docs: Documents, seed: int) -> Measurement:
    """Compare the code of ten numbers with LSA at its best size; series: LSA over its size."""
    by_size = [by_lsa_at(100, docs, n).value for n in LSA_SIZES]
    difference = compared_precisions(by_code_at(100, docs, seed, 10), by_lsa_at(100, docs, best_lsa_size(docs)))
    return replace(difference, series={"size": LSA_SIZES, "LSA": by_size})


@row("code10-beats-words", "S9",
     "Ten numbers find more than all the words, at the top of the list.",
     quantity="code-10 against the best bag of words, chosen among training documents",
     unit=P10, relation=">", on=documents, reproduced=("full",))  # fmt: skip
def code10_against_words(docs: Documents, seed: int) -> Measurement:
    """Compare the code of ten numbers with the best of the bags of words."""
    return compared_precisions(by_code_at(10, docs, seed, 10), best_words_at_10(docs))


@row("code10-beats-lsa10-sentence", "S9",
     "With a query of one sentence, too, the code finds more than LSA.",
     quantity="queries of one sentence, 12 words at most, code-10 against LSA-10",
     unit=P100, relation=">", on=documents, reproduced=("full",))  # fmt: skip
def code10_against_lsa10_on_sentences(docs: Documents, seed: int) -> Measurement:
    """Compare the code of ten numbers with LSA-10, where the query is one sentence."""
    by_one_code = docs.precision(code(docs, seed, 10), 100, docs.sentences)
    return compared_precisions(by_one_code, by_lsa_at(100, docs, 10, sentences=True))
