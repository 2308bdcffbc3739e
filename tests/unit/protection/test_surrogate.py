"""Surrogates: the grammar, what a token depends on, and golden tokens."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from guard.domain.entities import CATALOGUE, TOKEN
from guard.protection.surrogate import CROCKFORD, Surrogates

KEY = bytes(range(32))


def surrogates(
    *, key: bytes = KEY, tenant: str = "default", application: str = "crm", scope: str = ""
) -> Surrogates:
    """Return a writer that differs from the usual in one thing."""
    return Surrogates(key=key, tenant=tenant, application=application, scope=scope)


def golden(entity_type: str, value: str, *context: str) -> str:
    """Write a token again from the design alone: HMAC over length-prefixed names, 60 bits, base 32."""
    message = b"".join(len(one.encode()).to_bytes(4, "big") + one.encode() for one in (*context, entity_type))
    bits = int.from_bytes(hmac.digest(KEY, message + value.encode(), hashlib.sha256), "big") >> (256 - 60)
    digits = ""
    for _ in range(12):
        bits, digit = divmod(bits, 32)
        digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[digit] + digits
    return f"{CATALOGUE[entity_type].mnemonic}X{digits}"


@pytest.mark.parametrize("entity_type", CATALOGUE)
@pytest.mark.parametrize("value", ["ann.lee@acme.io", "中文", "", "x" * 9_000])
def test_the_token_is_what_the_design_says(entity_type: str, value: str) -> None:
    token = surrogates(scope="c1").token(entity_type, value)
    assert token == golden(entity_type, value, "default", "crm", "c1")
    assert TOKEN.fullmatch(token)


def test_golden_tokens_never_change() -> None:
    """Written down once: a client that resends its history must meet them again."""
    writer = surrogates()
    assert writer.token("EMAIL_ADDRESS", "ann.lee@acme.io") == "EMLXBSRYX9NNK133"
    assert writer.token("CREDIT_CARD", "4539148803436467") == "CRDXHG7X2BFKS7NF"


def test_the_token_depends_on_tenant_application_scope_type_value_and_key() -> None:
    usual = surrogates().token("EMAIL_ADDRESS", "ann.lee@acme.io")
    others = {
        surrogates(tenant="other").token("EMAIL_ADDRESS", "ann.lee@acme.io"),
        surrogates(application="other").token("EMAIL_ADDRESS", "ann.lee@acme.io"),
        surrogates(scope="other").token("EMAIL_ADDRESS", "ann.lee@acme.io"),
        surrogates(key=bytes(32)).token("EMAIL_ADDRESS", "ann.lee@acme.io"),
        surrogates().token("EMAIL_ADDRESS", "Ann.lee@acme.io"),
        surrogates().token("PHONE_NUMBER", "ann.lee@acme.io"),
    }
    assert len({one[4:] for one in others | {usual}}) == 7


def test_names_cannot_run_into_each_other() -> None:
    one = surrogates(tenant="ab", application="c").token("EMAIL_ADDRESS", "x")
    other = surrogates(tenant="a", application="bc").token("EMAIL_ADDRESS", "x")
    assert one != other


def test_it_never_depends_on_what_was_asked_before() -> None:
    writer = surrogates()
    first = [writer.token("EMAIL_ADDRESS", str(n)) for n in range(50)]
    assert [writer.token("EMAIL_ADDRESS", str(n)) for n in reversed(range(50))] == first[::-1]
    assert len(set(first)) == 50


def test_types_with_a_shape_are_written_in_it() -> None:
    writer = surrogates()
    assert writer.write("EMAIL_ADDRESS", "EMLX0123456789AB") == "EMLX0123456789AB@guard.invalid"
    assert writer.write("PHONE_NUMBER", "PHNX0123456789AB") == "PHNX0123456789AB"


def test_the_digits_are_crockfords() -> None:
    assert len(CROCKFORD) == 32 and not set("ILOU") & set(CROCKFORD)
