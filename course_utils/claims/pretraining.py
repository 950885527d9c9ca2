"""Chapter 5, S13 and S14: greedy pre-training, layer by layer, and what it brings at every number of labels."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.claims.rows import BOTH, BOUND, CHAPTER, ERROR, LECTURE, POINTS, V10, Measurement, compared, row
from course_utils.claims.shared import mean_of
from course_utils.claims.verdicts import against_number, compared_by_item
from course_utils.corruption import masking
from course_utils.data import ImageData, labelled_subset
from course_utils.inference import predict_logits
from course_utils.metrics import cross_entropy, derivatives_by_pixel
from course_utils.models import Classifier
from course_utils.pretraining import GreedyPretrainer, LayerAutoencoder
from course_utils.training import Trainer

SIZES = (784, 1000, 1000, 500)
N_CLASSES = 10
FEW = 100
N_DRAWS = 2  # of the labels: at 100 labels, which ones are drawn moves the error by more than what is measured
STARTS = ("random", "random, equal compute", "plain", "de-noising", "de-noising, frozen")
BUDGETS = {"mnist-5k": (100, 300, 1000, 4000), "mnist": (100, 1000, 10_000, 60_000)}
POINTS_OF_SIGMOIDS, POINTS_OF_RELUS = 10.0, 2.0  # bounds of this course
SAE3_ON_BASIC, SDAE3_ON_BASIC = 3.46, 2.84  # published; “basic” has other test images than MNIST
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
) -> Tensor:
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
    Tensor
        100 for each test image that is not recognised, and 0 for the others, `(n,)`: the mean is the test error in
        percent.
    """
    size = batch_size(len(chosen))
    trainer = Trainer(model, loss=cross_entropy, supervised=True, batch_size=size, seed=seed, **options)
    n_epochs = max(1, round(n_steps * size / len(chosen)))
    trainer.fit((data.train_images[chosen], data.train_labels[chosen]), n_epochs=n_epochs)
    return 100.0 * (predict_logits(model, data.test_images).argmax(dim=1) != data.test_labels)


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


def draws_of_labels(data: ImageData, n_labels: int, seed: int) -> list[Tensor]:
    """Draw the training images whose labels are used, as many of each class, several times: their indices."""
    n_images = len(data.train_images)
    n_draws = N_DRAWS if n_images <= 10_000 and n_labels < n_images else 1
    return [labelled_subset(data.train_labels, n_labels, seed=N_DRAWS * seed + draw) for draw in range(n_draws)]


@cache
def errors(data: ImageData, seed: int, start: str, n_labels: int = FEW, era: str = "2015") -> Tensor:
    """Measure the errors of a net from one of STARTS, % of each test image, mean of the draws of the labels: `(n,)`."""
    built, options = ERAS[era]
    if start.endswith("frozen"):  # a head alone is a convex problem: it bears, and needs, a larger learning rate
        options = options | {"lr": 1e-2}
    n_steps = n_steps_of(start, len(data.train_images), n_labels)
    return mean_of(
        train_classifier(start_net(data, seed, start, **built), data, drawn, n_steps=n_steps, seed=seed, **options)
        for drawn in draws_of_labels(data, n_labels, seed)
    )


@cache
def lowest_errors(data: ImageData, seed: int, start: str, n_labels: int) -> Tensor:
    """Measure the errors of a net trained as well as we can, % of each test image: `(n,)`.

    It is trained in 20 epochs, with 30 % of the pixels hidden. It is pre-trained on the images that have labels, and on
    no others.
    """
    n_images = 0 if n_labels == len(data.train_images) else n_labels
    model = start_net(data, seed, start, n_images=n_images)
    n_steps = 20 * n_labels // batch_size(n_labels)
    return train_classifier(model, data, torch.arange(n_labels), n_steps=n_steps, seed=seed, corrupt=masking(0.3))


def means(table: dict[str, list[Tensor]]) -> dict[str, list[float]]:
    """Average over the test images."""
    return {name: [of_each.mean().item() for of_each in row] for name, row in table.items()}


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
    return compared_by_item(errors(digits, seed, start, 1000) for start in ("de-noising", "de-noising, frozen"))


@row("pretraining-rescues-sigmoids", "S14",
     "A deep net of sigmoids, small random weights and gradient descent needs pre-training.",
     said_by="Hinton & Salakhutdinov, Science 313:504 (2006), p. 504",
     quantity="100 labels, 300 steps: test error from a random start − after plain pre-training",
     unit=POINTS, relation=">", reference=POINTS_OF_SIGMOIDS, source=BOUND, seeds=(3, 3))  # fmt: skip
