"""A class in which everything goes wrong that can: one batch, every outcome with its name."""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from file_tree import tree
from grading_class import CASES, after_sse
from grading_course import (
    CHAPTER,
    HINT_MEAN,
    HINT_SUM,
    ROOT,
    SECRET,
    Case,
    course_with,
    hand_in,
    marks,
    needs_sandbox,
    states,
)

from course_grading.batch import grade
from course_grading.feedback import feedback
from course_grading.outcomes import INFRASTRUCTURE, STATES
from course_grading.report import report
from course_grading.sandbox import Limits

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # of nbgrader's and SQLAlchemy's own
# short, for the sake of those who use them up
LIMITS = Limits(cell_seconds=4, submission_seconds=60, interrupt_seconds=3, last_output_seconds=2)

SPY = """
import json, os, socket, sys
leaks = []
def attempt(name, action):
    try:
        found = action()
    except Exception as error:
        return
    if found:
        leaks.append((name, str(found)[:200]))
def found(top):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in (sys.prefix, sys.base_prefix)]
        yield from (os.path.join(folder, name) for name in files if name.endswith((".db", ".ipynb")))
tops = ("/home", "/root", "/work", "/srv", "/var", "/tmp")
attempt("the whole disk", lambda: [file for top in tops for file in found(top)])
for path in {paths!r}:
    attempt("read " + path, lambda: open(path, "rb").read(20))
    attempt("list " + path, lambda: os.listdir(path))
for path in {targets!r}:
    # it may make a /tmp/… of its own; that the real one is as it was, the hashes of all files say
    attempt("write " + path, lambda: open(path, "a").write("x") and not path.startswith("/tmp"))
    attempt("make " + path, lambda: os.makedirs(path + "/spy") or not path.startswith("/tmp"))
attempt("environment", lambda: [name for name in os.environ if "SECRET" in name])
attempt("parent's environment", lambda: [p for p in os.listdir("/proc") if p.isdecimal()
                                         and b"SECRET" in open("/proc/" + p + "/environ", "rb").read()])
attempt("other processes", lambda: [p for p in os.listdir("/proc") if p.isdecimal()
                                    and b"pytest" in open("/proc/" + p + "/cmdline", "rb").read()])
attempt("network", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2))
attempt("abstract socket", lambda: [socket.socket(socket.AF_UNIX).connect("\\0spied{pid}"), True])
attempt("name lookup", lambda: socket.gethostbyname("example.org"))
attempt("signal", lambda: os.kill({pid}, 0) or True)
attempt("other users", lambda: open("/etc/passwd").read())
attempt("the course's package", lambda: __import__("course_utils").__file__)
history = json.dumps([str(cell) for cell in globals().get("In", [])])
attempt("hidden tests in the history", lambda: "hidden-value" + "-4711" in history)
print("LEAKS", json.dumps(leaks))
"""


@pytest.fixture(scope="module")
def graded(released, tmp_path_factory):
    """The whole class, graded once: (course, summary, files before, files after, what the spy found)."""
    root = tmp_path_factory.mktemp("class")
    course = course_with(root, released, CASES)
    outside = tmp_path_factory.mktemp("outside")
    (outside / "private.txt").write_text("not for you")
    os.environ["INSTRUCTORS_SECRET"] = "s3cret"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0spied{os.getpid()}")  # two runs of the tests may be at work
        abstract.listen()
        classmate = root / "submitted" / "right" / CHAPTER
        read = [course.source(CHAPTER), course.release(CHAPTER), root / "gradebook.db", classmate, root,
                classmate / f"{CHAPTER}.ipynb", outside / "private.txt", ROOT / "pyproject.toml", ROOT / "exercises",
                Path.home() / ".bashrc", Path("/etc/hostname"), Path("/etc/shadow")]  # fmt: skip
        write = [root, root / "gradebook.db", outside, outside / "private.txt", Path.home(), ROOT, Path("/etc/x"),
                 Path(sys.prefix) / "x", Path("/usr/x"), Path("/x"), Path("/dev/x")]  # fmt: skip
        names = {"paths": list(map(str, read)), "targets": list(map(str, write))}
        code = SPY.format(port=server.getsockname()[1], pid=os.getpid(), **names)
        hand_in(root, "spy", Case(after_sse(code)))
        repository = [ROOT / name for name in ("course_utils", "course_grading", "exercises", "tests", "notebooks")]
        given = [root / "source", root / "release", root / "submitted", outside, *repository]
        before = tree(*given)
        summary = grade(course, [CHAPTER], limits=LIMITS)
        after = tree(*given)
    del os.environ["INSTRUCTORS_SECRET"]
    return course, summary, before, after


