"""What the widget of notebook 7 shows and says, against noise, nets, filters and decibels computed here."""

import base64
import html
import io
import json
import math
import re

import numpy as np
import pytest
import torch
from caught import Caught
from PIL import Image
from torch import Tensor, nn

from course_utils.corruption import corrupted, gaussian, masking, salt_and_pepper
from course_utils.filters import TunedFilter, best_filter
from course_utils.inference import reconstruct
from course_utils.models import DeepAutoencoder
from course_utils.widgets import DenoisingExplorer
from course_utils.widgets.pointer import DrawingPad

NOISES = {"Gaussian": gaussian, "masking": masking, "salt and pepper": salt_and_pepper}


class Dim(nn.Module):
    """A "net" that restores every image as itself, darker."""

    def __init__(self, share: float = 0.9) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(share))

    def forward(self, x: Tensor) -> Tensor:
        return self.share * x


def some_digits(n: int, size: int = 28) -> Tensor:
    """Bright bars at different places on black."""
    x = torch.zeros(n, 1, size, size)
    for i in range(n):
        x[i, 0, 3 : size - 3, 2 + i % (size - 5) : 5 + i % (size - 5)] = 0.6 + 0.05 * (i % 8)
    return x


@pytest.fixture(scope="module")
def images():
    return some_digits(6)


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    return {"dim": Dim(), "<deep>": DeepAutoencoder((784, 16, 4))}


@pytest.fixture(scope="module")
def training_images():
    return some_digits(2).flip(3)


@pytest.fixture(scope="module")
def tuned(models, images, training_images):
    """The tuning takes a quarter of a second, and is the same for every explorer of this file."""
    return DenoisingExplorer(models, images, training_images=training_images)._filters


@pytest.fixture
def explorer(models, images, training_images, tuned, monkeypatch):
    monkeypatch.setattr(DenoisingExplorer, "_tuned", lambda self, x: tuned)
    return DenoisingExplorer(models, images, training_images=training_images)


def shown(explorer: DenoisingExplorer) -> np.ndarray:
    """The four pictures: clean, noisy, net, filter."""
    return np.stack([np.asarray(picture.get_array()) for picture in explorer._pictures])


def says(explorer: DenoisingExplorer) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", explorer.readout.value))


def psnr(x_hat: np.ndarray, x: np.ndarray) -> float:
    return -10 * math.log10(np.square(x_hat.astype(np.float64) - x).mean())


def draw(explorer: DenoisingExplorer, drawing: np.ndarray) -> None:
    """As the browser does after a stroke."""
    data = memoryview(drawing.astype(np.uint8).tobytes())
    explorer.pad.set_state({"drawing": data, "n_sent": explorer.pad.n_sent + 1})


A_STROKE = np.zeros((28, 28))
A_STROKE[12:16, 4:24] = 255


# ------------------------------------------------------------------------------------------------------ what is shown


@pytest.mark.parametrize("name", ["dim", "<deep>"])
@pytest.mark.parametrize(
    ("noise", "level", "digit", "seed"),
    [("Gaussian", 0.5, 0, 0), ("Gaussian", 0.1, 5, 3), ("masking", 0.7, 2, 99), ("salt and pepper", 0.3, 1, 4)],
)
def test_the_pictures_and_their_decibels_are_those_of_noise_net_and_filter(
    name, noise, level, digit, seed, explorer, models, images, training_images
):
    explorer.model.value, explorer.noise.value, explorer.level.value = name, noise, level
    explorer.digit.value, explorer.seed.value = digit, seed
    x, corruption = images[[digit]], NOISES[noise](level)
    x_noisy = corrupted(x, corruption, seed=seed)
    by_filter = best_filter(corrupted(training_images, corruption, seed=0), training_images,
                            names=("median", "Gaussian", "total variation"))  # fmt: skip
    expected = torch.cat([x, x_noisy, reconstruct(models[name], x_noisy), by_filter(x_noisy)])[:, 0].numpy()
    np.testing.assert_allclose(shown(explorer), expected, atol=1e-6)
    decibels = [psnr(image, expected[0]) for image in expected[1:]]
    assert [float(text.get_text().removesuffix(" dB")) for text in explorer._psnrs[1:]] == pytest.approx(
        decibels, abs=0.0051
    )
    words = says(explorer)
    assert words.startswith(f"digit no. {digit}, {noise} noise, ")
    assert [float(number) for number in re.findall(r"(-?[\d.]+) dB[,.]", words)[:3]] == pytest.approx(
        decibels, abs=0.0051
    )
    better = "net" if decibels[1] > decibels[2] else "filter"
    gain = abs(decibels[1] - decibels[2])
    verdict = re.search(r"The (net|filter) is better by ([\d.]+) dB: .* error is ([\d.]+) times", words)
    assert verdict[1] == better
    assert float(verdict[2]) == pytest.approx(gain, abs=0.0051)
    assert float(verdict[3]) == pytest.approx(10 ** (gain / 10), abs=0.051)
    assert f"“{name}”" in words
    assert by_filter.name in words
    assert explorer._names[2].get_text() == name
    assert explorer._names[3].get_text().startswith(by_filter.name)


