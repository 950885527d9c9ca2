"""Random samples by class: a share for testing or validation, and label budgets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from course_utils.data.common import DataError

Random = np.random.Generator | np.random.RandomState


def check_share(test_share: float) -> None:
    """Raise DataError unless the share for testing is between 0 and 1, both excluded."""
    if not 0 < test_share < 1:
        raise DataError(f"test_share is {test_share}; it must be between 0 and 1.")


def draw_share(n: int, share: float, rng: Random) -> tuple[np.ndarray, np.ndarray]:
    """Shuffle n indices and divide them: a share (never all of them, and at least one of two or more), and the rest."""
    shuffled = rng.permutation(n)
    n_drawn = min(max(1, round(share * n)), n - 1)
    return shuffled[:n_drawn], shuffled[n_drawn:]


def draw_by_class(labels: Sequence[str] | np.ndarray, share: float, rng: Random) -> np.ndarray:
    """Draw a share of each class, as `draw_share` does.

    Parameters
    ----------
    labels
        The class of each sample, `(n,)`: names or numbers.
    share
        Between 0 and 1.
    rng
        The random numbers.

    Returns
    -------
    ndarray
        `(n,)` bool: whether a sample was drawn.
    """
    labels = np.asarray(labels)
    drawn = np.zeros(len(labels), dtype=bool)
    for one in np.unique(labels):
        members = np.flatnonzero(labels == one)
        drawn[members[draw_share(len(members), share, rng)[0]]] = True
    return drawn


def labelled_subset(labels: Tensor, n: int, *, seed: int) -> Tensor:
    """Draw a label budget: n samples at random, from each class in proportion to its size and at least one.

    Parameters
    ----------
    labels
        `(n_all,)`, whole numbers.
    n
        The budget. For the same seed, a larger budget contains the smaller one.
    seed
        Of the draw, which does not depend on the caller's random state.

    Returns
    -------
    Tensor
        Indices `(n,)`, int64.

    Raises
    ------
    DataError
        The budget is larger than the data, or smaller than the number of classes.
    """
    n_classes = len(labels.unique())
    if not n_classes <= n <= len(labels):
        raise DataError(f"A budget of {n} labels cannot be drawn from {len(labels)} samples of {n_classes} classes; it "
                        f"must be from {n_classes} to {len(labels)}.")  # fmt: skip
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = [order[labels[order] == c] for c in labels.unique()]
    # Any first part of this order has each class in proportion: a sample's place within its class, as a share.
    share = torch.cat([(torch.arange(len(members)) + 0.5) / len(members) for members in by_class])
    first = torch.cat([torch.arange(len(members)) == 0 for members in by_class])  # no class goes without
    chosen = torch.where(first, -1.0, share).argsort(stable=True)[:n]
    return torch.cat(by_class)[chosen]
