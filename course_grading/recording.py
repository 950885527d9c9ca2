"""The third pass: how the cells ended → marks in nbgrader's gradebook, the notebook for the formgrader, the journal.

The journal's entry is written last. If grading is killed before that, the submission is graded again, with the same
outcome.
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

from course_grading.course import Course, Submission, log, retry_while_locked
from course_grading.execution import Execution
from course_grading.files import is_regular_file, is_student_id, printable, read_json, write_atomically
from course_grading.outcomes import FAILED, FLAGGED, GRADED, PASSED, UNPROVEN
from course_grading.sanitise import Sanitised

MOST_STAMP = 1000  # bytes of a file that contains one time
TIMESTAMP = "timestamp.txt"


@dataclass
class Result:
    """The journal's entry: how a submission ended.

    Parameters
    ----------
    student
        The student's id.
    chapter
        The name of the exercise.
    fingerprint
        What the result depends on, in short.
    state
        One of `outcomes.STATES`.
    reason
        Why it is not GRADED, in words.
    cells
        For each cell that the machine marks how it ended.
    hints
        For a failed cell the message to the student.
    marks
        For each cell that the machine marks its points; None: a person must decide.
    notes
        What was put back.
    flags
        What a person should look at.
    seconds
        How long it took.
    unsafe
        Whether it was run without the sandbox.
    """

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
    """Read a submission's entry in the journal; None if there is none that can be read: then it is graded again."""
    content = read_json(course.result(submission))
    try:
        return Result(**content) if content else None
    except TypeError:
        return None


def judge(
    submission: Submission,
    sanitised: Sanitised,
    execution: Execution,
    *,
    fingerprint: str,
    hints: dict[str, frozenset[str]],
    unsafe: bool,
) -> Result:
    """Turn an execution into a result.

    Parameters
    ----------
    submission
        Whose it is.
    sanitised
        What was executed; its notes and flags are taken over.
    execution
        How it ended.
    fingerprint
        Goes into the result as it is.
    hints
        For each graded cell the messages of its assertions. Only such a text is shown to the student: what else stands
        in an error comes from the student's side.
    unsafe
        Whether it was run without the sandbox.

    Returns
    -------
    Result
        The entry for the journal, without marks: `record` adds them.
    """
    result = Result(
        submission.student,
        submission.chapter,
        fingerprint,
        execution.state,
        printable(execution.reason),
        cells=execution.cells,
        hints=_hints(execution, hints),
        notes=sanitised.notes,
        flags=list(dict.fromkeys([*sanitised.flags, *execution.changed])),
        seconds=round(execution.seconds, 2),
        unsafe=unsafe,
    )
    if UNPROVEN in execution.cells.values():
        result.flags.append("its tests neither failed nor passed: something removes assertions")
    if result.flags and result.state == GRADED:
        result.state, result.reason = FLAGGED, "; ".join(result.flags)
    return result


def _hints(execution: Execution, known: dict[str, frozenset[str]]) -> dict[str, str]:
    """For each cell that raised an error what the student is told."""
    found = {}
    for name, (kind, text) in execution.errors.items():
        is_hint = execution.cells.get(name) == FAILED and text in known.get(name, ())
        found[name] = text if is_hint else _without_a_hint(kind)
    return found


def _without_a_hint(kind: str) -> str:
    if kind == "NotImplementedError":
        return "Not answered yet: the cell still raises NotImplementedError."
    if kind == "NameError":
        return (
            "NameError: a name is not defined when the notebook runs from top to bottom. Either the answer uses it, or"
            " the answer itself has a different name."
        )
    # only Python's own: the name of a type could be made of what the tests contain
    known = kind if kind in vars(builtins) else "an error of its own"
    return f"The answer does not run on the test's data ({known}). Run the visible check, then try other shapes."


def record(course: Course, submission: Submission, result: Result, notebook: str | None) -> None:
    """Write the marks, the executed notebook and the journal. Marks that a person gave stay as they are.

    Parameters
    ----------
    course
        The course directory.
    submission
        Whose marks they are.
    result
        What goes into the journal; its `marks` are filled in.
    notebook
        The executed notebook, as text; None: there is none, and earlier automatic marks are removed.
    """
    course.result(submission).unlink(missing_ok=True)  # if we are killed now, it is graded again
    if is_student_id(submission.student):
        retry_while_locked(lambda: _marks(course, submission, result))
    if notebook is None:
        # an older version's outputs under today's state would mislead
        shutil.rmtree(course.autograded(submission).parent, ignore_errors=True)
    else:
        _write_notebook(course, submission, notebook)
    write_atomically(course.result(submission), json.dumps(asdict(result), indent=1, ensure_ascii=False))


def _write_notebook(course: Course, submission: Submission, notebook: str) -> None:
    path = course.autograded(submission)
    write_atomically(path, notebook)
    copy = path.with_name(TIMESTAMP)
    copy.unlink(missing_ok=True)
    if is_regular_file(submission.folder / TIMESTAMP, most=MOST_STAMP):
        shutil.copyfile(submission.folder / TIMESTAMP, copy)
    executed = nbformat.reads(notebook, as_version=4)
    retry_while_locked(lambda: _remarks(course, submission, executed))
    retry_while_locked(lambda: _late_penalty(course, submission, executed))


def _marks(course: Course, submission: Submission, result: Result) -> None:
    timestamp = _handed_in(submission)
    with course.gradebook() as gradebook, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader adds a submission to its session late
        gradebook.update_or_create_student(submission.student)
        gradebook.update_or_create_submission(submission.chapter, submission.student).timestamp = timestamp
        grades = submitted_notebook(gradebook, submission).grades
        for grade in grades:
            ending = result.cells.get(grade.name)
            grade.auto_score = None if ending in (None, UNPROVEN) else grade.max_score * (ending == PASSED)
            grade.needs_manual_grade = grade.auto_score is None or grade.manual_score is not None
        result.marks = {grade.name: grade.auto_score for grade in grades if grade.name in result.cells}
        gradebook.db.commit()  # all marks of a submission, or none


def _handed_in(submission: Submission) -> datetime | None:
    """When it was handed in, as nbgrader's collecting commands note it; None if that cannot be read."""
    stamp = submission.folder / TIMESTAMP
    if not is_regular_file(stamp, most=MOST_STAMP):
        return None
    try:
        return utils.parse_utc(stamp.read_text(encoding="utf-8").strip())
    except (ValueError, OverflowError, OSError):
        return None


def submitted_notebook(gradebook: Gradebook, submission: Submission) -> SubmittedNotebook:
    """Return a submission from the gradebook."""
    return gradebook.find_submission_notebook(submission.chapter, submission.chapter, submission.student)


def _remarks(course: Course, submission: Submission, executed: NotebookNode) -> None:
    """Remark "No response." where an answer was never touched; an empty written answer gets 0 points."""
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
    """The penalty of nbgrader for late work, as its configuration says (none by default)."""
    late = AssignLatePenalties(parent=None, config=course.config)
    late.log = log
    late.preprocess(executed, course.resources(submission.chapter, submission.student))
