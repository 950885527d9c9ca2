"""The mean loss of a pass over the data, read from the device as seldom as that costs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.processes import Processes

# Reading a number waits until the device has computed it. A CPU has; a GPU could be given the next steps meanwhile.
READ_AFTER = {"cpu": 1}
READ_AFTER_OTHERWISE = 25


class MeanLoss:
    """Adds up the losses of batches, each weighted by its samples: a short last batch counts for what it holds.

    Parameters
    ----------
    processes
        Those that share the batches: each gives its part of every loss.
    diverged
        `diverged(value, place)` → the exception to raise for a loss that is not finite.
    """

    def __init__(self, processes: Processes, diverged: Callable[[float, str], Exception]) -> None:
        self._processes, self._diverged = processes, diverged
        self._unread: list[tuple[Tensor, int, str]] = []
        self._sum, self._n_samples = 0.0, 0

    def add(self, loss: Tensor, n_samples: int, place: str) -> None:
        """Add the loss of a batch, a scalar.

        On a CPU it is read at once. Elsewhere up to 25 are read together, so that an error may come some steps late; it
        names the batch all the same.
        """
        self._unread.append((loss.detach(), n_samples, place))
        if len(self._unread) >= READ_AFTER.get(loss.device.type, READ_AFTER_OTHERWISE):
            self._read()

    def value(self) -> float:
        """Return the mean over all samples that were added."""
        self._read()
        return self._sum / self._n_samples

    def _read(self) -> None:
        if not self._unread:
            return
        losses = torch.stack([loss for loss, _, _ in self._unread])
        for value, (_, n_samples, place) in zip(self._processes.totals(losses), self._unread, strict=True):
            if not math.isfinite(value):
                raise self._diverged(value, place)
            self._sum += value * n_samples
            self._n_samples += n_samples
        self._unread.clear()
