from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from doubling import Doubling
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch import Tensor, nn

from course_utils.inference import encode_all
from course_utils.metrics import precision_at_k
from course_utils.retrieval import CodeSearch, Neighbours, SearchError, SearchIndex, index, nearest, search_precision

REAL = ("cosine", "inner product", "euclidean")
METRICS = (*REAL, "hamming")
every_metric = pytest.mark.parametrize("metric", METRICS)
every_real_metric = pytest.mark.parametrize("metric", REAL)
every_kind = pytest.mark.parametrize(
    ("metric", "kind"),
    [*((metric, np.array) for metric in METRICS), ("cosine", sp.csr_array), ("inner product", sp.csr_array)],
)
quickly = settings(deadline=None, derandomize=True, database=None, max_examples=60)


def scores_of(queries: np.ndarray, collection: np.ndarray, metric: str) -> np.ndarray:
    """Of every query with every vector, in float64, by the textbook."""
    if metric == "hamming":
        return (queries[:, None] != collection[None]).sum(axis=2).astype(np.float64)
    q, v = queries.astype(np.float64), collection.astype(np.float64)
    if metric == "euclidean":
        return np.sqrt(((q[:, None] - v[None]) ** 2).sum(axis=2))
    if metric == "cosine":
        q, v = (
            rows / np.where((length := np.linalg.norm(rows, axis=1, keepdims=True)) > 0, length, 1) for rows in (q, v)
        )
    return q @ v.T  # fmt: skip


def vectors(n: int, n_features: int, metric: str, *, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(n, n_features)).astype(np.float32)
    return values > 0 if metric == "hamming" else values


def assert_nearest(
    found: Neighbours, queries: np.ndarray, collection: np.ndarray, metric: str, k: int, own: np.ndarray | None = None
) -> None:
    """The k best scores in their order, at places that have these scores: of ties any may be found."""
    scores = scores_of(queries, collection, metric)
    nearness = scores.copy() if metric in ("cosine", "inner product") else -scores
    if own is not None:
        nearness[np.arange(len(queries)), own] = -np.inf
    best = np.sort(nearness, axis=1)[:, ::-1][:, :k]
    indices, found_scores = found.indices.numpy(), found.scores.numpy()
    assert (found.indices.dtype, found.scores.dtype) == (torch.int64, torch.float32)
    assert indices.shape == found_scores.shape == (len(queries), k)
    close = {"rtol": 1e-4, "atol": 1e-4 * max(1, np.abs(scores).max())}
    np.testing.assert_allclose(found_scores, np.abs(best) if metric in ("euclidean", "hamming") else best, **close)
    np.testing.assert_allclose(np.take_along_axis(nearness, indices, axis=1), best, **close)
    assert all(len(set(row)) == k for row in indices)


@pytest.mark.parametrize("n_features", [4, 40])
@pytest.mark.parametrize("metric", ["cosine", "inner product", "euclidean"])
def test_a_search_computes_in_float32_whatever_torchs_default_type_is(metric, n_features, float64_by_default):
    vectors = torch.rand(30, n_features)
    found = SearchIndex(metric).add(vectors).search(vectors[:3], 5)
    assert found.scores.dtype == torch.float32
    torch.set_default_dtype(torch.float32)
    again = SearchIndex(metric).add(vectors.float()).search(vectors[:3].float(), 5)
    assert torch.equal(found.indices, again.indices)


# ------------------------------------------------------------------------------------------------ equally near ones


