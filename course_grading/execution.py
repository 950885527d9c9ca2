"""The second pass: run one sanitised notebook and say of every cell how it ended.

Only the kernel is in the sandbox; this module talks to it from outside. Text goes in and text comes out, no database
and no shared disk, so `execute` runs under any `concurrent.futures` executor.

A graded cell counts as passed only when the kernel *proves* that assertions fail there: behind tests that ran through,
an assertion is sent that must fail, with a secret that nobody in the kernel can know before. So a removed assertion, a
dead kernel and a forged "ok" never count as a pass. `trust` says what else is checked before each graded cell.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from course_grading.cell_run import CellResult, run_cell
from course_grading.cells import grade_id, is_locked
from course_grading.kernel import Kernel
from course_grading.outcomes import (
    DIED,
    ERROR,
    FAILED,
    FLOOD,
    GRADED,
    INFRASTRUCTURE,
    NO_REPLY,
    PASSED,
    RAN,
    TIMED_OUT,
    UNPROVEN,
)
from course_grading.sandbox import Limits
from course_grading.trust import Guard

Raised = tuple[str, str]  # the type of an error, its text


@dataclass(frozen=True)
class Job:
    """One submission to run.

    Parameters
    ----------
    notebook
        The sanitised notebook, as text.
    graded
        The names of the cells that the machine marks.
    limits
        What the submission may use.
    unsafe
        Run it without the sandbox.
    """

    notebook: str
    graded: tuple[str, ...]
    limits: Limits
    unsafe: bool = False


@dataclass
class Execution:
    """Outcome of running one submission.

    Parameters
    ----------
    notebook
        The executed notebook, as text.
    state
        GRADED, TIMED_OUT, DIED or INFRASTRUCTURE.
    reason
        Why it is not GRADED, in words.
    cells
        For each graded cell how it ended.
    errors
        For a graded cell what it raised: the type and the text.
    changed
        What the tests rely on and the notebook has replaced.
    seconds
        How long it took.
    """

    notebook: str
    state: str = GRADED
    reason: str = ""
    cells: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Raised] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    seconds: float = 0.0


def execute(job: Job) -> Execution:
    """Run a submission. Never raises: a fault of ours is the state INFRASTRUCTURE, with the reason.

    Parameters
    ----------
    job
        What to run.

    Returns
    -------
    Execution
        How each cell ended, and the executed notebook.
    """
    started = time.monotonic()
    result = Execution(notebook=job.notebook)
    try:
        notebook = nbformat.reads(job.notebook, as_version=4)
        with Kernel(job.limits, unsafe=job.unsafe) as kernel:
            _NotebookRun(kernel, job, result).run(notebook)
        result.changed = list(dict.fromkeys(result.changed))
        result.notebook = nbformat.writes(notebook)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        result = replace(result, state=INFRASTRUCTURE, reason=reason, cells={}, errors={})
    result.seconds = time.monotonic() - started
    return result


class _NotebookRun:
    """A notebook on its way through a kernel; what happens is written into `result`."""

    def __init__(self, kernel: Kernel, job: Job, result: Execution) -> None:
        self.kernel, self.job, self.limits, self.result = kernel, job, job.limits, result
        self.deadline = time.monotonic() + job.limits.submission_seconds

    def run(self, notebook: NotebookNode) -> None:
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        self.guard = Guard(self.kernel, [cell.source for cell in cells if is_locked(cell)])
        for number, cell in enumerate(cells, start=1):
            seconds = min(self.limits.cell_seconds, self.deadline - time.monotonic())
            if seconds <= 0 or not self.kernel.is_alive:
                self._skip(cell, is_late=seconds <= 0)
            else:
                self._run_cell(cell, number, seconds)

    def _skip(self, cell: NotebookNode, *, is_late: bool) -> None:
        name = grade_id(cell)
        if name in self.job.graded:
            self.result.cells[name] = TIMED_OUT if is_late else NO_REPLY
        if is_late and self.result.state == GRADED:
            self.result.state = TIMED_OUT
            self.result.reason = f"the notebook needs more than {self.limits.submission_seconds:.0f} s in all"

    def _run_cell(self, cell: NotebookNode, number: int, seconds: float) -> None:
        name = grade_id(cell)
        if name in self.job.graded:
            self.result.changed += self.guard.changes()
            done = run_cell(self.kernel, cell.source, seconds=seconds, keep_history=False)
            self._mark(name, done)
        else:
            done = run_cell(self.kernel, cell.source, seconds=seconds)
        cell.outputs, cell.execution_count = done.outputs, number
        self._note_ending(cell, f"cell {name}" if name else f"code cell {number}", done.ending, seconds)

    def _mark(self, name: str, done: CellResult) -> None:
        """Write down how a graded cell ended, and what it raised."""
        reply = done.reply
        if reply is None or (done.ending != RAN and reply.get("status") != "ok"):
            self.result.cells[name] = NO_REPLY if done.ending == RAN else done.ending
        elif reply.get("status") == "error":
            raised = (str(reply.get("ename", ""))[:200], str(reply.get("evalue", ""))[:2000])
            self.result.cells[name] = FAILED if raised[0] == "AssertionError" else ERROR
            self.result.errors[name] = raised
        else:
            self.result.cells[name] = self._proof()

    def _proof(self) -> str:
        """PASSED, if an assertion that must fail does fail in this kernel."""
        proof = secrets.token_hex(16)
        reply, _, _ = run_cell(self.kernel, f'assert False, "{proof}"', seconds=10, keep_history=False)
        if not reply:
            return NO_REPLY
        return PASSED if (reply.get("ename"), reply.get("evalue")) == ("AssertionError", proof) else UNPROVEN

    def _note_ending(self, cell: NotebookNode, label: str, ending: str, seconds: float) -> None:
        """What a cell that ended badly means for the submission, and what the formgrader shows of it."""
        if ending in (TIMED_OUT, FLOOD):
            cell.outputs.append(new_output("error", ename="Stopped", evalue=ending, traceback=[ending]))
        if ending == FLOOD and not self.result.reason:
            self.result.reason = f"{label} printed more than {self.limits.output / 2**20:.0f} MB"
        if ending == TIMED_OUT and self.result.state == GRADED:
            self.result.state, self.result.reason = TIMED_OUT, f"{label} ran for more than {seconds:.0f} s"
        if not self.kernel.is_alive:
            cell.outputs.append(new_output("error", ename="KernelDied", evalue="", traceback=[DIED]))
            self.result.state, self.result.reason = DIED, f"in {label}: {self.kernel.cause_of_death}"
