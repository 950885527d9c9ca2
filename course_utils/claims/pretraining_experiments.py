"""The experiments on greedy pre-training (S13, S14): each takes the settings and a seed, and returns a Measurement."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from statistics import fmean
from typing import Any

import torch
from torch import nn

from course_utils.claims.experiments import digits, images
from course_utils.claims.measuring import Measurement
from course_utils.corruption import masking
from course_utils.data import ImageData, labelled_subset
from course_utils.metrics import cross_entropy, derivatives_by_pixel, error_percent
from course_utils.models import Activation, Classifier, Start, predict_logits
from course_utils.pretraining import GreedyPretrainer, LayerAutoencoder
from course_utils.settings import Settings
from course_utils.training import Trainer

SIZES = (784, 1000, 1000, 500)
N_CLASSES = 10
FEW = 100
MASKED = 0.5
N_DRAWS = 2  # of the labels: at 100 labels, which ones are drawn moves the error by more than what is measured
STARTS = ("random", "random, equal compute", "plain", "de-noising", "de-noising, frozen")
BUDGETS = {"mnist-5k": (100, 300, 1000, 4000), "mnist": (100, 1000, 10_000, 60_000)}
# How a net is built, and how it is trained, as in 1986 and as in 2015; 0.03 is the best of 0.01, 0.03 and 0.1.
ERAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "1986": (
        {"activation": "sigmoid", "start": "torch"}, {"optimizer": "sgd", "schedule": "constant", "lr": 0.03},
    ),
    "2015": ({"activation": "relu", "start": "he"}, {"optimizer": "adam", "schedule": "one-cycle", "lr": 1e-3}),
}  # fmt: skip


def batch_size(n: int) -> int:
    """100 for up to 10,000 samples, 250 for more; all, where there are fewer."""
    return min(n, 100 if n <= 10_000 else 250)


@cache
def stack(
    name: str,
    seed: int,
    *,
    noisy: bool = False,
    n_images: int = 0,
    activation: Activation = "relu",
    start: Start = "he",
) -> GreedyPretrainer:
    """784-1000-1000-500, pre-trained without labels.

    noisy: with half of what goes into each stage hidden; n_images: on the first so many, 0 for all.
    """
    options = {"corrupt": masking(MASKED)} if noisy else {}
    return new_stack(name, seed, n_images=n_images, activation=activation, start=start, **options)


def new_stack(
    name: str, seed: int, *, sizes: tuple[int, ...] = SIZES, n_images: int = 0, **options: Any
) -> GreedyPretrainer:
    """A pre-trained stack; options: of the GreedyPretrainer."""
    x = images(name).train_images[: n_images or None]
    pretrainer = GreedyPretrainer(sizes, seed=seed, batch_size=batch_size(len(x)), **options)
    pretrainer.fit(x, n_epochs=epochs_a_stage(len(x)))
    return pretrainer


def epochs_a_stage(n_images: int) -> int:
    """Epochs of pre-training: five, or three where an epoch is long."""
    return 5 if n_images <= 10_000 else 3


def n_steps(n_labels: int) -> int:
    """Steps of training with labels: 20 epochs, at least 300 steps and at most 1,200."""
    return min(1200, max(300, 20 * n_labels // batch_size(n_labels)))


def multiply_adds(sizes: tuple[int, ...]) -> int:
    """Multiplications a sample of a pass through dense layers."""
    return sum(n_in * n_out for n_in, n_out in pairwise(sizes))


def n_steps_of_pretraining(n_images: int, n_labels: int) -> int:
    """Steps of the classifier's training that cost as many multiplications as the pre-training of all stages."""
    of_a_sample = 2 * multiply_adds(SIZES)  # a stage passes its layer and the layer's mirror
    of_a_step = batch_size(n_labels) * multiply_adds((*SIZES, N_CLASSES))
    return round(epochs_a_stage(n_images) * n_images * of_a_sample / of_a_step)


def train_classifier(
    model: nn.Module, data: ImageData, chosen: torch.Tensor, *, n_steps: int, seed: int, **options: Any
) -> float:
    """Train with the labels of the chosen training images; the test error in percent. options: of the Trainer."""
    size = batch_size(len(chosen))
    trainer = Trainer(model, loss=cross_entropy, supervised=True, batch_size=size, seed=seed, **options)
    n_epochs = max(1, round(n_steps * size / len(chosen)))
    trainer.fit((data.train_images[chosen], data.train_labels[chosen]), n_epochs=n_epochs)
    return error_percent(predict_logits(model, data.test_images), data.test_labels)


@cache
def error(name: str, start: str, n_labels: int, seed: int, era: str = "2015") -> float:
    """Test error in percent of 784-1000-1000-500-10 from one of STARTS, mean of the draws of the labels."""
    data, (built, trained) = images(name), ERAS[era]
    n_images, steps = len(data.train_images), n_steps(n_labels)
    if start == "random, equal compute":
        steps += n_steps_of_pretraining(n_images, n_labels)
    errors = []
    for draw in range(N_DRAWS if n_images <= 10_000 and n_labels < n_images else 1):
        if start.startswith("random"):
            torch.manual_seed(seed)
            model = Classifier((*SIZES, N_CLASSES), **built)
        else:
            noisy = start.startswith("de-noising")
            pretrained = stack(name, seed, noisy=noisy, **built)
            model = pretrained.classifier(N_CLASSES, frozen=start.endswith("frozen"))
        drawn = labelled_subset(data.train_labels, n_labels, seed=N_DRAWS * seed + draw)
        # A head alone is a convex problem: it bears, and in so few steps needs, a larger learning rate.
        options = trained | {"lr": 1e-2} if start.endswith("frozen") else trained
        errors.append(train_classifier(model, data, drawn, n_steps=steps, seed=seed, **options))
    return fmean(errors)


