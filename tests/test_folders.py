"""What a user's folder holds: classes, splits, hidden files; tried on made-up layouts, too."""

import io
import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from course_utils.data import DataError, image_folder, text_files
from course_utils.data.folders import arranged, files_below, is_hidden

ROOT = Path("somewhere")


def parts_of(*names: str) -> dict[str, dict[str, list[str]]]:
    """What is made of these files, as text."""
    found = arranged(ROOT, sorted(map(Path, names)), name_if_flat="flat").parts
    return {
        part: {name: [file.as_posix() for file in files] for name, files in classes.items()}
        for part, classes in found.items()
    }


def test_folders_are_classes_and_files_alone_are_one():
    assert parts_of("cat/1", "cat/deep/er/2", "dog/1") == {"all": {"cat": ["cat/1", "cat/deep/er/2"], "dog": ["dog/1"]}}
    assert parts_of("1", "2") == {"all": {"flat": ["1", "2"]}}
    assert parts_of() == {"all": {}}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"), ("Train", "Test"), ("TRAIN", "TEST"), ("training", "testing"), ("training_set", "test_set"),
        ("train-images", "test-images"), ("trainset", "testset"), ("train data", "test data"), ("Training", "Test"),
        ("20news-bydate-train", "20news-bydate-test"), ("train", "val"), ("train", "valid"), ("Train", "Validation"),
        ("seg_train", "seg_test"), ("train", "dev"),
    ],
)  # fmt: skip
def test_a_split_is_found_in_any_usual_spelling(train, test):
    found = parts_of(f"{train}/cat/1", f"{test}/cat/2", f"{train}/dog/1")
    assert found == {
        "train": {"cat": [f"{train}/cat/1"], "dog": [f"{train}/dog/1"]},
        "test": {"cat": [f"{test}/cat/2"]},
    }


def test_three_parts_are_kept_apart_and_two_without_test_are_said():
    found = parts_of("train/a/1", "valid/a/2", "test/a/3")
    assert found == {"train": {"a": ["train/a/1"]}, "validation": {"a": ["valid/a/2"]}, "test": {"a": ["test/a/3"]}}
    said = arranged(ROOT, [Path("train/a/1"), Path("val/a/2")], name_if_flat="flat").said
    assert said == " Split as given: train/, val/. There is no test/, so val/ (validation) is for testing."


@pytest.mark.parametrize(
    "names",
    [
        ("car/1", "plane/1", "train/1"), ("test/1", "exam/1"), ("train-station/1", "test-pilot/1"), ("val/1", "cat/1"),
        ("constrain/1", "contest/1"),
    ],
)  # fmt: skip
def test_classes_that_only_sound_like_parts_are_classes(names):
    assert list(parts_of(*names)) == ["all"]
    assert set(parts_of(*names)["all"]) == {name.split("/")[0] for name in names}


def test_where_all_lies_in_one_part_its_inside_counts():
    assert parts_of("train/cat/1", "train/dog/1") == {"all": {"cat": ["train/cat/1"], "dog": ["train/dog/1"]}}
    assert parts_of("data-train/1") == {"all": {"flat": ["data-train/1"]}}
    nested = parts_of("train/train/a/1", "train/test/a/2")
    assert nested == {"train": {"a": ["train/train/a/1"]}, "test": {"a": ["train/test/a/2"]}}


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("cat/1", "2"), "class folders and also files beside them, such as 2"),
        (("train/a/1", "test/a/1", "labels/1"), "train/.* beside them labels/: are the first a split"),
        (("train/a/1", "Training/a/1"), "two of them name the same part"),
        (("val/a/1", "test/a/1"), "nothing to train on"),
        (("train/a/1", "test/1"), "somewhere/test has no class folders"),
        (("train/a/1", "test/a/1", "3"), "also files beside them, such as 3"),
        (("a/train/1", "a/test/1", "b/train/1"), "a split within each class"),
        (("archive/train/a/1", "archive/test/a/1"), "one folder deeper: give somewhere/archive"),
        (("train/a/1", "train/2", "test/a/1"), "somewhere/train contains class folders and also files"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_asked(names, complaint):
    with pytest.raises(DataError, match=complaint):
        parts_of(*names)


def test_a_name_is_one_class_however_its_accents_are_written():
    nfd = unicodedata.normalize("NFD", "café")
    found = parts_of(f"train/{nfd}/1", "test/café/2")
    assert [list(classes) for classes in found.values()] == [["café"], ["café"]]


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "._1.jpg", "__MACOSX/a/._1.jpg", "a/.ipynb_checkpoints/1-checkpoint.png", "a/Thumbs.db",
     "desktop.ini", "@eaDir/1.jpg", "a/__pycache__/x.pyc", "$RECYCLE.BIN/1.png", "Icon\r"],
)  # fmt: skip
def test_what_systems_put_beside_the_files_is_hidden(name):
    assert is_hidden(Path(name))


