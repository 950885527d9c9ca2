"""Precision of a ranking, and its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from course_utils.checks import whole_number


@dataclass(frozen=True, eq=False)
class Estimate:
    """A mean over queries, with its 95 % interval from low to high."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, eq=False)
class Precision(Estimate):
    """Precision at k, the share of right answers among the first k, and its interval over the queries.

    Parameters
    ----------
    value, low, high
        The mean over the queries, and its 95 % interval.
    k
        How many results of each query count.
    of_each_query
        `(n_queries,)` in [0, 1], which `paired_difference` compares query by query.
    """

    k: int
    of_each_query: np.ndarray


def precision_at_k(
    found_labels: Tensor, query_labels: Tensor, *, k: int, scores: Tensor | None = None, seed: int = 0
) -> Precision:  # fmt: skip
    """Compute the share of the first k results that have the query's label, mean over queries.

    Parameters
    ----------
    found_labels, query_labels, k, scores
        As for `hits_at_k`.
    seed
        Of the bootstrap.

    Returns
    -------
    Precision
        Its 95 % interval is a bootstrap over the queries: what other queries would have given.

    Raises
    ------
    ValueError
        As `hits_at_k`.
    """
    return precision_of(hits_at_k(found_labels, query_labels, k=k, scores=scores), k=k, seed=seed)


def precision_of(hits: Tensor, *, k: int, seed: int = 0) -> Precision:
    """Compute the precision at k from the right answers among the first k of each query, `(n_queries,)`."""
    counts = hits.cpu().double().numpy()
    mean = _bootstrap(counts, k, seed)
    return Precision(mean.value, mean.low, mean.high, k, counts / k)


def hits_at_k(found_labels: Tensor, query_labels: Tensor, *, k: int, scores: Tensor | None = None) -> Tensor:
    """Count the right answers among the first k results of each query.

    Parameters
    ----------
    found_labels
        `(n_queries, n_results)`, labels of the results, the nearest first, the query itself not among them; at least k.
    query_labels
        `(n_queries,)`.
    k
        How many results count.
    scores
        `(n_queries, n_results)`, of the results. Where others are as near as the k-th, which of them stands first is
        chance: each of them counts in part, so that the result does not depend on the order of the collection. All that
        are as near must be among the results (`retrieval.search_precision` sees to that). None: the order is taken as
        it is.

    Returns
    -------
    Tensor
        `(n_queries,)` float64, from 0 to k.

    Raises
    ------
    ValueError
        Fewer than k results, no query, shapes that do not fit.
    """
    if found_labels.ndim != 2 or query_labels.shape != found_labels.shape[:1]:
        raise ValueError(f"found_labels is {tuple(found_labels.shape)} for {tuple(query_labels.shape)} query_labels; "
                         f"they must be (n_queries, n_results) and (n_queries,).")  # fmt: skip
    if scores is not None and scores.shape != found_labels.shape:
        raise ValueError(f"scores is {tuple(scores.shape)}; each of the {tuple(found_labels.shape)} results has one.")
    if not len(query_labels):
        raise ValueError("There is no query to take the precision of.")
    if not 1 <= whole_number("k", k) <= found_labels.shape[1]:
        raise ValueError(f"k is {k}, with {found_labels.shape[1]} results a query; it must be from 1 to that.")
    is_right = (found_labels == query_labels[:, None]).cpu().double()
    if scores is None:
        return is_right[:, :k].sum(dim=1)
    scores = scores.cpu()
    ties = scores == scores[:, k - 1 : k]
    before = (ties.cumsum(dim=1) == 0).double()  # what is nearer than all of them stands before the first
    n_left = k - before.sum(dim=1)
    return (is_right * before).sum(dim=1) + n_left * (is_right * ties).sum(dim=1) / ties.sum(dim=1)


def paired_difference(a: Precision, b: Precision, *, seed: int = 0) -> Estimate:
    """Compute a − b on the same queries, with its 95 % bootstrap interval: above 0 throughout, a is better.

    Paired: how hard a query is cancels out, so the interval is much narrower than those of a and b suggest.
    """
    if a.of_each_query.shape != b.of_each_query.shape or a.k != b.k:
        raise ValueError(f"Only precisions on the same queries and at the same k can be paired; these are on "
                         f"{len(a.of_each_query)} and {len(b.of_each_query)} queries, at {a.k} and {b.k}.")  # fmt: skip
    return _bootstrap(np.round(a.k * (a.of_each_query - b.of_each_query), 9), a.k, seed)


def _bootstrap(counts: np.ndarray, k: int, seed: int) -> Estimate:
    """Mean of counts / k, with its interval. The mean is rounded once: the same in any order and on any machine."""
    from scipy.stats import bootstrap  # here: long to import

    mean = math.fsum(counts) / (len(counts) * k)
    if np.ptp(counts) == 0:  # also a single query: resampling gives the same again
        return Estimate(mean, mean, mean)
    interval = bootstrap(
        (counts,), np.mean, n_resamples=2_000, method="percentile", batch=200, rng=np.random.default_rng(seed)
    ).confidence_interval
    return Estimate(mean, float(interval.low) / k, float(interval.high) / k)
