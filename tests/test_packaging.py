"""pyproject.toml, constraints.txt, environment.yml, binder/ and the README say the same thing."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from course_utils.data import known_data

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# conda-forge's names where they differ, and what only conda has to be told
CONDA_NAMES = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}
CONDA_ONLY = {"python", "pip"}


def from_pyproject() -> dict[str, str]:
    requirements = map(Requirement, PROJECT["dependencies"])
    return {canonicalize_name(r.name): str(r.specifier) for r in requirements}


def from_conda(path: str) -> dict[str, str]:
    dependencies = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["dependencies"]
    pairs = (re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in dependencies)
    return {CONDA_NAMES.get(name, name): specifier for name, specifier in pairs if name not in CONDA_ONLY}


def constraints() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in pins}


@pytest.mark.parametrize("path", ["environment.yml", "binder/environment.yml"])
def test_conda_environments_name_the_same_packages_and_bounds(path):
    assert from_conda(path) == from_pyproject()


def test_the_known_data_are_of_the_tested_versions():
    """`make lock` writes both."""
    tested = constraints()
    versions = {n: v for entry in known_data().values() for n, v in entry["versions"].items()}
    assert versions == {name: str(tested[canonicalize_name(name)]) for name in versions}
    assert {"mlxtend", "numpy", "scipy", "torch"} <= set(versions)


def test_both_conda_environments_are_equal():
    first, second = (yaml.safe_load((ROOT / p).read_text()) for p in ("environment.yml", "binder/environment.yml"))
    assert first == second


def test_every_line_of_the_environment_says_why():
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").split("dependencies:\n")[1].splitlines()
    assert [line for line in lines if "# " not in line] == []


def test_the_tested_versions_cover_every_requirement_and_meet_its_bound():
    tested = constraints()
    extras = [line for group in ("dev", "grading", "dask") for line in PROJECT["optional-dependencies"][group]]
    extras = [line for line in extras if not line.startswith(PROJECT["name"])]  # an extra that names the others
    for requirement in map(Requirement, [*PROJECT["dependencies"], *extras]):
        version = tested.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in constraints.txt; run `make lock`"
        assert requirement.specifier.contains(version)


def test_the_python_of_the_environment_is_one_that_the_package_takes():
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python = next(line.split("=")[1] for line in lines if line.startswith("python="))
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(f"{python}.0")


def test_the_package_imports_nothing_that_it_does_not_require():
    import ast
    import sys

    imported = set()
    for path in (ROOT / "course_utils").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
    names = {"sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "pillow", "faiss": "faiss-cpu",
             "zmq": "pyzmq", "jupyter_client": "jupyter-client",
             "jupyter_core": "jupyter-core", "IPython": "ipython"}  # fmt: skip
    outside = {names.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"course_utils"}}
    extras = (PROJECT["optional-dependencies"][extra] for extra in ("search", "bm3d", "grading", "dask"))
    optional = {Requirement(line).name for extra in extras for line in extra}
    assert outside <= set(from_pyproject()) | optional


def test_make_alone_lists_the_commands_that_the_readme_names():
    listing = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z]+)", readme)) | set(re.findall(r"^make ([a-z]+)", readme, flags=re.MULTILINE))
    assert {"lab", "test"} <= named
    assert [command for command in named if f"make {command} " not in listing] == []


def test_links_of_the_readme_and_the_notebooks_lead_somewhere():
    for path in [*ROOT.glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#|mailto:|attachment:)([^)#\s]+)", text):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
        for target in re.findall(r'<img src="([^"]+)"', text):
            assert (path.parent / target).exists(), f"{path.name} shows {target}"
