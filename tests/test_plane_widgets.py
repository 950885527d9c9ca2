"""What the widgets of notebook 8 show and say of a code, against codes, drifts and distances computed here."""

import base64
import html
import io
import json
import re

import ipywidgets
import numpy as np
import pytest
import torch
from caught import Caught
from PIL import Image
from torch import Tensor, nn

from course_utils.generation import limits_of
from course_utils.inference import decode_all, encode_all
from course_utils.models import ConvAutoencoder, DeepAutoencoder, VariationalAutoencoder
from course_utils.plotting import COLOURS, class_colours
from course_utils.widgets import CodeSliders, LiveFigure, PlaneExplorer
from course_utils.widgets.pointer import PlanePointer

N, H, W = 60, 9, 8
CLASSES = ("zero", "one", "<two>")


class Halves(nn.Module):
    """An auto-encoder on a plane that one can compute by hand: the code is the first two pixels, four times as large.

    All pixels of the left half are decoded from the first number, those of the right half from the second, clipped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(4.0))

    def encode(self, x: Tensor) -> Tensor:
        return self.scale * x[:, 0, 0, [0, -1]]

    def decode(self, z: Tensor) -> Tensor:
        return (z / self.scale).clamp(0, 1).repeat_interleave(W // 2, dim=1).repeat(1, H)


@pytest.fixture(scope="module")
def images():
    return torch.rand(N, 1, H, W, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def labels():
    return torch.arange(N) % 3


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    sizes = (H * W, 16, 2)
    return {"plain": DeepAutoencoder(sizes), "<vae>": VariationalAutoencoder(sizes), "halves": Halves()}


@pytest.fixture
def explorer(models, images, labels):
    return PlaneExplorer(models, images, labels, class_names=CLASSES)


def pixels(png: bytes) -> np.ndarray:
    Image.open(io.BytesIO(png)).verify()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def point(explorer: PlaneExplorer, *at: object) -> None:
    """As the browser does after a move of the pointer."""
    explorer.pointer.set_state({"at": list(at), "n_sent": explorer.pointer.n_sent + 1})


def says(widget: LiveFigure) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", widget.readout.value))


def number(widget: LiveFigure, before: str) -> float:
    """The number that follows these words in the text."""
    return float(re.search(re.escape(before) + r"\s*(−?[\d.,]*\d)", says(widget))[1].replace("−", "-").replace(",", ""))


def shown(widget: LiveFigure) -> list[np.ndarray]:
    return [np.asarray(picture.get_array()) for picture in widget._pictures]


# --------------------------------------------------------------------------------------------- what is at the pointer


@pytest.mark.parametrize("name", ["plain", "<vae>", "halves"])
def test_at_the_pointer_stands_what_the_decoder_makes_of_the_place(name, explorer, models, images, labels):
    explorer.model.value = name
    codes = encode_all(models[name], images)
    (low, high), own = limits_of(codes), encode_all(models[name], decode_all(models[name], codes).view(-1, 1, H, W))
    width, usual = high[0] - low[0], (own - codes).norm(dim=1).median().item()
    for at in ((0.5, 0.5), (0.0, 1.0), (0.83, 0.17)):
        point(explorer, *at)
        z = torch.tensor([[low[i] + at[i] * (high[i] - low[i]) for i in (0, 1)]])
        image = decode_all(models[name], z).view(1, 1, H, W)
        distances = np.linalg.norm(codes.numpy() - z.numpy(), axis=1)
        nearest = int(distances.argmin())
        decoded, neighbour = shown(explorer)
        np.testing.assert_allclose(decoded, image[0, 0], atol=1e-6)
        np.testing.assert_allclose(neighbour, images[nearest, 0])
        said = re.search(r"z = \((−?[\d.]+), (−?[\d.]+)\);", says(explorer)).groups()
        assert [float(share.replace("−", "-")) for share in said] == pytest.approx(z[0].tolist(), abs=0.0051)
        assert number(explorer, "of the plane's width):") == (distances < 0.05 * width).sum()
        assert f"the nearest is of a “{CLASSES[labels[nearest]]}”" in says(explorer)
        drift = np.linalg.norm(encode_all(models[name], image).numpy() - z.numpy())
        assert number(explorer, "− z|:") == pytest.approx(drift, abs=0.00051)
        assert f"{100 * drift / width:.1f} % of the width" in says(explorer)
        assert number(explorer, "codes of images:") == pytest.approx(100 * usual / width, abs=0.051)


def test_a_code_that_comes_back_has_no_drift_and_one_beyond_white_has(explorer):
    explorer.model.value = "halves"
    point(explorer, 0.5, 0.5)
    assert number(explorer, "− z|:") == 0
    point(explorer, 1.0, 0.5)  # the plane is wider than the codes: a number above 4 is clipped to white
    beyond = number(explorer, "z = (") - 4
    assert beyond > 0.05
    assert number(explorer, "− z|:") == pytest.approx(beyond, abs=0.006)


def test_right_is_the_first_number_and_up_the_second(explorer):
    explorer.model.value = "halves"
    left, right = shown(explorer)[0][:, 0], shown(explorer)[0][:, -1]
    point(explorer, 0.9, 0.1)
    assert (shown(explorer)[0][:, 0] > 0.7).all()
    assert (shown(explorer)[0][:, -1] < 0.3).all()
    assert not np.array_equal(shown(explorer)[0][:, 0], left)
    assert not np.array_equal(shown(explorer)[0][:, -1], right)


def test_the_cross_begins_at_the_first_image_s_code(explorer, models, images):
    z = encode_all(models["plain"], images)[0]
    assert [number(explorer, "z = (")] == pytest.approx([z[0].item()], abs=0.0051)
    assert explorer.pointer.place == explorer._place
    np.testing.assert_allclose(shown(explorer)[1], images[0, 0])


def test_another_place_brings_another_picture_and_the_first_place_the_first_back(explorer):
    point(explorer, 0.2, 0.3)
    first = explorer.picture.value, explorer.readout.value
    for at in ((0.8, 0.3), (0.2, 0.9)):
        point(explorer, *at)
        assert explorer.picture.value != first[0]
        assert explorer.readout.value != first[1]
    point(explorer, 0.2, 0.3)
    assert (explorer.picture.value, explorer.readout.value) == first


NO_PLACES = (None, [], [0.5], [0.1, 0.2, 0.3], [None, 0.5], ["0.5", 0.5], [float("nan"), 0.5], [1.01, 0.5],
             [0.5, -0.01], [True, 0.5], {"x": 0.5}, "ab", 3)  # fmt: skip


def test_a_message_without_a_valid_place_is_answered_and_changes_nothing(explorer, monkeypatch):
    point(explorer, 0.2, 0.3)
    before = explorer.picture.value, explorer.readout.value
    with monkeypatch.context() as unmoved:
        unmoved.setattr(explorer, "refresh", lambda: pytest.fail(f"moved to {explorer.pointer.at}"))
        for n, at in enumerate(NO_PLACES, start=2):
            explorer.pointer.set_state({"at": at, "n_sent": n})
            assert explorer.pointer.n_answered == n
    explorer.overlay.value = "digits"  # nor later, when something else is asked for
    explorer.overlay.value = "codes"
    assert (explorer.picture.value, explorer.readout.value) == before


def test_every_message_is_answered_once_after_it_was_handled(explorer, monkeypatch):
    answered_before, refresh = [], explorer.refresh
    monkeypatch.setattr(explorer, "refresh", lambda: (answered_before.append(explorer.pointer.n_answered), refresh()))
    for n in (1, 2, 3):
        point(explorer, n / 4, 0.5)
        assert explorer.pointer.n_answered == n
    assert answered_before == [0, 1, 2]


# -------------------------------------------------------------------------------------------------- the plane's picture


def plane_of(explorer: PlaneExplorer) -> np.ndarray:
    """The plane as the browser gets it, without its axes: `(392, 392, 3)`, the first row at the top."""
    left, top, wide, high = explorer.pointer.frame
    whole = pixels(explorer.pointer.png)
    height, width, _ = whole.shape
    assert width == explorer.pointer.width
    rows = slice(round(top * height), round((top + high) * height))
    return whole[rows, round(left * width) : round((left + wide) * width)]


def at_code(explorer: PlaneExplorer, values: np.ndarray, z: Tensor, codes: Tensor) -> np.ndarray:
    """What stands in the picture of the plane at codes `(n, 2)`."""
    low, high = (np.array(corner) for corner in limits_of(codes))
    side = len(values)
    shares = (z.numpy() - low) / (high - low)
    columns = (shares[:, 0] * side).astype(int).clip(0, side - 1)
    return values[((1 - shares[:, 1]) * side).astype(int).clip(0, side - 1), columns]


def test_each_model_and_overlay_has_a_plane_of_its_own_that_comes_back(explorer):
    planes = {}
    for _ in range(2):
        for name in ("plain", "<vae>", "halves"):
            for overlay in ("codes", "density", "holes", "digits"):
                explorer.model.value, explorer.overlay.value = name, overlay
                assert planes.setdefault((name, overlay), explorer.pointer.png) == explorer.pointer.png
                assert plane_of(explorer).shape == (392, 392, 3)
    assert len(set(planes.values())) == len(planes) == 12


def test_a_plane_is_drawn_once(explorer, monkeypatch):
    explorer.overlay.value = "density"
    monkeypatch.setattr(explorer, "_plane_figure", lambda *names: pytest.fail(f"drawn again: {names}"))
    explorer.overlay.value = "codes"
    explorer.overlay.value = "density"
    point(explorer, 0.1, 0.1)
    with pytest.raises(pytest.fail.Exception, match="holes"):
        explorer.overlay.value = "holes"


def test_the_codes_are_where_they_are_drawn_in_the_colour_of_their_class(explorer, models, images, labels):
    explorer.model.value = "halves"
    codes, plane = encode_all(models["halves"], images), plane_of(explorer)
    colours = 255 * (0.7 * np.array(class_colours(3)) + 0.3)  # points that let 30 % of the ground through
    distances = np.abs(at_code(explorer, plane, codes, codes) - colours[labels]).max(axis=1)
    assert (distances < 40).mean() > 0.7  # the others lie below a name, or at the edge
    other = np.abs(at_code(explorer, plane, codes, codes) - colours[(labels + 1) % 3]).max(axis=1)
    assert (other < 40).mean() < 0.2


def test_the_density_is_dark_where_codes_are_and_light_where_there_are_none(explorer, models, images):
    explorer.overlay.value = "density"
    codes = encode_all(models["plain"], images)
    explorer_plane = explorer._planes["plain"]
    cells = explorer_plane.cells(49)
    n_near = (np.linalg.norm(codes.numpy()[None] - cells.numpy()[:, None], axis=2) < 0.05 * explorer_plane.width).sum(1)
    np.testing.assert_array_equal(explorer_plane.density_map.ravel(), n_near)
    blue = at_code(explorer, plane_of(explorer), cells, codes)[:, 0]  # the redder, the lighter
    assert blue[n_near == n_near.max()].mean() < 80
    assert blue[n_near == 0].mean() > 220


def test_the_holes_are_bright_where_the_drift_is_large(explorer, models, images):
    explorer.model.value, explorer.overlay.value = "halves", "holes"
    codes, plane = encode_all(models["halves"], images), explorer._planes["halves"]
    cells = plane.cells(49)
    drift = (cells - cells.clamp(0, 4)).norm(dim=1) / plane.width
    np.testing.assert_allclose(plane.drift_map.ravel(), 100 * drift, atol=1e-3)
    drawn = at_code(explorer, plane_of(explorer), cells, codes).sum(axis=1)
    assert drift.max() > 0.03
    assert drawn[drift > 0.03].mean() > drawn[drift == 0].mean() + 50


def test_the_tiles_are_decoded_from_their_middles(explorer, models, images):
    explorer.model.value, explorer.overlay.value = "halves", "digits"
    codes, plane = encode_all(models["halves"], images), plane_of(explorer)
    low, high = (np.array(corner) for corner in limits_of(codes))
    for row, column in ((0, 0), (13, 0), (0, 13), (5, 9)):
        tile = plane[28 * row : 28 * (row + 1), 28 * column : 28 * (column + 1), 0]
        x, y = low + (high - low) * (np.array([column, 13 - row]) + 0.5) / 14
        expected = 255 * np.clip([x / 4, y / 4], 0, 1)
        assert [tile[14, 7], tile[14, 21]] == pytest.approx(expected, abs=3)


def test_the_plane_s_script_fetches_nothing_and_says_what_it_is_for():
    script = str(PlanePointer._esm)
    assert "export default" in script
    assert not re.search(r"https?:|\bimport\b|fetch\(|XMLHttp|WebSocket", script)
    assert '"the code plane: move the pointer over it, or use the arrow keys"' in script


# --------------------------------------------------------------------------------------------- still, markup and errors


def test_the_still_shows_the_plane_with_its_cross_and_the_digit(explorer):
    point(explorer, 0.25, 0.75)
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert json.loads(json.dumps(bundle)) == bundle
    assert bundle["text/plain"].startswith("PlaneExplorer: z = (")
    still, plane, digit = map(
        pixels, (base64.b64decode(bundle["image/png"]), explorer.pointer.png, explorer.picture.value)
    )
    assert still.shape == (plane.shape[0], plane.shape[1] + digit.shape[1], 3)
    assert np.array_equal(still[:, plane.shape[1] :], digit)
    differs = (still[:, : plane.shape[1]] != plane).any(axis=2)
    left, top, wide, high = explorer.pointer.frame
    x, y = (left + 0.25 * wide) * plane.shape[1], (top + 0.25 * high) * plane.shape[0]
    rows, columns = np.nonzero(differs)
    near = (np.abs(rows - y) < 9) | (np.abs(columns - x) < 9)
    assert near.all()
    vermillion = [int(COLOURS[1][i : i + 2], 16) for i in (1, 3, 5)]
    ring = np.argwhere((still == vermillion).all(axis=2) & np.pad(differs, ((0, 0), (0, digit.shape[1]))))
    assert ring.mean(axis=0) == pytest.approx([y, x], abs=1.5)


def test_the_still_follows_each_control(explorer):
    stills = [explorer._repr_mimebundle_()["image/png"]]
    point(explorer, 0.9, 0.9)
    stills.append(explorer._repr_mimebundle_()["image/png"])
    for control in (explorer.model, explorer.overlay):
        control.value = control.options[2]
        stills.append(explorer._repr_mimebundle_()["image/png"])
    assert len(set(stills)) == 4


def test_markup_in_class_names_is_shown_as_it_is_written(explorer, labels):
    places = iter(np.random.default_rng(0).uniform(0, 1, (200, 2)).tolist())
    while "<two>" not in says(explorer):
        point(explorer, *next(places))
    assert "“&lt;two&gt;”" in explorer.readout.value


def test_without_names_the_classes_are_called_by_their_numbers(models, images, labels):
    explorer = PlaneExplorer({"plain": models["plain"]}, images, labels + 4)
    assert "the nearest is of a “4”" in says(explorer)


def test_the_overlay_to_begin_with_can_be_named(models, images, labels):
    explorer = PlaneExplorer(models, images, labels, overlay="holes")
    first = explorer.pointer.png
    explorer.overlay.value = "codes"
    assert explorer.pointer.png != first


def test_codes_that_are_all_the_same_still_make_a_plane(models, labels):
    explorer = PlaneExplorer({"plain": models["plain"]}, torch.zeros(N, 1, H, W), labels)
    for overlay in explorer.overlay.options:
        explorer.overlay.value = overlay
    assert f"{N} of {N}" in says(explorer)


def test_an_error_at_the_pointer_is_shown_below_and_answered_and_goes_with_the_next_move(explorer, monkeypatch):
    explorer.errors = Caught()
    with monkeypatch.context() as broken:
        broken.setattr(DeepAutoencoder, "decode", lambda self, z: 1 / 0)
        point(explorer, 0.3, 0.3)
        assert explorer.errors.outputs == ("division by zero",)
        assert explorer.pointer.n_answered == 1
    point(explorer, 0.4, 0.3)
    assert explorer.errors.outputs == ()


def test_the_output_stands_below_the_plane_and_the_readout(explorer):
    controls, beside, *below = explorer.children
    assert controls.children == (explorer.model, explorer.overlay)
    assert beside.children == (explorer.pointer, explorer.picture)
    assert below == [explorer.readout, explorer.errors]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": {}}, "models is empty"),
        ({"models": {"long": DeepAutoencoder((H * W, 3))}}, r"long has codes of shape \(60, 3\).*2 numbers"),
        ({"models": {"small": DeepAutoencoder((5, 2))}}, "5 numbers"),
        ({"images": torch.rand(N, 3, H, W)}, "grey images"),
        ({"images": torch.rand(0, 1, H, W)}, "grey images"),
        ({"labels": torch.zeros(N - 1, dtype=torch.int64)}, "59.*60 images"),
        ({"labels": torch.zeros(N, 1, dtype=torch.int64)}, "60 images"),
        ({"labels": torch.zeros(N)}, "whole numbers"),
        ({"labels": torch.arange(N) - 1}, "from -1"),
        ({"class_names": ("zero", "one")}, "below 2"),
    ],
)
def test_what_has_no_plane_is_refused(changes, message, models, images, labels):
    arguments = {"models": models, "images": images, "labels": labels, **changes}
    with pytest.raises(ValueError, match=message):
        PlaneExplorer(arguments.pop("models"), arguments.pop("images"), arguments.pop("labels"), **arguments)


# ---------------------------------------------------------------------------------------------------------- CodeSliders

N_CODES = 5


@pytest.fixture(scope="module")
def deep():
    torch.manual_seed(3)
    return DeepAutoencoder((H * W, 12, N_CODES))


@pytest.fixture
def sliders(deep, images):
    return CodeSliders(deep, images)


def ends(slider: ipywidgets.SelectionSlider) -> tuple[float, float]:
    """A slider's lowest and highest value."""
    return slider.options[0][1], slider.options[-1][1]


