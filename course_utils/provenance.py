"""What a result was made from: a fingerprint of the code that makes it, and a checksum of data."""

from __future__ import annotations

import ast
import copy
import functools
import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, cast

import numpy as np
import torch

PACKAGE = "course_utils"
ROOT = Path(__file__).parents[1]


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """Compute the SHA-256, 64 hexadecimal digits, of named arrays: their names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def code_fingerprint(*roots: object, stop: tuple[object, ...] = ()) -> str:
    """Compute a hash, 16 hexadecimal digits, of functions, classes or values, and of what they use of this package.

    What cannot change a number does not count: comments, docstrings, layout, annotations, the wording of errors, the
    place of imports, and the module that contains something. A constant counts by its value. Names are followed, not
    values that arise while code runs: a method counts with its class, where the class is named.

    Parameters
    ----------
    roots
        Functions, classes or values.
    stop
        Objects that are left out, and modules whose functions and classes are; of a decorator in it, the arguments are
        left out, too.

    Returns
    -------
    str
        The beginning of a SHA-256.
    """
    texts = {text for _, text in _parts(roots, stop)}
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]


def source_fingerprint(source: str, *, stop: tuple[object, ...] = ()) -> str:
    """Compute the fingerprint of what a program, such as a notebook's cells, uses of this package; not of its own text.

    Parameters
    ----------
    source
        Python source. What it imports from the package counts; of an imported module, only the attributes it uses.
    stop
        As of `code_fingerprint`.

    Returns
    -------
    str
        The beginning of a SHA-256.
    """
    return code_fingerprint(*(value for _, value in _used(_syntax(ast.parse(source)), {})), stop=stop)


def _parts(roots: tuple[object, ...], stop: tuple[object, ...]) -> Iterator[tuple[str, str]]:
    """(name, text) of the roots and of everything that can be reached from them."""
    waiting = [(getattr(root, "__name__", "root"), root) for root in roots]
    seen: set[tuple[str, int]] = set()
    modules = {thing.__name__ for thing in stop if isinstance(thing, ModuleType)}
    stopped = {id(_unwrapped(thing)) for thing in stop}
    while waiting:
        name, thing = waiting.pop()
        thing = _unwrapped(thing)
        if (name, id(thing)) in seen or id(thing) in stopped or getattr(thing, "__module__", None) in modules:
            continue
        seen.add((name, id(thing)))
        if _has_source(thing):
            namespace = vars(sys.modules[thing.__module__])
            for syntax in _pieces(cast(Any, thing), namespace, stopped):
                waiting += _used(syntax, namespace)
                yield name, syntax.text
        elif not isinstance(thing, ModuleType):
            found: list[object] = []
            text = _value(thing, found)
            waiting += [(getattr(one, "__name__", name), one) for one in found]
            yield name, f"{name} = {text}"


def _pieces(thing: FunctionType | type, namespace: Mapping[str, object], stopped: set[int]) -> Iterator[_Syntax]:
    """The definition of a function or class, and those of its decorators that are not left out."""
    for node in _nodes(thing):
        if not isinstance(node, ast.FunctionDef):
            yield _syntax(node)
            continue
        yield _syntax(_without_decorators(node))
        for decorator in node.decorator_list:
            its_function = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not any(id(_unwrapped(one)) in stopped for _, one in _used(_syntax(its_function), namespace)):
                yield _syntax(decorator)


@functools.cache
def _without_decorators(node: ast.FunctionDef) -> ast.FunctionDef:
    bare = copy.copy(node)
    bare.decorator_list = []
    return bare


@dataclass(frozen=True)
class _Syntax:
    """What is read in a tree once: its text, the names in it as (name, its attributes …), and its imports."""

    text: str
    names: frozenset[tuple[str, ...]]
    imports: tuple[ast.Import | ast.ImportFrom, ...]


@functools.cache
def _syntax(tree: ast.AST) -> _Syntax:
    names, imports = set(), []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports.append(node)
        elif isinstance(node, (ast.Name, ast.Attribute)):
            names.add(_chain(node))
    return _Syntax(_text(tree), frozenset(names - {()}), tuple(imports))


def _chain(node: ast.AST) -> tuple[str, ...]:
    """`a.b.c` as ("a", "b", "c"); empty where it does not begin with a name."""
    chain: list[str] = []
    while isinstance(node, ast.Attribute):
        chain.insert(0, node.attr)
        node = node.value
    return (node.id, *chain) if isinstance(node, ast.Name) else ()


def _unwrapped(thing: object) -> object:
    """What a decorator such as functools.cache was put around."""
    return inspect.unwrap(thing) if callable(thing) else thing


def _has_source(thing: object) -> bool:
    """A function or class that is written out in Python, and not in another package."""
    return isinstance(thing, (FunctionType, type)) and not _is_foreign(thing)


def _is_foreign(thing: object) -> bool:
    """Of another distribution, whose version is what counts; functions of this project's tests are not."""
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    file = getattr(module, "__file__", None)
    if file is None or module is None or _is_ours(module):
        return file is None
    return "site-packages" in file or not Path(file).is_relative_to(ROOT)


