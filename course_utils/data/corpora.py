"""Texts with topics and a fixed split: documentation of the installed packages, standard corpora, your own files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import re
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from torch import Tensor

from course_utils.data.common import DataError, cached, note_on_data
from course_utils.settings import plain_environment, settings

WORD = r"[^\W\d_]{2,}"  # two letters or more, of any script; digits and underscores separate words
MAX_ROW_BYTES = 10_000_000  # a cell of a CSV file; Python's own limit is 131,072


@dataclass(frozen=True, repr=False, eq=False)
class TextData:
    """Documents with a fixed split. Its fields cannot be reassigned; `dataclasses.replace` makes a changed copy.

    train_texts, test_texts: one string a document; train_titles, test_titles: a short name each; train_labels,
    test_labels: `(n,)` int64, an index into topic_names; source: where the texts came from, in one sentence; note: how
    they differ from those that the course's numbers were measured with, empty where they do not.
    Raises DataError, naming the field, where the parts do not fit together, or where there are fewer than two topics.
    """

    name: str
    train_texts: tuple[str, ...]
    train_titles: tuple[str, ...]
    train_labels: Tensor
    test_texts: tuple[str, ...]
    test_titles: tuple[str, ...]
    test_labels: Tensor
    topic_names: tuple[str, ...]
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            texts, titles, labels = (getattr(self, f"{part}_{kind}") for kind in ("texts", "titles", "labels"))
            _check_labels(self.name, part, labels, len(texts), len(self.topic_names))
            if len(titles) != len(texts):
                raise DataError(f"{self.name}: {len(texts)} {part}_texts, but {len(titles)} {part}_titles.")
        _check_topics(self.name, self.topic_names)

    def __repr__(self) -> str:
        return _describe(self.name, len(self.train_texts), len(self.test_texts), self.topic_names, self.source)


@dataclass(frozen=True, repr=False, eq=False)
class VectorData:
    """Documents that are published as vectors alone, with a fixed split; else as TextData.

    train_vectors, test_vectors: sparse `(n, n_words)` float32, weights ≥ 0 of the n_words commonest words.
    """

    name: str
    train_vectors: sp.csr_array
    train_labels: Tensor
    test_vectors: sp.csr_array
    test_labels: Tensor
    topic_names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            vectors, labels = getattr(self, f"{part}_vectors"), getattr(self, f"{part}_labels")
            _check_labels(self.name, part, labels, vectors.shape[0], len(self.topic_names))
        _check_topics(self.name, self.topic_names)

    def __repr__(self) -> str:
        n_train, n_test = self.train_vectors.shape[0], self.test_vectors.shape[0]
        return _describe(self.name, n_train, n_test, self.topic_names, self.source)


def _check_labels(name: str, part: str, labels: Tensor, n: int, n_topics: int) -> None:
    if not n:
        raise DataError(f"{name}: there are no {part} documents.")
    if labels.shape != (n,) or labels.dtype != torch.int64:
        raise DataError(
            f"{name}: {n} {part} documents need {n} {part}_labels of torch.int64, "
            f"not {tuple(labels.shape)} of {labels.dtype}."
        )
    if labels.min() < 0 or labels.max() >= n_topics:
        raise DataError(f"{name}: {part}_labels must be indices into {n_topics} topic names.")


def _check_topics(name: str, topic_names: Sequence[str]) -> None:
    if len(topic_names) < 2:
        raise DataError(
            f"{name} has one topic only ({', '.join(topic_names) or 'none'}): every document would be a right answer "
            f"to every query. Give it at least two: a folder a topic, or a label a line."
        )


def _describe(name: str, n_train: int, n_test: int, topic_names: Sequence[str], source: str) -> str:
    return f"{name}: {n_train:,} train and {n_test:,} test documents, {len(topic_names)} topics. {source}"


def load_corpus(name: str) -> TextData | VectorData:
    """The corpus of that name, downloaded to `settings().data_folder` where it needs to be and is missing.

    "python-docs" (offline: the documentation of the installed scientific packages), "20newsgroups" (18,000 posts
    without headers, footers and quotes, split by date), "rcv1" (newswire, as vectors: a VectorData).
    Other versions of the packages have other documentation: an OtherDataWarning says so, and the corpus's `note`.
    Raises DataError: an unknown name, no network.
    """
    if name not in _LOADERS:
        raise DataError(f"There is no corpus {name!r}. There are: {', '.join(_LOADERS)}; or text_files(path).")
    return _LOADERS[name]()


# ------------------------------------------------------------------------------ the documentation of what is installed

MIN_WORDS = 20  # a shorter text says too little to be found by
MIN_DOCUMENTS = 40  # a smaller topic has too few right answers to be measured
NEAR_DUPLICATE = 0.9  # cosine of two documents' tf-idf vectors

DISTRIBUTIONS = ("numpy", "matplotlib", "scikit-learn", "scipy", "torch")


def load_python_docs() -> TextData:
    """The corpus "python-docs". The cache is of these very files: another numpy has other documentation."""
    stored = cached("python-docs", ["json"], _read_python_docs, made_from=_installed())
    documents = json.loads(stored["json"].tobytes())
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in DISTRIBUTIONS)
    return _split(
        "python-docs", documents, test=[zlib.crc32(d["title"].encode()) % 5 == 0 for d in documents],
        source=f"The public documentation of {versions}; code examples left out.",
        note=note_on_data("python-docs", checksum_of_words(documents)),
    )  # fmt: skip


def checksum_of_words(documents: Sequence[dict[str, str]]) -> str:
    """Of topics, titles and words. How lines are indented differs between versions of Python, and does not count."""
    words = [[d["topic"], d["title"], *d["text"].split()] for d in documents]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


PROGRAM = Path(__file__).with_name("docstrings.py")


def _installed() -> str:
    """What is read, and by what: versions and checksums of the packages' files, as pip noted them, and the program."""
    files = (metadata.distribution(name).read_text("RECORD") or "" for name in DISTRIBUTIONS)
    versions = (metadata.version(name) for name in DISTRIBUTIONS)
    return " ".join([platform.python_version(), PROGRAM.read_text(encoding="utf-8"), *versions, *files])


