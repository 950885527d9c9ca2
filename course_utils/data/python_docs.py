"""The corpus "python-docs": the documentation of the installed scientific packages, without a network."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from course_utils.data.common import DataError, cached, note_on_data
from course_utils.data.documents import WORD, Document, split_documents
from course_utils.data.types import TextData
from course_utils.environment import plain_environment

MIN_WORDS = 20  # a shorter text says too little to be found by
MIN_DOCUMENTS = 40  # a smaller topic has too few right answers to be measured
NEAR_DUPLICATE = 0.9  # cosine of two documents' tf-idf vectors

DISTRIBUTIONS = ("numpy", "matplotlib", "scikit-learn", "scipy", "torch")


def load_python_docs() -> TextData:
    """Load the corpus "python-docs", from the cache if it was made from the same files of the packages.

    Returns
    -------
    TextData
        A document per public function or class. Whether it is for testing depends on its title alone.

    Raises
    ------
    DataError
        The documentation could not be read.
    """
    stored = cached("python-docs", ["json"], _read_python_docs, made_from=_installed())
    documents = json.loads(stored["json"].tobytes())
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in DISTRIBUTIONS)
    return split_documents(
        "python-docs", documents, test=[zlib.crc32(d["title"].encode()) % 5 == 0 for d in documents],
        source=f"The public documentation of {versions}; code examples left out.",
        note=note_on_data("python-docs", checksum_of_words(documents)),
    )  # fmt: skip


def checksum_of_words(documents: Sequence[Document]) -> str:
    """Compute the SHA-256 of topics, titles and words."""
    # Not of the layout: how lines are indented differs between versions of Python.
    words = [[d["topic"], d["title"], *d["text"].split()] for d in documents]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


PROGRAM = Path(__file__).with_name("docstrings.py")


def _installed() -> str:
    """Describe what is read and by what: the packages' versions and files, with pip's checksums, and the program."""
    files = (metadata.distribution(name).read_text("RECORD") or "" for name in DISTRIBUTIONS)
    versions = (metadata.version(name) for name in DISTRIBUTIONS)
    return " ".join([platform.python_version(), PROGRAM.read_text(encoding="utf-8"), *versions, *files])


def _read_python_docs() -> dict[str, np.ndarray]:
    """Return the documents as bytes of JSON."""
    # An array of strings would use as much memory for each as for the longest.
    return {"json": np.frombuffer(json.dumps(read_installed()).encode(), dtype=np.uint8)}


def read_installed() -> list[Document]:
    """Read the documents of the installed packages, without the cache.

    Returns
    -------
    list of dict
        `topic`, `title` and `text` of each document.

    Raises
    ------
    DataError
        The documentation could not be read.
    """
    return _select(_docstrings())


def _docstrings() -> list[tuple[str, str, str]]:
    """Run `docstrings.py` in a separate interpreter: (topic, title, text) of all that it finds."""
    done = subprocess.run(
        [sys.executable, "-P", "-X", "utf8", str(PROGRAM)],
        env=plain_environment(),
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise DataError(
            f"python-docs: the documentation of the installed packages could not be read. To see "
            f"why, run `{sys.executable} {PROGRAM}`; it ended with: {done.stderr[-500:].strip() or done.returncode}"
        )
    return json.loads(done.stdout)


def _select(found: Iterable[tuple[str, str, str]]) -> list[Document]:
    """Keep texts of at least MIN_WORDS words that are not near duplicates, and topics of at least MIN_DOCUMENTS."""
    documents: list[Document] = []
    seen: set[str] = set()
    for topic, title, text in found:
        text = _prose(text)
        if text not in seen and len(re.findall(WORD, text)) >= MIN_WORDS:
            seen.add(text)
            documents.append({"topic": topic, "title": title, "text": text})
    kept = _without_near_duplicates([d["text"] for d in documents], [d["topic"] for d in documents])
    return [documents[i] for i in kept]


def _prose(text: str) -> str:
    """Strip doctest examples and deprecation notes."""
    # The imports of an example would reveal the package, which is the topic. SciPy writes some deprecation notes from a
    # set, so their order changes from run to run.
    lines: list[str] = []
    in_example, note_indent = False, None
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
    """Return the indices of the texts to keep: of near duplicates the first, and no topic below MIN_DOCUMENTS."""
    import scipy.sparse as sp  # here: long to import, and the cache makes it needless
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    # Dropping a text changes the weights of the words, and with them the cosines, so this is repeated until nothing is
    # dropped. Pairs with a much lower cosine in the beginning are not compared again.
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
