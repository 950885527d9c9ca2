"""What is compared or stored begins without a cache: tools.empty_cache, and the commands that use it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]
SHOW = """
import os
cache = os.environ["COURSE_CACHE"]
print(cache, os.environ.get("COURSE_DATA", ""), os.listdir(cache), sep="|")
"""


def seen_by(command: str = SHOW, *, status: int = 0, **variables: str) -> list[str]:
    """What a command finds: its cache folder, its data folder, and what is in the cache."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.empty_cache", sys.executable, "-c", command], cwd=ROOT, text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("COURSE")} | variables, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert done.returncode == status
    return done.stdout.strip().split("|")


def test_the_command_has_an_empty_cache_that_is_gone_afterwards_and_downloaded_data_stay(tmp_path):
    (tmp_path / "mnist-5k-v2.npz").write_bytes(b"of an earlier version")
    (tmp_path / "data").mkdir()
    cache, data, content = seen_by(COURSE_CACHE=str(tmp_path))
    assert Path(cache) != tmp_path
    assert not Path(cache).exists()
    assert (data, content) == (str(tmp_path / "data"), "[]")
    assert len(list(tmp_path.iterdir())) == 2


def test_what_the_full_profile_downloads_is_kept(tmp_path):
    assert seen_by(COURSE_CACHE=str(tmp_path), COURSE_PROFILE="full")[1] == str(tmp_path / "data")
    assert (tmp_path / "data").is_dir()


def test_data_lie_where_course_data_says_and_the_exit_status_is_the_command_s(tmp_path):
    assert seen_by(f"{SHOW}raise SystemExit(3)", status=3, COURSE_DATA=str(tmp_path))[1] == str(tmp_path)


@pytest.mark.parametrize("target", ["run", "claims", "confirm", "fresh", "notebooks"])
def test_each_command_that_compares_stores_or_measures_uses_it(target):
    recipe = re.search(
        rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    lines = [line for line in recipe[1].replace("\\\n", " ").splitlines() if "$(PY)" in line]
    assert lines
    assert all("$(EMPTY_CACHE)" in line for line in lines)
