"""How long it takes today to restore digits better than in 2006: test error over seconds and over operations.

    python benchmarks/minutes_to_beat_2006.py run        the recipe, at several lengths of training
    python benchmarks/minutes_to_beat_2006.py ablate     one thing of the recipe changed at a time, on validation images
    python benchmarks/minutes_to_beat_2006.py show       the clocks, and the table of the ablation

Hinton & Salakhutdinov (Science 313:504, 2006) trained 784-1000-500-250-30 on MNIST: stage by stage, then all of it by
conjugate gradients, to a test error of 3.00 (squared error an image, pixels in [0, 1]). The same net and code here,
from a random start. The clock runs from the first batch, also while the test error is measured after each epoch; it
does not run while data are read. Operations are those of the layers, forward and backward, 6 a weight and image.

It needs MNIST (COURSE_DATA). What the recipe is made of was chosen on a tenth of the training images; the test images
are looked at to report. Every run is written into benchmarks/results/ as soon as it is done, and is not made again.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
from report import load, save
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from course_utils.corruption import shifting
from course_utils.data import ImageData, load_images
from course_utils.inference import reconstruct
from course_utils.metrics import bce_nats_per_image, sse_of_each_image, sse_per_image
from course_utils.models import Activation, DeepAutoencoder
from course_utils.training import Trainer

SIZES = (784, 1000, 500, 250, 30)
# Test errors at 30 numbers: the first three from that paper, the last stated by a public repetition.
MARKS = {"PCA": 13.87, "logistic PCA": 8.01, "2006": 3.00, "a repetition": 2.65}
LENGTHS = (6, 20, 100)  # epochs; each is a run of its own, as the learning rate falls towards its end
SEEDS = (0, 1, 2)
N_EPOCHS_OF_ABLATION = 20


@dataclass(frozen=True)
class Recipe:
    """What can be chosen, but for the net.

    Parameters
    ----------
    activation, tied
        Of the net.
    augment
        One of AUGMENTATIONS.
    loss
        "sse", or "bce".
    optimizer, lr, schedule, batch_size
        Of the Trainer; "adamw" is Adam with decay 0.01.
    averaged
        The weights are averaged over the last quarter of the epochs.
    """

    activation: Activation = "silu"
    augment: str = "a pixel"
    lr: float = 2e-3
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    batch_size: int = 250
    loss: str = "sse"
    optimizer: str = "adam"
    tied: bool = False
    averaged: bool = False


def moved(x: Tensor, generator: torch.Generator, *, max_pixels: float, max_degrees: float) -> Tensor:
    """Move and turn each image `(n, c, h, w)` by drawn amounts, between the pixels by linear interpolation."""
    size = torch.tensor(x.shape[:-3:-1])  # width, height
    shift = (2 * torch.rand(len(x), 2, generator=generator) - 1) * max_pixels * 2 / size
    angle = (2 * torch.rand(len(x), generator=generator) - 1) * math.radians(max_degrees)
    rows = (angle.cos(), -angle.sin(), shift[:, 0]), (angle.sin(), angle.cos(), shift[:, 1])
    theta = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False).clamp(0, 1)


AUGMENTATIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor] | None] = {
    "none": None,
    "a pixel": shifting(1),
    "two pixels": shifting(2),
    "less than a pixel": partial(moved, max_pixels=1.0, max_degrees=0.0),
    "a pixel and ten degrees": partial(moved, max_pixels=1.0, max_degrees=10.0),
}
ABLATION = {
    "the recipe": Recipe(),
    "ReLU": Recipe(activation="relu"),
    "GELU": Recipe(activation="gelu"),
    "tanh": Recipe(activation="tanh"),
    **{f"moved: {name}": Recipe(augment=name) for name in AUGMENTATIONS if name != Recipe().augment},
    "ReLU, moved: none": Recipe(activation="relu", augment="none"),
    "constant learning rate, half of it": Recipe(schedule="constant", lr=1e-3),
    "learning rate halved": Recipe(lr=1e-3),
    "learning rate doubled": Recipe(lr=4e-3),
    "batches of 125, learning rate halved": Recipe(batch_size=125, lr=1e-3),
    "batches of 500, learning rate doubled": Recipe(batch_size=500, lr=4e-3),
    "weights averaged": Recipe(averaged=True),
    "decay": Recipe(optimizer="adamw"),
    "momentum instead of Adam": Recipe(optimizer="sgd", lr=3e-2),
    "tied weights": Recipe(tied=True),
    "binary cross-entropy": Recipe(loss="bce"),
}


def trained(recipe: Recipe, x: Tensor, x_other: Tensor, *, n_epochs: int, seed: int) -> dict[str, Any]:
    """Train the net by the recipe; the curve of the error on other images, and the error at the end.

    Returns
    -------
    dict
        "seconds", "GFLOP", "train" and "other", a number an epoch; "at the end", of the (averaged) weights.
    """
    torch.manual_seed(seed)
    model = DeepAutoencoder(SIZES, mean=x.mean(dim=0), activation=recipe.activation, tied=recipe.tied)
    average = AveragedModel(model)

    def averaging(trainer: Trainer) -> None:
        if len(trainer.history) > 0.75 * n_epochs:
            average.update_parameters(trainer.model)

    trainer = Trainer(
        model, loss={"sse": sse_per_image, "bce": bce_nats_per_image}[recipe.loss], lr=recipe.lr, seed=seed,
        optimizer="sgd" if recipe.optimizer == "sgd" else "adam", schedule=recipe.schedule,
        batch_size=recipe.batch_size, augment=AUGMENTATIONS[recipe.augment],
        callbacks=[averaging] if recipe.averaged else [],
    )  # fmt: skip
    if recipe.optimizer == "adamw":
        trainer.optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=0.01, fused=True)
    history = trainer.fit(x, test=x_other, n_epochs=n_epochs)
    final = average.module if recipe.averaged else model
    n_weights = 2 * sum(n_in * n_out for n_in, n_out in pairwise(SIZES))
    return {
        "seconds": torch.tensor(history["seconds"]).cumsum(0).tolist(),
        "GFLOP": [6e-9 * n_weights * len(x) * epoch for epoch in history["epoch"]],
        "train": history["train_loss"],
        "other": history["test_loss"],
        "at the end": sse_of_each_image(reconstruct(final, x_other), x_other).mean().item(),
    }


def mnist() -> ImageData:
    return load_images("mnist")


def run_all(lengths: tuple[int, ...], seeds: tuple[int, ...]) -> None:
    data, name = mnist(), "minutes_to_beat_2006"
    stored = (load(name) or {"results": []})["results"]
    for n_epochs in lengths:
        for seed in seeds:
            key = {"n_epochs": n_epochs, "seed": seed, "recipe": asdict(Recipe())}
            if any(key.items() <= run.items() for run in stored):
                continue
            found = trained(Recipe(), data.train_images, data.test_images, n_epochs=n_epochs, seed=seed)
            stored.append(key | found)
            save(name, stored)
            print(f"{n_epochs} epochs, seed {seed}: test SSE {found['at the end']:.3f} after "
                  f"{found['seconds'][-1] / 60:.1f} min", flush=True)  # fmt: skip


def ablate(names: list[str]) -> None:
    data, name = mnist(), "ablation_2006"
    train, validation = data.validation_split()
    x, x_validation = data.train_images[train], data.train_images[validation]
    stored = (load(name) or {"results": []})["results"]
    for seed in SEEDS:
        for what in names or ABLATION:
            recipe = ABLATION[what]
            key = {"n_epochs": N_EPOCHS_OF_ABLATION, "seed": seed, "recipe": asdict(recipe)}
            if any(key.items() <= run.items() for run in stored):
                continue
            found = trained(recipe, x, x_validation, n_epochs=N_EPOCHS_OF_ABLATION, seed=seed)
            stored.append(key | {"what": what} | found)
            save(name, stored)
            print(f"{what}, seed {seed}: validation SSE {found['at the end']:.3f}", flush=True)


def first_below(mark: float, run: dict[str, Any], column: str) -> float:
    """The first number of a column at which the error on other images is below the mark; else infinite."""
    return next((value for value, error in zip(run[column], run["other"], strict=True) if error < mark), math.inf)


def show() -> None:
    from tables import ablation, clocks  # here: that module takes the marks from this one

    for name, table_of in (("minutes_to_beat_2006", clocks), ("ablation_2006", ablation)):
        if found := load(name):
            print(table_of(found["results"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, metavar="N", help="epochs of each run")
    run.add_argument("--seeds", type=int, nargs="+", default=SEEDS, metavar="N")
    one = commands.add_parser("ablate")
    one.add_argument("names", nargs="*", choices=[*ABLATION, []], metavar="WHAT", help="; ".join(ABLATION))
    commands.add_parser("show")
    options = parser.parse_args()
    if options.command == "run":
        run_all(tuple(options.lengths), tuple(options.seeds))
    elif options.command == "ablate":
        ablate(options.names)
    show()


if __name__ == "__main__":
    main()
