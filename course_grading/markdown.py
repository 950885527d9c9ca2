"""A student's markdown as HTML that a browser may show: formatting, mathematics and pictures, nothing that runs.

nbgrader's templates render markdown without cleaning, and nbconvert's own option cleans only HTML that stands in the
source: a link to `javascript:…` passes. nbgrader_config.py puts this function in the place of the templates' filter.
"""

from __future__ import annotations

import re

import bleach
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

TEXT = {"br", "del", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "p", "pre", "s", "span", "sub", "sup"}
TAGS = bleach.ALLOWED_TAGS | TEXT | {"table", "tbody", "td", "th", "thead", "tr"}
PROTOCOLS = frozenset({"http", "https", "mailto", "data"})
# bleach takes `javascript:1` for a host with a port, so the allowed beginnings are listed here
LINK, PICTURE = ("http://", "https://", "mailto:", "#"), ("data:image/",)
# what the colours of code need; a button of the formgrader has a longer class, and would be taken for one
CLASS = re.compile(r"highlight|\w{1,3}")


def _allowed(tag: str, name: str, value: str) -> bool:
    if name == "href":
        return tag == "a" and value.lower().startswith(LINK)
    if name == "src":
        return tag == "img" and value.lower().startswith(PICTURE)
    if name == "class":
        return bool(CLASS.fullmatch(value))
    return name in ("alt", "title", "width", "height", "colspan", "rowspan", "start")


def safe_markdown(source: str, attachments: dict | None = None) -> str:
    """Render a markdown text as HTML that a browser may show.

    Parameters
    ----------
    source
        The text.
    attachments
        The pictures of the cell, as in nbformat: name → {media type: base64 text}.

    Returns
    -------
    str
        The HTML; tags, attributes and addresses that are not allowed are shown as text, or dropped.
    """
    try:
        html = _rendered(source, attachments or {})
    except InvalidNotebook:  # a picture is missing: show everything else
        html = _rendered(re.sub(r"attachment:[^\s)>\"']*", "missing", source), {})
    return bleach.clean(html, tags=TAGS, attributes=_allowed, protocols=PROTOCOLS)


def _rendered(source: str, attachments: dict) -> str:
    renderer = IPythonRenderer(escape=False, attachments=attachments)
    return MarkdownWithMath(renderer=renderer).render(source)


@pass_context
def markdown2html(context: Context, source: str) -> str:
    """Replace the filter of this name in nbconvert's templates: it calls `safe_markdown`.

    Parameters
    ----------
    context
        What the template knows; `cell` has the pictures.
    source
        The text.
    """
    return safe_markdown(source, context.get("cell", {}).get("attachments", {}))


class SanitizeOutputs(SanitizeHTML):
    """nbconvert's cleaning of outputs and raw cells; markdown is cleaned by `markdown2html`, and not escaped twice."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, cell_index: int) -> tuple[NotebookNode, dict]:
        """Clean one cell."""
        if cell.cell_type == "markdown":
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)


class Refuse(NbGraderPreprocessor):
    """A step that stops nbgrader's own autograde and generate_feedback.

    The first runs students' code without a sandbox, the second shows the hidden tests.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Raise: this step is disabled in this course."""
        raise RuntimeError(
            "nbgrader's autograde and generate_feedback are disabled in this course: the first runs submissions without"
            " a sandbox, the second shows hidden tests. Use `python -m course_grading grade` and `feedback`"
        )
