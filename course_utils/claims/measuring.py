"""How a row is measured: seed by seed, their mean with its interval, a verdict; and the file of results."""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from course_utils import checkpoint, provenance
from course_utils.claims.rows import CLAIMS, Claim, Measurement, Relation, row
from course_utils.claims.verdicts import Verdict, judge, verdicts_of
from course_utils.data import DataError, loaded_data
from course_utils.data.offline_images import load_mnist_5k
from course_utils.data.python_docs import load_python_docs
from course_utils.provenance import code_fingerprint
from course_utils.settings import Profile, Settings, settings

RESULTS_FILE = Path(__file__).parents[2] / "figures" / "claims.json"
# No part of a claim's fingerprint: what reads the environment, what makes the data whose checksums are stored, the
# decorator with the text of a row, what holds the numbers of a seed, what compares a checkpoint with its set-up, and
# fingerprints and checksums.
LEFT_OUT = (settings, load_python_docs, load_mnist_5k, row, Measurement, checkpoint, provenance)


@dataclass(frozen=True)
class Result:
    """One row in one profile, as it is stored.

    Parameters
    ----------
    id, unit, relation, source
        As of the Claim.
    value, sd
        Mean over the seeds and their standard deviation; None where nothing could be measured.
    reference
        What the value is compared with; mean over the seeds, where each has its own.
    verdict, reason
        As `judge` gives them.
    data
        The name of the data set.
    profile
        "quick" or "full".
    seeds, values, references
        What each seed gave.
    seconds
        How long all seeds took.
    series
        Column of a figure → its values, a list a seed.
    intervals
        Of each seed the 95 % interval over the queries or test images, [low, high]; empty where these are no sample.
    verdict_before
        The verdict before it last changed; empty where it never did.
    made_with
        `code`, a fingerprint of what measures the row, and `data`, checksums of the offline data sets.
    """

    id: str
    value: float | None
    sd: float | None
    unit: str
    relation: Relation
    reference: float | None
    source: str
    verdict: Verdict
    reason: str
    data: str
    profile: Profile
    seeds: list[int]
    values: list[float]
    references: list[float]
    seconds: float
    series: dict[str, list[list[float]]] = field(default_factory=dict)
    intervals: list[list[float]] = field(default_factory=list)
    verdict_before: str = ""
    made_with: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One seed of a row.

    Parameters
    ----------
    seed
        The seed.
    found
        What it gave; None where data are missing.
    seconds
        How long it took.
    missing
        Why there is no number: which data are missing, or that it is not finite; else empty.
    made_with
        As of Result; noted where the seed was measured, which may be another process or machine.
    """

    seed: int
    found: Measurement | None
    seconds: float
    missing: str = ""
    made_with: Mapping[str, Any] = field(default_factory=dict)


def run_of(claim: Claim, cfg: Settings, seed: int) -> Run:
    """Measure one seed of a row."""
    start = time.perf_counter()
    try:
        found = claim.measure(cfg, seed)
    except DataError as error:
        return Run(seed, None, time.perf_counter() - start, str(error))
    seconds = time.perf_counter() - start
    for number in (found.value, reference_of(claim, found)):
        if not math.isfinite(number):
            return Run(seed, None, seconds, f"seed {seed} gave {number}")
    return Run(seed, found, seconds, made_with=made_with(claim, found.data))


def seeds_of(claim: Claim, cfg: Settings, n_seeds: int | None = None) -> list[int]:
    """Return the seeds of a row: the first is that of the settings, the others follow it; their number is the row's.

    Raises
    ------
    ValueError
        n_seeds is given, and below 1.
    """
    if n_seeds is None:
        n_seeds = claim.n_seeds(cfg.profile)
    if n_seeds < 1:
        raise ValueError(f"n_seeds is {n_seeds}; it must be at least 1.")
    return [cfg.seed + i for i in range(n_seeds if claim.seeded else 1)]


def measure(claim: Claim, cfg: Settings, *, n_seeds: int | None = None) -> Result:
    """Measure a row of the ledger, seed by seed.

    Parameters
    ----------
    claim
        The row.
    cfg
        The profile, and the first seed; the others follow it.
    n_seeds
        How many; None: as many as the row says. One is enough for a row in which no seed enters.

    Returns
    -------
    Result
        Data that are missing give "not measurable".

    Raises
    ------
    ValueError
        n_seeds is below 1, or there is no reference to compare with.
    """
    return composed(claim, cfg.profile, [run_of(claim, cfg, seed) for seed in seeds_of(claim, cfg, n_seeds)])


def composed(claim: Claim, profile: Profile, runs: Sequence[Run]) -> Result:
    """Put the seeds of a row together: mean, spread, and the verdict that the row has by itself.

    Parameters
    ----------
    claim
        The row.
    profile
        The profile that it was measured in.
    runs
        Its seeds, in order.

    Returns
    -------
    Result
        Without values, where data were missing for one of them.
    """
    missing = next((run.missing for run in runs if run.missing), "")
    found = [] if missing else [run.found for run in runs if run.found is not None]
    values, references = [r.value for r in found], [reference_of(claim, r) for r in found]
    intervals = [list(r.interval) for r in found if r.interval is not None]
    verdict: Verdict = "not measurable"
    reason = missing
    if found:
        verdict, reason = judge(claim, values, references, profile, intervals)
    return Result(
        id=claim.id, unit=claim.unit, relation=claim.relation, source=claim.source, verdict=verdict, reason=reason,
        value=statistics.fmean(values) if found else None,
        sd=(statistics.stdev(values) if len(found) > 1 else 0.0) if found else None,
        reference=statistics.fmean(references) if found else claim.reference,
        data=found[0].data if found else "", profile=profile, seeds=[run.seed for run in runs] if found else [],
        values=values, references=references, seconds=round(math.fsum(run.seconds for run in runs), 1),
        series={name: [list(r.series[name]) for r in found] for name in found[0].series} if found else {},
        intervals=intervals,
        made_with=dict(runs[0].made_with) if found else {},
    )  # fmt: skip


def runs_in(claim: Claim, result: Result) -> list[Run]:
    """Take a stored result apart again: its seeds, each with an equal part of its time.

    A bound or a published number is the row's of today, whatever was stored.
    """
    intervals: list[tuple[float, float] | None] = [(low, high) for low, high in result.intervals]
    intervals = intervals or [None] * len(result.seeds)
    parts = zip(result.seeds, result.values, result.references, intervals, strict=True)
    return [
        Run(seed, Measurement(value, reference if claim.reference is None else None, result.data,
                              {name: rows[i] for name, rows in result.series.items()}, interval),
            result.seconds / len(result.seeds), made_with=result.made_with)
        for i, (seed, value, reference, interval) in enumerate(parts)
    ]  # fmt: skip


def reference_of(claim: Claim, run: Measurement) -> float:
    """Return what a measured value is compared with: the baseline of the same run, or the row's number."""
    reference = claim.reference if run.reference is None else run.reference
    if reference is None:
        raise ValueError(f"{claim.id}: neither the row nor its measurement has a reference.")
    return reference