@pytest.mark.parametrize("name", ["a/1.jpg", "macosx/1", "a.b/1", "_private/1", "thumbs/1", "icon/1"])
def test_what_only_looks_like_it_is_not(name):
    assert not is_hidden(Path(name))


def test_links_are_followed_and_those_that_lead_back_are_followed_once(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "1").write_text("")
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "kept", target_is_directory=True)
    (tmp_path / "data" / "cat" / "back").symlink_to(tmp_path / "data", target_is_directory=True)
    assert files_below(tmp_path / "data") == [Path("dog", "1")]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything can be read here")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(DataError, match=r"locked cannot be read"):
        files_below(tmp_path)


# ----------------------------------------------------------------------------------------------------- made-up layouts

FOLDERS = st.sampled_from(
    ["train", "Test", "val", "training_set", "test_set", "cat", "dog", "Train", "x-train", "x-test", "猫", "café",
     "a b", unicodedata.normalize("NFD", "café"), "$5", "_old", "labels", "archive"]
)  # fmt: skip
PATHS = st.builds(
    lambda folders, name: Path(*folders, name),
    st.lists(FOLDERS, max_size=3),
    st.sampled_from(["1.png", "2.png", "3.jpg"]),
)


def options(n_examples: int) -> settings:
    return settings(max_examples=n_examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


in_short_and_at_length = pytest.mark.parametrize("n_examples", [200, pytest.param(3_000, marks=pytest.mark.slow)])


@in_short_and_at_length
def test_of_any_layout_every_file_is_in_one_class_that_a_folder_names_or_it_is_refused(n_examples):
    options(n_examples)(given(st.lists(PATHS, max_size=8, unique=True))(placed_or_refused))()


def placed_or_refused(files: list[Path]) -> None:
    try:
        found = arranged(ROOT, sorted(files), name_if_flat="flat")
    except DataError as error:
        said = str(error)
    else:
        said = ""
        assert set(found.parts) in ({"all"}, {"train", "test"}, {"train", "validation", "test"})
    if said:
        assert any(part in said for file in files for part in file.parts)  # it names something that is there
        return
    placed = [(name, file) for classes in found.parts.values() for name, members in classes.items() for file in members]
    assert sorted(file for _, file in placed) == sorted(files)
    for name, file in placed:
        folders = [unicodedata.normalize("NFC", part) for part in file.parts[:-1]]
        assert name in folders or name == "flat"


FILES = st.sampled_from(["1.png", "2.pgm", "3.jpg", "broken.png", "notes.txt", ".hidden.png", "4", "page.html"])


def content_of(name: str, number: int) -> bytes:
    """What a file of this name holds; pictures differ."""
    if name in ("broken.png", "notes.txt", "page.html"):
        return b"<html>404</html>"
    kind = {".pgm": "PPM", ".jpg": "JPEG"}.get(Path(name).suffix, "PNG")
    stream = io.BytesIO()
    Image.new("L", (4, 4), 16 * number % 256).save(stream, kind)
    return stream.getvalue()


def read_or_refused(root: Path, files: list[Path], *, texts: bool) -> None:
    """What went in is in train, in test, or counted among what was left out; or it is refused."""
    for number, file in enumerate(files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"some words" if texts else content_of(file.name, number))
    try:
        data = text_files(root) if texts else image_folder(root, size=(4, 4), grey=True, skip_unreadable=True)
    except DataError:
        return
    n_left_out = sum(map(int, re.findall(r"Left out, [^:]*: (\d+) \(", data.source)))
    assert len(data.train_labels) + len(data.test_labels) + n_left_out == len(files)


@in_short_and_at_length
@pytest.mark.filterwarnings("ignore::course_utils.data.DataCaution")
def test_nothing_is_lost_in_silence(tmp_path_factory, n_examples):
    paths = st.builds(lambda folders, name: Path(*folders, name), st.lists(FOLDERS, max_size=3), FILES)

    @options(n_examples)
    @given(st.lists(paths, min_size=1, max_size=10, unique=True), st.booleans())
    def tried(files, texts):
        files = [file for file in files if file not in {parent for other in files for parent in other.parents}]
        read_or_refused(tmp_path_factory.mktemp("layout"), files, texts=texts)

    tried()
