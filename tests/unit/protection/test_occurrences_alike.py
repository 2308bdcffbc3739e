"""Values that begin alike cost no more than others, and are found the same."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from guard.protection.occurrences import Occurrences

PIECES = st.lists(st.sampled_from(["a", "1", ".", "-", " ", "@", "é"]), min_size=1, max_size=4).map("".join)


@given(st.sets(PIECES, min_size=17, max_size=40), st.lists(PIECES, max_size=40).map("".join))
def test_many_values_are_found_where_each_alone_is(values: set[str], text: str) -> None:
    together = sorted(Occurrences(values).find(text))
    alone = sorted(found for value in values for found in Occurrences([value]).find(text))
    assert together == alone


def seconds(values: Sequence[str]) -> float:
    """Return how long it takes to find every value in a text of them all, at best."""
    occurrences, text = Occurrences(values), " ".join(values)

    def once() -> float:
        began = time.perf_counter()
        assert sum(1 for _ in occurrences.find(text)) == len(values)
        return time.perf_counter() - began

    return min(once() for _ in range(3))


def test_thousands_of_values_that_begin_alike_take_no_time_of_their_own() -> None:
    alike = [f"u.{number}x@kestrel-labs.com" for number in range(4000)]
    apart = [f"u{number}.x@kestrel-labs.com" for number in range(4000)]
    assert seconds(alike) < 20 * seconds(apart)
