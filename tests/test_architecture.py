"""What the package's own description promises of its parts: the direction of the imports, and what a reader meets."""

import ast
import textwrap
from pathlib import Path

import pytest

import course_utils

PACKAGE = Path(course_utils.__file__).parent
ORDER = [
    "checks",
    "environment",
    "settings",
    "provenance",
    "data",
    "text",
    "metrics",
    "layers",
    "inference",
    "models",
    "corruption",
    "filters",
    "batches",
    "checkpoint",
    "history",
    "processes",
    "mean_loss",
    "model_checks",
    "training",
    "pretraining",
    "retrieval",
    "text_search",
    "generation",
    "critic",
    "plotting",
    "widgets",
    "claims",
    "experiment",
]
# What takes longer to import than all of this package, and who may do so at once: the others import it where they need
# it, so that a learner, a kernel or a test does not wait for what it does not use.
SLOW_TO_IMPORT = {
    "IPython",
    "distributed",
    "faiss",
    "matplotlib",
    "pandas",
    "scipy",
    "skimage",
    "sklearn",
    "torchvision",
}
MAY_IMPORT = {
    "text": {"scipy"}, "filters": {"scipy"}, "retrieval": {"scipy"}, "text_search": {"scipy", "sklearn"},
    "plotting": {"matplotlib"}, "widgets": {"matplotlib", "scipy"}, "claims": {"scipy", "sklearn"},
}  # fmt: skip
FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
every_file = pytest.mark.parametrize("name", FILES)


def module_of(name: str) -> str:
    """`data.py` → data, `claims/rows.py` → claims, `__init__.py` → __init__, the package itself."""
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


def imported_at_once(tree: ast.AST) -> set[str]:
    """The packages that are imported when a module is, and not in a function or for annotations alone."""
    names: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return names


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


# ------------------------------------------------------------------------------------------------------- the package


def test_every_module_has_its_place_in_the_order_and_the_package_says_so():
    assert {module_of(name) for name in FILES} - {"__init__", "__main__"} <= set(ORDER)
    assert " → ".join(ORDER) in " ".join(course_utils.__doc__.split())


@every_file
def test_a_module_imports_only_from_those_to_its_left(name):
    assert wrong_way_imports(TREES[name], name) == set()


@every_file
def test_what_takes_long_to_import_is_imported_where_it_is_needed(name):
    assert imported_at_once(TREES[name]) & SLOW_TO_IMPORT <= MAY_IMPORT.get(module_of(name), set())


@every_file
def test_only_environment_and_settings_read_environment_variables(name):
    if module_of(name) in ("environment", "settings"):
        assert environment_reads(TREES[name])  # the check sees what is there
    else:
        assert environment_reads(TREES[name]) == []


def test_grading_takes_the_environment_of_the_course_and_nothing_else_and_the_course_takes_nothing_of_grading():
    paths = sorted((PACKAGE.parent / "course_grading").rglob("*.py"))
    assert len(paths) > 5
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    assert {node.module for node in imports if node.module.startswith("course_utils")} == {"course_utils.environment"}
    slow = SLOW_TO_IMPORT - {"IPython"} | {"torch"}  # a command that grades nothing starts without them
    assert {name for tree in trees for name in imported_at_once(tree)} & slow == set()
    assert [name for name, path in FILES.items() if "course_grading" in path.read_text(encoding="utf-8")] == []


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


@pytest.mark.parametrize(
    "source",
    [
        "import scipy.sparse as sp",
        "from scipy import sparse",
        "class A:\n    import scipy",
        "try:\n    import scipy\nexcept ImportError:\n    pass",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import scipy",
    ],
)
def test_an_import_at_once_is_seen_in_every_form(source):
    assert imported_at_once(parsed(source)) == {"scipy"}


@pytest.mark.parametrize("source", ["def late():\n    import scipy", "if TYPE_CHECKING:\n    import scipy"])
def test_an_import_in_a_function_or_for_annotations_is_none(source):
    assert imported_at_once(parsed(source)) == set()


def test_imports_within_a_folder_are_its_own_affair():
    tree = parsed("from . import rows\nfrom .rows import Claim\nfrom course_utils.claims import rows")
    assert imported_modules(tree, "claims/measuring.py") == {"claims"}
    assert wrong_way_imports(tree, "claims/measuring.py") == set()
    assert imported_modules(parsed("from ..data import x\nfrom .. import models"), "claims/a.py") == {"data", "models"}


@pytest.mark.parametrize(
    "source", ["os.environ['A']", "os.getenv('A')", "import os as o\no.environ.get('A')", "from os import environ"]
)
def test_a_look_at_the_environment_is_seen(source):
    assert environment_reads(parsed(source))
    assert not environment_reads(parsed("os.environ['A'] = '1'"))
