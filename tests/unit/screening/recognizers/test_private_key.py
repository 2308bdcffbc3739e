"""Private keys in PEM. The bodies are counted bytes, no keys."""

from __future__ import annotations

import base64

import pytest

from guard.screening.recognizers.private_key import PrivateKey
from tests.unit.screening.seen import alone, seen

PEM = alone(PrivateKey())
BODY = base64.encodebytes(bytes(range(256))).decode().rstrip()


def block(kind: str, body: str = BODY) -> str:
    """Return a PEM block."""
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"


@pytest.mark.parametrize(
    "kind",
    ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY"],
)
def test_blocks(kind: str) -> None:
    for text in (block(kind), f'"{block(kind)}"', f"key: |\n  {block(kind)}\nnext"):
        assert seen(text, PEM) == [("PRIVATE_KEY", block(kind))]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(block("PGP PRIVATE KEY BLOCK", f"Version: GnuPG v2\n\n{BODY}"), id="PGP"),
        pytest.param(
            block("RSA PRIVATE KEY", f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n{BODY}"),
            id="locked",
        ),
        pytest.param(block("PRIVATE KEY").replace("\n", "\\n"), id="escaped line ends"),
        pytest.param(block("PRIVATE KEY").replace("\n", "\\\\n"), id="line ends escaped twice"),
        pytest.param(block("PRIVATE KEY").replace("\n", "\r\n"), id="line ends of Windows"),
        pytest.param(f"-----BEGIN PRIVATE KEY-----\n{BODY}", id="cut short"),
        pytest.param(
            f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n{BODY}", id="cut short, PGP"
        ),
        pytest.param(base64.b64encode(block("PRIVATE KEY").encode()).decode(), id="in base64"),
    ],
)
def test_other_forms(value: str) -> None:
    assert seen(f"x {value}", PEM) == [("PRIVATE_KEY", value)]


def test_behind_a_key_that_is_cut_short_the_prose_goes_on() -> None:
    key = f"-----BEGIN PRIVATE KEY-----\n{BODY}"
    prose = "\n(this is where the file ends) and some words follow, as they do"
    assert seen(key + prose, PEM) == [("PRIVATE_KEY", key)]


def test_two_blocks_are_two_findings() -> None:
    text = f"{block('PRIVATE KEY')}\n{block('EC PRIVATE KEY')}"
    assert seen(text, PEM) == [
        ("PRIVATE_KEY", block("PRIVATE KEY")),
        ("PRIVATE_KEY", block("EC PRIVATE KEY")),
    ]


def test_a_key_without_end_stops_at_the_next_block() -> None:
    cut = f"-----BEGIN PRIVATE KEY-----\n{BODY}"
    text = f"{cut}\n{block('CERTIFICATE')}"
    assert seen(text, PEM) == [("PRIVATE_KEY", cut)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(block("CERTIFICATE"), id="a certificate"),
        pytest.param(block("PUBLIC KEY"), id="a public key"),
        pytest.param("-----BEGIN PRIVATE KEY-----\n...\n", id="no body"),
        pytest.param("-----BEGIN PRIVATE KEY-----", id="a header alone"),
        pytest.param("the line '-----BEGIN PRIVATE KEY-----' marks a key", id="prose about it"),
        pytest.param(base64.b64encode(block("CERTIFICATE").encode()).decode(), id="a certificate in base64"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert seen(text, PEM) == []