@pytest.mark.parametrize("name", ["dim", "<deep>"])
def test_the_better_one_is_bold_at_every_level(name, explorer):
    explorer.model.value = name
    for level in explorer.level.options:
        explorer.level.value = level
        net, by_filter = (text.get_weight() for text in explorer._psnrs[2:])
        assert {net, by_filter} == {"bold", "normal"}
        assert ("The net is better" in says(explorer)) == (net == "bold")
        assert name == "dim" or by_filter == "bold"  # an untrained net beats no filter


def test_a_net_that_knows_the_image_wins(images, training_images, tuned, monkeypatch):
    class Knowing(Dim):
        def forward(self, x):
            return 0.99 * images[[0]] + 0 * self.share

    monkeypatch.setattr(DenoisingExplorer, "_tuned", lambda self, x: tuned)
    explorer = DenoisingExplorer({"knowing": Knowing()}, images, training_images=training_images)
    assert "The net is better by" in says(explorer)
    assert explorer._psnrs[2].get_weight() == "bold"


def test_without_noise_there_is_nothing_to_win(explorer):
    explorer.noise.value, explorer.level.value = "masking", 0.0
    assert "noisy exact" in says(explorer)
    assert "There is no noise" in says(explorer)
    assert "is better by" not in says(explorer)


def test_where_neither_beats_the_noisy_image_that_is_said(explorer, tuned, monkeypatch):
    monkeypatch.setitem(tuned, ("salt and pepper", 0.05), TunedFilter("median", 5, gain=0.0))
    explorer.model.value, explorer.noise.value, explorer.level.value = "<deep>", "salt and pepper", 0.05
    assert says(explorer).endswith("Neither is better than the noisy image itself.")
    explorer.model.value, explorer.level.value = "dim", 0.3
    assert "Neither" not in says(explorer)


def test_equal_decibels_are_said_to_be_equal(explorer, tuned, monkeypatch):
    # A filter that darkens as the net does.
    monkeypatch.setitem(tuned, ("Gaussian", 0.5), TunedFilter("median", 1, gain=0.9))
    explorer.seed.value = 1
    assert "Net and filter are equally good." in says(explorer)


@pytest.mark.parametrize("control", ["model", "noise", "level", "digit", "seed"])
def test_each_control_brings_another_picture_and_its_first_value_the_first_picture_back(control, explorer):
    first = explorer.picture.value, explorer.readout.value
    widget = getattr(explorer, control)
    before = widget.value
    options = getattr(widget, "options", (1,))
    widget.value = next(value for value in options if value != before)
    assert explorer.picture.value != first[0]
    assert explorer.readout.value != first[1]
    widget.value = before
    if control == "noise":  # the slider kept its place: the same level again
        assert explorer.level.value == 0.5
    assert (explorer.picture.value, explorer.readout.value) == first


# --------------------------------------------------------------------------------------------------------- the levels


def test_every_kind_has_its_levels_and_the_slider_keeps_its_place(explorer):
    explorer.level.value = explorer.level.options[4]
    for noise in ("masking", "salt and pepper", "Gaussian"):
        explorer.noise.value = noise
        levels = explorer.level.options
        assert explorer.level.value == levels[4]
        assert list(levels) == sorted(set(levels))
        assert f"{levels[4]:g}: noisy" in says(explorer)


def test_a_change_of_kind_is_drawn_once(explorer, monkeypatch):
    drawn, refresh = [], explorer.refresh
    monkeypatch.setattr(explorer, "refresh", lambda: (drawn.append(explorer.level.value), refresh()))
    explorer.noise.value = "masking"
    assert drawn == [explorer.level.options[3]]


def test_every_kind_and_level_has_a_filter_tuned_for_it(explorer, tuned):
    wanted = set()
    for noise in NOISES:
        explorer.noise.value = noise
        wanted |= {(noise, level) for level in explorer.level.options}
    assert set(tuned) == wanted
    assert len({(f.name, f.strength) for f in tuned.values()}) > 2
    assert {f.name for f in tuned.values()} <= {"median", "Gaussian", "total variation"}


def test_the_tuning_reads_the_first_training_images_alone(models, images, training_images, tuned, monkeypatch):
    monkeypatch.setattr(DenoisingExplorer, "N_TUNING", 2)
    more = torch.cat([training_images, torch.rand(3, 1, 28, 28)])
    assert DenoisingExplorer(models, images.flip(2), training_images=more)._filters == tuned


# -------------------------------------------------------------------------------------------------------- the drawing


