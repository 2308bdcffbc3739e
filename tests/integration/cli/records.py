"""Exchanges in a real log without a service: what an exchange leaves, written by the log itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from guard.domain.canonical import Json
from guard.domain.event import EVENT_TYPES, Record
from guard.storage.installation import open_installation

EXCHANGE = "01a20e77-3ba9-7ed9-94ad-7b692b99df13"
OTHER = "01a20e77-3ba9-7ed9-94ad-7b692b99df14"

INTENT: dict[str, Json] = {
    "application": "crm",
    "attempt": 1,
    "decision": "protect",
    "entities": ["EMAIL_ADDRESS"],
    "model": "gpt-5-mini",
    "policy": "sha256:" + "ab" * 32,
    "provider": "openai",
    "purpose": "support",
    "region": "us",
    "route": "openai.chat",
    "rules": ["contact"],
    "size": "256-1k",
}
OUTCOME: dict[str, Json] = {
    **{name: value for name, value in INTENT.items() if name != "decision"},
    "end": "complete",
    "entities": [],
    "restored": 2,
    "rules": [],
    "surrogates": 0,
    "usage": {"completion": 3, "prompt": 7},
    "withheld": 1,
}
PATH = ("application", "model", "policy", "purpose", "route", "attempt", "entities", "rules", "size")
REFUSED: dict[str, Json] = {
    **{name: INTENT[name] for name in PATH},
    "candidates": ["openai/gpt-5-mini"],
    "reason": "content_policy_violation",
}
SEALED: dict[str, Json] = {"counts": {"EMAIL_ADDRESS": 2}, "key": "key-1", "subject": "patient-7"}


def record(kind: str, fields: dict[str, Json], exchange: str = EXCHANGE) -> Record:
    """Return a record of an exchange; members that its type has beside these are empty."""
    wanted = EVENT_TYPES[kind].fields
    filled = {**dict.fromkeys(wanted, ""), **fields, "exchange": exchange}
    return Record(
        tenant="default",
        type=kind,
        fields={name: value for name, value in filled.items() if name in wanted},
        sealed={name: value for name, value in SEALED.items() if name in EVENT_TYPES[kind].sealed},
        opens=exchange if kind == "exchange.intent" else None,
        closes=exchange if kind in ("exchange.outcome", "exchange.gap") else None,
    )


def write(data_dir: Path, records: Sequence[Record]) -> None:
    """Append records to the installation's log, each durable before the next."""

    async def append() -> None:
        for each in records:
            await log.append(each)

    installation = open_installation(data_dir, data_dir / "guard.yaml")
    try:
        with installation.recording(lambda error: None) as log:
            asyncio.run(append())
    finally:
        installation.close()


def write_exchange(data_dir: Path) -> None:
    """Append one whole exchange."""
    write(data_dir, [record("exchange.intent", INTENT), record("exchange.outcome", OUTCOME)])