def check_sliders(widget: CodeSliders, model: nn.Module, z: Tensor, x: Tensor) -> None:
    """The pictures, SSE, drift and points of a code `(n_codes,)` beside an image `(1, h, w)`."""
    x_hat = decode_all(model, z[None]).view(1, 1, H, W)
    original, decoded = shown(widget)
    np.testing.assert_allclose(original, x[0])
    np.testing.assert_allclose(decoded, x_hat[0, 0], atol=1e-6)
    assert number(widget, f"SSE to digit no. {widget.digit.value}") == pytest.approx(
        np.square((x_hat[0] - x).numpy()).sum(), abs=0.0051
    )
    assert number(widget, "− z|") == pytest.approx((encode_all(model, x_hat) - z).norm().item(), abs=0.0051)
    assert number(widget, "length being") == pytest.approx(z.norm().item(), abs=0.0051)
    np.testing.assert_allclose(widget._points.get_ydata(), z, rtol=1e-6)


@pytest.mark.parametrize("i", [0, 3, N - 1])
def test_an_image_sets_the_sliders_to_its_code(i, sliders, deep, images):
    sliders.digit.value = i
    z = encode_all(deep, images)[i]
    check_sliders(sliders, deep, z, images[i])
    for slider, number in zip(sliders.sliders, z.tolist(), strict=True):
        lowest, highest = ends(slider)
        half_a_step = (highest - lowest) / (len(slider.options) - 1) / 2
        assert slider.value == pytest.approx(min(max(number, lowest), highest), abs=half_a_step + 1e-6)
    assert says(sliders).startswith(f"the code of digit no. {i}: ")


