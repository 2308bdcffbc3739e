"""A copy is known as one, whatever its order, format or names; strangers are not taken for copies."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.datasets import identity
from guard.datasets.identity import RowsDigest, RowsSketch, Sketch, shared_fraction
from guard.datasets.values import Value, spelled

KEY = bytes(range(32))
Rows = Sequence[dict[str, Value]]


def digest_of(rows: Rows) -> RowsDigest:
    digest = RowsDigest()
    for row in rows:
        digest.add(row)
    return digest


def sketch_of(rows: Rows, key: bytes = KEY) -> Sketch:
    drawn = RowsSketch(key)
    for row in rows:
        drawn.add(row)
    return drawn.sketch()


def people(first: int, last: int) -> list[dict[str, Value]]:
    """Return people of many ages and towns; no two are alike."""
    return [
        {
            "id": number,
            "name": f"n{number * 7919}",
            "age": number * 31 % 80,
            "town": f"town {number * 17 % 50}",
            "paid": number * 1.25,
        }
        for number in range(first, last)
    ]


@given(
    st.lists(st.fixed_dictionaries({"a": st.text(max_size=5), "b": st.integers()}), min_size=1), st.randoms()
)
def test_order_of_rows_and_columns_makes_no_difference(
    rows: list[dict[str, str | int]], chance: random.Random
) -> None:
    other: list[dict[str, Value]] = [dict(reversed(row.items())) for row in rows]
    chance.shuffle(other)
    plain: Rows = [dict(row) for row in rows]
    assert digest_of(plain).identity() == digest_of(other).identity()
    assert sketch_of(plain) == sketch_of(other)


@given(st.lists(st.fixed_dictionaries({"a": st.text(max_size=5)}), max_size=9), st.integers(0, 9))
def test_a_digest_goes_on_from_where_it_stopped(rows: list[dict[str, str]], stop: int) -> None:
    plain: Rows = [dict(row) for row in rows]
    rest = RowsDigest(digest_of(plain[:stop]).total)
    for row in plain[stop:]:
        rest.add(row)
    assert rest.identity() == digest_of(plain).identity()


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
    one, other = sketch_of(people(0, 10_000)), sketch_of(people(first, first + 10_000))
    assert shared_fraction(one, other) == pytest.approx(share, abs=0.08)
    assert shared_fraction(one, other) == shared_fraction(other, one)


def test_small_datasets_are_compared_exactly() -> None:
    one, other = sketch_of(people(0, 10)), sketch_of(people(5, 15))
    assert shared_fraction(one, other) == pytest.approx(0.5)


@pytest.mark.parametrize("part", [200, 1000, 5000])
def test_a_small_part_of_a_large_dataset_is_seen_whole(monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    """A large dataset is thinned, but never so much that a part could hide in it."""
    monkeypatch.setattr(identity, "FEW", 64)
    large, small = sketch_of(people(0, 40_000)), sketch_of(people(0, part))
    assert large.level == identity.THINNEST and len(large.marks) < 1000
    assert shared_fraction(large, small) == 1.0 == shared_fraction(small, large)


Disguise = Callable[[list[dict[str, Value]]], list[dict[str, Value]]]


def renamed(rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
    return [{f"x{number}": value for number, value in enumerate(row.values())} for row in rows]


DISGUISES: dict[str, Disguise] = {
    "a changed row": lambda rows: [{**rows[0], "age": 999}, *rows[1:]],
    "half of the rows": lambda rows: rows[::2],
    "a fifth of the rows, renamed": lambda rows: renamed(rows[::5]),
    "rows of strangers added": lambda rows: [*rows, *people(50_000, 50_000 + 3 * len(rows))],
    "columns renamed": renamed,
    "columns in another order": lambda rows: [dict(reversed(row.items())) for row in rows],
    "a constant column added": lambda rows: [{**row, "year": 2026} for row in rows],
    "an empty column added, half of the rows": lambda rows: [{**row, "note": "?"} for row in rows[::2]],
    "two random columns added": lambda rows: [
        {**row, "r": number * 7 % 13, "s": number * 5 % 17} for number, row in enumerate(rows)
    ],
    "a column dropped": lambda rows: [{k: v for k, v in row.items() if k != "id"} for row in rows],
    "two columns only": lambda rows: [{"a": row["age"], "b": row["town"]} for row in rows],
    "the id rounded": lambda rows: [{**row, "id": int(str(row["id"])) // 10} for row in rows],
    "every row twice": lambda rows: [*rows, *rows],
    "every row with a new one five times": lambda rows: rows + people(90_000, 90_000 + len(rows)) * 5,
    "numbers written otherwise": lambda rows: [{**row, "id": f"{row['id']}.0"} for row in rows],
    "letters and blanks": lambda rows: [{**row, "name": f"  {str(row['name']).upper()} "} for row in rows],
}


@pytest.mark.parametrize("what", DISGUISES)
@pytest.mark.parametrize("count", [60, 3000])
def test_a_copy_in_disguise_is_recognised(what: str, count: int) -> None:
    rows = people(0, count)
    assert shared_fraction(sketch_of(rows), sketch_of(DISGUISES[what](rows))) > 0.5


def test_strangers_of_the_same_shape_are_not_taken_for_copies() -> None:
    assert shared_fraction(sketch_of(people(0, 3000)), sketch_of(people(3000, 6000))) == 0.0
    chance = random.Random(4)
    numbered: list[Rows] = [
        [{"id": number, "sex": chance.choice("fm"), "kg": chance.gauss(70, 9)} for number in range(500)]
        for _ in range(2)
    ]
    assert shared_fraction(sketch_of(numbered[0]), sketch_of(numbered[1])) < 0.05


def test_what_two_disguises_at_once_hide_is_not_recognised() -> None:
    """Decision 16 says so; if this fails, the sketch has become better than its words."""
    rows = people(0, 3000)
    hidden: Rows = [{**row, "id": int(str(row["id"])) // 10} for row in rows[1:]]
    assert shared_fraction(sketch_of(rows), sketch_of(hidden)) < 0.05


def test_without_the_key_nobody_can_look_a_row_up() -> None:
    rows = people(0, 100)
    one, other = sketch_of(rows), sketch_of(rows, bytes(32))
    assert not one.marks & other.marks and not set(one.columns) & set(other.columns)


def test_a_sketch_of_nothing_shares_nothing() -> None:
    assert shared_fraction(sketch_of([]), sketch_of(people(0, 10))) == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (39, "39"), ("39", "39"), ("39.0", "39"), (39.0, "39"), ("3.9e1", "39"), ("-0", "0"), ("０４", "4"),
        (None, ""), ("?", ""), ("NaN", ""), ("  A\tb ", "a b"), ("STRASSE", "strasse"), ("straße", "strasse"),
    ],
)  # fmt: skip
def test_a_value_has_one_spelling(value: Value, text: str) -> None:
    assert spelled(value) == text
