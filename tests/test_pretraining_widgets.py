"""What the stepper of notebook 5 draws and says at every step, against the layers themselves."""

import base64
import io
import json
import re

import ipywidgets
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba
from PIL import Image
from torch import Tensor

from course_utils.corruption import masking
from course_utils.plotting import COLOURS
from course_utils.pretraining import GreedyPretrainer
from course_utils.widgets import LiveFigure, PretrainingStepper
from course_utils.widgets.net_drawing import LOOKS

SHAPE, SIZES, N_TRAIN = (6, 5), (30, 40, 26, 9), 50
KINDS = ("train", "freeze", "transform")


def digit_like(n: int, *, seed: int = 0, shape: tuple[int, int] = SHAPE) -> Tensor:
    return torch.rand(n, 1, *shape, generator=torch.Generator().manual_seed(seed))


def trained(sizes: tuple[int, ...] = SIZES, *, n_epochs: int = 3, **options: object) -> GreedyPretrainer:
    one = GreedyPretrainer(sizes, **{"batch_size": 25, "lr": 1e-2} | options)
    one.fit(digit_like(N_TRAIN), n_epochs=n_epochs)
    return one


@pytest.fixture(scope="module")
def pretrainer() -> GreedyPretrainer:
    return trained()


@pytest.fixture
def stepper(pretrainer):
    return PretrainingStepper(pretrainer, digit_like(8, seed=1))


def at(stepper: PretrainingStepper, kind: str, stage: int) -> PretrainingStepper:
    stepper.step.value = 1 + 3 * (stage - 1) + KINDS.index(kind)
    return stepper


