"""Widget of notebook 5: what pre-training brings at every number of labels."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from course_utils.plotting import COLOURS
from course_utils.widgets.base import TITLE, LiveFigure, labelled


class LabelBudgetExplorer(LiveFigure):
    """Show what each start brings at a number of labels that a slider sets: as bars, and as curves over all budgets.

    Parameters
    ----------
    measured
        Column → (means over the seeds, half widths of their 95 % intervals), as `claims.series` gives them. The column
        "labels" has the budgets, each larger than the one before; every other column is a start, with the test error
        in % at each budget.

    Raises
    ------
    ValueError
        There are no budgets, or no start, or the columns are not equally long.
    """

    MARKERS = "osD^vPX*"
    TICKS = (0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)

    def __init__(self, measured: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
        if "labels" not in measured:
            raise ValueError(
                f"There is no column 'labels' with the budgets; there are {', '.join(measured) or 'none'}."
            )
        self._budgets = [round(n) for n in measured["labels"][0]]
        self._starts = {name: column for name, column in measured.items() if name != "labels"}
        if not self._starts:
            raise ValueError("There is no start to show: 'labels' is the only column.")
        for name, column in self._starts.items():
            if any(len(values) != len(self._budgets) for values in column):
                raise ValueError(f"{name!r} has {' and '.join(str(len(v)) for v in column)} values for "
                                 f"{len(self._budgets)} budgets: columns must be equally long.")  # fmt: skip
        if not self._budgets or self._budgets[0] < 1 or any(b <= a for a, b in pairwise(self._budgets)):
            raise ValueError(f"Budgets must be at least 1, each larger than the one before, not {self._budgets}.")
        budgets = [(f"{n:,}", n) for n in self._budgets]
        self.budget = ipywidgets.SelectionSlider(options=budgets, **labelled("labels", 420))
        self.reference = ipywidgets.Dropdown(options=list(self._starts), **labelled("compared with", 320))
        self.reference.style.description_width = "initial"
        figure = Figure(figsize=(9.6, 3.2), dpi=90, layout="constrained")
        self._bars_ax, curves = figure.subplots(1, 2, width_ratios=(1.15, 1))
        self._draw_bars(self._bars_ax)
        self._line = self._draw_curves(curves)
        super().__init__(figure, (self.budget, self.reference), (self._bars_ax, self._line))

    def _draw_bars(self, ax: Axes) -> None:
        n = len(self._starts)
        self._bars = ax.barh(range(n), [1.0] * n, height=0.62, color=[_colour(i) for i in range(n)], alpha=0.75)
        self._intervals = LineCollection([], colors="black", linewidths=1.5)
        ax.add_collection(self._intervals, autolim=False)
        self._numbers = [
            ax.text(1, i, "", ha="right", va="center", fontsize=9, transform=ax.get_yaxis_transform()) for i in range(n)
        ]
        self._compared = ax.axvline(0, color="0.3", linestyle="--", linewidth=1)
        ax.set_yticks(range(n), list(self._starts))
        ax.set(ylim=(n - 0.4, -0.6), xlabel="test error in %")
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False)  # its lines would run through the numbers
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(5))

    def _draw_curves(self, ax: Axes) -> Line2D:
        """All that was measured, which does not move; returns the line at the chosen budget, which does."""
        values = [np.asarray(column) for column in self._starts.values()]
        for i, (name, (mean, half)) in enumerate(zip(self._starts, values, strict=True)):
            ax.plot(self._budgets, mean, marker=self.MARKERS[i % 8], markersize=5, color=_colour(i), label=name)
            ax.fill_between(self._budgets, mean - half, mean + half, color=_colour(i), alpha=0.2, linewidth=0)
        low, high = min((m - h).min() for m, h in values), max((m + h).max() for m, h in values)
        ax.set_xscale("log")
        ax.set_xticks(self._budgets, [f"{n:,}" for n in self._budgets])
        if low > 0:  # the differences at a few per cent are read as well as those at many
            ax.set_yscale("log")
            ticks = [t for t in self.TICKS if 0.9 * low <= t <= 1.1 * high]
            ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set(xlabel="labels", ylabel="test error in %")
        ax.set_title("at every number of labels, 95 % intervals", **TITLE)
        ax.legend(loc="lower left", bbox_to_anchor=(0.06, 0), frameon=False, fontsize=8.5, handlelength=1.6)
        return ax.axvline(self._budgets[0], color="0.3", linestyle="--", linewidth=1)

    def update(self) -> str:
        """Mark the chosen number of labels; return the points that each start gains."""
        i, reference = self._budgets.index(self.budget.value), self.reference.value
        means, halves = ([float(column[j][i]) for column in self._starts.values()] for j in (0, 1))
        widest = max(mean + half for mean, half in zip(means, halves, strict=True))
        for bar, text, mean, half in zip(self._bars, self._numbers, means, halves, strict=True):
            bar.set_width(mean)
            text.set_text(f"{mean:.1f} ± {half:.1f}")
        self._intervals.set_segments(
            [[(mean - half, j), (mean + half, j)] for j, (mean, half) in enumerate(zip(means, halves, strict=True))]
        )
        chosen = list(self._starts).index(reference)
        self._compared.set_xdata([means[chosen]] * 2)
        # To the scale of this budget: on one for all, the bars at many labels could not be told apart.
        self._bars_ax.set_xlim(0, 1.3 * widest or 1)  # the numbers stand at the right
        self._bars_ax.set_title(f"with {self.budget.label} labels", **TITLE)
        self._line.set_xdata([self.budget.value] * 2)
        head = f"{self.budget.label} labels, against <b>{html.escape(reference)}</b> ({means[chosen]:.1f} %):"
        lines = [
            f"{html.escape(name)} <b>{_points(means[j] - means[chosen])}</b>, "
            f"{_intervals(means[j] - means[chosen], halves[j], halves[chosen])}"
            for j, name in enumerate(self._starts)
            if name != reference
        ]
        return "<br>".join([head, *lines]) if lines else f"{head} there is no other start."


def _colour(i: int) -> str:
    return COLOURS[i % len(COLOURS)]


def _points(difference: float) -> str:
    rounded = round(difference, 1)
    return "0.0 points" if rounded == 0 else f"{rounded:+.1f} points".replace("-", "−")


def _intervals(difference: float, *halves: float) -> str:
    if not any(halves):
        return "measured once, no intervals"
    return "intervals overlap" if abs(difference) <= sum(halves) else "intervals apart"
