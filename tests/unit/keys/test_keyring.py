"""The keyring: whose it is, what it opens, and what an epoch's end means."""

from __future__ import annotations

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guard.errors import ConfigurationError, DecryptionFailed, GuardError, KeyUnavailable
from guard.keys.keyring import Keyring
from guard.keys.purposes import Purpose

ROOT = base64.b64encode(bytes(range(32))).decode()


class Clock:
    """A wall clock that the test sets."""

    def __init__(self, day: str = "2026-11-24") -> None:
        self.set(day)

    def set(self, day: str) -> None:
        self.now = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARD_KEYRING", raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(path: Path, clock: Clock) -> Keyring:
    return Keyring.create(path, clock=clock)


def shred(path: Path, name: str) -> None:
    """Destroy a key in the file, as shredding does: a new file takes the old one's place."""
    document = json.loads(path.read_text())
    del document["wrapped"][name]
    beside = path.with_name("beside")
    beside.write_text(json.dumps(document))
    beside.chmod(0o600)
    beside.replace(path)


# The file ----------------------------------------------------------------------------------
def test_a_new_keyring_is_its_owners_alone(keyring: Keyring, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    keyring.seal(b"", tenant="default", associated=b"")
    assert path.stat().st_mode & 0o777 == 0o600
    assert (path.parent / "keyring.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o622])
def test_a_keyring_that_others_may_touch_is_refused_with_the_remedy(
    keyring: Keyring, path: Path, mode: int
) -> None:
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Keyring.load(path)


def test_a_missing_keyring_is_told_with_the_remedy(path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="guard init"):
        Keyring.load(path)


def test_a_keyring_is_never_made_over_another(keyring: Keyring, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        Keyring.create(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"v":2,"wrapped":{}}',
        b'{"v":1,"root":7,"wrapped":{}}',
        b'{"v":1,"root":"AAAA","wrapped":{}}',
        b'{"v":1,"root":"?","wrapped":{}}',
        b'{"v":1,"root":"\\u00e9","wrapped":{}}',
        f'{{"v":1,"root":"{ROOT}"}}'.encode(),
        f'{{"v":1,"root":"{ROOT}","wrapped":[]}}'.encode(),
        f'{{"v":1,"root":"{ROOT}","wrapped":{{"default/2026-11":7}}}}'.encode(),
        f'{{"v":1,"root":"{ROOT}","wrapped":{{"default/2026-11":"?"}}}}'.encode(),
        f'{{"v":1,"root":"{ROOT}","wrapped":{{"default/2026-11":"AAAA"}}}}'.encode(),
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_file_that_is_no_keyring_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises((ConfigurationError, KeyUnavailable)) as refused:
        Keyring.load(path)
    assert str(path) in refused.value.message or "root key" in refused.value.message


def test_a_damaged_file_never_opens_to_another_value_and_never_makes_new_keys(
    keyring: Keyring, path: Path, clock: Clock
) -> None:
    key_id, sealed = keyring.seal(b"value", tenant="default", associated=b"here")
    public = keyring.signer().public
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            damaged = Keyring.load(path, clock=clock)
            opened = damaged.open(key_id, sealed, tenant="default", associated=b"here")
        except GuardError:
            continue
        assert opened == b"value"
        assert damaged.signer().public == public, at


# The root key ------------------------------------------------------------------------------
def test_a_root_in_the_environment_is_not_in_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_KEYRING", ROOT)
    key_id, sealed = Keyring.create(path).seal(b"value", tenant="default", associated=b"")
    assert "root" not in json.loads(path.read_text())
    assert ROOT not in path.read_text()
    assert Keyring.load(path).open(key_id, sealed, tenant="default", associated=b"") == b"value"
    monkeypatch.delenv("GUARD_KEYRING")
    with pytest.raises(KeyUnavailable, match="GUARD_KEYRING"):
        Keyring.load(path)


def test_an_empty_variable_is_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_KEYRING", "")
    Keyring.create(path).seal(b"", tenant="default", associated=b"")
    Keyring.load(path)


def test_the_root_of_another_installation_is_noticed_at_the_start(
    keyring: Keyring, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.seal(b"", tenant="default", associated=b"")
    monkeypatch.setenv("GUARD_KEYRING", ROOT)
    with pytest.raises(ConfigurationError, match="GUARD_KEYRING is not the root key"):
        Keyring.load(path)


@pytest.mark.parametrize("value", ["?", "AAAA", ROOT[:-4], ROOT + "AAAA", "\u00e9"])
def test_a_root_that_is_none_is_refused_without_being_shown(
    keyring: Keyring, path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("GUARD_KEYRING", value)
    with pytest.raises(ConfigurationError) as refused:
        Keyring.load(path)
    assert refused.value.message == "the root key is not the base64 of 32 bytes"


# Sealing -----------------------------------------------------------------------------------
def test_another_process_opens_what_one_has_sealed(keyring: Keyring, path: Path, clock: Clock) -> None:
    key_id, sealed = keyring.seal(b"value", tenant="default", associated=b"here")
    other = Keyring.load(path, clock=clock)
    assert other.open(key_id, sealed, tenant="default", associated=b"here") == b"value"
    assert key_id == "side-row:2026-11"


def test_no_key_stands_in_the_file_in_plain(keyring: Keyring, path: Path) -> None:
    keys = [keyring.purpose_key(purpose, tenant="default") for purpose in Purpose]
    text = path.read_text()
    for key in keys:
        assert key.hex() not in text and base64.b64encode(key).decode() not in text


@pytest.mark.parametrize(
    ("key_id", "tenant", "associated", "error"),
    [
        ("side-row:2026-11", "default", b"there", DecryptionFailed),
        ("side-row:2026-11", "other", b"here", DecryptionFailed),
        ("surrogate:2026-11", "default", b"here", DecryptionFailed),
        ("side-row:lasting", "default", b"here", DecryptionFailed),
        ("side-row:2026-10", "default", b"here", KeyUnavailable),
        ("side-row:2026-11", "nobody", b"here", KeyUnavailable),
        ("unknown:2026-11", "default", b"here", KeyUnavailable),
        ("", "default", b"here", KeyUnavailable),
    ],
)
def test_a_value_opens_in_its_own_place_only(
    keyring: Keyring, key_id: str, tenant: str, associated: bytes, error: type[GuardError]
) -> None:
    _, sealed = keyring.seal(b"value", tenant="default", associated=b"here")
    keyring.seal(b"", tenant="other", associated=b"")
    keyring.seal(b"", tenant="default", associated=b"", purpose=Purpose.SECRET)
    with pytest.raises(error):
        keyring.open(key_id, sealed, tenant=tenant, associated=associated)


def test_opening_never_makes_a_key(keyring: Keyring, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeyUnavailable):
        keyring.open("side-row:2026-11", bytes(60), tenant="default", associated=b"")
    assert path.read_bytes() == before


def test_threads_share_one_keyring(keyring: Keyring) -> None:
    def work(number: int) -> bytes:
        place = str(number).encode()
        key_id, sealed = keyring.seal(place, tenant="default", associated=place)
        return keyring.open(key_id, sealed, tenant="default", associated=place)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(500))) == [str(number).encode() for number in range(500)]


# Epochs ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("day", "epoch"),
    [
        ("2026-11-01T00:00:00", "2026-11"),
        ("2026-11-30T23:59:59", "2026-11"),
        ("2026-12-01T00:00:00", "2026-12"),
        ("2027-01-01T00:00:00", "2027-01"),
    ],
)
def test_an_epoch_is_a_month_in_utc(keyring: Keyring, clock: Clock, day: str, epoch: str) -> None:
    clock.set(day)
    assert keyring.epoch() == epoch


def test_a_new_epoch_seals_under_a_new_key_and_opens_the_old(keyring: Keyring, clock: Clock) -> None:
    november = keyring.seal(b"old", tenant="default", associated=b"")
    clock.set("2026-12-01")
    december = keyring.seal(b"new", tenant="default", associated=b"")
    assert (november[0], december[0]) == ("side-row:2026-11", "side-row:2026-12")
    assert keyring.open(*november, tenant="default", associated=b"") == b"old"
    with pytest.raises(DecryptionFailed):
        keyring.open(november[0], december[1], tenant="default", associated=b"")


@pytest.mark.parametrize("purpose", Purpose)
def test_purpose_keys_change_with_the_epoch_unless_they_last(
    keyring: Keyring, clock: Clock, purpose: Purpose
) -> None:
    before = keyring.purpose_key(purpose, tenant="default", context="crm")
    clock.set("2026-12-01")
    after = keyring.purpose_key(purpose, tenant="default", context="crm")
    assert (before == after) == purpose.lasting


def test_purpose_keys_differ_by_purpose_tenant_and_context(keyring: Keyring) -> None:
    keys = {
        keyring.purpose_key(purpose, tenant=tenant, context=context)
        for purpose in Purpose
        for tenant in ("a", "b")
        for context in ("", "crm", "hr")
    }
    assert len(keys) == len(Purpose) * 6


# Shredding ---------------------------------------------------------------------------------
def test_a_key_that_is_destroyed_in_the_file_is_gone_in_every_process(
    keyring: Keyring, path: Path, clock: Clock
) -> None:
    """Also in one that has used it a moment ago."""
    old = keyring.seal(b"old", tenant="default", associated=b"")
    clock.set("2026-12-01")
    new = keyring.seal(b"new", tenant="default", associated=b"")
    shred(path, "default/2026-11")
    for ring in (keyring, Keyring.load(path, clock=clock)):
        with pytest.raises(KeyUnavailable, match=r"side-row:2026-11 of tenant default"):
            ring.open(*old, tenant="default", associated=b"")
        assert ring.open(*new, tenant="default", associated=b"") == b"new"


def test_nothing_is_sealed_under_a_key_that_was_destroyed(keyring: Keyring, path: Path, clock: Clock) -> None:
    surrogates = keyring.purpose_key(Purpose.SURROGATE, tenant="default")
    old = keyring.seal(b"old", tenant="default", associated=b"")
    shred(path, "default/2026-11")
    again = keyring.seal(b"again", tenant="default", associated=b"")
    restarted = Keyring.load(path, clock=clock)
    assert restarted.open(*again, tenant="default", associated=b"") == b"again"
    assert keyring.purpose_key(Purpose.SURROGATE, tenant="default") != surrogates
    with pytest.raises(DecryptionFailed):
        keyring.open(*old, tenant="default", associated=b"")


def test_without_its_file_a_keyring_neither_seals_nor_opens(keyring: Keyring, path: Path) -> None:
    key_id, sealed = keyring.seal(b"value", tenant="default", associated=b"")
    path.unlink()
    with pytest.raises(KeyUnavailable, match=str(path)):
        keyring.open(key_id, sealed, tenant="default", associated=b"")
    with pytest.raises(KeyUnavailable, match=str(path)):
        keyring.seal(b"value", tenant="default", associated=b"")


# Signing -----------------------------------------------------------------------------------
def test_the_signing_key_stays_and_is_the_installations_own(
    keyring: Keyring, path: Path, clock: Clock, tmp_path: Path
) -> None:
    signer = keyring.signer()
    clock.set("2031-01-01")
    assert Keyring.load(path, clock=clock).signer().public == signer.public
    assert Keyring.create(tmp_path / "other").signer().public != signer.public
    Ed25519PublicKey.from_public_bytes(signer.public).verify(signer.sign(b"message"), b"message")


def test_a_crash_while_writing_leaves_the_old_file(
    keyring: Keyring, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.seal(b"", tenant="default", associated=b"")
    before = path.read_bytes()

    def crash(source: object, target: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        keyring.seal(b"", tenant="new", associated=b"")
    assert path.read_bytes() == before
    Keyring.load(path)
