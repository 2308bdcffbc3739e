"""A small log made without our code: formats that were once written are read for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit import verify
from guard.audit.checkpoint import sign
from guard.keys.keyring import Signer

VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "audit" / "log.json").read_text())
LINES = [line.encode() for line in VECTOR["entries"]]
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTOR["seed"])))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_entries_hashes_and_roots(size: int) -> None:
    check = verify.LogCheck("default")
    for line in LINES[:size]:
        check.add(line)
    assert verify.root_of(check.frontier).hex() == VECTOR["roots"][size - 1]
    assert verify.leaf_hash(LINES[size - 1]).hex() == VECTOR["hashes"][size - 1]


def test_key_and_checkpoint_are_read_and_written_alike() -> None:
    name, public = verify.parse_key(VECTOR["key"])
    checkpoint = verify.open_checkpoint(VECTOR["checkpoint"], name, public)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) == (
        "guard/default",
        3,
        VECTOR["roots"][2],
    )
    assert public == SIGNER.public
    assert sign("default", 3, bytes.fromhex(VECTOR["roots"][2]), SIGNER) == VECTOR["checkpoint"]


def test_revealed_values_are_what_the_entries_committed_to() -> None:
    rows = [verify.encode(row) for row in VECTOR["revealed"]]
    entries = {json.loads(line)["id"]: line for line in LINES}
    assert verify.check_revealed("default", entries, rows) == 3
    with pytest.raises(verify.VerificationFailed):
        verify.check_revealed(
            "default", entries, [verify.encode({**VECTOR["revealed"][0], "value": "another"})]
        )
