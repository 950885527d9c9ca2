"""Clean x → noisy x. Each function here makes a corruption for `Trainer(corrupt=…)`: `f(x, generator)` → noisy x.

The noise is drawn from the generator alone, so the same noise can be had again; x is never changed in place. All can be
pickled, as the workers of a DataLoader need it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course_utils.checks import whole_number

Corruption = Callable[[Tensor, torch.Generator], Tensor]


def masking(share: float) -> Corruption:
    """Set each number of x to 0 with a fixed probability, whatever the shape of x.

    On pixels it hides some of the picture, on word counts some of the words.

    Parameters
    ----------
    share
        The probability, at least 0 and below 1.

    Raises
    ------
    ValueError
        The share is outside that range.

    References
    ----------
    Vincent et al., ICML 2008.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share is {share}; it must be at least 0 and below 1 (at 1 nothing would be left).")
    return _named(partial(_mask, share=share), f"masking({share})")


def _mask(x: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
    keep = _uniform(x.shape, generator) >= share
    return x * keep.to(x.device)


def varied_masking(least_kept: float) -> Corruption:
    """As `masking`, but draw for each sample how much is kept: from `least_kept` to all, on a logarithmic scale.

    A document may lose nothing, or all but a few words, as a query has: a net trained on it meets both.

    Parameters
    ----------
    least_kept
        The smallest share that is kept, above 0 and at most 1.

    Raises
    ------
    ValueError
        The share is outside that range.
    """
    if not 0 < least_kept <= 1:
        raise ValueError(f"least_kept is {least_kept}; it must be above 0 and at most 1.")
    return _named(partial(_mask_varied, least_kept=least_kept), f"varied_masking({least_kept})")


def _mask_varied(x: Tensor, generator: torch.Generator, *, least_kept: float) -> Tensor:
    kept = least_kept ** _uniform([len(x)] + [1] * (x.ndim - 1), generator)
    return x * (_uniform(x.shape, generator) < kept).to(x.device)


def gaussian(sd: float, *, clip: bool = True) -> Corruption:
    """Add Gaussian noise.

    Parameters
    ----------
    sd
        The standard deviation in the unit of x: 0.5 is half of the way from black to white.
    clip
        Set what leaves [0, 1] to 0 or 1, as a camera or a file of bytes would. On a black ground only the positive half
        of the noise is left then: it no longer has mean 0. For pixels in [0, 1] only: other numbers would be cut, too.

    Raises
    ------
    ValueError
        sd is negative or infinite; later, x is not of floats, or leaves [0, 1] with clip=True.
    """
    if not 0 <= sd < math.inf:
        raise ValueError(f"sd is {sd}; the standard deviation of the noise is a number of at least 0.")
    return _named(partial(_add_gaussian, sd=sd, clip=clip), f"gaussian({sd}, clip={clip})")


def _add_gaussian(x: Tensor, generator: torch.Generator, *, sd: float, clip: bool) -> Tensor:
    _require_floats(x, "gaussian")
    if clip:
        _require_fractions(x, "gaussian(clip=True)", "gaussian(…, clip=False)")
    noisy = x + sd * torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    return noisy.clamp(0, 1) if clip else noisy


def salt_and_pepper(share: float) -> Corruption:
    """Replace numbers of x by 1 (salt) or by 0 (pepper), each half of the time.

    Parameters
    ----------
    share
        The probability that a number is replaced, from 0 to 1.

    Raises
    ------
    ValueError
        The share is outside that range; later, x is not of floats in [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; the share of pixels that are replaced is from 0 to 1.")
    return _named(partial(_replace, share=share), f"salt_and_pepper({share})")


def _replace(x: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
    _require_floats(x, "salt_and_pepper")
    _require_fractions(x, "salt_and_pepper", "masking(…)")
    drawn = _uniform(x.shape, generator).to(x.device)
    return torch.where(drawn < share, (drawn < share / 2).to(x.dtype), x)


def shifting(max_pixels: int) -> Corruption:
    """Move each image by a whole number of pixels, drawn for each in both directions.

    Parameters
    ----------
    max_pixels
        The largest shift, smaller than the images `(n, c, h, w)`. What moves in is 0, what moves out is lost.

    Raises
    ------
    ValueError
        max_pixels is not a whole number of at least 0; later, x is not `(n, c, h, w)`, or not larger than the shift.
    """
    max_pixels = whole_number("max_pixels", max_pixels, at_least=0)
    return _named(partial(_shift, max_pixels=max_pixels), f"shifting({max_pixels})")


def _shift(x: Tensor, generator: torch.Generator, *, max_pixels: int) -> Tensor:
    if x.ndim != 4 or min(x.shape[-2:]) <= max_pixels:
        raise ValueError(f"shifting({max_pixels}) takes (n, c, h, w) images larger than that, not {tuple(x.shape)}.")
    dy, dx = torch.randint(-max_pixels, max_pixels + 1, (2, len(x)), generator=generator)
    return shifted(x, dy, dx)


def one_of(*corruptions: Corruption) -> Corruption:
    """Corrupt each sample by one of several corruptions, drawn with equal probabilities: noise of an unknown kind.

    Parameters
    ----------
    corruptions
        At least one.

    Raises
    ------
    ValueError
        There is none.
    """
    if not corruptions:
        raise ValueError("one_of takes at least one corruption, as in one_of(gaussian(0.5), masking(0.5)).")
    names = ", ".join(getattr(corruption, "__name__", repr(corruption)) for corruption in corruptions)
    return _named(partial(_corrupt_by_one, corruptions=corruptions), f"one_of({names})")


def _corrupt_by_one(x: Tensor, generator: torch.Generator, *, corruptions: tuple[Corruption, ...]) -> Tensor:
    kind = torch.randint(len(corruptions), (len(x),), generator=generator).to(x.device)
    x_noisy = x.clone()
    for i, corruption in enumerate(corruptions):
        if (chosen := kind == i).any():  # in a small batch, a kind may have no sample
            x_noisy[chosen] = corruption(x[chosen], generator)
    return x_noisy


def corrupted(x: Tensor, corruption: Corruption, *, seed: int) -> Tensor:
    """Return x with that noise, drawn from the seed: the same again for the same seed."""
    return corruption(x, torch.Generator().manual_seed(seed))


def shifted(x: Tensor, dy: Tensor, dx: Tensor) -> Tensor:
    """Move each image by its own number of pixels; what moves in is 0.

    Parameters
    ----------
    x
        Images `(n, c, h, w)`.
    dy, dx
        `(n,)` whole numbers of pixels, down and to the right; negative for up and left; smaller than the images.

    Returns
    -------
    Tensor
        `(n, c, h, w)`.
    """
    n, _, h, w = x.shape
    m = int(torch.stack([dy, dx]).abs().max()) if n else 0
    rows = torch.arange(h) - dy[:, None] + m  # (n, h): where each row of the result comes from, after padding
    columns = torch.arange(w) - dx[:, None] + m
    padded = torch.nn.functional.pad(x, [m] * 4)
    image = torch.arange(n)[:, None, None]
    moved = padded[image, :, rows[:, :, None].to(x.device), columns[:, None, :].to(x.device)]
    return moved.permute(0, 3, 1, 2).contiguous()


def _uniform(shape: torch.Size | list[int], generator: torch.Generator) -> Tensor:
    """float32 whatever torch's default type is: in another, the same generator gives other numbers."""
    return torch.rand(shape, generator=generator, dtype=torch.float32)


def _require_floats(x: Tensor, name: str) -> None:
    if not x.is_floating_point():
        raise ValueError(f"{name} takes fractions; x is {x.dtype}: divide bytes by 255 first.")


def _require_fractions(x: Tensor, name: str, instead: str) -> None:
    """Beyond [0, 1] the noise would cut, or not be what was asked for: for a ReLU's output, as an example."""
    if not x.numel():
        return
    low, high = (value.item() for value in x.aminmax())
    if not (low >= 0 and high <= 1):  # also for NaN
        raise ValueError(f"{name} is for pixels in [0, 1]; x reaches from {low:g} to {high:g}. Take {instead}, or "
                         f"scale x first.")  # fmt: skip


def _named(corruption: Corruption, name: str) -> Corruption:
    """Give it a name with its options: messages and checkpoints tell by it which noise it is."""
    corruption.__name__ = name
    return corruption
