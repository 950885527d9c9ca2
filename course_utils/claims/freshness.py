"""Whether stored results are as old as the code and data that give them; and a cheap proof that a change is neutral."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from course_utils.claims.measuring import Result, code_of
from course_utils.claims.rows import Claim
from course_utils.data import known_data
from course_utils.settings import Settings

SAME = 1e-3  # of the value


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
    """

    result: Result
    stored: float
    today: float

    @property
    def is_same(self) -> bool:
        """Equal but for rounding, which in training grows to a part of what another seed would change."""
        return math.isclose(self.stored, self.today, rel_tol=SAME, abs_tol=max(1e-9, self.result.sd or 0.0))


def confirm(claim: Claim, result: Result, cfg: Settings) -> Confirmation:
    """Measure the first seed of a stored result again: the same value shows that the code changed in form alone."""
    run = claim.measure(cfg, result.seeds[0])
    confirmed = Confirmation(result, result.values[0], run.value)
    if not confirmed.is_same:
        return confirmed
    return replace(confirmed, result=replace(result, made_with={**result.made_with, "code": code_of(claim)}))
