"""What several models are built from: checks, activations and starting values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from course_utils.checks import whole_number

Activation = Literal["relu", "gelu", "silu", "tanh", "sigmoid"]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
}  # fmt: skip
Init = Literal["he", "default"]


@contextmanager
def in_float32() -> Iterator[None]:
    """Make new layers compute in float32, as the course's data do, whatever `torch.set_default_dtype` was given."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers a layer as a tuple; ValueError unless there are two or more, each a whole number above 0."""
    sizes = tuple(sizes)
    if len(sizes) < 2:
        raise ValueError(f"sizes must name the input's numbers and the code's, as in (784, 256, 30), not {sizes}.")
    return tuple(whole_number(f"sizes[{i}] of {sizes}", size) for i, size in enumerate(sizes))


def check_init(init: str) -> None:
    """Raise a ValueError unless init is "he" or "default"."""
    if init not in ("he", "default"):
        raise ValueError(f"init is {init!r}; it must be 'he' or 'default'.")


def flatten_images(x: Tensor, n_features: int, *, caller: str = "This model") -> Tensor:
    """Return images `(n, …)` as `(n, n_features)`; ValueError, naming the caller, for images of another size."""
    if x.ndim < 2 or x.shape[1:].numel() != n_features:
        raise ValueError(f"{caller} takes (n, …) images with {n_features} numbers each; it was given {tuple(x.shape)}.")
    return x.flatten(1)


def activation_layer(activation: Activation) -> nn.Module:
    """Return the module of that name; ValueError for another."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is {activation!r}; it must be one of {', '.join(map(repr, ACTIVATIONS))}.")
    return ACTIVATIONS[activation]()


def with_activation_between(layers: Sequence[nn.Module], activation: Activation = "relu") -> list[nn.Module]:
    """Return the layers with an activation after each but the last; ValueError for an unknown one."""
    return [module for layer in layers for module in (layer, activation_layer(activation))][:-1]


def init_he_(
    down: Sequence[nn.Linear], up: Sequence[nn.Module] = (), *, mean: Tensor | float = 0.5, sigmoid: bool = True,
    activation: Activation = "relu",
) -> None:  # fmt: skip
    """Set starting values in place: He weights, biases 0, a small output layer whose bias is the mean image.

    He weights keep the size of the signal from layer to layer, so that gradients reach the first one. A small output
    layer and the mean as its bias put the first reconstruction at the mean image: the net starts where a bad start
    gets stuck.

    Parameters
    ----------
    down
        Linear layers from the image to the code.
    up
        Linear or tied layers back; tied ones share the weights of `down`, so only their biases are set. Empty for a
        classifier, all of whose layers are started alike.
    mean
        The mean image `(n_features,)` or one number, where the output starts.
    sigmoid
        A sigmoid follows the last layer.
    activation
        Of the hidden units. GELU and SiLU are nearly ReLU for large signals, and are given its weights.

    References
    ----------
    He et al., Delving deep into rectifiers, ICCV 2015.
    """
    nonlinearity: Literal["relu", "tanh", "sigmoid"] = activation if activation in ("tanh", "sigmoid") else "relu"
    for layer in (*down, *up):
        nn.init.zeros_(layer.get_parameter("bias"))
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity=nonlinearity)
    if not up:
        return
    output = up[-1]
    with torch.no_grad():
        if isinstance(output, nn.Linear):
            output.weight.mul_(0.1)
        bias = output.get_parameter("bias")
        mean = torch.as_tensor(mean, dtype=bias.dtype).flatten()
        if mean.numel() not in (1, bias.numel()):
            raise ValueError(f"mean has {mean.numel()} numbers; the model has n_features = {bias.numel()}.")
        mean = mean.expand_as(bias)
        # logit(0) is −∞, and a pixel that starts far out learns nothing, as the sigmoid is flat there.
        bias.copy_(torch.logit(mean.clamp(0.01, 0.99)) if sigmoid else mean)
