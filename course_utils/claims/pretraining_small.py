"""Chapter 5, S13: the small stack of Stanford's tutorial, before and after fine-tuning."""

from __future__ import annotations

import torch

from course_utils.claims.pretraining import N_CLASSES, batch_size, stack, train_classifier
from course_utils.claims.rows import Measurement, row
from course_utils.data import ImageData

UFLDL = "Stanford UFLDL tutorial, exercise “Implement deep networks for digit classification”"


def right_of_small_stack(data: ImageData, seed: int, *, frozen: bool) -> Measurement:
    """Measure % of test images that 784-200-200-10 recognises: de-noising stages, then ten epochs with all labels.

    The test images are those of the published number.
    """
    n_labels = len(data.train_images)
    model = stack(data, seed, noisy=True, sizes=(data.n_features, 200, 200)).classifier(N_CLASSES, frozen=frozen)
    n_steps = 10 * n_labels // batch_size(n_labels)
    lr = 1e-2 if frozen else 1e-3
    errors = train_classifier(model, data, torch.arange(n_labels), n_steps=n_steps, seed=seed, lr=lr)
    return Measurement(100 - errors.mean().item())


@row("small-stack-before-tuning", "S13",
     "Before fine-tuning, a head on the stack 784-200-200 has the published accuracy.",
     said_by=UFLDL,
     quantity="test images recognised, 60,000 labels, the head alone trained",
     unit="% right", relation=">", reference=87.7, source=UFLDL, only_on="full", seeds=(10, 5))  # fmt: skip
def small_stack_before_tuning(digits: ImageData, seed: int) -> Measurement:
    """Measure what a linear head reads from the frozen stack."""
    return right_of_small_stack(digits, seed, frozen=True)


@row("small-stack-after-tuning", "S13",
     "After fine-tuning, 784-200-200-10 has the published accuracy.",
     said_by=UFLDL,
     quantity="test images recognised, 60,000 labels, all layers tuned",
     unit="% right", relation=">", reference=97.6, source=UFLDL, only_on="full", seeds=(10, 5))  # fmt: skip
def small_stack_after_tuning(digits: ImageData, seed: int) -> Measurement:
    """Measure what the fine-tuned stack recognises."""
    return right_of_small_stack(digits, seed, frozen=False)
