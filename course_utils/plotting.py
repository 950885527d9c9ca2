"""Figures. Every function that draws returns the Axes that it drew into; none calls `plt.show`."""

from __future__ import annotations

import math
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ft2font import FT2Font
from torch import Tensor

from course_utils.metrics import Precision

# Okabe & Ito's palette, whose colours can be told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
FONTS_OF_MANY_SCRIPTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Arial Unicode MS", "Noto Sans Devanagari", "Noto Sans Thai",
    "Noto Sans",
)  # fmt: skip
# A method has one colour in all figures of the course.
METHOD_COLOURS = {
    "deep": COLOURS[0], "PCA": COLOURS[1],
    "tf-idf": "0.45", "log counts": "0.7", "LSA-2": COLOURS[4], "LSA-10": COLOURS[1], "LSA-50": COLOURS[3],
    "code-2": COLOURS[5], "code-10": COLOURS[0],
    "pixels": "0.45",
}  # fmt: skip


def class_colours(n: int) -> list[tuple[float, float, float]]:
    """Return n colours for n classes: matplotlib's tab10, then their pale versions, repeated beyond 20 classes."""
    pairs = [(r, g, b) for r, g, b, _ in plt.get_cmap("tab20")(range(20)).tolist()]
    colours = pairs[::2] + pairs[1::2]
    return [colours[i % len(colours)] for i in range(n)]


def use_course_style() -> None:
    """Set matplotlib's defaults to the style of the course: figures are small in the file and large enough to read."""
    plt.rcParams.update(
        {
            "figure.figsize": (7, 3.2), "figure.dpi": 90, "savefig.dpi": 90, "figure.constrained_layout.use": True,
            "axes.prop_cycle": plt.cycler(color=COLOURS), "axes.spines.top": False, "axes.spines.right": False,
            "axes.grid": True, "grid.alpha": 0.25, "axes.titlesize": 11, "axes.titlelocation": "left",
            "axes.labelsize": 10, "legend.frameon": False, "legend.fontsize": 9,
            "image.cmap": "gray", "image.interpolation": "nearest", "image.origin": "upper", "image.aspect": "equal",
            "text.usetex": False, "font.family": ["sans-serif", *_fonts_beside_the_first()],
        }
    )  # fmt: skip


@cache
def _fonts_beside_the_first() -> tuple[str, ...]:
    """Fonts of this machine for characters that matplotlib's own lacks, as Chinese ones."""
    installed = set(font_manager.get_font_names())
    return tuple(font for font in FONTS_OF_MANY_SCRIPTS if font in installed)


def as_label(name: str) -> str:
    """Return a name of the user's so that matplotlib shows it as it is: with dollars, and in a legend with a leading _.

    Where no font of this machine has its characters, a warning says so once for each script.
    """
    missing = [c for c in name if not c.isascii() and not any(font.get_char_index(ord(c)) for font in _fonts())]
    if missing:
        _say_missing(unicodedata.name(missing[0], "?").split()[0])
    shown = name.replace("$", r"\$")
    return f"\u200a{shown}" if shown.startswith("_") else shown  # a hair space: legends leave out what begins with _


def _fonts() -> list[FT2Font]:
    """The fonts that matplotlib would draw a text with, as the settings are now."""
    names = font_manager.FontProperties(family=plt.rcParams["font.family"])
    return [font_manager.get_font(path) for path in font_manager.fontManager._find_fonts_by_props(names)]


@cache
def _say_missing(script: str) -> None:
    warnings.warn(f"No font of this machine has the {script} characters of a name, so boxes are drawn; install one, as "
                  f"Noto Sans CJK for Chinese and Japanese, and start the kernel again.", stacklevel=4)  # fmt: skip
    warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")  # said once, instead of for each character


