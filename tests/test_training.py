import math
import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from course_utils.corruption import masking
from course_utils.critic import fit_critic
from course_utils.data import DataError
from course_utils.generation import standard_normal
from course_utils.inference import encode_all, reconstruct
from course_utils.mean_loss import READ_AFTER
from course_utils.metrics import (
    bce_nats_per_image,
    cross_entropy,
    nats_per_word,
    negative_elbo,
    penalised_sse,
    sse_per_image,
)
from course_utils.models import (
    BinaryAutoencoder,
    DeepAutoencoder,
    TextAutoencoder,
    VariationalAutoencoder,
    forward_with_code,
)
from course_utils.pretraining import GreedyPretrainer
from course_utils.settings import random_states, seed_everything, seeded, set_random_states
from course_utils.training import History, Trainer, TrainingError


def images(n: int = 20, *, seed: int = 0) -> Tensor:
    """n images of six numbers."""
    return torch.rand(n, 6, generator=torch.Generator().manual_seed(seed))


def model(sizes: tuple[int, ...] = (6, 4, 2), *, tied: bool = False) -> DeepAutoencoder:
    torch.manual_seed(0)
    return DeepAutoencoder(sizes, tied=tied)


def trainer(net: nn.Module | None = None, **options: object) -> Trainer:
    """A trainer of a small model with batches of 8: of 20 images two are whole, and the last holds 4."""
    return Trainer(model() if net is None else net, **{"lr": 1e-2, "batch_size": 8} | options)


class Constant(nn.Module):
    """A model that stays as it is: it has a weight, and the output does not depend on it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return 0.25 + 0 * x + 0 * self.weight


class Copy(nn.Module):
    """A model that gives back its input, and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.inputs: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.inputs.append(x.detach().clone())
        return x + 0 * self.weight


def variational() -> VariationalAutoencoder:
    torch.manual_seed(0)
    return VariationalAutoencoder((6, 4, 2))


# What a variational model and a penalised code are trained with.
SAMPLING = {"output": VariationalAutoencoder.forward_sampled, "loss": negative_elbo()}
PENALISING = {"output": forward_with_code, "loss": penalised_sse(0.1)}


def labelled_by_first_pixel(x: Tensor) -> tuple[Tensor, Tensor]:
    return x, (3 * x[:, 0]).long()


def noise(x: Tensor, generator: torch.Generator) -> Tensor:
    return x + torch.randn(x.shape, generator=generator)


