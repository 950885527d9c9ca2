"""The class at a glance: two tables for a spreadsheet, and a page for a person.

A submission without marks has an empty cell and a state that says why, never a 0. No names, only ids, unless asked.
"""

from __future__ import annotations

import csv
import io
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import jinja2
from matplotlib.figure import Figure
from nbgrader.api import MissingEntry, SubmittedAssignment

from .course import Course, printable, write_whole
from .execution import PASSED
from .recording import DIED, FLAGGED, GRADED, INFRASTRUCTURE, REJECTED, TIMED_OUT, Result, read_result

WAITING, NOT_SUBMITTED = "not graded yet", "not submitted"
WITHOUT_MARKS = (REJECTED, INFRASTRUCTURE, WAITING, NOT_SUBMITTED)
LOOK_FIRST = (INFRASTRUCTURE, REJECTED, FLAGGED, DIED, TIMED_OUT, GRADED)


@dataclass
class Task:
    """One graded cell of one submission. `score` is None while nobody has decided."""

    name: str
    score: float | None
    points: float
    by_hand: bool
    ending: str = ""
    hint: str = ""


@dataclass
class Row:
    """One student, one chapter."""

    student: str
    chapter: str
    state: str
    reason: str = ""
    name: str = ""
    score: float | None = None
    points: float = 0.0
    to_mark_by_hand: int = 0
    seconds_late: float = 0.0
    tasks: list[Task] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    unsafe: bool = False

    @property
    def why_look(self) -> str:
        """What a person should look at; empty where there is nothing."""
        reason = [] if self.state == FLAGGED else [self.reason]  # there it is the flags
        return "; ".join(line for line in (*reason, *self.flags, *self.notes) if line)

    @property
    def n_open(self) -> int:
        """How many of its tasks have no mark yet."""
        return sum(task.score is None for task in self.tasks)


def rows(course: Course, chapters: list[str]) -> list[Row]:
    """A row for every student that the gradebook or `submitted/` knows, by chapter and student."""
    found = []
    submissions = {(s.chapter, s.student): s for s in course.submissions(chapters)}
    with course.gradebook() as gradebook:
        names = {s.id: f"{s.first_name or ''} {s.last_name or ''}".strip() for s in gradebook.students}
        everybody = sorted(names.keys() | {student for _, student in submissions})
        for chapter in chapters:
            notebook = course.released(gradebook, chapter).notebooks[0]
            points = sum(cell.max_score for cell in notebook.grade_cells)
            for student in everybody:
                submission = submissions.get((chapter, student))
                result = read_result(course, submission) if submission else None
                state = result.state if result else WAITING if submission else NOT_SUBMITTED
                row = Row(printable(student), chapter, state, name=names.get(student, ""), points=points)
                if result:
                    row.reason, row.unsafe = result.reason, result.unsafe
                    row.notes, row.flags = result.notes, result.flags
                if state not in WITHOUT_MARKS:
                    try:
                        _fill_in(row, gradebook.find_submission(chapter, student), result)
                    except MissingEntry:  # somebody removed it from the gradebook
                        row.state = WAITING
                found.append(row)
    return found


def _fill_in(row: Row, submission: SubmittedAssignment, result: Result) -> None:
    for grade in submission.notebooks[0].grades:
        decided = grade.auto_score is not None or grade.manual_score is not None
        task = Task(grade.name, grade.score if decided else None, grade.max_score, grade.name not in result.cells,
                    result.cells.get(grade.name, ""), result.hints.get(grade.name, ""))  # fmt: skip
        row.tasks.append(task)
        row.to_mark_by_hand += grade.needs_manual_grade
    row.tasks.sort(key=lambda task: list(result.cells).index(task.name) if task.name in result.cells else 99)
    row.score = submission.score - (submission.late_submission_penalty or 0)
    row.seconds_late = submission.total_seconds_late


def csv_of_grades(table: list[Row], *, names: bool = False) -> str:
    """A line a submission."""
    header = ["student", *(["name"] if names else []), "chapter", "state", "score", "points", "to_mark_by_hand",
              "minutes_late", "sandbox", "reason", "flags", "notes"]  # fmt: skip
    lines = [
        [r.student, *([r.name] if names else []), r.chapter, r.state, "" if r.score is None else f"{r.score:g}",
         f"{r.points:g}", r.to_mark_by_hand, round(r.seconds_late / 60), "" if r.state in (WAITING, NOT_SUBMITTED)
         else "no" if r.unsafe else "yes", r.reason, "; ".join(r.flags), "; ".join(r.notes)]
        for r in table
    ]  # fmt: skip
    return _csv(header, lines)


