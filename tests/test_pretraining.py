import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.data import DataError
from course_utils.metrics import count_parameters, cross_entropy, sse_per_image
from course_utils.pretraining import GreedyPretrainer, Stage
from course_utils.training import Trainer, TrainingError

SIZES = (12, 10, 8, 6)
ACTIVATIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid}
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def images(n: int = 40, *, seed: int = 0) -> Tensor:
    """n images of twelve numbers, which depend on each other."""
    parts = torch.rand(n, 3, generator=torch.Generator().manual_seed(seed))
    return parts.repeat_interleave(4, dim=1) * torch.linspace(0.1, 1, 12)


def pretrainer(sizes: tuple[int, ...] = SIZES, **options: object) -> GreedyPretrainer:
    """A pre-trainer with batches of 16: of 40 images two are whole, and the last holds 8."""
    return GreedyPretrainer(sizes, **{"lr": 1e-2, "batch_size": 16} | options)


def trained(sizes: tuple[int, ...] = SIZES, *, n_epochs: int = 3, x: Tensor | None = None, **options: object):
    one = pretrainer(sizes, **options)
    one.fit(images() if x is None else x, n_epochs=n_epochs)
    return one


def in_bytes(*modules: nn.Module) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for module in modules for parameter in module.parameters()]


def stack_bytes(one: GreedyPretrainer) -> list[bytes]:
    """Of the layers that are kept."""
    return in_bytes(*[stage.layer for stage in one.stages])


# ------------------------------------------------------------------------------------------------------------ stages


@every_activation
def test_each_stage_learns_a_layer_on_what_the_layers_below_make_of_the_images(activation):
    one = pretrainer(activation=activation)
    assert (one.n_stages, one.stages, one.sizes) == (3, [], SIZES)
    stages = one.fit(images(), n_epochs=2)
    assert stages is one.stages
    assert [stage.number for stage in stages] == [1, 2, 3]
    assert [stage.data_shape for stage in stages] == [(40, 12), (40, 10), (40, 8)]
    assert [tuple(stage.layer.weight.shape) for stage in stages] == [(10, 12), (8, 10), (6, 8)]
    for stage in stages:
        below = one.transform(images(), n_layers=stage.number - 1)
        assert stage.autoencoder(below).shape == below.shape
        assert stage.layer is stage.autoencoder.encoder[0]


@pytest.mark.parametrize("sizes", [(12, 5), (12, 20, 30, 4), (12, 1, 12), [12, 7, 7]], ids=str)
def test_stacks_of_one_layer_and_of_layers_wider_than_the_image(sizes):
    one = trained(sizes)
    assert [stage.data_shape[1] for stage in one.stages] == list(sizes[:-1])
    assert one.transform(images()).shape == (40, sizes[-1])
    assert one.classifier(3)(images()).shape == (40, 3)


@pytest.mark.parametrize("shape", [(12,), (1, 3, 4), (3, 2, 2), (4, 3)])
def test_images_of_any_shape_are_trained_on_and_transformed_as_flat_ones(shape):
    x, flat, shaped = images(), trained(), trained(x=images().reshape(40, *shape))
    assert stack_bytes(shaped) == stack_bytes(flat)
    assert torch.equal(shaped.transform(x.reshape(40, *shape)), flat.transform(x))
    assert shaped.stages[0].data_shape == (40, 12)


def test_one_stage_after_the_other_by_hand_is_what_fit_does():
    by_hand = pretrainer()
    stages = [by_hand.fit_next(images(), n_epochs=3) for _ in range(3)]
    assert stages == by_hand.stages
    assert all(isinstance(stage, Stage) for stage in stages)
    assert stack_bytes(by_hand) == stack_bytes(trained())


def test_fit_trains_the_stages_that_are_left():
    one = pretrainer()
    first = one.fit_next(images(), n_epochs=3)
    one.fit(images(), n_epochs=3)
    assert one.stages[0] is first
    assert stack_bytes(one) == stack_bytes(trained())


@pytest.mark.parametrize(("activation", "last"), [("relu", [nn.Sigmoid, nn.Linear, nn.Linear]),
                                                  ("sigmoid", [nn.Sigmoid] * 3)])  # fmt: skip
