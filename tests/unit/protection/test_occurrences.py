"""Where known values occur, against a slow twin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guard.protection.occurrences import Occurrences

pieces = st.lists(
    st.sampled_from(["ab1", "b1", "1", "-", " ", "é", "中", "_", "ab1-b1", "@", "x.y"]), max_size=12
)
values = st.lists(st.sampled_from(["ab1", "b1-ab1", "b1", "-b1", "x.y", "ab1 1", "é1", "中1"]), max_size=4)


def slow(text: str, wanted: str) -> list[tuple[str, int, int]]:
    """Look at every place."""

    def word(at: int) -> bool:
        return 0 <= at < len(text) and text[at].isalnum() and text[at] < "\u2e80"

    return [
        (wanted, at, at + len(wanted))
        for at in range(len(text))
        if text.startswith(wanted, at) and not word(at - 1) and not word(at + len(wanted))
    ]


@given(pieces.map("".join), values)
def test_the_same_as_the_slow_twin(text: str, wanted: list[str]) -> None:
    found = sorted(Occurrences(wanted).find(text))
    assert found == sorted(one for value in dict.fromkeys(wanted) for one in slow(text, value))


@given(pieces.map("".join), st.integers(0, 40))
def test_many_values_are_found_as_few_are(text: str, extra: int) -> None:
    wanted = ["ab1", "b1-ab1", "x.y"]
    many = [*wanted, *(f"nobody{number}" for number in range(extra * 20))]
    assert sorted(Occurrences(many).find(text)) == sorted(Occurrences(wanted).find(text))


def test_without_values_there_is_nothing_to_do() -> None:
    assert not Occurrences([])
    assert Occurrences(["ab1"])
