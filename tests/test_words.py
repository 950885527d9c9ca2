"""What a word is, in the scripts of the world."""

import re
import time
import unicodedata

import pytest

from course_utils.data.words import has_word, iterate_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat's 2 hats, x_y", ["the", "cat", "hats"]),
        ("Größe ÉLÈVE naïve", ["größe", "élève", "naïve"]),
        ("आधुनिक मानक हिन्दी में", ["आधुनिक", "मानक", "हिन्दी", "में"]),
        ("ভৌতিক গল্প", ["ভৌতিক", "গল্প"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("മലയാളം", ["മലയാളം"]),
        ("שָׁלוֹם עוֹלָם", ["שָׁלוֹם", "עוֹלָם"]),
        ("مُدَرِّسٌ كتاب", ["مُدَرِّسٌ", "كتاب"]),
        ("می\u200cخواهم", ["میخواهم"]),  # a joiner is no letter
        ("ΚΌΣΜΟΣ Привет", ["κόσμος", "привет"]),
        ("Ti\u1ebfng Vi\u1ec7t", ["ti\u1ebfng", "vi\u1ec7t"]),
        ("soft\u00adware", ["software"]),
        ("机器学习", ["机器", "器学", "学习"]),
        ("我爱iPhone手机。猫", ["我爱", "iphone", "手机", "猫"]),
        ("ひらがなカナ", ["ひら", "らが", "がな", "なカ", "カナ"]),
        ("กาแฟ", ["กา", "าแ", "แฟ"]),
        ("한국어 단어", ["한국어", "단어"]),  # with blanks between words
        ("12 3 a _ ?", []),
        ("", []),
    ],
)
def test_words_of_many_scripts(text, words):
    expected = [unicodedata.normalize("NFC", word) for word in words]
    assert words_of(text) == words_of(unicodedata.normalize("NFD", text)) == list(iterate_words(text)) == expected
    assert has_word(text) == bool(words)


def test_words_in_the_latin_and_other_alphabets_are_those_of_the_rule_of_two_letters():
    text = "From fairest creatures we desire increase, Ünïcode & naïve x1 42 foo_bar — Пусть ещё"
    assert words_of(text) == re.findall(r"[^\W\d_]{2,}", text.lower())


def test_words_joined_by_blanks_are_the_same_words():
    """A query is counted in this way."""
    for text in ("机器学习 hats Größe หนังสือ में", "猫 and dog"):
        assert words_of(" ".join(words_of(text))) == words_of(text)


def test_of_a_long_text_the_first_words_come_at_once():
    text = "ärger " * 400_000
    start = time.perf_counter()
    assert next(iterate_words(text)) == "ärger"
    assert time.perf_counter() - start < 1.0
