"""``guard explain``: one exchange, told from its records in plain words.

Everything told here stands in the log; values of people are never shown (``--json`` gives
the sealed ones that can still be opened). What was erased is named as such.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from guard.audit.history import Told, exchange_records
from guard.cli.options import AsJson, DataDir, opened, when, write_json, write_line
from guard.errors import NotFound

__all__ = ["explain", "tell"]

SHAPE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ENDS = {
    "complete": "The answer was given whole",
    "aborted": "The caller left before the answer had ended",
    "failed": "No whole answer was given: the provider failed, or Guard did",
    "blocked": "A rule on answers stopped the answer",
}


def explain(
    exchange: Annotated[str, typer.Argument(metavar="ID", help="The answer's header x-guard-request")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Tell what happened to one exchange: found, decided, sent, restored, recorded.

    Example: guard explain 01a20e77-3ba9-7ed9-94ad-7b692b99df13
    """
    wanted = exchange.strip().lower()
    if SHAPE.fullmatch(wanted) is None:
        raise typer.BadParameter("this is no exchange id; it stands in the answer's header x-guard-request")
    with opened(data_dir) as installation:
        store = installation.open_log_store()
        try:
            records = exchange_records(store, installation.keyring, wanted)
        finally:
            store.close()
    if not records:
        raise NotFound(f"no record of exchange {wanted}; was it another data directory?")
    if as_json:
        write_json({"exchange": wanted, "records": [_plain(told) for told in records]})
        return
    for text in tell(records):
        write_line(text)


def _plain(told: Told) -> dict[str, object]:
    return {
        "log": told.log,
        "index": told.index,
        "leaf": dict(told.leaf),
        "values": dict(told.values),
        "erased": _erased(told),
    }


def tell(records: Sequence[Told]) -> list[str]:
    """Return the lines that tell an exchange; ``records`` are all of it, in order."""
    first = records[0]
    steps = [_asked(first), _found(first)] if "route" in first.leaf else []
    for told in records:
        steps += TELLERS.get(str(told.leaf["type"]), _unknown)(told)
    if all(told.leaf["type"] == "exchange.intent" for told in records):
        steps.append("No end is recorded yet: it is still running, or its process has just died.")
    lines = [f"Exchange {first.leaf['exchange']} of tenant {first.log}", ""]
    lines += [f"{number:>3}. {step}" for number, step in enumerate(steps, 1)]
    gone = [f"{', '.join(_erased(told))} of record {told.index}" for told in records if _erased(told)]
    if gone:
        lines += ["", f"No longer readable (erased, or their key was destroyed): {'; '.join(gone)}"]
    return lines


def _asked(told: Told) -> str:
    leaf = told.leaf
    who = f"Application {leaf['application']}" if leaf["application"] else "Somebody without a valid key"
    what = f"asked for {leaf['model']}" if leaf["model"] else "sent a request"
    purpose = f" for purpose {leaf['purpose']}" if leaf["purpose"] else ""
    declared = ", about a declared subject" if told.values.get("subject") else ""
    return f"{who} {what}{purpose} ({leaf['route']}, {leaf['size']} bytes{declared})."


def _found(told: Told) -> str:
    counts = told.values.get("counts")
    names = _words(told.leaf["entities"])
    if isinstance(counts, dict) and counts:
        names = [f"{count} {name}" for name, count in sorted(counts.items())]
    return f"Found in the request: {', '.join(names)}." if names else "Nothing was found in the request."


def _intent(told: Told) -> list[str]:
    leaf = told.leaf
    rules = _words(leaf["rules"])
    why = f", by {_rules(rules)}" if rules else ""
    what = "what was found is replaced" if leaf["decision"] == "protect" else "nothing has to be changed"
    # Older records do not say what a model of our own is made of.
    lineage = ", ".join(_words(leaf.get("lineage", [])))
    return [
        f"Decided: {leaf['decision']}, {what}{why} (policy {_short(leaf['policy'])}).",
        f"Recorded before anything left: {_place(told)}.",
        f"Sent to {leaf['provider']} in region {leaf['region']} (attempt {leaf['attempt']})."
        + (f" A model of our own: {lineage}." if lineage else ""),
    ]


def _outcome(told: Told) -> list[str]:
    leaf = told.leaf
    found, rules = _words(leaf["entities"]), _words(leaf["rules"])
    of_its_own = f" The model's own values: {', '.join(found)}" if found else ""
    if of_its_own:
        of_its_own += f", ruled by {_rules(rules)}." if rules else "."
    steps = [f"{ENDS.get(str(leaf['end']), leaf['end'])}.{of_its_own}"]
    restored, withheld = leaf["restored"], leaf["withheld"]
    if restored or withheld:
        kept = f"; {withheld} left as surrogates, where a value would have got out" if withheld else ""
        steps.append(f"Restored in the answer: {restored}{kept}.")
    return [*steps, f"Recorded before its last byte went back: {_place(told)}."]


def _refused(told: Told) -> list[str]:
    leaf = told.leaf
    rules, tried = _words(leaf["rules"]), _words(leaf["candidates"])
    why = f", by {_rules(rules)}" if rules else ""
    targets = f" Targets that were considered: {', '.join(tried)}." if tried else ""
    policy = f" (policy {_short(leaf['policy'])})" if leaf["policy"] else ""
    return [
        f"Refused: {leaf['reason']}{why}{policy}. Nothing was sent.{targets}",
        f"Recorded before the error was given: {_place(told)}.",
    ]


def _gap(told: Told) -> list[str]:
    return [
        "Its process died before an end was recorded: what came back, if anything, is not known.",
        f"Recorded as a gap by another process: {_place(told)}.",
    ]


def _unknown(told: Told) -> list[str]:
    return [f"{told.leaf['type']}: {_place(told)}."]


TELLERS = {
    "exchange.intent": _intent,
    "exchange.outcome": _outcome,
    "exchange.refused": _refused,
    "exchange.gap": _gap,
}


def _erased(told: Told) -> list[str]:
    sealed = told.leaf.get("sealed")
    return sorted(set(sealed) - set(told.values)) if isinstance(sealed, Mapping) else []


def _place(told: Told) -> str:
    moment = told.leaf["time"]
    return f"record {told.index}, {when(moment if isinstance(moment, int) else None)}"


def _rules(rules: Sequence[str]) -> str:
    return f"rule{'s' if len(rules) > 1 else ''} {', '.join(rules)}"


def _short(digest: object) -> str:
    return str(digest).removeprefix("sha256:")[:12]


def _words(value: object) -> list[str]:
    return [str(member) for member in value] if isinstance(value, list) else []
