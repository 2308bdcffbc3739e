"""From record to leaf: what is in it, what is sealed, and what is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import cast

import pytest

from guard.audit import verify
from guard.audit.leaf import MAX_BYTES, Leaf, associated, prepare
from guard.domain.canonical import Json
from guard.domain.event import EVENT_TYPES, Record
from guard.errors import DecryptionFailed
from tests.fakes.records import intent, record
from tests.fakes.sealer import ClearSealer

NAME = "018f0000-0000-7000-8000-000000000000"
ENTROPY = bytes(range(200)) * 2


def leaf_of(item: Record, sealer: ClearSealer | None = None, leaf_id: str = NAME) -> Leaf:
    """Make a leaf with fixed randomness."""
    return prepare(item, boot="boot-1", leaf_id=leaf_id, entropy=ENTROPY, sealer=sealer or ClearSealer())


def test_a_golden_leaf() -> None:
    """Its commitment was computed by hand: SHA-256 of the first 16 bytes of entropy and of the JSON."""
    item = record("auth.failed", tenant="system", count=3, reason="invalid_api_key", address="192.0.2.1")
    commitment = hashlib.sha256(bytes(range(16)) + b'"192.0.2.1"').hexdigest()
    assert leaf_of(item).at(1_764_000_000_000_000).decode() == (
        '{"boot":"boot-1","count":3,"id":"' + NAME + '","reason":"invalid_api_key",'
        '"sealed":{"address":"' + commitment + '"},"tenant":"system",'
        '"time":1764000000000000,"type":"auth.failed","v":1}'
    )


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_type_makes_a_canonical_leaf_with_all_its_sealed_names(name: str) -> None:
    item = record(name)
    body = leaf_of(item).at(7)
    entry = verify.decode(body, name)
    assert verify.encode(entry) == body
    assert entry["sealed"].keys() == EVENT_TYPES[name].sealed
    assert entry.keys() == {"boot", "id", "sealed", "tenant", "time", "type", "v"} | EVENT_TYPES[name].fields
    assert entry["time"] == 7


def test_nothing_to_say_looks_like_something_said() -> None:
    said = leaf_of(intent("e1", sealed={"subject": "Maria"})).at(1)
    silent = leaf_of(intent("e1", sealed={"counts": {"A": 1}})).at(1)
    assert len(said) == len(silent)
    assert json.loads(said)["sealed"].keys() == json.loads(silent)["sealed"].keys()


def test_the_same_value_has_another_commitment_under_another_salt() -> None:
    item = intent("e1", sealed={"subject": "Maria", "principal": "Maria"})
    sealed = json.loads(leaf_of(item).at(1))["sealed"]
    assert sealed["subject"] != sealed["principal"]


def test_no_sealed_value_stands_in_the_leaf() -> None:
    item = intent("e1", sealed={"subject": "Maria Gomez", "counts": {"EMAIL_ADDRESS": 7777}})
    body = leaf_of(item).at(1)
    assert b"Maria" not in body and b"7777" not in body


def test_side_rows_open_to_salt_and_value_and_only_in_their_place() -> None:
    sealer = ClearSealer()
    leaf = leaf_of(intent("e1", sealed={"subject": "Maria"}), sealer)
    commitments = json.loads(leaf.at(1))["sealed"]
    assert [row.name for row in leaf.rows] == sorted(EVENT_TYPES["exchange.intent"].sealed)
    for row in leaf.rows:
        plain = sealer.open(
            row.key_id, row.value, tenant="default", associated=associated("default", NAME, row.name)
        )
        assert hashlib.sha256(plain).hexdigest() == commitments[row.name]
        assert verify.commitment(plain[:16], json.loads(plain[16:])) == commitments[row.name]
        for wrong in (
            associated("other", NAME, row.name),
            associated("default", NAME[:-1] + "1", row.name),
            associated("default", NAME, "another name"),
        ):
            with pytest.raises(DecryptionFailed):
                sealer.open(row.key_id, row.value, tenant="default", associated=wrong)


MIDDLE = record("auth.failed", count=1, reason="r")


@pytest.mark.parametrize(
    "item",
    [
        replace(MIDDLE, fields={"count": 1}),
        replace(MIDDLE, fields={**MIDDLE.fields, "more": 1}),
        replace(MIDDLE, sealed={"subject": "x"}),
    ],
    ids=["a field is missing", "a field too many", "a sealed name that the type has not"],
)
def test_names_that_are_not_the_types_are_a_fault_of_the_program(item: Record) -> None:
    with pytest.raises(RuntimeError, match="fields"):
        leaf_of(item)


@pytest.mark.parametrize("value", [0.5, float("inf"), [1, [2.0]], {"a": 1e3}], ids=repr)
def test_floats_are_refused_in_fields_and_in_sealed_values(value: object) -> None:
    mistaken = cast(Json, value)
    with pytest.raises(TypeError):
        leaf_of(record("auth.failed", count=mistaken))
    with pytest.raises(TypeError):
        leaf_of(record("auth.failed", address=mistaken))


def test_64_kib_is_the_limit_to_the_byte() -> None:
    spare = MAX_BYTES - len(leaf_of(record("auth.failed", reason="")).at(-(2**53 - 1)))
    assert len(leaf_of(record("auth.failed", reason="x" * spare)).at(2**53 - 1)) <= MAX_BYTES
    with pytest.raises(RuntimeError, match="too large"):
        leaf_of(record("auth.failed", reason="x" * (spare + 1)))


def test_a_large_sealed_value_does_not_make_the_leaf_large() -> None:
    leaf = leaf_of(record("auth.failed", address="x" * 200_000))
    assert len(leaf.at(1)) < 1000


def test_a_field_that_looks_like_the_place_of_the_time_changes_nothing() -> None:
    text = '"time":-9007199254740991'
    entry = json.loads(leaf_of(record("auth.failed", reason=text)).at(5))
    assert (entry["reason"], entry["time"]) == (text, 5)
