"""A classifier of dense layers, which pre-trained layers can be put into."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from course_utils.models.parts import (
    Activation,
    Init,
    activation_layer,
    check_init,
    check_sizes,
    flatten_images,
    in_float32,
    init_he_,
)


class Classifier(nn.Module):
    """Dense layers from a flat image to one number a class: 784-1000-1000-500-10.

    `body` is all but the last layer, `head` the last: `body.requires_grad_(False)` trains the head alone.

    Parameters
    ----------
    sizes
        Numbers a layer, from the image to the classes.
    activation
        Of the hidden units; the last layer gives logits, as `metrics.cross_entropy` takes them.
    init
        "he" (He et al. 2015), or "default": uniform within ±1/√n_in, the usual heuristic before 2010 (as Glorot &
        Bengio 2010 describe it).
    """

    @in_float32()
    def __init__(self, sizes: Sequence[int], *, activation: Activation = "relu", init: Init = "he") -> None:
        super().__init__()
        sizes = check_sizes(sizes)
        check_init(init)
        self.sizes = sizes
        layers = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes)]
        self.body = nn.Sequential(*(m for layer in layers[:-1] for m in (layer, activation_layer(activation))))
        self.head = layers[-1]
        if init == "he":
            init_he_(layers, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(n, n_classes)` of `(n, …)` images."""
        return self.head(self.body(flatten_images(x, self.sizes[0])))
