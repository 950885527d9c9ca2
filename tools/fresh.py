"""Are stored notebooks and rows of the ledger as old as their code and data? python -m tools.fresh"""

from __future__ import annotations

import sys

from course_utils.claims.__main__ import report_stale
from tools.notebooks import ROOT, problems


def main() -> int:
    """Print what is older than it should be; return the exit status, 1 where there is any."""
    found = [problem for path in sorted((ROOT / "notebooks").glob("*.ipynb")) for problem in problems(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if report_stale() or found else 0


if __name__ == "__main__":
    sys.exit(main())
