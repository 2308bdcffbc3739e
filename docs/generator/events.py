"""Every type of record with its fields, open and sealed."""

from __future__ import annotations

from docs.generator.markdown import code, page, table, words
from guard.domain.event import EVENT_TYPES

__all__ = ["render"]

FILE = "docs/generator/events.py"
INTRODUCTION = """
A record is a leaf (canonical JSON without personal data, in a Merkle log that anyone can check) and
side rows. A *sealed* name holds only a salted hash in the leaf; its value stands encrypted in a side
row that can be erased while every proof stays valid. Every name of a type is always there.

Every leaf also has `boot` (the life of the process that wrote it), `id`, `tenant`, `time` (µs since
1970, never equal twice in a log), `type` and `v` (the version of the form).
"""
ORDER = """
An exchange has one `exchange.intent` an attempt, durable before a byte leaves, and exactly one end:
`exchange.refused`, `exchange.outcome` or `exchange.gap`.
"""

TYPES = {
    "system.started": "a worker began to serve",
    "system.stopped": "a worker ended in order",
    "policy.loaded": "policies came into force",
    "policy.rejected": "changed policies could not be read; the last good ones stay in force",
    "key.issued": "an application key was issued",
    "key.rotated": "a key got a successor and an end",
    "key.revoked": "a key was ended at once",
    "auth.failed": "requests without a good key, one record a minute and reason",
    "exchange.refused": "a request was refused before anything left",
    "exchange.intent": "a protected body is about to leave for a target",
    "exchange.outcome": "an exchange ended after something had left",
    "exchange.gap": "an exchange has no end because its process died",
    "dataset.registered": "a dataset was screened, protected, encrypted and registered",
    "budget.set": "a privacy budget was set for a dataset",
    "budget.refused": "a job was not admitted: its mechanism would overspend the budget",
    "budget.reserved": "a job's whole plan was charged to the budget",
    "budget.running": "a reserved job began to compute on private rows",
    "budget.settled": "a job ended and is charged for the steps that it executed",
    "budget.released": "a reservation was given back: no step had begun",
    "budget.burnt": "a job is charged whole because what ran cannot be established",
    "job.submitted": "a long work was handed in",
    "job.started": "a worker took a job",
    "job.ended": "a job came to its end",
    "model.registered": "a model version was entered in the catalogue",
    "model.staged": "a model version changed its stage",
}
NAMES = {
    "address": "where from",
    "application": "the application that the key belongs to",
    "attempt": "the how-manieth try at a target, from 1; 0 if none was made",
    "body": "SHA-256 of the protected body that left, or of the answer that was given",
    "candidates": "targets that were tried or ruled out",
    "certificate": "digest of the certificate",
    "columns": "the columns of the data",
    "count": "how many",
    "counts": "findings by entity type",
    "dataset": "id of the dataset",
    "decision": "`allow` (nothing was changed) or `protect`",
    "delta": "the delta of the guarantee",
    "digests": "the digests that the policy's digest is made of",
    "end": "how it ended; an exchange: `complete`, `blocked`, `aborted`, `failed`",
    "enforcement": "`enforce` or `report`",
    "entities": "entity types that were found",
    "epsilon": "the epsilon of the guarantee",
    "exchange": "id of the exchange, as in `x-guard-request`",
    "executed": "steps that count as executed",
    "expires": "when it ends, or null",
    "features": "where findings stand and how sure they are, for replay",
    "identity": "digest of the data's content",
    "job": "id of the job",
    "key": "id of the key",
    "kind": "what kind of work",
    "largest": "the largest plan that the budget would still admit",
    "licence": "the licence of the data",
    "lineage": "what a private model is made of; empty for others",
    "lost": "the boot that never told the end",
    "mechanism": "the mechanism event that is charged",
    "mode": "the audit mode",
    "model": "the model that was asked for; elsewhere the model's id",
    "models": "models that a key may ask for",
    "name": "its name in the catalogue",
    "order": "the Rényi order of the filter",
    "parent": "the dataset that it was made from",
    "plan": "digest of the frozen plan",
    "policy": "digest of the snapshot of policies and catalogue",
    "principal": "who did it",
    "provider": "the provider that it goes to",
    "purpose": "the declared purpose",
    "purposes": "purposes that a key may declare",
    "reason": "why, as a code",
    "region": "the region of the target",
    "relation": "the neighbouring relation of the guarantee",
    "reservation": "id of the reservation",
    "restored": "how many surrogates were restored in the answer",
    "root": "the dataset whose budget it is",
    "route": "the endpoint, as `openai.chat`",
    "rows": "how many rows",
    "rules": "policy rules that decided",
    "shards": "digests of the encrypted parts",
    "size": "a bucket of bytes, as `1k-4k`",
    "source": "`file` or `store`",
    "stage": "how far the model has come",
    "subject": "the declared data subject",
    "successor": "id of the key that follows",
    "surrogates": "how many surrogates the request held already",
    "unit": "the privacy unit: what one record protects",
    "usage": "the provider's token counts, or null",
    "version": "the version of Guard, or of the model",
    "withheld": "how many surrogates were not restored because of their place",
    "workers": "how many processes serve",
}


def render() -> str:
    """Return the page."""
    rows = [
        (
            f"`{kind.name}`",
            words(TYPES, kind.name, FILE),
            code(sorted(kind.fields)),
            code(sorted(kind.sealed)),
        )
        for kind in EVENT_TYPES.values()
    ]
    used = sorted({name for kind in EVENT_TYPES.values() for name in kind.fields | kind.sealed})
    names = [(f"`{name}`", words(NAMES, name, FILE)) for name in used]
    return page(
        "Records",
        INTRODUCTION,
        table(("type", "when", "fields", "sealed"), rows),
        ORDER,
        "## Names",
        table(("name", "holds"), names),
    )
