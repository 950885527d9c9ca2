"""The corpus "python-docs": its documents, and how they are read."""

import json
import os
import pickle
import platform
import re
import subprocess
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.datasets
import torch
from text_parts import assert_same, texts_of, titles_of

from course_utils.data import (
    DataError,
    TextData,
    known_data,
    load_corpus,
    loaded_data,
    python_docs,
)
from course_utils.data.docstrings import docstrings

pytestmark = pytest.mark.long

# -------------------------------------------------------------------------------------------------------- the documents


LOAD_ONCE = """
import pickle, sys, warnings
warnings.simplefilter("error")
from course_utils.data import OtherDataWarning, load_corpus, python_docs
warnings.simplefilter("ignore", OtherDataWarning)
read, programs = python_docs.subprocess.run, []
python_docs.subprocess.run = lambda *args, **options: programs.append(read(*args, **options)) or programs[-1]
held = load_corpus("python-docs")
with open(sys.argv[1], "wb") as file:
    found = [program.stdout for program in programs]
    pickle.dump({"corpus": vars(held), "modules": sorted(sys.modules), "found": found}, file)
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
        patch.setattr(python_docs.subprocess, "run", lambda *args, **options: pytest.fail("the cache was not used"))
        return load_corpus("python-docs")


def test_the_first_load_prints_nothing_and_imports_nothing_that_it_only_reads(first_load):
    assert first_load.printed == ""
    assert "matplotlib" not in first_load.modules  # another interpreter reads its documentation


def test_the_second_load_is_the_first_from_the_cache(first_load, docs):
    assert len(list(first_load.cache.iterdir())) == 1
    assert_same(first_load.corpus, vars(docs))


def test_there_are_thousands_of_documents_on_many_topics(docs):
    assert len(texts_of(docs)) >= 2_800  # 3,346 with the tested versions
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
    cosines = vectors @ vectors.T
    cosines.setdiag(0)
    return cosines.max()


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


# ---------------------------------------------------------------------------------------------------- how they are read


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
    assert python_docs._prose(docstring) == kept


def test_of_near_duplicates_the_first_stays(monkeypatch):
    monkeypatch.setattr(python_docs, "MIN_DOCUMENTS", 1)
    long = " ".join(f"{a}{b}" for a in "abcdefgh" for b in "klmnopqrst")
    texts = [long, "something else altogether", long + " once", long + " twice and once more"]
    assert python_docs._without_near_duplicates(texts, "tttt") == [0, 1]
    assert python_docs._without_near_duplicates([], "") == []


def test_a_duplicate_of_what_was_dropped_stays(monkeypatch):
    """Near to a dropped one is not enough: somebody who stays must say the same."""
    monkeypatch.setattr(python_docs, "MIN_DOCUMENTS", 1)
    monkeypatch.setattr(python_docs, "NEAR_DUPLICATE", 0.6)
    first, middle, last = "a1 b1 c1 d1 e1 f1", "a1 b1 c1 d1 e1 f1 g1 h1 i1", "d1 e1 f1 g1 h1 i1"
    texts = [text.replace("1", "x") for text in (first, middle, last)]  # ax bx …: a word is two letters or more
    assert python_docs._without_near_duplicates(texts, "ttt") == [0, 2]


def test_a_small_topic_goes_with_its_words(monkeypatch):
    monkeypatch.setattr(python_docs, "MIN_DOCUMENTS", 2)
    texts = ["red green blue", "one two three", "north south east", "salt pepper"]
    assert python_docs._without_near_duplicates(texts, ["a", "b", "b", "c"]) == [1, 2]


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
    monkeypatch.setattr(python_docs, "MIN_WORDS", 4)
    monkeypatch.setattr(python_docs, "MIN_DOCUMENTS", 2)
    found = list(docstrings({"tiny_package": "tiny_package no_such_module"}))
    assert python_docs._select(found) == [
        {"topic": "tiny_package", "title": "tiny_package.alias", "text": "Rolls a red ball down the hill."},
        {"topic": "tiny_package", "title": "tiny_package.second", "text": "Paints four walls with a wide brush."},
    ]
    monkeypatch.setattr(python_docs, "MIN_DOCUMENTS", 3)
    assert python_docs._select(found) == []


def test_what_is_documented_by_python_itself_or_named_by_the_platform_is_left_out(docs):
    """A class that inherits its documentation from tuple; float128, which other systems do not have."""
    assert not {"torch.Size", "torch.Event", "numpy.float128", "numpy.int64"} & set(titles_of(docs))
    assert not [text for text in texts_of(docs) if platform.machine() in text]


def prose_of(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return topic, title and text, without the examples, which show random numbers and addresses."""
    return [(topic, title, python_docs._prose(text)) for topic, title, text in found]


def test_neither_what_is_imported_nor_the_user_s_variables_change_what_is_read(first_load, monkeypatch):
    """`python -OO` drops docstrings; the interpreter that reads them is started without it."""
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401 (more is public)

    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    monkeypatch.setenv("PYTHONHASHSEED", "3")
    (found,) = first_load.found
    assert prose_of(python_docs._docstrings()) == prose_of(json.loads(found))


def test_an_interpreter_that_fails_is_an_error_with_the_command_to_try(monkeypatch):
    monkeypatch.setattr(python_docs, "plain_environment", lambda: {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"})
    with pytest.raises(DataError, match=r"could not be read.*docstrings\.py"):
        python_docs.read_installed()


def test_the_documents_of_the_tested_versions_are_the_known_ones(docs):
    known = known_data()["python-docs"]
    if all(metadata.version(name).partition("+")[0] == version for name, version in known["versions"].items()):
        assert loaded_data()["python-docs"] == known["sha256"]
    assert (docs.note == "") == (loaded_data()["python-docs"] == known["sha256"])
