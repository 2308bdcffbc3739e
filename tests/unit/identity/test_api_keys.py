"""Application keys: their form, what is stored of them, and whom they let in."""

from __future__ import annotations

import hashlib
import hmac
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.domain.principal import Limits
from guard.errors import AuthenticationError
from guard.identity.api_keys import ALPHABET, KeyRecord, authenticate, generate, hash_key, well_formed
from guard.keys.keyring import Keyring
from guard.keys.purposes import Purpose

NOW = 1_764_000_000_000_000
ENTROPY = st.binary(min_size=32, max_size=64)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("GUARD_KEYRING", raising=False)
        return Keyring.create(Path(tmp_path_factory.mktemp("keys")) / "keyring")


def known(
    key: str, keyring: Keyring, *, expires: int | None = None, revoked: int | None = None
) -> dict[str, KeyRecord]:
    """Return the snapshot's keys with one record."""
    record = KeyRecord(
        id="id-1",
        hash=hash_key(key, keyring),
        tenant="default",
        application="crm",
        models=("gpt-*",),
        purposes=("support",),
        created=NOW - 10,
        expires=expires,
        revoked=revoked,
        limits=Limits(requests_per_minute=5),
    )
    return {record.hash: record}


class Untouchable(Mapping[str, KeyRecord]):
    """Keys that nobody may look up."""

    def __getitem__(self, key: str) -> KeyRecord:
        raise AssertionError("a look-up")

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a look-up")

    def __len__(self) -> int:
        raise AssertionError("a look-up")


# The form ----------------------------------------------------------------------------------
def checksum(text: str) -> str:
    """CRC-32 (IEEE 802.3, bit by bit) in base 62, most significant digit first."""
    remainder = 0xFFFFFFFF
    for byte in text.encode():
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0xEDB88320 if remainder & 1 else 0)
    value, digits = remainder ^ 0xFFFFFFFF, ""
    while len(digits) < 6:
        digits = ALPHABET[value % 62] + digits
        value //= 62
    return digits


@given(ENTROPY)
def test_a_key_has_prefix_thirty_characters_and_checksum(entropy: bytes) -> None:
    key = generate(entropy)
    assert re.fullmatch(r"gk_live_[0-9A-Za-z]{30}[0-9A-Za-z]{6}", key)
    assert key[-6:] == checksum(key[:-6])
    assert well_formed(key)


def test_a_golden_key() -> None:
    """Pinned when the format was chosen: scanners and validators elsewhere rely on it."""
    assert generate(bytes(range(32))) == "gk_live_flDIBkGwcRKRL9GXCgaFM3UNu2jQTC1HDCHQ"


def test_different_entropy_makes_different_keys() -> None:
    draw = random.Random(7)
    assert len({generate(draw.randbytes(32)) for _ in range(2000)}) == 2000


@pytest.mark.parametrize("size", [0, 16, 31])
def test_too_little_entropy_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32"):
        generate(bytes(size))


@given(ENTROPY, st.integers(8, 43), st.sampled_from(ALPHABET))
def test_any_single_typing_error_is_noticed(entropy: bytes, at: int, character: str) -> None:
    key = generate(entropy)
    typed = key[:at] + character + key[at + 1 :]
    assert well_formed(typed) == (typed == key)


@given(ENTROPY, st.integers(8, 42))
def test_any_two_neighbours_swapped_are_noticed(entropy: bytes, at: int) -> None:
    key = generate(entropy)
    typed = key[:at] + key[at + 1] + key[at] + key[at + 2 :]
    assert well_formed(typed) == (typed == key)


GOOD = generate(bytes(range(32)))
GARBAGE = [
    "sk-proj-1234567890",
    "gk_live_",
    "gk_live_nonsense",
    GOOD[:-1],
    GOOD + "0",
    GOOD + "\n",
    " " + GOOD,
    GOOD.upper(),
    GOOD.replace("gk_live_", "gk_test_"),
    GOOD[:8] + "é" + GOOD[9:],
    GOOD[:-6] + "000000",
    "\x00" * 44,
    "g" * 100_000,
]


