"""python -m course_utils.claims list | measure ID … | all | audit | stale | confirm [--profile …] [--json FILE]"""

from __future__ import annotations

import argparse
import html
import json
import os
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from course_utils.checks import positive
from course_utils.claims.audit import audit, contradictions, totals
from course_utils.claims.freshness import confirm, stale
from course_utils.claims.measuring import RESULTS_FILE, Result, load_results, save_results
from course_utils.claims.rows import CLAIMS
from course_utils.claims.running import Plan, RunningError, RunStore, measure_all, open_lanes
from course_utils.data import DataError
from course_utils.environment import SettingsError
from course_utils.settings import Settings, settings

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        Instead of those of the command line.

    Returns
    -------
    int
        Exit status: 1 where a claim recorded as reproduced is not, or data are missing; 2 for wrong usage; else 0.
    """
    options = _parser().parse_args(arguments)
    if options.command == "list":
        for row in CLAIMS.values():
            print(f"{row.id:26} {row.system:4} {row.sentence}")
        return 0
    try:
        if options.command == "stale":
            return report_stale()
        if options.command == "audit":
            return _audit()
    except DataError as error:
        sys.exit(f"error: {error}")
    try:
        cfg = settings()
    except SettingsError as error:
        sys.exit(f"error: {error}")
    cfg = replace(cfg, profile=options.profile or cfg.profile)
    if not sys.stderr.isatty():
        os.environ["COURSE_QUIET"] = "1"  # a progress bar in a log file is noise
    if options.command == "confirm":
        return _confirm(cfg, options.json)
    of_profile = [id for id, row in CLAIMS.items() if row.only_on in (None, cfg.profile)]
    return _measure(of_profile if options.command == "all" else options.ids, cfg, options)


def _measure(ids: list[str], cfg: Settings, options: argparse.Namespace) -> int:
    """Measure rows on all workers; those of the file whose code, data and seeds are today's stay as they are."""
    path: Path | None = options.json
    missing: list[str] = []

    def finished(result: Result) -> None:
        claim = CLAIMS[result.id]
        if result.value is None:  # no data: an earlier measurement in the file stays
            print(_line(result), flush=True)
            missing.extend([claim.id] if claim.only_on in (None, cfg.profile) else [])
            return
        if path:  # after every row: an interrupted run keeps what it has measured
            _save([result], path, before)
            result = load_results(path)[claim.id, cfg.profile]  # judged among the others
        print(_line(result), flush=True)

    if path and (options.seeds or cfg.seed):
        sys.exit("error: with --json each row has the number of seeds that it says, from 0 on: leave --seeds and "
                 "COURSE_SEED away, or --json")  # fmt: skip
    try:
        before = load_results(path) if path else {}
        stored = {} if options.again else before
        store = RunStore(path and path.with_suffix(".runs.jsonl"), forget=options.again)
        plan = Plan([CLAIMS[id] for id in ids], cfg, stored, store, n_seeds=options.seeds)
        n_lacking = len(plan.missing)
        print(f"{len(ids)} row(s), {n_lacking} seed(s) to measure", file=sys.stderr, flush=True)
        with open_lanes(options.executor, min(options.workers, max(1, n_lacking))) as lanes:
            results = measure_all(plan, lanes, progress=sys.stderr, finished=finished)
    except (RunningError, DataError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print(
            "\nstopped; what is measured is kept: run the same command again" if path else "\nstopped", file=sys.stderr
        )
        return 130
    verdicts = {id: result.verdict for (id, profile), result in load_results(path).items() if profile == cfg.profile} \
        if path else {result.id: result.verdict for result in results if result.values}  # fmt: skip
    broken = [id for id in ids if cfg.profile in CLAIMS[id].reproduced and verdicts.get(id, "holds") != "holds"]
    if broken:
        print(f"{len(broken)} claim(s) that the ledger records as reproduced in the {cfg.profile} profile are not.")
    if missing:
        print(f"{len(missing)} claim(s) could not be measured, for lack of data.")
    return 1 if broken or missing else 0


def _save(results: list[Result], path: Path, before: Mapping[tuple[str, str], Result] | None = None) -> None:
    try:
        save_results(results, path, CLAIMS, before)
        path.with_suffix(".md").write_text(markdown_table(path), encoding="utf-8")
    except (OSError, DataError) as error:
        sys.exit(f"error: {error}")


def report_stale() -> int:
    """Print the stored rows that are older than their code or data. Exit status 1 where a quick one is."""
    found = stale(CLAIMS, load_results().values())
    for profile, cure in (("quick", "`make confirm` or `make claims`"), ("full", "`make claims PROFILE=full`")):
        rows = [f"{id} ({why})" for (id, of_profile), why in found.items() if of_profile == profile]
        if rows:
            print(f"{len(rows)} {profile} row(s) of the ledger are older than what measures them; {cure}:")
            print(textwrap.fill(", ".join(rows), 118, initial_indent="  ", subsequent_indent="  "))
    return int(any(profile == "quick" for _, profile in found))


def _audit() -> int:
    """Print how each stored row was measured. Exit status 1 where the ledger or a stored notebook contradicts it."""
    results = load_results()
    lines, problems = audit(CLAIMS, results)
    print(*lines, *totals(results), sep="\n")
    report_stale()
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        shown = contradictions(json.loads(path.read_text(encoding="utf-8")))
        problems += [f"{path.name}: {problem}" for problem in shown]
    print(*[f"PROBLEM: {problem}" for problem in problems] or ["no contradiction found"], sep="\n")
    return int(bool(problems))


def _confirm(cfg: Settings, path: Path) -> int:
    """Measure the first seed of each stale row of this profile again; stamp those that give the stored value.

    A full row is stamped with its quick one, where both were measured with the same code.
    """
    stored = load_results(path)
    keys = [key for key, why in stale(CLAIMS, stored.values()).items() if why == "code" and key[1] == cfg.profile]
    n_other = 0
    for number, (id, profile) in enumerate(keys, 1):
        before = stored[id, profile]
        done = confirm(CLAIMS[id], before, cfg)
        n_other += not done.is_same
        outcome = "the same" if done.is_same else "NOT the same: measure it anew"
        print(f"[{number}/{len(keys)}] {id}: {done.stored:.6g} stored, {done.today:.6g} today: {outcome}", flush=True)
        if done.is_same:
            _save([done.result], path)
        full = stored.get((id, "full"))
        if done.is_same and full and full.made_with.get("code") == before.made_with.get("code") is not None:
            code = done.result.made_with["code"]
            _save([replace(full, made_with=full.made_with | {"code": code})], path)
    return int(n_other > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.claims", description="What is said of auto-encoders, measured."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the rows of the ledger")
    one = commands.add_parser("measure", help="measure the named claims")
    one.add_argument("ids", nargs="+", metavar="ID", choices=list(CLAIMS))
    everything = commands.add_parser("all", help="measure every claim")
    commands.add_parser("stale", help="which stored results are older than their code or data")
    commands.add_parser("audit", help="how each row was measured, its p, q and effect; and what contradicts the ledger")
    again = commands.add_parser("confirm", help="measure one seed of the stale rows: is the change one of form alone?")
    for command in (one, everything, again):
        command.add_argument("--profile", choices=("quick", "full"), help="default: COURSE_PROFILE, or quick")
    again.add_argument("--json", type=Path, metavar="FILE", default=RESULTS_FILE, help="the stored results")
    for command in (one, everything):
        command.add_argument("--seeds", type=positive, metavar="N", help="to try something: instead of each row's own")
        command.add_argument("--json", type=Path, metavar="FILE", help="write the results there, and a table beside it")
        command.add_argument("--again", action="store_true", help="measure again what is stored already")
        command.add_argument("--workers", type=positive, default=os.cpu_count() or 1, metavar="N",
                             help="processes on this machine; default: one a core")  # fmt: skip
        command.add_argument("--executor", metavar="dask://HOST:PORT", help="the workers of a Dask cluster instead")
    return parser


def _line(result: Result) -> str:
    value = "no value" if result.value is None else f"{result.value:.3f} ± {result.sd:.3f}"
    reference = "" if result.reference is None else f" {result.relation} {result.reference:.3f}"
    return (
        f"{result.id}: {value}{reference} {result.unit} → {result.verdict} ({result.reason}) "
        f"[{result.profile}, {result.data or 'no data'}, {len(result.seeds)} seed(s), {result.seconds} s]"
    )


def markdown_table(path: Path) -> str:
    """Write every stored result as Markdown: the table that GitHub shows."""
    lines = [
        "# What is said, and what was measured",
        "",
        "Written by `make claims`; value ± standard deviation over the seeds. SSE: squared error, summed over the",
        "pixels of an image, which are in [0, 1]; mean over test images. Precision at k: the share of the first k",
        "results that have the query's label, mean over the test documents or images as queries.",
        "",
        "| system | statement | said by | measured as | profile, data | value | relation to reference | verdict |",
        "|---|---|---|---|---|---|---|---|",
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
                f"| {row.system} | {row.sentence} `{row.id}` | {row.said_by} | {row.quantity}, {row.unit} "
                f"| {result.profile}, {result.data} | {value} | {html.escape(reference, quote=False)} "
                f"| **{result.verdict}**: {html.escape(result.reason, quote=False)} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
