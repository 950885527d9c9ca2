"""Layers that torch does not have, or that the course writes out so that they can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.checks import whole_number


class TiedLinear(nn.Module):
    """The mirror of a linear layer: `z Wᵀ + b` with that layer's own W, and a bias of its own.

    W belongs to the linear layer and is looked up there at every use: one storage, one gradient (the sum of both uses),
    counted once by `parameters()` and stored once in a `state_dict`. So it stays shared whatever is done to the layer:
    `.to()`, `copy.deepcopy` of both, `load_state_dict(assign=True)`, a parametrisation.

    Parameters
    ----------
    linear
        The layer `(n, in_features)` → `(n, out_features)` to mirror. It must be a part of the same model.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._linear = (linear,)  # in a tuple: not a sub-module, whose weight would be a parameter of this layer, too
        self.bias = nn.Parameter(linear.weight.new_zeros(linear.in_features))

    @property
    def weight(self) -> Tensor:
        """The linear layer's weight, `(out_features, in_features)`."""
        return self._linear[0].weight

    def forward(self, z: Tensor) -> Tensor:
        """Codes `(n, out_features)` → `(n, in_features)`."""
        return F.linear(z, self.weight.t(), self.bias)

    def extra_repr(self) -> str:
        """Return the options that print(layer) shows."""
        n_out, n_in = self.weight.shape
        return f"in_features={n_out}, out_features={n_in}, weight shared"


@dataclass(frozen=True, eq=False)
class Positions:
    """Where each maximum that `MaxPool` kept came from. `positions[order]` chooses and reorders the images.

    Parameters
    ----------
    indices
        `(n, c, h', w')` int64, places in the flattened h×w plane.
    size
        That plane's `(h, w)`.
    kernel_size
        Side of the square cell that a maximum was kept of, in pixels.
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
        """Bits that are needed to write down the positions of one image, each one of kernel_size² places."""
        return math.prod(self.indices.shape[1:]) * math.log2(self.kernel_size**2)

    def within_cells(self) -> Tensor:
        """Return each place as its number within its cell, row by row from 0: `(n, c, h', w')`, below kernel_size²."""
        rows, columns = self.indices // self.size[1], self.indices % self.size[1]
        return rows % self.kernel_size * self.kernel_size + columns % self.kernel_size

    def shuffled(self, generator: torch.Generator) -> Positions:
        """Return other positions: in every cell one of its places, drawn at random."""
        k, (h, w) = self.kernel_size, self.size
        n_rows, n_columns = self.indices.shape[-2:]
        top, left = torch.arange(n_rows)[:, None] * k, torch.arange(n_columns) * k
        # The last cells of an odd size are cut off: a place beyond the edge is moved to the edge.
        down, right = torch.randint(k, (2, *self.indices.shape), generator=generator)
        indices = (top + down).clamp(max=h - 1) * w + (left + right).clamp(max=w - 1)
        return Positions(indices.to(self.indices.device), self.size, k)


class MaxPool(nn.Module):
    """Max-pooling (最大池化) that remembers: of each kernel_size × kernel_size cell the largest value and its place.

    A size that kernel_size does not divide keeps its last, smaller cells. Among equal values the first counts.

    Parameters
    ----------
    kernel_size
        Side of a cell in pixels, at least 1.
    """

    def __init__(self, kernel_size: int = 2) -> None:
        super().__init__()
        self.kernel_size = whole_number("kernel_size", kernel_size)

    def forward(self, x: Tensor) -> tuple[Tensor, Positions]:
        """`(n, c, h, w)` → `(n, c, ⌈h/k⌉, ⌈w/k⌉)` and its `Positions`; ValueError for a kernel larger than x."""
        if x.ndim != 4 or min(x.shape[-2:]) < self.kernel_size:
            raise ValueError(f"MaxPool({self.kernel_size}) takes (n, c, h, w) with h and w of at least "
                             f"{self.kernel_size}; it was given {tuple(x.shape)}.")  # fmt: skip
        pooled, indices = F.max_pool2d(x, self.kernel_size, ceil_mode=True, return_indices=True)
        return pooled, Positions(indices, (x.shape[-2], x.shape[-1]), self.kernel_size)

    def extra_repr(self) -> str:
        """Return the options that print(layer) shows."""
        return f"kernel_size={self.kernel_size}"


class Unpool(nn.Module):
    """Unpooling (反池化): every value becomes a cell of kernel_size × kernel_size again.

    Parameters
    ----------
    kernel_size
        Side of a cell in pixels, at least 1.
    mode
        "positions": the value goes back to its recorded place, and all others become 0. "repeat": the value fills its
        cell; nothing has to be recorded.

    References
    ----------
    Zeiler & Fergus, Visualizing and understanding convolutional networks, ECCV 2014, for "positions".
    """

    def __init__(self, kernel_size: int = 2, *, mode: Literal["positions", "repeat"] = "positions") -> None:
        super().__init__()
        if mode not in ("positions", "repeat"):
            raise ValueError(f"mode is {mode!r}; it must be 'positions' or 'repeat'.")
        self.kernel_size, self.mode = whole_number("kernel_size", kernel_size), mode

    def forward(
        self, y: Tensor, positions: Positions | None = None, *, size: tuple[int, int] | None = None
    ) -> Tensor:  # fmt: skip
        """Unpool values `(n, c, h', w')` to `(n, c, h, w)`.

        Parameters
        ----------
        y
            The values.
        positions
            Of `MaxPool`, for mode "positions"; they know h and w.
        size
            (h, w) for mode "repeat", where it is not kernel_size · (h', w'): 4 cells of 2 can come from 8 rows, or
            from 7.

        Raises
        ------
        ValueError
            Positions are missing, or belong to another pooling; or a size from which y cannot have been pooled.
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
        return repeated if size is None else crop_to(repeated, size, max_crop=k - 1)

    def extra_repr(self) -> str:
        """Return the options that print(layer) shows."""
        return f"kernel_size={self.kernel_size}, mode={self.mode}"


