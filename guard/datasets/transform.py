"""What is done to each value before it is written: per column, and per finding inside texts.

A column that is kept is still screened value by value on the way: a sample proves nothing
about the rest. What is found there is changed by the policy's rule for its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from guard.datasets.survey import Survey, parsed
from guard.domain.dataset import Column, ColumnKind, ColumnTransform, TransformWord
from guard.domain.decision import Obligation, Operator
from guard.domain.exchange import Replacement
from guard.domain.finding import Finding
from guard.domain.privacy import PrivacyUnit
from guard.errors import PolicyDenied
from guard.policy.dataset import DatasetPolicy
from guard.protection.apply import apply
from guard.protection.operators import change
from guard.protection.surrogate import Surrogates
from guard.screening.engine import Screener

__all__ = ["Transformer", "plan_transforms"]

REMEMBERED = 50_000
TEXTUAL = (TransformWord.MASK, TransformWord.SURROGATE, TransformWord.PSEUDONYMISE)
LEAST_SHARE = 0.05
"""A type counts for a column's own transform if this share of the sample holds it; rarer
findings are changed one by one."""
LEAST_NUMBER = 100_000
"""Numbers of six digits and more are screened as texts are (DESIGN §2)."""
Value = str | int | float | None


def plan_transforms(survey: Survey, policy: DatasetPolicy, unit: PrivacyUnit) -> tuple[ColumnTransform, ...]:
    """Return what policy does to each column.

    Raises ``PolicyDenied`` if it would drop or blur the column that names the user.
    """
    chosen = []
    for column in survey.columns:
        least = max(2, round(column.sampled * LEAST_SHARE))
        found = frozenset(name for name, count in column.found.items() if count >= least)
        action = policy.for_column(column.column.name, found)
        if column.column.name == unit.column and action.word not in (
            TransformWord.KEEP,
            TransformWord.SURROGATE,
            TransformWord.PSEUDONYMISE,
        ):
            raise PolicyDenied(
                f"the policy says {action.word} for {unit.column!r}, which names the user; "
                "let it say pseudonymise",
                rules=(action.rule,),
            )
        chosen.append(
            ColumnTransform(
                column=column.column.name, word=action.word, rule=action.rule, parameters=action.parameters
            )
        )
    return tuple(chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    name: str
    kind: ColumnKind
    change: Callable[[Value], Value]


class Transformer:
    """Changes rows. ``surrogates`` lead nowhere outside this dataset, ``pseudonyms`` join datasets.

    ``changed`` counts the findings that were changed inside kept texts, by type.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        transforms: Sequence[ColumnTransform],
        *,
        policy: DatasetPolicy,
        screener: Screener,
        surrogates: Surrogates,
        pseudonyms: Surrogates,
    ) -> None:
        self._policy = policy
        self._screener = screener
        self._surrogates = surrogates
        self._pseudonyms = pseudonyms
        self.changed: dict[str, int] = {}
        self._screened = lru_cache(REMEMBERED)(self._screen)
        kinds = {column.name: column.kind for column in columns}
        self._prepared = [
            _Prepared(
                name=transform.column,
                kind=kinds[transform.column],
                change=self._change(transform, kinds[transform.column]),
            )
            for transform in transforms
            if transform.word is not TransformWord.DROP
        ]
        self.columns = tuple(
            Column(name=transform.column, kind=_kind_after(transform, kinds[transform.column]))
            for transform in transforms
            if transform.word is not TransformWord.DROP
        )

    def row(self, values: Mapping[str, Value]) -> list[Value]:
        """Return the protected values in the order of ``columns``."""
        return [
            prepared.change(parsed(values.get(prepared.name), prepared.kind)) for prepared in self._prepared
        ]

    def _change(self, transform: ColumnTransform, kind: ColumnKind) -> Callable[[Value], Value]:
        name = transform.column
        if transform.word is TransformWord.SURROGATE:
            return lambda value: None if value is None else self._surrogates.named("VAL", name, str(value))
        if transform.word is TransformWord.PSEUDONYMISE:
            return lambda value: None if value is None else self._pseudonyms.named("PSN", name, str(value))
        if transform.word is TransformWord.MASK:
            keep = int(transform.parameters.get("keep_last", 0))
            return lambda value: None if value is None else _masked(str(value), keep)
        if transform.word is TransformWord.GENERALISE:
            return _generaliser(transform, kind)
        return self._kept

    def _kept(self, value: Value) -> Value:
        """Return a kept value without what is found in it; a number with a finding becomes missing."""
        if value is None or (not isinstance(value, str) and abs(value) < LEAST_NUMBER):
            return value
        written = value if isinstance(value, str) else f"{value:.0f}"
        text, types = self._screened(written)
        for name in types:
            self.changed[name] = self.changed.get(name, 0) + 1
        if isinstance(value, str):
            return text
        return None if types else value

    def _screen(self, text: str) -> tuple[str, tuple[str, ...]]:
        changes = []
        types = []
        for finding in self._screener.screen(text):
            value = text[finding.start : finding.end]
            written = self._written(finding, value)
            if written != value:
                changes.append(Replacement(start=finding.start, end=finding.end, text=written))
                types.append(finding.entity_type)
        return apply(text, changes), tuple(types)

    def _written(self, finding: Finding, value: str) -> str:
        action = self._policy.for_type(finding.entity_type)
        if action.word is TransformWord.KEEP:
            return value
        if action.word is TransformWord.SURROGATE:
            return self._surrogates.token(finding.entity_type, value)
        if action.word is TransformWord.PSEUDONYMISE:
            return self._pseudonyms.token(finding.entity_type, value)
        operator = Operator.MASK if action.word is TransformWord.MASK else Operator.REDACT
        obligation = Obligation(
            finding=finding, operator=operator, rule=action.rule, parameters=action.parameters
        )
        return change(obligation, value)


def _kind_after(transform: ColumnTransform, kind: ColumnKind) -> ColumnKind:
    blurred = transform.word is TransformWord.GENERALISE and "keep_first" in transform.parameters
    return ColumnKind.TEXT if transform.word in TEXTUAL or blurred else kind


def _masked(value: str, keep_last: int) -> str:
    finding = Finding(entity_type="", start=0, end=len(value), score=1.0, recognizer="")
    parameters = {"keep_last": keep_last}
    return change(Obligation(finding=finding, operator=Operator.MASK, rule="", parameters=parameters), value)


def _generaliser(transform: ColumnTransform, kind: ColumnKind) -> Callable[[Value], Value]:
    width = transform.parameters.get("width")
    if width is None:
        first = int(transform.parameters["keep_first"])
        return lambda value: None if value is None else str(value)[:first]
    if kind is ColumnKind.TEXT:
        raise PolicyDenied(
            f"{transform.column!r} holds texts, which have no width; say keep_first", rules=(transform.rule,)
        )

    def ranged(value: Value) -> Value:
        if value is None or isinstance(value, str):
            return None
        low = (value // width) * width
        return int(low) if kind is ColumnKind.INTEGER else float(low)

    return ranged
