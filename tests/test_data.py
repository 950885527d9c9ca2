"""What a data set is, and how it is loaded by name."""

import dataclasses
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor

from course_utils.data import (
    DataError,
    ImageData,
    TextData,
    VectorData,
    check_images,
    check_range,
    load_corpus,
    load_images,
)

# ------------------------------------------------------------------------------------------------------------ ImageData


def image_data(**changes: object) -> ImageData:
    """Four train and two test images of 1×3×5 in two classes."""
    parts = {
        "name": "tiny",
        "train_images": torch.rand(4, 1, 3, 5),
        "train_labels": torch.tensor([0, 1, 0, 1]),
        "test_images": torch.rand(2, 1, 3, 5),
        "test_labels": torch.tensor([0, 1]),
        "class_names": ("a", "b"),
        "source": "Made here.",
    }
    return ImageData(**parts | changes)


def images_with(value: float) -> Tensor:
    """Four images of which one holds the value in its last pixel."""
    images = torch.rand(4, 1, 3, 5)
    images[2, 0, -1, -1] = value
    return images


def test_image_data_says_what_it_holds():
    held = image_data()
    assert held.image_shape == (1, 3, 5)
    assert held.n_features == 15
    assert repr(held) == "tiny: 4 train and 2 test images of 1×3×5 (channels × height × width), 2 classes. Made here."


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("train_images", torch.rand(4, 3, 5), "must be (n, c, h, w)"),
        ("train_images", torch.rand(4, 2, 3, 5), "1 or 3 channels"),
        ("test_images", torch.rand(0, 1, 3, 5), "is empty"),
        ("test_images", torch.rand(2, 1, 0, 5), "is empty"),
        ("train_images", torch.rand(4, 1, 3, 5, dtype=torch.float64), "must be torch.float32"),
        ("train_images", torch.ones(4, 1, 3, 5, dtype=torch.uint8), "divide bytes by 255"),
        ("train_images", images_with(1.5), "to 1.5; values must be within [0, 1]"),
        ("train_images", images_with(-0.25), "from -0.25"),
        ("train_images", images_with(float("nan")), "contains NaN"),
        ("train_images", images_with(float("inf")), "to inf"),
        ("test_images", torch.rand(2, 1, 5, 3), "must have the same shape"),
        ("train_labels", torch.tensor([0, 1]), "4 train images need 4 train_labels of torch.int64, not (2,)"),
        ("train_labels", torch.tensor([[0], [1], [0], [1]]), "not (4, 1)"),
        ("test_labels", torch.tensor([0, 2]), "indices from 0 to 1"),
        ("test_labels", torch.tensor([-1, 0]), "indices from 0 to 1"),
        ("test_labels", torch.tensor([0.0, 0.5]), "test_labels"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_data_set_and_field(field, value, complaint):
    with pytest.raises(DataError) as refusal:
        image_data(**{field: value})
    message = str(refusal.value)
    assert message.startswith("tiny: ")
    assert complaint in message
    assert field in message or complaint == "must have the same shape"  # which is a matter of both parts


def test_image_data_cannot_be_changed_and_a_changed_copy_is_checked():
    held = image_data()
    with pytest.raises(dataclasses.FrozenInstanceError):
        held.train_images = held.test_images
    assert dataclasses.replace(held, name="other").name == "other"
    with pytest.raises(DataError, match="train_images"):
        dataclasses.replace(held, train_images=2 + held.train_images)


def classes_of(*sizes: int, **changes: object) -> ImageData:
    """Training images of classes of these sizes, mixed."""
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))[torch.randperm(sum(sizes))]
    names = tuple(f"class {i}" for i in range(len(sizes)))
    parts = {"train_images": torch.rand(len(labels), 1, 3, 5), "train_labels": labels, "class_names": names,
             "test_labels": torch.zeros(2).long()}  # fmt: skip
    return image_data(**parts | changes)


@pytest.mark.parametrize(
    ("sizes", "n_validation"),
    [
        ((100, 50, 20), [10, 5, 2]),
        ((400,) * 10, [40] * 10),
        ((96, 104), [10, 10]),
        ((2, 3, 14), [1, 1, 1]),
        ((30,), [3]),
        ((2,), [1]),
        ((1, 10), [0, 1]),
    ],
)
def test_a_tenth_of_each_class_is_for_validation_and_the_rest_for_training(sizes, n_validation):
    held = classes_of(*sizes)
    train, validation = held.validation_split()
    assert train.dtype == validation.dtype == torch.int64
    assert sorted(train.tolist() + validation.tolist()) == list(range(sum(sizes)))  # disjoint and complete
    for indices in (train, validation):
        assert indices.tolist() == sorted(indices.tolist())
    assert held.train_labels[validation].bincount(minlength=len(sizes)).tolist() == n_validation
    assert len(held.train_images) == sum(sizes)


