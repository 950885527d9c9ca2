"""Cells that run in a kernel, and what the widgets in it show then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nbformat.v4 import new_code_cell, new_notebook

from tools.notebooks import PatientClient


class Kernel:
    """A kernel for many cells: starting one and importing torch takes seconds."""

    def __init__(self, client: PatientClient) -> None:
        self._client = client

    def run(self, *cells: str) -> list[dict]:
        """Run cells; returns what the Output widgets hold then."""
        for source in cells:
            cell = new_code_cell(source)
            self._client.nb.cells.append(cell)
            self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        states = self._client.widget_state.values()
        return [output for state in states for output in state.get("outputs", ())]


@contextmanager
def kernel() -> Iterator[Kernel]:
    """A kernel that ends with the block."""
    client = PatientClient(
        new_notebook(), timeout=120, startup_timeout=120, kernel_name="python3", store_widget_state=True
    )
    with client.setup_kernel():
        yield Kernel(client)
