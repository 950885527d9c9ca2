"""What would go wrong in a training, said before its first step."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from course_utils.checkpoint import TrainingError
from course_utils.settings import seeded


def require_trainable(model: nn.Module) -> None:
    """Raise a TrainingError where all parameters are frozen, or their numbers have too few digits to be trained."""
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise TrainingError(
            "Every parameter of the model is frozen (requires_grad is False): there is nothing to train. Add a "
            "layer that is not frozen, or call model.requires_grad_(True)."
        )
    if any(p.dtype == torch.float16 for p in trained):
        raise TrainingError("The model computes in torch.float16, whose digits are too few to train with: small "
                            "gradients become 0. Use torch.float32 or torch.bfloat16.")  # fmt: skip


def has_batch_norm(model: nn.Module) -> bool:
    """Tell whether any layer takes mean and variance over the batch."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


def require_one_is_enough(model: nn.Module, sample: Tensor, *, batch_size: int) -> None:
    """Raise a TrainingError where a last batch of one sample cannot be trained on: of vectors, it has no variance.

    Parameters
    ----------
    model
        A copy of it is given the sample, in training mode.
    sample
        A batch of one `(1, …)`, on the model's device.
    batch_size
        That which leaves one sample over, for the message.
    """
    try:
        with torch.no_grad(), seeded(0, sample.device):
            deepcopy(model).train()(sample)
    except ValueError as error:
        raise TrainingError(
            f"The last batch of an epoch would hold 1 sample, and BatchNorm needs at least 2 in training. Take "
            f"another batch_size than {batch_size}, leave one sample out, or give a DataLoader with drop_last=True."
        ) from error
