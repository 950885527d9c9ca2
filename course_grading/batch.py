"""`grade`: take all submissions of some chapters through the three passes, on several workers, as often as you like."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tqdm.auto import tqdm

from course_grading.course import VERSION, Course, CourseError, Submission
from course_grading.executors import open_executor
from course_grading.files import is_regular_file
from course_grading.outcomes import INFRASTRUCTURE, REJECTED
from course_grading.passes import Passes, Task
from course_grading.recording import TIMESTAMP, Result, read_result
from course_grading.release import hints_of
from course_grading.sandbox import Limits, SandboxUnavailable, preflight
from course_grading.sanitise import MOST_BYTES
from course_utils.environment import is_quiet

try:
    import fcntl
except ImportError:  # Windows, where grading works only with --unsafe
    fcntl = None  # type: ignore[assignment]


@dataclass
class Summary:
    """What a run of `grade` did.

    Parameters
    ----------
    n_before
        How many submissions were graded already.
    results
        The results of the others.
    changes
        What differs from their earlier results, a line each.
    """

    n_before: int = 0
    results: list[Result] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    @property
    def states(self) -> Counter[str]:
        """How many of this run's submissions ended in which state."""
        return Counter(result.state for result in self.results)


def fingerprint(submission: Submission, tests: str) -> str:
    """Say in short what a result depends on: the submission, when it was handed in, the chapter's tests, this package.

    Parameters
    ----------
    submission
        The submission.
    tests
        The chapter's tests, in short: see `tests_of`.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.sha256(f"{VERSION} {tests}".encode())
    for path in (submission.path, submission.folder / TIMESTAMP):
        try:
            digest.update(path.read_bytes() if is_regular_file(path, most=MOST_BYTES) else b"-")
        except OSError as error:
            digest.update(type(error).__name__.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def tests_of(course: Course, chapter: str) -> str:
    """Say in short what a chapter's tests are: every cell that the gradebook knows, and its points.

    Parameters
    ----------
    course
        The course directory.
    chapter
        The full name of the chapter.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    CourseError
        The chapter is not released.
    """
    with course.gradebook() as gradebook:
        notebook = course.released(gradebook, chapter).notebooks[0]
        cells = sorted((cell.name, cell.source, cell.checksum) for cell in notebook.source_cells)
        points = sorted((cell.name, cell.max_score) for cell in notebook.grade_cells)
    return hashlib.sha256(json.dumps([cells, points]).encode()).hexdigest()


@contextmanager
def only_grader(course: Course) -> Iterator[None]:
    """Keep other graders out of a course; the lock ends with the process, however that ends.

    Parameters
    ----------
    course
        The course directory.

    Raises
    ------
    CourseError
        Another grader is running there.
    """
    with (course.root / ".grading").open("w") as file:
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CourseError(f"another grader is running in {course.root}; wait for it, or stop it") from error
        yield


def grade(
    course: Course,
    chapters: list[str],
    *,
    workers: int = 2,
    executor: str | None = None,
    unsafe: bool = False,
    regrade: bool = False,
    students: list[str] | None = None,
    limits: Limits | None = None,
) -> Summary:
    """Grade what is not graded yet: new or changed submissions, changed tests, what failed through a fault of ours.

    Parameters
    ----------
    course
        The course directory.
    chapters
        The full names of the chapters.
    workers
        How many submissions run at once on this machine.
    executor
        None for this machine, or "dask://host:port": see `open_executor`.
    unsafe
        Run without the sandbox. Each result says so, and is graded again when the sandbox is available.
    regrade
        Grade also what is graded already.
    students
        Grade only these; None: all.
    limits
        What each submission may use; None: as `Limits` says.

    Returns
    -------
    Summary
        The new results, and what they changed.

    Raises
    ------
    CourseError
        There is no sandbox, a chapter is not released, or another grader is running. Nothing is changed.
    """
    limits, summary = limits or Limits(), Summary()
    with only_grader(course), open_executor(executor, workers) as (pool, n_at_once):
        found = dict(_tasks(course, chapters, students))
        todo = [task for task, known in found.items() if regrade or not _is_done(course, task, known, unsafe)]
        summary.n_before = len(found) - len(todo)
        hints = {chapter: _hints(course, chapter) for chapter in chapters}
        if todo and not unsafe:
            _check_sandbox(pool, limits)
        passes = Passes(course, pool, n_at_once, hints=hints, limits=limits, unsafe=unsafe)
        before = {(task.submission.student, task.submission.chapter): known for task, known in found.items()}
        for result in _with_progress(passes.results(todo), len(todo), summary):
            known = before[result.student, result.chapter]
            summary.changes += changes(known, result) if known else []
    return summary


def _tasks(course: Course, chapters: list[str], students: list[str] | None) -> Iterator[tuple[Task, Result | None]]:
    """What was handed in, and how it ended before."""
    for chapter in chapters:
        tests = tests_of(course, chapter)
        for submission in course.submissions([chapter]):
            if not students or submission.student in students:
                yield Task(submission, fingerprint(submission, tests)), read_result(course, submission)


def _is_done(course: Course, task: Task, known: Result | None, unsafe: bool) -> bool:
    if known is None or known.fingerprint != task.fingerprint:
        return False
    if known.state == INFRASTRUCTURE or (known.unsafe and not unsafe):
        return False
    # nbgrader's own autograde may have removed the executed notebook
    return known.state == REJECTED or course.autograded(task.submission).exists()


def _hints(course: Course, chapter: str) -> dict[str, frozenset[str]]:
    """For each graded cell, what it may tell a student. From the gradebook, as the tests themselves are."""
    with course.gradebook() as gradebook:
        notebook = course.released(gradebook, chapter).notebooks[0]
        sources = {cell.name: cell.source for cell in notebook.source_cells if cell.cell_type == "code"}
        return {cell.name: hints_of(sources[cell.name]) for cell in notebook.grade_cells if cell.name in sources}


def _check_sandbox(executor: Executor, limits: Limits) -> None:
    try:
        executor.submit(preflight, limits).result()
    except SandboxUnavailable as error:
        raise CourseError(f"Nothing was graded: {error}") from error


def _with_progress(results: Iterator[Result], total: int, summary: Summary) -> Iterator[Result]:
    """Add results to the summary and show how many there are."""
    with tqdm(total=total, desc="grading", unit="submission", disable=is_quiet()) as bar:
        for result in results:
            summary.results.append(result)
            bar.update()
            bar.set_postfix(summary.states)
            yield result


def changes(before: Result, after: Result) -> list[str]:
    """Say what a new result changes, a line for the state and for each mark.

    Parameters
    ----------
    before
        The earlier result.
    after
        The new result of the same submission.
    """
    who = f"{after.student} {after.chapter}"
    lines = [f"{who}: {before.state} → {after.state}"] if before.state != after.state else []
    for name in sorted(before.marks.keys() | after.marks.keys()):
        old, new = before.marks.get(name), after.marks.get(name)
        if old != new:
            lines.append(f"{who}: {name} {_points(old)} → {_points(new)}")
    return lines


def _points(mark: float | None) -> str:
    return "no mark" if mark is None else f"{mark:g}"
