"""A plugin for nbval: outputs are compared with the stored ones only in notebooks whose data are the known ones.

Where the installed packages give other documents or digits, numbers differ a little, and nothing is wrong. The cells
are run in any case. pytest -p tools.compare_known --nbval-lax …
"""

from __future__ import annotations

import pytest

from tools.notebooks import notes_on_data

NOTES = pytest.StashKey[dict]()
NOT_COMPARED = "not compared"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Turn the comparison off for a tagged cell of a notebook with other data; the data are checked once a notebook."""
    if not getattr(item, "options", {}).get("check") or not hasattr(item.parent, "nb"):
        return
    notes = item.config.stash.setdefault(NOTES, {})
    if item.path not in notes:
        notes[item.path] = notes_on_data(item.parent.nb)
    if notes[item.path]:
        item.options["check"] = False
        item.user_properties.append((NOT_COMPARED, f"{item.path.name}: {' '.join(notes[item.path])}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which notebooks were run and not compared, and why."""
    reports = [r for reports in terminalreporter.stats.values() for r in reports if hasattr(r, "user_properties")]
    found = dict.fromkeys(value for r in reports for name, value in r.user_properties if name == NOT_COMPARED)
    if found:
        terminalreporter.write_sep("-", "run, and not compared with the stored outputs")
        for note in found:
            terminalreporter.write_line(note)
