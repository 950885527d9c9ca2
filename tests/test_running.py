"""Rows measured by several workers: the same numbers, nothing lost, nothing measured twice."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from course_utils.claims import running
from course_utils.claims.measuring import Result, Run, measure, runs_in
from course_utils.claims.rows import CLAIMS, Claim, Measurement
from course_utils.claims.running import Plan, RunningError, RunStore, measure_all, open_lanes
from course_utils.data import DataError
from course_utils.settings import Settings, settings


class Counted:
    """Measures a made-up row: its value is ten times the seed; notes the seeds that it was asked for."""

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def __call__(self, cfg: Settings, seed: int) -> Measurement:
        self.seeds.append(seed)
        return Measurement(10.0 * seed, data="none", series={"x": [float(seed)]}, interval=(-1.0, 1.0))


def made_up(counted: Counted, **changes: object) -> Claim:
    return Claim(**{
        "id": "made-up", "system": "S0", "sentence": "A sentence.", "quantity": "something", "unit": "SSE",
        "relation": ">", "reference": 1.0, "seeds": (4, 2), "measure": counted,
    } | changes)  # fmt: skip


def all_of(plan: Plan, lanes: list[running.Lane], progress: io.StringIO | None = None) -> list[Result]:
    finished: list[Result] = []
    results = measure_all(plan, lanes, progress=progress or io.StringIO(), finished=finished.append)
    assert sorted(r.id for r in finished) == sorted(r.id for r in results)
    return results


def plan_of(*claims: Claim, store: RunStore | None = None, stored: dict | None = None) -> Plan:
    return Plan(claims, settings(), stored or {}, store or RunStore(None))


@pytest.fixture(autouse=True)
def _codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up row has a fingerprint of its own."""
    monkeypatch.setattr(running, "code_of", lambda claim: f"code of {claim.id}")


def test_a_row_has_the_seeds_that_it_says_and_is_what_measure_gives():
    counted = Counted()
    (result,) = all_of(plan_of(made_up(counted)), [running.run_of])
    assert counted.seeds == [0, 1, 2, 3]
    assert replace(result, seconds=0) == replace(measure(made_up(counted), settings()), seconds=0)


def test_several_lanes_share_the_seeds_and_give_the_same_rows():
    rows = [made_up(Counted(), id=f"row-{i}", chapter=f"chapter {i % 2}") for i in range(5)]
    alone, together = all_of(plan_of(*rows), [running.run_of]), all_of(plan_of(*rows), [running.run_of] * 3)
    assert [r.id for r in together] == [row.id for row in rows]
    assert [r.values for r in together] == [r.values for r in alone] == [[0.0, 10.0, 20.0, 30.0]] * 5


def test_a_seed_of_a_chapter_stays_with_one_worker():
    rows = [made_up(Counted(), id=f"row-{i}", chapter="one" if i < 2 else "two") for i in range(4)]
    groups = [[(claim.id, seed) for claim, seed in group] for group in plan_of(*rows).groups()]
    assert [("row-0", 2), ("row-1", 2)] in groups
    assert len(groups) == 8


class Interrupted(BaseException):
    pass


def test_what_was_measured_before_an_interruption_is_not_measured_again(tmp_path):
    store, counted = tmp_path / "claims.runs.jsonl", Counted()

    def killed_at_two(claim: Claim, cfg: Settings, seed: int) -> Run:
        if seed == 2:
            raise Interrupted
        return running.run_of(claim, cfg, seed)

    with pytest.raises(Interrupted):
        all_of(plan_of(made_up(counted), store=RunStore(store)), [killed_at_two])
    with store.open("a") as file:
        file.write('{"id": "made-up", "seed": 2, "fou')  # killed while it wrote
    (result,) = all_of(plan_of(made_up(counted), store=RunStore(store)), [running.run_of])
    assert counted.seeds == [0, 1, 2, 3]
    assert result.values == [0.0, 10.0, 20.0, 30.0]
    assert result.intervals == [[-1.0, 1.0]] * 4
    assert result.series == {"x": [[0.0], [1.0], [2.0], [3.0]]}


def test_a_seed_of_other_code_or_data_counts_for_nothing(tmp_path, monkeypatch):
    store, counted = tmp_path / "claims.runs.jsonl", Counted()
    all_of(plan_of(made_up(counted), store=RunStore(store)), [running.run_of])
    monkeypatch.setattr(running, "code_of", lambda claim: "changed")
    all_of(plan_of(made_up(counted), store=RunStore(store)), [running.run_of])
    assert counted.seeds == [0, 1, 2, 3] * 2
    lines = [json.loads(line) for line in store.read_text().splitlines()]
    store.write_text("".join(json.dumps(line | {"data": {"mnist-5k": "0" * 64}}) + "\n" for line in lines))
    all_of(plan_of(made_up(counted), store=RunStore(store)), [running.run_of])
    assert counted.seeds == [0, 1, 2, 3] * 3
    all_of(plan_of(made_up(counted), store=RunStore(store, forget=True)), [running.run_of])
    assert counted.seeds == [0, 1, 2, 3] * 4


