"""Texts with topics and a fixed split: documentation of the installed packages, standard corpora, your own files."""

from __future__ import annotations

import csv
import importlib
import inspect
import io
import json
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from course_utils.data.common import DataError, cached
from course_utils.settings import settings

WORD = r"[^\W\d_]{2,}"  # two letters or more, of any script; digits and underscores separate words
MAX_ROW_BYTES = 10_000_000  # a cell of a CSV file; Python's own limit is 131,072


@dataclass(frozen=True, repr=False, eq=False)
class TextData:
    """Documents with a fixed split. Its fields cannot be reassigned; `dataclasses.replace` makes a changed copy.

    train_texts, test_texts: one string a document; train_titles, test_titles: a short name each; train_labels,
    test_labels: `(n,)` int64, an index into topic_names; source: where the texts came from, in one sentence.
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
    Raises DataError: an unknown name, no network.
    """
    if name not in _LOADERS:
        raise DataError(f"There is no corpus {name!r}. There are: {', '.join(_LOADERS)}; or text_files(path).")
    return _LOADERS[name]()


# ------------------------------------------------------------------------------ the documentation of what is installed

MIN_WORDS = 20  # a shorter text says too little to be found by
MIN_DOCUMENTS = 40  # a smaller topic has too few right answers to be measured
NEAR_DUPLICATE = 0.9  # cosine of two documents' tf-idf vectors

# Modules whose public names are documented functions and classes, and which import in silence; and the classes whose
# methods people look up as functions. matplotlib.pyplot is left out: it repeats the methods of Axes and Figure.
_MODULES = {
    "numpy": "numpy ndarray linalg fft random random.Generator polynomial char ma",
    "matplotlib": "artist axes axes.Axes axis cm collections colorbar colors container contour dates figure "
    "figure.Figure gridspec image legend lines markers offsetbox patches path patheffects projections quiver scale "
    "spines table text ticker transforms tri widgets animation mathtext",
    "sklearn": "base calibration cluster compose covariance cross_decomposition datasets decomposition "
    "discriminant_analysis dummy ensemble feature_extraction feature_selection gaussian_process impute inspection "
    "isotonic kernel_approximation kernel_ridge linear_model manifold metrics metrics.pairwise mixture model_selection "
    "multiclass multioutput naive_bayes neighbors neural_network pipeline preprocessing random_projection "
    "semi_supervised svm tree utils",
    "scipy": "cluster.hierarchy cluster.vq fft integrate interpolate io linalg ndimage optimize signal sparse "
    "sparse.linalg sparse.csgraph spatial spatial.distance special stats stats.qmc stats.mstats",
    "torch": "torch Tensor nn nn.functional nn.init nn.utils optim optim.lr_scheduler distributions linalg fft special "
    "sparse utils.data autograd",
}  # fmt: skip


def _load_python_docs() -> TextData:
    """The cache is of these versions: another numpy has other documentation."""
    versions = " ".join(f"{package}={metadata.version(_DISTRIBUTIONS.get(package, package))}" for package in _MODULES)
    name = f"python-docs-v1-{zlib.crc32(versions.encode()):08x}"
    stored = cached(name, ["json"], lambda: {"json": _as_bytes(_read_python_docs())})
    documents = json.loads(stored["json"].tobytes())
    return _split(
        "python-docs", documents, test=[zlib.crc32(d["title"].encode()) % 5 == 0 for d in documents],
        source=f"The public documentation of {', '.join(versions.split()).replace('=', ' ')}; code examples left out.",
    )  # fmt: skip


_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def _as_bytes(documents: object) -> np.ndarray:
    """For the cache, which holds arrays. An array of strings would give each the room of the longest."""
    return np.frombuffer(json.dumps(documents).encode(), dtype=np.uint8)


