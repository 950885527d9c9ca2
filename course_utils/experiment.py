"""python -m course_utils.experiment NAME [--processes N] …: the course's large trainings, without a notebook.

They read the course's settings as the notebooks do (COURSE_PROFILE, COURSE_DATA, COURSE_DEVICE, COURSE_SEED). With
`--checkpoint` a run that was killed goes on when it is started again. `torchrun -m course_utils.experiment NAME`, also
within a job of Slurm, trains in several processes; `--processes` starts them on this machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_utils.checkpoint import TrainingError
from course_utils.checks import positive
from course_utils.claims.shared import by_size, deep_autoencoder, digits, pca_sse_of_each, test_sse_of_each
from course_utils.corruption import corrupted, gaussian, shifting
from course_utils.data import DataError, ImageData
from course_utils.environment import SettingsError
from course_utils.inference import reconstruct
from course_utils.metrics import negative_elbo, psnr_db
from course_utils.models import ConvAutoencoder, VariationalAutoencoder
from course_utils.settings import seed_everything, settings
from course_utils.training import Trainer

DEEP = (784, 1000, 500, 250, 30)
NOISE = gaussian(0.5)


@dataclass(frozen=True)
class Experiment:
    """A training, and what is measured after it.

    Parameters
    ----------
    what
        In words, with the chapter.
    build
        Makes the model for a data set.
    n_epochs, batch_size
        For some thousand images, and for tens of thousands.
    score
        Measures the trained model: name with unit → number.
    options
        Of the Trainer.
    """

    what: str
    build: Callable[[ImageData], nn.Module]
    n_epochs: tuple[int, int]
    batch_size: tuple[int, int]
    score: Callable[[Any, ImageData], dict[str, float]]
    options: dict[str, Any]


def error_beside_pca(model: nn.Module, data: ImageData) -> dict[str, float]:
    """Measure the test error, and PCA's at the same code size."""
    errors = {"test SSE per image": test_sse_of_each(data, model), "of PCA-30": pca_sse_of_each(data, 30)}
    return {name: sse.mean().item() for name, sse in errors.items()}


def decibels(model: nn.Module, data: ImageData) -> dict[str, float]:
    """Measure the PSNR of noisy test images, and of what the model makes of them."""
    x_noisy = corrupted(data.test_images, NOISE, seed=1_000)
    images = {"noisy images, dB": x_noisy, "restored images, dB": reconstruct(model, x_noisy)}
    return {name: psnr_db(x, data.test_images) for name, x in images.items()}


def nothing_more(model: nn.Module, data: ImageData) -> dict[str, float]:
    """Measure nothing: the history has the test loss."""
    return {}


EXPERIMENTS = {
    "deep": Experiment(
        "chapter 2: 784-1000-500-250-30 and back", lambda data: deep_autoencoder(data, DEEP),
        (15, 30), (100, 250), error_beside_pca, {},
    ),
    "deep-2006": Experiment(
        "chapter 2: the same net with SiLU and images moved by a pixel, beyond the error of 2006",
        lambda data: deep_autoencoder(data, DEEP, activation="silu"),
        (30, 100), (100, 250), error_beside_pca, {"augment": shifting(1), "lr": 2e-3},
    ),
    "cnn": Experiment(
        "chapter 6: a CNN auto-encoder with a code of 30",
        lambda data: ConvAutoencoder(data.image_shape, 30, mean=data.train_images.mean(dim=0)),
        (15, 5), (100, 250), error_beside_pca, {"lr": 2e-2},
    ),
    "denoising": Experiment(
        "chapter 7: 784-1000-784 restores images from Gaussian noise of 0.5",
        lambda data: deep_autoencoder(data, (784, 1000)), (15, 6), (100, 250), decibels, {"corrupt": NOISE},
    ),
    "vae": Experiment(
        "chapter 8: a variational auto-encoder, 784-400-20",
        lambda data: VariationalAutoencoder((784, 400, 20), mean=data.train_images.mean(dim=0)),
        (12, 10), (100, 250), nothing_more,
        {"loss": negative_elbo(), "output": VariationalAutoencoder.forward_sampled},
    ),
}  # fmt: skip


def run(
    name: str, *, n_epochs: int | None = None, checkpoint: Path | None = None, mixed_precision: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Train one experiment in the profile of the settings.

    Parameters
    ----------
    name
        One of EXPERIMENTS.
    n_epochs
        Instead of the experiment's own.
    checkpoint
        A file from which an interrupted run goes on.
    mixed_precision
        Layers compute in bfloat16.

    Returns
    -------
    dict
        Name, data set, device, number of processes, the history's rows, and what was measured.
    """
    cfg, experiment = settings(), EXPERIMENTS[name]
    data = digits(cfg)
    seed_everything(cfg.seed)
    batch_size = by_size(data, small=experiment.batch_size[0], large=experiment.batch_size[1])
    trainer = Trainer(
        experiment.build(data), seed=cfg.seed, batch_size=batch_size, checkpoint=checkpoint,
        autocast=torch.bfloat16 if mixed_precision else None, **experiment.options,
    )  # fmt: skip
    own = by_size(data, small=experiment.n_epochs[0], large=experiment.n_epochs[1])
    trainer.fit(data.train_images, test=data.test_images, n_epochs=n_epochs or own)
    return {
        "experiment": name, "data": data.name, "seed": cfg.seed,
        "device": str(trainer.device), "autocast": str(trainer.autocast), "processes": trainer.processes.n,
        "process": trainer.processes.number, "history": trainer.history.rows,
        "measured": experiment.score(trainer.model.cpu(), data),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status: 1 where the training cannot start or go on."""
    options = _parser().parse_args(arguments)
    if options.processes > 1:
        return _start_processes(options)
    try:
        found = run(
            options.name, n_epochs=options.epochs, checkpoint=options.checkpoint,
            mixed_precision=options.mixed_precision,
        )  # fmt: skip
    except (TrainingError, DataError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if found["process"] == 0:
        for row in found["history"]:
            print(", ".join(f"{name} {value:.4g}" for name, value in row.items()))
        print(*[f"{name}: {value:.3f}" for name, value in found["measured"].items()], sep="\n")
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def _start_processes(options: argparse.Namespace) -> int:
    """Start this command several times on this machine, and wait; torchrun takes a port that is free."""
    given = {"--epochs": options.epochs, "--checkpoint": options.checkpoint, "--json": options.json}
    arguments = [part for name, value in given.items() if value is not None for part in (name, str(value))]
    arguments += ["--mixed-precision"] if options.mixed_precision else []
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    command = [*torchrun, str(options.processes), "-m", "course_utils.experiment", options.name, *arguments]
    return subprocess.run(command, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.experiment", description="The course's large trainings, without a notebook.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:10} {experiment.what}" for name, experiment in EXPERIMENTS.items()),
    )  # fmt: skip
    parser.add_argument("name", metavar="NAME", choices=list(EXPERIMENTS), help=", ".join(EXPERIMENTS))
    parser.add_argument("--epochs", type=positive, metavar="N", help="instead of the experiment's own")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="a killed run goes on from it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the curve and the results there")
    parser.add_argument("--mixed-precision", action="store_true", help="layers compute in bfloat16: for a GPU")
    parser.add_argument("--processes", type=positive, default=1, metavar="N", help="on this machine, by torchrun")
    return parser


if __name__ == "__main__":
    sys.exit(main())
