"""What every test starts from: none of the user's COURSE_* variables, a cache of its own, the same random numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator

# Before torch loads OpenMP: its threads spin while they wait, and where others use the cores too, a step of training
# then takes twenty times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

from course_utils.data import ImageData, load_images

SHARED_CACHE = os.environ.get("COURSE_TEST_CACHE")  # of `make test`: for all of its processes


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option of the browser tests (here, as pytest asks no other conftest before it reads the command line)."""
    parser.addoption("--trained", action="store_true", help="browser tests: let the notebooks train as for learners")


def pytest_configure(config: pytest.Config) -> None:
    """With other versions of the packages, data differ and say so; that is not an error."""
    config.addinivalue_line("filterwarnings", "ignore::course_utils.data.OtherDataWarning")


@pytest.hookimpl(trylast=True)  # after the choice by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests go first, so that at the end no worker waits for the other."""
    files = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in files)


@pytest.fixture(autouse=True, scope="session")
def _course_variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The variables of this session: quiet, and one cache for all tests, so that data are parsed once."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("COURSE")]:
            environment.delenv(name)
        environment.setenv("COURSE_QUIET", "1")
        environment.setenv("COURSE_CACHE", SHARED_CACHE or str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def digits(_course_variables: None) -> ImageData:
    return load_images("mnist-5k")


@pytest.fixture
def float64_by_default() -> Iterator[None]:
    """As where somebody has called `torch.set_default_dtype`: the course computes in float32 all the same."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)
