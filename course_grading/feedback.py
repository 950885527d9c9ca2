"""What a student receives: the answers, the marks, a hint for each failed task, the instructor's comments.

The hidden tests are taken out, and everything that the student's code printed while it could read them.
"""

from __future__ import annotations

import html
from pathlib import Path

import nbformat
from nbconvert.exporters import HTMLExporter
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat import NotebookNode
from nbgrader.preprocessors import GetGrades
from nbgrader.server_extensions.formgrader import handlers
from tqdm.auto import tqdm
from traitlets.config import Config

from course_grading.cells import grade_id, is_locked
from course_grading.course import Course, Submission, log
from course_grading.files import is_student_id, printable, write_atomically
from course_grading.markdown import SanitizeOutputs, markdown2html
from course_grading.outcomes import INFRASTRUCTURE, PASSED, REJECTED
from course_grading.recording import Result, read_result, submitted_notebook
from course_utils.environment import is_quiet

# a written answer is the student's own markdown: neither its HTML nor its scripts reach a browser
SANITIZED = {"sanitize_html": True, "filters": {"markdown2html": markdown2html}}
REJECTION = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{chapter}</title></head>
<body><h1>{chapter}: could not be graded</h1><p>{reason}.</p></body></html>
"""


def for_the_student(
    notebook: NotebookNode, released: dict[str, str], result: Result, *, n_open: int = 0
) -> NotebookNode:
    """Take hidden tests and outputs out of an executed submission, and put in how each task ended.

    Parameters
    ----------
    notebook
        The executed submission; it is changed.
    released
        The cells as they were given out: name → text.
    result
        How the submission ended.
    n_open
        How many answers wait for a mark by hand; the page says so, as its score is without them.

    Returns
    -------
    NotebookNode
        The notebook.
    """
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        task = grade_id(cell)
        cell.outputs, cell.execution_count = [], None
        if is_locked(cell):  # as given out: without the tests
            cell.source = released.get(task or "", "")
        if task in result.cells:
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=_remark(result, task))]
    if n_open:
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(_open_marks(n_open)))
    return notebook


def _remark(result: Result, task: str) -> str:
    ending = result.cells[task]
    unfinished = f"This test did not finish ({ending}). Does your answer alone run in a few seconds?"
    return "Passed." if ending == PASSED else result.hints.get(task, unfinished)


def _open_marks(n: int) -> str:
    what, score = ("answer is", "it") if n == 1 else ("answers are", "them")
    return f"**{n} {what} not marked yet: the score above is without {score}.**"


def feedback_page(course: Course, exporter: HTMLExporter, submission: Submission, result: Result) -> str:
    """Make the page that a student receives.

    Parameters
    ----------
    course
        The course directory.
    exporter
        Makes HTML of a notebook.
    submission
        The submission, graded.
    result
        How it ended.

    Returns
    -------
    str
        The page as HTML.
    """
    if result.state == REJECTED:
        return REJECTION.format(chapter=html.escape(submission.chapter), reason=html.escape(result.reason))
    notebook = nbformat.read(course.autograded(submission), as_version=4)
    with course.gradebook() as gradebook:
        n_open = sum(mark.needs_manual_grade for mark in submitted_notebook(gradebook, submission).grades)
    cleaned = for_the_student(notebook, course.released_cells(submission.chapter), result, n_open=n_open)
    resources = course.resources(submission.chapter, submission.student)
    page, _ = exporter.from_notebook_node(cleaned, resources)
    return page


def _exporter(course: Course) -> HTMLExporter:
    """The exporter of nbconvert with nbgrader's template and its style sheet."""
    config = Config(course.config)
    config.HTMLExporter.update(SANITIZED | {"template_name": "feedback"})
    static = Path(handlers.static_path) / "node_modules" / "bootstrap" / "dist" / "css"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    config.HTMLExporter.extra_template_paths = [str(static)]
    exporter = HTMLExporter(config=config)
    for step in (GetGrades, SanitizeOutputs, CSSHTMLHeaderPreprocessor):
        exporter.register_preprocessor(step, enabled=True)
    exporter.log = log
    return exporter


def feedback(course: Course, chapters: list[str], *, flagged: bool = False) -> tuple[int, list[str]]:
    """Write the pages that the students receive.

    Parameters
    ----------
    course
        The course directory.
    chapters
        The full names of the chapters.
    flagged
        Write them also for submissions that a person should look at first.

    Returns
    -------
    tuple[int, list[str]]
        How many pages were written; which were held back and why, a line each.
    """
    held_back, exporter = [], _exporter(course)
    submissions = course.submissions(chapters)
    for submission in tqdm(submissions, desc="feedback", unit="page", disable=is_quiet()):
        if reason := _why_held_back(course, exporter, submission, flagged=flagged):
            held_back.append(f"{submission}: {reason}")
    return len(submissions) - len(held_back), held_back


def _why_held_back(course: Course, exporter: HTMLExporter, submission: Submission, *, flagged: bool) -> str:
    """Write the page of a submission; the reason if there is none."""
    if not is_student_id(submission.student):
        return "not a student id"
    result = read_result(course, submission)
    if result is None or result.state == INFRASTRUCTURE:
        reason = "not graded yet"
    elif result.flags and not flagged:
        reason = f"flagged ({'; '.join(result.flags)})"
    else:
        reason = _write(course, exporter, submission, result)
    if reason:  # the page of an earlier version would be taken for this one's
        course.feedback(submission).unlink(missing_ok=True)
    return reason


def _write(course: Course, exporter: HTMLExporter, submission: Submission, result: Result) -> str:
    try:
        write_atomically(course.feedback(submission), feedback_page(course, exporter, submission, result))
    except Exception as error:  # one page that fails must not cost the other students theirs
        return f"its page cannot be made ({printable(f'{type(error).__name__}: {error}')[:200]})"
    return ""
