"""How a finding is changed: one file an operator. They do not know each other.

``keep`` and ``block`` change nothing (a block is a refusal before anything is applied);
``surrogate`` needs the exchange's scope and stands in ``surrogate.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from guard.domain.decision import Obligation, Operator
from guard.errors import UnknownOperator
from guard.protection.operators.mask import mask
from guard.protection.operators.redact import redact

__all__ = ["change"]

OPERATORS: Mapping[Operator, Callable[[Obligation, str], str]] = MappingProxyType(
    {Operator.MASK: mask, Operator.REDACT: redact}
)


def change(obligation: Obligation, value: str) -> str:
    """Return what stands in place of ``value``. Raises ``UnknownOperator``.

    For operators that need nothing but the value. Where a surrogate is asked for and
    nothing could restore it (answers), the value is redacted, which protects more.
    """
    if obligation.operator is Operator.SURROGATE:
        return redact(obligation, value)
    operator = OPERATORS.get(obligation.operator)
    if operator is None:
        raise UnknownOperator(f"the operator {obligation.operator.word} cannot change a text")
    return operator(obligation, value)
