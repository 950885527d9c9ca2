"""The course directory: where each file is, in nbgrader's own layout, so that nbgrader's other tools still work.

exercises/
    nbgrader_config.py   read by nbgrader and by this package
    source/CHAPTER/      the instructor's version
    release/CHAPTER/     the students' version, made from it
    submitted/STUDENT/CHAPTER/CHAPTER.ipynb
    autograded/…         executed submissions, for the formgrader
    feedback/…           what a student receives
    results/CHAPTER/STUDENT.json   how each submission ended: the journal of `grade`
    report/              grades.csv, tasks.csv, index.html
    gradebook.db
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import nbformat
import nbgrader
from nbgrader.api import Assignment, Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from course_grading.cells import grade_id
from course_grading.files import is_student_id, printable
from course_utils.environment import search_path

T = TypeVar("T")
VERSION = f"course 1, nbgrader {nbgrader.__version__}"

log = logging.getLogger("course_grading")  # nbgrader's messages, too; silent unless a handler is added
log.addHandler(logging.NullHandler())
log.propagate = False


class CourseError(ValueError):
    """The course directory is not as it must be; the message says what to do."""


@dataclass(frozen=True)
class Submission:
    """One student's folder for one chapter.

    Parameters
    ----------
    student
        The student's id: the name of the folder below `submitted/`.
    chapter
        The name of the exercise.
    folder
        Where the files are.
    """

    student: str
    chapter: str
    folder: Path

    @property
    def path(self) -> Path:
        """Where the notebook must be."""
        return self.folder / f"{self.chapter}.ipynb"

    def __str__(self) -> str:
        return f"{printable(self.student)} {self.chapter}"


class Course:
    """A course directory.

    Parameters
    ----------
    root
        The folder that contains `source/`.

    Raises
    ------
    CourseError
        There is no such folder, or no exercise in it.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()
        if not self.known_chapters:
            raise CourseError(f"{self.root} has no source/CHAPTER/CHAPTER.ipynb: give the folder with --course FOLDER")
        # nbgrader calls the program alembic, by its name, for the version of a new gradebook
        os.environ["PATH"] = search_path()

    # ------------------------------------------------------------------------------------------------------- chapters

    @cached_property
    def known_chapters(self) -> list[str]:
        """The names of all exercises, sorted."""
        return sorted(path.stem for path in self.root.glob("source/*/*.ipynb") if path.stem == path.parent.name)

    def chapters(self, names: list[str]) -> list[str]:
        """Return the full names of some chapters, each once.

        Parameters
        ----------
        names
            "1", "01" and "01_pca" mean the same chapter; an empty list means all chapters.

        Raises
        ------
        CourseError
            There is no such chapter.
        """
        return list(dict.fromkeys(self._chapter(name) for name in names or self.known_chapters))

    def _chapter(self, name: str) -> str:
        number = f"{int(name):02d}_" if name.isdecimal() else None
        fits = [known for known in self.known_chapters if known == name or (number and known.startswith(number))]
        if len(fits) != 1:
            raise CourseError(f"There is no exercise {name!r}. There are: {', '.join(self.known_chapters)}")
        return fits[0]

    def released_chapters(self) -> list[str]:
        """Return the chapters that were released; all chapters if none was."""
        with self.gradebook() as gradebook:
            names = {assignment.name for assignment in gradebook.assignments}
        return [chapter for chapter in self.known_chapters if chapter in names] or self.known_chapters

    def source(self, chapter: str) -> Path:
        """Return the path of the instructor's version of a chapter."""
        return self.root / "source" / chapter / f"{chapter}.ipynb"

    def release(self, chapter: str) -> Path:
        """Return the path of the students' version of a chapter."""
        return self.root / "release" / chapter / f"{chapter}.ipynb"

    def released_cells(self, chapter: str) -> dict[str, str]:
        """Return the cells with a name of the students' version, from top to bottom: name → text."""
        cells = nbformat.read(self.release(chapter), as_version=4).cells
        return {name: cell.source for cell in cells if (name := grade_id(cell))}

    # --------------------------------------------------------------------------------------------------- submissions

    def submissions(self, chapters: list[str]) -> list[Submission]:
        """Return what was handed in for these chapters, by student. Only folders count."""
        folders = sorted(folder for folder in self.root.glob("submitted/*/*") if folder.is_dir())
        return [Submission(f.parent.name, f.name, f) for f in folders if f.name in chapters and _is_visible(f.parent)]

    def unrecognised_entries(self) -> list[str]:
        """Return what is in `submitted/` but is not a submission: files, and folders of no chapter."""
        entries = [entry for entry in self.root.glob("submitted/*/*") if _is_visible(entry)]
        found = [entry for entry in entries if not entry.is_dir() or entry.name not in self.known_chapters]
        top = self.root.glob("submitted/*")
        found += [entry for entry in top if not entry.is_dir() and not entry.name.startswith(".")]
        return sorted(printable(str(entry.relative_to(self.root))) for entry in found)

    def autograded(self, submission: Submission) -> Path:
        """Return the path of the executed notebook that the formgrader shows."""
        return self.root / "autograded" / submission.student / submission.chapter / f"{submission.chapter}.ipynb"

    def feedback(self, submission: Submission) -> Path:
        """Return the path of the page that the student receives."""
        return self.root / "feedback" / submission.student / submission.chapter / f"{submission.chapter}.html"

    def result(self, submission: Submission) -> Path:
        """Return the path of a submission's entry in the journal."""
        name = submission.student
        if not is_student_id(name):  # it may be too long for the name of a file, or not a text
            name = "=" + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return self.root / "results" / submission.chapter / f"{name}.json"

    # ----------------------------------------------------------------------------------------------------- gradebook

    @cached_property
    def config(self) -> Config:
        """The settings in nbgrader_config.py of the course directory, with this directory as the root."""
        config = Config()
        if (self.root / "nbgrader_config.py").exists():
            config.merge(PyFileConfigLoader("nbgrader_config.py", path=str(self.root)).load_config())
        config.CourseDirectory.root = str(self.root)
        return config

    @property
    def db_url(self) -> str:
        """The address of the gradebook. It waits a minute for another program's lock; SQLite's default is 5 s."""
        default = f"sqlite:///{self.root / 'gradebook.db'}?timeout=60"
        return str(self.config.CourseDirectory.get("db_url", default))

    def course_directory(self, **changed: str) -> CourseDirectory:
        """Return nbgrader's own object for this course, with some of its traits changed."""
        config = Config(self.config)
        config.CourseDirectory.db_url = self.db_url
        for name, value in changed.items():
            config.CourseDirectory[name] = value
        return CourseDirectory(config=config)

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """Open nbgrader's gradebook; close it at the end."""
        with Gradebook(self.db_url, self.config.CourseDirectory.get("course_id", "")) as gradebook:
            yield gradebook

    def resources(self, chapter: str, student: str = "") -> dict:
        """Return the `resources` that nbgrader's preprocessors expect for a notebook."""
        names = {"student": student, "assignment": chapter, "notebook": chapter, "db_url": self.db_url}
        files = {"unique_key": chapter, "output_files_dir": f"{chapter}_files"}
        return {"nbgrader": names, "metadata": {"name": chapter}, **files}

    def released(self, gradebook: Gradebook, chapter: str) -> Assignment:
        """Return a chapter from the gradebook.

        Parameters
        ----------
        gradebook
            The open gradebook.
        chapter
            The full name of the chapter.

        Raises
        ------
        CourseError
            The chapter was never released.
        """
        try:
            assignment = gradebook.find_assignment(chapter)
        except MissingEntry:
            assignment = None
        if assignment is None or not assignment.notebooks or not self.release(chapter).exists():
            raise CourseError(f"{chapter} is not released: run `python -m course_grading release {chapter}` first")
        return assignment


def _is_visible(entry: Path) -> bool:
    return not entry.name.startswith(".") and not entry.parent.name.startswith(".")


def retry_while_locked(action: Callable[[], T], *, tries: int = 3) -> T:
    """Use the gradebook, and try again if another program has locked it for longer than a connection waits.

    Parameters
    ----------
    action
        What to do; it is called again from the start.
    tries
        How often to call it, at least 1. The error of the last call is raised.
    """
    for _ in range(tries - 1):
        try:
            return action()
        except OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(1)
    return action()
