"""What the benchmarks found, out of benchmarks/results/: figures/benchmarks.md, two pictures, and lines of the README.

    python benchmarks/tables.py

Nothing is measured here. A benchmark that has no results yet is left out. A test keeps the tables and the README's
lines equal to the results.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from minutes_to_beat_2006 import MARKS, first_below
from report import RESULTS, load

README = Path(__file__).parents[1] / "README.md"
FIGURES = README.parent / "figures"
BEGIN, END = "<!-- what the benchmarks found -->", "<!-- until here -->"
OURS = "course_utils.Trainer"
PEERS = ("bare loop over tensors", "skorch", "Lightning", "Keras on torch", "tutorial: DataLoader, PIL, ToTensor")
HEAD = """# How fast the course is

Written by `python benchmarks/tables.py` out of [benchmarks/results](../benchmarks/results); `make bench` measures anew.
Contestants take turns in one run, so compare within a table, not between machines.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table whose first column is text and whose others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def measured_on(machine: dict[str, Any]) -> str:
    """Say when, with what and on which machine, in a line."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (f"*{machine['date']}; {machine['processor']}, {machine['cores']} cores, {machine['threads']} threads of "
            f"torch; {machine['system']}; {versions}.*")  # fmt: skip


def number(value: float, digits: int = 0) -> str:
    """Write a number; a mark that was not reached is a dash."""
    return "–" if not math.isfinite(value) else f"{value:,.{digits}f}"


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Write the mean with the standard deviation over seeds."""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


# ---------------------------------------------------------------------------------------------------------- the record


def clocks(runs: list[dict[str, Any]]) -> str:
    """Write when each published error was passed, a row for each length of training.

    Seconds are those of the fastest seed: other work on the machine only adds to them.
    """
    rows = []
    for n_epochs, of_length in by(runs, "n_epochs").items():
        passed = [fastest(of_length, mark) for mark in MARKS.values()]
        operations = statistics.median(first_below(MARKS["2006"], run, "GFLOP") for run in of_length)
        rows.append([
            f"{n_epochs} epochs, {of_seeds(of_length)}", *[number(seconds) for seconds in passed],
            number(operations / 1e3), number(min(run["seconds"][-1] for run in of_length)),
            mean_and_spread([run["at the end"] for run in of_length]),
            mean_and_spread([run["train"][-1] for run in of_length]),
        ])  # fmt: skip
    below = [f"s until below {mark:g} ({name})" for name, mark in MARKS.items()]
    return table(["", *below, "TFLOP until below 3", "s in all", "test SSE at the end", "training SSE"], rows)


def of_seeds(runs: list[dict[str, Any]]) -> str:
    """Say of how many seeds there are runs."""
    return f"{len(runs)} seed{'s' if len(runs) > 1 else ''}"


def fastest(runs: list[dict[str, Any]], mark: float) -> float:
    """Return the seconds until the test error was below a mark, of the fastest run; infinite where none was."""
    return min(first_below(mark, run, "seconds") for run in runs)


def ablation(runs: list[dict[str, Any]]) -> str:
    """Write what one change of the recipe does to the error on validation images, and on those it was trained on."""
    rows = [
        [what, mean_and_spread([run["at the end"] for run in found]),
         mean_and_spread([run["train"][-1] for run in found]), str(len(found)),
         number(statistics.median(run["seconds"][-1] for run in found))]
        for what, found in by(runs, "what").items()
    ]  # fmt: skip
    return table(["one thing changed", "validation SSE", "training SSE", "seeds", "seconds"], rows)


