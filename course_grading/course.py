"""The course directory: where everything lies, in nbgrader's own layout, so that nbgrader's other tools go on working.

exercises/
    nbgrader_config.py   read by nbgrader and by us
    source/CHAPTER/      the instructor's version
    release/CHAPTER/     the students' version, made of it
    submitted/STUDENT/CHAPTER/CHAPTER.ipynb
    autograded/…         executed submissions, for the formgrader
    feedback/…           what a student gets
    results/CHAPTER/STUDENT.json   how each submission ended: the journal of `grade`
    report/              grades.csv, tasks.csv, index.html
    gradebook.db
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import nbformat
import nbgrader
from nbformat import NotebookNode
from nbgrader.api import Assignment, Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from course_utils.settings import search_path

T = TypeVar("T")
STUDENT = re.compile(r"\w[\w.@+-]*")  # what a folder of submitted/ may be called

log = logging.getLogger("course_grading")  # nbgrader's own chatter, too; silent unless somebody listens
log.addHandler(logging.NullHandler())
log.propagate = False


class CourseError(ValueError):
    """The course directory is not as it must be; the message says what to do."""


@dataclass(frozen=True)
class Submission:
    """One student's folder for one chapter."""

    student: str
    chapter: str
    folder: Path

    @property
    def path(self) -> Path:
        """Where the notebook must lie."""
        return self.folder / f"{self.chapter}.ipynb"

    def __str__(self) -> str:
        return f"{printable(self.student)} {self.chapter}"


class Course:
    """A course directory.

    Args:
        root: the folder with `source/` in it.

    Raises:
        CourseError: there is no such folder, or no exercise in it.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()
        if not self.known_chapters:
            raise CourseError(f"{self.root} has no source/CHAPTER/CHAPTER.ipynb: name the course by --course FOLDER")
        # nbgrader asks alembic, by its name, for the version of a new gradebook
        os.environ["PATH"] = search_path()

    # ------------------------------------------------------------------------------------------------------- chapters

    @cached_property
    def known_chapters(self) -> list[str]:
        """The names of all exercises, sorted."""
        return sorted(path.stem for path in self.root.glob("source/*/*.ipynb") if path.stem == path.parent.name)

    def chapters(self, names: list[str] | None = None) -> list[str]:
        """The chapters that are meant: "1", "01" and "01_pca" are the same; none given means all."""
        chosen = []
        for name in names or self.known_chapters:
            number = f"{int(name):02d}_" if name.isdecimal() else None
            fits = [known for known in self.known_chapters if known == name or (number and known.startswith(number))]
            if len(fits) != 1:
                raise CourseError(f"There is no exercise {name!r}; there are {', '.join(self.known_chapters)}")
            chosen += fits
        return list(dict.fromkeys(chosen))

    def source(self, chapter: str) -> Path:
        """The instructor's version of a chapter."""
        return self.root / "source" / chapter / f"{chapter}.ipynb"

    def release(self, chapter: str) -> Path:
        """The students' version of a chapter."""
        return self.root / "release" / chapter / f"{chapter}.ipynb"

    def released_cells(self, chapter: str) -> dict[str, str]:
        """The cells that nbgrader knows, as the students got them, from top to bottom: name → text."""
        cells = nbformat.read(self.release(chapter), as_version=4).cells
        return {name(cell): cell.source for cell in cells if name(cell)}

    # --------------------------------------------------------------------------------------------------- submissions

    def submissions(self, chapters: list[str]) -> list[Submission]:
        """What was handed in for these chapters, by student. A file that is not a folder is none."""
        folders = sorted(folder for folder in self.root.glob("submitted/*/*") if folder.is_dir())
        return [Submission(f.parent.name, f.name, f) for f in folders if f.name in chapters and _is_visible(f.parent)]

    def overlooked(self) -> list[str]:
        """What lies in `submitted/` and is no submission: files without a folder, folders of no chapter."""
        places = [place for place in self.root.glob("submitted/*/*") if _is_visible(place)]
        lost = [place for place in places if not place.is_dir() or place.name not in self.known_chapters]
        lost += [
            place for place in self.root.glob("submitted/*") if not place.is_dir() and not place.name.startswith(".")
        ]
        return sorted(printable(str(place.relative_to(self.root))) for place in lost)

    def autograded(self, submission: Submission) -> Path:
        """The executed notebook that the formgrader shows."""
        return self.root / "autograded" / submission.student / submission.chapter / f"{submission.chapter}.ipynb"

    def feedback(self, submission: Submission) -> Path:
        """The page that the student gets."""
        return self.root / "feedback" / submission.student / submission.chapter / f"{submission.chapter}.html"

    def result(self, submission: Submission) -> Path:
        """The journal's entry of a submission."""
        name = submission.student
        if not is_student(name):  # it may be too long for a file's name, or no text
            name = "=" + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return self.root / "results" / submission.chapter / f"{name}.json"

    # ----------------------------------------------------------------------------------------------------- gradebook

    @cached_property
    def config(self) -> Config:
        """nbgrader_config.py of the course directory, with this directory as the root."""
        config = Config()
        if (self.root / "nbgrader_config.py").exists():
            config.merge(PyFileConfigLoader("nbgrader_config.py", path=str(self.root)).load_config())
        config.CourseDirectory.root = str(self.root)
        return config

    @property
    def db_url(self) -> str:
        """The gradebook. A minute's patience where another program writes into it; SQLite's own is five seconds."""
        default = f"sqlite:///{self.root / 'gradebook.db'}?timeout=60"
        return str(self.config.CourseDirectory.get("db_url", default))

    def course_directory(self, **changed: str) -> CourseDirectory:
        """nbgrader's idea of this course, for its converters."""
        config = Config(self.config)
        config.CourseDirectory.db_url = self.db_url
        for name, value in changed.items():
            config.CourseDirectory[name] = value
        return CourseDirectory(config=config)

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """nbgrader's gradebook, open."""
        with Gradebook(self.db_url, self.config.CourseDirectory.get("course_id", "")) as gradebook:
            yield gradebook

    def resources(self, chapter: str, student: str = "") -> dict:
        """What nbgrader's preprocessors want to know of a notebook."""
        names = {"student": student, "assignment": chapter, "notebook": chapter, "db_url": self.db_url}
        files = {"unique_key": chapter, "output_files_dir": f"{chapter}_files"}
        return {"nbgrader": names, "metadata": {"name": chapter}, **files}

    def released_chapters(self) -> list[str]:
        """The chapters that were released, which is what all of a class's chapters means; all, if none was."""
        with self.gradebook() as gradebook:
            names = {assignment.name for assignment in gradebook.assignments}
        return [chapter for chapter in self.known_chapters if chapter in names] or self.known_chapters

    def released(self, gradebook: Gradebook, chapter: str) -> Assignment:
        """The chapter in the gradebook.

        Raises:
            CourseError: it was never released.
        """
        try:
            assignment = gradebook.find_assignment(chapter)
        except MissingEntry:
            assignment = None
        if assignment is None or not assignment.notebooks or not self.release(chapter).exists():
            raise CourseError(f"{chapter} is not released: run `python -m course_grading release {chapter}` first")
        return assignment