def _nodes(thing: FunctionType | type) -> list[ast.AST]:
    """The definition of a function or class, without what does not count. Of lambdas in one line: all."""
    if isinstance(thing, type):
        found = [node for node in _definitions(sys.modules[thing.__module__].__file__) if _is_class(node, thing)]
    else:
        code = thing.__code__
        found = [node for node in _definitions(code.co_filename) if _first_line(node) == code.co_firstlineno]
    if not found:
        raise ValueError(f"{thing.__module__}.{thing.__qualname__} is not found in its file: was the file changed "
                         f"since it was imported? Start again.")  # fmt: skip
    return found


@functools.cache
def _definitions(file: str) -> list[ast.AST]:
    """Every function, lambda and class of a file."""
    tree = _WithoutWords().visit(ast.parse(Path(file).read_text(encoding="utf-8")))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _is_class(node: ast.AST, thing: type) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == thing.__name__


def _first_line(node: Any) -> int | None:
    if isinstance(node, ast.ClassDef):
        return None
    return min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])


def _imported(imports: Iterable[ast.Import | ast.ImportFrom]) -> dict[str, object]:
    """What import statements bring from this package: name → object."""
    names: dict[str, object] = {}
    for node in imports:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    module = importlib.import_module(alias.name)
                    names[alias.asname or PACKAGE] = module if alias.asname else sys.modules[PACKAGE]
        elif (node.module or "").split(".")[0] == PACKAGE:
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                names[alias.asname or alias.name] = getattr(module, alias.name)
    return names


def _used(syntax: _Syntax, namespace: Mapping[str, object]) -> list[tuple[str, object]]:
    """(name, object) of what a tree names in its namespace: all of this package, and constants."""
    imported = _imported(syntax.imports)
    found = []
    for name, *attributes in syntax.names:
        if name not in imported and name not in namespace:
            continue
        thing = imported[name] if name in imported else namespace[name]
        while isinstance(thing, ModuleType) and _is_ours(thing) and attributes:
            name = attributes.pop(0)
            thing = getattr(thing, name, None)
        if not isinstance(thing, ModuleType) and (_has_source(_unwrapped(thing)) or not _is_named(thing)):
            found.append((name, thing))
    return found


def _is_ours(module: ModuleType) -> bool:
    return module.__name__.split(".")[0] == PACKAGE


def _is_named(thing: object) -> bool:
    """A function or class: what stands in other packages counts by its name, which is in the tree."""
    return isinstance(thing, type) or (callable(thing) and hasattr(thing, "__module__") and hasattr(thing, "__name__"))


class _WithoutWords(ast.NodeTransformer):
    """Drop what cannot change a number."""

    def _body(self, node: Any) -> Any:
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:]
        return self.generic_visit(node)

    visit_ClassDef = visit_Module = _body

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        return self._body(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        node.annotation = ast.Constant(value=None)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(exc=raised, cause=None)

    def visit_Assert(self, node: ast.Assert) -> Any:
        node.msg = None
        return self.generic_visit(node)


def _text(node: object) -> str:
    """A tree as text that is the same in every version of Python (`ast.dump` is not)."""
    if isinstance(node, ast.AST):
        shown = ((name, value) for name, value in ast.iter_fields(node)
                 if value not in (None, []) and name not in ("ctx", "kind", "type_comment"))  # fmt: skip
        return f"{type(node).__name__}({','.join(f'{name}={_text(value)}' for name, value in shown)})"
    if isinstance(node, list):  # where a name is imported does not count, as at the top of a module
        return f"[{','.join(_text(one) for one in node if not isinstance(one, (ast.Import, ast.ImportFrom)))}]"
    return repr(node)


def _value(thing: object, found: list[object]) -> str:
    """A value as text; functions and classes of this package that it holds are added to `found`."""
    thing = _unwrapped(thing)
    if _has_source(thing):
        found.append(thing)
        return cast(Any, thing).__name__
    if thing is None or isinstance(thing, (bool, int, float, complex, str, bytes)):
        return repr(thing)
    if isinstance(thing, Mapping):
        return "{" + ",".join(f"{_value(k, found)}:{_value(v, found)}" for k, v in thing.items()) + "}"
    if isinstance(thing, (tuple, list)):
        return "(" + ",".join(_value(one, found) for one in thing) + ")"
    if isinstance(thing, (set, frozenset)):
        return "{" + ",".join(sorted(_value(one, found) for one in thing)) + "}"
    if isinstance(thing, functools.partial):
        return f"partial({_value(thing.func, found)},{_value(thing.args, found)},{_value(thing.keywords, found)})"
    if isinstance(thing, re.Pattern):
        return f"re({thing.pattern!r},{thing.flags})"
    if isinstance(thing, Path):  # where the course lies does not count
        return repr(str(thing.relative_to(ROOT)) if thing.is_relative_to(ROOT) else thing.name)
    if isinstance(thing, (np.ndarray, np.generic)):
        return checksum({"": np.asarray(thing)})
    if isinstance(thing, torch.Tensor):
        return checksum({"": thing.detach().cpu().numpy()})
    if isinstance(thing, (torch.dtype, torch.device, np.dtype)):
        return repr(thing)
    if is_dataclass(thing) and not isinstance(thing, type):
        parts = ",".join(f"{f.name}={_value(getattr(thing, f.name), found)}" for f in fields(thing))
        return f"{type(thing).__name__}({parts})"
    if _is_named(thing):
        return f"{thing.__module__}.{cast(Any, thing).__name__}"
    return type(thing).__name__