def test_a_stage_gives_back_numbers_of_the_kind_that_it_is_given(activation, last):
    """Pixels and what sigmoids give lie in [0, 1]; what ReLUs give has no upper bound."""
    hidden = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}[activation]
    stages = trained(activation=activation, tied=False).stages
    assert [type(stage.autoencoder.decoder[-1]) for stage in stages] == last
    assert [[type(module) for module in stage.autoencoder.encoder] for stage in stages] == [[nn.Linear, hidden]] * 3
    of_tied = [stage.autoencoder.decoder for stage in trained(activation=activation).stages]
    assert [isinstance(decoder[-1], nn.Sigmoid) for decoder in of_tied] == [kind is nn.Sigmoid for kind in last]


@pytest.mark.parametrize("n_epochs", [0, 3])
def test_the_mirror_of_a_layer_has_its_weights_unless_it_is_to_have_its_own(n_epochs):
    for options, tied in (({}, True), ({"tied": True}, True), ({"tied": False}, False)):
        for stage in trained(n_epochs=n_epochs, **options).stages:
            n_out, n_in = stage.layer.weight.shape
            mirror = stage.autoencoder.decoder[0]
            assert (mirror.weight is stage.layer.weight) == tied
            assert mirror(torch.zeros(1, n_out)).shape == (1, n_in)
            assert count_parameters(stage.autoencoder.requires_grad_()) == (2 - tied) * n_out * n_in + n_out + n_in


def test_data_above_1_that_relus_give_are_trained_on_and_restored():
    one = trained((12, 30, 20), n_epochs=100)
    hidden = one.transform(images(), n_layers=1)
    assert hidden.max() > 1
    restored = one.stages[1].autoencoder(hidden)
    assert restored.max() > 1
    assert sse_per_image(restored, hidden) < 0.2 * sse_per_image(hidden.mean(dim=0).expand_as(hidden), hidden)


@every_activation
@pytest.mark.parametrize("tied", [True, False])
def test_the_bias_of_each_output_starts_at_the_mean_of_the_data(activation, tied):
    one = trained(activation=activation, n_epochs=0, tied=tied)
    for stage in one.stages:
        mean = one.transform(images(), n_layers=stage.number - 1).mean(dim=0)
        bias = stage.autoencoder.decoder[0].bias
        is_sigmoid = isinstance(stage.autoencoder.decoder[-1], nn.Sigmoid)
        torch.testing.assert_close(torch.sigmoid(bias) if is_sigmoid else bias, mean)


@every_activation
def test_a_stage_with_an_output_layer_of_its_own_starts_at_the_mean_of_its_data(activation):
    one = trained((12, 300, 200, 100), activation=activation, n_epochs=0, tied=False)
    for stage in one.stages:
        data = one.transform(images(), n_layers=stage.number - 1)
        mean = data.mean(dim=0).expand_as(data)
        distance, without = (sse_per_image(guess, mean) for guess in (stage.autoencoder(data), torch.zeros_like(data)))
        assert distance < 0.3 * without


def test_each_stage_has_a_history_of_its_own_in_which_the_loss_falls():
    one = trained(n_epochs=30)
    assert [stage.history["epoch"] for stage in one.stages] == [list(range(1, 31))] * 3
    for stage in one.stages:
        assert stage.history["train_loss"][-1] < 0.9 * stage.history["train_loss"][0]
    assert len({stage.history["train_loss"][0] for stage in one.stages}) == 3


def test_each_stage_may_have_epochs_of_its_own():
    one = pretrainer()
    for n_epochs in (2, 5):
        one.fit_next(images(), n_epochs=n_epochs)
    one.fit(images(), n_epochs=1)
    assert [len(stage.history) for stage in one.stages] == [2, 5, 1]


def test_the_trainers_options_hold_for_every_stage():
    seen = []

    def callback(trainer: Trainer) -> None:
        seen.append((trainer.lr, trainer.batch_size, trainer.schedule, trainer.optimizer_name))

    trained(n_epochs=1, lr=0.03, batch_size=7, schedule="constant", optimizer="sgd", callbacks=[callback])
    assert seen == [(0.03, 7, "constant", "sgd")] * 3


# ------------------------------------------------------------------------------------------------------------ frozen


