"""What lies below a user's folder: hidden files told apart, classes by folder, and a split that folders give."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from course_utils.data.common import DataError

# Of macOS, Windows, a NAS and Python; beside them, all names that begin with a dot are hidden.
SYSTEM_NAMES = {
    "__macosx", "$recycle.bin", "system volume information", "thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r",
    "@eadir", "lost+found", "__pycache__",
}  # fmt: skip
WORDS_OF_PARTS = {
    "train": {"train", "training", "trainset", "trainingset", "traindata", "trainingdata", "trn"},
    "validation": {"val", "valid", "validation", "valset", "validset", "validationset", "validationdata", "dev",
                   "devset", "eval", "evaluation"},
    "test": {"test", "testing", "testset", "testingset", "testdata", "testingdata", "tst"},
}  # fmt: skip
WORDS_WITHOUT_MEANING = {"set", "data", "dataset", "split", "part", "images", "imgs", "pictures", "files", "texts"}

FilesByClass = dict[str, list[Path]]


@dataclass(frozen=True)
class Arrangement:
    """Which files belong to which class, and the split.

    Parameters
    ----------
    parts
        "train", "test" and perhaps "validation" → class → files, where folders give the split; else "all" → class →
        files. Classes are sorted by name, and so are the files of each.
    said
        How folders gave the split, in a sentence; empty where they did not.
    """

    parts: dict[str, FilesByClass]
    said: str = ""

    @property
    def class_names(self) -> tuple[str, ...]:
        """All classes of all parts, sorted."""
        return tuple(sorted({name for classes in self.parts.values() for name in classes}))


def is_hidden(path: PurePath) -> bool:
    """Tell whether a file, or a folder in which it lies, is hidden or made by the system; path is a relative one."""
    return any(name.startswith(".") or name.lower() in SYSTEM_NAMES for name in path.parts)


def files_below(root: Path) -> list[Path]:
    """Return the files at any depth, as paths relative to the root, sorted; links to folders are followed once.

    Raises
    ------
    DataError
        A folder cannot be read.
    """

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}).") from None

    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=fail):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [Path(folder, name).relative_to(root) for name in files]
    return sorted(found)


def arranged(root: Path, files: Sequence[Path], *, name_if_flat: str) -> Arrangement:
    """Find classes and split by the names of folders.

    A folder is a class. Folders train/ and test/ (or val/) that hold the classes are the split, in any usual spelling;
    where only one of these is there, its inside counts.

    Parameters
    ----------
    root
        For messages.
    files
        Relative paths of the files that count: a folder without any is no class.
    name_if_flat
        The class of files that lie in no folder.

    Raises
    ------
    DataError
        Files lie beside class folders, or it is not clear what is a class and what is a part of a split.
    """
    folders = sorted({file.parts[0] for file in files if len(file.parts) > 1})
    parts = parts_by_folder(root, folders)
    if not parts:
        return Arrangement({"all": _by_class(root, files, name_if_flat)})
    loose = [file for file in files if len(file.parts) == 1]
    if loose:
        raise DataError(f"{root} contains {_listed(parts)} and also files beside them, such as {loose[0]}, which "
                        f"belong to none of them. Move them.")  # fmt: skip
    inside = {
        part: [Path(*file.parts[1:]) for file in files if file.parts[0] == folder] for folder, part in parts.items()
    }
    if len(parts) == 1:
        (folder,) = parts
        inner = arranged(root / folder, inside[parts[folder]], name_if_flat=name_if_flat)
        return Arrangement(_put_below(inner.parts, folder), inner.said or f" All of it lies in {folder}/.")
    found = {part: _by_class(root / folder, inside[part], name_if_flat) for folder, part in parts.items()}
    flat = [folder for folder, part in parts.items() if all(len(file.parts) == 1 for file in inside[part])]
    if flat and len(flat) < len(parts):
        raise DataError(f"{root / flat[0]} has no class folders, and the other parts of the split have: the class of "
                        f"its files is unknown. Take the folder away, or sort them into classes.")  # fmt: skip
    folder_of = {part: folder for folder, part in parts.items()}
    placed = {part: _put_below({part: classes}, folder_of[part])[part] for part, classes in found.items()}
    said = f" Split as given: {_listed(parts)}."
    if "test" not in placed:
        placed["test"] = placed.pop("validation")
        said += f" There is no test/, so {folder_of['validation']}/ (validation) is for testing."
    return Arrangement(placed, said)


def parts_by_folder(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Find the part of a split that each folder's name says: folder → part; empty where the folders are classes.

    Raises
    ------
    DataError
        It is not clear what is a class and what is a part of a split.
    """
    read = {folder: _part_of(folder) for folder in folders}
    named = {folder: found for folder, found in read.items() if found}
    kinds = {part for part, _ in named.values()}
    others = [folder for folder in folders if folder not in named]
    if others:
        if "train" in kinds and len(kinds) > 1:
            raise DataError(f"{root} contains {_listed(named)} and beside them {_listed(others[:3])}: are the first a "
                            f"split, or are all of them classes? Move the others away, or into the parts of the split; "
                            f"or rename the classes.")  # fmt: skip
        return {}
    if not named or len({rest for _, rest in named.values()}) > 1:
        return {}
    if len(kinds) < len(named):
        raise DataError(f"{root} contains {_listed(named)}: two of them name the same part of a split. Rename one.")
    if len(named) > 1 and "train" not in kinds:
        raise DataError(f"{root} contains {_listed(named)}, and nothing to train on. Add train/, or rename what is to "
                        f"be trained on to train/.")  # fmt: skip
    return {folder: part for folder, (part, _) in named.items()}


def _part_of(name: str) -> tuple[str, frozenset[str]] | None:
    """The part of a split that a name says, and its other words: "20news-bydate-train" → train, {20news, bydate}."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", name).lower())
    parts = [(part, word) for word in words for part, known in WORDS_OF_PARTS.items() if word in known]
    if len(parts) != 1:
        return None
    part, word = parts[0]
    return part, frozenset(words) - {word} - WORDS_WITHOUT_MEANING


def _by_class(root: Path, files: Iterable[Path], name_if_flat: str) -> FilesByClass:
    """Class → its files. Names are in composed form: macOS writes é as two characters, others as one."""
    classes: FilesByClass = {}
    loose = []
    for file in files:
        if len(file.parts) == 1:
            loose.append(file)
        else:
            classes.setdefault(unicodedata.normalize("NFC", file.parts[0]), []).append(file)
    if classes and loose:
        raise DataError(f"{root} contains class folders and also files beside them, such as {loose[0]}, whose class is "
                        f"unknown. Move them into a class folder.")  # fmt: skip
    for name, members in classes.items():
        inner = {file.parts[1] for file in members if len(file.parts) > 2}
        if {part[0] for part in map(_part_of, inner) if part} >= {"train", "test"}:
            if len(classes) == 1:
                raise DataError(f"The split lies one folder deeper: give {root / name} instead of {root}.")
            raise DataError(f"{root / name} contains {_listed(sorted(inner))}: a split within each class. Put the "
                            f"split above the classes: train/{name}, test/{name}.")  # fmt: skip
    return dict(sorted(classes.items())) if classes else {name_if_flat: loose} if loose else {}


def _put_below(parts: dict[str, FilesByClass], folder: str) -> dict[str, FilesByClass]:
    return {
        part: {name: [Path(folder, file) for file in files] for name, files in classes.items()}
        for part, classes in parts.items()
    }


def _listed(folders: Iterable[str]) -> str:
    return ", ".join(f"{folder}/" for folder in folders)
