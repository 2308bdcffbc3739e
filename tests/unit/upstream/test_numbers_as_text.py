"""A number is screened as people would write it, however it stands in the body."""

from __future__ import annotations

import json

import pytest

from guard.upstream.dialects.openai_chat import read
from guard.upstream.json_text import BodyLimits

CARD = "4539148803436467"


@pytest.mark.parametrize("written", [CARD, f"{CARD}.0", "4.539148803436467e15", "4.539148803436467E+15"])
def test_a_card_is_read_from_an_integer_a_float_and_an_exponent(written: str) -> None:
    body = f'{{"model":"m","messages":[{{"role":"user","content":"x"}}],"metadata":{{"a":{written}}}}}'
    reading = read(body.encode(), BodyLimits())
    assert CARD in [part.text for part in reading.parts]


@pytest.mark.parametrize("written", ["1e300", "0.5", "1234567.25", "-0.0", "1e-300"])
def test_a_number_without_a_finding_travels_as_it_came(written: str) -> None:
    body = f'{{"model":"m","messages":[{{"role":"user","content":"x"}}],"metadata":{{"a":{written}}}}}'
    sent = json.loads(read(body.encode(), BodyLimits()).write({}, model="m"))
    assert repr(sent["metadata"]["a"]) == repr(float(written))
