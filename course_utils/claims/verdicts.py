"""What measured values say of a row: intervals, and the verdict that follows from them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from scipy import special, stats
from torch import Tensor

from course_utils.claims.rows import Claim, Measurement
from course_utils.settings import Profile

Verdict = Literal["holds", "fails here", "level", "not measurable"]
FALSE_DISCOVERIES = 0.05  # among a profile's rows (Benjamini & Hochberg, 1995)


class Student(NamedTuple):
    """Student's distribution, far faster than that of scipy.stats; with infinite degrees of freedom the normal one."""

    degrees: float

    def quantile(self, q: float) -> float:
        """Return the value that a share q lies below."""
        return float(special.stdtrit(self.degrees, q) if math.isfinite(self.degrees) else special.ndtri(q))

    def above(self, value: float) -> float:
        """Return the share that lies above a value."""
        return float(special.stdtr(self.degrees, -value) if math.isfinite(self.degrees) else special.ndtr(-value))


class Stored(Protocol):
    """What of a stored result decides its verdict; see `measuring.Result`."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def profile(self) -> Profile: ...  # noqa: D102
    @property
    def values(self) -> list[float]: ...  # noqa: D102
    @property
    def references(self) -> list[float]: ...  # noqa: D102
    @property
    def intervals(self) -> list[list[float]]: ...  # noqa: D102


@dataclass(frozen=True)
class Difference:
    """The mean of value − reference, with what chance adds to it.

    Parameters
    ----------
    mean
        In the row's unit.
    n
        The number of seeds.
    of_seeds
        Its standard error over the seeds; 0 for one seed.
    of_items
        Its standard error over the queries or test images; 0 where these are no sample.
    ends
        Of the 95 % interval over the queries or test images, where there is one seed; else None.
    """

    mean: float
    n: int
    of_seeds: float
    of_items: float = 0.0
    ends: tuple[float, float] | None = None

    @classmethod
    def of(cls, differences: Sequence[float], intervals: Sequence[Sequence[float]] = ()) -> Difference:
        """Compute it from a difference a seed, and of each seed the interval over the items (or none)."""
        mean, n = statistics.fmean(differences), len(differences)
        of_seeds = statistics.stdev(differences) / math.sqrt(n) if n > 1 else 0.0
        if not intervals:
            return cls(mean, n, of_seeds)
        low, high = (statistics.fmean(ends) for ends in zip(*intervals, strict=True))
        return cls(mean, n, of_seeds, (high - low) / 2 / _normal(0.95), (low, high) if n == 1 else None)

    @property
    def over(self) -> str:
        """What chance was seen over, in words."""
        return " and ".join(["seeds"] * bool(self.of_seeds) + ["queries or images"] * bool(self.of_items))

    @property
    def has_interval(self) -> bool:
        """Whether chance was seen: not in a single run, nor where all seeds agree to the last digit."""
        return bool(self.of_seeds or self.of_items)

    def _errors(self) -> list[tuple[float, Student]]:
        """Standard errors, each with the distribution of the mean in units of it; what is farther decides.

        Student's over the seeds alone. And over seeds and items: the variances add up, as all seeds share the items.
        That over the items is known far better, so it lends degrees of freedom to the sum (Welch & Satterthwaite).
        Alone it would cover the truth too seldom where three seeds outweigh the items.
        """
        errors = [(self.of_seeds, Student(self.n - 1))] if self.of_seeds else []
        if self.of_items:
            both = math.hypot(self.of_seeds, self.of_items)
            degrees = (self.n - 1) * (both / self.of_seeds) ** 4 if self.of_seeds else math.inf
            errors.append((both, Student(degrees)))
        return errors

    def interval(self, level: float) -> tuple[float, float]:
        """Compute the interval at this level: Student's, or with a single seed that over the items."""
        if self.ends:
            share, (low, high) = _normal(level) / _normal(0.95), self.ends
            return self.mean + (low - self.mean) * share, self.mean + (high - self.mean) * share
        half = max((error * chance.quantile((1 + level) / 2) for error, chance in self._errors()), default=0.0)
        return self.mean - half, self.mean + half

    def p(self, claim: Claim) -> float | None:
        """Compute how often a difference at least this large would come by chance, if there were none.

        Of ≈: how often one at most this large would come, if it were at the tolerance; the larger of two one-sided
        tests. None where no chance was seen.
        """
        if claim.relation == "≈":
            room = claim.tolerance - abs(self.mean)
            found = [chance.above(room / error) for error, chance in self._errors()]
        else:
            found = [2 * chance.above(abs(self.mean) / error) for error, chance in self._errors()]
        return max(found, default=None)

    def words(self, level: float) -> str:
        """Say it in words."""
        if not self.has_interval:
            return f"difference {self.mean:+.3g}"
        low, high = self.interval(level)
        over = f" over {self.over}" if self.of_items else ""
        return f"difference {self.mean:+.3g}, {100 * level:.0f} % interval{over} {low:+.3g} to {high:+.3g}"


