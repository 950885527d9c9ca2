"""The standard data sets, without a network: MNIST, Fashion-MNIST, CIFAR-10, 20 newsgroups, RCV1."""

import hashlib
import pickle
import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.datasets
import torch
from PIL import Image
from sklearn.utils import Bunch
from torch import Tensor
from torchvision import datasets

from course_utils.data import (
    DataError,
    load_corpus,
    load_images,
    standard,
)

# --------------------------------------------------------------------------------------------------------------- images


@pytest.fixture
def no_network(monkeypatch):
    def unreachable(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)


TINY = {  # the four files of a data set in MNIST's format, with 6 and 4 images
    "train-images-idx3-ubyte": np.arange(6 * 28 * 28, dtype=np.uint32).reshape(6, 28, 28).astype(np.uint8),
    "train-labels-idx1-ubyte": np.array([0, 1, 2, 3, 4, 9], dtype=np.uint8),
    "t10k-images-idx3-ubyte": np.arange(4 * 28 * 28, dtype=np.uint32).reshape(4, 28, 28).astype(np.uint8)[::-1],
    "t10k-labels-idx1-ubyte": np.array([9, 8, 7, 0], dtype=np.uint8),
}


def idx_file(array: np.ndarray) -> bytes:
    """Yann LeCun's format: two zeros, 8 for bytes, the number of dimensions, their sizes, the numbers."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture(params=[("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")], ids=lambda names: names[0])
def idx_set(request, monkeypatch, tmp_path, no_network):
    """The name of a data set, and the folder with its four tiny files, which are taken for the published ones."""
    name, class_name = request.param
    folder = tmp_path / class_name / "raw"
    folder.mkdir(parents=True)
    for file_name, array in TINY.items():
        (folder / file_name).write_bytes(idx_file(array))
    checksums = {name: hashlib.sha256(idx_file(array)).hexdigest() for name, array in TINY.items()}
    monkeypatch.setitem(standard.IDX_FILES, class_name, checksums)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return name, folder


def test_files_in_torchvisions_layout_are_read_without_a_network(idx_set):
    name, _ = idx_set
    loaded = load_images(name)
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = getattr(loaded, f"{part}_images"), getattr(loaded, f"{part}_labels")
        np.testing.assert_array_equal((images[:, 0] * 255).round(), TINY[f"{prefix}-images-idx3-ubyte"])
        np.testing.assert_array_equal(labels, TINY[f"{prefix}-labels-idx1-ubyte"])
        assert labels.dtype == torch.int64
    assert loaded.name == name
    assert loaded.image_shape == (1, 28, 28)
    assert loaded.class_names[:2] == (("0", "1") if name == "mnist" else ("T-shirt/top", "Trouser"))


@pytest.mark.parametrize("file_name", TINY)
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: whole[:-1], id="truncated"),
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]), id="another byte"),
    ],
)
def test_a_damaged_file_is_refused_by_name(idx_set, file_name, damage):
    name, folder = idx_set
    file = folder / file_name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=f"{file_name} is truncated or damaged.*Delete it"):
        load_images(name)


def assert_names_the_way_out(refusal: DataError, folder: Path, alternative: str) -> None:
    for part in (str(folder), "COURSE_DATA", f"load_images('{alternative}')", "COURSE_PROFILE=quick"):
        assert part in str(refusal)


def test_a_missing_file_without_a_network_is_answered_with_the_offline_data_set(idx_set):
    name, folder = idx_set
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError) as refusal:
        load_images(name)
    assert_names_the_way_out(refusal.value, folder.parents[1], "mnist-5k")


@pytest.mark.parametrize(
    ("name", "alternative"), [("mnist", "mnist-5k"), ("fashion-mnist", "mnist-5k"), ("cifar10", "photos")]
)
@pytest.mark.usefixtures("no_network")
def test_nothing_there_and_no_network_is_answered_with_the_offline_data_set(monkeypatch, tmp_path, name, alternative):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    with pytest.raises(DataError) as refusal:
        load_images(name)
    assert_names_the_way_out(refusal.value, tmp_path / "data", alternative)


@pytest.mark.usefixtures("no_network")
def test_cifar10_is_read_as_colour_images_with_channels_first(monkeypatch, tmp_path):
    planes = {n: np.arange(n * 3072, dtype=np.uint32).reshape(n, 3072).astype(np.uint8) for n in (3, 2)}
    contents = {
        "data_batch_1": {"data": planes[3], "labels": [1, 0, 1]},
        "test_batch": {"data": planes[2], "labels": [0, 1]},
        "batches.meta": {"label_names": ["airplane", "automobile"]},
    }
    folder = tmp_path / datasets.CIFAR10.base_folder
    folder.mkdir()
    sums = {}
    for file_name, content in contents.items():
        (folder / file_name).write_bytes(pickle.dumps(content))
        sums[file_name] = hashlib.md5((folder / file_name).read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    loaded = load_images("cifar10")
    assert loaded.image_shape == (3, 32, 32)
    assert loaded.class_names == ("airplane", "automobile")
    np.testing.assert_array_equal((loaded.train_images * 255).round(), planes[3].reshape(3, 3, 32, 32))
    assert loaded.train_labels.tolist() == [1, 0, 1]
    assert loaded.test_labels.tolist() == [0, 1]


@pytest.fixture
def cifar10_pictures(monkeypatch, tmp_path, no_network):
    """A folder that has CIFAR-10 as pictures: cifar10/train and cifar10/test below COURSE_DATA, a folder a class."""
    for part, n in (("train", 3), ("test", 2)):
        for k, name in enumerate(("automobile", "airplane")):
            folder = tmp_path / "cifar10" / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                Image.new("RGB", (32, 32), (100 * k, 10 * i, 200)).save(folder / f"{i}.png")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return tmp_path / "cifar10"


@pytest.mark.filterwarnings("ignore::course_utils.data.DataCaution")  # a few plain pictures
def test_cifar10_is_read_from_a_folder_of_pictures_where_there_is_one(cifar10_pictures):
    loaded = load_images("cifar10")
    assert (loaded.name, loaded.image_shape) == ("cifar10", (3, 32, 32))
    assert loaded.class_names == ("airplane", "automobile")
    for images, labels, n in (
        (loaded.train_images, loaded.train_labels, 3),
        (loaded.test_images, loaded.test_labels, 2),
    ):
        read = sorted((label, *pixel) for label, pixel in zip(labels.tolist(), colours_of(images), strict=True))
        assert read == [(label, 100 * (1 - label), 10 * i, 200) for label in (0, 1) for i in range(n)]
    assert "Left out" not in loaded.source


def colours_of(images: Tensor) -> list[tuple[int, ...]]:
    """The one colour of each image."""
    assert (images == images[:, :, :1, :1]).all()
    return [tuple(pixel) for pixel in (images[:, :, 0, 0] * 255).round().int().tolist()]


@pytest.mark.filterwarnings("ignore::course_utils.data.DataCaution")  # a few plain pictures
def test_a_damaged_picture_of_cifar10_is_left_out_and_named(cifar10_pictures):
    (cifar10_pictures / "train" / "airplane" / "1.png").write_bytes(b"damaged")
    loaded = load_images("cifar10")
    assert loaded.train_labels.bincount().tolist() == [2, 3]
    assert loaded.source.endswith("Left out, not readable: 1 (train/airplane/1.png).")


@pytest.mark.parametrize("missing", ["train", "test"])
def test_half_a_folder_of_cifar10_is_not_taken_for_the_whole(cifar10_pictures, missing):
    shutil.rmtree(cifar10_pictures / missing)
    with pytest.raises(DataError, match="cifar10 could not be read"):
        load_images("cifar10")


# ---------------------------------------------------------------------------------------------------------------- texts


def test_20newsgroups_keeps_its_split_and_leaves_out_what_is_empty(monkeypatch, tmp_path):
    posts = {
        "train": Bunch(data=["  The cat sat. \n", "", "42 !", "Go dog go", "word"], target=np.array([1, 0, 0, 0, 1])),
        "test": Bunch(data=["A dog ran", "Cats purr " * 20], target=np.array([0, 1])),
    }
    asked = []

    def fetch(*, data_home: Path, subset: str, remove: tuple[str, ...]) -> Bunch:
        asked.append((data_home, set(remove)))
        return Bunch(target_names=["rec.dogs", "rec.cats"], **posts[subset])

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    held = load_corpus("20newsgroups")
    assert asked == [(tmp_path.resolve() / "scikit_learn_data", {"headers", "footers", "quotes"})] * 2
    assert held.name == "20newsgroups"
    assert held.train_texts == ("The cat sat.", "Go dog go")
    assert [held.topic_names[label] for label in held.train_labels] == ["rec.cats", "rec.dogs"]
    assert [held.topic_names[label] for label in held.test_labels] == ["rec.dogs", "rec.cats"]
    assert held.test_titles[0] == "A dog ran"
    assert re.fullmatch("Cats purr .{40,50} …", held.test_titles[1])
    assert "; 3 posts in which nothing was left are left out" in held.source


MAIN = {"CCAT": 0, "ECAT": 1, "GCAT": 2, "MCAT": 3}


@pytest.fixture
def stories(monkeypatch, tmp_path) -> dict[str, Bunch]:
    """Forty train and thirty test stories of eleven stems, some with two main topics or none."""
    names = np.array(["C11", "CCAT", "ECAT", "GCAT", "GDIP", "MCAT"])
    rng = np.random.default_rng(0)
    bunches = {
        part: Bunch(
            data=sp.csr_matrix(rng.random((n, 11)) * (rng.random((n, 11)) < np.linspace(0.1, 0.9, 11))),
            target=sp.csr_matrix((rng.random((n, 6)) < 0.3).astype(np.uint8)),
            target_names=names,
        )
        for part, n in (("train", 40), ("test", 30))
    }
    monkeypatch.setattr(sklearn.datasets, "fetch_rcv1", lambda *, data_home, subset: bunches[subset])
    monkeypatch.setattr(standard, "RCV1_WORDS", 4)
    monkeypatch.setattr(standard, "RCV1_TEST", 5)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return bunches


def test_rcv1_keeps_stories_of_one_main_topic_and_the_commonest_stems(stories):
    expected = {}
    for part, bunch in stories.items():
        topics = [{MAIN[bunch.target_names[j]] for j in row.nonzero()[0] if bunch.target_names[j] in MAIN}
                  for row in bunch.target.toarray()]  # fmt: skip
        expected[part] = [(i, topic.pop()) for i, topic in enumerate(topics) if len(topic) == 1]
    assert 10 < len(expected["train"]) < 40
    assert len(expected["test"]) > 5
    rows = [i for i, _ in expected["train"]]
    stories_with = (stories["train"].data.toarray()[rows] > 0).sum(axis=0)
    commonest = np.sort(np.argsort(-stories_with, kind="stable")[:4])
    held = load_corpus("rcv1")
    for part, n in (("train", None), ("test", 5)):
        vectors, labels = getattr(held, f"{part}_vectors"), getattr(held, f"{part}_labels")
        rows, topics = zip(*expected[part][:n], strict=True)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors.toarray(), stories[part].data.toarray()[list(rows)][:, commonest], rtol=1e-6)
        assert labels.tolist() == list(topics)
    assert held.topic_names == ("corporate", "economics", "government and society", "markets")


@pytest.mark.parametrize(("name", "fetcher"), [("20newsgroups", "fetch_20newsgroups"), ("rcv1", "fetch_rcv1")])
def test_a_corpus_that_cannot_be_fetched_is_answered_with_the_folder_and_the_quick_alternative(
    monkeypatch, tmp_path, name, fetcher
):
    def unreachable(**options: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(sklearn.datasets, fetcher, unreachable)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(DataError) as refusal:
        load_corpus(name)
    for part in (name, str(tmp_path.resolve() / "scikit_learn_data"), "OSError: Name or service not known",
                 "COURSE_DATA", "load_corpus('python-docs')", "COURSE_PROFILE=quick"):  # fmt: skip
        assert part in str(refusal.value)
