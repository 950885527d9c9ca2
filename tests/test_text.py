import math
import unicodedata

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import text
from course_utils.text import BagOfWords, Query, TextError

TEXTS = ["Cat, cat: dog!", "the cat sat_with 2 dogs", "A bird. Bird-dog?"]
WORDS = ("bird", "cat", "dog", "dogs", "sat")
COUNTS = [[0, 2, 1, 0, 0], [0, 1, 0, 1, 1], [2, 0, 1, 0, 0]]


@pytest.fixture
def bag() -> BagOfWords:
    return BagOfWords(100).fit(TEXTS)


# --------------------------------------------------------------------------------------------- vocabulary and counts


def test_words_are_two_letters_or_more_in_lower_case_without_function_words(bag):
    assert bag.words == WORDS
    assert BagOfWords(100, stop_words=None).fit(TEXTS).words == (*WORDS, "the", "with")


def test_words_of_any_script_are_words():
    assert BagOfWords().fit(["Größe ÉTÉ день 编码 x 12 a1b"]).words == ("größe", "été", "день", "编码")


CHINESE = {
    "soup": ["把豆子放在水里煮", "热的豆子汤要加盐", "盐和一根胡萝卜", "搅拌汤,再加一点盐"],
    "cake": ["把鸡蛋和糖打在一起", "面粉、黄油和糖", "用面粉和鸡蛋烤蛋糕", "把黄油化开再打发"],
}
QUESTIONS = {"豆子汤里加盐": "soup", "胡萝卜汤": "soup", "黄油和面粉": "cake", "鸡蛋、糖和黄油": "cake"}


def test_texts_without_blanks_between_words_are_found_by_what_they_share():
    """The nearest of eight Chinese recipes is of the question's kind; with words cut at blanks, none is found."""
    texts = [text for group in CHINESE.values() for text in group]
    kinds = [kind for kind, group in CHINESE.items() for _ in group]
    bag = BagOfWords(stop_words=None).fit(texts)
    for question, kind in QUESTIONS.items():
        scores = (bag.transform(texts) @ bag.query(question).counts.T).toarray().ravel()
        assert kinds[scores.argmax()] == kind
        assert not any(set(question.split()) & set(text.split()) for text in texts)


def test_a_query_is_found_however_its_accents_are_written():
    bag = BagOfWords().fit([unicodedata.normalize("NFD", "café crème"), "garçon élève"])
    for form in ("NFC", "NFD"):
        assert bag.query(unicodedata.normalize(form, "Élève CRÈME")).known == ("élève", "crème")


def test_stop_words_of_ones_own_are_left_out_and_named():
    bag = BagOfWords(stop_words=["der", "Die", "和"]).fit(["der Hund", "die Katze und der Vogel", "狗和猫"])
    assert bag.words == ("hund", "katze", "und", "vogel", "和猫", "狗和")  # of two characters, a stop word has two, too
    query = bag.query("der die")
    assert (query.known, query.ignored, query.unknown) == ((), ("der", "die"), {})
    assert query.message.endswith("there is nothing to search for. Left out as stop words: der, die.")


@pytest.mark.parametrize("wrong", ["german", 3, [1, "a"]])
def test_stop_words_that_are_none_are_refused(wrong):
    with pytest.raises(TextError, match="stop_words"):
        BagOfWords(stop_words=wrong)


def test_counts_are_sparse_and_a_row_a_text(bag):
    counts = bag.transform(TEXTS)
    assert isinstance(counts, sp.csr_array)
    assert counts.dtype == np.float32
    assert counts.toarray().tolist() == COUNTS
    assert bag.transform(["nothing known", "", "DOG dog"]).toarray().tolist() == [[0] * 5, [0] * 5, [0, 0, 2, 0, 0]]


def test_the_vocabulary_is_the_commonest_words_and_counts_are_of_them():
    bag = BagOfWords(2).fit(["cat cat cat cat", "dog bird bird", "dog sat bird"])
    assert bag.words == ("bird", "cat")
    assert bag.transform(["bird dog cat cat"]).toarray().tolist() == [[1, 2]]


def test_a_texts_order_is_lost():
    bag = BagOfWords().fit(TEXTS)
    one, other = bag.transform(["dog cat bird cat", "cat bird cat dog"]).toarray()
    assert one.tolist() == other.tolist()


def test_texts_may_come_one_by_one():
    assert BagOfWords().fit(text for text in TEXTS).words == WORDS


# ----------------------------------------------------------------------------------------------------------- weights


def idf(document_frequency: int) -> float:
    return math.log((1 + 3) / (1 + document_frequency)) + 1


