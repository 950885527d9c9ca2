"""The course's own exercises through the whole of grading: what all answers right, and none at all, get."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from exercise_answers import CHAPTERS, ROOT, graded_cells, source_cells
from grading_course import HAS_SANDBOX

from course_grading import release as release_module
from course_grading.batch import grade
from course_grading.course import Course
from course_grading.recording import Result

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # of nbgrader's and SQLAlchemy's own


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[tuple[str, str], Result]:
    """(student, chapter) → result, of one student with the model answers and one who handed in what was given out."""
    root = tmp_path_factory.mktemp("course")
    for name in ("source", "release"):
        shutil.copytree(ROOT / "exercises" / name, root / name)
    shutil.copy(ROOT / "exercises" / "nbgrader_config.py", root)
    course = Course(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release_module, "check", lambda *_: None)  # tests/test_exercises.py has run both versions
        for chapter in CHAPTERS:
            release_module.release(course, chapter)
            solved = nbformat.read(course.release(chapter), as_version=4)
            answers = {cell.id: cell.source for cell in source_cells(chapter)}
            for cell in solved.cells:
                if cell.metadata.get("nbgrader", {}).get("solution"):
                    cell.source = answers[cell.id]
            for student, notebook in (
                ("right", nbformat.writes(solved)),
                ("empty", course.release(chapter).read_text()),
            ):
                path = root / "submitted" / student / chapter / f"{chapter}.ipynb"
                path.parent.mkdir(parents=True)
                Path(path).write_text(notebook, encoding="utf-8")
    return {(r.student, r.chapter): r for r in grade(course, CHAPTERS, unsafe=not HAS_SANDBOX).results}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_model_answers_get_all_points_in_the_sandbox(results, chapter):
    result = results["right", chapter]
    assert (result.state, result.flags, result.notes, result.hints) == ("graded", [], [], {})
    assert result.marks == {cell.id: cell.metadata.nbgrader.points for cell in graded_cells(chapter)}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_was_given_out_gets_none(results, chapter):
    result = results["empty", chapter]
    assert (result.state, result.flags, result.notes) == ("graded", [], [])
    assert result.marks == dict.fromkeys((cell.id for cell in graded_cells(chapter)), 0)
    assert all(hint.startswith("Not answered yet") for hint in result.hints.values())