def test_each_slider_moves_its_number_and_no_other(sliders, deep, images):
    z = encode_all(deep, images)[0].clone()
    pictures = {sliders.picture.value}
    for i, slider in enumerate(sliders.sliders):
        slider.value = z[i] = ends(slider)[1]
        check_sliders(sliders, deep, z, images[0])
        pictures.add(sliders.picture.value)
    assert len(pictures) == 1 + N_CODES
    assert says(sliders).startswith("the code of digit no. 0, moved: ")


def test_the_ranges_are_three_standard_deviations_around_the_mean(sliders, deep, images):
    codes = encode_all(deep, images).double().numpy()
    for i, slider in enumerate(sliders.sliders):
        mean, sd = codes[:, i].mean(), codes[:, i].std()
        assert ends(slider) == pytest.approx((mean - 3 * sd, mean + 3 * sd), rel=1e-4)
        assert slider.description == f"number {i + 1}"


def test_the_button_sets_the_mean_code_and_an_image_takes_over_again(sliders, deep, images):
    sliders.digit.value = 2
    first = sliders.picture.value
    sliders.reset.click()
    check_sliders(sliders, deep, encode_all(deep, images).mean(dim=0), images[2])
    assert says(sliders).startswith("the mean code: ")
    sliders.digit.value = 1
    sliders.digit.value = 2
    assert sliders.picture.value == first


