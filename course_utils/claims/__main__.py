"""python -m course_utils.claims list | measure ID … | all [--profile quick|full] [--seeds N] [--json FILE]"""

from __future__ import annotations

import argparse
import dataclasses
import html
import os
import sys
from pathlib import Path

from course_utils.claims import CLAIMS, Result, load_results, measure, save_results
from course_utils.data import DataError
from course_utils.settings import SettingsError, settings


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0; 1 where a claim recorded as reproduced is not, or data are missing; 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    if options.command == "list":
        for row in CLAIMS.values():
            print(f"{row.id:26} {row.system:4} {row.sentence}")
        return 0
    try:
        cfg = settings()
    except SettingsError as error:
        sys.exit(f"error: {error}")
    cfg = dataclasses.replace(cfg, profile=options.profile or cfg.profile)
    if not sys.stderr.isatty():
        os.environ["COURSE_QUIET"] = "1"  # a progress bar in a log file is noise
    ids = list(CLAIMS) if options.command == "all" else options.ids
    broken = missing = 0
    for number, id in enumerate(ids, 1):
        print(f"[{number}/{len(ids)}] {id} …", file=sys.stderr, flush=True)
        result = measure(CLAIMS[id], cfg, n_seeds=options.seeds)
        print(_line(result), flush=True)
        if result.value is None:  # no data: an earlier measurement in the file stays
            missing += CLAIMS[id].only_on in (None, cfg.profile)
            continue
        broken += cfg.profile in CLAIMS[id].reproduced and result.verdict != "holds"
        if options.json:  # after every claim: an interrupted run keeps what it has measured
            try:
                save_results([result], options.json)
                options.json.with_suffix(".md").write_text(_table(options.json), encoding="utf-8")
            except (OSError, DataError) as error:
                sys.exit(f"error: {error}")
    if broken:
        print(f"{broken} claim(s) that the ledger records as reproduced in the {cfg.profile} profile are not.")
    if missing:
        print(f"{missing} claim(s) could not be measured, for lack of data.")
    return 1 if broken or missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.claims", description="What the chapter says, measured."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the rows of the ledger")
    one = commands.add_parser("measure", help="measure the named claims")
    one.add_argument("ids", nargs="+", metavar="ID", choices=list(CLAIMS))
    everything = commands.add_parser("all", help="measure every claim")
    for command in (one, everything):
        command.add_argument("--profile", choices=("quick", "full"), help="default: COURSE_PROFILE, or quick")
        command.add_argument("--seeds", type=_positive, default=3, metavar="N", help="default: 3")
        command.add_argument("--json", type=Path, metavar="FILE", help="write the results there, and a table beside it")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _line(result: Result) -> str:
    value = "no value" if result.value is None else f"{result.value:.3f} ± {result.sd:.3f}"
    reference = "" if result.reference is None else f" {result.relation} {result.reference:.3f}"
    return (
        f"{result.id}: {value}{reference} {result.unit} → {result.verdict} ({result.reason}) "
        f"[{result.profile}, {result.data or 'no data'}, {len(result.seeds)} seed(s), {result.seconds} s]"
    )


def _table(path: Path) -> str:
    """Every stored result as Markdown: the table that GitHub shows."""
    lines = [
        "# What the chapter says, and what was measured",
        "",
        "Written by `make claims`; value ± standard deviation over the seeds. SSE: squared error, summed over the",
        "pixels of an image, which are in [0, 1]; mean over test images. Precision at k: the share of the first k",
        "results that have the query's label, mean over the test documents or images as queries.",
        "",
        "| system | the chapter says | measured as | profile, data | value | relation to reference | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    stored = load_results(path)
    for row in CLAIMS.values():
        for result in (stored.get((row.id, profile)) for profile in ("quick", "full")):
            if result is None:
                continue
            spread = f" ± {result.sd:.2f} ({len(result.seeds)} seeds)" if len(result.seeds) > 1 else ""
            value = "–" if result.value is None else f"{result.value:.2f}{spread}"
            reference = "–" if result.reference is None else f"{result.relation} {result.reference:.2f} ({row.source})"
            lines.append(
                f"| {row.system} | {row.sentence} `{row.id}` | {row.quantity}, {row.unit} "
                f"| {result.profile}, {result.data} | {value} | {html.escape(reference, quote=False)} "
                f"| **{result.verdict}**: {html.escape(result.reason, quote=False)} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