def rows(history: History) -> list[dict[str, float]]:
    """The history without what differs from run to run."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def assert_same_run(a: Trainer, b: Trainer) -> None:
    """Weights and histories are equal bit for bit."""
    assert rows(a.history) == rows(b.history)
    for name, weight in a.model.state_dict().items():
        assert torch.equal(weight, b.model.state_dict()[name]), name


# ----------------------------------------------------------------------------------------------------------- fitting


@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_the_loss_falls_on_the_training_data_and_on_others(schedule):
    one = trainer(schedule=schedule)
    before = one.evaluate(images(seed=1))
    history = one.fit(images(), images(seed=1), n_epochs=30)
    assert history["train_loss"][-1] < 0.9 * history["train_loss"][0]
    assert history["validation_loss"][-1] < before
    assert history["validation_loss"][-1] == one.evaluate(images(seed=1))


def test_a_history_has_a_row_an_epoch_and_a_column_a_quantity():
    history = trainer().fit(images(), images(), n_epochs=3)
    assert len(history) == 3
    assert list(history[-1]) == ["epoch", "train_loss", "validation_loss", "lr", "seconds"]
    assert history["epoch"] == [1, 2, 3]
    assert [row["lr"] for row in history] == history["lr"]
    assert all(seconds > 0 for seconds in history["seconds"])
    assert "validation_loss" not in trainer().fit(images(), n_epochs=1)[0]


def test_a_history_says_what_it_holds():
    history = History([{"epoch": 1, "train_loss": 2.5, "lr": 0.1}])
    assert repr(History()) == "History: no epoch yet"
    assert repr(history) == "History of 1 epochs; the last: train_loss 2.5"
    with pytest.raises(KeyError, match="'test_loss' was not recorded; there are epoch, train_loss, lr"):
        history["test_loss"]
    assert History()["test_loss"] == []
    with pytest.raises(KeyError, match=r"'tset_loss'.*test_loss"):
        History()["tset_loss"]


def test_validation_and_test_data_have_a_column_each():
    one = trainer(corrupt=noise)
    history = one.fit(images(), images(seed=1), test=images(seed=2), n_epochs=2)
    assert list(history[-1]) == ["epoch", "train_loss", "validation_loss", "test_loss", "lr", "seconds"]
    assert history["validation_loss"][-1] == one.evaluate(images(seed=1))
    assert history["test_loss"][-1] == one.evaluate(images(seed=2))
    with pytest.raises(DataError, match="the test data contain"):
        one.fit(images(), test=images() * math.nan, n_epochs=1)


@pytest.mark.parametrize("validated_first", [True, False])
def test_a_column_that_only_some_epochs_have_holds_nan_for_the_others(validated_first):
    one = trainer()
    for validated in (validated_first, not validated_first):
        one.fit(images(), images() if validated else None, n_epochs=1)
    assert [math.isnan(loss) for loss in one.history["validation_loss"]] == [not validated_first, validated_first]


@pytest.mark.parametrize("n", [1, 8, 9, 20])
def test_losses_are_weighted_by_sample_so_that_a_short_last_batch_counts_for_what_it_holds(n):
    x = images(n)
    expected = sse_per_image(torch.full_like(x, 0.25), x).item()
    one = trainer(Constant())
    history = one.fit(x, x, n_epochs=2)
    assert history["train_loss"] == pytest.approx([expected] * 2)
    assert history["validation_loss"] == pytest.approx([expected] * 2)
    assert one.evaluate(x) == pytest.approx(expected)


def test_evaluation_is_the_loss_in_eval_mode_without_a_gradient_and_changes_nothing():
    with_gradient = []

    def loss(output: Tensor, target: Tensor) -> Tensor:
        with_gradient.append(output.requires_grad)
        return sse_per_image(output, target)

    one = trainer(nn.Sequential(nn.Dropout(0.5), model()), loss=loss)
    weights = [p.detach().clone() for p in one.model.parameters()]
    direct = sse_per_image(one.model.eval()(images()), images()).item()
    assert one.evaluate(images()) == pytest.approx(direct)
    assert all(torch.equal(p, before) for p, before in zip(one.model.parameters(), weights, strict=True))
    assert with_gradient == [False] * 3


def test_every_sample_is_seen_once_an_epoch_in_another_order_each_time():
    one = trainer(Copy())
    one.fit(images(), n_epochs=2)
    batches = one.model.inputs
    assert [len(batch) for batch in batches] == [8, 8, 4] * 2
    epochs = [torch.cat(batches[:3]), torch.cat(batches[3:])]
    for epoch in epochs:
        assert torch.equal(epoch[epoch[:, 0].argsort()], images()[images()[:, 0].argsort()])
        assert not torch.equal(epoch, images())
    assert not torch.equal(*epochs)


def test_fit_again_goes_on_from_the_epochs_before():
    one = trainer()
    first = one.fit(images(), n_epochs=2)["train_loss"]
    history = one.fit(images(), n_epochs=3)
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert history["train_loss"][:2] == first
    assert max(history["train_loss"][2:]) < min(first)


@pytest.mark.parametrize("corrupt", [None, noise], ids=["order", "order and noise"])
@pytest.mark.parametrize("of", [lambda x: x, TensorDataset], ids=["tensor", "dataset"])
def test_the_trainers_seed_alone_fixes_the_run_and_another_makes_another(of, corrupt):
    def run(seed: int, *, global_seed: int = 0) -> Trainer:
        one = trainer(corrupt=corrupt, seed=seed)
        torch.manual_seed(global_seed)
        one.fit(of(images()), of(images(seed=1)), n_epochs=3)
        return one

    assert_same_run(run(0), run(0, global_seed=1))
    assert run(0).history["train_loss"] != run(1).history["train_loss"]


@pytest.mark.parametrize("of", [lambda x: x, TensorDataset], ids=["tensor", "dataset"])
def test_validation_does_not_change_the_training(of):
    runs = []
    for validation in (None, of(images(seed=1))):
        one = trainer(corrupt=noise)
        one.fit(of(images()), validation, n_epochs=3)
        runs.append(one.history["train_loss"])
    assert runs[0] == runs[1]


def test_the_model_is_left_ready_for_use():
    one = trainer()
    one.fit(images(), n_epochs=3)
    assert sse_per_image(reconstruct(one.model, images()), images()).item() == pytest.approx(one.evaluate(images()))
    assert all(p.requires_grad and p.device.type == "cpu" for p in one.model.parameters())
    assert one.fit(images(), n_epochs=1)["epoch"][-1] == 4


@pytest.mark.parametrize("quiet", ["0", "1"])
def test_a_progress_bar_is_shown_unless_it_is_to_be_quiet_and_nothing_else_is_printed(monkeypatch, capsys, quiet):
    monkeypatch.setenv("COURSE_QUIET", quiet)
    trainer().fit(images(), n_epochs=2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("epochs" in printed.err) == (quiet == "0")


# -------------------------------------------------------------------------------------------------- learning rate


@pytest.mark.parametrize("n_steps", [1, 2, 3, 4, 50])
def test_one_cycle_takes_any_number_of_steps(n_steps):
    history = trainer(lr=0.1).fit(images(8), n_epochs=n_steps)
    assert len(history) == n_steps
    assert all(0 < lr <= 0.1 for lr in history["lr"])


def test_one_cycle_peaks_after_30_percent_of_each_call_of_fit_and_ends_near_0():
    one = trainer(lr=0.1)
    for first in (0, 10):
        lr = one.fit(images(8 * 10), n_epochs=10)["lr"][first:]
        assert lr.index(max(lr)) == 2
        assert max(lr) == pytest.approx(0.1, rel=0.01)
        assert lr[-1] < 1e-4


def test_a_constant_learning_rate_is_constant():
    assert trainer(lr=0.1, schedule="constant").fit(images(), n_epochs=3)["lr"] == [0.1] * 3


# --------------------------------------------------------------------------------------------- optimizer, frozen layers

OPTIMIZERS = ["adam", "sgd"]
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def test_sgd_moves_the_weights_by_the_sum_of_past_gradients_of_which_a_tenth_fades_at_each_step():
    net, lr = nn.Linear(6, 6), 0.01
    weights = [p.detach().clone().requires_grad_() for p in net.parameters()]
    velocities = [torch.zeros_like(w) for w in weights]
    one = trainer(net, optimizer="sgd", lr=lr, schedule="constant", batch_size=20)
    for _ in range(4):  # all images are one batch, so the order does not matter
        one.fit(images(), n_epochs=1)
        gradients = torch.autograd.grad(sse_per_image(F.linear(images(), *weights), images()), weights)
        with torch.no_grad():
            for weight, velocity, gradient in zip(weights, velocities, gradients, strict=True):
                velocity.mul_(0.9).add_(gradient)
                weight.sub_(lr * velocity)
        for parameter, weight in zip(net.parameters(), weights, strict=True):
            torch.testing.assert_close(parameter, weight)


def test_adam_is_what_is_taken_where_none_is_named():
    runs = [trainer(**options) for options in ({}, {"optimizer": "adam"}, {"optimizer": "sgd"})]
    for one in runs:
        one.fit(images(), n_epochs=3)
    assert_same_run(*runs[:2])
    assert runs[0].history["train_loss"] != runs[2].history["train_loss"]
    assert [one.optimizer_name for one in runs] == ["adam", "adam", "sgd"]


@every_optimizer
@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_the_loss_falls_with_either_optimizer(optimizer, schedule):
    lr = {"adam": 1e-2, "sgd": 1e-1}[optimizer]
    history = trainer(optimizer=optimizer, schedule=schedule, lr=lr).fit(images(), n_epochs=30)
    assert history["train_loss"][-1] < 0.9 * history["train_loss"][0]


def in_bytes(net: nn.Module) -> dict[str, bytes]:
    return {name: p.detach().numpy().tobytes() for name, p in net.named_parameters()}


@every_optimizer
@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
@pytest.mark.parametrize("trained_before", [False, True])
def test_what_is_frozen_keeps_its_bytes_and_the_rest_moves(optimizer, schedule, trained_before):
    one = trainer(optimizer=optimizer, schedule=schedule)
    if trained_before:  # the optimizer remembers gradients of what is frozen now
        one.fit(images(), n_epochs=3)
    one.model.encoder[0].requires_grad_(False)
    one.model.decoder[0].weight.requires_grad_(False)
    before = in_bytes(one.model)
    one.fit(images(), n_epochs=5)
    same = {name for name, now in in_bytes(one.model).items() if now == before[name]}
    assert same == {"encoder.0.weight", "encoder.0.bias", "decoder.0.weight"}


@every_optimizer
def test_a_model_of_which_all_is_frozen_is_refused_with_the_cure_and_can_be_evaluated(optimizer):
    one = trainer(model().requires_grad_(False), optimizer=optimizer)
    before = in_bytes(one.model)
    with pytest.raises(TrainingError, match=r"Every parameter .* is frozen .*not frozen, or .*requires_grad_\(True\)"):
        one.fit(images(), n_epochs=1)
    assert len(one.history) == 0
    assert in_bytes(one.model) == before
    assert one.evaluate(images()) > 0
    one.model.requires_grad_(True)
    assert len(one.fit(images(), n_epochs=1)) == 1


def test_a_checkpoint_of_a_run_with_frozen_layers_is_not_continued_without(tmp_path):
    def half_frozen() -> nn.Module:
        net = model()
        net.encoder.requires_grad_(False)
        return net

    script(tmp_path / "run.pt", make=half_frozen)
    with pytest.raises(TrainingError, match="another set-up"):
        script(tmp_path / "run.pt")


# -------------------------------------------------------------------------------------------------------------- data


class Pairs(Dataset):
    """A data set written by hand: images with their labels."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        self.x, self.labels = x, labels

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index], self.labels[index]


def labels_of(x: Tensor) -> Tensor:
    return (x[:, 0] > x[:, 1]).long()


WITHOUT_TARGETS = {
    "tensor": lambda x: x,
    "Subset": lambda x: Subset(x, range(len(x))),
    "TensorDataset": TensorDataset,
    "DataLoader of a tensor": lambda x: DataLoader(x, batch_size=8),
    "DataLoader of a TensorDataset": lambda x: DataLoader(TensorDataset(x), batch_size=8),
}
WITH_TARGETS = {
    "pair": lambda x: (x, labels_of(x)),
    "Dataset": lambda x: Pairs(x, labels_of(x)),
    "DataLoader": lambda x: DataLoader(Pairs(x, labels_of(x)), batch_size=8),
}


@pytest.mark.parametrize("of", (WITHOUT_TARGETS | WITH_TARGETS).values(), ids=(WITHOUT_TARGETS | WITH_TARGETS).keys())
def test_an_auto_encoder_takes_every_kind_of_data_and_ignores_targets(of):
    one = trainer()
    history = one.fit(of(images()), of(images()), n_epochs=20)
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert one.evaluate(of(images())) == pytest.approx(one.evaluate(images()))


@pytest.mark.parametrize("of", WITH_TARGETS.values(), ids=WITH_TARGETS.keys())
def test_a_classifier_learns_the_targets_of_every_kind_of_data(of):
    one = trainer(nn.Linear(6, 2), loss=F.cross_entropy, supervised=True, lr=0.1)
    one.fit(of(images()), of(images()), n_epochs=30)
    assert (one.model(images()).argmax(dim=1) == labels_of(images())).float().mean() > 0.9
    assert one.evaluate(of(images())) == pytest.approx(
        F.cross_entropy(one.model(images()), labels_of(images())).item(), rel=1e-5
    )