def judge(
    claim: Claim, values: Sequence[float], references: Sequence[float], profile: Profile,
    intervals: Sequence[Sequence[float]] = (), *, q: float | None = None,
) -> tuple[Verdict, str]:  # fmt: skip
    """Judge measured values by the interval of value − reference, paired by seed.

    < and >: the 95 % interval lies on the claimed side (holds), on the other (fails here), or on both (not measurable).
    Where all of it is smaller than what matters, the two are "level"; where it may be, and the mean is, nothing is
    said. ≈: two one-sided tests at 5 %, that is the 90 % interval, within the tolerance on both sides (holds), wholly
    beyond it (fails here), or neither. The interval is Student's over the seeds; that over the queries or test images,
    where no seed enters; where both do, that over both (see `Difference`). A single run without either has no interval:
    its number decides.

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
    q
        The row's p, corrected for the number of rows of the profile: above 0.05, a row of < or > neither holds nor
        fails, and one of ≈ does not hold. None: no correction.

    Returns
    -------
    tuple
        The verdict, and its reason in words.

    References
    ----------
    Schuirmann, J. Pharmacokinet. Biopharm. 15:657 (1987), for the two one-sided tests; Welch, Biometrika 34:28 (1947),
    for the degrees of freedom; Benjamini & Hochberg, J. R. Stat. Soc. B 57:289 (1995), for q.
    """
    if claim.only_on not in (None, profile):
        return "not measurable", f"the published number is for the {claim.only_on} profile's data"
    differences = [v - r for v, r in zip(values, references, strict=True)]
    if not math.isfinite(statistics.fmean(differences)):
        return "not measurable", f"the measured value is {statistics.fmean(values)}"
    found = Difference.of(differences, intervals)
    if claim.relation == "≈":
        verdict, reason = _about_equal(claim, found)
        by_chance = verdict == "holds"
    else:
        verdict, reason = _on_one_side(claim, found, statistics.fmean(references))
        by_chance = verdict in ("holds", "fails here")
    if by_chance and q is not None and q > FALSE_DISCOVERIES:
        return "not measurable", f"{reason}: among all rows of the profile that may be chance (q {q:.3f})"
    return verdict, reason


def _about_equal(claim: Claim, found: Difference) -> tuple[Verdict, str]:
    low, high = found.interval(0.90)
    reason = f"{found.words(0.90)}, tolerance {claim.tolerance:g}"
    if -claim.tolerance <= low and high <= claim.tolerance:
        return "holds", reason
    if low > claim.tolerance or high < -claim.tolerance:
        return "fails here", reason
    return "not measurable", f"{reason}: it does not tell"


def _on_one_side(claim: Claim, found: Difference, reference: float) -> tuple[Verdict, str]:
    low, high = found.interval(0.95)
    reason = found.words(0.95)
    side = -1 if claim.relation == "<" else 1
    holds = low * side > 0 and high * side > 0
    fails = low * side <= 0 and high * side <= 0
    matters = claim.smallest_that_matters(reference)
    if matters and (found.n > 1 or found.has_interval or not claim.seeded):  # one seed of many says nothing of size
        if -matters < low <= high < matters:
            return "level", f"{reason}; less than {matters:.3g} does not matter"
        if (holds or fails) and abs(found.mean) < matters:
            return "not measurable", f"{reason}: it is real, but may be less than the {matters:.3g} that matter"
    if holds or fails:
        return "holds" if holds else "fails here", reason
    return "not measurable", f"{reason}: it does not tell"


