"""A Jupyter kernel in the sandbox, and the client that talks to it from outside."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_core.utils import ensure_event_loop

from course_grading.messages import receive
from course_grading.sandbox import Limits, command, unsafe_command
from course_grading.watchdog import Watchdog, kill_tree

_alive: set[Kernel] = set()  # of this process


def stop_all() -> None:
    """Kill all kernels of this process, so that an interrupted grader need not wait for endless loops."""
    for kernel in list(_alive):
        kernel.kill("grading was interrupted")


class Kernel:
    """A kernel with a client; a context manager, ready inside its block and removed after it.

    Parameters
    ----------
    limits
        What the kernel may use.
    unsafe
        Start it without the sandbox.

    Raises
    ------
    SandboxUnavailable
        This machine has no sandbox.
    RuntimeError
        The kernel did not start; the message contains its last output.
    """

    def __init__(self, limits: Limits, *, unsafe: bool = False) -> None:
        self.limits = limits
        self._killed_for = ""
        self._folder = Path(tempfile.mkdtemp(prefix="g"))  # short: the path of a socket may have 107 characters
        try:
            self._start(unsafe)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        _alive.add(self)

    def _start(self, unsafe: bool) -> None:
        file = str(self._folder / "c.json")
        if unsafe:
            write_connection_file(file, transport="tcp")
        else:
            write_connection_file(file, transport="ipc", ip=str(self._folder / "k"))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self._process = self._launched(file, unsafe)
        self._watchdog = Watchdog(self._process, shared=self._folder, limits=self.limits)
        self._watchdog.start()
        self._context = zmq.Context()
        # neither one message of a gigabyte nor many of some megabytes may fill our memory
        self._context.setsockopt(zmq.MAXMSGSIZE, 2 * self.limits.output)
        self._context.setsockopt(zmq.RCVHWM, 50)
        self.client = BlockingKernelClient(connection_file=file, context=self._context)

    def _launched(self, file: str, unsafe: bool) -> subprocess.Popen[bytes]:
        arguments = ["-m", "ipykernel_launcher", "-f", file, "--HistoryManager.enabled=False"]
        if unsafe:
            line = unsafe_command(arguments, limits=self.limits)
        else:
            line = command(arguments, shared=self._folder, limits=self.limits)
        # bubblewrap clears the environment for what it starts; its own is readable in there, as that of process 1
        environment: dict[str, str] | None = None if unsafe else {}
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            cwd=self._folder,
            env=environment,
        )

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
        """Whether the process still runs."""
        return self._process.poll() is None

    @property
    def cause_of_death(self) -> str:
        """Why the kernel ended, in words."""
        self._watchdog.join(1)  # it may be about to set its verdict
        return self._killed_for or self._watchdog.verdict or "its process ended (os._exit, a crash, or out of memory)"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.limits.start_seconds
        while time.monotonic() < deadline:
            if not self.is_alive:
                raise RuntimeError(f"the kernel did not start: {self._last_words()}")
            try:
                self.client.wait_for_ready(timeout=1)
            except RuntimeError:
                continue
            return
        raise RuntimeError(f"the kernel did not start within {self.limits.start_seconds:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        self._log.seek(0)
        return " ".join(self._log.read(10_000).decode(errors="replace").split())[-300:] or "it printed nothing"

    def reconnect_outputs(self) -> None:
        """Create the channel of the outputs anew, until an answer to a question of ours comes through it."""
        for _ in range(5):
            self.client.iopub_channel.stop()
            self.client._iopub_channel = None
            self.client.iopub_channel.start()
            if any(self._answers() for _ in range(4)):
                return

    def _answers(self) -> bool:
        """Ask a question, and tell whether its answer came by the channel of the outputs within a second."""
        question, deadline = self.client.kernel_info(), time.monotonic() + 1
        while time.monotonic() < deadline and self.is_alive:
            message = receive(self.client.get_iopub_msg, timeout=0.1)
            if message and message.parent == question and message.content.get("execution_state") == "idle":
                return True
        return False

    def interrupt(self) -> None:
        """Ask the kernel, by a message, to stop what it does."""
        self.client.control_channel.send(self.client.session.msg("interrupt_request", content={}))

    def kill(self, reason: str) -> None:
        """End the kernel and everything that it has started; `cause_of_death` is then this reason."""
        if self.is_alive:
            self._killed_for = reason
            kill_tree(self._process)

    def close(self) -> None:
        """Kill the kernel and remove its folder."""
        _alive.discard(self)
        self._watchdog.stop()
        self.kill("grading is over")
        self.client.stop_channels()
        self._context.destroy(linger=0)
        self._log.close()
        if not (loop := ensure_event_loop()).is_running():  # the client's, created for this thread
            loop.close()
        try:
            shutil.rmtree(self._folder, ignore_errors=True)
        except RecursionError:  # a student's code nested folders without end
            subprocess.run(["rm", "-rf", str(self._folder)], check=False)
