"""Many rows measured at once: on every core or on a cluster, each seed kept as soon as it is done.

Rows of a chapter share trained nets, so a seed of a whole chapter goes to one worker, row by row. Each worker computes
with one thread, of torch, NumPy and scikit-learn: the numbers do not depend on how many workers there are.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import torch
from threadpoolctl import threadpool_limits

from course_utils.claims.freshness import why_stale
from course_utils.claims.measuring import Result, Run, code_of, composed, run_of, runs_in, seeds_of
from course_utils.claims.rows import CLAIMS, Claim, Measurement
from course_utils.data import known_data
from course_utils.settings import Settings

Lane = Callable[[Claim, Settings, int], Run]  # measures one seed of a row, in a worker of its own
GUESS_S = 20.0  # of a seed of a chapter that was never measured
LOOK_S = 10.0  # after so long, is the worker still there?
CONNECT_S = 10.0  # so long may a scheduler take to answer


class RunningError(RuntimeError):
    """The workers cannot be used; the message says which, and what to do."""


# ------------------------------------------------------------------------------------------------------ where they run


@contextmanager
def open_lanes(where: str | None, n_workers: int) -> Iterator[list[Lane]]:
    """Start the workers; end them afterwards.

    Parameters
    ----------
    where
        None for this machine, or "dask://host:port", the scheduler of a Dask cluster whose workers have this package.
    n_workers
        How many processes on this machine; with 1, this process does it.

    Yields
    ------
    list of callable
        A lane for each worker, `lane(claim, cfg, seed)` → Run.

    Raises
    ------
    RunningError
        The cluster cannot be reached.
    """
    with ExitStack() as opened:
        if where is not None:
            yield opened.enter_context(_cluster(where))
        elif n_workers == 1:
            yield [opened.enter_context(_this_process())]
        else:
            spawn = multiprocessing.get_context("spawn")
            pools = [opened.enter_context(ProcessPoolExecutor(1, mp_context=spawn)) for _ in range(n_workers)]
            yield [_lane_of(pool) for pool in pools]


@contextmanager
def _this_process() -> Iterator[Lane]:
    with _one_thread():
        yield run_of


@contextmanager
def _one_thread() -> Iterator[None]:
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):  # those of NumPy, SciPy and scikit-learn
            yield
    finally:
        torch.set_num_threads(n)


def _lane_of(pool: ProcessPoolExecutor) -> Lane:
    def lane(claim: Claim, cfg: Settings, seed: int) -> Run:
        try:
            return pool.submit(_run_in_worker, claim.id, cfg, seed).result()
        except BrokenExecutor:
            raise RunningError(
                f"The worker that measured {claim.id}, seed {seed}, ended without a word: out of memory? What was done "
                f"is kept; run the command again, with fewer --workers."
            ) from None

    return lane


@contextmanager
def _cluster(where: str) -> Iterator[list[Lane]]:
    if not where.startswith("dask://"):
        raise RunningError(f"--executor must be dask://host:port, not {where!r}.")
    try:
        from distributed import Client
    except ImportError as error:
        raise RunningError("A Dask cluster needs the package distributed: pip install distributed.") from error
    try:
        client = Client(f"tcp://{where.removeprefix('dask://')}", timeout=CONNECT_S)
    except OSError as error:
        raise RunningError(f"No Dask scheduler answers at {where}: {error}.") from error

    def lane_of(worker: str) -> Lane:
        def lane(claim: Claim, cfg: Settings, seed: int) -> Run:
            future = client.submit(_run_in_worker, claim.id, cfg, seed, workers=[worker], pure=False)
            while True:
                try:
                    run: Run = future.result(timeout=LOOK_S)
                except TimeoutError:  # it works, or is gone: then its task would wait for ever
                    if worker not in client.nthreads():
                        raise RunningError(f"The Dask worker {worker} is gone; it measured {claim.id}, seed {seed}. "
                                           "What was done is kept; run the command again.") from None  # fmt: skip
                    continue
                if run.made_with and run.made_with["code"] != code_of(claim):
                    raise RunningError(f"The Dask worker {worker} has another version of this package: it measures "
                                       f"{claim.id} by other code. Install the same on all workers.")  # fmt: skip
                return run

        return lane

    with client:
        workers = list(client.nthreads())
        if not workers:
            raise RunningError(f"The Dask cluster at {where} has no workers. Start some: dask worker host:port.")
        yield [lane_of(worker) for worker in workers]


def _run_in_worker(id: str, cfg: Settings, seed: int) -> Run:
    os.environ["COURSE_QUIET"] = "1"
    with _one_thread():
        return run_of(CLAIMS[id], cfg, seed)


# ------------------------------------------------------------------------------------------------- what is done already


class RunStore:
    """The seeds that are measured, in a file beside the ledger, a line each; so that an interruption loses none.

    A seed counts as measured while the code of its row and its data are the same.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    forget
        Begin anew: what the file holds does not count.
    """

    def __init__(self, path: Path | None, *, forget: bool = False) -> None:
        self.path = path
        self._runs: dict[tuple[str, str, str, int], Run] = {}
        known = {name: entry["sha256"] for name, entry in known_data().items()}
        for entry in [] if forget else self._lines():
            data = {name: sha for name, sha in known.items() if name in entry["found"]["data"]}
            if entry["data"] == data:
                found = Measurement(**entry["found"])
                interval = found.interval and (found.interval[0], found.interval[1])
                made_with = {"code": entry["code"], "data": entry["data"]}
                run = Run(entry["seed"], replace(found, interval=interval), entry["seconds"], made_with=made_with)
                self._runs[entry["code"], entry["id"], entry["profile"], entry["seed"]] = run

    def _lines(self) -> list[dict[str, Any]]:
        if self.path is None or not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:  # half a line, of a run that was killed while it wrote
                continue
        return found

    def find(self, code: str, id: str, profile: str, seed: int) -> Run | None:
        """Return the run of a seed, if it is there."""
        return self._runs.get((code, id, profile, seed))

    def add(self, code: str, id: str, profile: str, run: Run) -> None:
        """Keep a run, on the disk at once."""
        if self.path is None or run.found is None:
            return
        self._runs[code, id, profile, run.seed] = run
        found = vars(run.found) | {"series": dict(run.found.series)}
        entry = {"id": id, "profile": profile, "seed": run.seed, "code": code, "found": found,
                 "data": run.made_with["data"], "seconds": round(run.seconds, 2)}  # fmt: skip
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())


# ------------------------------------------------------------------------------------------------------------ the rows


@dataclass
class Plan:
    """What is to be measured, and what is there already.

    Parameters
    ----------
    claims
        The rows, in the order of the ledger.
    cfg
        The profile and the first seed.
    stored
        The ledger's results by (id, profile); the seeds of a fresh one are not measured again.
    store
        Seeds of rows that are not finished.
    n_seeds
        Instead of the number of each row; None: as the rows say.
    """

    claims: Sequence[Claim]
    cfg: Settings
    stored: Mapping[tuple[str, str], Result]
    store: RunStore
    n_seeds: int | None = None
    runs: dict[str, dict[int, Run]] = field(default_factory=lambda: defaultdict(dict))
    missing: list[tuple[Claim, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.codes = {claim.id: code_of(claim) for claim in self.claims}
        for claim in self.claims:
            before = self.stored.get((claim.id, self.cfg.profile))
            is_fresh = before and before.seeds and not why_stale(claim, before)
            known = {run.seed: run for run in runs_in(claim, before)} if before and is_fresh else {}
            for seed in self.seeds(claim):
                run = known.get(seed) or self.store.find(self.codes[claim.id], claim.id, self.cfg.profile, seed)
                if run:
                    self.runs[claim.id][seed] = run
                else:
                    self.missing.append((claim, seed))

    def seeds(self, claim: Claim) -> list[int]:
        """The seeds that the row is to have."""
        return seeds_of(claim, self.cfg, self.n_seeds)

    def seconds(self, claim: Claim) -> float:
        """Guess how long a seed of a row takes: what one of its chapter took before, as they share their nets."""
        rows = [self.stored.get((one.id, self.cfg.profile)) for one in self.claims if one.chapter == claim.chapter]
        known = [row.seconds / len(row.seeds) for row in rows if row and row.seeds]
        return sum(known) / len(known) if known else GUESS_S

    def groups(self) -> list[list[tuple[Claim, int]]]:
        """What one worker does one after the other: a seed of a chapter. The longest first, so all end together."""
        found: dict[tuple[str, int], list[tuple[Claim, int]]] = defaultdict(list)
        for claim, seed in self.missing:
            found[claim.chapter, seed].append((claim, seed))
        return sorted(found.values(), key=lambda group: -sum(self.seconds(claim) for claim, _ in group))

    def is_complete(self, claim: Claim) -> bool:
        """Whether all seeds of the row are there."""
        return all(seed in self.runs[claim.id] for seed in self.seeds(claim))

    def result(self, claim: Claim) -> Result:
        """Put the seeds of a complete row together."""
        return composed(claim, self.cfg.profile, [self.runs[claim.id][seed] for seed in self.seeds(claim)])


def measure_all(
    plan: Plan, lanes: Sequence[Lane], *, progress: TextIO, finished: Callable[[Result], None]
) -> list[Result]:
    """Measure what a plan lacks.

    Parameters
    ----------
    plan
        The rows, and what is known of them.
    lanes
        The workers.
    progress
        Gets a line for each seed: how many are done, and how long the rest will take.
    finished
        Called with each row, as soon as its last seed is there; at once for those that lack none.

    Returns
    -------
    list of Result
        All rows, in the order of the plan.

    Raises
    ------
    RunningError
        A worker ended, or a row could not be measured; the message names it. What was measured before is kept.
    """
    for claim in plan.claims:
        if plan.is_complete(claim):
            finished(plan.result(claim))
    groups, one_at_a_time, stop = iter(plan.groups()), threading.Lock(), threading.Event()
    report = _Progress(plan, len(lanes), progress)

    def work(lane: Lane) -> None:
        while True:
            with one_at_a_time:
                group: Iterable[tuple[Claim, int]] = next(groups, ())
            if not group:
                return
            for claim, seed in group:
                if stop.is_set():
                    return
                try:
                    run = lane(claim, plan.cfg, seed)
                except RunningError:
                    raise
                except Exception as error:
                    raise RunningError(f"{claim.id}, seed {seed}: {type(error).__name__}: {error}") from error
                with one_at_a_time:
                    plan.store.add(plan.codes[claim.id], claim.id, plan.cfg.profile, run)
                    plan.runs[claim.id][seed] = run
                    report.line(claim, run)
                    if plan.is_complete(claim):
                        finished(plan.result(claim))

    with ThreadPoolExecutor(max(1, len(lanes))) as threads:
        futures = [threads.submit(work, lane) for lane in lanes]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:  # an error in one, or Ctrl-C: the others end after their seed
            stop.set()
        for future in futures:
            future.result()
    return [plan.result(claim) for claim in plan.claims]


class _Progress:
    """A line for each seed, with an estimate: the known costs of what is left, corrected by how fast this run is."""

    def __init__(self, plan: Plan, n_lanes: int, stream: TextIO) -> None:
        self._plan, self._n_lanes, self._stream = plan, n_lanes, stream
        self._n = self._guessed = 0.0
        self._left = sum(plan.seconds(claim) for claim, _ in plan.missing)
        self._start = time.monotonic()

    def line(self, claim: Claim, run: Run) -> None:
        cost = self._plan.seconds(claim)
        self._n += 1
        self._guessed += cost
        self._left -= cost
        spent = time.monotonic() - self._start
        pace = spent * self._n_lanes / self._guessed if self._guessed else 1.0
        value = run.missing if run.found is None else f"{run.found.value:.4g} {claim.unit}"
        print(
            f"[{self._n:.0f}/{len(self._plan.missing)}] {claim.id}, seed {run.seed}: {value} ({run.seconds:.0f} s); "
            f"about {max(0.0, self._left) * pace / self._n_lanes / 60:.0f} min left",
            file=self._stream, flush=True,
        )  # fmt: skip