def test_document_frequency_and_idf_are_of_the_training_texts(bag):
    assert bag.document_frequency.tolist() == [1, 2, 2, 1, 1]
    assert bag.idf == pytest.approx([idf(1), idf(2), idf(2), idf(1), idf(1)])
    bag.transform(["bird bird"] * 9)
    assert bag.idf[0] == pytest.approx(math.log(2) + 1)


def test_a_word_in_every_training_text_has_an_idf_of_1():
    assert BagOfWords().fit(["cat dog", "cat", "cat cat"]).idf == pytest.approx([1, math.log(2) + 1])


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        ("0/1", [[0, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 0, 1, 0, 0]]),
        ("counts", COUNTS),
        ("log counts", np.log(1 + np.array(COUNTS))),
        (
            "tf-idf",
            [[0, 2 * idf(2), idf(2), 0, 0], [0, idf(2), 0, idf(1), idf(1)], [2 * idf(1), 0, idf(2), 0, 0]],
        ),
    ],
)
def test_weights_by_hand(bag, weighting, expected):
    counts = bag.transform(TEXTS)
    weighed = bag.weigh(counts, weighting)
    assert isinstance(weighed, sp.csr_array)
    assert weighed.dtype == np.float32
    np.testing.assert_allclose(weighed.toarray(), expected, rtol=1e-6)
    assert counts.toarray().tolist() == COUNTS


@pytest.mark.parametrize("weighting", text.WEIGHTINGS)
def test_a_text_without_a_known_word_weighs_nothing(bag, weighting):
    assert bag.weigh(bag.transform(["unknown"]), weighting).nnz == 0


# ----------------------------------------------------------------------------------------------------------- queries


def test_a_query_of_known_words_counts_them_and_has_nothing_to_say(bag):
    query = bag.query("The dog, a cat and a DOG")
    assert query.counts.toarray().tolist() == [[0, 1, 2, 0, 0]]
    assert query.known == ("dog", "cat")
    assert query.unknown == {}
    assert query.message == ""
    assert not query.shortened


def test_a_misspelt_word_is_answered_with_those_near_it(bag):
    query = bag.query("brid cat dgo")
    assert query.known == ("cat",)
    assert query.unknown == {"brid": ("bird",), "dgo": ()}
    assert query.message == "Not in the vocabulary: “brid”; near it: bird. Not in the vocabulary: “dgo”."
    assert query.counts.toarray().tolist() == [[0, 1, 0, 0, 0]]
    assert BagOfWords().fit(["planes plane planet"]).query("plaane").unknown["plaane"][0] == "plane"


@pytest.mark.parametrize(("query", "unknown"), [("zebra", ("zebra",)), ("", ()), ("  42 ?! x", ()), ("the of", ())])
def test_a_query_without_a_known_word_says_that_there_is_nothing_to_search_for(bag, query, unknown):
    answer = bag.query(query)
    assert answer.known == ()
    assert tuple(answer.unknown) == unknown
    assert answer.counts.shape == (1, 5)
    assert answer.counts.nnz == 0
    assert answer.message.startswith("No word of this query is in the vocabulary: there is nothing to search for.")


def test_of_many_unknown_words_five_are_named(bag, monkeypatch):
    compared = []
    monkeypatch.setattr(text.difflib, "get_close_matches", lambda word, *args, **options: compared.append(word) or [])
    names = ["zeta", "yeti", "xeno", "weka", "vole", "unit", "toad", "zeta"]
    query = bag.query(" ".join(["cat", *names]))
    assert tuple(query.unknown) == tuple(names[:-1])
    assert compared == names[:5]
    assert query.message.count("“") == 5
    assert query.message.endswith("And 2 more unknown words.")


def test_a_query_of_a_megabyte_is_read_at_its_beginning_only(bag):
    n_words = text.MAX_QUERY_WORDS
    query = bag.query("cat " * (n_words - 1) + "dog " + "bird " * 200_000)
    assert query.counts.toarray().tolist() == [[0, n_words - 1, 1, 0, 0]]
    assert query.known == ("cat", "dog")
    assert query.shortened
    assert query.message == f"Only the first {n_words:,} words were read."
    assert not bag.query("cat " * n_words).shortened


def test_no_more_than_the_beginning_of_a_long_query_is_looked_at(bag, monkeypatch):
    n_found = 0

    def counted(string: str):
        nonlocal n_found
        for word in original(string):
            n_found += 1
            yield word

    original = text.iterate_words
    monkeypatch.setattr(text, "iterate_words", counted)
    monkeypatch.setattr(text, "MAX_QUERY_WORDS", 3)
    assert bag.query("zebra yak cat dog " * 10_000).known == ("cat",)
    assert n_found == 4


