"""The whole of grading on a class in which everything goes wrong that can: one batch, every outcome with its name."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import psutil
import pytest
from grading_class import (
    CASES,
    CHAPTER,
    HAS_SANDBOX,
    HINT_MEAN,
    HINT_SUM,
    ROOT,
    SECRET,
    Case,
    after_sse,
    hand_in,
    make_course,
    needs_sandbox,
)

from course_grading import batch, sandbox
from course_grading.__main__ import main
from course_grading.batch import grade
from course_grading.course import Course, CourseError
from course_grading.feedback import feedback
from course_grading.recording import INFRASTRUCTURE, STATES, read_result
from course_grading.release import release
from course_grading.report import report, rows
from course_grading.sandbox import Limits

pytestmark = pytest.mark.filterwarnings("ignore")  # of nbgrader's and SQLAlchemy's own
LIMITS = Limits(cell_seconds=8, submission_seconds=90)
BUSY = {"__pycache__", ".git", "screenshots", ".pytest_cache"}  # where others write: the browser tests, beside these


def tree(*folders: Path) -> dict[str, str]:
    """Every file below some folders, with a hash of what is in it."""
    files = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                files[str(path)] = os.readlink(path)
            elif path.is_file() and path.stat().st_size > 2**30:
                files[str(path)] = str(path.stat())
            elif path.is_file() and not BUSY & set(path.parts):
                files[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return files


def marks(root: Path) -> list[tuple]:
    """The gradebook's content without ids and times: who has what for which task."""
    query = """select s.student_id, c.name, g.auto_score, g.manual_score, g.needs_manual_grade
        from grade g join submitted_notebook n on g.notebook_id = n.id join submitted_assignment s on n.assignment_id =
        s.id join base_cell c on g.cell_id = c.id order by 1, 2"""
    with sqlite3.connect(root / "gradebook.db") as database:
        return database.execute(query).fetchall()


def states(course: Course) -> dict[str, str]:
    """How each submission ended."""
    return {s.student: read_result(course, s).state for s in course.submissions([CHAPTER])}


def course_with(root: Path, released: Path, cases: dict[str, Case]) -> Course:
    """A copy of the released course with these submissions."""
    shutil.copytree(released, root, dirs_exist_ok=True)
    for student, case in cases.items():
        hand_in(root, student, case)
    return Course(root)


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """The course directory after `release`."""
    root = make_course(tmp_path_factory.mktemp("released"))
    release(Course(root), CHAPTER)
    return root


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
        assert [line.split(": ")[1] for line in held_back] == ["no student id"]
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


# -------------------------------------------------------------------------------------- again, interrupted, at the same
# time


SMALL = {name: CASES[name] for name in ("right", "per-pixel", "of-all-images", "untouched", "deleted-test", "bad-json")}


@needs_sandbox
def test_a_new_submission_is_picked_up_and_a_regrade_says_what_changed(released, tmp_path):
    course = course_with(tmp_path, released, {"ann": CASES["per-pixel"], "bob": CASES["right"]})
    assert len(grade(course, [CHAPTER]).results) == 2
    hand_in(tmp_path, "cem", CASES["right"])
    shutil.rmtree(tmp_path / "submitted" / "ann")
    hand_in(tmp_path, "ann", CASES["right"])
    second = grade(course, [CHAPTER])
    assert {result.student for result in second.results} == {"ann", "cem"}
    assert second.changes == [f"ann {CHAPTER}: sse 0 → 2"]
    assert grade(course, [CHAPTER], regrade=True, students=["bob"]).changes == []


@needs_sandbox
def test_a_changed_test_is_applied_to_all_and_marks_given_by_hand_stay(released, tmp_path):
    course = course_with(tmp_path, released, {"ann": CASES["right"]})
    grade(course, [CHAPTER])
    with course.gradebook() as gradebook:
        gradebook.find_grade("why", CHAPTER, CHAPTER, "ann").manual_score = 2.5
        gradebook.db.commit()
    path = course.source(CHAPTER)
    path.write_text(path.read_text(encoding="utf-8").replace("_x - 1)", "_x - 1) + 0"), encoding="utf-8")
    release(course, CHAPTER)
    summary = grade(course, [CHAPTER])
    assert [result.student for result in summary.results] == ["ann"]
    assert rows(course, [CHAPTER])[0].score == 5.5


