"""``guard policy``: check a pack, and try it on a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.options import AsJson, DataDir, choose, standard_input, table, write_json, write_line
from guard.domain.decision import Direction

if TYPE_CHECKING:
    from guard.pipeline.rehearse import Rehearsal
    from guard.policy.engine import Trace

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

TRIAL_KEY = bytes(32)
"""Surrogates of a trial lead nowhere, so they need no secret."""


@app.command("check")
def check(
    path: Annotated[Path | None, typer.Argument(help="Folder of the pack; default: the one in force")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Read a pack, list what is wrong or doubtful, run its tests.yaml.

    Exit code 1 if anything is an error. Notes are no errors.

    Example: guard policy check guard-data/policies
    """
    from guard.policy.check import check_pack
    from guard.storage.truth import read_pack

    folder = path or _folder(data_dir)
    problems = check_pack(read_pack(folder))
    wrong = any(problem.level == "error" for problem in problems)
    if as_json:
        write_json([{"level": problem.level, "message": problem.message} for problem in problems])
    else:
        for problem in problems:
            write_line(f"{problem.level}: {problem.message}")
        write_line(f"{folder}: {'not valid' if wrong else 'valid'}")
    raise typer.Exit(1 if wrong else 0)


@app.command("explain")
def explain(
    text: Annotated[str, typer.Option(help="The text to try; - reads standard input")],
    application: Annotated[str, typer.Option(help="As if this application asked")] = "default",
    purpose: Annotated[str, typer.Option(help="As if for this purpose")] = "general",
    model: Annotated[str, typer.Option(help="As if this model was asked for")] = "demo-echo",
    region: Annotated[str, typer.Option(help="As if the target stood in this region")] = "local",
    direction: Annotated[Direction, typer.Option(help="The way the text travels")] = Direction.REQUEST,
    pack: Annotated[Path | None, typer.Option(help="Folder of the pack; default: the one in force")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what the policy would do to a text, and which rule says so. Nothing is recorded.

    Example: guard policy explain --text "mail anna@nordwind.internal" --region us
    """
    from guard.pipeline.rehearse import rehearse
    from guard.policy.check import load_pack
    from guard.policy.engine import Facts
    from guard.screening.engine import compile_screener
    from guard.storage.truth import read_pack

    policy, _ = load_pack(read_pack(pack or _folder(data_dir)))
    facts = Facts(direction=direction, application=application, purpose=purpose, model=model, region=region)
    given = standard_input() if text == "-" else text
    trial = rehearse(
        given, screener=compile_screener(policy.thresholds), policy=policy, facts=facts, key=TRIAL_KEY
    )
    traces = policy.explain(facts, trial.findings)
    if as_json:
        write_json(_plain(trial, traces))
        return
    _tell(given, trial, traces)


def _folder(data_dir: Path | None) -> Path:
    from guard.registry.configuration import load_configuration

    return load_configuration(choose(data_dir=data_dir).config_path).policies_path


def _plain(trial: Rehearsal, traces: tuple[Trace, ...]) -> dict[str, object]:
    return {
        "allowed": trial.decision.allowed,
        "protected": trial.protected,
        "findings": [
            {
                "entity_type": trace.obligation.finding.entity_type,
                "start": trace.obligation.finding.start,
                "end": trace.obligation.finding.end,
                "score": trace.obligation.finding.score,
                "operator": trace.obligation.operator.word,
                "rule": trace.obligation.rule,
                "matched": list(trace.matched),
            }
            for trace in traces
        ],
    }


def _tell(text: str, trial: Rehearsal, traces: tuple[Trace, ...]) -> None:
    if not traces:
        write_line("Nothing was found; the text would go on as it is.")
        return
    table(
        ("found", "score", "text", "then", "rule", "also matched"),
        [
            (
                trace.obligation.finding.entity_type,
                f"{trace.obligation.finding.score:.2f}",
                # The terminal is the caller's own: it may show what the caller typed.
                repr(text[trace.obligation.finding.start : trace.obligation.finding.end]),
                trace.obligation.operator.word,
                trace.obligation.rule,
                ", ".join(name for name in trace.matched if name != trace.obligation.rule) or "-",
            )
            for trace in traces
        ],
    )
    write_line()
    write_line(
        "Blocked: nothing would be sent." if trial.protected is None else f"Sent on: {trial.protected}"
    )
