"""The course's SearchIndex beside its peers, in one run: building, ms a query for k = 10, and recall@10.

    make bench      or      python benchmarks/search.py [--n 1000000] [--queries 100] [--repeats 3]

One million codes of 30 numbers, Euclidean and cosine, and one million codes of 64 bits, Hamming. All are made here,
offline and from seed 0, to lie as real codes do: a DeepAutoencoder 784-128-30 and a BinaryAutoencoder 784-128-64 are
trained on 4,000 digits, a mixture of Gaussians is fitted to their codes (for the bits, to what goes into the sigmoids),
and codes are drawn from it; bits are its draws thresholded at 0. The queries are other draws of the same mixture.

The contestants take turns in every round, so that a busy machine disturbs all alike; the median over the rounds is
printed. To build means: until the first answer is there, as some put work off until then. Recall is by distance, so
that ties count: a neighbour counts if it is no farther than the true tenth, computed in float64.
OMP_NUM_THREADS=2 limits all of them to two cores. A peer that is not installed is left out, with a line that says so.
The figures are written into benchmarks/results/search.json.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from report import save
from scipy.spatial.distance import cdist
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from course_utils.data import load_images
from course_utils.models import BinaryAutoencoder, DeepAutoencoder
from course_utils.retrieval import SearchIndex
from course_utils.training import Trainer

K = 10
N_EPOCHS = 20
SETTINGS = {  # the nets, and how many Gaussians: each needs more codes than these have numbers
    "numbers": (DeepAutoencoder, (784, 128, 30), 30),
    "bits": (BinaryAutoencoder, (784, 128, 64), 15),
}
ONE_AT_A_TIME = 20  # so many of the queries are asked singly, too
TREES = ("kd_tree", "ball_tree")

FIGURES = ("build, s", "ms a query in a batch", "ms a query singly", "recall at 10")

Search = Callable[[np.ndarray], np.ndarray]  # queries → indices (n_queries, K)


def draw_codes(kind: str, n: int) -> np.ndarray:
    """N codes that lie as those of digits do: float32 `(n, 30)`, or booleans `(n, 64)`."""
    net, sizes, n_gaussians = SETTINGS[kind]
    x = load_images("mnist-5k").train_images
    torch.manual_seed(0)
    model = net(sizes, mean=x.mean(dim=0))
    Trainer(model, device="cpu").fit(x, n_epochs=N_EPOCHS)
    with torch.no_grad():
        codes = model.encoder(x.flatten(1)).double().numpy()  # for the bits: before the sigmoid
    mixture = GaussianMixture(n_gaussians, reg_covar=1e-3, random_state=0).fit(codes)
    drawn = np.random.default_rng(0).permutation(mixture.sample(n)[0])  # it draws one Gaussian after the other
    return drawn > 0 if kind == "bits" else drawn.astype(np.float32)


def ours(backend: str, metric: str, collection: np.ndarray) -> Search:
    index = SearchIndex(metric, backend=backend).add(collection)
    return lambda queries: index.search(queries, K).indices.numpy()


def scikit_learn(algorithm: str, metric: str, collection: np.ndarray) -> Search:
    neighbours = NearestNeighbors(n_neighbors=K, algorithm=algorithm, metric=metric).fit(collection)

    def search(queries: np.ndarray) -> np.ndarray:
        neighbours.n_jobs = min(len(queries), torch.get_num_threads())  # a second job only delays a single query
        return neighbours.kneighbors(queries, return_distance=False)

    return search


def contestants(metric: str) -> dict[str, Callable[[np.ndarray], Search]]:
    found = {"SearchIndex, exact": partial(ours, "exact", metric)}
    if find_spec("faiss"):
        found["SearchIndex, faiss"] = partial(ours, "faiss", metric)
    for algorithm in ("brute", *(TREES if metric == "euclidean" else ())):
        found[f"scikit-learn, {algorithm}"] = partial(scikit_learn, algorithm, metric)
    return found


def tenth_distances(metric: str, collection: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The distance of every query's K-th neighbour: in float64, difference by difference, none left out."""
    if metric != "hamming":
        collection = collection.astype(np.float64)
    return np.array([np.partition(cdist(query[None], collection, metric)[0], K - 1)[K - 1] for query in queries])


def recall(metric: str, collection: np.ndarray, queries: np.ndarray, found: np.ndarray, tenth: np.ndarray) -> float:
    hits = 0
    for query, indices, limit in zip(queries, found, tenth, strict=True):
        hits += (cdist(query[None], collection[np.unique(indices)], metric) <= limit * (1 + 1e-9)).sum()
    return hits / found.size


def seconds(act: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = act()
    return time.perf_counter() - start, result


def measure(build: Callable[[np.ndarray], Search], collection: np.ndarray, queries: np.ndarray) -> tuple:
    """Seconds to build, ms a query in a batch, ms a query singly, and what the batch found."""

    def first_answer() -> Search:
        search = build(collection)
        search(queries[:1])
        return search

    to_build, search = seconds(first_answer)
    in_batch, found = seconds(lambda: search(queries))
    singly = [seconds(lambda q=q: search(q[None]))[0] for q in queries[:ONE_AT_A_TIME]]
    return to_build, 1e3 * in_batch / len(queries), 1e3 * statistics.median(singly), found


def compare(metric: str, collection: np.ndarray, queries: np.ndarray, repeats: int) -> dict[str, dict[str, float]]:
    """The contestants' medians over the rounds: name → figure → number."""
    builds = contestants(metric)
    tenth = tenth_distances(metric, collection, queries)
    rows: dict[str, list[tuple]] = {name: [] for name in builds}
    for _ in range(repeats):
        for name, build in builds.items():
            *figures, found = measure(build, collection, queries)
            rows[name].append((*figures, recall(metric, collection, queries, found, tenth)))
    return {
        name: dict(zip(FIGURES, (statistics.median(column) for column in zip(*figures, strict=True)), strict=True))
        for name, figures in rows.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"{options.n:,} codes, drawn from mixtures of Gaussians fitted to those of 4,000 digits; "
          f"{torch.get_num_threads()} threads; k = {K}\n"
          f"ms a query: in a batch of {options.queries}, and singly (median of {min(ONE_AT_A_TIME, options.queries)}); "
          f"medians of {options.repeats} rounds")  # fmt: skip
    results = {}
    for kind, metrics in (("numbers", ("euclidean", "cosine")), ("bits", ("hamming",))):
        drawn = draw_codes(kind, options.n + options.queries)
        for metric in metrics:
            what = f"{options.n:,} codes of {drawn.shape[1]} {kind}, {metric}"
            found = compare(metric, drawn[: options.n], drawn[options.n :], options.repeats)
            print(f"\n{what:42}" + "".join(f"{figure:>24}" for figure in FIGURES))
            for name, row in found.items():
                print(f"  {name:40}" + "".join(f"{value:>24.4f}" for value in row.values()), flush=True)
            results[what] = found
    if not find_spec("faiss"):
        print("\nfaiss is not installed (pip install -e '.[search]')")
    print(f"\n{save('search', results)}")


if __name__ == "__main__":
    main()
