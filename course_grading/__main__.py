"""python -m course_grading release | grade | feedback | report [chapter …]"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

from course_grading.batch import Summary, grade
from course_grading.course import Course, CourseError
from course_grading.feedback import feedback
from course_grading.files import printable
from course_grading.outcomes import GRADED, INFRASTRUCTURE
from course_grading.release import release
from course_grading.report import report
from course_grading.sandbox import Limits

LIMITS = ("cell_seconds", "submission_seconds")  # the limits with an option


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m course_grading", description=str(__doc__).splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, run: Callable[[Course, list[str], argparse.Namespace], int], text: str) -> Callable:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("chapters", nargs="*", metavar="chapter", help="1, 01 or 01_pca; default: all released")
        command.add_argument(
            "--course", default="exercises", metavar="FOLDER", help="course directory (default: exercises)"
        )
        return command.add_argument

    add("release", _release, "make the students' versions, and try them")
    option = add(
        "grade", _grade, "grade what is not graded yet: after an interruption, a new submission, a changed test"
    )
    option("--workers", type=int, default=2, metavar="N", help="submissions at once (default: 2)")
    option("--executor", metavar="dask://HOST:PORT", help="run the submissions on a Dask cluster")
    option("--unsafe", action="store_true", help="without the sandbox: for code that you trust as your own")
    option("--regrade", action="store_true", help="also what is graded already")
    option("--students", nargs="+", metavar="ID", help="only these")
    option("--cell-seconds", type=float, metavar="S", help="limit of a cell (default: 30)")
    option("--submission-seconds", type=float, metavar="S", help="limit of a submission (default: 180)")
    option = add("feedback", _feedback, "write the pages that the students receive")
    option("--flagged", action="store_true", help="also for flagged submissions: you have looked at them")
    option = add("report", _report, "write report/grades.csv, report/tasks.csv and report/index.html")
    option("--names", action="store_true", help="with names, if the gradebook knows them; default: ids only")
    return parser


def _release(course: Course, chapters: list[str], options: argparse.Namespace) -> int:
    for chapter in chapters:
        print(f"released {release(course, chapter)}")
    return 0


def _grade(course: Course, chapters: list[str], options: argparse.Namespace) -> int:
    changed = {name: value for name in LIMITS if (value := getattr(options, name)) is not None}
    if options.workers < 1 or any(value <= 0 for value in changed.values()):
        raise CourseError("--workers and the limits in seconds must be larger than 0")
    if options.unsafe:
        print("UNSAFE: submissions run without a sandbox. They can read and change everything that you can.")
    _print_what_is_left_out(course, chapters, options)
    names = ("workers", "executor", "unsafe", "regrade", "students")
    summary = grade(
        course, chapters, limits=replace(Limits(), **changed), **{name: getattr(options, name) for name in names}
    )
    if summary.results or summary.n_before:
        _print_summary(summary)
    else:
        place = course.root / "submitted" / "STUDENT" / chapters[0] / f"{chapters[0]}.ipynb"
        print(f"Nothing was handed in. A submission goes to {place}")
    return 1 if summary.states[INFRASTRUCTURE] else 0


def _print_what_is_left_out(course: Course, chapters: list[str], options: argparse.Namespace) -> None:
    for submission in course.submissions([name for name in course.known_chapters if name not in chapters]):
        if not options.chapters:
            print(f"not graded: {submission} is not released")
    for entry in course.unrecognised_entries():
        print(f"ignored: {entry} is not submitted/STUDENT/CHAPTER. Chapters: {', '.join(course.known_chapters)}")


def _print_summary(summary: Summary) -> None:
    print(f"{len(summary.results)} graded now, {summary.n_before} were graded already.")
    for state, n in summary.states.most_common():
        print(f"  {n:4d} {state}")
    for result in summary.results:
        if result.state != GRADED:
            print(f"  {printable(result.student)} {result.chapter}: {result.state} ({result.reason})")
    if summary.changes:
        print("Changed since the last grading:", *summary.changes, sep="\n  ")


def _feedback(course: Course, chapters: list[str], options: argparse.Namespace) -> int:
    n_written, held_back = feedback(course, chapters, flagged=options.flagged)
    print(f"{n_written} pages in {course.root / 'feedback'}", *(f"  held back: {line}" for line in held_back), sep="\n")
    return 0


def _report(course: Course, chapters: list[str], options: argparse.Namespace) -> int:
    print(*report(course, chapters, names=options.names), sep="\n")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments
        The words of the command line; None: those of this process.

    Returns
    -------
    int
        The exit status: 0; 1 if something was not graded through a fault of ours; 2 for a wrong call; 130 if it was
        interrupted.
    """
    options = make_parser().parse_args(arguments)
    try:
        course = Course(options.course)
        is_all = options.command != "release" and not options.chapters
        chapters = course.released_chapters() if is_all else course.chapters(options.chapters)
        return options.run(course, chapters, options)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. What is graded stays graded; the same command continues from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
