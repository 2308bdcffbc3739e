"""What is done to each value before it is written: per column, and per finding inside texts.

A column that is kept is still screened value by value on the way: a sample proves nothing
about the rest. What is found there is changed by the policy's rule for its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from guard.datasets.survey import Survey
from guard.datasets.values import Value, parsed
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

__all__ = ["Transformer", "columns_after", "plan_transforms"]

REMEMBERED = 50_000
TEXTUAL = (TransformWord.MASK, TransformWord.SURROGATE, TransformWord.PSEUDONYMISE)
LEAST_SHARE = 0.05
"""A type counts for a column's own transform if this share of the sample holds it; rarer
findings are changed one by one."""
LEAST_NUMBER = 100_000
"""Numbers of six digits and more are screened as texts are (DESIGN §2)."""


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
    change: Callable[[Value, Value], Value]
    """From a value as its kind has it, and as it is written, to what is stored."""


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
        self.columns = columns_after(columns, transforms)

    def row(self, values: Mapping[str, Value]) -> list[Value]:
        """Return the protected values in the order of ``columns``."""
        return [
            prepared.change(parsed(written, prepared.kind), written)
            for prepared in self._prepared
            for written in (values.get(prepared.name),)
        ]

    def _change(self, transform: ColumnTransform, kind: ColumnKind) -> Callable[[Value, Value], Value]:
        name = transform.column
        if transform.word is TransformWord.KEEP:
            return lambda value, written: self._kept(name, value, written)
        change = self._whole(transform, kind)
        return lambda value, _: None if value is None else change(value)

    def _whole(self, transform: ColumnTransform, kind: ColumnKind) -> Callable[[str | int | float], Value]:
        name = transform.column
        if transform.word is TransformWord.SURROGATE:
            return lambda value: self._surrogates.named("VAL", name, str(value))
        if transform.word is TransformWord.PSEUDONYMISE:
            return lambda value: self._pseudonyms.named("PSN", name, str(value))
        if transform.word is TransformWord.MASK:
            keep = int(transform.parameters.get("keep_last", 0))
            return lambda value: _masked(str(value), keep)
        return _generaliser(transform, kind)

    def _kept(self, name: str, value: Value, written: Value) -> Value:
        """Return a kept value without what is found in it; a number with a finding becomes missing.

        What is looked at is what the source says: a number may have lost digits on the way.
        """
        if value is None or (not isinstance(value, str) and abs(value) < LEAST_NUMBER):
            return value
        text, types = self._screened(name, value if isinstance(value, str) else _digits(written))
        for found in types:
            self.changed[found] = self.changed.get(found, 0) + 1
        if isinstance(value, str):
            return text
        return None if types else value

    def _screen(self, name: str, text: str) -> tuple[str, tuple[str, ...]]:
        """Return a text without what is found in it, and the types; its header is context."""
        shown = f"{name}: {text}"
        start = len(shown) - len(text)
        changes = []
        types = []
        for finding in self._screener.screen(shown):
            first = max(finding.start, start)
            value = shown[first : finding.end]
            written = self._written(finding, value) if value else value
            if written != value:
                changes.append(Replacement(start=first - start, end=finding.end - start, text=written))
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


def columns_after(columns: Sequence[Column], transforms: Sequence[ColumnTransform]) -> tuple[Column, ...]:
    """Return the columns of the protected copy."""
    kinds = {column.name: column.kind for column in columns}
    return tuple(
        Column(name=transform.column, kind=_kind_after(transform, kinds[transform.column]))
        for transform in transforms
        if transform.word is not TransformWord.DROP
    )


def _kind_after(transform: ColumnTransform, kind: ColumnKind) -> ColumnKind:
    blurred = transform.word is TransformWord.GENERALISE and "keep_first" in transform.parameters
    return ColumnKind.TEXT if transform.word in TEXTUAL or blurred else kind


def _digits(written: Value) -> str:
    """Return a number as it may have stood before an export made 4930901820.0 of it."""
    text = str(written)
    whole, _, fraction = text.partition(".")
    return text if fraction.strip("0") else whole


def _masked(value: str, keep_last: int) -> str:
    finding = Finding(entity_type="", start=0, end=len(value), score=1.0, recognizer="")
    parameters = {"keep_last": keep_last}
    return change(Obligation(finding=finding, operator=Operator.MASK, rule="", parameters=parameters), value)


def _generaliser(transform: ColumnTransform, kind: ColumnKind) -> Callable[[str | int | float], Value]:
    width = transform.parameters.get("width")
    if width is None:
        first = int(transform.parameters["keep_first"])
        return lambda value: str(value)[:first]
    if kind is ColumnKind.TEXT:
        raise PolicyDenied(
            f"{transform.column!r} holds texts, which have no width; say keep_first", rules=(transform.rule,)
        )

    def ranged(value: str | int | float) -> Value:
        if isinstance(value, str):
            return None
        low = (value // width) * width
        return int(low) if kind is ColumnKind.INTEGER else float(low)

    return ranged