def test_a_word_of_a_megabyte_is_compared_by_its_beginning(bag, monkeypatch):
    lengths = []
    monkeypatch.setattr(text.difflib, "get_close_matches", lambda word, *a, **o: lengths.append(len(word)) or [])
    bag.query("x" * 1_000_000)
    assert lengths == [40]


def test_a_word_of_a_megabyte_is_not_repeated_in_the_message(bag):
    assert len(bag.query("x" * 1_000_000).message) < 1_000


def test_known_words_are_those_that_are_counted_in_turkish_too():
    query = BagOfWords().fit(["istanbul stanbul"]).query("İstanbul")
    assert bool(query.known) == bool(query.counts.nnz)


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(st.lists(st.sampled_from([*WORDS, "the", "zebra", "birds", "x", "7"]), max_size=12), st.sampled_from(" ,\n_3-"))
def test_a_query_counts_what_transform_counts_and_knows_what_it_counts(words, between):
    bag = BagOfWords().fit(TEXTS)
    typed = between.join(words)
    query = bag.query(typed)
    assert (query.counts != bag.transform([typed])).nnz == 0
    assert set(query.known) == {bag.words[place] for place in query.counts.indices}
    assert set(query.unknown) == set(words) & {"zebra", "birds"}


@pytest.mark.parametrize("query", [None, 3, b"cat", ["cat"]])
def test_a_query_that_is_no_string_is_refused(bag, query):
    with pytest.raises(TextError, match=f"string, not {type(query).__name__}"):
        bag.query(query)


def test_a_message_is_made_of_what_is_there():
    empty = sp.csr_array((1, 3), dtype=np.float32)
    assert Query(empty, ("cat",), {}).message == ""
    assert Query(empty, ("cat",), {"dgo": ("dog", "dodo")}, True).message == (
        "Not in the vocabulary: “dgo”; near it: dog, dodo. Only the first 2,000 words were read."
    )


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ([], "the corpus is empty"),
        (["", "12 ?", "a"], "The 3 texts"),
        (["the of", "and"], "The 2 texts"),
        ("one string", "one string"),
        (["a text", 3], "Document 1 is int, not a string"),
        ([None], "Document 0 is NoneType, not a string"),
    ],
)
def test_texts_without_a_vocabulary_are_refused(texts, complaint):
    with pytest.raises(TextError, match=complaint):
        BagOfWords().fit(texts)


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [([], "the corpus is empty"), ("cat", "texts is one string"), (["cat", b"dog"], "Document 1 is bytes")],
)
def test_what_is_no_list_of_texts_is_not_counted(bag, texts, complaint):
    with pytest.raises(TextError, match=complaint):
        bag.transform(texts)


@pytest.mark.parametrize(
    "use",
    [
        lambda bag: bag.transform(["cat"]),
        lambda bag: bag.query("cat"),
        lambda bag: bag.weigh(sp.csr_array(np.eye(2)), "counts"),
        lambda bag: bag.idf,
    ],
    ids=["transform", "query", "weigh", "idf"],
)
def test_a_bag_without_a_vocabulary_asks_for_fit(use):
    with pytest.raises(TextError, match=r"call fit\(texts\) first"):
        use(BagOfWords())


def test_a_fit_that_fails_leaves_the_vocabulary_that_was_there(bag):
    with pytest.raises(TextError):
        bag.fit(["42"])
    assert bag.query("cat").known == ("cat",)


def test_an_unknown_weighting_is_answered_with_those_there_are(bag):
    with pytest.raises(TextError, match="'tfidf'; it must be one of 0/1, counts, log counts, tf-idf"):
        bag.weigh(bag.transform(TEXTS), "tfidf")


@pytest.mark.parametrize("n_words", [0, -1, 2.5])
def test_a_vocabulary_of_no_words_is_refused(n_words):
    with pytest.raises(TextError, match=f"n_words is {n_words}"):
        BagOfWords(n_words)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("One. Two three.", "One."),
        ("  Is it? Yes.", "Is it?"),
        ("Version 1.2 of it\nis new! More.", "Version 1.2 of it is new!"),
        ("a b c d e f", "a b c d"),  # without punctuation: its beginning
        ("", ""),
    ],
)
def test_the_first_sentence_is_cut_at_its_end_or_after_so_many_words(document, expected):
    assert text.first_sentence(document, 4 if document.startswith("a b") else 12) == expected
