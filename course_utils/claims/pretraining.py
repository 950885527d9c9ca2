"""Chapter 5, S13 and S14: greedy pre-training, layer by layer, and what it brings at every number of labels."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.claims.rows import BOTH, BOUND, CHAPTER, ERROR, LECTURE, POINTS, V10, Measurement, compared, row
from course_utils.corruption import masking
from course_utils.data import ImageData, labelled_subset
from course_utils.inference import predict_logits
from course_utils.metrics import cross_entropy, derivatives_by_pixel, error_percent
from course_utils.models import Classifier
from course_utils.pretraining import GreedyPretrainer, LayerAutoencoder
from course_utils.training import Trainer

SIZES = (784, 1000, 1000, 500)
N_CLASSES = 10
FEW = 100
N_DRAWS = 2  # of the labels: at 100 labels, which ones are drawn moves the error by more than what is measured
STARTS = ("random", "random, equal compute", "plain", "de-noising", "de-noising, frozen")
BUDGETS = {"mnist-5k": (100, 300, 1000, 4000), "mnist": (100, 1000, 10_000, 60_000)}
BEST_OF_2006 = "best reported in 2006: 1.6 from a random start, 1.2 pre-trained"
# How a net is built, and how it is trained, as in 1986 and as in 2015; 0.03 is the best of 0.01, 0.03 and 0.1.
ERAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "1986": (
        {"activation": "sigmoid", "init": "default"}, {"optimizer": "sgd", "schedule": "constant", "lr": 0.03},
    ),
    "2015": ({"activation": "relu", "init": "he"}, {"optimizer": "adam", "schedule": "one-cycle", "lr": 1e-3}),
}  # fmt: skip


def batch_size(n: int) -> int:
    """Pick 100 for up to 10,000 samples, 250 for more; all, where there are fewer."""
    return min(n, 100 if n <= 10_000 else 250)


def epochs_a_stage(n_images: int) -> int:
    """Pick five epochs of pre-training, or three where an epoch is long."""
    return 5 if n_images <= 10_000 else 3


@cache
def stack(
    data: ImageData, seed: int, *, noisy: bool = False, sizes: tuple[int, ...] = SIZES, n_images: int = 0, **built: Any
) -> GreedyPretrainer:
    """Pre-train 784-1000-1000-500 without labels.

    Parameters
    ----------
    data
        The images of its training set are used.
    seed
        Decides the starting values, the batches and the noise.
    noisy
        Whether half of what goes into each stage is hidden.
    sizes
        Of the input and of each layer.
    n_images
        On the first so many images; 0 for all.
    built
        Activation and init of the GreedyPretrainer.

    Returns
    -------
    GreedyPretrainer
        With all stages trained.
    """
    x = data.train_images[: n_images or None]
    corrupt = masking(0.5) if noisy else None
    pretrainer = GreedyPretrainer(sizes, seed=seed, batch_size=batch_size(len(x)), corrupt=corrupt, **built)
    pretrainer.fit(x, n_epochs=epochs_a_stage(len(x)))
    return pretrainer


def train_classifier(
    model: nn.Module, data: ImageData, chosen: Tensor, *, n_steps: int, seed: int, **options: Any
) -> float:
    """Train with the labels of some of the training images.

    Parameters
    ----------
    model
        Images → logits of the classes.
    data
        The images.
    chosen
        Indices of the training images whose labels are used.
    n_steps
        Steps of training, about.
    seed
        Decides the batches.
    options
        Of the Trainer.

    Returns
    -------
    float
        The test error in percent.
    """
    size = batch_size(len(chosen))
    trainer = Trainer(model, loss=cross_entropy, supervised=True, batch_size=size, seed=seed, **options)
    n_epochs = max(1, round(n_steps * size / len(chosen)))
    trainer.fit((data.train_images[chosen], data.train_labels[chosen]), n_epochs=n_epochs)
    return error_percent(predict_logits(model, data.test_images), data.test_labels)


def multiply_adds(sizes: tuple[int, ...]) -> int:
    """Count the multiplications of a pass of one sample through dense layers."""
    return sum(n_in * n_out for n_in, n_out in pairwise(sizes))


def n_steps_of(start: str, n_images: int, n_labels: int) -> int:
    """Count the steps of training with labels: 20 epochs, at least 300 steps and at most 1,200.

    "random, equal compute" gets so many more as cost the multiplications of the pre-training of all stages.
    """
    n_steps = min(1200, max(300, 20 * n_labels // batch_size(n_labels)))
    if start != "random, equal compute":
        return n_steps
    of_a_sample = 2 * multiply_adds(SIZES)  # a stage passes its layer and the layer's mirror
    of_a_step = batch_size(n_labels) * multiply_adds((*SIZES, N_CLASSES))
    return n_steps + round(epochs_a_stage(n_images) * n_images * of_a_sample / of_a_step)


def start_net(data: ImageData, seed: int, start: str, *, n_images: int = 0, **built: Any) -> Classifier:
    """Build 784-1000-1000-500-10 from one of STARTS, pre-trained on the first so many images, or on all."""
    if start.startswith("random"):
        torch.manual_seed(seed)
        return Classifier((*SIZES, N_CLASSES), **built)
    pretrained = stack(data, seed, noisy=start.startswith("de-noising"), n_images=n_images, **built)
    return pretrained.classifier(N_CLASSES, frozen=start.endswith("frozen"))


@cache
def error(data: ImageData, seed: int, start: str, n_labels: int = FEW, era: str = "2015") -> float:
    """Measure the test error in percent of a net from one of STARTS, mean of the draws of the labels."""
    (built, options), n_images = ERAS[era], len(data.train_images)
    if start.endswith("frozen"):  # a head alone is a convex problem: it bears, and needs, a larger learning rate
        options = options | {"lr": 1e-2}
    errors = []
    for draw in range(N_DRAWS if n_images <= 10_000 and n_labels < n_images else 1):
        model = start_net(data, seed, start, **built)
        drawn = labelled_subset(data.train_labels, n_labels, seed=N_DRAWS * seed + draw)
        n_steps = n_steps_of(start, n_images, n_labels)
        errors.append(train_classifier(model, data, drawn, n_steps=n_steps, seed=seed, **options))
    return fmean(errors)


@cache
def best_error(data: ImageData, seed: int, start: str, n_labels: int) -> float:
    """Measure the test error in percent, trained as well as we can: 20 epochs, with 30 % of the pixels hidden.

    The pre-training is on those images that have labels and no others.
    """
    n_images = 0 if n_labels == len(data.train_images) else n_labels
    model = start_net(data, seed, start, n_images=n_images)
    n_steps = 20 * n_labels // batch_size(n_labels)
    return train_classifier(model, data, torch.arange(n_labels), n_steps=n_steps, seed=seed, corrupt=masking(0.3))


def identity_percent(layer: LayerAutoencoder, x: Tensor) -> float:
    """Of the squared derivatives of a restored pixel by all pixels, % by the same pixel: middle 12×12, mean of x."""
    middle = torch.arange(784).view(28, 28)[8:20, 8:20].flatten()
    squares = derivatives_by_pixel(layer, x, middle).square()  # (n, 144, 784)
    return 100 * (squares[:, range(len(middle)), middle] / squares.sum(dim=2)).mean().item()


@row("wide-layer-copies", "S13",
     "A layer wider than its input can copy it; hiding half of the input makes it copy less.",
     said_by=LECTURE,
     quantity="784-1000-784: dependence of a restored pixel on the same pixel, plain against de-noising",
     unit="% of the squared derivatives", relation=">", reproduced=BOTH)  # fmt: skip
def copying(digits: ImageData, seed: int) -> Measurement:
    """Compare plain training with de-noising, on 20 test digits."""
    nets = (stack(digits, seed, noisy=noisy, sizes=SIZES[:2]).stages[0].autoencoder for noisy in (False, True))
    return compared(identity_percent(net, digits.test_images[:20]) for net in nets)


@row("fine-tuning-beats-frozen", "S13",
     "After the pre-training, back-propagation tunes all layers (fine-tuning).",
     said_by=CHAPTER,
     quantity="1,000 labels, de-noising stack: all layers tuned, against the head alone",
     unit=ERROR, relation="<", reproduced=("quick",), seeds=(5, 3))  # fmt: skip
def frozen_against_fine_tuned(digits: ImageData, seed: int) -> Measurement:
    """Compare a stack whose layers are all tuned with the head alone."""
    return compared(error(digits, seed, start, 1000) for start in ("de-noising", "de-noising, frozen"))


@row("pretraining-rescues-sigmoids", "S14",
     "A deep net of sigmoids, small random weights and gradient descent needs pre-training.",
     said_by="Hinton & Salakhutdinov, Science 313:504 (2006), p. 504",
     quantity="100 labels, 300 steps: test error from a random start − after plain pre-training",
     unit=POINTS, relation=">", reference=10.0, source=BOUND, seeds=(3, 3))  # fmt: skip
def sigmoid_gain(digits: ImageData, seed: int) -> Measurement:
    """Measure what plain pre-training saves a sigmoid net; series: both eras at 100 and 1,000 labels."""
    table = {
        f"{era}, {start}": [error(digits, seed, start, n, era) for n in (FEW, 1000)]
        for era in ERAS
        for start in ("random", "plain")
    }
    gain = table["1986, random"][0] - table["1986, plain"][0]
    return Measurement(gain, series={"labels": [FEW, 1000], **table})


@row("plain-pretraining-helps-relus", "S14",
     "With few labels pre-training still helps today's net (ReLU, He, Adam): plain stages.",
     said_by=CHAPTER,
     quantity="100 labels: plain pre-training, against a random start", unit=ERROR, relation="<",
     seeds=(5, 3))  # fmt: skip
def plain_gain(digits: ImageData, seed: int) -> Measurement:
    """Compare plain pre-training with a random start."""
    return compared(error(digits, seed, start, FEW) for start in ("plain", "random"))


@row("denoising-pretraining-helps-relus", "S14",
     "With few labels pre-training still helps today's net: de-noising stages.",
     said_by=V10,
     quantity="100 labels: test error from a random start − after de-noising pre-training",
     unit=POINTS, relation=">", reference=2.0, source=BOUND, seeds=(3, 3))  # fmt: skip
def denoising_gain(digits: ImageData, seed: int) -> Measurement:
    """Measure what de-noising pre-training saves; series: every start at every number of labels."""
    budgets = BUDGETS[digits.name]
    table = {start: [error(digits, seed, start, n) for n in budgets] for start in STARTS}
    return Measurement(table["random"][0] - table["de-noising"][0], series={"labels": list(budgets), **table})


@row("denoising-beats-plain-stages", "S14",
     "De-noising stages help more than plain ones.",
     said_by=V10,
     quantity="100 labels: de-noising pre-training, against plain", unit=ERROR, relation="<", seeds=(5, 3))  # fmt: skip
def denoising_against_plain(digits: ImageData, seed: int) -> Measurement:
    """Compare de-noising pre-training with plain."""
    return compared(error(digits, seed, start, FEW) for start in ("de-noising", "plain"))


@row("denoising-beats-equal-compute", "S14",
     "It is the unlabelled data that help, not the additional training.",
     quantity="100 labels: de-noising pre-training, against as many multiplications spent on the labels",
     unit=ERROR, relation="<", seeds=(5, 3))  # fmt: skip
def denoising_against_equal_compute(digits: ImageData, seed: int) -> Measurement:
    """Compare de-noising pre-training with as much computing with labels."""
    return compared(error(digits, seed, start, FEW) for start in ("de-noising", "random, equal compute"))


@cache
def error_with_masking(data: ImageData, seed: int) -> float:
    """Measure the test error in percent of a random start that, as the de-noising stack did, sees half of each image.

    With 100 labels, and as much computing as the pre-training and its fine-tuning; mean of the draws of the labels.
    """
    errors = []
    for draw in range(N_DRAWS):
        drawn = labelled_subset(data.train_labels, FEW, seed=N_DRAWS * seed + draw)
        n_steps = n_steps_of("random, equal compute", len(data.train_images), FEW)
        model = start_net(data, seed, "random")
        errors.append(train_classifier(model, data, drawn, n_steps=n_steps, seed=seed, corrupt=masking(0.5)))
    return fmean(errors)


@cache
def errors_by_unlabelled(data: ImageData, seed: int) -> dict[str, float]:
    """Measure the test error in percent with 100 labels: de-noising stages on all images, and on those with labels.

    Both have the same number of steps, of the pre-training and of the fine-tuning; mean of two draws of the labels.
    """
    x, found = data.train_images, {}
    n_steps = n_steps_of("de-noising", len(x), FEW)
    draws = [labelled_subset(data.train_labels, FEW, seed=N_DRAWS * seed + draw) for draw in range(N_DRAWS)]
    of_labelled = []
    for drawn in draws:
        pretrainer = GreedyPretrainer(SIZES, seed=seed, batch_size=FEW, corrupt=masking(0.5))
        pretrainer.fit(x[drawn], n_epochs=epochs_a_stage(len(x)) * len(x) // batch_size(len(x)))  # an epoch is a step
        model = pretrainer.classifier(N_CLASSES)
        of_labelled.append(train_classifier(model, data, drawn, n_steps=n_steps, seed=seed))
    found["labelled"] = fmean(of_labelled)
    of_all = (
        train_classifier(start_net(data, seed, "de-noising"), data, drawn, n_steps=n_steps, seed=seed)
        for drawn in draws
    )
    return found | {"all": fmean(of_all)}


@row("unlabelled-images-help", "S14",
     "It is the unlabelled images that help: pre-trained on the labelled ones alone, the net errs more.",
     quantity="100 labels, de-noising stages, equal steps: pre-trained on all images, against the labelled ones",
     unit=ERROR, relation="<", seeds=(5, 3), reproduced=("quick",))  # fmt: skip
def all_against_labelled(digits: ImageData, seed: int) -> Measurement:
    """Compare pre-training on all images with pre-training on those 100 that have labels."""
    found = errors_by_unlabelled(digits, seed)
    return Measurement(found["all"], found["labelled"])


@row("denoising-beats-masked-baseline", "S14",
     "De-noising pre-training helps more than hiding pixels while training with labels.",
     quantity="100 labels: de-noising pre-training, against a random start with masking and equal compute",
     unit=ERROR, relation="<", seeds=(5, 3), reproduced=("quick",))  # fmt: skip
def denoising_against_masked_baseline(digits: ImageData, seed: int) -> Measurement:
    """Compare de-noising pre-training with a random start that sees the same noise."""
    return Measurement(errors_by_unlabelled(digits, seed)["all"], error_with_masking(digits, seed))


def drawn_by_class(labels: Tensor, counts: tuple[int, ...], *, seed: int) -> Tensor:
    """Draw so many samples of each class at random; their indices."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return torch.cat([order[labels[order] == c][:n] for c, n in enumerate(counts)])


