"""Run a command with a new, empty cache folder, deleted afterwards: python -m tools.empty_cache COMMAND …

So the command cannot use what an earlier version of the code, or another set of packages, left in the usual cache.
Downloaded data sets stay where they are, and are used: torchvision and scikit-learn check them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from course_utils.settings import settings


def main(command: list[str]) -> int:
    """Run the command.

    Parameters
    ----------
    command
        A program and its arguments.

    Returns
    -------
    int
        The exit status of the command; 130 where it was interrupted.
    """
    cfg = settings()
    if cfg.profile == "full" or "full" in command:
        cfg.data_folder.mkdir(parents=True, exist_ok=True)
    own = {"COURSE_DATA": str(cfg.data_folder)} if cfg.data_folder.is_dir() else {}
    with tempfile.TemporaryDirectory(prefix="course-cache-") as folder:
        try:
            return subprocess.call(command, env=os.environ | own | {"COURSE_CACHE": folder})
        except KeyboardInterrupt:  # the command got the signal, too, and has printed its own message
            return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
