"""How a notebook compares its own number with a row of the ledger, and reads what is stored of it."""

from __future__ import annotations

import html
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from course_utils.claims.measuring import Result, load_results
from course_utils.claims.rows import CHAPTER, CLAIMS, COURSE, Claim
from course_utils.claims.verdicts import half_width, judge
from course_utils.data import differing_data
from course_utils.settings import settings

HEAD = ("statement (★ the chapter's own)", "measured as", "in this notebook, one run", "quick, several seeds",
        "full, several seeds")  # fmt: skip


class ClaimBroken(AssertionError):
    """A claim that the ledger records as reproduced no longer is."""


@dataclass(frozen=True)
class Finding:
    """A notebook's own number beside the ledger's row; shows itself as a table.

    One run is no evidence, so the table gives it no mark: verdicts are the ledger's, over several seeds.

    Parameters
    ----------
    row
        The row of the ledger.
    value
        The notebook's number, in the row's unit.
    reference
        What it is compared with.
    verdict
        "holds", "fails here", "level" or "not measurable".
    reason
        The verdict's reason, in words.
    """

    row: Claim
    value: float
    reference: float
    verdict: str
    reason: str

    def __repr__(self) -> str:
        number = f"{_number(self.value)} {self.row.relation} {_number(self.reference)} {self.row.unit}"
        return f"{self.row.id}: {number} → {self.verdict} ({self.reason})"

    def _repr_html_(self) -> str:
        return claims_table(self)._repr_html_()


