"""One training shared by several processes, as `torchrun` starts them: which one this is, and what they add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from course_utils.checkpoint import Identity, TrainingError

TIMEOUT = timedelta(minutes=5)  # how long a process waits for the others before it gives up


@dataclass(frozen=True)
class Processes:
    """The processes that train one model: each has the whole model, and computes on its own part of every batch.

    Parameters
    ----------
    number
        Of this process, from 0.
    n
        How many there are.
    """

    number: int = 0
    n: int = 1

    @property
    def is_first(self) -> bool:
        """The one that writes files and shows progress."""
        return self.number == 0

    def part(self, x: Tensor) -> Tensor:
        """Return this process's rows of a batch `(n, …)`.

        The parts differ by one row at most. A process for which none is left gets the first one, with `weight` 0: all
        must take each step together.
        """
        if self.n == 1:
            return x
        rows = x.tensor_split(self.n)[self.number]
        return rows if len(rows) else x[:1]

    def weight(self, n_rows: int) -> float:
        """Which share of the rows of a batch this process's part has: the loss is a mean over all of them."""
        whole, rest = divmod(n_rows, self.n)
        return (whole + (self.number < rest)) / n_rows

    def totals(self, numbers: Tensor) -> list[float]:
        """Return each number of a vector, added up over the processes."""
        numbers = numbers.double() if numbers.device.type != "mps" else numbers.float()  # which has no float64
        if self.n > 1:
            dist.all_reduce(numbers)
        return numbers.tolist()

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add up the gradients over the processes, in place: all at once, as waiting takes longer than adding."""
        if self.n == 1:
            return
        under_way = [dist.all_reduce(p.grad, async_op=True) for p in parameters if p.grad is not None]
        for work in under_way:
            work.wait()

    def seed_apart(self) -> None:
        """Let what the model itself draws, as dropout does, differ from process to process: they see other images."""
        if self.number:
            torch.manual_seed(torch.initial_seed() + self.number)

    def gathered(self, value: Any) -> list[Any]:
        """Return what each process has given, in the order of their numbers."""
        if self.n == 1:
            return [value]
        values: list[Any] = [None] * self.n
        dist.all_gather_object(values, value)
        return values

    def require_same(self, mine: Identity) -> None:
        """Raise a TrainingError, in all processes, that names in what one differs from the first."""
        first, *others = self.gathered(mine)
        for number, other in enumerate(others, start=1):
            if differing := [key for key in dict.fromkeys([*first, *other]) if first.get(key) != other.get(key)]:
                raise TrainingError(
                    f"Process {number} differs from process 0 in {', '.join(differing[:8])}. All processes must build "
                    f"the same model from the same seed, read the same data, and see the same checkpoint."
                )

    def refuse_batch_norm(self) -> None:
        """Raise a TrainingError where several processes share the batches."""
        if self.n > 1:
            raise TrainingError(f"BatchNorm takes mean and variance over the batch, and {self.n} processes share it. "
                                f"Take GroupNorm or LayerNorm, or train in one process.")  # fmt: skip


def join(device: torch.device) -> Processes:
    """Join the other processes, where `torchrun` or the caller has started several; otherwise there is this one alone.

    Parameters
    ----------
    device
        Where the model is: on "cuda" the processes talk by NCCL, otherwise by Gloo.

    Raises
    ------
    TrainingError
        They did not find each other.
    """
    if not dist.is_available() or not (dist.is_initialized() or dist.is_torchelastic_launched()):
        return Processes()
    if not dist.is_initialized():
        try:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
        except (RuntimeError, ValueError) as error:
            raise TrainingError(
                f"The processes of this training did not find each other ({str(error).splitlines()[0]}). Start them "
                f"together, as in `torchrun --standalone --nproc-per-node 2 …`, which takes a port that is free."
            ) from error
    return Processes(dist.get_rank(), dist.get_world_size())