@needs_sandbox
def test_a_broken_new_version_takes_the_earlier_mark_away(released, tmp_path):
    course = course_with(tmp_path, released, {"ann": CASES["right"]})
    grade(course, [CHAPTER])
    shutil.rmtree(tmp_path / "submitted" / "ann")
    hand_in(tmp_path, "ann", CASES["bad-json"])
    summary = grade(course, [CHAPTER])
    assert f"ann {CHAPTER}: graded → rejected" in summary.changes
    assert {score for _, task, score, *_ in marks(tmp_path) if task in ("sse", "psnr")} == {None}
    assert not list(tmp_path.glob("autograded/ann/*/*.ipynb"))


@needs_sandbox
def test_a_killed_grader_goes_on_to_the_same_gradebook(released, tmp_path):
    cases = {f"{name}-{i}": case for i in range(3) for name, case in SMALL.items()}
    undisturbed = course_with(tmp_path / "undisturbed", released, cases)
    grade(undisturbed, [CHAPTER])
    course = course_with(tmp_path / "killed", released, cases)
    line = [sys.executable, "-m", "course_grading", "grade", "--course", str(course.root)]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(course.root.glob("results/*/*.json"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    n_done = len(list(course.root.glob("results/*/[!.]*.json")))
    assert 4 <= n_done < len(cases)
    gone = time.monotonic() + 10
    while any(p.info["cmdline"][:1] == ["bwrap"] for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"]):
        assert time.monotonic() < gone, "a sandbox outlives its grader"
        time.sleep(0.1)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{n_done} were graded already" in done.stdout
    assert marks(course.root) == marks(undisturbed.root)
    assert states(course) == states(undisturbed)


@needs_sandbox
def test_an_interrupted_grader_ends_at_once_and_keeps_what_is_graded(released, tmp_path):
    course = course_with(tmp_path, released, {"ann": CASES["right"], "zoe": CASES["endless-loop"]})
    line = [sys.executable, "-m", "course_grading", "grade", "--course", str(course.root), "--workers", "1"]
    # Ctrl-C is ignored in what a script starts in the background, and so in all below it: here it must be heard
    process = subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(course.root.glob("results/*/ann.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)  # zoe's cell runs for its 30 s now
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - started < 20
    assert "What is graded stays graded" in said
    assert {s.student for s in course.submissions([CHAPTER]) if read_result(course, s)} == {"ann"}


@needs_sandbox
def test_a_gradebook_that_is_locked_for_longer_than_sqlite_waits(released, tmp_path):
    course = course_with(tmp_path, released, {"ann": CASES["right"]})
    database = sqlite3.connect(tmp_path / "gradebook.db", check_same_thread=False, isolation_level=None)
    database.execute("begin exclusive")
    opened = threading.Timer(7, lambda: (database.execute("rollback"), database.close()))
    opened.start()
    summary = grade(course, [CHAPTER])
    opened.join()
    assert [(r.state, r.marks) for r in summary.results] == [("graded", {"sse": 2, "psnr": 1})]


@needs_sandbox
def test_two_graders_at_once_are_refused(released, tmp_path):
    course = course_with(tmp_path, released, {"ann": CASES["right"]})
    with batch._alone(course), pytest.raises(CourseError, match="another grader is at work"):
        grade(course, [CHAPTER])


@needs_sandbox
def test_what_fails_through_a_fault_of_ours_is_no_mark_and_is_tried_again(released, tmp_path, monkeypatch):
    course = course_with(tmp_path, released, {"ann": CASES["right"], "bob": CASES["bad-json"]})
    with monkeypatch.context() as patch:
        patch.setattr(batch, "preflight", lambda limits: None)
        patch.setattr("course_grading.execution.command", lambda *a, **k: ["false"])
        summary = grade(course, [CHAPTER])
    assert states(course) == {"ann": INFRASTRUCTURE, "bob": "rejected"}
    assert "the kernel does not start" in next(r.reason for r in summary.results if r.student == "ann")
    assert {row.student: row.score for row in rows(course, [CHAPTER])} == {"ann": None, "bob": None}
    again = grade(course, [CHAPTER])
    assert [(r.student, r.state) for r in again.results] == [("ann", "graded")]


@needs_sandbox
def test_a_gap_in_our_own_code_costs_one_submission_and_not_the_batch(released, tmp_path, monkeypatch):
    course = course_with(tmp_path, released, {"ann": CASES["right"], "bob": CASES["right"]})
    original = batch.sanitise

    def fragile(course, submission):
        if submission.student == "ann":
            raise ZeroDivisionError("a gap")
        return original(course, submission)

    monkeypatch.setattr(batch, "sanitise", fragile)
    grade(course, [CHAPTER])
    assert states(course) == {"ann": INFRASTRUCTURE, "bob": "graded"}


@needs_sandbox
def test_a_strange_timestamp_is_no_obstacle(released, tmp_path):
    course = course_with(tmp_path, released, {"ann": CASES["right"], "bob": CASES["right"]})
    (tmp_path / "submitted" / "ann" / CHAPTER / "timestamp.txt").write_text("last Tuesday")
    (tmp_path / "submitted" / "bob" / CHAPTER / "timestamp.txt").write_text("2026-11-22 20:15:00 UTC")
    grade(course, [CHAPTER])
    assert set(states(course).values()) == {"graded"}
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(CHAPTER, "bob").timestamp.hour == 20
        assert gradebook.find_submission(CHAPTER, "ann").timestamp is None


# --------------------------------------------------------------------------------------------------- with and without a
# box


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
    assert "are switched off" in done.stderr
    assert not (tmp_path / "escaped").exists()
    assert not list(tmp_path.glob("feedback/*/*/*.html"))


@contextmanager
def no_bubblewrap(monkeypatch):
    """A machine without it."""
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "_options", lambda: "")
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
    sandbox._options.cache_clear()
    try:
        if sys.platform != "linux" or not shutil.which("prlimit"):
            pytest.skip("no prlimit here")
        with pytest.raises(CourseError, match=r"setting up uid map: Permission denied\. Debian and Ubuntu"):
            grade(course, [CHAPTER])
    finally:
        sandbox._options.cache_clear()


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


@needs_sandbox
def test_a_dask_cluster_gives_the_same_gradebook(released, tmp_path):
    distributed = pytest.importorskip("distributed")
    here = course_with(tmp_path / "here", released, SMALL)
    grade(here, [CHAPTER])
    there = course_with(tmp_path / "there", released, SMALL)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address.removeprefix("tcp://")
        summary = grade(there, [CHAPTER], executor=f"dask://{address}")
    assert len(summary.results) == len(SMALL)
    assert marks(there.root) == marks(here.root)
    assert states(there) == states(here)


def test_a_cluster_that_is_not_there_is_named(released, tmp_path):
    course = course_with(tmp_path, released, {})
    with pytest.raises(CourseError, match="dask://host:port"):
        grade(course, [CHAPTER], executor="spark://x")


# ---------------------------------------------------------------------------------------------------------- release and
# calls


def test_a_chapter_whose_model_answer_fails_is_not_released(tmp_path):
    course = Course(make_course(tmp_path))
    path = course.source(CHAPTER)
    path.write_text(path.read_text(encoding="utf-8").replace("/ len(x)", "/ x.size"), encoding="utf-8")
    with pytest.raises(CourseError, match=r"instructor's version fails in cell sse .*per pixel"):
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
    with pytest.raises(CourseError, match=r"students' version fails in cell sse-check with NameError"):
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
    assert "overlooked: submitted/bob/01_unit is no" in out.replace(os.sep, "/")
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
    assert "There is no exercise '7'; there are 01_units" in capsys.readouterr().err


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
