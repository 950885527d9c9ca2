"""The user's own images: image_folder."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from course_utils.data import DataCaution, DataError, image_folder, pictures

pytestmark = pytest.mark.filterwarnings("ignore::course_utils.data.DataCaution")  # most of these folders are small


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
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "notes.txt").write_text("no image")
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
    bad = ", ".join(str(Path(part) / f"bad in {part}.png") for part in ("test", "train"))
    assert source.endswith(f"Left out, not readable: 2 ({bad}).")


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


# ------------------------------------------------------------------------------------------------ of how many bits


def test_16_bits_a_pixel_keep_their_range(tmp_path):
    greys = np.linspace(0, 65_535, 64, dtype=np.uint16).reshape(8, 8)
    for name in ("a.png", "b.tif"):
        Image.fromarray(greys).save(tmp_path / name)
    read = image_folder(tmp_path, size=(8, 8), grey=True)
    for x in (read.train_images, read.test_images):
        assert x[0, 0].numpy() == pytest.approx(greys / 65_535, abs=1 / 255)


def test_numbers_without_a_known_range_are_refused_rather_than_clipped_to_white(tmp_path):
    Image.fromarray(np.linspace(0, 5, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "deep.tif")
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(DataError, match=r"deep\.tif: more than 16 bits per pixel \(mode F\)"):
        image_folder(tmp_path)


# ---------------------------------------------------------------------------------------------------- transparency


def drawing(kind: str, ink: int, *, opacity: int = 255) -> tuple[Image.Image, dict]:
    """A bar of ink on nothing, with the options that save it so."""
    alpha = np.zeros((8, 8), dtype=np.uint8)
    alpha[:, 2:5] = opacity
    grey = np.full((8, 8), ink, dtype=np.uint8)
    if kind == "LA":
        return Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]), {}
    if kind == "palette":
        image = Image.fromarray((alpha > 0).astype(np.uint8))
        image = Image.frombytes("P", (8, 8), image.tobytes())
        image.putpalette([ink] * 768)
        return image, {"transparency": bytes([0] + [opacity] * 255)}
    if kind == "one grey value":  # tRNS of a grey picture: this value is transparent, all others are not
        return Image.fromarray(np.where(alpha > 0, grey, 77).astype(np.uint8)), {"transparency": 77}
    if kind == "one of 16 bits":
        return Image.fromarray(np.where(alpha > 0, 257 * grey.astype(np.uint16), 777).astype(np.uint16)), {
            "transparency": 777
        }
    return Image.merge("RGBA", [*[Image.fromarray(grey)] * 3, Image.fromarray(alpha)]), {}


KINDS = ["RGBA", "LA", "palette", "one grey value", "one of 16 bits"]


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize(("ink", "ground"), [(0, 1.0), (255, 0.0), (60, 1.0), (200, 0.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_transparent_drawing_is_laid_on_a_ground_on_which_it_can_be_seen(tmp_path, kind, ink, ground, grey):
    for name in "ab":
        image, options = drawing(kind, ink)
        image.save(tmp_path / f"{name}.png", **options)
    read = image_folder(tmp_path, size=(8, 8), grey=grey)
    x = read.train_images[0, 0]
    assert x[:, 2:5].unique().tolist() == pytest.approx([ink / 255], abs=0.01)
    assert x[:, [0, 1, 5, 6, 7]].unique().tolist() == [ground]
    assert f"Transparent pictures, laid on {'white' if ground else 'black'}: 2." in read.source


@pytest.mark.parametrize("ground", [0, 0.25, 1])
def test_the_ground_can_be_chosen_and_half_opaque_ink_mixes_with_it(tmp_path, ground):
    for name in "ab":
        drawing("RGBA", 102, opacity=102)[0].save(tmp_path / f"{name}.png")
    x = image_folder(tmp_path, size=(8, 8), ground=ground).train_images[0, 0]
    assert x[:, 2:5].unique().tolist() == pytest.approx([0.4 * 0.4 + 0.6 * ground], abs=0.01)


def test_black_and_white_ink_in_one_folder_is_refused_by_name_and_read_on_grey(tmp_path):
    for name, ink in {"a": 0, "b": 0, "pale": 255}.items():
        drawing("LA", ink)[0].save(tmp_path / f"{name}.png")
    with pytest.raises(DataError, match=r"1 of 3 transparent pictures could not be seen .* pale\.png.* ground=0\.5"):
        image_folder(tmp_path)
    assert image_folder(tmp_path, ground=0.5).train_images.amin() < 0.5


def test_a_picture_of_which_nothing_can_be_seen_is_unreadable(tmp_path):
    numbered(tmp_path, range(3))
    drawing("RGBA", 0, opacity=0)[0].save(tmp_path / "nothing.png")
    with pytest.raises(DataError, match=r"nothing\.png: it is transparent everywhere"):
        image_folder(tmp_path)


@pytest.mark.parametrize("ground", [-0.1, 1.1, "white", None])
def test_a_ground_that_is_none_is_refused(tmp_path, ground):
    with pytest.raises(DataError, match=r"ground is .*; it must be 'auto' or a grey value"):
        image_folder(tmp_path, ground=ground)


# ----------------------------------------------------------------------------------------------- what is a picture


@pytest.mark.parametrize("name", ["a.pgm", "a.ppm", "a.jfif", "a.jpe", "a.tga", "a.qoi", "a", "a.download", "a.txt"])
def test_what_pillow_reads_is_read_by_its_content(tmp_path, name):
    kind = {".pgm": "PPM", ".ppm": "PPM", ".jfif": "JPEG", ".jpe": "JPEG", ".tga": "TGA", ".qoi": "QOI"}
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        for i in range(2):
            mode = "L" if name == "a.pgm" else "RGB"
            file = tmp_path / folder / f"{i}{name}"
            Image.new(mode, (8, 8), 90).save(file, format=kind.get(Path(name).suffix, "PNG"))
    read = image_folder(tmp_path)
    assert len(read.train_images) + len(read.test_images) == 4
    assert "Left out" not in read.source


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"P5 is a word"), ("labels.csv", b"a,b"), ("x.heic", b"\0\0\0\x18ftypheic"), ("x.svg", b"<svg/>"),
        ("x.pdf", b"%PDF-1.7"), ("x.h5", b"\x89HDF\r\n\x1a\n"), ("x.mpg", b"\0\0\1\xb3"), ("BM", b"BMW is a car"),
        ("empty", b""),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_left_out_and_named(tmp_path, name, content):
    numbered(tmp_path / "cats", range(4))
    (tmp_path / "cats" / name).write_bytes(content)
    assert image_folder(tmp_path).source.endswith(f"Left out, no picture: 1 ({Path('cats') / name}).")


def test_a_folder_of_pictures_that_pillow_does_not_read_says_so(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"no readable train image.* or that Pillow does not read: 3 \.heic"):
        image_folder(tmp_path)


def test_hidden_files_are_left_out_and_named(tmp_path):
    numbered(tmp_path / "cats", range(4))
    (tmp_path / "._cover.jpg").write_bytes(b"\0\5\x16\7")
    numbered(tmp_path / "__MACOSX", range(1))
    source = image_folder(tmp_path).source
    assert source.endswith(f"Left out, hidden: 2 (._cover.jpg, {Path('__MACOSX') / '000.png'}).")


def test_a_very_large_picture_is_scaled_down_and_pillows_own_limit_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)  # twice as many, and Pillow calls it an attack
    monkeypatch.setattr(pictures, "LARGE_PIXELS", 5_000)
    for name in ("a.png", "b.jpg"):
        half = Image.new("RGB", (200, 100), "white")
        half.paste("black", (0, 0, 100, 100))
        half.save(tmp_path / name)
    read = image_folder(tmp_path, size=(10, 20))
    for x in (read.train_images, read.test_images):
        assert x[..., :9].amax() < 0.05
        assert x[..., 11:].amin() > 0.95
    assert Image.MAX_IMAGE_PIXELS == 1_000


def test_a_picture_that_the_memory_could_not_hold_is_refused_by_name(tmp_path, monkeypatch):
    numbered(tmp_path, range(3))
    monkeypatch.setattr(pictures, "MAX_PIXELS", 99)
    Image.new("L", (10, 10)).save(tmp_path / "big.png")
    with pytest.raises(DataError, match=r"big\.png: 10 × 10 pixels would take gigabytes"):
        image_folder(tmp_path)


# -------------------------------------------------------------------------------------------------------- the split


def test_the_split_is_drawn_among_pictures_that_can_be_read(tmp_path):
    for name in ("cats", "dogs"):
        numbered(tmp_path / name, range(4))
        for i in range(4):
            (tmp_path / name / f"broken{i}.jpg").write_bytes(b"<html>404</html>")
    whole = tmp_path.with_name("whole")
    for name in ("cats", "dogs"):
        numbered(whole / name, range(4))
    for seed in range(5):
        read, same = image_folder(tmp_path, skip_unreadable=True, seed=seed), image_folder(whole, seed=seed)
        assert read.test_labels.tolist() == [0, 1]
        assert numbers_of(read.test_images) == numbers_of(same.test_images)
        assert numbers_of(read.train_images) == numbers_of(same.train_images)


def test_a_given_validation_split_is_among_the_training_images_and_is_the_validation_split(tmp_path):
    for part, numbers in {"Train": range(6), "valid": range(10, 13), "test": range(20, 22)}.items():
        numbered(tmp_path / part / "cats", numbers)
    read = image_folder(tmp_path)
    train, validation = read.validation_split()
    assert sorted(numbers_of(read.train_images[train])) == [*range(6)]
    assert sorted(numbers_of(read.train_images[validation])) == [10, 11, 12]
    assert numbers_of(read.test_images) == [20, 21]
    assert "Split as given: Train/, test/, valid/." in read.source


def test_val_without_test_is_for_testing_and_said(tmp_path):
    for part, numbers in {"train": range(6), "val": range(10, 13)}.items():
        numbered(tmp_path / part / "cats", numbers)
    read = image_folder(tmp_path)
    assert sorted(numbers_of(read.test_images)) == [10, 11, 12]
    assert "val/ (validation) is for testing" in read.source


# ------------------------------------------------------------------------------------- results that would mislead


def cautions(folder: Path) -> str:
    with pytest.warns(DataCaution) as warned:
        read = image_folder(folder)
    assert [str(w.message) for w in warned] == [f"{read.name}: {sentence}" for sentence in read.cautions]
    assert all(w.filename == __file__ for w in warned)
    assert all(f"Caution: {sentence}" in repr(read) for sentence in read.cautions)
    return " ".join(read.cautions)


def noisy(folder: Path, n: int, *, seed: int) -> None:
    """Pictures that have nothing in common."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{seed}-{i}.png")


