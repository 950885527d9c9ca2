"""What several modules of these tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from grading_course import CHAPTER, make_course

from course_grading.course import Course
from course_grading.release import release


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course directory after `release`; each test copies it."""
    root = make_course(tmp_path_factory.mktemp("released"))
    release(Course(root), CHAPTER)
    return root
