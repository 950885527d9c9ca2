"""The stored notebooks: made from their current cells, plain, small, and repeating nothing. nbval executes them."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from tools import notebooks as tool

PATHS = sorted((tool.ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def definitions(path: Path) -> dict[str, str]:
    """Functions and classes that a notebook defines: name → the body, without names of its own and positions."""
    found = {}
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found[node.name] = ast.dump(ast.Module(node.body, []))
    return found


def repeated(definitions_by_notebook: list[dict[str, str]]) -> set[str]:
    """Names that two notebooks define, and names whose bodies two notebooks define."""
    names = Counter(name for found in definitions_by_notebook for name in found)
    bodies = Counter(body for found in definitions_by_notebook for body in set(found.values()))
    return {n for found in definitions_by_notebook for n, body in found.items() if names[n] > 1 or bodies[body] > 1}


def test_there_are_notebooks():
    assert len(PATHS) >= 2


def test_stored_outputs_are_fresh_plain_and_small(path):
    assert tool.problems(path) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda nb: nb.cells[-1].update(source="1 + 1", cell_type="code", outputs=[], execution_count=99), "current"),
        (lambda nb: first_code(nb).update(source=first_code(nb).source + "\nx = 1"), "current cells"),
        (lambda nb: first_code(nb).update(execution_count=7), "current cells"),
        (lambda nb: nb.metadata.kernelspec.update(name="autoencoder-venv"), "plain python3"),
        (lambda nb: add_stream(nb, "stdout", "saved to /home/ann/x"), "local path"),
        (lambda nb: add_stream(nb, "stderr", "UserWarning: …"), "stderr"),
        (lambda nb: nb.metadata.update(widgets={"state": {}}), "not stored as"),
        (lambda nb: add_stream(nb, "stdout", "x" * 500_000), "larger than"),
    ],
    ids=["cell added", "cell edited", "run out of order", "kernel", "path", "stderr", "widget state", "size"],
)
def test_each_problem_is_found(tmp_path, damage, message):
    notebook = nbformat.read(PATHS[0], as_version=4)
    damage(notebook)
    damaged = tmp_path / "damaged.ipynb"
    nbformat.write(notebook, damaged)
    assert any(message in problem for problem in tool.problems(damaged))


def first_code(notebook):
    return next(cell for cell in notebook.cells if cell.cell_type == "code")


def add_stream(notebook, name, text):
    first_code(notebook).outputs.append(nbformat.v4.new_output("stream", name=name, text=text))


def test_normalising_twice_changes_nothing_more(path):
    once = tool.normalise(nbformat.read(path, as_version=4))
    assert tool.normalise(copy.deepcopy(once)) == once


def test_no_notebook_defines_what_another_repeats():
    assert repeated([definitions(path) for path in PATHS]) == set()


def test_a_repeated_definition_is_found_under_the_same_and_under_another_name():
    assert repeated([{"f": "A"}, {"f": "B"}]) == {"f"}
    assert repeated([{"f": "A"}, {"g": "A"}]) == {"f", "g"}


def test_cells_have_names_of_their_own(path):
    ids = [cell["id"] for cell in nbformat.read(path, as_version=4).cells]
    assert len(set(ids)) == len(ids)
    assert not [id for id in ids if id.startswith("cell-") or not id.replace("-", "").isalnum()]


def test_code_cells_can_be_taken_in_at_a_glance(path):
    assert max(len(cell.source.splitlines()) for cell in code_cells(path)) <= 25


def test_every_notebook_ends_with_its_claims(path):
    assert any("claims_table(" in cell.source for cell in code_cells(path)[-2:])


def test_some_outputs_are_compared_by_nbval(path):
    assert sum("nbval-check-output" in cell.metadata.get("tags", []) for cell in code_cells(path)) >= 3


def test_figures_of_the_readme_are_those_of_the_notebooks(tmp_path, monkeypatch):
    stored = {name: (tool.ROOT / "figures" / name).read_bytes() for name in tool.FIGURES}
    (tmp_path / "figures").mkdir()
    (tmp_path / "notebooks").symlink_to(tool.ROOT / "notebooks")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    tool.write_figures()
    assert {name: (tmp_path / "figures" / name).read_bytes() for name in tool.FIGURES} == stored


def test_an_error_inside_a_widget_fails_the_run(tmp_path, capsys):
    """Neither nbclient nor the cell notices it."""
    code = "import ipywidgets\nout = ipywidgets.Output()\nwith out:\n    1 / 0\nout"
    path = tmp_path / "hidden.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    assert not tool.run(path, store=False)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_text_printed_in_pieces_is_stored_as_one():
    cell = nbformat.v4.new_code_cell("…")
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("one\n", "two\n")]
    notebook = tool.normalise(nbformat.v4.new_notebook(cells=[cell]))
    assert [output.text for output in notebook.cells[0].outputs] == ["one\ntwo\n"]
