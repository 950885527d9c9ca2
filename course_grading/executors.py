"""Where submissions run: threads of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from course_grading.course import CourseError
from course_grading.kernel import stop_all


@contextmanager
def open_executor(where: str | None, workers: int) -> Iterator[tuple[Executor, int]]:
    """Open an executor; close it at the end.

    Parameters
    ----------
    where
        None for this machine, or "dask://host:port", the scheduler of a Dask cluster whose workers have this package
        and bubblewrap.
    workers
        How many submissions run at once on this machine.

    Yields
    ------
    tuple[Executor, int]
        The executor, and how many submissions it runs at once.

    Raises
    ------
    CourseError
        The cluster cannot be reached.
    """
    with _threads(workers) if where is None else _cluster(where) as opened:
        yield opened


@contextmanager
def _threads(workers: int) -> Iterator[tuple[Executor, int]]:
    """Threads are enough here: each drives a process of its own."""
    with ThreadPoolExecutor(workers, thread_name_prefix="grading") as executor:
        try:
            yield executor, workers
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise


@contextmanager
def _cluster(where: str) -> Iterator[tuple[Executor, int]]:
    if not where.startswith("dask://"):
        raise CourseError(f"--executor must be dask://host:port, not {where!r}")
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