def says(widget: LiveFigure) -> str:
    """The text below the picture as it is read."""
    return re.sub(r"<[^>]+>", "", widget.readout.value.replace("<br>", "\n"))


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def tiles(array: np.ndarray, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """The pictures of a grid with a line of one pixel between them, row by row: `(n, h, w)`."""
    array, (h, w) = np.asarray(array), shape  # matplotlib's arrays are masked ones
    rows, columns = (array.shape[0] + 1) // (h + 1), (array.shape[1] + 1) // (w + 1)
    return np.stack([array[i * (h + 1) :, j * (w + 1) :][:h, :w] for i in range(rows) for j in range(columns)])


def shown_panels(stepper: PretrainingStepper) -> set[str]:
    return {name for name, ax in stepper._panels.items() if ax.get_visible()}


def words(stepper: PretrainingStepper) -> list[str]:
    """What stands on the weights, from the first layer on."""
    return [text.get_text().replace("\n", "") for text in stepper._net.words if text.get_visible()]


def same_colours(found: np.ndarray, expected: list[str]) -> bool:
    return np.allclose(found, [to_rgba(colour) for colour in expected])


# ------------------------------------------------------------------------------------------------------ the controls


def test_there_are_three_steps_a_stage_and_one_before_and_one_after(stepper):
    assert (stepper.step.min, stepper.step.max, stepper.step.value) == (0, 10, 0)
    heads = []
    for step in range(11):
        stepper.step.value = step
        heads.append(says(stepper).partition(":")[0])
    expected = [f"Stage {k} of 3, {kind}" for k in (1, 2, 3) for kind in KINDS]
    assert heads[1:] == [*expected, "Add the head"]
    assert heads[0].startswith("The untouched net 30-40-26-9, and 50 images without labels. Press “next”")


def test_next_goes_through_all_steps_and_stays_at_the_last_and_start_again_goes_back(stepper):
    assert isinstance(stepper.next, ipywidgets.Button)
    assert isinstance(stepper.again, ipywidgets.Button)
    first, seen = stepper.picture.value, []
    for _ in range(10):
        stepper.next.click()
        seen.append((stepper.step.value, stepper.picture.value))
    assert [step for step, _ in seen] == list(range(1, 11))
    assert len({first, *(png for _, png in seen)}) == 11  # no step looks like another
    stepper.next.click()
    assert (stepper.step.value, stepper.picture.value) == seen[-1]
    stepper.step.value = 4  # one can go back, and on from there
    assert stepper.picture.value == seen[3][1]
    stepper.next.click()
    assert (stepper.step.value, stepper.picture.value) == seen[4]
    stepper.again.click()
    assert (stepper.step.value, stepper.picture.value) == (0, first)
    assert stepper.errors.outputs == ()


def test_a_step_looks_the_same_from_wherever_one_comes(pretrainer):
    images = digit_like(8, seed=1)
    stepper = PretrainingStepper(pretrainer, images)
    for step in (10, 7, 0, 5, 3):
        stepper.step.value = 6  # what is drawn there must not stay
        stepper.step.value = step
        fresh = PretrainingStepper(pretrainer, images)
        fresh.step.value = step
        assert stepper.picture.value == fresh.picture.value
        assert stepper.readout.value == fresh.readout.value


def test_the_controls_have_names_and_stand_in_a_row(stepper):
    assert stepper.children[0].children == (stepper.next, stepper.again, stepper.step)
    assert [c.description for c in stepper.children[0].children] == ["next ▶", "start again", "step"]


def test_an_error_in_a_step_that_a_button_asked_for_is_shown(stepper, monkeypatch):
    caught = []
    monkeypatch.setattr(type(stepper.errors), "__exit__", lambda self, kind, *_: caught.append(kind) or True)
    monkeypatch.setattr(stepper, "update", lambda: 1 / 0)
    stepper.next.click()
    assert caught == [ZeroDivisionError]  # within the Output, which shows it where there is a kernel


def test_the_bundle_has_a_still_picture_of_the_step_and_can_be_stored_as_json(stepper):
    at(stepper, "train", 2)
    bundle = stepper._repr_mimebundle_()
    assert json.loads(json.dumps(bundle)) == bundle
    assert bundle["text/plain"].startswith("PretrainingStepper: Stage 2 of 3, train: 40-26-40 learns")
    still = base64.b64decode(bundle["image/png"], validate=True)
    assert np.array_equal(pixels(still), pixels(stepper.picture.value))


# ------------------------------------------------------------------------------------------------- the net, on the left

U, T, F = "untrained", "training", "frozen"
LOOKS_AT = [
    [U, U, U],
    [T, U, U], [F, U, U], [F, U, U],
    [F, T, U], [F, F, U], [F, F, U],
    [F, F, T], [F, F, F], [F, F, F],
    ["pre-trained", "pre-trained", "pre-trained", "random"],
]  # fmt: skip
DATA_AT = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("step", range(11))
def test_every_layer_looks_as_far_as_it_has_come(step, stepper):
    stepper.step.value = step
    assert words(stepper) == LOOKS_AT[step]
    looks = [LOOKS[name] for name in LOOKS_AT[step]]
    n = len(looks)
    weights, columns = stepper._net.weights, stepper._net.columns
    assert same_colours(weights.get_facecolors()[:n], [look.face for look in looks])
    assert (weights.get_facecolors()[n:, 3] == 0).all()  # there is no head before the last step
    assert (columns.get_facecolors()[n + 1 :, 3] == 0).all()
    dashed = [style[1] is not None for style in weights.get_linestyles()[:n]]
    assert dashed == [name == U for name in LOOKS_AT[step]]
    assert stepper._net.head.get_visible() == (step == 10)


@pytest.mark.parametrize("step", range(11))
def test_the_data_stand_at_the_layer_that_they_have_reached(step, stepper):
    stepper.step.value = step
    net, i = stepper._net, DATA_AT[step]
    assert net.data.get_text() == f"data: 50 × {SIZES[i]}"
    faces = net.columns.get_facecolors()
    assert [j for j, face in enumerate(faces) if np.allclose(face, to_rgba(COLOURS[0]))] == [i]
    assert net.pointer.get_xdata()[0] == net.x[i]
    assert net.way.get_visible() == (step in (3, 6, 9))  # they move when they are transformed
    if net.way.get_visible():
        assert net.way.get_xdata()[0] == net.x[i - 1]


@pytest.mark.parametrize("step", range(11))
def test_the_decoder_mirrors_the_layer_in_training_and_is_thrown_away_when_that_is_frozen(step, stepper):
    stepper.step.value = step
    net, kind = stepper._net, KINDS[(step - 1) % 3] if 0 < step < 10 else ""
    assert net.mirror.get_visible() == net.decoder.get_visible() == (kind in ("train", "freeze"))
    assert net.error.get_visible() == net.way_up.get_visible() == net.compared.get_visible() == (kind == "train")
    if net.mirror.get_visible():
        assert net.decoder.get_text() == {"train": "decoder", "freeze": "thrown\naway"}[kind]
        mirror = net.mirror.get_paths()[0].vertices
        mirrored = net.weights.get_paths()[(step - 1) // 3].vertices
        assert mirror - mirrored == pytest.approx(np.array([[0, net.UPPER_MIDDLE - net.MIDDLE]] * len(mirror)))
        assert bool(len(net.mirror.get_facecolors())) == (kind == "train")  # thrown away, it is an outline alone


def test_columns_are_as_high_as_their_sizes_and_the_weights_join_them(stepper):
    net = stepper._net
    heights = [np.ptp(path.vertices[:, 1]) for path in net.columns.get_paths()]
    for size, height in zip((*SIZES, 10), heights, strict=True):
        assert height == pytest.approx(max(16, 92 * size / 40))
    for i, path in enumerate(net.weights.get_paths()):
        left, right = path.vertices[:, 0].min(), path.vertices[:, 0].max()
        ends = [np.ptp(path.vertices[path.vertices[:, 0] == x, 1]) for x in (left, right)]
        assert ends == pytest.approx(heights[i : i + 2])


@pytest.mark.parametrize("sizes", [(30, 4), (30, 12, 9), (30, 1000, 500, 300, 200, 100, 50, 20)], ids=str)
def test_nothing_of_nets_short_or_long_leaves_the_picture(sizes):
    stepper = PretrainingStepper(trained(sizes, n_epochs=1), digit_like(3))
    renderer = stepper._canvas.get_renderer()
    for step in range(stepper.step.max + 1):
        stepper.step.value = step
        net = stepper._net
        texts = [t for t in (*net.words, net.decoder, net.data, net.head) if t.get_visible()]
        titles = [ax.title for ax in stepper._panels.values() if ax.get_visible()]
        titles += [ax._left_title for ax in stepper._panels.values() if ax.get_visible()]
        for text in (*texts, *titles):
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0
            assert box.x1 <= (net.WIDTH + 2 if text in texts else 864)
            assert 0 <= box.y0 <= box.y1 <= 306


# ------------------------------------------------------------------------------------------------ what is on the right


@pytest.mark.parametrize(
    ("step", "panels"),
    [
        (0, {"digits"}),
        *((1 + 3 * i, {"curve", "strip"}) for i in range(3)),
        *((2 + 3 * i, {"filters"}) for i in range(3)),
        *((3 + 3 * i, {"icons", "units"}) for i in range(3)),
        (10, {"weights"}),
    ],
)
def test_each_step_shows_its_own_panels(step, panels, stepper):
    stepper.step.value = step
    assert shown_panels(stepper) == panels


@pytest.mark.parametrize("n", [1, 3, 8, 11])
def test_eight_of_the_digits_are_shown_and_of_fewer_all(n, pretrainer):
    images = digit_like(n, seed=4)
    stepper, n_shown = PretrainingStepper(pretrainer, images), min(n, 8)
    expected = images[:n_shown, 0].numpy()
    shown = tiles(stepper._digits.get_array())
    assert shown[:n_shown] == pytest.approx(expected)
    assert (shown[n_shown:] == 1).all()
    icons = stepper._panels["icons"].images[0].get_array()
    assert tiles(icons) == pytest.approx(expected)
    at(stepper, "train", 1)
    assert tiles(stepper._strip.get_array())[:n_shown] == pytest.approx(expected)
    at(stepper, "transform", 1)
    assert stepper._units.get_array().shape[0] == n_shown
    assert f"Of these {n_shown} digits' hidden units" in says(stepper)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_train_draws_the_losses_of_the_stage_and_says_the_first_and_the_last(k, pretrainer, stepper):
    losses = pretrainer.stages[k - 1].history["train_loss"]
    at(stepper, "train", k)
    assert stepper._line.get_xydata() == pytest.approx(np.array([[1, 2, 3], losses]).T)
    bottom, top = stepper._panels["curve"].get_ylim()
    assert bottom == 0
    assert max(losses) < top
    n_in, n_out = SIZES[k - 1], SIZES[k]
    given = "the images" if k == 1 else f"what layer {k - 1} gives it"
    assert f"{n_in}-{n_out}-{n_in} learns to restore {given}; squared error" in says(stepper)
    assert f"squared error {losses[0]:.1f} → {losses[-1]:.1f} in 3 epochs." in says(stepper)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_restored_digits_went_up_to_the_stage_and_down_through_all_decoders(k, activation):
    pretrainer, images = trained(activation=activation), digit_like(8, seed=1)
    stepper = at(PretrainingStepper(pretrainer, images), "train", k)
    x = images.flatten(1)
    for stage in pretrainer.stages[:k]:
        linear = stage.layer(x)
        x = torch.relu(linear) if activation == "relu" else torch.sigmoid(linear)
    for stage in reversed(pretrainer.stages[:k]):
        x = stage.autoencoder.decoder(x)
    shown = tiles(stepper._strip.get_array())
    assert shown[:8] == pytest.approx(images[:, 0].numpy())
    assert shown[8:] == pytest.approx(x.view(8, *SHAPE).numpy(), abs=1e-6)


def test_that_hidden_values_were_made_a_picture_of_is_said(stepper):
    assert "hidden values" not in says(at(stepper, "train", 1))
    text = "It restores 40 hidden values a digit; the decoder of stage 1 makes a picture of them."
    assert says(at(stepper, "train", 2)).endswith(text)
    text = "It restores 26 hidden values a digit; the decoders of stages 2 to 1 make a picture of them."
    assert says(at(stepper, "train", 3)).endswith(text)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"n_epochs": 0}, "in 0 epochs: the layer keeps its random start."),
        ({"n_epochs": 1}, "in the one epoch."),
        ({"corrupt": masking(0.5)}, "learns to restore the images from a corrupted copy; squared error"),
        ({"loss": lambda x_hat, x: (x_hat - x).abs().mean()}, "learns to restore the images; loss 0."),
    ],
    ids=["0 epochs", "1 epoch", "de-noising", "another loss"],
)
def test_how_the_stages_were_trained_is_said(options, expected):
    stepper = at(PretrainingStepper(trained(**options), digit_like(4)), "train", 1)
    assert expected in says(stepper)
    assert len(stepper._line.get_xdata()) == options.get("n_epochs", 3)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_freeze_shows_weights_through_the_layers_below_each_in_its_own_range_with_grey_as_0(k, pretrainer, stepper):
    at(stepper, "freeze", k)
    weights = [stage.layer.weight.double().numpy() for stage in pretrainer.stages[:k]]
    seen = weights[0]
    for weight in weights[1:]:
        seen = weight @ seen
    seen = seen[:24] / np.abs(seen[:24]).max(axis=1, keepdims=True)
    shown = tiles(stepper._seen.get_array())
    assert shown[: len(seen)] == pytest.approx(seen.reshape(-1, *SHAPE), abs=1e-5)
    assert len(shown) == 24
    assert (shown[len(seen) :] == 1).all()  # the last layer has 9 units
    assert stepper._seen.get_clim() == (-1, 1)
    title = stepper._panels["filters"].get_title(loc="left")
    assert title == f"layer {k}, first {len(seen)} units" + (", seen through the layers below" if k > 1 else "")
    assert ("multiplied through" in says(stepper)) == (k > 1)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_transform_shows_the_hidden_units_a_row_a_digit_and_the_share_of_zeros(k, activation):
    pretrainer, images = trained(activation=activation), digit_like(8, seed=1)
    stepper = at(PretrainingStepper(pretrainer, images), "transform", k)
    z = pretrainer.transform(images, n_layers=k)
    assert np.array_equal(stepper._units.get_array(), z.numpy())
    assert stepper._units.get_clim() == pytest.approx((0, z.max().item()))
    share = round(100 * (z == 0).sum().item() / z.numel())
    assert says(stepper).endswith(f"hidden units {share} % are 0.")
    assert (share > 0) == (activation == "relu")
    use = f"stage {k + 1} is trained on" if k < 3 else "the head will be given"
    assert f"50 × {SIZES[k]} numbers, which {use}." in says(stepper)


