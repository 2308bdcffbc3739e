"""The Ed25519 that ships against RFC 8032, Wycheproof and the compiled one."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from guard.audit.verify import ed25519_verify

ORDER = 2**252 + 27742317777372353535851937790883648493

# RFC 8032 §7.1, tests 1 to 3: public key, message, signature.
PUBLISHED = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def compiled(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return what ``cryptography`` says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(("public", "message", "signature"), PUBLISHED, ids=["1", "2", "3"])
def test_the_signatures_of_rfc_8032(public: str, message: str, signature: str) -> None:
    parts = [bytes.fromhex(text) for text in (public, message, signature)]
    assert ed25519_verify(parts[0], parts[1], parts[2])
    assert not ed25519_verify(parts[0], parts[1] + b"\x00", parts[2])


def test_wycheproof(shared_data: Path) -> None:
    """All 151 cases of C2SP/wycheproof (Apache-2.0), read where they lie."""
    with gzip.open(shared_data / "vectors" / "wycheproof" / "ed25519_test.json.gz", "rt") as file:
        groups = json.load(file)["testGroups"]
    judged = 0
    for group in groups:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            assert ed25519_verify(public, message, signature) == (case["result"] == "valid"), case["tcId"]
            judged += 1
    assert judged == 151


def test_both_agree_on_signatures_and_on_damaged_ones() -> None:
    draw = random.Random(20261124)
    for _ in range(12):
        private = Ed25519PrivateKey.from_private_bytes(draw.randbytes(32))
        public, message = private.public_key().public_bytes_raw(), draw.randbytes(draw.randrange(200))
        signature = private.sign(message)
        assert ed25519_verify(public, message, signature)
        flipped = bytearray(signature)
        flipped[draw.randrange(64)] ^= 1 << draw.randrange(8)
        other = bytearray(public)
        other[draw.randrange(32)] ^= 1 << draw.randrange(8)
        for key, text, sig in (
            (public, message, flipped),
            (other, message, signature),
            (public, b"?", signature),
        ):
            assert not compiled(bytes(key), text, bytes(sig))
            assert not ed25519_verify(bytes(key), text, bytes(sig))


def test_a_signature_has_one_form() -> None:
    """S + L would verify too if it were not compared with L."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = private.sign(b"message")
    raised = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    assert not ed25519_verify(private.public_key().public_bytes_raw(), b"message", signature[:32] + raised)


@pytest.mark.parametrize(
    ("public", "signature"), [(b"", bytes(64)), (bytes(31), bytes(64)), (bytes(32), bytes(63))]
)
def test_other_lengths_are_no_signature(public: bytes, signature: bytes) -> None:
    assert not ed25519_verify(public, b"message", signature)


IDENTITY = (1).to_bytes(32, "little")
BLANK = IDENTITY + bytes(32)
"""Satisfies the equation for the key that is the identity, whatever the message."""


def test_the_equation_holds_for_the_identity_in_its_canonical_encoding() -> None:
    """So that the refusals below are about the encoding and nothing else."""
    assert ed25519_verify(IDENTITY, b"message", BLANK)


@pytest.mark.parametrize(
    "other",
    [((1 << 255) | 1).to_bytes(32, "little"), (2**255 - 18).to_bytes(32, "little")],
    ids=["with the sign of a negative zero", "with y not reduced"],
)
def test_a_point_has_one_encoding_as_key_and_in_a_signature(other: bytes) -> None:
    assert not ed25519_verify(other, b"message", BLANK)
    assert not ed25519_verify(IDENTITY, b"message", other + bytes(32))


def test_what_is_no_point_is_no_key() -> None:
    assert not ed25519_verify((2).to_bytes(32, "little"), b"message", BLANK)
