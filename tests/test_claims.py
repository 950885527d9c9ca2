"""The ledger: verdicts, what a notebook's claim() does, the file of results, the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from course_utils import claims
from course_utils.claims import __main__ as cli
from course_utils.claims import ledger
from course_utils.claims.measuring import Claim, Measurement, half_width_95, judge
from course_utils.data import DataError
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
        ("≈", [1.04, 1.0], "holds"),
        ("≈", [1.2, 1.2], "fails here"),
        ("<", [float("nan")], "not measurable"),
    ],
)
def test_the_verdict_follows_the_interval(relation, values, verdict):
    claim = row(relation, tolerance=0.05)
    assert judge(claim, values, [1.0] * len(values), "quick")[0] == verdict


def test_differences_are_paired_by_seed():
    """Values that scatter widely still decide, if each is below its own baseline."""
    values, baselines = [1.0, 5.0, 9.0], [1.5, 5.5, 9.5]
    assert judge(row("<"), values, baselines, "quick")[0] == "holds"
    assert judge(row("<"), values, [5.4, 5.5, 5.6], "quick")[0] == "not measurable"


def test_the_interval_is_students():
    # three values with sd 1: t(0.975, 2) = 4.3027, divided by sqrt(3)
    assert half_width_95([1.0, 2.0, 3.0]) == pytest.approx(4.3027 / 3**0.5, rel=1e-4)
    assert half_width_95([2.0]) == 0


def test_a_published_number_is_judged_only_on_its_own_data():
    claim = row("≈", only_on="full")
    assert judge(claim, [1.0], [1.0], "quick")[0] == "not measurable"
    assert judge(claim, [1.0], [1.0], "full")[0] == "holds"


def test_measure_runs_a_seed_after_the_other():
    result = claims.measure(row("<", values=[0.1, 0.2, 0.6]), settings(), n_seeds=3)
    assert result.seeds == [0, 1, 2]
    assert result.values == [0.1, 0.2, 0.6]
    assert result.value == pytest.approx(0.3)
    assert result.sd == pytest.approx(0.2646, abs=1e-4)


def test_a_claim_without_chance_is_measured_once():
    assert claims.measure(row("<", values=[0.1], seeded=False), settings(), n_seeds=5).seeds == [0]


def test_missing_data_are_a_verdict_with_a_reason():
    def no_data(cfg, seed):
        raise DataError("mnist is not here")

    result = claims.measure(row("<", measure=no_data), settings(), n_seeds=2)
    assert (result.verdict, result.value, result.reason) == ("not measurable", None, "mnist is not here")


def test_every_row_of_the_ledger_is_well_formed():
    for id, claim in claims.CLAIMS.items():
        assert claim.id == id
        assert claim.sentence.endswith(".")
        assert claim.relation in ("<", ">", "≈")
        assert (claim.relation == "≈") == (claim.tolerance > 0), id


def test_stored_results_agree_with_what_the_ledger_says_is_reproduced():
    stored = claims.load_results()
    for id, claim in claims.CLAIMS.items():
        for profile in claim.reproduced:
            assert (id, profile) in stored, f"{id} is recorded as reproduced in {profile}, but not measured"
            assert stored[id, profile].verdict == "holds", id
    assert {id for id, _ in stored} <= set(claims.CLAIMS)


# ------------------------------------------------------------------------------------------------- in a notebook


def test_claim_compares_with_the_published_number(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert claims.claim("pca30-mnist-sse", 13.866).verdict == "holds"


def test_claim_raises_when_a_reproduced_claim_breaks(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    with pytest.raises(claims.ClaimBroken, match=r"pca30-mnist-sse.*14\.50"):
        claims.claim("pca30-mnist-sse", 14.5)


def test_claim_that_was_never_reproduced_fails_without_an_error():
    assert claims.claim("tied-lowers-test-error", 9.0, reference=8.0).verdict == "fails here"


def test_claim_names_what_it_needs():
    with pytest.raises(KeyError, match=r"pca31.*pca30-mnist-sse"):
        claims.claim("pca31", 1.0)
    with pytest.raises(ValueError, match="reference="):
        claims.claim("deep-beats-pca", 8.0)


def test_the_table_shows_sentence_number_and_verdict():
    table = claims.claims_table(claims.claim("deep-beats-pca", 8.5, reference=14.2))
    page = table._repr_html_()
    assert "restores digits better than PCA" in page
    assert "8.50 &lt; 14.2" in page
    assert "holds" in page
    assert repr(table).startswith("deep-beats-pca: 8.50 < 14.2")


def test_series_gives_mean_and_interval(monkeypatch):
    result = claims.measure(row("<", values=[0.5, 0.5]), settings(), n_seeds=2)
    stored = {("made-up", "quick"): replace(result, series={"deep": [[1.0, 2.0], [3.0, 2.0]]})}
    monkeypatch.setattr(ledger, "load_results", lambda: stored)
    mean, half = claims.series("made-up", "quick")["deep"]
    assert mean == [2.0, 2.0]
    assert half[0] > 1
    assert half[1] == 0
    with pytest.raises(KeyError, match="make claims PROFILE=full"):
        claims.series("made-up", "full")


# --------------------------------------------------------------------------------------- the file and the command line


def test_results_survive_the_file_and_keep_the_rows_of_others(tmp_path):
    file = tmp_path / "claims.json"
    first = claims.measure(row("<", values=[0.5, 0.6]), settings(), n_seeds=2)
    other = replace(first, profile="full")
    claims.save_results([first], file)
    claims.save_results([other], file)
    claims.save_results([replace(first, value=0.7)], file)
    assert claims.load_results(file) == {("made-up", "quick"): replace(first, value=0.7), ("made-up", "full"): other}


def test_a_damaged_file_is_left_alone(tmp_path):
    file = tmp_path / "claims.json"
    file.write_text("[{")
    with pytest.raises(DataError, match="no readable JSON"):
        claims.load_results(file)
    assert file.read_text() == "[{"


@pytest.fixture
def small_ledger(monkeypatch):
    """The command line with two made-up rows, one recorded as reproduced; each value can be changed."""
    values = {"steady": 0.5, "open": 2.0}
    rows = {
        id: row("<", id=id, measure=lambda cfg, seed, id=id: Measurement(values[id], data="none"),
                reproduced=("quick",) if id == "steady" else ())
        for id in values
    }  # fmt: skip
    monkeypatch.setattr(cli, "CLAIMS", rows)
    return values


def test_all_writes_json_and_a_table(small_ledger, tmp_path, capsys):
    file = tmp_path / "claims.json"
    assert cli.main(["all", "--seeds", "2", "--json", str(file)]) == 0
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


def test_a_broken_claim_is_an_exit_status(small_ledger, capsys):
    small_ledger["steady"] = 3.0
    assert cli.main(["all", "--seeds", "1"]) == 1
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
    assert [id for id in claims.CLAIMS if id not in listing] == []


def test_a_wrong_setting_is_an_error_not_a_traceback(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "fulll")
    with pytest.raises(SystemExit, match=r"COURSE_PROFILE.*fulll"):
        cli.main(["measure", "tied-halves-weights"])


def test_missing_data_leave_an_earlier_measurement_in_the_file(small_ledger, tmp_path, monkeypatch, capsys):
    file = tmp_path / "claims.json"
    assert cli.main(["measure", "steady", "--seeds", "1", "--json", str(file)]) == 0
    before = file.read_text()

    def no_data(cfg, seed):
        raise DataError("mnist is not here")

    monkeypatch.setitem(cli.CLAIMS, "steady", replace(cli.CLAIMS["steady"], measure=no_data))
    assert cli.main(["measure", "steady", "--seeds", "1", "--json", str(file)]) == 1
    assert file.read_text() == before
    assert "for lack of data" in capsys.readouterr().out
