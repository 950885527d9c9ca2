"""What a student gets: their answers, the marks, a hint for each failed task, the instructor's comments. Nothing else.

The hidden tests are taken out, and so is everything that the student's code printed while it could read them.
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

from course_utils.settings import settings

from .course import Course, Submission, is_student, log, name, printable, write_whole
from .execution import PASSED
from .markdown import SanitizeOutputs, markdown2html
from .recording import INFRASTRUCTURE, REJECTED, Result, read_result, submitted_notebook

# a written answer is the student's own markdown: neither its HTML nor its scripts reach a browser
SANITIZED = {"sanitize_html": True, "filters": {"markdown2html": markdown2html}}
REJECTION = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{chapter}</title></head>
<body><h1>{chapter}: could not be graded</h1><p>{reason}.</p></body></html>
"""


def for_the_student(notebook: NotebookNode, released: NotebookNode, result: Result, *, n_open: int = 0) -> NotebookNode:
    """An executed submission without hidden tests and without outputs; in their place what each task came to.

    Args:
        n_open: answers that wait for a mark by hand; the page says so, as its score is without them.
    """
    sources = {name(cell): cell.source for cell in released.cells if name(cell)}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        task, is_locked = name(cell), cell.metadata.get("nbgrader", {}).get("locked")
        cell.outputs, cell.execution_count = [], None
        if is_locked:  # as given out: the tests are not in it
            cell.source = sources.get(task, "")
        if task in result.cells:
            text = "Passed." if result.cells[task] == PASSED else result.hints.get(task, _remark(result.cells[task]))
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
    if n_open:
        verb = "answer is" if n_open == 1 else "answers are"
        text = f"**{n_open} {verb} not marked yet: the score above is without {'it' if n_open == 1 else 'them'}.**"
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(text))
    return notebook


def _remark(ending: str) -> str:
    return f"This test did not come to an end ({ending}). Does your answer finish, alone, in a few seconds?"


def feedback_page(course: Course, submission: Submission, result: Result) -> str:
    """The page as HTML."""
    if result.state == REJECTED:
        return REJECTION.format(chapter=html.escape(submission.chapter), reason=html.escape(result.reason))
    notebook = nbformat.read(course.autograded(submission), as_version=4)
    released = nbformat.read(course.release(submission.chapter), as_version=4)
    config = Config(course.config)
    config.HTMLExporter.update(SANITIZED | {"template_name": "feedback"})
    # the page's frame comes from nbgrader, and so does its style sheet
    static = Path(handlers.static_path) / "node_modules" / "bootstrap" / "dist" / "css"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    config.HTMLExporter.extra_template_paths = [str(static)]
    exporter = HTMLExporter(config=config)
    for step in (GetGrades, SanitizeOutputs, CSSHTMLHeaderPreprocessor):
        exporter.register_preprocessor(step, enabled=True)
    exporter.log = log
    with course.gradebook() as gradebook:
        n_open = sum(mark.needs_manual_grade for mark in submitted_notebook(gradebook, submission).grades)
    cleaned = for_the_student(notebook, released, result, n_open=n_open)
    page, _ = exporter.from_notebook_node(cleaned, course.resources(submission.chapter, submission.student))
    return page


def feedback(course: Course, chapters: list[str], *, flagged: bool = False) -> tuple[int, list[str]]:
    """Write the pages: (how many, whose were held back and why).

    Args:
        flagged: also for submissions that a person should look at first.
    """
    n_written, held_back = 0, []
    for submission in tqdm(course.submissions(chapters), desc="feedback", unit="page", disable=settings().quiet):
        result = read_result(course, submission)
        if not is_student(submission.student):
            held_back.append(f"{submission}: no student id")
            continue
        if result is None or result.state == INFRASTRUCTURE:
            held_back.append(f"{submission}: not graded yet")
        elif result.flags and not flagged:
            held_back.append(f"{submission}: flagged ({'; '.join(result.flags)})")
        else:
            try:
                write_whole(course.feedback(submission), feedback_page(course, submission, result))
            except Exception as error:  # one page that cannot be made must not cost the others theirs
                why = printable(f"{type(error).__name__}: {error}")[:200]
                held_back.append(f"{submission}: its page cannot be made ({why})")
            else:
                n_written += 1
                continue
        course.feedback(submission).unlink(missing_ok=True)  # an earlier version's page would be taken for this one's
    return n_written, held_back
