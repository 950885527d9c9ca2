"""What a word is, in any script: the one rule by which texts are counted, searched, and found to be empty."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

LAST_MARK = 0x1FFFF  # combining marks lie below it, but for variation selectors, which no word needs
# Han, kana, Thai, Lao, Burmese and Khmer are written without blanks between words.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))  # they join, or may break a line
ASCII_WORD = re.compile(r"[a-z]{2,}")


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case and composed form (NFC), in order.

    A word is two characters or more: letters of any script with their combining marks. Digits, underscores and
    punctuation separate words. Chinese, Japanese, Thai, Lao, Burmese and Khmer are written without blanks: there, every
    two neighbouring characters stand for a word, which needs no dictionary.

    Parameters
    ----------
    text
        Of any length.

    References
    ----------
    Nie & Ren, Information Processing & Management 35:443 (1999): in Chinese retrieval, bigrams of characters do about
    as well as words from a dictionary.

    Examples
    --------
    >>> words_of("Caf\u00e9 2 go: \u673a\u5668\u5b66\u4e60")
    ['caf\u00e9', 'go', '\u673a\u5668', '\u5668\u5b66', '\u5b66\u4e60']
    """
    if text.isascii():  # the same words, ten times as fast
        return ASCII_WORD.findall(text.lower())
    return list(iterate_words(text))


def iterate_words(text: str) -> Iterator[str]:
    """Yield what `words_of` returns, one after the other: of a long text one may need the beginning only."""
    composed = unicodedata.normalize("NFC", text.translate(INVISIBLE))
    for match in _pattern().finditer(unicodedata.normalize("NFC", composed.lower())):
        if not match["unspaced"]:
            yield match[0]
            continue
        characters = _cluster().findall(match[0])
        yield from map("".join, pairwise(characters)) if characters[1:] else characters


def has_word(text: str) -> bool:
    """Tell whether there is any word in a text."""
    return next(iterate_words(text), None) is not None


@cache
def _marks() -> str:
    """All combining marks, as what stands within [] in a regular expression."""
    marks = [code for code in range(LAST_MARK) if unicodedata.category(chr(code)).startswith("M")]
    ranges: list[list[int]] = []
    for code in marks:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


@cache
def _pattern() -> re.Pattern[str]:
    letter, marks = r"[^\W\d_]", _marks()
    unspaced = rf"(?={letter})[{UNSPACED}][{marks}]*"
    spaced = rf"(?![{UNSPACED}]){letter}"
    return re.compile(rf"(?P<unspaced>(?:{unspaced})+)|{spaced}(?:{spaced}|[{marks}])+")


@cache
def _cluster() -> re.Pattern[str]:
    """A character with its marks."""
    return re.compile(rf"[^{_marks()}][{_marks()}]*")
