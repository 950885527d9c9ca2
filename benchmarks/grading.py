"""Our `grade` beside nbgrader's own `autograde`, in one run: submissions a minute, on the same submissions.

    make bench      or      python benchmarks/grading.py [--submissions 24] [--chapter 06_cnn_autoencoder] [--repeats 3]

The class answers a chapter of exercises/ with the right and wrong answers that are kept in tests/grading/answers,
drawn from seed 0. All its submissions are clean: nbgrader gives 0 to a right answer that warns, and stops at a broken
notebook.
Everybody starts with the same released course, copied anew for every round, and is run by its command as an instructor
runs it, start-up included. They take turns in every round, so that a busy machine disturbs all alike; the median over
the rounds is printed, with its range. One submission each, not counted, warms the disk's cache. After every round all
marks are compared, task by task, with nbgrader's in the first; where one differs, the run fails and names it.

nbgrader runs the submissions without a sandbox, one after the other, and has no option for more. Its kernels take as
many threads as the environment gives them, ours one each: OMP_NUM_THREADS=1 makes them alike. The figures mean
something on a machine that is idle otherwise; a submission is, for the most part, a new kernel that imports torch, so
two workers want two cores. Where bubblewrap does not work, ours runs without its sandbox, too, and the table says so.
The figures are written into benchmarks/results/grading.json.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import nbformat
import nbgrader
import torch
from report import save

from course_grading.batch import fingerprint, tests_of
from course_grading.course import Course
from course_grading.execution import Job, execute
from course_grading.kernel import Kernel
from course_grading.recording import judge, record
from course_grading.release import hints_of, release
from course_grading.sandbox import Limits, SandboxUnavailable, preflight
from course_grading.sanitise import sanitise
from course_utils.environment import search_path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "grading"))

from exercise_answers import ROOT, answer_cell_of, read_answers

STOCK = "nbgrader autograde"
WORKERS = {"grade, 1 worker": 1, "grade, 2 workers": 2}
SHARE_RIGHT = 0.7
N_SPLIT = 3  # so many submissions are also taken through the passes one by one

Marks = dict[tuple[str, str], tuple]  # (student, task) → automatic points, a person's points, whether one must look


def has_sandbox() -> bool:
    try:
        preflight()
    except SandboxUnavailable as error:
        print(f"{error}\n")
        return False
    return True


def released_course(root: Path, chapter: str) -> Path:
    """A copy of the course, with the chapter released."""
    ignore = shutil.ignore_patterns(".ipynb_checkpoints")
    shutil.copytree(ROOT / "exercises" / "source", root / "source", ignore=ignore)
    config = (ROOT / "exercises" / "nbgrader_config.py").read_text(encoding="utf-8")
    # the course switches nbgrader's own autograde off, which has no sandbox; here the code is ours
    (root / "nbgrader_config.py").write_text(f"{config}\ndel c.Autograde\n", encoding="utf-8")
    release(Course(root), chapter)
    return root


def hand_in(root: Path, chapter: str, n: int) -> None:
    """The submissions of a class: for every task one of the kept answers, and some words for the written one."""
    answers = read_answers(chapter)
    tasks = list(dict.fromkeys(answer.task for answer in answers))
    draw = random.Random(0)
    for number in range(1, n + 1):
        notebook = nbformat.read(Course(root).release(chapter), as_version=4)
        cells = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}
        for task in tasks:
            right = draw.random() < SHARE_RIGHT
            fitting = [answer for answer in answers if answer.task == task and answer.right == right]
            cells[answer_cell_of(chapter, task)].source = draw.choice(fitting).code
        for cell in cells.values():
            if cell.cell_type == "markdown" and cell.metadata.nbgrader.solution:
                cell.source = f"Student {number} has an opinion."
        path = root / "submitted" / f"student{number:03d}" / chapter / f"{chapter}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def contestants(chapter: str, sandbox: bool) -> dict[str, Callable[[Path], list[str]]]:
    """For each its command, for a course in the folder given."""

    def ours(workers: int) -> Callable[[Path], list[str]]:
        options = ["--workers", str(workers), *([] if sandbox else ["--unsafe"])]
        return lambda root: ["course_grading", "grade", chapter, "--course", str(root), *options]

    stock = {STOCK: lambda root: ["nbgrader", "autograde", chapter]}
    return stock | {name: ours(workers) for name, workers in WORKERS.items()}


def run(module: list[str], course: Path) -> float:
    """Seconds that `python -m module…` takes in the course's folder."""
    environment = os.environ | {"COURSE_QUIET": "1", "PATH": search_path()}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *module], cwd=course, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)  # fmt: skip
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"python -m {' '.join(module)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return seconds


def marks(course: Path) -> Marks:
    """The marks of everybody in the gradebook, task by task."""
    query = """select s.student_id, c.name, g.auto_score, g.manual_score, g.needs_manual_grade
        from grade g join submitted_notebook n on g.notebook_id = n.id join submitted_assignment s on n.assignment_id =
        s.id join base_cell c on g.cell_id = c.id"""
    with sqlite3.connect(course / "gradebook.db") as database:
        return {(student, task): tuple(rest) for student, task, *rest in database.execute(query)}