def test_a_dataset_is_shuffled_for_training_and_not_for_evaluation():
    one = trainer(Copy())
    one.evaluate(TensorDataset(images()))
    assert torch.equal(torch.cat(one.model.inputs), images())
    one.model.inputs.clear()
    one.fit(TensorDataset(images()), n_epochs=1)
    assert not torch.equal(torch.cat(one.model.inputs), images())


def with_value(value: float) -> Tensor:
    x = images()
    x[13, 3] = value
    return x


BAD = {
    "NaN": (with_value(math.nan), "contains NaN"),
    "above": (with_value(1.5), r"to 1.5; values must be within \[0, 1\]"),
    "below": (with_value(-0.5), "from -0.5"),
    "bytes": (torch.zeros(20, 6, dtype=torch.uint8), "uint8; .*divide bytes by 255"),
    "nothing": (torch.zeros(0, 6), "is empty|no samples"),
    "no pixels": (torch.zeros(20, 0), "is empty"),
    "a list": ([[0.5] * 6] * 20, "needed|samples"),
    "three tensors": ((images(), images(), images()), "needed|samples"),
}
LAZY = ["NaN", "above", "below", "bytes", "nothing", "no pixels"]  # those that a Dataset can hold


@pytest.mark.parametrize(("data", "complaint"), BAD.values(), ids=BAD.keys())
def test_bad_data_are_refused_before_the_first_step_and_named(data, complaint):
    one = trainer(Copy())
    for what, call in {
        "training": lambda: one.fit(data, n_epochs=1),
        "validation": lambda: one.fit(images(), data, n_epochs=1),
        "evaluation": lambda: one.evaluate(data),
    }.items():
        with pytest.raises(DataError, match=complaint) as refusal:
            call()
        assert f"the {what} data" in str(refusal.value)
    assert not one.model.inputs
    assert len(one.history) == 0


@pytest.mark.parametrize(
    "of", [TensorDataset, lambda x: DataLoader(TensorDataset(x), batch_size=8)], ids=["set", "loader"]
)
@pytest.mark.parametrize("kind", LAZY)
def test_bad_data_of_a_dataset_are_refused_where_they_are_met(of, kind):
    data, complaint = BAD[kind]
    for call in (lambda: trainer().fit(of(data), n_epochs=1), lambda: trainer().evaluate(of(data))):
        with pytest.raises(DataError, match=complaint):
            call()


@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_a_loader_without_a_batch_is_refused(schedule):
    none = DataLoader(images(), batch_size=30, drop_last=True)
    for call in (lambda one: one.fit(none, n_epochs=1), lambda one: one.evaluate(none)):
        with pytest.raises(DataError, match=r"empty|no samples|no batch"):
            call(trainer(schedule=schedule))


@pytest.mark.parametrize("data", [images(), (images(), torch.zeros(19)), DataLoader(images(), batch_size=8)])
def test_a_classifier_without_a_target_for_each_sample_is_refused(data):
    with pytest.raises(DataError, match=r"samples need as many targets \(supervised=True\); there are (none|19)"):
        trainer(nn.Linear(6, 2), loss=F.cross_entropy, supervised=True).fit(data, n_epochs=1)


def test_value_range_may_be_another_or_none_but_nan_is_never_data():
    x = 10 * images() - 5
    for value_range in ((-5.0, 5.0), None):
        assert trainer(value_range=value_range).evaluate(x) > 0
        with pytest.raises(DataError, match="NaN"):
            trainer(value_range=value_range).evaluate(with_value(math.nan))
    with pytest.raises(DataError, match=r"within \[-1, 1\]"):
        trainer(value_range=(-1.0, 1.0)).evaluate(x)


# ---------------------------------------------------------------------------------------------------------- corruption


class RecordingLoss:
    """The squared error, and the targets that it was given."""

    def __init__(self) -> None:
        self.targets: list[Tensor] = []

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        self.targets.append(target.clone())
        return sse_per_image(output, target)


@pytest.mark.parametrize("of", WITHOUT_TARGETS.values(), ids=WITHOUT_TARGETS.keys())
def test_the_input_is_noisy_and_the_target_clean_in_training_and_in_evaluation(of):
    one = trainer(Copy(), loss=RecordingLoss(), corrupt=lambda x, generator: x + 1)
    one.fit(of(images()), of(images()), n_epochs=1)
    one.evaluate(of(images()))
    assert len(one.loss.targets) == 9
    for x_noisy, target in zip(one.model.inputs, one.loss.targets, strict=True):
        assert 0 <= target.min() < target.max() <= 1
        torch.testing.assert_close(x_noisy, target + 1)


def test_the_target_of_a_classifier_is_left_as_it_is():
    one = trainer(nn.Linear(6, 2), supervised=True, corrupt=noise, loss=RecordingLoss())
    one.fit((images(), images()[:, :2]), n_epochs=1)
    targets = torch.cat(one.loss.targets)
    assert torch.equal(targets[targets[:, 0].argsort()], images()[:, :2][images()[:, 0].argsort()])


def noise_seen(one: Trainer, n_batches: int) -> Tensor:
    """The noise of the first whole batches that the model was given since the last look."""
    clean = torch.cat(one.loss.targets[:n_batches])
    seen = torch.cat(one.model.inputs[:n_batches]) - clean
    one.loss.targets.clear()
    one.model.inputs.clear()
    return seen


def test_noise_is_fresh_at_every_step_and_in_every_epoch():
    one = trainer(Copy(), loss=RecordingLoss(), corrupt=noise)
    one.fit(images(), n_epochs=4)
    drawn = noise_seen(one, 12)
    assert drawn.shape == (80, 6)
    assert drawn.std() == pytest.approx(1, abs=0.15)
    assert drawn.round(decimals=4).unique().numel() > 0.95 * drawn.numel()


def test_noise_is_the_same_at_every_evaluation_and_no_training_comes_between():
    one = trainer(Copy(), loss=RecordingLoss(), corrupt=noise)
    first = one.evaluate(images()), noise_seen(one, 3)
    one.fit(images(), n_epochs=1)
    noise_seen(one, 3)
    again = one.evaluate(images()), noise_seen(one, 3)
    assert first[0] == again[0]
    assert torch.equal(first[1], again[1])
    assert first[1].abs().min(dim=0).values.max() > 0


def test_the_noise_is_on_in_validation():
    validation_loss = trainer(Copy(), corrupt=noise).fit(images(), images(), n_epochs=1)["validation_loss"]
    assert validation_loss == pytest.approx([6], rel=0.5)  # six pixels of variance 1; without noise it were 0


# -------------------------------------------------------------------------------------------------------- augmentation


def darkened(x: Tensor, generator: torch.Generator) -> Tensor:
    """Another image: half as bright, or as it is; drawn for each."""
    return x * (0.5 + 0.5 * torch.randint(2, (len(x), 1), generator=generator))


def sorted_rows(x: Tensor) -> Tensor:
    return x[x[:, 0].argsort()]


@pytest.mark.parametrize("of", WITHOUT_TARGETS.values(), ids=WITHOUT_TARGETS.keys())
def test_an_augmented_image_is_the_target_as_well_and_the_noise_comes_after(of):
    one = trainer(Copy(), loss=RecordingLoss(), augment=darkened, corrupt=lambda x, generator: x + 1)
    one.fit(of(images()), n_epochs=8)
    x_in, targets = torch.cat(one.model.inputs), torch.cat(one.loss.targets)
    torch.testing.assert_close(x_in, targets + 1)
    share = targets.view(8, 20, 6).sum(dim=(1, 2)) / images().sum()
    assert 0.55 < share.min() < share.max() < 0.95
    assert len(set(share.tolist())) == 8  # anew in every epoch
    brightest = max(targets.unbind(), key=torch.sum)
    assert any(torch.equal(brightest, image) for image in images())


def test_images_are_not_augmented_at_an_evaluation():
    one = trainer(Copy(), loss=RecordingLoss(), augment=darkened)
    one.fit(images(), images(seed=1), n_epochs=1)
    torch.testing.assert_close(torch.cat(one.loss.targets[3:]), images(seed=1))
    one.loss.targets.clear()
    one.evaluate(images())
    torch.testing.assert_close(torch.cat(one.loss.targets), images())


