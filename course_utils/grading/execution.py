"""The second pass: run one sanitised notebook and say of every cell how it ended.

Only the kernel is in the sandbox; this module talks to it from outside. Text goes in and text comes out, no database
and no shared disk, so `execute` runs under any `concurrent.futures` executor.

A graded cell counts as passed only when the kernel *proves* that its last line was reached: a failing assertion with a
secret is put behind the tests, and its text must come back. So a test that is skipped, an assertion that is optimised
away, a dead kernel, a forged "ok": none of them is a pass.
"""

from __future__ import annotations

import queue
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import nbformat
import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_core.utils import ensure_event_loop
from nbformat import NotebookNode

from .sandbox import Limits, Watchman, command, kill_tree, unsafe_command

# How a cell can end. "unproven": the kernel says that all is well, but the proof is missing.
PASSED, FAILED, ERROR, TIMED_OUT, NO_REPLY, FLOOD, UNPROVEN, RAN = (
    "passed", "failed", "error", "timed out", "no reply", "too much output", "unproven", "ran")  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One submission to run. `graded` names the cells that carry marks given by the machine."""

    student: str
    chapter: str
    notebook: str
    graded: tuple[str, ...]
    limits: Limits
    unsafe: bool = False


@dataclass
class Execution:
    """What came of it. `state` is "graded", "timed out", "kernel died" or "not graded: infrastructure"; `cells` maps
    the name of each graded cell to how it ended, `errors` to what it raised, as (type, text)."""

    notebook: str
    state: str = "graded"
    reason: str = ""
    cells: dict[str, str] = field(default_factory=dict)
    errors: dict[str, tuple[str, str]] = field(default_factory=dict)
    seconds: float = 0.0


class Kernel:
    """A kernel in the sandbox (or, unsafely, outside) with a client that talks to it; a context manager."""

    def __init__(self, limits: Limits, *, unsafe: bool = False) -> None:
        self.limits = limits
        self._killed_for = ""
        self._folder = Path(tempfile.mkdtemp(prefix="g"))  # short: a socket's path may have 107 characters
        file = str(self._folder / "c.json")
        local = {"transport": "tcp"} if unsafe else {"transport": "ipc", "ip": str(self._folder / "k")}
        write_connection_file(file, **local)
        launch = ["-m", "ipykernel_launcher", "-f", file, "--HistoryManager.enabled=False"]
        box = {} if unsafe else {"shared": self._folder}
        line = (unsafe_command if unsafe else command)(launch, limits=limits, **box)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self._process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._log,
                                         cwd=self._folder)  # fmt: skip
        self._watchman = Watchman(self._process, shared=self._folder, limits=limits)
        self._watchman.start()
        self._context = zmq.Context()
        self._context.setsockopt(zmq.MAXMSGSIZE, 4 * limits.output)  # a message of a gigabyte never reaches our memory
        self.client = BlockingKernelClient(connection_file=file, context=self._context)

    def __enter__(self) -> Kernel:
        try:
            self.client.load_connection_file()
            self.client.start_channels()
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def is_alive(self) -> bool:
        """Whether the process is there still."""
        return self._process.poll() is None

    @property
    def cause_of_death(self) -> str:
        """Why the kernel is no more, in words."""
        self._watchman.join(1)  # it may be about to say so
        return self._killed_for or self._watchman.verdict or "its process ended (os._exit, a crash, or out of memory)"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.limits.start_seconds
        while time.monotonic() < deadline:
            if not self.is_alive:
                raise RuntimeError(f"the kernel does not start: {self._last_words()}")
            try:
                self.client.wait_for_ready(timeout=1)
            except RuntimeError:
                continue
            return
        raise RuntimeError(f"the kernel does not start within {self.limits.start_seconds:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        self._log.seek(0)
        return " ".join(self._log.read().decode(errors="replace").split())[-300:] or "it says nothing"

    def reconnect_outputs(self) -> None:
        """Make the channel of the outputs anew, and wait until something comes through it."""
        self.client.iopub_channel.stop()
        self.client._iopub_channel = None
        self.client.iopub_channel.start()
        for _ in range(20):
            self.client.kernel_info()  # the kernel says "busy" and "idle" around its answer
            if _received(self.client.get_iopub_msg, timeout=0.5):
                return

    def interrupt(self) -> None:
        """Ask the kernel, by a message, to stop what it does."""
        self.client.control_channel.send(self.client.session.msg("interrupt_request", content={}))

    def kill(self, reason: str) -> None:
        """End the kernel and everything that it has started."""
        if self.is_alive:
            self._killed_for = reason
            kill_tree(self._process)

    def close(self) -> None:
        """Kill the kernel and remove its folder."""
        self._watchman.stop()
        self.kill("grading is over")
        self.client.stop_channels()
        self._context.destroy(linger=0)
        self._log.close()
        if not (loop := ensure_event_loop()).is_running():  # the client's, made for this thread
            loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _received(receive: Callable, *, timeout: float) -> dict | None:
    try:
        return receive(timeout=timeout)
    except queue.Empty:
        return None


def run_cell(kernel: Kernel, code: str, *, seconds: float, keep_history: bool = True) -> tuple[dict | None, list, str]:
    """Execute one cell: (the kernel's reply or None, the outputs, how it ended: "ran" or one of the failures).

    The reply ends a cell. Its outputs come by another channel; a message too large to be taken breaks that channel, and
    then it is made anew.
    """
    client, limits = kernel.client, kernel.limits
    msg_id = client.execute(code, store_history=keep_history, allow_stdin=False, stop_on_error=False)
    outputs: list[NotebookNode] = []
    reply, is_idle, ending, n_bytes = None, False, RAN, 0
    deadline = time.monotonic() + seconds
    while True:
        message = _received(client.get_iopub_msg, timeout=0.05)
        if message and message["parent_header"].get("msg_id") == msg_id:
            kind, content = message["msg_type"], message["content"]
            is_idle = is_idle or (kind == "status" and content.get("execution_state") == "idle")
            if kind in ("stream", "display_data", "execute_result", "error") and ending == RAN:
                n_bytes += len(str(content))
                if n_bytes <= limits.kept_output:
                    outputs.append(nbformat.v4.output_from_msg(message))
        answer = None if reply else _received(client.get_shell_msg, timeout=0)
        if answer and answer["parent_header"].get("msg_id") == msg_id:
            reply, deadline = answer["content"], time.monotonic() + 5
        if reply and is_idle:
            return reply, outputs, ending
        too_late, too_much = time.monotonic() > deadline, n_bytes > limits.output
        if reply and too_late:  # all is done, and the last message on the outputs does not come
            kernel.reconnect_outputs()
            return reply, outputs, ending if ending != RAN else FLOOD
        if not kernel.is_alive:
            return None, outputs, NO_REPLY
        if too_late and ending != RAN:  # it was asked to stop, and did not
            kernel.kill("it went on after it was interrupted")
            return None, outputs, NO_REPLY
        if ending == RAN and (too_late or too_much) and not reply:
            ending = FLOOD if too_much else TIMED_OUT
            kernel.interrupt()
            deadline = time.monotonic() + 10


def _safe(output: NotebookNode) -> NotebookNode | None:
    """An output without anything that a browser would execute."""
    if output.output_type in ("display_data", "execute_result"):
        data = {kind: value for kind, value in output.data.items() if kind in ("text/plain", "image/png")}
        if not data:
            return None
        return NotebookNode({**output, "data": NotebookNode(data), "metadata": NotebookNode()})
    return output


def _judge(reply: dict | None, ending: str, proof: str) -> tuple[str, tuple[str, str] | None]:
    """How a graded cell ended, and what it raised."""
    if ending != RAN or reply is None:
        return ending if ending != RAN else NO_REPLY, None
    raised = (str(reply.get("ename", ""))[:200], str(reply.get("evalue", ""))[:2000])
    if reply.get("status") != "error":
        return UNPROVEN, None
    if raised == ("AssertionError", proof):
        return PASSED, None
    return (FAILED if raised[0] == "AssertionError" else ERROR), raised


def _run_notebook(kernel: Kernel, notebook: NotebookNode, job: Job, result: Execution) -> None:
    deadline = time.monotonic() + job.limits.submission_seconds
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        is_graded = name in job.graded
        seconds = min(job.limits.cell_seconds, deadline - time.monotonic())
        if seconds <= 0 or not kernel.is_alive:
            if is_graded:
                result.cells[name] = TIMED_OUT if seconds <= 0 else NO_REPLY
            if seconds <= 0 and result.state == "graded":
                result.state = "timed out"
                result.reason = f"the notebook needs more than {job.limits.submission_seconds:.0f} s in all"
            continue
        proof = secrets.token_hex(16)
        code = f'{cell.source}\nassert False, "{proof}"' if is_graded else cell.source
        # what a graded cell contains is not put into `In`, where the next cell could read it
        reply, outputs, ending = run_cell(kernel, code, seconds=seconds, keep_history=not is_graded)
        if is_graded:
            result.cells[name], raised = _judge(reply, ending, proof)
            if raised:
                result.errors[name] = raised
            outputs = [o for o in outputs if not (o.output_type == "error" and o.evalue == proof)]
        cell.outputs = [safe for safe in map(_safe, outputs) if safe is not None]
        cell.execution_count = number
        label = f"cell {name}" if name else f"code cell {number}"
        if ending in (TIMED_OUT, FLOOD):
            cell.outputs.append(nbformat.v4.new_output("error", ename="Stopped", evalue=ending, traceback=[ending]))
        if ending == FLOOD and not result.reason:
            result.reason = f"{label} printed more than {job.limits.output / 2**20:.0f} MB"
        if ending == TIMED_OUT and result.state == "graded":
            result.state, result.reason = "timed out", f"{label} ran for more than {seconds:.0f} s"
        if ending == NO_REPLY:
            dead = nbformat.v4.new_output("error", ename="KernelDied", evalue="", traceback=["kernel died"])
            cell.outputs.append(dead)
            result.state, result.reason = "kernel died", f"in {label}: {kernel.cause_of_death}"


def execute(job: Job) -> Execution:
    """Run a submission. Never raises: a fault of ours is the state "not graded: infrastructure", with the reason.

    Args:
        job: the sanitised notebook as text, the names of its graded cells, and the limits.
    """
    started = time.monotonic()
    result = Execution(notebook=job.notebook)
    try:
        notebook = nbformat.reads(job.notebook, as_version=4)
        with Kernel(job.limits, unsafe=job.unsafe) as kernel:
            _run_notebook(kernel, notebook, job, result)
        result.notebook = nbformat.writes(notebook)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        result = replace(result, state="not graded: infrastructure", reason=reason, cells={}, errors={})
    result.seconds = time.monotonic() - started
    return result
