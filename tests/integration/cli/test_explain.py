"""``guard explain``: every way an exchange can end, told from its records; what is erased is named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from guard.domain.event import Record
from tests.integration.cli.conftest import Guard
from tests.integration.cli.records import EXCHANGE, INTENT, OUTCOME, REFUSED, record, write, write_exchange


def told(guard: Guard, data_dir: Path, records: Sequence[Record]) -> str:
    """Write records and return what is told of them."""
    write(data_dir, records)
    done = guard("explain", EXCHANGE)
    assert done.code == 0, done.err
    return done.out


def test_a_whole_exchange(guard: Guard, data_dir: Path) -> None:
    write_exchange(data_dir)
    lines = guard("explain", EXCHANGE).out.splitlines()
    assert lines[0] == f"Exchange {EXCHANGE} of tenant default"
    steps = [line.partition(". ")[2] for line in lines[2:]]
    assert steps[0] == (
        "Application crm asked for gpt-5-mini for purpose support "
        "(openai.chat, 256-1k bytes, about a declared subject)."
    )
    assert steps[1] == "Found in the request: 2 EMAIL_ADDRESS."
    assert steps[2] == (
        "Decided: protect, what was found is replaced, by rule contact (policy abababababab)."
    )
    assert steps[3].startswith("Recorded before anything left: record 0, 20")
    assert steps[4] == "Sent to openai in region us (attempt 1)."
    assert steps[5] == "The answer was given whole."
    assert steps[6] == ("Restored in the answer: 2; 1 left as surrogates, where a value would have got out.")
    assert steps[7].startswith("Recorded before its last byte went back: record 1, 20")
    assert len(steps) == 8


def test_values_of_people_are_never_told(guard: Guard, data_dir: Path) -> None:
    write_exchange(data_dir)
    assert "patient-7" not in guard("explain", EXCHANGE).out


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("aborted", "The caller left before the answer had ended."),
        ("failed", "No whole answer was given: the provider failed, or Guard did."),
        (
            "blocked",
            "A rule on answers stopped the answer. The model's own values: JWT, ruled by rule secrets.",
        ),
    ],
)
def test_other_ends(guard: Guard, data_dir: Path, end: str, said: str) -> None:
    own = {"entities": ["JWT"], "rules": ["secrets"]} if end == "blocked" else {}
    records = [record("exchange.intent", INTENT), record("exchange.outcome", {**OUTCOME, "end": end, **own})]
    assert said in told(guard, data_dir, records)


def test_a_refusal(guard: Guard, data_dir: Path) -> None:
    said = told(guard, data_dir, [record("exchange.refused", {**REFUSED, "rules": ["payment", "secrets"]})])
    assert (
        "Refused: content_policy_violation, by rules payment, secrets (policy abababababab). "
        "Nothing was sent. Targets that were considered: openai/gpt-5-mini." in said
    )
    assert "Recorded before the error was given: record 0" in said


def test_a_second_attempt(guard: Guard, data_dir: Path) -> None:
    second = {**INTENT, "attempt": 2, "provider": "azure", "region": "eu"}
    records = [record("exchange.intent", INTENT), record("exchange.intent", second)]
    said = told(guard, data_dir, [*records, record("exchange.outcome", {**OUTCOME, "attempt": 2})])
    assert said.index("Sent to openai in region us (attempt 1).") < said.index(
        "Sent to azure in region eu (attempt 2)."
    )


def test_a_process_that_died(guard: Guard, data_dir: Path) -> None:
    gap = record("exchange.gap", {"attempt": 1, "lost": EXCHANGE})
    said = told(guard, data_dir, [record("exchange.intent", INTENT), gap])
    assert "Its process died before an end was recorded" in said


def test_an_exchange_that_is_still_open(guard: Guard, data_dir: Path) -> None:
    said = told(guard, data_dir, [record("exchange.intent", INTENT)])
    assert "No end is recorded yet" in said


def test_json_gives_leaves_values_and_what_is_erased(guard: Guard, data_dir: Path) -> None:
    write_exchange(data_dir)
    connection = sqlite3.connect(data_dir / "log.db")
    with connection:
        connection.execute("DELETE FROM side_row WHERE name = 'subject'")
    connection.close()
    document = json.loads(guard("explain", EXCHANGE, "--json").out)
    assert document["exchange"] == EXCHANGE
    intent, outcome = document["records"]
    assert (intent["log"], intent["index"], outcome["index"]) == ("default", 0, 1)
    assert intent["leaf"]["type"] == "exchange.intent"
    assert intent["values"]["counts"] == {"EMAIL_ADDRESS": 2} and intent["values"]["key"] == "key-1"
    assert intent["erased"] == outcome["erased"] == ["subject"]
    lines = guard("explain", EXCHANGE).out.splitlines()
    assert lines[-1] == (
        "No longer readable (erased, or their key was destroyed): subject of record 0; subject of record 1"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nonsense", "this is no exchange id; it stands in the answer's header x-guard-request"),
        ("01a20e77-3ba9-7ed9-94ad-7b692b99df99", "no record of exchange 01a20e77-3ba9"),
    ],
)
def test_a_wrong_id(guard: Guard, name: str, said: str) -> None:
    done = guard("explain", name)
    assert done.code == 2 and said in " ".join(done.err.replace("│", " ").split())
