"""One cell in a kernel: its reply, its outputs, and how it ended."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from nbformat import NotebookNode

from course_grading.kernel import Kernel
from course_grading.messages import receive, to_output
from course_grading.outcomes import FLOOD, NO_REPLY, RAN, TIMED_OUT

WAIT_S = 0.05  # for an output, before the reply is looked for
MOST_A_TURN_S = 0.25  # what one look at the kernel may use up of its time: a pause of the whole machine is no more


class CellResult(NamedTuple):
    """How a cell ended.

    Parameters
    ----------
    reply
        The kernel's reply, as in Jupyter's protocol; None if there was none.
    outputs
        What the cell printed and showed, up to the limit.
    ending
        RAN, TIMED_OUT, FLOOD or NO_REPLY.
    """

    reply: dict[str, Any] | None
    outputs: list[NotebookNode]
    ending: str


def run_cell(
    kernel: Kernel, code: str, *, seconds: float, keep_history: bool = True, kept: int | None = None
) -> CellResult:
    """Execute one cell.

    The reply ends a cell. Its outputs come by another channel; a message that is too large breaks that channel, which
    is then created anew.

    Parameters
    ----------
    kernel
        A kernel that is ready.
    code
        The text of the cell.
    seconds
        After so long the cell is interrupted.
    keep_history
        Whether the code goes into `In`, where later cells can read it.
    kept
        How many bytes of output are kept; None: as the kernel's limits say.

    Returns
    -------
    CellResult
        The reply, the outputs and how the cell ended.
    """
    request = kernel.client.execute(code, store_history=keep_history, allow_stdin=False, stop_on_error=False)
    run = _CellRun(kernel, request, seconds, kept or kernel.limits.kept_output)
    while True:
        begin = time.monotonic()
        run.read_output()
        run.read_reply()
        if result := run.result():
            return result
        run.stop_if_over_limits()
        run.seconds_left -= min(time.monotonic() - begin, MOST_A_TURN_S)


class _CellRun:
    """A cell that was sent to the kernel and has not ended yet."""

    def __init__(self, kernel: Kernel, request: str, seconds: float, kept: int) -> None:
        self.kernel, self.request, self.kept = kernel, request, kept
        self.seconds_left = seconds
        self.reply: dict[str, Any] | None = None
        self.outputs: list[NotebookNode] = []
        self.ending, self.is_idle, self.n_bytes = RAN, False, 0

    def read_output(self) -> None:
        message = receive(self.kernel.client.get_iopub_msg, timeout=WAIT_S)
        if message is None:
            return
        self.n_bytes += len(str(message.content)) if self.ending == RAN else 0
        if message.parent != self.request:
            return
        self.is_idle |= message.kind == "status" and message.content.get("execution_state") == "idle"
        if self.ending == RAN and self.n_bytes <= self.kept and (output := to_output(message)):
            self.outputs.append(output)

    def read_reply(self) -> None:
        answer = None if self.reply else receive(self.kernel.client.get_shell_msg, timeout=0)
        if answer and answer.parent == self.request:
            self.reply = answer.content
            self.seconds_left = self.kernel.limits.last_output_seconds

    @property
    def is_late(self) -> bool:
        return self.seconds_left < 0

    def result(self) -> CellResult | None:
        """How the cell ended; None while it runs."""
        if self.reply and self.is_idle:
            return CellResult(self.reply, self.outputs, self.ending)
        if self.reply and self.is_late:  # the cell has ended, and its last output does not come
            self.kernel.reconnect_outputs()
            return CellResult(self.reply, self.outputs, FLOOD if self.ending == RAN else self.ending)
        if self.kernel.is_alive and self.is_late and self.ending != RAN:
            self.kernel.kill("it did not stop when it was interrupted")
        return None if self.kernel.is_alive else CellResult(None, self.outputs, NO_REPLY)

    def stop_if_over_limits(self) -> None:
        is_flood = self.n_bytes > self.kernel.limits.output
        if self.ending == RAN and (self.is_late or is_flood) and not self.reply:
            self.ending = FLOOD if is_flood else TIMED_OUT
            self.kernel.interrupt()
            self.seconds_left = self.kernel.limits.interrupt_seconds
