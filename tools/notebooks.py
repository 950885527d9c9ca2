"""Execute notebooks; store outputs in a form that GitHub shows and nbval accepts; check that they are up to date.

python -m tools.notebooks run NOTEBOOK … [--no-store]   execute from top to bottom, report seconds and memory, store
python -m tools.notebooks check [NOTEBOOK …]            fail if a stored notebook was not made from its own cells, or is
                                                        older than the code, rows of the ledger or data that it uses
python -m tools.notebooks figures                       cut the README's figures out of the stored notebooks
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import io
import json
import math
import re
import sys
import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from jupyter_client import KernelClient
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

from course_utils.claims.measuring import LEFT_OUT, load_results
from course_utils.claims.rows import CLAIMS
from course_utils.data import OtherDataWarning, known_data, load_corpus, load_images
from course_utils.provenance import source_fingerprint

ROOT = Path(__file__).parents[1]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
SHORT_WAIT_S = 0.2
MAX_BYTES, MAX_SECONDS, MAX_CELL_SECONDS, MAX_MEGABYTES = 400_000, 90, 20, 600
LOCAL_PATH = re.compile(r"/home/\w|/Users/\w|/root/|/tmp/|[A-Z]:\\Users|site-packages")
# name of the file in figures/ → notebook, id of the cell whose picture it is
FIGURES = {
    "01_error_against_k.png": ("01_pca", "plot-error-against-k"),
    "02_reconstructions.png": ("02_deep_autoencoder", "show-both-rows"),
    "03_two_maps.png": ("03_text_retrieval", "plot-maps"),
    "04_clean_and_shifted.png": ("04_image_search", "plot-clean-and-shifted"),
    "05_label_budgets.png": ("05_pretraining", "plot-sweep"),
    "06_positions.png": ("06_cnn_autoencoder", "show-swapped"),
    "07_denoised.png": ("07_denoising", "show-denoised"),
    "08_four_planes.png": ("08_generation", "four-planes"),
}


def source_hash(notebook: NotebookNode) -> str:
    """Compute the SHA-256 of the code cells' sources, in order; stored outputs belong to the sources with that hash."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def code_of(notebook: NotebookNode) -> str:
    """Return all code cells as one program."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def strings_of(notebook: NotebookNode) -> set[str]:
    """Return the string constants of the code: among them are the names of data sets and the ids of claims."""
    nodes = ast.walk(ast.parse(code_of(notebook)))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def made_with(notebook: NotebookNode) -> dict[str, object]:
    """Compute hashes of what the outputs of a notebook depend on, except its own cells.

    Parameters
    ----------
    notebook
        Its code names what it uses.

    Returns
    -------
    dict
        "code", a hash of all that the notebook uses of the package; "ledger", of the rows and stored results that it
        shows; "data", the checksum of each offline data set that it names.
    """
    strings = strings_of(notebook)
    rows = {id: [repr(replace(CLAIMS[id], measure=None))] for id in sorted(strings & set(CLAIMS))}
    for (id, _), result in sorted(load_results().items()):
        if id in rows:
            rows[id].append(repr(replace(result, seconds=0, made_with={})))
    return {
        "code": source_fingerprint(code_of(notebook), stop=(*LEFT_OUT, CLAIMS)),
        "ledger": hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16],
        "data": {name: entry["sha256"] for name, entry in known_data().items() if name in strings},
    }


def normalise(notebook: NotebookNode, made_with: dict[str, object] | None = None) -> NotebookNode:
    """Drop what differs between machines or runs: details of the kernel, time stamps, states and views of widgets.

    Parameters
    ----------
    notebook
        Changed in place.
    made_with
        What `made_with` returns, of a notebook that was executed just now; None keeps what is stored.

    Returns
    -------
    NotebookNode
        The same notebook.
    """
    made_with = made_with or notebook.metadata.get("course", {}).get("made_with", {})
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
            "language_info": {"name": "python"},
            "course": {"outputs_of": source_hash(notebook), "made_with": made_with},
        }
    )
    for cell in notebook.cells:
        for key in ("execution", "ExecuteTime", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = _joined([output for output in map(_stored_form, cell.outputs) if output is not None])
    return notebook


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring pieces of printed text: where they are divided depends on the time."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream" and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _stored_form(output: NotebookNode) -> NotebookNode | None:
    """Drop the view of a widget, which shows an error without its kernel; None where nothing else is left to show."""
    data = output.get("data", {})
    if "image/png" in data:
        data["image/png"] = _with_palette(data["image/png"])
    if WIDGET_VIEW not in data:
        return output
    del data[WIDGET_VIEW]
    return output if {"image/png", "text/html"} & set(data) else None


def _with_palette(png: str) -> str:
    """Reduce a picture to 256 colours, a quarter of the bytes, unless it has a palette already.

    By octree, which keeps greys and colours; median cut would use all 256 for the greys of many digits.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    if picture.mode == "P":
        return png
    buffer = io.BytesIO()
    reduced = picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    reduced.save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def problems(path: Path) -> list[str]:
    """Check a stored notebook.

    Parameters
    ----------
    path
        Of the notebook.

    Returns
    -------
    list
        A sentence for each problem; empty where there is none.
    """
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    text = json.dumps([{k: v for k, v in o.items() if k != "data"} | _texts(o) for o in outputs])
    checks = {
        "its stored outputs were not made from its current cells; `make run`": (
            notebook.metadata.get("course", {}).get("outputs_of") == source_hash(notebook)
            and [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
        ),
        "it is older than the code, the rows of the ledger or the data that it uses; `make run`": (
            notebook.metadata.get("course", {}).get("made_with") == made_with(notebook)
        ),
        "it is not stored as `make run` stores it": normalise(nbformat.read(path, as_version=4)) == notebook,
        "its kernel is not plain python3": notebook.metadata.get("kernelspec", {}).get("name") == "python3",
        "a stored output is an error": all(output.output_type != "error" for output in outputs),
        "a stored output contains text that was written to stderr": all(o.get("name") != "stderr" for o in outputs),
        "a stored output names a local path": not LOCAL_PATH.search(text),
        f"it is larger than {MAX_BYTES:,} bytes": path.stat().st_size <= MAX_BYTES,
    }
    return [f"{path.name}: {problem}" for problem, is_well in checks.items() if not is_well]


def report_problems(paths: Iterable[Path]) -> int:
    """Print the problems of stored notebooks; return the exit status, 1 where there is any."""
    found = [problem for path in paths for problem in problems(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


def _texts(output: NotebookNode) -> dict[str, str]:
    return {mime: value for mime, value in output.get("data", {}).items() if mime.startswith("text/")}


class PatientClient(NotebookClient):
    """A client that does not miss the reply to a cell.

    nbclient's own client sends messages to the kernel while it waits for the reply, for what Output widgets show, and
    sometimes does not notice the reply then. Here it waits for short times only, and looks for the reply after each.
    """

    async def async_start_new_kernel_client(self) -> KernelClient:
        client = await super().async_start_new_kernel_client()
        get_message = client.shell_channel.get_msg

        async def get_in_short_waits(timeout: float | None = None) -> dict[str, Any]:
            end = math.inf if timeout is None else time.monotonic() + timeout
            while True:
                try:
                    return await get_message(timeout=min(SHORT_WAIT_S, max(0, end - time.monotonic())))
                except Empty:
                    if time.monotonic() >= end:
                        raise

        client.shell_channel.get_msg = get_in_short_waits
        return client

    start_new_kernel_client = run_sync(async_start_new_kernel_client)  # the base class made its own of its own


class TimedClient(PatientClient):
    """A client that measures the seconds of each cell, and the kernel's memory after the first cell and at its peak."""

    def execute_with_report(self) -> str:
        """Execute the notebook; return a line with time and memory, marked where they are over budget."""
        self.seconds: dict[str, float] = {}
        self.baseline_mb = self.peak_mb = 0.0
        self.on_cell_start = self._cell_starts
        self.on_cell_executed = self._cell_executed
        start = time.perf_counter()
        self.execute()
        total = time.perf_counter() - start
        slowest = max(self.seconds, key=self.seconds.get)
        above = self.peak_mb - self.baseline_mb
        over = total > MAX_SECONDS or self.seconds[slowest] > MAX_CELL_SECONDS or above > MAX_MEGABYTES
        return (
            f"{total:.0f} s with the kernel's start, slowest cell {self.seconds[slowest]:.1f} s ({slowest}), "
            f"{above:.0f} MB above {self.baseline_mb:.0f} MB of imports{'  OVER BUDGET' if over else ''}"
        )

    def _cell_starts(self, cell: NotebookNode, cell_index: int) -> None:
        self._start = time.perf_counter()

    def _cell_executed(self, cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        self.seconds[cell["id"]] = time.perf_counter() - self._start
        self.peak_mb = peak_mb(self.km.provisioner.pid)
        self.baseline_mb = self.baseline_mb or self.peak_mb


def peak_mb(pid: int, *, anew: bool = False) -> float:
    """Return the largest resident size of a process so far, in megabytes; 0 on systems without /proc.

    With `anew`, the peak is forgotten first: the size now.
    """
    try:
        if anew:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def timed_client(notebook: NotebookNode, folder: Path, *, timeout: int = 600) -> TimedClient:
    """Return a client that executes a notebook in a folder; no cell may take longer than timeout, in seconds."""
    return TimedClient(
        notebook, timeout=timeout, startup_timeout=120, kernel_name="python3", record_timing=False,
        store_widget_state=True, resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip


def run(path: Path, *, store: bool, timeout: int = 600) -> bool:
    """Execute a notebook in its own folder, and print a report.

    Parameters
    ----------
    path
        Of the notebook.
    store
        Write the outputs into the file, unless the data differ from the known ones.
    timeout
        The longest time for a cell, in seconds.

    Returns
    -------
    bool
        False where a cell or a widget failed, or the outputs were not stored though they should be.
    """
    notebook = nbformat.read(path, as_version=4)
    client = timed_client(notebook, path.parent, timeout=timeout)
    try:
        report = client.execute_with_report()
    except CellExecutionError as error:
        print(f"{path.name}: a cell failed; the stored file was left as it was\n{error}", file=sys.stderr)
        return False
    for state in client.widget_state.values():  # an error in an Output widget does not fail its cell
        for output in state.get("outputs", ()):
            if output.get("output_type") == "error":
                print(f"{path.name}: error in a widget: {output['ename']}: {output['evalue']}", file=sys.stderr)
                return False
    if store:
        if notes := notes_on_data(notebook):
            print(f"{path.name}: not stored. {' '.join(notes)} Install constraints.txt.", file=sys.stderr)
            return False
        nbformat.write(normalise(notebook, made_with(notebook)), path)
    print(f"{path.name}: {report}, file of {path.stat().st_size / 1000:.0f} KB", flush=True)
    return True


def notes_on_data(notebook: NotebookNode) -> list[str]:
    """Describe how the offline data sets that a notebook names differ here from the known ones: a sentence for each."""
    strings, notes = strings_of(notebook), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OtherDataWarning)
        for name, load in {"mnist-5k": load_images, "python-docs": load_corpus}.items():
            notes += [load(name).note] if name in strings else []
    return [note for note in notes if note]


def write_figures() -> None:
    """Write the pictures of `FIGURES`, taken from the stored notebooks, into figures/."""
    for file_name, (notebook_name, cell_id) in FIGURES.items():
        notebook = nbformat.read(ROOT / "notebooks" / f"{notebook_name}.ipynb", as_version=4)
        cell = next((c for c in notebook.cells if c["id"] == cell_id), None)
        picture = cell and next((o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})), None)
        if not picture:
            sys.exit(f"{notebook_name}.ipynb has no stored picture in a cell {cell_id!r}; `make run` stores them.")
        (ROOT / "figures" / file_name).write_bytes(base64.b64decode(picture))
        print(f"wrote figures/{file_name}")


def main() -> int:
    """Run the command of the command line; return its exit status, 1 where something failed or is out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "check"):
        command = commands.add_parser(name)
        command.add_argument("paths", nargs="*", type=Path, default=sorted((ROOT / "notebooks").glob("*.ipynb")))
        command.add_argument("--no-store", action="store_true", help="report only")
    commands.add_parser("figures")
    options = parser.parse_args()
    if options.command == "figures":
        write_figures()
        return 0
    if options.command == "run":
        failed = [path for path in options.paths if not run(path, store=not options.no_store)]
        return 1 if failed else 0
    return report_problems(options.paths)


if __name__ == "__main__":
    sys.exit(main())