def is_student(name: str) -> bool:
    """Whether a folder's name can be a student's id."""
    return bool(STUDENT.fullmatch(name)) and len(name) <= 100


def printable(text: str) -> str:
    """A text from outside without what a terminal would obey and no file could hold."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def name(cell: NotebookNode) -> str | None:
    """What nbgrader calls a cell; None for a cell that it does not know."""
    marks = cell.metadata.get("nbgrader")
    found = marks.get("grade_id") if isinstance(marks, dict) else None
    return found if isinstance(found, str) else None


def is_plain(path: Path, *, most: int) -> bool:
    """Whether it is an ordinary file of at most so many bytes: neither a link, which would be followed, nor a device,
    which would never end, nor something that fills the memory."""
    try:
        return path.is_file() and not path.is_symlink() and path.stat().st_size <= most
    except OSError:
        return False


def _is_visible(folder: Path) -> bool:
    return not folder.name.startswith(".") and not folder.parent.name.startswith(".")


def patiently(action: Callable[[], T], *, tries: int = 3) -> T:
    """Do something with the gradebook; again, when it was locked by another program for more than its patience."""
    for left in reversed(range(tries)):
        try:
            return action()
        except OperationalError as error:
            if "locked" not in str(error) or not left:
                raise
            time.sleep(1)
    raise AssertionError("unreachable")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there as a whole or not at all, whenever the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def read_json(path: Path) -> dict | None:
    """The content of a JSON file; None where there is none, or none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


VERSION = f"course 1, nbgrader {nbgrader.__version__}"
