"""How a row is measured: seed by seed, their mean with its interval, a verdict; and the file of results."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from course_utils import checkpoint, provenance
from course_utils.claims.rows import Claim, Measurement, Relation, row
from course_utils.claims.verdicts import Verdict, judge
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
    made_with: dict[str, Any] = field(default_factory=dict)


def measure(claim: Claim, cfg: Settings, *, n_seeds: int) -> Result:
    """Measure a row of the ledger, seed by seed.

    Parameters
    ----------
    claim
        The row.
    cfg
        The profile, and the first seed; the others follow it.
    n_seeds
        How many; one is enough for a row in which no seed enters.

    Returns
    -------
    Result
        Data that are missing give "not measurable".

    Raises
    ------
    ValueError
        n_seeds is below 1, or there is no reference to compare with.
    """
    if n_seeds < 1:
        raise ValueError(f"n_seeds is {n_seeds}; it must be at least 1.")
    seeds = [cfg.seed + i for i in range(n_seeds if claim.seeded else 1)]
    start, missing = time.perf_counter(), ""
    try:
        runs = [claim.measure(cfg, seed) for seed in seeds]
    except DataError as error:
        seeds, runs, missing = [], [], str(error)
    values, references = [r.value for r in runs], [reference_of(claim, r) for r in runs]
    intervals = [list(r.interval) for r in runs if r.interval is not None]
    verdict: Verdict = "not measurable"
    reason = missing
    if not missing:
        verdict, reason = judge(claim, values, references, cfg.profile, intervals)
    return Result(
        id=claim.id, unit=claim.unit, relation=claim.relation, source=claim.source, verdict=verdict, reason=reason,
        value=statistics.fmean(values) if runs else None,
        sd=(statistics.stdev(values) if len(runs) > 1 else 0.0) if runs else None,
        reference=statistics.fmean(references) if runs else claim.reference,
        data=runs[0].data if runs else "", profile=cfg.profile, seeds=seeds, values=values, references=references,
        seconds=round(time.perf_counter() - start, 1),
        series={name: [list(r.series[name]) for r in runs] for name in runs[0].series} if runs else {},
        intervals=intervals,
        made_with=made_with(claim, runs[0].data) if runs else {},
    )  # fmt: skip


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


def save_results(results: Sequence[Result], path: Path) -> None:
    """Write results into a JSON file; rows of other claims and profiles that it holds already stay."""
    merged = {(row["id"], row["profile"]): row for row in _read_rows(path)}
    merged.update({(r.id, r.profile): asdict(r) for r in results})
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(
        json.dumps(list(merged.values()), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
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