def test_the_validation_split_is_always_the_same_and_leaves_the_random_state_alone():
    held = classes_of(67, 33)
    first = held.validation_split()
    torch.manual_seed(9)
    np.random.seed(9)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = held.validation_split()
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_the_validation_split_of_the_digits_is_400_images_drawn_at_random(digits):
    train, validation = digits.validation_split()
    assert (len(train), len(validation)) == (3_600, 400)
    assert digits.train_labels[validation].bincount().tolist() == [40] * 10
    assert (validation < 2_000).sum().item() == pytest.approx(200, abs=40)
    assert validation[:5].tolist() == [9, 12, 17, 39, 48]


@pytest.mark.parametrize("sizes", [(1,), (1, 1, 1)])
def test_a_training_set_without_two_images_of_a_class_has_no_validation_split(sizes):
    with pytest.raises(DataError, match=f"tiny has {len(sizes)} training images"):
        classes_of(*sizes).validation_split()


def test_images_on_the_edge_of_the_range_pass():
    check_images(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1))


@pytest.mark.parametrize("values", [[-1.01, 0.0], [0.0, 1.01], [0.0, float("nan")], [float("-inf"), 0.0]])
def test_check_range_refuses_what_is_outside_and_names_it(values):
    check_range(torch.tensor([-1.0, 1.0]), -1, 1, name="x")
    with pytest.raises(DataError, match=r"x .* \[-1, 1\]"):
        check_range(torch.tensor(values), -1, 1, name="x")


# ------------------------------------------------------------------------------------------------- TextData, VectorData


def text_data(**changes: object) -> TextData:
    """Three train and two test documents on two topics."""
    parts = {
        "name": "tiny",
        "train_texts": ("one cat", "two cats", "a dog"),
        "train_titles": ("1", "2", "3"),
        "train_labels": torch.tensor([0, 0, 1]),
        "test_texts": ("cats", "dogs"),
        "test_titles": ("4", "5"),
        "test_labels": torch.tensor([0, 1]),
        "topic_names": ("cats", "dogs"),
        "source": "Made here.",
    }
    return TextData(**parts | changes)


def vector_data(**changes: object) -> VectorData:
    """The same documents as vectors."""
    parts = {
        "name": "tiny",
        "train_vectors": sp.csr_array(np.eye(3, 4, dtype=np.float32)),
        "train_labels": torch.tensor([0, 0, 1]),
        "test_vectors": sp.csr_array(np.eye(2, 4, dtype=np.float32)),
        "test_labels": torch.tensor([0, 1]),
        "topic_names": ("cats", "dogs"),
        "source": "Made here.",
    }
    return VectorData(**parts | changes)


both_kinds = pytest.mark.parametrize("make", [text_data, vector_data])


@both_kinds
def test_a_corpus_says_what_it_holds_and_cannot_be_changed(make):
    held = make()
    assert repr(held) == "tiny: 3 train and 2 test documents, 2 topics. Made here."
    with pytest.raises(FrozenInstanceError):
        held.name = "other"
    assert replace(held, name="other").name == "other"


@both_kinds
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"train_labels": torch.tensor([0, 1])}, r"3 train documents need 3 train_labels of torch.int64, not \(2,\)"),
        ({"train_labels": torch.tensor([0.0, 0.0, 1.0])}, r"train_labels .* not \(3,\) of torch.float32"),
        ({"test_labels": torch.tensor([[0], [1]])}, r"2 test_labels .* not \(2, 1\)"),
        ({"test_labels": torch.tensor([0, 2])}, "test_labels must be indices from 0 to 1"),
        ({"train_labels": torch.tensor([0, -1, 1])}, "train_labels must be indices from 0 to 1"),
        (
            {"topic_names": ("cats",), "train_labels": torch.zeros(3).long(), "test_labels": torch.zeros(2).long()},
            r"at least 2 topics, but has 1 \(cats\)",
        ),
    ],
)
def test_parts_of_a_corpus_that_do_not_fit_are_refused_by_name(make, changes, complaint):
    with pytest.raises(DataError, match=f"tiny.*{complaint}"):
        make(**changes)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_corpus_with_an_empty_part_is_refused(part):
    nothing = torch.zeros(0).long()
    with pytest.raises(DataError, match=f"no {part} documents"):
        text_data(**{f"{part}_texts": (), f"{part}_titles": (), f"{part}_labels": nothing})
    with pytest.raises(DataError, match=f"no {part} documents"):
        vector_data(**{f"{part}_vectors": sp.csr_array((0, 4), dtype=np.float32), f"{part}_labels": nothing})


def test_texts_need_a_title_each():
    with pytest.raises(DataError, match="2 test_texts, but 1 test_titles"):
        text_data(test_titles=("4",))


# -------------------------------------------------------------------------------------------------------------- by name


def test_an_unknown_data_set_is_answered_with_those_there_are():
    with pytest.raises(DataError) as refusal:
        load_images("mnits")
    for name in ("'mnits'", "mnist-5k", "curves", "photos", "mnist", "fashion-mnist", "cifar10", "image_folder"):
        assert name in str(refusal.value)


def test_an_unknown_corpus_is_answered_with_those_there_are():
    with pytest.raises(DataError, match=r"'python-dogs'.*python-docs, 20newsgroups, rcv1; or text_files\(path\)"):
        load_corpus("python-dogs")