@pytest.mark.parametrize("kind", [np.array, sp.csr_array])
@pytest.mark.parametrize(("n", "n_levels", "k"), [(60, 2, 5), (60, 3, 60), (9_000, 2, 4), (9_000, 4, 8)])
def test_of_equally_near_ones_those_that_were_added_first_are_found_in_their_order(kind, n, n_levels, k):
    """Small whole numbers, whose products are exact: half of all queries tie at the last place. Blocks, too."""
    rng = np.random.default_rng(n + k)
    collection, queries = (rng.integers(0, n_levels, size=(m, 6)).astype(np.float32) for m in (n, 40))
    nearness = queries @ collection.T
    wanted = np.argsort(-nearness, axis=1, kind="stable")[:, :k]
    assert (np.sort(nearness)[:, -k] == np.sort(nearness)[:, -k - 1 if k < n else -k]).mean() > 0.3
    index = SearchIndex("inner product").add(kind(collection))
    found = index.search(kind(queries), k)
    np.testing.assert_array_equal(found.indices, wanted)
    np.testing.assert_array_equal(index.search(kind(queries), max(1, k // 2)).indices, wanted[:, : max(1, k // 2)])


@every_kind
def test_copies_are_found_in_the_order_of_the_collection(metric, kind):
    copies = np.ones((100, 24), dtype=bool if metric == "hamming" else np.float32)
    found = SearchIndex(metric).add(kind(copies)).search(kind(copies[:3]), 5)
    assert found.indices.tolist() == [[0, 1, 2, 3, 4]] * 3


BACKENDS = [*((metric, kind, "exact") for metric in METRICS for kind in (np.array, sp.csr_array) if metric != "hamming"
              or kind is np.array), *((metric, np.array, "faiss") for metric in METRICS)]  # fmt: skip
every_search = pytest.mark.parametrize(("metric", "kind", "backend"), BACKENDS)


def index_of(metric: str, kind: Callable, backend: str, collection: np.ndarray) -> SearchIndex:
    if backend == "faiss":
        pytest.importorskip("faiss")
    return SearchIndex(metric, backend=backend).add(kind(collection))


@every_search
@pytest.mark.parametrize(("n", "n_features"), [(100, 24), (3_000, 7), (700, 300)])
def test_copies_of_any_vector_are_found_in_the_order_of_the_collection(metric, kind, backend, n, n_features):
    """The same products, rounded otherwise at other places of a matrix, must not look like a difference."""
    n = min(n, 300) if backend == "faiss" else n  # of more, it does not look at all
    one = np.repeat(vectors(1, n_features, metric), n, axis=0)
    queries = vectors(50, n_features, metric, seed=1)
    found = index_of(metric, kind, backend, one).search(kind(queries), 20)
    assert found.indices.tolist() == [list(range(20))] * 50
    assert (found.scores == found.scores[:, :1]).all()


@every_search
def test_a_few_vectors_many_times_each_are_found_in_the_order_of_the_collection(metric, kind, backend):
    few = vectors(40, 17, metric)
    n = 300 if backend == "faiss" else 900  # of more, it does not look at all
    collection, queries = few[np.random.default_rng(2).integers(40, size=n)], vectors(30, 17, metric, seed=1)
    found = index_of(metric, kind, backend, collection).search(kind(queries), 60)
    scores, indices = found.scores.numpy(), found.indices.numpy()
    for i in range(30):
        same = np.diff(scores[i]) == 0
        assert same.sum() > 30
        assert (np.diff(indices[i])[same] > 0).all()
    alike = scores_of(queries, few, metric)[:, [np.flatnonzero((few == row).all(axis=1))[0] for row in collection]]
    best = np.argsort(alike if metric in ("euclidean", "hamming") else -alike, axis=1, kind="stable")[:, :60]
    assert (indices == best).mean() > 0.99  # but for vectors that lie equally near


@every_search
def test_the_first_of_a_longer_list_are_the_shorter_list(metric, kind, backend):
    collection, queries = vectors(2_000, 40, metric), vectors(100, 40, metric, seed=1)
    index = index_of(metric, kind, backend, collection)
    longest = index.search(kind(queries), 1_000 if backend == "exact" else 100)
    for k in (1, 2, 10, 99):
        found = index.search(kind(queries), k)
        assert torch.equal(found.indices, longest.indices[:, :k])
        assert torch.equal(found.scores, longest.scores[:, :k])


@every_search
def test_one_query_finds_what_it_finds_among_others(metric, kind, backend):
    collection, queries = vectors(600, 33, metric), vectors(70, 33, metric, seed=1)
    index = index_of(metric, kind, backend, collection)
    together = index.search(kind(queries), 7)
    for i in (0, 33, 69):
        alone = index.search(kind(queries[i : i + 1]), 7)
        assert torch.equal(alone.indices[0], together.indices[i])
        assert torch.equal(alone.scores[0], together.scores[i])


@every_search
def test_in_another_order_of_the_collection_the_same_vectors_are_found(metric, kind, backend):
    if metric == "hamming":
        pytest.skip("bits tie, and ties go by place")
    collection, queries = vectors(600, 40, metric), vectors(50, 40, metric, seed=1)
    order = np.random.default_rng(3).permutation(600)
    found = index_of(metric, kind, "exact", collection).search(kind(queries), 10)
    again = index_of(metric, kind, "exact", collection[order]).search(kind(queries), 10)
    np.testing.assert_array_equal(order[again.indices.numpy()], found.indices)


@pytest.mark.parametrize("kind", [np.array, sp.csr_array])
def test_for_the_cosine_vectors_of_one_direction_are_equal_whatever_their_length(kind):
    one = np.random.default_rng(0).integers(-9, 9, size=(1, 50)).astype(np.float32)
    collection = one * np.arange(1, 201, dtype=np.float32)[:, None]
    found = SearchIndex("cosine").add(kind(collection)).search(kind(vectors(20, 50, "cosine", seed=1)), 200)
    assert found.indices.tolist() == [list(range(200))] * 20


# ------------------------------------------------------------------------------------------------------ exact search


@st.composite
def searches(draw: st.DrawFn) -> tuple[str, np.ndarray, np.ndarray, int]:
    """A metric, a collection and queries of small whole numbers or bits, so that there are ties, and k."""
    metric = draw(st.sampled_from(METRICS))
    n, n_queries, n_features = draw(st.integers(1, 30)), draw(st.integers(1, 6)), draw(st.integers(1, 20))
    elements = st.booleans() if metric == "hamming" else st.integers(-4, 4).map(float)
    kind = np.bool_ if metric == "hamming" else np.float32
    collection, queries = (draw(npst.arrays(kind, (rows, n_features), elements=elements)) for rows in (n, n_queries))
    return metric, collection, queries, draw(st.integers(1, n))


@quickly
@given(searches())
def test_the_nearest_are_those_of_the_textbook(search):
    metric, collection, queries, k = search
    assert_nearest(SearchIndex(metric).add(collection).search(queries, k), queries, collection, metric, k)


@quickly
@given(searches(), st.integers(1, 5), st.integers(1, 60))
def test_the_nearest_are_those_of_the_textbook_in_blocks_of_any_size(search, block, scores_at_once):
    metric, collection, queries, k = search
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "BLOCK", block)
        patch.setattr(index, "SCORES_AT_ONCE", scores_at_once)
        found = SearchIndex(metric).add(collection).search(queries, k)
    assert_nearest(found, queries, collection, metric, k)


@quickly
@given(
    npst.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 90)), elements=st.integers(-9, 9).map(float)),
    st.integers(1, 4), st.integers(1, 7),
)  # fmt: skip
def test_the_largest_of_a_row_are_found_in_blocks(scores, k, block):
    k = min(k, scores.shape[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "BLOCK", block)
        values, places = nearest.top_k(torch.from_numpy(scores), k)
    np.testing.assert_array_equal(values, np.sort(scores, axis=1)[:, ::-1][:, :k])
    np.testing.assert_array_equal(np.take_along_axis(scores, places.numpy(), axis=1), values)
    assert all(len(set(row)) == k for row in places.tolist())


@pytest.mark.parametrize("n", [96, 97, 103])
@pytest.mark.parametrize("place", ["first", "last", "anywhere"])
def test_the_block_path_is_taken_and_misses_neither_end(monkeypatch, n, place):
    monkeypatch.setattr(nearest, "BLOCK", 8)
    scores = torch.rand(5, n, generator=torch.Generator().manual_seed(0))
    best = {"first": [0, 1, 2], "last": [n - 1, n - 2, n - 3], "anywhere": [40, n - 1, 0]}[place]
    scores[:, best] = torch.tensor([5.0, 4.0, 3.0])
    widths, topk = [], Tensor.topk
    monkeypatch.setattr(Tensor, "topk", lambda self, k: widths.append(self.shape[1]) or topk(self, k))
    assert nearest.top_k(scores, 3)[1].tolist() == [best] * 5
    assert widths == [n // 8, 3 * 8 + n % 8]


@every_real_metric
def test_a_search_in_many_blocks_of_queries_is_a_search_at_once(monkeypatch, metric):
    collection, queries = vectors(50, 7, metric), vectors(23, 7, metric, seed=1)
    own = np.arange(23)
    at_once = SearchIndex(metric).add(collection).search(queries, 4, exclude=own)
    sizes, scores = [], SearchIndex._scores
    monkeypatch.setattr(SearchIndex, "_scores", lambda self, q, *rest: sizes.append(len(q)) or scores(self, q, *rest))
    for n_scores, expected in ((250, [5] * 4 + [3]), (1, [1] * 23)):
        monkeypatch.setattr(index, "SCORES_AT_ONCE", n_scores)
        in_blocks = SearchIndex(metric).add(collection).search(queries, 4, exclude=own)
        assert sizes == expected
        assert torch.equal(in_blocks.indices, at_once.indices)
        torch.testing.assert_close(in_blocks.scores, at_once.scores)
        sizes.clear()


@pytest.mark.parametrize("n_features", [1, 7, 8, 63, 64, 65, 254, 255, 300])
def test_hamming_counts_the_bits_that_differ_whatever_their_number(n_features):
    collection, queries = (vectors(40, n_features, "hamming", seed=seed) for seed in (0, 1))
    queries[0], collection[0] = True, False
    found = SearchIndex("hamming").add(collection).search(queries, 40)
    assert_nearest(found, queries, collection, "hamming", 40)
    assert found.scores[0].max() == n_features


def test_of_bits_at_the_same_distance_the_first_added_comes_first():
    collection = np.array([[1, 1], [0, 1], [1, 1], [0, 1], [1, 0]], dtype=bool)
    found = SearchIndex("hamming").add(collection).search(np.array([[True, True]]), 5)
    assert found.indices.tolist() == [[0, 2, 1, 3, 4]]


@pytest.mark.parametrize("n_features", [2, 16, 17, 100])
def test_points_that_are_close_together_and_far_from_the_origin_are_told_apart(n_features):
    rng = np.random.default_rng(0)
    points = (1_000 + rng.normal(size=n_features) + 0.01 * rng.normal(size=(60, n_features))).astype(np.float32)
    found = SearchIndex("euclidean").add(points).search(points, 5)
    scores = scores_of(points, points, "euclidean")
    nearest = np.sort(scores, axis=1)[:, :5]
    np.testing.assert_allclose(found.scores, nearest, rtol=1e-3)
    np.testing.assert_allclose(np.take_along_axis(scores, found.indices.numpy(), axis=1), nearest, rtol=1e-3)
    assert found.indices[:, 0].tolist() == list(range(60))


def test_a_vector_of_zeros_has_cosine_0_with_all():
    collection = np.array([[0, 0], [-1, 0], [2, 0]], dtype=np.float32)
    for kind in (np.array, sp.csr_array):
        found = SearchIndex("cosine").add(kind(collection)).search(kind(np.array([[3.0, 0]], dtype=np.float32)), 3)
        assert found.indices.tolist() == [[2, 0, 1]]
        assert found.scores.tolist() == [[1, 0, -1]]


@every_metric
def test_tensors_and_arrays_of_any_number_type_give_the_same(metric):
    collection, queries = vectors(30, 6, metric), vectors(4, 6, metric, seed=1)
    expected = SearchIndex(metric).add(collection).search(queries, 5)
    kinds = [torch.from_numpy] if metric == "hamming" else [torch.from_numpy, np.float64, np.asfortranarray]
    for kind in kinds:
        found = SearchIndex(metric).add(kind(collection)).search(kind(queries), 5)
        assert torch.equal(found.indices, expected.indices)
        torch.testing.assert_close(found.scores, expected.scores)


def test_codes_that_are_being_trained_can_be_searched():
    codes = nn.Linear(3, 20).weight
    assert not SearchIndex().add(codes).search(codes, 2).scores.requires_grad


@pytest.mark.parametrize("in_place", [False, True])
def test_a_collection_is_kept_as_it_was_added(in_place):
    collection = vectors(20, 3, "inner product")
    index = SearchIndex("inner product").add(collection if in_place else collection.copy())
    expected = scores_of(collection, collection, "inner product").max(axis=1)
    queries = collection.copy()
    collection[:] = 0
    np.testing.assert_allclose(index.search(queries, 1).scores[:, 0], expected, rtol=1e-5)


def test_an_array_that_cannot_be_written_is_searched_without_a_warning():
    collection = vectors(20, 3, "cosine")
    collection.flags.writeable = False
    SearchIndex().add(collection).search(collection, 1)


# ------------------------------------------------------------------------------------------------------------ sparse


@pytest.mark.parametrize("metric", ["cosine", "inner product"])
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_array])
@pytest.mark.parametrize("own", [None, np.arange(9)])
def test_sparse_vectors_have_the_neighbours_of_dense_ones(metric, kind, own):
    collection = vectors(60, 40, metric) * (vectors(60, 40, metric, seed=1) > 1)
    collection[3] = 0
    queries = collection[:9].copy()
    dense = SearchIndex(metric).add(collection).search(queries, 60 - (own is not None), exclude=own)
    sparse = SearchIndex(metric).add(kind(collection)).search(kind(queries), 60 - (own is not None), exclude=own)
    torch.testing.assert_close(sparse.scores, dense.scores)
    assert_nearest(sparse, queries, collection, metric, 60 - (own is not None), own)