# ------------------------------------------------------------------------------------ S13, one a row of the ledger


def identity_percent(layer: LayerAutoencoder, x: torch.Tensor) -> float:
    """Of the squared derivatives of a restored pixel by all pixels, % by the same pixel: middle 12×12, mean of x."""
    middle = torch.arange(784).view(28, 28)[8:20, 8:20].flatten()
    squares = derivatives_by_pixel(layer, x, middle).square()  # (n, 144, 784)
    return 100 * (squares[:, range(len(middle)), middle] / squares.sum(dim=2)).mean().item()


def copying(cfg: Settings, seed: int) -> Measurement:
    """identity_percent of 784-1000-784 on 20 test digits, trained plainly, against de-noising."""
    data = digits(cfg)
    found = []
    for options in ({}, {"corrupt": masking(MASKED)}):
        stage = new_stack(data.name, seed, sizes=SIZES[:2], **options).stages[0]
        found.append(identity_percent(stage.autoencoder, data.test_images[:20]))
    return Measurement(found[0], found[1], data.name)


def frozen_against_fine_tuned(cfg: Settings, seed: int) -> Measurement:
    """Test error of the de-noising stack with 1,000 labels: all layers fine-tuned, against the head alone."""
    name = digits(cfg).name
    tuned, frozen = (error(name, start, 1000, seed) for start in ("de-noising", "de-noising, frozen"))
    return Measurement(tuned, frozen, name)


# ------------------------------------------------------------------------------------ S14


def sigmoid_gain(cfg: Settings, seed: int) -> Measurement:
    """Points of test error that plain pre-training saves a sigmoid net with 100 labels; series: 100 and 1,000."""
    name = digits(cfg).name
    table = {
        f"{era}, {start}": [error(name, start, n, seed, era) for n in (FEW, 1000)]
        for era in ERAS
        for start in ("random", "plain")
    }
    series = {"labels": [FEW, 1000], **table}
    return Measurement(table["1986, random"][0] - table["1986, plain"][0], data=name, series=series)


def plain_gain(cfg: Settings, seed: int) -> Measurement:
    """Test error of the ReLU net with 100 labels, plain pre-training against a random start."""
    name = digits(cfg).name
    return Measurement(error(name, "plain", FEW, seed), error(name, "random", FEW, seed), name)


def denoising_gain(cfg: Settings, seed: int) -> Measurement:
    """Points that de-noising pre-training saves the ReLU net with 100 labels; series: every start at every budget."""
    name = digits(cfg).name
    table = {start: [error(name, start, n, seed) for n in BUDGETS[name]] for start in STARTS}
    series = {"labels": list(BUDGETS[name]), **table}
    return Measurement(table["random"][0] - table["de-noising"][0], data=name, series=series)


def denoising_against_plain(cfg: Settings, seed: int) -> Measurement:
    """Test error of the ReLU net with 100 labels, de-noising pre-training against plain."""
    name = digits(cfg).name
    return Measurement(error(name, "de-noising", FEW, seed), error(name, "plain", FEW, seed), name)


def denoising_against_equal_compute(cfg: Settings, seed: int) -> Measurement:
    """Test error of the ReLU net with 100 labels, de-noising pre-training against as much compute with labels."""
    name = digits(cfg).name
    compute = error(name, "random, equal compute", FEW, seed)
    return Measurement(error(name, "de-noising", FEW, seed), compute, name)


@cache
def best_error(name: str, seed: int, *, pretrained: str, n_labels: int) -> float:
    """Test error in percent, trained as well as we can: 20 epochs, with 30 % of the pixels hidden.

    pretrained: "no", "plain" or "de-noising", on those images that have labels and no others.
    """
    data = images(name)
    if pretrained == "no":
        torch.manual_seed(seed)
        model = Classifier((*SIZES, N_CLASSES))
    else:
        n_images = 0 if n_labels == len(data.train_images) else n_labels
        model = stack(name, seed, noisy=pretrained == "de-noising", n_images=n_images).classifier(N_CLASSES)
    steps = 20 * n_labels // batch_size(n_labels)
    return train_classifier(model, data, torch.arange(n_labels), n_steps=steps, seed=seed, corrupt=masking(0.3))


def gain_with_all_labels(cfg: Settings, seed: int) -> Measurement:
    """Points that de-noising pre-training saves the ReLU net when every training image has its label."""
    data = digits(cfg)
    random, pretrained = (
        best_error(data.name, seed, pretrained=how, n_labels=len(data.train_images)) for how in ("no", "de-noising")
    )
    return Measurement(random - pretrained, data=data.name)


def lowest_error(pretrained: str, cfg: Settings, seed: int) -> Measurement:
    """Test error with the labels of all training images."""
    data = digits(cfg)
    n = len(data.train_images)
    return Measurement(best_error(data.name, seed, pretrained=pretrained, n_labels=n), data=data.name)


def basic_like(pretrained: str, cfg: Settings, seed: int) -> Measurement:
    """Test error with 10,000 training images and their labels, or all there are; pre-trained on the same."""
    data = digits(cfg)
    n = min(10_000, len(data.train_images))
    return Measurement(best_error(data.name, seed, pretrained=pretrained, n_labels=n), data=data.name)