def test_a_target_that_was_given_is_not_augmented():
    net = Copy()
    one = trainer(net, supervised=True, augment=lambda x, generator: x + 1, loss=RecordingLoss())
    one.fit((images(), 2 * images()), n_epochs=1)
    torch.testing.assert_close(sorted_rows(torch.cat(one.loss.targets)), 2 * sorted_rows(images()))
    torch.testing.assert_close(sorted_rows(torch.cat(net.inputs)), 1 + sorted_rows(images()))


def test_an_augmentation_that_works_in_place_leaves_the_data_as_they_were():
    x = images()
    batches = DataLoader([x[:10], x[10:]], batch_size=None)  # gives the tensors themselves
    trainer(augment=lambda x, generator: x.zero_()).fit(batches, n_epochs=1)
    assert torch.equal(x, images())


# ------------------------------------------------------------------------------------------- more than the output


@pytest.mark.parametrize(("make", "options"), [(model, PENALISING), (variational, SAMPLING)], ids=["code", "sampled"])
def test_a_loss_may_look_at_more_than_the_reconstruction(make, options):
    one = trainer(make(), **options)
    before = one.evaluate(images(seed=1))
    history = one.fit(images(), images(seed=1), n_epochs=30)
    assert history["train_loss"][-1] < 0.95 * history["train_loss"][0]
    assert history["validation_loss"][-1] < before
    with torch.no_grad():
        losses = [one.loss(one.output(one.model, x), x).item() for x in images(seed=1).split(8) * 40]
    by_hand = np.average(losses, weights=[8, 8, 4] * 40)  # of forty draws of the sampled code
    assert one.evaluate(images(seed=1)) == pytest.approx(by_hand, rel=0.05)


def test_a_penalty_shortens_the_codes():
    lengths = []
    for weight in (0, 1):
        one = trainer(output=forward_with_code, loss=penalised_sse(weight))
        one.fit(images(), n_epochs=30)
        lengths.append(encode_all(one.model, images()).norm(dim=1).mean().item())
    assert lengths[1] < 0.5 * lengths[0]


def test_the_output_is_made_of_the_noisy_input_and_the_target_is_clean():
    seen = []

    def output(model: nn.Module, x: Tensor) -> Tensor:
        seen.append(x.clone())
        return model(x)

    recorder = RecordingLoss()
    trainer(Constant(), output=output, corrupt=noise, loss=recorder).evaluate(images())
    assert not torch.equal(torch.cat(seen), images())
    assert torch.equal(torch.cat(recorder.targets), images())


def test_a_model_that_samples_is_evaluated_with_the_same_numbers_each_time():
    one = trainer(variational(), **SAMPLING)
    x = images()
    assert not torch.equal(one.model.forward_sampled(x).x_hat, one.model.forward_sampled(x).x_hat)
    assert one.evaluate(x) == one.evaluate(x)
    validated = one.fit(x, x, n_epochs=2)["validation_loss"]
    assert one.evaluate(x) == validated[-1]
    assert trainer(variational(), seed=1, **SAMPLING).evaluate(x) != trainer(variational(), **SAMPLING).evaluate(x)


def test_an_evaluation_leaves_the_global_random_numbers_as_they_were():
    one = trainer(variational(), **SAMPLING)
    state = torch.get_rng_state()
    one.evaluate(images())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("make", [variational, lambda: nn.Sequential(model(), nn.Dropout(0.5))])
def test_evaluating_in_between_changes_nothing_of_the_training_bit_for_bit(make):
    options = SAMPLING if make is variational else {}
    runs = []
    for callbacks in ([], [lambda one: one.evaluate(images(seed=2))]):
        one = trainer(make(), callbacks=callbacks, **options)
        one.fit(images(), n_epochs=2)
        for _ in callbacks:
            one.evaluate(images(seed=3))
        one.fit(images(), images(seed=1) if callbacks else None, n_epochs=2)
        runs.append(one)
    assert runs[0].history["train_loss"] == runs[1].history["train_loss"]
    for a, b in zip(*(one.model.state_dict().values() for one in runs), strict=True):
        assert torch.equal(a, b)


def test_training_draws_fresh_codes_at_every_step_and_in_every_epoch():
    errors = []

    def loss(output: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
        errors.append(output[0].detach().clone())
        return sse_per_image(output[0], x)

    frozen = variational().requires_grad_(False)
    frozen.decoder[-2].bias.requires_grad_(True)
    x = images(1).repeat(8, 1)
    trainer(frozen, output=VariationalAutoencoder.forward_sampled, loss=loss, lr=1e-12).fit(x, n_epochs=3)
    assert all(not torch.allclose(a, b, atol=1e-4) for a, b in pairwise(errors))


# ------------------------------------------------------------------------------------------------------------- errors


class LossThatFails:
    """The squared error, but not finite at one call."""

    def __init__(self, value: float, at: int) -> None:
        self.value, self.at, self.calls = value, at, 0

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        self.calls += 1
        return sse_per_image(output, target) * (self.value if self.calls == self.at else 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(
    ("call", "place"),
    [
        (2, "epoch 1, batch 2 of the training data"),
        (5, "epoch 1, batch 2 of the validation data"),
        (7, "epoch 2, batch 1 of the training data"),
    ],
)
def test_a_loss_that_is_not_finite_is_reported_by_epoch_batch_and_learning_rate(value, call, place):
    one = trainer(loss=LossThatFails(value, call), lr=0.01, schedule="constant")
    with pytest.raises(TrainingError, match=f"{value} in {place}, at lr 0.01.*smaller lr"):
        one.fit(images(), images(), n_epochs=2)
    assert len(one.history) == int(place[6]) - 1
    assert all(torch.isfinite(p).all() for p in one.model.parameters())


def test_a_learning_rate_that_is_far_too_large_is_reported():
    net = nn.Linear(6, 6)
    with pytest.raises(TrainingError, match=r"The loss became (inf|nan) in epoch .* smaller lr"):
        trainer(net, lr=1e30, schedule="constant").fit(images(), n_epochs=50)


@pytest.mark.parametrize(
    "options",
    [{"lr": 0}, {"lr": -1e-3}, {"lr": math.nan}, {"batch_size": 0}, {"batch_size": -1}, {"schedule": "cosine"},
     {"optimizer": "adagrad"}, {"optimizer": "SGD"}],
    ids=str,
)  # fmt: skip
def test_options_that_cannot_be_are_refused(options):
    (name,) = options
    with pytest.raises(TrainingError, match=name):
        trainer(**options)


@pytest.mark.parametrize("n_epochs", [0, -1, 2.5, 2.0, "3", None, True])
def test_no_epochs_and_parts_of_epochs_are_refused(n_epochs):
    with pytest.raises(TrainingError, match=f"n_epochs is {n_epochs!r}"):
        trainer().fit(images(), n_epochs=n_epochs)


def test_whole_numbers_out_of_numpy_are_taken():
    assert len(trainer(batch_size=np.int64(8), seed=np.int32(1)).fit(images(), n_epochs=np.int64(2))) == 2


# --------------------------------------------------------------------------------------------- nets that cannot train


DIVERGING = {
    "variational": (variational, SAMPLING, None),
    "binary cross-entropy": (model, {"loss": bce_nats_per_image}, None),
    "softmax of words": (lambda: TextAutoencoder((6, 4, 2)), {"loss": nats_per_word}, None),
    "classifier": (
        lambda: nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 3)),
        {"loss": cross_entropy, "supervised": True},
        labelled_by_first_pixel,
    ),
    "penalised": (model, PENALISING, None),
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(("make", "options", "of"), DIVERGING.values(), ids=DIVERGING.keys())
def test_a_net_of_any_kind_that_diverges_is_reported_with_place_and_cure(make, options, of, optimizer):
    torch.manual_seed(0)
    one = trainer(make(), **options | {"lr": 1e30, "optimizer": optimizer, "schedule": "constant"})
    with pytest.raises(TrainingError, match=r"(finite|became (nan|inf)).* epoch \d.* 1e\+30.*smaller lr"):
        one.fit(images() if of is None else of(images()), n_epochs=50)


def test_a_loss_that_fails_for_another_reason_keeps_its_error_and_says_where():
    with pytest.raises(ValueError, match="shape") as caught:
        trainer(nn.Linear(6, 5)).fit(images(), n_epochs=1)
    assert "epoch 1, batch 1 of the training data" in caught.value.__notes__[0]


def with_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6))