def test_good_data_need_no_caution(tmp_path):
    for seed, name in enumerate(("cats", "dogs")):
        noisy(tmp_path / name, 12, seed=seed)
    assert image_folder(tmp_path).cautions == ()


def test_one_class_is_said_with_the_folders_that_may_be_the_classes(tmp_path):
    for seed, name in enumerate(("young", "old")):
        noisy(tmp_path / "archive" / name, 12, seed=seed)
    said = cautions(tmp_path)
    assert "there is one class only, archive: every result of a search is right" in said
    assert "If its folders (old, young, …) are the classes" in said


def test_few_pictures_a_class_are_said(tmp_path):
    for seed, (name, n) in enumerate({"cats": 12, "dogs": 3}.items()):
        noisy(tmp_path / name, n, seed=seed)
    assert "dogs 3: so few images of a class" in cautions(tmp_path)


def test_a_class_that_is_nearly_all_is_said(tmp_path):
    for seed, (name, n) in enumerate({"cats": 190, "dogs": 10}.items()):
        noisy(tmp_path / name, n, seed=seed)
    assert "95 % of the test images are of one class, cats: always naming it would be right as often" in cautions(
        tmp_path
    )


def test_copies_of_training_images_among_those_for_testing_are_said(tmp_path):
    for seed, name in enumerate(("cats", "dogs")):
        noisy(tmp_path / "train" / name, 12, seed=seed)
        noisy(tmp_path / "test" / name, 4, seed=seed)
    assert "8 of 8 test images are (nearly) in the training set, too" in cautions(tmp_path)


def test_plain_pictures_and_pixels_that_never_change_are_said(tmp_path):
    for seed, name in enumerate(("cats", "dogs")):
        noisy(tmp_path / name, 12, seed=seed)
        for i in range(12):
            picture = Image.new("RGB", (32, 32))
            picture.paste((20 * i, 9, 9), (0, 0, 4, 4))
            picture.save(tmp_path / name / f"dot{i}.png")
        for i in range(12):
            Image.new("RGB", (32, 32), (9, 9, 20 * i)).save(tmp_path / name / f"plain{i}.png")
    assert "training images are of a single colour" in cautions(tmp_path)
    for name in ("cats", "dogs"):
        for file in (tmp_path / name).glob("[01p]*.png"):
            file.unlink()
    assert "% of the pixels are the same in all training images" in cautions(tmp_path)


def test_a_class_in_one_part_alone_is_said(tmp_path):
    for seed, (part, name) in enumerate([("train", "cats"), ("train", "dogs"), ("test", "cats"), ("test", "owls")]):
        noisy(tmp_path / part / name, 12, seed=seed)
    said = cautions(tmp_path)
    assert "owls: in the test part alone" in said
    assert "dogs: in the train part alone" in said
