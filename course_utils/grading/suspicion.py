"""What in a student's code asks for a human look: not forbidden, no proof of anything, but nothing an answer needs.

The sandbox keeps a submission from the outside. It cannot keep it from the tests, which run in the same process: code
can redefine what the tests use, or listen in. So such code is named, and a person decides.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from IPython.core.inputtransformer2 import TransformerManager


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# modules with which one looks at, or changes, what runs around one's own code; or reaches outside of it
MODULES = _words("""
    inspect gc ctypes builtins importlib subprocess socket multiprocessing signal mmap marshal pickle cloudpickle
    threading asyncio atexit faulthandler tracemalloc dis urllib requests http shutil psutil IPython ipykernel zmq
    jupyter_client nbformat nbgrader course_utils traceback linecache codeop unittest pdb site resource
""")
NAMES = _words("""
    get_ipython exec eval compile __import__ __builtins__ globals locals vars open In Out _ih _oh _i _ii _iii exit
    quit breakpoint
""")
ATTRIBUTES = _words("""
    ast_transformers events input_transformers_cleanup input_transformers_post run_cell user_ns _getframe settrace
    setprofile meta_path path_hooks excepthook displayhook set_custom_exc showtraceback __globals__ __code__
    __closure__ __subclasses__ __bases__ __mro__ f_back f_locals f_globals tb_frame gi_frame environ getppid kill
    fork _exit system popen fromfile memmap tofile loadtxt genfromtxt load rglob read_text read_bytes iterdir
    listdir walk scandir
""")
COMPARISONS = _words("""
    __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __bool__ __abs__ __sub__ __rsub__ __float__ __array__
""")
HARMLESS_MAGICS = _words("matplotlib time timeit config precision who whos")


def suspicious(cells: list[str]) -> list[str]:
    """What a person should look at in these code cells, each thing once: "uses get_ipython", "changes np.allclose" …"""
    found: list[str] = []
    imported: set[str] = set()
    for source in cells:
        try:
            tree = ast.parse(TransformerManager().transform_cell(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            # it will not run either, unless a transformer is at work; the words may still be there
            words = set(re.findall(r"\w+", source))
            found += [f"uses {word}" for word in sorted(words & ((NAMES | ATTRIBUTES) - {"In", "Out", "open"}))]
            continue
        imported |= {name for name, _ in _imports(tree)}
        found += list(_findings(tree, imported))
    return list(dict.fromkeys(found))


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(the name in the notebook, the module's first name) of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, (node.module or "").split(".")[0]


def _is_harmless_magic(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in ("run_line_magic", "run_cell_magic")
        and bool(call.args)
        and isinstance(call.args[0], ast.Constant)
        and call.args[0].value in HARMLESS_MAGICS
    )


def _findings(tree: ast.AST, imported: set[str]) -> Iterator[str]:
    harmless = {
        id(inner)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _is_harmless_magic(call)
        for inner in ast.walk(call.func)
    }
    for _, module in _imports(tree):
        if module in MODULES:
            yield f"imports {module}"
    for node in ast.walk(tree):
        if id(node) in harmless:
            continue
        if isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
            yield f"uses {node.id}"
        elif isinstance(node, ast.Attribute) and (node.attr in ATTRIBUTES or ast.unparse(node) == "sys.modules"):
            yield f"uses {ast.unparse(node)[:60]}"
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in imported | {"np", "torch", "builtins", "sys"}:
                yield f"changes {ast.unparse(node)[:60]}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
            target = node.args[0] if node.args else None
            if isinstance(target, ast.Name) and target.id in imported:
                yield f"changes {target.id} by {node.func.id}"
        # an object that answers every comparison as it likes passes every test
        defined = node.name if isinstance(node, ast.FunctionDef) else node.id if isinstance(node, ast.Name) else ""
        if defined in COMPARISONS:
            yield f"defines {defined}"