def by(runs: list[dict[str, Any]], key: str) -> dict[Any, list[dict[str, Any]]]:
    """Group runs by one of their entries, in the order in which they come."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault(run[key], []).append(run)
    return groups


def draw_record(runs: list[dict[str, Any]], ax: Axes) -> None:
    """Draw the test error over the minutes, a line for each length of training (the median over its seeds)."""
    for n_epochs, of_length in by(runs, "n_epochs").items():
        minutes, errors = (
            [statistics.median(values) for values in zip(*(run[column] for run in of_length), strict=True)]
            for column in ("seconds", "other")
        )
        (curve,) = ax.plot([m / 60 for m in minutes], errors, marker="o", markersize=3)
        ax.annotate(f"{n_epochs} epochs: {errors[-1]:.2f}", (minutes[-1] / 60, errors[-1]), xytext=(3, -16), ha="right",
                    textcoords="offset points", color=curve.get_color())  # fmt: skip
    for name, mark in MARKS.items():
        ax.axhline(mark, color="0.6", linewidth=1, linestyle="--")
        ax.annotate(f"{name}: {mark:.2f}", (0.99, mark), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                    color="0.35", fontsize=9)  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="minutes of training on this machine",
           ylabel="test error (SSE per image)", title="784-1000-500-250-30 on MNIST, from a random start")  # fmt: skip
    ticks = [1.5, 2, 3, 5, 8, 14, 30]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    minutes_ticks = [0.1, 0.3, 1, 3, 10, 30]
    ax.set_xticks(minutes_ticks, [f"{tick:g}" for tick in minutes_ticks])
    ax.set_xlim(right=40)


# ----------------------------------------------------------------------------------------------------------- the others


def training_tables(results: dict[str, Any]) -> str:
    """Write a table for each model that the contestants train."""
    parts = []
    for task, found in results.items():
        rows = [
            [name, number(row["samples a second"]), number(row["% of the peak"]), number(row["MB"])]
            for name, row in found["contestants"].items()
        ]
        head = [f"{task} ({found['MFLOP a sample']:.1f} MFLOP a sample)", "samples a second",
                f"% of {found['peak GFLOP/s']:.0f} GFLOP/s", "MB above imports and data"]  # fmt: skip
        parts.append(table(head, rows))
    return "\n\n".join(parts)


def draw_training(results: dict[str, Any], ax: Axes) -> None:
    """Draw the contestants' speed on the first model as bars, ours in colour."""
    task, found = next(iter(results.items()))
    speeds = {name: row["samples a second"] for name, row in reversed(found["contestants"].items())}
    bars = ax.barh(list(speeds), list(speeds.values()), color=["C0" if OURS in name else "0.7" for name in speeds])
    ax.bar_label(bars, [f"{value:,.0f}" for value in speeds.values()], padding=3)
    ax.set(xlabel="images a second", title=task)
    ax.margins(x=0.12)


def course_table(results: dict[str, Any]) -> str:
    """Write each notebook's seconds and memory, and what a hub needs a learner."""
    rows = [
        [name, number(row["seconds"]), number(max(row["slowest cells, s"].values()), 1),
         number(row["MB of imports"]), number(row["MB above the imports"])]
        for name, row in results["notebooks"].items()
    ]  # fmt: skip
    seconds = sum(row["seconds"] for row in results["notebooks"].values())
    rows.append(["all, one after the other", number(seconds), "", "", ""])
    head = ["notebook, quick profile", "seconds", "slowest cell, s", "MB of imports", "MB above them"]
    return table(head, rows) + (
        f"\n\nJupyterLab's server takes {results['MB of the server']:.0f} MB; with the largest kernel a learner needs "
        f"**{results['MB in all']:.0f} MB**."
    )


def search_tables(results: dict[str, Any]) -> str:
    """Write a table for each kind of code, with recall beside the times."""
    parts = []
    for what, found in results.items():
        head = [what, *next(iter(found.values()))]
        rows = [
            [name, *(number(value, 4 if "recall" in figure else 2) for figure, value in row.items())]
            for name, row in found.items()
        ]
        parts.append(table(head, rows))
    return "\n\n".join(parts)


def grading_table(results: dict[str, Any]) -> str:
    """Write how many submissions a minute each grades."""
    what, found = next(iter(results.items()))
    rows = [
        [name, number(row["submissions a minute"], 1), "yes" if row["in a sandbox"] else "no"]
        for name, row in found.items()
    ]
    return table([what, "submissions a minute", "in a sandbox"], rows)


