"""Greedy layer-wise pre-training: one layer at a time learns to restore what the layer below gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.checks import whole_number
from course_utils.data import DataError
from course_utils.inference import encode_all
from course_utils.layers import TiedLinear
from course_utils.models import Activation, Classifier, DenseAutoencoder, Init
from course_utils.models.parts import activation_layer, check_init, check_sizes, flatten_images, in_float32, init_he_
from course_utils.settings import seeded
from course_utils.training import History, Trainer, TrainingError


class LayerAutoencoder(DenseAutoencoder):
    """One layer and its mirror image, such as 784-1000-784: a stage of the pre-training.

    Parameters
    ----------
    n_in, n_out
        Numbers that go into the layer, and its units.
    activation
        Of the layer's units, as they will be in the finished net.
    output
        "sigmoid" for numbers in [0, 1], "linear" for others.
    mean
        `(n_in,)`, the mean of the data, where the output's bias starts.
    tied
        The mirror image has the layer's own weights, transposed (`TiedLinear`).
    init
        Starting values of the layer, as in `Classifier`.
    init_scale
        Times the starting weights; with a tenth of them, what is learnt outweighs what was drawn.
    """

    @in_float32()
    def __init__(
        self, n_in: int, n_out: int, *, activation: Activation, output: str, mean: Tensor, tied: bool = True,
        init: Init = "he", init_scale: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(n_in, n_out)
        down = nn.Linear(n_in, n_out)
        up = TiedLinear(down) if tied else nn.Linear(n_out, n_in)
        init_he_([down] if init == "he" else [], [up], mean=mean, sigmoid=output == "sigmoid", activation=activation)
        with torch.no_grad():
            down.weight.mul_(init_scale)
        self.encoder = nn.Sequential(down, activation_layer(activation))
        self.decoder = nn.Sequential(up, *([nn.Sigmoid()] if output == "sigmoid" else []))


@dataclass(frozen=True)
class Stage:
    """What one stage left behind.

    Parameters
    ----------
    number
        From 1.
    autoencoder
        The layer and its mirror image.
    history
        Of its training.
    data_shape
        `(n, n_in)`, of what it was trained on.
    """

    number: int
    autoencoder: LayerAutoencoder
    history: History
    data_shape: tuple[int, ...]

    @property
    def layer(self) -> nn.Linear:
        """The layer that is kept, and frozen. The decoder is stored for inspection only."""
        return self.autoencoder.encoder.get_submodule("0")  # type: ignore[return-value]


class GreedyPretrainer:
    """Trains the layers of 784-1000-1000-500 one after another, without labels, and builds a classifier on them.

    Stage 1 trains 784-1000-784 on the images. Its first layer is frozen and transforms the data; stage 2 trains
    1000-1000-1000 on the result, stage 3 1000-500-1000. `classifier` puts a head on the stack.

    Parameters
    ----------
    sizes
        Numbers a layer, from the image on.
    activation
        Of all hidden units.
    tied
        A stage's decoder has the layer's weights, transposed; one with weights of its own does much of the work itself,
        and leaves the layer near its random start.
    init
        Starting values of the layers and the head, as in `Classifier`.
    init_scale
        Times the starting weights of the layers.
    seed
        Of starting values, order of the samples and noise.
    checkpoint
        A folder, in which each stage keeps a file of its own.
    options
        Of every stage's `Trainer` (lr, batch_size, corrupt, callbacks, …); with `corrupt=masking(0.5)` the stages are
        de-noising auto-encoders, whose noise falls on what goes into the stage.

    References
    ----------
    Bengio et al., NIPS 2006; with corrupt Vincent et al., JMLR 11 (2010).
    """

    def __init__(
        self, sizes: Sequence[int], *, activation: Activation = "relu", tied: bool = True, init: Init = "he",
        init_scale: float = 1.0, seed: int = 0, checkpoint: str | Path | None = None, **options: Any,
    ) -> None:  # fmt: skip
        self.sizes = check_sizes(sizes)
        activation_layer(activation)  # what is unknown fails here, not after the first stage
        with seeded(seed):
            Trainer(nn.Linear(1, 1), **options)
        check_init(init)
        if not init_scale > 0:
            raise ValueError(f"init_scale is {init_scale}; it must be above 0, or nothing can be learnt.")
        self.activation, self.seed, self.options = activation, seed, options
        self.tied, self.init, self.init_scale = tied, init, init_scale
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.stages: list[Stage] = []

    @property
    def n_stages(self) -> int:
        """Stages in all, one a layer."""
        return len(self.sizes) - 1

    def fit(self, x: Tensor, *, n_epochs: int) -> list[Stage]:
        """Train all stages that are left, each for n_epochs, on images x `(n, …)`; return all stages."""
        while len(self.stages) < self.n_stages:
            self.fit_next(x, n_epochs=n_epochs)
        return self.stages

    def fit_next(self, x: Tensor, *, n_epochs: int) -> Stage:
        """Train the next stage on images x `(n, …)`, which the frozen layers below transform first.

        Parameters
        ----------
        x
            Images `(n, …)`, not yet transformed.
        n_epochs
            0 leaves the layer at its random start: a control.

        Raises
        ------
        TrainingError
            All layers are trained, or training went wrong as in `Trainer.fit`.
        """
        if len(self.stages) == self.n_stages:
            raise TrainingError(f"All {self.n_stages} layers are trained and frozen. Make a new GreedyPretrainer to "
                                f"train them again, or fine-tune `classifier(...)`.")  # fmt: skip
        n_epochs = whole_number("n_epochs", n_epochs, at_least=0, error=TrainingError)
        number = len(self.stages) + 1
        data = self.transform(x)
        # A sigmoid's output, and a pixel, lie in [0, 1]; a ReLU's have no upper bound.
        output = "sigmoid" if number == 1 or self.activation == "sigmoid" else "linear"
        n_in, n_out = list(pairwise(self.sizes))[number - 1]
        with seeded(self.seed + number):  # the caller's random numbers stay as they are
            autoencoder = LayerAutoencoder(
                n_in, n_out, activation=self.activation, output=output, mean=data.mean(dim=0), tied=self.tied,
                init=self.init, init_scale=self.init_scale,
            )  # fmt: skip
        options = {"value_range": (0.0, 1.0) if output == "sigmoid" else None} | self.options
        if self.checkpoint is not None:
            options["checkpoint"] = self.checkpoint / f"stage{number}.pt"
        trainer = Trainer(autoencoder, seed=self.seed, **options)
        history = trainer.fit(data, n_epochs=n_epochs) if n_epochs else trainer.history
        self.stages.append(Stage(number, autoencoder.requires_grad_(False), history, tuple(data.shape)))
        return self.stages[-1]

    def transform(self, x: Tensor, *, n_layers: int | None = None) -> Tensor:
        """Return images `(n, …)` after the layers trained so far, or the first n_layers, on the CPU."""
        n_layers = len(self.stages) if n_layers is None else n_layers
        if not 0 <= n_layers <= len(self.stages):
            raise ValueError(f"{len(self.stages)} layers are trained; {n_layers} cannot be applied.")
        x = flatten_images(x, self.sizes[0], caller="The first layer")
        if not x.is_floating_point():
            raise DataError(f"The images are {x.dtype}; a layer computes in torch.float32 (divide bytes by 255).")
        for stage in self.stages[:n_layers]:
            x = encode_all(stage.autoencoder, x)
        return x

    def classifier(self, n_classes: int, *, frozen: bool = False) -> Classifier:
        """Build a classifier whose body starts from the stack, with a head that starts at random, the same each time.

        The weights are copied: fine-tuning leaves the stack as it is.

        Parameters
        ----------
        n_classes
            Of the head.
        frozen
            The body stays as it is and the head alone is trained; otherwise all layers are (fine-tuning).

        Raises
        ------
        TrainingError
            Not all stages are trained yet.
        """
        if len(self.stages) < self.n_stages:
            raise TrainingError(f"{len(self.stages)} of {self.n_stages} layers are trained; call fit first.")
        with seeded(self.seed):
            model = Classifier((*self.sizes, n_classes), activation=self.activation, init=self.init)
        for layer, stage in zip(model.body[::2], self.stages, strict=True):
            layer.load_state_dict(stage.layer.state_dict())
        model.body.requires_grad_(not frozen)
        return model
