"""The widgets' numbers, pictures and stills. How they behave under a learner's hands: tests/browser."""

import base64
import io
import json
import re
from pathlib import Path

import ipywidgets
import numpy as np
import pytest
import torch
from in_kernel import kernel
from matplotlib.figure import Figure
from PIL import Image
from setuptools import Distribution
from torch import nn

from course_utils.inference import decode_all, encode_all
from course_utils.metrics import sse_of_each_image
from course_utils.models import DeepAutoencoder
from course_utils.widgets import CodeSizeExplorer, LiveFigure, PCAExplorer, WalkExplorer
from course_utils.widgets.base import pixel_axes, pixel_figure
from course_utils.widgets.pointer import SCRIPTS, DrawingPad, PictureChooser, PlanePointer
from course_utils.widgets.stepper import Frame, Stepper


def numbers(widget: LiveFigure) -> list[float]:
    """The numbers set in bold in the line below the picture."""
    return [float(number) for number in re.findall(r"<b>(-?[\d.]+)</b>", widget.readout.value)]


def pixels(png: bytes) -> np.ndarray:
    """The picture's pixels; a damaged file raises."""
    Image.open(io.BytesIO(png)).verify()
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB"))


class Constant(nn.Module):
    """An "auto-encoder" that decodes everything to one image."""

    def __init__(self, image: torch.Tensor) -> None:
        super().__init__()
        self.image = nn.Parameter(image.flatten())

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :2]

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return self.image.expand(len(z), -1)


@pytest.fixture(scope="module")
def pca(digits):
    """Mean and components of the training digits, by numpy's singular values in double precision."""
    x = digits.train_images.flatten(1).double().numpy()
    _, _, components = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return x.mean(axis=0), components


@pytest.fixture
def pca_explorer(digits, pca):
    mean, components = (torch.from_numpy(array).float() for array in pca)
    return PCAExplorer(digits.test_images[:6], mean=mean, components=components[:200])


@pytest.fixture
def size_explorer():
    images = torch.rand(4, 1, 6, 5)
    by_size = {k: (images + 0.1 * torch.randn(images.shape)) for k in (2, 8, 32)}
    return CodeSizeExplorer(images, {"PCA": by_size, "deep": {k: x.square() for k, x in by_size.items()}})


@pytest.fixture
def walk_explorer():
    images = torch.rand(5, 1, 6, 5)
    return WalkExplorer(DeepAutoencoder((30, 8, 3)), images, start=1, end=3)


@pytest.fixture(params=["pca_explorer", "size_explorer", "walk_explorer"])
def explorer(request):
    return request.getfixturevalue(request.param)


def controls(explorer: LiveFigure) -> tuple[ipywidgets.Widget, ...]:
    return explorer.children[0].children


def another_value(control: ipywidgets.Widget) -> float:
    if isinstance(control, ipywidgets.SelectionSlider):
        return next(value for value in control.options if value != control.value)
    return control.value + control.step if control.value + control.step <= control.max else control.value - control.step


# ------------------------------------------------------------------------------------------------------- every widget


def test_each_control_brings_another_picture_and_its_first_value_the_first_picture_back(explorer):
    first = explorer.picture.value, explorer.readout.value
    for control in controls(explorer):
        before = control.value
        control.value = another_value(control)
        assert explorer.picture.value != first[0]
        control.value = before
        assert (explorer.picture.value, explorer.readout.value) == first  # nothing of the other state is left


def test_the_picture_is_a_png_as_wide_as_it_is_shown(explorer):
    height, width, _ = pixels(explorer.picture.value).shape
    assert explorer.picture.layout.width == f"{width}px"
    assert 100 < height < width


def test_the_bundle_holds_the_view_and_a_still_picture_and_can_be_stored_as_json(explorer):
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert json.loads(json.dumps(bundle)) == bundle
    assert bundle["text/plain"].startswith(f"{type(explorer).__name__}: ")
    still = base64.b64decode(bundle["image/png"], validate=True)
    assert np.array_equal(pixels(still), pixels(explorer.picture.value))