@pytest.mark.parametrize("n_features", [8, 30])
def test_sparse_vectors_have_euclidean_distances(n_features):
    x = vectors(45, n_features, "euclidean") * (vectors(45, n_features, "euclidean", seed=1) > 0)
    collection, queries = x[:40], x[40:]
    found = SearchIndex("euclidean").add(sp.csr_array(collection)).search(sp.csr_array(queries), 6)
    assert_nearest(found, queries, collection, "euclidean", 6)


@pytest.mark.parametrize("first", [np.array, sp.csr_array])
def test_a_collection_is_sparse_or_dense(first):
    second = sp.csr_array if first is np.array else np.array
    index = SearchIndex().add(first(np.eye(3)))
    with pytest.raises(SearchError, match="sparse or dense: these vectors are the other kind"):
        index.add(second(np.eye(3)))


@every_real_metric
@pytest.mark.parametrize("first", [np.array, sp.csr_array])
@pytest.mark.parametrize("n_features", [5, 30])
def test_queries_of_the_other_kind_are_answered_or_refused(metric, first, n_features):
    second = sp.csr_array if first is np.array else np.array
    index = SearchIndex(metric).add(first(np.eye(4, n_features)))
    try:
        assert index.search(second(np.eye(4, n_features)), 1).indices[:, 0].tolist() == [0, 1, 2, 3]
    except SearchError as refusal:
        assert "sparse" in str(refusal)  # noqa: PT017 (either is right)


