"""A student's markdown as HTML that a browser may show: formatting, mathematics and pictures, nothing that runs.

nbgrader's templates render markdown without cleaning, and nbconvert's own option cleans only HTML that stands in the
source: a link to `javascript:…` passes. nbgrader_config.py puts this function in the place of the templates' filter.
"""

from __future__ import annotations

import bleach
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

TEXT = {"br", "del", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "p", "pre", "s", "span", "sub", "sup"}
TAGS = bleach.ALLOWED_TAGS | TEXT | {"table", "tbody", "td", "th", "thead", "tr"}
PROTOCOLS = frozenset({"http", "https", "mailto", "data"})
# bleach takes `javascript:1` for a host with a port, so the beginnings that are good are said here
LINK, PICTURE = ("http://", "https://", "mailto:", "#"), ("data:image/", "https://")


def _allowed(tag: str, name: str, value: str) -> bool:
    if name == "href":
        return tag == "a" and value.lower().startswith(LINK)
    if name == "src":
        return tag == "img" and value.lower().startswith(PICTURE)
    return name in ("alt", "title", "width", "height", "class", "colspan", "rowspan", "start")


def safe_markdown(source: str, attachments: dict | None = None) -> str:
    """HTML of a markdown text; tags, attributes and addresses that are not on the lists are shown as text, or dropped.

    Args:
        attachments: a cell's pictures, as nbformat has them: name → {media type: base64 text}.
    """
    renderer = IPythonRenderer(escape=False, attachments=attachments or {})
    html = MarkdownWithMath(renderer=renderer).render(source)
    return bleach.clean(html, tags=TAGS, attributes=_allowed, protocols=PROTOCOLS)


@pass_context
def markdown2html(context: Context, source: str) -> str:
    """The filter of this name in nbconvert's templates, with `safe_markdown` in it."""
    return safe_markdown(source, context.get("cell", {}).get("attachments", {}))
