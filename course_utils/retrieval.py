"""Codes of a whole set, and the nearest neighbours among them: exact by default, faiss for millions where installed."""

from __future__ import annotations

import importlib.util
import json
import numbers
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from course_utils.models import encode_all

Metric = Literal["cosine", "inner product", "euclidean", "hamming"]
METRICS = ("cosine", "inner product", "euclidean", "hamming")
Vectors = Tensor | np.ndarray | sp.csr_array | sp.csr_matrix

SCORES_AT_ONCE = 20_000_000  # a block of queries × collection: 80 MB
LARGEST = 1e15
FEW_FEATURES = 16  # so many differences are quickly taken one by one: no two large numbers are subtracted
FOUND_AT_ONCE = 5_000_000  # numbers of the vectors that a block of queries finds
BLOCK = 256  # collection vectors whose best score is looked at before the scores themselves
FAISS_FROM = 200_000  # vectors: below, an exact search answers within milliseconds anyway


class SearchError(ValueError):
    """A collection or a query that cannot be searched; the message names what was wrong and what to do."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What a search found. indices: `(n_queries, k)` int64, places in the collection, the nearest first; of equally
    near ones, whichever was added first.

    scores: `(n_queries, k)` float32: similarities for cosine and inner product, distances for Euclidean, bits that
    differ for Hamming.
    """

    indices: Tensor
    scores: Tensor


def encode_dataset(model: nn.Module, data: Vectors, *, batch_size: int = 1_000) -> Tensor:
    """Codes `(n, n_codes)` of a whole set, on the CPU: any model with `encode`; in batches, so that memory is bounded.

    data: images or vectors as a tensor, an array, or a sparse matrix, of which one batch at a time is made dense.
    """
    n = data.shape[0]
    if not n:
        raise SearchError(f"There is nothing to encode: the data have shape {tuple(data.shape)}.")
    codes = []
    for start in range(0, n, batch_size):
        batch = data[start : start + batch_size]
        batch = batch.toarray() if sp.issparse(batch) else batch
        codes.append(encode_all(model, torch.as_tensor(batch)))
    return torch.cat(codes)


