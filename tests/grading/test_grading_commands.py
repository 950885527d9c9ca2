"""The commands: with and without a sandbox, `release`, and wrong calls."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import nbformat
import pytest
from file_tree import tree
from grading_class import CASES, after_sse
from grading_course import CHAPTER, HAS_SANDBOX, ROOT, SECRET, Case, course_with, hand_in, make_course, states

from course_grading import sandbox
from course_grading.__main__ import main
from course_grading.batch import grade
from course_grading.course import Course, CourseError
from course_grading.release import release
from course_grading.report import report

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # of nbgrader's and SQLAlchemy's own


@pytest.mark.parametrize("app", ["autograde", "generate_feedback"])
def test_nbgraders_own_commands_are_switched_off_where_they_would_do_harm(released, tmp_path, app):
    course = course_with(tmp_path, released, {"ann": Case(after_sse(f"open({str(tmp_path / 'escaped')!r}, 'w')"))})
    if app == "generate_feedback":
        path = course.autograded(course.submissions([CHAPTER])[0])
        path.parent.mkdir(parents=True)
        shutil.copy(course.source(CHAPTER), path)
        with course.gradebook() as gradebook:
            gradebook.update_or_create_student("ann")
            gradebook.update_or_create_submission(CHAPTER, "ann")
    line = [sys.executable, "-m", "nbgrader", app, CHAPTER]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "course_grading grade" in done.stderr
    assert not (tmp_path / "escaped").exists()
    assert not list(tmp_path.glob("feedback/*/*/*.html"))


@contextmanager
def no_bubblewrap(monkeypatch):
    """A machine without it."""
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "bubblewrap_help", lambda: "")
        yield


def test_without_bubblewrap_it_refuses_and_says_what_to_install(released, tmp_path, monkeypatch, capsys):
    course = course_with(tmp_path, released, {"ann": CASES["right"]})
    before = tree(tmp_path)
    with no_bubblewrap(monkeypatch):
        assert main(["grade", "--course", str(course.root)]) == 2
    said = capsys.readouterr().err
    assert "Nothing was graded" in said
    assert "apt install bubblewrap" in said
    assert "--unsafe" in said
    after = tree(tmp_path)
    assert {k: v for k, v in after.items() if not k.endswith(".grading")} == before


def test_a_bubblewrap_that_may_not_make_namespaces_is_refused_too(released, tmp_path, monkeypatch):
    course = course_with(tmp_path, released, {"ann": CASES["right"]})
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    fake = bin_folder / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    sandbox.bubblewrap_help.cache_clear()
    try:
        if sys.platform != "linux" or not shutil.which("prlimit"):
            pytest.skip("no prlimit here")
        with pytest.raises(CourseError, match=r"setting up uid map: Permission denied.*bubblewrap"):
            grade(course, [CHAPTER])
    finally:
        sandbox.bubblewrap_help.cache_clear()


def test_unsafe_grades_without_a_box_and_the_report_says_so(released, tmp_path, monkeypatch, capsys):
    course = course_with(tmp_path, released, {"ann": CASES["right"], "bob": CASES["per-pixel"]})
    with no_bubblewrap(monkeypatch):
        assert main(["grade", "--course", str(course.root), "--unsafe"]) == 0
    assert "UNSAFE" in capsys.readouterr().out
    assert states(course) == {"ann": "graded", "bob": "graded"}
    report(course, [CHAPTER])
    html = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "2 submissions were graded without" in " ".join(html.split())
    lines = list(csv.DictReader((tmp_path / "report" / "grades.csv").open(encoding="utf-8")))
    assert {line["sandbox"] for line in lines} == {"no"}
    if HAS_SANDBOX:  # and when the box is back, all is graded again, in it
        assert len(grade(course, [CHAPTER]).results) == 2
        assert len(grade(course, [CHAPTER], unsafe=True).results) == 0


# ------------------------------------------------------------------------------------------ release and calls


def test_a_chapter_whose_model_answer_fails_is_not_released(tmp_path):
    course = Course(make_course(tmp_path))
    path = course.source(CHAPTER)
    path.write_text(path.read_text(encoding="utf-8").replace("/ len(x)", "/ x.size"), encoding="utf-8")
    with pytest.raises(CourseError, match=r"cell sse .*per pixel"):
        release(course, CHAPTER)
    assert not course.release(CHAPTER).exists()


def test_a_students_version_that_fails_otherwise_than_by_not_implemented_is_not_released(released, tmp_path):
    course = course_with(tmp_path, released, {})
    earlier = course.release(CHAPTER).read_text(encoding="utf-8")
    notebook = nbformat.read(course.source(CHAPTER), as_version=4)
    answer = next(cell for cell in notebook.cells if cell.id == "sse-answer")
    answer.source = "### BEGIN SOLUTION\nUNIT = 1\n### END SOLUTION\n" + answer.source
    notebook.cells[3].source = "print(UNIT)"
    course.source(CHAPTER).write_text(nbformat.writes(notebook), encoding="utf-8")
    with pytest.raises(CourseError, match=r"sse-check.*NameError"):
        release(course, CHAPTER)
    assert course.release(CHAPTER).read_text(encoding="utf-8") == earlier


def test_the_released_notebook_has_no_solution_no_test_and_no_model_answer(released):
    text = (released / "release" / CHAPTER / f"{CHAPTER}.ipynb").read_text(encoding="utf-8")
    for private in ("SOLUTION", "HIDDEN", SECRET, "Because a mean", "assert"):
        assert private not in text


def test_the_command_line_from_release_to_report(tmp_path, capsys):
    root = make_course(tmp_path)
    options = ["--course", str(root)]
    assert main(["grade", *options]) == 2
    assert f"run `python -m course_grading release {CHAPTER}`" in capsys.readouterr().err
    assert main(["release", "1", *options]) == 0
    hand_in(root, "ann", CASES["of-all-images"])
    (root / "submitted" / "bob" / "01_unit").mkdir(parents=True)
    assert main(["grade", "01", *options, *([] if HAS_SANDBOX else ["--unsafe"])]) == 0
    out = capsys.readouterr().out
    assert "1 graded now, 0 were graded already" in out
    assert "submitted/bob/01_unit" in out.replace(os.sep, "/")
    with Course(root).gradebook() as gradebook:
        gradebook.update_or_create_student("ann", first_name="Ann", last_name="Onymous")
        gradebook.update_or_create_student("zoe", first_name="Zoë", last_name="Absent")
    assert main(["feedback", *options]) == 0
    assert main(["report", *options]) == 0
    everything = "".join(path.read_text(encoding="utf-8") for path in (root / "report").iterdir())
    assert "Onymous" not in everything
    assert "zoe,01_units,not submitted,," in everything
    assert main(["report", "--names", *options]) == 0
    assert "Zoë Absent" in (root / "report" / "grades.csv").read_text(encoding="utf-8")
    assert main(["grade", "7", *options]) == 2
    assert "'7'" in capsys.readouterr().err


def test_no_chapter_named_means_all_that_are_released(released, tmp_path, capsys):
    course = course_with(tmp_path, released, {"ann": CASES["right"]})
    other = tmp_path / "source" / "02_more" / "02_more.ipynb"
    other.parent.mkdir()
    shutil.copy(course.source(CHAPTER), other)
    (tmp_path / "submitted" / "ann" / "02_more").mkdir()
    options = ["--course", str(tmp_path)]
    assert main(["grade", *options, *([] if HAS_SANDBOX else ["--unsafe"])]) == 0
    out = capsys.readouterr().out
    assert "1 graded now" in out
    assert "not graded: ann 02_more is not released" in out
    assert main(["report", *options]) == 0
    assert main(["grade", "2", *options]) == 2
    assert "02_more is not released" in capsys.readouterr().err


def test_a_wrong_folder_and_wrong_limits_are_named(tmp_path, released, capsys):
    assert main(["grade", "--course", str(tmp_path)]) == 2
    assert "has no source/CHAPTER/CHAPTER.ipynb" in capsys.readouterr().err
    assert main(["grade", "--course", str(released), "--workers", "0"]) == 2
    assert "larger than 0" in capsys.readouterr().err


def test_a_student_id_that_a_spreadsheet_would_execute_is_rejected(released, tmp_path):
    course = course_with(tmp_path, released, {"=cmd": CASES["right"]})
    grade(course, [CHAPTER], unsafe=not HAS_SANDBOX)
    assert states(course) == {"=cmd": "rejected"}
    report(course, [CHAPTER])
    assert "\n'=cmd," in (tmp_path / "report" / "grades.csv").read_text(encoding="utf-8")


def test_the_module_says_how_it_is_called():
    line = [sys.executable, "-m", "course_grading", "--help"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    for command in ("release", "grade", "feedback", "report"):
        assert command in done.stdout
