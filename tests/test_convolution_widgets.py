"""What the widgets of notebook 6 draw and say at every step, against the layers and against hand-made numbers."""

import base64
import io
import itertools
import json
import re
from functools import cache

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.textpath import TextPath
from PIL import Image
from torch import nn

from course_utils.inference import encode_all
from course_utils.layers import MaxPool, Positions, Unpool, deconvolution, overlapping_sums
from course_utils.models import ConvAutoencoder
from course_utils.plotting import COLOURS
from course_utils.widgets import DeconvolutionStepper, LiveFigure, PositionsExplorer, UnpoolingStepper
from course_utils.widgets import cells as drawing
from course_utils.widgets import deconvolution as computing


def numbers(widget: LiveFigure) -> list[float]:
    """The numbers set in bold in the line below the picture."""
    found = re.findall(r"<b>(−?[\d.]+)</b>", widget.readout.value)
    return [float(number.replace("−", "-")) for number in found]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def in_colour(widget: LiveFigure, colour: str) -> np.ndarray:
    """Which pixels of the picture have that colour (#rrggbb)."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(pixels(widget.picture.value).astype(int) - wanted) < 3).all(axis=2)


@cache
def texts_by_outline(height: float) -> dict[bytes, str]:
    known = [*(str(n).replace("-", "−") for n in range(-243, 244)), "", "–"]
    return {drawing.outline(text, height).vertices.tobytes(): text for text in known}


def drawn(cells: drawing.Cells) -> list[str | None]:
    """The number drawn in each square, read from its outline; "" in an empty one, None where there is no square."""
    read = texts_by_outline(cells.height)
    there = [read[path.vertices.tobytes()] for path in cells.numbers.get_paths()]
    edges = cells.squares.get_edgecolors()
    assert len(there) == len(edges) == cells.n
    return [None if edge[3] == 0 and not text else text for text, edge in zip(there, edges, strict=True)]


def grounds(cells: drawing.Cells) -> list[tuple[float, ...]]:
    return [tuple(colour) for colour in cells.squares.get_facecolors()]


def marked(cells: drawing.Cells, colour: str = drawing.CHOSEN) -> list[int]:
    return [i for i, ground in enumerate(grounds(cells)) if ground == to_rgba(colour)]


def corner(frame) -> tuple[float, float] | None:
    return frame.get_xy() if frame.get_visible() else None


def texts(values) -> list[str]:
    return [str(int(v)).replace("-", "−") for v in torch.as_tensor(values).flatten().tolist()]


PLANES = {
    "default": UnpoolingStepper.DEFAULT,
    "all equal": [[4] * 4] * 4,
    "zeros": [[0] * 4] * 4,
    "ties": [[9, 9, 1, 5], [9, 0, 5, 5], [0, 0, 2, 3], [7, 7, 3, 2]],
    "random": torch.randint(10, (4, 4), generator=torch.Generator().manual_seed(6)).tolist(),
}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    model = ConvAutoencoder((1, 9, 8), 5, channels=(3, 4), unpool="positions")
    with torch.no_grad():  # at the start all pictures are nearly the mean
        model.up_layers[-1].weight.mul_(30)
    return model


@pytest.fixture
def images():
    return torch.rand(5, 1, 9, 8)


@pytest.fixture(params=["unpooling", "deconvolution", "positions"])
def explorer(request, model, images):
    if request.param == "unpooling":
        return UnpoolingStepper(step=3)
    return DeconvolutionStepper(t=3) if request.param == "deconvolution" else PositionsExplorer(model, images)


def controls(explorer: LiveFigure) -> list:
    if isinstance(explorer, UnpoolingStepper):
        return [*explorer.fields, explorer.step]
    if isinstance(explorer, DeconvolutionStepper):
        return [*explorer.x, *explorer.kernel, explorer.stride, explorer.t]
    return [explorer.a, explorer.b]


# ------------------------------------------------------------------------------------------------------- every widget


def test_each_control_brings_another_picture_and_its_first_value_the_first_picture_back(explorer):
    first = explorer.picture.value, explorer.readout.value
    for control in controls(explorer):
        before = control.value
        control.value = before + 1 if before < control.max else before - 1
        assert explorer.picture.value != first[0]
        control.value = before
        assert (explorer.picture.value, explorer.readout.value) == first


def test_what_is_redrawn_is_all_that_changes(explorer):
    for control in controls(explorer)[::-1]:
        control.value = control.min
    shown_pixels = pixels(explorer.picture.value)
    for artist in explorer._moving:
        artist.set_animated(False)
    explorer._canvas.draw()  # the whole figure, as it would look without a background that was kept
    np.testing.assert_array_equal(shown_pixels, np.asarray(explorer._canvas.buffer_rgba())[..., :3])


def test_the_picture_is_a_png_as_wide_as_it_is_shown(explorer):
    height, width, _ = pixels(explorer.picture.value).shape
    assert (explorer.picture.layout.width, width) == ("864px", 864)
    assert 150 < height < 300


def test_the_bundle_holds_the_view_and_a_still_picture_which_follows_the_controls(explorer):
    before = explorer._repr_mimebundle_()
    controls(explorer)[-1].value += 1
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert json.loads(json.dumps(bundle)) == bundle
    assert bundle["text/plain"].startswith(f"{type(explorer).__name__}: ")
    assert "<" not in bundle["text/plain"]
    assert bundle["image/png"] != before["image/png"]
    assert np.array_equal(pixels(base64.b64decode(bundle["image/png"])), pixels(explorer.picture.value))


def test_every_control_can_be_named(explorer):
    names = [control.description or control.tooltip for control in controls(explorer)]
    assert all(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("widget", [UnpoolingStepper, DeconvolutionStepper])
def test_play_and_slider_are_linked_in_the_browser_and_have_the_same_range(widget):
    stepper = widget()
    slider = stepper.step if widget is UnpoolingStepper else stepper.t
    assert stepper.link.source == (stepper.play, "value")
    assert stepper.link.target == (slider, "value")
    assert (stepper.play.min, stepper.play.max, stepper.play.value) == (0, slider.max, slider.value)


@pytest.mark.parametrize("widget", [UnpoolingStepper, DeconvolutionStepper])
def test_every_control_is_in_the_arrangement(widget):
    def inside(box):
        return {box, *(part for child in getattr(box, "children", ()) for part in inside(child))}

    stepper = widget()
    assert {*controls(stepper), stepper.play} <= inside(stepper.children[0])


def test_a_number_is_drawn_as_matplotlib_writes_it_in_the_middle_of_its_square():
    for text in ("7", "−3", "81"):
        outline, written = drawing.outline(text, 12.0), TextPath((0, 0), text, size=12)
        np.testing.assert_allclose(np.ptp(outline.vertices, axis=0), np.ptp(written.vertices, axis=0))
        left, right = outline.get_extents().intervalx
        assert left == pytest.approx(-right)
    low, high = drawing.outline("0", 12.0).get_extents().intervaly
    assert (low + high) == pytest.approx(0, abs=0.5)
    assert drawing.outline("", 12.0).get_extents().width == 0


def test_the_widest_number_stays_within_its_square():
    stepper = DeconvolutionStepper((9, 9, 9), (-9, -9, -9), stride=1)
    cells = stepper._cells["left out"]
    squares = cells.squares.get_paths()[0].get_extents().transformed(cells.squares.get_transform())
    assert drawing.outline("−243", cells.height).get_extents().width < squares.width - 4


def test_cells_refuse_what_has_no_square():
    cells = UnpoolingStepper()._cells["pooled"]
    with pytest.raises(ValueError, match="4 squares, and 5"):
        cells.show([drawing.cell(1)] * 5)
    with pytest.raises(ValueError, match="4 squares, and 1"):
        cells.show({4: drawing.cell(1)})


def test_squares_without_a_cell_are_all_alike():
    cells = UnpoolingStepper()._cells["pooled"]
    for others in (drawing.NOTHING, drawing.BLANK):
        look = cells.show({2: drawing.cell(7)}, others=others)
        grounds = [others[1]] * 4
        grounds[2] = drawing.EMPTY
        assert list(look[cells.squares]["facecolors"]) == grounds


# --------------------------------------------------------------------------------------------------- UnpoolingStepper


@pytest.mark.parametrize("mode", ["positions", "repeat"])
@pytest.mark.parametrize("plane", PLANES)
def test_unpooling_draws_at_every_step_what_the_layers_compute(plane, mode):
    x = torch.tensor(PLANES[plane])
    stepper = UnpoolingStepper(x)
    stepper.way_up.value = mode
    pooled, positions = MaxPool(2)(x.float().view(1, 1, 4, 4))
    unpooled = Unpool(2, mode=mode)(pooled, positions if mode == "positions" else None)
    cell_of = torch.arange(4).view(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1).flatten().tolist()
    kept, places = positions.indices.flatten().tolist(), texts(positions.within_cells())
    for step in range(9):
        stepper.step.value = step
        n, up = min(step, 4), max(0, step - 4)
        assert drawn(stepper._cells["input"]) == texts(x)
        assert drawn(stepper._cells["pooled"]) == texts(pooled)[:n] + [""] * (4 - n)
        recorded = places[:n] + [""] * (4 - n) if mode == "positions" else ["–"] * 4
        assert drawn(stepper._cells["positions"]) == recorded
        shown = [text if cell < up else "" for text, cell in zip(texts(unpooled), cell_of, strict=True)]
        assert drawn(stepper._cells["unpooled"]) == shown

        # Dark: what this step takes or sets. Light: what earlier ones took or set.
        assert marked(stepper._cells["input"]) == (kept[step - 1 : step] if 1 <= step <= 4 else [])
        light = sorted(kept[: n if up else max(0, n - 1)])
        assert marked(stepper._cells["input"], drawing.KEPT) == light
        carries = [i for i in range(16) if mode == "repeat" or i in kept]
        assert marked(stepper._cells["unpooled"]) == [i for i in carries if cell_of[i] == up - 1]
        assert marked(stepper._cells["unpooled"], drawing.KEPT) == [i for i in carries if cell_of[i] < up - 1]


@pytest.mark.parametrize("mode", ["positions", "repeat"])
def test_unpooling_frames_the_cell_of_the_step_in_every_panel_that_takes_part(mode):
    stepper = UnpoolingStepper()
    stepper.way_up.value = mode
    firsts = [0, 2, 8, 10]  # the top left number of each cell
    for step in range(9):
        stepper.step.value = step
        expected = dict.fromkeys(stepper._frames)
        if step:
            cell, plane = (step - 1) % 4, "input" if step <= 4 else "unpooled"
            expected["pooled"] = stepper._cells["pooled"].corners[cell]
            expected[plane] = stepper._cells[plane].corners[firsts[cell]]
            if mode == "positions":
                expected["positions"] = stepper._cells["positions"].corners[cell]
        assert {name: corner(frame) for name, frame in stepper._frames.items()} == expected
        assert bool(in_colour(stepper, COLOURS[1]).sum() > 500) == (step > 0)


def test_unpooling_says_in_words_what_a_step_does():
    stepper = UnpoolingStepper()
    said = {}
    for mode, step in itertools.product(("positions", "repeat"), range(9)):
        stepper.way_up.value, stepper.step.value = mode, step
        said[mode, step] = stepper.readout.value
    for mode in ("positions", "repeat"):
        assert said[mode, 0].startswith("The input: 16 numbers")
    assert said["positions", 1] == "cell 1 of 4: the largest is <b>5</b>, at place 3 (bottom right): 2 bits to remember"
    assert said["positions", 2] == "cell 2 of 4: the largest is <b>7</b>, at place 2 (bottom left): 2 bits to remember"
    assert said["positions", 3] == "cell 3 of 4: the largest is <b>6</b>, at place 0 (top left): 2 bits to remember"
    assert said["positions", 4] == (
        "cell 4 of 4: the largest is <b>8</b>, at place 1 (top right), the first of 2 equal ones: 2 bits to remember"
    )
    assert said["repeat", 2] == "cell 2 of 4: the largest is <b>7</b>; its place is not recorded"
    assert said["positions", 6] == (
        "cell 2 of 4: <b>7</b> goes back to place 2 (bottom left), the other three become 0"
    )
    assert said["repeat", 6] == "cell 2 of 4: <b>7</b> fills the cell"
    assert "lost" not in "".join(text for (_, step), text in said.items() if step < 8)
    # 1+9+0, 4+0+16, 4+9+25, 1+0+64
    assert said["positions", 8].endswith(
        "sum to <b>133</b>. Beside the 4 numbers, the positions needed 4 × 2 = <b>8</b> bits."
    )
    # (4² + 2² + 5²) + (5² + 7² + 3²) + (4² + 3² + 1²) + (7² + 8² + 0²) = 45 + 83 + 26 + 113
    assert said["repeat", 8].endswith(
        "sum to <b>267</b>. Beside the 4 numbers, no positions were needed: <b>0</b> bits."
    )


@pytest.mark.parametrize("plane", PLANES)
def test_unpooling_says_how_much_was_lost(plane):
    x = np.array(PLANES[plane])
    cells = x.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 4)
    largest = cells.max(axis=1, keepdims=True)
    stepper = UnpoolingStepper(torch.tensor(PLANES[plane]), step=8)
    assert numbers(stepper) == [largest[3, 0], np.square(cells).sum() - np.square(largest).sum(), 8]
    stepper.way_up.value = "repeat"
    assert numbers(stepper) == [largest[3, 0], np.square(largest - cells).sum(), 0]


def test_an_edited_number_goes_through_pooling_and_unpooling_at_once():
    stepper = UnpoolingStepper(step=8)
    stepper.fields[0].value = 9  # row 1, column 1: 9 instead of 1, the largest of cell 1
    assert drawn(stepper._cells["input"])[0] == "9"
    assert drawn(stepper._cells["pooled"])[0] == "9"
    assert drawn(stepper._cells["positions"])[0] == "0"
    assert drawn(stepper._cells["unpooled"])[:6] == ["9", "0", "0", "0", "0", "0"]
    assert numbers(stepper) == [8, 133 - 1 + 25, 8]
    fresh = UnpoolingStepper(torch.tensor([[9, 3, 2, 0], [0, 5, 7, 4], [6, 2, 1, 8], [3, 5, 0, 8]]), step=8)
    assert (fresh.picture.value, fresh.readout.value) == (stepper.picture.value, stepper.readout.value)


def test_a_field_takes_no_number_that_has_two_digits():
    stepper = UnpoolingStepper()
    for typed, taken in ((12, 9), (-3, 0)):
        stepper.fields[5].value = typed
        assert stepper.fields[5].value == taken
        assert drawn(stepper._cells["input"])[5] == str(taken)


def test_the_fields_stand_as_the_plane_does():
    values = torch.arange(16).view(4, 4) % 10
    stepper = UnpoolingStepper(values)
    assert [field.value for field in stepper.fields] == values.flatten().tolist()
    assert stepper.fields[6].tooltip == "input, row 2, column 3"
    assert {(field.min, field.max) for field in stepper.fields} == {(0, 9)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.zeros(4, 5), r"from 0 to 9 of shape \(4, 4\), not of shape \(4, 5\)"),
        (torch.zeros(16), r"not of shape \(16,\)"),
        (torch.zeros(1, 1, 4, 4), r"not of shape \(1, 1, 4, 4\)"),
        (torch.full((4, 4), 0.5), "whole numbers from 0 to 9"),
        (torch.full((4, 4), 10), "whole numbers from 0 to 9"),
        (torch.full((4, 4), -1), "whole numbers from 0 to 9"),
        (torch.full((4, 4), torch.nan), "whole numbers from 0 to 9"),
        (torch.full((4, 4), torch.inf), "whole numbers from 0 to 9"),
    ],
)
def test_unpooling_refuses_other_values(values, message):
    with pytest.raises(ValueError, match=rf"^values must be .*{message}"):
        UnpoolingStepper(values)


def test_unpooling_takes_whole_numbers_of_any_type():
    for dtype in (torch.uint8, torch.int64, torch.float64):
        assert drawn(UnpoolingStepper(torch.full((4, 4), 9, dtype=dtype))._cells["input"]) == ["9"] * 16


# ----------------------------------------------------------------------------------------------- DeconvolutionStepper

CASES = [((1, 2, 3), (4, 5, 6)), ((-9, 0, 9), (9, -9, -9)), ((0, 0, 0), (1, 2, 3)), ((9, 9, 9), (-9, -9, -9))]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("x", "kernel"), CASES)
def test_deconvolution_draws_both_computations_at_every_output(x, kernel, stride):
    stepper = DeconvolutionStepper(x, kernel, stride=stride)
    x_row, kernel_row = torch.tensor(x).float(), torch.tensor(kernel).float()
    sums = overlapping_sums(x_row, kernel_row, stride=stride)
    convolved = deconvolution(x_row.view(1, 1, -1), kernel_row.view(1, 1, -1), stride=stride).flatten()
    n_out = len(sums)
    assert n_out == 2 * stride + 3
    spread = np.zeros(n_out + 2, dtype=int)
    spread[2 : 2 + 2 * stride + 1 : stride] = x
    cells = stepper._cells
    for t in range(n_out + 1):
        stepper.t.value = t
        assert drawn(cells["kernel"]) == texts(kernel)
        assert drawn(cells["input"]) == texts(x)
        stamps = np.array(drawn(cells["stamps"]), dtype=object).reshape(3, 9)
        for i, number in enumerate(x):
            expected = np.full(9, None)
            expected[i * stride : i * stride + 3] = texts([number * k for k in kernel])
            assert list(stamps[i]) == list(expected)
        for name, numbers_there in (("left out", sums), ("right out", convolved)):
            filled = [text if i <= t else "" for i, text in enumerate(texts(numbers_there))]
            assert drawn(cells[name]) == filled + [None] * (9 - n_out)

        assert drawn(cells["padded"]) == texts(spread.tolist()) + [None] * (9 - n_out)
        window, products = np.full(11, None), np.full(11, None)
        if t < n_out:
            window[t : t + 3] = texts(kernel[::-1])
            products[t : t + 3] = texts([a * b for a, b in zip(kernel[::-1], spread[t : t + 3].tolist(), strict=True)])
            # What is highlighted on the left, and what on the right, adds up to the same number: the readout's.
            on_the_left = sum(int(text.replace("−", "-")) for text in stamps[:, t] if text is not None)
            on_the_right = sum(int(text.replace("−", "-")) for text in products[t : t + 3])
            assert numbers(stepper) == [sums[t], convolved[t]] == [on_the_left, on_the_right]
        assert drawn(cells["window"]) == list(window)
        assert drawn(cells["products"]) == list(products)


def test_deconvolution_points_at_the_column_the_window_and_the_outputs():
    stepper = DeconvolutionStepper(stride=3)
    for t in range(9):
        stepper.t.value = t
        (column, _), (window, _), (output, _) = map(corner, (stepper._column, stepper._window, stepper._output))
        assert column == pytest.approx(stepper.LEFT + t)
        assert window == pytest.approx(stepper.RIGHT + t)
        assert output == pytest.approx(window + 1)  # below the window's middle
        assert [text.get_text() for text in stepper._below] == [f"t = {t}"] * 2
    stepper.t.value = 9
    assert [corner(frame) for frame in (stepper._column, stepper._window, stepper._output)] == [None] * 3
    assert not any(text.get_visible() for text in stepper._below)
    assert in_colour(stepper, COLOURS[1]).sum() == 0


def test_a_number_has_its_colour_on_both_sides():
    stepper = DeconvolutionStepper(stride=2, t=2)
    cells = stepper._cells
    for i, colour in enumerate(stepper.STAMP_COLOURS):
        assert marked(cells["input"], colour) == [i]
        assert marked(cells["stamps"], colour) == [9 * i + 2 * i + j for j in range(3)]
        assert marked(cells["padded"], colour) == [2 + 2 * i]
    assert marked(cells["padded"], drawing.ZERO) == [0, 1, 3, 5, 7, 8]
    assert marked(cells["products"], drawing.ZERO) == [3]


def test_deconvolution_writes_out_both_sums():
    stepper = DeconvolutionStepper((1, 2, 3), (4, 5, 6), stride=1, t=3)
    assert stepper.readout.value == ("output 3: stamps 2·6 + 3·5 = <b>27</b>; reversed kernel 6·2 + 5·3 = <b>27</b>")
    stepper.t.value = 2
    assert "stamps 1·6 + 2·5 + 3·4 = <b>28</b>; reversed kernel 6·1 + 5·2 + 4·3 = <b>28</b>" in stepper.readout.value
    stepper.stride.value, stepper.t.value = 3, 4
    assert stepper.readout.value == "output 4: stamps 2·5 = <b>10</b>; reversed kernel 5·2 = <b>10</b>"
    stepper.x[1].value, stepper.kernel[1].value = -2, 9
    assert stepper.readout.value == "output 4: stamps (−2)·9 = <b>−18</b>; reversed kernel 9·(−2) = <b>−18</b>"


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("x", "kernel"), CASES)
def test_the_sums_that_are_written_out_have_the_value_that_is_given(x, kernel, stride):
    stepper = DeconvolutionStepper(x, kernel, stride=stride)
    for t in range(2 * stride + 3):
        stepper.t.value = t
        both = re.fullmatch(r"output \d: stamps (.*) = <b>(.*)</b>; reversed kernel (.*) = <b>(.*)</b>",
                            stepper.readout.value)  # fmt: skip
        for written, value in (both.groups()[:2], both.groups()[2:]):
            factors = [product.split("·") for product in written.replace("−", "-").split(" + ")]
            total = sum(int(a.strip("()")) * int(b.strip("()")) for a, b in factors)
            assert total == int(value.replace("−", "-"))


def test_after_the_last_output_the_readout_says_that_they_agree_and_notices_when_they_do_not(monkeypatch):
    stepper = DeconvolutionStepper(stride=2, t=7)
    assert stepper.readout.value.startswith("all 7 outputs by both computations: they agree ")
    assert numbers(stepper) == [7, 7]
    monkeypatch.setattr(computing, "overlapping_sums", lambda x, kernel, *, stride: torch.zeros(7))
    stepper.refresh()
    assert "they do <b>not</b> agree" in stepper.readout.value
    assert numbers(stepper) == [0, 7]
    monkeypatch.undo()
    monkeypatch.setattr(computing, "deconvolution", lambda x, weight, *, stride: torch.zeros(7))
    stepper.refresh()
    assert numbers(stepper) == [0, 7]


def test_with_another_stride_the_slider_ends_at_the_last_output():
    stepper = DeconvolutionStepper(stride=3, t=9)
    for stride, n_out in ((2, 7), (1, 5), (3, 9)):
        stepper.stride.value = stride
        assert stepper.t.max == stepper.play.max == n_out
        assert stepper.t.value <= n_out
        assert [text is None for text in drawn(stepper._cells["left out"])] == [False] * n_out + [True] * (9 - n_out)
    assert stepper.t.value == 5  # it went back with the outputs, and does not go on by itself
    assert stepper.readout.value.startswith("output 5: ")
    fresh = DeconvolutionStepper(stride=3, t=5)
    assert fresh.picture.value == stepper.picture.value


def test_nothing_is_drawn_outside_the_picture_with_the_largest_output():
    stepper = DeconvolutionStepper(stride=3)
    (width, _), (height, _) = stepper._figure.axes[0].get_xlim()[::-1], stepper._figure.axes[0].get_ylim()
    for cells in stepper._cells.values():
        for path in cells.squares.get_paths():
            box = path.get_extents()
            assert 0 < box.x0 < box.x1 < width
            assert 0 < box.y0 < box.y1 < height
    left, right = (stepper._cells[name].squares for name in ("left out", "padded"))
    assert max(path.get_extents().x1 for path in left.get_paths()) < stepper.RIGHT - 2.1  # the words' room
    assert min(path.get_extents().x0 for path in right.get_paths()) == pytest.approx(stepper.RIGHT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": (1, 2)}, r"^x must be whole numbers from −9 to 9 of shape \(3,\), not of shape \(2,\)"),
        ({"x": (1, 2, 10)}, "^x must be whole numbers from −9 to 9; it is"),
        ({"kernel": (1, 2, 3, 4)}, r"^kernel must be .* not of shape \(4,\)"),
        ({"kernel": (0.5, 1, 1)}, "^kernel must be whole numbers"),
        ({"kernel": (-10, 1, 1)}, "^kernel must be whole numbers"),
        ({"stride": 0}, "stride is 0; it must be 1, 2 or 3"),
        ({"stride": 4}, "stride is 4; it must be 1, 2 or 3"),
    ],
)
def test_deconvolution_refuses_other_numbers(change, message):
    with pytest.raises(ValueError, match=message):
        DeconvolutionStepper(**change)


# -------------------------------------------------------------------------------------------------- PositionsExplorer


def shown(explorer: PositionsExplorer) -> torch.Tensor:
    return torch.stack([torch.as_tensor(np.asarray(p.get_array())) for p in explorer._pictures])


@pytest.mark.parametrize(("a", "b"), [(0, 1), (3, 2), (4, 4)])
def test_positions_explorer_decodes_every_code_with_the_positions_it_names(a, b, model, images):
    explorer = PositionsExplorer(model, images)
    explorer.a.value, explorer.b.value = a, b
    codes = encode_all(model, images)
    with torch.no_grad():
        _, positions = model.encode_with_positions(images)
        generator = torch.Generator().manual_seed(0)
        shuffled = [p.shuffled(generator) for p in positions]

        def decoded(z, places, i):
            return model.decode(z[None], [p[[i]] for p in places])[0, 0]

        expected = [
            images[a, 0], images[b, 0],
            decoded(codes[a], positions, a), decoded(codes[a], positions, b), decoded(codes[b], positions, a),
            decoded(codes[a], shuffled, a), decoded(codes.mean(0), positions, a),
        ]  # fmt: skip
    torch.testing.assert_close(shown(explorer), torch.stack(expected))
    for i, pair in enumerate(explorer._errors):
        for text, j in zip(pair, (a, b), strict=True):
            sse = (expected[2 + i] - images[j, 0]).square().sum().item()
            assert float(text.get_text()) == pytest.approx(sse, abs=0.051)
    in_words = [(expected[i] - images[a, 0]).square().sum().item() for i in (2, 3, 5)]
    assert numbers(explorer) == pytest.approx(in_words, abs=0.006)
    # No two of the pictures are alike: a swap that was not made would be seen.
    if a != b:
        differences = torch.cdist(*2 * (torch.stack(expected).flatten(1),))
        assert (differences + torch.eye(7)).min() > 0.01


def test_positions_explorer_names_the_bits_beside_the_code(model, images):
    explorer = PositionsExplorer(model, images)
    n_bits = 2 * (3 * 5 * 4 + 4 * 3 * 2)
    assert n_bits == model.n_position_bits()
    assert explorer.readout.value.endswith(f"The code has 5 numbers; the positions are {n_bits:,.0f} bits more.")


def test_the_smaller_error_is_bold(model, images):
    explorer = PositionsExplorer(model, images)
    for a, b in ((0, 1), (1, 0), (2, 4)):
        explorer.a.value, explorer.b.value = a, b
        for pair in explorer._errors:
            values, weights = [float(t.get_text()) for t in pair], [t.get_weight() for t in pair]
            assert weights[int(np.argmin(values))] == "bold"
            assert weights.count("bold") == 1


class Recorder(nn.Module):
    """A model that decodes to a picture that says which code and which positions it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.unpool, self.seen, self.scale = "positions", [], nn.Parameter(torch.ones(1))

    def encode_with_positions(self, x):
        self.seen.append((self.training, torch.is_grad_enabled(), len(x)))
        return self.scale * x.flatten(1)[:, :3], [Positions(x.long()[..., :1, :1], (4, 4), 2)]

    def decode(self, z, positions):
        self.seen.append((self.training, torch.is_grad_enabled(), len(z)))
        return self.scale * z[:, :1, None, None] + 100 * positions[0].indices.float().expand(-1, -1, 4, 4)