# --------------------------------------------------------------------------------------------------------------- own


@every_metric
def test_a_query_of_the_collection_is_not_its_own_neighbour(metric):
    collection = vectors(40, 12, metric)
    own = np.array([39, 0, 7, 7, 21])
    for places in (own, torch.from_numpy(own), own.tolist()):
        found = SearchIndex(metric).add(collection).search(collection[own], 39, exclude=places)
        assert not (found.indices == torch.from_numpy(own)[:, None]).any()
        assert_nearest(found, collection[own], collection, metric, 39, own)


@every_metric
def test_the_doubles_of_a_query_are_its_neighbours_and_it_is_not(metric):
    collection = np.repeat(vectors(5, 20, metric), 4, axis=0)
    own = np.arange(20)
    for k in (1, 3, 19):
        found = SearchIndex(metric).add(collection).search(collection, k, exclude=own).indices
        assert not (found == torch.arange(20)[:, None]).any()
        if metric != "inner product":
            assert (found[:, :3] // 4 == torch.arange(20)[:, None] // 4).all()


@every_metric
@pytest.mark.parametrize("own", [[0, 1], [0, 1, 20], [-1, 0, 1], [[0], [1], [2]]])
def test_places_that_are_none_are_refused(metric, own):
    collection = vectors(20, 4, metric)
    with pytest.raises(SearchError, match="exclude must name a place in the collection, 0 to 19, for each of the 3"):
        SearchIndex(metric).add(collection).search(collection[:3], 2, exclude=np.array(own))


# ------------------------------------------------------------------------------------------------------ adding, repr


@every_kind
def test_adding_in_parts_is_adding_at_once_also_after_a_search(metric, kind):
    collection, queries = vectors(31, 20, metric), kind(vectors(4, 20, metric, seed=1))
    at_once = SearchIndex(metric).add(kind(collection)).search(queries, 31)
    index = SearchIndex(metric).add(kind(collection[:1]))
    assert index.search(queries, 1).indices.tolist() == [[0]] * 4
    assert index.add(kind(collection[1:20])) is index
    index.search(queries, 5)
    in_parts = index.add(kind(collection[20:])).search(queries, 31)
    assert len(index) == 31
    torch.testing.assert_close(in_parts.scores, at_once.scores)
    assert torch.equal(in_parts.indices, at_once.indices)


def test_an_index_says_what_it_holds():
    assert repr(SearchIndex("euclidean")) == "SearchIndex of 0 vectors of 0 numbers, euclidean, exact"
    assert repr(SearchIndex().add(np.ones((1234, 5)))) == "SearchIndex of 1,234 vectors of 5 numbers, cosine, exact"
    bits = SearchIndex("hamming").add(np.ones((3, 5), dtype=bool))
    assert repr(bits) == "SearchIndex of 3 vectors of 5 numbers, hamming, exact"


# ------------------------------------------------------------------------------------------------------------- faiss


@pytest.fixture
def faiss() -> None:
    pytest.importorskip("faiss")


@pytest.fixture
def no_faiss(monkeypatch) -> None:
    monkeypatch.setattr(index, "find_spec", lambda name: None)


def clusters(n: int = 1_500) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (3 * rng.normal(size=(20, 12))[rng.integers(20, size=n)] + rng.normal(size=(n, 12))).astype(np.float32)


@pytest.mark.usefixtures("faiss")
@every_real_metric
@pytest.mark.parametrize("with_own", [False, True])
def test_faiss_finds_most_of_the_nearest_and_never_the_query_itself(metric, with_own):
    collection, k = clusters(), 10
    places = np.arange(0, 1_500, 10)
    queries, own = collection[places], places if with_own else None
    expected = SearchIndex(metric, backend="exact").add(collection).search(queries, k, exclude=own)
    index = SearchIndex(metric, backend="faiss").add(collection[:700]).add(collection[700:])
    assert index.backend == "faiss"
    found = index.search(queries, k, exclude=own)
    assert (found.indices.dtype, found.scores.dtype, found.indices.shape) == (torch.int64, torch.float32, (150, k))
    shared = [len(set(a) & set(b)) for a, b in zip(found.indices.tolist(), expected.indices.tolist(), strict=True)]
    assert np.mean(shared) >= 0.8 * k
    scores = np.take_along_axis(scores_of(queries, collection, metric), found.indices.numpy(), axis=1)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-3, atol=2e-3)
    is_own = (found.indices == torch.from_numpy(places)[:, None]).any(dim=1)
    if with_own:
        assert not is_own.any()
    elif metric != "inner product":
        assert is_own.all()


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("with_own", [False, True])
def test_faiss_compares_all_bits(with_own):
    collection = vectors(300, 50, "hamming")
    own = np.arange(40) if with_own else None
    found = SearchIndex("hamming", backend="faiss").add(collection).search(collection[:40], 20, exclude=own)
    assert_nearest(found, collection[:40], collection, "hamming", 20, own)


