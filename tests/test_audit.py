"""The ledger's audit: p, q and effects against scipy's, and what it must find."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from course_utils.claims import __main__ as cli
from course_utils.claims.audit import Design, audit, contradictions, sign_flip_p, totals
from course_utils.claims.measuring import Result, load_results, measure
from course_utils.claims.rows import CLAIMS, Claim, Measurement
from course_utils.claims.verdicts import Difference, Student, judge, q_values, verdicts_of
from course_utils.settings import settings

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def row(relation: str = "<", **changes: object) -> Claim:
    return Claim(**{
        "id": "made-up", "system": "S0", "sentence": "A sentence.", "quantity": "something", "unit": "SSE",
        "relation": relation, "reference": 1.0, "seeds": (3, 3),
        "measure": lambda cfg, seed: Measurement(0.0, data="none"),
    } | changes)  # fmt: skip


def p_value(claim: Claim, differences: list[float], intervals: list[list[float]]) -> float | None:
    return Difference.of(differences, intervals).p(claim)


def stored(values: list[float], **changes: object) -> Result:
    """What is stored of a row with these values."""
    made_up = row(measure=lambda cfg, seed: Measurement(values[seed], data="none"), **changes)
    return measure(made_up, settings(), n_seeds=len(values))


def test_p_is_that_of_the_paired_t_test():
    values, references = [1.0, 5.0, 9.0, 4.0], [1.5, 5.1, 9.9, 4.2]
    differences = [v - r for v, r in zip(values, references, strict=True)]
    assert p_value(row("<"), differences, []) == pytest.approx(stats.ttest_rel(values, references).pvalue)


def test_p_of_about_equal_is_the_larger_of_two_one_sided_tests():
    differences = [0.01, -0.02, 0.03]
    expected = max(
        stats.ttest_1samp(differences, bound, alternative=side).pvalue
        for bound, side in ((-0.05, "greater"), (0.05, "less"))
    )
    assert p_value(row("≈", tolerance=0.05), differences, []) == pytest.approx(expected)


def test_an_interval_over_queries_that_touches_0_has_p_of_a_twentieth():
    assert p_value(row("<"), [-0.2], [[-0.4, 0.0]]) == pytest.approx(0.05, abs=1e-4)


def test_where_no_chance_was_seen_there_is_no_p():
    assert p_value(row("<"), [-0.2], []) is None
    assert p_value(row("<"), [-0.25, -0.25], []) is None
    assert p_value(row("≈", tolerance=0.05), [0.2, 0.2], []) is None


@pytest.mark.parametrize("n_seeds", [3, 10])
@pytest.mark.parametrize("share", [0.1, 1, 10])
def test_an_interval_over_seeds_and_queries_covers_the_truth_as_often_as_it_says(n_seeds, share):
    """Share: the variance over the queries, of that of the mean over the seeds."""
    rng, half, n = np.random.default_rng(0), 1.96 * share**0.5, 500
    of_queries = rng.normal(scale=share**0.5, size=n)  # the queries are the same for all seeds
    differences = of_queries[:, None] + rng.normal(scale=n_seeds**0.5, size=(n, n_seeds))
    found = [Difference.of(row.tolist(), [[d - half, d + half] for d in row]) for row in differences]
    covered = sum(low <= 0 <= high for low, high in (one.interval(0.95) for one in found)) / n
    assert 0.925 <= covered <= 0.975  # Student's with n - 1 degrees of freedom: up to 0.999 with three seeds
    false = sum(one.p(row("<")) < 0.05 for one in found) / n
    assert false == pytest.approx(1 - covered)
    if share == 1:
        alone = [Difference.of(row.tolist()).interval(0.95) for row in differences]
        assert sum(low <= 0 <= high for low, high in alone) / n < (0.91 if n_seeds == 3 else 0.87)


@pytest.mark.parametrize("relation", ["<", ">", "≈"])
@pytest.mark.parametrize("seed", range(20))
def test_p_and_verdict_agree(relation, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(), rng.uniform(0.05, 1), size=4).tolist()
    made_up = row(relation, tolerance=0.8)
    verdict, _ = judge(made_up, values, [0.0] * 4, "quick")
    if relation == "≈":
        assert (p_value(made_up, values, []) < 0.05) == (verdict == "holds")
    else:
        assert (p_value(made_up, values, []) < 0.05) == (verdict != "not measurable")


@pytest.mark.parametrize("degrees", [1, 2, 3.7, 9, 1e6, math.inf])
def test_students_distribution_is_scipys(degrees):
    for q in (0.5, 0.9, 0.975):
        assert Student(degrees).quantile(q) == pytest.approx(stats.t(degrees).ppf(q), rel=1e-9)
        assert Student(degrees).above(Student(degrees).quantile(q)) == pytest.approx(1 - q, rel=1e-9)


def test_flipped_signs_give_what_scipys_permutation_test_gives():
    differences = [0.3, 0.1, 0.4, -0.05, 0.2, 0.15]
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flip_p(differences) == pytest.approx(expected.pvalue)
    assert sign_flip_p(differences[:4]) is None  # 1 of 16 arrangements: never below a twentieth


def test_effects_are_in_the_unit_in_standard_deviations_and_in_percent():
    design = Design.of(row("<"), stored([0.5, 0.7, 0.9]))
    assert design.effect == pytest.approx(-0.3)
    assert design.effect_in_sds == pytest.approx(-1.5)
    assert design.effect_in_percent == pytest.approx(-30)


def ledger(values: dict[str, list[float]]) -> tuple[dict[str, Claim], dict[tuple[str, str], Result]]:
    claims = {id: row(id=id) for id in values}
    return claims, {(id, "quick"): replace(stored(of_seeds), id=id) for id, of_seeds in values.items()}


SURE, CLOSE, NOTHING = [0.1, 0.11, 0.12], [0.6, 0.7, 0.8], [0.5, 1.6, 0.9]


def verdicts(values: dict[str, list[float]]) -> dict[str, str]:
    claims, results = ledger(values)
    judged = verdicts_of(claims, list(results.values()))
    return {id: verdict for id, (verdict, _) in zip(values, judged, strict=True)}


def test_a_row_that_holds_alone_may_not_hold_among_many():
    assert verdicts({"a": CLOSE})["a"] == "holds"
    assert verdicts({"a": CLOSE, "b": NOTHING, "c": NOTHING, "d": NOTHING})["a"] == "not measurable"
    assert verdicts({"a": CLOSE, "b": SURE, "c": SURE})["a"] == "holds"  # beside others that surely hold, it does
    claims, results = ledger({"a": CLOSE, "b": NOTHING, "c": NOTHING, "d": NOTHING})
    assert re.search(r"among all rows .* \(q 0\.\d+\)", verdicts_of(claims, list(results.values()))[0][1])


def test_q_is_benjamini_and_hochbergs():
    claims, results = ledger({"a": CLOSE, "b": NOTHING, "c": SURE})
    p = np.array([Design.of(claims[id], result).p for (id, _), result in results.items()])
    by_hand = np.minimum.accumulate((p[np.argsort(p)] * 3 / np.array([1, 2, 3]))[::-1])[::-1]
    assert np.array(q_values(claims, list(results.values())))[np.argsort(p)] == pytest.approx(by_hand)


def test_of_many_rows_without_an_effect_hardly_any_is_said_to_hold_or_fail():
    """Of 400 rows of pure noise 5 % have an interval beside 0; corrected for their number, nearly none is shown."""
    rng = np.random.default_rng(0)
    noise = {f"row-{i}": (1 + rng.normal(size=5)).tolist() for i in range(400)}
    alone = [judge(row(), values, [1.0] * 5, "quick")[0] for values in noise.values()]
    assert 8 < sum(verdict != "not measurable" for verdict in alone) < 40
    assert sum(verdict != "not measurable" for verdict in verdicts(noise).values()) <= 1


def test_a_stored_verdict_that_its_values_do_not_give_is_found():
    claims, results = ledger({"a": NOTHING})
    wrong = {key: replace(result, verdict="holds") for key, result in results.items()}
    assert "its values say 'not measurable'" in audit(claims, wrong)[1][0]


def test_another_number_of_seeds_than_the_row_s_is_found():
    claims, results = ledger({"a": SURE})
    assert audit(claims, results)[1] == []
    (problem,) = audit({"a": replace(claims["a"], seeds=(10, 3))}, results)[1]
    assert problem == "a [quick]: the seeds [0, 1, 2] are stored, the row says 10"
    others = {key: replace(result, seeds=[5, 6, 7]) for key, result in results.items()}
    assert "the seeds [5, 6, 7] are stored, the row says 3" in audit(claims, others)[1][0]


def test_another_bound_than_the_row_s_is_found():
    claims, results = ledger({"a": SURE})
    (problem,) = audit({"a": replace(claims["a"], reference=0.9)}, results)[1]
    assert problem == "a [quick]: compared with 1, the row says 0.9"


def test_a_published_number_on_other_data_is_no_row_of_the_profile():
    claims, results = ledger({"a": SURE})
    assert audit({"a": replace(claims["a"], only_on="full")}, results) == ([], [])


def test_every_stored_row_has_its_line():
    lines, _ = audit(CLAIMS, load_results())
    n = sum(bool(r.values) and CLAIMS[id].only_on in (None, p) for (id, p), r in load_results().items())
    assert len(lines) == n > 100


def test_the_totals_count_rows_verdicts_and_seconds():
    stored = load_results()
    one, other = list(stored.items())[:2]
    results = {("a", "quick"): replace(one[1], verdict="holds", seconds=60.0, seeds=[0, 1, 2]),
               ("b", "quick"): replace(other[1], verdict="level", seconds=6.0, seeds=[0])}  # fmt: skip
    assert list(totals(results)) == [
        "quick: 2 rows, 1 holds, 1 level; 66 s of one core, 26 s a seed",
        "full: 0 rows, no verdict; 0 s of one core, 0 s a seed",
    ]


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_stored_notebook_contradicts_the_ledger(path):
    assert contradictions(json.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (r"(<small>\(\d+ seeds\)</small><br>)= <b>level</b>", r"\1✓ <b>holds</b>", "holds"),
        (r"\d+\.\d+ ± ", "77.7 ± ", "77.7"),
        ("<code>denoiser-beats-filters", "<code>denoiser-beats-humans", "which is no row"),
        ("A de-noising auto-encoder removes", "A de-noising auto-encoder always removes", "statement: .* always"),
    ],
)
def test_a_table_that_shows_anything_else_is_found(old, new, found):
    text = (NOTEBOOKS / "07_denoising.ipynb").read_text(encoding="utf-8")
    changed = re.sub(old, new, text, count=1)
    assert changed != text
    assert re.search(found, "\n".join(contradictions(json.loads(changed))))


def test_the_command_fails_where_there_is_a_problem(monkeypatch, capsys):
    monkeypatch.setattr(cli, "report_stale", lambda: 0)
    for problems, status in ([], 0), (["a row is wrong"], 1):
        monkeypatch.setattr(cli, "audit", lambda *_, problems=problems: (["a line"], list(problems)))
        assert cli.main(["audit"]) == status
        assert ("PROBLEM: a row is wrong" in capsys.readouterr().out) == bool(status)
