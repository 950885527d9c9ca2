"""What the package's own description promises of its parts: the direction of the imports, and what a reader meets."""

import ast
import textwrap
from pathlib import Path

import pytest

import course_utils

PACKAGE = Path(course_utils.__file__).parent
ORDER = ["settings", "provenance", "data", "text", "metrics", "layers", "models", "corruption", "filters", "training",
         "pretraining", "retrieval", "generation", "critic", "plotting", "widgets", "claims", "grading"]  # fmt: skip
FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
every_file = pytest.mark.parametrize("name", FILES)


def module_of(name: str) -> str:
    """`data.py` → data, `claims/ledger.py` → claims, `__init__.py` → __init__, the package itself."""
    return Path(name).parts[0].removesuffix(".py")


def imported_modules(tree: ast.AST, name: str) -> set[str]:
    """The modules of the package that a file imports, anywhere in it: `from course_utils.data import x` → data."""
    package = ["course_utils", *Path(name).parts[:-1]]
    dotted: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            dotted |= {f"{origin}.{alias.name}" for alias in node.names}
    return {parts[1] for parts in (path.split(".") for path in dotted) if parts[0] == "course_utils" and len(parts) > 1}


def wrong_way_imports(tree: ast.AST, name: str) -> set[str]:
    """Those of them that are not to the left of the file's own module."""
    module = module_of(name)
    left = [] if module == "__init__" else [*ORDER[: ORDER.index(module)], module]
    return {imported for imported in imported_modules(tree, name) if imported not in left}


def environment_reads(tree: ast.AST) -> list[str]:
    """Where a file looks into the environment; that a command sets a variable, `os.environ["A"] = "1"`, is none."""
    names = {"environ", "environb", "getenv", "getenvb"}
    set_only = [node.value for node in ast.walk(tree) if isinstance(node, ast.Subscript)
                and isinstance(node.ctx, ast.Store)]  # fmt: skip
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names and node not in set_only:
            found.append(f"line {node.lineno}: .{node.attr}")
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            found += [f"line {node.lineno}: import {alias.name}" for alias in node.names if alias.name in names]
    return found


def prints(tree: ast.AST) -> list[int]:
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "print"]


FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def public(nodes: list[ast.stmt], *, also: tuple[str, ...] = ()) -> list[ast.stmt]:
    definitions = (node for node in nodes if isinstance(node, (*FUNCTION, ast.ClassDef)))
    return [node for node in definitions if not node.name.startswith("_") or node.name in also]


def undocumented(tree: ast.Module) -> list[str]:
    """Public functions and classes of a file without a docstring, and the file itself."""
    return [getattr(node, "name", "the file") for node in (tree, *public(tree.body)) if not ast.get_docstring(node)]


def unannotated(tree: ast.Module) -> list[str]:
    """Public functions, and public methods of public classes, with an argument or a result that has no type."""
    functions = [(node, node.name, 0) for node in public(tree.body) if isinstance(node, FUNCTION)]
    for owner in public(tree.body):
        if isinstance(owner, ast.ClassDef):
            for node in public(owner.body, also=("__init__", "__call__", "__getitem__", "__len__", "__repr__")):
                static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
                functions.append((node, f"{owner.name}.{node.name}", 0 if static else 1))
    incomplete = []
    for node, name, n_bound in functions:
        if isinstance(node, ast.ClassDef):
            continue
        a = node.args
        arguments = [*[*a.posonlyargs, *a.args][n_bound:], *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]
        if node.returns is None or any(argument.annotation is None for argument in arguments):
            incomplete.append(name)
    return incomplete


# ------------------------------------------------------------------------------------------------------- the package


def test_every_module_has_its_place_in_the_order_and_the_package_says_so():
    assert {module_of(name) for name in FILES} - {"__init__", "__main__"} <= set(ORDER)
    assert " → ".join(ORDER) in " ".join(course_utils.__doc__.split())


@every_file
def test_a_module_imports_only_from_those_to_its_left(name):
    assert wrong_way_imports(TREES[name], name) == set()


@every_file
def test_only_settings_reads_environment_variables(name):
    if module_of(name) == "settings":
        assert environment_reads(TREES[name])  # the check sees what is there
    else:
        assert environment_reads(TREES[name]) == []


@every_file
def test_nothing_is_printed_but_by_a_command(name):
    assert Path(name).name == "__main__.py" or prints(TREES[name]) == []


@every_file
def test_what_is_public_has_a_docstring(name):
    assert undocumented(TREES[name]) == []


@every_file
def test_public_signatures_are_annotated(name):
    assert unannotated(TREES[name]) == []


# ------------------------------------------------------------------------------ the checks see what they are for


def parsed(source: str) -> ast.Module:
    return ast.parse(textwrap.dedent(source))


@pytest.mark.parametrize(
    "source",
    [
        "import course_utils.training",
        "import numpy, course_utils.training as t",
        "from course_utils import training",
        "from course_utils.training import Trainer",
        "from . import training",
        "from .training import Trainer",
        "def late():\n    from course_utils.training import Trainer",
        "if TYPE_CHECKING:\n    from course_utils.training import Trainer",
    ],
)
def test_an_import_is_seen_in_every_form(source):
    assert wrong_way_imports(parsed(source), "data.py") == {"training"}
    assert wrong_way_imports(parsed(source), "plotting.py") == set()


def test_imports_within_a_folder_are_its_own_affair():
    tree = parsed("from . import ledger\nfrom .ledger import Claim\nfrom course_utils.claims import ledger")
    assert imported_modules(tree, "claims/measuring.py") == {"claims"}
    assert wrong_way_imports(tree, "claims/measuring.py") == set()
    assert imported_modules(parsed("from ..data import x\nfrom .. import models"), "claims/a.py") == {"data", "models"}


@pytest.mark.parametrize(
    "source", ["os.environ['A']", "os.getenv('A')", "import os as o\no.environ.get('A')", "from os import environ"]
)
def test_a_look_at_the_environment_is_seen(source):
    assert environment_reads(parsed(source))
    assert not environment_reads(parsed("os.environ['A'] = '1'"))


@pytest.mark.parametrize("source", ["print(1)", "def f():\n    print(1)", "log = print"])
def test_a_print_is_seen(source):
    assert prints(parsed(source))


def test_what_lacks_a_docstring_or_a_type_is_seen():
    tree = parsed("""
        def documented(x: int, *rest: int, y: int = 0, **options: int) -> int:
            "Yes."
        def bare(x): ...
        def _private(x): ...
        class Thing:
            "Yes."
            def __init__(self, x) -> None: ...
            def typed(self, x: int) -> None: ...
            def no_result(self, x: int): ...
            def no_type(self, *, x) -> None: ...
            @staticmethod
            def static(x) -> None: ...
            def _private(self, x): ...
    """)
    assert undocumented(tree) == ["the file", "bare"]
    assert unannotated(tree) == ["bare", "Thing.__init__", "Thing.no_result", "Thing.no_type", "Thing.static"]
