"""One channel of an answer: screen, apply, restore, the same for every cutting.

The plain path feeds a channel one chunk, a stream feeds many; both get the same text
(DESIGN §2, streaming equals batch). Nothing propagates inside an answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from guard.domain.decision import Obligation, Operator
from guard.domain.exchange import Replacement
from guard.domain.finding import Finding
from guard.domain.json_escapes import decode, escape
from guard.policy.engine import CompiledPolicy, Facts
from guard.protection.apply import apply
from guard.protection.operators import change
from guard.protection.restore import RestoreContext, Restorer
from guard.screening.engine import Screener
from guard.screening.incremental import Incremental

__all__ = ["Blocked", "Channel", "ChannelSetting", "Tally"]


class Blocked(Exception):
    """A rule on answers blocks; ``released`` is the text before the finding."""

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
    restored: int = 0
    withheld: int = 0


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

    ``restores``: false for reasoning, so that signed blocks go back untouched.
    """

    def __init__(self, setting: ChannelSetting, tally: Tally, *, sink: str, restores: bool = True) -> None:
        self._setting = setting
        self._tally = tally
        self._incremental = Incremental(setting.screener)
        self._restorer = Restorer(setting.restore, sink=sink) if restores else None

    def feed(self, text: str) -> str:
        """Take more text, return what may go out now. Raises ``Blocked``."""
        settled = self._incremental.feed(text)
        if not settled.text:
            return ""
        return self._restore(self._applied(settled.text, settled.findings))

    def close(self) -> str:
        """Return the rest. Raises ``Blocked``."""
        settled = self._incremental.close()
        out = self._restore(self._applied(settled.text, settled.findings))
        return out + self._finish()

    def whole(self, source: str) -> str:
        """Screen and restore one whole JSON source (tool arguments). Raises ``Blocked``."""
        findings = self._setting.screener.screen(source, json_text=True)
        text = self._applied(source, findings, json_text=True)
        if self._restorer is None:
            return text
        restored = self._restorer.source(text)
        return restored + self._finish()

    def _restore(self, text: str) -> str:
        return self._restorer.feed(text) if self._restorer else text

    def _finish(self) -> str:
        if self._restorer is None:
            return ""
        rest = self._restorer.close()
        self._tally.restored += self._restorer.restored
        self._tally.withheld += self._restorer.withheld
        return rest

    def _applied(self, text: str, findings: Sequence[Finding], *, json_text: bool = False) -> str:
        if not findings:
            return text
        self._tally.entities.update(finding.entity_type for finding in findings)
        decision = self._setting.policy.decide(self._setting.facts, [findings])
        obligations = decision.obligations[0]
        self._tally.rules.update(decision.rules)
        if self._setting.report_only:
            return text
        replacements: list[Replacement] = []
        for obligation in obligations:
            if obligation.operator is Operator.BLOCK:
                raise self._blocked(text, replacements, obligation)
            if obligation.operator is not Operator.KEEP:
                found = obligation.finding
                written = text[found.start : found.end]
                if json_text:
                    new = escape(change(obligation, decode(written).text))
                else:
                    new = change(obligation, written)
                replacements.append(Replacement(start=found.start, end=found.end, text=new))
        return apply(text, replacements)

    def _blocked(self, text: str, before: Sequence[Replacement], obligation: Obligation) -> Blocked:
        head = apply(text[: obligation.finding.start], before)
        released = self._restore(head) + self._finish()
        return Blocked(released, obligation.rule, obligation.finding.entity_type)
