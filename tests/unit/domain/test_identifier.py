"""Identifiers: RFC 9562's layout, and that they sort by time."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.domain.identifier import uuid7

MOMENTS = st.integers(0, 2**48 * 1000 - 1)
ENTROPY = st.binary(min_size=10, max_size=10)


def test_the_example_of_rfc_9562_has_its_time_and_its_random_part() -> None:
    """Appendix A.6 draws the twelve bits after the milliseconds; ours are microseconds."""
    random = (0x18C4DC0C0C07398F & (2**62 - 1)).to_bytes(10, "big")
    ours = uuid7(microseconds=0x017F22E279B0 * 1000, entropy=random)
    assert ours == "017f22e2-79b0-7000-98c4-dc0c0c07398f"


@given(MOMENTS, ENTROPY)
def test_version_variant_and_time_are_where_they_belong(moment: int, entropy: bytes) -> None:
    value = uuid.UUID(uuid7(microseconds=moment, entropy=entropy))
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    milliseconds, fraction = value.int >> 80, value.int >> 64 & 0xFFF
    assert milliseconds == moment // 1000
    assert fraction == moment % 1000 * 4096 // 1000


@given(MOMENTS, MOMENTS, ENTROPY, ENTROPY)
def test_identifiers_sort_by_time(one: int, other: int, first: bytes, second: bytes) -> None:
    early, late = sorted((one, other))
    if early != late:
        assert uuid7(microseconds=early, entropy=first) < uuid7(microseconds=late, entropy=second)


@given(MOMENTS, ENTROPY, ENTROPY)
def test_all_random_bits_count(moment: int, one: bytes, other: bytes) -> None:
    same = int.from_bytes(one, "big") % 2**62 == int.from_bytes(other, "big") % 2**62
    ids = {uuid7(microseconds=moment, entropy=one), uuid7(microseconds=moment, entropy=other)}
    assert len(ids) == (1 if same else 2)


@pytest.mark.parametrize("size", [0, 9, 11])
def test_another_amount_of_entropy_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="ten bytes"):
        uuid7(microseconds=0, entropy=bytes(size))
