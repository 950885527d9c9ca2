"""The third pass: how the cells ended → marks in nbgrader's gradebook, the notebook for the formgrader, the journal.

The journal's entry is written last. Whatever is killed before that is done again, with the same outcome.
"""

from __future__ import annotations

import builtins
import json
import shutil
import warnings
from dataclasses import asdict, dataclass, field
from datetime import datetime

import nbformat
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.api import Gradebook, SubmittedNotebook
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy.exc import SAWarning

from .course import Course, Submission, is_plain, is_student, log, patiently, printable, read_json, write_whole
from .execution import DIED, FAILED, GRADED, INFRASTRUCTURE, PASSED, TIMED_OUT, UNPROVEN, Execution
from .sanitise import Sanitised

REJECTED, FLAGGED = "rejected", "flagged"
STATES = (GRADED, TIMED_OUT, DIED, REJECTED, FLAGGED, INFRASTRUCTURE)
MOST_STAMP = 1000  # bytes that a file with one time in it may have


@dataclass
class Result:
    """The journal's entry: how a submission ended. `cells` maps a machine-marked cell to how it ended, `hints` to the
    message that a failed one leaves, `marks` to its points (None: a person must decide)."""

    student: str
    chapter: str
    fingerprint: str
    state: str
    reason: str = ""
    cells: dict[str, str] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)
    marks: dict[str, float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    seconds: float = 0.0
    unsafe: bool = False


def read_result(course: Course, submission: Submission) -> Result | None:
    """The journal's entry; None where there is none (or one that cannot be read: then it is graded again)."""
    content = read_json(course.result(submission))
    try:
        return Result(**content) if content else None
    except TypeError:
        return None


def judge(course: Course, submission: Submission, sanitised: Sanitised, execution: Execution, *, fingerprint: str,
          hints: dict[str, frozenset[str]], unsafe: bool) -> Result:  # fmt: skip
    """The result of an execution. Only a text that the graded cell itself can raise is taken for a hint: what else
    stands in an error comes from the student's side.

    Args:
        hints: for each graded cell the messages of its assertions.
    """
    result = Result(submission.student, submission.chapter, fingerprint, execution.state, execution.reason,
                    cells=execution.cells, notes=sanitised.notes, flags=list(sanitised.flags),
                    seconds=round(execution.seconds, 2), unsafe=unsafe)  # fmt: skip
    for name, (kind, text) in execution.errors.items():
        if execution.cells.get(name) == FAILED and text in hints.get(name, ()):
            result.hints[name] = text
        else:
            result.hints[name] = _without_a_hint(kind)
    result.flags += [change for change in execution.changed if change not in result.flags]
    if UNPROVEN in execution.cells.values():
        result.flags.append("its tests ended without failing and without passing: something removes assertions")
    result.reason = printable(result.reason)
    if result.flags and result.state == GRADED:
        result.state, result.reason = FLAGGED, "; ".join(result.flags)
    return result


def _without_a_hint(kind: str) -> str:
    if kind == "NotImplementedError":
        return "Not answered yet: the cell still raises NotImplementedError."
    if kind == "NameError":
        return "The answer uses a name, or has a name, that is not there when the notebook runs from top to bottom."
    # only Python's own: a type's name could be made of what the tests hold
    known = kind if kind in vars(builtins) else "an error of its own"
    return f"The answer does not run on the test's data ({known}). Run the visible check, then try other shapes."


def record(course: Course, submission: Submission, result: Result, notebook: str | None) -> None:
    """Write marks, executed notebook and journal; without a notebook, earlier automatic marks are taken away.

    Marks that a person gave stay as they are.
    """
    course.result(submission).unlink(missing_ok=True)  # whoever is killed now does it again
    if is_student(submission.student):
        patiently(lambda: _marks(course, submission, result))
    if notebook is None:
        # an older version's outputs under today's state would mislead
        shutil.rmtree(course.autograded(submission).parent, ignore_errors=True)
    else:
        write_whole(course.autograded(submission), notebook)
        stamp = submission.folder / "timestamp.txt"
        copy = course.autograded(submission).with_name("timestamp.txt")
        copy.unlink(missing_ok=True)
        if is_plain(stamp, most=MOST_STAMP):
            shutil.copyfile(stamp, copy)
        executed = nbformat.reads(notebook, as_version=4)
        patiently(lambda: _remarks(course, submission, executed))
        patiently(lambda: _late_penalty(course, submission, executed))
    write_whole(course.result(submission), json.dumps(asdict(result), indent=1, ensure_ascii=False))


def _marks(course: Course, submission: Submission, result: Result) -> None:
    timestamp = _handed_in(submission)
    with course.gradebook() as gradebook, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader adds a submission to its session late
        gradebook.update_or_create_student(submission.student)
        gradebook.update_or_create_submission(submission.chapter, submission.student).timestamp = timestamp
        notebook = submitted_notebook(gradebook, submission)
        result.marks = {}
        for grade in notebook.grades:
            ending = result.cells.get(grade.name)
            grade.auto_score = None if ending in (None, UNPROVEN) else grade.max_score * (ending == PASSED)
            grade.needs_manual_grade = grade.auto_score is None or grade.manual_score is not None
            if grade.cell.name in result.cells:
                result.marks[grade.name] = grade.auto_score
        gradebook.db.commit()  # all marks of a submission, or none


def _handed_in(submission: Submission) -> datetime | None:
    """When it was handed in, as nbgrader's collecting commands write it down; None where that cannot be read."""
    stamp = submission.folder / "timestamp.txt"
    try:
        return utils.parse_utc(stamp.read_text(encoding="utf-8").strip()) if is_plain(stamp, most=MOST_STAMP) else None
    except (ValueError, OverflowError, OSError):
        return None


def submitted_notebook(gradebook: Gradebook, submission: Submission) -> SubmittedNotebook:
    """A submission in the gradebook."""
    return gradebook.find_submission_notebook(submission.chapter, submission.chapter, submission.student)


def _remarks(course: Course, submission: Submission, executed: NotebookNode) -> None:
    """ "No response." where an answer was never touched; an empty written answer needs no reader, either."""
    with course.gradebook() as gradebook:
        for cell in filter(utils.is_solution, executed.cells):
            place = (cell.metadata.nbgrader.grade_id, submission.chapter, submission.chapter, submission.student)
            untouched = cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell)
            gradebook.find_comment(*place).auto_comment = "No response." if untouched else None
            if untouched and utils.is_grade(cell):
                grade = gradebook.find_grade(*place)
                grade.auto_score, grade.needs_manual_grade = 0.0, grade.manual_score is not None
        gradebook.db.commit()


def _late_penalty(course: Course, submission: Submission, executed: NotebookNode) -> None:
    """nbgrader's penalty for late work, as its configuration says (none by default)."""
    late = AssignLatePenalties(parent=None, config=course.config)
    late.log = log
    late.preprocess(executed, course.resources(submission.chapter, submission.student))
