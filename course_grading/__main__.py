"""python -m course_grading release | grade | feedback | report [chapter …]"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from .batch import grade
from .course import Course, CourseError, printable
from .feedback import feedback
from .recording import GRADED, INFRASTRUCTURE
from .release import release
from .report import report
from .sandbox import Limits


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m course_grading", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("chapters", nargs="*", metavar="chapter", help="1, 01 or 01_pca; none given: all released")
        command.add_argument(
            "--course", default="exercises", metavar="FOLDER", help="course directory (default: exercises)"
        )
        return command

    add("release", "make the students' versions, and try them")
    command = add("grade", "grade what is not graded yet: after an interruption, a new submission, a changed test, too")
    command.add_argument("--workers", type=int, default=2, metavar="N", help="submissions at once (default: 2)")
    command.add_argument("--executor", metavar="dask://HOST:PORT", help="run the submissions on a Dask cluster")
    command.add_argument(
        "--unsafe", action="store_true", help="without the sandbox: for code that you trust as your own"
    )
    command.add_argument("--regrade", action="store_true", help="also what is graded already")
    command.add_argument("--students", nargs="+", metavar="ID", help="only these")
    command.add_argument("--cell-seconds", type=float, metavar="S", help="limit of a cell (default: 30)")
    command.add_argument("--submission-seconds", type=float, metavar="S", help="limit of a submission (default: 180)")
    command = add("feedback", "write the pages that the students get")
    command.add_argument("--flagged", action="store_true", help="also for flagged submissions: you have looked at them")
    command = add("report", "write report/grades.csv, report/tasks.csv and report/index.html")
    command.add_argument(
        "--names", action="store_true", help="with names, where the gradebook knows them; default: ids only"
    )
    return parser


def _grade(course: Course, chapters: list[str], options: argparse.Namespace) -> int:
    changed = {name: value for name in ("cell_seconds", "submission_seconds")
               if (value := getattr(options, name)) is not None}  # fmt: skip
    if options.workers < 1 or any(value <= 0 for value in changed.values()):
        raise CourseError("--workers and the limits in seconds are larger than 0")
    if options.unsafe:
        print("UNSAFE: submissions run without a sandbox. They can read and change everything that you can.")
    for submission in course.submissions([name for name in course.known_chapters if name not in chapters]):
        if not options.chapters:
            print(f"not graded: {submission} is not released")
    for place in course.overlooked():
        print(f"overlooked: {place} is no submitted/STUDENT/CHAPTER; there are {', '.join(course.known_chapters)}")
    options_of_grade = {
        name: getattr(options, name) for name in ("workers", "executor", "unsafe", "regrade", "students")
    }
    summary = grade(course, chapters, limits=replace(Limits(), **changed), **options_of_grade)
    if not summary.results and not summary.n_before:
        place = course.root / "submitted" / "STUDENT" / chapters[0] / f"{chapters[0]}.ipynb"
        print(f"Nothing is handed in: {place} is where a submission goes.")
        return 0
    print(f"{len(summary.results)} graded now, {summary.n_before} were graded already.")
    for state, n in summary.states.most_common():
        print(f"  {n:4d} {state}")
    for result in summary.results:
        if result.state != GRADED:
            print(f"  {printable(result.student)} {result.chapter}: {result.state} ({result.reason})")
    if summary.changes:
        print("Changed against the grading before:", *summary.changes, sep="\n  ")
    return 1 if summary.states[INFRASTRUCTURE] else 0


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status: 0, 1 if something was not graded through a fault of ours, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        course = Course(options.course)
        is_all = options.command != "release" and not options.chapters
        chapters = course.released_chapters() if is_all else course.chapters(options.chapters)
        if options.command == "release":
            for chapter in chapters:
                print(f"released {release(course, chapter)}")
        elif options.command == "grade":
            return _grade(course, chapters, options)
        elif options.command == "feedback":
            n_written, held_back = feedback(course, chapters, flagged=options.flagged)
            print(f"{n_written} pages in {course.root / 'feedback'}")
            print(*(f"  held back: {line}" for line in held_back), sep="\n", end="\n" if held_back else "")
        else:
            print(*report(course, chapters, names=options.names), sep="\n")
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. What is graded stays graded; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
