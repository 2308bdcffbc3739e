"""One channel of an answer: screen, apply, restore, the same for every cutting.

The plain path feeds a channel slices of the whole, a stream feeds pieces as they come;
both get the same text (DESIGN §2, streaming equals batch). Nothing propagates inside an
answer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from guard.domain.decision import Obligation, Operator
from guard.domain.exchange import Replacement
from guard.domain.finding import Finding
from guard.domain.json_escapes import decode, escape
from guard.pipeline.holdback import Holder
from guard.pipeline.turns import SLICE, in_turns
from guard.policy.engine import CompiledPolicy, Facts
from guard.protection.apply import apply
from guard.protection.operators import change
from guard.protection.restore import RestoreContext, Restorer
from guard.screening.engine import Screener
from guard.screening.incremental import Incremental

__all__ = ["Blocked", "Channel", "ChannelSetting", "Tally"]


class Blocked(Exception):
    """A rule on answers blocks; ``released`` is what may go of the text before the finding."""

    def __init__(self, released: str, rule: str, entity_type: str) -> None:
        super().__init__(f"blocked by policy rule {rule}: 1 {entity_type}")
        self.released = released
        self.rule = rule
        self.entity_type = entity_type

    @property
    def explanation(self) -> str:
        """What the caller may read: rule and type, never the value."""
        return f"The answer was stopped by policy rule {self.rule}: {self.entity_type}."


@dataclass(slots=True)
class Tally:
    """Counts over all channels of one answer."""

    entities: Counter[str] = field(default_factory=Counter)
    rules: set[str] = field(default_factory=set)
    restorers: list[Restorer] = field(default_factory=list)

    @property
    def restored(self) -> int:
        """How many surrogates have become originals again."""
        return sum(restorer.restored for restorer in self.restorers)

    @property
    def withheld(self) -> int:
        """How many stayed because of where they stood."""
        return sum(restorer.withheld for restorer in self.restorers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSetting:
    """What every channel of one answer shares."""

    screener: Screener
    policy: CompiledPolicy
    facts: Facts
    restore: RestoreContext
    report_only: bool


class Channel:
    """Text in, text out. ``sink`` is where restored values land (``prose``, ``tool:NAME``).

    ``restores``: false for ids and for reasoning, so that signed blocks go back untouched.
    """

    def __init__(self, setting: ChannelSetting, tally: Tally, *, sink: str, restores: bool = True) -> None:
        self._setting = setting
        self._tally = tally
        self._incremental = Incremental(setting.screener)
        self._restorer = Restorer(setting.restore, sink=sink) if restores else None
        if self._restorer is not None:
            tally.restorers.append(self._restorer)
        self._holder = Holder(setting.policy.holdback)

    def feed(self, text: str) -> str:
        """Take more text, return what may go out now. Raises ``Blocked``."""
        settled = self._incremental.feed(text)
        if not settled.text:
            return ""
        return self._holder.feed(self._restored(self._applied(settled.text, settled.findings)))

    def close(self, text: str = "") -> str:
        """Take the last of the text, return the rest. Raises ``Blocked``."""
        settled = self._incremental.close(text)
        text = self._restored(self._applied(settled.text, settled.findings), last=True)
        return self._holder.feed(text) + self._holder.close()

    async def whole(self, text: str, *, json_text: bool = False) -> str:
        """Screen and restore a whole text, in turns with other exchanges. Raises ``Blocked``.

        ``json_text``: it is JSON source, edited by spans; a block releases nothing of it.
        """
        if json_text:
            return await self._source(text)
        out: list[str] = []
        try:
            last = max(0, len(text) - 1) // SLICE * SLICE
            for start in range(0, last, SLICE):
                out.append(self.feed(text[start : start + SLICE]))
                await asyncio.sleep(0)
            return "".join(out) + self.close(text[last:])
        except Blocked as block:
            raise Blocked("".join(out) + block.released, block.rule, block.entity_type) from None

    async def _source(self, source: str) -> str:
        findings = await in_turns(self._setting.screener.screen_steps(source, json_text=True))
        text = self._applied(source, findings, json_text=True)
        return text if self._restorer is None else self._restorer.source(text)

    def _restored(self, text: str, *, last: bool = False) -> str:
        if self._restorer is None:
            return text
        return self._restorer.feed(text) + (self._restorer.close() if last else "")

    def _applied(self, text: str, findings: Sequence[Finding], *, json_text: bool = False) -> str:
        if not findings:
            return text
        self._tally.entities.update(finding.entity_type for finding in findings)
        decision = self._setting.policy.decide(self._setting.facts, [findings])
        self._tally.rules.update(decision.rules)
        if self._setting.report_only:
            return text
        replacements: list[Replacement] = []
        for obligation in decision.obligations[0]:
            found = obligation.finding
            if obligation.operator is Operator.BLOCK:
                released = "" if json_text else self._released(text[: found.start], replacements)
                raise Blocked(released, obligation.rule, found.entity_type)
            if obligation.operator is not Operator.KEEP:
                new = _changed(obligation, text[found.start : found.end], json_text=json_text)
                replacements.append(Replacement(start=found.start, end=found.end, text=new))
        return apply(text, replacements)

    def _released(self, head: str, before: Sequence[Replacement]) -> str:
        return self._holder.feed(self._restored(apply(head, before), last=True))


def _changed(obligation: Obligation, written: str, *, json_text: bool) -> str:
    if json_text:
        return escape(change(obligation, decode(written).text))
    return change(obligation, written)