@pytest.mark.usefixtures("faiss")
@every_metric
def test_faiss_leaves_out_the_query_among_its_doubles(metric):
    collection = np.repeat(vectors(10, 12, metric), 40, axis=0)
    own = np.arange(400)
    found = SearchIndex(metric, backend="faiss").add(collection).search(collection, 5, exclude=own)
    assert not (found.indices == torch.arange(400)[:, None]).any()
    assert all(len(set(row)) == 5 for row in found.indices.tolist())


@pytest.mark.usefixtures("faiss")
def test_faiss_is_built_anew_after_an_add():
    collection = clusters(800)
    index = SearchIndex("euclidean", backend="faiss").add(collection[:400])
    assert index.search(collection[400:], 1).indices.max() < 400
    found = index.add(collection[400:]).search(collection[400:], 1)
    assert found.indices[:, 0].tolist() == list(range(400, 800))


@pytest.mark.usefixtures("faiss")
def test_faiss_that_looks_at_too_few_says_so(monkeypatch):
    collection = clusters()
    index = SearchIndex("euclidean", backend="faiss").add(collection)
    index.search(collection[:5], 10)
    index._faiss.nprobe = 1
    with pytest.raises(SearchError, match=r"fewer than k = 1499 .*smaller k, or backend='exact'"):
        index.search(collection[:5], 1499)


