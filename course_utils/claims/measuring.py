"""How a claim is measured: an experiment a seed, their mean with its interval, a verdict; and the file of results."""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from scipy import stats

from course_utils.data import DataError, loaded_data
from course_utils.data.corpora import load_python_docs
from course_utils.data.images import load_mnist_5k
from course_utils.provenance import code_fingerprint
from course_utils.settings import Profile, Settings, settings

Relation = Literal["<", ">", "≈"]
Verdict = Literal["holds", "fails here", "not measurable"]
RESULTS_FILE = Path(__file__).parents[2] / "figures" / "claims.json"
# No part of a claim's fingerprint: what reads the environment, and what makes the data whose checksums are stored.
LEFT_OUT = (settings, load_python_docs, load_mnist_5k)


@dataclass(frozen=True)
class Measurement:
    """What one seed gave. reference: where the ledger has no published one, the baseline measured in the same run.

    series: columns of a figure, of equal length, e.g. {"code size": […], "deep": […], "PCA": […]}.
    """

    value: float
    reference: float | None = None
    data: str = ""
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A sentence of the chapter that can be wrong, as a row of the ledger.

    measure: `measure(cfg, seed)` → Measurement. reference: None where the experiment measures its own baseline.
    tolerance: for ≈. only_on: the profile that the published number is about. seeded: False where no seed enters.
    reproduced: profiles in which `make claims` found that it holds; there, `claim` raises when it no longer does.
    """

    id: str
    system: str
    sentence: str
    quantity: str
    unit: str
    relation: Relation
    source: str
    measure: Callable[[Settings, int], Measurement]
    reference: float | None = None
    tolerance: float = 0.0
    only_on: Profile | None = None
    seeded: bool = True
    reproduced: tuple[Profile, ...] = ()


@dataclass(frozen=True)
class Result:
    """One claim in one profile: mean over the seeds, their standard deviation, and the verdict with its reason.

    made_with: `code`, a fingerprint of what measures the claim, and `data`, checksums of the offline data sets.
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
    made_with: dict[str, Any] = field(default_factory=dict)


def measure(claim: Claim, cfg: Settings, *, n_seeds: int) -> Result:
    """Measure a claim with seeds `cfg.seed`, `cfg.seed + 1`, …; data that are missing give "not measurable"."""
    if n_seeds < 1:
        raise ValueError(f"n_seeds is {n_seeds}; it must be at least 1.")
    seeds = [cfg.seed + i for i in range(n_seeds if claim.seeded else 1)]
    start = time.perf_counter()
    try:
        runs = [claim.measure(cfg, seed) for seed in seeds]
    except DataError as error:
        return _result(claim, cfg, [], [], "not measurable", str(error), time.perf_counter() - start)
    verdict, reason = judge(claim, [r.value for r in runs], [_reference(claim, r) for r in runs], cfg.profile)
    return _result(claim, cfg, seeds, runs, verdict, reason, time.perf_counter() - start)


def judge(claim: Claim, values: Sequence[float], references: Sequence[float], profile: Profile) -> tuple[Verdict, str]:
    """The verdict and its reason.

    < and >: the 95 % interval (Student's t) of value − reference, paired by seed, lies wholly on the claimed side
    (holds), wholly on the other (fails here), or on both (not measurable: the seeds do not tell). One seed has no
    interval: its sign decides. ≈: the mean is within the tolerance of the reference, or not.
    """
    if claim.only_on not in (None, profile):
        return "not measurable", f"the published number is for the {claim.only_on} profile's data"
    differences = [v - r for v, r in zip(values, references, strict=True)]
    mean = statistics.fmean(differences)
    if not math.isfinite(mean):
        return "not measurable", f"the measured value is {statistics.fmean(values)}"
    if claim.relation == "≈":
        verdict = "holds" if abs(mean) <= claim.tolerance else "fails here"
        return verdict, f"difference {mean:+.3g}, tolerance {claim.tolerance:g}"
    half = half_width_95(differences)
    side = -1 if claim.relation == "<" else 1
    low, high = mean - half, mean + half
    reason = f"difference {mean:+.3g}" + (f", 95 % interval {low:+.3g} to {high:+.3g}" if half else "")
    if low * side > 0 and high * side > 0:
        return "holds", reason
    if low * side <= 0 and high * side <= 0:
        return "fails here", reason
    return "not measurable", reason + ": the seeds do not tell"


def half_width_95(values: Sequence[float]) -> float:
    """Half of the 95 % interval of the mean of a few values (Student's t); 0 for one value or equal ones."""
    if len(values) < 2:
        return 0.0
    return float(stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values)))


def _reference(claim: Claim, run: Measurement) -> float:
    reference = claim.reference if run.reference is None else run.reference
    if reference is None:
        raise ValueError(f"{claim.id}: neither the ledger nor the experiment has a reference.")
    return reference


def _result(
    claim: Claim, cfg: Settings, seeds: list[int], runs: list[Measurement],
    verdict: Verdict, reason: str, seconds: float,
) -> Result:  # fmt: skip
    values, references = [r.value for r in runs], [_reference(claim, r) for r in runs]
    return Result(
        id=claim.id, unit=claim.unit, relation=claim.relation, source=claim.source, verdict=verdict, reason=reason,
        value=statistics.fmean(values) if values else None,
        sd=(statistics.stdev(values) if len(values) > 1 else 0.0) if values else None,
        reference=statistics.fmean(references) if references else claim.reference,
        data=runs[0].data if runs else "", profile=cfg.profile, seeds=seeds, values=values, references=references,
        seconds=round(seconds, 1),
        series={name: [list(r.series[name]) for r in runs] for name in runs[0].series} if runs else {},
        made_with=made_with(claim, runs[0].data) if runs else {},
    )  # fmt: skip


def made_with(claim: Claim, data: str) -> dict[str, Any]:
    """The fingerprint of the code that measures a claim, and the checksums of the offline data that it names."""
    return {"code": code_of(claim), "data": {name: sha for name, sha in loaded_data().items() if name in data}}


def code_of(claim: Claim) -> str:
    """The fingerprint of the code that measures a claim."""
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
    """The stored results by (id, profile); empty where there is no file yet."""
    return {(row["id"], row["profile"]): Result(**row) for row in _read_rows(path)}


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no readable JSON ({error}). Mend or delete it; it was left as it is.") from None