def test_the_still_follows_the_controls(explorer):
    control = controls(explorer)[0]
    before = explorer._repr_mimebundle_()
    control.value = another_value(control)
    after = explorer._repr_mimebundle_()
    assert after["image/png"] != before["image/png"]
    assert np.array_equal(pixels(base64.b64decode(after["image/png"])), pixels(explorer.picture.value))


def test_the_labels_of_the_controls_stand_in_front_of_them(explorer):
    labels = [control.description for control in controls(explorer)]
    assert all(labels)
    assert len(set(labels)) == len(labels)


def test_only_the_moving_artists_are_drawn_again():
    figure = Figure(figsize=(2, 1), dpi=50)
    still, moving = figure.subplots(1, 2)
    drawn = {"still": 0, "moving": 0}

    def count(name, artist):
        draw = artist.draw

        def counting(renderer):
            drawn[name] += 1
            return draw(renderer)

        artist.draw = counting
        return artist

    count("still", still.imshow(np.zeros((2, 2))))
    picture = count("moving", moving.imshow(np.zeros((2, 2)), vmin=0, vmax=1))
    slider = ipywidgets.IntSlider(0, 0, 10)

    class Tiny(LiveFigure):
        def update(self) -> str:
            picture.set_data(np.full((2, 2), slider.value / 10))
            return f"at {slider.value}"

    tiny = Tiny(figure, [slider], [picture])
    at_the_start = dict(drawn)
    slider.value = 7
    assert tiny.readout.value == "at 7"
    assert drawn == {"still": at_the_start["still"], "moving": at_the_start["moving"] + 1}


def test_update_and_frame_are_for_sub_classes_to_write():
    with pytest.raises(NotImplementedError):
        LiveFigure(Figure(), [], [])
    with pytest.raises(NotImplementedError):
        Stepper(Figure(), [], [], slider=ipywidgets.IntSlider())


def test_controls_that_are_set_while_held_are_not_drawn(walk_explorer, monkeypatch):
    drawn = []
    monkeypatch.setattr(walk_explorer, "refresh", lambda: drawn.append(walk_explorer.t.value))
    with walk_explorer.held():
        walk_explorer.start.value = walk_explorer.end.value = 0
    walk_explorer.t.value = 0.1
    with pytest.raises(RuntimeError, match="deliberate"), walk_explorer.held():
        raise RuntimeError("deliberate")
    walk_explorer.t.value = 0.2
    assert drawn == [0.1, 0.2]


def test_a_frame_hides_what_is_not_in_it_and_sets_what_is():
    figure = pixel_figure(200, 100)
    ax = pixel_axes(figure, 20, 10, 100, 50)
    texts, still = [ax.text(0, 0, "") for _ in range(2)], ax.set_title("")

    class Two(Stepper):
        def frame(self, step: int) -> Frame:
            return Frame({texts[step]: {"text": f"{step}!"}, still: {"text": f"title {step}"}}, f"step {step}")

    slider = ipywidgets.IntSlider(1, 0, 1)
    two = Two(figure, [slider], texts, slider=slider)
    for step in (1, 0, 1):
        slider.value = step
        assert [text.get_visible() for text in texts] == [step == 0, step == 1]
        assert (texts[step].get_text(), still.get_text()) == (f"{step}!", f"title {step}")
        assert two.readout.value == f"step {step}"
    assert still.get_visible()  # what does not move is not hidden


def test_axes_in_pixels_stand_where_they_are_said_to_stand():
    figure = pixel_figure(200, 100)
    assert pixel_axes(figure, 20, 10, 100, 50).get_window_extent().bounds == pytest.approx((20, 40, 100, 50))


# ------------------------------------------------------------------------------------------------------- the scripts