def with_norm_of_planes() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))


@pytest.mark.parametrize("of", [lambda x: x, TensorDataset, lambda x: DataLoader(x, batch_size=8)])
def test_a_last_batch_of_one_is_refused_before_batchnorm_meets_it(of):
    net = with_norm()
    before = deepcopy(net.state_dict())
    with pytest.raises(TrainingError, match=r"1 sample.*BatchNorm.*batch_size than 8.*drop_last"):
        trainer(net).fit(of(images(17)), n_epochs=1)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_batchnorm_trains_wherever_it_can():
    trainer(with_norm()).fit(images(18), n_epochs=1)
    trainer(with_norm()).fit(DataLoader(images(17), batch_size=8, drop_last=True), n_epochs=1)
    trainer(with_norm_of_planes()).fit(torch.rand(17, 1, 3, 3), n_epochs=1)  # of a plane, one sample has a variance
    trainer(with_norm()).fit(images(16), images(17), n_epochs=1)  # validated with the means that were learnt


def test_half_precision_is_refused_with_the_cure_and_bfloat16_trains():
    with pytest.raises(TrainingError, match=r"float16.*bfloat16"):
        trainer(model().half()).fit(images().half(), n_epochs=1)
    trainer(model().bfloat16()).fit(images().bfloat16(), n_epochs=1)


# ---------------------------------------------------------------------------------------------------------- callbacks


def test_callbacks_are_called_after_each_epoch_in_their_order():
    calls = []
    one = trainer(callbacks=[lambda t: calls.append(("a", len(t.history))), lambda t: calls.append(("b", t))])
    one.fit(images(), images(), n_epochs=2)
    assert calls == [("a", 1), ("b", one), ("a", 2), ("b", one)]


def stop_after(n: int) -> Callable[[Trainer], None]:
    def callback(one: Trainer) -> None:
        one.stop = len(one.history) >= n

    return callback


def test_a_callback_stops_the_training_and_the_next_call_goes_on():
    one = trainer(callbacks=[stop_after(2)])
    assert one.fit(images(), n_epochs=5)["epoch"] == [1, 2]
    one.callbacks = ()
    assert one.fit(images(), n_epochs=2)["epoch"] == [1, 2, 3, 4]


def test_a_call_that_was_interrupted_is_followed_by_one_of_its_own_length():
    one = trainer(callbacks=[kill_at(2)])
    with pytest.raises(Killed):
        one.fit(images(), n_epochs=5)
    one.callbacks = ()
    assert one.fit(images(), n_epochs=2)["epoch"] == [1, 2, 3, 4]


# --------------------------------------------------------------------------------------------------------- checkpoints


class Killed(Exception):
    """What stands for the end of a process."""


def kill_at(epoch: int) -> Callable[[Trainer], None]:
    def callback(one: Trainer) -> None:
        if len(one.history) == epoch:
            raise Killed

    return callback


class Counting:
    """A callback that counts the epochs that are really run."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def __call__(self, one: Trainer) -> None:
        self.epochs.append(len(one.history))


def script(
    checkpoint: Path | None, *, legs: Iterable[int] = (5,), of: Callable[[Tensor], object] = lambda x: x,
    make: Callable[[], nn.Module] = model, validation: object = "like the training data", test: object = None,
    **options: object,
) -> Trainer:  # fmt: skip
    """What a learner's script does, from the seed on: a call of fit for each leg."""
    one = trainer(make(), checkpoint=checkpoint, **options)
    if isinstance(validation, str):
        validation = of(images(seed=1))
    for n_epochs in legs:
        one.fit(of(images()), validation, n_epochs=n_epochs, test=test)
    return one


def killed_script(checkpoint: Path, epoch: int, **options: object) -> None:
    with pytest.raises(Killed):
        script(checkpoint, callbacks=[kill_at(epoch)], **options)


def model_with_dropout() -> nn.Module:
    return nn.Sequential(model(), nn.Dropout(0.1))


SCRIPTS = {
    "plain": {},
    "constant": {"schedule": "constant"},
    "sgd": {"optimizer": "sgd"},
    "sgd, constant": {"optimizer": "sgd", "schedule": "constant"},
    "noise": {"corrupt": noise},
    "augmented": {"augment": darkened},
    "dropout": {"make": model_with_dropout},
    "variational": {"make": variational, **SAMPLING},
    "variational, noise": {"make": variational, "corrupt": noise, **SAMPLING},
    "penalised": PENALISING,
    "dataset": {"of": TensorDataset},
    "tied": {"make": lambda: model(tied=True)},
    "loader": {"of": lambda x: DataLoader(x, batch_size=8, shuffle=True)},
}
every_script = pytest.mark.parametrize("options", SCRIPTS.values(), ids=SCRIPTS.keys())


@every_script
def test_a_killed_script_run_again_ends_as_one_that_was_never_killed(tmp_path, options):
    killed_script(tmp_path / "run.pt", 3, **options)
    counting = Counting()
    resumed = script(tmp_path / "run.pt", callbacks=[counting], **options)
    assert counting.epochs == [3, 4, 5]  # it was killed before the third could be written
    assert_same_run(resumed, script(None, **options))


@pytest.mark.parametrize("epoch", range(1, 6))
def test_a_script_of_two_legs_can_be_killed_anywhere(tmp_path, epoch):
    legs = (2, 3)
    killed_script(tmp_path / "run.pt", epoch, legs=legs)
    counting = Counting()
    resumed = script(tmp_path / "run.pt", legs=legs, callbacks=[counting])
    assert counting.epochs == list(range(epoch, 6))
    assert_same_run(resumed, script(None, legs=legs))


def test_a_script_can_be_killed_again_and_again(tmp_path):
    for epoch in (2, 2, 3, 5):
        killed_script(tmp_path / "run.pt", epoch, legs=(2, 3))
    assert_same_run(script(tmp_path / "run.pt", legs=(2, 3)), script(None, legs=(2, 3)))


