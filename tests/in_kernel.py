"""Cells that run in a kernel, and what the widgets in it show then."""

from __future__ import annotations

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

# Seconds a cell may take. nbclient sends the kernel what an Output shows while it waits for the cell's reply, now and
# then misses that reply (one run in twenty on a busy machine), and looks again when this time is over.
PATIENCE = 30


def outputs_of_output_widgets(*cells: str) -> list[dict]:
    """What the Output widgets hold after these cells have run in a kernel."""
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        notebook, timeout=PATIENCE, startup_timeout=120, kernel_name="python3", store_widget_state=True
    )
    client.execute()
    return [output for state in client.widget_state.values() for output in state.get("outputs", ())]