def test_a_larger_number_of_seeds_measures_those_that_lack_and_other_code_all(monkeypatch):
    counted = Counted()
    before = measure(made_up(counted), settings(), n_seeds=2)
    counted.seeds.clear()
    monkeypatch.setattr(running, "why_stale", lambda claim, result: "")
    (result,) = all_of(plan_of(made_up(counted), stored={("made-up", "quick"): before}), [running.run_of])
    assert (counted.seeds, result.seeds) == ([2, 3], [0, 1, 2, 3])
    counted.seeds.clear()
    monkeypatch.setattr(running, "why_stale", lambda claim, result: "code")
    all_of(plan_of(made_up(counted), stored={("made-up", "quick"): before}), [running.run_of])
    assert counted.seeds == [0, 1, 2, 3]


def test_a_stored_result_taken_apart_and_put_together_is_the_same():
    claim = made_up(Counted())
    result = measure(claim, settings())
    again = running.composed(claim, "quick", runs_in(claim, result))
    assert replace(again, seconds=0) == replace(result, seconds=0)


def test_missing_data_are_told_and_the_other_rows_are_measured():
    def no_data(cfg: Settings, seed: int) -> Measurement:
        raise DataError("mnist is not here")

    lost, found = all_of(plan_of(made_up(no_data, id="lost"), made_up(Counted())), [running.run_of])
    assert (lost.value, lost.reason) == (None, "mnist is not here")
    assert found.verdict == "not measurable"  # 15 ± 20 against 1


def test_each_seed_has_a_line_with_what_is_left():
    progress = io.StringIO()
    all_of(plan_of(made_up(Counted())), [running.run_of], progress)
    lines = progress.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("[1/4] made-up, seed 0: 0 SSE")
    assert lines[-1].endswith("about 0 min left")


def test_a_row_that_fails_is_named_and_the_others_end(tmp_path):
    def fails(cfg: Settings, seed: int) -> Measurement:
        raise ValueError("shapes differ")

    asked: list[int] = []

    def slow(claim: Claim, cfg: Settings, seed: int) -> Run:
        asked.append(seed)
        time.sleep(0.05)
        return running.run_of(claim, cfg, seed)

    rows = [made_up(fails, id="broken", seeds=(1, 1)), made_up(Counted(), seeds=(40, 1))]
    with pytest.raises(RunningError, match="broken, seed 0: ValueError: shapes differ"):
        all_of(plan_of(*rows), [slow, slow])  # whichever meets it
    assert len(asked) < 40


# ------------------------------------------------------------------------------------------------- in other processes

CHEAP = ["tied-halves-weights", "deconvolution-is-the-transpose", "deconvolution-is-no-inverse"]  # the last: of digits


def numbers(results: list[Result]) -> list[object]:
    return [(r.id, r.seeds, r.values, r.references, r.intervals, r.verdict, r.made_with) for r in results]


@contextmanager
def dask() -> Iterator[list[running.Lane]]:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        open_lanes(cluster.scheduler_address.replace("tcp://", "dask://"), 1) as lanes,
    ):
        yield lanes


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_number_and_kind_of_workers_do_not_change_a_number(monkeypatch):
    monkeypatch.undo()  # these rows have their own fingerprints

    def plan() -> Plan:
        return Plan([CLAIMS[id] for id in CHEAP], settings(), {}, RunStore(None), n_seeds=2)

    with open_lanes(None, 1) as lanes:
        alone = numbers(all_of(plan(), lanes))
    assert alone[-1][-1]["data"] == {"mnist-5k": running.known_data()["mnist-5k"]["sha256"]}
    with open_lanes(None, 2) as lanes:
        assert len(lanes) == 2
        assert numbers(all_of(plan(), lanes)) == alone
    with dask() as lanes:
        assert len(lanes) == 1
        assert numbers(all_of(plan(), lanes)) == alone


def _dies(id: str, cfg: Settings, seed: int) -> Run:
    os._exit(1)


@pytest.mark.long
def test_a_worker_that_dies_is_named_with_what_it_did(monkeypatch):
    monkeypatch.setattr(running, "_run_in_worker", _dies)
    with open_lanes(None, 2) as lanes, pytest.raises(RunningError, match=r"made-up, seed \d.*fewer --workers"):
        all_of(plan_of(made_up(Counted())), lanes)


@pytest.mark.parametrize(
    ("where", "said"), [("spark://here:1", "dask://host:port, not 'spark"), ("dask://127.0.0.1:9", "No Dask scheduler")]
)
def test_a_cluster_that_cannot_be_used_is_named(where, said, monkeypatch):
    monkeypatch.setattr(running, "CONNECT_S", 0.5)
    with pytest.raises(RunningError, match=said), open_lanes(where, 1):
        pass


def test_the_store_lies_beside_the_ledger_and_is_not_committed():
    ignored = (Path(__file__).parents[1] / ".gitignore").read_text()
    assert "/figures/*.runs.jsonl" in ignored
