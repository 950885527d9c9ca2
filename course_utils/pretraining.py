"""Greedy layer-wise pre-training: one layer at a time learns to restore what the layer below gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.data import DataError
from course_utils.layers import TiedLinear
from course_utils.models import (
    Activation,
    Classifier,
    DenseAutoencoder,
    Start,
    activation_layer,
    encode_all,
    flat,
    start_he,
)
from course_utils.training import History, Trainer, TrainingError


class LayerAutoencoder(DenseAutoencoder):
    """One layer and its mirror image, such as 784-1000-784: a stage of the pre-training.

    activation: of the layer's units, as they will be in the finished net. output: "sigmoid" for numbers in [0, 1],
    "linear" for others. mean: `(n_in,)`, the mean of the data, where the output's bias starts. tied: the mirror image
    has the layer's own weights, transposed (`TiedLinear`). start: of the layer, as in `Classifier`. start_scale: times
    the starting weights; with a tenth of them, what is learnt outweighs what was drawn.
    """

    def __init__(
        self, n_in: int, n_out: int, *, activation: Activation, output: str, mean: Tensor, tied: bool = True,
        start: Start = "he", start_scale: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(n_in, n_out)
        down = nn.Linear(n_in, n_out)
        up = TiedLinear(down) if tied else nn.Linear(n_out, n_in)
        start_he([down] if start == "he" else [], [up], mean=mean, sigmoid=output == "sigmoid")
        with torch.no_grad():
            down.weight.mul_(start_scale)
        self.encoder = nn.Sequential(down, activation_layer(activation))
        self.decoder = nn.Sequential(up, *([nn.Sigmoid()] if output == "sigmoid" else []))


@dataclass(frozen=True)
class Stage:
    """What one stage left behind. number: from 1; data_shape: of what it was trained on; history: of its training."""

    number: int
    autoencoder: LayerAutoencoder
    history: History
    data_shape: tuple[int, int]

    @property
    def layer(self) -> nn.Linear:
        """The layer that is kept, and frozen. The decoder has no further use; it is here to be looked at."""
        return self.autoencoder.encoder[0]


class GreedyPretrainer:
    """Trains the layers of 784-1000-1000-500 one after another, without labels, and builds a classifier on them.

    Stage 1 trains 784-1000-784 on the images. Its first layer is frozen and transforms the data; stage 2 trains
    1000-1000-1000 on the result, stage 3 1000-500-1000. `classifier` puts a head on the stack.

    sizes: numbers a layer, from the image on. activation: of all hidden units. tied: a stage's decoder has the layer's
    weights, transposed; one with weights of its own does much of the work itself, and leaves the layer near its random
    start. start: of the layers and the head, as in `Classifier`; start_scale: times that, for the layers. options: of
    every stage's `Trainer` (lr, batch_size, corrupt, callbacks, …); with `corrupt=masking(0.5)` the stages are
    de-noising auto-encoders, whose noise falls on what goes into the stage. checkpoint: a folder, in which each stage
    keeps a file of its own.
    Bengio et al., NIPS 2006; with corrupt Vincent et al., JMLR 11 (2010).
    """

    def __init__(
        self, sizes: Sequence[int], *, activation: Activation = "relu", tied: bool = True, start: Start = "he",
        start_scale: float = 1.0, seed: int = 0, checkpoint: str | Path | None = None, **options: Any,
    ) -> None:  # fmt: skip
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes must name the image's numbers and at least one layer's, such as (784, 1000, 500), "
                             f"each at least 1; they are {tuple(sizes)}.")  # fmt: skip
        activation_layer(activation)  # what is unknown fails here, not after the first stage
        with torch.random.fork_rng(devices=[]):
            Trainer(nn.Linear(1, 1), **options)
        if start not in ("he", "torch"):
            raise ValueError(f"start is {start!r}; it must be 'he' or 'torch'.")
        if not start_scale > 0:
            raise ValueError(f"start_scale is {start_scale}; it must be above 0, or nothing can be learnt.")
        self.sizes, self.activation, self.seed, self.options = tuple(sizes), activation, seed, options
        self.tied, self.start, self.start_scale = tied, start, start_scale
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.stages: list[Stage] = []

    @property
    def n_stages(self) -> int:
        """Stages in all, one a layer."""
        return len(self.sizes) - 1

    def fit(self, x: Tensor, *, n_epochs: int) -> list[Stage]:
        """Train all stages that are left, each for n_epochs, on images x `(n, …)`; returns all stages."""
        while len(self.stages) < self.n_stages:
            self.fit_next(x, n_epochs=n_epochs)
        return self.stages

    def fit_next(self, x: Tensor, *, n_epochs: int) -> Stage:
        """Train the next stage on images x `(n, …)`, which the frozen layers below transform first.

        n_epochs = 0 leaves the layer at its random start: a control. Raises TrainingError where all are trained.
        """
        if len(self.stages) == self.n_stages:
            raise TrainingError(f"All {self.n_stages} layers are trained and frozen. Make a new GreedyPretrainer to "
                                f"train them again, or fine-tune `classifier(...)`.")  # fmt: skip
        if n_epochs < 0:
            raise TrainingError(f"n_epochs is {n_epochs}; it must be at least 0.")
        number = len(self.stages) + 1
        data = self.transform(x)
        # A sigmoid's output, and a pixel, lie in [0, 1]; a ReLU's have no upper bound.
        output = "sigmoid" if number == 1 or self.activation == "sigmoid" else "linear"
        n_in, n_out = list(pairwise(self.sizes))[number - 1]
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
            torch.manual_seed(self.seed + number)
            autoencoder = LayerAutoencoder(
                n_in, n_out, activation=self.activation, output=output, mean=data.mean(dim=0), tied=self.tied,
                start=self.start, start_scale=self.start_scale,
            )  # fmt: skip
        options = {"value_range": (0.0, 1.0) if output == "sigmoid" else None} | self.options
        if self.checkpoint is not None:
            options["checkpoint"] = self.checkpoint / f"stage{number}.pt"
        trainer = Trainer(autoencoder, seed=self.seed, **options)
        history = trainer.fit(data, n_epochs=n_epochs) if n_epochs else trainer.history
        self.stages.append(Stage(number, autoencoder.requires_grad_(False), history, tuple(data.shape)))
        return self.stages[-1]

    def transform(self, x: Tensor, *, n_layers: int | None = None) -> Tensor:
        """Images `(n, …)` after the layers trained so far, or the first n_layers: `(n, size of the last)`, CPU."""
        n_layers = len(self.stages) if n_layers is None else n_layers
        if not 0 <= n_layers <= len(self.stages):
            raise ValueError(f"{len(self.stages)} layers are trained; {n_layers} cannot be applied.")
        x = flat(x, self.sizes[0], taker="The first layer")
        if not x.is_floating_point():
            raise DataError(f"The images are {x.dtype}; a layer computes in torch.float32 (divide bytes by 255).")
        for stage in self.stages[:n_layers]:
            x = encode_all(stage.autoencoder, x)
        return x

    def classifier(self, n_classes: int, *, frozen: bool = False) -> Classifier:
        """A classifier whose body starts from the stack, with a head that starts at random, the same at every call.

        frozen: the body stays as it is and the head alone is trained; otherwise all layers are (fine-tuning).
        The weights are copied: fine-tuning leaves the stack as it is. Raises TrainingError before all stages are done.
        """
        if len(self.stages) < self.n_stages:
            raise TrainingError(f"{len(self.stages)} of {self.n_stages} layers are trained; call fit first.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = Classifier((*self.sizes, n_classes), activation=self.activation, start=self.start)
        for layer, stage in zip(model.body[::2], self.stages, strict=True):
            layer.load_state_dict(stage.layer.state_dict())
        model.body.requires_grad_(not frozen)
        return model
