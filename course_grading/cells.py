"""What nbgrader has written into the metadata of a cell."""

from __future__ import annotations

from nbformat import NotebookNode


def grade_id(cell: NotebookNode) -> str | None:
    """Return the name that nbgrader gave to a cell; None for a cell without one."""
    marks = cell.metadata.get("nbgrader")
    found = marks.get("grade_id") if isinstance(marks, dict) else None
    return found if isinstance(found, str) else None


def is_locked(cell: NotebookNode) -> bool:
    """Tell whether a cell belongs to the instructor: its text is put back before grading."""
    return bool(cell.metadata.get("nbgrader", {}).get("locked"))
