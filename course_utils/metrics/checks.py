"""Checks of what errors are computed from."""

from __future__ import annotations

import torch
from torch import Tensor


def check_classes(logits: Tensor, labels: Tensor) -> None:
    """Raise a ValueError unless logits are `(n, n_classes)`, and labels `(n,)` whole numbers below n_classes."""
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits must be (n, n_classes) and labels (n,), not {tuple(logits.shape)} and "
                         f"{tuple(labels.shape)}.")  # fmt: skip
    if labels.dtype != torch.int64:
        raise ValueError(f"labels are classes, torch.int64; they are {labels.dtype} (labels.long()).")
    if not len(labels):
        raise ValueError(f"There is nothing to compare: logits are {tuple(logits.shape)}.")
    if not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}; the classes are 0 to "
                         f"{logits.shape[1] - 1}. Check n_classes, and where the labels come from.")  # fmt: skip


def check_shapes(x_hat: Tensor, x: Tensor) -> None:
    """Raise a ValueError unless both have one shape, and there is a sample."""
    if x_hat.shape != x.shape:
        raise ValueError(
            f"Reconstructions of shape {tuple(x_hat.shape)} for data of shape {tuple(x.shape)}: they must agree."
        )
    if not len(x):
        raise ValueError("There is no image to take the error of: the batch is empty.")
