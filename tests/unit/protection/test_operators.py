"""Operators that need nothing but the value."""

from __future__ import annotations

import pytest

from guard.domain.decision import Obligation, Operator
from guard.domain.exchange import Replacement
from guard.domain.finding import Finding
from guard.errors import UnknownOperator
from guard.protection.apply import apply
from guard.protection.operators import OPERATORS, change


def obligation(operator: Operator, **parameters: int) -> Obligation:
    """Return an obligation about an account number."""
    finding = Finding(entity_type="IBAN_CODE", start=0, end=1, score=0.9, recognizer="t")
    return Obligation(finding=finding, operator=operator, rule="r", parameters=dict(parameters))


@pytest.mark.parametrize(
    ("value", "keep_last", "masked"),
    [
        ("DE89 3704", 0, "**** ****"),
        ("DE89 3704", 2, "**** **04"),
        ("DE89 3704", 4, "**** 3704"),
        ("DE89 3704", 5, "**** 3704"),
        ("ab", 1, "*b"),
        ("a", 1, "*"),
        ("", 3, ""),
        ("中文é-1", 1, "***-1"),
        ("+-", 2, "+-"),
    ],
)
def test_mask(value: str, keep_last: int, masked: str) -> None:
    """At most half of the letters and digits stays readable."""
    assert change(obligation(Operator.MASK, keep_last=keep_last), value) == masked


def test_redact_leaves_the_type() -> None:
    assert change(obligation(Operator.REDACT), "DE89 3704") == "[IBAN_CODE]"


def test_a_surrogate_that_nothing_could_restore_is_redacted() -> None:
    assert change(obligation(Operator.SURROGATE), "DE89 3704") == "[IBAN_CODE]"


@pytest.mark.parametrize("operator", [one for one in Operator if one not in {*OPERATORS, Operator.SURROGATE}])
def test_others_are_refused(operator: Operator) -> None:
    with pytest.raises(UnknownOperator) as failure:
        change(obligation(operator), "DE89 3704")
    assert operator.word in failure.value.message and "DE89" not in failure.value.message


def test_apply() -> None:
    changes = [Replacement(start=1, end=3, text="X"), Replacement(start=3, end=3, text="Y")]
    assert apply("abcde", changes) == "aXYde"
    assert apply("abcde", []) == "abcde"
