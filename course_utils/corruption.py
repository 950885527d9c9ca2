"""Clean x → noisy x. Each function here makes a corruption for `Trainer(corrupt=…)`: `f(x, generator)` → noisy x.

The generator is explicit, so that the same noise can be had again; x is never changed in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Corruption = Callable[[Tensor, torch.Generator], Tensor]


def masking(share: float) -> Corruption:
    """Sets each number of x to 0 with probability `share`, whatever its shape (Vincent et al. 2008).

    On pixels it hides some of the picture, on word counts some of the words. Raises ValueError unless 0 <= share < 1.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share is {share}; it must be at least 0 and below 1 (at 1 nothing would be left).")

    def mask(x: Tensor, generator: torch.Generator) -> Tensor:
        keep = torch.rand(x.shape, generator=generator) >= share
        return x * keep.to(x.device)

    return _named(mask, f"masking({share})")


def gaussian(sd: float, *, clip: bool = True) -> Corruption:
    """Adds Gaussian noise of standard deviation `sd`, in the unit of x: 0.5 is half of the way from black to white.

    clip: what leaves [0, 1] is set to 0 or 1, as a camera or a file of bytes would. On a black ground only the positive
    half of the noise is left then: it no longer has mean 0. Raises ValueError for a negative or infinite sd.
    """
    if not 0 <= sd < math.inf:
        raise ValueError(f"sd is {sd}; the standard deviation of the noise is a number of at least 0.")

    def add(x: Tensor, generator: torch.Generator) -> Tensor:
        _require_fractions(x, "gaussian adds fractions")
        noisy = x + sd * torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        return noisy.clamp(0, 1) if clip else noisy

    return _named(add, f"gaussian({sd}, clip={clip})")


def salt_and_pepper(share: float) -> Corruption:
    """Replaces each number of x with probability `share`: by 1 (salt) or by 0 (pepper), each half of the time.

    For pixels in [0, 1], which it does not leave. Raises ValueError unless 0 <= share <= 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; the share of pixels that are replaced is from 0 to 1.")

    def replace(x: Tensor, generator: torch.Generator) -> Tensor:
        _require_fractions(x, "salt_and_pepper sets pixels to 1 for white")
        drawn = torch.rand(x.shape, generator=generator).to(x.device)
        return torch.where(drawn < share, (drawn < share / 2).to(x.dtype), x)

    return _named(replace, f"salt_and_pepper({share})")


def one_of(*corruptions: Corruption) -> Corruption:
    """One of the corruptions for each sample, drawn with equal probabilities: noise of a kind that is not known.

    Raises ValueError without any.
    """
    if not corruptions:
        raise ValueError("one_of takes at least one corruption, as in one_of(gaussian(0.5), masking(0.5)).")

    def corrupt(x: Tensor, generator: torch.Generator) -> Tensor:
        kind = torch.randint(len(corruptions), (len(x),), generator=generator).to(x.device)
        x_noisy = x.clone()
        for i, corruption in enumerate(corruptions):
            if (chosen := kind == i).any():  # in a small batch, a kind may have no sample
                x_noisy[chosen] = corruption(x[chosen], generator)
        return x_noisy

    return _named(corrupt, f"one_of({', '.join(c.__name__ for c in corruptions)})")


def corrupted(x: Tensor, corruption: Corruption, *, seed: int) -> Tensor:
    """x with that noise, drawn from the seed: the same again for the same seed."""
    return corruption(x, torch.Generator().manual_seed(seed))


def varied_masking(least_kept: float) -> Corruption:
    """As `masking`, but how much is kept is drawn for each sample: from `least_kept` to all, on a logarithmic scale.

    A document may lose nothing, or all but a few words, as a query has: a net trained on it meets both.
    Raises ValueError unless 0 < least_kept <= 1.
    """
    if not 0 < least_kept <= 1:
        raise ValueError(f"least_kept is {least_kept}; it must be above 0 and at most 1.")

    def mask(x: Tensor, generator: torch.Generator) -> Tensor:
        kept = least_kept ** torch.rand([len(x)] + [1] * (x.ndim - 1), generator=generator)
        return x * (torch.rand(x.shape, generator=generator) < kept).to(x.device)

    return _named(mask, f"varied_masking({least_kept})")


def shifting(max_pixels: int) -> Corruption:
    """Moves each image by a whole number of pixels, drawn for each from −max_pixels to max_pixels in both directions.

    x: `(n, c, h, w)`. What moves in is 0, what moves out is lost. Raises ValueError for a shift of the image's size.
    """
    if max_pixels < 0:
        raise ValueError(f"max_pixels is {max_pixels}; it must be at least 0.")

    def shift(x: Tensor, generator: torch.Generator) -> Tensor:
        if x.ndim != 4 or min(x.shape[-2:]) <= max_pixels:
            raise ValueError(
                f"shifting({max_pixels}) takes (n, c, h, w) images larger than that, not {tuple(x.shape)}."
            )
        dy, dx = torch.randint(-max_pixels, max_pixels + 1, (2, len(x)), generator=generator)
        return shifted(x, dy, dx)

    return _named(shift, f"shifting({max_pixels})")


def shifted(x: Tensor, dy: Tensor, dx: Tensor) -> Tensor:
    """Images `(n, c, h, w)`, the i-th moved down by `dy[i]` and to the right by `dx[i]` pixels; 0 moves in.

    dy, dx: `(n,)` whole numbers, negative for up and left, smaller than the images.
    """
    n, _, h, w = x.shape
    m = int(max(dy.abs().max(), dx.abs().max()))
    rows = torch.arange(h) - dy[:, None] + m  # (n, h): where each row of the result comes from, after padding
    columns = torch.arange(w) - dx[:, None] + m
    padded = torch.nn.functional.pad(x, [m] * 4)
    image = torch.arange(n)[:, None, None]
    moved = padded[image, :, rows[:, :, None].to(x.device), columns[:, None, :].to(x.device)]
    return moved.permute(0, 3, 1, 2).contiguous()


def _require_fractions(x: Tensor, why: str) -> None:
    if not x.is_floating_point():
        raise ValueError(f"{why}; x is {x.dtype}: divide bytes by 255 first.")


def _named(corruption: Corruption, name: str) -> Corruption:
    """A checkpoint remembers by the name which noise it was made with."""
    corruption.__name__ = name
    return corruption
