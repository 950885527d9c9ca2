"""The nearest neighbours of a query in a collection: exact, unless faiss is asked for an approximate answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from course_utils.checks import whole_number
from course_utils.retrieval.nearest import EXTRA, Noise, Rescore, first_of, nearest, smallest_in_order

Metric = Literal["cosine", "inner product", "euclidean", "hamming"]
Backend = Literal["exact", "faiss"]
METRICS = ("cosine", "inner product", "euclidean", "hamming")
Vectors: TypeAlias = Tensor | np.ndarray | sp.csr_array | sp.csr_matrix

SCORES_AT_ONCE = 20_000_000  # a block of queries × collection: 80 MB
LARGEST = 1e15
FEW_FEATURES = 16  # so many differences are quickly taken one by one: no two large numbers are subtracted


class SearchError(ValueError):
    """A collection or a query that cannot be searched; the message names what was wrong and what to do."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What a search found.

    Parameters
    ----------
    indices
        `(n_queries, k)` int64, places in the collection, the nearest first; of equally near ones, whichever was added
        first. The first of a longer list are the shorter list.
    scores
        `(n_queries, k)` float32: similarities for cosine and inner product, distances for Euclidean, bits that differ
        for Hamming.
    """

    indices: Tensor
    scores: Tensor


class SearchIndex:
    """A collection of vectors, and for a query the k that are nearest to it.

    Parameters
    ----------
    metric
        "cosine" and "inner product" (dense or sparse vectors; larger is nearer), "euclidean", or "hamming" (for
        booleans, kept as packed bits).
    backend
        "exact"; or "faiss" (pip install faiss-cpu), which looks at a part of a large collection and may miss a
        neighbour (of bits: at all of it). For dense vectors.

    Raises
    ------
    SearchError
        An unknown metric or backend; faiss is not installed.
    """

    def __init__(self, metric: Metric = "cosine", *, backend: Backend = "exact") -> None:
        if metric not in METRICS:
            raise SearchError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
        if backend not in ("exact", "faiss"):
            raise SearchError(f"backend is {backend!r}; it must be exact or faiss.")
        if backend == "faiss" and find_spec("faiss") is None:
            raise SearchError("backend='faiss' needs the package faiss: pip install faiss-cpu; or use backend='exact'.")
        self.metric, self.backend = metric, backend
        self._parts: list[Any] = []
        self._stored: Any = None  # all parts as one, made at the first search after an add
        self._faiss: Any = None
        self.n_features = 0

    def __len__(self) -> int:
        return sum(part.shape[0] for part in self._parts)

    def __repr__(self) -> str:
        return f"SearchIndex of {len(self):,} vectors of {self.n_features} numbers, {self.metric}, {self.backend}"

    def add(self, vectors: Vectors) -> SearchIndex:
        """Put vectors behind those that are there.

        Parameters
        ----------
        vectors
            `(n, n_features)`: a tensor, an array or a sparse matrix; booleans for Hamming.

        Returns
        -------
        SearchIndex
            The index itself.

        Raises
        ------
        SearchError
            No vector, another number of features, NaN, anything but booleans for Hamming.
        """
        rows = self._checked(vectors, "The vectors to add")
        if not min(rows.shape):
            raise SearchError(f"There is nothing to add: the vectors have shape {tuple(rows.shape)}.")
        if self._parts and sp.issparse(rows) != sp.issparse(self._parts[0]):
            raise SearchError("A collection is sparse or dense: these vectors are the other kind.")
        if self.backend == "faiss" and sp.issparse(rows):
            raise SearchError("faiss searches dense vectors; use backend='exact' for sparse ones.")
        if not self._parts:
            self.n_features = rows.shape[1]
        if self.metric == "hamming":
            rows = _as_words(rows)
        elif isinstance(vectors, Tensor):
            rows = rows.clone()  # what happens to the caller's tensor later does not concern the index
        self._parts.append(self._scaled(rows))
        self._stored = self._faiss = None
        return self

    def search(self, queries: Vectors, k: int = 10, *, exclude: Tensor | np.ndarray | None = None) -> Neighbours:
        """Find the k nearest of the collection for each query.

        Parameters
        ----------
        queries
            `(n_queries, n_features)`, of the collection's kind.
        k
            How many, from 1 to the size of the collection.
        exclude
            `(n_queries,)`, for each query a place that is never among its results: its own, where the queries are in
            the collection themselves.

        Raises
        ------
        SearchError
            An empty collection, k out of its range, queries of another kind.
        """
        if not self._parts:
            raise SearchError("The index is empty: add(vectors) first.")
        rows = self._checked(queries, "The queries")
        if sp.issparse(rows) != sp.issparse(self._parts[0]):
            raise SearchError("A sparse collection takes sparse queries, a dense one dense queries.")
        if not rows.shape[0]:
            raise SearchError(f"There is no query: the queries have shape {tuple(rows.shape)}.")
        k = self._checked_k(k, len(self) - (exclude is not None))
        excluded = None if exclude is None else self._checked_places(exclude, rows.shape[0])
        if self._stored is None:
            self._stored = self._joined()
        if self.metric == "hamming":
            rows = _as_words(rows)
        else:
            rows, mean = self._scaled(rows), self._stored[1]
            rows = rows if mean is None else rows - mean
        if self.backend == "faiss":
            return self._search_faiss(rows, k, excluded)
        return (self._search_bits if self.metric == "hamming" else self._search_scores)(rows, k, excluded)

    # --------------------------------------------------------------------------------------------- exact, in blocks

    def _search_scores(self, queries: Any, k: int, excluded: Tensor | None) -> Neighbours:
        """Scores of a block of queries by one matrix product; the best of them are computed again, exactly."""
        stored, n_queries = self._stored[0], queries.shape[0]
        # Allocated before the loop: small results between large temporaries would keep their memory from being reused.
        result = Neighbours(
            torch.empty(n_queries, k, dtype=torch.int64), torch.empty(n_queries, k, dtype=torch.float32)
        )
        n_rows = min(max(1, SCORES_AT_ONCE // len(self)), n_queries)
        is_needed = not (sp.issparse(stored) or self._one_by_one)
        buffer = torch.empty(n_rows, len(self), dtype=torch.float32) if is_needed else None
        for start in range(0, n_queries, n_rows):
            rows = slice(start, min(start + n_rows, n_queries))
            scores = self._scores(queries[rows], buffer)
            if excluded is not None:
                scores[torch.arange(len(scores)), excluded[rows]] = -torch.inf
            noise, rescore = self._noise_and_exact_scores(queries[rows], scores)
            exact, result.indices[rows] = nearest(scores, k, noise, rescore, self.n_features)
            result.scores[rows] = self._as_result(exact, queries[rows])
        return result

    @property
    def _one_by_one(self) -> bool:
        return self.metric == "euclidean" and self.n_features <= FEW_FEATURES and not sp.issparse(self._parts[0])

    def _scores(self, queries: Any, buffer: Tensor | None) -> Tensor:
        """Of every query with every vector, larger is nearer: q·v; for Euclidean 2 q·v − |v|², or −|q − v| one by one.

        The buffer is used again for every block: fresh memory costs as much as the product.
        """
        stored, _, squares = self._stored
        if sp.issparse(stored):
            scores = torch.from_numpy((queries @ stored.T).toarray())
            return scores if squares is None else scores.mul_(2).sub_(squares)
        if buffer is None:
            return torch.cdist(queries, stored, compute_mode="donot_use_mm_for_euclid_dist").neg_()
        out = buffer[: len(queries)]
        if squares is None:
            return torch.mm(queries, stored.T, out=out)
        return torch.addmm(squares, queries, stored.T, beta=-1, alpha=2, out=out)

    def _noise_and_exact_scores(self, queries: Any, scores: Tensor) -> tuple[Noise, Rescore]:
        """What `nearest` asks for: how far scores are from exact ones, and exact ones."""
        stored = self._stored[0]
        if sp.issparse(stored):  # added up in the order of the query's words, whatever stands beside them
            return torch.zeros_like, lambda rows, places: scores[rows[:, None], places].double()
        # Rounding of a sum of d products of floats wanders by √d · 2⁻²⁴ of the lengths; four times that is not reached.
        rounding = 4 * math.sqrt(self.n_features + 1) * 2**-24
        if self._one_by_one:
            return lambda kth: rounding * kth.abs(), partial(_exact_scores, queries, stored, self.metric)
        lengths, longest = queries.norm(dim=1), self._stored[0].norm(dim=1).max()
        size = (lengths.square() + longest.square()) * 2 if self.metric == "euclidean" else lengths * longest
        return lambda _kth: rounding * size, partial(_exact_scores, queries, stored, self.metric)

    def _as_result(self, exact: Tensor, queries: Any) -> Tensor:
        """Scores as they are returned: for Euclidean, distances."""
        if self.metric != "euclidean":
            return exact.float()
        if sp.issparse(queries):
            return (_squares(queries)[:, None] - exact).clamp(min=0).sqrt().float()
        return -exact.float()

    def _search_bits(self, queries: np.ndarray, k: int, excluded: Tensor | None) -> Neighbours:
        """Bits that differ: exclusive-or, then count."""
        indices = np.empty((len(queries), k), dtype=np.int64)
        scores = np.empty((len(queries), k), dtype=np.float32)
        for i, query in enumerate(queries):
            distance = np.zeros(len(self), dtype=np.min_scalar_type(self.n_features + 1))
            for column, word in zip(self._stored.T, query, strict=True):
                distance += np.bitwise_count(column ^ word)
            if excluded is not None:
                distance[excluded[i]] = np.iinfo(distance.dtype).max
            indices[i] = smallest_in_order(distance, k)
            scores[i] = distance[indices[i]]
        return Neighbours(torch.from_numpy(indices), torch.from_numpy(scores))

    # ------------------------------------------------------------------------------------------- faiss, for millions

    def _search_faiss(self, queries: Any, k: int, excluded: Tensor | None) -> Neighbours:
        """What faiss finds, in the order of exact scores; more is asked for while others might be equal to the last."""
        if self._faiss is None:
            self._faiss = self._build_faiss()
        rows = queries.view(np.uint8) if self.metric == "hamming" else queries.numpy()
        n_asked = min(k + EXTRA, len(self))
        while True:
            places = torch.from_numpy(self._faiss.search(np.ascontiguousarray(rows), n_asked)[1])
            exact = self._exact_scores(queries, places.clamp(min=0))
            missing = places < 0
            if excluded is not None:
                missing |= places == excluded[:, None]
            possible = torch.zeros(missing.shape).masked_fill(missing, -torch.inf)
            best, indices = first_of(exact, places, possible, min(k, n_asked))
            is_open = ((exact[:, -1] >= best[:, -1]) & ~missing[:, -1]).any()
            if n_asked == len(self) or not is_open:
                break
            n_asked = min(4 * n_asked, len(self))
        if (best == -torch.inf).any():
            raise SearchError(f"faiss found fewer than k = {k} neighbours in the part that it looks at; use a "
                              f"smaller k, or backend='exact'.")  # fmt: skip
        return Neighbours(indices, best.float() if self.metric in ("cosine", "inner product") else -best.float())

    def _exact_scores(self, queries: Any, places: Tensor) -> Tensor:
        if self.metric == "hamming":
            differing = np.bitwise_count(self._stored[places.numpy()] ^ queries[:, None]).sum(axis=2, dtype=np.int64)
            return -torch.from_numpy(differing).double()
        return _exact_scores(queries, self._stored[0], self.metric, torch.arange(len(queries)), places)

    def _build_faiss(self) -> Any:
        """Vectors: an inverted file over √n cells, of which the nearest are searched. Bits: all, as they are fast."""
        import faiss

        if self.metric == "hamming":
            of_bits = faiss.IndexBinaryFlat(64 * self._stored.shape[1])
            of_bits.add(np.ascontiguousarray(self._stored).view(np.uint8))
            return of_bits
        stored = self._stored[0].numpy()
        measure = faiss.METRIC_L2 if self.metric == "euclidean" else faiss.METRIC_INNER_PRODUCT
        quantizer = faiss.IndexFlat(stored.shape[1], measure)
        n_cells = min(int(len(stored) ** 0.5), len(stored) // 40)
        if n_cells < 2:
            quantizer.add(stored)
            return quantizer
        index = faiss.IndexIVFFlat(quantizer, stored.shape[1], n_cells, measure)
        index.nprobe = max(8, n_cells // 10)
        index.train(stored)
        index.add(stored)
        return index

    # ------------------------------------------------------------------------------------------------------- helpers

    def _checked(self, vectors: Vectors, name: str) -> Any:
        """Vectors as what this index computes with: a float32 tensor, a sparse array, or booleans as an array."""
        if not isinstance(vectors, (Tensor, np.ndarray)) and not sp.issparse(vectors):
            raise SearchError(f"{name} are {type(vectors).__name__}; a tensor, an array or a sparse matrix is needed.")
        if vectors.ndim != 2:
            raise SearchError(f"{name} have shape {tuple(vectors.shape)}; (n, n_features) is needed. Flatten images.")
        if self._parts and vectors.shape[1] != self.n_features:
            raise SearchError(f"{name} have {vectors.shape[1]} features; those in the index have {self.n_features}.")
        if self.metric == "hamming":
            bits = np.asarray(vectors.detach().cpu() if isinstance(vectors, Tensor) else vectors)
            if bits.dtype != np.bool_:
                raise SearchError(f"{name} are {bits.dtype}; Hamming compares booleans: threshold them, as in z > 0.5.")
            return bits
        rows = sp.csr_array(vectors, dtype=np.float32, copy=True) if sp.issparse(vectors) else _as_floats(vectors, name)
        numbers = torch.from_numpy(rows.data) if sp.issparse(rows) else rows
        if numbers.numel() and not numbers.abs().max() < LARGEST:  # also for NaN
            raise SearchError(f"{name} contain NaN, infinity, or numbers whose squares no float can hold.")
        return rows

    def _checked_k(self, k: int, n_others: int) -> int:
        k = whole_number("k", k, error=SearchError)
        if k > n_others:
            raise SearchError(f"k is {k}; there are only {n_others:,} vectors to find.")
        return k

    def _checked_places(self, exclude: Tensor | np.ndarray, n_queries: int) -> Tensor:
        places = torch.as_tensor(exclude).to(torch.int64)
        if places.shape != (n_queries,) or places.min() < 0 or places.max() >= len(self):
            raise SearchError(f"exclude must name a place in the collection, 0 to {len(self) - 1}, for each of the "
                              f"{n_queries} queries; its shape is {tuple(places.shape)}.")  # fmt: skip
        return places

    def _scaled(self, rows: Any) -> Any:
        """For cosine: length 1, so that the inner product is the cosine; a vector of zeros has 0 with all.

        In float64, so that vectors of one direction and different lengths become the same.
        """
        if self.metric != "cosine":
            return rows
        if sp.issparse(rows):
            length = np.sqrt(rows.astype(np.float64).multiply(rows).sum(axis=1))
            return sp.csr_array(sp.diags_array(1 / np.where(length > 0, length, 1)) @ rows).astype(np.float32)
        length = rows.double().norm(dim=1, keepdim=True)
        return (rows / torch.where(length > 0, length, 1)).float()

    def _joined(self) -> Any:
        """The collection as one: words of bits; or vectors, the mean that was subtracted, and squared lengths."""
        if self.metric == "hamming":
            return np.asfortranarray(np.concatenate(self._parts))
        joined = sp.vstack(self._parts).tocsr() if sp.issparse(self._parts[0]) else torch.cat(self._parts)
        self._parts = [joined]
        if self.metric != "euclidean":
            return joined, None, None
        # Distances do not change when all is moved, but far from the origin |v|² would drown them.
        mean = None if sp.issparse(joined) else joined.mean(dim=0)
        joined = joined if mean is None else joined - mean
        return joined, mean, _squares(joined)


def _exact_scores(queries: Tensor, stored: Tensor, metric: Metric, rows: Tensor, places: Tensor) -> Tensor:
    """Of queries `rows` with vectors `places` `(m, c)`, in float64, each by itself."""
    q, v = queries[rows].double()[:, None], stored[places].double()
    return -v.sub_(q).square_().sum(dim=2).sqrt() if metric == "euclidean" else (q * v).sum(dim=2)


def _as_floats(vectors: Tensor | np.ndarray, name: str) -> Tensor:
    if isinstance(vectors, np.ndarray):
        try:  # a copy: an array may be read-only, of negative strides, and may change later
            vectors = torch.from_numpy(np.array(vectors, dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise SearchError(f"{name} cannot be read as numbers ({error}).") from None
    return vectors.detach().to("cpu", torch.float32)


def _squares(rows: Any) -> Tensor:
    """Squared length of each row."""
    return torch.from_numpy(rows.multiply(rows).sum(axis=1)) if sp.issparse(rows) else rows.square().sum(dim=1)


def _as_words(bits: np.ndarray) -> np.ndarray:
    """Booleans → words of 64 bits, filled with zeros: eight times as few steps as with bytes."""
    packed = np.packbits(bits, axis=1)
    padded = np.pad(packed, [(0, 0), (0, -packed.shape[1] % 8)])
    return np.ascontiguousarray(padded).view(np.uint64)
