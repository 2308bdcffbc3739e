"""Plan the replacements of a whole request, before anything is changed (DESIGN §2, §5).

Every finding that is not kept is replaced. A value that was found is also replaced at
each other occurrence with the same code points whose neighbours are no letters or digits,
in all screened texts; the most protective of its decisions counts.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from guard.domain.decision import Decision, Obligation, Operator
from guard.domain.entities import CATALOGUE, Evidence, Group, tokens_in
from guard.domain.exchange import Encoding, Part, PartKind, Replacement
from guard.domain.json_escapes import decode, escape
from guard.errors import ProtectionFailed, SurrogateInvalid
from guard.protection.occurrences import Occurrences
from guard.protection.operators import change
from guard.protection.surrogate import Surrogates

__all__ = ["Original", "Plan", "plan", "plan_steps"]

Thing = TypeVar("Thing")

WORD = re.compile("[0-9A-Za-z]+")
LEAST = 8
"""Shorter values without a checksum do not propagate: they would hit unrelated text."""

TURN = 256
"""Values that are worked on before others get a turn."""

SENSITIVE = (Group.PAYMENT, Group.SECRET)
"""Of decisions with the same operator these are more protective: they are restored in fewer places."""


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

    @property
    def surrogate(self) -> bool:
        """Whether a surrogate takes its place."""
        return self.obligation.operator is Operator.SURROGATE


def plan(parts: Sequence[Part], decision: Decision, surrogates: Surrogates) -> Plan:
    """Return the plan for ``parts``.

    Raises ``SurrogateInvalid`` if two values would share a surrogate, and
    ``ProtectionFailed`` if a value that must be replaced stands in an id.
    """
    steps = plan_steps(parts, decision, surrogates)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            planned: Plan = done.value
            return planned


def plan_steps(
    parts: Sequence[Part], decision: Decision, surrogates: Surrogates
) -> Generator[None, None, Plan]:
    """Do the same, yielding now and then if there is much to do."""
    planning = _Planning(surrogates)
    values: list[list[str]] = []
    for part, obligations in zip(parts, decision.obligations, strict=True):
        values.append((yield from planning.learn(part, obligations)))
    yield from planning.spread()
    planned: list[tuple[Replacement, ...]] = []
    for part, own, obligations in zip(parts, values, decision.obligations, strict=True):
        planned.append((yield from planning.change(part, own, obligations)))
    return Plan(
        replacements=tuple(planned),
        vault=planning.vault,
        seen=planning.seen,
        prefix_changed=planning.prefix_changed,
    )


class _Planning:
    """What is known of a request's values while its plan is made."""

    def __init__(self, surrogates: Surrogates) -> None:
        self.vault: dict[str, Original] = {}
        self.seen = 0
        self.prefix_changed = 0
        self._surrogates = surrogates
        self._strongest: dict[str, Obligation] = {}
        self._known: dict[str, Obligation] = {}
        self._spreading = Occurrences(())

    def learn(self, part: Part, obligations: Sequence[Obligation]) -> Generator[None, None, list[str]]:
        """Take note of a part's values and return them."""
        own: list[str] = []
        for start in range(0, len(obligations), TURN):
            if start:
                yield
            piece = obligations[start : start + TURN]
            values = [_value(part, one.finding.start, one.finding.end) for one in piece]
            _strengthen(self._strongest, values, piece)
            own += values
        return own

    def spread(self) -> Generator[None, None, None]:
        """Prepare to look for every value everywhere; all are known by now."""
        for number, (value, obligation) in enumerate(self._strongest.items(), start=1):
            if obligation.operator is not Operator.KEEP and _propagates(value, obligation):
                self._spreading.add(value)
            if number % TURN == 0:
                yield

    def change(
        self, part: Part, own: Sequence[str], obligations: Sequence[Obligation]
    ) -> Generator[None, None, tuple[Replacement, ...]]:
        """Return a part's replacements."""
        changes: list[_Change] = []
        yield from _collected(_direct(part, own, obligations, self._strongest), changes)
        spread: list[tuple[str, _Change]] = []
        yield from _collected(_spread(part, self._spreading, self._strongest), spread)
        _strengthen(self._known, own, obligations)
        used = {*own, *(value for value, _ in spread)}
        self.prefix_changed += any(self._known.get(value) is not self._strongest[value] for value in used)
        direct = {(one.start, one.end) for one in changes}
        merged = _merged([*changes, *(one for _, one in spread if (one.start, one.end) not in direct)])
        if merged and part.kind is PartKind.STRUCTURAL:
            raise ProtectionFailed(
                f"{merged[0].obligation.finding.entity_type} inside an id, which cannot be changed safely",
                code="personal_data_in_id",
                position=part.position,
            )
        self.seen += len(tokens_in(part.text))
        replacements: list[Replacement] = []
        made = (_replacement(part, one, self._surrogates, self.vault) for one in merged)
        yield from _collected(made, replacements)
        return tuple(replacements)


