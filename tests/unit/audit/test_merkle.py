"""The tree: published roots, every proof of every size to 64, and a slow obvious twin."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from guard.audit.merkle import consistency_proof, inclusion_proof, tree_root
from guard.audit.verify import (
    VerificationFailed,
    grow,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# Entries and roots of the Certificate Transparency reference tests (google/certificate-transparency).
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = range(1, 65)


def twin(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1 word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    at = max(power for power in (1 << n for n in range(8)) if power < len(leaves))
    return node_hash(twin(leaves[:at]), twin(leaves[at:]))


def hashes(size: int) -> list[bytes]:
    """Return the hashes of entries that are all different."""
    return [leaf_hash(b"entry %d" % index) for index in range(size)]


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_published_roots(size: int) -> None:
    assert tree_root([leaf_hash(entry) for entry in ENTRIES[:size]]).hex() == ROOTS[size]


@pytest.mark.parametrize("size", SIZES)
def test_the_frontier_that_grows_leads_to_the_root_of_the_whole_tree(size: int) -> None:
    leaves = hashes(size)
    frontier: list[bytes] = []
    for index, leaf in enumerate(leaves):
        grow(frontier, index, leaf)
    assert root_of(frontier) == twin(leaves)
    assert len(frontier) == size.bit_count()


@pytest.mark.parametrize("size", SIZES)
def test_every_entry_is_proven_and_no_other_in_its_place(size: int) -> None:
    leaves = hashes(size)
    root = twin(leaves)
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(index, leaves)
        verify_inclusion(index=index, size=size, leaf=leaf, proof=proof, root=root)
        with pytest.raises(VerificationFailed):
            verify_inclusion(index=index, size=size, leaf=leaf_hash(b"other"), proof=proof, root=root)
        if size > 1:
            with pytest.raises(VerificationFailed):
                verify_inclusion(index=(index + 1) % size, size=size, leaf=leaf, proof=proof, root=root)


@pytest.mark.parametrize("size", SIZES)
def test_every_older_tree_is_proven_and_no_other(size: int) -> None:
    leaves = hashes(size)
    root = twin(leaves)
    for old in range(1, size + 1):
        proof = consistency_proof(old, leaves)
        older = twin(leaves[:old])
        verify_consistency(old=old, new=size, old_root=older, new_root=root, proof=proof)
        forged = twin([*leaves[: old - 1], leaf_hash(b"forged")])
        with pytest.raises(VerificationFailed):
            verify_consistency(old=old, new=size, old_root=forged, new_root=root, proof=proof)


def damaged(proof: Sequence[bytes]) -> list[list[bytes]]:
    """Return the proof cut, lengthened, and with a bit flipped in each of its hashes."""
    flips = [
        [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]] for at in range(len(proof))
    ]
    return [list(proof[:-1]), list(proof[1:]), [*proof, bytes(32)], [bytes(32), *proof], *flips]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 33])
def test_a_damaged_proof_is_refused(size: int) -> None:
    leaves = hashes(size)
    root = twin(leaves)
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(index, leaves)
        for other in damaged(proof):
            if other != proof:
                with pytest.raises(VerificationFailed):
                    verify_inclusion(index=index, size=size, leaf=leaf, proof=other, root=root)
    for old in range(1, size + 1):
        proof = consistency_proof(old, leaves)
        for other in damaged(proof):
            if other != proof:
                with pytest.raises(VerificationFailed):
                    verify_consistency(
                        old=old, new=size, old_root=twin(leaves[:old]), new_root=root, proof=other
                    )


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_there_is_no_proof_for_what_is_outside(index: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        inclusion_proof(index, hashes(3))
    with pytest.raises(VerificationFailed):
        verify_inclusion(index=index, size=3, leaf=hashes(1)[0], proof=[], root=hashes(1)[0])


@pytest.mark.parametrize("old", [-1, 0, 4])
def test_there_is_no_proof_for_a_size_that_is_none(old: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        consistency_proof(old, hashes(3))
    with pytest.raises(VerificationFailed):
        verify_consistency(old=old, new=3, old_root=twin(hashes(3)), new_root=twin(hashes(3)), proof=[])


def decoded(value: object) -> bytes:
    """Read base64 that may be absent."""
    return base64.b64decode(value) if isinstance(value, str) else b""


def test_proofs_of_transparency_dev_merkle(shared_data: Path) -> None:
    """Good and bad proofs of transparency-dev/merkle (Apache-2.0), read where they lie."""
    judged = 0
    with gzip.open(shared_data / "vectors" / "merkle.jsonl.gz", "rt") as lines:
        for line in lines:
            case = json.loads(line)
            kind, vector = case["path"].split("/")[0], case["json"]
            if kind not in ("inclusion", "consistency"):
                continue
            proof = [decoded(item) for item in vector["proof"] or ()]
            try:
                if kind == "inclusion":
                    verify_inclusion(
                        index=vector["leafIdx"],
                        size=vector["treeSize"],
                        leaf=decoded(vector["leafHash"]),
                        proof=proof,
                        root=decoded(vector["root"]),
                    )
                else:
                    verify_consistency(
                        old=vector["size1"],
                        new=vector["size2"],
                        old_root=decoded(vector["root1"]),
                        new_root=decoded(vector["root2"]),
                        proof=proof,
                    )
                refused = False
            except VerificationFailed:
                refused = True
            assert refused == vector["wantErr"], case["path"]
            judged += 1
    assert judged == 196
