"""The corpus "python-docs": whether its documents are the known ones, and the cache."""

import json
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest
from text_parts import assert_same

from course_utils.data import (
    OtherDataWarning,
    common,
    differing_data,
    load_corpus,
    python_docs,
)
from course_utils.provenance import code_fingerprint

# --------------------------------------------------------------------------------------------- are they the known ones?


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
    known = {"versions": {"scipy": "0.1"}, "sha256": python_docs.checksum_of_words(reader.documents)}
    monkeypatch.setattr(common, "known_data", lambda: {"python-docs": known})
    assert load_corpus("python-docs").note == ""
    assert "python-docs" not in differing_data()


def test_a_checksum_counts_words_and_not_their_layout():
    one, other = ([{"topic": "t", "title": "x", "text": text}] for text in ("a  b\n    c", "a b c"))
    assert python_docs.checksum_of_words(one) == python_docs.checksum_of_words(other)
    assert python_docs.checksum_of_words(one) != python_docs.checksum_of_words(
        [{"topic": "t", "title": "x", "text": "a b d"}]
    )


# ------------------------------------------------------------------------------------------------------------ the cache


@pytest.fixture
def reader(monkeypatch, tmp_path):
    """A quick stand-in for the reading of the documentation, an empty cache, and the number of calls."""
    documents = [{"topic": t, "title": f"{t}.f{i}", "text": f"Text {i} of {t}."} for t in ("a", "b") for i in range(20)]
    stand_in = SimpleNamespace(calls=0, cache=tmp_path / "cache", documents=documents)

    def read() -> list[dict[str, str]]:
        stand_in.calls += 1
        return documents

    monkeypatch.setattr(python_docs, "read_installed", read)
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
    monkeypatch.setattr(python_docs.metadata, "version", lambda name: "99.0")
    assert "numpy 99.0" in load_corpus("python-docs").source
    assert reader.calls == 2


def test_the_cache_is_not_used_for_other_files_of_the_same_version(reader, monkeypatch):
    """A package that was built again, or patched."""
    load_corpus("python-docs")
    distribution = type(metadata.distribution("numpy"))  # another one where a backport of importlib.metadata is loaded
    read = distribution.read_text
    another = lambda self, name: "another list of files" if name == "RECORD" else read(self, name)  # noqa: E731
    monkeypatch.setattr(distribution, "read_text", another)
    load_corpus("python-docs")
    assert reader.calls == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NEAR_DUPLICATE", 0.8),
        ("MIN_WORDS", 3),
        ("MIN_DOCUMENTS", 3),
        ("WORD", r"\w+"),
        ("_prose", lambda text: text),
        ("plain_environment", lambda: {}),
    ],
)
def test_the_cache_is_not_used_for_other_code(monkeypatch, name, value):
    """The fault that this prevents: documents of an earlier commit, under a name that knew the versions alone."""
    first = code_fingerprint(python_docs._read_python_docs)
    monkeypatch.setattr(python_docs, name, value)
    assert code_fingerprint(python_docs._read_python_docs) != first


def test_the_cache_is_not_used_for_another_program_that_reads(reader, monkeypatch, tmp_path):
    """It runs in an interpreter of its own, so the fingerprint of the code that calls it does not reach into it."""
    load_corpus("python-docs")
    changed = tmp_path / "docstrings.py"
    changed.write_text(
        python_docs.PROGRAM.read_text(encoding="utf-8").replace("numpy ndarray", "numpy"), encoding="utf-8"
    )
    monkeypatch.setattr(python_docs, "PROGRAM", changed)
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
    monkeypatch.setattr(python_docs.metadata, "version", lambda name: "99.0")
    after = load_corpus("python-docs")
    assert after.test_titles == tuple(title for title in before.test_titles if title in left)
    assert after.train_titles == tuple(title for title in before.train_titles if title in left)
    assert 0 < len(after.test_titles) < len(before.test_titles)


def test_the_cached_documents_are_json(reader):
    load_corpus("python-docs")
    (file,) = reader.cache.iterdir()
    with np.load(file) as stored:
        assert json.loads(stored["json"].tobytes()) == reader.documents
