"""Encrypted shards: Parquet made in memory, sealed under a key of its own, written whole.

::

    GUARD-SHARD-1\\n  length of the wrapped key (4 bytes)  wrapped key  sealed Parquet

The shard's key is wrapped by the keyring; both ciphertexts are bound to tenant, dataset
and shard, so a shard cannot stand in for another. Nothing in clear reaches a disk.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from guard.domain.dataset import Column, ColumnKind, Shard
from guard.errors import DecryptionFailed, NotFound
from guard.keys.entropy import random_bytes
from guard.keys.envelope import Envelope
from guard.keys.purposes import Purpose

__all__ = ["KeyWrapper", "read_shard", "write_durably", "write_shard"]

MAGIC = b"GUARD-SHARD-1\n"
LENGTH = 4
Value = str | int | float | None


class KeyWrapper(Protocol):
    """Wraps the keys of shards; the keyring implements it."""

    def seal(
        self, plaintext: bytes, *, tenant: str, associated: bytes, purpose: Purpose
    ) -> tuple[str, bytes]:
        """Return the wrapping key's id and the wrapped key."""
        ...

    def open(self, key_id: str, sealed: bytes, *, tenant: str, associated: bytes) -> bytes:
        """Return the key. Raises ``DecryptionFailed`` and ``KeyUnavailable``."""
        ...


def write_shard(
    folder: Path,
    name: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Value]],
    *,
    keys: KeyWrapper,
    tenant: str,
    dataset: str,
) -> Shard:
    """Write ``rows`` durably as one shard; a crash leaves either nothing or the whole of it."""
    associated = _associated(tenant, dataset, name)
    key = random_bytes(32)
    key_id, wrapped = keys.seal(key, tenant=tenant, associated=associated, purpose=Purpose.DATASET)
    header = key_id.encode() + b"\n" + wrapped
    sealed = Envelope(key).seal(_parquet(columns, rows), associated)
    content = MAGIC + len(header).to_bytes(LENGTH, "big") + header + sealed
    write_durably(folder / name, content)
    return Shard(name=name, rows=len(rows), digest=hashlib.sha256(content).hexdigest())


def read_shard(
    folder: Path, shard: Shard, columns: Sequence[Column], *, keys: KeyWrapper, tenant: str, dataset: str
) -> list[dict[str, Value]]:
    """Return the rows of a shard.

    Raises ``NotFound`` if the file is gone, ``DecryptionFailed`` if it is not the one that
    was registered.
    """
    try:
        content = (folder / shard.name).read_bytes()
    except OSError:
        raise NotFound(f"shard {shard.name} of dataset {dataset} is gone") from None
    if hashlib.sha256(content).hexdigest() != shard.digest or not content.startswith(MAGIC):
        raise DecryptionFailed
    start = len(MAGIC) + LENGTH
    end = start + int.from_bytes(content[len(MAGIC) : start], "big")
    key_id, _, wrapped = content[start:end].partition(b"\n")
    associated = _associated(tenant, dataset, shard.name)
    key = keys.open(key_id.decode("ascii", "replace"), wrapped, tenant=tenant, associated=associated)
    rows = _rows(Envelope(key).open(content[end:], associated), columns)
    if len(rows) != shard.rows:
        raise DecryptionFailed
    return rows


def _associated(tenant: str, dataset: str, name: str) -> bytes:
    return f"shard|{tenant}|{dataset}|{name}".encode()


def _parquet(columns: Sequence[Column], rows: Sequence[Sequence[Value]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    types = {ColumnKind.TEXT: pa.string(), ColumnKind.INTEGER: pa.int64(), ColumnKind.NUMBER: pa.float64()}
    schema = pa.schema([(column.name, types[column.kind]) for column in columns])
    arrays = [
        pa.array([row[at] for row in rows], type=types[column.kind]) for at, column in enumerate(columns)
    ]
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), out)
    return out.getvalue()


def _rows(content: bytes, columns: Sequence[Column]) -> list[dict[str, Value]]:
    from pyarrow import parquet

    table = parquet.read_table(io.BytesIO(content))
    if table.column_names != [column.name for column in columns]:
        raise DecryptionFailed
    found: list[dict[str, Value]] = table.to_pylist()
    return found


def write_durably(path: Path, content: bytes) -> None:
    """Write beside the place, then rename; both durable before this returns."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    # Made anew: a link that somebody left there is not followed.
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
