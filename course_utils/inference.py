"""A trained model applied to a whole set: in batches, in eval mode, without a gradient; the results are on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import scipy.sparse as sp

BATCH_SIZE = 1_000  # bounds the memory; larger is no faster

Apply: TypeAlias = Callable[[Tensor], Tensor]
Rows: TypeAlias = "Tensor | np.ndarray | sp.csr_array | sp.csr_matrix"


def encode_all(model: nn.Module, x: Rows) -> Tensor:
    """Encode a whole set with `model.encode`.

    Parameters
    ----------
    model
        Any model with a method `encode`. Its mode (train or eval) and its device stay as they are.
    x
        Images or vectors `(n, …)`: a tensor, an array, or a sparse matrix, of which one batch at a time is made dense.

    Returns
    -------
    Tensor
        Codes `(n, n_codes)`, on the CPU.

    Raises
    ------
    ValueError
        There is nothing to encode.
    """
    return _in_batches(model, cast(Apply, model.encode), x)


def decode_all(model: nn.Module, z: Rows) -> Tensor:
    """Decode a whole set of codes `(n, n_codes)` with `model.decode`; otherwise as `encode_all`."""
    return _in_batches(model, cast(Apply, model.decode), z)


def reconstruct(model: nn.Module, x: Rows) -> Tensor:
    """Reconstruct a whole set: `model(x)`, in the shape of x; otherwise as `encode_all`."""
    return _in_batches(model, model, x)


def predict_logits(model: nn.Module, x: Rows) -> Tensor:
    """Apply a classifier to a whole set: logits `(n, n_classes)`; otherwise as `encode_all`."""
    return _in_batches(model, model, x)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode within a `with` block, without gradients; after it, it is in the mode it was in."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():  # not inference_mode, whose tensors cannot be trained on
            yield
    finally:
        model.train(was_training)


def _in_batches(model: nn.Module, apply: Apply, x: Rows) -> Tensor:
    n = x.shape[0]
    if not n:
        raise ValueError(f"There is nothing to encode or decode: the input has shape {tuple(x.shape)}.")
    device = next(model.parameters()).device
    with evaluating(model):
        batches = (_dense(x[start : start + BATCH_SIZE]) for start in range(0, n, BATCH_SIZE))
        return torch.cat([apply(batch.to(device)).cpu() for batch in batches])


def _dense(batch: Rows) -> Tensor:
    if isinstance(batch, (Tensor, np.ndarray)):
        return torch.as_tensor(batch)
    return torch.from_numpy(batch.toarray())
