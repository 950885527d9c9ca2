"""Random samples by class: label budgets."""

import numpy as np
import pytest
import torch
from torch import Tensor

from course_utils.data import (
    DataError,
    labelled_subset,
)


def labels_of(*sizes: int) -> Tensor:
    """Labels of classes of these sizes, mixed."""
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return labels[torch.randperm(len(labels))]


@pytest.mark.parametrize(
    ("sizes", "n", "expected"),
    [
        ((50, 50), 10, [5, 5]),
        ((60, 30, 10), 10, [6, 3, 1]),
        ((60, 30, 10), 50, [30, 15, 5]),
        ((200, 100), 3, [2, 1]),
        ((40,), 7, [7]),
        ((20,) * 10, 10, [1] * 10),
        ((20,) * 10, 190, [19] * 10),
        ((20,) * 10, 200, [20] * 10),
    ],
)
def test_a_label_budget_is_drawn_from_each_class_in_proportion(sizes, n, expected):
    labels = labels_of(*sizes)
    chosen = labelled_subset(labels, n, seed=0)
    assert chosen.shape == (n,)
    assert chosen.dtype == torch.int64
    assert labels[chosen].bincount(minlength=len(sizes)).tolist() == expected


@pytest.mark.parametrize("n", [2, 3, 10, 57, 96, 97, 98, 99, 100])
def test_a_label_budget_has_its_size_and_no_sample_twice(n):
    labels = labels_of(67, 33)
    chosen = labelled_subset(labels, n, seed=3)
    assert len(chosen) == len(chosen.unique()) == n
    assert 0 <= chosen.min() <= chosen.max() < 100
    share = (labels[chosen] == 0).sum().item() / n
    assert share == pytest.approx(0.67, abs=1 / n)


def test_a_budget_of_all_is_all_and_of_one_less_lacks_one():
    labels = labels_of(5, 8, 4)
    assert labelled_subset(labels, 17, seed=0).sort().values.tolist() == list(range(17))
    assert len({frozenset(labelled_subset(labels, 16, seed=seed).tolist()) for seed in range(8)}) > 1


@pytest.mark.parametrize("n", [10, 98, 99])
def test_a_label_budget_is_that_of_its_seed_alone(n):
    labels = labels_of(67, 33)
    first = labelled_subset(labels, n, seed=3)
    torch.manual_seed(9)
    np.random.seed(9)  # noqa: NPY002
    assert torch.equal(labelled_subset(labels, n, seed=3), first)
    assert not torch.equal(labelled_subset(labels, n, seed=4), first)


def test_a_label_budget_is_drawn_at_random_within_each_class():
    labels = labels_of(50, 50)
    drawn = torch.stack([torch.zeros(100).index_fill(0, labelled_subset(labels, 20, seed=s), 1) for s in range(200)])
    assert drawn.mean(dim=0).min() > 0.08
    assert drawn.mean(dim=0).max() < 0.35


@pytest.mark.parametrize("n", [-1, 0, 2, 31, 1_000])
def test_a_budget_larger_than_the_data_or_smaller_than_the_classes_is_refused_with_what_can_be(n):
    with pytest.raises(DataError, match=f"budget of {n} labels .* 30 samples of 3 classes; .* from 3 to 30"):
        labelled_subset(labels_of(10, 10, 10), n, seed=0)


def test_labels_need_not_start_at_0_or_be_without_gaps():
    labels = 7 * labels_of(60, 30, 10) + 3
    assert labels[labelled_subset(labels, 10, seed=0)].bincount().tolist()[3::7] == [6, 3, 1]


def test_a_class_of_a_single_sample_is_drawn_from_too():
    labels = labels_of(20, 1)
    assert labels[labelled_subset(labels, 10, seed=0)].bincount().tolist() == [9, 1]


def test_a_larger_budget_holds_the_smaller_one():
    labels = labels_of(60, 30, 10)
    small, large = (set(labelled_subset(labels, n, seed=4).tolist()) for n in (10, 40))
    assert small < large


def test_a_budget_near_the_whole_data_loses_no_class():
    labels = labels_of(10, 10, 10, 2)
    for seed in range(300):
        assert len(labels[labelled_subset(labels, 29, seed=seed)].unique()) == 4
