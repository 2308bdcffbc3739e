"""From a record to a leaf: canonical bytes in two parts round ``time``, and its side rows.

Everything costly is done outside the log's lock; inside it only the time is put between
the two parts and the whole is hashed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from guard.domain.canonical import Json, canonical
from guard.domain.event import EVENT_TYPES, Record

__all__ = ["MAX_BYTES", "Leaf", "Sealer", "SideRow", "associated", "prepare"]

MAX_BYTES = 64 * 1024
SALT = 16
VERSION = 1
MARK = -(2**53 - 1)
"""Stands where the time will, while the leaf is encoded; no field of ours holds it."""


class Sealer(Protocol):
    """Encrypts side rows; the keyring implements it."""

    def sealing(self, *, tenant: str) -> Callable[[bytes, bytes], tuple[str, bytes]]:
        """Return what turns plaintext and associated data into the key's id and the ciphertext."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRow:
    """A sealed value: erasable, while its commitment stays in the leaf."""

    name: str
    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A record ready to be appended; ``head + time + tail`` are its canonical bytes."""

    id: str
    head: bytes
    tail: bytes
    rows: tuple[SideRow, ...]

    def at(self, time: int) -> bytes:
        """Return the canonical bytes with the time (µs) that the log gave."""
        return b"%b%d%b" % (self.head, time, self.tail)


def associated(tenant: str, leaf_id: str, name: str) -> bytes:
    """Return what binds a side row to its leaf."""
    return f"{tenant}|{leaf_id}|{name}|{VERSION}".encode()


def prepare(record: Record, *, boot: str, leaf_id: str, entropy: bytes, sealer: Sealer) -> Leaf:
    """Make a record's leaf. ``entropy``: 16 bytes for each sealed name of its type.

    Raises ``RuntimeError`` if the record's names are not those of its type or it is too
    large: that is a fault of the program, not of the request.
    """
    kind = EVENT_TYPES[record.type]
    if record.fields.keys() != kind.fields or not record.sealed.keys() <= kind.sealed:
        raise RuntimeError(f"{record.type}: fields {sorted(record.fields.keys() ^ kind.fields)} are off")
    commitments: dict[str, Json] = {}
    rows: list[SideRow] = []
    seal = sealer.sealing(tenant=record.tenant)
    for number, name in enumerate(sorted(kind.sealed)):
        salt = entropy[number * SALT : (number + 1) * SALT]
        plain = salt + canonical(record.sealed.get(name))
        commitments[name] = hashlib.sha256(plain).hexdigest()
        key_id, value = seal(plain, associated(record.tenant, leaf_id, name))
        rows.append(SideRow(name=name, key_id=key_id, value=value))
    body = canonical(
        {
            **record.fields,
            "boot": boot,
            "id": leaf_id,
            "sealed": commitments,
            "tenant": record.tenant,
            "time": MARK,
            "type": record.type,
            "v": VERSION,
        }
    )
    if len(body) > MAX_BYTES:
        raise RuntimeError(f"{record.type}: a leaf of {len(body)} bytes is too large")
    head, _, tail = body.partition(b'"time":%d' % MARK)
    return Leaf(id=leaf_id, head=head + b'"time":', tail=tail, rows=tuple(rows))
