"""A thread outside of the sandbox that kills what exceeds a limit.

What matters most (the number of processes, their memory together) is not limited by `prlimit` for root, and control
groups are not available everywhere.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import threading
from pathlib import Path

import psutil

from course_grading.sandbox import Limits

SECONDS_BETWEEN_LOOKS = 0.25
MOST_BYTES_BESIDE_SOCKETS = 10_000  # the connection file has some hundred


class Watchdog(threading.Thread):
    """A thread that watches a process and all its descendants, and kills them when they exceed a limit.

    `verdict` is None, or the reason in words.

    Parameters
    ----------
    process
        The process to watch.
    shared
        The folder with the kernel's sockets; nothing else may be written there.
    limits
        What may be used.
    """

    def __init__(self, process: subprocess.Popen[bytes], *, shared: Path, limits: Limits) -> None:
        super().__init__(name=f"watchdog of {process.pid}", daemon=True)
        self.verdict: str | None = None
        self._process, self._shared, self._limits = process, shared, limits
        self._stopped = threading.Event()

    def run(self) -> None:
        """Watch until the process ends, a limit is exceeded or `stop` is called."""
        while self._process.poll() is None and not self._stopped.wait(SECONDS_BETWEEN_LOOKS):
            try:
                self.verdict = self._exceeded()
            except Exception as error:  # too strict is better than not to watch at all
                self.verdict = f"it cannot be watched ({type(error).__name__})"
            if self.verdict:
                kill_tree(self._process)
                return

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()

    def _exceeded(self) -> str | None:
        family = _descendants(self._process)
        if len(family) > self._limits.n_processes:
            return f"it started more than {self._limits.n_processes} processes"
        if sum(map(_resident, family)) + _nameless_bytes(family) > self._limits.resident:
            return f"it used more than {self._limits.resident / 2**30:.0f} GB of memory"
        if self._is_written_to():
            return "it wrote into the folder of the kernel's sockets"
        return None

    def _is_written_to(self) -> bool:
        """Whether there is more in the shared folder than the sockets and the connection file."""
        with os.scandir(self._shared) as entries:
            found = [entry.stat(follow_symlinks=False) for entry in entries]
        others = [entry for entry in found if not stat.S_ISSOCK(entry.st_mode)]
        return len(others) > 1 or sum(entry.st_size for entry in others) > MOST_BYTES_BESIDE_SOCKETS


def _descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What a process has started, and what that has started; empty if it has ended."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:  # it has just ended
        return 0


def _nameless_bytes(family: list[psutil.Process]) -> int:
    """How much some processes hold in files without a name: in memory (memfd), or deleted while they are open."""
    sizes: dict[tuple[int, int], int] = {}
    for member in family:
        with contextlib.suppress(OSError):
            for descriptor in os.scandir(f"/proc/{member.pid}/fd"):
                with contextlib.suppress(OSError):
                    file = os.stat(descriptor.path)
                    if stat.S_ISREG(file.st_mode) and file.st_nlink == 0:
                        sizes[file.st_dev, file.st_ino] = file.st_blocks * 512
    return sum(sizes.values())


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it has started; in the sandbox the second follows from the first.

    Parameters
    ----------
    process
        The process that was started first.
    """
    for member in _descendants(process):
        try:
            member.kill()
        except psutil.Error:
            continue
    try:  # bubblewrap ends by itself after its children, and leaves no orphans to the system
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=30)
