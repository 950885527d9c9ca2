"""What trained codes must find: bounds that an untrained net, or one trained on something else, misses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_utils.claims import images
from course_utils.data import ImageData, load_corpus, text_files
from course_utils.inference import reconstruct
from course_utils.metrics import Precision, paired_difference, precision_at_k, sse_per_image
from course_utils.retrieval import CodeSearch
from course_utils.text_search import Documents, best_lsa, by_code, by_lsa, by_words
from course_utils.training import Trainer

pytestmark = pytest.mark.long

# ------------------------------------------------------------------------------------------------------------- texts


@pytest.fixture(scope="module")
def docs() -> Documents:
    return Documents.of(load_corpus("python-docs"))


@pytest.fixture(scope="module")
def lsa2(docs) -> Precision:
    """LSA-2 at its best: either weighting, places or directions on the map."""
    by_metric = [docs.precision(by_lsa(docs, 2, w, metric=m), 100) for w in ("log counts", "tf-idf")
                 for m in ("euclidean", "cosine")]  # fmt: skip
    return max(by_metric, key=lambda precision: precision.value)


def check_code_of_two_is_far_better(code2: Precision, lsa2: Precision) -> None:
    assert code2.value >= lsa2.value + 0.10
    assert paired_difference(code2, lsa2).low > 0


def test_a_code_of_two_numbers_finds_far_more_than_lsa_2(docs, lsa2):
    check_code_of_two_is_far_better(docs.precision(by_code(docs, 2, seed=0, n_epochs=8), 100), lsa2)


def test_an_untrained_code_of_two_numbers_does_not(docs, lsa2):
    untrained = docs.precision(by_code(docs, 2, seed=0, n_epochs=0), 100)
    with pytest.raises(AssertionError):
        check_code_of_two_is_far_better(untrained, lsa2)


def test_lsa_2_is_given_its_best_weighting_and_metric(docs, lsa2):
    assert docs.precision(best_lsa(docs, 2, 100), 100).value <= lsa2.value
    assert lsa2.value > 0.3  # a map at random has 0.13


def test_no_method_finds_a_query_among_the_collection(docs):
    assert set(docs.corpus.test_titles).isdisjoint(docs.corpus.train_titles)
    assert docs.sentences.sum() < 0.3 * docs.queries.sum()


TOPICS = {"soup": "broth bean carrot salt boil onion stock", "cake": "flour sugar butter egg bake oven cream",
          "bread": "yeast dough knead crust rye loaf rise"}  # fmt: skip


def recipe(rng: np.random.Generator, topic: str) -> str:
    common = ["cook", "table", "time", "bowl", "spoon", "warm", "serve", "plate"]
    return " ".join([*rng.choice(TOPICS[topic].split(), 6), *rng.choice(common, 6)])


def test_a_file_that_the_project_has_never_seen_goes_the_whole_way(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{topic}\t{recipe(rng, topic)}" for topic in TOPICS for _ in range(60)]
    (tmp_path / "recipes.tsv").write_text("label\ttext\n" + "\n".join(lines), encoding="utf-8")
    docs = Documents.of(text_files(tmp_path / "recipes.tsv"))
    assert len(docs.bag.words) <= 30
    for search in (by_words(docs, "tf-idf"), by_lsa(docs, 2, "tf-idf"), by_code(docs, 2, seed=0, n_epochs=60)):
        assert docs.precision(search, 10).low > 0.6  # chance: a third


# ------------------------------------------------------------------------------------------------------------ images


@pytest.fixture(scope="module")
def pixels(digits: ImageData) -> dict[str, Precision]:
    return at_10(digits, images.search_by("pixels", digits))


def at_10(digits: ImageData, search: CodeSearch) -> dict[str, Precision]:
    found = {
        name: search.search(images.queries(digits, shifted=name == "shifted"), 10) for name in ("clean", "shifted")
    }
    return {name: precision_at_k(digits.train_labels[f.indices], digits.test_labels, k=10) for name, f in found.items()}


def trained(kind: str, digits: ImageData, *, n_epochs: int) -> torch.nn.Module:
    model, corrupt = images.new_model(kind, digits, 0)
    if n_epochs:
        Trainer(model, batch_size=100, corrupt=corrupt, lr=2e-3).fit(digits.train_images, n_epochs=n_epochs)
    return model


def check_shifts_are_ignored(code: dict[str, Precision], pixels: dict[str, Precision]) -> None:
    assert paired_difference(code["shifted"], pixels["shifted"]).low > 0.2
    assert code["shifted"].value > code["clean"].value - 0.1


def test_a_code_trained_on_shifted_digits_finds_them_where_pixels_do_not(digits, pixels):
    model = trained("deep, trained on shifts", digits, n_epochs=4)
    check_shifts_are_ignored(at_10(digits, images.search_by("deep", digits, model)), pixels)


def test_a_code_trained_on_digits_as_they_are_does_not(digits, pixels):
    model = trained("deep", digits, n_epochs=4)
    with pytest.raises(AssertionError):
        check_shifts_are_ignored(at_10(digits, images.search_by("deep", digits, model)), pixels)


def check_bits_find(code: dict[str, Precision], pixels: dict[str, Precision]) -> None:
    assert code["clean"].value > pixels["clean"].value - 0.08


def test_64_bits_find_nearly_what_pixels_find(digits, pixels):
    model = trained("64 bits", digits, n_epochs=4)
    check_bits_find(at_10(digits, images.search_by("64 bits", digits, model)), pixels)


def test_64_untrained_bits_do_not(digits, pixels):
    model = trained("64 bits", digits, n_epochs=0)
    with pytest.raises(AssertionError):
        check_bits_find(at_10(digits, images.search_by("64 bits", digits, model)), pixels)


def test_a_small_convolutional_net_restores_digits_and_an_untrained_one_the_mean(digits):
    sse = {}
    for n_epochs in (0, 4):
        x_hat = reconstruct(trained("convolutional", digits, n_epochs=n_epochs), digits.test_images)
        sse[n_epochs] = sse_per_image(x_hat, digits.test_images).item()
    assert sse[4] < 25 < 45 < sse[0]