def tile(images: Tensor, *, n_columns: int, pad: int = 1, pad_value: float = 1.0) -> np.ndarray:
    """Arrange images in one array, row by row: it is drawn a hundred times as fast as a grid of Axes.

    Parameters
    ----------
    images
        `(n, c, h, w)`, at least one, with 1 or 3 channels.
    n_columns
        Images in a row; places of the last row without an image have the pad value.
    pad
        Pixels between neighbouring images.
    pad_value
        The grey value between images.

    Returns
    -------
    np.ndarray
        float32, about `(rows·h, columns·w)` for 1 channel, `(rows·h, columns·w, 3)` for 3; the padding is added.

    Raises
    ------
    ValueError
        images are not `(n, c, h, w)`, or there are none.
    """
    if images.ndim != 4 or not len(images):
        raise ValueError(f"tile takes a non-empty (n, c, h, w) tensor, not {tuple(images.shape)}.")
    pixels = images.detach().cpu().numpy()
    n, c, h, w = pixels.shape
    n_rows = math.ceil(n / n_columns)
    grid = np.full((n_rows * (h + pad) - pad, n_columns * (w + pad) - pad, c), pad_value, dtype=np.float32)
    for i, image in enumerate(pixels):
        top, left = (i // n_columns) * (h + pad), (i % n_columns) * (w + pad)
        grid[top : top + h, left : left + w] = image.transpose(1, 2, 0)
    return grid[..., 0] if c == 1 else grid


def show_images(
    images: Tensor, *, n_columns: int = 10, ax: Axes | None = None, title: str = "",
    value_range: tuple[float, float] = (0, 1), cmap: str | None = None,
) -> Axes:  # fmt: skip
    """Show images as a grid.

    Parameters
    ----------
    images
        `(n, c, h, w)`, with 1 or 3 channels.
    n_columns
        Images in a row, at most.
    ax, title
        Axes to draw into (None makes a figure), and their title.
    value_range
        The values that are drawn as black and as white; others are clipped. Signed images (components, residuals) take
        a symmetric range, `(-v, v)`.
    cmap
        matplotlib's name of a colour map, as "RdBu_r" for signed images; None is grey.
    """
    n_columns = min(n_columns, len(images))
    low, high = value_range
    grid = tile(images, n_columns=n_columns, pad_value=(low + high) / 2 if low < 0 else high)
    if ax is None:
        _, ax = plt.subplots(figsize=(0.75 * n_columns, 0.75 * n_columns * grid.shape[0] / grid.shape[1] + 0.3))
    ax.imshow(grid.clip(low, high) if grid.ndim == 3 else grid, vmin=low, vmax=high, cmap=cmap)
    ax.set_title(title)
    ax.set_axis_off()
    return ax


def show_reconstructions(rows: Mapping[str, Tensor], *, ax: Axes | None = None, title: str = "") -> Axes:
    """Show sets of images below each other, each as a labelled row.

    Parameters
    ----------
    rows
        Label → images `(n, c, h, w)` in [0, 1], all of one shape: `{"original": x, "PCA-30": x_pca}`.
    ax, title
        Axes to draw into (None makes a figure), and their title.

    Raises
    ------
    ValueError
        The shapes differ, or there are no rows.
    """
    shapes = {tuple(images.shape) for images in rows.values()}
    if len(shapes) != 1:
        raise ValueError(f"All rows must hold images of one shape; there are {sorted(shapes)}.")
    n, _, h, _ = shapes.pop()
    if ax is None:
        _, ax = plt.subplots(figsize=(0.68 * n + 1.4, 0.68 * len(rows) + 0.35))
    stacked = np.concatenate([tile(images, n_columns=n) for images in rows.values()])
    ax.imshow(stacked.clip(0, 1), vmin=0, vmax=1, aspect="auto")
    for i in range(1, len(rows)):  # a white line between the rows
        ax.axhline(i * h - 0.5, color="white", linewidth=3)
    ax.set_yticks([(i + 0.5) * h - 0.5 for i in range(len(rows))], [as_label(label) for label in rows])
    ax.tick_params(length=0)
    ax.set_xticks([])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    return ax


def framed(images: Tensor, marked: Tensor, *, width: int = 2) -> Tensor:
    """Put a frame around images: vermillion where marked, else white.

    Parameters
    ----------
    images
        `(n, c, h, w)`, with 1 or 3 channels.
    marked
        `(n,)` booleans.
    width
        Of the frame, in pixels.

    Returns
    -------
    Tensor
        Colour images, `(n, 3, h + 2·width, w + 2·width)`.
    """
    n, _, h, w = images.shape
    result = torch.ones(n, 3, h + 2 * width, w + 2 * width)
    result[marked] = torch.tensor(to_rgb(COLOURS[1]))[:, None, None]
    result[:, :, width : width + h, width : width + w] = images.expand(-1, 3, -1, -1)
    return result


def show_neighbours(
    queries: Tensor, neighbours: Tensor, wrong: Tensor, *, labels: Sequence[str] = (), ax: Axes | None = None,
    title: str = "",
) -> Axes:  # fmt: skip
    """Show one row for each query: the query, a gap, and what was found, with a frame around what is wrong.

    Parameters
    ----------
    queries
        `(n, c, h, w)`.
    neighbours
        `(n, k, c, h, w)`, the nearest first.
    wrong
        `(n, k)` booleans.
    labels
        A word for each row, or none.
    ax, title
        Axes to draw into (None makes a figure), and their title.
    """
    n, k = wrong.shape
    asked = framed(queries, torch.zeros(n, dtype=torch.bool))
    found = framed(neighbours.flatten(0, 1), wrong.flatten()).unflatten(0, (n, k))
    gap = torch.ones_like(asked)[..., :8]
    rows = torch.cat([torch.cat([asked, gap], dim=3), found.permute(0, 2, 3, 1, 4).flatten(3)], dim=3)
    if ax is None:
        _, ax = plt.subplots(figsize=(0.68 * (k + 1.3), 0.68 * n + 0.35))
    show_images(rows, n_columns=1, ax=ax, title=title)
    for i, label in enumerate(labels):
        ax.text(-6, (i + 0.5) * (rows.shape[2] + 1), as_label(label), ha="right", va="center")
    return ax


def plot_history(
    histories: Mapping[str, Mapping[str, Sequence[float]]], *, unit: str = "SSE per image", ax: Axes | None = None,
    columns: Sequence[str] = ("train_loss", "validation_loss", "test_loss"),
) -> Axes:  # fmt: skip
    """Plot losses over epochs, with one colour for each run.

    Parameters
    ----------
    histories
        Name of the run → anything that gives a list for the name of a column, such as a `History`.
    unit
        Of the losses: the label of the vertical axis.
    ax
        Axes to draw into; None makes a figure.
    columns
        What is plotted where it was recorded: the first recorded column dotted, the second solid, the third dashed.
    """
    if ax is None:
        _, ax = plt.subplots()
    for i, (name, history) in enumerate(histories.items()):
        recorded = [column for column in columns if _has_column(history, column)]
        for column, style in zip(recorded, (":", "-", "--"), strict=False):
            losses, label = history[column], f"{name}, {column.removesuffix('_loss')}"
            ax.plot(range(1, len(losses) + 1), losses, style, color=COLOURS[i % len(COLOURS)], label=label)
    ax.set(xlabel="epoch", ylabel=unit)
    ax.legend()
    return ax


def _has_column(history: Mapping[str, Sequence[float]], column: str) -> bool:
    try:
        return len(history[column]) > 0
    except KeyError:
        return False


def plot_codes(
    z: Tensor, labels: Tensor, class_names: Sequence[str], *, ax: Axes | None = None, title: str = "",
    names: bool = True,
) -> Axes:  # fmt: skip
    """Plot codes of two numbers as points, with one colour for each class.

    Parameters
    ----------
    z
        Codes, `(n, 2)`.
    labels
        `(n,)`, the class of each code: its place in class_names.
    class_names
        A name for each class; a class without a code is left out.
    ax, title
        Axes to draw into (None makes a figure), and their title.
    names
        Write each class's name at the median of its points. False leaves the names to a legend (`ax.legend()`): many of
        them would hide the points.

    Raises
    ------
    ValueError
        The codes are not `(n, 2)`.
    """
    z = torch.as_tensor(z)
    if z.ndim != 2 or z.shape[1] != 2:
        raise ValueError(f"plot_codes draws codes of two numbers, (n, 2), not {tuple(z.shape)}.")
    if ax is None:
        _, ax = plt.subplots(figsize=(5, 4.2))
    colours = class_colours(len(class_names))
    for i, name in enumerate(class_names):
        points = z[labels == i].detach().cpu().numpy()
        if not len(points):
            continue
        colour = colours[i]
        ax.scatter(points[:, 0], points[:, 1], s=9, alpha=0.7, color=colour, linewidths=0, rasterized=True,
                   label=as_label(name))  # fmt: skip
        if not names:
            continue
        box = {"facecolor": "white", "edgecolor": colour, "boxstyle": "round,pad=0.15", "alpha": 0.85}
        x, y = np.median(points, axis=0)
        ax.text(x, y, as_label(name), fontweight="bold", ha="center", va="center", bbox=box)
    ax.set(xlabel="first number of the code", ylabel="second", title=title)
    return ax


def plot_precision(
    retrieved: Sequence[int], curves: Mapping[str, Sequence[Precision]], *, ax: Axes | None = None
) -> Axes:  # fmt: skip
    """Plot precision over the number retrieved, one curve for each method, with its 95 % interval as a band.

    Parameters
    ----------
    retrieved
        The numbers retrieved.
    curves
        Name of the method → its precision at each of these numbers. A method of `METHOD_COLOURS` has its colour; a code
        is drawn solid, LSA and PCA dashed, all others dotted.
    ax
        Axes to draw into; None makes a figure.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(7.5, 3.8))
    spare = iter([c for c in COLOURS if c not in {METHOD_COLOURS.get(name) for name in curves}] * len(curves))
    for name, row in curves.items():
        colour = METHOD_COLOURS.get(name) or next(spare)
        style = "-" if name.startswith("code") else "--" if name.startswith(("LSA", "PCA")) else ":"
        ax.plot(retrieved, [p.value for p in row], style, marker="o", markersize=4, color=colour, label=name)
        ax.fill_between(retrieved, [p.low for p in row], [p.high for p in row], color=colour, alpha=0.2, linewidth=0)
    ax.set_xscale("log")
    ax.set_xticks(retrieved, [str(k) for k in retrieved])
    ax.minorticks_off()
    ax.set(xlabel="number retrieved", ylabel="precision", ylim=(0, 1))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def plot_band(
    x: Sequence[float], mean: Sequence[float], half_width: Sequence[float], *, label: str, ax: Axes, marker: str = "o"
) -> Axes:  # fmt: skip
    """Plot a curve with its band mean ± half_width, as measured over several seeds.

    Parameters
    ----------
    x, mean, half_width
        One number for each point of the curve.
    label
        Of the curve in a legend.
    ax
        Axes to draw into.
    marker
        matplotlib's sign for the points.
    """
    middle, half = np.asarray(mean), np.asarray(half_width)
    (line,) = ax.plot(x, middle, marker=marker, label=label)
    ax.fill_between(x, middle - half, middle + half, color=line.get_color(), alpha=0.2, linewidth=0)
    return ax


def plot_shapes(shapes: Mapping[str, Sequence[int]], *, ax: Axes | None = None) -> Axes:
    """Draw a net as the shapes of what flows through it, from left to right: planes as staggered rectangles.

    Under each stand its name, its shape, and its element count.

    Parameters
    ----------
    shapes
        Name → `(c, h, w)` or `(n_codes,)`, in the order of the net, at least one of them `(c, h, w)`. The sides of
        planes are to scale, and at most ten channels are drawn; a code is a column.
    ax
        Axes to draw into; None makes a figure.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(max(6, 1.25 * len(shapes)), 2.6))
    largest = max(max(shape[-2:]) for shape in shapes.values() if len(shape) == 3)
    x = 0.0
    for name, shape in shapes.items():
        extent = _draw_shape(ax, x, shape, largest)
        count = f"{math.prod(shape):,} " if len(shape) == 3 else ""
        text = f"{name}\n{'×'.join(map(str, shape))}\n{count}numbers"
        ax.text(x + extent / 2, -0.68, text, ha="center", va="top", fontsize=8.5)
        x += max(extent, 0.78) + 0.42
    ax.set(xlim=(-0.3, x - 0.2), ylim=(-1.25, 1.0))
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def _draw_shape(ax: Axes, left: float, shape: Sequence[int], largest: int) -> float:
    """Draw planes, or the column of a code, from `left` on; return the width of the drawing."""
    n_drawn, step, width, height = 1, 0.0, 0.06, 0.9
    if len(shape) == 3:
        n_drawn, step, width, height = min(shape[0], 10), 0.045, shape[2] / largest, shape[1] / largest
    colour = COLOURS[1] if len(shape) == 1 else COLOURS[0]
    for i in range(n_drawn):
        corner = (left + i * step, (n_drawn - 1 - i) * step - height / 2)
        ax.add_patch(plt.Rectangle(corner, width, height, facecolor=to_rgb(colour), alpha=0.25, zorder=2))
        ax.add_patch(plt.Rectangle(corner, width, height, fill=False, edgecolor=colour, lw=0.7, zorder=2))
    return width + (n_drawn - 1) * step
