"""One picture file as pixels: what Pillow reads, upright, in 8 bits, with its transparency kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

LARGE_PIXELS = 80_000_000  # from here on a JPEG is decoded smaller
MAX_PIXELS = 400_000_000  # of one picture that is read whole: 1.2 GB in colour
# They need another program, hold no pixels, or recognise what is no picture.
NOT_READ = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MCIDAS", "MPEG", "MSP", "PCD", "SPIDER", "WMF"}
# Recognised by their first bytes, whatever the file is called.
BY_CONTENT = ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "AVIF", "JPEG2000", "BMP", "PSD")


@cache
def _formats() -> dict[str, str]:
    """Suffix → format, of all that are read here."""
    from PIL import Image  # here: slow to import

    return {
        suffix: name
        for suffix, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in NOT_READ
    }


def is_picture(file: Path) -> bool:
    """Tell whether a file is a picture: by its suffix (it may still be damaged), or by its first bytes."""
    from PIL import Image

    if file.suffix.lower() in _formats():
        return True
    with _of_any_size():
        try:
            with Image.open(file, formats=[name for name in BY_CONTENT if name in Image.OPEN]):
                return True
        except Exception:  # a decoder meets whatever the bytes lead it to
            return False


def read_picture(file: Path, size: tuple[int, int], *, grey: bool) -> np.ndarray:
    """Read a picture, turned upright, scaled to fill the size and cropped around the centre.

    Parameters
    ----------
    file
        Any picture that Pillow reads; of several frames the first.
    size
        Height and width, in pixels.
    grey
        One channel instead of three.

    Returns
    -------
    np.ndarray
        Bytes `(h, w, c)`; c is 1 or 3, and one more for the opacity where some of it is transparent.

    Raises
    ------
    ValueError
        It is larger than 400 million pixels, its numbers have no known range, or nothing of it is visible.
    Exception
        Whatever a decoder meets in damaged bytes.
    """
    from PIL import Image, ImageOps

    height, width = size
    with _of_any_size(), Image.open(file, formats=sorted(set(_formats().values()))) as image:
        if image.width * image.height > LARGE_PIXELS:
            image.draft(image.mode, (width, height))  # a JPEG is decoded at an eighth of its size
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(
                f"{image.width} × {image.height} pixels would take gigabytes of memory; scale it down first"
            )
        upright = _in_8_bits(ImageOps.exif_transpose(image), image.format)
        kind = "L" if grey else "RGB"
        if not upright.has_transparency_data:
            return np.asarray(ImageOps.fit(upright.convert(kind), (width, height))).reshape(height, width, -1)
        see_through = upright.convert("RGBA")
        lowest, highest = see_through.getchannel("A").getextrema()
        if highest == 0:
            raise ValueError("it is transparent everywhere: there is nothing to be seen")
        if lowest == 255:
            return np.asarray(ImageOps.fit(see_through.convert(kind), (width, height))).reshape(height, width, -1)
        return np.asarray(ImageOps.fit(see_through.convert("LA") if grey else see_through, (width, height)))


def _in_8_bits(image: Image.Image, format_: str | None) -> Image.Image:
    """A picture of 16 bits a pixel with the upper eight of them; all others as they are."""
    from PIL import Image

    if not image.mode.startswith(("I", "F")):
        return image
    numbers = np.asarray(image)
    # Pillow gives 16 bits of some formats in 32; the numbers of other formats can mean anything.
    has_range = image.mode != "F" and (image.mode != "I" or format_ in ("PNG", "PPM", "JPEG2000"))
    if not has_range or numbers.max() > 65_535:
        raise ValueError(f"more than 16 bits per pixel (mode {image.mode}), of unknown range; convert it first")
    grey = Image.fromarray((numbers.astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if "transparency" not in image.info:
        return grey
    opaque = Image.fromarray(np.where(numbers == image.info["transparency"], 0, 255).astype(np.uint8))
    return Image.merge("LA", [grey, opaque])


@contextmanager
def _of_any_size() -> Iterator[None]:
    """Let Pillow open pictures that it takes for attacks by their size; `read_picture` has a bound of its own."""
    from PIL import Image

    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def laid_on(pixels: np.ndarray, ground: float) -> np.ndarray:
    """Lay bytes with opacity `(h, w, c + 1)` on a grey value in [0, 1]; returns bytes `(h, w, c)`."""
    opacity = pixels[..., -1:] / 255
    return (pixels[..., :-1] * opacity + 255 * ground * (1 - opacity)).round().astype(np.uint8)


def visible_brightness(pixels: np.ndarray) -> float:
    """Return the mean of what is visible in bytes with opacity, in [0, 1]."""
    opacity = pixels[..., -1].astype(np.float64)
    return float((pixels[..., :-1].mean(axis=-1) * opacity).sum() / max(opacity.sum(), 1) / 255)


def vanishes(pixels: np.ndarray, ground: float) -> bool:
    """Tell whether nothing can be seen of bytes with opacity on this ground: all of it is within 3 % of it."""
    return bool(np.abs(laid_on(pixels, ground) - 255.0 * ground).max() < 8)