def _read_python_docs() -> list[dict[str, str]]:
    """One document a public function or class that has a documentation of its own, at least MIN_WORDS long."""
    documents, seen = [], set()
    for topic, title, text in _docstrings():
        text = _prose(text)
        if text not in seen and len(re.findall(WORD, text)) >= MIN_WORDS:
            seen.add(text)
            documents.append({"topic": topic, "title": title, "text": text})
    n_before = None
    # Each dropping changes the weights of the words, and with them who is near to whom.
    while documents and len(documents) != n_before:
        n_before = len(documents)
        documents = _without_near_duplicates(documents)
        count = Counter(d["topic"] for d in documents)
        documents = [d for d in documents if count[d["topic"]] >= MIN_DOCUMENTS]
    return documents


def _docstrings() -> Iterator[tuple[str, str, str]]:
    """(topic, dotted name, docstring) of what is public and callable. A name that warns, as deprecated, is left out."""
    seen: set[int] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        modules = {
            (root, name if name == root else f"{root}.{name}"): None for root, names in _MODULES.items()
            for name in names.split()
        }  # fmt: skip
        # All of them first: scipy, when imported, rewrites the documentation of some of numpy's functions.
        modules = {(root, name): _import(name) for root, name in modules}
        for (root, module_name), module in modules.items():
            is_sub_package = root in ("scipy", "torch") and module_name not in (root, "torch.Tensor")
            topic = ".".join(module_name.split(".")[:2]) if is_sub_package else root
            for public in sorted(n for n in getattr(module, "__all__", dir(module)) if not n.startswith("_")):
                try:
                    thing = getattr(module, public)
                    text = inspect.getdoc(thing) if callable(thing) else None
                except Exception:  # deprecated or experimental: it would warn, or refuses to be had
                    continue
                home = getattr(thing, "__module__", None) or module_name
                if text and id(thing) not in seen and home.split(".")[0].lstrip("_") == root:
                    seen.add(id(thing))
                    yield topic, f"{module_name}.{public}", text


def _import(name: str) -> object:
    """A module, a class as torch.Tensor, or an empty object where this version has no such module."""
    try:
        parent, _, last = name.rpartition(".")
        return getattr(importlib.import_module(parent), last) if last[:1].isupper() else importlib.import_module(name)
    except Exception:
        return object()


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


def _without_near_duplicates(documents: list[dict[str, str]]) -> list[dict[str, str]]:
    """The first of each group of documents whose tf-idf vectors have a cosine above NEAR_DUPLICATE."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(token_pattern=WORD).fit_transform(d["text"] for d in documents)
    pairs = sp.triu(vectors @ vectors.T > NEAR_DUPLICATE, k=1).tocsr()
    dropped = np.zeros(len(documents), dtype=bool)
    for i in range(len(documents)):
        if not dropped[i]:
            dropped[pairs.indices[pairs.indptr[i] : pairs.indptr[i + 1]]] = True
    return [d for d, drop in zip(documents, dropped, strict=True) if not drop]


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


def _split(name: str, documents: Sequence[dict[str, str]], *, test: Sequence[bool], source: str) -> TextData:
    topic_names = tuple(sorted({d["topic"] for d in documents}))
    _check_topics(name, topic_names)
    parts = {"train": [d for d, t in zip(documents, test, strict=True) if not t],
             "test": [d for d, t in zip(documents, test, strict=True) if t]}  # fmt: skip
    fields = {}
    for part, members in parts.items():
        fields[f"{part}_texts"] = tuple(d["text"] for d in members)
        fields[f"{part}_titles"] = tuple(d["title"] for d in members)
        fields[f"{part}_labels"] = torch.tensor([topic_names.index(d["topic"]) for d in members], dtype=torch.int64)
    return TextData(name=name, topic_names=topic_names, source=source, **fields)


_LOADERS: dict[str, Callable[[], TextData | VectorData]] = {
    "python-docs": _load_python_docs,
    "20newsgroups": _load_20newsgroups,
    "rcv1": _load_rcv1,
}
