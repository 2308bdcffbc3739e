"""Export logs as one archive that anybody can check offline (``verify.py`` ships inside)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from guard.audit import verify
from guard.audit.checkpoint import KEY_NAME, CheckpointSigner, sign
from guard.audit.leaf import associated
from guard.domain.canonical import canonical
from guard.errors import DecryptionFailed, KeyUnavailable

__all__ = ["ExportStore", "Opener", "export"]

SALT = 16
README = """An export of Guard's log. Check it with Python 3.8 or later, offline:

    python verify.py THIS-FILE.zip --key "KEY"

KEY is the line in keys.txt, but take it from the people who run Guard, not from here.
entries.jsonl: one record a line. checkpoint: the signed size and root over them.
revealed.jsonl: values that the records commit to; empty in a redacted export.
"""


class StoredEntry(Protocol):
    """An entry as the store yields it."""

    @property
    def body(self) -> bytes: ...


class StoredValue(Protocol):
    """A side row as the store yields it."""

    @property
    def leaf_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def key_id(self) -> str: ...
    @property
    def value(self) -> bytes: ...


class ExportStore(Protocol):
    """What an export reads."""

    def leaves(self, log: str, *, start: int = 0, stop: int | None = None) -> Iterator[StoredEntry]:
        """Yield entries in order of index."""
        ...

    def side_rows(self, log: str, leaf_ids: Sequence[str] | None = None) -> Iterator[StoredValue]:
        """Yield sealed values, of some entries or of all."""
        ...


class Opener(Protocol):
    """Decrypts side rows; the keyring implements it."""

    def open(self, key_id: str, sealed: bytes, *, tenant: str, associated: bytes) -> bytes:
        """Return the plain bytes. Raises ``DecryptionFailed`` and ``KeyUnavailable``."""
        ...


def export(store: ExportStore, logs: Sequence[str], signer: CheckpointSigner, opener: Opener | None) -> bytes:
    """Return the archive of ``logs``. With ``opener`` the sealed values are revealed.

    Values whose key was shredded are left out, and so are those that cannot be decrypted,
    which ``fsck`` reports; the proofs do not change.
    """
    source = Path(verify.__file__).read_bytes()
    members = {
        "README.txt": README.encode(),
        "keys.txt": verify.key_line(KEY_NAME, signer.public).encode() + b"\n",
        "verify.py": source,
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    for log in sorted(set(logs)):
        lines = [entry.body for entry in store.leaves(log)]
        frontier: list[bytes] = []
        for index, line in enumerate(lines):
            verify.grow(frontier, index, verify.leaf_hash(line))
        folder = f"logs/{log}/"
        members[folder + "entries.jsonl"] = b"".join(line + b"\n" for line in lines)
        members[folder + "checkpoint"] = sign(log, len(lines), verify.root_of(frontier), signer).encode()
        ids = {verify.decode(line, log)["id"] for line in lines}
        members[folder + "revealed.jsonl"] = _revealed(store, log, ids, opener) if opener else b""
    manifest: dict[str, object] = {"digests": digests, "format": verify.FORMAT, "logs": sorted(set(logs))}
    manifest["signature"] = signer.sign(verify.manifest_body(manifest)).hex()
    members["manifest.json"] = verify.encode(manifest)
    return verify.pack(members)


def _revealed(store: ExportStore, log: str, ids: set[str], opener: Opener) -> bytes:
    lines: dict[tuple[str, str], bytes] = {}
    for row in store.side_rows(log):
        if row.leaf_id not in ids:
            continue  # written after the entries were read
        plain = unsealed(opener, log, row)
        if plain is not None:
            value = verify.decode(plain[SALT:], "side row")
            shown = {"id": row.leaf_id, "name": row.name, "salt": plain[:SALT].hex(), "value": value}
            lines[row.leaf_id, row.name] = canonical(shown) + b"\n"
    return b"".join(lines[key] for key in sorted(lines))


def unsealed(opener: Opener, log: str, row: StoredValue) -> bytes | None:
    """Return salt and canonical value of a side row, or ``None`` if it cannot be opened."""
    try:
        return opener.open(
            row.key_id, row.value, tenant=log, associated=associated(log, row.leaf_id, row.name)
        )
    except (KeyUnavailable, DecryptionFailed):
        return None
