"""What every store of application keys must do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guard.domain.principal import Limits
from guard.errors import Conflict, GuardError, NotFound
from guard.identity.api_keys import KeyRecord, KeyStore
from tests.contract.conftest import KeyStoreUnderTest
from tests.fakes.records import record


def key(key_id: str, *, created: int = 1, expires: int | None = None) -> KeyRecord:
    """Return a key with every field set."""
    return KeyRecord(
        id=key_id,
        hash=f"hash of {key_id}",
        tenant="default",
        application="crm",
        models=("gpt-*", "demo"),
        purposes=("support",),
        created=created,
        expires=expires,
        revoked=None,
        limits=Limits(requests_per_minute=3, concurrency=None),
    )


ISSUED, ROTATED, REVOKED = record("key.issued"), record("key.rotated"), record("key.revoked")


def test_a_key_is_read_back_whole(keys: KeyStoreUnderTest) -> None:
    keys.store.add(key("b", created=2, expires=99), ISSUED)
    keys.store.add(key("a", created=1), ISSUED)
    assert list(keys.store.list()) == [key("a", created=1), key("b", created=2, expires=99)]


def test_every_change_raises_the_version_and_leaves_its_events_in_order(keys: KeyStoreUnderTest) -> None:
    versions = [keys.store.version()]
    keys.store.add(key("a"), ISSUED)
    versions.append(keys.store.version())
    keys.store.rotate("a", key("b"), expires=50, events=(ISSUED, ROTATED))
    versions.append(keys.store.version())
    keys.store.revoke("b", revoked=60, event=REVOKED)
    versions.append(keys.store.version())
    assert versions == sorted(set(versions))
    assert keys.events() == ["key.issued", "key.issued", "key.rotated", "key.revoked"]


def test_rotation_and_revocation_change_only_what_they_name(keys: KeyStoreUnderTest) -> None:
    keys.store.add(key("a", expires=99), ISSUED)
    keys.store.rotate("a", key("b", created=2), expires=50, events=(ISSUED, ROTATED))
    keys.store.revoke("a", revoked=60, event=REVOKED)
    old, new = keys.store.list()
    assert (old.expires, old.revoked, old.successor) == (50, 60, "b")
    assert new == key("b", created=2)


REFUSED: dict[str, tuple[type[GuardError], Callable[[KeyStore], None]]] = {
    "an id that is taken": (Conflict, lambda store: store.add(key("a"), ISSUED)),
    "a successor whose id is taken": (
        Conflict,
        lambda store: store.rotate("a", key("a"), expires=1, events=(ROTATED,)),
    ),
    "rotating an unknown key": (
        NotFound,
        lambda store: store.rotate("x", key("n"), expires=1, events=(ROTATED,)),
    ),
    "revoking an unknown key": (NotFound, lambda store: store.revoke("x", revoked=1, event=REVOKED)),
    "rotating a key twice": (
        Conflict,
        lambda store: store.rotate("old", key("n"), expires=1, events=(ROTATED,)),
    ),
    "rotating a revoked key": (
        Conflict,
        lambda store: store.rotate("dead", key("n"), expires=1, events=(ROTATED,)),
    ),
    "revoking a key twice": (Conflict, lambda store: store.revoke("dead", revoked=9, event=REVOKED)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_change_changes_nothing(keys: KeyStoreUnderTest, case: str) -> None:
    store = keys.store
    store.add(key("a"), ISSUED)
    store.add(key("old"), ISSUED)
    store.rotate("old", key("new"), expires=50, events=(ISSUED, ROTATED))
    store.add(key("dead"), ISSUED)
    store.revoke("dead", revoked=2, event=REVOKED)
    before = (list(store.list()), store.version(), keys.events())
    error, change = REFUSED[case]
    with pytest.raises(error):
        change(store)
    assert (list(store.list()), store.version(), keys.events()) == before


def test_a_key_that_was_rotated_can_still_be_revoked(keys: KeyStoreUnderTest) -> None:
    keys.store.add(key("a"), ISSUED)
    keys.store.rotate("a", key("b"), expires=50, events=(ISSUED, ROTATED))
    keys.store.revoke("a", revoked=3, event=REVOKED)
    assert keys.store.list()[0].revoked == 3
