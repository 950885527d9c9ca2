"""The user's own texts: a folder of topics, or a table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from course_utils.data.common import DataError, left_out_note
from course_utils.data.documents import WORD, Document, first_words, split_documents
from course_utils.data.sampling import check_share, draw_by_class
from course_utils.data.types import TextData

MAX_ROW_BYTES = 10_000_000  # a cell of a CSV file; Python's own limit is 131,072


def text_files(path: str | Path, *, test_share: float = 0.2, seed: int = 0) -> TextData:
    """Read your own documents: a folder with one sub-folder of .txt files per topic, or a file of labelled lines.

    Parameters
    ----------
    path
        A folder; a .tsv file with `label<TAB>text` on each line; or a .csv file with the same two columns, quoted where
        needed. A first line `label, text` is a heading. All files are UTF-8.
    test_share
        The share of each topic that is drawn for testing.
    seed
        Of the draw.

    Returns
    -------
    TextData
        The documents. Those without a word are left out, counted and named in `source`.

    Raises
    ------
    DataError
        There is no such file, there are no documents, there is only one topic, a text is not UTF-8 (named), or
        test_share is wrong.
    """
    root = Path(path).expanduser().resolve()
    check_share(test_share)
    if root.is_dir():
        found = list(_read_folder(root))
    elif root.suffix.lower() in (".tsv", ".csv") and root.is_file():
        found = list(_read_table(root))
    else:
        raise DataError(
            f"{root} is neither a folder of topics nor a .tsv or .csv file with a label and a text on each line."
        )
    documents = [d for d in found if re.search(WORD, d["text"])]
    wordless = [d["where"] for d in found if not re.search(WORD, d["text"])]
    if not documents:
        raise DataError(f"{root} contains no document with a word in it. A folder needs files topic/document.txt; a "
                        f".tsv file needs lines label<TAB>text.")  # fmt: skip
    return split_documents(
        root.name if root.is_dir() else root.stem, documents,
        test=draw_by_class([d["topic"] for d in documents], test_share, np.random.default_rng(seed)),
        source=f"Texts from {root.name}.{left_out_note('without a word', wordless)}",
    )  # fmt: skip


def _read_folder(root: Path) -> Iterator[Document]:
    for folder in sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")):
        for file in sorted(f for f in folder.rglob("*") if f.suffix.lower() == ".txt" and f.is_file()):
            where = str(file.relative_to(root))
            yield {"topic": folder.name, "title": file.stem, "text": _utf8(file, where), "where": where}


def _read_table(file: Path) -> Iterator[Document]:
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
            raise DataError(f"{file.name}, row {number} has {len(row)} columns; it must have 2, a label and a text.")
        topic, text = row[0].strip(), row[1].strip()
        if not topic:
            raise DataError(f"{file.name}, row {number} has no label before its text.")
        yield {"topic": topic, "title": first_words(text), "text": text, "where": f"row {number}"}


def _csv_rows(lines: Iterable[str], file: Path) -> list[list[str]]:
    limit = csv.field_size_limit(MAX_ROW_BYTES)
    try:
        return list(csv.reader(lines, strict=True))
    except csv.Error as error:
        raise DataError(f"{file.name} is not a readable CSV file: {error}. Quote fields that contain commas.") from None
    finally:
        csv.field_size_limit(limit)


def _utf8(file: Path, where: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error}).") from None
