"""What the explorer of notebook 5 draws and says at every number of labels, against made-up errors."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from course_utils.widgets import LabelBudgetExplorer, LiveFigure


def says(widget: LiveFigure) -> str:
    """The text below the picture as it is read."""
    return re.sub(r"<[^>]+>", "", widget.readout.value.replace("<br>", "\n"))


BUDGETS = [100, 300, 1000, 4000]
MEASURED = {
    "labels": ([100.0, 300.0, 1000.0, 4000.0], [0.0] * 4),
    "random": ([24.0, 14.2, 7.9, 4.0], [1.0, 0.6, 0.3, 0.1]),
    "plain": ([23.0, 13.6, 7.9, 4.5], [1.5, 0.5, 0.2, 0.1]),
    "de-noising": ([18.5, 10.2, 6.0, 3.96], [0.5, 0.5, 0.2, 0.2]),
    "de-noising, frozen": ([17.0, 10.9, 7.4, 5.7], [0.9, 0.4, 0.2, 0.1]),
}
STARTS = [name for name in MEASURED if name != "labels"]


@pytest.fixture
def budgets():
    return LabelBudgetExplorer(MEASURED)


def test_the_controls_offer_every_budget_and_every_start(budgets):
    assert [value for _, value in budgets.budget.options] == BUDGETS
    assert [label for label, _ in budgets.budget.options] == ["100", "300", "1,000", "4,000"]
    assert (budgets.budget.value, budgets.reference.value) == (100, "random")
    assert list(budgets.reference.options) == STARTS
    assert [c.description for c in budgets.children[0].children] == ["labels", "compared with"]


def test_each_control_brings_another_picture_and_its_first_value_the_first_picture_back(budgets):
    first = budgets.picture.value, budgets.readout.value
    for control, other in ((budgets.budget, 1000), (budgets.reference, "plain")):
        before = control.value
        control.value = other
        assert budgets.picture.value != first[0]
        assert budgets.readout.value != first[1]
        control.value = before
        assert (budgets.picture.value, budgets.readout.value) == first


@pytest.mark.parametrize("reference", STARTS)
@pytest.mark.parametrize("i", range(4))
def test_bars_intervals_and_lines_are_those_of_the_budget(i, reference, budgets):
    budgets.budget.value, budgets.reference.value = BUDGETS[i], reference
    means, halves = (np.array([MEASURED[name][j][i] for name in STARTS]) for j in (0, 1))
    assert [bar.get_width() for bar in budgets._bars] == pytest.approx(means)
    ends = np.array(budgets._intervals.get_segments())
    assert ends[:, :, 0] == pytest.approx(np.stack([means - halves, means + halves], axis=1))
    assert ends[:, 0, 1] == pytest.approx(ends[:, 1, 1])
    assert ends[:, 0, 1] == pytest.approx(range(4))
    numbers = [text.get_text() for text in budgets._numbers]
    assert numbers == [f"{mean:.1f} ± {half:.1f}" for mean, half in zip(means, halves, strict=True)]
    assert set(budgets._compared.get_xdata()) == {MEASURED[reference][0][i]}
    assert set(budgets._line.get_xdata()) == {BUDGETS[i]}
    left, right = budgets._bars_ax.get_xlim()
    assert left == 0
    assert (means + halves).max() < 0.8 * right  # the numbers stand right of every bar
    assert [text.get_text() for text in budgets._bars_ax.get_yticklabels()] == STARTS


def test_the_curves_are_what_was_measured_with_bands_on_a_logarithmic_axis(budgets):
    ax = budgets._line.axes
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["100", "300", "1,000", "4,000"]
    curves = {line.get_label(): line for line in ax.lines if line is not budgets._line}
    assert list(curves) == STARTS
    for name, band, bar in zip(STARTS, ax.collections, budgets._bars, strict=True):
        mean, half = (np.array(column) for column in MEASURED[name])
        assert curves[name].get_xydata() == pytest.approx(np.array([BUDGETS, mean]).T)
        low, high = np.array(band.get_paths()[0].vertices).min(axis=0), band.get_paths()[0].vertices.max(axis=0)
        assert (low[1], high[1]) == pytest.approx(((mean - half).min(), (mean + half).max()))
        assert bar.get_facecolor()[:3] == to_rgba(curves[name].get_color())[:3]


def test_an_error_whose_interval_reaches_0_is_drawn_on_a_linear_axis():
    explorer = LabelBudgetExplorer({"labels": ([1, 2], [0, 0]), "a": ([1.0, 0.1], [0.1, 0.2])})
    assert explorer._line.axes.get_yscale() == "linear"


def test_differences_are_said_in_points_and_whether_the_intervals_overlap(budgets):
    assert says(budgets).split("\n") == [
        "100 labels, against random (24.0 %):",
        "plain −1.0 points, intervals overlap",
        "de-noising −5.5 points, intervals apart",
        "de-noising, frozen −7.0 points, intervals apart",
    ]
    budgets.budget.value, budgets.reference.value = 4000, "plain"
    assert says(budgets).split("\n") == [
        "4,000 labels, against plain (4.5 %):",
        "random −0.5 points, intervals apart",
        "de-noising −0.5 points, intervals apart",
        "de-noising, frozen +1.2 points, intervals apart",
    ]
    budgets.reference.value = "random"
    assert "de-noising 0.0 points, intervals overlap" in says(budgets)


@pytest.mark.parametrize(
    ("half", "expected"), [(0.9, "intervals apart"), (1.0, "intervals overlap"), (1.1, "intervals overlap")]
)
def test_intervals_that_touch_overlap(half, expected):
    explorer = LabelBudgetExplorer({"labels": ([10], [0]), "a": ([5.0], [1.0]), "b": ([7.0], [half])})
    assert says(explorer).endswith(f"b +2.0 points, {expected}")


def test_of_a_single_seed_no_interval_is_claimed():
    explorer = LabelBudgetExplorer({"labels": ([10], [0]), "a": ([5.0], [0.0]), "b": ([7.0], [0.0])})
    assert says(explorer).endswith("b +2.0 points, measured once, no intervals")


def test_one_start_has_nothing_to_be_compared_with():
    explorer = LabelBudgetExplorer({"labels": ([10, 20], [0, 0]), "a <b>": ([5.0, 4.0], [0.5, 0.5])})
    assert "against <b>a &lt;b&gt;</b> (5.0 %): there is no other start." in explorer.readout.value


def test_the_numbers_do_not_overlap_the_bars_and_nothing_leaves_the_picture(budgets):
    renderer = budgets._canvas.get_renderer()
    width, height = budgets._canvas.get_width_height()
    for n in BUDGETS:
        budgets.budget.value = n
        for text, bar in zip(budgets._numbers, budgets._bars, strict=True):
            assert bar.get_window_extent(renderer).x1 < text.get_window_extent(renderer).x0
        for text in (*budgets._numbers, *budgets._bars_ax.get_yticklabels(), budgets._bars_ax.xaxis.label):
            box = text.get_window_extent(renderer)
            assert 0 <= box.x0 <= box.x1 <= width
            assert 0 <= box.y0 <= box.y1 <= height


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ({}, "no column 'labels'.*none"),
        ({"random": ([1.0], [0.1])}, "no column 'labels' with the budgets; there are random"),
        ({"labels": ([100], [0])}, "no start"),
        ({"labels": ([100, 300], [0, 0]), "plain": ([1.0], [0.1])}, "'plain' has 1 and 1 values for 2 budgets"),
        ({"labels": ([100, 300], [0, 0]), "plain": ([1.0, 2.0], [0.1])}, "'plain' has 2 and 1 values for 2 budgets"),
        ({"labels": ([], []), "plain": ([], [])}, "Budgets must be"),
        ({"labels": ([300, 100], [0, 0]), "plain": ([1.0, 2.0], [0.1, 0.1])}, "larger than the one before"),
        ({"labels": ([100, 100], [0, 0]), "plain": ([1.0, 2.0], [0.1, 0.1])}, "larger than the one before"),
        ({"labels": ([0, 100], [0, 0]), "plain": ([1.0, 2.0], [0.1, 0.1])}, "at least 1"),
    ],
)
def test_what_is_no_sweep_is_refused_with_the_reason(measured, message):
    with pytest.raises(ValueError, match=message):
        LabelBudgetExplorer(measured)