@pytest.mark.parametrize("act", ["image", "button"])
def test_many_sliders_that_are_set_at_once_are_drawn_once(act, sliders, monkeypatch):
    drawn, refresh = [], sliders.refresh
    monkeypatch.setattr(sliders, "refresh", lambda: (drawn.append(1), refresh()))
    if act == "image":
        sliders.digit.value = 4
    else:
        sliders.reset.click()
    assert len(drawn) == 1


def test_of_a_longer_code_the_numbers_that_vary_most_have_sliders_and_the_others_stay(deep, images):
    widget = CodeSliders(deep, images, n_sliders=2)
    codes = encode_all(deep, images)
    chosen = codes.std(dim=0).argsort(descending=True)[:2].tolist()
    assert [slider.description for slider in widget.sliders] == [f"number {i + 1}" for i in chosen]
    (label,) = [c.value for c in widget.children[0].children if hasattr(c, "value")]
    assert label == "the 2 numbers of the code that vary most, of 5: most first"
    widget.digit.value = 7
    z = codes[7].clone()
    widget.sliders[1].value = z[chosen[1]] = ends(widget.sliders[1])[0]
    check_sliders(widget, deep, z, images[7])


def test_a_value_beyond_its_range_counts_until_its_slider_is_moved(deep, images):
    # Of 30 equal images and one other, that one lies √30 standard deviations from the mean.
    x = torch.cat([images[:1].expand(30, -1, -1, -1), images[1:2]])
    widget = CodeSliders(deep, x)
    widget.digit.value = 30
    z = encode_all(deep, x)[30].clone()
    assert any(abs(slider.value - value) > 1e-3 for slider, value in zip(widget.sliders, z.tolist(), strict=True))
    check_sliders(widget, deep, z, images[1])
    widget.sliders[0].value = z[0] = widget._mean[0].item()
    check_sliders(widget, deep, z, images[1])


