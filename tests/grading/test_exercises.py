"""The exercises: their form, and that each grades right answers and wrong ones as it must."""

from __future__ import annotations

import ast
import re

import nbformat
import pytest
from exercise_answers import (
    CHAPTERS,
    ROOT,
    answer_cell_of,
    errors_of,
    graded_cells,
    nbgrader,
    read_answers,
    run,
    source_cells,
)

from course_grading.course import Course
from course_grading.release import student_version
from course_grading.suspicion import suspicious

every_chapter = pytest.mark.parametrize("chapter", CHAPTERS)
ANSWERS = [answer for chapter in CHAPTERS for answer in read_answers(chapter)]
# Seeds are set by the cells themselves; a warning of torch in a wrong answer is no finding.
pytestmark = pytest.mark.filterwarnings("ignore")


def hints(cell: nbformat.NotebookNode) -> list[str]:
    """The messages of a graded cell, in order."""
    return [node.msg.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Assert)]


def written_cell(chapter: str) -> nbformat.NotebookNode:
    """The cell of the answer that is graded by hand."""
    return next(cell for cell in source_cells(chapter) if cell.cell_type == "markdown" and nbgrader(cell, "grade"))


def test_there_is_one_exercise_a_chapter():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == CHAPTERS


@every_chapter
def test_the_form_of_an_exercise(chapter):
    cells = source_cells(chapter)
    assert 3 <= len(graded_cells(chapter)) <= 5
    written = [cell for cell in cells if cell.cell_type == "markdown" and nbgrader(cell, "grade")]
    assert len(written) == 1
    assert all(nbgrader(cell, "grade_id") in (False, cell.id) for cell in cells), "ids and nbgrader's names are one"
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", cell.id) for cell in cells)
    assert all(len(cell.source.splitlines()) <= 60 for cell in cells)
    assert all(not cell.get("outputs") for cell in cells), "the source is stored without outputs"


@every_chapter
def test_a_stub_has_a_docstring_and_a_solution_region(chapter):
    for cell in source_cells(chapter):
        if cell.cell_type == "code" and nbgrader(cell, "solution"):
            assert "### BEGIN SOLUTION" in cell.source
            functions = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
            assert functions
            assert ast.get_docstring(functions[0])


@every_chapter
def test_a_graded_cell_says_what_it_checks_and_its_tests_are_hidden(chapter):
    for cell in graded_cells(chapter):
        first, *rest = cell.source.splitlines()
        assert re.match(r"# \S", first)
        assert "hidden" not in first.lower()
        assert rest[0] == "### BEGIN HIDDEN TESTS"
        assert rest[-1] == "### END HIDDEN TESTS"


@every_chapter
def test_every_hint_is_a_sentence_that_never_changes(chapter):
    """Constant: so that the report can count it, and a student's text is never taken for one."""
    for cell in graded_cells(chapter):
        asserts = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Assert)]
        assert asserts
        for node in asserts:
            assert isinstance(node.msg, ast.Constant), f"{cell.id} line {node.lineno}: a constant text, please"
            assert isinstance(node.msg.value, str)
            assert len(node.msg.value) >= 25
            assert "line " not in node.msg.value
        assert len(set(hints(cell))) == len(hints(cell)), f"{cell.id}: two asserts share a hint"


@every_chapter
def test_the_model_answers_pass(chapter):
    outcome = run(chapter)
    assert outcome == dict.fromkeys((cell.id for cell in graded_cells(chapter)), None)


@every_chapter
def test_what_is_given_out_is_made_of_the_source(chapter):
    """`python -m course_grading release` was run after the last change."""
    stored = nbformat.read(ROOT / "exercises" / "release" / chapter / f"{chapter}.ipynb", as_version=4)
    fresh = student_version(Course(ROOT / "exercises"), chapter)
    parts = ("id", "cell_type", "source", "metadata")
    as_given = [{p: cell[p] for p in parts} for cell in stored.cells]
    assert as_given == [{p: cell[p] for p in parts} for cell in fresh.cells]


@every_chapter
def test_what_is_given_out_holds_no_solution_and_no_hidden_test(chapter):
    released = nbformat.read(ROOT / "exercises" / "release" / chapter / f"{chapter}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in released.cells)
    assert not re.search("BEGIN SOLUTION|HIDDEN TESTS|MARK SCHEME", text)
    assert [hint for cell in graded_cells(chapter) for hint in hints(cell) if hint in text] == []
    assert all(cell.source in "YOUR ANSWER HERE" for cell in released.cells if cell.id == written_cell(chapter).id)


@every_chapter
def test_the_students_version_fails_by_not_implemented_alone(chapter):
    released = nbformat.read(ROOT / "exercises" / "release" / chapter / f"{chapter}.ipynb", as_version=4)
    assert {type(error) for error in errors_of(released.cells)} == {NotImplementedError}


@every_chapter
def test_the_notebook_of_the_chapter_leads_to_its_exercise(chapter):
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
    assert f"(../exercises/release/{chapter}/{chapter}.ipynb)" in notebook.cells[-1].source
    assert f"(../../../notebooks/{chapter}.ipynb)" in source_cells(chapter)[0].source


@pytest.mark.parametrize("answer", [a for a in ANSWERS if a.right], ids=str)
def test_an_honest_answer_is_not_suspicious(answer):
    assert suspicious([answer.code]) == []


@every_chapter
def test_every_task_has_three_wrong_answers_and_two_right_ones(chapter):
    answers = read_answers(chapter)
    assert {answer.task for answer in answers} == {cell.id for cell in graded_cells(chapter)}
    for cell in graded_cells(chapter):
        mine = [answer for answer in answers if answer.task == cell.id]
        wrong = [answer for answer in mine if not answer.right]
        assert len({answer.hint for answer in wrong}) >= 3, f"{cell.id}: three wrong answers with hints of their own"
        assert len([answer for answer in mine if answer.right]) >= 2
        assert all(answer.hint for answer in wrong)
        assert answer_cell_of(chapter, cell.id)


@every_chapter
def test_every_hint_is_one_that_a_kept_wrong_answer_gets(chapter):
    for cell in graded_cells(chapter):
        expected = [answer.hint for answer in read_answers(chapter) if answer.task == cell.id and not answer.right]
        unused = [hint for hint in hints(cell) if not any(hint.startswith(beginning) for beginning in expected)]
        assert unused == []


@pytest.mark.parametrize("answer", [a for a in ANSWERS if a.right], ids=str)
def test_a_right_answer_is_accepted(answer):
    outcome = run(answer.chapter, answer)
    assert outcome[answer.task] is None


@pytest.mark.parametrize("answer", [a for a in ANSWERS if not a.right], ids=str)
def test_a_wrong_answer_is_rejected_with_its_own_hint(answer):
    error = run(answer.chapter, answer)[answer.task]
    assert isinstance(error, AssertionError), f"{answer.name}: {error!r}"
    assert str(error).startswith(answer.hint)
    assert len([h for c in graded_cells(answer.chapter) if c.id == answer.task for h in hints(c)
                if h.startswith(answer.hint)]) == 1, "the beginning fits one hint only"  # fmt: skip
