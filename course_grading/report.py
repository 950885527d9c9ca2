"""The class at a glance: two tables for a spreadsheet, and a page for a person.

A submission without marks has an empty cell and a state that says why, never a 0. Names are shown only on request.
"""

from __future__ import annotations

import csv
import io
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from course_grading.course import Course
from course_grading.files import write_atomically
from course_grading.outcomes import DIED, FLAGGED, GRADED, INFRASTRUCTURE, PASSED, REJECTED, TIMED_OUT
from course_grading.rows import NOT_SUBMITTED, WAITING, Row, Task, rows

LOOK_FIRST = (INFRASTRUCTURE, REJECTED, FLAGGED, DIED, TIMED_OUT, GRADED)
FORMULA_SIGNS = tuple("=+-@\t\r")  # a spreadsheet takes a cell that begins like this for a formula
MOST_MISCONCEPTIONS = 12


def _points(score: float | None) -> str:
    return "" if score is None else f"{score:g}"


def _sandbox(row: Row) -> str:
    if row.state in (WAITING, NOT_SUBMITTED):
        return ""
    return "no" if row.unsafe else "yes"


COLUMNS_OF_GRADES: dict[str, Callable[[Row], object]] = {
    "student": lambda row: row.student,
    "name": lambda row: row.name,
    "chapter": lambda row: row.chapter,
    "state": lambda row: row.state,
    "score": lambda row: _points(row.score),
    "points": lambda row: f"{row.points:g}",
    "to_mark_by_hand": lambda row: row.to_mark_by_hand,
    "minutes_late": lambda row: round(row.seconds_late / 60),
    "sandbox": _sandbox,
    "reason": lambda row: row.reason,
    "flags": lambda row: "; ".join(row.flags),
    "notes": lambda row: "; ".join(row.notes),
}
COLUMNS_OF_TASKS: dict[str, Callable[[Row, Task], object]] = {
    "student": lambda row, _: row.student,
    "chapter": lambda row, _: row.chapter,
    "task": lambda _, task: task.name,
    "score": lambda _, task: _points(task.score),
    "points": lambda _, task: f"{task.points:g}",
    "marked_by": lambda _, task: "hand" if task.by_hand else "machine",
    "ending": lambda _, task: task.ending,
    "hint": lambda _, task: task.hint,
}


def csv_of_grades(table: list[Row], *, names: bool = False) -> str:
    """Return a CSV table with a line for each submission.

    Parameters
    ----------
    table
        The rows of the class.
    names
        With the students' names.
    """
    columns = {title: value for title, value in COLUMNS_OF_GRADES.items() if names or title != "name"}
    return _csv([*columns], [[value(row) for value in columns.values()] for row in table])


def csv_of_tasks(table: list[Row]) -> str:
    """Return a CSV table with a line for each task of each submission.

    Parameters
    ----------
    table
        The rows of the class.
    """
    values = COLUMNS_OF_TASKS.values()
    return _csv([*COLUMNS_OF_TASKS], [[value(row, task) for value in values] for row in table for task in row.tasks])


def _csv(header: list[str], lines: list[list[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[_not_a_formula(cell) for cell in line] for line in lines])
    return text.getvalue()


def _not_a_formula(cell: object) -> object:
    return f"'{cell}" if str(cell).startswith(FORMULA_SIGNS) else cell


def _histogram(scores: list[float], points: float) -> str:
    """Draw the distribution of a chapter's marks, as SVG."""
    from matplotlib.figure import Figure  # here: half a second that other commands need not wait

    figure = Figure(figsize=(5.2, 2.0), layout="constrained")
    axes = figure.subplots()
    step = 1 if points <= 30 else points / 20
    edges = [step * (i - 0.5) for i in range(int(points / step) + 2)]
    axes.hist(scores, bins=edges, color="#3b6fb6", edgecolor="white")
    median = statistics.median(scores)
    axes.axvline(median, color="#c44e52", linewidth=1.5, label=f"median {median:g}")
    axes.set(xlabel=f"points of {points:g}", ylabel="submissions", xlim=(edges[0], edges[-1]))
    axes.locator_params(axis="y", integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _by_task(table: list[Row]) -> list[dict[str, Any]]:
    """For each task: how many were marked, the mean of the points, the share with all of them."""
    tasks: dict[str, list[Task]] = defaultdict(list)
    for row in table:
        for task in row.tasks:
            tasks[task.name].append(task)
    return [_statistics(name, marked) for name, marked in tasks.items()]


def _statistics(name: str, marked: list[Task]) -> dict[str, Any]:
    points, scores = marked[0].points, [task.score for task in marked if task.score is not None]
    return {
        "name": name,
        "points": points,
        "by_hand": marked[0].by_hand,
        "n": len(scores),
        "n_open": len(marked) - len(scores),
        "share": sum(task.score == task.points for task in marked) / len(scores) if scores else None,
        "mean": statistics.mean(scores) if scores else None,
    }


def _misconceptions(table: list[Row]) -> list[dict[str, Any]]:
    """What failed tasks said, the most frequent first."""
    counts = Counter(
        (task.name, task.hint) for row in table for task in row.tasks if task.hint and task.ending != PASSED
    )
    total = sum(1 for row in table if row.tasks) or 1
    most = counts.most_common(MOST_MISCONCEPTIONS)
    return [{"task": task, "hint": hint, "n": n, "share": n / total} for (task, hint), n in most]


def _chapter(name: str, table: list[Row]) -> dict[str, Any]:
    """What the page shows of a chapter."""
    scores, points = [row.score for row in table if row.score is not None], table[0].points
    return {
        "name": name,
        "states": Counter(row.state for row in table).most_common(),
        "plot": _histogram(scores, points) if scores else "",
        "n": len(scores),
        "points": points,
        "mean": statistics.mean(scores) if scores else None,
        "median": statistics.median(scores) if scores else None,
        "tasks": _by_task(table),
        "misconceptions": _misconceptions(table),
        "look": sorted((row for row in table if row.why_look), key=lambda row: LOOK_FIRST.index(row.state)),
    }


def page(course: Course, table: list[Row], *, names: bool = False) -> str:
    """Return the report as one HTML file that needs no network.

    Parameters
    ----------
    course
        The course directory; the title has its name.
    table
        The rows of the class.
    names
        With the students' names.
    """
    chapters = dict.fromkeys(row.chapter for row in table)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    source = resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        course=course.root.name,
        chapters=[_chapter(name, [row for row in table if row.chapter == name]) for name in chapters],
        names=names,
        n_unsafe=sum(row.unsafe for row in table),
        by_hand=sum(row.to_mark_by_hand for row in table),
    )


def report(course: Course, chapters: list[str], *, names: bool = False) -> list[Path]:
    """Write report/grades.csv, report/tasks.csv and report/index.html.

    Parameters
    ----------
    course
        The course directory.
    chapters
        The full names of the chapters.
    names
        With the names that the gradebook knows; otherwise only ids.

    Returns
    -------
    list[Path]
        The paths of the three files.
    """
    table = rows(course, chapters)
    texts = {
        "grades.csv": csv_of_grades(table, names=names),
        "tasks.csv": csv_of_tasks(table),
        "index.html": page(course, table, names=names),
    }
    paths = [course.root / "report" / name for name in texts]
    for path in paths:
        write_atomically(path, texts[path.name])
    return paths
