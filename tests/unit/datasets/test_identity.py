"""A copy is known as one, whatever its order or format; overlaps are estimated well enough."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.datasets.identity import RowsDigest, shared_fraction

KEY = bytes(range(32))
Rows = Sequence[dict[str, str | int | float | None]]


def digest_of(rows: Rows) -> RowsDigest:
    digest = RowsDigest(KEY)
    for row in rows:
        digest.add(row)
    return digest


def people(first: int, last: int) -> Rows:
    return [{"id": number, "name": f"n{number * 7919}"} for number in range(first, last)]


@given(
    st.lists(st.fixed_dictionaries({"a": st.text(max_size=5), "b": st.integers()}), min_size=1), st.randoms()
)
def test_order_of_rows_and_columns_makes_no_difference(
    rows: list[dict[str, str | int]], chance: random.Random
) -> None:
    other: Rows = [dict(reversed(row.items())) for row in rows]
    shuffled = list(other)
    chance.shuffle(shuffled)
    plain: Rows = [dict(row) for row in rows]
    assert digest_of(plain).identity() == digest_of(shuffled).identity()


def test_a_number_counts_as_it_is_written() -> None:
    assert digest_of([{"a": 39}]).identity() == digest_of([{"a": "39"}]).identity()


def test_one_changed_or_repeated_row_is_another_dataset() -> None:
    rows = people(0, 50)
    names = {
        digest_of(rows).identity(),
        digest_of(rows[:-1]).identity(),
        digest_of([*rows, rows[0]]).identity(),
    }
    assert len(names) == 3


@pytest.mark.parametrize(("first", "share"), [(0, 1.0), (5_000, 0.5), (9_000, 0.1), (10_000, 0.0)])
def test_the_shared_fraction_is_estimated(first: int, share: float) -> None:
    one = digest_of(people(0, 10_000)).sketch()
    other = digest_of(people(first, first + 10_000)).sketch()
    assert shared_fraction(one, other) == pytest.approx(share, abs=0.08)
    assert shared_fraction(one, other) == shared_fraction(other, one)


def test_a_small_part_of_a_large_dataset_is_seen_whole() -> None:
    large = digest_of(people(0, 20_000)).sketch()
    small = digest_of(people(0, 5_000)).sketch()
    assert shared_fraction(large, small) > 0.8


def test_small_datasets_are_compared_exactly() -> None:
    one, other = digest_of(people(0, 10)).sketch(), digest_of(people(5, 15)).sketch()
    assert shared_fraction(one, other) == pytest.approx(0.5)
