"""Run by torchrun in several processes: trains in several ways, and writes what came of each as JSON, a file a process.

torchrun … shared_training.py FOLDER [killed]
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from course_utils.checkpoint import TrainingError
from course_utils.corruption import gaussian
from course_utils.metrics import negative_elbo
from course_utils.models import DeepAutoencoder, VariationalAutoencoder
from course_utils.training import Trainer

N_EPOCHS = 4


def images(n: int = 120, seed: int = 0) -> Tensor:
    return torch.rand(n, 24, generator=torch.Generator().manual_seed(seed))


def shuffled_rows(x: Tensor, generator: torch.Generator) -> Tensor:
    """An augmentation: another order of the halves of an image, or the one that it has, drawn for each."""
    turned = torch.randint(2, (len(x), 1), generator=generator).bool()
    return torch.where(turned, x.roll(12, dims=1), x)


def net() -> DeepAutoencoder:
    torch.manual_seed(0)
    return DeepAutoencoder((24, 16, 4), activation="silu")


def trainer(model: nn.Module | None = None, **options: object) -> Trainer:
    defaults = {"batch_size": 25, "lr": 1e-2, "corrupt": gaussian(0.1), "augment": shuffled_rows}
    return Trainer(net() if model is None else model, **defaults | options)


def described(one: Trainer) -> dict:
    """Curves, and the weights."""
    weights = torch.cat([p.detach().flatten() for p in one.model.parameters()])
    return {
        "train": one.history["train_loss"],
        "test": one.history["test_loss"],
        "weights": weights.tolist(),
        "evaluated": one.evaluate(images(31, seed=2)),
    }


def fitted(one: Trainer, train: object = None, n_epochs: int = N_EPOCHS) -> dict:
    one.fit(images() if train is None else train, test=images(51, seed=1), n_epochs=n_epochs)
    return described(one)


def refusal(one: Trainer, train: object = None) -> str:
    try:
        one.fit(images() if train is None else train, n_epochs=1)
    except TrainingError as error:
        return str(error)
    return "it was not refused"


def interrupted(path: Path) -> dict:
    """Killed by an exception after two epochs, then gone on with from its checkpoint."""

    def stop_after_two(one: Trainer) -> None:
        if len(one.history) == 3:
            raise KeyboardInterrupt

    try:
        fitted(trainer(checkpoint=path, callbacks=[stop_after_two]))
    except KeyboardInterrupt:
        return fitted(trainer(checkpoint=path))
    return {}


def variational() -> VariationalAutoencoder:
    torch.manual_seed(0)
    return VariationalAutoencoder((24, 16, 4))


def all_ways(folder: Path) -> dict:
    """One process computes this, too: it is what the several are compared with."""
    sampling = {"loss": negative_elbo(), "output": VariationalAutoencoder.forward_sampled}
    return {
        "tensors": fitted(trainer()),
        "a dataset": fitted(trainer(), TensorDataset(images())),
        "a last batch of one": fitted(trainer(), images(101)),
        "interrupted": interrupted(folder / "interrupted.pt"),
        "sampled": fitted(trainer(variational(), corrupt=None, augment=None, lr=1e-3, **sampling)),
        "diverged": refusal(trainer(optimizer="sgd", lr=1e30, schedule="constant")),
    }


def main() -> None:
    torch.set_num_threads(1)
    folder, number = Path(sys.argv[1]), int(os.environ["RANK"])
    if sys.argv[2:] == ["killed"]:

        def kill(one: Trainer) -> None:
            if len(one.history) == 2 and number == 1 and not (folder / "killed").exists():
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)

        found = {"tensors": fitted(trainer(checkpoint=folder / "killed.pt", callbacks=[kill]))}
    else:
        found = all_ways(folder) | {
            "other data": refusal(trainer(), images(seed=number)),
            "another seed": refusal(trainer(seed=number)),
            "batch norm": refusal(trainer(nn.Sequential(nn.Linear(24, 24), nn.BatchNorm1d(24), nn.Sigmoid()))),
        }
    (folder / f"{number}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
