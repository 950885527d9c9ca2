"""The second pass: run one sanitised notebook and say of every cell how it ended.

Only the kernel is in the sandbox; this module talks to it from outside. Text goes in and text comes out, no database
and no shared disk, so `execute` runs under any `concurrent.futures` executor.

A graded cell counts as passed only when the kernel *proves* that assertions fail there: behind tests that ran through,
an assertion is sent that must fail, with a secret that nobody in the kernel can know before. So assertions that are
removed, a dead kernel, a forged "ok": none of them is a pass. And before each graded cell the kernel is asked whether
what the tests import is still what it was when the kernel started.
"""

from __future__ import annotations

import ast
import json
import queue
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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
# How a notebook can end; a notebook, too, can be TIMED_OUT.
GRADED, DIED, INFRASTRUCTURE = "graded", "kernel died", "not graded: infrastructure"


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
    """What came of it. `state` is GRADED, TIMED_OUT, DIED or INFRASTRUCTURE; `cells` maps
    the name of each graded cell to how it ended, `errors` to what it raised, as (type, text); `changed` names what the
    tests rely on and the notebook has replaced."""

    notebook: str
    state: str = GRADED
    reason: str = ""
    cells: dict[str, str] = field(default_factory=dict)
    errors: dict[str, tuple[str, str]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    seconds: float = 0.0


_alive: set[Kernel] = set()  # of this process


def stop_all() -> None:
    """End all kernels of this process at once: whoever interrupts a grader does not want to wait for endless loops."""
    for kernel in list(_alive):
        kernel.kill("grading was interrupted")


class Kernel:
    """A kernel in the sandbox (or, unsafely, outside) with a client that talks to it; a context manager."""

    def __init__(self, limits: Limits, *, unsafe: bool = False) -> None:
        self.limits = limits
        self._killed_for = ""
        self._folder = Path(tempfile.mkdtemp(prefix="g"))  # short: a socket's path may have 107 characters
        try:
            self._start(unsafe)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        _alive.add(self)

    def _start(self, unsafe: bool) -> None:
        file = str(self._folder / "c.json")
        local = {"transport": "tcp"} if unsafe else {"transport": "ipc", "ip": str(self._folder / "k")}
        write_connection_file(file, **local)
        launch = ["-m", "ipykernel_launcher", "-f", file, "--HistoryManager.enabled=False"]
        box = {} if unsafe else {"shared": self._folder}
        line = (unsafe_command if unsafe else command)(launch, limits=self.limits, **box)
        # bubblewrap clears the environment for what it starts; its own is readable in there, as that of process 1
        bare = {} if unsafe else {"env": {}}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self._process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._log, cwd=self._folder, **bare
        )
        self._watchman = Watchman(self._process, shared=self._folder, limits=self.limits)
        self._watchman.start()
        self._context = zmq.Context()
        # neither one message of a gigabyte nor many of some megabytes ever fill our memory
        self._context.setsockopt(zmq.MAXMSGSIZE, 2 * self.limits.output)
        self._context.setsockopt(zmq.RCVHWM, 50)
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
        return " ".join(self._log.read(10_000).decode(errors="replace").split())[-300:] or "it says nothing"

    def reconnect_outputs(self) -> None:
        """Make the channel of the outputs anew, until an answer to a question of ours comes through it."""
        for _ in range(5):
            self.client.iopub_channel.stop()
            self.client._iopub_channel = None
            self.client.iopub_channel.start()
            for _ in range(4):
                question, deadline = self.client.kernel_info(), time.monotonic() + 1
                while time.monotonic() < deadline and self.is_alive:
                    message = _received(self.client.get_iopub_msg, timeout=0.1)
                    if message and message[0] == question and message[2].get("execution_state") == "idle":
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
        _alive.discard(self)
        self._watchman.stop()
        self.kill("grading is over")
        self.client.stop_channels()
        self._context.destroy(linger=0)
        self._log.close()
        if not (loop := ensure_event_loop()).is_running():  # the client's, made for this thread
            loop.close()
        try:
            shutil.rmtree(self._folder, ignore_errors=True)
        except RecursionError:  # folders in folders, without end
            subprocess.run(["rm", "-rf", str(self._folder)], check=False)


# ------------------------------------------------------------------------------------------------------------- one cell