SECTIONS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "minutes_to_beat_2006": ("Minutes to beat 2006", clocks),
    "ablation_2006": ("What the recipe consists of", ablation),
    "training_loop": ("The training loop beside its peers", training_tables),
    "course": ("The notebooks", course_table),
    "search": ("Search", search_tables),
    "grading": ("Grading", grading_table),
}
PICTURES: dict[str, tuple[str, Callable[[Any, Axes], None]]] = {
    "minutes_to_beat_2006": ("minutes_to_beat_2006.png", draw_record),
    "training_loop": ("images_a_second.png", draw_training),
}


def record_sentence(runs: list[dict[str, Any]]) -> str:
    """Say how long the error of 2006 took, and where the longest training ended."""
    longest = max(by(runs, "n_epochs").items())
    ends = [run["at the end"] for run in longest[1]]
    return (
        f"The test error of 2006 ({MARKS['2006']:.2f}, 784-1000-500-250-30 on MNIST) is passed after "
        f"**{fastest(runs, MARKS['2006']) / 60:.1f} minutes**, from a random start; {longest[0]} epochs "
        f"({min(run['seconds'][-1] for run in longest[1]) / 60:.0f} minutes, {of_seeds(longest[1])}) "
        f"end at **{mean_and_spread(ends)}**."
    )


def training_sentence(results: dict[str, Any]) -> str:
    """Say how fast the Trainer is on the first model, and the peers."""
    task, found = next(iter(results.items()))
    speeds = {name: row["samples a second"] for name, row in found["contestants"].items()}
    peers = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items() if name in PEERS)
    return (f"{task}: the Trainer takes **{speeds[OURS]:,.0f} images a second**, "
            f"{found['contestants'][OURS]['% of the peak']:.0f} % of the floating-point operations that large matrix "
            f"products reached in the same run; {peers}.")  # fmt: skip


def course_sentence(results: dict[str, Any]) -> str:
    """Say what the notebooks take."""
    seconds = [row["seconds"] for row in results["notebooks"].values()]
    return (f"The eight notebooks take {min(seconds):.0f} to {max(seconds):.0f} seconds each in the quick profile, "
            f"{sum(seconds):.0f} together; a learner's kernel and JupyterLab's server need "
            f"**{results['MB in all']:,.0f} MB** at most, so a hub plans 2 GB.")  # fmt: skip


SENTENCES: dict[str, Callable[[Any], str]] = {
    "minutes_to_beat_2006": record_sentence, "training_loop": training_sentence, "course": course_sentence,
}  # fmt: skip


def written(results: Path = RESULTS) -> str:
    """Return the text of figures/benchmarks.md."""
    parts = [HEAD]
    for name, (title, write) in SECTIONS.items():
        if found := load(name, results):
            parts.append(f"## {title}\n\n{write(found['results'])}\n\n{measured_on(found['machine'])}\n")
    return "\n".join(parts)


def with_sentences(readme: str, results: Path = RESULTS) -> str:
    """Return the README with what was measured between its two marks."""
    found = {name: load(name, results) for name in SENTENCES}
    lines = [f"- {SENTENCES[name](stored['results'])}" for name, stored in found.items() if stored]
    head, rest = readme.split(BEGIN)
    _, tail = rest.split(END)
    return head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + tail


def draw(results: Path = RESULTS, folder: Path = FIGURES) -> None:
    """Draw the pictures into a folder."""
    for name, (file, draw_on) in PICTURES.items():
        if found := load(name, results):
            fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
            draw_on(found["results"], ax)
            ax.spines[["top", "right"]].set_visible(False)
            fig.savefig(folder / file, dpi=110)
            plt.close(fig)


def main() -> None:
    (FIGURES / "benchmarks.md").write_text(written(), encoding="utf-8")
    README.write_text(with_sentences(README.read_text(encoding="utf-8")), encoding="utf-8")
    draw()
    print(f"wrote {FIGURES / 'benchmarks.md'}, {', '.join(file for file, _ in PICTURES.values())} and README.md")


if __name__ == "__main__":
    main()