def made_with(claim: Claim, data: str) -> dict[str, Any]:
    """Note the fingerprint of the code that measures a row, and the checksums of the offline data that it names."""
    return {"code": code_of(claim), "data": {name: sha for name, sha in loaded_data().items() if name in data}}


def code_of(claim: Claim) -> str:
    """Compute the fingerprint of the code that measures a row; the row's own text does not count."""
    return code_fingerprint(claim.measure, stop=LEFT_OUT)


def save_results(
    results: Sequence[Result], path: Path, claims: Mapping[str, Claim] = CLAIMS,
    before: Mapping[tuple[str, str], Result] | None = None,
) -> None:  # fmt: skip
    """Write results into a JSON file; rows of other claims and profiles that it holds already stay.

    The rows of a profile are judged together, as one of many may hold by chance: all verdicts of the file are written
    anew.

    Parameters
    ----------
    results
        New results, in place of those of the same rows and profiles.
    path
        The file.
    claims
        The rows.
    before
        The results from which on a change of verdict is noted; None: those that the file holds now.
    """
    stored = load_results(path)
    before = stored if before is None else before
    merged = stored | {(result.id, result.profile): result for result in results}
    for profile in ("quick", "full"):
        rows = [r for r in merged.values() if r.profile == profile and r.values and r.id in claims]
        for result, (verdict, reason) in zip(rows, verdicts_of(claims, rows), strict=True):
            earlier = before.get((result.id, profile), result)
            changed = earlier.verdict if earlier.verdict != verdict else earlier.verdict_before
            merged[result.id, profile] = replace(
                result, verdict=verdict, reason=reason, verdict_before=changed if changed != verdict else ""
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    rows_of_file = [asdict(result) for result in merged.values()]
    unfinished.write_text(
        json.dumps(rows_of_file, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    os.replace(unfinished, path)


def load_results(path: Path = RESULTS_FILE) -> dict[tuple[str, str], Result]:
    """Read the stored results by (id, profile): none where there is no file yet. Raises DataError: no readable JSON."""
    return {(row["id"], row["profile"]): Result(**row) for row in _read_rows(path)}


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not readable JSON ({error}). Correct or delete it; it was left as it is.") from None