def _collected(items: Iterable[Thing | None], into: list[Thing]) -> Generator[None, None, None]:
    """Collect ``items``, yielding after every ``TURN`` of them and for every ``None``."""
    for number, item in enumerate(items, start=1):
        if item is not None:
            into.append(item)
        if item is None or number % TURN == 0:
            yield


def _value(part: Part, start: int, end: int) -> str:
    source = part.text[start:end]
    return decode(source).text if part.encoding is Encoding.JSON else source


def _protection(obligation: Obligation) -> tuple[int, int]:
    """Return how protective an obligation is, to compare."""
    group = CATALOGUE[obligation.finding.entity_type].group
    return obligation.operator, SENSITIVE.index(group) + 1 if group in SENSITIVE else 0


def _strengthen(
    strongest: dict[str, Obligation], values: Sequence[str], obligations: Sequence[Obligation]
) -> None:
    """Keep the most protective obligation of each value."""
    for value, obligation in zip(values, obligations, strict=True):
        known = strongest.get(value)
        if known is None or _protection(obligation) > _protection(known):
            strongest[value] = obligation


def _propagates(value: str, obligation: Obligation) -> bool:
    row = CATALOGUE[obligation.finding.entity_type]
    if not row.propagates:
        return False
    return row.evidence is Evidence.CHECKSUM or (len(value) >= LEAST and any(c.isdigit() for c in value))


def _direct(
    part: Part, values: Sequence[str], obligations: Sequence[Obligation], strongest: Mapping[str, Obligation]
) -> Iterator[_Change]:
    """Yield the changes of the part's own findings."""
    for value, obligation in zip(values, obligations, strict=True):
        best = strongest[value] if _propagates(value, obligation) else obligation
        if best.operator is not Operator.KEEP:
            start, end = _whole_words(part, obligation.finding.start, obligation.finding.end)
            yield _Change(start=start, end=end, obligation=best)


def _whole_words(part: Part, start: int, end: int) -> tuple[int, int]:
    """Extend a span that cuts a word: the rest may belong to it, and a surrogate needs borders."""
    text = part.text
    if not (start and WORD.match(text, start - 1)) and not WORD.match(text, end):
        return start, end
    if part.encoding is not Encoding.JSON:
        return _extended(text, start, end)
    decoded = decode(text)
    return decoded.source(*_extended(decoded.text, decoded.position(start), decoded.position(end)))


def _extended(text: str, start: int, end: int) -> tuple[int, int]:
    while start and WORD.match(text, start - 1):
        start -= 1
    rest = WORD.match(text, end)
    return start, rest.end() if rest else end


def _spread(
    part: Part, spreading: Occurrences, strongest: Mapping[str, Obligation]
) -> Iterator[tuple[str, _Change] | None]:
    """Yield the occurrences of values that were found anywhere in the request, and ``None`` in between."""
    if not spreading:
        return
    decoded = decode(part.text) if part.encoding is Encoding.JSON and "\\" in part.text else None
    for found in spreading.find_steps(decoded.text if decoded else part.text):
        if found is None:
            yield None
            continue
        value, start, end = found
        low, high = decoded.source(start, end) if decoded else (start, end)
        yield value, _Change(start=low, end=high, obligation=strongest[value])


def _merged(changes: list[_Change]) -> list[_Change]:
    """Return changes by start; those that overlap become one, so that no piece is left.

    So do surrogates that touch: without a border between them neither could be read again.
    """
    changes.sort(key=lambda one: (one.start, -one.end))
    merged: list[_Change] = []
    for one in changes:
        touching = merged and one.start == merged[-1].end and one.surrogate and merged[-1].surrogate
        if merged and (one.start < merged[-1].end or touching):
            last = merged.pop()
            stronger = one if _protection(one.obligation) > _protection(last.obligation) else last
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