def test_of_more_than_200_units_the_first_200_are_shown_and_all_are_counted():
    pretrainer, images = trained((30, 230), n_epochs=1), digit_like(4)
    stepper = at(PretrainingStepper(pretrainer, images), "transform", 1)
    z = pretrainer.transform(images)
    assert np.array_equal(stepper._units.get_array(), z[:, :200].numpy())
    assert "the first 200 of 230 hidden units" in stepper._panels["units"].get_title(loc="left")
    assert f"{100 * (z == 0).float().mean():.0f} % are 0" in says(stepper)


@pytest.mark.parametrize("n_classes", [10, 3])
def test_at_the_end_a_random_head_is_added_and_all_weights_are_counted(n_classes, pretrainer):
    stepper = PretrainingStepper(pretrainer, digit_like(8), n_classes=n_classes)
    stepper.step.value = stepper.step.max
    classifier = pretrainer.classifier(n_classes)
    n_weights = [layer.weight.numel() for layer in (*classifier.body[::2], classifier.head)]
    ax = stepper._panels["weights"]
    assert [bar.get_width() for bar in ax.patches] == n_weights
    starts = ["pre-trained"] * 3 + ["random"]
    shown = [text.get_text() for text in ax.texts]
    assert shown[::2] == ["layer 1", "layer 2", "layer 3", "head"]
    assert shown[1::2] == [f"{n:,}, {start}" for n, start in zip(n_weights, starts, strict=True)]
    assert f"the classifier 30-40-26-9-{n_classes} starts from the 3 pre-trained layers" in says(stepper)
    assert f"a random head of 9 × {n_classes} weights" in says(stepper)


