"""A class that does to the exercise what classes do: every submission with the outcome that it must have."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import nbformat
from grading_course import CHAPTER, HINT_MEAN, HINT_SUM, RIGHT_SSE, WRONG_SSE, Case, answered, cell, nbgrader_marks
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell


def with_sse(text: str) -> Callable:
    """The first answer is this text."""
    return lambda released, folder: answered(released, sse=text)


def before_sse(text: str) -> Callable:
    """A right answer, and this in front of it in the same cell."""
    return with_sse(f"{text}\n{RIGHT_SSE}")


def after_sse(text: str) -> Callable:
    """All is right, and there is a cell of the student's own between the two tasks."""

    def change(released: NotebookNode, folder: Path) -> NotebookNode:
        notebook = answered(released)
        place = [c.id for c in notebook.cells].index("psnr-answer")
        notebook.cells.insert(place, new_code_cell(text, id="my-own"))
        return notebook

    return change


def without(*names: str) -> Callable:
    """Cells are deleted."""

    def change(released: NotebookNode, folder: Path) -> NotebookNode:
        notebook = answered(released)
        notebook.cells = [c for c in notebook.cells if c.id not in names]
        return notebook

    return change


def edited(name: str, text: str, **answers: str) -> Callable:
    """A cell that is not the student's is changed."""

    def change(released: NotebookNode, folder: Path) -> NotebookNode:
        notebook = answered(released, **answers)
        cell(notebook, name).source = text
        return notebook

    return change


def copied(name: str, *, answer: str = RIGHT_SSE) -> Callable:
    """A cell stands there twice, with the same name in nbgrader's eyes."""

    def change(released: NotebookNode, folder: Path) -> NotebookNode:
        notebook = answered(released, sse=answer)
        place = [c.id for c in notebook.cells].index(name)
        twin = nbformat.from_dict(json.loads(json.dumps(notebook.cells[place])))
        twin.id = "twin"
        notebook.cells.insert(place, twin)
        return notebook

    return change


def own_mark(released: NotebookNode, folder: Path) -> NotebookNode:
    """Metadata that promises 297 points, for a wrong answer; and a graded cell of the student's own."""
    notebook = answered(released, sse=WRONG_SSE)
    cell(notebook, "sse").metadata.nbgrader.update(points=297, grade=True, solution=True, locked=False)
    cell(notebook, "sse").source = "297"
    notebook.cells.append(new_code_cell("297", id="mine", metadata=nbgrader_marks("mine", points=297)))
    return notebook


def no_metadata(released: NotebookNode, folder: Path) -> NotebookNode:
    notebook = answered(released)
    for one in notebook.cells:
        one.metadata = NotebookNode()
    return notebook


