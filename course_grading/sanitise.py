"""The first pass: a submission's file → a notebook that may be run, or the reason why there is none.

What a student may change is the text of the answer cells and cells of their own. Everything else (the tests, the
points, which cell is which) is put back from the gradebook: nbgrader's own preprocessors, with their gaps closed.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode
from nbformat.validator import normalize
from nbgrader.api import Gradebook, Notebook
from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, OverwriteCells, OverwriteKernelspec

from .course import Course, Submission, is_student, log, printable
from .course import name as name_of
from .suspicion import suspicious

MOST_BYTES = 20 * 2**20


class Rejected(ValueError):
    """There is nothing in the submission that could be run; the message says why, for the student."""


@dataclass
class Sanitised:
    """A notebook as text, the names of the cells that the machine marks, and what a person should know."""

    notebook: str
    graded: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def sanitise(course: Course, submission: Submission) -> Sanitised:
    """Read a submission and put back what is not the student's.

    Raises:
        Rejected: the file is missing, is not a notebook, or has lost what grading needs.
    """
    notebook = read(submission)
    resources = course.resources(submission.chapter, submission.student)
    notes: list[str] = []
    with course.gradebook() as gradebook:
        chapter = gradebook.find_notebook(submission.chapter, submission.chapter)
        names = {cell.name for cell in chapter.source_cells}
        answers = {cell.name for cell in chapter.solution_cells}
        graded = tuple(cell.name for cell in chapter.grade_cells if cell.name not in answers)
        _forget_unknown_cells(notebook, names)
        notes += _drop_duplicates(notebook)
        _require_answers(notebook, answers, submission.chapter)
        _restore_metadata(notebook, chapter)
    released = course.released_cells(submission.chapter)
    submitted = {name_of(cell): cell for cell in notebook.cells}
    notes += [f"{name} was missing: put back" for name in released if name not in submitted]
    locked = {name: cell for name, cell in submitted.items() if name and _is_locked(cell)}
    changed = (name for name, cell in locked.items() if cell.source.strip() != released.get(name, "").strip())
    notes += [f"{name} was changed: put back" for name in changed]
    restore = RestoreCells(order=list(released), parent=None, config=course.config)
    for preprocessor in (ClearOutput(), OverwriteKernelspec(), restore, CheckCellMetadata()):
        preprocessor.log = log
        notebook, resources = preprocessor.preprocess(notebook, resources)
    own = [cell for cell in notebook.cells if cell.cell_type == "code" and not _is_locked(cell)]
    return Sanitised(nbformat.writes(notebook), graded, notes, suspicious([cell.source for cell in own]))


def read(submission: Submission) -> NotebookNode:
    """The notebook of a submission.

    Raises:
        Rejected: with the reason.
    """
    path = submission.path
    if not is_student(submission.student):
        name = ascii(submission.student[:40])
        raise Rejected(f"the folder's name {name} is no student id: up to 100 letters, digits and . _ @ + - only")
    try:
        content = _content(submission)
    except OSError as error:
        raise Rejected(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{path.name} is not a notebook: its JSON cannot be read ({error})") from error
    try:
        with warnings.catch_warnings():  # ids that are missing or there twice are mended, and of no further interest
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(content, as_version=4)
            _forget_metadata(notebook)
            notebook.nbformat_minor = 5  # the first with ids
            _, notebook = normalize(notebook)
        nbformat.validate(notebook)
        nbformat.writes(notebook).encode("utf-8")
    except Exception as error:  # whatever a file from outside provokes in the reader is the file's fault
        reason = printable(str(error)).split("\\n")[0][:200] or type(error).__name__
        raise Rejected(f"{path.name} is not a valid notebook ({reason})") from error
    return notebook


def _content(submission: Submission) -> str:
    path = submission.path
    if not path.exists() and not path.is_symlink():
        others = [printable(other.name) for other in sorted(submission.folder.glob("*.ipynb"))[:3]]
        found = f"the folder holds {', '.join(others)}" if others else "the folder holds no notebook"
        raise Rejected(f"there is no {path.name}; {found}. Name the file as it was given out")
    if any(place.is_symlink() for place in (path, submission.folder, submission.folder.parent)) or not path.is_file():
        raise Rejected(f"{path.name} is not an ordinary file")
    if path.stat().st_size > MOST_BYTES:
        raise Rejected(f"{path.name} is larger than {MOST_BYTES // 2**20} MB; clear its outputs and hand it in again")
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(f"{path.name} is not text in UTF-8: {error.reason}") from error
    if not content.strip():
        raise Rejected(f"{path.name} is empty")
    return content


def _forget_metadata(notebook: NotebookNode) -> None:
    """What a notebook says of itself is of no use here but for nbgrader's marks, and a page could stumble over it."""
    notebook.metadata = NotebookNode()
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader")
        cell.metadata = NotebookNode({"nbgrader": marks} if isinstance(marks, dict) else {})


