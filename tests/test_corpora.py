import json
import math
import os
import pickle
import platform
import re
import subprocess
import sys
from collections import Counter
from dataclasses import FrozenInstanceError, replace
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.datasets
import torch
from sklearn.utils import Bunch

from course_utils.data import (
    DataError,
    OtherDataWarning,
    TextData,
    VectorData,
    common,
    differing_data,
    known_data,
    load_corpus,
    loaded_data,
    text_files,
)
from course_utils.data import corpora as data
from course_utils.data.docstrings import docstrings
from course_utils.provenance import code_fingerprint

# ------------------------------------------------------------------------------------------------ TextData, VectorData


def text_data(**changes: object) -> TextData:
    """Three train and two test documents on two topics."""
    parts = {
        "name": "tiny",
        "train_texts": ("one cat", "two cats", "a dog"),
        "train_titles": ("1", "2", "3"),
        "train_labels": torch.tensor([0, 0, 1]),
        "test_texts": ("cats", "dogs"),
        "test_titles": ("4", "5"),
        "test_labels": torch.tensor([0, 1]),
        "topic_names": ("cats", "dogs"),
        "source": "Made here.",
    }
    return TextData(**parts | changes)


def vector_data(**changes: object) -> VectorData:
    """The same documents as vectors."""
    parts = {
        "name": "tiny",
        "train_vectors": sp.csr_array(np.eye(3, 4, dtype=np.float32)),
        "train_labels": torch.tensor([0, 0, 1]),
        "test_vectors": sp.csr_array(np.eye(2, 4, dtype=np.float32)),
        "test_labels": torch.tensor([0, 1]),
        "topic_names": ("cats", "dogs"),
        "source": "Made here.",
    }
    return VectorData(**parts | changes)


both_kinds = pytest.mark.parametrize("make", [text_data, vector_data])


@both_kinds
def test_a_corpus_says_what_it_holds_and_cannot_be_changed(make):
    held = make()
    assert repr(held) == "tiny: 3 train and 2 test documents, 2 topics. Made here."
    with pytest.raises(FrozenInstanceError):
        held.name = "other"
    assert replace(held, name="other").name == "other"


@both_kinds
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"train_labels": torch.tensor([0, 1])}, r"3 train documents need 3 train_labels of torch.int64, not \(2,\)"),
        ({"train_labels": torch.tensor([0.0, 0.0, 1.0])}, r"train_labels .* not \(3,\) of torch.float32"),
        ({"test_labels": torch.tensor([[0], [1]])}, r"2 test_labels .* not \(2, 1\)"),
        ({"test_labels": torch.tensor([0, 2])}, "test_labels must be indices into 2 topic names"),
        ({"train_labels": torch.tensor([0, -1, 1])}, "train_labels must be indices into 2 topic names"),
        (
            {"topic_names": ("cats",), "train_labels": torch.zeros(3).long(), "test_labels": torch.zeros(2).long()},
            r"has one topic only \(cats\).*at least two",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(make, changes, complaint):
    with pytest.raises(DataError, match=f"tiny.*{complaint}"):
        make(**changes)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_corpus_with_an_empty_part_is_refused(part):
    nothing = torch.zeros(0).long()
    with pytest.raises(DataError, match=f"no {part} documents"):
        text_data(**{f"{part}_texts": (), f"{part}_titles": (), f"{part}_labels": nothing})
    with pytest.raises(DataError, match=f"no {part} documents"):
        vector_data(**{f"{part}_vectors": sp.csr_array((0, 4), dtype=np.float32), f"{part}_labels": nothing})


def test_texts_need_a_title_each():
    with pytest.raises(DataError, match="2 test_texts, but 1 test_titles"):
        text_data(test_titles=("4",))


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(DataError, match=r"'python-dogs'.*python-docs, 20newsgroups, rcv1; or text_files\(path\)"):
        load_corpus("python-dogs")


# -------------------------------------------------------------------------------------------------------- python-docs

LOAD_ONCE = """
import pickle, sys, warnings
warnings.simplefilter("error")
from course_utils.data import OtherDataWarning, load_corpus
warnings.simplefilter("ignore", OtherDataWarning)
held = load_corpus("python-docs")
with open(sys.argv[1], "wb") as file:
    pickle.dump({"corpus": vars(held), "modules": sorted(sys.modules)}, file)
"""


@pytest.fixture(scope="module")
def first_load(tmp_path_factory) -> SimpleNamespace:
    """What a fresh process without a cache loads, what it prints, and the cache that it leaves."""
    folder = tmp_path_factory.mktemp("python-docs")
    environment = os.environ | {"COURSE_CACHE": str(folder / "cache"), "PYTHONHASHSEED": "1"}
    environment.pop("COURSE_QUIET", None)
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ONCE, str(folder / "loaded")],
        env=environment, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = pickle.loads((folder / "loaded").read_bytes())
    return SimpleNamespace(cache=folder / "cache", printed=done.stdout + done.stderr, **loaded)