def really_kill_at(epoch: int, one: Trainer) -> None:
    if len(one.history) == epoch:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_process_that_is_killed_is_gone_on_from_by_another(tmp_path):
    process = multiprocessing.get_context("spawn").Process(
        target=script, args=(tmp_path / "run.pt",), kwargs={"callbacks": [partial(really_kill_at, 3)]}
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    counting = Counting()
    resumed = script(tmp_path / "run.pt", callbacks=[counting])
    assert counting.epochs == [3, 4, 5]
    assert_same_run(resumed, script(None))


def test_a_kill_while_the_checkpoint_is_written_loses_one_epoch_and_no_more(tmp_path, monkeypatch):
    save, path = torch.save, tmp_path / "run.pt"

    def save_half(state: dict, unfinished: Path) -> None:
        save(state, unfinished)
        if len(state["rows"]) == 3:
            unfinished.write_bytes(unfinished.read_bytes()[:5_000])
            raise Killed

    monkeypatch.setattr(torch, "save", save_half)
    with pytest.raises(Killed):
        script(path)
    monkeypatch.undo()
    counting = Counting()
    assert_same_run(script(path, callbacks=[counting]), script(None))
    assert counting.epochs == [3, 4, 5]


@pytest.mark.parametrize("legs", [(5,), (2, 3)])
def test_a_finished_script_run_again_trains_nothing(tmp_path, legs):
    finished, counting = script(tmp_path / "run.pt", legs=legs), Counting()
    written = (tmp_path / "run.pt").read_bytes()
    again = script(tmp_path / "run.pt", legs=legs, callbacks=[counting])
    assert counting.epochs == []
    assert_same_run(again, finished)
    assert again.history["seconds"] == finished.history["seconds"]
    assert (tmp_path / "run.pt").read_bytes() == written


def test_a_finished_script_that_is_made_longer_trains_what_was_added(tmp_path):
    script(tmp_path / "run.pt", legs=(2,))
    counting = Counting()
    longer = script(tmp_path / "run.pt", legs=(2, 3), callbacks=[counting])
    assert counting.epochs == [3, 4, 5]
    assert_same_run(longer, script(None, legs=(2, 3)))


def test_a_run_that_a_callback_stopped_stays_stopped(tmp_path):
    stopped = script(tmp_path / "run.pt", callbacks=[stop_after(2)])
    assert len(stopped.history) == 2
    counting = Counting()
    assert_same_run(script(tmp_path / "run.pt", callbacks=[counting]), stopped)
    assert counting.epochs == []
    further = script(tmp_path / "run.pt", legs=(5, 2), callbacks=[counting])
    assert further.history["epoch"] == [1, 2, 3, 4]
    assert counting.epochs == [3, 4]


def test_a_checkpoint_makes_no_difference_to_the_run_and_leaves_one_file(tmp_path):
    assert_same_run(script(tmp_path / "runs" / "a.pt"), script(None))
    assert [file.name for file in (tmp_path / "runs").iterdir()] == ["a.pt"]


def test_a_learning_rate_out_of_numpy_can_be_gone_on_from(tmp_path):
    (lr,) = np.logspace(-2, -2, 1)
    killed_script(tmp_path / "run.pt", 3, lr=lr)
    assert_same_run(script(tmp_path / "run.pt", lr=lr), script(None))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_text("no checkpoint"), id="text"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-1000]), id="truncated"),
        pytest.param(lambda path: torch.save(model().state_dict(), path), id="weights only"),
        pytest.param(lambda path: torch.save([1, 2], path), id="a list"),
        pytest.param(lambda path: torch.save(torch.ones(3), path), id="a tensor"),
        pytest.param(lambda path: torch.save(model(), path), id="a whole model"),
        pytest.param(lambda path: path.unlink() or path.mkdir(), id="a folder"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused_by_name_and_left_alone(tmp_path, content):
    path = tmp_path / "run.pt"
    script(path)
    content(path)
    before = path.is_file() and path.read_bytes()
    with pytest.raises(TrainingError, match=r"run\.pt.*readable"):
        script(path)
    assert (path.is_file() and path.read_bytes()) == before


def test_a_damaged_byte_anywhere_is_refused_or_does_no_harm(tmp_path):
    path = tmp_path / "run.pt"
    finished = script(path, legs=(2,))
    whole = path.read_bytes()
    for place in range(0, len(whole), 101):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            again = script(path, legs=(2,))
        except TrainingError as refusal:
            assert "run.pt" in str(refusal)  # noqa: PT017 (either is right)
        else:
            assert_same_run(again, finished)


def twice(model: nn.Module, x: Tensor) -> Tensor:
    return model(model(x))


WEIGHT = 0.1


def weighted(output: Tensor, target: Tensor, scale: float = 1.0) -> Tensor:
    return WEIGHT * scale * sse_per_image(output, target)


def renamed(function: Callable, name: str, **options: object) -> Callable:
    """A function of this name whose code is another's."""
    copy = partial(function, **options)
    copy.__name__ = name
    return copy


def around(weight: float) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        return weight * sse_per_image(output, target)

    return loss


class Weighted:
    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        return self.weight * sse_per_image(output, target)


def binary(noise: float) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        torch.manual_seed(0)
        return BinaryAutoencoder((6, 4, 2), noise=noise)

    return make


def text_model(idf: float) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        torch.manual_seed(0)
        return TextAutoencoder((6, 4, 2), idf=torch.tensor([1.0, 1, 1, 1, 1, idf]))

    return make


def seeded_model(seed: int, **options: object) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        torch.manual_seed(seed)
        return DeepAutoencoder((6, 4, 2), **options)

    return make


def classifier() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 3))


def labelled(x: Tensor, *, corrected: bool = False, shuffled: bool = False) -> tuple[Tensor, Tensor]:
    _, y = labelled_by_first_pixel(x)
    y[0] = (y[0] + corrected) % 3
    return (x.flip(0) if shuffled else x), y


def loader(x: object, **options: object) -> DataLoader:
    return DataLoader(x, **{"batch_size": 8, "shuffle": True} | options)


def pairs(x: Tensor, **options: bool) -> TensorDataset:
    return TensorDataset(*labelled(x, **options))


LABELS = {"make": classifier, "supervised": True, "loss": cross_entropy}
SEEDED = {"of": lambda x: loader(x, generator=torch.Generator().manual_seed(3))}

# A run, what is changed of it, and what the message must name: every way in which a script was seen to go on wrongly.
CHANGES = {
    "lr": ({}, {"lr": 0.02}, "lr was 0.01, now it is 0.02"),
    "batch size": ({}, {"batch_size": 10}, "batch_size was 8, now it is 10"),
    "seed": ({}, {"seed": 1}, "seed was 0, now it is 1"),
    "schedule": ({}, {"schedule": "constant"}, "schedule was one-cycle"),
    "optimizer": ({}, {"optimizer": "sgd"}, "optimizer was adam, now it is sgd"),
    "loss": ({}, {"loss": bce_nats_per_image}, "loss was sse_per_image, now it is bce_nats_per_image"),
    "loss of the code": ({}, PENALISING, r"loss was sse_per_image, now it is penalised_sse\(0.1\)"),
    "another weight": (PENALISING, PENALISING | {"loss": penalised_sse(50)}, r"\(0.1\), now it is penalised"),
    "another option of a loss": ({"loss": nn.MSELoss()}, {"loss": nn.MSELoss(reduction="sum")}, "reduction='sum'"),
    "other code of that name": ({"loss": weighted}, {"loss": renamed(sse_per_image, "weighted")}, "code of loss"),
    "other arguments under that name": (
        {"loss": renamed(weighted, "mine", scale=1.0)}, {"loss": renamed(weighted, "mine", scale=2.0)}, "code of loss",
    ),
    "another tensor under that name": (
        {"loss": renamed(weighted, "mine", scale=torch.ones(()))},
        {"loss": renamed(weighted, "mine", scale=torch.full((), 2.0))}, "code of loss",
    ),
    "another value from around it": (
        {"loss": renamed(around(0.1), "mine")}, {"loss": renamed(around(50), "mine")}, "code of loss",
    ),
    "another attribute of an object": (
        {"loss": renamed(Weighted(0.1), "mine")}, {"loss": renamed(Weighted(50), "mine")}, "code of loss",
    ),
    "weights of the classes": (
        LABELS | {"of": labelled, "loss": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 1, 1]))},
        LABELS | {"of": labelled, "loss": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 1, 9]))},
        "the tensors of loss changed",
    ),
    "output": ({}, {"output": twice}, "output was None, now it is twice"),
    "KL weight": (
        {"make": variational, **SAMPLING}, {"make": variational, **SAMPLING, "loss": negative_elbo(4)},
        r"loss was negative_elbo\(1.0\), now it is negative_elbo\(4\)",
    ),
    "augmentation": ({}, {"augment": darkened}, "augment was None, now it is darkened"),
    "noise": ({}, {"corrupt": noise}, "corrupt was None, now it is noise"),
    "strength of the noise": ({"corrupt": masking(0.1)}, {"corrupt": masking(0.2)}, r"\(0.1\), now it is masking"),
    "fewer images": ({}, {"of": lambda x: x[:19]}, r"\[20, 6\], now it is \[19, 6\]"),
    "other images": ({}, {"of": lambda x: 1 - x}, "the training data changed"),
    "turned images, of the same mean": ({}, {"of": lambda x: x.flip(1)}, "the training data changed"),
    "images against their labels": (
        LABELS | {"of": labelled}, LABELS | {"of": partial(labelled, shuffled=True)}, "the training data changed",
    ),
    "corrected labels": (
        LABELS | {"of": labelled}, LABELS | {"of": partial(labelled, corrected=True)}, "the targets of the training",
    ),
    "another validation set": ({}, {"validation": images(seed=2)}, "the validation data changed"),
    "a validation set later": ({"validation": None}, {}, "the validation data was None"),
    "a test set": ({}, {"test": images(seed=2)}, "the test data was None"),
    "dropout": (
        {"make": lambda: nn.Sequential(model(), nn.Dropout(0.1))},
        {"make": lambda: nn.Sequential(model(), nn.Dropout(0.9))}, r"layer 1 was Dropout\(p=0.1",
    ),
    "noise at the code": ({"make": binary(4.0)}, {"make": binary(0.5)}, "noise=4.0"),
    "idf": (
        {"make": text_model(1.0), "loss": nats_per_word}, {"make": text_model(2.0), "loss": nats_per_word}, "weights",
    ),
    "start": ({}, {"make": seeded_model(0, init="default")}, "the weights at the start changed"),
    "seed of the model": ({}, {"make": seeded_model(1)}, "the weights at the start changed"),
    "width": ({}, {"make": lambda: model((6, 3, 2))}, r"\[4, 6\], now it is \[3, 6\]"),
    "depth": ({}, {"make": lambda: model((6, 2))}, "layer"),
    "layers without weights": ({}, {"make": seeded_model(0, output="linear")}, "layer"),
    "precision": (
        {}, {"make": lambda: model().double(), "of": Tensor.double, "validation": images(seed=1).double()}, "float64",
    ),
    "data of a set": ({"of": TensorDataset}, {"of": lambda x: TensorDataset(1 - x)}, "the training data changed"),
    "labels of a set": (LABELS | {"of": pairs}, LABELS | {"of": partial(pairs, corrected=True)}, "the training data"),
    "data of a loader": ({"of": loader}, {"of": lambda x: loader(1 - x)}, "the training data changed"),
    "batches of a loader": ({"of": loader}, {"of": partial(loader, batch_size=10)}, "'batch_size': 8"),
    "order of a loader": ({"of": loader}, {"of": partial(loader, shuffle=False)}, "RandomSampler"),
    "a loader's generator": (SEEDED, {"of": loader}, "'seed': 3"),
    "tensor, then set": ({}, {"of": TensorDataset}, "how the training data are loaded"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "named"), CHANGES.values(), ids=CHANGES.keys())