def test_a_number_that_never_varies_has_a_slider_all_the_same(deep, images):
    widget = CodeSliders(deep, images[:1])
    first = widget.picture.value
    for slider in widget.sliders:
        assert ends(slider)[0] < slider.value < ends(slider)[1]
    widget.sliders[0].index += 5
    assert widget.picture.value != first


def test_an_error_below_the_sliders_is_shown_and_goes_with_the_next_move(sliders, monkeypatch):
    sliders.errors = Caught()
    with monkeypatch.context() as broken:
        broken.setattr(DeepAutoencoder, "decode", lambda self, z: 1 / 0)
        sliders.reset.click()
        assert sliders.errors.outputs == ("division by zero",)
        sliders.sliders[0].index += 1
        assert sliders.errors.outputs == ("division by zero",)
    sliders.digit.value = 1
    assert sliders.errors.outputs == ()


def test_the_bundle_of_the_sliders_holds_the_still_that_follows_them(sliders):
    stills = []
    for value in ends(sliders.sliders[0]):
        sliders.sliders[0].value = value
        bundle = sliders._repr_mimebundle_()
        assert bundle["text/plain"].startswith("CodeSliders: the code of digit no. 0, moved: SSE to digit no. 0")
        still = pixels(base64.b64decode(bundle["image/png"]))
        assert np.array_equal(still, pixels(sliders.picture.value))
        stills.append(bundle["image/png"])
    assert stills[0] != stills[1]


def test_sliders_for_nothing_are_refused(deep, images):
    with pytest.raises(ValueError, match="at least 1"):
        CodeSliders(deep, images, n_sliders=0)
    with pytest.raises(ValueError, match="grey images"):
        CodeSliders(deep, images.expand(-1, 3, -1, -1))
    with pytest.raises(ValueError, match="from a code alone"):
        CodeSliders(ConvAutoencoder((1, H, W), 3, unpool="positions"), images)