def crop_to(x: Tensor, size: tuple[int, int], *, max_crop: int) -> Tensor:
    """Return the top left h×w of `(n, c, H, W)`, as images of odd sizes need it.

    Parameters
    ----------
    x
        Images `(n, c, H, W)`.
    size
        (h, w).
    max_crop
        The largest number of rows or columns that may be lost: less than a cell of the pooling.

    Raises
    ------
    ValueError
        More would be lost, or x is too small.
    """
    if any(not 0 <= have - want <= max_crop for have, want in zip(x.shape[-2:], size, strict=True)):
        smallest = tuple(have - max_crop for have in x.shape[-2:])
        raise ValueError(f"The size {tuple(size)} cannot have become {tuple(x.shape[-2:])}: what is pooled to that is "
                         f"from {smallest} to {tuple(x.shape[-2:])}.")  # fmt: skip
    return x[..., : size[0], : size[1]]


def deconvolution(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0, output_padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1,
) -> Tensor:  # fmt: skip
    """Compute the deconvolution (反卷积), or transposed convolution, as the convolution that it is.

    The result is that of torch's `conv_transpose1d` and `conv_transpose2d`.

    Parameters
    ----------
    x
        `(n, c_in, length)` or `(n, c_in, h, w)`.
    weight
        `(c_in, c_out, kernel size, …)`.
    bias
        `(c_out,)`, or None.
    stride, padding, output_padding, dilation
        One number for all dimensions, or one for each. With stride s, s input lengths of a convolution share one output
        length; output_padding (below stride or dilation) says which one to give back.

    Returns
    -------
    Tensor
        `(n, c_out, …)` of length
        `(length − 1)·stride − 2·padding + dilation·(kernel size − 1) + output_padding + 1`.

    Raises
    ------
    ValueError
        Shapes that do not fit, an output_padding that is too large, a padding that leaves nothing.

    References
    ----------
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
    places: tuple[Any, ...] = (..., *(slice(None, None, s) for s in stride))
    spread[places] = x

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
    """Compute the deconvolution in one dimension as the chapter draws it: numbers stamp multiples of the kernel.

    Parameters
    ----------
    x
        `(n,)`.
    kernel
        `(k,)`.
    stride
        How far apart neighbouring stamps lie; where they overlap, they add up.

    Returns
    -------
    Tensor
        `((n − 1)·stride + k,)`.
    """
    if x.ndim != 1 or kernel.ndim != 1 or not len(x) or not len(kernel):
        raise ValueError(f"x and kernel must be vectors, not empty; they are {tuple(x.shape)}, {tuple(kernel.shape)}.")
    stride = whole_number("stride", stride)
    result = x.new_zeros((len(x) - 1) * stride + len(kernel))
    for i, number in enumerate(x):
        result[i * stride : i * stride + len(kernel)] += number * kernel
    return result


def _of_each(name: str, value: int | Sequence[int], n_dims: int, smallest: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, Sequence) else (value,) * n_dims
    if len(values) != n_dims:
        raise ValueError(f"{name} is {value}; it must be {n_dims} whole numbers of at least {smallest}, or one.")
    return tuple(whole_number(name, one, at_least=smallest) for one in values)
