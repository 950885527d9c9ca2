"""The user's own texts: text_files."""

import csv
import math
import re
from pathlib import Path

import pytest
import torch
from text_parts import texts_of, titles_of

from course_utils.data import (
    DataError,
    TextData,
    text_files,
)


def by_text(corpus: TextData) -> dict[str, str]:
    """Each text's topic."""
    labels = torch.cat([corpus.train_labels, corpus.test_labels]).tolist()
    return {text: corpus.topic_names[label] for text, label in zip(texts_of(corpus), labels, strict=True)}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Ten documents on cats, one of them a folder deeper, and five on dogs."""
    root = tmp_path / "my texts"
    for topic, n in (("cats", 10), ("dogs", 5)):
        (root / topic / "deeper").mkdir(parents=True)
        for i in range(n):
            place = root / topic / ("deeper" if i == 0 else "")
            (place / f"{topic[0]}{i}.txt").write_text(f"Größe {i} of {topic}", encoding="utf-8")
    (root / ".git").mkdir()
    (root / ".git" / "note.txt").write_text("hidden", encoding="utf-8")
    (root / "cats" / "picture.png").write_bytes(b"\xff")
    (root / "readme.txt").write_text("beside the topics", encoding="utf-8")
    return root


def test_a_folder_of_topics_is_its_text_files(folder):
    held = text_files(folder)
    expected = {f"Größe {i} of {topic}": topic for topic, n in (("cats", 10), ("dogs", 5)) for i in range(n)}
    assert by_text(held) == expected
    assert set(titles_of(held)) == {f"c{i}" for i in range(10)} | {f"d{i}" for i in range(5)}
    assert held.name == "my texts"
    assert held.topic_names == ("cats", "dogs")
    assert held.source == "Texts from my texts."
    assert by_text(text_files(str(folder))) == expected


@pytest.mark.parametrize(("share", "n_test"), [(0.2, [2, 1]), (0.5, [5, 2]), (0.01, [1, 1]), (0.99, [9, 4])])
def test_the_share_for_testing_is_drawn_from_each_topic_and_never_takes_all_of_it(folder, share, n_test):
    held = text_files(folder, test_share=share)
    assert held.test_labels.bincount().tolist() == n_test
    assert held.train_labels.bincount().tolist() == [10 - n_test[0], 5 - n_test[1]]


def test_the_draw_is_the_same_for_a_seed_and_another_for_another(folder):
    draws = [text_files(folder, seed=seed).test_titles for seed in range(8)]
    assert draws == [text_files(folder, seed=seed).test_titles for seed in range(8)]
    assert len(set(draws)) > 4


def test_a_topic_of_one_document_is_for_training(folder):
    (folder / "birds").mkdir()
    (folder / "birds" / "b.txt").write_text("a lonely bird", encoding="utf-8")
    for seed in range(5):
        assert "a lonely bird" in text_files(folder, seed=seed).train_texts


def test_documents_without_a_word_are_left_out_counted_and_named(folder):
    (folder / "cats" / "empty.txt").write_text("", encoding="utf-8")
    (folder / "dogs" / "numbers.txt").write_text("12 _ 3 a", encoding="utf-8")
    held = text_files(folder)
    assert len(texts_of(held)) == 15
    left_out = f"{Path('cats') / 'empty.txt'}, {Path('dogs') / 'numbers.txt'}"
    assert held.source == f"Texts from my texts. Left out, without a word: 2 ({left_out})."
    for i in range(5):
        (folder / "cats" / f"{i}.txt").write_text("?", encoding="utf-8")
    source = text_files(folder).source
    assert "without a word: 7 (" in source
    assert source.endswith(", …).")
    assert source.count(".txt") == 5


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


ROWS = {'say "hi", cat': "cats", "two\tcats": "cats", "a 'dog": "dogs", '"dogs': "dogs"}


@pytest.mark.parametrize("heading", ["", "label\ttext\n", " Label \tTEXT\r\n", "\ufefflabel\ttext\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_in_a_tsv_file_a_quote_is_text_and_the_first_tab_separates(tmp_path, heading, end):
    lines = [f"{topic}\t{text}" for text, topic in ROWS.items()]
    held = text_files(written(tmp_path, "pets.tsv", heading + end.join([*lines, "", " \t "])))
    assert by_text(held) == ROWS
    assert held.name == "pets"
    assert held.source == "Texts from pets.tsv."


@pytest.mark.parametrize("heading", ["", "label,text\n", '"label","text"\n', "\ufefflabel,text\n"])
def test_in_a_csv_file_a_field_in_quotes_may_hold_commas_quotes_and_lines(tmp_path, heading):
    lines = 'cats,"say ""hi"", cat"\ncats,two cats\n\ndogs,"a dog\nin two lines"\n dogs , three dogs \n'
    held = text_files(written(tmp_path, "pets.CSV", heading + lines))
    assert by_text(held) == {
        'say "hi", cat': "cats", "two cats": "cats", "a dog\nin two lines": "dogs", "three dogs": "dogs",
    }  # fmt: skip


def test_a_heading_is_one_in_the_first_row_only(tmp_path):
    held = text_files(written(tmp_path, "pets.tsv", "cats\tone\nlabel\ttext\ncats\ttwo\nlabel\tmore text\n"))
    assert by_text(held) == {"one": "cats", "two": "cats", "text": "label", "more text": "label"}


def test_the_title_of_a_row_is_its_first_words(tmp_path):
    long = "word " * 30
    held = text_files(written(tmp_path, "pets.tsv", f"a\t{long}\na\tshort  one\nb\tnext\nb\tlast\n"))
    titles = dict(zip(texts_of(held), titles_of(held), strict=True))
    assert titles["short  one"] == "short one"
    assert titles[long.strip()] == ("word " * 12).strip() + " …"


def test_rows_without_a_word_are_left_out_and_named_by_their_number(tmp_path):
    held = text_files(written(tmp_path, "pets.tsv", "a\tone\na\t\na\ttwo\nb\tthree\nb\t4\nb\tfive\n"))
    assert len(texts_of(held)) == 4
    assert held.source == "Texts from pets.tsv. Left out, without a word: 2 (row 2, row 5)."


def test_a_long_cell_is_read_and_pythons_own_limit_is_left_as_it_was(tmp_path):
    limit, long = csv.field_size_limit(), "word " * 40_000
    held = text_files(written(tmp_path, "pets.csv", f'a,"{long}"\na,one\nb,two\nb,three\n'))
    assert max(map(len, texts_of(held))) == len(long) - 1
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("name", ["pets.tsv", "pets.csv"])
@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_a_line_break_ends_a_row(tmp_path, name, character):
    tab = "\t" if name.endswith("tsv") else ","
    content = f"a{tab}one{character}two\na{tab}three\nb{tab}four\nb{tab}five\n"
    assert f"one{character}two" in by_text(text_files(written(tmp_path, name, content)))


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("pets.tsv", "cats\tone cat\n\tno label\n", r"pets.tsv, row 2 has no label before its text"),
        ("pets.csv", "cats,one cat\n  ,no label\n", r"pets.csv, row 2 has no label before its text"),
        ("pets.tsv", "cats\tone cat\n\ndogs a dog\n", r"pets.tsv, row 3 has 1 columns"),
        ("pets.csv", "cats,one, cat\n", r"pets.csv, row 1 has 3 columns"),
        ("pets.csv", "label,text\ncats\n", r"pets.csv, row 2 has 1 columns"),
        ("pets.csv", 'cats,"one cat\ndogs,a dog\n', r"pets.csv .*CSV.*unexpected end"),
        ("pets.csv", 'cats,"one" cat\ndogs,a dog\n', r"pets.csv .*CSV"),
        ("pets.tsv", b"cats\tone cat\ndogs\tDackelgr\xf6\xdfe\n", r"pets.tsv is not UTF-8 \(byte 26\).*Save it as"),
        ("pets.tsv", "cats\tone\ncats\ttwo\n", r"pets .*2 topics, but has 1 \(cats\)"),
        ("pets.tsv", "", "pets.tsv .*no document with a word"),
        ("pets.tsv", "label\ttext\n", "no document with a word"),
        ("pets.tsv", "cats\t1\ndogs\t2\n", "no document with a word"),
        ("pets.tsv", "cats\tone\ndogs\ttwo\n", r"no test documents"),
        ("pets.txt", "cats\tone\ndogs\ttwo\n", r"pets.txt is neither a folder of topics nor a .tsv or .csv file"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_by_name_with_the_reason(tmp_path, name, content, complaint):
    with pytest.raises(DataError, match=complaint):
        text_files(written(tmp_path, name, content))


def test_a_path_that_leads_nowhere_is_named(tmp_path):
    for name in ("nowhere", "nowhere.tsv"):
        with pytest.raises(DataError, match=rf"{name} is neither a folder of topics nor"):
            text_files(tmp_path / name)


def test_a_folder_without_topics_or_with_one_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no document with a word .*topic/document\.txt"):
        text_files(tmp_path)
    (tmp_path / "cats").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "cats" / name).write_text("a cat", encoding="utf-8")
    with pytest.raises(DataError, match=r"2 topics, but has 1 \(cats\)"):
        text_files(tmp_path)


def test_a_file_that_is_not_utf8_is_named_with_its_folder(folder):
    (folder / "dogs" / "latin.txt").write_bytes("Größe".encode("latin-1"))
    with pytest.raises(DataError, match=re.escape(f"{Path('dogs') / 'latin.txt'} is not UTF-8 (byte 2)")):
        text_files(folder)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, math.nan])
def test_a_share_for_testing_that_leaves_a_part_empty_is_refused(folder, share):
    with pytest.raises(DataError, match=f"test_share is {share}; it must be between 0 and 1"):
        text_files(folder, test_share=share)
