"""What measured values say of a row: intervals, and the verdict that follows from them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from scipy import stats

from course_utils.claims.rows import Claim
from course_utils.settings import Profile

Verdict = Literal["holds", "fails here", "not measurable"]


def judge(
    claim: Claim, values: Sequence[float], references: Sequence[float], profile: Profile,
    intervals: Sequence[Sequence[float]] = (),
) -> tuple[Verdict, str]:  # fmt: skip
    """Judge measured values by the interval of value − reference, paired by seed.

    < and >: the 95 % interval lies wholly on the claimed side (holds), wholly on the other (fails here), or on both
    (not measurable). ≈: two one-sided tests at 5 %, that is the 90 % interval, within the tolerance on both sides
    (holds), wholly beyond it (fails here), or neither. The interval is Student's over the seeds, or the one over the
    queries or test images, whichever is wider. A single run without either has no interval: its number decides.

    Parameters
    ----------
    claim
        The row.
    values, references
        A number a seed.
    profile
        The profile that they were measured in.
    intervals
        Of each seed the 95 % interval of value − reference over the queries or test images; empty where these are no
        sample.

    Returns
    -------
    tuple
        The verdict, and its reason in words.

    References
    ----------
    Schuirmann, J. Pharmacokinet. Biopharm. 15:657 (1987), for the two one-sided tests.
    """
    if claim.only_on not in (None, profile):
        return "not measurable", f"the published number is for the {claim.only_on} profile's data"
    differences = [v - r for v, r in zip(values, references, strict=True)]
    mean = statistics.fmean(differences)
    if not math.isfinite(mean):
        return "not measurable", f"the measured value is {statistics.fmean(values)}"
    level = 0.90 if claim.relation == "≈" else 0.95
    low, high, reason = _interval(differences, intervals, level)
    if claim.relation == "≈":
        reason += f", tolerance {claim.tolerance:g}"
        holds = -claim.tolerance <= low and high <= claim.tolerance
        fails = low > claim.tolerance or high < -claim.tolerance
    else:
        side = -1 if claim.relation == "<" else 1
        holds = low * side > 0 and high * side > 0
        fails = low * side <= 0 and high * side <= 0
    if holds or fails:
        return "holds" if holds else "fails here", reason
    return "not measurable", f"{reason}: it does not tell"


def _interval(
    differences: Sequence[float], intervals: Sequence[Sequence[float]], level: float
) -> tuple[float, float, str]:  # fmt: skip
    """Low and high end of the wider interval, and how it reads."""
    mean = statistics.fmean(differences)
    half = half_width(differences, level)
    low, high, over = mean - half, mean + half, ""
    if intervals:
        of_items = [statistics.fmean(ends) for ends in zip(*intervals, strict=True)]
        if of_items[1] - of_items[0] > high - low:
            (low, high), level, over = of_items, 0.95, " over the queries or images"
    if low == high:
        return low, high, f"difference {mean:+.3g}"
    return low, high, f"difference {mean:+.3g}, {100 * level:.0f} % interval{over} {low:+.3g} to {high:+.3g}"


def half_width(values: Sequence[float], level: float = 0.95) -> float:
    """Compute half of the interval of the mean of a few values (Student's t); 0 for one value or equal ones."""
    if len(values) < 2:
        return 0.0
    t = stats.t.ppf((1 + level) / 2, len(values) - 1)
    return float(t * statistics.stdev(values) / math.sqrt(len(values)))


def interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Compute the 95 % interval of a mean over test images (Student's t)."""
    mean, half = statistics.fmean(values), half_width(values)
    return mean - half, mean + half