def test_a_checkpoint_of_another_set_up_is_refused_with_what_differs_and_left_alone(tmp_path, before, after, named):
    path = tmp_path / "run.pt"
    script(path, legs=(2,), **before)
    written = path.read_bytes()
    with pytest.raises(TrainingError, match=rf"run\.pt.*{named}"):
        script(path, legs=(2,), **after)
    assert path.read_bytes() == written
    assert_same_run(script(path, legs=(2,), **before), script(None, legs=(2,), **before))


def test_a_number_that_a_loss_takes_from_its_module_is_a_part_of_it(tmp_path, monkeypatch):
    script(tmp_path / "run.pt", loss=weighted)
    monkeypatch.setitem(globals(), "WEIGHT", 50)
    with pytest.raises(TrainingError, match="code of loss"):
        script(tmp_path / "run.pt", loss=weighted)


def test_a_loss_whose_bytecode_another_tool_or_python_has_rewritten_is_the_same(tmp_path, monkeypatch):
    code = weighted.__code__
    script(tmp_path / "run.pt", loss=weighted)
    monkeypatch.setattr(weighted, "__code__", code.replace(co_consts=(*code.co_consts, "a tool's own")))
    assert_same_run(script(tmp_path / "run.pt", loss=weighted), script(None, loss=weighted))


def test_another_number_of_threads_is_another_set_up(tmp_path):
    script(tmp_path / "run.pt")
    n = torch.get_num_threads()
    try:
        torch.set_num_threads(n + 1)
        with pytest.raises(TrainingError, match=f"threads was {n}, now it is {n + 1}"):
            script(tmp_path / "run.pt")
    finally:
        torch.set_num_threads(n)


def test_each_call_of_fit_has_its_own_data(tmp_path):
    def run(second: Tensor) -> Trainer:
        one = trainer(checkpoint=tmp_path / "run.pt")
        one.fit(images(), n_epochs=2)
        one.fit(second, n_epochs=2)
        return one

    finished = run(images(12))
    assert_same_run(run(images(12)), finished)
    with pytest.raises(TrainingError, match=r"\[12, 6\], now it is \[11, 6\]"):
        run(images(11))


class Flipping(Dataset):
    """Gives each image as it is or turned, by torch's, NumPy's or Python's random numbers."""

    def __init__(self, x: Tensor, draw: Callable[[], float]) -> None:
        self.x, self.draw = x, draw

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Tensor:
        return self.x[i].flip(0) if self.draw() < 0.5 else self.x[i]


@pytest.mark.parametrize(
    "draw", [lambda: torch.rand(()).item(), np.random.rand, random.random], ids=["torch", "numpy", "python"]
)
def test_a_set_that_draws_random_numbers_is_known_again_and_nobody_elses_numbers_are_drawn(tmp_path, draw):
    seed_everything(0)
    script(None, of=lambda x: Flipping(x, draw), validation=None)
    after = draw()
    for _ in range(2):
        seed_everything(0)
        script(tmp_path / "run.pt", of=lambda x: Flipping(x, draw), validation=None, legs=(5,))
    seed_everything(0)
    script(tmp_path / "other.pt", of=lambda x: Flipping(x, draw), validation=None)
    assert draw() == after


def test_a_stream_of_known_length_is_known_again(tmp_path):
    class Stream(IterableDataset):
        def __init__(self, x: Tensor) -> None:
            self.x = x

        def __len__(self) -> int:
            return len(self.x)

        def __iter__(self):
            return iter(self.x)

    run = partial(script, tmp_path / "run.pt", validation=None)
    finished = run(of=lambda x: DataLoader(Stream(x), batch_size=8))
    assert_same_run(run(of=lambda x: DataLoader(Stream(x), batch_size=8)), finished)
    with pytest.raises(TrainingError, match="the training data changed"):
        run(of=lambda x: DataLoader(Stream(1 - x), batch_size=8))


@pytest.mark.parametrize("role", ["loss", "output", "augment", "corrupt"])
@pytest.mark.parametrize(
    "function", [lambda a, b: a, partial(sse_per_image), around(0.1), Weighted()],
    ids=["lambda", "partial", "takes a value from around it", "object"],
)  # fmt: skip
def test_a_function_without_a_name_of_its_own_is_refused_with_a_checkpoint_only(tmp_path, role, function):
    trainer(**{role: function})
    with pytest.raises(TrainingError, match=f"{role} is .*__name__"):
        trainer(**{role: function}, checkpoint=tmp_path / "run.pt")
    named = renamed(function, "one(0.1)")
    trainer(**{role: named}, checkpoint=tmp_path / "run.pt")


@pytest.mark.parametrize(("before", "now", "named"), [((5,), (6,), "5, not 6"), ((2, 3), (2, 4), "3, not 4")])
def test_another_number_of_epochs_is_refused(tmp_path, before, now, named):
    script(tmp_path / "run.pt", legs=before)
    with pytest.raises(TrainingError, match=f"n_epochs={named}.*Delete it to start over, or call fit again"):
        script(tmp_path / "run.pt", legs=now)


@pytest.mark.parametrize("n_epochs", [1, 2])
def test_a_handful_of_steps_moves_the_weights_too_also_after_a_whole_cycle(n_epochs):
    one = trainer(batch_size=20)
    for epochs in (n_epochs, 30, n_epochs):
        before = [p.detach().clone() for p in one.model.parameters()]
        one.fit(images(), n_epochs=epochs)
        assert max((p - b).abs().max() for p, b in zip(one.model.parameters(), before, strict=True)) > 1e-3
    assert one.history["lr"][0] == one.history["lr"][-1] == one.lr


def test_the_recorded_lr_is_that_of_a_step_that_was_made():
    one = trainer(batch_size=20)
    made = []
    one.optimizer.register_step_pre_hook(lambda optimizer, *_: made.append(optimizer.param_groups[0]["lr"]))
    assert one.fit(images(), n_epochs=12)["lr"] == made


