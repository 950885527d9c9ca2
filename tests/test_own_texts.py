"""The user's own texts: text_files."""

import csv
import math
import re
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from text_parts import texts_of, titles_of

from course_utils.data import DataCaution, DataError, TextData, text_files
from course_utils.data.tables import Table

pytestmark = pytest.mark.filterwarnings("ignore::course_utils.data.DataCaution")  # most of these corpora are small


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


LEFT_OUT = (
    f" Left out, hidden: 1 ({Path('.git') / 'note.txt'}). Left out, no text: 1 ({Path('cats') / 'picture.png'})."
    f" Left out, in no topic's folder: 1 (readme.txt)."
)


def test_a_folder_of_topics_is_its_text_files(folder):
    held = text_files(folder)
    expected = {f"Größe {i} of {topic}": topic for topic, n in (("cats", 10), ("dogs", 5)) for i in range(n)}
    assert by_text(held) == expected
    assert set(titles_of(held)) == {f"c{i}" for i in range(10)} | {f"d{i}" for i in range(5)}
    assert held.name == "my texts"
    assert held.topic_names == ("cats", "dogs")
    assert held.source == "Texts from my texts." + LEFT_OUT
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
    assert held.source == f"Texts from my texts.{LEFT_OUT} Left out, without a word: 2 ({left_out})."
    for i in range(5):
        (folder / "cats" / f"{i}.txt").write_text("?", encoding="utf-8")
    source = text_files(folder).source
    assert "without a word: 7 (" in source
    assert source.endswith(", …).")
    assert source.partition("without a word")[2].count(".txt") == 5


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


# ----------------------------------------------------------------------------------------------------------- folders


def texts_below(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def test_the_layout_of_a_well_known_collection_is_read_with_its_split(tmp_path):
    """As aclImdb has it: lists beside the parts, and texts without a label in one of them."""
    files = {f"{part}/{topic}/{i}_7.txt": f"{topic} words {part} {i * 'x'}"
             for part in ("train", "test") for topic in ("neg", "pos") for i in range(5)}  # fmt: skip
    extra = {"README": "read me", "imdb.vocab": "the", "train/urls_pos.txt": "http://x",
             "train/labeledBow.feat": "9 0:9", "train/unsup/0_0.txt": "words without a label"}  # fmt: skip
    held = text_files(texts_below(tmp_path / "aclImdb", files | extra))
    assert held.topic_names == ("neg", "pos")
    assert sorted(held.train_texts) == sorted(text for name, text in files.items() if name.startswith("train"))
    assert sorted(held.test_texts) == sorted(text for name, text in files.items() if name.startswith("test"))
    for name in extra:
        assert str(Path(name)) in held.source


def test_files_without_a_suffix_and_a_split_in_long_names_are_read(tmp_path):
    """As 20 newsgroups are packed."""
    files = {f"20news-bydate-{part}/{topic}/5000{i}": f"{topic} words {part} {i}"
             for part in ("train", "test") for topic in ("alt.atheism", "sci.space") for i in range(4)}  # fmt: skip
    held = text_files(texts_below(tmp_path, files))
    assert held.topic_names == ("alt.atheism", "sci.space")
    assert {text.split()[-2] for text in held.train_texts} == {"train"}
    assert len(held.test_texts) == 8


def test_documents_for_validation_are_trained_on_and_said(tmp_path):
    files = {f"{part}/{topic}/{i}.txt": f"{topic} {part} words {i * 'x'}"
             for part in ("train", "dev", "test") for topic in "ab" for i in range(3)}  # fmt: skip
    held = text_files(texts_below(tmp_path, files))
    assert (len(held.train_texts), len(held.test_texts)) == (12, 6)
    assert "Split as given: dev/, test/, train/. Documents for validation are among those to train on." in held.source


def test_a_byte_order_mark_and_an_encoding_are_heeded(tmp_path):
    files = {f"{topic}/{i}.txt": f"Größe {topic} {i * 'x'}" for topic in "ab" for i in range(3)}
    encoded = {name: text.encode("utf-16" if name.startswith("a") else "utf-8-sig") for name, text in files.items()}
    assert set(by_text(text_files(texts_below(tmp_path / "marked", encoded)))) == set(files.values())
    western = texts_below(tmp_path / "western", {name: text.encode("cp1252") for name, text in files.items()})
    with pytest.raises(DataError, match=r"not UTF-8 \(byte 2\), in line 1\. .* encoding='cp1252'"):
        text_files(western)
    assert set(by_text(text_files(western, encoding="cp1252"))) == set(files.values())
    with pytest.raises(DataError, match="encoding is 'utf-9', which Python does not know"):
        text_files(western, encoding="utf-9")


def test_a_file_of_bytes_that_is_called_a_text_is_refused_by_name(tmp_path):
    files = {f"{topic}/{i}.txt": "some words" for topic in "ab" for i in range(3)}
    with pytest.raises(DataError, match=rf"{re.escape(str(Path('a') / 'x.txt'))} contains zero bytes"):
        text_files(texts_below(tmp_path, files | {"a/x.txt": b"PK\0\0"}))


# ------------------------------------------------------------------------------------------------------------ tables

PETS = [("cats", "one cat, black"), ("dogs", 'a "good" dog'), ("cats", "two cats\nin two lines"),
        ("dogs", "a dog; or two"), ("cats", "three"), ("dogs", "four")]  # fmt: skip


def table(tmp_path: Path, head: list[str], rows: list[list[str]], *, name: str = "pets.csv", **dialect: object) -> Path:
    file = tmp_path / name
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, **dialect).writerows([head, *rows] if head else rows)
    return file


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("category", "text"),
        ("label", "message"),
        ("v1", "v2"),
        ("Sentiment", "Review"),
        ("类别", "内容"),
        ("Y", "Body"),
    ],
)
def test_columns_are_found_by_their_usual_names_in_any_order(tmp_path, label, text, end, quoting):
    options = {"lineterminator": end, "quoting": quoting}
    for head, rows in (
        ([label, text], [[a, b] for a, b in PETS]),
        ([text, label], [[b, a] for a, b in PETS]),
        (["", "id", text, "stars", label], [["0", "7", b, "*", a] for a, b in PETS]),  # as pandas writes an index
    ):
        held = text_files(table(tmp_path, head, rows, **options))
        assert by_text(held) == {b: a for a, b in PETS}
        assert ("Columns that are not used: , id, stars." in held.source) == (len(head) == 5)


