"""Exports by somebody who signs whatever he likes: the verifier judges, and never breaks.

Each part of a whole export is replaced by any JSON or any bytes, then tree, checkpoint and
manifest are made anew and signed, so that nothing stops the reading before that part.
"""

from __future__ import annotations

import hashlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.audit import verify
from guard.domain.canonical import Json
from tests.fakes.exports import filled, forged, refusal_of, revealed_export, signed_by_stranger

DATA = revealed_export(*filled(2))
MEMBERS = verify.unpack(DATA)
LINES = MEMBERS["logs/default/entries.jsonl"].splitlines()
VALUES = MEMBERS["logs/default/revealed.jsonl"].splitlines()
MANIFEST = json.loads(MEMBERS["manifest.json"])

TEXTS = st.text(max_size=8)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["boot", "exchange", "id", "sealed", "tenant", "time", "type", "v", "new"])
BYTES = st.binary(max_size=60)


def judged(data: bytes) -> str | None:
    """Let the verifier judge; anything but a verdict escapes."""
    return refusal_of(data, key=None)


def with_field(line: bytes, name: str, value: object) -> bytes:
    """Return a line with one member replaced."""
    return verify.encode({**json.loads(line), name: value})


@given(st.integers(0, len(LINES) - 1), FIELDS, JSON)
def test_any_value_in_any_field_of_an_entry_is_judged(at: int, name: str, value: Json) -> None:
    lines = list(LINES)
    lines[at] = with_field(lines[at], name, value)
    verdict = judged(forged(DATA, "default", lines, revealed=[]))
    if name in ("boot", "id", "tenant", "type") and not isinstance(value, str):
        assert verdict == f"log default entry {at}: not a record"
    if name in ("v", "time") and isinstance(value, bool | str | list | dict | None):
        assert verdict == f"log default entry {at}: not a record"


@given(st.integers(0, len(LINES)), BYTES.filter(lambda data: b"\n" not in data))
def test_any_line_among_the_entries_is_judged(at: int, line: bytes) -> None:
    assert judged(forged(DATA, "default", [*LINES[:at], line, *LINES[at:]], revealed=[])) is not None


@given(st.integers(0, len(VALUES) - 1), st.sampled_from(["id", "name", "salt", "value", "new"]), JSON)
def test_any_value_in_any_field_of_a_revealed_value_is_judged(at: int, name: str, value: Json) -> None:
    changed = with_field(VALUES[at], name, value)
    if changed != VALUES[at]:
        values = [*VALUES[:at], changed, *VALUES[at + 1 :]]
        assert judged(forged(DATA, "default", LINES, revealed=values)) is not None


@given(st.sampled_from([*MANIFEST, "new"]), JSON)
def test_any_value_in_any_field_of_the_manifest_is_judged(name: str, value: Json) -> None:
    members = signed_by_stranger(dict(MEMBERS), {**MANIFEST, name: value})
    assert judged(verify.pack(members)) is not None


@settings(max_examples=200)
@given(st.sampled_from(sorted(MEMBERS)), BYTES)
def test_any_bytes_in_any_member_are_judged(name: str, content: bytes) -> None:
    redacted = name.endswith("revealed.jsonl") and not content
    assert (judged(verify.pack({**MEMBERS, name: content})) is None) == redacted


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_any_bytes_are_judged(data: bytes) -> None:
    assert judged(data) is not None
    assert judged(b"PK\x03\x04" + data) is not None
    assert judged(DATA[:-22] + data) is not None


@given(TEXTS)
def test_any_text_as_a_key_is_judged(text: str) -> None:
    members = dict(MEMBERS)
    members["keys.txt"] = text.encode("utf-8", "surrogatepass") + b"\n"
    digests = {**MANIFEST["digests"], "keys.txt": hashlib.sha256(members["keys.txt"]).hexdigest()}
    members["manifest.json"] = verify.encode({**MANIFEST, "digests": digests})
    assert judged(verify.pack(members)) is not None


def test_what_the_attacker_signs_is_whole_but_for_what_he_changes() -> None:
    """Without this, the tests above would pass for an attacker who signs badly."""
    verdict = judged(forged(DATA, "default", LINES, revealed=VALUES))
    assert verdict == "checkpoint: not in canonical form, or of another key", "only the other log is not his"
    assert verdict is not None
