"""The user's own texts: a folder of topics, or a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from course_utils.data.cautions import caution, cautions_about_texts
from course_utils.data.common import DataError, left_out_note
from course_utils.data.documents import Document, first_words, split_documents
from course_utils.data.folders import arranged, files_below, is_hidden, parts_by_folder
from course_utils.data.sampling import check_share, draw_by_class
from course_utils.data.tables import Column, Table, decoded
from course_utils.data.types import TextData
from course_utils.data.words import has_word

TEXT_SUFFIXES = {".txt", ".text", ".md", ".rst", ""}
TABLE_SUFFIXES = {".tsv", ".csv"}
WITHOUT_A_LABEL = {"unsup", "unlabeled", "unlabelled", "unsupervised"}  # folders of a split, as aclImdb has one


def text_files(
    path: str | Path, *, label: Column | None = None, text: Column | None = None, heading: bool | None = None,
    delimiter: str | None = None, encoding: str = "utf-8", test_share: float = 0.2, seed: int = 0,
) -> TextData:  # fmt: skip
    """Read your own documents: a folder with one sub-folder of texts per topic, or a table of labels and texts.

    What is not read, as hidden files, is counted and named in the result's `source`. What may mislead, as a topic with
    nine tenths of all documents, is said in a warning and in the result's `cautions`.

    Parameters
    ----------
    path
        A folder of .txt or .md files, or of files without a suffix; folders `train/` and `test/` (or `val/`), in any
        usual spelling, with the topics inside, are the split, and documents in `val/` beside `test/` are trained on.
        Or a .csv file, quoted where needed; or a .tsv file, in which the first tab separates.
    label, text
        The columns of a table, by the names in its heading or by place from 0 on. None: those with a usual name, as
        `category` and `review`, in any order; without a heading, first the label and then the text.
    heading
        Whether a table's first row names its columns; None: it does if it has usual names.
    delimiter
        What separates the columns of a table, as ";"; None: a comma in .csv, a tab in .tsv.
    encoding
        Of the files, as Python names it. A byte order mark decides first.
    test_share
        The share of each topic that is drawn for testing, where there is no split.
    seed
        Of the draw.

    Returns
    -------
    TextData
        The documents. Those without a word are left out, counted and named in `source`.

    Raises
    ------
    DataError
        There is no such file, there are no documents, there is only one topic, a text is in another encoding (file and
        line are named), it is not clear which columns of a table are meant, or an argument is wrong.
    """
    root = Path(path).expanduser().resolve()
    check_share(test_share)
    if root.is_dir():
        found, is_test, said = _read_folder(root, encoding)
    elif root.suffix.lower() in TABLE_SUFFIXES and root.is_file():
        rows, unused = Table(label, text, heading, delimiter, encoding).read(root)
        found = [
            {"topic": row.label, "title": first_words(row.text), "text": row.text, "where": f"row {row.row}"}
            for row in rows
        ]
        is_test, said = None, f" Columns that are not used: {', '.join(unused)}." if unused else ""
    else:
        raise DataError(
            f"{root} is neither a folder of topics nor a .tsv or .csv file with a label and a text on each line."
        )
    with_words = [i for i, document in enumerate(found) if has_word(document["text"])]
    wordless = [document["where"] for document in found if not has_word(document["text"])]
    documents = [found[i] for i in with_words]
    if not documents:
        raise DataError(f"{root} contains no document with a word in it. A folder needs files topic/document.txt; a "
                        f".tsv file needs lines label<TAB>text.{said}")  # fmt: skip
    topics = [document["topic"] for document in documents]
    data = split_documents(
        root.name if root.is_dir() else root.stem, documents,
        test=draw_by_class(topics, test_share, np.random.default_rng(seed)) if is_test is None
        else [is_test[i] for i in with_words],
        source=f"Texts from {root.name}.{said}{left_out_note('without a word', wordless)}",
    )  # fmt: skip
    return caution(data, cautions_about_texts(data))


def _read_folder(root: Path, encoding: str) -> tuple[list[Document], list[bool] | None, str]:
    """The documents; which of them are for testing, or None where folders give no split; and what was left out."""
    everything = files_below(root)
    hidden = [file for file in everything if is_hidden(file)]
    shown = [file for file in everything if not is_hidden(file)]
    texts = [file for file in shown if file.suffix.lower() in TEXT_SUFFIXES]
    parts = parts_by_folder(root, sorted({file.parts[0] for file in texts if len(file.parts) > 1}))
    depth = 2 if parts else 1  # of the folders of topics
    loose = [file for file in texts if len(file.parts) <= depth]
    unlabelled = [file for file in texts if parts and len(file.parts) > 2 and file.parts[1].lower() in WITHOUT_A_LABEL]
    members = set(texts) - set(loose) - set(unlabelled)
    order = arranged(root, sorted(members), name_if_flat=root.name)
    documents, is_test = [], []
    for part, topics in order.parts.items():
        for topic, files in topics.items():
            for file in files:
                content = decoded(root / file, str(file), encoding)
                documents.append({"topic": topic, "title": file.stem, "text": content, "where": str(file)})
                is_test.append(part == "test")
    left_out = {"hidden": hidden, "no text": sorted(set(shown) - set(texts)), "in no topic's folder": loose,
                "without a label": unlabelled}  # fmt: skip
    said = "".join(left_out_note(reason, [str(file) for file in files]) for reason, files in left_out.items())
    if "validation" in order.parts:
        said = " Documents for validation are among those to train on." + said
    return documents, None if "all" in order.parts else is_test, order.said + said
