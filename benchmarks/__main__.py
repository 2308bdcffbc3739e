"""``python -m benchmarks list | run NAME… | run --issue NAME [--json OUT] | soak | report``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from benchmarks.environment import commit, dirty
from benchmarks.report import PAGE, RESULTS, read_results, render, table
from benchmarks.runner import Document, failed, run
from benchmarks.targets import TARGETS, Target

SEED = 20_261_124
FINE, WRONG, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 0 every bar holds, 1 one does not, 2 used wrongly."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.does(options)
    except UsageError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return USAGE
    return code


class UsageError(Exception):
    """The command cannot be run like this; the message says how."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the bars of an issue.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="name every benchmark and what it has to reach")
    listing.set_defaults(does=_list)
    running = commands.add_parser("run", help="run benchmarks by name, or all of an issue")
    running.add_argument("names", nargs="*", metavar="NAME")
    running.add_argument("--issue", help="all of an issue, from a clean tree, into benchmarks/results/")
    running.add_argument("--json", type=Path, metavar="OUT", help="write the result there")
    running.add_argument("--seed", type=int, default=SEED)
    running.set_defaults(does=_run)
    soaking = commands.add_parser("soak", help="the long forms of the counting benchmarks, with a new seed")
    soaking.set_defaults(does=_soak)
    reporting = commands.add_parser("report", help="make docs/results.md from benchmarks/results/")
    reporting.set_defaults(does=_report)
    return parser


def _list(_: argparse.Namespace) -> int:
    for target in TARGETS.values():
        print(f"{target.name}  (issue {target.issue}{', long' if target.long else ''})")
        print(f"    {target.what}")
        print(f"    to reach: {target.reach}")
    return FINE


def _run(options: argparse.Namespace) -> int:
    if bool(options.names) == bool(options.issue):
        raise UsageError("give names, or --issue NAME; see: python -m benchmarks list")
    if options.issue:
        document = _run_issue(options.issue, options.seed)
    else:
        unknown = [name for name in options.names if name not in TARGETS]
        if unknown:
            raise UsageError(f"no benchmark is named {', '.join(unknown)}; see: python -m benchmarks list")
        document = run(
            " ".join(options.names), [TARGETS[name] for name in options.names], seed=options.seed, say=_say
        )
    if options.json:
        _write(options.json, document)
    print(table(document))
    return WRONG if failed(document) else FINE


def _run_issue(issue: str, seed: int) -> Document:
    targets: list[Target] = [target for target in TARGETS.values() if target.issue == issue]
    if not targets:
        raise UsageError(f"no benchmark belongs to the issue {issue!r}")
    changed = dirty()
    if changed:
        raise UsageError(f"the tree differs from its commit ({len(changed)} paths); commit first")
    document = run(issue, targets, seed=seed, say=_say)
    document["commit"] = commit()
    _write(RESULTS / f"{issue}.json", document)
    PAGE.write_text(render(read_results()), encoding="utf-8")
    return document


def _soak(_: argparse.Namespace) -> int:
    seed = time.time_ns() % 2**32
    _say(f"seed {seed}")
    document = run("soak", TARGETS.values(), seed=seed, say=_say, function="soak")
    print(table(document))
    return WRONG if failed(document) else FINE


def _report(_: argparse.Namespace) -> int:
    PAGE.write_text(render(read_results()), encoding="utf-8")
    return FINE


def _write(path: Path, document: Document) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _end(number: int, _: FrameType | None) -> None:
    """End like any other error would, so that what was started is ended too."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
