"""The first pass: a submission's file → a notebook that may be run, or the reason why there is none.

A student may change the text of the answer cells and add cells. Everything else (the tests, the points, which cell is
which) is put back from the gradebook: by nbgrader's own preprocessors, where possible.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.validator import normalize
from nbgrader.api import Notebook
from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, OverwriteCells, OverwriteKernelspec

from course_grading.cells import grade_id, is_locked
from course_grading.course import Course, Submission, log
from course_grading.files import MOST_CHARACTERS, is_student_id, printable
from course_grading.suspicion import suspicious

MOST_BYTES = 20 * 2**20


class Rejected(ValueError):
    """A submission contains nothing that could be run; the message says why, to the student."""


@dataclass
class Sanitised:
    """A notebook that may be run.

    Parameters
    ----------
    notebook
        The notebook, as text.
    graded
        The names of the cells that the machine marks.
    notes
        What was put back.
    flags
        What a person should look at.
    """

    notebook: str
    graded: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def sanitise(course: Course, submission: Submission) -> Sanitised:
    """Read a submission and put back what is not the student's.

    Parameters
    ----------
    course
        The course directory, with the chapter released.
    submission
        The submission.

    Returns
    -------
    Sanitised
        The notebook that may be run.

    Raises
    ------
    Rejected
        The file is missing, is not a notebook, or has lost what grading needs.
    """
    notebook = read(submission)
    with course.gradebook() as gradebook:
        chapter = gradebook.find_notebook(submission.chapter, submission.chapter)
        answers = {cell.name for cell in chapter.solution_cells}
        graded = tuple(cell.name for cell in chapter.grade_cells if cell.name not in answers)
        _forget_unknown_cells(notebook, {cell.name for cell in chapter.source_cells})
        notes = _drop_duplicates(notebook)
        _require_answers(notebook, answers, submission.chapter)
        _restore_metadata(notebook, chapter)
    released = course.released_cells(submission.chapter)
    notes += _put_back(notebook, released)
    notebook = _preprocessed(course, submission, notebook, order=list(released))
    own = [cell.source for cell in notebook.cells if cell.cell_type == "code" and not is_locked(cell)]
    return Sanitised(nbformat.writes(notebook), graded, notes, suspicious(own))


def _put_back(notebook: NotebookNode, released: dict[str, str]) -> list[str]:
    """What `_preprocessed` will put back, a note for each cell."""
    submitted = {name: cell for cell in notebook.cells if (name := grade_id(cell))}
    missing = [f"{name} was missing: put back" for name in released if name not in submitted]
    locked = {name: cell.source for name, cell in submitted.items() if is_locked(cell)}
    changed = (name for name, source in locked.items() if source.strip() != released.get(name, "").strip())
    return missing + [f"{name} was changed: put back" for name in changed]


def _preprocessed(course: Course, submission: Submission, notebook: NotebookNode, order: list[str]) -> NotebookNode:
    resources = course.resources(submission.chapter, submission.student)
    restore = RestoreCells(order=order, parent=None, config=course.config)
    for preprocessor in (ClearOutput(), OverwriteKernelspec(), restore, CheckCellMetadata()):
        preprocessor.log = log
        notebook, resources = preprocessor.preprocess(notebook, resources)
    return notebook


def read(submission: Submission) -> NotebookNode:
    """Read the notebook of a submission.

    Parameters
    ----------
    submission
        The submission.

    Returns
    -------
    NotebookNode
        A valid notebook, without metadata except nbgrader's.

    Raises
    ------
    Rejected
        The file cannot be graded; the message contains the reason.
    """
    if not is_student_id(submission.student):
        name = ascii(submission.student[:40])
        characters = f"up to {MOST_CHARACTERS} letters, digits and . _ @ + - only"
        raise Rejected(f"the folder's name {name} is not a student id: {characters}")
    path = submission.path
    try:
        _require_file(submission)
        content = _content(path)
    except OSError as error:
        raise Rejected(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{path.name} is not a notebook: its JSON cannot be read ({error})") from error
    try:
        return _valid_notebook(content)
    except Exception as error:  # whatever a file from outside provokes in the reader is the file's fault
        reason = printable(str(error)).split("\\n")[0][:200] or type(error).__name__
        raise Rejected(f"{path.name} is not a valid notebook ({reason})") from error


def _valid_notebook(content: str) -> NotebookNode:
    with warnings.catch_warnings():  # cell ids that are missing or duplicated are repaired without a word
        warnings.simplefilter("ignore")
        notebook = nbformat.reads(content, as_version=4)
        _forget_metadata(notebook)
        notebook.nbformat_minor = 5  # the first version with cell ids
        _, notebook = normalize(notebook)
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode("utf-8")
    return notebook


def _require_file(submission: Submission) -> None:
    path = submission.path
    if not path.exists() and not path.is_symlink():
        others = [printable(other.name) for other in sorted(submission.folder.glob("*.ipynb"))[:3]]
        found = f"the folder contains {', '.join(others)}" if others else "the folder contains no notebook"
        raise Rejected(f"there is no {path.name}; {found}. Name the file as it was given out")
    if any(place.is_symlink() for place in (path, submission.folder, submission.folder.parent)) or not path.is_file():
        raise Rejected(f"{path.name} is not a regular file")


def _content(path: Path) -> str:
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
    """Keep only nbgrader's metadata: other metadata has no use here, and could break the page that shows it."""
    notebook.metadata = NotebookNode()
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader")
        cell.metadata = NotebookNode({"nbgrader": marks} if isinstance(marks, dict) else {})


