"""The ledger: verdicts, what a notebook's claim() does, the file of results, the command line."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp
from torch.utils.flop_counter import FlopCounterMode

from course_utils import provenance, text
from course_utils.claims import __main__ as cli
from course_utils.claims import claim, claims_table, convolution, freshness, rows, series, table
from course_utils.claims.freshness import stale
from course_utils.claims.measuring import (
    RESULTS_FILE,
    Result,
    code_of,
    load_results,
    measure,
    save_results,
)
from course_utils.claims.rows import CHAPTER, CLAIMS, COURSE, Claim, Measurement
from course_utils.claims.verdicts import (
    against_number,
    compared_by_item,
    half_width,
    interval_of_mean,
    judge,
    ratio_by_item,
    verdicts_of,
)
from course_utils.data import DataError, known_data
from course_utils.settings import settings


def row(relation: str, *, values=None, **changes) -> Claim:
    """A row whose experiment returns `values[seed]`."""
    return Claim(
        **{
            "id": "made-up", "system": "S0", "sentence": "A sentence.", "quantity": "something", "unit": "SSE",
            "relation": relation, "source": "nowhere", "reference": 1.0,
            "measure": lambda cfg, seed: Measurement(values[seed], data="none"), **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("relation", "values", "verdict"),
    [
        ("<", [0.5, 0.5, 0.6], "holds"),
        ("<", [1.5, 1.5, 1.6], "fails here"),
        ("<", [0.5, 1.6, 0.9], "not measurable"),  # the seeds disagree
        (">", [1.5, 1.5, 1.6], "holds"),
        (">", [0.5, 0.5, 0.6], "fails here"),
        ("<", [0.9], "holds"),  # one seed: its sign
        ("<", [1.0], "fails here"),  # equal is not below
        ("<", [1.0, 1.0], "fails here"),
        ("≈", [1.02, 1.01], "holds"),
        ("≈", [1.2, 1.2], "fails here"),
        ("<", [float("nan")], "not measurable"),
    ],
)
def test_the_verdict_follows_the_interval(relation, values, verdict):
    made_up = row(relation, tolerance=0.05)
    assert judge(made_up, values, [1.0] * len(values), "quick")[0] == verdict


def test_differences_are_paired_by_seed():
    """Values that scatter widely still decide, if each is below its own baseline."""
    values, baselines = [1.0, 5.0, 9.0], [1.5, 5.5, 9.5]
    assert judge(row("<"), values, baselines, "quick")[0] == "holds"
    assert judge(row("<"), values, [5.4, 5.5, 5.6], "quick")[0] == "not measurable"


def test_the_interval_is_students():
    # three values with sd 1: t(0.975, 2) = 4.3027, divided by sqrt(3)
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.3027 / 3**0.5, rel=1e-4)
    assert half_width([2.0]) == 0


def test_chance_over_seeds_and_over_queries_adds_up():
    over_queries = {"wide": [[-0.9, 0.1]] * 3, "narrow": [[-0.51, -0.49]] * 3}
    values = [0.5, 0.5, 0.6]
    verdicts = {name: judge(row("<"), values, [1.0] * 3, "quick", found) for name, found in over_queries.items()}
    assert {name: verdict for name, (verdict, _) in verdicts.items()} == {"wide": "not measurable", "narrow": "holds"}
    assert "over seeds and queries or images" in verdicts["narrow"][1]
    assert judge(row("<"), [0.9], [1.0], "quick", [[-0.3, 0.1]])[0] == "not measurable"  # one run, and no more its sign


@pytest.mark.parametrize(
    ("values", "relation", "verdict"),
    [
        ([0.99, 0.992, 0.991], "<", "level"),  # real, and smaller than 0.02
        ([1.009, 1.008, 1.01], "<", "level"),  # on the other side likewise
        ([0.98, 0.99, 0.985], "<", "not measurable"),  # real, but 0.985 ± 0.012 may matter, and may not
        ([0.99, 0.99, 0.99], "<", "level"),  # all seeds agree
        ([0.9, 0.9, 0.9], "<", "holds"),
        ([0.995, 1.0, 1.003], "<", "level"),  # not to be told from 0, but surely smaller than 0.02
        ([0.9, 0.92, 0.91], "<", "holds"),
        ([0.9, 0.92, 0.91], ">", "fails here"),
        ([0.95, 1.0, 1.03], "<", "not measurable"),  # it may matter
        ([0.999], "<", "holds"),  # one run: its number, and no mark
    ],
)
def test_a_difference_that_is_too_small_to_matter_is_level(values, relation, verdict):
    made_up = row(relation, reference=None, unit="SSE per image")  # a fiftieth of the baseline matters
    assert judge(made_up, values, [1.0] * len(values), "quick")[0] == verdict
    assert judge(replace(made_up, matters=0.0), values, [1.0] * len(values), "quick")[0] != "level"


def test_what_matters_is_a_rule_for_each_unit_and_a_bound_says_it_itself():
    of_baseline = row("<", reference=None)
    assert replace(of_baseline, unit="SSE per image").smallest_that_matters(15.0) == pytest.approx(0.3)
    assert replace(of_baseline, unit="precision at 10").smallest_that_matters(0.8) == 0.01
    assert replace(of_baseline, unit="test error, %").smallest_that_matters(20.0) == pytest.approx(1.0)
    assert row("<").smallest_that_matters(15.0) == 0  # its reference is a bound
    assert row("<", matters=0.5).smallest_that_matters(15.0) == 0.5


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.96, 1.0, 1.04], "not measurable"),  # the mean is within ± 0.05, its 90 % interval, ± 0.067, is not
        ([0.98, 1.0, 1.02], "holds"),
        ([1.2, 1.21, 1.19], "fails here"),
        ([0.9, 1.1, 1.2], "not measurable"),  # beyond by its mean, but it may be within
    ],
)
def test_about_equal_is_shown_by_two_one_sided_tests(values, verdict):
    about = row("≈", values=values, tolerance=0.05)
    assert judge(about, values, [1.0] * len(values), "quick")[0] == verdict
    lower, upper = (
        ttest_1samp(values, 1.0 + bound, alternative=side).pvalue
        for bound, side in ((-0.05, "greater"), (0.05, "less"))
    )
    assert (max(lower, upper) < 0.05) == (verdict == "holds")


def test_the_interval_of_a_mean_is_scipys():
    values = [1.0, 2.0, 4.0, 8.0]
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval_of_mean(values) == pytest.approx((expected.low, expected.high))


def test_a_published_number_is_judged_only_on_its_own_data():
    made_up = row("≈", only_on="full")
    assert judge(made_up, [1.0], [1.0], "quick")[0] == "not measurable"
    assert judge(made_up, [1.0], [1.0], "full")[0] == "holds"


def test_measure_runs_a_seed_after_the_other():
    result = measure(row("<", values=[0.1, 0.2, 0.6]), settings(), n_seeds=3)
    assert result.seeds == [0, 1, 2]
    assert result.values == [0.1, 0.2, 0.6]
    assert result.value == pytest.approx(0.3)
    assert result.sd == pytest.approx(0.2646, abs=1e-4)


def test_a_claim_without_chance_is_measured_once():
    assert measure(row("<", values=[0.1], seeded=False), settings(), n_seeds=5).seeds == [0]


def test_missing_data_are_a_verdict_with_a_reason():
    def no_data(cfg, seed):
        raise DataError("mnist is not here")

    result = measure(row("<", measure=no_data), settings(), n_seeds=2)
    assert (result.verdict, result.value, result.reason) == ("not measurable", None, "mnist is not here")


def test_every_row_of_the_ledger_is_well_formed():
    for id, one in CLAIMS.items():
        assert one.id == id
        assert one.sentence.endswith(".")
        assert one.relation in ("<", ">", "≈")
        assert (one.relation == "≈") == (one.tolerance > 0), id


def test_stored_results_agree_with_what_the_ledger_says_is_reproduced():
    stored = load_results()
    for id, one in CLAIMS.items():
        for profile in one.reproduced:
            assert (id, profile) in stored, f"{id} is recorded as reproduced in {profile}, but not measured"
            assert stored[id, profile].verdict == "holds", id
    assert {id for id, _ in stored} <= set(CLAIMS)


def test_stored_verdicts_are_what_today_s_rule_says_of_all_stored_values():
    for profile in ("quick", "full"):
        stored = [result for (_, of), result in load_results().items() if of == profile and result.values]
        assert [(r.id, r.verdict, r.reason) for r in stored] == [
            (r.id, *judged) for r, judged in zip(stored, verdicts_of(CLAIMS, stored), strict=True)
        ]


def test_every_stored_row_has_the_seeds_that_it_says():
    other = {key: (len(r.seeds), CLAIMS[key[0]].n_seeds(key[1])) for key, r in load_results().items() if r.values}
    assert {key: numbers for key, numbers in other.items() if numbers[0] != numbers[1]} == {}


def test_the_stored_table_is_made_from_the_stored_results():
    assert RESULTS_FILE.with_suffix(".md").read_text(encoding="utf-8") == cli.markdown_table(RESULTS_FILE)


# ---------------------------------------------------------------------------------------------- older than its code?


def measured(claim: Claim) -> Result:
    return measure(claim, settings(), n_seeds=1)


def test_a_result_is_stale_where_its_code_changes(monkeypatch):
    made_up = row("<", measure=CLAIMS["cosine-beats-inner"].measure)
    result = replace(measured(row("<", values=[0.5])), made_with={"code": code_of(made_up), "data": {}})
    assert freshness.why_stale(made_up, result) == ""
    monkeypatch.setattr(text, "MAX_QUERY_WORDS", text.MAX_QUERY_WORDS + 1)
    assert freshness.why_stale(made_up, result) == "code"
    assert stale({"made-up": made_up}, [result]) == {("made-up", "quick"): "code"}


ROW = '''
from course_utils.claims.rows import BOUND, SSE, Measurement, row


@row("made-up", "S0",
     "A sentence.",
     quantity="something", unit=SSE, relation="<", reference=1.0, source=BOUND, reproduced=("quick",))
def measured(digits, seed):
    """Measure it."""
    return Measurement(2.0 * seed)
'''


@pytest.mark.parametrize(
    ("old", "new", "is_stale"),
    [
        ("A sentence.", "Other words.", False),
        ("reference=1.0", "reference=5.0", False),
        ("source=BOUND, ", "", False),
        ('reproduced=("quick",)', "reproduced=()", False),
        ("2.0 * seed", "3.0 * seed", True),
        ('relation="<"', 'relation="<", on=lambda cfg: None', True),  # it is measured on other data
    ],
)
def test_a_row_is_stale_where_its_function_changes_and_not_where_its_text_does(
    monkeypatch, tmp_path, old, new, is_stale
):
    monkeypatch.setattr(rows, "CLAIMS", {})
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    codes = []
    for i, source in enumerate((ROW, ROW.replace(old, new))):
        name = f"made_up_row_{abs(hash((old, new)))}_{i}"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        importlib.import_module(name)
        codes.append(code_of(rows.CLAIMS["made-up"]))
    assert (codes[0] != codes[1]) == is_stale


def test_a_result_is_stale_where_its_data_change():
    made_up = row("<", values=[0.5])
    result = measured(made_up)
    assert freshness.why_stale(made_up, result) == ""
    other = replace(result, made_with={**result.made_with, "data": {"mnist-5k": "0" * 64}})
    assert freshness.why_stale(made_up, other) == "data"
    known = {name: entry["sha256"] for name, entry in known_data().items()}
    assert freshness.why_stale(made_up, replace(result, made_with={**result.made_with, "data": known})) == ""


def test_a_result_without_a_note_of_what_made_it_is_stale():
    made_up = row("<", values=[0.5])
    assert freshness.why_stale(made_up, replace(measured(made_up), made_with={})) == "code"


def test_what_was_measured_notes_the_data_that_it_names(digits):
    made_up = row("<", measure=lambda cfg, seed: Measurement(0.5, data="mnist-5k"))
    assert measured(made_up).made_with["data"] == {"mnist-5k": known_data()["mnist-5k"]["sha256"]}
    assert measured(row("<", values=[0.5])).made_with["data"] == {}


@pytest.mark.parametrize(
    ("today", "sd", "is_same"),
    [(0.5, 0.0, True), (0.5002, 0.0, True), (0.51, 0.0, False), (0.5015, 0.02, True), (0.51, 0.02, False)],
)
def test_the_same_value_confirms_a_change_of_form(today, sd, is_same):
    stale_result = replace(
        measured(row("<", values=[0.5])), made_with={"code": "of an earlier version", "data": {}}, sd=sd
    )
    made_up = row("<", values=[today])
    done = freshness.confirm(made_up, stale_result, settings())
    assert (done.is_same, done.stored, done.today) == (is_same, 0.5, today)
    assert freshness.why_stale(made_up, done.result) == ("" if is_same else "code")
    assert done.result.values == [0.5]


def test_another_baseline_confirms_nothing():
    def with_baseline(reference: float) -> Claim:
        return row("<", reference=None, measure=lambda cfg, seed: Measurement(0.5, reference, "none"))

    stored = replace(measured(with_baseline(0.7)), made_with={"code": "of an earlier version", "data": {}})
    assert freshness.confirm(with_baseline(0.7), stored, settings()).is_same
    assert not freshness.confirm(with_baseline(0.72), stored, settings()).is_same


@pytest.fixture
def ledger_of_one(monkeypatch, tmp_path):
    """A ledger of one row with values 0.5 and 0.6, measured and stored in both profiles by code that is now another."""
    made_up = row("<", values=[0.5, 0.6])
    path = tmp_path / "claims.json"
    for profile in ("quick", "full"):
        result = measure(made_up, replace(settings(), profile=profile), n_seeds=2)
        save_results([replace(result, made_with={"code": "earlier", "data": {}})], path)
    monkeypatch.setattr(cli, "CLAIMS", {"made-up": made_up})
    monkeypatch.setattr(cli, "RESULTS_FILE", path)
    monkeypatch.setattr(cli, "load_results", lambda file=path: load_results(file))
    return path


def test_stale_rows_are_listed_and_quick_ones_fail_the_command(ledger_of_one, capsys):
    assert cli.main(["stale"]) == 1
    printed = capsys.readouterr().out
    assert "1 quick row(s)" in printed
    assert "1 full row(s)" in printed
    assert "made-up (code)" in printed


def test_confirming_stamps_the_quick_row_and_the_full_one_of_the_same_code(ledger_of_one, capsys):
    assert cli.main(["confirm", "--json", str(ledger_of_one)]) == 0
    assert "0.5 stored, 0.5 today: the same" in capsys.readouterr().out
    assert cli.main(["stale"]) == 0
    assert load_results(ledger_of_one)["made-up", "full"].values == [0.5, 0.6]


def test_confirming_leaves_a_row_that_gives_another_value_stale(ledger_of_one, monkeypatch, capsys):
    monkeypatch.setattr(cli, "CLAIMS", {"made-up": row("<", values=[0.7])})
    assert cli.main(["confirm", "--json", str(ledger_of_one)]) == 1
    assert "NOT the same" in capsys.readouterr().out
    assert cli.main(["stale"]) == 1


# ------------------------------------------------------------------------------------------------- in a notebook


def test_a_claim_that_breaks_on_other_data_than_the_ledger_s_is_a_finding_and_no_error(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setattr(table, "differing_data", lambda: {"python-docs"})
    assert claim("pca30-mnist-sse", 14.5).verdict == "fails here"


def test_claim_compares_with_the_published_number(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert claim("pca30-mnist-sse", 13.866).verdict == "holds"


def test_claim_raises_when_a_reproduced_claim_breaks(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setattr(table, "differing_data", set)
    with pytest.raises(table.ClaimBroken, match=r"pca30-mnist-sse.*14\.50"):
        claim("pca30-mnist-sse", 14.5)


def test_claim_that_was_never_reproduced_fails_without_an_error():
    assert claim("tied-lowers-test-error", 9.0, reference=8.0).verdict == "fails here"


def test_claim_names_what_it_needs():
    with pytest.raises(KeyError, match=r"pca31.*pca30-mnist-sse"):
        claim("pca31", 1.0)
    with pytest.raises(ValueError, match="reference="):
        claim("deep-beats-pca", 8.0)


def test_the_table_shows_sentence_number_and_verdict():
    shown = claims_table(claim("deep-beats-pca", 8.5, reference=14.2))
    page = shown._repr_html_()
    assert "restores digits better than PCA" in page
    assert "8.50 &lt; 14.2" in page
    assert "holds" in page
    assert repr(shown).startswith("deep-beats-pca: 8.50 < 14.2")


def test_one_run_gets_no_mark_and_the_sign_that_its_numbers_have():
    own = [
        claims_table(claim("tied-lowers-test-error", value, reference=8.0))._repr_html_().split("<td")[3]
        for value in (9.0, 7.0)
    ]
    assert ["9.00 &gt; 8.00" in own[0], "7.00 &lt; 8.00" in own[1]] == [True, True]
    assert not [cell for cell in own if any(mark in cell for mark in "✓✗")]


@pytest.mark.parametrize(
    ("id", "shown", "hidden"),
    [
        ("deep-beats-pca", "★", "<small>("),
        ("kl-collapse", "<small>(Bowman et al., CoNLL 2016)</small>", "★"),
        ("tied-lowers-test-error", "<small>S4, <code>tied-lowers-test-error</code>", "★"),
    ],
)
def test_the_table_tells_the_chapter_s_own_statements_from_those_of_others(id, shown, hidden):
    statement = claims_table(stored=[id])._repr_html_().split("<td")[1]
    assert shown in statement
    assert hidden not in statement


def test_who_says_a_row_stands_in_the_ledger():
    said_by = {row.said_by for row in CLAIMS.values()}
    assert {CHAPTER, COURSE} < said_by
    for others in said_by - {CHAPTER, COURSE}:  # a paper has a year; a lecture, a tutorial, a list of results is named
        assert re.search(r"\b(19|20)\d\d\b|lecture|tutorial|MNIST database", others), others
    assert sum(row.said_by == CHAPTER for row in CLAIMS.values()) < len(CLAIMS) / 2


def test_the_table_shows_a_row_that_is_only_stored_without_a_number_of_the_notebook():
    shown = claims_table(claim("tied-halves-weights", 50.1), stored=["noisy-targets-will-do"])
    heads, first, second = shown._repr_html_().split("<tr>")[1:]
    assert heads.count("<th") == first.count("<td") == second.count("<td") == 5
    assert "50.1 ≈ 50.0" in first
    assert second.split("<td")[3].endswith(">–</td>")
    quick = load_results()["noisy-targets-will-do", "quick"]
    assert f"{quick.value:.2f} ± {quick.sd:.2f} &lt; 1.00 <small>({len(quick.seeds)} seeds)</small>" in second
    assert f"noisy-targets-will-do: not measured here; stored: quick {quick.value:.2f}" in repr(shown)
    with pytest.raises(KeyError, match="pca31"):
        claims_table(stored=["pca31"])


def test_series_gives_mean_and_interval(monkeypatch):
    result = measure(row("<", values=[0.5, 0.5]), settings(), n_seeds=2)
    stored = {("made-up", "quick"): replace(result, series={"deep": [[1.0, 2.0], [3.0, 2.0]]})}
    monkeypatch.setattr(table, "load_results", lambda: stored)
    found = series("made-up", "quick")
    mean, half = found["deep"]
    assert (found.data, found.n_seeds) == ("none", 2)
    assert mean == [2.0, 2.0]
    assert half[0] > 1
    assert half[1] == 0
    with pytest.raises(KeyError, match="make claims PROFILE=full"):
        series("made-up", "full")


# --------------------------------------------------------------------------------------- the file and the command line


def test_results_survive_the_file_and_keep_the_rows_of_others(tmp_path):
    file = tmp_path / "claims.json"
    first = measure(row("<", values=[0.5, 0.6]), settings(), n_seeds=2)
    other = replace(first, profile="full")
    save_results([first], file)
    save_results([other], file)
    save_results([replace(first, value=0.7)], file)
    assert load_results(file) == {("made-up", "quick"): replace(first, value=0.7), ("made-up", "full"): other}


def test_a_change_of_verdict_is_told_against_where_the_command_began(tmp_path):
    file, one = tmp_path / "claims.json", row("<", id="a", values=[0.5, 0.5, 0.5], seeds=(3, 3))
    before = {("a", "quick"): replace(measure(one, settings(), n_seeds=3), verdict="fails here")}
    for _ in range(2):
        save_results([measure(one, settings(), n_seeds=3)], file, {"a": one}, before)
        assert load_results(file)["a", "quick"].verdict_before == "fails here"
    save_results([before["a", "quick"]], file, {"a": one}, load_results(file))
    assert load_results(file)["a", "quick"].verdict_before == "fails here"  # the last change is kept


def test_a_number_that_is_not_finite_is_a_reason_and_no_result():
    result = measure(row("<", values=[0.5, float("nan"), 0.6]), settings(), n_seeds=3)
    assert (result.verdict, result.value, result.reason) == ("not measurable", None, "seed 1 gave nan")


def test_verdicts_of_the_file_are_judged_together_and_the_one_before_is_kept(tmp_path):
    file = tmp_path / "claims.json"
    close, nothing = [0.6, 0.7, 0.8], [0.5, 1.6, 0.9]
    claims = {id: row("<", id=id, values=close if id == "a" else nothing) for id in "abcd"}
    results = {id: measure(one, settings(), n_seeds=3) for id, one in claims.items()}
    save_results([results["a"]], file, claims)
    assert load_results(file)["a", "quick"].verdict == "holds"
    save_results([results[id] for id in "bcd"], file, claims)
    stored = load_results(file)["a", "quick"]
    assert (stored.verdict, stored.verdict_before) == ("not measurable", "holds")
    save_results([results["b"]], file, claims)
    assert load_results(file)["a", "quick"] == stored


def test_a_damaged_file_is_left_alone(tmp_path):
    file = tmp_path / "claims.json"
    file.write_text("[{")
    with pytest.raises(DataError, match=r"claims\.json"):
        load_results(file)
    assert file.read_text() == "[{"


@pytest.fixture
def small_ledger(monkeypatch):
    """The command line with two made-up rows, one recorded as reproduced; each value can be changed."""
    values = {"steady": 0.5, "open": 2.0}
    two = {
        id: row("<", id=id, measure=lambda cfg, seed, id=id: Measurement(values[id], data="none"),
                reproduced=("quick",) if id == "steady" else (), seeds=(2, 2))
        for id in values
    }  # fmt: skip
    monkeypatch.setattr(cli, "CLAIMS", two)
    return values


def test_all_writes_json_and_a_table(small_ledger, tmp_path, capsys):
    file = tmp_path / "claims.json"
    assert cli.main(["all", "--json", str(file), "--workers", "1"]) == 0
    records = json.loads(file.read_text())
    assert {
        "id",
        "value",
        "unit",
        "relation",
        "reference",
        "source",
        "verdict",
        "data",
        "profile",
        "seeds",
        "seconds",
    } <= (set(records[0]))
    assert [record["verdict"] for record in records] == ["holds", "fails here"]
    assert "**fails here**" in file.with_suffix(".md").read_text()
    assert "steady: 0.500 ± 0.000 < 1.000 SSE → holds" in capsys.readouterr().out


def test_what_the_file_holds_is_not_measured_again_and_keeps_what_it_was_made_with(small_ledger, tmp_path, monkeypatch):
    file = tmp_path / "claims.json"
    sums = {"data": {"mnist-5k": known_data()["mnist-5k"]["sha256"]}}
    assert cli.main(["all", "--json", str(file), "--workers", "1"]) == 0
    measured_once = load_results(file)
    with_data = [replace(r, made_with=r.made_with | sums) for r in measured_once.values()]
    save_results(with_data, file, cli.CLAIMS)
    small_ledger["open"] = 99.0
    assert cli.main(["all", "--json", str(file), "--workers", "1"]) == 0
    assert [(r.values, r.made_with) for r in load_results(file).values()] == [
        (r.values, r.made_with) for r in with_data
    ]


def test_another_bound_of_a_row_reaches_what_is_stored(small_ledger, tmp_path, monkeypatch):
    file = tmp_path / "claims.json"
    assert cli.main(["all", "--json", str(file), "--workers", "1"]) == 0
    monkeypatch.setitem(cli.CLAIMS, "steady", replace(cli.CLAIMS["steady"], reference=0.1, reproduced=()))
    assert cli.main(["all", "--json", str(file), "--workers", "1"]) == 0
    stored = load_results(file)["steady", "quick"]
    assert (stored.references, stored.verdict) == ([0.1, 0.1], "fails here")


@pytest.mark.parametrize("arguments", [["--seeds", "3"], []])
def test_the_ledger_gets_no_other_seeds_than_its_rows_say(small_ledger, tmp_path, monkeypatch, arguments):
    if not arguments:
        monkeypatch.setenv("COURSE_SEED", "5")
    with pytest.raises(SystemExit, match="leave --seeds and COURSE_SEED away"):
        cli.main(["all", "--json", str(tmp_path / "claims.json"), "--workers", "1", *arguments])
    assert list(tmp_path.iterdir()) == []


def test_a_stop_by_the_user_keeps_what_is_measured_and_says_so(small_ledger, tmp_path, monkeypatch, capsys):
    file = tmp_path / "claims.json"

    def stopped(cfg, seed):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.CLAIMS, "open", replace(cli.CLAIMS["open"], measure=stopped, chapter="later"))
    assert cli.main(["all", "--json", str(file), "--workers", "1"]) == 130
    assert "run the same command again" in capsys.readouterr().err
    assert load_results(file)["steady", "quick"].values == [0.5, 0.5]


def test_a_broken_claim_is_an_exit_status(small_ledger, capsys):
    small_ledger["steady"] = 3.0
    assert cli.main(["all", "--seeds", "1", "--workers", "1"]) == 1
    assert "1 claim(s)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["measure", "no-such-claim"], ["all", "--seeds", "0"], ["all", "--profile", "ful"]]
)
def test_wrong_usage_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2


def test_list_names_every_claim(capsys):
    assert cli.main(["list"]) == 0
    listing = capsys.readouterr().out
    assert [id for id in CLAIMS if id not in listing] == []


def test_a_wrong_setting_is_an_error_not_a_traceback(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "fulll")
    with pytest.raises(SystemExit, match=r"COURSE_PROFILE.*fulll"):
        cli.main(["measure", "tied-halves-weights"])


def test_missing_data_leave_an_earlier_measurement_in_the_file(small_ledger, tmp_path, monkeypatch, capsys):
    file = tmp_path / "claims.json"
    assert cli.main(["measure", "steady", "--workers", "1", "--json", str(file)]) == 0
    before = file.read_text()

    def no_data(cfg, seed):
        raise DataError("mnist is not here")

    monkeypatch.setitem(cli.CLAIMS, "steady", replace(cli.CLAIMS["steady"], measure=no_data))
    assert cli.main(["measure", "steady", "--workers", "1", "--again", "--json", str(file)]) == 1
    assert file.read_text() == before
    assert "for lack of data" in capsys.readouterr().out


def test_the_nets_of_equal_cost_multiply_as_often(digits):
    costs = []
    for make in convolution.nets_of_equal_cost(digits).values():
        with FlopCounterMode(display=False) as counter:
            make()(digits.test_images[:1])
        costs.append(counter.get_total_flops())
    assert costs[0] == pytest.approx(costs[1], rel=0.01)


def test_a_comparison_over_images_has_their_interval():
    a, b = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.0, 2.0, 1.0])
    found = compared_by_item([a, b])
    assert (found.value, found.reference) == (pytest.approx(7 / 3), 1.0)
    assert found.interval == pytest.approx(interval_of_mean([1.0, 0.0, 3.0]))
    assert found.interval[0] < 4 / 3 < found.interval[1]


def test_a_mean_beside_a_bound_has_the_interval_of_the_difference():
    found = against_number(torch.tensor([1.0, 2.0, 6.0]), 2.0)
    assert (found.value, found.reference) == (3.0, None)
    assert found.interval == pytest.approx(interval_of_mean([-1.0, 0.0, 4.0]))


def test_the_spread_of_a_ratio_over_the_items_is_that_of_the_bootstrap():
    draws = np.random.default_rng(0)
    below = draws.gamma(4, 10, 2_000)
    above = below * draws.normal(0.5, 0.1, 2_000) + draws.normal(0, 2, 2_000)
    of_each = ratio_by_item(map(torch.from_numpy, (above, below)))
    assert of_each.mean().item() == pytest.approx(above.mean() / below.mean())
    again = draws.integers(
        2_000, size=(2_000, 2_000)
    )  # images are drawn in pairs: what is hard for one is for the other
    ratios = above[again].mean(axis=1) / below[again].mean(axis=1)
    assert half_width(of_each.tolist()) == pytest.approx(1.96 * ratios.std(), rel=0.06)
    assert (
        half_width((torch.from_numpy(above) / below.mean()).tolist()) > 2 * 1.96 * ratios.std()
    )  # not of the numerator
