"""The one loop over batches in this project: `Trainer.fit` trains, records, checkpoints and resumes."""

from __future__ import annotations

import math
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from course_utils.corruption import Corruption
from course_utils.data import DataError, check_range
from course_utils.metrics import sse_per_image
from course_utils.settings import settings

# Images; images with targets, `(x, y)`; or a Dataset or DataLoader that yields either, for what does not fit in memory.
Data = Tensor | tuple[Tensor, Tensor] | Dataset | DataLoader
Loss = Callable[[Tensor, Tensor], Tensor]
MIN_STEPS_FOR_A_CYCLE = 10
# Fused: one pass over all parameters, where the default takes a dozen; on a CPU the memory is the bottleneck.
OPTIMIZERS = {
    "adam": partial(torch.optim.Adam, fused=True),
    "sgd": partial(torch.optim.SGD, momentum=0.9, fused=True),
}


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message names the place and what to do."""


class History(Sequence[Mapping[str, float]]):
    """One row an epoch. `history["train_loss"]` is a column as a list, `history[-1]` the last row as a dict.

    Columns: epoch (from 1); train_loss, the mean over the epoch's samples while the weights move; validation_loss,
    after the epoch, where there is a validation set (NaN in epochs without one); lr, of the epoch's last step; seconds.
    """

    def __init__(self, rows: Iterable[Mapping[str, float]] = ()) -> None:
        self.rows = [dict(row) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | str) -> Any:
        if not isinstance(key, str):
            return self.rows[key]
        columns = {column: None for row in self.rows for column in row}
        if columns and key not in columns:
            raise KeyError(f"{key!r} was not recorded; there are {', '.join(columns)}.")
        return [row.get(key, math.nan) for row in self.rows]

    def __repr__(self) -> str:
        if not self.rows:
            return "History: no epoch yet"
        losses = ", ".join(f"{key} {value:.4g}" for key, value in self.rows[-1].items() if key.endswith("loss"))
        return f"History of {len(self)} epochs; the last: {losses}"


class TensorBatches:
    """Batches of tensors in memory, cut by index: a DataLoader would fetch and collate them image by image.

    generator: draws a new order at every pass; None: the order in which they lie.
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


