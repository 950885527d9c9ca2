"""A model for tests of what takes any model with `encode`."""

import torch
from torch import Tensor, nn


class Doubling(nn.Module):
    """Any model with `encode`: here without a decoder. It keeps the sizes of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))
        self.sizes: list[int] = []

    def encode(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        return self.factor * x.flatten(1)