@pytest.mark.usefixtures("faiss")
def test_faiss_refuses_sparse_vectors():
    collection = sp.csr_array(clusters(400))
    with pytest.raises(SearchError, match="faiss searches dense vectors; use backend='exact'"):
        SearchIndex(backend="faiss").add(collection).search(collection, 1)


@pytest.mark.usefixtures("no_faiss")
def test_without_faiss_asking_for_it_names_the_package():
    SearchIndex().add(clusters(50)).search(clusters(50))
    with pytest.raises(SearchError, match="pip install faiss-cpu; or use backend='exact'"):
        SearchIndex(backend="faiss")


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"metric": "manhattan"}, "'manhattan'; it must be one of cosine, inner product, euclidean, hamming"),
        ({"backend": "annoy"}, "'annoy'; it must be exact or faiss"),
    ],
)
def test_an_unknown_metric_or_backend_is_answered_with_those_there_are(options, complaint):
    with pytest.raises(SearchError, match=complaint):
        SearchIndex(**options)


@every_metric
def test_an_empty_index_finds_nothing_and_says_what_to_do(metric):
    with pytest.raises(SearchError, match=r"The index is empty: add\(vectors\) first"):
        SearchIndex(metric).search(vectors(2, 3, metric))


@every_metric
def test_k_must_be_within_what_there_is_to_find(metric):
    collection = vectors(20, 4, metric)
    index = SearchIndex(metric).add(collection)
    for k in (0, -1, 21):
        with pytest.raises(SearchError, match=f"k is {k!r}"):
            index.search(collection, k)
    with pytest.raises(SearchError, match=r"k is 20; .* 19"):
        index.search(collection, 20, exclude=np.arange(20))


