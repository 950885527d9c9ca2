"""Arrays of pixels and image tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from course_utils.data.common import DataError, check_range


def check_images(images: Tensor, *, name: str = "images") -> None:
    """Check that images is a non-empty `(n, c, h, w)` float32 tensor with 1 or 3 channels and values in [0, 1].

    Parameters
    ----------
    images
        The tensor to check.
    name
        What the images are, for the message.

    Raises
    ------
    DataError
        The tensor has another shape or type, is empty, or contains NaN or a value outside [0, 1].
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise DataError(f"{name} has shape {tuple(images.shape)}; it must be (n, c, h, w) with 1 or 3 channels.")
    if not images.numel():
        raise DataError(f"{name} is empty: shape {tuple(images.shape)}.")
    if images.dtype != torch.float32:
        raise DataError(f"{name} is {images.dtype}; it must be torch.float32 in [0, 1] (divide bytes by 255).")
    check_range(images, 0.0, 1.0, name=name)


def images_from_bytes(pixels: np.ndarray) -> Tensor:
    """Convert bytes 0…255 to float32 in [0, 1]; the shape stays."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(torch.float32).div_(255)


def channels_first(pixels: np.ndarray | Tensor) -> np.ndarray:
    """Move the channels of `(n, h, w)` or `(n, h, w, c)` to the front: `(n, c, h, w)`."""
    pixels = np.asarray(pixels)
    return pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
