"""Search by codes, and how well it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.metrics import Precision, hits_at_k, precision_of
from course_utils.retrieval.index import Backend, Metric, Neighbours, SearchIndex, Vectors

SPARE = 16  # neighbours that are looked for beyond the k-th, as many are as near where codes have few values


class CodeSearch:
    """A collection, encoded and indexed once; a search encodes the queries in the same way.

    Parameters
    ----------
    encode
        From items (images, counts of words) to vectors, e.g. `lambda x: encode_all(model, x)`.
    collection
        The items to search.
    metric, backend
        As for `SearchIndex`.
    """

    def __init__(
        self, encode: Callable[[Any], Vectors], collection: Any, *, metric: Metric = "cosine",
        backend: Backend = "exact",
    ) -> None:  # fmt: skip
        self.encode = encode
        self.codes = encode(collection)
        self.index = SearchIndex(metric, backend=backend).add(self.codes)

    def search(self, queries: Any, k: int = 10, *, exclude: Tensor | np.ndarray | None = None) -> Neighbours:
        """Find the k items of the collection that are nearest to each query; as `SearchIndex.search`."""
        return self.index.search(self.encode(queries), k, exclude=exclude)


def search_precision(
    search: CodeSearch, queries: Any, *, labels: Tensor, query_labels: Tensor, k: int, seed: int = 0
) -> Precision:  # fmt: skip
    """Search, and compute the precision at k, whatever the order of equally near ones in the collection.

    Parameters
    ----------
    search
        The collection.
    queries
        Items as those of the collection, and not among them.
    labels, query_labels
        `(n,)` of the collection and `(n_queries,)` of the queries.
    k, seed
        As for `metrics.precision_at_k`.
    """
    return search_precisions(search, queries, labels=labels, query_labels=query_labels, ks=(k,), seed=seed)[k]


def search_precisions(
    search: CodeSearch, queries: Any, *, labels: Tensor, query_labels: Tensor, ks: Sequence[int], seed: int = 0
) -> dict[int, Precision]:  # fmt: skip
    """Compute the precision at several k, k → precision, from one search; the rest is as for `search_precision`."""
    largest = max(ks)
    hits = {k: torch.empty(len(query_labels), dtype=torch.float64) for k in ks}
    rows, n_found = torch.arange(len(query_labels)), largest + SPARE
    while len(rows):  # those of which some that are as near as the k-th may not have been found yet
        n_found = min(n_found, len(search.index))
        found = search.search(queries[rows.numpy()], n_found)
        has_all = (found.scores[:, -1] != found.scores[:, largest - 1]) | (n_found == len(search.index))
        those = rows[has_all]
        if len(those):
            found_labels, scores = labels[found.indices[has_all]], found.scores[has_all]
            for k, of_k in hits.items():
                of_k[those] = hits_at_k(found_labels, query_labels[those], k=k, scores=scores)
        rows, n_found = rows[~has_all], 2 * n_found
    return {k: precision_of(of_k, k=k, seed=seed) for k, of_k in hits.items()}