def sigmoid_gain(digits: ImageData, seed: int) -> Measurement:
    """Measure what plain pre-training saves a sigmoid net; series: test errors, both eras at 100 and 1,000 labels."""
    table = {
        f"{era}, {start}": [errors(digits, seed, start, n, era) for n in (FEW, 1000)]
        for era in ERAS
        for start in ("random", "plain")
    }
    gain = table["1986, random"][0] - table["1986, plain"][0]
    return replace(against_number(gain, POINTS_OF_SIGMOIDS), series={"labels": [FEW, 1000], **means(table)})


@row("plain-pretraining-helps-relus", "S14",
     "With few labels pre-training still helps today's net (ReLU, He, Adam): plain stages.",
     said_by=CHAPTER,
     quantity="100 labels: plain pre-training, against a random start", unit=ERROR, relation="<",
     seeds=(5, 3))  # fmt: skip
def plain_gain(digits: ImageData, seed: int) -> Measurement:
    """Compare plain pre-training with a random start."""
    return compared_by_item(errors(digits, seed, start, FEW) for start in ("plain", "random"))


@row("denoising-pretraining-helps-relus", "S14",
     "With few labels pre-training still helps today's net: de-noising stages.",
     said_by=V10,
     quantity="100 labels: test error from a random start − after de-noising pre-training",
     unit=POINTS, relation=">", reference=POINTS_OF_RELUS, source=BOUND, seeds=(3, 3))  # fmt: skip
def denoising_gain(digits: ImageData, seed: int) -> Measurement:
    """Measure what de-noising pre-training saves; series: every start at every number of labels."""
    budgets = BUDGETS[digits.name]
    table = {start: [errors(digits, seed, start, n) for n in budgets] for start in STARTS}
    gain = table["random"][0] - table["de-noising"][0]
    return replace(against_number(gain, POINTS_OF_RELUS), series={"labels": list(budgets), **means(table)})


@row("denoising-beats-plain-stages", "S14",
     "De-noising stages help more than plain ones.",
     said_by=V10,
     quantity="100 labels: de-noising pre-training, against plain", unit=ERROR, relation="<", seeds=(5, 3))  # fmt: skip
def denoising_against_plain(digits: ImageData, seed: int) -> Measurement:
    """Compare de-noising pre-training with plain."""
    return compared_by_item(errors(digits, seed, start, FEW) for start in ("de-noising", "plain"))


@row("denoising-beats-equal-compute", "S14",
     "It is the unlabelled data that help, not the additional training.",
     quantity="100 labels: de-noising pre-training, against as many multiplications spent on the labels",
     unit=ERROR, relation="<", seeds=(5, 3))  # fmt: skip
def denoising_against_equal_compute(digits: ImageData, seed: int) -> Measurement:
    """Compare de-noising pre-training with as much computing with labels."""
    return compared_by_item(errors(digits, seed, start, FEW) for start in ("de-noising", "random, equal compute"))


def errors_with_masking(data: ImageData, seed: int) -> Tensor:
    """Measure the errors of a random start that, as the de-noising stack did, sees half of each image: `(n,)`.

    With 100 labels, and as much computing as the pre-training and its fine-tuning; mean of the draws of the labels.
    """
    n_steps = n_steps_of("random, equal compute", len(data.train_images), FEW)
    return mean_of(
        train_classifier(start_net(data, seed, "random"), data, drawn, n_steps=n_steps, seed=seed, corrupt=masking(0.5))
        for drawn in draws_of_labels(data, FEW, seed)
    )


def errors_of_labelled_stages(data: ImageData, seed: int) -> Tensor:
    """Measure the errors with 100 labels where the de-noising stages have seen no other images than those: `(n,)`.

    They have as many steps as the stages that see all images; mean of the draws of the labels.
    """
    n_images = len(data.train_images)
    n_epochs = epochs_a_stage(n_images) * n_images // batch_size(n_images)  # an epoch is one step
    found = []
    for drawn in draws_of_labels(data, FEW, seed):
        pretrainer = GreedyPretrainer(SIZES, seed=seed, batch_size=FEW, corrupt=masking(0.5))
        pretrainer.fit(data.train_images[drawn], n_epochs=n_epochs)
        n_steps = n_steps_of("de-noising", n_images, FEW)
        found.append(train_classifier(pretrainer.classifier(N_CLASSES), data, drawn, n_steps=n_steps, seed=seed))
    return mean_of(found)


@row("unlabelled-images-help", "S14",
     "It is the unlabelled images that help: pre-trained on the labelled ones alone, the net errs more.",
     quantity="100 labels, de-noising stages, equal steps: pre-trained on all images, against the labelled ones",
     unit=ERROR, relation="<", seeds=(5, 3), reproduced=("quick",))  # fmt: skip