@pytest.mark.parametrize("widget", [DrawingPad, PictureChooser, PlanePointer])
def test_each_pointer_widget_sends_the_script_of_its_file(widget):
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", widget.__name__).lower()
    assert str(widget._esm) == (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")


def test_the_wheel_holds_the_scripts(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    distribution = Distribution()
    distribution.parse_config_files(["pyproject.toml"])
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    packed = {package: set(map(Path, names)) for package, _, _, names in command.get_data_files_without_manifest()}
    scripts = {path.name for path in SCRIPTS.glob("*.js")}
    assert len(scripts) == 3
    assert {path.name for path in packed["course_utils.widgets"]} == scripts


# --------------------------------------------------------------------------------------------- errors in a callback

FAILING_WIDGET = """
import ipywidgets
from matplotlib.figure import Figure
from course_utils.widgets import LiveFigure

slider = ipywidgets.IntSlider(0, 0, 10)

class Failing(LiveFigure):
    def update(self):
        if slider.value == 3:
            raise RuntimeError("deliberate")
        return f"at {slider.value}"

widget = Failing(Figure(figsize=(1, 1)), [slider], [])
slider.value = 3
"""


@pytest.mark.long
def test_an_error_in_a_callback_is_kept_below_the_picture_until_the_next_move_without_one():
    with kernel() as started:
        (output,) = started.run(FAILING_WIDGET)
        assert (output["output_type"], output["ename"], output["evalue"]) == ("error", "RuntimeError", "deliberate")
        assert started.run("assert widget.errors.outputs", "slider.value = 4") == []


def test_outside_a_notebook_an_error_in_a_callback_is_raised(pca_explorer):
    def update():
        raise RuntimeError("deliberate")

    pca_explorer.update = update
    with pytest.raises(RuntimeError, match="deliberate"):
        pca_explorer.k.value = 3


# ------------------------------------------------------------------------------------------------------- PCAExplorer


@pytest.mark.parametrize("k", [0, 1, 2, 10, 57, 199, 200])
def test_pca_explorer_shows_the_error_that_numpy_computes(k, digits, pca, pca_explorer):
    mean, components = pca
    x = digits.test_images[:6].flatten(1).double().numpy()
    x_hat = mean + (x - mean) @ components[:k].T @ components[:k]
    expected = np.square(x_hat - x).sum(axis=1)
    pca_explorer.k.value = k
    for i in (0, 5):
        pca_explorer.digit.value = i
        assert pca_explorer.readout.value.startswith(f"k = {k}: ")
        assert numbers(pca_explorer) == pytest.approx([expected[i], expected.mean()], abs=0.006)


def test_pca_explorer_restores_an_image_without_error_from_all_components():
    images, mean = torch.rand(3, 1, 4, 5), torch.rand(20)
    rotation = torch.linalg.qr(torch.randn(20, 20)).Q
    explorer = PCAExplorer(images, mean=mean, components=rotation, k=20)
    assert numbers(explorer) == [0, 0]


def test_pca_explorer_starts_at_the_largest_k_there_is(pca):
    mean, components = (torch.from_numpy(array).float() for array in pca)
    explorer = PCAExplorer(torch.rand(2, 1, 28, 28), mean=mean, components=components[:4], k=10)
    assert (explorer.k.min, explorer.k.value, explorer.k.max) == (0, 4, 4)
    assert (explorer.digit.min, explorer.digit.value, explorer.digit.max) == (0, 0, 1)


@pytest.mark.parametrize(("n_mean", "n_component"), [(783, 784), (784, 783), (1, 784), (28, 28)])
def test_pca_explorer_refuses_sizes_that_do_not_fit_and_names_them(n_mean, n_component):
    with pytest.raises(ValueError, match=f"784 numbers, the mean {n_mean}, a component {n_component}"):
        PCAExplorer(torch.rand(2, 1, 28, 28), mean=torch.rand(n_mean), components=torch.rand(5, n_component))


# -------------------------------------------------------------------------------------------------- CodeSizeExplorer


def test_code_size_explorer_shows_each_method_s_error_at_each_size():
    images = torch.rand(4, 1, 6, 5)
    reconstructions = {name: {k: torch.rand(4, 1, 6, 5) for k in (32, 2, 8)} for name in ("PCA", "deep", "other")}
    explorer = CodeSizeExplorer(images, reconstructions)
    assert explorer.size.options == (2, 8, 32)
    for i in (0, 3):
        explorer.digit.value = i
        for k in (2, 8, 32):
            explorer.size.value = k
            differences = [(by_size[k] - images)[i].double().numpy() for by_size in reconstructions.values()]
            assert numbers(explorer) == pytest.approx([np.square(d).sum() for d in differences], abs=0.006)
            text = explorer.readout.value
            assert text.startswith(f"code of {k} numbers: ")
            assert text.index("PCA") < text.index("deep") < text.index("other")


@pytest.mark.parametrize("sizes", [(2, 4), (2, 4, 16), (2, 4, 8, 16), ()])
def test_code_size_explorer_refuses_methods_with_different_sizes(sizes):
    images = torch.rand(2, 1, 6, 5)
    with pytest.raises(ValueError, match="same code sizes"):
        CodeSizeExplorer(images, {"PCA": dict.fromkeys((2, 4, 8), images), "deep": dict.fromkeys(sizes, images)})


def test_code_size_explorer_refuses_reconstructions_of_another_shape():
    images = torch.rand(2, 1, 6, 5)
    with pytest.raises(ValueError, match="must agree"):
        CodeSizeExplorer(images, {"PCA": {2: images[:1]}})


# ------------------------------------------------------------------------------------------------------ WalkExplorer


@pytest.mark.parametrize(("t", "end"), [(0, "start"), (1, "end")])
def test_walk_explorer_begins_and_ends_in_pixels_with_the_digits_themselves(t, end, digits):
    images = digits.test_images[:4]
    start_and_end = {"start": 3, "end": 2}
    # Against a decoder that always gives that digit: the two pictures are 0 apart only where the pixels are the digit.
    explorer = WalkExplorer(Constant(images[start_and_end[end]]), images, **start_and_end)
    explorer.t.value = t
    assert numbers(explorer) == [0]
    explorer.t.value = 0.5
    assert numbers(explorer)[0] > 1


def test_walk_explorer_mixes_pixels_and_codes_in_the_same_share():
    model, images = DeepAutoencoder((30, 8, 3)), torch.rand(5, 1, 6, 5)
    explorer = WalkExplorer(model, images)
    explorer.start.value, explorer.end.value = 4, 1
    codes = encode_all(model, images)
    for t in (0.0, 0.22, 0.5, 1.0):
        explorer.t.value = t
        mixed = ((1 - t) * images[4] + t * images[1])[None]
        decoded = decode_all(model, ((1 - t) * codes[4] + t * codes[1])[None]).view_as(mixed)
        assert explorer.readout.value.startswith(f"t = {t:.2f}: ")
        assert numbers(explorer) == pytest.approx([sse_of_each_image(mixed, decoded).item()], abs=0.006)


def test_walk_explorer_leaves_the_model_in_its_mode():
    model = DeepAutoencoder((30, 3)).train()
    WalkExplorer(model, torch.rand(2, 1, 6, 5))
    assert model.training


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (0, 1, 8, 8), (2, 8, 8)])
def test_images_that_are_not_grey_are_refused_by_every_widget(shape):
    images, grey = torch.zeros(shape), torch.zeros(2, 1, 8, 8)
    with pytest.raises(ValueError, match="grey images"):
        PCAExplorer(images, mean=torch.zeros(64), components=torch.eye(64)[:3])
    with pytest.raises(ValueError, match="grey images"):
        CodeSizeExplorer(images, {"PCA": {2: grey}})
    with pytest.raises(ValueError, match="grey images"):
        WalkExplorer(torch.nn.Identity(), images)


def test_a_comparison_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no method"):
        CodeSizeExplorer(torch.zeros(2, 1, 8, 8), {})
