"""The box in which a submission's kernel runs: bubblewrap around one Python process, limits, and a watchman outside.

Inside there is the Python installation, read-only, and a scratch folder in memory. There is no network, no other
process, no environment, no course folder. The watchman stands outside because what matters (number of processes, their
memory together) is not limited by `prlimit` for root, and control groups are not everywhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

HOME = "/home/student"  # the scratch folder, as the submission sees it


class SandboxUnavailable(RuntimeError):
    """This machine cannot run a submission in a sandbox; the message says why and what to install."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Seconds are of the wall clock, but for `cpu_seconds`; sizes in bytes."""

    cell_seconds: float = 30
    submission_seconds: float = 180
    start_seconds: float = 60
    cpu_seconds: int = 120
    address_space: int = 4 * 2**30  # of each process: torch's CUDA build reserves 3 GB of it and uses 0.5
    resident: int = 3 * 2**30  # of all processes together
    n_processes: int = 64
    scratch: int = 256 * 2**20
    output: int = 8 * 2**20  # of one cell; what is kept of it is less
    kept_output: int = 100_000


INSTALL = (
    "Debian and Ubuntu: sudo apt install bubblewrap; Fedora: sudo dnf install bubblewrap. Where it is there but may not"
    " make namespaces (Ubuntu 24.04's AppArmor, containers without privileges), allow user namespaces or grade"
    " elsewhere, as TEACHING.md says. macOS and Windows have no such sandbox: grade in a Linux machine or WSL 2. If you"
    " trust every submission as you trust your own code, add --unsafe."
)