@pytest.fixture(scope="module")
def docs(first_load) -> TextData:
    """A second load, in this process, which may not read the documentation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(first_load.cache))
        patch.setattr(data.subprocess, "run", lambda *args, **options: pytest.fail("the cache was not used"))
        return load_corpus("python-docs")


def texts_of(corpus: TextData) -> tuple[str, ...]:
    return corpus.train_texts + corpus.test_texts


def titles_of(corpus: TextData) -> tuple[str, ...]:
    return corpus.train_titles + corpus.test_titles


def assert_same(one: dict[str, object], other: dict[str, object]) -> None:
    assert one.keys() == other.keys()
    for field in one:
        same = torch.equal if isinstance(one[field], torch.Tensor) else lambda a, b: a == b
        assert same(one[field], other[field]), field


def test_the_first_load_prints_nothing_and_imports_nothing_that_it_only_reads(first_load):
    assert first_load.printed == ""
    assert "matplotlib" not in first_load.modules  # another interpreter reads its documentation


def test_the_second_load_is_the_first_from_the_cache(first_load, docs):
    assert len(list(first_load.cache.iterdir())) == 1
    assert_same(first_load.corpus, vars(docs))


def test_there_are_thousands_of_documents_on_many_topics(docs):
    assert len(texts_of(docs)) >= 3_000
    sizes = torch.cat([docs.train_labels, docs.test_labels]).bincount(minlength=len(docs.topic_names))
    assert (sizes >= 50).sum() >= 12
    assert sizes.min() >= 40


def test_about_a_fifth_of_every_topic_is_for_testing(docs):
    train, test = (labels.bincount(minlength=len(docs.topic_names)) for labels in (docs.train_labels, docs.test_labels))
    assert (test > 0).all()
    assert 0.15 < test.sum() / (train + test).sum() < 0.25


def test_a_topic_is_the_package_or_sub_package_of_the_title(docs):
    labels = torch.cat([docs.train_labels, docs.test_labels]).tolist()
    for title, label in zip(titles_of(docs), labels, strict=True):
        assert title.startswith(docs.topic_names[label] + ".")


def test_no_title_holds_a_private_name_or_stands_twice(docs):
    assert not [title for title in titles_of(docs) if any(part.startswith("_") for part in title.split("."))]
    assert len(set(titles_of(docs))) == len(titles_of(docs))


def test_no_document_shows_code_typed_at_a_prompt_or_is_too_short(docs):
    for text in texts_of(docs):
        assert not re.search(r"^\s*>>>", text, flags=re.MULTILINE)
        assert len(re.findall(r"[^\W\d_]{2,}", text)) >= 20


def largest_cosine(texts: tuple[str, ...]) -> float:
    """Of the tf-idf vectors of two different texts, without scikit-learn."""
    places: dict[str, int] = {}
    entries = [
        (i, places.setdefault(word, len(places)), count)
        for i, text in enumerate(texts)
        for word, count in Counter(re.findall(r"[^\W\d_]{2,}", text.lower())).items()
    ]
    rows, columns, counts = np.array(entries).T
    weights = counts * (np.log((1 + len(texts)) / (1 + np.bincount(columns))) + 1)[columns]
    length = np.sqrt(np.bincount(rows, weights**2))
    vectors = sp.csr_array((weights / length[rows], (rows, columns)))
    return sp.triu(vectors @ vectors.T, k=1).max()


@pytest.fixture(scope="module")
def nearest_pair(docs) -> float:
    return largest_cosine(texts_of(docs))


def test_cosines_are_told_apart():
    assert largest_cosine(("a cat sat", "a dog ran", "one two")) == 0
    assert largest_cosine(("one cat sat", "the dog ran", "one cat sat sat")) > 0.9


def test_no_document_stands_twice(docs, nearest_pair):
    assert len(set(texts_of(docs))) == len(texts_of(docs))
    assert 0.5 < nearest_pair < 0.92


def test_no_two_documents_are_near_duplicates(nearest_pair):
    assert nearest_pair <= 0.9


def test_the_source_names_the_versions(docs):
    assert f"numpy {np.__version__}," in docs.source
    assert f"scikit-learn {sklearn.__version__}," in docs.source


# ------------------------------------------------------------------------------------------- how python-docs are read


@pytest.mark.parametrize(
    ("docstring", "kept"),
    [
        ("Adds.\n\n>>> 1 + 1\n2\n\nAnd more.", "Adds.\n\nAnd more."),
        ("Adds.\n\n    >>> for x in y:\n    ...     x\n    1\n", "Adds."),
        ("An arrow a >>> b stays.", "An arrow a >>> b stays."),
        (">>> f()", ""),
    ],
)
def test_examples_and_what_they_print_are_left_out(docstring, kept):
    assert data._prose(docstring) == kept


def test_of_near_duplicates_the_first_stays(monkeypatch):
    monkeypatch.setattr(data, "MIN_DOCUMENTS", 1)
    long = " ".join(f"{a}{b}" for a in "abcdefgh" for b in "klmnopqrst")
    texts = [long, "something else altogether", long + " once", long + " twice and once more"]
    assert data._without_near_duplicates(texts, "tttt") == [0, 1]
    assert data._without_near_duplicates([], "") == []


def test_a_duplicate_of_what_was_dropped_stays(monkeypatch):
    """Near to a dropped one is not enough: somebody who stays must say the same."""
    monkeypatch.setattr(data, "MIN_DOCUMENTS", 1)
    monkeypatch.setattr(data, "NEAR_DUPLICATE", 0.6)
    first, middle, last = "a1 b1 c1 d1 e1 f1", "a1 b1 c1 d1 e1 f1 g1 h1 i1", "d1 e1 f1 g1 h1 i1"
    texts = [text.replace("1", "x") for text in (first, middle, last)]  # ax bx …: a word is two letters or more
    assert data._without_near_duplicates(texts, "ttt") == [0, 2]


def test_a_small_topic_goes_with_its_words(monkeypatch):
    monkeypatch.setattr(data, "MIN_DOCUMENTS", 2)
    texts = ["red green blue", "one two three", "north south east", "salt pepper"]
    assert data._without_near_duplicates(texts, ["a", "b", "b", "c"]) == [1, 2]


class Deprecating(ModuleType):
    """A module that warns where one of its names is asked for, as numpy does."""

    def __getattr__(self, name: str) -> object:
        import warnings

        if name == "old":
            warnings.warn("old is deprecated", DeprecationWarning, stacklevel=2)
            return self.first
        raise AttributeError(name)


def documented(name: str, text: str | None, *, module: str = "tiny_package") -> object:
    def function() -> None: ...

    function.__name__, function.__module__, function.__doc__ = name, module, text
    return function


def test_what_is_read_is_public_documented_its_own_and_said_once(monkeypatch):
    package = Deprecating("tiny_package")
    vars(package).update(
        first=documented("first", "Rolls a red ball down the hill."),
        alias=documented("alias", "Rolls a red ball down the hill."),
        second=documented("second", "Paints four walls with a wide brush.\n\n>>> second()\npainted"),
        short=documented("short", "Too short."),
        bare=documented("bare", None),
        foreign=documented("foreign", "Belongs to quite another package than this.", module="os.path"),
        _private=documented("_private", "Nobody should ever look this one up."),
        constant=3,
    )
    package.__all__ = [name for name in vars(package) if not name.startswith("__")] + ["old", "missing"]
    monkeypatch.setitem(sys.modules, "tiny_package", package)
    monkeypatch.setattr(data, "MIN_WORDS", 4)
    monkeypatch.setattr(data, "MIN_DOCUMENTS", 2)
    found = list(docstrings({"tiny_package": "tiny_package no_such_module"}))
    assert data._select(found) == [
        {"topic": "tiny_package", "title": "tiny_package.alias", "text": "Rolls a red ball down the hill."},
        {"topic": "tiny_package", "title": "tiny_package.second", "text": "Paints four walls with a wide brush."},
    ]
    monkeypatch.setattr(data, "MIN_DOCUMENTS", 3)
    assert data._select(found) == []


def test_what_is_documented_by_python_itself_or_named_by_the_platform_is_left_out(docs):
    """A class that inherits its documentation from tuple; float128, which other systems do not have."""
    assert not {"torch.Size", "torch.Event", "numpy.float128", "numpy.int64"} & set(titles_of(docs))
    assert not [text for text in texts_of(docs) if platform.machine() in text]


def test_neither_what_is_imported_nor_the_user_s_variables_change_what_is_read(docs, monkeypatch):
    """`python -OO` drops docstrings; the interpreter that reads them is started without it."""
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401 (more is public)

    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    monkeypatch.setenv("PYTHONHASHSEED", "3")
    assert data.checksum_of_words(data.read_installed()) == loaded_data()["python-docs"]


def test_an_interpreter_that_fails_is_an_error_with_the_command_to_try(monkeypatch):
    monkeypatch.setattr(data, "plain_environment", lambda: {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"})
    with pytest.raises(DataError, match=r"could not be read.*docstrings\.py"):
        data.read_installed()


# ------------------------------------------------------------------------------------------- are they the known ones?


def test_the_documents_of_the_tested_versions_are_the_known_ones(docs):
    known = known_data()["python-docs"]
    if all(metadata.version(name).partition("+")[0] == version for name, version in known["versions"].items()):
        assert loaded_data()["python-docs"] == known["sha256"]
    assert (docs.note == "") == (loaded_data()["python-docs"] == known["sha256"])


def test_other_documents_are_named_once_with_both_versions(reader, monkeypatch):
    monkeypatch.setattr(common.metadata, "version", lambda name: {"scipy": "9.9.9+cpu"}.get(name, "1.0"))
    known = {"versions": {"numpy": "1.0", "scipy": "1.17.1"}, "sha256": "other"}
    monkeypatch.setattr(common, "known_data", lambda: {"python-docs": known})
    with pytest.warns(OtherDataWarning, match=r"python-docs.*\(scipy 9\.9\.9 here, 1\.17\.1 there\)") as warned:
        corpus = load_corpus("python-docs")
    assert corpus.note == str(warned[0].message)
    assert warned[0].filename == __file__
    assert "python-docs" in differing_data()


def test_known_documents_are_loaded_without_a_word(reader, monkeypatch):
    known = {"versions": {"scipy": "0.1"}, "sha256": data.checksum_of_words(reader.documents)}
    monkeypatch.setattr(common, "known_data", lambda: {"python-docs": known})
    assert load_corpus("python-docs").note == ""
    assert "python-docs" not in differing_data()


def test_a_checksum_counts_words_and_not_their_layout():
    one, other = ([{"topic": "t", "title": "x", "text": text}] for text in ("a  b\n    c", "a b c"))
    assert data.checksum_of_words(one) == data.checksum_of_words(other)
    assert data.checksum_of_words(one) != data.checksum_of_words([{"topic": "t", "title": "x", "text": "a b d"}])


# ------------------------------------------------------------------------------------------ the cache of python-docs


@pytest.fixture
def reader(monkeypatch, tmp_path):
    """A quick stand-in for the reading of the documentation, an empty cache, and the number of calls."""
    documents = [{"topic": t, "title": f"{t}.f{i}", "text": f"Text {i} of {t}."} for t in ("a", "b") for i in range(20)]
    stand_in = SimpleNamespace(calls=0, cache=tmp_path / "cache", documents=documents)

    def read() -> list[dict[str, str]]:
        stand_in.calls += 1
        return documents

    monkeypatch.setattr(data, "read_installed", read)
    loaded: dict[str, str] = {}
    monkeypatch.setattr(common, "_loaded", lambda: loaded)
    monkeypatch.setenv("COURSE_CACHE", str(stand_in.cache))
    return stand_in


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="truncated"),
        pytest.param(lambda whole: whole.replace(b"Text 3", b"Tixt 3"), id="other text"),
    ],
)
def test_a_damaged_cache_file_is_made_anew(reader, damage):
    first = load_corpus("python-docs")
    (file,) = reader.cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert file.read_bytes() != whole
    for _ in range(2):
        assert_same(vars(load_corpus("python-docs")), vars(first))
    assert reader.calls == 2


def test_the_cache_is_not_used_for_other_versions(reader, monkeypatch):
    load_corpus("python-docs")
    monkeypatch.setattr(data.metadata, "version", lambda name: "99.0")
    assert "numpy 99.0" in load_corpus("python-docs").source
    assert reader.calls == 2


def test_the_cache_is_not_used_for_other_files_of_the_same_version(reader, monkeypatch):
    """A package that was built again, or patched."""
    load_corpus("python-docs")
    read = metadata.PathDistribution.read_text
    another = lambda self, name: "another list of files" if name == "RECORD" else read(self, name)  # noqa: E731
    monkeypatch.setattr(metadata.PathDistribution, "read_text", another)
    load_corpus("python-docs")
    assert reader.calls == 2


def test_the_cache_is_not_used_for_other_code(monkeypatch):
    """The fault that this mends: documents of an earlier commit, found under a name that knew the versions alone."""
    first = code_fingerprint(data._read_python_docs)
    monkeypatch.setattr(data, "NEAR_DUPLICATE", 0.8)
    assert code_fingerprint(data._read_python_docs) != first


def test_the_cache_is_not_used_for_another_program_that_reads(reader, monkeypatch, tmp_path):
    """It runs in an interpreter of its own, so the fingerprint of the code that calls it does not reach into it."""
    load_corpus("python-docs")
    changed = tmp_path / "docstrings.py"
    changed.write_text(data.PROGRAM.read_text(encoding="utf-8").replace("numpy ndarray", "numpy"), encoding="utf-8")
    monkeypatch.setattr(data, "PROGRAM", changed)
    load_corpus("python-docs")
    assert reader.calls == 2


def test_a_file_of_an_earlier_version_is_not_used(reader):
    """It had a name that knew the versions of the packages alone."""
    reader.cache.mkdir()
    load_corpus("python-docs")
    (file,) = reader.cache.iterdir()
    file.rename(reader.cache / "python-docs-v1-0123abcd.npz")
    load_corpus("python-docs")
    assert reader.calls == 2


def test_whether_a_document_is_for_testing_depends_on_its_title_alone(reader, monkeypatch):
    before = load_corpus("python-docs")
    del reader.documents[1::2]
    left = {d["title"] for d in reader.documents}
    monkeypatch.setattr(data.metadata, "version", lambda name: "99.0")
    after = load_corpus("python-docs")
    assert after.test_titles == tuple(title for title in before.test_titles if title in left)
    assert after.train_titles == tuple(title for title in before.train_titles if title in left)
    assert 0 < len(after.test_titles) < len(before.test_titles)


# -------------------------------------------------------------------------------------------------- standard corpora


def test_20newsgroups_keeps_its_split_and_leaves_out_what_is_empty(monkeypatch, tmp_path):
    posts = {
        "train": Bunch(data=["  The cat sat. \n", "", "42 !", "Go dog go", "word"], target=np.array([1, 0, 0, 0, 1])),
        "test": Bunch(data=["A dog ran", "Cats purr " * 20], target=np.array([0, 1])),
    }
    asked = []

    def fetch(*, data_home: Path, subset: str, remove: tuple[str, ...]) -> Bunch:
        asked.append((data_home, set(remove)))
        return Bunch(target_names=["rec.dogs", "rec.cats"], **posts[subset])

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    held = load_corpus("20newsgroups")
    assert asked == [(tmp_path.resolve() / "scikit_learn_data", {"headers", "footers", "quotes"})] * 2
    assert held.name == "20newsgroups"
    assert held.train_texts == ("The cat sat.", "Go dog go")
    assert [held.topic_names[label] for label in held.train_labels] == ["rec.cats", "rec.dogs"]
    assert [held.topic_names[label] for label in held.test_labels] == ["rec.dogs", "rec.cats"]
    assert held.test_titles[0] == "A dog ran"
    assert re.fullmatch("Cats purr .{40,50} …", held.test_titles[1])
    assert "; 3 posts in which nothing was left are left out" in held.source


MAIN = {"CCAT": 0, "ECAT": 1, "GCAT": 2, "MCAT": 3}


@pytest.fixture
def stories(monkeypatch, tmp_path) -> dict[str, Bunch]:
    """Forty train and thirty test stories of eleven stems, some with two main topics or none."""
    names = np.array(["C11", "CCAT", "ECAT", "GCAT", "GDIP", "MCAT"])
    rng = np.random.default_rng(0)
    bunches = {
        part: Bunch(
            data=sp.csr_matrix(rng.random((n, 11)) * (rng.random((n, 11)) < np.linspace(0.1, 0.9, 11))),
            target=sp.csr_matrix((rng.random((n, 6)) < 0.3).astype(np.uint8)),
            target_names=names,
        )
        for part, n in (("train", 40), ("test", 30))
    }
    monkeypatch.setattr(sklearn.datasets, "fetch_rcv1", lambda *, data_home, subset: bunches[subset])
    monkeypatch.setattr(data, "RCV1_WORDS", 4)
    monkeypatch.setattr(data, "RCV1_TEST", 5)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return bunches


def test_rcv1_keeps_stories_of_one_main_topic_and_the_commonest_stems(stories):
    expected = {}
    for part, bunch in stories.items():
        topics = [{MAIN[bunch.target_names[j]] for j in row.nonzero()[0] if bunch.target_names[j] in MAIN}
                  for row in bunch.target.toarray()]  # fmt: skip
        expected[part] = [(i, topic.pop()) for i, topic in enumerate(topics) if len(topic) == 1]
    assert 10 < len(expected["train"]) < 40
    assert len(expected["test"]) > 5
    rows = [i for i, _ in expected["train"]]
    stories_with = (stories["train"].data.toarray()[rows] > 0).sum(axis=0)
    commonest = np.sort(np.argsort(-stories_with, kind="stable")[:4])
    held = load_corpus("rcv1")
    for part, n in (("train", None), ("test", 5)):
        vectors, labels = getattr(held, f"{part}_vectors"), getattr(held, f"{part}_labels")
        rows, topics = zip(*expected[part][:n], strict=True)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors.toarray(), stories[part].data.toarray()[list(rows)][:, commonest], rtol=1e-6)
        assert labels.tolist() == list(topics)
    assert held.topic_names == ("corporate", "economics", "government and society", "markets")


@pytest.mark.parametrize(("name", "fetcher"), [("20newsgroups", "fetch_20newsgroups"), ("rcv1", "fetch_rcv1")])
def test_a_corpus_that_cannot_be_fetched_is_answered_with_the_folder_and_the_quick_alternative(
    monkeypatch, tmp_path, name, fetcher
):
    def unreachable(**options: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(sklearn.datasets, fetcher, unreachable)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(DataError) as refusal:
        load_corpus(name)
    for part in (name, str(tmp_path.resolve() / "scikit_learn_data"), "OSError: Name or service not known",
                 "COURSE_DATA", "load_corpus('python-docs')", "COURSE_PROFILE=quick"):  # fmt: skip
        assert part in str(refusal.value)


# ---------------------------------------------------------------------------------------------------- your own texts


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
    import csv

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
        ("pets.csv", "cats,one, cat\n", r"pets.csv, row 1 has 3 columns; a row is a label and a text"),
        ("pets.csv", "label,text\ncats\n", r"pets.csv, row 2 has 1 columns"),
        ("pets.csv", 'cats,"one cat\ndogs,a dog\n', r"pets.csv is no CSV file .*unexpected end.*Quote fields"),
        ("pets.csv", 'cats,"one" cat\ndogs,a dog\n', r"pets.csv is no CSV file .*Quote fields"),
        ("pets.tsv", b"cats\tone cat\ndogs\tDackelgr\xf6\xdfe\n", r"pets.tsv is not UTF-8 \(byte 26\).*Save it as"),
        ("pets.tsv", "cats\tone\ncats\ttwo\n", r"pets has one topic only \(cats\).*at least two"),
        ("pets.tsv", "", r"pets.tsv holds no document with a word"),
        ("pets.tsv", "label\ttext\n", r"holds no document with a word"),
        ("pets.tsv", "cats\t1\ndogs\t2\n", r"holds no document with a word"),
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
    with pytest.raises(DataError, match=r"holds no document with a word in it. A folder needs topic/document.txt"):
        text_files(tmp_path)
    (tmp_path / "cats").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "cats" / name).write_text("a cat", encoding="utf-8")
    with pytest.raises(DataError, match=r"one topic only \(cats\)"):
        text_files(tmp_path)


def test_a_file_that_is_not_utf8_is_named_with_its_folder(folder):
    (folder / "dogs" / "latin.txt").write_bytes("Größe".encode("latin-1"))
    with pytest.raises(DataError, match=re.escape(f"{Path('dogs') / 'latin.txt'} is not UTF-8 (byte 2)")):
        text_files(folder)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, math.nan])
def test_a_share_for_testing_that_leaves_a_part_empty_is_refused(folder, share):
    with pytest.raises(DataError, match=f"test_share is {share}; it must be between 0 and 1"):
        text_files(folder, test_share=share)


def test_the_cached_documents_are_json(reader):
    load_corpus("python-docs")
    (file,) = reader.cache.iterdir()
    with np.load(file) as stored:
        assert json.loads(stored["json"].tobytes()) == reader.documents