def csv_of_tasks(table: list[Row]) -> str:
    """A line a task of a submission."""
    header = ["student", "chapter", "task", "score", "points", "marked_by", "ending", "hint"]
    lines = [[r.student, r.chapter, t.name, "" if t.score is None else f"{t.score:g}", f"{t.points:g}",
              "hand" if t.by_hand else "machine", t.ending, t.hint] for r in table for t in r.tasks]  # fmt: skip
    return _csv(header, lines)


def _csv(header: list[str], lines: list[list]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    # a spreadsheet takes a cell that begins like this for a formula
    writer.writerows(
        [[f"'{cell}" if str(cell)[:1] in "=+-@\t\r" and str(cell) else cell for cell in line] for line in lines]
    )
    return text.getvalue()


def _histogram(scores: list[float], points: float) -> str:
    """The distribution of a chapter's marks, as SVG."""
    figure = Figure(figsize=(5.2, 2.0), layout="constrained")
    axes = figure.subplots()
    step = 1 if points <= 30 else points / 20
    edges = [step * (i - 0.5) for i in range(int(points / step) + 2)]
    axes.hist(scores, bins=edges, color="#3b6fb6", edgecolor="white")
    median = statistics.median(scores)
    axes.axvline(median, color="#c44e52", linewidth=1.5, label=f"median {median:g}")
    axes.set(xlabel=f"points of {points:g}", ylabel="submissions", xlim=(edges[0], edges[-1]))
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _by_task(table: list[Row]) -> list[dict]:
    """For each task: how many were marked, the mean of the points, the share with all of them."""
    tasks: dict[str, list[Task]] = defaultdict(list)
    for row in table:
        for task in row.tasks:
            tasks[task.name].append(task)
    found = []
    for name, marked in tasks.items():
        scores = [task.score for task in marked if task.score is not None]
        share = sum(task.score == task.points for task in marked) / len(scores) if scores else None
        found.append({"name": name, "points": marked[0].points, "by_hand": marked[0].by_hand, "n": len(scores),
                      "n_open": len(marked) - len(scores), "share": share,
                      "mean": statistics.mean(scores) if scores else None})  # fmt: skip
    return found


def _misconceptions(table: list[Row]) -> list[dict]:
    """What failed tasks said, the commonest first."""
    counts = Counter(
        (task.name, task.hint) for row in table for task in row.tasks if task.hint and task.ending != PASSED
    )
    total = sum(1 for row in table if row.tasks) or 1
    return [{"task": task, "hint": hint, "n": n, "share": n / total} for (task, hint), n in counts.most_common(12)]


def page(course: Course, table: list[Row], *, names: bool = False) -> str:
    """The report as one HTML file that needs no network."""
    chapters = []
    for chapter in dict.fromkeys(row.chapter for row in table):
        mine = [row for row in table if row.chapter == chapter]
        scores = [row.score for row in mine if row.score is not None]
        chapters.append({
            "name": chapter,
            "states": Counter(row.state for row in mine).most_common(),
            "plot": _histogram(scores, mine[0].points) if scores else "",
            "n": len(scores), "points": mine[0].points,
            "mean": statistics.mean(scores) if scores else None,
            "median": statistics.median(scores) if scores else None,
            "tasks": _by_task(mine),
            "misconceptions": _misconceptions(mine),
            "look": sorted((row for row in mine if row.why_look), key=lambda row: LOOK_FIRST.index(row.state)),
        })  # fmt: skip
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    source = resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    n_unsafe = sum(row.unsafe for row in table)
    by_hand = sum(row.to_mark_by_hand for row in table)
    return environment.from_string(source).render(
        course=course.root.name, chapters=chapters, names=names, n_unsafe=n_unsafe, by_hand=by_hand
    )


def report(course: Course, chapters: list[str], *, names: bool = False) -> list[Path]:
    """Write report/grades.csv, report/tasks.csv and report/index.html; their paths.

    Args:
        names: with the names that the gradebook knows. Without: ids only.
    """
    table = rows(course, chapters)
    folder = course.root / "report"
    texts = {"grades.csv": csv_of_grades(table, names=names), "tasks.csv": csv_of_tasks(table),
             "index.html": page(course, table, names=names)}  # fmt: skip
    for name, text in texts.items():
        write_whole(folder / name, text)
    return [folder / name for name in texts]
