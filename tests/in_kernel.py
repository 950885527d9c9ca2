"""Cells that run in a kernel, and what the widgets in it show then."""

from __future__ import annotations

from nbformat.v4 import new_code_cell, new_notebook

from tools.notebooks import PatientClient


def outputs_of_output_widgets(*cells: str) -> list[dict]:
    """What the Output widgets hold after these cells have run in a kernel."""
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    client = PatientClient(notebook, timeout=120, startup_timeout=120, kernel_name="python3", store_widget_state=True)
    client.execute()
    return [output for state in client.widget_state.values() for output in state.get("outputs", ())]