def _received(receive: Callable, *, timeout: float) -> tuple[str, str, dict[str, Any]] | None:
    """(which request it answers, its type, its content) of the next message; None where there is none.

    What comes is made by the student's side. A message that cannot be read answers nothing, and weighs a megabyte.
    """
    try:
        message = receive(timeout=timeout)
        return str(message["parent_header"]["msg_id"]), str(message["msg_type"]), dict(_clean(message["content"]))
    except queue.Empty:
        return None
    except Exception:
        return "", "unreadable", {"weight": "x" * 2**20}


def _clean(value: Any) -> Any:
    """The same without what is no text in UTF-8 (lone surrogates), which no file could hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_clean(str(key)): _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def _output(kind: str, content: dict[str, Any]) -> NotebookNode | None:
    """A message as an output that a browser may show: text and pictures. None for anything else."""
    try:
        if kind == "stream":
            return nbformat.v4.new_output("stream", name=str(content["name"]), text=str(content["text"]))
        if kind == "error":
            lines = [str(line) for line in content["traceback"]]
            return nbformat.v4.new_output(
                "error", ename=str(content["ename"]), evalue=str(content["evalue"]), traceback=lines
            )
        if kind in ("display_data", "execute_result"):
            data = {key: str(value) for key, value in content["data"].items() if key in ("text/plain", "image/png")}
            return nbformat.v4.new_output("display_data", data=data) if data else None
    except (KeyError, TypeError, AttributeError):
        return None
    return None


def run_cell(
    kernel: Kernel, code: str, *, seconds: float, keep_history: bool = True, kept: int | None = None
) -> tuple[dict | None, list[NotebookNode], str]:
    """Execute one cell: (the kernel's reply or None, the outputs, how it ended: "ran" or one of the failures).

    The reply ends a cell. Its outputs come by another channel; a message too large to be taken breaks that channel, and
    then it is made anew.

    Args:
        keep_history: whether the code goes into `In`, where later cells can read it.
        kept: how many bytes of output are kept; default: as the limits say.
    """
    client, limits = kernel.client, kernel.limits
    msg_id = client.execute(code, store_history=keep_history, allow_stdin=False, stop_on_error=False)
    outputs: list[NotebookNode] = []
    reply, is_idle, ending, n_bytes = None, False, RAN, 0
    deadline = time.monotonic() + seconds
    while True:
        message = _received(client.get_iopub_msg, timeout=0.05)
        if message:
            parent, kind, content = message
            n_bytes += len(str(content)) if ending == RAN else 0
            if parent == msg_id:
                is_idle = is_idle or (kind == "status" and content.get("execution_state") == "idle")
                output = _output(kind, content) if ending == RAN and n_bytes <= (kept or limits.kept_output) else None
                outputs += [output] if output else []
        answer = None if reply else _received(client.get_shell_msg, timeout=0)
        if answer and answer[0] == msg_id:
            reply, deadline = answer[2], time.monotonic() + 5
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


# ------------------------------------------------------------------------------------------------------ what is trusted

PROBE = """import builtins as _builtins
_builtins.exec({code!r}, {{"names": {names!r}, "space": _builtins.globals()}})
del _builtins
"""
# Runs in a namespace of its own, so that no name which the notebook has taken misleads it. It prints what the tests
# rely on, as identities: a function that was replaced is another object.
IDENTITIES = """
import builtins, importlib, json, sys
found = {}
for name in names:
    try:
        module = importlib.import_module(name)
    except ImportError:
        continue
    for part, value in sorted(vars(module).items()):
        if callable(value) and not part.startswith("_") and name + "." + part != "builtins.input":  # the kernel's own
            found[name + "." + part] = id(value)
own = vars(builtins)
taken = sorted(name for name in space if name in own and not name.startswith("_") and space[name] is not own[name])
sys.stdout.write("PROBE " + json.dumps([found, taken]) + chr(10))
"""


def trusted_modules(sources: list[str]) -> list[str]:
    """The modules that cells of ours use: what they import, and what they reach through it (`np.linalg.norm`)."""
    names = {"builtins"}
    for tree in map(ast.parse, sources):
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
                aliases |= {alias.asname or alias.name: alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
                names.add(f"{aliases[node.value.id]}.{node.attr}")
    return sorted(names)


def _identities(kernel: Kernel, names: list[str]) -> tuple[dict[str, int], list[str]] | None:
    """What the names in some modules stand for in the kernel, and which of Python's own names are taken."""
    code = PROBE.format(code=IDENTITIES, names=names)
    _, outputs, _ = run_cell(kernel, code, seconds=kernel.limits.start_seconds, keep_history=False, kept=2**22)
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    try:
        found, taken = json.loads(text[text.rindex("PROBE ") :].removeprefix("PROBE ").splitlines()[0])
        return dict(found), list(taken)
    except (ValueError, TypeError, IndexError):
        return None


def _changes(kernel: Kernel, names: list[str], original: tuple[dict[str, int], list[str]]) -> Iterator[str]:
    """What a person should know before tests run in this kernel."""
    now = _identities(kernel, names)
    if now is None and kernel.is_alive:  # its text may have been lost with a channel that broke
        kernel.reconnect_outputs()
        now = _identities(kernel, names)
    if now is None:
        if kernel.is_alive:
            yield "the kernel does not say whether what the tests use was changed"
        return
    found, taken = now
    different = [name for name, identity in original[0].items() if found.get(name) != identity]
    yield from (f"changed what the tests use: {name}" for name in different[:5])
    yield from (f"takes the name {name}, which Python needs" for name in taken if name not in original[1])


# --------------------------------------------------------------------------------------------------------- one notebook


def _judge(kernel: Kernel, reply: dict | None, ending: str) -> tuple[str, tuple[str, str] | None]:
    """How a graded cell ended, and what it raised."""
    if reply is None or (ending != RAN and reply.get("status") != "ok"):
        return ending if ending != RAN else NO_REPLY, None
    if reply.get("status") == "error":
        raised = (str(reply.get("ename", ""))[:200], str(reply.get("evalue", ""))[:2000])
        return (FAILED if raised[0] == "AssertionError" else ERROR), raised
    proof = secrets.token_hex(16)
    reply, _, _ = run_cell(kernel, f'assert False, "{proof}"', seconds=10, keep_history=False)
    proven = reply and (reply.get("ename"), reply.get("evalue")) == ("AssertionError", proof)
    return (PASSED if proven else UNPROVEN if reply else NO_REPLY), None


def _run_notebook(kernel: Kernel, notebook: NotebookNode, job: Job, result: Execution) -> None:
    deadline = time.monotonic() + job.limits.submission_seconds
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    ours = [cell.source for cell in code_cells if cell.metadata.get("nbgrader", {}).get("locked")]
    names = trusted_modules(ours)
    original = _identities(kernel, names) or ({}, [])
    for number, cell in enumerate(code_cells, start=1):
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        is_graded = name in job.graded
        label = f"cell {name}" if name else f"code cell {number}"
        seconds = min(job.limits.cell_seconds, deadline - time.monotonic())
        if seconds <= 0 or not kernel.is_alive:
            if is_graded:
                result.cells[name] = TIMED_OUT if seconds <= 0 else NO_REPLY
            if seconds <= 0 and result.state == GRADED:
                result.state = TIMED_OUT
                result.reason = f"the notebook needs more than {job.limits.submission_seconds:.0f} s in all"
            continue
        if is_graded:
            result.changed += _changes(kernel, names, original)
        reply, outputs, ending = run_cell(kernel, cell.source, seconds=seconds, keep_history=not is_graded)
        if is_graded:
            result.cells[name], raised = _judge(kernel, reply, ending)
            if raised:
                result.errors[name] = raised
        cell.outputs, cell.execution_count = outputs, number
        if ending in (TIMED_OUT, FLOOD):
            cell.outputs.append(nbformat.v4.new_output("error", ename="Stopped", evalue=ending, traceback=[ending]))
        if ending == FLOOD and not result.reason:
            result.reason = f"{label} printed more than {job.limits.output / 2**20:.0f} MB"
        if ending == TIMED_OUT and result.state == GRADED:
            result.state, result.reason = TIMED_OUT, f"{label} ran for more than {seconds:.0f} s"
        if not kernel.is_alive:
            dead = nbformat.v4.new_output("error", ename="KernelDied", evalue="", traceback=["kernel died"])
            cell.outputs.append(dead)
            result.state, result.reason = DIED, f"in {label}: {kernel.cause_of_death}"


def execute(job: Job) -> Execution:
    """Run a submission. Never raises: a fault of ours is the state INFRASTRUCTURE, with the reason.

    Args:
        job: the sanitised notebook as text, the names of its graded cells, and the limits.
    """
    started = time.monotonic()
    result = Execution(notebook=job.notebook)
    try:
        notebook = nbformat.reads(job.notebook, as_version=4)
        with Kernel(job.limits, unsafe=job.unsafe) as kernel:
            _run_notebook(kernel, notebook, job, result)
        result.changed = list(dict.fromkeys(result.changed))
        result.notebook = nbformat.writes(notebook)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        result = replace(result, state=INFRASTRUCTURE, reason=reason, cells={}, errors={})
    result.seconds = time.monotonic() - started
    return result