def _is_locked(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("locked"))


def _forget_unknown_cells(notebook: NotebookNode, names: set[str]) -> None:
    """A cell that claims to be one of ours, but is not, is a cell of the student's own."""
    for cell in notebook.cells:
        if name_of(cell) not in names:
            cell.metadata = NotebookNode()


def _drop_duplicates(notebook: NotebookNode) -> list[str]:
    """Where a cell was copied the last one counts, the others become cells of the student's own.

    nbgrader's DeduplicateIds leaves empty metadata behind, on which its next step fails (jupyter/nbgrader#1083).
    """
    seen, notes = set(), []
    for cell in reversed(notebook.cells):
        name = name_of(cell)
        if name in seen:
            del cell.metadata["nbgrader"]
            notes.append(f"{name} was there more than once: the last one counts")
        elif name:
            seen.add(name)
    return list(dict.fromkeys(notes))


def _require_answers(notebook: NotebookNode, answers: set[str], chapter: str) -> None:
    if not answers & {name_of(cell) for cell in notebook.cells}:
        raise Rejected(
            "none of its cells carries the name of an answer any more (some tools drop cell metadata): paste the"
            f" answers into a fresh copy of {chapter}.ipynb and hand that in"
        )


def _restore_metadata(notebook: NotebookNode, chapter: Notebook) -> None:
    """What a cell is, how many points it gives, whether it is locked: as released, whatever the file says."""
    points = {cell.name: cell.max_score for cell in chapter.grade_cells}
    answers = {cell.name for cell in chapter.solution_cells}
    released = {cell.name: cell for cell in chapter.source_cells}
    for cell in notebook.cells:
        name = name_of(cell)
        if name is None:
            continue
        marks = {"grade_id": name, "grade": name in points, "solution": name in answers, "task": False,
                 "locked": released[name].locked, "cell_type": released[name].cell_type,
                 "checksum": released[name].checksum, "schema_version": 3}  # fmt: skip
        cell.metadata["nbgrader"] = NotebookNode(marks | ({"points": points[name]} if name in points else {}))


class RestoreCells(OverwriteCells):
    """nbgrader's OverwriteCells, which puts back *every* released cell that is missing, set-up cells too, in its place.

    nbgrader's own fails when the cell before the missing one is missing as well, or carries no marks.
    """

    def __init__(self, *, order: list[str], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.order = order
        self.add_missing_cells = True
        self.missing_cell_notification = "{cell_id}: this cell was missing, and was put back for grading.\n"

    def add_missing_grade_cells(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Insert each missing cell behind the nearest one before it that is there."""
        gradebook: Gradebook = self.gradebook
        chapter = gradebook.find_notebook(self.notebook_id, self.assignment_id)
        released = {cell.name: cell for cell in chapter.source_cells}
        points = {cell.name: cell.max_score for cell in chapter.grade_cells}
        answers = {cell.name for cell in chapter.solution_cells}
        for number, name in enumerate(self.order):
            place = {name_of(cell): index for index, cell in enumerate(nb.cells)}
            if name in place or name not in released:
                continue
            before = [place[earlier] for earlier in self.order[:number] if earlier in place]
            cell = self.missing_cell_transform(released[name], points.get(name, 0), is_solution=name in answers)
            cell = nbformat.from_dict({**cell, "id": f"{name}-restored"})  # nbgrader leaves plain dictionaries inside
            cell.metadata.nbgrader.update(grade=name in points, locked=released[name].locked)
            if name not in points:
                cell.metadata.nbgrader.pop("points", None)
            nb.cells.insert(max(before) + 1 if before else 0, cell)
        return nb, resources
