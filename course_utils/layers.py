"""Layers that torch does not have, or that the course writes out so that they can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
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


@dataclass(frozen=True, eq=False)
class Positions:
    """Where each maximum that `MaxPool` kept came from. `positions[order]` chooses and reorders the images.

    indices: `(n, c, h', w')` int64, places in the flattened h×w plane; size: that plane's `(h, w)`; kernel_size: of
    the square cell that a maximum was kept of.
    """

    indices: Tensor
    size: tuple[int, int]
    kernel_size: int

    def __getitem__(self, images: Tensor | slice | list[int]) -> Positions:
        if isinstance(images, int):
            raise TypeError(f"positions[{images}] would lose the batch dimension; positions[[{images}]] keeps it.")
        return Positions(self.indices[images], self.size, self.kernel_size)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def n_bits(self) -> float:
        """Bits to write down the positions of one image, each one of kernel_size² places."""
        return math.prod(self.indices.shape[1:]) * math.log2(self.kernel_size**2)

    def within_cells(self) -> Tensor:
        """Each place as its number within its cell, row by row from 0: `(n, c, h', w')`, below kernel_size²."""
        rows, columns = self.indices // self.size[1], self.indices % self.size[1]
        return rows % self.kernel_size * self.kernel_size + columns % self.kernel_size

    def shuffled(self, generator: torch.Generator) -> Positions:
        """Other positions: in every cell one of its places, drawn at random."""
        k, (h, w) = self.kernel_size, self.size
        n_rows, n_columns = self.indices.shape[-2:]
        top, left = torch.arange(n_rows)[:, None] * k, torch.arange(n_columns) * k
        # The last cells of an odd size are cut off: a place beyond the edge is moved to the edge.
        down, right = torch.randint(k, (2, *self.indices.shape), generator=generator)
        indices = (top + down).clamp(max=h - 1) * w + (left + right).clamp(max=w - 1)
        return Positions(indices.to(self.indices.device), self.size, k)


class MaxPool(nn.Module):
    """Max-pooling (最大池化) that remembers: of each kernel_size × kernel_size cell the largest value and its place.

    Input `(n, c, h, w)`; output `(n, c, ⌈h/k⌉, ⌈w/k⌉)` and its `Positions`. A size that kernel_size does not divide
    keeps its last, smaller cells. Among equal values the first counts. Raises ValueError for a kernel larger than the
    input.
    """

    def __init__(self, kernel_size: int = 2) -> None:
        super().__init__()
        self.kernel_size = _at_least(1, kernel_size=kernel_size)

    def forward(self, x: Tensor) -> tuple[Tensor, Positions]:
        if x.ndim != 4 or min(x.shape[-2:]) < self.kernel_size:
            raise ValueError(f"MaxPool({self.kernel_size}) takes (n, c, h, w) with h and w of at least "
                             f"{self.kernel_size}; it was given {tuple(x.shape)}.")  # fmt: skip
        pooled, indices = F.max_pool2d(x, self.kernel_size, ceil_mode=True, return_indices=True)
        return pooled, Positions(indices, tuple(x.shape[-2:]), self.kernel_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}"


class Unpool(nn.Module):
    """Unpooling (反池化): every value becomes a cell of kernel_size × kernel_size again.

    mode "positions": the value goes back to its recorded place, and all others become 0 (Zeiler & Fergus 2014).
    mode "repeat": the value fills its cell; nothing has to be recorded.
    """

    def __init__(self, kernel_size: int = 2, *, mode: Literal["positions", "repeat"] = "positions") -> None:
        super().__init__()
        if mode not in ("positions", "repeat"):
            raise ValueError(f"mode is {mode!r}; it must be 'positions' or 'repeat'.")
        self.kernel_size, self.mode = _at_least(1, kernel_size=kernel_size), mode

    def forward(
        self, y: Tensor, positions: Positions | None = None, *, size: tuple[int, int] | None = None
    ) -> Tensor:  # fmt: skip
        """`(n, c, h', w')` → `(n, c, h, w)`.

        positions: of `MaxPool`, for mode "positions", which know h and w. size: (h, w) for mode "repeat", where it is
        not kernel_size · (h', w'): 4 cells of 2 can come from 8 rows, or from 7.
        """
        if y.ndim != 4:
            raise ValueError(f"Unpool takes (n, c, h, w); it was given {tuple(y.shape)}.")
        if self.mode == "repeat":
            return self._repeat(y, size)
        if positions is None:
            raise ValueError("Unpool with mode='positions' needs the positions that MaxPool recorded. Where there are "
                             "none, as in generation, take mode='repeat'.")  # fmt: skip
        if positions.indices.shape != y.shape or positions.kernel_size != self.kernel_size:
            raise ValueError(
                f"These are the positions of another pooling or batch: they are {tuple(positions.indices.shape)} of "
                f"cells of {positions.kernel_size}, the values {tuple(y.shape)} for cells of {self.kernel_size}."
            )
        if size is not None and tuple(size) != positions.size:
            raise ValueError(f"size is {size}; the positions were recorded on {positions.size}.")
        plane = y.new_zeros(*y.shape[:2], math.prod(positions.size))
        plane = plane.scatter(2, positions.indices.flatten(2), y.flatten(2))
        return plane.unflatten(2, positions.size)

    def _repeat(self, y: Tensor, size: tuple[int, int] | None) -> Tensor:
        k = self.kernel_size
        repeated = F.interpolate(y, scale_factor=k, mode="nearest")
        return repeated if size is None else cropped(repeated, size, by_less_than=k)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, mode={self.mode}"


def cropped(x: Tensor, size: tuple[int, int], *, by_less_than: int) -> Tensor:
    """The top left h×w of `(n, c, H, W)`, for the odd sizes; ValueError where a whole cell or more would be lost."""
    if any(not 0 <= have - want < by_less_than for have, want in zip(x.shape[-2:], size, strict=True)):
        smallest = tuple(have - by_less_than + 1 for have in x.shape[-2:])
        raise ValueError(f"The size {tuple(size)} cannot have become {tuple(x.shape[-2:])}: what is pooled to that is "
                         f"from {smallest} to {tuple(x.shape[-2:])}.")  # fmt: skip
    return x[..., : size[0], : size[1]]


def deconvolution(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0, output_padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1,
) -> Tensor:  # fmt: skip
    """The deconvolution (反卷积), or transposed convolution, as the convolution that it is.

    x: `(n, c_in, length)` or `(n, c_in, h, w)`; weight: `(c_in, c_out, kernel size, …)`; one number for all
    dimensions, or one for each. The result is that of torch's `conv_transpose1d` and `conv_transpose2d`: of length
    `(length − 1)·stride − 2·padding + dilation·(kernel size − 1) + output_padding + 1`. With stride s, s input lengths
    of a convolution share one output length; output_padding (below stride or dilation) says which one to give back.
    Dumoulin & Visin, A guide to convolution arithmetic (2016), chapter 4.
    """
    n_dims = x.ndim - 2
    if n_dims not in (1, 2) or weight.ndim != x.ndim or x.shape[1] != weight.shape[0] or 0 in x.shape[2:]:
        raise ValueError(
            f"x must be (n, c_in, length) or (n, c_in, h, w), not empty, and weight (c_in, c_out, kernel size, …) of "
            f"as many dimensions; they are {tuple(x.shape)} and {tuple(weight.shape)}."
        )
    stride, dilation = _of_each("stride", stride, n_dims, 1), _of_each("dilation", dilation, n_dims, 1)
    padding, extra = _of_each("padding", padding, n_dims, 0), _of_each("output_padding", output_padding, n_dims, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueError(f"output_padding is {extra}; it chooses among the input sizes that share an output size, and "
                         f"must be smaller than stride {stride} or dilation {dilation}.")  # fmt: skip

    # 1. Put stride − 1 zeros between neighbours.
    lengths = [(length - 1) * s + 1 for length, s in zip(x.shape[2:], stride, strict=True)]
    spread = x.new_zeros(*x.shape[:2], *lengths)
    spread[(..., *(slice(None, None, s) for s in stride))] = x

    # 2. Pad, so that the kernel may overlap the first number by its last weight. `padding` takes away from that, down
    #    to below 0, where it crops: what the convolution was padded with does not come back.
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    before = [r - p for r, p in zip(reach, padding, strict=True)]
    after = [b + e for b, e in zip(before, extra, strict=True)]
    if any(n + b + a <= r for n, b, a, r in zip(lengths, before, after, reach, strict=True)):
        raise ValueError(f"Nothing would be left: padding {padding} is too large for an input of {tuple(x.shape[2:])}.")
    pads = [amount for b, a in reversed(list(zip(before, after, strict=True))) for amount in (b, a)]
    padded = F.pad(spread, [max(amount, 0) for amount in pads])  # torch counts the last dimension first
    padded = F.pad(padded, [min(amount, 0) for amount in pads])  # crops

    # 3. Reverse the kernel, and convolve. Channels that came out of the convolution now go in.
    dims = tuple(range(2, x.ndim))
    reversed_kernel = weight.flip(dims).transpose(0, 1)
    convolve = F.conv1d if n_dims == 1 else F.conv2d
    return convolve(padded, reversed_kernel, bias, dilation=dilation)


def overlapping_sums(x: Tensor, kernel: Tensor, *, stride: int = 1) -> Tensor:
    """The deconvolution in one dimension as the chapter draws it: every number stamps its multiple of the kernel.

    x: `(n,)`, kernel: `(k,)`; neighbouring stamps lie `stride` apart, and add up where they overlap:
    `((n − 1)·stride + k,)`.
    """
    if x.ndim != 1 or kernel.ndim != 1 or not len(x) or not len(kernel):
        raise ValueError(f"x and kernel must be vectors, not empty; they are {tuple(x.shape)}, {tuple(kernel.shape)}.")
    _at_least(1, stride=stride)
    result = x.new_zeros((len(x) - 1) * stride + len(kernel))
    for i, number in enumerate(x):
        result[i * stride : i * stride + len(kernel)] += number * kernel
    return result


def _of_each(name: str, value: int | Sequence[int], n_dims: int, smallest: int) -> tuple[int, ...]:
    values = (value,) * n_dims if isinstance(value, int) else tuple(value)
    if len(values) != n_dims or min(values) < smallest:
        raise ValueError(f"{name} is {value}; it must be {n_dims} whole numbers of at least {smallest}, or one.")
    return values


def _at_least(smallest: int, **named: int) -> int:
    ((name, value),) = named.items()
    if value < smallest:
        raise ValueError(f"{name} is {value}; it must be at least {smallest}.")
    return value
