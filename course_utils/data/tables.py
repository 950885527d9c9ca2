"""Tables of labelled texts as people have them: which columns hold label and text is found, or asked for."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from course_utils.data.common import DataError

MAX_ROW_BYTES = 10_000_000  # a cell of a CSV file; Python's own limit is 131,072
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
ARE_LOOKED_AT = 200  # rows, to see by what they are separated
NAMES_OF_LABELS = {
    "label", "labels", "category", "categories", "class", "classes", "topic", "topics", "target", "sentiment", "tag",
    "genre", "section", "polarity", "type", "y", "v1", "kategorie", "klasse", "thema", "catégorie", "categoría",
    "标签", "类别", "分类",
}  # fmt: skip
NAMES_OF_TEXTS = {
    "text", "texts", "message", "messages", "review", "reviews", "document", "documents", "content", "body", "sentence",
    "sentences", "article", "articles", "comment", "comments", "tweet", "sms", "description", "abstract", "v2",
    "inhalt", "texte", "texto", "文本", "内容", "正文",
}  # fmt: skip
NAMES_OF_NUMBERS = {"", "id", "ids", "index", "idx", "nr", "no", "number", "row", "unnamed: 0"}

Column = str | int
Rows = list[tuple[int, list[str]]]  # the number of each row in the file, from 1, and its fields


class LabelledText(NamedTuple):
    """A row of a table: its label, its text, and its number in the file."""

    label: str
    text: str
    row: int


@dataclass(frozen=True)
class Table:
    """How a table is written.

    Parameters
    ----------
    label, text
        The columns, by the names in the heading or by place from 0 on; None: found by their usual names. Without a
        heading the first column is the label and the second the text.
    heading
        Whether the first row names the columns; None: found.
    delimiter
        What separates the columns; None: a comma in .csv, a tab in .tsv.
    encoding
        Of the file.
    """

    label: Column | None = None
    text: Column | None = None
    heading: bool | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"

    def read(self, file: Path) -> tuple[list[LabelledText], list[str]]:
        """Read the rows with label and text, and the names of columns that are not used.

        Raises
        ------
        DataError
            The file is not in this encoding or cannot be parsed (row and line are named), or it is not clear which
            columns are meant.
        """
        rows = self._rows(file)
        if not rows:
            return [], []
        columns = _Columns(self, file, rows)
        return list(columns.labelled()), columns.unused

    def _rows(self, file: Path) -> Rows:
        content = decoded(file, file.name, self.encoding)
        delimiter = self.delimiter or ("\t" if file.suffix.lower() == ".tsv" else ",")
        if hint := re.match(r"sep=(.)\r?\n", content):  # what Excel writes for itself
            delimiter, content = self.delimiter or hint[1], content[hint.end() :]
        elif self.delimiter is None:
            _check_delimiter(file, content, delimiter)
        rows = _tab_rows(file, content) if delimiter == "\t" else None
        rows = _quoted_rows(file, content, delimiter) if rows is None else rows
        return [(number, row) for number, row in rows if any(field.strip() for field in row)]


def decoded(file: Path, where: str, encoding: str = "utf-8") -> str:
    """Return a file's text; a byte order mark decides over the encoding, and DataError says where it is not that."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error}).") from None
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        encoding = name if content.startswith(mark) else encoding
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        name = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8"}.get(encoding.lower(), encoding)
        raise DataError(
            f"{where} is not {name} (byte {error.start}), in line {line}. Save it as UTF-8, or name its encoding: "
            f"text_files(…, encoding='cp1252') for Western Windows, 'gb18030' for Chinese."
        ) from None
    except LookupError:
        raise DataError(
            f"encoding is {encoding!r}, which Python does not know; 'utf-8' and 'cp1252' are two."
        ) from None
    if "\0" in text:
        raise DataError(f"{where} contains zero bytes: it is no text, or UTF-16 without a mark; then call "
                        f"text_files(…, encoding='utf-16-le').")  # fmt: skip
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _check_delimiter(file: Path, content: str, delimiter: str) -> None:
    """Say what separates the rows, where that is not what the file's suffix says, or where it can be two things."""
    found = [other for other in DELIMITERS if _separates(content, other)]
    if delimiter in found:
        first = next(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))
        if found == [delimiter] or _are_names([field.strip().casefold() for field in first]):
            return
        if delimiter == "\t" and not any(_is_in_every_label(content, other) for other in found if other != "\t"):
            return
        names = " or ".join(f"{DELIMITERS[other]} (`{other}`)" for other in found)
        raise DataError(f"{file.name}: its rows could be separated by {names}. Say by which: text_files(…, "
                        f"delimiter={found[-1]!r}).")  # fmt: skip
    for other in found:
        raise DataError(f"{file.name}: its rows are separated by {DELIMITERS[other]} (`{other}`), not by "
                        f"{DELIMITERS[delimiter]}; call text_files(…, delimiter={other!r}).")  # fmt: skip


