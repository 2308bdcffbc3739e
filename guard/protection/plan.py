"""Plan the replacements of a whole request, before anything is changed (DESIGN §2, §5).

Every finding that is not kept is replaced. A value that was found is also replaced at
each other occurrence with the same code points whose neighbours are no letters or digits,
in all screened texts; the most protective of its decisions counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from guard.domain.decision import Decision, Obligation, Operator
from guard.domain.entities import CATALOGUE, Evidence, Group, tokens_in
from guard.domain.exchange import Encoding, Part, PartKind, Replacement
from guard.domain.json_escapes import decode, escape
from guard.errors import ProtectionFailed, SurrogateInvalid
from guard.protection.occurrences import Occurrences
from guard.protection.operators import change
from guard.protection.surrogate import Surrogates

__all__ = ["Original", "Plan", "plan"]

LEAST = 8
"""Shorter values without a checksum do not propagate: they would hit unrelated text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What a surrogate stands for, in this exchange only."""

    value: str = field(repr=False)
    entity_type: str
    group: Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``replacements[i]`` are those of part ``i``, by start and not overlapping.

    ``vault``: originals by upper-case token. ``seen``: surrogates that stood in the input
    already. ``prefix_changed``: parts that changed only because a value was recognised in
    a later part.
    """

    replacements: tuple[tuple[Replacement, ...], ...]
    vault: Mapping[str, Original] = field(repr=False)
    seen: int
    prefix_changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One span of a part's text and the obligation that decides about it."""

    start: int
    end: int
    obligation: Obligation


def plan(parts: Sequence[Part], decision: Decision, surrogates: Surrogates) -> Plan:
    """Return the plan for ``parts``.

    Raises ``SurrogateInvalid`` if two values would share a surrogate, and
    ``ProtectionFailed`` if a value that must be replaced stands in an id.
    """
    strongest = _strongest(parts, decision)
    spreading = Occurrences(
        value
        for value, obligation in strongest.items()
        if obligation.operator is not Operator.KEEP and _propagates(value, obligation)
    )
    vault: dict[str, Original] = {}
    planned: list[tuple[Replacement, ...]] = []
    seen = prefix_changed = 0
    known: set[str] = set()
    for part, obligations in zip(parts, decision.obligations, strict=True):
        changes, own = _direct(part, obligations, strongest)
        spread = list(_spread(part, spreading, strongest))
        prefix_changed += any(value not in known and value not in own for value, _ in spread)
        known |= own
        merged = _merged([*changes, *(change_ for _, change_ in spread)])
        if merged and part.kind is PartKind.STRUCTURAL:
            raise ProtectionFailed(
                f"{merged[0].obligation.finding.entity_type} inside an id, which cannot be changed safely",
                code="personal_data_in_id",
                position=part.position,
            )
        planned.append(tuple(_replacement(part, one, surrogates, vault) for one in merged))
        seen += len(tokens_in(part.text))
    return Plan(replacements=tuple(planned), vault=vault, seen=seen, prefix_changed=prefix_changed)


def _value(part: Part, start: int, end: int) -> str:
    source = part.text[start:end]
    return decode(source).text if part.encoding is Encoding.JSON else source


def _strongest(parts: Sequence[Part], decision: Decision) -> dict[str, Obligation]:
    """Return the most protective obligation of each value that was found."""
    strongest: dict[str, Obligation] = {}
    for part, obligations in zip(parts, decision.obligations, strict=True):
        for obligation in obligations:
            value = _value(part, obligation.finding.start, obligation.finding.end)
            known = strongest.get(value)
            if known is None or obligation.operator > known.operator:
                strongest[value] = obligation
    return strongest


def _propagates(value: str, obligation: Obligation) -> bool:
    row = CATALOGUE[obligation.finding.entity_type]
    if not row.propagates:
        return False
    return row.evidence is Evidence.CHECKSUM or (len(value) >= LEAST and any(c.isdigit() for c in value))


def _direct(
    part: Part, obligations: Sequence[Obligation], strongest: Mapping[str, Obligation]
) -> tuple[list[_Change], set[str]]:
    """Return the changes of the part's own findings, and their values."""
    changes: list[_Change] = []
    own: set[str] = set()
    for obligation in obligations:
        start, end = obligation.finding.start, obligation.finding.end
        value = _value(part, start, end)
        own.add(value)
        best = strongest[value] if _propagates(value, obligation) else obligation
        if best.operator is not Operator.KEEP:
            changes.append(_Change(start=start, end=end, obligation=best))
    return changes, own


def _spread(
    part: Part, spreading: Occurrences, strongest: Mapping[str, Obligation]
) -> Iterator[tuple[str, _Change]]:
    """Yield the occurrences of values that were found anywhere in the request."""
    if not spreading:
        return
    if part.encoding is Encoding.JSON and "\\" in part.text:
        decoded = decode(part.text)
        for value, start, end in spreading.find(decoded.text):
            low, high = decoded.source(start, end)
            yield value, _Change(start=low, end=high, obligation=strongest[value])
        return
    for value, start, end in spreading.find(part.text):
        yield value, _Change(start=start, end=end, obligation=strongest[value])


def _merged(changes: list[_Change]) -> list[_Change]:
    """Return changes by start; those that overlap become one, so that no piece is left."""
    changes.sort(key=lambda one: (one.start, -one.end))
    merged: list[_Change] = []
    for one in changes:
        if merged and one.start < merged[-1].end:
            last = merged.pop()
            stronger = one if one.obligation.operator > last.obligation.operator else last
            merged.append(
                _Change(start=last.start, end=max(last.end, one.end), obligation=stronger.obligation)
            )
        else:
            merged.append(one)
    return merged


def _replacement(part: Part, one: _Change, surrogates: Surrogates, vault: dict[str, Original]) -> Replacement:
    value = _value(part, one.start, one.end)
    if one.obligation.operator is Operator.SURROGATE:
        text = _surrogate(one.obligation.finding.entity_type, value, surrogates, vault)
    else:
        text = change(one.obligation, value)
    if part.encoding is Encoding.JSON:
        text = escape(text)
    return Replacement(start=one.start, end=one.end, text=text)


def _surrogate(entity_type: str, value: str, surrogates: Surrogates, vault: dict[str, Original]) -> str:
    token = surrogates.token(entity_type, value)
    original = Original(value=value, entity_type=entity_type, group=CATALOGUE[entity_type].group)
    if vault.setdefault(token, original).value != value:
        raise SurrogateInvalid("two values of this request would share a surrogate")
    return surrogates.write(entity_type, token)
