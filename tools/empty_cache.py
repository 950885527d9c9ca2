"""Run a command with an empty cache folder of its own, deleted afterwards: python -m tools.empty_cache COMMAND …

What an earlier version of the code, or another set of packages, has left in the usual one can then not be used. Data
sets that were downloaded stay where they are: torchvision and scikit-learn check them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from course_utils.settings import settings


def main(command: list[str]) -> int:
    """The command's exit status."""
    cfg = settings()
    if cfg.profile == "full" or "full" in command:
        cfg.data_folder.mkdir(parents=True, exist_ok=True)
    own = {"COURSE_DATA": str(cfg.data_folder)} if cfg.data_folder.is_dir() else {}
    with tempfile.TemporaryDirectory(prefix="course-cache-") as folder:
        try:
            return subprocess.call(command, env=os.environ | own | {"COURSE_CACHE": folder})
        except KeyboardInterrupt:  # the command was interrupted, too, and has said what it had to say
            return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
