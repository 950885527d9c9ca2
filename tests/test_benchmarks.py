"""What benchmarks/ stored, and the tables and sentences that are made of it."""

import json
import math
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tables():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import tables

        yield tables
    for name in ("tables", "report", "minutes_to_beat_2006"):  # so general names that others may want them
        sys.modules.pop(name, None)


def test_the_stored_tables_and_the_readme_say_what_was_measured(tables):
    assert (ROOT / "figures" / "benchmarks.md").read_text(encoding="utf-8") == tables.written()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tables.with_sentences(readme) == readme


def test_every_stored_result_says_on_which_machine_and_when(tables):
    stored = sorted(tables.RESULTS.glob("*.json"))
    assert {path.stem for path in stored} <= set(tables.SECTIONS)
    for path in stored:
        machine = json.loads(path.read_text(encoding="utf-8"))["machine"]
        assert {"date", "processor", "cores", "threads", "versions"} <= set(machine)


def run(*, seed: int, seconds: list[float], other: list[float]) -> dict:
    """A run of as many epochs as there are errors."""
    operations = [1e3 * epoch for epoch in range(1, len(other) + 1)]
    return {"n_epochs": len(other), "seed": seed, "seconds": seconds, "GFLOP": operations, "train": other,
            "other": other, "at the end": other[-1]}  # fmt: skip


RUNS = [
    run(seed=0, seconds=[10, 20, 30], other=[14.0, 7.0, 2.9]),
    run(seed=1, seconds=[20, 40, 60], other=[13.0, 8.5, 2.7]),
    run(seed=0, seconds=[15], other=[9.0]),
]


def test_the_clock_stops_at_the_first_epoch_below_a_mark_in_the_fastest_run(tables):
    assert tables.fastest(RUNS[:2], 13.87) == 20  # the other seed is below it after 20 s, too: its first epoch
    assert tables.fastest(RUNS[:2], 8.01) == 20
    assert tables.fastest(RUNS[:2], 3.0) == 30
    assert tables.fastest(RUNS[:2], 2.65) == math.inf
    longer, shorter = tables.clocks(RUNS).splitlines()[2:]
    assert longer == "| 3 epochs, 2 seeds | 20 | 20 | 30 | – | 3 | 30 | 2.800 ± 0.141 | 2.800 ± 0.141 |"
    assert shorter == "| 1 epochs, 1 seed | 15 | – | – | – | – | 15 | 9.000 | 9.000 |"


def test_the_readme_says_how_long_2006_took_and_where_the_longest_training_ended(tables):
    said = tables.record_sentence(RUNS)
    assert "after **0.5 minutes**" in said
    assert "3 epochs (0 minutes, 2 seeds) end at **2.800 ± 0.141**" in said


def test_results_become_tables_pictures_and_sentences(tables, tmp_path):
    contestant = {"samples a second": 12_345.6, "% of the peak": 61.2, "MB": 50.4}
    notebook = {
        "seconds": 12.3,
        "slowest cells, s": {"a": 3.21, "b": 1},
        "MB of imports": 300,
        "MB above the imports": 99,
    }
    found = {
        "minutes_to_beat_2006": RUNS,
        "ablation_2006": [{**RUNS[0], "what": "ReLU"}, {**RUNS[1], "what": "ReLU"}],
        "training_loop": {"deep": {"peak GFLOP/s": 150.4, "MFLOP a sample": 17.3,
                                   "contestants": {"course_utils.Trainer": contestant, "peer": contestant}}},
        "course": {"notebooks": {"01.ipynb": notebook}, "MB of the server": 120.0, "MB in all": 519.0},
        "search": {"codes, cosine": {"ours": {"build, s": 1.234, "recall at 10": 0.98765}}},
        "grading": {"24 submissions": {"ours": {"submissions a minute": 30.04, "in a sandbox": True}}},
    }  # fmt: skip
    for name, results in found.items():
        sys.modules["report"].save(name, results, tmp_path)
    text = tables.written(tmp_path)
    for line in (
        "| ReLU | 2.800 ± 0.141 | 2.800 ± 0.141 | 2 | 45 |",
        "| deep (17.3 MFLOP a sample) | samples a second | % of 150 GFLOP/s | MB above imports and data |",
        "| peer | 12,346 | 61 | 50 |",
        "| 01.ipynb | 12 | 3.2 | 300 | 99 |",
        "| ours | 1.23 | 0.9877 |",
        "| ours | 30.0 | yes |",
    ):
        assert line in text.splitlines()
    tables.draw(tmp_path, tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == {"minutes_to_beat_2006.png", "images_a_second.png"}
    readme = f"before {tables.BEGIN}\nold\n{tables.END} after"
    lines = tables.with_sentences(readme, tmp_path).splitlines()
    assert [line[:10] for line in lines] == ["before <!-", "- The test", "- deep: th", "- The eigh", "<!-- until"]


def test_what_was_not_measured_is_left_out(tables, tmp_path):
    assert tables.written(tmp_path) == tables.HEAD
    assert tables.with_sentences(f"{tables.BEGIN}\n{tables.END}", tmp_path) == f"{tables.BEGIN}\n\n{tables.END}"