@pytest.mark.parametrize("validated", [True, False])
def test_a_trained_model_is_ready_to_be_used(validated):
    one = trainer(nn.Sequential(nn.Dropout(0.5), model()))
    one.fit(images(), images() if validated else None, n_epochs=1)
    assert not one.model.training


def test_a_corruption_that_works_in_place_leaves_the_target_clean():
    targets = []

    def loss(output: Tensor, target: Tensor) -> Tensor:
        targets.append(target.detach().clone())
        return F.mse_loss(output, target)

    trainer(loss=loss, corrupt=lambda x, generator: x.zero_()).fit(images(), n_epochs=1)
    assert torch.allclose(torch.cat(targets).sum(dim=0), images().sum(dim=0))


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: DataLoader(data, batch_size=4)])
def test_data_without_a_length_are_refused(wrap):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(images())

    with pytest.raises(DataError, match="no length"):
        trainer().fit(wrap(Stream()), n_epochs=1)


def test_a_batch_with_nan_is_named_by_its_number_and_its_data():
    x = images()
    x[17] = math.nan
    with pytest.raises(DataError, match="batch 3 of the training data contains NaN"):
        trainer().fit(DataLoader(x, batch_size=8), n_epochs=1)


def test_weights_that_the_last_step_broke_are_reported():
    def root(output: Tensor, target: Tensor) -> Tensor:  # finite at 0, its gradient is not
        return (output * 0).abs().sqrt().sum()

    with pytest.raises(TrainingError, match=r"weights are no longer finite .* epoch 1"):
        trainer(loss=root, batch_size=20).fit(images(), n_epochs=1)


def test_data_of_another_precision_are_refused_with_the_cure():
    with pytest.raises(DataError, match=r"float64; the model computes in torch\.float32 \(x\.to"):
        trainer().fit(images().double(), n_epochs=1)


def test_a_loader_with_a_generator_of_its_own_resumes_bit_for_bit(tmp_path):
    def run(n_killed: int | None) -> Trainer:
        def kill(one: Trainer) -> None:
            if len(one.history) == n_killed:
                raise KeyboardInterrupt

        loader = DataLoader(images(), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(3))
        one = trainer(checkpoint=tmp_path / f"{n_killed is None}.pt", callbacks=[kill])
        one.fit(loader, n_epochs=6)
        return one

    undisturbed = run(None)
    with pytest.raises(KeyboardInterrupt):
        run(3)
    assert_same_run(run(99), undisturbed)  # never killed: goes on from the file of the killed one


# ------------------------------------------------------------------------------------------------ default type, devices


def test_torchs_default_type_changes_nothing(float64_by_default):
    x = torch.rand(20, 6, dtype=torch.float32, generator=torch.Generator().manual_seed(0))

    def run() -> Trainer:
        one = trainer(variational(), corrupt=masking(0.3), **SAMPLING)
        one.fit(x, x, n_epochs=3)
        return one

    in_float64 = run()
    torch.set_default_dtype(torch.float32)
    assert_same_run(in_float64, run())


def test_other_devices_are_left_alone(monkeypatch):
    """torch.manual_seed would seed a GPU that somebody else is drawing from, too."""
    one = trainer(variational(), **SAMPLING)

    def refuse(seed: int) -> None:
        raise AssertionError("a GPU was seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed", refuse)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    monkeypatch.setattr(torch.mps, "manual_seed", refuse)
    one.fit(images(), images(seed=1), n_epochs=2)
    one.evaluate(images())
    pretrainer = GreedyPretrainer((6, 4, 3), device="cpu")
    pretrainer.fit(images(), n_epochs=1)
    pretrainer.classifier(3)
    standard_normal(2).sample(5, seed=0)
    fit_critic(torch.rand(20, 1, 6, 6), torch.arange(20) % 2, n_classes=2, n_epochs=1)


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_the_random_numbers_of_a_gpu_go_on_after_a_validation(monkeypatch, name):
    """With a stand-in for the device: its generator lies on the CPU."""
    stand_in = torch.Generator().manual_seed(5)
    monkeypatch.setattr(getattr(torch, name), "get_rng_state", lambda device: stand_in.get_state())
    monkeypatch.setattr(getattr(torch, name), "set_rng_state", lambda state, device: stand_in.set_state(state))
    monkeypatch.setattr(getattr(torch, name), "manual_seed", stand_in.manual_seed)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    device = torch.device(name)
    first, _ = torch.rand(3, generator=stand_in), torch.rand(3)
    before = random_states(device)
    for _ in range(2):  # two evaluations have the same numbers
        with seeded(7, device):
            drawn = torch.rand(3, generator=stand_in), torch.rand(3)
        expected = torch.Generator().manual_seed(7)
        assert torch.equal(drawn[0], torch.rand(3, generator=expected))
    assert all(torch.equal(a, b) for a, b in zip(before, random_states(device), strict=True))
    assert not torch.equal(torch.rand(3, generator=stand_in), first)
    set_random_states(before, device)
    assert all(torch.equal(a, b) for a, b in zip(before, random_states(device), strict=True))


# ------------------------------------------------------------------------------------------- what is made for a GPU


def test_losses_that_are_read_together_are_those_that_are_read_one_by_one(monkeypatch):
    def losses() -> list[float]:
        history = trainer().fit(images(), validation=images(5, seed=1), n_epochs=3)
        return history["train_loss"] + history["validation_loss"]

    one_by_one = losses()
    for together in (2, 25):
        monkeypatch.setitem(READ_AFTER, "cpu", together)
        assert losses() == one_by_one


@pytest.mark.parametrize("together", [1, 2, 25])
def test_a_loss_that_is_read_late_names_its_batch_all_the_same(monkeypatch, together):
    """The second of three batches is not finite: it is named, whether the third was computed meanwhile or not."""
    monkeypatch.setitem(READ_AFTER, "cpu", together)
    n_calls = 0

    def loss(output: Tensor, target: Tensor) -> Tensor:
        nonlocal n_calls
        n_calls += 1
        return sse_per_image(output, target) * (math.inf if n_calls == 2 else 1)

    with pytest.raises(TrainingError, match="The loss became inf in epoch 1, batch 2 of the training data"):
        trainer(loss=loss).fit(images(), n_epochs=1)
    assert n_calls == (3 if together == 25 else 2)


class Types(nn.Module):
    """A layer, and the type of its output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, torch.dtype]]:
        return (y := self.layer(x)), {"layer": y.dtype}


@pytest.mark.parametrize(("autocast", "inside"), [(None, torch.float32), (torch.bfloat16, torch.bfloat16)])
def test_layers_compute_in_the_type_of_autocast_and_the_loss_in_that_of_the_weights(autocast, inside):
    seen = set()

    def loss(output: tuple[Tensor, dict[str, torch.dtype]], target: Tensor) -> Tensor:
        seen.add((output[1]["layer"], output[0].dtype))
        return sse_per_image(output[0], target)

    net = Types()
    trainer(net, loss=loss, autocast=autocast).fit(images(), n_epochs=1)
    assert seen == {(inside, torch.float32)}
    assert net.layer.weight.dtype == torch.float32


@pytest.mark.parametrize("kind", ["auto-encoder", "variational", "pixels as probabilities"])
def test_mixed_precision_trains_nearly_as_well(kind):
    def final_loss(**options: object) -> float:
        torch.manual_seed(0)
        if kind == "variational":
            net: nn.Module = VariationalAutoencoder((6, 4, 2))
            options |= {"loss": negative_elbo(), "output": VariationalAutoencoder.forward_sampled}
        else:
            net = DeepAutoencoder((6, 4, 2))
            options |= {} if kind == "auto-encoder" else {"loss": bce_nats_per_image}
        return trainer(net, **options).fit(images(200), n_epochs=10)[-1]["train_loss"]

    exact = final_loss()
    assert final_loss(autocast=torch.bfloat16) == pytest.approx(exact, rel=0.01)
    assert final_loss(autocast=torch.bfloat16) != exact


def test_a_type_of_autocast_that_needs_more_than_autocast_is_refused():
    with pytest.raises(TrainingError, match=r"autocast is torch.float16; it must be torch.bfloat16 or None"):
        trainer(autocast=torch.float16)
