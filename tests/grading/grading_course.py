"""A small course with one exercise, how submissions get into it, and what grading leaves there."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_grading.course import Course
from course_grading.recording import read_result
from course_grading.sandbox import SandboxUnavailable, preflight

CHAPTER = "01_units"
ROOT = Path(__file__).parents[2]
try:
    preflight()
    WHY_NOT = ""
except SandboxUnavailable as missing:
    WHY_NOT = str(missing)
HAS_SANDBOX = not WHY_NOT
needs_sandbox = pytest.mark.skipif(not HAS_SANDBOX, reason=WHY_NOT)

SECRET = "hidden-value-4711"  # stands in the hidden tests: nobody but the instructor may ever see it
HINT_MEAN = "The sum is divided by all pixels: that is an error per pixel, not per image."
HINT_SUM = "The squared error is right, but of all images together."

SSE = '''def sse(x, x_hat):
    """Return the squared error, summed over pixels, mean over images."""
    ### BEGIN SOLUTION
    return ((x - x_hat) ** 2).sum() / len(x)
    ### END SOLUTION'''
SSE_TEST = f'''# Graded: the unit of the error
### BEGIN HIDDEN TESTS
import numpy as _numpy
_x = _numpy.full((2, 3), 2.0)
_secret = "{SECRET}"
_error = sse(_x, _x - 1)
assert abs(_error - 1) > 1e-6, "{HINT_MEAN}"
assert abs(_error - 6) > 1e-6, "{HINT_SUM}"
assert abs(_error - 3) < 1e-6, "The error of two images that are off by 1 in three pixels is not 3."
### END HIDDEN TESTS'''
PSNR = '''def psnr(mse):
    """Return the peak signal-to-noise ratio in dB, for a peak of 1."""
    ### BEGIN SOLUTION
    return -10 * np.log10(mse)
    ### END SOLUTION'''
PSNR_TEST = """# Graded: decibels
### BEGIN HIDDEN TESTS
assert abs(psnr(0.01) - 20) > 10.5, "A squared error is a power: ten times the logarithm, not twenty times."
assert abs(psnr(0.01) - 20) < 1e-6, "A squared error of 0.01 is 20 dB below the peak."
### END HIDDEN TESTS""".replace("abs(psnr(0.01) - 20) > 10.5", "abs(psnr(0.01) - 40) > 1e-6")
RIGHT_SSE = "def sse(x, x_hat):\n    return float(np.square(np.asarray(x) - x_hat).sum(axis=1).mean())"
WRONG_SSE = "def sse(x, x_hat):\n    return ((x - x_hat) ** 2).mean()"
RIGHT_PSNR = "def psnr(mse):\n    return 10 * np.log10(1 / mse)"


def nbgrader_marks(name: str, *, kind: str = "code", points: float | None = None, solution: bool = False) -> dict:
    marks = {"grade_id": name, "grade": points is not None, "solution": solution, "locked": not solution, "task": False,
             "schema_version": 3, "cell_type": kind}  # fmt: skip
    return {"nbgrader": marks | ({} if points is None else {"points": points})}


def source() -> NotebookNode:
    """The instructor's version: set-up, two tasks of 2 and 1 points, one written answer of 3."""
    written = "### BEGIN SOLUTION\nBecause a mean has a unit.\n### END SOLUTION"
    return new_notebook(
        cells=[
            new_markdown_cell("# Units", id="title"),
            new_code_cell("import numpy as np", id="set-up", metadata=nbgrader_marks("set-up")),
            new_code_cell(SSE, id="sse-answer", metadata=nbgrader_marks("sse-answer", solution=True)),
            new_code_cell("print(sse(np.ones((1, 2)), np.zeros((1, 2))))", id="sse-check"),
            new_code_cell(SSE_TEST, id="sse", metadata=nbgrader_marks("sse", points=2)),
            new_code_cell(PSNR, id="psnr-answer", metadata=nbgrader_marks("psnr-answer", solution=True)),
            new_code_cell(PSNR_TEST, id="psnr", metadata=nbgrader_marks("psnr", points=1)),
            new_markdown_cell(
                written, id="why", metadata=nbgrader_marks("why", kind="markdown", points=3, solution=True)
            ),
        ],
        metadata={"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
    )


def make_course(root: Path) -> Path:
    """A course directory with the exercise's source and the course's own nbgrader_config.py."""
    path = root / "source" / CHAPTER / f"{CHAPTER}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(nbformat.writes(source()), encoding="utf-8")
    config = (ROOT / "exercises" / "nbgrader_config.py").read_text(encoding="utf-8")
    (root / "nbgrader_config.py").write_text(config, encoding="utf-8")
    return root


def cell(notebook: NotebookNode, name: str) -> NotebookNode:
    """A cell by its name."""
    return next(cell for cell in notebook.cells if cell.id == name)


def answered(released: NotebookNode, **answers: str) -> NotebookNode:
    """A copy of the released notebook with right answers, or others: answered(nb, sse="…")."""
    notebook = nbformat.from_dict(json.loads(nbformat.writes(released)))
    texts = {"sse": RIGHT_SSE, "psnr": RIGHT_PSNR} | answers
    for name, text in texts.items():
        cell(notebook, f"{name}-answer").source = text
    cell(notebook, "why").source = "Because of the unit."
    return notebook


@dataclass(frozen=True)
class Case:
    """One submission: what the student does to the released notebook (or to the folder), and what must come out."""

    change: Callable[[NotebookNode, Path], NotebookNode | None]
    state: str = "graded"
    sse: float | None = 2
    psnr: float | None = 1
    says: str = ""  # somewhere in reason, notes, flags or hints
    hostile: bool = True


def hand_in(root: Path, student: str, case: Case) -> None:
    """Put a submission where `grade` looks for it."""
    folder = root / "submitted" / student / CHAPTER
    folder.mkdir(parents=True)
    released = nbformat.read(root / "release" / CHAPTER / f"{CHAPTER}.ipynb", as_version=4)
    notebook = case.change(released, folder)
    if notebook is not None:
        (folder / f"{CHAPTER}.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")


def marks(root: Path) -> list[tuple]:
    """The gradebook's content without ids and times: who has what for which task."""
    query = """select s.student_id, c.name, g.auto_score, g.manual_score, g.needs_manual_grade
        from grade g join submitted_notebook n on g.notebook_id = n.id join submitted_assignment s on n.assignment_id =
        s.id join base_cell c on g.cell_id = c.id order by 1, 2"""
    with sqlite3.connect(root / "gradebook.db") as database:
        return database.execute(query).fetchall()


def states(course: Course) -> dict[str, str]:
    """How each submission ended."""
    return {s.student: read_result(course, s).state for s in course.submissions([CHAPTER])}


def course_with(root: Path, released: Path, cases: dict[str, Case]) -> Course:
    """A copy of the released course with these submissions."""
    shutil.copytree(released, root, dirs_exist_ok=True)
    for student, case in cases.items():
        hand_in(root, student, case)
    return Course(root)