@pytest.mark.parametrize("credential", GARBAGE, ids=lambda text: repr(text[:20]))
def test_garbage_is_refused_without_a_look_up(keyring: Keyring, credential: str) -> None:
    with pytest.raises(AuthenticationError, match="not a Guard key"):
        authenticate(credential, Untouchable(), keyring=keyring, now=NOW)


@pytest.mark.parametrize("credential", [None, ""])
def test_no_key_is_told_how_to_send_one(keyring: Keyring, credential: str | None) -> None:
    with pytest.raises(AuthenticationError) as refused:
        authenticate(credential, Untouchable(), keyring=keyring, now=NOW)
    assert refused.value.code == "missing_api_key"


# What is stored ----------------------------------------------------------------------------
def test_only_a_keyed_hash_is_stored(keyring: Keyring) -> None:
    pepper = keyring.purpose_key(Purpose.PEPPER, tenant="system")
    assert hash_key(GOOD, keyring) == hmac.new(pepper, GOOD.encode(), hashlib.sha256).hexdigest()
    assert hash_key(GOOD, keyring) != hashlib.sha256(GOOD.encode()).hexdigest()


def test_another_installation_stores_another_hash(keyring: Keyring, tmp_path: Path) -> None:
    assert hash_key(GOOD, Keyring.create(tmp_path / "keyring")) != hash_key(GOOD, keyring)


# Who gets in -------------------------------------------------------------------------------
def test_a_known_key_is_its_principal(keyring: Keyring) -> None:
    principal = authenticate(GOOD, known(GOOD, keyring), keyring=keyring, now=NOW)
    assert (principal.key_id, principal.tenant, principal.application) == ("id-1", "default", "crm")
    assert (principal.models, principal.purposes) == (("gpt-*",), ("support",))
    assert principal.limits == Limits(requests_per_minute=5)


ENDS: dict[str, tuple[dict[str, int], bool]] = {
    "without an end": ({}, True),
    "a moment before it expires": ({"expires": NOW + 1}, True),
    "when it expires": ({"expires": NOW}, False),
    "after it expired": ({"expires": NOW - 1}, False),
    "when it is revoked": ({"revoked": NOW}, False),
    "after it was revoked": ({"revoked": NOW - 1, "expires": NOW + 10**12}, False),
    "revoked in the future": ({"revoked": NOW + 1}, True),
}


@pytest.mark.parametrize(("changes", "valid"), ENDS.values(), ids=ENDS)
def test_a_key_ends_when_its_record_says(keyring: Keyring, changes: dict[str, int], valid: bool) -> None:
    keys = known(GOOD, keyring, **changes)
    if valid:
        assert authenticate(GOOD, keys, keyring=keyring, now=NOW).key_id == "id-1"
    else:
        with pytest.raises(AuthenticationError):
            authenticate(GOOD, keys, keyring=keyring, now=NOW)


def test_unknown_expired_and_revoked_keys_get_the_same_answer(keyring: Keyring) -> None:
    answers = set()
    for keys in (
        {},
        known(GOOD, keyring, expires=NOW - 5),
        known(GOOD, keyring, revoked=NOW - 5),
        known(generate(bytes(32)), keyring),
    ):
        with pytest.raises(AuthenticationError) as refused:
            authenticate(GOOD, keys, keyring=keyring, now=NOW)
        answers.add((refused.value.message, refused.value.code))
    assert len(answers) == 1


@pytest.mark.parametrize("credential", [GOOD, GARBAGE[0], GARBAGE[2]], ids=["unknown", "foreign", "short"])
def test_a_refusal_never_repeats_the_credential(keyring: Keyring, credential: str) -> None:
    with pytest.raises(AuthenticationError) as refused:
        authenticate(credential, {}, keyring=keyring, now=NOW)
    assert credential[8:] not in refused.value.message
