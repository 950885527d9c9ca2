"""The sandbox in which a submission's kernel runs: bubblewrap around one Python process, with limits.

Inside there is the Python installation, read-only, and a scratch folder in memory. There is no network, no other
process, no environment, no course folder. `watchdog` limits from outside what `prlimit` cannot.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HOME = "/home/student"  # the scratch folder, as the submission sees it


class SandboxUnavailable(RuntimeError):
    """A submission cannot be run in a sandbox on this machine; the message says why and what to install."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Seconds are of the wall clock, except for `cpu_seconds`; sizes are in bytes.

    Parameters
    ----------
    cell_seconds
        For one cell; then it is interrupted.
    submission_seconds
        For the whole notebook.
    start_seconds
        For the start of the kernel.
    interrupt_seconds
        For a cell to end after it was interrupted; then the kernel is killed.
    last_output_seconds
        For the last output of a cell to arrive after its reply.
    cpu_seconds
        Of processor time, for each process.
    address_space
        Of each process: torch's CUDA builds reserve 3 GB of it (2.15) to 5 GB (2.10), and use 0.5.
    resident
        Memory of all processes together.
    n_processes
        Processes at the same time.
    scratch
        The size of each folder that can be written to.
    output
        Of one cell; then it is interrupted.
    kept_output
        What is kept of the output of one cell.
    """

    cell_seconds: float = 30
    submission_seconds: float = 180
    start_seconds: float = 60
    interrupt_seconds: float = 10
    last_output_seconds: float = 5
    cpu_seconds: int = 120
    address_space: int = 6 * 2**30
    resident: int = 3 * 2**30
    n_processes: int = 64
    scratch: int = 256 * 2**20
    output: int = 8 * 2**20
    kept_output: int = 100_000


INSTALL = (
    "Debian and Ubuntu: sudo apt install bubblewrap; Fedora: sudo dnf install bubblewrap. If it is installed but may"
    " not create namespaces (Ubuntu 24.04's AppArmor, containers without privileges), allow user namespaces or grade"
    " elsewhere, as TEACHING.md says. macOS and Windows have no such sandbox: grade in a Linux machine or WSL 2. If you"
    " trust every submission as you trust your own code, add --unsafe."
)
PROBE = "import os; assert os.getpid() < 10 and not os.path.exists('/etc/passwd'); print('in the sandbox')"
ENVIRONMENT = {
    "HOME": HOME,
    "IPYTHONDIR": f"{HOME}/.ipython",
    "MPLBACKEND": "agg",
    "OMP_NUM_THREADS": "1",
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "JPY_PARENT_PID": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "2",
    "TMPDIR": "/tmp",
}


@cache
def bubblewrap_help() -> str:
    """Return what this machine's bubblewrap says of its options; empty if it is not installed."""
    if not (sys.platform == "linux" and shutil.which("bwrap") and shutil.which("prlimit")):
        return ""
    done = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _if_known(*option: str) -> list[str]:
    """An option of bubblewrap; nothing if this version does not have it."""
    return list(option) if option[0] in bubblewrap_help() else []


def command(arguments: list[str], *, shared: Path, limits: Limits) -> list[str]:
    """Build the command line that runs Python in the sandbox.

    Parameters
    ----------
    arguments
        What follows after `python`.
    shared
        The folder with the kernel's sockets, the only one that both sides can write to.
    limits
        What the process may use.

    Returns
    -------
    list[str]
        The command line.

    Raises
    ------
    SandboxUnavailable
        Bubblewrap is not installed.
    """
    if not bubblewrap_help():
        raise SandboxUnavailable(f"bubblewrap (bwrap) is not installed on this machine. {INSTALL}")
    box = [str(shutil.which("bwrap")), *_isolation(), *_file_system(shared, limits)]
    for name, value in ENVIRONMENT.items():
        box += ["--setenv", name, value]
    # not resolved: the path of the environment's own interpreter makes it find its packages
    return [*_rlimits(limits), *box, str(Path(sys.executable).absolute()), *arguments]


def _isolation() -> list[str]:
    namespaces = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv"]
    user = ["--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]
    return [*namespaces, *user, *_if_known("--disable-userns")]


def _file_system(shared: Path, limits: Limits) -> list[str]:
    """The order matters: what is bound under a folder comes after that folder."""
    # disk in the sandbox is memory, and has a size; bwrap < 0.7 cannot set it, the watchdog then counts it as memory
    sized = _if_known("--size", str(limits.scratch))
    box = [*_system_folders(), *sized, "--tmpfs", "/tmp", *sized, "--tmpfs", HOME]
    for folder in _python_folders():
        box += ["--ro-bind", str(folder), str(folder)]
    box += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--proc", "/proc", "--dev", "/dev"]
    box += [*sized, "--tmpfs", "/dev/shm", "--bind", str(shared), str(shared)]
    return [*box, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]


def _system_folders() -> list[str]:
    box = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib64"):  # links on today's systems, folders on older ones
        is_link = Path(f"/{name}").is_symlink()
        box += ["--symlink", f"usr/{name}", f"/{name}"] if is_link else ["--ro-bind-try", f"/{name}", f"/{name}"]
    return box


def _python_folders() -> list[Path]:
    """The folders that this interpreter and its packages need, without those under /usr."""
    folders = {Path(folder).resolve() for folder in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    return sorted(folder for folder in folders if folder != Path("/usr") and Path("/usr") not in folder.parents)


def _rlimits(limits: Limits) -> list[str]:
    sizes = {"as": limits.address_space, "cpu": limits.cpu_seconds, "fsize": limits.scratch, "core": 0, "nofile": 256}
    return [str(shutil.which("prlimit")), *(f"--{name}={value}" for name, value in sizes.items())]


def unsafe_command(arguments: list[str], *, limits: Limits) -> list[str]:
    """Build the command line without a sandbox; where the system has `prlimit`, at least its limits apply.

    Parameters
    ----------
    arguments
        What follows after `python`.
    limits
        What the process may use.
    """
    has_limits = sys.platform == "linux" and shutil.which("prlimit")
    return [*(_rlimits(limits) if has_limits else []), sys.executable, *arguments]


def preflight(limits: Limits | None = None) -> None:
    """Run one process in the sandbox, to see whether this machine can.

    Parameters
    ----------
    limits
        What the process may use; None: as `Limits` says.

    Raises
    ------
    SandboxUnavailable
        It does not run; the message contains the reason and the remedy.
    """
    with tempfile.TemporaryDirectory(prefix="box") as shared:
        line = command(["-c", PROBE], shared=Path(shared), limits=limits or Limits())
        try:
            done = subprocess.run(
                line, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxUnavailable(f"bubblewrap does not start: {error}. {INSTALL}") from error
    if done.returncode or done.stdout.strip() != "in the sandbox":
        said = " ".join((done.stderr or done.stdout).split())[-300:] or f"exit status {done.returncode}"
        raise SandboxUnavailable(f"bubblewrap is installed, but a process in it fails: {said}. {INSTALL}")
