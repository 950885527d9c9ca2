"""Do images look like digits? Measured without a human: the share that a classifier with a reject class accepts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.corruption import shifting
from course_utils.inference import predict_logits
from course_utils.metrics import cross_entropy
from course_utils.models import Classifier
from course_utils.settings import seeded
from course_utils.training import Trainer

BLUR_REACH = 5  # pixels on either side that a blur of at most 2 pixels looks at


class Critic:
    """Judge without a human whether an image looks like one of the classes: a classifier with one extra class.

    The last class is "none of them". A plain classifier is not enough: it was never shown anything that is not a digit,
    and is as sure of noise, or of the mean of all digits, as of a digit.

    Parameters
    ----------
    classifier
        With one class more than the data have.
    threshold
        The least probability of being in any class at which an image is accepted.
    """

    def __init__(self, classifier: Classifier, threshold: float) -> None:
        self.classifier, self.threshold = classifier, threshold
        self.n_classes = classifier.sizes[-1] - 1

    def accepts(self, images: Tensor) -> Tensor:
        """Return whether each of the images `(n, …)` looks like one of the classes: `(n,)` booleans."""
        return self.probability(images) >= self.threshold

    def probability(self, images: Tensor) -> Tensor:
        """Return the probability of each image to be in any of the classes, `(n,)`."""
        return 1 - predict_logits(self.classifier, images).softmax(dim=1)[:, -1]

    def classes(self, images: Tensor) -> Tensor:
        """Return the most probable of the classes, accepted or not: `(n,)`."""
        return predict_logits(self.classifier, images)[:, :-1].argmax(dim=1)


def fit_critic(
    images: Tensor, labels: Tensor, *, n_classes: int = 10, share_accepted: float = 0.95, n_epochs: int = 10,
    batch_size: int = 100, seed: int = 0,
) -> Critic:  # fmt: skip
    """Train a Critic on images and as many `non_examples`. The caller's random numbers stay as they are.

    Parameters
    ----------
    images
        `(n, c, h, w)` in [0, 1], at least 20. A fifth of them is not trained on.
    labels
        `(n,)` whole numbers below n_classes.
    n_classes
        How many classes the data have; "none of them" is added.
    share_accepted
        The threshold is set so that this share of the fifth is accepted; between 0 and 1.
    n_epochs, batch_size, seed
        Of the training.

    Raises
    ------
    ValueError
        The share is outside (0, 1), or there are fewer than 20 images.
    """
    if not 0 < share_accepted < 1 or len(images) < 20:
        raise ValueError(f"share_accepted is {share_accepted}; it must be between 0 and 1. There are "
                         f"{len(images)} images; at least 20 are needed.")  # fmt: skip
    n_train = len(images) * 4 // 5
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)  # they may be sorted by class
    x, held_out = images[order[:n_train]], images[order[n_train:]]
    others = torch.cat([non_examples(x, kind, generator) for kind in NON_EXAMPLES])
    others = others[torch.randperm(len(others), generator=generator)[:n_train]]
    targets = torch.cat([labels[order[:n_train]], torch.full((len(others),), n_classes)])
    with seeded(seed):
        classifier = Classifier((images[0].numel(), 500, 250, n_classes + 1))
    trainer = Trainer(
        classifier, loss=cross_entropy, supervised=True, corrupt=shifting(1), batch_size=batch_size, seed=seed
    )
    trainer.fit((torch.cat([x, others]), targets), n_epochs=n_epochs)
    critic = Critic(classifier.cpu(), threshold=0.0)
    critic.threshold = critic.probability(held_out).quantile(1 - share_accepted).item()
    return critic


NonExample = Literal["mean of 2", "mean of 3", "mean of 6", "halves", "faded"]
NON_EXAMPLES: tuple[NonExample, ...] = ("mean of 2", "mean of 3", "mean of 6", "halves", "faded")


def non_examples(x: Tensor, kind: NonExample, generator: torch.Generator) -> Tensor:
    """Make as many images as x, of x's and yet none of its kind: what a bad decoder might make.

    Parameters
    ----------
    x
        Images `(n, c, h, w)` in [0, 1].
    kind
        "mean of k": of k images, weighted at random; "halves": one half of an image and the other half of another;
        "faded": an image at 0 to 30 % of its brightness, down to nothing at all.
    generator
        Draws them.
    """
    if kind == "faded":
        return x * 0.3 * torch.rand((len(x), 1, 1, 1), generator=generator, dtype=x.dtype)
    if kind == "halves":
        other = x[torch.randperm(len(x), generator=generator)]
        joined = other.clone()
        h, w = x.shape[-2:]
        n = len(x) // 2
        joined[:n, :, : h // 2], joined[n:, :, :, : w // 2] = x[:n, :, : h // 2], x[n:, :, :, : w // 2]
        return joined
    k = int(kind.removeprefix("mean of "))
    weights = 0.2 + torch.rand(len(x), k, generator=generator, dtype=x.dtype)
    weights /= weights.sum(dim=1, keepdim=True)
    mean = torch.zeros_like(x)
    for weight in weights.T:
        mean += weight[:, None, None, None] * x[torch.randperm(len(x), generator=generator)]
    return mean.clamp(0, 1)  # the weights' sum is rounded, and may be a trace above 1


def softened(x: Tensor, *, sd: float | Tensor = 0.0, brightness: float | Tensor = 1.0) -> Tensor:
    """Blur and dim images, as a decoder trained by squared error does; a person still reads them.

    Parameters
    ----------
    x
        `(n, c, h, w)` in [0, 1].
    sd
        Standard deviation of the Gaussian blur, in pixels, at most 2: a number, or one for each image `(n,)`.
    brightness
        What the pixels are multiplied with, then cut off at 1; likewise.
    """
    n, c = x.shape[:2]
    sds = torch.as_tensor(sd, dtype=x.dtype).expand(n).clamp(min=1e-3)
    steps = torch.arange(-BLUR_REACH, BLUR_REACH + 1, dtype=x.dtype)
    kernels = (-0.5 * (steps / sds[:, None]).square()).softmax(dim=1).repeat_interleave(c, dim=0)  # (n·c, taps)
    planes = x.reshape(1, n * c, *x.shape[2:])  # a group of the convolution for each plane: its own kernel
    blurred = F.conv2d(planes, kernels[:, None, :, None], padding=(BLUR_REACH, 0), groups=n * c)
    blurred = F.conv2d(blurred, kernels[:, None, None, :], padding=(0, BLUR_REACH), groups=n * c)
    factors = torch.as_tensor(brightness, dtype=x.dtype).expand(n)
    return (blurred.view_as(x) * factors[:, None, None, None]).clamp(0, 1)


def softening(x: Tensor, generator: torch.Generator) -> Tensor:
    """Move each image by up to a pixel, blur it by up to 1.2 pixels, and make it 0.5 to 1.3 times as bright."""
    amounts = torch.rand(2, len(x), generator=generator, dtype=x.dtype)
    return softened(shifting(1)(x, generator), sd=1.2 * amounts[0], brightness=0.5 + 0.8 * amounts[1])


def fit_contrast_blind_critic(
    images: Tensor, labels: Tensor, *, n_classes: int = 10, share_accepted: float = 0.95, n_epochs: int = 10,
    batch_size: int = 100, seed: int = 0,
) -> Critic:  # fmt: skip
    """Train a Critic for which contrast decides nothing: digits and non-examples are blurred and dimmed alike.

    The critic of `fit_critic` knows grey images as non-examples alone, and rejects digits that are merely soft.

    Parameters
    ----------
    images, labels, n_classes, share_accepted, n_epochs, batch_size, seed
        As of fit_critic; "faded" images are no non-examples here.
    """
    n_train = len(images) * 4 // 5
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    x, held_out = images[order[:n_train]], images[order[n_train:]]
    kinds = [kind for kind in NON_EXAMPLES if kind != "faded"]
    others = torch.cat([non_examples(x, kind, generator) for kind in kinds])
    others = others[torch.randperm(len(others), generator=generator)[:n_train]]
    targets = torch.cat([labels[order[:n_train]], torch.full((len(others),), n_classes)])
    with seeded(seed):
        classifier = Classifier((images[0].numel(), 500, 250, n_classes + 1))
    trainer = Trainer(
        classifier, loss=cross_entropy, supervised=True, corrupt=softening, batch_size=batch_size, seed=seed
    )
    trainer.fit((torch.cat([x, others]), targets), n_epochs=n_epochs)
    critic = Critic(classifier.cpu(), threshold=0.0)
    critic.threshold = critic.probability(held_out).quantile(1 - share_accepted).item()
    return critic