@every_activation
def test_a_layer_that_is_trained_keeps_its_bytes_while_those_above_it_are_trained(activation):
    one, before = pretrainer(activation=activation), []
    for number in range(1, 4):
        one.fit_next(images(), n_epochs=3)
        kept = [in_bytes(stage.autoencoder) for stage in one.stages]
        assert kept[:-1] == before
        before = kept
        assert len(kept) == number
        assert not any(p.requires_grad for stage in one.stages for p in stage.autoencoder.parameters())
    assert all(stage.history["train_loss"][0] > stage.history["train_loss"][-1] for stage in one.stages)


def labelled() -> tuple[Tensor, Tensor]:
    x = images()
    return x, (x[:, 3] > x[:, 11] / 3).long()


def train_classifier(model: nn.Module, **options: object) -> None:
    options = {"lr": 0.05, "batch_size": 10} | options
    Trainer(model, loss=cross_entropy, supervised=True, **options).fit(labelled(), n_epochs=10)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_frozen_body_keeps_its_bytes_while_the_head_is_trained(optimizer):
    one = trained()
    model, stack = one.classifier(2, frozen=True), stack_bytes(one)
    body, head = in_bytes(model.body), in_bytes(model.head)
    assert body == stack
    train_classifier(model, optimizer=optimizer)
    assert in_bytes(model.body) == body
    assert stack_bytes(one) == stack
    assert all(a != b for a, b in zip(in_bytes(model.head), head, strict=True))
    assert not any(p.requires_grad for p in model.body.parameters())


def test_fine_tuning_changes_the_whole_classifier_and_nothing_of_the_stack():
    one = trained()
    model, stack = one.classifier(2), stack_bytes(one)
    assert in_bytes(model.body) == stack
    assert all(p.requires_grad for p in model.parameters())
    before = in_bytes(model)
    train_classifier(model)
    assert all(a != b for a, b in zip(in_bytes(model), before, strict=True))
    assert stack_bytes(one) == stack
    assert in_bytes(one.classifier(2).body) == stack  # and another can be made of it


# --------------------------------------------------------------------------------------------------------- transform


@every_activation
@pytest.mark.parametrize("n_layers", [0, 1, 2, 3, None])
def test_transform_is_the_layers_by_hand(activation, n_layers):
    one, x = trained(activation=activation), images(7, seed=1)
    by_hand = x
    for stage in one.stages[:n_layers]:
        by_hand = ACTIVATIONS[activation](F.linear(by_hand, stage.layer.weight, stage.layer.bias))
    transformed = one.transform(x, n_layers=n_layers)
    torch.testing.assert_close(transformed, by_hand)
    assert transformed.shape == (7, 6 if n_layers is None else SIZES[n_layers])
    assert not transformed.requires_grad


def test_transform_applies_the_layers_trained_so_far():
    one, x = pretrainer(), images(7)
    assert torch.equal(one.transform(x), x)
    for n_out in SIZES[1:]:
        one.fit_next(images(), n_epochs=1)
        assert one.transform(x).shape == (7, n_out)


@pytest.mark.parametrize("n_layers", [-1, 2])
def test_layers_that_are_not_there_cannot_be_applied(n_layers):
    one = pretrainer()
    one.fit_next(images(), n_epochs=1)
    with pytest.raises(ValueError, match=f"1 layers are trained; {n_layers} cannot be applied"):
        one.transform(images(), n_layers=n_layers)


# ------------------------------------------------------------------------------------------------------ noise, target


