"""Search by codes, and how well it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from course_utils.metrics import Precision, precision_at_k
from course_utils.retrieval.index import Backend, Metric, Neighbours, SearchIndex, Vectors


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
    n_found = k
    while True:  # until all that are as near as the k-th are found, too
        n_found = min(2 * n_found, len(search.index))
        found = search.search(queries, n_found)
        if n_found == len(search.index) or (found.scores[:, -1] != found.scores[:, k - 1]).all():
            return precision_at_k(labels[found.indices], query_labels, k=k, scores=found.scores, seed=seed)
