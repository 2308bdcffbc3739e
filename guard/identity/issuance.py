"""Issue, rotate and revoke application keys: one use case for command, console and API.

Every change leaves a record in the log of the key's tenant. The key itself is in the
return value and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from guard.domain.canonical import MAX_INTEGER
from guard.domain.event import Record
from guard.domain.principal import Limits
from guard.errors import ConfigurationError, Conflict, NotFound
from guard.identity.api_keys import RESERVED_TENANTS, KeyRecord, KeyStore, generate, hash_key
from guard.keys.keyring import Keyring

__all__ = ["Grant", "Issued", "Issuer", "state_of"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST = 64
"""Models and purposes of a key, so that its record fits into a leaf."""
MODEL = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:/@*+-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a new key may do. ``expires``: µs since 1970."""

    application: str
    tenant: str = "default"
    models: tuple[str, ...] = ("*",)
    purposes: tuple[str, ...] = ("general",)
    expires: int | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Issued:
    """A new key, this once in plain text, and what is stored of it."""

    key: str
    record: KeyRecord


def state_of(record: KeyRecord, now: int) -> str:
    """Return ``active``, ``expired`` or ``revoked`` at ``now`` (µs)."""
    if record.revoked is not None and record.revoked <= now:
        return "revoked"
    return "expired" if record.expires is not None and record.expires <= now else "active"


class Issuer:
    """Changes keys in the name of ``principal``, which is sealed in the records."""

    def __init__(self, store: KeyStore, keyring: Keyring, *, principal: str) -> None:
        self._store = store
        self._keyring = keyring
        self._principal = principal

    def issue(self, grant: Grant, *, key_id: str, now: int, entropy: bytes) -> Issued:
        """Issue a key. ``entropy``: at least 32 random bytes.

        Raises ``ConfigurationError`` for a grant that cannot be.
        """
        issued = self._new(grant, key_id, now, entropy)
        self._store.add(issued.record, self._issued_event(issued.record))
        return issued

    def rotate(self, key_id: str, *, successor: str, overlap: int, now: int, entropy: bytes) -> Issued:
        """Issue a key like ``key_id``, which ends after ``overlap`` µs, or sooner if it would anyway.

        The successor lives as long as its predecessor was given. Raises ``NotFound`` and,
        for a key that has ended or has a successor already, ``Conflict``.
        """
        old = self._active(key_id, now)
        if old.successor is not None:
            raise Conflict(f"the key {key_id} was rotated already, into {old.successor}; rotate that one")
        lifetime = None if old.expires is None else old.expires - old.created
        grant = Grant(
            application=old.application,
            tenant=old.tenant,
            models=old.models,
            purposes=old.purposes,
            expires=None if lifetime is None else now + lifetime,
            limits=old.limits,
        )
        issued = self._new(grant, successor, now, entropy)
        ends = now + overlap if old.expires is None else min(old.expires, now + overlap)
        event = Record(
            tenant=old.tenant,
            type="key.rotated",
            fields={"application": old.application, "expires": ends},
            sealed={"key": key_id, "principal": self._principal, "successor": successor},
        )
        events = (self._issued_event(issued.record), event)
        self._store.rotate(key_id, issued.record, expires=ends, events=events)
        return issued

    def revoke(self, key_id: str, *, now: int) -> KeyRecord:
        """End a key at once. Raises ``NotFound`` and, for a key that has ended, ``Conflict``."""
        old = self._active(key_id, now)
        event = Record(
            tenant=old.tenant,
            type="key.revoked",
            fields={"application": old.application},
            sealed={"key": key_id, "principal": self._principal},
        )
        self._store.revoke(key_id, revoked=now, event=event)
        return replace(old, revoked=now)

    def _new(self, grant: Grant, key_id: str, now: int, entropy: bytes) -> Issued:
        _check(grant, now)
        key = generate(entropy)
        record = KeyRecord(
            id=key_id,
            hash=hash_key(key, self._keyring),
            tenant=grant.tenant,
            application=grant.application,
            models=grant.models,
            purposes=grant.purposes,
            created=now,
            expires=grant.expires,
            revoked=None,
            limits=grant.limits,
        )
        return Issued(key=key, record=record)

    def _issued_event(self, record: KeyRecord) -> Record:
        return Record(
            tenant=record.tenant,
            type="key.issued",
            fields={
                "application": record.application,
                "expires": record.expires,
                "models": list(record.models),
                "purposes": list(record.purposes),
            },
            sealed={"key": record.id, "principal": self._principal},
        )

    def _active(self, key_id: str, now: int) -> KeyRecord:
        for record in self._store.list():
            if record.id == key_id:
                state = state_of(record, now)
                if state != "active":
                    raise Conflict(f"the key {key_id} is {state} already")
                return record
        raise NotFound(f"no key {key_id}; see: guard keys list")


def _check(grant: Grant, now: int) -> None:
    for what, name in (("application", grant.application), ("tenant", grant.tenant)):
        if NAME.fullmatch(name) is None:
            raise ConfigurationError(f"{name!r} is no {what} name: letters, digits, . _ - and at most 64")
    if grant.tenant in RESERVED_TENANTS:
        raise ConfigurationError(f"the tenant name {grant.tenant!r} is reserved")
    for model in grant.models:
        if MODEL.fullmatch(model) is None:
            raise ConfigurationError(f"{model!r} is no model name or pattern as gpt-*")
    for purpose in grant.purposes:
        if NAME.fullmatch(purpose) is None:
            raise ConfigurationError(f"{purpose!r} is no purpose: letters, digits, . _ - and at most 64")
    if not 1 <= len(grant.models) <= MOST or not 1 <= len(grant.purposes) <= MOST:
        raise ConfigurationError(f"a key needs 1 to {MOST} models and 1 to {MOST} purposes")
    if grant.expires is not None and grant.expires <= now:
        raise ConfigurationError("the key would have expired already")
    if grant.expires is not None and grant.expires > MAX_INTEGER:
        # No record could say when; one that cannot be written would stand in the way of all others.
        raise ConfigurationError("the key would end after the year 2255; let it end never")
