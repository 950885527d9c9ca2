"""What a sceptic asks of the ledger: how a row was measured, how large and how sure its effect is, and who shows it."""

from __future__ import annotations

import html
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from course_utils.claims.measuring import Result
from course_utils.claims.rows import CLAIMS, Claim
from course_utils.claims.table import HEAD, claims_table
from course_utils.claims.verdicts import Difference, differences_of, q_values, verdicts_of

FEWEST_FOR_SIGNS = 5  # with fewer seeds no arrangement of signs is rare
MOST_FOR_SIGNS = 16  # 2^n arrangements are looked at
COLUMNS = ("statement", "measured as", "", "quick", "full")  # of a claims table; the third is the notebook's own


@dataclass(frozen=True)
class Design:
    """How one stored row was measured, and what its numbers are worth.

    Parameters
    ----------
    claim, result
        The row, and what is stored of it.
    difference
        The mean difference, with its chance.
    p_signs
        p by flipping the signs of the differences, without an assumption on their distribution; None below five seeds,
        and for ≈.
    effect_in_sds, effect_in_percent
        The mean difference in standard deviations over the seeds, and in percent of the reference; None where that
        cannot be said.
    """

    claim: Claim
    result: Result
    difference: Difference
    p_signs: float | None
    effect_in_sds: float | None
    effect_in_percent: float | None

    @classmethod
    def of(cls, claim: Claim, result: Result) -> Design:
        """Compute it from the stored values."""
        differences = differences_of(result)
        difference = Difference.of(differences, result.intervals)
        sd = statistics.stdev(differences) if len(differences) > 1 else 0.0
        return cls(
            claim, result, difference, p_signs=None if claim.relation == "≈" else sign_flip_p(differences),
            effect_in_sds=difference.mean / sd if sd else None,
            effect_in_percent=100 * difference.mean / abs(result.reference) if result.reference else None,
        )  # fmt: skip

    @property
    def effect(self) -> float:
        """The mean difference, in the row's unit."""
        return self.difference.mean

    @property
    def p(self) -> float | None:
        """As `Difference.p`."""
        return self.difference.p(self.claim)

    def line(self, q: float | None) -> str:
        """Show it in a line; q is its p, corrected for all rows of the profile."""
        over = self.difference.over or "–"
        numbers = [f"p {_small(self.p)}", f"q {_small(q)}", f"by signs {_small(self.p_signs)}"]
        sizes = [f"{self.effect:+.3g} {self.claim.unit}"]
        if self.effect_in_sds is not None:
            sizes.append(f"{self.effect_in_sds:+.1f} sd")
        if self.effect_in_percent is not None:
            sizes.append(f"{self.effect_in_percent:+.1f} %")
        before = f" (before: {self.result.verdict_before})" if self.result.verdict_before else ""
        matters = self.claim.smallest_that_matters(self.result.reference or 0.0)
        sizes.append(f"{matters:.2g} matters" if matters else "any difference matters")
        return (
            f"{self.claim.id} [{self.result.profile}] {self.result.verdict}{before}; {len(self.result.seeds)} of "
            f"{self.claim.n_seeds(self.result.profile)} seed(s), interval over {over}; {', '.join(numbers)}; "
            f"{', '.join(sizes)}; said by {self.claim.said_by}"
        )


def sign_flip_p(differences: Sequence[float]) -> float | None:
    """Compute the share of all arrangements of signs whose mean is as far from 0 as the measured one.

    References
    ----------
    Fisher, The Design of Experiments (1935), section 21.
    """
    n = len(differences)
    if not FEWEST_FOR_SIGNS <= n <= MOST_FOR_SIGNS:
        return None
    measured = abs(math.fsum(differences))
    sums = [
        abs(math.fsum(sign * difference for sign, difference in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=n)
    ]
    return sum(total >= measured * (1 - 1e-12) for total in sums) / len(sums)


def totals(results: Mapping[tuple[str, str], Result]) -> Iterator[str]:
    """Say of each profile how many rows are stored, with which verdicts, and what measuring them cost."""
    for profile in ("quick", "full"):
        stored = [result for (_, of_profile), result in results.items() if of_profile == profile and result.values]
        verdicts = Counter(result.verdict for result in stored)
        counts = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.most_common()) or "no verdict"
        seconds = math.fsum(result.seconds for result in stored)
        of_a_seed = math.fsum(result.seconds / len(result.seeds) for result in stored)
        yield f"{profile}: {len(stored)} rows, {counts}; {seconds:,.0f} s of one core, {of_a_seed:,.0f} s a seed"


def audit(claims: Mapping[str, Claim], results: Mapping[tuple[str, str], Result]) -> tuple[list[str], list[str]]:
    """Describe every stored row, and find what contradicts it.

    Parameters
    ----------
    claims, results
        The rows, and what is stored of them by (id, profile).

    Returns
    -------
    tuple
        A line a stored row; and problems, a sentence each: a verdict that is not what the rule says of the stored
        values, or another number of seeds than the row's.
    """
    lines, problems = [], []
    for profile in ("quick", "full"):
        stored = [result for (id, of_profile), result in results.items()
                  if of_profile == profile and id in claims and result.values
                  and claims[id].only_on in (None, profile)]  # fmt: skip
        of_row = zip(stored, q_values(claims, stored), verdicts_of(claims, stored), strict=True)
        for result, q, (today, _) in of_row:
            row = claims[result.id]
            lines.append(Design.of(row, result).line(q))
            if today != result.verdict:
                problems.append(f"{row.id} [{profile}]: {result.verdict!r} is stored, its values say {today!r}")
            if result.seeds != list(range(row.n_seeds(profile))):
                problems.append(
                    f"{row.id} [{profile}]: the seeds {result.seeds} are stored, the row says {row.n_seeds(profile)}"
                )
            if row.reference is not None and set(result.references) != {row.reference}:
                problems.append(
                    f"{row.id} [{profile}]: compared with {result.reference:g}, the row says {row.reference:g}"
                )
    return lines, problems


def contradictions(notebook: Mapping[str, Any]) -> list[str]:
    """Find where a stored notebook shows another statement, number or verdict than the ledger.

    Parameters
    ----------
    notebook
        As JSON.

    Returns
    -------
    list
        A sentence each; also where a row is shown that the ledger does not have.
    """
    found = []
    for shown in _rows_shown(notebook):
        id = re.search(r"<code>([\w-]+)</code>", shown[0])
        if id is None or id[1] not in CLAIMS:
            found.append(f"a table shows {id[1] if id else _plain(shown[0])!r}, which is no row of the ledger")
            continue
        (expected,) = _cells(claims_table(stored=[id[1]])._repr_html_())
        for name, now, then in zip(COLUMNS, expected, shown, strict=True):
            if name and now != then:
                found.append(f"{id[1]}, {name}: a table shows {_plain(then)!r}, the ledger has {_plain(now)!r}")
    return found


def _rows_shown(notebook: Mapping[str, Any]) -> Iterator[list[str]]:
    """The cells of each line of the claims tables in a notebook's outputs."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            page = "".join(output.get("data", {}).get("text/html", ""))
            if HEAD[0] in page:
                yield from _cells(page)


def _cells(page: str) -> list[list[str]]:
    """The cells of each line of a table's body."""
    lines = page.partition("<tbody>")[2].split("<tr>")[1:]
    return [re.findall(r"<td[^>]*>(.*?)</td>", line, flags=re.DOTALL) for line in lines]


def _plain(cell: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", cell)).split())


def _small(p: float | None) -> str:
    return "–" if p is None else "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"