class Spy:
    """A corruption that leaves nothing of its input, and keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[Tensor] = []

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        self.given.append(x.clone())
        return torch.zeros_like(x)


class SpyLoss:
    """The squared error, and the outputs and targets that it was given."""

    def __init__(self) -> None:
        self.outputs: list[Tensor] = []
        self.targets: list[Tensor] = []

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        self.outputs.append(output.detach().clone())
        self.targets.append(target.clone())
        return sse_per_image(output, target)


def in_order(x: Tensor) -> Tensor:
    """Samples sorted by their numbers, whatever order they were seen in."""
    return torch.stack(sorted(x, key=lambda row: row.tolist()))


def test_noise_falls_on_what_goes_into_a_stage_and_the_target_is_clean():
    spy, loss = Spy(), SpyLoss()
    one = trained(n_epochs=2, corrupt=spy, loss=loss)
    assert len(spy.given) == len(loss.targets) == 3 * 2 * 3  # stages, epochs, batches
    for number in range(3):
        clean = one.transform(images(), n_layers=number)
        for epoch in range(2):
            batches = slice(6 * number + 3 * epoch, 6 * number + 3 * epoch + 3)
            torch.testing.assert_close(in_order(torch.cat(spy.given[batches])), in_order(clean))
            torch.testing.assert_close(in_order(torch.cat(loss.targets[batches])), in_order(clean))
            for output in loss.outputs[batches]:  # of an input of zeros, whatever the image
                assert torch.equal(output, output[:1].expand_as(output))


def test_noise_is_there_in_training_alone():
    spy = Spy()
    one = trained(n_epochs=1, corrupt=spy)
    n_given = len(spy.given)
    by_hand = images()
    for stage in one.stages:
        by_hand = torch.relu(F.linear(by_hand, stage.layer.weight, stage.layer.bias))
    torch.testing.assert_close(one.transform(images()), by_hand)
    one.classifier(2)(images())
    assert len(spy.given) == n_given


def test_noise_makes_another_stack():
    def noise(x: Tensor, generator: torch.Generator) -> Tensor:
        return x * (torch.rand(x.shape, generator=generator) < 0.5)

    clean, noisy = stack_bytes(trained()), stack_bytes(trained(corrupt=noise))
    assert all(a != b for a, b in zip(clean, noisy, strict=True))
    assert stack_bytes(trained(corrupt=noise)) == noisy


# ------------------------------------------------------------------------------------------------- start, seed, copies


def test_no_epochs_leave_each_layer_at_its_start():
    one = trained(n_epochs=0)
    assert [len(stage.history) for stage in one.stages] == [0, 0, 0]
    assert [stage.data_shape for stage in one.stages] == [(40, 12), (40, 10), (40, 8)]
    assert not any(stage.layer.bias.any() for stage in one.stages)
    assert not any(p.requires_grad for stage in one.stages for p in stage.autoencoder.parameters())
    of_others = trained(n_epochs=0, x=images(seed=1))
    assert stack_bytes(of_others) == stack_bytes(one)  # of which no image has a part
    after = stack_bytes(trained(n_epochs=1))
    assert all(a != b for a, b in zip(stack_bytes(one), after, strict=True))
    for stage in trained((300, 400, 200), n_epochs=0, x=torch.rand(5, 300)).stages:
        assert stage.layer.weight.std().item() == pytest.approx((2 / stage.layer.in_features) ** 0.5, rel=0.03)


def test_training_starts_where_no_epochs_leave_the_layer():
    start, one = trained((12, 10), n_epochs=0), trained((12, 10), n_epochs=1, lr=1e-6)
    torch.testing.assert_close(one.stages[0].layer.weight, start.stages[0].layer.weight, rtol=0, atol=1e-4)


def everything(one: GreedyPretrainer) -> list[bytes]:
    """Of all that is trained or started at random."""
    return in_bytes(*[stage.autoencoder for stage in one.stages], one.classifier(3))


@pytest.mark.parametrize("n_epochs", [0, 3])
def test_the_same_seed_gives_the_same_bytes_and_another_others(n_epochs):
    def run(seed: int, *, global_seed: int = 0) -> GreedyPretrainer:
        torch.manual_seed(global_seed)
        return trained(n_epochs=n_epochs, seed=seed)

    one, again, other = run(5), run(5, global_seed=1), run(6)
    assert everything(one) == everything(again)
    for first, second in zip([*one.stages, one.classifier(3)], [*other.stages, other.classifier(3)], strict=True):
        layers = [part.layer if isinstance(part, Stage) else part.head for part in (first, second)]
        assert not torch.equal(layers[0].weight, layers[1].weight)


def test_the_stages_of_one_stack_start_differently():
    starts = [stage.layer.weight for stage in trained((12, 12, 12), n_epochs=0).stages]
    assert not torch.equal(*starts)


# -------------------------------------------------------------------------------------------------------- classifiers


@every_activation
def test_a_classifier_is_the_stack_with_a_head(activation):
    one, x = trained(activation=activation), images(seed=1)
    model = one.classifier(4)
    assert model.sizes == (*SIZES, 4)
    torch.testing.assert_close(model.body(x), one.transform(x))
    torch.testing.assert_close(model(x), F.linear(one.transform(x), model.head.weight, model.head.bias))
    assert in_bytes(one.classifier(4).head) == in_bytes(model.head)
    assert model.head.weight.std() > 0


@pytest.mark.parametrize("frozen", [True, False])
def test_a_classifier_learns(frozen):
    model, (x, labels) = trained(n_epochs=20).classifier(2, frozen=frozen), labelled()
    before = cross_entropy(model(x), labels)
    train_classifier(model)
    assert cross_entropy(model(x), labels) < 0.9 * before


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("sizes", [(), (12,), (12, 0), (0, 5), (12, -1, 5)], ids=str)
def test_sizes_that_are_no_stack_are_refused(sizes):
    with pytest.raises(ValueError, match=r"sizes.*" + re.escape(str(tuple(sizes)))):
        GreedyPretrainer(sizes)


def test_an_unknown_activation_is_refused_at_once():
    with pytest.raises(ValueError, match="activation is 'elu'"):
        GreedyPretrainer(SIZES, activation="elu")


def test_an_option_that_no_trainer_has_is_refused_by_name():
    with pytest.raises(TypeError, match="learning_rate"):
        trained(learning_rate=1)


def test_less_than_no_epochs_are_refused():
    for call in (pretrainer().fit, pretrainer().fit_next):
        with pytest.raises(TrainingError, match="n_epochs is -1; it must be at least 0"):
            call(images(), n_epochs=-1)


def test_a_stack_that_is_trained_is_not_trained_again():
    one = trained()
    before = stack_bytes(one)
    with pytest.raises(TrainingError, match=r"All 3 layers are trained and frozen.* new GreedyPretrainer"):
        one.fit_next(images(), n_epochs=1)
    assert len(one.fit(images(), n_epochs=1)) == 3
    assert stack_bytes(one) == before


@pytest.mark.parametrize("n_trained", [0, 2])
def test_a_classifier_before_all_stages_are_trained_is_refused(n_trained):
    one = pretrainer()
    for _ in range(n_trained):
        one.fit_next(images(), n_epochs=1)
    with pytest.raises(TrainingError, match=f"{n_trained} of 3 layers are trained; call fit first"):
        one.classifier(2)


def test_a_classifier_of_no_classes_is_refused():
    with pytest.raises(ValueError, match=r"sizes\[4\].* at least 1"):
        trained().classifier(0)


@pytest.mark.parametrize("shape", [(40, 11), (40, 1), (12,), (40, 2, 12)], ids=str)
def test_images_of_another_size_are_refused_with_both_sizes(shape):
    one = pretrainer()
    for call in (one.transform, lambda x: one.fit(x, n_epochs=1), lambda x: one.fit_next(x, n_epochs=0)):
        with pytest.raises(ValueError, match=r"takes \(n, …\) images with 12 numbers each") as refusal:
            call(torch.rand(shape))
        assert str(shape) in str(refusal.value)
    assert one.stages == []


@pytest.mark.parametrize(
    ("x", "complaint"),
    [
        (images() * float("nan"), "contains NaN"),
        (images() + 1, r"must be within \[0, 1\]"),
        (images()[:0], "is empty"),
        (images().double(), r"float64; the model computes in torch\.float32"),
        ((255 * images()).to(torch.uint8), "divide bytes by 255"),
    ],
    ids=["NaN", "above 1", "nothing", "float64", "bytes"],
)  # fmt: skip
def test_bad_images_are_refused_and_the_stage_is_not_done(x, complaint):
    one = pretrainer()
    with pytest.raises(DataError, match=complaint):
        one.fit(x, n_epochs=1)
    assert one.stages == []
    one.fit(images(), n_epochs=3)
    assert stack_bytes(one) == stack_bytes(trained())


# --------------------------------------------------------------------------------------------------------- checkpoints


class Killed(Exception):
    """What stands for the end of a process."""


def kill_at(stage: tuple[int, int], epoch: int) -> Callable[[Trainer], None]:
    """Kills in an epoch of the stage whose layer has these sizes."""

    def callback(trainer: Trainer) -> None:
        if (trainer.model.n_features, trainer.model.n_codes) == stage and len(trainer.history) == epoch:
            raise Killed

    return callback


class Counting:
    """A callback that counts the epochs that are really run, by the width of the stage's input."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, int]] = []

    def __call__(self, trainer: Trainer) -> None:
        self.epochs.append((trainer.model.n_features, len(trainer.history)))