class SearchIndex:
    """A collection of vectors, and for a query the k that are nearest to it.

    metric: "cosine" and "inner product" (dense or sparse vectors; larger is nearer), "euclidean", or "hamming" (for
    booleans, kept as packed bits). backend: "exact"; "faiss", which looks at a part of the collection and may miss a
    neighbour (bits: all of it); "auto": faiss where it is installed and the collection has 200,000 vectors or more.
    """

    def __init__(self, metric: Metric = "cosine", *, backend: Literal["auto", "exact", "faiss"] = "auto") -> None:
        if metric not in METRICS:
            raise SearchError(f"metric is {metric!r}; it must be one of {', '.join(METRICS)}.")
        if backend not in ("auto", "exact", "faiss"):
            raise SearchError(f"backend is {backend!r}; it must be auto, exact or faiss.")
        if backend == "faiss" and not _has_faiss():
            raise SearchError("backend='faiss' needs the package faiss: pip install faiss-cpu; or use backend='exact'.")
        self.metric, self._backend = metric, backend
        self._parts: list[Any] = []
        self._stored: Any = None  # all parts as one, made at the first search after an add
        self._faiss: Any = None
        self.n_features = 0

    def __len__(self) -> int:
        return sum(part.shape[0] for part in self._parts)

    def __repr__(self) -> str:
        return f"SearchIndex of {len(self):,} vectors of {self.n_features} numbers, {self.metric}, {self.backend}"

    @property
    def backend(self) -> str:
        """What answers a search now: "exact" or "faiss"."""
        if self._backend != "auto":
            return self._backend
        sparse = any(sp.issparse(part) for part in self._parts)
        return "faiss" if len(self) >= FAISS_FROM and not sparse and _has_faiss() else "exact"

    def add(self, vectors: Vectors) -> SearchIndex:
        """Put vectors `(n, n_features)` behind those that are there; returns the index.

        Raises SearchError: none, another number of features, NaN, anything but booleans for Hamming.
        """
        rows = self._checked(vectors, "The vectors to add")
        if not min(rows.shape):
            raise SearchError(f"There is nothing to add: the vectors have shape {tuple(rows.shape)}.")
        if self._parts and sp.issparse(rows) != sp.issparse(self._parts[0]):
            raise SearchError("A collection is sparse or dense: these vectors are the other kind.")
        if self._backend == "faiss" and sp.issparse(rows):
            raise SearchError("faiss searches dense vectors; use backend='exact' for sparse ones.")
        if not self._parts:
            self.n_features = rows.shape[1]
        if self.metric == "hamming":
            rows = np.packbits(rows, axis=1)
        elif isinstance(vectors, Tensor):
            rows = rows.clone()  # what happens to the caller's tensor later is no concern of the index
        self._parts.append(self._scaled(rows))
        self._stored = self._faiss = None
        return self

    def search(self, queries: Vectors, k: int = 10, *, own: Tensor | np.ndarray | None = None) -> Neighbours:
        """The k nearest of the collection for each of `(n_queries, n_features)` queries.

        own: `(n_queries,)`, for queries that are in the collection themselves: the place of each, which is never among
        its results. Raises SearchError: an empty collection, k out of its range, queries of another kind.
        """
        if not self._parts:
            raise SearchError("The index is empty: add(vectors) first.")
        rows = self._checked(queries, "The queries")
        if sp.issparse(rows) != sp.issparse(self._parts[0]):
            raise SearchError("A sparse collection takes sparse queries, a dense one dense queries.")
        if not isinstance(k, numbers.Integral):
            raise SearchError(f"k is {k!r}; it must be a whole number.")
        if not rows.shape[0]:
            raise SearchError(f"There is no query: the queries have shape {tuple(rows.shape)}.")
        n_others = len(self) - (own is not None)
        if not 1 <= k <= n_others:
            raise SearchError(f"k is {k}; there are {n_others:,} vectors to find, so it must be from 1 to that.")
        own = None if own is None else np.asarray(own, dtype=np.int64)
        if own is not None and (own.shape != (rows.shape[0],) or own.min() < 0 or own.max() >= len(self)):
            raise SearchError(f"own must name a place in the collection, 0 to {len(self) - 1}, for each of the "
                              f"{rows.shape[0]} queries; its shape is {own.shape}.")  # fmt: skip
        if self.backend == "faiss":
            return self._search_faiss(rows, k, own)
        if self._stored is None:
            self._stored = self._joined()
        if self.metric == "hamming":
            return self._search_bits(rows, k, own)
        return self._search_dense(rows, k, own)

    # ------------------------------------------------------------------------------------------------ exact, in blocks

    def _search_dense(self, queries: Any, k: int, own: np.ndarray | None) -> Neighbours:
        stored, mean, _ = self._stored
        queries = self._scaled(queries)
        queries = queries if mean is None else queries - mean
        n_queries = queries.shape[0]
        # Allocated before the loop: small results between large temporaries would keep their memory from being reused.
        result = Neighbours(torch.empty(n_queries, k, dtype=torch.int64), torch.empty(n_queries, k))
        n_rows = max(1, min(SCORES_AT_ONCE // len(self), FOUND_AT_ONCE // (k * self.n_features)))
        one_by_one = self.metric == "euclidean" and self.n_features <= FEW_FEATURES
        buffer = None if sp.issparse(stored) or one_by_one else torch.empty(min(n_rows, n_queries), len(self))
        for start in range(0, n_queries, n_rows):
            rows = slice(start, min(start + n_rows, n_queries))
            scores = self._scores(queries[rows], buffer)
            own_rows = None if own is None else torch.from_numpy(own[rows])
            if own_rows is not None:
                scores[torch.arange(len(scores)), own_rows] = -torch.inf
            result.scores[rows], result.indices[rows] = self._as_results(queries[rows], *_top_k(scores, k), own_rows)
        return result

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

    def _as_results(self, queries: Any, scores: Tensor, indices: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor]:
        """Euclidean: distances of the found ones, computed anew: their scores lost digits to |v|²."""
        stored = self._stored[0]
        if self.metric != "euclidean":
            return scores, indices
        if sp.issparse(stored):
            return (_squares(queries)[:, None] - scores).clamp(min=0).sqrt(), indices
        indices = indices.sort(dim=1).values
        distances, order = (stored[indices] - queries[:, None]).norm(dim=2).sort(dim=1, stable=True)
        indices = indices.gather(1, order)
        # Where the digits that a score lost are more than a thousandth of the distance, it may have chosen wrongly.
        lost = (self._stored[2].max() + queries.square().sum(dim=1)) * 2**-20
        unsure = lost > 1e-3 * distances[:, -1].square()
        if self.n_features > FEW_FEATURES and unsure.any():
            exact = torch.cdist(queries[unsure], stored, compute_mode="donot_use_mm_for_euclid_dist")
            if own is not None:
                exact[torch.arange(len(exact)), own[unsure]] = torch.inf
            nearness, indices[unsure] = _top_k(exact.neg_(), indices.shape[1])
            distances[unsure] = -nearness
        return distances, indices

    def _search_bits(self, queries: np.ndarray, k: int, own: np.ndarray | None) -> Neighbours:
        """Bits that differ: exclusive-or, then count. Ties go to whoever was added first."""
        words = _as_words(np.packbits(queries, axis=1))
        indices = np.empty((len(words), k), dtype=np.int64)
        scores = np.empty((len(words), k), dtype=np.float32)
        for i, query in enumerate(words):
            distance = np.zeros(len(self), dtype=np.min_scalar_type(self.n_features + 1))
            for column, word in zip(self._stored.T, query, strict=True):
                distance += np.bitwise_count(column ^ word)
            if own is not None:
                distance[own[i]] = np.iinfo(distance.dtype).max
            candidates = np.flatnonzero(distance <= _kth_smallest_bound(distance, k))
            indices[i] = candidates[np.argsort(distance[candidates], kind="stable")[:k]]
            scores[i] = distance[indices[i]]
        return Neighbours(torch.from_numpy(indices), torch.from_numpy(scores))

    # ---------------------------------------------------------------------------------------------- faiss, for millions

    def _search_faiss(self, queries: Any, k: int, own: np.ndarray | None) -> Neighbours:
        import faiss

        if self._faiss is None:
            self._faiss = self._build_faiss(faiss)
        rows = np.packbits(queries, axis=1) if self.metric == "hamming" else self._scaled(queries).numpy()
        n_found = k if own is None else k + 1
        scores, indices = self._faiss.search(np.ascontiguousarray(rows), min(n_found, len(self)))
        if own is not None:
            keep = indices != own[:, None]
            keep[keep.all(axis=1), -1] = False  # the query was not found: drop the farthest instead
            indices, scores = indices[keep].reshape(-1, k), scores[keep].reshape(-1, k)
        if (indices < 0).any():
            raise SearchError(f"faiss found fewer than k = {k} neighbours in the part that it looks at; use a "
                              f"smaller k, or backend='exact'.")  # fmt: skip
        scores = np.sqrt(scores) if self.metric == "euclidean" else scores
        return Neighbours(torch.from_numpy(indices.astype(np.int64)), torch.from_numpy(scores.astype(np.float32)))

    def _build_faiss(self, faiss: Any) -> Any:
        """Vectors: an inverted file over √n cells, of which the nearest are searched. Bits: all, as they are fast."""
        if self.metric == "hamming":
            index = faiss.IndexBinaryFlat(8 * self._parts[0].shape[1])
            index.add(np.concatenate(self._parts))
            return index
        stored = torch.cat(self._parts).numpy()
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

    # -------------------------------------------------------------------------------------------------- save and load

    def save(self, path: str | Path) -> None:
        """Write the collection into one file, whole or not at all."""
        if not self._parts:
            raise SearchError("The index is empty: there is nothing to save.")
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"metric": self.metric, "backend": self._backend, "n_features": self.n_features}
        joined = sp.vstack(self._parts).tocsr() if sp.issparse(self._parts[0]) else None
        if joined is not None:
            arrays = {"data": joined.data, "indices": joined.indices, "indptr": joined.indptr}
            about["shape"] = list(joined.shape)
        else:
            arrays = {"vectors": np.concatenate([np.asarray(part) for part in self._parts])}
        unfinished = path.with_name(path.name + ".tmp")
        with unfinished.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)
        os.replace(unfinished, path)

    @classmethod
    def load(cls, path: str | Path) -> SearchIndex:
        """The index that `save` wrote. Raises SearchError: no such file, or not one of these."""
        try:
            # Opened here, as np.load leaves a damaged file open; never pickled objects, which could run anything.
            with Path(path).open("rb") as file, np.load(file) as stored:
                about = json.loads(str(stored["about"]))
                metric, backend, n_features = about["metric"], about["backend"], int(about["n_features"])
                if "vectors" in stored:
                    part = stored["vectors"]
                else:
                    part = sp.csr_array((stored["data"], stored["indices"], stored["indptr"]), shape=about["shape"])
                    part.check_format(full_check=True)  # scipy believes indices unseen, and would read wild memory
            n_columns = -(-n_features // 8) if metric == "hamming" else n_features
            dtype = np.uint8 if metric == "hamming" else np.float32
            if part.ndim != 2 or part.shape[1] != n_columns or not part.shape[0] or part.dtype != dtype:
                raise ValueError(f"{n_features} features were stored as {part.shape} of {part.dtype}")
        except FileNotFoundError:
            raise SearchError(f"There is no file {path}.") from None
        except Exception as error:  # damage shows in many ways
            raise SearchError(f"{path} is no search index, or damaged ({error}). Build it anew, and save it.") from None
        # Another machine may have no faiss: an exact search then gives the answer.
        index = cls(metric, backend=backend if backend != "faiss" or _has_faiss() else "exact")
        index.n_features = n_features
        index._parts = [torch.from_numpy(part) if metric != "hamming" and not sp.issparse(part) else part]
        return index

    # -------------------------------------------------------------------------------------------------------- helpers

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
        if sp.issparse(vectors):
            rows = sp.csr_array(vectors, dtype=np.float32, copy=True)
            finite = np.abs(rows.data).max(initial=0) < LARGEST
        else:
            if isinstance(vectors, np.ndarray):
                try:  # a copy: an array may be read-only, of negative strides, and may change later
                    vectors = torch.from_numpy(np.array(vectors, dtype=np.float32))
                except (TypeError, ValueError) as error:
                    raise SearchError(f"{name} cannot be read as numbers ({error}).") from None
            rows = vectors.detach().to("cpu", torch.float32)
            finite = not rows.numel() or rows.abs().max() < LARGEST  # false for NaN
        if not finite:
            raise SearchError(f"{name} contain NaN, infinity, or numbers whose squares no float can hold.")
        return rows

    def _scaled(self, rows: Any) -> Any:
        """For cosine: length 1, so that the inner product is the cosine; a vector of zeros has 0 with all."""
        if self.metric != "cosine":
            return rows
        if sp.issparse(rows):
            length = np.sqrt(_squares(rows).numpy())
            return sp.csr_array(sp.diags_array(1 / np.where(length > 0, length, 1)).astype(np.float32) @ rows)
        length = rows.norm(dim=1, keepdim=True)
        return rows / torch.where(length > 0, length, 1)

    def _joined(self) -> Any:
        if self.metric == "hamming":
            return np.asfortranarray(_as_words(np.concatenate(self._parts)))
        joined = sp.vstack(self._parts).tocsr() if sp.issparse(self._parts[0]) else torch.cat(self._parts)
        self._parts = [joined]
        if self.metric != "euclidean":
            return joined, None, None
        # Distances do not change when all is moved, but far from the origin |v|² would drown them.
        mean = None if sp.issparse(joined) else joined.mean(dim=0)
        joined = joined if mean is None else joined - mean
        return joined, mean, _squares(joined)


class CodeSearch:
    """A collection, encoded and indexed once; a search encodes the queries in the same way.

    encode: from items (images, counts of words) to vectors, e.g. `lambda x: encode_dataset(model, x)`.
    """

    def __init__(
        self, encode: Callable[[Any], Vectors], collection: Any, *, metric: Metric = "cosine",
        backend: Literal["auto", "exact", "faiss"] = "auto",
    ) -> None:  # fmt: skip
        self.encode = encode
        self.codes = encode(collection)
        self.index = SearchIndex(metric, backend=backend).add(self.codes)

    def search(self, queries: Any, k: int = 10, *, own: Tensor | np.ndarray | None = None) -> Neighbours:
        """The k items of the collection that are nearest to each query; as `SearchIndex.search`."""
        return self.index.search(self.encode(queries), k, own=own)


def _top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row and their places; of equal ones the first places, in their order.

    Only in the k blocks with the largest maxima can they be, and a maximum over a block is one pass through memory;
    `topk` over a million numbers takes ten times as long.
    """
    n = scores.shape[1]
    if n < 4 * k * BLOCK:
        return _ordered_top_k(scores, k)
    n_even = n - n % BLOCK
    blocks = scores[:, :n_even].unflatten(1, (-1, BLOCK))
    best = _ordered_top_k(blocks.amax(dim=2), k)[1].sort(dim=1).values  # (n_queries, k), in the order of the collection
    candidates = torch.cat([blocks.gather(1, best[..., None].expand(-1, -1, BLOCK)).flatten(1), scores[:, n_even:]], 1)
    values, among_candidates = _ordered_top_k(candidates, k)
    place = torch.cat([(best[..., None] * BLOCK + torch.arange(BLOCK)).flatten(1),
                       torch.arange(n_even, n).expand(len(scores), -1)], dim=1)  # fmt: skip
    return values, place.gather(1, among_candidates)


def _ordered_top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """`topk`, which takes any of equal scores, in the order of scores, then of places."""
    values, places = scores.topk(min(k + 1, scores.shape[1]))
    # Where the score after the last is equal to it, others may have as good a right to be found.
    for i in (values[:, k - 1] == values[:, k]).nonzero()[:, 0].tolist() if values.shape[1] > k else ():
        better = (scores[i] > values[i, k]).nonzero()[:, 0]
        equal = (scores[i] == values[i, k]).nonzero()[:, 0]
        places[i, :k] = torch.cat([better, equal])[:k]
    places = places[:, :k].sort(dim=1).values
    values, order = scores.gather(1, places).sort(dim=1, descending=True, stable=True)
    return values, places.gather(1, order)


def _kth_smallest_bound(distance: np.ndarray, k: int) -> int:
    """At least k distances are as small as this, and few more: the k-th smallest of the minima of blocks."""
    n_even = len(distance) - len(distance) % BLOCK
    if n_even < k * BLOCK:
        return int(np.partition(distance, k - 1)[k - 1])
    minima = distance[:n_even].reshape(-1, BLOCK).min(axis=1)
    return int(np.partition(minima, k - 1)[k - 1])


def _squares(rows: Any) -> Tensor:
    """Squared length of each row."""
    return torch.from_numpy(rows.multiply(rows).sum(axis=1)) if sp.issparse(rows) else rows.square().sum(dim=1)


def _as_words(packed: np.ndarray) -> np.ndarray:
    """Bytes → words of 64 bits, filled with zeros: eight times as few steps."""
    padded = np.pad(packed, [(0, 0), (0, -packed.shape[1] % 8)])
    return np.ascontiguousarray(padded).view(np.uint64)


def _has_faiss() -> bool:
    return importlib.util.find_spec("faiss") is not None
