"""Checkpoints: one form, one signature, nothing before or after."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.checkpoint import KEY_NAME, opened, origin, sign
from guard.audit.verify import VerificationFailed, key_hash, key_line, open_checkpoint, parse_key
from guard.keys.keyring import Signer

ROOT = bytes(range(32))
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01"))
STRANGER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x02"))
TEXT = sign("default", 1234, ROOT, SIGNER)

# The verifier key printed in Go's golang.org/x/mod/sumdb/note documentation.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_checkpoint_reads_as_c2sp_writes_it() -> None:
    lines = TEXT.split("\n")
    assert lines[:4] == ["guard/default", "1234", base64.b64encode(ROOT).decode(), ""]
    dash, name, signature = lines[4].split(" ")
    assert (dash, name, lines[5:]) == ("\u2014", KEY_NAME, [""])
    assert base64.b64decode(signature)[:4] == key_hash(KEY_NAME, SIGNER.public)
    assert len(base64.b64decode(signature)) == 4 + 64


def test_both_readers_take_what_was_signed() -> None:
    for checkpoint in (opened(TEXT, SIGNER.public), open_checkpoint(TEXT, KEY_NAME, SIGNER.public)):
        assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (origin("default"), 1234, ROOT)


def signed_body(body: str) -> str:
    """Return a note over any text with a true signature."""
    signature = base64.b64encode(key_hash(KEY_NAME, SIGNER.public) + SIGNER.sign(body.encode())).decode()
    return f"{body}\n\u2014 {KEY_NAME} {signature}\n"


ROOT64 = base64.b64encode(ROOT).decode()
BODY, _, SIGNATURE = TEXT.partition("\n\n")

OTHER = {
    "a byte after it": TEXT + "x",
    "a line after it": TEXT + "\n",
    "a space after it": TEXT + " ",
    "a second signature": TEXT + TEXT.split("\n")[4] + "\n",
    "without its last newline": TEXT[:-1],
    "a byte before it": " " + TEXT,
    "carriage returns": TEXT.replace("\n", "\r\n"),
    "no blank line": BODY + "\n" + SIGNATURE,
    "an extension line": signed_body(f"{BODY}\nextension\n"),
    "a plus before the size": signed_body(f"guard/default\n+1234\n{ROOT64}\n"),
    "zeros before the size": signed_body(f"guard/default\n01234\n{ROOT64}\n"),
    "a negative size": signed_body(f"guard/default\n-1\n{ROOT64}\n"),
    "a size in other digits": signed_body(f"guard/default\n\u0661\n{ROOT64}\n"),
    "a size with underscores": signed_body(f"guard/default\n1_234\n{ROOT64}\n"),
    "no size": signed_body(f"guard/default\n\n{ROOT64}\n"),
    "a short root": signed_body(f"guard/default\n1234\n{base64.b64encode(ROOT[:31]).decode()}\n"),
    "a root in loose base64": signed_body(f"guard/default\n1234\n{ROOT64[:-2]}9=\n"),
    "a root without padding": signed_body(f"guard/default\n1234\n{ROOT64[:-1]}\n"),
    "another dash": TEXT.replace("\u2014", "-"),
    "another name": TEXT.replace(f" {KEY_NAME} ", " other "),
    "another origin": TEXT.replace("guard/default", "guard/other"),
    "another size": TEXT.replace("1234", "1235"),
    "another root": TEXT.replace(ROOT64, base64.b64encode(bytes(32)).decode()),
    "a short signature": TEXT[:-5] + "\n",
    "no text": "",
    "newlines": "\n" * 5,
}


def test_what_a_case_signs_is_a_checkpoint_but_for_what_the_case_changes() -> None:
    assert signed_body(f"guard/default\n1234\n{ROOT64}\n") == TEXT


@pytest.mark.parametrize("text", OTHER.values(), ids=OTHER)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(VerificationFailed):
        open_checkpoint(text, KEY_NAME, SIGNER.public)
    with pytest.raises(VerificationFailed):
        opened(text, SIGNER.public)


def test_every_changed_character_is_noticed() -> None:
    for at, character in enumerate(TEXT):
        changed = TEXT[:at] + chr(ord(character) ^ 1) + TEXT[at + 1 :]
        with pytest.raises(VerificationFailed):
            opened(changed, SIGNER.public)


def test_a_strangers_key_opens_nothing() -> None:
    with pytest.raises(VerificationFailed):
        opened(TEXT, STRANGER.public)
    forged = sign("default", 1234, ROOT, STRANGER)
    with pytest.raises(VerificationFailed):
        opened(forged, SIGNER.public)


def test_a_published_verifier_key_is_read_and_written_alike() -> None:
    name, public = parse_key(PUBLISHED_KEY)
    assert (name, key_line(name, public)) == ("PeterNeumann", PUBLISHED_KEY)


GOOD_KEY = key_line(KEY_NAME, SIGNER.public)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "guard",
        "guard+00000000+",
        GOOD_KEY + "\n",
        GOOD_KEY[:-1],
        GOOD_KEY.replace("guard+", "other+"),
        GOOD_KEY.upper(),
        "guard+12345678+" + base64.b64encode(b"\x01" + bytes(32)).decode(),
        "guard+12345678+" + base64.b64encode(b"\x02" + SIGNER.public).decode(),
        "guard+\u00e9+\u00e9",
    ],
)
def test_what_is_no_verifier_key_is_refused(line: str) -> None:
    with pytest.raises(VerificationFailed):
        parse_key(line)
