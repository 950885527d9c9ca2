"""Data for a training as batches of (x, target): tensors, Datasets and DataLoaders, checked before they are used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from course_utils.data import DataError, check_range

# Images; images with targets, `(x, y)`; or a Dataset or DataLoader that yields either, for what does not fit in memory.
Data: TypeAlias = Tensor | tuple[Tensor, Tensor] | Dataset[Any] | DataLoader[Any]


class TensorBatches:
    """Batches of tensors in memory, cut by index: a DataLoader would fetch and collate them image by image.

    Parameters
    ----------
    x
        Samples `(n, …)`.
    target
        Their targets `(n, …)`, or None.
    batch_size
        Samples a batch; the last may hold fewer.
    generator
        Draws a new order at every pass; None: the order in which they lie.
    """

    def __init__(self, x: Tensor, target: Tensor | None, batch_size: int, generator: torch.Generator | None) -> None:
        self.x, self.target, self.batch_size, self.generator = x, target, batch_size, generator

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        n = len(self.x)
        order = torch.arange(n) if self.generator is None else torch.randperm(n, generator=self.generator)
        for chosen in order.to(self.x.device).split(self.batch_size):
            yield (self.x[chosen],) if self.target is None else (self.x[chosen], self.target[chosen])


Batches: TypeAlias = TensorBatches | DataLoader[Any]


@dataclass(frozen=True)
class Reader:
    """How data are read.

    Parameters
    ----------
    batch_size
        Samples a batch, of tensors and Datasets; a DataLoader has its own.
    supervised
        Data are pairs (x, target). Otherwise a target is ignored: x is its own.
    value_range
        The lowest and the highest number that x may hold; None for any.
    device
        Where the batches are needed.
    """

    batch_size: int
    supervised: bool
    value_range: tuple[float, float] | None
    device: torch.device

    def batches(self, data: Data, name: str, dtype: torch.dtype, shuffle: torch.Generator | None = None) -> Batches:
        """Return what gives batches at every pass, and knows how many.

        Parameters
        ----------
        data
            A tensor `(n, …)`, a pair (x, target), a Dataset or a DataLoader.
        name
            What messages call the data.
        dtype
            The type of the model's weights, which x must have.
        shuffle
            Draws a new order at every pass; None: the order in which they lie.

        Raises
        ------
        DataError
            The data are empty, contain NaN, leave value_range, have another dtype, no length, or not enough targets.
        """
        if not isinstance(data, (Dataset, DataLoader)):
            x, target = self.pair(data, name, dtype)
            return TensorBatches(x, target if self.supervised else None, self.batch_size, shuffle)
        try:
            if isinstance(data, Dataset) and len(data):  # type: ignore[arg-type]
                # A loader draws from its generator at every pass: validation must not disturb the training's.
                generator = shuffle or torch.Generator()
                data = DataLoader(data, self.batch_size, shuffle=shuffle is not None, generator=generator)
            n_batches = len(data)  # type: ignore[arg-type]
        except TypeError as error:
            raise DataError(f"{name}: this {type(data).__name__} has no length; the schedule needs one.") from error
        if not n_batches:
            raise DataError(f"{name}: there are no samples, or not enough for one batch.")
        assert isinstance(data, DataLoader)
        return data

    def pair(
        self, batch: Tensor | Sequence[Tensor], name: str, dtype: torch.dtype | None = None
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return (x, target) on the device; an auto-encoder's target is x itself.

        Parameters
        ----------
        batch
            A tensor `(n, …)`, or a pair of x and target.
        name
            What messages call it.
        dtype
            Check the numbers of x, and that they are of this type; None: they were checked before.

        Raises
        ------
        DataError
            As `batches`.
        """
        parts = batch if isinstance(batch, (tuple, list)) else (batch,)
        if len(parts) not in (1, 2) or not all(isinstance(part, Tensor) for part in parts):
            found = ", ".join(type(part).__name__ for part in parts[:4])
            raise DataError(f"{name}: a tensor, a pair of tensors, a Dataset or a DataLoader is needed, not {found}.")
        x, target = parts[0], parts[-1]
        if self.supervised and (len(parts) == 1 or len(target) != len(x)):
            n_found = "none" if len(parts) == 1 else len(target)
            raise DataError(f"{name}: {len(x)} samples need as many targets (supervised=True); there are {n_found}.")
        if dtype is not None:
            self._check(x, name, dtype)
        x = x.to(self.device)
        return x, target.to(self.device) if self.supervised else x

    def _check(self, x: Tensor, name: str, dtype: torch.dtype) -> None:
        if not x.numel():
            raise DataError(f"{name} is empty: shape {tuple(x.shape)}.")
        if x.dtype != dtype:
            hint = "divide bytes by 255" if not x.is_floating_point() else f"x.to({dtype})"
            raise DataError(f"{name} is {x.dtype}; the model computes in {dtype} ({hint}).")
        lowest, highest = self.value_range or (-math.inf, math.inf)
        check_range(x, lowest, highest, name=name)


def last_batch_size(batches: Batches) -> int | None:
    """Return the number of samples in the last batch of a pass; None where a loader's own sampler decides that."""
    if isinstance(batches, TensorBatches):
        return (len(batches.x) - 1) % batches.batch_size + 1
    if batches.batch_size is None or not hasattr(batches.sampler, "__len__"):
        return None
    n = len(batches.sampler)  # type: ignore[arg-type]
    return batches.batch_size if batches.drop_last else (n - 1) % batches.batch_size + 1


def first_sample(batches: Batches) -> Tensor | Sequence[Tensor] | None:
    """Return a batch of the first sample alone, without drawing random numbers; None where it cannot be had."""
    if isinstance(batches, TensorBatches):
        return batches.x[:1]
    if isinstance(batches.dataset, IterableDataset):
        return None
    return batches.collate_fn([batches.dataset[0]])