@row("one-label-more-of-a-class-decides", "S14",
     "From a random start, the net of 1986 learns from 100 labels only where each class has exactly ten.",
     quantity="300 steps: 9 to 11 labels a class, against 10 of each", unit=ERROR, relation=">",
     reproduced=("quick",))  # fmt: skip
def unbalanced_against_balanced(digits: ImageData, seed: int) -> Measurement:
    """Compare a draw with one label more of a class, and one less of another, with ten labels of each class."""
    built, options = ERAS["1986"]
    balanced = (10,) * N_CLASSES
    errors = []
    for counts in ((10, 11, 10, 10, 10, 9, 10, 10, 10, 10), balanced):
        drawn = drawn_by_class(digits.train_labels, counts, seed=seed)
        model = start_net(digits, seed, "random", **built)
        errors.append(train_classifier(model, digits, drawn, n_steps=300, seed=seed, **options))
    return compared(errors)


@row("not-needed-with-all-labels", "S14",
     "Today, with labels for all, pre-training is hardly needed.",
     said_by=CHAPTER,
     quantity="all labels: test error from a random start − after de-noising pre-training",
     unit=POINTS, relation="≈", reference=0.0, tolerance=0.5, source="no difference", reproduced=BOTH)  # fmt: skip
def gain_with_all_labels(digits: ImageData, seed: int) -> Measurement:
    """Measure what de-noising pre-training saves when every training image has its label."""
    n_labels = len(digits.train_images)
    return Measurement(best_error(digits, seed, "random", n_labels) - best_error(digits, seed, "de-noising", n_labels))