def _read_python_docs() -> dict[str, np.ndarray]:
    """As bytes of JSON: an array of strings would give each the room of the longest."""
    return {"json": np.frombuffer(json.dumps(read_installed()).encode(), dtype=np.uint8)}


def read_installed() -> list[dict[str, str]]:
    """The documents of what is installed: topic, title and text of each."""
    return _select(_docstrings())


def _docstrings() -> list[tuple[str, str, str]]:
    """What `docstrings.py` finds, in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-P", "-X", "utf8", str(PROGRAM)],
        env=plain_environment(),
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise DataError(
            f"python-docs: the documentation of the installed packages could not be read. Does "
            f"`{sys.executable} {PROGRAM}` run? It ended with: {done.stderr[-500:].strip() or done.returncode}"
        )
    return json.loads(done.stdout)


def _select(found: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """One document a public function or class that has a documentation of its own, at least MIN_WORDS long."""
    documents, seen = [], set()
    for topic, title, text in found:
        text = _prose(text)
        if text not in seen and len(re.findall(WORD, text)) >= MIN_WORDS:
            seen.add(text)
            documents.append({"topic": topic, "title": title, "text": text})
    kept = _without_near_duplicates([d["text"] for d in documents], [d["topic"] for d in documents])
    return [documents[i] for i in kept]


def _prose(text: str) -> str:
    """Without examples typed at a prompt, whose imports would give the package away, and notes on deprecation, of which
    scipy writes some from a set, in another order every time."""
    lines, in_example, note_indent = [], False, None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        if note_indent is not None and line.strip() and indent <= note_indent:
            note_indent = None
        if line.lstrip().startswith(".. deprecated::"):
            note_indent = indent
        if not in_example and note_indent is None:
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _without_near_duplicates(texts: Sequence[str], topics: Sequence[str]) -> list[int]:
    """Places of the texts that stay: of near duplicates the first, and no topic of fewer than MIN_DOCUMENTS.

    Near are two texts whose tf-idf vectors have a cosine above NEAR_DUPLICATE. Each dropping changes the weights of the
    words, and with them who is near to whom, so it is done until nothing is dropped. Pairs that are far from near in
    the beginning are not looked at again.
    """
    if not texts:
        return []
    counts = CountVectorizer(token_pattern=WORD).fit_transform(texts)
    vectors = TfidfTransformer().fit_transform(counts)
    first, second = sp.triu(vectors @ vectors.T > NEAR_DUPLICATE - 0.1, k=1).tocoo().coords
    stays, n_before = np.ones(len(texts), dtype=bool), None
    while stays.any() and stays.sum() != n_before:
        n_before = stays.sum()
        vectors = TfidfTransformer().fit(counts[stays]).transform(counts)
        both = np.flatnonzero(stays[first] & stays[second])
        cosines = vectors[first[both]].multiply(vectors[second[both]]).sum(axis=1)
        for pair in both[np.asarray(cosines).ravel() > NEAR_DUPLICATE]:  # in the order of the first
            stays[second[pair]] &= not stays[first[pair]]
        n_documents = Counter(topic for topic, stay in zip(topics, stays, strict=True) if stay)
        stays &= np.array([n_documents[topic] >= MIN_DOCUMENTS for topic in topics])
    return np.flatnonzero(stays).tolist()


# --------------------------------------------------------------------------------------------------- standard corpora


def _load_20newsgroups() -> TextData:
    from sklearn.datasets import fetch_20newsgroups

    parts = {part: _fetch("20newsgroups", fetch_20newsgroups, subset=part, remove=("headers", "footers", "quotes"))
             for part in ("train", "test")}  # fmt: skip
    documents, n_empty = [], 0
    for part, bunch in parts.items():
        for text, label in zip(bunch.data, bunch.target, strict=True):
            if len(re.findall(WORD, text)) < 2:
                n_empty += 1
                continue
            topic = bunch.target_names[label]
            documents.append({"topic": topic, "title": _first_words(text), "text": text.strip(), "part": part})
    return _split(
        "20newsgroups", documents, test=[d["part"] == "test" for d in documents],
        source=f"scikit-learn's 20 newsgroups, split by date, without headers, footers and quotes; {n_empty:,} posts "
        f"in which nothing was left are left out.",
    )  # fmt: skip


RCV1_WORDS, RCV1_TEST = 2_000, 20_000


def _load_rcv1() -> VectorData:
    """The stories of one main topic alone, of the LYRL2004 split; weights of the 2,000 commonest stems.

    scikit-learn publishes no counts: a weight is (1 + log count) · idf, divided by the story's length.
    """
    from sklearn.datasets import fetch_rcv1

    vectors, labels = {}, {}
    main = ("CCAT", "ECAT", "GCAT", "MCAT")
    for part in ("train", "test"):
        bunch = _fetch("rcv1", fetch_rcv1, subset=part)
        is_main = bunch.target[:, [list(bunch.target_names).index(topic) for topic in main]].toarray().astype(bool)
        rows = np.flatnonzero(is_main.sum(axis=1) == 1)[: RCV1_TEST if part == "test" else None]
        vectors[part], labels[part] = sp.csr_array(bunch.data[rows]), torch.from_numpy(is_main[rows].argmax(axis=1))
    n_stories_with = np.bincount(vectors["train"].indices, minlength=vectors["train"].shape[1])
    commonest = np.sort(np.argsort(-n_stories_with, kind="stable")[:RCV1_WORDS])
    return VectorData(
        name="rcv1",
        train_vectors=vectors["train"][:, commonest].astype(np.float32), train_labels=labels["train"],
        test_vectors=vectors["test"][:, commonest].astype(np.float32), test_labels=labels["test"],
        topic_names=("corporate", "economics", "government and society", "markets"),
        source=f"RCV1-v2 (Lewis et al. 2004) through scikit-learn: stories of one main topic, LYRL2004 split, the "
        f"first {RCV1_TEST:,} of its test stories at most; (1 + log count) · idf of the 2,000 commonest stems.",
    )  # fmt: skip


def _fetch(name: str, fetch: Callable, **options: object) -> object:
    """scikit-learn's file, which is a pickle: a data folder that others write to can run their code."""
    folder = settings().data_folder / "scikit_learn_data"
    try:
        return fetch(data_home=folder, **options)
    except Exception as error:  # no network, no permission, a damaged file: each raises its own
        raise DataError(
            f"{name} could not be read from {folder} or downloaded to it ({type(error).__name__}: {error}). Put the "
            f"file there in scikit-learn's layout, set COURSE_DATA to a folder that has it, or connect to a network; "
            f"offline, use load_corpus('python-docs') or COURSE_PROFILE=quick."
        ) from error


