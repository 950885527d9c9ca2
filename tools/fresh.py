"""Are stored notebooks and rows of the ledger as old as their code and data? python -m tools.fresh"""

from __future__ import annotations

import sys

from course_utils.claims.__main__ import report_stale
from tools.notebooks import ROOT, report_problems


def main() -> int:
    """Print what is older than it should be; return the exit status, 1 where there is any."""
    of_notebooks = report_problems(sorted((ROOT / "notebooks").glob("*.ipynb")))
    of_ledger = report_stale()  # both are told, whatever the first finds
    return of_notebooks or of_ledger


if __name__ == "__main__":
    sys.exit(main())