@every_metric
@pytest.mark.parametrize("own", [None, np.zeros(0, dtype=np.int64)])
def test_a_search_without_a_query_is_refused(metric, own):
    collection = vectors(20, 4, metric)
    with pytest.raises(SearchError, match=r"There is no query: the queries have shape \(0, 4\)"):
        SearchIndex(metric).add(collection).search(collection[:0], 3, exclude=own)


@every_real_metric
@pytest.mark.parametrize("kind", [np.array, torch.from_numpy, sp.csr_array])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_in_the_collection_and_in_a_query(metric, kind, value):
    good = vectors(5, 3, metric)
    bad = good.copy()
    bad[4, 2] = value
    with pytest.raises(SearchError, match="The vectors to add contain NaN, infinity"):
        SearchIndex(metric).add(kind(bad))
    with pytest.raises(SearchError, match="The queries contain NaN, infinity"):
        SearchIndex(metric).add(kind(good)).search(kind(bad), 1)


@every_metric
def test_vectors_of_another_size_or_shape_or_kind_are_refused(metric):
    index = SearchIndex(metric).add(vectors(5, 3, metric))
    for use, name in ((index.add, "The vectors to add"), (lambda v: index.search(v, 1), "The queries")):
        with pytest.raises(SearchError, match=f"{name} have 4 features; those in the index have 3"):
            use(vectors(5, 4, metric))
        with pytest.raises(SearchError, match=rf"{name} have shape \(3,\); \(n, n_features\) is needed"):
            use(vectors(5, 3, metric)[0])
        with pytest.raises(SearchError, match=rf"{name} have shape \(5, 1, 3\); .* Flatten images"):
            use(vectors(5, 3, metric)[:, None])
        with pytest.raises(SearchError, match=f"{name} are list; a tensor, an array or a sparse matrix is needed"):
            use(vectors(5, 3, metric).tolist())
    with pytest.raises(SearchError, match=r"nothing to add: the vectors have shape \(0, 3\)"):
        index.add(vectors(0, 3, metric))
    assert len(index) == 5