def test_columns_can_be_named_by_their_heading_or_their_place(tmp_path):
    file = table(tmp_path, ["author", "what was said", "mood"], [["me", b, a] for a, b in PETS])
    expected = {b: a for a, b in PETS}
    assert by_text(text_files(file, label="mood", text="What was said")) == expected
    assert by_text(text_files(file, label=2, text=1, heading=True)) == expected
    for wrong, complaint in (
        ({}, r"row 1 has 3 columns.*say which: text_files\(.*'author', 'what was said', 'mood'"),
        ({"label": "moods", "text": 1}, "no single column 'moods'; there are author, what was said, mood"),
        ({"label": 3, "text": 1}, "has 3 columns, from 0 on; there is no column 3"),
        ({"label": 1, "text": 1}, "are the same column"),
        ({"label": 2, "heading": True}, "name the other, too"),
    ):
        with pytest.raises(DataError, match=complaint):
            text_files(file, **wrong)


def test_of_two_columns_one_names_the_other(tmp_path):
    file = table(tmp_path, ["mood", "said"], [[a, b] for a, b in PETS])
    for named in ({"label": "mood"}, {"text": "said"}):
        assert by_text(text_files(file, **named)) == {b: a for a, b in PETS}


def test_a_first_row_that_may_be_a_heading_is_asked_about(tmp_path):
    file = table(tmp_path, ["mood", "said"], [[a, b] for a, b in PETS])
    with pytest.raises(DataError, match=r"is its first row a heading\? 'mood' .* label=0, text=1"):
        text_files(file)
    assert by_text(text_files(file, heading=True, label=0, text=1)) == {b: a for a, b in PETS}
    assert by_text(text_files(file, heading=False)) == {b: a for a, b in PETS} | {"said": "mood"}


def test_texts_before_labels_without_a_heading_are_asked_about(tmp_path):
    file = table(tmp_path, [], [[b, a] for a, b in PETS])
    with pytest.raises(DataError, match=r"repeats more often than its first.* label=1, text=0"):
        text_files(file)
    assert by_text(text_files(file, label=1, text=0)) == {b: a for a, b in PETS}