def _is_in_every_label(content: str, other: str) -> bool:
    """Tell whether what stands before the first tab of every line holds another delimiter."""
    return all(other in line.split("\t")[0] for line in content.split("\n") if line.strip())


def _separates(content: str, delimiter: str) -> bool:
    """Tell whether a delimiter divides the rows into as many columns each, at least two; a tab may stand in texts."""
    lines = [line for line in content.split("\n", ARE_LOOKED_AT)[:ARE_LOOKED_AT] if line.strip()]
    if delimiter == "\t" and lines and all("\t" in line for line in lines):
        return True
    numbers = _numbers_of_columns(content, delimiter)
    return len(numbers) == 1 and min(numbers) > 1


def _numbers_of_columns(content: str, delimiter: str) -> set[int]:
    """How many columns the first rows have; empty where they cannot be parsed."""
    numbers = set()
    try:
        for i, row in enumerate(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)):
            if i == ARE_LOOKED_AT:
                break
            numbers |= {len(row)} if row else set()
    except csv.Error:
        return set()
    return numbers


def _tab_rows(file: Path, content: str) -> Rows | None:
    """Rows of a file with tabs, in which a quote is text, as `cut` writes them; None where quotes are quotes.

    They are, as in what pandas and spreadsheets write, where every row then has as many columns.
    """
    lines = content.split("\n")
    n_filled = sum(bool(line.strip()) for line in lines)
    have_tabs = all("\t" in line for line in lines if line.strip())
    try:
        quoted = [row for row in csv.reader(io.StringIO(content, newline=""), delimiter="\t", strict=True) if row]
    except csv.Error:
        quoted = []
    filled = [row for row in quoted if any(field.strip() for field in row)]
    if len({len(row) for row in filled}) == 1 and len(filled[0]) > 1:
        if len(filled) == n_filled or not have_tabs:
            return None
        raise DataError(f"{file.name}: a quote begins in one line and ends in a later one, and both could be rows. If "
                        f"it is one text, save the file as .csv with commas; if not, remove the quote.")  # fmt: skip
    return list(enumerate((line.split("\t") for line in lines), start=1))


