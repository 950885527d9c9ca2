"""Which of many scores are the largest, exactly and in a fixed order: by score, and among equal ones by place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

EXTRA = 16  # candidates beyond the k best: nearly always enough to see that no other comes near
NUMBERS_AT_ONCE = 300_000  # of the candidates' vectors: what a cache holds; 5 million take six times as long
BLOCK = 256  # scores whose maximum is looked at before the scores themselves

Noise = Callable[[Tensor], Tensor]
Rescore = Callable[[Tensor, Tensor], Tensor]


def nearest(
    scores: Tensor, k: int, noise: Noise, rescore: Rescore, n_numbers: int
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Find the k largest scores of each row by scores that are fast and inexact, and then by exact ones.

    What is found does not depend on k (the first of a longer list are the shorter list), nor on how rows are cut into
    blocks, since the exact score of a candidate is computed for it alone.

    Parameters
    ----------
    scores
        `(n_queries, n)`; −infinity for what may not be found.
    k
        At most the number of finite scores of a row.
    noise
        From the k-th largest score of each row, `(n_queries,)`, to a bound of how far its scores are from the exact
        ones, `(n_queries,)`.
    rescore
        From rows `(m,)` and places `(m, c)` to exact scores `(m, c)` float64.
    n_numbers
        Numbers that `rescore` reads for a score, which bounds how many are asked for at once.

    Returns
    -------
    tuple of Tensor
        The exact scores and the places, both `(n_queries, k)`.
    """
    n_queries, n = scores.shape
    best, places = top_k(scores, min(k + EXTRA, n))
    threshold = best[:, k - 1] - 2 * noise(best[:, k - 1])  # an exactly better one cannot have a smaller score
    all_seen = best[:, -1] < threshold if k + EXTRA < n else torch.ones(n_queries, dtype=torch.bool)
    found = torch.empty(n_queries, k, dtype=torch.float64), torch.empty(n_queries, k, dtype=torch.int64)
    rows = all_seen.nonzero()[:, 0]
    for some in rows.split(max(1, NUMBERS_AT_ONCE // (places.shape[1] * n_numbers))):
        found[0][some], found[1][some] = first_of(rescore(some, places[some]), places[some], best[some], k)
    for i in (~all_seen).nonzero()[:, 0].tolist():  # many are equal, or nearly
        candidates = (scores[i] >= threshold[i]).nonzero()[:, 0]
        parts = candidates.split(max(1, NUMBERS_AT_ONCE // n_numbers))
        exact = torch.cat([rescore(torch.tensor([i]), part[None]) for part in parts], dim=1)
        found[0][i], found[1][i] = first_of(exact, candidates[None], scores[i, candidates][None], k)
    return found


def first_of(exact: Tensor, places: Tensor, scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest exact scores of each row and their places, of equal ones the first; none of score −∞."""
    exact = exact.masked_fill(scores == -torch.inf, -torch.inf)
    places, order = places.sort(dim=1)
    exact, order = exact.gather(1, order).sort(dim=1, descending=True, stable=True)
    return exact[:, :k], places.gather(1, order[:, :k])


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest of each row, the largest first, and their places; of equal ones any.

    Only in the k blocks with the largest maxima can they be, and a maximum over a block is one pass through memory;
    `topk` over a million numbers takes ten times as long.
    """
    n = scores.shape[1]
    if n < 4 * k * BLOCK:
        return scores.topk(k)
    n_even = n - n % BLOCK
    blocks = scores[:, :n_even].unflatten(1, (-1, BLOCK))
    best = blocks.amax(dim=2).topk(k).indices
    candidates = torch.cat([blocks.gather(1, best[..., None].expand(-1, -1, BLOCK)).flatten(1), scores[:, n_even:]], 1)
    values, among_candidates = candidates.topk(k)
    place = torch.cat([(best[..., None] * BLOCK + torch.arange(BLOCK)).flatten(1),
                       torch.arange(n_even, n).expand(len(scores), -1)], dim=1)  # fmt: skip
    return values, place.gather(1, among_candidates)


def smallest_in_order(distance: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the k smallest of whole numbers `(n,)`, the smallest first, of equal ones the first."""
    candidates = np.flatnonzero(distance <= _kth_smallest_bound(distance, k))
    return candidates[np.argsort(distance[candidates], kind="stable")[:k]]


def _kth_smallest_bound(distance: np.ndarray, k: int) -> int:
    """At least k distances are as small as this, and few more: the k-th smallest of the minima of blocks."""
    n_even = len(distance) - len(distance) % BLOCK
    if n_even < k * BLOCK:
        return int(np.partition(distance, k - 1)[k - 1])
    minima = distance[:n_even].reshape(-1, BLOCK).min(axis=1)
    return int(np.partition(minima, k - 1)[k - 1])