@pytest.mark.parametrize("training", [True, False])
def test_the_images_are_encoded_once_in_eval_mode_without_a_gradient_and_the_mode_stays(training, images):
    recorder = Recorder().train(training)
    x = torch.arange(1.0, 4.0).view(3, 1, 1, 1).expand(3, 1, 4, 4)
    explorer = PositionsExplorer(recorder, x)
    explorer.a.value = 2
    assert recorder.seen == [(False, False, 3), (False, False, 5), (False, False, 5)]
    assert recorder.training is training
    values = shown(explorer)[:, 0, 0].tolist()
    # A = 3, B = 2, the average code 2; places ×100
    assert values[:5] == [3, 2, 303, 203, 302]
    assert values[6] == 302
    assert int(values[5]) % 100 == 3


def test_the_mode_stays_when_the_model_fails(images):
    class Failing(Recorder):
        def encode_with_positions(self, x):
            raise RuntimeError("deliberate")

    failing = Failing().train()
    with pytest.raises(RuntimeError, match="deliberate"):
        PositionsExplorer(failing, images)
    assert failing.training


def test_the_shuffled_positions_are_the_same_in_every_session(model, images):
    first, second = (PositionsExplorer(model, images) for _ in range(2))
    assert first.picture.value == second.picture.value
    torch.manual_seed(99)
    assert PositionsExplorer(model, images).picture.value == first.picture.value


def test_positions_explorer_refuses_what_has_no_positions_or_no_pair(model, images):
    for unpool in ("repeat", "transposed"):
        with pytest.raises(ValueError, match="unpool='positions'"):
            PositionsExplorer(ConvAutoencoder((1, 9, 8), 5, unpool=unpool), images)
    with pytest.raises(ValueError, match="unpool='positions'"):
        PositionsExplorer(nn.Identity(), images)
    with pytest.raises(ValueError, match="n must be at least 2"):
        PositionsExplorer(model, images[:1])
    for wrong in (torch.zeros(3, 3, 9, 8), torch.zeros(0, 1, 9, 8), torch.zeros(3, 9, 8)):
        with pytest.raises(ValueError, match="grey images"):
            PositionsExplorer(model, wrong)
    with pytest.raises(ValueError, match="it was given"):
        PositionsExplorer(model, torch.zeros(3, 1, 8, 8))