def file_of(content: bytes, name: str = f"{CHAPTER}.ipynb") -> Callable:
    """Not a notebook, or not under its name."""

    def change(released: NotebookNode, folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def renamed(released: NotebookNode, folder: Path) -> None:
    (folder / "my solution.ipynb").write_text(nbformat.writes(answered(released)), encoding="utf-8")


def link(released: NotebookNode, folder: Path) -> None:
    """A link to the instructor's version."""
    os.symlink(folder.parents[2] / "source" / CHAPTER / f"{CHAPTER}.ipynb", folder / f"{CHAPTER}.ipynb")


def scripted(released: NotebookNode, folder: Path) -> NotebookNode:
    """Scripts in the written answer, in an HTML output, in an SVG, and as the name of a link."""
    notebook = answered(released)
    script = "<script>window.parent.hacked = window.hacked = true; document.title = 'hacked'</script>"
    image = "<img src=x onerror=\"window.hacked = true; document.title = 'hacked'\">"
    cell(
        notebook, "why"
    ).source = f"Because. {script} {image} [link](javascript:void(window.hacked=true)) [two]( javascript:1)"
    shown = f"from IPython.display import HTML, SVG, Javascript, display\nhtml = {script + image!r}\n"
    shown += "display(HTML(html)); display({'image/svg+xml': '<svg onload=\"window.hacked=true\"/>'}, raw=True)\n"
    shown += (
        "display({'application/javascript': 'window.hacked = true', 'text/html': html, 'text/plain': 'x'}, raw=True)"
    )
    cell(notebook, "sse-answer").source = f"{shown}\n{RIGHT_SSE}"
    return notebook


MEMORY_BOMB = "_all = []\nwhile True:\n    _all.append(np.ones(10**8 // 8))"
REMOVES_ASSERTS = """import ast
class Remove(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(Remove())
def sse(x, x_hat): return 0"""
PRINTS_TESTS = """seen = []
get_ipython().events.register("pre_run_cell", lambda info: seen.append(info.raw_cell))
def sse(x, x_hat):
    print("SEEN", seen)
    raise ValueError(str(seen))"""
READS_STACK = """import inspect, linecache
def sse(x, x_hat):
    frame = inspect.stack()[1].frame
    print("SEEN", frame.f_locals.get("_secret"), inspect.getsource(frame))
    raise AssertionError(inspect.getsource(frame))"""
FORGED_REPLY = """from ipykernel.ipkernel import IPythonKernel
_original = IPythonKernel.do_execute
async def _always_well(self, *arguments, **keywords):
    reply = await _original(self, *arguments, **keywords)
    return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
IPythonKernel.do_execute = _always_well
def sse(x, x_hat): return 0"""

READS_LINECACHE = """import dataclasses, re
def sse(x, x_hat):
    sources = dataclasses.inspect.linecache.cache.values()
    proofs = [p for s in sources for p in re.findall('assert False, "(.{32})"', "".join(s[2]))]
    raise AssertionError(*proofs[-1:])"""
TYPE_WITH_SECRET = """import dataclasses, re
def sse(x, x_hat):
    text = "".join(line for s in dataclasses.inspect.linecache.cache.values() for line in s[2])
    secret = re.search("hidden-value-[0-9]+", text)
    raise type(secret.group().replace("-", "_") + "Error", (Exception,), {})()"""
BROKEN_MESSAGES = """import sys
_o = sys.stdout
for _ in range(50):
    _o.session.send(_o.pub_thread, "stream", {}, parent=_o.parent_header)
    _o.session.send(_o.pub_thread, "display_data", {"data": {"text/plain": {"a": 1}}}, parent=_o.parent_header)
    _o.session.send(_o.pub_thread, "stream", {"name": "stdout", "text": "\\ud800"}, parent=_o.parent_header)
    _o.pub_thread.send_multipart([b"x"])"""
FOLDERS = """import glob, os
os.chdir(glob.glob("/tmp/g*")[0])
for _ in range(3000):
    os.mkdir("d"); os.chdir("d")
import time; time.sleep(1)"""


def edited_why(text: str) -> Callable:
    """The written answer is this."""
    return edited("why", text)


def strange_metadata(released: NotebookNode, folder: Path) -> NotebookNode:
    """Metadata that nobody expects, in cells and notebook."""
    notebook = answered(released)
    notebook.metadata = NotebookNode(
        {"kernelspec": {"name": "no-such-kernel"}, "language_info": {"name": "brainf"}, "x": [1]}
    )
    for one in notebook.cells:
        one.metadata.update(magics_language=5, tags=["remove-cell"], name=["a"], format=7)
    return notebook


def huge(name: str) -> Callable:
    """A file of 8 GB that takes no place on the disk."""

    def change(released: NotebookNode, folder: Path) -> NotebookNode | None:
        (folder / name).touch()
        os.truncate(folder / name, 8 * 2**30)
        return None if name.endswith(".ipynb") else answered(released)

    return change


def pipe(name: str) -> Callable:
    """A pipe, on which a reader waits for ever."""

    def change(released: NotebookNode, folder: Path) -> NotebookNode | None:
        os.mkfifo(folder / name)
        return None if name.endswith(".ipynb") else answered(released)

    return change


CASES: dict[str, Case] = {
    # a class as it is
    "right": Case(with_sse(RIGHT_SSE), hostile=False),
    "right-otherwise": Case(
        with_sse("def sse(x, x_hat):\n    return sum(((a - b) ** 2).sum() for a, b in zip(x, x_hat)) / len(x)"),
        hostile=False,
    ),
    "per-pixel": Case(with_sse(WRONG_SSE), sse=0, says=HINT_MEAN, hostile=False),
    "of-all-images": Case(
        with_sse("def sse(x, x_hat):\n    return ((x - x_hat) ** 2).sum()"), sse=0, says=HINT_SUM, hostile=False
    ),
    "raises": Case(with_sse("def sse(x, x_hat):\n    return x / None"), sse=0, says="TypeError", hostile=False),
    "syntax-error": Case(with_sse("def sse(x, x_hat)\n    return 1"), sse=0, says="NameError", hostile=False),
    "wrong-name": Case(with_sse(RIGHT_SSE.replace("sse", "my_sse")), sse=0, says="NameError", hostile=False),
    "untouched": Case(lambda released, folder: released, sse=0, psnr=0, says="Not answered yet", hostile=False),
    "magic": Case(before_sse("%matplotlib inline\n%time 1 + 1"), hostile=False),
    "a-warning": Case(
        with_sse(
            "import sys, warnings\ndef sse(x, x_hat):\n    warnings.warn('careful')\n    print('!', file=sys.stderr)\n"
            "    return ((x - x_hat) ** 2).sum() / len(x)"
        ),
        hostile=False,
    ),
    "asks-for-input": Case(
        before_sse("try:\n    input('your name')\nexcept Exception as error:\n    print(error)"), hostile=False
    ),
    # accidents with the file
    "copied-test": Case(copied("sse"), says="more than once"),
    "copied-answer": Case(copied("sse-answer"), says="more than once"),
    "deleted-test": Case(without("sse"), says="sse was missing: put back"),
    "deleted-much": Case(without("set-up", "sse-answer", "sse-check", "sse", "psnr"), sse=0, says="psnr was missing"),
    "edited-test": Case(edited("sse", "assert True", sse=WRONG_SSE), sse=0, says="sse was changed: put back"),
    "edited-set-up": Case(edited("set-up", "np = None"), says="set-up was changed: put back"),
    "bad-json": Case(file_of(b'{"cells": [}'), "rejected", None, None, "JSON"),
    "deep-json": Case(file_of(b"[" * 200_000), "rejected", None, None, "not a notebook"),
    "empty-file": Case(file_of(b""), "rejected", None, None, "empty"),
    "not-utf8": Case(file_of("ä".encode("latin-1")), "rejected", None, None, "UTF-8"),
    "no-notebook": Case(file_of(b'{"a": 1}'), "rejected", None, None, "not a valid notebook"),
    "renamed": Case(renamed, "rejected", None, None, "my solution.ipynb"),
    "no-metadata": Case(no_metadata, "rejected", None, None, "metadata"),
    "no-file": Case(lambda released, folder: None, "rejected", None, None, "contains no notebook"),
    "link": Case(link, "rejected", None, None, "not a regular file"),
    # code that does not end well
    "endless-loop": Case(after_sse("while True:\n    pass"), "timed out", says="code cell 5 ran for more than"),
    "endless-in-test": Case(
        with_sse("def sse(x, x_hat):\n    while True: pass"), "timed out", 0, 1, "ran for more than"
    ),
    "ignores-interrupts": Case(
        after_sse("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"),
        "kernel died",
        2,
        0,
        "interrupted",
    ),
    "exits": Case(after_sse("import os\nos._exit(0)"), "kernel died", 2, 0, "its process ended"),
    "crashes": Case(after_sse("import ctypes\nctypes.string_at(0)"), "kernel died", 2, 0, "its process ended"),
    "sys-exit": Case(with_sse("def sse(x, x_hat):\n    raise SystemExit"), sse=0, says="SystemExit"),
    "memory-bomb": Case(after_sse(MEMORY_BOMB), "kernel died|graded|timed out", 2, None),
    "fork-bomb": Case(after_sse("import os\nwhile True:\n    os.fork()"), "kernel died", 2, 0, "processes"),
    "disk-filler": Case(
        after_sse("for i in range(1000):\n    open(f'/tmp/{i}', 'wb').write(bytes(10**7))"), "flagged", says="open"
    ),
    "socket-folder": Case(
        after_sse(
            "import glob\nd = [p for p in glob.glob('/tmp/g*')][0]\nfor i in range(100):\n"
            "    open(f'{d}/{i}', 'wb').write(bytes(10**7))\nimport time; time.sleep(5)"
        ),
        "kernel died",
        2,
        0,
        "folder of the kernel's sockets",
    ),
    "output-flood": Case(after_sse("while True:\n    print('x' * 10000)"), "graded|timed out", says="than"),
    "one-huge-message": Case(after_sse("print('x' * 10**8)"), "kernel died|graded|timed out", 2, None),
    "child-in-background": Case(
        after_sse("import subprocess\nsubprocess.Popen(['sleep', '86399'], start_new_session=True)"),
        "flagged",
        says="subprocess",
    ),
    "kills-its-parent": Case(after_sse("import os\nos.kill(os.getppid(), 9)"), "flagged|kernel died", 2, None, ""),
    # code that wants marks, or more
    "own-mark": Case(own_mark, sse=0, says="sse was changed"),
    "removes-asserts": Case(with_sse(REMOVES_ASSERTS), "flagged", None, None, "ast_transformers"),
    "forged-reply": Case(with_sse(FORGED_REPLY), "flagged", None, None, "ipykernel"),
    "prints-tests": Case(with_sse(PRINTS_TESTS), "flagged", 0, 1, "events"),
    "reads-stack": Case(with_sse(READS_STACK), "flagged", 0, 1, "inspect"),
    "changes-numpy": Case(
        with_sse("import numpy\nnumpy.abs = np.abs = lambda x: 0\n" + WRONG_SSE), "flagged", 0, 1, "changes np.abs"
    ),
    "always-equal": Case(
        with_sse(
            "class Any(float):\n    def __lt__(self, other): return True\n    __gt__ = __lt__\n"
            "    __sub__ = lambda self, other: self\n    __abs__ = lambda self: self\n"
            "def sse(x, x_hat): return Any()"
        ),
        "flagged",
        2,
        1,
        "__lt__",
    ),
    "scripts": Case(scripted, "flagged", says="IPython"),
    # what a red team found: each passed, or stopped the batch, once
    "reads-linecache": Case(with_sse(READS_LINECACHE), "flagged", 0, 1, "dataclasses.inspect"),
    "time-hides-code": Case(with_sse("%%time\nimport inspect\n" + WRONG_SSE), "flagged", 0, 1, "imports inspect"),
    "takes-abs": Case(before_sse("def abs(value):\n    return 0"), "flagged", 0, 0, "takes the name abs"),
    "takes-sum-by-accident": Case(before_sse("sum = 0"), "flagged", 2, 1, "takes the name sum"),
    "numpy-by-another-name": Case(
        with_sse("n = np\nn.full = lambda *shape: np.zeros((2, 3))\n" + WRONG_SSE),
        "flagged",
        0,
        1,
        "changed what the tests use: numpy.full",
    ),
    "numpy-in-a-loop": Case(
        with_sse("for q in [np]:\n    q.full = lambda *shape: np.zeros((2, 3))\n" + WRONG_SSE),
        "flagged",
        0,
        1,
        "numpy.full",
    ),
    "subclass": Case(
        with_sse("class A(np.ndarray):\n    def __array_ufunc__(self, *a, **k): return self\n" + RIGHT_SSE),
        "flagged",
        says="__array_ufunc__",
    ),
    "surrogate": Case(
        file_of(
            b'{"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "\\ud800"}],'
            b'"metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
        ),
        "rejected",
        None,
        None,
        "notebook",
    ),
    "long-number": Case(
        file_of(b'{"cells": [], "metadata": {"a": ' + b"1" * 5000 + b"}}"), "rejected", None, None, "JSON"
    ),
    "many-magics": Case(before_sse("%time 1\n" * 60), "flagged", says="magics"),
    "strange-file-name": Case(file_of(b"", "\x1b]0;owned\x07.ipynb"), "rejected", None, None, "x1b]0;owned"),
    "broken-messages": Case(after_sse(BROKEN_MESSAGES), "graded|kernel died|timed out", 2, None),
    "folders-without-end": Case(after_sse(FOLDERS), "kernel died|flagged", 2, None),
    "link-among-sockets": Case(
        after_sse("import glob, os, time\nos.symlink('/etc', glob.glob('/tmp/g*')[0] + '/a')\ntime.sleep(2)"),
        "kernel died",
        2,
        0,
        "folder of the kernel's sockets",
    ),
    "type-with-a-secret": Case(with_sse(TYPE_WITH_SECRET), "flagged", 0, 1, "an error of its own"),
    "missing-picture": Case(edited_why("![my drawing](attachment:gone.png) and so on")),
    "strange-metadata": Case(strange_metadata),
    "huge-timestamp": Case(huge("timestamp.txt")),
    "huge-notebook": Case(huge(f"{CHAPTER}.ipynb"), "rejected", None, None, "larger than 20 MB"),
    "timestamp-is-a-pipe": Case(pipe("timestamp.txt")),
    "notebook-is-a-pipe": Case(pipe(f"{CHAPTER}.ipynb"), "rejected", None, None, "not a regular file"),
    "i" * 120: Case(with_sse(RIGHT_SSE), "rejected", None, None, "student id"),
}
SMALL = {name: CASES[name] for name in ("right", "per-pixel", "of-all-images", "untouched", "deleted-test", "bad-json")}
