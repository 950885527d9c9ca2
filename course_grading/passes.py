"""The three passes for each submission, several submissions at once; results come in order of completion."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace

from course_grading.course import Course, Submission, retry_while_locked
from course_grading.execution import Execution, Job, execute
from course_grading.files import printable
from course_grading.outcomes import INFRASTRUCTURE, REJECTED
from course_grading.recording import Result, judge, record
from course_grading.sandbox import Limits
from course_grading.sanitise import Rejected, Sanitised, sanitise

N_TRIES = 2  # of a submission that fails through a fault of ours

Hints = dict[str, dict[str, frozenset[str]]]  # chapter → graded cell → messages of its assertions


@dataclass(frozen=True)
class Task:
    """A submission that is to be graded.

    Parameters
    ----------
    submission
        The submission.
    fingerprint
        What its result depends on, in short.
    """

    submission: Submission
    fingerprint: str


class Passes:
    """Takes submissions through the three passes.

    Parameters
    ----------
    course
        The course directory.
    executor
        Where the notebooks are executed.
    n_at_once
        How many the executor runs at once. Twice as many are prepared: the next is ready when one ends, and a class of
        any size needs little memory.
    hints
        For each chapter and each of its graded cells, what a student may be told.
    limits
        What each submission may use.
    unsafe
        Run them without the sandbox.
    """

    def __init__(
        self, course: Course, executor: Executor, n_at_once: int, *, hints: Hints, limits: Limits, unsafe: bool
    ) -> None:
        self.course, self.executor, self.n_at_once = course, executor, n_at_once
        self.hints, self.limits, self.unsafe = hints, limits, unsafe
        self._running: dict[Future[Execution], tuple[Task, Sanitised]] = {}
        self._tried: Counter[Task] = Counter()

    def results(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield results in order of completion; each is recorded before it is yielded.

        Parameters
        ----------
        tasks
            What is to be graded.
        """
        waiting = deque(tasks)
        try:
            while waiting or self._running:
                while waiting and len(self._running) < 2 * self.n_at_once:
                    if rejected := self._start(waiting.popleft()):
                        yield rejected
                yield from self._finish()
        finally:
            for future in self._running:
                future.cancel()

    def _start(self, task: Task) -> Result | None:
        """Sanitise a submission and give it to the executor; return a result only if it cannot be run."""
        result = Result(task.submission.student, task.submission.chapter, task.fingerprint, REJECTED)
        result.unsafe = self.unsafe
        try:
            sanitised = retry_while_locked(lambda: sanitise(self.course, task.submission))
        except Rejected as error:
            result.reason = str(error)
        except Exception as error:  # an error in our own code must not cost the other students their marks
            result.state, result.reason = INFRASTRUCTURE, _reason("sanitising: ", error)
        else:
            self._submit(task, sanitised)
            return None
        return self._recorded(task, result, None)

    def _submit(self, task: Task, sanitised: Sanitised) -> None:
        job = Job(sanitised.notebook, sanitised.graded, self.limits, self.unsafe)
        self._running[self.executor.submit(execute, job)] = (task, sanitised)

    def _finish(self) -> Iterator[Result]:
        """Wait for at least one execution, and record what has ended."""
        for future in wait(self._running, return_when=FIRST_COMPLETED).done:
            task, sanitised = self._running.pop(future)
            execution = _outcome(future, sanitised)
            self._tried[task] += 1
            if execution.state == INFRASTRUCTURE and self._tried[task] < N_TRIES:
                self._submit(task, sanitised)
            else:
                yield self._judged(task, sanitised, execution)

    def _judged(self, task: Task, sanitised: Sanitised, execution: Execution) -> Result:
        hints = self.hints[task.submission.chapter]
        fingerprint, unsafe = task.fingerprint, self.unsafe
        result = judge(task.submission, sanitised, execution, fingerprint=fingerprint, hints=hints, unsafe=unsafe)
        return self._recorded(task, result, None if execution.state == INFRASTRUCTURE else execution.notebook)

    def _recorded(self, task: Task, result: Result, notebook: str | None) -> Result:
        try:
            record(self.course, task.submission, result, notebook)
        except Exception as error:
            reason = _reason("recording: ", error)
            result = replace(result, state=INFRASTRUCTURE, reason=reason, cells={}, hints={}, marks={})
            with contextlib.suppress(Exception):  # then it is not in the journal, and is graded again
                record(self.course, task.submission, result, None)
        return result


def _outcome(future: Future[Execution], sanitised: Sanitised) -> Execution:
    try:
        return future.result()
    except Exception as error:  # the worker may be gone; the student cannot help it
        return Execution(sanitised.notebook, INFRASTRUCTURE, f"{type(error).__name__}: {error}"[:500])


def _reason(step: str, error: Exception) -> str:
    return printable(f"{step}{type(error).__name__}: {error}")[:500]
