"""What in a student's code a person should look at: it is not forbidden and proves nothing, but no answer needs it.

The sandbox separates a submission from the outside. It cannot separate it from the tests, which run in the same
process: code can redefine what the tests use, or read them. Such code is named, and a person decides. This module reads
the code; `trust` also asks the running kernel whether what the tests import is still what it was.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from IPython.core.inputtransformer2 import TransformerManager


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# modules that read or change what runs around one's own code, or reach outside of it
MODULES = _words("""
    inspect gc ctypes builtins importlib subprocess socket multiprocessing signal mmap marshal pickle cloudpickle
    threading asyncio atexit faulthandler tracemalloc dis urllib requests http shutil psutil IPython ipykernel zmq
    jupyter_client nbformat nbgrader course_utils traceback linecache codeop code unittest pdb bdb site resource runpy
    timeit profile cProfile doctest trace types sysconfig concurrent
""")
NAMES = _words("""
    get_ipython exec eval compile __import__ __builtins__ globals locals vars open In Out _ih _oh _i _ii _iii exit
    quit breakpoint
""")
ATTRIBUTES = _words("""
    ast_transformers events input_transformers_cleanup input_transformers_post run_cell user_ns _getframe settrace
    setprofile meta_path path_hooks excepthook displayhook set_custom_exc showtraceback __globals__ __code__
    __closure__ __subclasses__ __bases__ __mro__ __dict__ __builtins__ __getattribute__ __setattr__ f_back f_locals
    f_globals f_code tb_frame gi_frame environ getppid kill fork _exit system popen fromfile memmap tofile loadtxt
    genfromtxt load rglob read_text read_bytes iterdir listdir walk scandir memfd_create chdir symlink
""")
# modules that other modules hold: dataclasses.inspect
HELD = _words("inspect linecache gc ctypes builtins subprocess socket importlib traceback")
# an object that defines its own comparisons can pass every test
COMPARISONS = _words("""
    __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __bool__ __abs__ __sub__ __rsub__ __float__ __array__ __array_ufunc__
    __array_function__ __torch_function__
""")
# as text, for getattr and the like: only names that ordinary code does not contain
TEXTS = COMPARISONS | frozenset(name for name in NAMES | ATTRIBUTES if "_" in name)
BUILTINS = frozenset(dir(builtins)) - {"_"}
MAGICS = re.compile(r"^\s*[%!]", re.MULTILINE)
HARMLESS_MAGICS = _words("matplotlib time timeit config precision who whos")
MOST_CODE, MOST_MAGICS = 200_000, 50


def suspicious(cells: list[str]) -> list[str]:
    """Find what a person should look at in some code cells.

    Parameters
    ----------
    cells
        The texts of the student's cells, from top to bottom.

    Returns
    -------
    list[str]
        Each finding once: "uses get_ipython", "changes np.allclose" …
    """
    if sum(map(len, cells)) > MOST_CODE or any(len(MAGICS.findall(source)) > MOST_MAGICS for source in cells):
        limits = f"{MOST_CODE // 1000} kB of code, or more than {MOST_MAGICS} magics in a cell"
        return [f"contains more than {limits}: not read"]
    imported = {"np", "numpy", "torch"}  # what the set-up cells import
    return list(dict.fromkeys(finding for source in cells for finding in _in_cell(source, imported)))


def _in_cell(source: str, imported: set[str]) -> list[str]:
    """What is in one cell; the names that it imports are added to `imported`."""
    try:
        tree = ast.parse(TransformerManager().transform_cell(source))
        imported |= {name for name, _ in _imports(tree)}
        return list(_findings(tree, imported))
    except SyntaxError:
        # it will not run either, unless a transformer is at work; the words may still be there
        words = set(re.findall(r"\w+", source))
        return [f"uses {word}" for word in sorted(words & ((NAMES | ATTRIBUTES) - {"In", "Out", "open"}))]
    except Exception as error:  # Python's own parser fails on it: this is not an ordinary answer
        return [f"contains code that cannot be read ({type(error).__name__})"]


def _imports(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """(the name in the notebook, the parts of what was imported) of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], alias.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, [*(node.module or "").split("."), alias.name]


def _magic(call: ast.AST) -> list[str]:
    """The texts in a call that IPython has made of a magic: its name, its line, its cell. Empty for any other node."""
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
        return []
    if call.func.attr not in ("run_line_magic", "run_cell_magic"):
        return []
    texts = [str(argument.value) for argument in call.args if isinstance(argument, ast.Constant)]
    return texts if len(texts) == len(call.args) else []


def _root(node: ast.AST) -> str:
    """`np` of `np.linalg.norm`."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.AST) -> str:
    return ast.unparse(node)[:60]


def _findings(tree: ast.Module, imported: set[str]) -> Iterator[str]:
    harmless: set[int] = set()
    for node in ast.walk(tree):
        texts = _magic(node)
        if texts and texts[0] in HARMLESS_MAGICS:
            harmless |= {id(inner) for inner in ast.walk(node)}
            yield from suspicious(texts[1:])  # `%%time` runs its cell
    parts = [part for _, parts in _imports(tree) for part in parts]
    yield from (f"imports {part}" for part in parts if part in MODULES | NAMES | ATTRIBUTES | {"modules"})
    for node in ast.walk(tree):
        if id(node) not in harmless:
            yield from _of_node(node, imported)
    for statement in tree.body:
        yield from (f"takes the name {name}, which Python needs" for name in _defined(statement) if name in BUILTINS)


def _of_node(node: ast.AST, imported: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield from _of_attribute(node, imported)
    elif isinstance(node, ast.Name):
        yield from _of_name(node)
    elif isinstance(node, ast.FunctionDef) and node.name in COMPARISONS:
        yield f"defines {node.name}"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in TEXTS:
        yield f"names {node.value}"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) > 1:
        yield from _of_call(node.func.id, node.args, imported)


def _is_stored(node: ast.Attribute | ast.Name) -> bool:
    return isinstance(node.ctx, (ast.Store, ast.Del))


def _of_attribute(node: ast.Attribute, imported: set[str]) -> Iterator[str]:
    if node.attr in ATTRIBUTES | HELD or _text(node) == "sys.modules":
        yield f"uses {_text(node)}"
    elif _is_stored(node) and (_root(node) in imported or node.attr in COMPARISONS):
        yield f"changes {_text(node)}"


def _of_name(node: ast.Name) -> Iterator[str]:
    if node.id in NAMES and not _is_stored(node):
        yield f"uses {node.id}"
    elif node.id in COMPARISONS and _is_stored(node):
        yield f"defines {node.id}"


def _of_call(function: str, arguments: list[ast.expr], imported: set[str]) -> Iterator[str]:
    if function in ("setattr", "delattr") and _root(arguments[0]) in imported:
        yield f"changes {_text(arguments[0])} by {function}"
    if function in ("getattr", "setattr", "delattr") and _is_pieced_together(arguments[1]):
        yield f"uses {function} with a name in pieces"


def _is_pieced_together(name: ast.AST) -> bool:
    """Whether a text that could stand there as one is built: "f_" + "locals"."""
    return not isinstance(name, ast.Constant) and not any(isinstance(inner, ast.Name) for inner in ast.walk(name))


def _defined(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at a cell's top level gives to something."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name for alias in node.names)
    else:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                yield inner.id
