"""Whether stored results are as old as the code and data that give them; and a cheap proof that a change is neutral."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from course_utils.claims.measuring import Result, code_of, reference_of
from course_utils.claims.rows import Claim
from course_utils.data import known_data
from course_utils.settings import Settings

SAME = 1e-3  # of the value
SHARE_OF_SPREAD = 0.1  # of the standard deviation over the seeds


def why_stale(claim: Claim, result: Result) -> str:
    """Tell what a stored result is older than: "code", "data", or "" where it is as they are."""
    if not result.seeds:
        return ""
    made_with: Mapping[str, Any] = result.made_with
    known = {name: entry["sha256"] for name, entry in known_data().items()}
    if any(known.get(name, sha) != sha for name, sha in made_with.get("data", {}).items()):
        return "data"
    return "" if made_with.get("code") == code_of(claim) else "code"


def stale(claims: Mapping[str, Claim], results: Iterable[Result]) -> dict[tuple[str, str], str]:
    """Find the stored results that are older than something: (id, profile) → "code" or "data"."""
    found = {(r.id, r.profile): why_stale(claims[r.id], r) for r in results if r.id in claims}
    return {key: why for key, why in found.items() if why}


@dataclass(frozen=True)
class Confirmation:
    """What the first seed gave today, beside what is stored of it.

    Parameters
    ----------
    result
        The stored result, stamped anew where the two are the same.
    stored, today
        The two values.
    stored_reference, today_reference
        What they are compared with: a baseline of the same run, or the row's number.
    """

    result: Result
    stored: float
    today: float
    stored_reference: float
    today_reference: float

    @property
    def is_same(self) -> bool:
        """Equal but for rounding, which training enlarges: to a tenth of what another seed would change, at most."""
        references = self.result.references
        of_references = statistics.stdev(references) if len(references) > 1 else 0.0
        return _is_close(self.stored, self.today, self.result.sd or 0.0) and _is_close(
            self.stored_reference, self.today_reference, of_references
        )


def _is_close(stored: float, today: float, spread: float) -> bool:
    return math.isclose(stored, today, rel_tol=SAME, abs_tol=max(1e-9, SHARE_OF_SPREAD * spread))


def confirm(claim: Claim, result: Result, cfg: Settings) -> Confirmation:
    """Measure the first seed of a stored result again: the same numbers show that the code changed in form alone."""
    run = claim.measure(cfg, result.seeds[0])
    confirmed = Confirmation(result, result.values[0], run.value, result.references[0], reference_of(claim, run))
    if not confirmed.is_same:
        return confirmed
    return replace(confirmed, result=replace(result, made_with={**result.made_with, "code": code_of(claim)}))
