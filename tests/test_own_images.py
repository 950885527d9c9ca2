"""The user's own images: image_folder."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from course_utils.data import (
    DataError,
    image_folder,
)


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
    with pytest.raises(DataError, match=r"^2 files") as refusal:
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
    with pytest.raises(DataError, match="no readable test image"):
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
    with pytest.raises(DataError, match=r"loose\.png"):
        image_folder(tmp_path)


@pytest.mark.parametrize("size", [(0, 8), (8,)])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    with pytest.raises(DataError, match=r"\(height, width\)"):
        image_folder(tmp_path, size=size)


def test_a_16_bit_image_is_refused_rather_than_clipped_to_white(tmp_path):
    Image.fromarray(np.linspace(0, 65_535, 64, dtype=np.uint16).reshape(8, 8)).save(tmp_path / "deep.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(DataError, match=r"deep\.png: more than 8 bits"):
        image_folder(tmp_path)
