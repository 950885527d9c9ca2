"""The stored notebooks: made from their current cells, plain, small, and repeating nothing. nbval executes them."""

from __future__ import annotations

import ast
import copy
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from course_utils.claims.measuring import code_of
from course_utils.claims.rows import CLAIMS
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


@pytest.mark.parametrize(
    ("changed", "value"), [("course_utils.metrics.CHANGED", 1), ("course_utils.training.MIN_STEPS_FOR_A_CYCLE", 11)]
)
def test_a_notebook_is_stale_where_a_constant_changes_that_it_depends_on(monkeypatch, changed, value):
    monkeypatch.setattr(changed, value, raising=False)
    stale = [path.stem for path in PATHS if any("older than the code" in problem for problem in tool.problems(path))]
    uses_the_trainer = [path.stem for path in PATHS if "Trainer" in path.read_text(encoding="utf-8")]
    assert stale == (uses_the_trainer if "training" in changed else [])


def test_a_notebook_is_stale_where_a_row_or_result_changes_that_it_shows(monkeypatch):
    stored = tool.load_results()
    key = ("deep-beats-pca", "quick")
    monkeypatch.setattr(tool, "load_results", lambda: stored | {key: replace(stored[key], value=1.0)})
    stale = [path.stem for path in PATHS if any("older than the code" in problem for problem in tool.problems(path))]
    assert stale == ["02_deep_autoencoder"]


def test_a_notebook_is_stale_where_the_known_data_change(monkeypatch):
    known = tool.known_data()
    monkeypatch.setattr(tool, "known_data", lambda: known | {"python-docs": {"sha256": "other"}})
    stale = [path.stem for path in PATHS if any("older than the code" in problem for problem in tool.problems(path))]
    assert stale == ["03_text_retrieval"]


FINGERPRINTS = """
import nbformat
from course_utils.claims.measuring import code_of
from course_utils.claims.rows import CLAIMS
from tools import notebooks as t
print(*[t.made_with(nbformat.read(path, 4))["code"] for path in sorted((t.ROOT / "notebooks").glob("*.ipynb"))])
print(*map(code_of, CLAIMS.values()))
"""


@pytest.mark.long
def test_what_a_process_did_before_does_not_count(digits):
    """This one has loaded and computed much, as `make run` has when it notes the code; `make fresh` has not."""
    done = subprocess.run(
        [sys.executable, "-c", FINGERPRINTS], capture_output=True, text=True, check=True, cwd=tool.ROOT
    )
    of_notebooks, of_claims = (line.split() for line in done.stdout.splitlines())
    assert of_notebooks == [tool.made_with(nbformat.read(path, as_version=4))["code"] for path in PATHS]
    assert of_claims == [code_of(claim) for claim in CLAIMS.values()]


def test_outputs_on_other_data_are_not_stored(tmp_path, monkeypatch, capsys):
    note = "mnist-5k: these are not the data …"
    monkeypatch.setattr(tool, "load_images", lambda name: SimpleNamespace(note=note))
    path = tmp_path / "loads.ipynb"
    cell = nbformat.v4.new_code_cell('name = "mnist-5k"')
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    before = path.read_bytes()
    assert not tool.run(path, store=True)
    assert note in capsys.readouterr().err
    assert path.read_bytes() == before


TAGGED = nbformat.v4.new_code_cell(
    'print("python-docs here")', execution_count=1, metadata={"tags": ["nbval-check-output"]},
    outputs=[nbformat.v4.new_output("stream", name="stdout", text="python-docs there\n")],
)  # fmt: skip
PATCH = """
import tools.compare_known as c
c.notes_on_data = lambda nb: ["python-docs: other versions."] if nb.metadata["differs"] else []
"""


@pytest.mark.long
def test_tagged_cells_are_compared_only_where_the_data_are_the_known_ones(tmp_path):
    """In a process of its own: nbval, with the plugin that `make notebooks` gives it."""
    for name, differs in {"known": False, "other": True}.items():
        notebook = nbformat.v4.new_notebook(cells=[TAGGED], metadata={"differs": differs})
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    (tmp_path / "patch.py").write_text(PATCH)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "patch", "-p", "tools.compare_known", "-p", "no:cacheprovider",
         "--rootdir", str(tmp_path), "-c", os.devnull, "--nbval-lax", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{tool.ROOT}"}, capture_output=True, text=True,
    )  # fmt: skip
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "python-docs there" in done.stdout  # the one that is compared, and differs
    assert "other.ipynb: python-docs: other versions." in done.stdout
    assert "known.ipynb: python-docs" not in done.stdout


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