def test_what_is_drawn_becomes_the_clean_image_and_goes_through_noise_and_net(explorer, models):
    draw(explorer, A_STROKE)
    x = torch.from_numpy(A_STROKE / 255).float().view(1, 1, 28, 28)
    x_noisy = corrupted(x, gaussian(0.5), seed=0)
    expected = torch.cat([x, x_noisy, reconstruct(models["dim"], x_noisy)])[:, 0].numpy()
    np.testing.assert_allclose(shown(explorer)[:3], expected, atol=1e-6)
    assert says(explorer).startswith("your drawing, Gaussian noise")
    assert explorer._names[0].get_text() == "your drawing"
    explorer.seed.value = 7  # the noise changes, the drawing stays
    np.testing.assert_allclose(shown(explorer)[0], A_STROKE / 255, atol=1e-6)


@pytest.mark.parametrize("how", ["clear the pad", "move the slider"])
def test_the_digits_are_back_after_a_drawing(how, explorer, images):
    first = explorer.picture.value
    draw(explorer, A_STROKE)
    assert explorer.picture.value != first
    if how == "clear the pad":
        draw(explorer, np.zeros((28, 28)))
        assert explorer.picture.value == first
    else:
        explorer.digit.value = 2
        np.testing.assert_allclose(shown(explorer)[0], images[2, 0])
    assert says(explorer).startswith(f"digit no. {explorer.digit.value}, ")


def test_bytes_that_are_no_drawing_leave_the_digit(explorer):
    first = explorer.picture.value
    explorer.pad.set_state({"drawing": memoryview(b"\xff" * 783), "n_sent": 1})
    assert explorer.picture.value == first
    assert explorer.pad.n_answered == 1


def within(box: object) -> list[object]:
    return [inner for child in getattr(box, "children", ()) for inner in (child, *within(child))]


def test_the_pad_is_there_for_images_of_28_by_28_alone(explorer):
    assert explorer.pad in within(explorer)
    small = DenoisingExplorer({"dim": Dim()}, some_digits(3, 9), training_images=some_digits(1, 9))
    assert small.pad is None
    assert not any(isinstance(control, DrawingPad) for control in within(small))
    small.digit.value = 2
    assert says(small).startswith("digit no. 2, ")


# ---------------------------------------------------------------------------------------- the still, markup and errors


def test_the_bundle_holds_the_view_and_the_still_that_follows_the_controls(explorer):
    stills = []
    for seed in (0, 1):
        explorer.seed.value = seed
        bundle = explorer._repr_mimebundle_()
        assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
        assert json.loads(json.dumps(bundle)) == bundle
        start = "DenoisingExplorer: digit no. 0, Gaussian noise, standard deviation 0.5:"
        assert bundle["text/plain"].startswith(start)
        still, live = (
            np.asarray(Image.open(io.BytesIO(png)))
            for png in (base64.b64decode(bundle["image/png"]), explorer.picture.value)
        )
        assert np.array_equal(still, live)
        stills.append(bundle["image/png"])
    assert stills[0] != stills[1]


def test_markup_in_a_net_s_name_is_shown_as_it_is_written(explorer):
    explorer.model.value = "<deep>"
    assert "“&lt;deep&gt;”" in explorer.readout.value


def test_a_long_name_is_cut_above_the_picture_and_whole_in_the_text(images, training_images, tuned, monkeypatch):
    monkeypatch.setattr(DenoisingExplorer, "_tuned", lambda self, x: tuned)
    name = "trained on every kind of noise there is, for long"
    explorer = DenoisingExplorer({name: Dim()}, images, training_images=training_images)
    assert explorer._names[2].get_text() == f"{name[:31]}…"
    assert f"“{name}”" in says(explorer)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": {}}, "models is empty"),
        ({"images": torch.rand(2, 3, 28, 28)}, "grey images"),
        ({"training_images": torch.rand(0, 1, 28, 28)}, "grey images"),
        ({"training_images": torch.rand(2, 1, 9, 9)}, "must agree"),
        ({"noise": "snow"}, "no 'snow' noise"),
        ({"level": 0.55}, "level 0.55"),
        ({"models": {"wrong": nn.Sequential(nn.Flatten(), nn.Linear(784, 10))}}, r"wrong makes \(1, 10\)"),
        ({"models": {"small": DeepAutoencoder((81, 4))}}, "81 numbers"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message, models, images, training_images):
    arguments = {"models": models, "images": images, "training_images": training_images, **changes}
    with pytest.raises(ValueError, match=message):
        DenoisingExplorer(arguments.pop("models"), arguments.pop("images"), **arguments)


@pytest.mark.parametrize("act", ["draw", "kind", "digit"])
def test_an_error_is_shown_below_the_picture_and_goes_with_the_next_move(act, explorer, monkeypatch):
    explorer.errors = Caught()
    with monkeypatch.context() as broken:
        broken.setattr(Dim, "forward", lambda self, x: 1 / 0)
        if act == "draw":
            draw(explorer, A_STROKE)
            assert explorer.pad.n_answered == 1
        elif act == "kind":
            explorer.noise.value = "masking"
        else:
            explorer.digit.value = 1
    assert explorer.errors.outputs == ("division by zero",)
    explorer.seed.value = 1
    assert explorer.errors.outputs == ()
