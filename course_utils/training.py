"""The one loop over batches in this project: `Trainer.fit` trains, records, and goes on where it was interrupted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from tqdm.auto import tqdm

from course_utils import checkpoint as checkpoints
from course_utils.batches import Batches, Data, Reader, TensorBatches, first_sample, last_batch_size
from course_utils.checkpoint import Identity, TrainingError
from course_utils.checks import whole_number
from course_utils.corruption import Corruption
from course_utils.history import History
from course_utils.mean_loss import MeanLoss
from course_utils.metrics import sse_per_image
from course_utils.model_checks import has_batch_norm, require_one_is_enough, require_trainable
from course_utils.processes import join
from course_utils.settings import random_states, seeded, set_random_states, settings

__all__ = ["Data", "History", "Loss", "Trainer", "TrainingError"]

Loss = Callable[[Any, Tensor], Tensor]
MIN_STEPS_FOR_A_CYCLE = 10
# Fused: one pass over all parameters, where the default takes a dozen; on a CPU the memory is the bottleneck.
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "sgd": partial(torch.optim.SGD, momentum=0.9, fused=True),
}


class Trainer:
    """Train a model: as an auto-encoder, where the image is its own target, or with targets.

    Parameters
    ----------
    model
        The net; it is moved to the device. Parameters that are frozen (requires_grad is False) keep their bytes.
    loss
        `loss(output, target)` → scalar tensor, a mean over the batch.
    lr
        The learning rate; with `schedule="one-cycle"` its peak, after 30 % of the steps of a call of `fit`.
    optimizer
        "adam", or "sgd" with momentum 0.9.
    schedule
        "one-cycle" or "constant".
    batch_size
        Samples in a step, for tensors and Datasets; a DataLoader has its own.
    augment
        `augment(x, generator)` → another image of the same thing, as one that is moved by a pixel: drawn anew at every
        training step, before any noise, and left away at evaluations. An auto-encoder's target is the new image, too; a
        target that was given (supervised) stays as it is.
    corrupt
        `corrupt(x, generator)` → noisy x; the target stays clean. Fresh noise at every training step, the same noise at
        every evaluation.
    output
        `output(model, x)` → what the loss is given, where that is more than a reconstruction
        (`models.forward_with_code`); None: `model(x)`.
    supervised
        Data are pairs (x, target); otherwise a target is ignored.
    value_range
        What x may hold; None for data that are not pixels.
    device
        Where to train; None: `settings().device`.
    autocast
        torch.bfloat16: layers compute in it where that is safe, with weights and sums in float32 (mixed precision); for
        a GPU, which is faster then. None: all of it in the type of the weights.
    seed
        For the order of the samples and the noise. What the model itself draws in training, as dropout does, comes from
        torch's generator (`torch.manual_seed`).
    callbacks
        Plain functions of the trainer, called after every epoch; one may set `trainer.stop = True`.
    checkpoint
        A file, written after every epoch. A killed script, run again, goes on from it and ends with the weights of one
        that was never killed, bit for bit on a CPU. After a finished run `fit` trains nothing: it loads the final
        weights and all rows of the history. The file belongs to this run only: to its data, targets, model and options;
        each call of `fit` reads all data once to compare them.

    Raises
    ------
    TrainingError
        An option cannot be used; or, with a checkpoint, a function has no name of its own.

    References
    ----------
    Smith & Topin, Super-convergence (2017), for the schedule; Vincent et al., ICML 2008, for noisy inputs with clean
    targets.
    """

    def __init__(
        self, model: nn.Module, *, loss: Loss = sse_per_image, lr: float = 1e-3,
        optimizer: Literal["adam", "sgd"] = "adam",
        schedule: Literal["one-cycle", "constant"] = "one-cycle", batch_size: int = 250,
        augment: Corruption | None = None, corrupt: Corruption | None = None,
        output: Callable[[Any, Tensor], Any] | None = None, supervised: bool = False,
        value_range: tuple[float, float] | None = (0.0, 1.0), device: torch.device | str | None = None,
        autocast: torch.dtype | None = None, seed: int = 0,
        callbacks: Sequence[Callable[[Trainer], None]] = (), checkpoint: str | Path | None = None,
    ) -> None:  # fmt: skip
        if not 0 < lr < math.inf:
            raise TrainingError(f"lr is {lr}; it must be above 0 and finite.")
        if schedule not in ("one-cycle", "constant"):
            raise TrainingError(f"schedule is {schedule!r}; it must be 'one-cycle' or 'constant'.")
        if optimizer not in OPTIMIZERS:
            raise TrainingError(f"optimizer is {optimizer!r}; it must be 'adam' or 'sgd'.")
        if autocast not in (None, torch.bfloat16):
            raise TrainingError(f"autocast is {autocast}; it must be torch.bfloat16 or None.")
        self.batch_size = whole_number("batch_size", batch_size, error=TrainingError)
        self.seed = whole_number("seed", seed, at_least=0, error=TrainingError)
        self.device = torch.device(device) if device is not None else settings().device
        self.processes = join(self.device)
        self.model, self.loss, self.output = model.to(self.device), loss, output
        self.augment, self.corrupt = augment, corrupt
        self.lr, self.schedule, self.optimizer_name, self.autocast = float(lr), schedule, optimizer, autocast
        self.reader = Reader(self.batch_size, supervised, value_range, self.device)
        self.callbacks = tuple(callbacks)
        self.optimizer = OPTIMIZERS[optimizer](model.parameters(), lr=self.lr)
        self.scheduler: OneCycleLR | None = None
        self.generator = torch.Generator().manual_seed(self.seed)
        self.history = History()
        self.stop = False
        self.checkpoint = Path(checkpoint) if checkpoint is not None else None
        if self.checkpoint is not None:  # now, not after an epoch
            self._identity_of_functions()
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        self._setup: Identity = {}
        self._fit_calls: list[dict[str, Any]] = []  # the epochs that each asked for, where it ended, and its data
        self._fit_calls_on_disk: list[dict[str, Any]] = []  # those that this process has not repeated yet

    # ---------------------------------------------------------------------------------------------------- training

    def fit(
        self, train: Data, validation: Data | None = None, *, n_epochs: int, test: Data | None = None
    ) -> History:  # fmt: skip
        """Train for n_epochs, after those of earlier calls.

        Parameters
        ----------
        train
            A tensor `(n, …)`, a pair (x, target), a Dataset or a DataLoader.
        validation, test
            The same, or None. The loss on them is recorded after every epoch, as validation_loss and test_loss. They
            are treated alike: only you know which of the two it is. What you choose by (a learning rate, the
            number of epochs) is validation; on test data a result is reported, and nothing is chosen.
        n_epochs
            Passes over the training data, at least 1.

        Returns
        -------
        History
            Of all epochs so far.

        Raises
        ------
        TrainingError
            The loss is not finite (the message names epoch and batch), or the checkpoint is of another set-up.
        DataError
            Data are empty, contain NaN, or leave value_range.
        """
        n_epochs = whole_number("n_epochs", n_epochs, error=TrainingError)
        batches = self._batches(train, "the training data", shuffle=True)
        others = {
            name: self._batches(data, f"the {name} data")
            for name, data in (("validation", validation), ("test", test))
            if data is not None
        }
        self._check_model(batches)
        call, self.stop = self._begin_call(n_epochs, batches, others), False
        done = min(len(self.history), call["end"])
        hidden = settings().quiet or not self.processes.is_first
        with tqdm(total=call["end"], initial=done, desc="epochs", leave=False, disable=hidden) as bar:
            try:
                while len(self.history) < call["end"] and not self.stop:
                    self.history.rows.append(self._epoch(batches, others))
                    for callback in self.callbacks:
                        callback(self)
                    if self.stop:
                        call["end"] = len(self.history)
                    self._save_checkpoint(batches)
                    bar.set_postfix(train_loss=f"{self.history[-1]['train_loss']:.3f}")
                    bar.update()
            finally:  # interrupted: another call of `fit` begins where this one broke off
                call["end"] = min(call["end"], len(self.history))
                self.model.eval()  # ready to be used
        return self.history

    def evaluate(self, data: Data) -> float:
        """Return the mean loss over the samples, in eval mode and without a gradient; data as those of `fit`."""
        return self._run(self._batches(data, "the evaluation data"), "the evaluation data")

    def _epoch(self, train: Batches, others: Mapping[str, Batches]) -> dict[str, float]:
        """Train on every sample once, then evaluate on the others; returns the history's row."""
        started = time.perf_counter()
        epoch = len(self.history) + 1
        row = {"epoch": epoch, "train_loss": self._run(train, "the training data", epoch, training=True)}
        if not all(p.isfinite().all() for p in self.model.parameters()):  # the last step of the epoch can do that
            raise self._diverged("The weights are no longer finite", f"the last batch of epoch {epoch}")
        for name, batches in others.items():
            row[f"{name}_loss"] = self._run(batches, f"the {name} data", epoch)
        return row | {"lr": self._last_lr, "seconds": time.perf_counter() - started}

    def _run(self, batches: Batches, name: str, epoch: int | None = None, *, training: bool = False) -> float:
        """One pass over the data; the mean loss over the samples."""
        self.model.train(training)
        # The same noise at every evaluation: two of them differ by the weights alone.
        generator = self.generator if training else torch.Generator().manual_seed(self.seed)
        mean = MeanLoss(self.processes, lambda value, place: self._diverged(f"The loss became {value}", place))
        with torch.set_grad_enabled(training), self._random_numbers(training):
            for number, batch in enumerate(batches, start=1):
                place = f"batch {number} of {name}" if epoch is None else f"epoch {epoch}, batch {number} of {name}"
                x, target = self.reader.pair(batch, place, None if isinstance(batches, TensorBatches) else self._dtype)
                if training and self.augment is not None:
                    x = self.augment(x.clone(), generator)
                    target = target if self.reader.supervised else x
                x_in = x if self.corrupt is None else self.corrupt(x.clone(), generator)  # the target stays clean
                x_in, target = self.processes.part(x_in), self.processes.part(target)
                output = self._output(x_in)
                loss = self._loss(output, target, place) * self.processes.weight(len(x))
                mean.add(loss, len(x), place)
                if training:
                    self._step(loss)
        return mean.value()

    def _random_numbers(self, training: bool) -> AbstractContextManager[None]:
        """Those that the model itself draws: in training on and on; at every evaluation the same, and none used up."""
        return nullcontext() if training else seeded(self.seed + self.processes.number, self.device)

    def _output(self, x: Tensor) -> Any:
        forward = self.model if self.output is None else partial(self.output, self.model)
        if self.autocast is None:
            return forward(x)
        with torch.autocast(self.device.type, self.autocast):
            output = forward(x)
        return _with_dtype(output, self._dtype)  # the loss adds up many numbers

    def _loss(self, output: Any, target: Tensor, place: str) -> Tensor:
        """The loss. Some, as binary cross-entropy, do not accept what a diverged net gives, instead of being NaN."""
        try:
            return self.loss(output, target)
        except (RuntimeError, ValueError) as error:
            if not _is_finite(output):
                raise self._diverged("The model's output is no longer finite", place) from error
            error.add_note(f"This was in {place}.")
            raise

    def _step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        self.processes.add_gradients(self.model.parameters())
        self.optimizer.step()
        self._last_lr = self.optimizer.param_groups[0]["lr"]
        if self.scheduler is not None:
            self.scheduler.step()

    def _diverged(self, what: str, place: str) -> TrainingError:
        return TrainingError(
            f"{what} in {place}, at lr {self.optimizer.param_groups[0]['lr']:g}. Start again with a "
            f"smaller lr (a tenth, say), and check that the loss is defined for the model's outputs."
        )

    # --------------------------------------------------------------------------- model and data, checked before use

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    def _batches(self, data: Data, name: str, *, shuffle: bool = False) -> Batches:
        return self.reader.batches(data, name, self._dtype, self.generator if shuffle else None)

    def _check_model(self, train: Batches) -> None:
        require_trainable(self.model)
        if not has_batch_norm(self.model):
            return
        self.processes.refuse_batch_norm()
        sample = first_sample(train) if last_batch_size(train) == 1 else None
        if sample is not None:
            x, _ = self.reader.pair(sample, "the training data")
            require_one_is_enough(self.model, x, batch_size=self.batch_size)

    # ---------------------------------------------------------------------------------- calls of fit and checkpoints

    def _begin_call(self, n_epochs: int, train: Batches, others: Mapping[str, Batches]) -> dict[str, Any]:
        """What is recorded of this call of `fit`: what the checkpoint holds of it, or a new record."""
        is_compared = self.checkpoint is not None or self.processes.n > 1
        data = self._identity_of_data(train, others) if is_compared else {}
        if not self._fit_calls:
            self.processes.seed_apart()
        if not self._fit_calls and self.checkpoint is not None:
            self._setup = self._identity_of_setup()
            self._load_checkpoint(data, train)
        if self.processes.n > 1:  # each has read the data, built the model, and looked for the checkpoint
            mine = self._identity_of_options() | checkpoints.identity_of_model(self.model) | data
            self.processes.require_same(mine | {"the epochs done": len(self.history)})
        begin = self._fit_calls[-1]["end"] if self._fit_calls else 0
        new = {"n_epochs": n_epochs, "end": begin + n_epochs, "data": data}
        call: dict[str, Any] = self._fit_calls_on_disk[0] if self._fit_calls_on_disk else new
        checkpoints.require_same(call["data"], data, self.checkpoint)
        if call["n_epochs"] != n_epochs:
            raise TrainingError(f"{self.checkpoint} was made with n_epochs={call['n_epochs']}, not {n_epochs}. "
                                f"Delete it to start over, or call fit again to add epochs.")  # fmt: skip
        self._fit_calls.append(call)
        del self._fit_calls_on_disk[:1]
        if not self._fit_calls_on_disk:  # the last call so far: new, or broken off within it
            self._set_schedule(n_epochs * len(train), n_done=(len(self.history) - begin) * len(train))
        return call

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

    def _identity_of_setup(self) -> Identity:
        """What a checkpoint must agree in to be continued, beside the data."""
        return {
            **self._identity_of_options(), **self._identity_of_functions(),
            **checkpoints.identity_of_model(self.model),
            "device": self.device.type, "threads": torch.get_num_threads(), "torch": str(torch.__version__),
        }  # fmt: skip

    def _identity_of_options(self) -> Identity:
        return {
            "optimizer": self.optimizer_name, "lr": self.lr, "schedule": self.schedule, "processes": self.processes.n,
            "batch_size": self.batch_size, "seed": self.seed, "supervised": self.reader.supervised,
            "autocast": str(self.autocast),
        }  # fmt: skip

    def _identity_of_functions(self) -> Identity:
        functions = {"loss": self.loss, "output": self.output, "augment": self.augment, "corrupt": self.corrupt}
        identity: Identity = {}
        for role, function in functions.items():
            identity |= checkpoints.identity_of_callable(role, function)
        return identity

    def _identity_of_data(self, train: Batches, others: Mapping[str, Batches]) -> Identity:
        identity: Identity = {}
        for name, batches in {"training": train, **others}.items():
            identity |= checkpoints.identity_of_batches(f"the {name} data", batches)
        return identity

    def _save_checkpoint(self, train: Batches) -> None:
        if self.checkpoint is None:
            return
        states = self.processes.gathered(random_states(self.device))
        if self.processes.is_first:
            checkpoints.write(self.checkpoint, {
                "setup": self._setup, "fit_calls": self._fit_calls, "rows": self.history.rows,
                "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                "generators": [generator.get_state() for generator in self._generators(train)],
                "random states": states,
            })  # fmt: skip

    def _load_checkpoint(self, data: Identity, train: Batches) -> None:
        """Go on from the file, if there is one that belongs to this run; otherwise nothing is changed."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        state = checkpoints.read(self.checkpoint, self.device)
        checkpoints.require_same(state["setup"] | state["fit_calls"][0]["data"], self._setup | data, self.checkpoint)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for generator, saved in zip(self._generators(train), state["generators"], strict=True):
            generator.set_state(saved.cpu())
        set_random_states(state["random states"][self.processes.number], self.device)
        self.history.rows[:], self._fit_calls_on_disk = state["rows"], state["fit_calls"]

    def _generators(self, train: Batches) -> list[torch.Generator]:
        """Those that draw the order and the noise: our own, and a loader's."""
        return [generator for generator in (self.generator, train.generator) if generator is not None]


def _is_finite(output: Any) -> bool:
    parts = output if isinstance(output, (tuple, list)) else (output,)
    return all(part.isfinite().all() for part in parts if isinstance(part, Tensor))


def _with_dtype(output: Any, dtype: torch.dtype) -> Any:
    """An output of a model, or a tuple or list of such, with its numbers in a dtype."""
    if isinstance(output, (tuple, list)):
        parts = [_with_dtype(part, dtype) for part in output]
        return output._make(parts) if hasattr(output, "_make") else type(output)(parts)
    return output.to(dtype) if isinstance(output, Tensor) else output
