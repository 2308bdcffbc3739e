"""Where the key stands, and that it never stands in the address."""

from __future__ import annotations

import pytest

from guard.errors import InvalidRequest
from guard.gateway.credentials import check_query, read_credential

KEY = "gk_live_x"


@pytest.mark.parametrize(
    ("headers", "key", "own"),
    [
        ({}, None, None),
        ({"authorization": f"Bearer {KEY}"}, KEY, None),
        ({"authorization": f"bearer   {KEY} "}, KEY, None),
        ({"authorization": "Bearer"}, "", None),
        ({"authorization": f"Basic {KEY}"}, None, None),
        ({"authorization": KEY}, None, None),
        ({"authorization": ""}, None, None),
        ({"x-api-key": KEY}, KEY, None),
        ({"x-goog-api-key": KEY}, KEY, None),
        ({"x-api-key": "", "x-goog-api-key": KEY}, KEY, None),
        ({"x-guard-key": KEY}, KEY, None),
        ({"x-guard-key": KEY, "authorization": "Bearer sk-own"}, KEY, "Bearer sk-own"),
        ({"x-guard-key": KEY, "x-api-key": "other"}, KEY, None),
        ({"x-guard-key": "", "authorization": f"Bearer {KEY}"}, KEY, None),
        ({"authorization": f"Bearer {KEY}", "x-api-key": "other"}, KEY, None),
    ],
)
def test_each_form_of_a_key_is_read(headers: dict[str, str], key: str | None, own: str | None) -> None:
    credential = read_credential(headers)
    assert (credential.key, credential.caller_authorization) == (key, own)


def test_the_callers_own_authorization_travels_only_beside_our_own_header() -> None:
    for name in ("authorization", "x-api-key", "x-goog-api-key"):
        assert read_credential({name: f"Bearer {KEY}"}).caller_authorization is None


def test_a_credential_shows_nothing_when_it_is_printed() -> None:
    assert KEY not in repr(read_credential({"x-guard-key": KEY, "authorization": KEY}))


@pytest.mark.parametrize(
    "query",
    [b"key=x", b"a=1&API_KEY=x", b"api-key", b"apikey=x&b=2", b"token=x", b"access_token=x", b"Key=x"],
)
def test_a_key_in_the_address_is_refused_with_what_to_do(query: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_query(query)
    assert refused.value.code == "key_in_query"
    assert "rotate" in refused.value.message and "=x" not in refused.value.message


@pytest.mark.parametrize("query", [b"beta=true", b"a", b"=", b"%6b%65%79=x", b"\xff=1"])
def test_no_other_parameter_is_known_either(query: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_query(query)
    assert refused.value.code == "unknown_parameter"


def test_an_address_without_parameters_is_fine() -> None:
    check_query(b"")