def _quoted_rows(file: Path, content: str, delimiter: str) -> Rows:
    limit = csv.field_size_limit(MAX_ROW_BYTES)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    rows: Rows = []
    line = 1
    try:
        for row in reader:
            rows.append((len(rows) + 1, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{file.name} is not a readable CSV file: {error}, in row {len(rows) + 1}, which begins in line {line}. "
            f"Quote fields that contain commas, and double the quotes within them."
        ) from None
    finally:
        csv.field_size_limit(limit)
    return rows


class _Columns:
    """Which columns of a table are label and text."""

    def __init__(self, table: Table, file: Path, rows: Rows) -> None:
        self.table, self.file = table, file
        _, first = rows[0]
        names = [field.strip().casefold() for field in first]
        by_name = isinstance(table.label, str) or isinstance(table.text, str)
        self.is_named = by_name or (_are_names(names) if table.heading is None else table.heading)
        self.rows = rows[1:] if self.is_named else rows
        self.n = len(first)
        if table.label is not None or table.text is not None:
            self.label, self.text = self._given(names)
        elif self.is_named:
            self.label, self.text = self._found(names, first)
        else:
            self.label, self.text = self._without_names(first)
        if not self.is_named:
            self._check_no_heading(first)
        used = (self.label, self.text)
        self.unused = [name.strip() for i, name in enumerate(first) if i not in used] if self.is_named else []

    def labelled(self) -> Iterator[LabelledText]:
        """Yield the rows; DataError for one with another number of columns, or without a label."""
        for number, row in self.rows:
            if self.n == 2 and self.label == 0 and len(row) > 2 and self._separates_once:
                row = [row[0], "\t".join(row[1:])]
            if len(row) != self.n:
                raise DataError(f"{self.file.name}, row {number} has {len(row)} columns; it must have {self.n}"
                                f"{', a label and a text' if self.n == 2 else ''}.")  # fmt: skip
            label = row[self.label].strip()
            if not label:
                raise DataError(f"{self.file.name}, row {number} has no label before its text.")
            yield LabelledText(label, row[self.text].strip(), number)

    @property
    def _separates_once(self) -> bool:
        """Of two columns with a tab between them, the text may hold tabs."""
        return (self.table.delimiter or "\t") == "\t" and self.file.suffix.lower() == ".tsv"

    def _given(self, names: Sequence[str]) -> tuple[int, int]:
        label, text = self._place("label", names), self._place("text", names)
        if self.n == 2:  # the other one of two
            label = 1 - text if label is None and text is not None else label
            text = 1 - label if text is None and label is not None else text
        if label is None or text is None:
            self._ask("One of them is named; name the other, too", names)
        if label == text:
            raise DataError(f"label and text are the same column of {self.file.name}.")
        return label, text

    def _place(self, what: str, names: Sequence[str]) -> int | None:
        column: Column | None = getattr(self.table, what)
        if column is None:
            return None
        if isinstance(column, str):
            if names.count(column.strip().casefold()) != 1:
                raise DataError(f"{self.file.name} has no single column {column!r}; there are {', '.join(names)}.")
            return names.index(column.strip().casefold())
        if not 0 <= column < self.n:
            raise DataError(f"{self.file.name} has {self.n} columns, from 0 on; there is no column {column}.")
        return column

    def _found(self, names: Sequence[str], first: Sequence[str]) -> tuple[int, int]:
        labels = [i for i, name in enumerate(names) if name in NAMES_OF_LABELS]
        texts = [i for i, name in enumerate(names) if name in NAMES_OF_TEXTS]
        others = [i for i, name in enumerate(names) if name not in NAMES_OF_NUMBERS and i not in labels + texts]
        if self.n == 2 and others:  # the other one of two
            labels, texts = labels or others, texts or others
        if len(labels) != 1 or len(texts) != 1 or labels == texts:
            self._ask("Its heading does not say which", first)
        return labels[0], texts[0]

    def _without_names(self, first: Sequence[str]) -> tuple[int, int]:
        """The documented order, where nothing speaks against it."""
        if self._separates_once and self.n > 2:
            self.n = 2
        if self.n != 2:
            number = self.rows[0][0]
            raise DataError(
                f"{self.file.name}, row {number} has {self.n} columns; it must have 2, a label and a text. Of a table "
                f"with more, say which: text_files(…, label=0, text=3), or by the names in its heading. The first row: "
                f"{', '.join(map(repr, first[:8]))}."
            )
        pairs = [row for _, row in self.rows if len(row) == 2]
        labels, texts = (Counter(row[i].strip() for row in pairs) for i in (0, 1))
        if len(labels) > len(texts) > 1:
            self._ask("Its second column repeats more often than its first, as labels do", first)
        return 0, 1

    def _check_no_heading(self, first: Sequence[str]) -> None:
        """Ask where the first row may be a heading: it has a label of its own, and every other label recurs."""
        here = first[self.label].strip()
        later = Counter(row[self.label].strip() for _, row in self.rows[1:] if len(row) > self.label)
        if self.table.heading is None and here not in later and later and min(later.values()) > 1:
            raise DataError(
                f"{self.file.name}: is its first row a heading? {here!r} stands there alone, and all other labels "
                f"recur. If it is a document, add heading=False; if a heading, say what its columns are: "
                f"text_files(…, heading=True, label={self.label}, text={self.text})."
            )

    def _ask(self, why: str, first: Sequence[str]) -> NoReturn:
        raise DataError(f"{self.file.name}: which column is the label, and which the text? {why}. The first row: "
                        f"{', '.join(repr(field[:30]) for field in first[:8])}. Say it by name or place: "
                        f"text_files(…, label=1, text=0).")  # fmt: skip


def _are_names(names: Sequence[str]) -> bool:
    """Tell whether a row is a heading: it names a label or a text in a usual way, and no field is long."""
    known = [name for name in names if name in NAMES_OF_LABELS | NAMES_OF_TEXTS]
    are_roles = len(names) > 1 and len(known) == len(set(known)) > 0
    return are_roles and (len(known) > 1 or len(names) > 2) and max(map(len, names)) < 40
