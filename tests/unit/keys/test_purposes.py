"""Purpose keys: each is what it was, none is another's."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.keys.purposes import Purpose, derive

SECRET = bytes(range(32))
VECTORS = Path(__file__).parents[2] / "vectors" / "keys" / "purposes.json"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TRIPLES = st.tuples(TEXTS, TEXTS, TEXTS)


def hkdf(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, no salt and one block of output, word for word."""
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def info(purpose: str, tenant: str, context: str) -> bytes:
    """Return what a key is derived for."""
    parts = [part.encode() for part in (purpose, tenant, context)]
    return b"guard/v1" + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def golden() -> list[dict[str, str]]:
    vectors: list[dict[str, str]] = json.loads(VECTORS.read_text())["vectors"]
    return vectors


@pytest.mark.parametrize("vector", golden(), ids=lambda vector: vector["purpose"])
def test_keys_are_what_they_always_were(vector: dict[str, str]) -> None:
    """What was sealed under a purpose's key is lost if this changes."""
    key = derive(SECRET, purpose=vector["purpose"], tenant=vector["tenant"], context=vector["context"])
    assert key.hex() == vector["key"]


def test_every_purpose_has_its_golden_key() -> None:
    assert {purpose.value for purpose in Purpose} <= {vector["purpose"] for vector in golden()}


@given(TRIPLES)
def test_derivation_is_hkdf_as_rfc_5869_says(triple: tuple[str, str, str]) -> None:
    purpose, tenant, context = triple
    assert derive(SECRET, purpose=purpose, tenant=tenant, context=context) == hkdf(SECRET, info(*triple))


@given(TRIPLES, TRIPLES)
def test_different_triples_have_different_keys(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    keys = {derive(SECRET, purpose=p, tenant=t, context=c) for p, t, c in (one, other)}
    assert len(keys) == (1 if one == other else 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ab", "c", ""), ("a", "bc", "")), (("a", "b", "c"), ("a", "bc", "")), (("", "a", ""), ("a", "", ""))],
)
def test_parts_cannot_flow_into_each_other(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    first, second = (derive(SECRET, purpose=p, tenant=t, context=c) for p, t, c in (one, other))
    assert first != second


def test_another_secret_has_other_keys() -> None:
    assert derive(SECRET, purpose="pepper", tenant="t") != derive(bytes(32), purpose="pepper", tenant="t")


def test_what_must_outlive_an_epoch_lasts_and_the_rest_does_not() -> None:
    lasting = {purpose for purpose in Purpose if purpose.lasting}
    assert {Purpose.PEPPER, Purpose.SECRET} <= lasting
    assert not {Purpose.SURROGATE, Purpose.SIDE_ROW} & lasting