@cache
def _options() -> str:
    """What this machine's bubblewrap can do; empty where there is none."""
    if not (sys.platform == "linux" and shutil.which("bwrap") and shutil.which("prlimit")):
        return ""
    done = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _python_folders() -> list[Path]:
    """The folders that this interpreter and its packages need, without those under /usr."""
    folders = {Path(folder).resolve() for folder in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    return sorted(folder for folder in folders if folder != Path("/usr") and Path("/usr") not in folder.parents)


def command(arguments: list[str], *, shared: Path, limits: Limits) -> list[str]:
    """The command line that runs `python arguments…` in the box; `shared` (where the sockets lie) is its only door."""
    if not _options():
        raise SandboxUnavailable(f"bubblewrap (bwrap) is not on this machine. {INSTALL}")
    # disk in the box is memory, and has a size; bwrap < 0.7 cannot say it, the watchman then sees it as memory
    sized = ["--size", str(limits.scratch)] if "--size" in _options() else []
    box = [
        str(shutil.which("bwrap")),
        "--unshare-all",
        "--unshare-user",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ]
    box += ["--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]
    box += ["--disable-userns"] if "--disable-userns" in _options() else []
    box += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64"):  # links on today's systems, folders on older ones
        box += ["--symlink", f"usr/{name}", f"/{name}"] if Path(f"/{name}").is_symlink() else []
        box += ["--ro-bind-try", f"/{name}", f"/{name}"] if not Path(f"/{name}").is_symlink() else []
    box += [*sized, "--tmpfs", "/tmp", *sized, "--tmpfs", HOME]  # before what is bound under it
    for folder in _python_folders():
        box += ["--ro-bind", str(folder), str(folder)]
    box += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--proc", "/proc", "--dev", "/dev"]
    box += [*sized, "--tmpfs", "/dev/shm", "--bind", str(shared), str(shared)]
    box += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]
    environment = {"HOME": HOME, "IPYTHONDIR": f"{HOME}/.ipython", "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1",
                   "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "JPY_PARENT_PID": "1", "PYTHONDONTWRITEBYTECODE": "1",
                   "MALLOC_ARENA_MAX": "2", "TMPDIR": "/tmp"}  # fmt: skip
    for name, value in environment.items():
        box += ["--setenv", name, value]
    # not resolved: it is the path of the environment's own interpreter that makes it find its packages
    return [*_rlimits(limits), *box, str(Path(sys.executable).absolute()), *arguments]


def _rlimits(limits: Limits) -> list[str]:
    sizes = {"as": limits.address_space, "cpu": limits.cpu_seconds, "fsize": limits.scratch, "core": 0, "nofile": 256}
    return [str(shutil.which("prlimit")), *(f"--{name}={value}" for name, value in sizes.items())]


def unsafe_command(arguments: list[str], *, limits: Limits) -> list[str]:
    """The command line without a box; where the system knows `prlimit`, at least its limits hold."""
    has_limits = sys.platform == "linux" and shutil.which("prlimit")
    return [*(_rlimits(limits) if has_limits else []), sys.executable, *arguments]


def preflight(limits: Limits | None = None) -> None:
    """Run one process in the box; SandboxUnavailable with the reason and the remedy if that does not work."""
    probe = "import os; assert os.getpid() < 10 and not os.path.exists('/etc/passwd'); print('in the box')"
    with tempfile.TemporaryDirectory(prefix="box") as shared:
        line = command(["-c", probe], shared=Path(shared), limits=limits or Limits())
        try:
            done = subprocess.run(
                line, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxUnavailable(f"bubblewrap does not start: {error}. {INSTALL}") from error
    if done.returncode or done.stdout.strip() != "in the box":
        said = " ".join((done.stderr or done.stdout).split())[-300:] or f"exit status {done.returncode}"
        raise SandboxUnavailable(f"bubblewrap is here, but a process in it fails: {said}. {INSTALL}")


class Watchman(threading.Thread):
    """Looks at a process and all its descendants every quarter of a second, and kills them when they exceed a limit.

    `verdict` is None, or the reason in words.
    """

    def __init__(self, process: subprocess.Popen, *, shared: Path, limits: Limits) -> None:
        super().__init__(name=f"watchman of {process.pid}", daemon=True)
        self.verdict: str | None = None
        self._process, self._shared, self._limits = process, shared, limits
        self._stopped = threading.Event()

    def run(self) -> None:
        """Watch until the process ends, a limit is exceeded or `stop` is called."""
        while self._process.poll() is None and not self._stopped.wait(0.25):
            try:
                self.verdict = self._exceeded()
            except Exception as error:  # a watchman who falls asleep would be worse than one who is too strict
                self.verdict = f"it cannot be watched ({type(error).__name__})"
            if self.verdict:
                kill_tree(self._process)
                return

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()

    def _exceeded(self) -> str | None:
        family = _family(self._process)
        if len(family) > self._limits.n_processes:
            return f"it started more than {self._limits.n_processes} processes"
        if sum(map(_resident, family)) + _nameless_bytes(family) > self._limits.resident:
            return f"it used more than {self._limits.resident / 2**30:.0f} GB of memory"
        # there are the connection file and the sockets, and nobody else has any business there
        with os.scandir(self._shared) as entries:
            found = [entry.stat(follow_symlinks=False) for entry in entries]
        others = [entry for entry in found if not stat.S_ISSOCK(entry.st_mode)]
        if len(others) > 1 or sum(entry.st_size for entry in others) > 10_000:
            return "it wrote into the folder of the kernel's sockets"
        return None


def _family(process: subprocess.Popen) -> list[psutil.Process]:
    """All that a process has started, and what that has started; empty where it has ended."""
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
    """What some processes hold in files without a name: in memory (memfd), or deleted while they are open."""
    sizes = {}
    for member in family:
        with contextlib.suppress(OSError):
            for descriptor in os.scandir(f"/proc/{member.pid}/fd"):
                with contextlib.suppress(OSError):
                    file = os.stat(descriptor.path)
                    if stat.S_ISREG(file.st_mode) and file.st_nlink == 0:
                        sizes[file.st_dev, file.st_ino] = file.st_blocks * 512
    return sum(sizes.values())


def kill_tree(process: subprocess.Popen) -> None:
    """End a process and what it has started; in the box the second follows from the first."""
    for member in _family(process):
        try:
            member.kill()
        except psutil.Error:
            continue
    try:  # bubblewrap ends by itself when what it holds has ended, and leaves no orphans for the system to bury
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=30)