def all_against_labelled(digits: ImageData, seed: int) -> Measurement:
    """Compare pre-training on all images with pre-training on those 100 that have labels."""
    return compared_by_item([errors(digits, seed, "de-noising"), errors_of_labelled_stages(digits, seed)])


@row("denoising-beats-masked-baseline", "S14",
     "De-noising pre-training helps more than hiding pixels while training with labels.",
     quantity="100 labels: de-noising pre-training, against a random start with masking and equal compute",
     unit=ERROR, relation="<", seeds=(5, 3), reproduced=("quick",))  # fmt: skip
def denoising_against_masked_baseline(digits: ImageData, seed: int) -> Measurement:
    """Compare de-noising pre-training with a random start that sees the same noise."""
    return compared_by_item([errors(digits, seed, "de-noising"), errors_with_masking(digits, seed)])


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
    found = []
    for counts in ((10, 11, 10, 10, 10, 9, 10, 10, 10, 10), balanced):
        drawn = drawn_by_class(digits.train_labels, counts, seed=seed)
        model = start_net(digits, seed, "random", **built)
        found.append(train_classifier(model, digits, drawn, n_steps=300, seed=seed, **options))
    return compared_by_item(found)


@row("not-needed-with-all-labels", "S14",
     "Today, with labels for all, pre-training is hardly needed.",
     said_by=CHAPTER,
     quantity="all labels: test error from a random start − after de-noising pre-training",
     unit=POINTS, relation="≈", reference=0.0, tolerance=0.5, source="no difference", reproduced=("full",))  # fmt: skip
def gain_with_all_labels(digits: ImageData, seed: int) -> Measurement:
    """Measure what de-noising pre-training saves when every training image has its label."""
    n_labels = len(digits.train_images)
    random, pretrained = (lowest_errors(digits, seed, start, n_labels) for start in ("random", "de-noising"))
    return against_number(random - pretrained, 0.0)


@row("mnist-error-random-start", "S14",
     "784-1000-1000-500-10 needs no pre-training for a low error.",
     said_by="Hinton & Salakhutdinov, Science 313:504 (2006), p. 507",
     quantity="test error with 60,000 labels, from a random start",
     unit=ERROR, relation="<", reference=1.4, source=BEST_OF_2006, only_on="full")  # fmt: skip
def lowest_error_from_a_random_start(digits: ImageData, seed: int) -> Measurement:
    """Measure the test error with all labels; the test images are those of the published number."""
    return Measurement(lowest_errors(digits, seed, "random", len(digits.train_images)).mean().item())


@row("mnist-error-pretrained", "S14",
     "784-1000-1000-500-10 has a low error after pre-training.",
     said_by="Hinton & Salakhutdinov, Science 313:504 (2006), p. 507",
     quantity="test error with 60,000 labels, de-noising pre-training",
     unit=ERROR, relation="<", reference=1.4, source=BEST_OF_2006, only_on="full")  # fmt: skip
def lowest_error_after_pretraining(digits: ImageData, seed: int) -> Measurement:
    """Measure the test error with all labels; the test images are those of the published number."""
    return Measurement(lowest_errors(digits, seed, "de-noising", len(digits.train_images)).mean().item())


def errors_of_10_000(data: ImageData, seed: int, start: str) -> Tensor:
    """Measure the errors with 10,000 training images, or all there are; pre-trained on the same: `(n,)`."""
    return lowest_errors(data, seed, start, min(10_000, len(data.train_images)))


@row("basic-plain-stages", "S14",
     "With 10,000 training images, three plain stages have the published error.",
     said_by=V10,
     quantity="test error with 10,000 training images, plain pre-training on the same",
     unit=ERROR, relation="<", reference=SAE3_ON_BASIC, source="Vincent et al., JMLR 11 (2010), SAE-3 on “basic”",
     only_on="full", reproduced=("full",))  # fmt: skip
def plain_stages_of_10_000(digits: ImageData, seed: int) -> Measurement:
    """Measure the test error after plain pre-training."""
    return against_number(errors_of_10_000(digits, seed, "plain"), SAE3_ON_BASIC)


@row("basic-denoising-stages", "S14",
     "With 10,000 training images, three de-noising stages have the published error.",
     said_by=V10,
     quantity="test error with 10,000 training images, de-noising pre-training on the same",
     unit=ERROR, relation="<", reference=SDAE3_ON_BASIC, source="Vincent et al., JMLR 11 (2010), SDAE-3 on “basic”",
     only_on="full")  # fmt: skip
def denoising_stages_of_10_000(digits: ImageData, seed: int) -> Measurement:
    """Measure the test error after de-noising pre-training."""
    return against_number(errors_of_10_000(digits, seed, "de-noising"), SDAE3_ON_BASIC)
