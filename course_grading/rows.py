"""What the gradebook and the journal say of a class: a row for each student and chapter."""

from __future__ import annotations

from dataclasses import dataclass, field

from nbgrader.api import Gradebook, MissingEntry, SubmittedAssignment

from course_grading.course import Course, Submission
from course_grading.files import printable
from course_grading.outcomes import FLAGGED, INFRASTRUCTURE, REJECTED
from course_grading.recording import Result, read_result

WAITING, NOT_SUBMITTED = "not graded yet", "not submitted"
WITHOUT_MARKS = (REJECTED, INFRASTRUCTURE)


@dataclass
class Task:
    """One graded cell of one submission.

    Parameters
    ----------
    name
        The name of the cell.
    score
        Its points; None while nobody has decided.
    points
        How many points it can give.
    by_hand
        Whether a person marks it.
    ending
        How the cell ended, if the machine marks it.
    hint
        What the student is told.
    """

    name: str
    score: float | None
    points: float
    by_hand: bool
    ending: str = ""
    hint: str = ""


@dataclass
class Row:
    """One student, one chapter.

    Parameters
    ----------
    student
        The student's id.
    chapter
        The name of the exercise.
    state
        One of `outcomes.STATES`, WAITING or NOT_SUBMITTED.
    reason
        Why it is not GRADED, in words.
    name
        The student's name, if the gradebook knows it.
    score
        The points, less the penalty for late work; None without marks.
    points
        How many points the chapter can give.
    to_mark_by_hand
        How many answers wait for a person.
    seconds_late
        How late it was handed in.
    tasks
        The graded cells.
    notes
        What was put back.
    flags
        What a person should look at.
    unsafe
        Whether it was run without the sandbox.
    """

    student: str
    chapter: str
    state: str
    reason: str = ""
    name: str = ""
    score: float | None = None
    points: float = 0.0
    to_mark_by_hand: int = 0
    seconds_late: float = 0.0
    tasks: list[Task] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    unsafe: bool = False

    @property
    def why_look(self) -> str:
        """What a person should look at; empty if there is nothing."""
        reason = [] if self.state == FLAGGED else [self.reason]  # there the reason repeats the flags
        return "; ".join(line for line in (*reason, *self.flags, *self.notes) if line)

    @property
    def n_open(self) -> int:
        """How many of its tasks have no mark yet."""
        return sum(task.score is None for task in self.tasks)


def rows(course: Course, chapters: list[str]) -> list[Row]:
    """Return a row for each student in the gradebook or in `submitted/`, by chapter and student.

    Parameters
    ----------
    course
        The course directory.
    chapters
        The full names of the chapters.

    Returns
    -------
    list[Row]
        The rows.

    Raises
    ------
    CourseError
        A chapter is not released.
    """
    found = []
    submissions = {(s.chapter, s.student): s for s in course.submissions(chapters)}
    with course.gradebook() as gradebook:
        names = {s.id: f"{s.first_name or ''} {s.last_name or ''}".strip() for s in gradebook.students}
        for chapter in chapters:
            notebook = course.released(gradebook, chapter).notebooks[0]
            points = sum(cell.max_score for cell in notebook.grade_cells)
            for student in sorted(names.keys() | {student for _, student in submissions}):
                row = Row(printable(student), chapter, NOT_SUBMITTED, name=names.get(student, ""), points=points)
                if submission := submissions.get((chapter, student)):
                    _fill_in(row, course, gradebook, submission)
                found.append(row)
    return found


def _fill_in(row: Row, course: Course, gradebook: Gradebook, submission: Submission) -> None:
    result = read_result(course, submission)
    if result is None:
        row.state = WAITING
        return
    row.state, row.reason, row.unsafe = result.state, result.reason, result.unsafe
    row.notes, row.flags = result.notes, result.flags
    if row.state not in WITHOUT_MARKS:
        try:
            _fill_in_marks(row, gradebook.find_submission(submission.chapter, submission.student), result)
        except MissingEntry:  # somebody removed it from the gradebook
            row.state = WAITING


def _fill_in_marks(row: Row, submission: SubmittedAssignment, result: Result) -> None:
    grades = submission.notebooks[0].grades
    for grade in grades:
        is_decided = grade.auto_score is not None or grade.manual_score is not None
        score, by_hand = grade.score if is_decided else None, grade.name not in result.cells
        ending, hint = result.cells.get(grade.name, ""), result.hints.get(grade.name, "")
        row.tasks.append(Task(grade.name, score, grade.max_score, by_hand, ending, hint))
    order = list(result.cells)
    row.tasks.sort(key=lambda task: len(order) if task.by_hand else order.index(task.name))
    row.to_mark_by_hand = sum(grade.needs_manual_grade for grade in grades)
    row.score = submission.score - (submission.late_submission_penalty or 0)
    row.seconds_late = submission.total_seconds_late