class ClaimsTable:
    """Rows of the ledger: an HTML table in a notebook, lines of text elsewhere.

    Parameters
    ----------
    findings
        The notebook's own numbers.
    stored
        Rows that the notebook does not measure.
    """

    def __init__(self, findings: Sequence[Finding], stored: Sequence[Claim]) -> None:
        self.findings, self.stored, self.results = findings, stored, load_results()

    def __repr__(self) -> str:
        return "\n".join([*map(repr, self.findings), *map(self._stored_line, self.stored)])

    def _repr_html_(self) -> str:
        lines = [self._cells(finding.row, _own(finding)) for finding in self.findings]
        lines += [self._cells(row, "–") for row in self.stored]
        head, *rows = (
            "".join(f'<{tag} style="text-align:left">{cell}</{tag}>' for cell in cells)
            for tag, cells in (("th", HEAD), *(("td", cells) for cells in lines))
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f'<table style="text-align:left"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def _cells(self, row: Claim, own: str) -> list[str]:
        return [
            f"{html.escape(row.sentence)} {_who_says(row)}<br><small>{row.system}, <code>{row.id}</code></small>",
            f"{html.escape(row.quantity)}, {row.unit}",
            own,
            *(self._stored_cell(row, profile) for profile in ("quick", "full")),
        ]

    def _stored_cell(self, row: Claim, profile: str) -> str:
        result = self.results.get((row.id, profile))
        if row.only_on not in (None, profile):
            return "– (said of other data)"
        if result is None:
            return "not measured yet"
        small = "" if result.value is None else f" <small>({_seeds(result)})</small>"
        return f"{html.escape(_summary(result))}{small}<br>{_mark(result.verdict)}"

    def _stored_line(self, row: Claim) -> str:
        found = [result for profile in ("quick", "full") if (result := self.results.get((row.id, profile)))]
        stored = (f"{r.profile} {_summary(r)} {r.unit} ({_seeds(r)}) → {r.verdict}" for r in found)
        return f"{row.id}: not measured here; stored: {'; '.join(stored) or 'nothing'}"


def claim(id: str, value: float, *, reference: float | None = None) -> Finding:
    """Judge a notebook's own number as the ledger's row says.

    Parameters
    ----------
    id
        The row.
    value
        The number, in the row's unit.
    reference
        The baseline's value, where the row measures its own.

    Returns
    -------
    Finding
        The number with its verdict, for `claims_table`.

    Raises
    ------
    KeyError
        The ledger has no such row.
    ValueError
        The row needs a reference.
    ClaimBroken
        The ledger records the row as reproduced in this profile, and the value contradicts it. Where the data are known
        to be others than the ledger's (`data.differing_data`), it is a finding.
    """
    row, profile = _row(id), settings().profile
    reference = row.reference if reference is None else float(reference)
    if reference is None:
        raise ValueError(f"{id} is compared with a baseline of the same run: claim({id!r}, value, reference=…).")
    verdict, reason = judge(row, [float(value)], [reference], profile)
    finding = Finding(row, float(value), reference, verdict, reason)
    # On other documents or digits than those of the ledger, a claim may fail without anything being wrong.
    if profile in row.reproduced and verdict != "holds" and not differing_data():
        raise ClaimBroken(f"{finding!r}; the ledger records it as reproduced. What changed?")
    return finding


def claims_table(*findings: Finding, stored: Sequence[str] = ()) -> ClaimsTable:
    """Show findings beside what `make claims` measured over several seeds.

    Parameters
    ----------
    findings
        The notebook's own numbers, as `claim` gives them.
    stored
        Ids of rows that need more training than a notebook should: they show no number of the notebook.

    Returns
    -------
    ClaimsTable
        A row each, first the findings.

    Raises
    ------
    KeyError
        The ledger has no row of that id.
    """
    return ClaimsTable(findings, [_row(id) for id in stored])


class Series(dict[str, tuple[list[float], list[float]]]):
    """The columns of a stored figure: name → (means over the seeds, halves of their 95 % intervals).

    `data` is the name of the data set, `n_seeds` the number of seeds.

    Parameters
    ----------
    result
        The stored result.
    """

    def __init__(self, result: Result) -> None:
        self.data, self.n_seeds = result.data, len(result.seeds)
        for name, rows in result.series.items():
            columns = list(zip(*rows, strict=True))
            self[name] = [statistics.fmean(c) for c in columns], [half_width(c) for c in columns]


def series(id: str, profile: str) -> Series:
    """Read the stored figure of a row.

    Parameters
    ----------
    id
        The row.
    profile
        "quick" or "full".

    Returns
    -------
    Series
        Its columns.

    Raises
    ------
    KeyError
        The row is not measured in that profile.
    """
    results = load_results()
    if (id, profile) not in results:
        raise KeyError(f"{id} is not measured in the {profile} profile; `make claims PROFILE={profile}` does it.")
    return Series(results[id, profile])


def _row(id: str) -> Claim:
    if id not in CLAIMS:
        raise KeyError(f"There is no claim {id!r}. There are: {', '.join(CLAIMS)}.")
    return CLAIMS[id]


def _who_says(row: Claim) -> str:
    if row.said_by == CHAPTER:
        return "★"
    return "" if row.said_by == COURSE else f"<small>({html.escape(row.said_by)})</small>"


def _own(finding: Finding) -> str:
    """Both numbers, with the sign that stands between them: not the one that the row claims."""
    difference = finding.value - finding.reference
    sign = finding.row.relation if finding.row.relation == "≈" else "<" if difference < 0 else ">"
    return f"{_number(finding.value)} {html.escape(sign)} {_number(finding.reference)}"


def _summary(result: Result) -> str:
    if result.value is None:
        return "no value"
    spread = f" ± {_number(result.sd)}" if len(result.seeds) > 1 else ""
    return f"{_number(result.value)}{spread} {result.relation} {_number(result.reference)}"


def _seeds(result: Result) -> str:
    return f"{len(result.seeds)} seeds" if len(result.seeds) > 1 else "no seed enters"


def _mark(verdict: str) -> str:
    marks = {"holds": "✓ <b>holds</b>", "fails here": "✗ <b>fails here</b>", "level": "= <b>level</b>"}
    return marks.get(verdict, f"– {verdict}")


def _number(value: float | None) -> str:
    """Three digits are what the seeds allow; `%g` would write 1e+02."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 20 else f"{value:.2f}"