def test_each_stage_keeps_a_file_and_a_second_run_trains_nothing_again(tmp_path):
    folder = tmp_path / "runs" / "stack"
    first, counting = trained(checkpoint=folder), Counting()
    assert sorted(file.name for file in folder.iterdir()) == ["stage1.pt", "stage2.pt", "stage3.pt"]
    second = trained(checkpoint=str(folder), callbacks=[counting])
    assert counting.epochs == []
    assert everything(second) == everything(first) == everything(trained())
    assert [stage.history.rows for stage in second.stages] == [stage.history.rows for stage in first.stages]
    assert not any(p.requires_grad for stage in second.stages for p in stage.autoencoder.parameters())


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_killed_run_goes_on_in_its_stage_and_ends_as_one_that_was_never_killed(tmp_path, epoch):
    with pytest.raises(Killed):
        trained(checkpoint=tmp_path, callbacks=[kill_at((10, 8), epoch)])
    counting = Counting()
    resumed = trained(checkpoint=tmp_path, callbacks=[counting])
    assert counting.epochs == [(10, n) for n in range(epoch, 4)] + [(8, n) for n in (1, 2, 3)]
    assert everything(resumed) == everything(trained())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sizes": (12, 9, 8)}, r"stage1.pt .*\[10, 12\]"),
        ({"sizes": (12, 10, 7)}, r"stage2.pt .*\[8, 10\]"),
        ({"seed": 1}, "seed was 0, now it is 1"),
        ({"activation": "sigmoid"}, "ReLU.*Sigmoid"),
        ({"tied": False}, "TiedLinear"),
        ({"x": images(seed=1)}, "training data changed"),
        ({"n_epochs": 4}, "n_epochs=3, not 4"),
        ({"optimizer": "sgd"}, "optimizer was adam, now it is sgd"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_checkpoints_of_another_stack_are_refused_with_what_differs(tmp_path, change, named):
    trained((12, 10, 8), checkpoint=tmp_path)
    with pytest.raises(TrainingError, match=named):
        trained(**{"sizes": (12, 10, 8), "checkpoint": tmp_path} | change)


# -------------------------------------------------------------------------------------------------------------- starts


def test_layers_and_head_may_start_as_before_2010_within_one_over_the_root_of_their_inputs():
    one = pretrainer((400, 300, 50), init="default")
    one.fit(torch.rand(20, 400), n_epochs=0)
    model = one.classifier(10)
    for layer in (*model.body[::2], model.head):
        bound = layer.in_features**-0.5
        assert 0.9 * bound < layer.weight.abs().max() <= bound


def test_a_start_scale_multiplies_the_starting_weights_and_not_the_biases():
    plain, small = (trained(n_epochs=0, init_scale=scale).stages[0] for scale in (1.0, 0.1))
    torch.testing.assert_close(small.layer.weight, 0.1 * plain.layer.weight)
    torch.testing.assert_close(small.autoencoder.decoder[0].bias, plain.autoencoder.decoder[0].bias)


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"init": "glorot"}, ValueError, "'glorot'"),
        ({"init_scale": 0.0}, ValueError, "init_scale is 0.0; it must be above 0"),
        ({"lr": -1.0}, TrainingError, "lr is -1.0"),
        ({"batchsize": 5}, TypeError, "batchsize"),
    ],
)
def test_wrong_options_are_refused_before_the_first_stage(options, error, complaint):
    with pytest.raises(error, match=complaint):
        pretrainer(**options)


def test_the_caller_s_random_numbers_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    trained().classifier(4)
    assert torch.equal(torch.rand(3), expected)


def test_a_stack_is_the_same_whatever_torchs_default_type_is(float64_by_default):
    x = images().float()
    in_float64 = trained(x=x)
    torch.set_default_dtype(torch.float32)
    assert everything(in_float64) == everything(trained(x=x))