@row("mnist-error-random-start", "S14",
     "784-1000-1000-500-10 needs no pre-training for a low error.",
     said_by="Hinton & Salakhutdinov, Science 313:504 (2006), p. 507",
     quantity="test error with 60,000 labels, from a random start",
     unit=ERROR, relation="<", reference=1.4, source=BEST_OF_2006, only_on="full")  # fmt: skip
def lowest_error_from_a_random_start(digits: ImageData, seed: int) -> Measurement:
    """Measure the test error with the labels of all training images."""
    return Measurement(best_error(digits, seed, "random", len(digits.train_images)))


@row("mnist-error-pretrained", "S14",
     "784-1000-1000-500-10 has a low error after pre-training.",
     said_by="Hinton & Salakhutdinov, Science 313:504 (2006), p. 507",
     quantity="test error with 60,000 labels, de-noising pre-training",
     unit=ERROR, relation="<", reference=1.4, source=BEST_OF_2006, only_on="full")  # fmt: skip
def lowest_error_after_pretraining(digits: ImageData, seed: int) -> Measurement:
    """Measure the test error with the labels of all training images."""
    return Measurement(best_error(digits, seed, "de-noising", len(digits.train_images)))


def error_of_10_000(digits: ImageData, seed: int, start: str) -> Measurement:
    """Measure the test error with 10,000 training images, or all there are; pre-trained on the same."""
    return Measurement(best_error(digits, seed, start, min(10_000, len(digits.train_images))))


@row("basic-plain-stages", "S14",
     "With 10,000 training images, three plain stages have the published error.",
     said_by=V10,
     quantity="test error with 10,000 training images, plain pre-training on the same",
     unit=ERROR, relation="<", reference=3.46, source="Vincent et al., JMLR 11 (2010), SAE-3 on “basic”",
     only_on="full", reproduced=("full",))  # fmt: skip
def plain_stages_of_10_000(digits: ImageData, seed: int) -> Measurement:
    """Measure the test error after plain pre-training."""
    return error_of_10_000(digits, seed, "plain")


@row("basic-denoising-stages", "S14",
     "With 10,000 training images, three de-noising stages have the published error.",
     said_by=V10,
     quantity="test error with 10,000 training images, de-noising pre-training on the same",
     unit=ERROR, relation="<", reference=2.84, source="Vincent et al., JMLR 11 (2010), SDAE-3 on “basic”",
     only_on="full")  # fmt: skip
def denoising_stages_of_10_000(digits: ImageData, seed: int) -> Measurement:
    """Measure the test error after de-noising pre-training."""
    return error_of_10_000(digits, seed, "de-noising")
