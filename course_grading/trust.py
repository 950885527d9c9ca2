"""Whether what the tests use is still what it was when the kernel started.

The tests run in the same process as the answers, so an answer can replace the functions that a test calls. The kernel
is asked for the identities of these functions at the start and before each graded cell; a replaced function is another
object.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass

from course_grading.cell_run import run_cell
from course_grading.kernel import Kernel

PROBE = """import builtins as _builtins
_builtins.exec({code!r}, {{"names": {names!r}, "space": _builtins.globals()}})
del _builtins
"""
# Runs in a namespace of its own, so that no name which the notebook has taken misleads it.
IDENTITIES = """
import builtins, importlib, json, sys
found = {}
for name in names:
    try:
        module = importlib.import_module(name)
    except ImportError:
        continue
    for part, value in sorted(vars(module).items()):
        if callable(value) and not part.startswith("_") and name + "." + part != "builtins.input":  # the kernel's own
            found[name + "." + part] = id(value)
own = vars(builtins)
taken = sorted(name for name in space if name in own and not name.startswith("_") and space[name] is not own[name])
sys.stdout.write("PROBE " + json.dumps([found, taken]) + chr(10))
"""
MOST_BYTES = 2**22  # of the kernel's answer
MOST_NAMED = 5


def trusted_modules(sources: list[str]) -> list[str]:
    """Return the modules that some cells use: what they import, and what they reach through it (`np.linalg.norm`).

    Parameters
    ----------
    sources
        The texts of the instructor's cells.
    """
    names = {"builtins"}
    for tree in map(ast.parse, sources):
        imports = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names.update(alias.name for alias in imports)
        names.update(_reached(tree, {alias.asname or alias.name: alias.name for alias in imports}))
    return sorted(names)


def _reached(tree: ast.AST, aliases: dict[str, str]) -> Iterator[str]:
    """The modules of `from m import …`, and what may be a module in `m.part`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield f"{aliases[node.value.id]}.{node.attr}"


@dataclass(frozen=True)
class Identities:
    """What the kernel says of the modules that the tests use.

    Parameters
    ----------
    found
        Full name of a function → the identity of the object.
    taken
        The names of Python's own that the notebook has taken for something else.
    """

    found: dict[str, int]
    taken: list[str]


class Guard:
    """Compares the modules that the tests use with what they were when the guard was created.

    Parameters
    ----------
    kernel
        The kernel, before any cell of the notebook has run in it.
    sources
        The texts of the instructor's cells.
    """

    def __init__(self, kernel: Kernel, sources: list[str]) -> None:
        self._kernel, self._names = kernel, trusted_modules(sources)
        self._original = self._identities() or Identities({}, [])

    def changes(self) -> Iterator[str]:
        """Yield what a person should know before tests run in this kernel, a text for each finding."""
        now = self._identities()
        if now is None and self._kernel.is_alive:  # its text may have been lost with a channel that broke
            self._kernel.reconnect_outputs()
            now = self._identities()
        if now is None:
            if self._kernel.is_alive:
                yield "the kernel does not report whether what the tests use was changed"
            return
        found = now.found
        different = [name for name, identity in self._original.found.items() if found.get(name) != identity]
        yield from (f"changed what the tests use: {name}" for name in different[:MOST_NAMED])
        taken = [name for name in now.taken if name not in self._original.taken]
        yield from (f"takes the name {name}, which Python needs" for name in taken)

    def _identities(self) -> Identities | None:
        code = PROBE.format(code=IDENTITIES, names=self._names)
        seconds = self._kernel.limits.start_seconds
        _, outputs, _ = run_cell(self._kernel, code, seconds=seconds, keep_history=False, kept=MOST_BYTES)
        text = "".join(output.text for output in outputs if output.output_type == "stream")
        try:
            found, taken = json.loads(text[text.rindex("PROBE ") :].removeprefix("PROBE ").splitlines()[0])
            return Identities(dict(found), list(taken))
        except (ValueError, TypeError, IndexError):
            return None