def test_a_net_of_one_layer():
    stepper = PretrainingStepper(trained((30, 4)), digit_like(2))
    assert stepper.step.max == 4
    assert says(stepper).endswith("Press “next”: its layer is trained.")
    stepper.step.value = 4
    assert "starts from the 1 pre-trained layer and a random head" in says(stepper)


def test_the_widget_leaves_the_pretrainer_as_it_is(pretrainer):
    def state() -> list[bytes]:
        return [p.detach().numpy().tobytes() for stage in pretrainer.stages for p in stage.autoencoder.parameters()]

    before = state()
    stepper = PretrainingStepper(pretrainer, digit_like(8))
    for _ in range(10):
        stepper.next.click()
    assert state() == before
    assert len(pretrainer.stages) == 3


def test_wrong_arguments_are_refused_with_the_reason(pretrainer):
    unfinished = GreedyPretrainer(SIZES, batch_size=25)
    with pytest.raises(ValueError, match=r"0 of 3 layers are trained; call fit first"):
        PretrainingStepper(unfinished, digit_like(8))
    unfinished.fit_next(digit_like(N_TRAIN), n_epochs=1)
    with pytest.raises(ValueError, match=r"1 of 3 layers are trained"):
        PretrainingStepper(unfinished, digit_like(8))
    with pytest.raises(ValueError, match=r"7×5 = 35 numbers; the net takes 30"):
        PretrainingStepper(pretrainer, digit_like(8, shape=(7, 5)))
    with pytest.raises(ValueError, match=r"grey images"):
        PretrainingStepper(pretrainer, digit_like(8).flatten(1))
    with pytest.raises(ValueError, match=r"grey images"):
        PretrainingStepper(pretrainer, digit_like(8)[:0])
    with pytest.raises(ValueError, match=r"n_classes is 0"):
        PretrainingStepper(pretrainer, digit_like(8), n_classes=0)
