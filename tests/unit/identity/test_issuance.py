"""Issuing, rotating, revoking: what is stored, what is recorded, and what cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from guard.audit.leaf import MAX_BYTES, prepare
from guard.domain.event import Record
from guard.domain.principal import Limits
from guard.errors import AuthenticationError, ConfigurationError, Conflict, NotFound
from guard.identity.api_keys import KeyRecord, authenticate, hash_key
from guard.identity.issuance import MOST, Grant, Issued, Issuer, state_of
from guard.keys.keyring import Keyring
from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.sealer import ClearSealer

NOW = 1_764_000_000_000_000
HOUR = 3_600_000_000
DAY = 24 * HOUR


class Desk:
    """Issues keys at moments that the test names."""

    def __init__(self, folder: Path) -> None:
        self.keyring = Keyring.create(folder / "keyring")
        self.store = MemoryKeyStore()
        self.issuer = Issuer(self.store, self.keyring, principal="local:1000")
        self._entropy = 0

    def _random(self) -> bytes:
        self._entropy += 1
        return self._entropy.to_bytes(32, "big")

    def issue(self, key_id: str = "a", *, now: int = NOW, grant: Grant | None = None) -> Issued:
        return self.issuer.issue(
            grant or Grant(application="crm"), key_id=key_id, now=now, entropy=self._random()
        )

    def rotate(self, key_id: str, successor: str, *, overlap: int = HOUR, now: int = NOW) -> Issued:
        return self.issuer.rotate(
            key_id, successor=successor, overlap=overlap, now=now, entropy=self._random()
        )

    def lets_in(self, issued: Issued, now: int) -> bool:
        """Return whether the key itself opens the door."""
        keys = {record.hash: record for record in self.store.list()}
        try:
            authenticate(issued.key, keys, keyring=self.keyring, now=now)
        except AuthenticationError:
            return False
        return True

    def record(self, key_id: str) -> KeyRecord:
        return next(record for record in self.store.list() if record.id == key_id)

    def events(self) -> list[tuple[str, object]]:
        return [(event.type, event.sealed["key"]) for event in self.store.events]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# Issue -------------------------------------------------------------------------------------
def test_the_key_is_shown_once_and_stored_nowhere(desk: Desk) -> None:
    issued = desk.issue()
    assert desk.record("a").hash == hash_key(issued.key, desk.keyring)
    everything = f"{desk.store.list()} {desk.store.events}"
    assert issued.key not in everything
    assert issued.key[8:20] not in everything
    assert issued.key not in repr(issued)


def test_a_key_has_exactly_what_was_granted(desk: Desk) -> None:
    grant = Grant(
        application="crm",
        tenant="acme",
        models=("gpt-*", "demo"),
        purposes=("support", "sales"),
        expires=NOW + DAY,
        limits=Limits(requests_per_minute=10, concurrency=2),
    )
    record = desk.issue(grant=grant).record
    assert (record.tenant, record.application, record.models) == ("acme", "crm", ("gpt-*", "demo"))
    assert (record.purposes, record.created, record.expires) == (("support", "sales"), NOW, NOW + DAY)
    assert (record.revoked, record.limits, record.successor) == (None, grant.limits, None)


def test_issuing_is_recorded_with_the_persons_sealed(desk: Desk) -> None:
    desk.issue(grant=Grant(application="crm", tenant="acme", expires=NOW + DAY))
    (event,) = desk.store.events
    assert (event.tenant, event.type) == ("acme", "key.issued")
    assert event.fields == {
        "application": "crm",
        "expires": NOW + DAY,
        "models": ["*"],
        "purposes": ["general"],
    }
    assert event.sealed == {"key": "a", "principal": "local:1000"}


IMPOSSIBLE = {
    "no application": Grant(application=""),
    "an application with spaces": Grant(application="my app"),
    "an application of 65 characters": Grant(application="x" * 65),
    "a tenant with a slash": Grant(application="crm", tenant="a/b"),
    "a tenant that is a path": Grant(application="crm", tenant=".."),
    "the tenant system": Grant(application="crm", tenant="system"),
    "the tenant root": Grant(application="crm", tenant="root"),
    "no model": Grant(application="crm", models=()),
    "an empty model": Grant(application="crm", models=("",)),
    "a model with spaces": Grant(application="crm", models=("gpt 5",)),
    "no purpose": Grant(application="crm", purposes=()),
    "a purpose with spaces": Grant(application="crm", purposes=("customer care",)),
    "too many models": Grant(application="crm", models=tuple(f"m{n}" for n in range(MOST + 1))),
    "too many purposes": Grant(application="crm", purposes=tuple(f"p{n}" for n in range(MOST + 1))),
    "an end in the past": Grant(application="crm", expires=NOW - 1),
    "an end now": Grant(application="crm", expires=NOW),
}


@pytest.mark.parametrize("grant", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_grant_that_cannot_be_is_refused_and_changes_nothing(desk: Desk, grant: Grant) -> None:
    with pytest.raises(ConfigurationError):
        desk.issue(grant=grant)
    assert (list(desk.store.list()), desk.store.events, desk.store.version()) == ([], [], 0)


def leaf_size(event: Record) -> int:
    leaf = prepare(event, boot="x" * 36, leaf_id="x" * 36, entropy=bytes(400), sealer=ClearSealer())
    return len(leaf.at(2**53 - 1))


def test_the_largest_grant_fits_into_a_leaf(desk: Desk) -> None:
    """An event that fits into none would stop the outbox for good."""
    desk.issue(
        grant=Grant(
            application="x" * 64,
            tenant="x" * 64,
            models=tuple("m" * 128 for _ in range(MOST)),
            purposes=tuple("p" * 64 for _ in range(MOST)),
        )
    )
    assert leaf_size(desk.store.events[0]) < MAX_BYTES


# Rotate ------------------------------------------------------------------------------------
def test_both_keys_are_good_during_the_overlap_and_only_the_new_one_after_it(desk: Desk) -> None:
    old = desk.issue("a")
    new = desk.rotate("a", "b", overlap=HOUR, now=NOW + DAY)
    moments = (NOW + DAY, NOW + DAY + HOUR - 1, NOW + DAY + HOUR)
    assert [desk.lets_in(old, moment) for moment in moments] == [True, True, False]
    assert [desk.lets_in(new, moment) for moment in moments] == [True, True, True]


def test_an_overlap_never_makes_a_key_live_longer(desk: Desk) -> None:
    old = desk.issue("a", grant=Grant(application="crm", expires=NOW + 10))
    desk.rotate("a", "b", overlap=HOUR, now=NOW + 5)
    assert desk.record("a").expires == NOW + 10
    assert not desk.lets_in(old, NOW + 10)


@pytest.mark.parametrize(("lifetime", "expected"), [(None, None), (10 * DAY, 12 * DAY)])
def test_a_successor_lives_as_long_as_its_predecessor_was_given(
    desk: Desk, lifetime: int | None, expected: int | None
) -> None:
    expires = None if lifetime is None else NOW + lifetime
    desk.issue("a", grant=Grant(application="crm", expires=expires))
    new = desk.rotate("a", "b", now=NOW + 2 * DAY).record
    assert new.expires == (None if expected is None else NOW + expected)


def test_a_successor_may_do_what_its_predecessor_may(desk: Desk) -> None:
    grant = Grant(
        application="crm", tenant="acme", models=("gpt-*",), purposes=("sales",), limits=Limits(concurrency=3)
    )
    old = desk.issue("a", grant=grant).record
    new = desk.rotate("a", "b", now=NOW + DAY).record
    assert replace(new, id=old.id, hash=old.hash, created=old.created) == old
    assert desk.record("a").successor == "b"


def test_rotation_leaves_both_records_with_the_end_of_the_old_key(desk: Desk) -> None:
    desk.issue("a")
    desk.rotate("a", "b", overlap=HOUR)
    assert desk.events() == [("key.issued", "a"), ("key.issued", "b"), ("key.rotated", "a")]
    rotated = desk.store.events[-1]
    assert rotated.fields == {"application": "crm", "expires": NOW + HOUR}
    assert rotated.sealed == {"key": "a", "principal": "local:1000", "successor": "b"}


def test_a_key_is_rotated_once_and_its_successor_again(desk: Desk) -> None:
    """A second successor of a key would get the little time that the overlap left."""
    desk.issue("a")
    desk.rotate("a", "b")
    with pytest.raises(Conflict, match="into b"):
        desk.rotate("a", "c")
    assert desk.rotate("b", "c").record.expires is None


# Revoke ------------------------------------------------------------------------------------
def test_a_revoked_key_is_refused_at_once_and_that_is_recorded(desk: Desk) -> None:
    issued = desk.issue("a")
    assert desk.issuer.revoke("a", now=NOW + 5).revoked == NOW + 5
    assert not desk.lets_in(issued, NOW + 5)
    assert desk.events() == [("key.issued", "a"), ("key.revoked", "a")]


def test_revoking_one_key_of_a_rotation_leaves_the_other(desk: Desk) -> None:
    old = desk.issue("a")
    new = desk.rotate("a", "b")
    desk.issuer.revoke("a", now=NOW + 1)
    assert (desk.lets_in(old, NOW + 2), desk.lets_in(new, NOW + 2)) == (False, True)


@pytest.mark.parametrize("end", ["revoked", "expired"])
@pytest.mark.parametrize("change", ["rotate", "revoke"])
def test_a_key_that_has_ended_is_not_changed_again(desk: Desk, end: str, change: str) -> None:
    desk.issue("a", grant=Grant(application="crm", expires=NOW + 10))
    later = NOW + 20
    if end == "revoked":
        later = NOW + 2
        desk.issuer.revoke("a", now=NOW + 1)
    before = desk.events()
    with pytest.raises(Conflict, match=f"is {end} already"):
        desk.rotate("a", "b", now=later) if change == "rotate" else desk.issuer.revoke("a", now=later)
    assert desk.events() == before


def test_an_unknown_key_is_told_where_to_look(desk: Desk) -> None:
    with pytest.raises(NotFound, match="guard keys list"):
        desk.issuer.revoke("nobody", now=NOW)
    with pytest.raises(NotFound, match="guard keys list"):
        desk.rotate("nobody", "b")


@pytest.mark.parametrize(
    ("expires", "revoked", "state"),
    [
        (None, None, "active"),
        (NOW + 1, None, "active"),
        (NOW, None, "expired"),
        (None, NOW, "revoked"),
        (NOW - 5, NOW - 3, "revoked"),
        (NOW - 5, NOW + 3, "expired"),
        (None, NOW + 1, "active"),
    ],
)
def test_the_state_of_a_key(desk: Desk, expires: int | None, revoked: int | None, state: str) -> None:
    record = replace(desk.issue().record, expires=expires, revoked=revoked)
    assert state_of(record, NOW) == state
