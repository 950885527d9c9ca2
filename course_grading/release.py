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

from .course import Course, CourseError, log
from .execution import Kernel, run_cell
from .sandbox import Limits

STEPS = (LockCells, ClearSolutions, ClearOutput, CheckCellMetadata, ClearHiddenTests, ClearMarkScheme, ComputeChecksums)


def student_version(course: Course, chapter: str) -> NotebookNode:
    """The instructor's notebook without solutions, hidden tests, marking schemes and outputs: nbgrader's own steps."""
    notebook = nbformat.read(course.source(chapter), as_version=4)
    resources = course.resources(chapter)
    for step in STEPS:
        preprocessor = step(parent=None, config=course.config)
        preprocessor.log = log
        notebook, resources = preprocessor.preprocess(notebook, resources)
    return notebook


def hints_of(source: str) -> frozenset[str]:
    """The messages that a graded cell's assertions have: what a student may be told."""
    asserts = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]
    return frozenset(a.msg.value for a in asserts if isinstance(a.msg, ast.Constant) and isinstance(a.msg.value, str))


def _run_through(notebook: NotebookNode, limits: Limits) -> list[tuple[str, str, str]]:
    """(cell, type of the error, its text) of each cell that does not run. Our own code: no sandbox."""
    errors = []
    with Kernel(limits, unsafe=True) as kernel:
        for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
            reply, _, ending = run_cell(kernel, cell.source, seconds=limits.cell_seconds)
            if reply is None or reply["status"] == "error":
                ename, evalue = (reply or {}).get("ename", ending), (reply or {}).get("evalue", "")
                errors.append((cell.id, ename, evalue))
    return errors


def check(course: Course, chapter: str, limits: Limits | None = None) -> None:
    """Run both versions from top to bottom.

    Raises:
        CourseError: a model answer does not pass its own tests, or a cell of the students' version fails otherwise than
            by NotImplementedError.
    """
    limits = limits or Limits()
    broken = _run_through(nbformat.read(course.source(chapter), as_version=4), limits)
    if broken:
        cell, kind, text = broken[0]
        raise CourseError(f"{chapter}: the instructor's version fails in cell {cell} ({kind}: {text}); not released")
    students = student_version(course, chapter)
    surprising = [error for error in _run_through(students, limits) if error[1] != "NotImplementedError"]
    if surprising:
        cell, kind, text = surprising[0]
        raise CourseError(
            f"{chapter}: the students' version fails in cell {cell} with {kind} ({text}); only NotImplementedError"
            " may be left for them to remove; not released"
        )


def release(course: Course, chapter: str) -> Path:
    """Write the students' version and tell the gradebook of it; an earlier release stays until the new one is good.

    Raises:
        CourseError: see `check`; or cells were added or removed although there are graded submissions.
    """
    check(course, chapter)
    with tempfile.TemporaryDirectory(prefix="release") as draft:
        directory = course.course_directory(release_directory=draft, assignment_id=chapter)
        converter = GenerateAssignment(coursedir=directory, parent=None, config=course.config, force=True)
        converter.log = directory.log = log
        try:
            converter.start()
        except Exception as error:  # nbgrader logs the reason, and raises another error
            raise CourseError(
                f"{chapter}: nbgrader does not release it ({error}). Were cells added, removed or renamed although"
                " there are graded submissions? Then give the chapter another name, or start with another gradebook"
            ) from error
        target = course.release(chapter)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(draft) / "." / chapter / target.name, target)
    return target
