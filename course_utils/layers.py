"""Layers that torch does not have."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class TiedLinear(nn.Module):
    """The mirror of a linear layer: `z Wᵀ + b` with that layer's own W, and a bias of its own.

    W is the same `nn.Parameter` object as `linear.weight`, not a copy: one storage, one gradient (the sum of both
    uses), counted once by `parameters()`; it stays shared under `.to()`, `copy.deepcopy` and `load_state_dict`.
    Input `(n, linear.out_features)`, output `(n, linear.in_features)`.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = linear.weight
        self.bias = nn.Parameter(linear.weight.new_zeros(linear.in_features))

    def forward(self, z: Tensor) -> Tensor:
        return F.linear(z, self.weight.t(), self.bias)

    def extra_repr(self) -> str:
        n_out, n_in = self.weight.shape
        return f"in_features={n_out}, out_features={n_in}, weight shared"
