"""The port of the root key: what every provider must do (the local one is the only one yet)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guard.errors import DecryptionFailed
from guard.keys.provider import KeyProvider, LocalProvider

KEY = bytes(range(100, 132))
PROVIDERS: dict[str, Callable[[bytes], KeyProvider]] = {"local": LocalProvider}


@pytest.fixture(params=list(PROVIDERS))
def make(request: pytest.FixtureRequest) -> Callable[[bytes], KeyProvider]:
    """Every implementation, made of a root key."""
    return PROVIDERS[request.param]


def test_a_wrapped_key_is_unwrapped_by_any_provider_of_the_same_root(
    make: Callable[[bytes], KeyProvider],
) -> None:
    wrapped = make(bytes(32)).wrap(KEY, tenant="default", name="default/2026-11")
    assert make(bytes(32)).unwrap(wrapped, tenant="default", name="default/2026-11") == KEY
    assert KEY not in wrapped


def test_wrapping_twice_gives_different_bytes(make: Callable[[bytes], KeyProvider]) -> None:
    provider = make(bytes(32))
    assert provider.wrap(KEY, tenant="t", name="n") != provider.wrap(KEY, tenant="t", name="n")


@pytest.mark.parametrize(
    ("root", "tenant", "name"),
    [(b"\x01" * 32, "default", "name"), (bytes(32), "other", "name"), (bytes(32), "default", "other")],
    ids=["another root", "another tenant", "another name"],
)
def test_a_wrapped_key_is_bound_to_root_tenant_and_name(
    make: Callable[[bytes], KeyProvider], root: bytes, tenant: str, name: str
) -> None:
    wrapped = make(bytes(32)).wrap(KEY, tenant="default", name="name")
    with pytest.raises(DecryptionFailed):
        make(root).unwrap(wrapped, tenant=tenant, name=name)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_root_key_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        LocalProvider(bytes(size))
