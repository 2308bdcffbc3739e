"""JSON web tokens."""

from __future__ import annotations

import base64
import json

import pytest

from guard.screening.recognizers.jwt import Jwt
from tests.unit.screening.seen import alone, seen

JWT = alone(Jwt())

RFC_7519 = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
"""The example of RFC 7519, section 3.1."""


def encoded(value: object) -> str:
    """Return JSON in base64url."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


HEADER, PAYLOAD = encoded({"alg": "ES256", "kid": "7"}), encoded({"sub": "ann"})


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(RFC_7519, id="the example of RFC 7519"),
        pytest.param(f"{HEADER}.{PAYLOAD}.c2lnbmF0dXJl", id="signed"),
        pytest.param(f"{HEADER}.{PAYLOAD}.", id="unsigned"),
        pytest.param(f"{HEADER}.{PAYLOAD}", id="cut short"),
        pytest.param(f"{HEADER}..c2lnbmF0dXJl", id="detached"),
        pytest.param(f"{HEADER}.a2V5.aXY5.dGV4dA.dGFn", id="encrypted"),
        pytest.param(f"{HEADER}..aXY5x.dGV4dA.dGFn", id="encrypted directly"),
    ],
)
def test_tokens(token: str) -> None:
    for text in (token, f"Bearer {token}", f'{{"t":"{token}"}}', f"令牌{token}，"):
        assert seen(text, JWT) == [("JWT", token)]


def test_a_token_inside_a_longer_one() -> None:
    token = f"{HEADER}.{PAYLOAD}.c2lnbmF0dXJl"
    assert seen(f"ghs_12345_{token}", JWT) == [("JWT", token)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(HEADER, id="a header alone"),
        pytest.param(f"{HEADER}.", id="a header and a dot"),
        pytest.param(f"{encoded({'typ': 'JWT'})}.{PAYLOAD}.c2ln", id="a header without an algorithm"),
        pytest.param("eyJ-not-base64-at-all!.eyJzdWIi.x", id="no base64"),
        pytest.param(f"x{HEADER}.{PAYLOAD}.c2ln", id="glued"),
        pytest.param("eyJ" + "a" * 2_000 + ".eyJzdWIi.x", id="too long a header"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert seen(text, JWT) == []
