"""The instructor's version of a chapter → the students' version, tried before it is given out."""

from __future__ import annotations

import ast
import shutil
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)

from course_grading.cell_run import run_cell
from course_grading.course import Course, CourseError, log
from course_grading.kernel import Kernel
from course_grading.sandbox import Limits

STEPS = (LockCells, ClearSolutions, ClearOutput, CheckCellMetadata, ClearHiddenTests, ClearMarkScheme, ComputeChecksums)


def student_version(course: Course, chapter: str) -> NotebookNode:
    """Make the students' version of a chapter, by nbgrader's own steps.

    Parameters
    ----------
    course
        The course directory.
    chapter
        The full name of the chapter.

    Returns
    -------
    NotebookNode
        The instructor's notebook without solutions, hidden tests, marking schemes and outputs.
    """
    notebook = nbformat.read(course.source(chapter), as_version=4)
    resources = course.resources(chapter)
    for step in STEPS:
        preprocessor = step(parent=None, config=course.config)
        preprocessor.log = log
        notebook, resources = preprocessor.preprocess(notebook, resources)
    return notebook


def hints_of(source: str) -> frozenset[str]:
    """Return the messages of a graded cell's assertions: what a student may be told.

    Parameters
    ----------
    source
        The text of the cell.
    """
    asserts = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]
    return frozenset(a.msg.value for a in asserts if isinstance(a.msg, ast.Constant) and isinstance(a.msg.value, str))


def _run_through(notebook: NotebookNode) -> list[tuple[str, str, str]]:
    """(cell, type of the error, its text) of each cell that fails. It is our own code, and needs no sandbox."""
    errors = []
    limits = Limits()
    with Kernel(limits, unsafe=True) as kernel:
        for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
            reply, _, ending = run_cell(kernel, cell.source, seconds=limits.cell_seconds)
            if reply is None:
                errors.append((cell.id, ending, ""))
            elif reply["status"] == "error":
                errors.append((cell.id, reply.get("ename", ending), reply.get("evalue", "")))
    return errors


def check(course: Course, chapter: str) -> None:
    """Run both versions of a chapter from top to bottom.

    Parameters
    ----------
    course
        The course directory.
    chapter
        The full name of the chapter.

    Raises
    ------
    CourseError
        A model answer does not pass its own tests, or a cell of the students' version fails with another error than
        NotImplementedError.
    """
    for cell, kind, text in _run_through(nbformat.read(course.source(chapter), as_version=4)):
        raise CourseError(f"{chapter}: the instructor's version fails in cell {cell} ({kind}: {text}); not released")
    for cell, kind, text in _run_through(student_version(course, chapter)):
        if kind != "NotImplementedError":
            raise CourseError(
                f"{chapter}: the students' version fails in cell {cell} with {kind} ({text}); the only error that"
                " students may have to remove is NotImplementedError; not released"
            )


def release(course: Course, chapter: str) -> Path:
    """Write the students' version and register it in the gradebook, once it is known to be good.

    Parameters
    ----------
    course
        The course directory.
    chapter
        The full name of the chapter.

    Returns
    -------
    Path
        The students' version. An earlier one is replaced only if there is no error.

    Raises
    ------
    CourseError
        See `check`; or cells were added or removed although there are graded submissions.
    """
    check(course, chapter)
    with tempfile.TemporaryDirectory(prefix="release") as draft:
        _generate(course, chapter, draft)
        target = course.release(chapter)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(draft) / "." / chapter / target.name, target)
    return target


def _generate(course: Course, chapter: str, folder: str) -> None:
    """Run nbgrader's generate_assignment; it writes into another folder than the course's."""
    directory = course.course_directory(release_directory=folder, assignment_id=chapter)
    converter = GenerateAssignment(coursedir=directory, parent=None, config=course.config, force=True)
    converter.log = directory.log = log
    try:
        converter.start()
    except Exception as error:  # nbgrader logs the reason, and raises another error
        raise CourseError(
            f"{chapter}: nbgrader does not release it ({error}). Were cells added, removed or renamed although"
            " there are graded submissions? Then give the chapter another name, or start with another gradebook"
        ) from error