def _forget_unknown_cells(notebook: NotebookNode, names: set[str]) -> None:
    """Take the metadata from cells that were not released: they are the student's own."""
    for cell in notebook.cells:
        if grade_id(cell) not in names:
            cell.metadata = NotebookNode()


def _drop_duplicates(notebook: NotebookNode) -> list[str]:
    """Let the last copy of a cell count; the other copies become cells of the student's own.

    nbgrader's DeduplicateIds leaves empty metadata behind, on which its next step fails (jupyter/nbgrader#1083).
    """
    seen: set[str] = set()
    notes = []
    for cell in reversed(notebook.cells):
        name = grade_id(cell)
        if name in seen:
            del cell.metadata["nbgrader"]
            notes.append(f"{name} was in the notebook more than once: the last one counts")
        elif name:
            seen.add(name)
    return list(dict.fromkeys(notes))


def _require_answers(notebook: NotebookNode, answers: set[str], chapter: str) -> None:
    if not answers & {grade_id(cell) for cell in notebook.cells}:
        raise Rejected(
            "none of its cells is marked as an answer any more (some tools drop cell metadata): paste the answers into"
            f" a fresh copy of {chapter}.ipynb and hand that in"
        )


def _restore_metadata(notebook: NotebookNode, chapter: Notebook) -> None:
    """Set what each cell is, its points and whether it is locked as released, whatever the file says."""
    points = {cell.name: cell.max_score for cell in chapter.grade_cells}
    answers = {cell.name for cell in chapter.solution_cells}
    released = {cell.name: cell for cell in chapter.source_cells}
    for cell in notebook.cells:
        name = grade_id(cell)
        if name is None:
            continue
        marks = {"grade_id": name, "grade": name in points, "solution": name in answers, "task": False,
                 "locked": released[name].locked, "cell_type": released[name].cell_type,
                 "checksum": released[name].checksum, "schema_version": 3}  # fmt: skip
        cell.metadata["nbgrader"] = NotebookNode(marks | ({"points": points[name]} if name in points else {}))


class RestoreCells(OverwriteCells):
    """nbgrader's OverwriteCells, but it puts back *every* released cell that is missing, in its place.

    nbgrader's own fails when the cell before the missing one is missing as well, or has no metadata.

    Parameters
    ----------
    order
        The names of the released cells, from top to bottom.
    kwargs
        Go to nbgrader's class.
    """

    def __init__(self, *, order: list[str], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.order = order
        self.add_missing_cells = True
        self.missing_cell_notification = "{cell_id}: this cell was missing, and was put back for grading.\n"

    def add_missing_grade_cells(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Insert each missing cell behind the nearest one before it that is there."""
        chapter = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        released = {cell.name for cell in chapter.source_cells}
        for number, name in enumerate(self.order):
            place = {grade_id(cell): index for index, cell in enumerate(nb.cells)}
            if name in released and name not in place:
                before = [place[earlier] for earlier in self.order[:number] if earlier in place]
                nb.cells.insert(max(before) + 1 if before else 0, self._restored(chapter, name))
        return nb, resources

    def _restored(self, chapter: Notebook, name: str) -> NotebookNode:
        released = next(cell for cell in chapter.source_cells if cell.name == name)
        points = {cell.name: cell.max_score for cell in chapter.grade_cells}
        is_solution = any(cell.name == name for cell in chapter.solution_cells)
        cell = self.missing_cell_transform(released, points.get(name, 0), is_solution=is_solution)
        cell = nbformat.from_dict({**cell, "id": f"{name}-restored"})  # nbgrader leaves plain dictionaries inside
        cell.metadata.nbgrader.update(grade=name in points, locked=released.locked)
        if name not in points:
            cell.metadata.nbgrader.pop("points", None)
        return cell