@pytest.mark.parametrize("kind", [np.float32, np.uint8, lambda bits: torch.from_numpy(bits).float()])
def test_hamming_takes_booleans_only(kind):
    bits = vectors(5, 3, "hamming")
    with pytest.raises(SearchError, match=r"The vectors to add are (float32|uint8); .* threshold them, as in z > 0.5"):
        SearchIndex("hamming").add(kind(bits))
    with pytest.raises(SearchError, match=r"The queries are (float32|uint8); Hamming compares booleans"):
        SearchIndex("hamming").add(bits).search(kind(bits), 1)


# ---------------------------------------------------------------------------------------------------- codes of a set


def test_a_search_by_code_encodes_the_collection_once_and_the_queries_in_the_same_way():
    model, collection, queries = Doubling(), torch.rand(30, 1, 2, 3), torch.rand(4, 1, 2, 3)
    search = CodeSearch(lambda x: encode_all(model, x), collection, metric="euclidean", backend="exact")
    torch.testing.assert_close(search.codes, 2 * collection.flatten(1))
    flat = (2 * x.flatten(1).numpy() for x in (queries, collection))
    assert_nearest(search.search(queries, 5), *flat, "euclidean", 5)
    found = search.search(collection[:4], 29, exclude=np.arange(4)).indices
    assert not (found == torch.arange(4)[:, None]).any()
    assert model.sizes == [30, 4, 4]


# --------------------------------------------------------------------------------------------------------- precision


def labelled_search(order: np.ndarray) -> tuple[CodeSearch, torch.Tensor]:
    """A collection of 0/1 vectors, full of ties, in some order; with labels."""
    rng = np.random.default_rng(0)
    collection, labels = rng.integers(0, 2, size=(300, 6)).astype(np.float32), rng.integers(0, 3, size=300)
    return CodeSearch(torch.from_numpy, collection[order], metric="inner product"), torch.from_numpy(labels[order])


@pytest.mark.parametrize("k", [1, 7, 150, 300])
def test_the_precision_does_not_depend_on_the_order_of_the_collection(k):
    queries = np.random.default_rng(1).integers(0, 2, size=(50, 6)).astype(np.float32)
    query_labels = torch.arange(50) % 3
    found, by_place = set(), set()
    for order in (np.arange(300), np.arange(300)[::-1].copy(), np.random.default_rng(2).permutation(300)):
        search, labels = labelled_search(order)
        precision = search_precision(search, queries, labels=labels, query_labels=query_labels, k=k)
        found.add((round(precision.value, 12), round(precision.low, 12), round(precision.high, 12)))
        by_place.add(precision_at_k(labels[search.search(queries, k).indices], query_labels, k=k).value)
    assert len(found) == 1
    assert k == 300 or len(by_place) > 1  # the control: taken by place, ties do matter here


def test_the_precision_is_the_mean_over_many_random_orders_of_ties():
    queries = np.random.default_rng(1).integers(0, 2, size=(50, 6)).astype(np.float32)
    query_labels = torch.arange(50) % 3
    search, labels = labelled_search(np.arange(300))
    exact = search_precision(search, queries, labels=labels, query_labels=query_labels, k=7).value
    values = []
    for seed in range(40):
        search, labels = labelled_search(np.random.default_rng(seed).permutation(300))
        values.append(precision_at_k(labels[search.search(queries, 7).indices], query_labels, k=7).value)
    assert exact == pytest.approx(np.mean(values), abs=3 * np.std(values) / 40**0.5)