# ---------------------------------------------------------------------------------------------------- your own texts


def text_files(path: str | Path, *, test_share: float = 0.2, seed: int = 0) -> TextData:
    """Your own documents: a folder with one sub-folder of .txt files a topic, or one file of labelled lines.

    A .tsv file has `label<TAB>text` in each line, a .csv file the same two columns, quoted where needed; a first line
    `label, text` is a heading. UTF-8. `test_share` of each topic is drawn with a fixed seed. Documents without a word
    are left out, counted and named in the result's `source`.
    Raises DataError: no such file, no documents, one topic alone, text that is not UTF-8 (named).
    """
    root = Path(path).expanduser().resolve()
    if not 0 < test_share < 1:
        raise DataError(f"test_share is {test_share}; it must be between 0 and 1.")
    if root.is_dir():
        found = _read_folder(root)
    elif root.suffix.lower() in (".tsv", ".csv") and root.is_file():
        found = _read_table(root)
    else:
        raise DataError(f"{root} is neither a folder of topics nor a .tsv or .csv file with a label and a text a line.")
    documents, wordless = [], []
    for document in found:
        (documents if re.search(WORD, document["text"]) else wordless).append(document)
    if not documents:
        raise DataError(f"{root} holds no document with a word in it. A folder needs topic/document.txt; a file, lines "
                        f"of label<TAB>text.")  # fmt: skip
    left_out = "".join([f" Left out, without a word: {len(wordless)} (", ", ".join(d["where"] for d in wordless[:5]),
                        ", …" if len(wordless) > 5 else "", ")."]) if wordless else ""  # fmt: skip
    test = _draw_test([d["topic"] for d in documents], test_share, np.random.default_rng(seed))
    name = root.name if root.is_dir() else root.stem
    return _split(name, documents, test=test, source=f"Texts from {root.name}.{left_out}")


