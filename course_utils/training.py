"""The one loop over batches in this project: `Trainer.fit` trains, records, checkpoints and resumes."""

from __future__ import annotations

import math
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset, IterableDataset
from tqdm.auto import tqdm

from course_utils.data import DataError, check_range
from course_utils.metrics import sse_per_image
from course_utils.settings import settings

# Images; images with targets, `(x, y)`; or a Dataset or DataLoader that yields either, for what does not fit in memory.
Data = Tensor | tuple[Tensor, Tensor] | Dataset | DataLoader
Loss = Callable[[Tensor, Tensor], Tensor]
Corruption = Callable[[Tensor, torch.Generator], Tensor]

MIN_STEPS_FOR_A_CYCLE = 10


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message names the place and what to do."""


class History(Sequence[Mapping[str, float]]):
    """One row an epoch. `history["train_loss"]` is a column as a list, `history[-1]` the last row as a dict.

    Columns: epoch (from 1); train_loss, the mean over the epoch's samples while the weights move; validation_loss,
    after the epoch, where there is a validation set; lr, of the epoch's last step; seconds.
    """

    def __init__(self, rows: Iterable[Mapping[str, float]] = ()) -> None:
        self.rows = [dict(row) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | str) -> Any:
        if not isinstance(key, str):
            return self.rows[key]
        known = dict.fromkeys(column for row in self.rows for column in row)
        if self.rows and key not in known:
            raise KeyError(f"{key!r} was not recorded; there are {', '.join(known)}.")
        return [row.get(key, math.nan) for row in self.rows]  # NaN: an epoch without it, as one without validation

    def __repr__(self) -> str:
        if not self.rows:
            return "History: no epoch yet"
        losses = ", ".join(f"{key} {value:.4g}" for key, value in self.rows[-1].items() if key.endswith("loss"))
        return f"History of {len(self)} epochs; the last: {losses}"


class Trainer:
    """Trains a model with Adam: as an auto-encoder, where the image is its own target, or with targets.

    loss: `loss(output, target)` → scalar tensor, a mean over the batch. lr: the learning rate; with
    `schedule="one-cycle"` its peak, after 30 % of the steps of a call of `fit` (Smith & Topin 2017).
    corrupt: `corrupt(x, generator)` → noisy x; the target stays clean (Vincent et al. 2008): fresh noise every training
    step, the same noise at every evaluation. supervised: data are pairs (x, target); otherwise a target is ignored.
    value_range: what x may hold; None for data that are no pixels. seed: for the order of the samples and the noise.
    callbacks: plain functions of the trainer, called after every epoch; one may set `trainer.stop = True`.
    checkpoint: a file, written after every epoch. A killed script, run again, goes on from it and ends with the
    weights of one that was never killed, bit for bit on a CPU. A finished one trains nothing again: its first `fit`
    loads the final weights and all rows of the history.
    """

    def __init__(
        self, model: nn.Module, *, loss: Loss = sse_per_image, lr: float = 1e-3,
        schedule: Literal["one-cycle", "constant"] = "one-cycle", batch_size: int = 250,
        corrupt: Corruption | None = None, supervised: bool = False,
        value_range: tuple[float, float] | None = (0.0, 1.0), device: torch.device | str | None = None, seed: int = 0,
        callbacks: Sequence[Callable[[Trainer], None]] = (), checkpoint: str | Path | None = None,
    ) -> None:  # fmt: skip
        if not 0 < lr < math.inf or batch_size < 1:
            raise TrainingError(
                f"lr must be above 0 and finite, and batch_size at least 1; they are {lr} and {batch_size}."
            )
        if schedule not in ("one-cycle", "constant"):
            raise TrainingError(f"schedule is {schedule!r}; it must be 'one-cycle' or 'constant'.")
        self.device = torch.device(device) if device is not None else settings().device
        self.model, self.loss, self.corrupt, self.supervised = model.to(self.device), loss, corrupt, supervised
        self.lr, self.schedule, self.batch_size, self.seed = float(lr), schedule, int(batch_size), int(seed)
        self.value_range, self.callbacks = value_range, tuple(callbacks)
        self.checkpoint = Path(checkpoint) if checkpoint is not None else None
        # Fused: one pass over all parameters, where the default takes a dozen; on a CPU the memory is the bottleneck.
        self.optimizer = torch.optim.Adam(model.parameters(), lr=self.lr, fused=True)
        self.scheduler: OneCycleLR | None = None
        self.generator = torch.Generator().manual_seed(self.seed)
        self.history = History()
        self.stop = False
        self._legs: list[dict[str, int]] = []  # a call of `fit` each: the epochs it asked for, and where it ended
        self._saved: dict[str, Any] | None = None

    def fit(self, train: Data, validation: Data | None = None, *, n_epochs: int) -> History:
        """Train for n_epochs, after those of earlier calls; returns the history of all epochs.

        train, validation: a tensor `(n, …)`, a pair (x, target), a Dataset or a DataLoader.
        Raises TrainingError (a loss that is not finite, by epoch and batch; a checkpoint of another set-up) and
        DataError (empty, NaN, values outside value_range).
        """
        if n_epochs < 1:
            raise TrainingError(f"n_epochs is {n_epochs}; it must be at least 1.")
        train = self._prepare(train, "the training data", shuffle=True)
        validation = None if validation is None else self._prepare(validation, "the validation data")
        self._begin_leg(n_epochs, train)
        leg = self._legs[-1]
        done = min(len(self.history), leg["end"])
        with tqdm(total=leg["end"], initial=done, desc="epochs", leave=False, disable=settings().quiet) as bar:
            try:
                while len(self.history) < leg["end"] and not self.stop:
                    self._run_and_record_epoch(train, validation)
                    bar.set_postfix(train_loss=f"{self.history[-1]['train_loss']:.3f}")
                    bar.update()
            finally:  # interrupted: another call of `fit` starts a leg of its own where this one broke off
                leg["end"] = min(leg["end"], len(self.history))
                self.model.eval()  # ready to be used
        return self.history

    def evaluate(self, data: Data) -> float:
        """The mean loss over the samples, in eval mode and without a gradient."""
        return self._evaluate(self._prepare(data, "the evaluation data"))

    def _run_and_record_epoch(self, train: Data, validation: Data | None) -> None:
        started = time.perf_counter()
        row = {"epoch": len(self.history) + 1, "train_loss": self._run_epoch(train, True, self.generator)}
        if validation is not None:
            row["validation_loss"] = self._evaluate(validation)
        row["lr"], row["seconds"] = self._last_lr, time.perf_counter() - started
        self.history.rows.append(row)
        for callback in self.callbacks:
            callback(self)
        if self.stop:
            self._legs[-1]["end"] = len(self.history)
        self._save_checkpoint()

    def _evaluate(self, data: Data) -> float:
        # The same noise every time: two evaluations differ by the weights alone.
        return self._run_epoch(data, False, torch.Generator().manual_seed(self.seed))

    def _run_epoch(self, data: Data, training: bool, generator: torch.Generator) -> float:
        """One pass over the data; the mean loss, weighted by sample: a short last batch counts for what it holds."""
        self.model.train(training)
        loss_sum, n_samples = 0.0, 0
        with torch.set_grad_enabled(training):
            for index, (x, target) in enumerate(self._batches(data, training, generator)):
                x_in = x if self.corrupt is None else self.corrupt(x.clone(), generator)  # the target stays clean
                loss = self.loss(self.model(x_in), target)
                if not math.isfinite(value := loss.item()):
                    raise TrainingError(self._diverged(value, index, training))
                if training:
                    self.optimizer.zero_grad()
                    loss.backward()
                    self._last_lr = self.optimizer.param_groups[0]["lr"]
                    self.optimizer.step()
                    if self.scheduler is not None:
                        self.scheduler.step()
                loss_sum += value * len(x)
                n_samples += len(x)
        return loss_sum / n_samples

    def _batches(self, data: Data, training: bool, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs (x, target). Tensors are cut by index: a DataLoader would collate them image by image."""
        if isinstance(data, DataLoader):
            for index, batch in enumerate(data):
                name = f"batch {index + 1} of the {'training' if training else 'validation'} data"
                x, target = self._split_pair(batch, name)
                self._check(x, name)
                yield x.to(self.device), (x if target is None else target).to(self.device)
            return
        x, target = data
        order = torch.randperm(len(x), generator=generator) if training else torch.arange(len(x))
        for chosen in order.to(self.device).split(self.batch_size):
            batch = x[chosen]
            yield batch, batch if target is None else target[chosen]

    # ------------------------------------------------------------------------------------- data, checked before use

    def _prepare(self, data: Data, name: str, *, shuffle: bool = False) -> Data:
        """A DataLoader, or (x, target or None) on the device, with everything checked that can be checked now."""
        if isinstance(getattr(data, "dataset", data), IterableDataset):
            raise DataError(f"{name} is an IterableDataset, which has no length; the schedule needs one.")
        if isinstance(data, Dataset):
            if not len(data):
                raise DataError(f"{name} has no samples.")
            # A generator of its own where nothing is shuffled: the loader draws from it at every pass.
            generator = self.generator if shuffle else torch.Generator()
            data = DataLoader(data, batch_size=self.batch_size, shuffle=shuffle, generator=generator)
        if isinstance(data, DataLoader):
            if not len(data):
                raise DataError(f"{name} has no batch: the DataLoader is empty.")
            return data
        x, target = self._split_pair(data, name)
        self._check(x, name)
        return x.to(self.device), None if target is None else target.to(self.device)

    def _split_pair(self, data: Tensor | Sequence[Tensor], name: str) -> tuple[Tensor, Tensor | None]:
        parts = data if isinstance(data, (tuple, list)) else (data,)
        if len(parts) not in (1, 2) or not all(isinstance(part, Tensor) for part in parts):
            found = f"{len(parts)} parts" if len(parts) > 2 else type(data).__name__
            raise DataError(f"{name}: a tensor, a pair of tensors, a Dataset or a DataLoader is needed, not {found}.")
        x, target = (*parts, None)[:2]
        if not self.supervised:
            return x, None
        if target is None or len(target) != len(x):
            found = "none" if target is None else f"{len(target)}"
            raise DataError(f"{name}: {len(x)} samples need as many targets (supervised=True); there are {found}.")
        return x, target

    def _check(self, x: Tensor, name: str) -> None:
        if not x.numel():
            raise DataError(f"{name} is empty: shape {tuple(x.shape)}.")
        if not x.is_floating_point():
            raise DataError(f"{name} is {x.dtype}; it must be floating point (divide bytes by 255).")
        lowest, highest = self.value_range or (-math.inf, math.inf)
        check_range(x, lowest, highest, name=name)

    def _diverged(self, value: float, index: int, training: bool) -> str:
        lr = self.optimizer.param_groups[0]["lr"]
        return (
            f"The loss became {value} in epoch {len(self.history) + 1}, batch {index + 1} of the "
            f"{'training' if training else 'validation'} data, at lr {lr:g}. Start again with a smaller lr "
            f"(a tenth, say), and check that the loss is defined for the model's outputs."
        )

    # ----------------------------------------------------------------------------------------- legs and checkpoints

    def _begin_leg(self, n_epochs: int, train: Data) -> None:
        """Set up the schedule of this call of `fit`, from the checkpoint where it holds (a part of) this call."""
        number, self.stop = len(self._legs), False
        if number == 0:
            self._saved = self._load_checkpoint(train)
        begin = self._legs[-1]["end"] if self._legs else 0
        leg = {"n_epochs": n_epochs, "end": begin + n_epochs}
        if self._saved is not None and number < len(self._saved["legs"]):
            leg = self._saved["legs"][number]
            if leg["n_epochs"] != n_epochs:
                raise TrainingError(f"{self.checkpoint} was made with n_epochs={leg['n_epochs']}, not {n_epochs}. "
                                    f"Delete it to start over, or call fit again to add epochs.")  # fmt: skip
        self._legs.append(leg)
        if self._saved is None or len(self.history) <= begin:
            self._set_schedule(n_epochs, train)
        elif number == len(self._saved["legs"]) - 1:  # killed within this leg, or after it
            self._set_schedule(n_epochs, train)
            if self.scheduler is not None:
                self.scheduler.load_state_dict(self._saved["scheduler"])
            self.optimizer.load_state_dict(self._saved["optimizer"])  # after the scheduler, which sets lr and betas

    def _set_schedule(self, n_epochs: int, train: Data) -> None:
        self.scheduler = None
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr
        if self.schedule == "one-cycle":
            n_batches = len(train) if isinstance(train, DataLoader) else math.ceil(len(train[0]) / self.batch_size)
            n_steps = n_epochs * n_batches
            # A cycle starts and ends near 0: with a handful of steps it would hardly move the weights.
            if n_steps >= MIN_STEPS_FOR_A_CYCLE:
                self.scheduler = OneCycleLR(self.optimizer, max_lr=self.lr, total_steps=n_steps)

    def _setup(self, train: Data) -> dict[str, Any]:
        """What a checkpoint must agree in to be continued."""
        return {
            "lr": self.lr, "schedule": self.schedule, "batch_size": self.batch_size, "seed": self.seed,
            "loss": _name(self.loss), "corrupt": _name(self.corrupt), "supervised": self.supervised,
            "training samples": len(train.dataset) if isinstance(train, DataLoader) else len(train[0]),
            "parameters": {name: list(p.shape) for name, p in self.model.state_dict().items()},
        }  # fmt: skip

    def _save_checkpoint(self) -> None:
        if self.checkpoint is None:
            return
        state = {
            "setup": self._setup_of_run, "legs": self._legs, "rows": self.history.rows,
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "generator": self.generator.get_state(), "global_generator": torch.get_rng_state(),
        }  # fmt: skip
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.checkpoint.with_name(self.checkpoint.name + ".tmp")
        torch.save(state, unfinished)
        os.replace(unfinished, self.checkpoint)  # whole or not at all: a kill while writing must lose nothing

    def _load_checkpoint(self, train: Data) -> dict[str, Any] | None:
        self._setup_of_run = self._setup(train)
        if self.checkpoint is None or not self.checkpoint.exists():
            return None
        try:
            with zipfile.ZipFile(self.checkpoint) as archive:
                if archive.testzip():  # torch does not compare the checksums
                    raise zipfile.BadZipFile
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            setup = dict(state["setup"])
        except Exception as error:  # damaged bytes raise half a dozen kinds of error
            raise TrainingError(f"{self.checkpoint} is no readable checkpoint. Delete it to start over.") from error
        if different := [key for key, value in self._setup_of_run.items() if setup.get(key) != value]:
            key = different[0]
            raise TrainingError(f"{self.checkpoint} was made by another set-up: {key} was {setup.get(key)}, now it is "
                                f"{self._setup_of_run[key]}. Delete it, or give this run another file.")  # fmt: skip
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        torch.set_rng_state(state["global_generator"].cpu())
        self.history.rows[:] = state["rows"]
        return state


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)
