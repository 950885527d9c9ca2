"""`grade`: all submissions of some chapters through the three passes, on several workers, and again at will."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from tqdm.auto import tqdm

from course_utils.settings import settings

from .course import VERSION, Course, CourseError, Submission, is_plain, patiently, printable
from .execution import Execution, Job, execute, stop_all
from .recording import INFRASTRUCTURE, REJECTED, Result, judge, read_result, record
from .release import hints_of
from .sandbox import Limits, SandboxUnavailable, preflight
from .sanitise import MOST_BYTES, Rejected, Sanitised, sanitise

try:
    import fcntl
except ImportError:  # Windows, where there is no grading but --unsafe
    fcntl = None


@dataclass
class Summary:
    """What a run of `grade` did: how many were there already, the results of the others, and what a regrade changed."""

    n_before: int = 0
    results: list[Result] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    @property
    def states(self) -> Counter:
        """How many of this run's submissions ended in which state."""
        return Counter(result.state for result in self.results)


def fingerprint(course: Course, submission: Submission, tests: str) -> str:
    """What a result depends on, in short: the submission's bytes, when it was handed in, the chapter's tests, us."""
    digest = hashlib.sha256(f"{VERSION} {tests}".encode())
    for path in (submission.path, submission.folder / "timestamp.txt"):
        try:
            digest.update(path.read_bytes() if is_plain(path, most=MOST_BYTES) else b"-")
        except OSError as error:
            digest.update(type(error).__name__.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def tests_of(course: Course, chapter: str) -> str:
    """The released chapter as grading sees it, in short: every cell that the gradebook knows, and its points."""
    with course.gradebook() as gradebook:
        notebook = course.released(gradebook, chapter).notebooks[0]
        cells = sorted((cell.name, cell.source, cell.checksum) for cell in notebook.source_cells)
        points = sorted((cell.name, cell.max_score) for cell in notebook.grade_cells)
    return hashlib.sha256(json.dumps([cells, points]).encode()).hexdigest()


@contextlib.contextmanager
def _alone(course: Course) -> Iterator[None]:
    """No two graders in one course; the lock goes with the process, however it ends."""
    with (course.root / ".grading").open("w") as file:
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CourseError(f"another grader is at work in {course.root}; wait for it, or stop it") from error
        yield


@contextlib.contextmanager
def open_executor(where: str | None, workers: int) -> Iterator[tuple[Executor, int]]:
    """(an executor, how many submissions it takes at once). Threads are enough here: each drives a process of its own.

    Args:
        where: None for this machine, or "dask://host:port", the scheduler of a Dask cluster whose workers have this
            package and bubblewrap.
    """
    if where is None:
        with ThreadPoolExecutor(workers, thread_name_prefix="grading") as executor:
            try:
                yield executor, workers
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                stop_all()
                raise
        return
    if not where.startswith("dask://"):
        raise CourseError(f"--executor is dask://host:port, not {where!r}")
    try:
        from distributed import Client
    except ImportError as error:
        raise CourseError("a Dask cluster needs the package distributed: pip install distributed") from error
    try:
        client = Client(f"tcp://{where.removeprefix('dask://')}", timeout="10s")
    except OSError as error:
        raise CourseError(f"no Dask scheduler answers at {where}: {error}") from error
    with client:
        yield client.get_executor(pure=False), max(1, sum(client.nthreads().values()))


def _check_sandbox(executor: Executor, limits: Limits) -> None:
    try:
        executor.submit(preflight, limits).result()
    except SandboxUnavailable as error:
        raise CourseError(f"Nothing was graded: {error}") from error


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

    Args:
        executor: see `open_executor`.
        unsafe: without the sandbox; each result says so, and is done again when the sandbox is back.
        regrade: also what is graded already.
        students: only these.

    Raises:
        CourseError: there is no sandbox, a chapter is not released, or another grader is at work. Nothing is changed.
    """
    limits = limits or Limits()
    with _alone(course), open_executor(executor, workers) as (pool, n_at_once):
        todo: list[tuple[Submission, str]] = []
        summary = Summary()
        hints = {}
        for chapter in chapters:
            tests = tests_of(course, chapter)
            hints[chapter] = _hints(course, chapter)
            for submission in course.submissions([chapter]):
                if students and submission.student not in students:
                    continue
                mark = fingerprint(course, submission, tests)
                known = read_result(course, submission)
                if known and known.fingerprint == mark and _is_done(course, submission, known, unsafe) and not regrade:
                    summary.n_before += 1
                else:
                    todo.append((submission, mark))
        if todo and not unsafe:
            _check_sandbox(pool, limits)
        with tqdm(total=len(todo), desc="grading", unit="submission", disable=settings().quiet) as bar:
            for result in _three_passes(course, todo, hints, pool, n_at_once, limits, unsafe, summary):
                summary.results.append(result)
                bar.update()
                bar.set_postfix(summary.states)
    return summary


def _is_done(course: Course, submission: Submission, known: Result, unsafe: bool) -> bool:
    if known.state == INFRASTRUCTURE or (known.unsafe and not unsafe):
        return False
    # nbgrader's own autograde may have removed it
    return known.state == REJECTED or course.autograded(submission).exists()


def _hints(course: Course, chapter: str) -> dict[str, frozenset[str]]:
    """For each graded cell, what it may tell a student. From the gradebook, as the tests themselves are."""
    with course.gradebook() as gradebook:
        notebook = course.released(gradebook, chapter).notebooks[0]
        sources = {cell.name: cell.source for cell in notebook.source_cells if cell.cell_type == "code"}
        return {cell.name: hints_of(sources[cell.name]) for cell in notebook.grade_cells if cell.name in sources}


def _three_passes(course: Course, todo: list[tuple[Submission, str]], hints: dict, pool: Executor, n_at_once: int,
                  limits: Limits, unsafe: bool, summary: Summary) -> Iterator[Result]:  # fmt: skip
    """Results as they come. Twice as many submissions are under way as run at once: the next is ready when one ends,
    and a class of any size needs little memory."""
    waiting = deque(todo)
    under_way: dict[Future, tuple[Submission, str, Sanitised, Job]] = {}
    tried: Counter = Counter()
    try:
        while waiting or under_way:
            while waiting and len(under_way) < 2 * n_at_once:
                submission, mark = waiting.popleft()
                result = Result(submission.student, submission.chapter, mark, REJECTED, unsafe=unsafe)
                try:
                    clean = patiently(lambda s=submission: sanitise(course, s))
                except Rejected as error:
                    result.reason = str(error)
                except Exception as error:  # a gap in our own code must not cost the others their marks
                    result.state = INFRASTRUCTURE
                    result.reason = printable(f"sanitising: {type(error).__name__}: {error}")[:500]
                if result.reason:
                    yield _write(course, submission, result, None, summary)
                    continue
                job = Job(submission.student, submission.chapter, clean.notebook, clean.graded, limits, unsafe)
                under_way[pool.submit(execute, job)] = (submission, mark, clean, job)
            done, _ = wait(under_way, return_when=FIRST_COMPLETED) if under_way else (set(), None)
            for future in done:
                submission, mark, clean, job = under_way.pop(future)
                execution = _outcome(future, job)
                tried[submission] += 1
                if execution.state == INFRASTRUCTURE and tried[submission] < 2:
                    under_way[pool.submit(execute, job)] = (submission, mark, clean, job)
                    continue
                result = judge(course, submission, clean, execution, fingerprint=mark,
                               hints=hints[submission.chapter], unsafe=unsafe)  # fmt: skip
                notebook = None if execution.state == INFRASTRUCTURE else execution.notebook
                yield _write(course, submission, result, notebook, summary)
    finally:
        for future in under_way:
            future.cancel()


def _outcome(future: Future, job: Job) -> Execution:
    try:
        return future.result()
    except Exception as error:  # a worker that is gone is no fault of the student's
        return Execution(job.notebook, INFRASTRUCTURE, f"{type(error).__name__}: {error}"[:500])


def _write(course: Course, submission: Submission, result: Result, notebook: str | None, summary: Summary) -> Result:
    before = read_result(course, submission)
    try:
        record(course, submission, result, notebook)
    except Exception as error:
        why = printable(f"recording: {type(error).__name__}: {error}")[:500]
        result = replace(result, state=INFRASTRUCTURE, reason=why, cells={}, hints={}, marks={})
        with contextlib.suppress(Exception):  # it is not in the journal then, and is tried again
            record(course, submission, result, None)
    if before:
        summary.changes += changes(before, result)
    return result


def changes(before: Result, after: Result) -> list[str]:
    """What a regrade changed, a line each."""
    who = f"{after.student} {after.chapter}"
    lines = [f"{who}: {before.state} → {after.state}"] if before.state != after.state else []
    for name in sorted(before.marks.keys() | after.marks.keys()):
        old, new = before.marks.get(name), after.marks.get(name)
        if old != new:
            lines.append(f"{who}: {name} {_points(old)} → {_points(new)}")
    return lines


def _points(mark: float | None) -> str:
    return "no mark" if mark is None else f"{mark:g}"
