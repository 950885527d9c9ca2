"""Grading again: after an interruption, a new submission, a changed test; at the same time; on a cluster."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import psutil
import pytest
from grading_class import CASES, SMALL
from grading_course import CHAPTER, ROOT, course_with, hand_in, marks, needs_sandbox, states

from course_grading import batch, passes
from course_grading.batch import grade, only_grader
from course_grading.course import Course, CourseError
from course_grading.outcomes import INFRASTRUCTURE
from course_grading.recording import read_result
from course_grading.release import release
from course_grading.rows import rows

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # of nbgrader's and SQLAlchemy's own


@pytest.fixture(scope="module")
def undisturbed(released, tmp_path_factory) -> Course:
    """A small class, graded without any disturbance."""
    course = course_with(tmp_path_factory.mktemp("undisturbed"), released, SMALL)
    grade(course, [CHAPTER])
    return course


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
def test_a_killed_grader_goes_on_to_the_same_gradebook(undisturbed, released, tmp_path):
    course = course_with(tmp_path, released, SMALL)
    line = [sys.executable, "-m", "course_grading", "grade", "--course", str(course.root)]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(course.root.glob("results/*/[!.]*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    n_done = len(list(course.root.glob("results/*/[!.]*.json")))
    assert 2 <= n_done < len(SMALL)
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
    with only_grader(course), pytest.raises(CourseError, match=str(tmp_path)):
        grade(course, [CHAPTER])


@needs_sandbox
def test_what_fails_through_a_fault_of_ours_is_no_mark_and_is_tried_again(released, tmp_path, monkeypatch):
    course = course_with(tmp_path, released, {"ann": CASES["right"], "bob": CASES["bad-json"]})
    with monkeypatch.context() as patch:
        patch.setattr(batch, "preflight", lambda limits: None)
        patch.setattr("course_grading.kernel.command", lambda *a, **k: ["false"])
        summary = grade(course, [CHAPTER])
    assert states(course) == {"ann": INFRASTRUCTURE, "bob": "rejected"}
    assert "kernel" in next(r.reason for r in summary.results if r.student == "ann")
    assert {row.student: row.score for row in rows(course, [CHAPTER])} == {"ann": None, "bob": None}
    again = grade(course, [CHAPTER])
    assert [(r.student, r.state) for r in again.results] == [("ann", "graded")]


@needs_sandbox
def test_a_gap_in_our_own_code_costs_one_submission_and_not_the_batch(released, tmp_path, monkeypatch):
    course = course_with(tmp_path, released, {"ann": CASES["right"], "bob": CASES["right"]})
    original = passes.sanitise

    def fragile(course, submission):
        if submission.student == "ann":
            raise ZeroDivisionError("a gap")
        return original(course, submission)

    monkeypatch.setattr(passes, "sanitise", fragile)
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


@needs_sandbox
def test_a_dask_cluster_gives_the_same_gradebook(undisturbed, released, tmp_path):
    distributed = pytest.importorskip("distributed")
    there = course_with(tmp_path, released, SMALL)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address.removeprefix("tcp://")
        summary = grade(there, [CHAPTER], executor=f"dask://{address}")
    assert len(summary.results) == len(SMALL)
    assert marks(there.root) == marks(undisturbed.root)
    assert states(there) == states(undisturbed)


def test_a_cluster_that_is_not_there_is_named(released, tmp_path):
    course = course_with(tmp_path, released, {})
    with pytest.raises(CourseError, match="dask://host:port"):
        grade(course, [CHAPTER], executor="spark://x")