def verdicts_of(claims: Mapping[str, Claim], results: Sequence[Stored]) -> list[tuple[Verdict, str]]:
    """Judge the rows of one profile together.

    Parameters
    ----------
    claims
        The ledger.
    results
        Of rows of that ledger, in one profile, each with values.

    Returns
    -------
    list of tuple
        Verdict and reason of each.
    """
    rows = [claims[result.id] for result in results]
    return [
        judge(row, r.values, r.references, r.profile, r.intervals, q=q)
        for row, r, q in zip(rows, results, q_values(claims, results), strict=True)
    ]


def differences_of(result: Stored) -> list[float]:
    """Return value − reference of each seed."""
    return [v - r for v, r in zip(result.values, result.references, strict=True)]


def q_values(claims: Mapping[str, Claim], results: Sequence[Stored]) -> list[float | None]:
    """Correct the p of a profile's rows for their number (Benjamini & Hochberg, 1995); None where there is no p."""
    found = [_p(claims[result.id], result) for result in results]
    known = [p for p in found if p is not None]
    corrected = iter(stats.false_discovery_control(known) if known else ())
    return [None if p is None else float(next(corrected)) for p in found]


def _p(claim: Claim, result: Stored) -> float | None:
    """Compute p of a row; None where it has none, or is about another profile's data."""
    differences = differences_of(result)
    if claim.only_on not in (None, result.profile) or not all(map(math.isfinite, differences)):
        return None
    return Difference.of(differences, result.intervals).p(claim)


def half_width(values: Sequence[float], level: float = 0.95) -> float:
    """Compute half of the interval of the mean of a few values (Student's t); 0 for one value or equal ones."""
    if len(values) < 2:
        return 0.0
    return _students(level, len(values)) * statistics.stdev(values) / math.sqrt(len(values))


def interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Compute the 95 % interval of a mean over test images (Student's t)."""
    mean, half = statistics.fmean(values), half_width(values)
    return mean - half, mean + half


def compared_by_item(of_each: Iterable[Tensor]) -> Measurement:
    """Make a Measurement of two means over the same items, with the interval of their difference over these.

    Parameters
    ----------
    of_each
        Two tensors `(n,)`: of each test image, or query, the number that the row is about, and the baseline's.
    """
    value, reference = (numbers.double() for numbers in of_each)
    interval = interval_of_mean((value - reference).tolist())
    return Measurement(value.mean().item(), reference.mean().item(), interval=interval)


def against_number(of_each: Tensor, number: float) -> Measurement:
    """Make a Measurement of a mean over test images that is judged by a bound or a published number.

    Parameters
    ----------
    of_each
        Of each test image, `(n,)`.
    number
        The row's reference, for the interval of the difference.
    """
    return Measurement(of_each.double().mean().item(), interval=interval_of_mean((of_each - number).tolist()))


def ratio_by_item(of_each: Iterable[Tensor]) -> Tensor:
    """Give numbers `(n,)` whose mean is the ratio of two means, and whose spread tells the chance over the items.

    To first order, item i moves the ratio r of the means of a and b by (a_i − r b_i) / (n mean(b)).

    Parameters
    ----------
    of_each
        Two tensors `(n,)`: of each item what stands above the line, and below it.

    References
    ----------
    Cochran, Sampling Techniques (1977), section 2.11.
    """
    above, below = (numbers.double() for numbers in of_each)
    ratio = above.mean() / below.mean()
    return ratio + (above - ratio * below) / below.mean()


def _students(level: float, n: int) -> float:
    return float(stats.t.ppf((1 + level) / 2, n - 1))


def _normal(level: float) -> float:
    return float(stats.norm.ppf((1 + level) / 2))