def _read_folder(root: Path) -> Iterator[dict[str, str]]:
    for folder in sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")):
        for file in sorted(f for f in folder.rglob("*") if f.suffix.lower() == ".txt" and f.is_file()):
            where = str(file.relative_to(root))
            yield {"topic": folder.name, "title": file.stem, "text": _utf8(file, where), "where": where}


def _read_table(file: Path) -> Iterator[dict[str, str]]:
    lines = io.StringIO(_utf8(file, file.name))  # splitlines() would break at rarer characters, too
    if file.suffix.lower() == ".tsv":  # a tab separates, and quotes are text: what spreadsheets and `cut` write
        rows: Iterable[list[str]] = (line.rstrip("\n").split("\t", maxsplit=1) for line in lines)
    else:
        rows = _csv_rows(lines, file)
    for number, row in enumerate(rows, start=1):
        if not any(field.strip() for field in row):
            continue
        if number == 1 and [field.strip().lower() for field in row] == ["label", "text"]:
            continue
        if len(row) != 2:
            raise DataError(f"{file.name}, row {number} has {len(row)} columns; a row is a label and a text.")
        topic, text = row[0].strip(), row[1].strip()
        if not topic:
            raise DataError(f"{file.name}, row {number} has no label before its text.")
        yield {"topic": topic, "title": _first_words(text), "text": text, "where": f"row {number}"}


def _csv_rows(lines: Iterable[str], file: Path) -> list[list[str]]:
    limit = csv.field_size_limit(MAX_ROW_BYTES)
    try:
        return list(csv.reader(lines, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{file.name} is no CSV file that can be read: {error}. Quote fields that hold commas."
        ) from None
    finally:
        csv.field_size_limit(limit)


def _utf8(file: Path, where: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error}).") from None


def _draw_test(topics: Sequence[str], share: float, rng: np.random.Generator) -> np.ndarray:
    """Which documents are for testing: a share of each topic; at least one, and never all, of those with two."""
    topics, test = np.array(topics), np.zeros(len(topics), dtype=bool)
    for topic in np.unique(topics):
        members = rng.permutation(np.flatnonzero(topics == topic))
        test[members[: min(max(1, round(share * len(members))), len(members) - 1)]] = True
    return test


# ----------------------------------------------------------------------------------------------------------- helpers


def _first_words(text: str, n_characters: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= n_characters else line[:n_characters].rsplit(" ", 1)[0] + " …"


def _split(
    name: str, documents: Sequence[dict[str, str]], *, test: Sequence[bool], source: str, note: str = ""
) -> TextData:
    topic_names = tuple(sorted({d["topic"] for d in documents}))
    _check_topics(name, topic_names)
    parts = {"train": [d for d, t in zip(documents, test, strict=True) if not t],
             "test": [d for d, t in zip(documents, test, strict=True) if t]}  # fmt: skip
    fields = {}
    for part, members in parts.items():
        fields[f"{part}_texts"] = tuple(d["text"] for d in members)
        fields[f"{part}_titles"] = tuple(d["title"] for d in members)
        fields[f"{part}_labels"] = torch.tensor([topic_names.index(d["topic"]) for d in members], dtype=torch.int64)
    return TextData(name=name, topic_names=topic_names, source=source, note=note, **fields)


_LOADERS: dict[str, Callable[[], TextData | VectorData]] = {
    "python-docs": load_python_docs,
    "20newsgroups": _load_20newsgroups,
    "rcv1": _load_rcv1,
}
