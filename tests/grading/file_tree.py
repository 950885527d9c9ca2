"""What is on the disk, to see later what has changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

BUSY = {"__pycache__", ".git", "screenshots", ".pytest_cache"}  # where others write: the browser tests, beside these


def tree(*folders: Path) -> dict[str, str]:
    """Every file below some folders, with a hash of what is in it."""
    files = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                files[str(path)] = os.readlink(path)
            elif path.is_file() and path.stat().st_size > 2**30:
                files[str(path)] = str(path.stat())
            elif path.is_file() and not BUSY & set(path.parts):
                files[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return files