def split(course: Course, chapter: str, n: int, sandbox: bool) -> dict[str, float]:
    """Median seconds of each of our passes, for one submission at a time."""
    tests = tests_of(course, chapter)
    cells = nbformat.read(course.source(chapter), as_version=4).cells
    graded = {cell.id: cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")}
    hints = {name: hints_of(cell.source) for name, cell in graded.items() if cell.cell_type == "code"}
    limits, unsafe = Limits(), not sandbox
    rows = []
    for submission in course.submissions([chapter])[:n]:
        times = [time.perf_counter()]
        clean = sanitise(course, submission)
        times.append(time.perf_counter())
        execution = execute(Job(clean.notebook, clean.graded, limits, unsafe))
        times.append(time.perf_counter())
        mark = fingerprint(submission, tests)
        result = judge(submission, clean, execution, fingerprint=mark, hints=hints, unsafe=unsafe)
        record(course, submission, result, execution.notebook)
        times.append(time.perf_counter())
        with Kernel(limits, unsafe=unsafe):
            pass
        times.append(time.perf_counter())
        rows.append([end - begin for begin, end in pairwise(times)])
    names = ("sanitise", "execute", "record", "an empty kernel, started and ended")
    return {name: statistics.median(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def compare(folder: Path, chapter: str, n: int, repeats: int, sandbox: bool) -> list[str]:
    """Grade, print the table, and return what differs from the marks that nbgrader gave first."""
    released = released_course(folder / "released", chapter)
    one = shutil.copytree(released, folder / "one")
    hand_in(one, chapter, 1)
    everybody = shutil.copytree(released, folder / "everybody")
    hand_in(everybody, chapter, n)
    commands = contestants(chapter, sandbox)
    for number, command in enumerate(commands.values()):
        course = shutil.copytree(one, folder / f"warm-up{number}")
        run(command(course), course)
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    n_differing, differences, expected = dict.fromkeys(commands, 0), [], {}
    for turn in range(repeats):
        for number, (name, command) in enumerate(commands.items()):
            course = shutil.copytree(everybody, folder / f"round{turn}-{number}")
            seconds[name].append(run(command(course), course))
            found = marks(course)
            expected = expected or found
            for key in sorted(expected.keys() | found.keys()):
                if expected.get(key) != found.get(key):
                    n_differing[name] += 1
                    line = f"round {turn + 1}, {' '.join(key)}: {STOCK} {expected.get(key)}, {name} {found.get(key)}"
                    differences.append(line)
            shutil.rmtree(course)
    points = {student: 0.0 for student, _ in expected}
    for (student, _), (automatic, *_) in expected.items():
        points[student] += automatic or 0
    if len(points) != n:
        differences.append(f"{n} handed in, and {len(points)} are in the gradebook of {STOCK}")
    print(f"{len(expected)} marks compared; a student has {min(points.values()):g} to {max(points.values()):g} points, "
          f"{statistics.mean(points.values()):.1f} on average\n")  # fmt: skip
    print(f"{'':20} {'seconds':>8} {'(range)':>15} {'a minute':>9} {'s each':>7} {'sandbox':>8}  marks equal")
    for name, values in seconds.items():
        median = statistics.median(values)
        boxed = "yes" if sandbox and name != STOCK else "no"
        equal = f"no: {n_differing[name]} differ" if n_differing[name] else "yes"
        print(f"{name:20} {median:>8.1f} {f'({min(values):.1f}–{max(values):.1f})':>15} {60 * n / median:>9.1f} "
              f"{median / n:>7.2f} {boxed:>8}  {equal}")  # fmt: skip
    parts = split(Course(everybody), chapter, min(N_SPLIT, n), sandbox)
    print(f"\nOur passes, seconds a submission (median of {min(N_SPLIT, n)}, one at a time)")
    for name, value in parts.items():
        print(f"  {name:36} {value:>6.2f}")
    if not differences:
        found = {name: {"submissions a minute": 60 * n / statistics.median(values), "all rounds, s": values,
                        "in a sandbox": sandbox and name != STOCK} for name, values in seconds.items()}  # fmt: skip
        what = f"{n} submissions of {chapter}"
        print(f"\n{save('grading', {what: found, 'passes, s a submission': parts})}")
    return differences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=24)
    parser.add_argument("--chapter", default="06_cnn_autoencoder")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    (chapter,) = Course(ROOT / "exercises").chapters([options.chapter])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{options.submissions} submissions of {chapter}; nbgrader {nbgrader.__version__}, torch {torch.__version__}"
          f", cores: {cores}; median of {options.repeats}", flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        differences = compare(Path(folder), chapter, options.submissions, options.repeats, has_sandbox())
    if differences:
        sys.exit("\n".join(["\nMarks differ:", *differences]))


if __name__ == "__main__":
    main()