@needs_sandbox
class TestTheBatch:
    def test_it_is_large_ends_and_gives_every_submission_a_named_state(self, graded):
        course, summary, *_ = graded
        assert len(CASES) >= 30
        assert len(summary.results) == len(CASES) + 1
        assert set(states(course).values()) <= set(STATES)
        assert INFRASTRUCTURE not in states(course).values()

    @pytest.mark.parametrize("name", CASES)
    def test_outcome(self, graded, name):
        course, _, *_ = graded
        case = CASES[name]
        result = next(r for r in graded[1].results if r.student == name)
        assert re.fullmatch(case.state, result.state), result.reason
        assert case.says in " ".join([result.reason, *result.notes, *result.flags, *result.hints.values()])
        assert result.marks.get("sse") == case.sse
        assert result.marks.get("psnr") == case.psnr or (case.psnr is None and "|" in case.state)
        recorded = {task: score for student, task, score, *_ in marks(course.root) if student == name}
        assert recorded.get("sse") == case.sse
        if result.state == "rejected":
            assert not course.autograded(course.submissions([CHAPTER])[0].__class__(name, CHAPTER, Path())).exists()

    def test_nothing_outside_the_scratch_folder_changed(self, graded):
        _, _, before, after = graded
        assert after == before
        assert not Path("/x").exists()

    def test_nothing_is_left_behind(self, graded):
        alive = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
        assert [line for line in alive if "86399" in line] == []
        assert [line for line in alive if line.startswith("bwrap")] == []

    def test_the_spy_finds_nothing_and_gets_what_its_answers_earn(self, graded):
        course, summary, *_ = graded
        result = next(r for r in summary.results if r.student == "spy")
        assert (result.state, result.marks) == ("flagged", {"sse": 2, "psnr": 1})
        text = (course.root / "autograded" / "spy" / CHAPTER / f"{CHAPTER}.ipynb").read_text(encoding="utf-8")
        printed = [
            o.text for c in nbformat.reads(text, 4).cells if c.cell_type == "code" for o in c.outputs if "text" in o
        ]
        line = next(line for line in "".join(printed).splitlines() if line.startswith("LEAKS"))
        assert json.loads(line.removeprefix("LEAKS ")) == []

    def test_the_table_names_every_state_and_has_no_mark_where_there_is_none(self, graded):
        course, *_ = graded
        report(course, [CHAPTER])
        lines = list(csv.DictReader((course.root / "report" / "grades.csv").open(encoding="utf-8")))
        assert [line["student"] for line in lines] == sorted([*CASES, "spy"])
        for line in lines:
            assert line["state"] in STATES
            assert (line["score"] == "") == (line["state"] == "rejected")
            assert line["state"] in ("graded", "flagged") or line["reason"]
        tasks = list(csv.DictReader((course.root / "report" / "tasks.csv").open(encoding="utf-8")))
        undecided = {(t["student"], t["task"]) for t in tasks if t["score"] == "" and t["marked_by"] == "machine"}
        assert undecided == {(who, task) for who in ("removes-asserts", "forged-reply") for task in ("sse", "psnr")}

    def test_the_page_shows_misconceptions_and_who_needs_a_look_and_needs_no_network(self, graded):
        course, *_ = graded
        report(course, [CHAPTER])
        html = (course.root / "report" / "index.html").read_text(encoding="utf-8")
        assert HINT_MEAN in html
        assert HINT_SUM in html
        assert "removes-asserts" in html
        assert not re.search(r"(src|href)\s*=\s*['\"](?!#)", html)  # "#…": within the picture
        assert "<svg" in html
        assert SECRET not in html

    def test_feedback_tells_the_hint_and_neither_tests_nor_what_the_code_printed(self, graded):
        course, *_ = graded
        n_written, held_back = feedback(course, [CHAPTER])
        to_look_at = [r.student for r in graded[1].results if r.flags or len(r.student) > 100]
        assert sorted(line.split()[0] for line in held_back) == sorted(to_look_at)
        n_written, held_back = feedback(course, [CHAPTER], flagged=True)
        assert n_written == len(CASES)  # and the spy, but for the one without an id
        assert [line.split(": ")[1] for line in held_back] == ["not a student id"]
        pages = {p.parents[1].name: p.read_text(encoding="utf-8") for p in course.root.glob("feedback/*/*/*.html")}
        assert [name for name, text in pages.items() if SECRET in text] == []
        assert [name for name, text in pages.items() if "SEEN [" in text or "LEAKS [" in text] == []
        assert HINT_MEAN in pages["per-pixel"]
        assert HINT_SUM in pages["of-all-images"]
        assert "Score: 3.0 / 6.0" in pages["right"]
        assert "my solution.ipynb" in pages["renamed"]
        assert "<script>window" not in pages["scripts"]
        assert "<img src=x" not in pages["scripts"]
        assert 'href="javascript' not in pages["scripts"]

    def test_the_formgraders_notebook_holds_nothing_that_a_browser_would_run(self, graded):
        course, *_ = graded
        notebook = nbformat.read(course.root / "autograded" / "scripts" / CHAPTER / f"{CHAPTER}.ipynb", as_version=4)
        shown = [set(o.data) for c in notebook.cells if c.cell_type == "code" for o in c.outputs if "data" in o]
        assert shown
        assert set().union(*shown) <= {"text/plain", "image/png"}

    def test_the_same_command_again_grades_nothing_and_changes_nothing(self, graded):
        course, *_ = graded
        before = marks(course.root)
        again = grade(course, [CHAPTER], limits=LIMITS)
        assert (again.n_before, again.results) == (len(CASES) + 1, [])
        assert marks(course.root) == before
