"""The answers that are kept with the tests: right ones, and wrong ones that learners really give.

`tests/grading/answers/01_pca.py` belongs to `exercises/source/01_pca/01_pca.ipynb`. Each answer replaces a solution:

    # %% task: subtract-the-mean
    # %% right: through the covariance matrix
    def fit_pca(x, n_codes): ...
    # %% wrong: the mean stays in
    # hint: The mean was not subtracted
    def fit_pca(x, n_codes): ...

`task` is the name of the graded cell, `hint` the beginning of the message that the learner must get.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import linecache
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "exercises" / "source"
CHAPTERS = sorted(path.parent.name for path in SOURCE.glob("*/*.ipynb"))


@dataclass(frozen=True)
class Answer:
    """One stored answer: the code of a solution cell, and what must come of it."""

    chapter: str
    task: str
    name: str
    code: str
    right: bool
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.chapter}-{self.task}-{'right' if self.right else 'wrong'}-{self.name.replace(' ', '_')}"


def read_answers(chapter: str) -> list[Answer]:
    """The stored answers of a chapter, in the order of the file."""
    path = Path(__file__).parent / "answers" / f"{chapter}.py"
    answers, task = [], ""
    pieces = re.split(r"^# %% (task|right|wrong): (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for kind, name, code in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        if kind == "task":
            task = name.strip()
            continue
        hint = re.match(r"\s*# hint: (.*)\n", code)
        answers.append(
            Answer(chapter, task, name.strip(), code, kind == "right", hint.group(1).strip() if hint else "")
        )
    return answers


@cache
def source_cells(chapter: str) -> list[nbformat.NotebookNode]:
    """The cells of the instructor's version."""
    return nbformat.read(SOURCE / chapter / f"{chapter}.ipynb", as_version=4).cells


def nbgrader(cell: nbformat.NotebookNode, key: str) -> object:
    """A cell's nbgrader metadata: "grade", "solution", "locked", "points", "grade_id"; False where it has none."""
    return cell.metadata.get("nbgrader", {}).get(key, False)


def graded_cells(chapter: str) -> list[nbformat.NotebookNode]:
    """The cells that are marked by the machine, one a task."""
    return [cell for cell in source_cells(chapter) if cell.cell_type == "code" and nbgrader(cell, "grade")]


def answer_cell_of(chapter: str, task: str) -> str:
    """The name of the solution cell that a task is about: the last one before its graded cell."""
    last = ""
    for cell in source_cells(chapter):
        if cell.cell_type == "code" and nbgrader(cell, "solution"):
            last = cell.id
        if cell.id == task:
            return last
    raise KeyError(f"{chapter} has no graded cell {task!r}")


def run(chapter: str, answer: Answer | None = None) -> dict[str, BaseException | None]:
    """Execute a chapter's cells in this process, one answer in the place of its solution cell, and
    return what each graded cell raised (None: it passed). Only for code that we wrote ourselves."""
    space: dict[str, object] = {"__name__": "__main__", "__builtins__": builtins}
    replaced = answer_cell_of(chapter, answer.task) if answer else None
    outcome: dict[str, BaseException | None] = {}
    for cell in source_cells(chapter):
        if cell.cell_type != "code":
            continue
        is_checked = nbgrader(cell, "grade")
        code = answer.code if answer and cell.id == replaced else cell.source
        file = f"<{chapter}/{cell.id}/{answer}>"
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)  # inspect.getsource works
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(code, file, "exec"), space)
            error = None
        except Exception as raised:
            error = raised
        if is_checked:
            outcome[cell.id] = error
            if answer and cell.id == answer.task:
                return outcome
        elif error is not None and (answer is None or cell.id == replaced):
            outcome[cell.id] = error
    return outcome


def errors_of(cells: list[nbformat.NotebookNode]) -> list[Exception]:
    """What the code cells of a notebook raise, each cell run after the others whether they failed or not."""
    space: dict[str, object] = {"__name__": "__main__", "__builtins__": builtins}
    errors = []
    for cell in (cell for cell in cells if cell.cell_type == "code"):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(cell.source, f"<{cell.id}>", "exec"), space)
        except Exception as raised:
            errors.append(raised)
    return errors