@pytest.mark.parametrize(("delimiter", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_another_delimiter_is_named_and_can_be_given(tmp_path, delimiter, name):
    file = table(tmp_path, ["label", "text"], [[a, b] for a, b in PETS], delimiter=delimiter)
    with pytest.raises(DataError, match=rf"separated by {name} \(`.`\), not by commas; call .*delimiter="):
        text_files(file)
    assert by_text(text_files(file, delimiter=delimiter)) == {b: a for a, b in PETS}


def test_excels_own_hint_is_heeded(tmp_path):
    file = table(tmp_path, ["label", "text"], [[a, b] for a, b in PETS], delimiter=";")
    file.write_text("sep=;\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert by_text(text_files(file)) == {b: a for a, b in PETS}


def test_line_ends_within_quotes_are_read_in_a_file_with_tabs_too(tmp_path):
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        file = table(
            tmp_path, ["label", "text"], [[a, b] for a, b in PETS], name="pets.tsv", delimiter="\t", quoting=quoting
        )
        assert by_text(text_files(file)) == {b: a for a, b in PETS}


@pytest.mark.parametrize("row", ['dogs,"Hello" he said', 'dogs,"Hello he said'])
def test_a_quote_that_is_wrong_is_named_with_its_row_and_line(tmp_path, row):
    lines = ["label,text", *["cats,one cat"] * 30, 'cats,"two\nlines"', row, *["dogs,two dogs"] * 9]
    with pytest.raises(DataError, match=r"in row 33, which begins in line 34\. Quote fields"):
        text_files(written(tmp_path, "pets.csv", "\n".join(lines) + "\n"))


# ------------------------------------------------------------------------------------- results that would mislead


def test_what_makes_results_mean_less_is_said(tmp_path):
    rows = [f"a\tsome words number {'x' * i}" for i in range(95)] + [f"b\tother words {'y' * i}" for i in range(5)]
    with pytest.warns(DataCaution, match="95 % of the test documents are of one topic, a: always naming it"):
        held = text_files(written(tmp_path, "pets.tsv", "\n".join(rows)))
    assert "Caution: 95 % of the test documents" in repr(held)
    copies = [f"{topic}\tthe same words" for topic in "ab" for _ in range(10)]
    with pytest.warns(DataCaution, match="4 of 4 test documents are in the training set, word for word"):
        text_files(written(tmp_path, "copies.tsv", "\n".join(copies)))
    with pytest.warns(DataCaution, match="a 3, b 3: so few documents of a topic"):
        text_files(written(tmp_path, "few.tsv", "\n".join(f"{topic}\tword {i}" for topic in "ab" for i in "xyz")))


# ---------------------------------------------------------------------------------------------------- made-up tables

FIELDS = st.text(st.sampled_from("ab ,;\"'\t\n|é猫"), min_size=1, max_size=12).map(lambda text: f"word{text}end")
DIALECTS = st.fixed_dictionaries({
    "delimiter": st.sampled_from(",;\t|"), "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    "lineterminator": st.sampled_from(["\n", "\r\n"]),
})  # fmt: skip
HEADS = st.sampled_from([["label", "text"], ["text", "label"], ["id", "review", "category"], ["a", "b"], []])


@pytest.mark.parametrize("n_examples", [300, pytest.param(5_000, marks=pytest.mark.slow)])
def test_any_table_is_read_as_it_was_written_or_refused(tmp_path, n_examples):
    @settings(max_examples=n_examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.sampled_from(["cats", "dogs"]), FIELDS), min_size=4, max_size=8), DIALECTS, HEADS,
           st.sampled_from(["pets.csv", "pets.tsv"]), st.booleans())  # fmt: skip
    def tried(rows, dialect, head, name, is_said):
        if head == ["id", "review", "category"]:
            fields = [[str(i), text, label] for i, (label, text) in enumerate(rows)]
        else:
            fields = [[text, label] if head[:1] == ["text"] else [label, text] for label, text in rows]
        file = table(tmp_path, head, fields, name=name, **dialect)
        try:
            found, _ = Table(delimiter=dialect["delimiter"] if is_said else None).read(file)
        except DataError:
            return
        expected = [(label, re.sub(r"\r\n?", "\n", text)) for label, text in rows]
        if found[0][:2] == ("a", "b"):  # not told from a document, where a topic has a single one
            del found[0]
        assert [(row.label, row.text) for row in found] == expected

    tried()
