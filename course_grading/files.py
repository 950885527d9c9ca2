"""Files and names that come from outside, and files that must never be written by half."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

STUDENT_ID = re.compile(r"\w[\w.@+-]*")  # also the name of a folder of submitted/
MOST_CHARACTERS = 100


def is_student_id(name: str) -> bool:
    """Tell whether the name of a folder can be a student's id."""
    return bool(STUDENT_ID.fullmatch(name)) and len(name) <= MOST_CHARACTERS


def printable(text: str) -> str:
    """Escape what a terminal would obey, and what no file could hold, in a text from outside."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def is_regular_file(path: Path, *, most: int) -> bool:
    """Tell whether a path is a regular file of at most `most` bytes (no symlink, no device)."""
    try:
        return path.is_file() and not path.is_symlink() and path.stat().st_size <= most
    except OSError:
        return False


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is complete or absent, whenever the machine stops.

    Parameters
    ----------
    path
        The file; its folder is created if necessary.
    text
        Its content, written as UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def read_json(path: Path) -> dict | None:
    """Read a JSON file; None if it is missing or cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
