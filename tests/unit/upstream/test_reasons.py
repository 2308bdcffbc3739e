"""Of what a provider says about a refusal, words of a closed list are told on and nothing else."""

from __future__ import annotations

import pytest

from guard.upstream.reasons import HEADER, PLACE_HEADER, REASONS, told


@pytest.mark.parametrize("reason", REASONS)
def test_a_known_reason_is_told_with_its_place(reason: str) -> None:
    assert told({HEADER: reason, PLACE_HEADER: "inputs[12]"}) == (REASONS[reason], "inputs[12]")
    assert told({HEADER: reason}) == (REASONS[reason], None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {HEADER: "maria@kestrel-labs.com", PLACE_HEADER: "inputs[1]"},
        {HEADER: "", PLACE_HEADER: "inputs[1]"},
        {PLACE_HEADER: "inputs[1]"},
    ],
)
def test_anything_else_says_nothing(headers: dict[str, str]) -> None:
    assert told(headers) == ("", None)


@pytest.mark.parametrize("place", ["inputs[12345]", "inputs[1] maria", "maria", "inputs[-1]", "inputs[1]\n"])
def test_a_place_is_a_small_number(place: str) -> None:
    assert told({HEADER: "shape_other", PLACE_HEADER: place}) == (REASONS["shape_other"], None)
