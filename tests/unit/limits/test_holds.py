"""From the limits of a key to what its next exchange holds."""

from __future__ import annotations

import pytest

from guard.domain.event import Hold, HoldUnit
from guard.domain.principal import Limits, Principal
from guard.limits.holds import holds_of

REQUESTS = Hold(key="id-1", unit=HoldUnit.REQUESTS, amount=1, cap=20, window=60)
CONCURRENT = Hold(key="id-1", unit=HoldUnit.CONCURRENT, amount=1, cap=3, window=0)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), ()),
        (Limits(requests_per_minute=20), (REQUESTS,)),
        (Limits(concurrency=3), (CONCURRENT,)),
        (Limits(requests_per_minute=20, concurrency=3), (REQUESTS, CONCURRENT)),
    ],
    ids=["none", "requests", "concurrency", "both"],
)
def test_each_limit_is_one_hold_on_the_key(limits: Limits, expected: tuple[Hold, ...]) -> None:
    principal = Principal(
        key_id="id-1",
        tenant="default",
        application="crm",
        models=("*",),
        purposes=("general",),
        limits=limits,
    )
    assert holds_of(principal) == expected


def test_a_limit_of_nothing_lets_nothing_through() -> None:
    principal = Principal(
        key_id="id-1",
        tenant="default",
        application="crm",
        models=("*",),
        purposes=("general",),
        limits=Limits(requests_per_minute=0),
    )
    assert [hold.cap for hold in holds_of(principal)] == [0]