class Trainer:
    """Trains a model: as an auto-encoder, where the image is its own target, or with targets.

    loss: `loss(output, target)` → scalar tensor, a mean over the batch. output: `output(model, x)` → what the loss is
    given, where that is more than a reconstruction (`models.with_code`); None: `model(x)`.
    optimizer: "adam", or "sgd" with momentum 0.9; parameters that are frozen (requires_grad is False) keep their bytes.
    lr: the learning rate; with `schedule="one-cycle"` its peak, after 30 % of the steps of a call of `fit` (Smith &
    Topin 2017).
    corrupt: `corrupt(x, generator)` → noisy x; the target stays clean (Vincent et al. 2008): fresh noise every training
    step, the same noise at every evaluation. supervised: data are pairs (x, target); otherwise a target is ignored.
    value_range: what x may hold; None for data that are no pixels. seed: for the order of the samples and the noise;
    what the model itself draws in training, as dropout does, comes from torch's generator (`torch.manual_seed`).
    callbacks: plain functions of the trainer, called after every epoch; one may set `trainer.stop = True`.
    checkpoint: a file, written after every epoch. A killed script, run again, goes on from it and ends with the
    weights of one that was never killed, bit for bit on a CPU. A finished one trains nothing again: its first `fit`
    loads the final weights and all rows of the history.
    """

    def __init__(
        self, model: nn.Module, *, loss: Loss = sse_per_image, lr: float = 1e-3,
        optimizer: Literal["adam", "sgd"] = "adam",
        schedule: Literal["one-cycle", "constant"] = "one-cycle", batch_size: int = 250,
        corrupt: Corruption | None = None, output: Callable[[nn.Module, Tensor], Any] | None = None,
        supervised: bool = False,
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
        self.output = output
        self.lr, self.schedule, self.batch_size, self.seed = float(lr), schedule, int(batch_size), int(seed)
        self.value_range, self.callbacks = value_range, tuple(callbacks)
        self.checkpoint = Path(checkpoint) if checkpoint is not None else None
        if self.checkpoint is not None:  # now, not after an epoch
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        if optimizer not in OPTIMIZERS:
            raise TrainingError(f"optimizer is {optimizer!r}; it must be 'adam' or 'sgd'.")
        self.optimizer_name = optimizer
        self.optimizer = OPTIMIZERS[optimizer](model.parameters(), lr=self.lr)
        self.scheduler: OneCycleLR | None = None
        self.generator = torch.Generator().manual_seed(self.seed)
        self.history = History()
        self.stop = False
        self._legs: list[dict[str, int]] = []  # a call of `fit` each: the epochs it asked for, and where it ended
        self._saved_legs: list[dict[str, int]] = []  # of the checkpoint: those that this process has not repeated yet

    # ---------------------------------------------------------------------------------------------------- training

    def fit(self, train: Data, validation: Data | None = None, *, n_epochs: int) -> History:
        """Train for n_epochs, after those of earlier calls; returns the history of all epochs.

        train, validation: a tensor `(n, …)`, a pair (x, target), a Dataset or a DataLoader.
        Raises TrainingError (a loss that is not finite, by epoch and batch; a checkpoint of another set-up) and
        DataError (empty, NaN, values outside value_range).
        """
        if n_epochs < 1:
            raise TrainingError(f"n_epochs is {n_epochs}; it must be at least 1.")
        if not any(p.requires_grad for p in self.model.parameters()):
            raise TrainingError(
                "Every parameter of the model is frozen (requires_grad is False): there is nothing to train. Add a "
                "layer that is not frozen, or call model.requires_grad_(True)."
            )
        train = self._as_batches(train, "the training data", shuffle=True)
        if validation is not None:
            validation = self._as_batches(validation, "the validation data")
        leg, self.stop = self._begin_leg(n_epochs, train), False
        done = min(len(self.history), leg["end"])
        with tqdm(total=leg["end"], initial=done, desc="epochs", leave=False, disable=settings().quiet) as bar:
            try:
                while len(self.history) < leg["end"] and not self.stop:
                    self.history.rows.append(self._epoch(train, validation))
                    for callback in self.callbacks:
                        callback(self)
                    if self.stop:
                        leg["end"] = len(self.history)
                    self._save_checkpoint(train)
                    bar.set_postfix(train_loss=f"{self.history[-1]['train_loss']:.3f}")
                    bar.update()
            finally:  # interrupted: another call of `fit` starts a leg of its own where this one broke off
                leg["end"] = min(leg["end"], len(self.history))
                self.model.eval()  # ready to be used
        return self.history

    def evaluate(self, data: Data) -> float:
        """The mean loss over the samples, in eval mode and without a gradient."""
        return self._run(self._as_batches(data, "the evaluation data"), "the evaluation data")

    def _epoch(self, train: Iterable, validation: Iterable | None) -> dict[str, float]:
        """Train on every sample once, then validate; returns the history's row."""
        started = time.perf_counter()
        epoch = len(self.history) + 1
        row = {"epoch": epoch, "train_loss": self._run(train, "the training data", epoch, training=True)}
        if not all(p.isfinite().all() for p in self.model.parameters()):  # the last step of the epoch can do that
            raise TrainingError(self._diverged("The weights are no longer finite", f"the last batch of epoch {epoch}"))
        if validation is not None:
            row["validation_loss"] = self._run(validation, "the validation data", epoch)
        return row | {"lr": self._last_lr, "seconds": time.perf_counter() - started}

    def _run(self, batches: Iterable, name: str, epoch: int | None = None, *, training: bool = False) -> float:
        """One pass over the data; the mean loss, weighted by sample: a short last batch counts for what it holds."""
        self.model.train(training)
        # The same noise at every evaluation: two of them differ by the weights alone.
        generator = self.generator if training else torch.Generator().manual_seed(self.seed)
        loss_sum, n_samples = 0.0, 0
        with torch.set_grad_enabled(training), self._random_numbers(training):
            for number, batch in enumerate(batches, start=1):
                place = f"batch {number} of {name}" if epoch is None else f"epoch {epoch}, batch {number} of {name}"
                x, target = self._pair(batch, place, check=not isinstance(batches, TensorBatches))
                x_in = x if self.corrupt is None else self.corrupt(x.clone(), generator)  # the target stays clean
                output = self.model(x_in) if self.output is None else self.output(self.model, x_in)
                loss = self.loss(output, target)
                value = loss.item()
                if not math.isfinite(value):
                    raise TrainingError(self._diverged(f"The loss became {value}", place))
                if training:
                    self._step(loss)
                loss_sum += value * len(x)
                n_samples += len(x)
        return loss_sum / n_samples

    @contextmanager
    def _random_numbers(self, training: bool) -> Iterator[None]:
        """Those that the model itself draws: in training on and on; at every evaluation the same, and none used up."""
        if training:
            yield
            return
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            yield

    def _step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._last_lr = self.optimizer.param_groups[0]["lr"]
        if self.scheduler is not None:
            self.scheduler.step()

    def _diverged(self, what: str, place: str) -> str:
        return (
            f"{what} in {place}, at lr {self.optimizer.param_groups[0]['lr']:g}. Start again with a "
            f"smaller lr (a tenth, say), and check that the loss is defined for the model's outputs."
        )

    # ------------------------------------------------------------------------------------- data, checked before use

    def _as_batches(self, data: Data, name: str, *, shuffle: bool = False) -> TensorBatches | DataLoader:
        """What gives batches at every pass, and knows how many; everything checked that can be checked now."""
        generator = self.generator if shuffle else None
        if not isinstance(data, (Dataset, DataLoader)):
            x, target = self._pair(data, name, check=True)
            return TensorBatches(x, target if self.supervised else None, self.batch_size, generator)
        try:
            if isinstance(data, Dataset) and len(data):
                # A loader draws from its generator at every pass: validation must not disturb the training's.
                own = generator or torch.Generator()
                data = DataLoader(data, batch_size=self.batch_size, shuffle=shuffle, generator=own)
            n_batches = len(data)
        except TypeError as error:
            raise DataError(f"{name}: this {type(data).__name__} has no length; the schedule needs one.") from error
        if not n_batches:
            raise DataError(f"{name} has no samples, or not enough for one batch.")
        return data

    def _pair(self, batch: Tensor | Sequence[Tensor], name: str, *, check: bool) -> tuple[Tensor, Tensor]:
        """(x, target) on the device. An auto-encoder's target is x itself."""
        parts = batch if isinstance(batch, (tuple, list)) else (batch,)
        if len(parts) not in (1, 2) or not all(isinstance(part, Tensor) for part in parts):
            found = ", ".join(type(part).__name__ for part in parts[:4])
            raise DataError(f"{name}: a tensor, a pair of tensors, a Dataset or a DataLoader is needed, not {found}.")
        x, target = parts[0], parts[-1]
        if self.supervised and (len(parts) == 1 or len(target) != len(x)):
            found = "none" if len(parts) == 1 else len(target)
            raise DataError(f"{name}: {len(x)} samples need as many targets (supervised=True); there are {found}.")
        if check:
            self._check(x, name)
        x = x.to(self.device)
        return x, target.to(self.device) if self.supervised else x

    def _check(self, x: Tensor, name: str) -> None:
        if not x.numel():
            raise DataError(f"{name} is empty: shape {tuple(x.shape)}.")
        dtype = next(self.model.parameters()).dtype
        if x.dtype != dtype:
            hint = "divide bytes by 255" if not x.is_floating_point() else f"x.to({dtype})"
            raise DataError(f"{name} is {x.dtype}; the model computes in {dtype} ({hint}).")
        lowest, highest = self.value_range or (-math.inf, math.inf)
        check_range(x, lowest, highest, name=name)

    # ----------------------------------------------------------------------------------------- legs and checkpoints

    def _begin_leg(self, n_epochs: int, train: TensorBatches | DataLoader) -> dict[str, int]:
        """The leg of this call of `fit`: the one that the checkpoint holds for it, or a new one."""
        if not self._legs:
            self._load_checkpoint(train)
        begin = self._legs[-1]["end"] if self._legs else 0
        leg = self._saved_legs[0] if self._saved_legs else {"n_epochs": n_epochs, "end": begin + n_epochs}
        if leg["n_epochs"] != n_epochs:
            raise TrainingError(f"{self.checkpoint} was made with n_epochs={leg['n_epochs']}, not {n_epochs}. "
                                f"Delete it to start over, or call fit again to add epochs.")  # fmt: skip
        self._legs.append(leg)
        del self._saved_legs[:1]
        if not self._saved_legs:  # the last leg so far: new, or broken off within it
            self._set_schedule(n_epochs * len(train), n_done=(len(self.history) - begin) * len(train))
        return leg

    def _set_schedule(self, n_steps: int, *, n_done: int) -> None:
        """A function of the steps done alone, so that a checkpoint need not hold it."""
        self.scheduler = None
        if self.schedule == "one-cycle" and n_steps >= MIN_STEPS_FOR_A_CYCLE:  # fewer would hardly move the weights
            self.scheduler = OneCycleLR(
                self.optimizer, max_lr=self.lr, total_steps=n_steps, last_epoch=n_done - 1,
                cycle_momentum=self.optimizer_name == "adam",
            )  # fmt: skip
        else:
            for group in self.optimizer.param_groups:
                group["lr"] = self.lr

    def _setup(self, train: TensorBatches | DataLoader) -> dict[str, Any]:
        """What a checkpoint must agree in to be continued."""
        x = train.x if isinstance(train, TensorBatches) else None
        return {
            "optimizer": self.optimizer_name, "lr": self.lr, "schedule": self.schedule,
            "batch_size": self.batch_size, "seed": self.seed,
            "loss": _name(self.loss), "output": _name(self.output), "corrupt": _name(self.corrupt),
            "supervised": self.supervised,
            "training samples": len(train.dataset) if x is None else len(x),
            "training data's mean": None if x is None else f"{x.mean():.6g}",
            "parameters": {name: list(p.shape) for name, p in self.model.state_dict().items()},
            "layers": [_name(module) for module in self.model.modules()],
            "frozen parameters": [name for name, p in self.model.named_parameters() if not p.requires_grad],
        }  # fmt: skip

    def _save_checkpoint(self, train: TensorBatches | DataLoader) -> None:
        if self.checkpoint is None:
            return
        state = {
            "setup": self._setup(train), "legs": self._legs, "rows": self.history.rows,
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "generators": [generator.get_state() for generator in self._generators(train)],
        }  # fmt: skip
        unfinished = self.checkpoint.with_name(self.checkpoint.name + ".tmp")
        torch.save(state, unfinished)
        os.replace(unfinished, self.checkpoint)  # whole or not at all: a kill while writing must lose nothing

    def _load_checkpoint(self, train: TensorBatches | DataLoader) -> None:
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        try:
            with zipfile.ZipFile(self.checkpoint) as archive:  # torch.load does not compare check sums
                if damaged := archive.testzip():
                    raise zipfile.BadZipFile(damaged)
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            saved_setup, rows, legs = dict(state["setup"]), list(state["rows"]), list(state["legs"])
        except Exception as error:  # damage shows in many ways
            raise TrainingError(f"{self.checkpoint} is no readable checkpoint. Delete it to start over.") from error
        for key, value in self._setup(train).items():
            if saved_setup.get(key) != value:
                raise TrainingError(f"{self.checkpoint} was made by another set-up: {key} was {saved_setup.get(key)}, "
                                    f"now it is {value}. Delete it, or give this run another file.")  # fmt: skip
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for generator, saved in zip(self._generators(train), state["generators"], strict=True):
            generator.set_state(saved.cpu())
        self.history.rows[:], self._saved_legs = rows, legs

    def _generators(self, train: TensorBatches | DataLoader) -> list[torch.Generator]:
        """Whatever random numbers an epoch draws: the order and the noise, a loader's own, dropout."""
        return [g for g in (self.generator, train.generator, torch.default_generator) if g is not None]


def _name(thing: object) -> str | None:
    return None if thing is None else getattr(thing, "__name__", type(thing).__name__)
