"""Decide: findings → obligations, pure and compiled (DESIGN §5, Composition).

Among the rules that match a finding the most protective operator wins; at equal operators
the first in the file. A finding that no rule matches gets ``unmatched``. Rules are
indexed by direction and entity type, so a thousand rules cost what the few relevant do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from guard.domain.decision import Decision, Direction, Holdback, Obligation, Operator
from guard.domain.finding import Finding
from guard.policy.bundle import UNMATCHED, Bundle, Rule
from guard.policy.condition import Facts, compile_condition

__all__ = ["CompiledPolicy", "Facts", "Trace", "compile_bundle"]

NOTHING: Mapping[str, int | str] = MappingProxyType({})
_Choice = tuple[Operator, str, Mapping[str, int | str]]
"""What is done, by which rule, with which parameters."""

MOST_FACTS, MOST_CHOICES = 1024, 1024
"""Callers name models, and foreign recognizers score finely: the memory is bounded both ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Why a finding is treated as it is: the rule, and the others that matched."""

    obligation: Obligation
    matched: tuple[str, ...]


class _Compiled:
    __slots__ = ("rule", "unless", "when")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.when = compile_condition(rule.when)
        self.unless = compile_condition(rule.unless) if rule.unless else None

    def matches(self, facts: Facts, finding: Finding) -> bool:
        return self.when(facts, finding) and not (self.unless and self.unless(facts, finding))


class CompiledPolicy:
    """An immutable policy, ready to decide. ``holdback``: the most that a rule on answers asks for."""

    def __init__(self, bundle: Bundle) -> None:
        self.name = bundle.name
        self.digest = bundle.digest
        self.thresholds = bundle.thresholds
        self.holdback = max((rule.hold for rule in bundle.rules), default=Holdback.NONE)
        self._unmatched = bundle.unmatched
        index: dict[tuple[Direction, str], list[_Compiled]] = {}
        for rule in bundle.rules:
            compiled = _Compiled(rule)
            for name in rule.types:
                index.setdefault((rule.direction, name), []).append(compiled)
        self._index: Mapping[tuple[Direction, str], Sequence[_Compiled]] = index
        self._memory: dict[Facts, dict[tuple[str, float], _Choice]] = {}

    def decide(self, facts: Facts, findings: Sequence[Sequence[Finding]]) -> Decision:
        """Return an obligation for every finding of every part."""
        rules: dict[str, None] = {}
        blocked: list[int] = []
        obligations: list[tuple[Obligation, ...]] = []
        chosen = self._chosen(facts)
        for index, part in enumerate(findings):
            mine = tuple([self._obligation(facts, finding, chosen) for finding in part])
            obligations.append(mine)
            for obligation in mine:
                rules.setdefault(obligation.rule, None)
                if obligation.operator is Operator.BLOCK and (not blocked or blocked[-1] != index):
                    blocked.append(index)
        return Decision(obligations=tuple(obligations), rules=tuple(rules), blocked=tuple(blocked))

    def _chosen(self, facts: Facts) -> dict[tuple[str, float], _Choice]:
        """Return what was chosen under the same facts before; a policy never changes its mind."""
        known = self._memory.get(facts)
        if known is None or len(known) > MOST_CHOICES:
            if len(self._memory) >= MOST_FACTS:
                self._memory.clear()
            known = self._memory[facts] = {}
        return known

    def _obligation(
        self, facts: Facts, finding: Finding, chosen: dict[tuple[str, float], _Choice]
    ) -> Obligation:
        # Conditions ask for nothing of a finding but its type and its score.
        name = (finding.entity_type, finding.score)
        choice = chosen.get(name)
        if choice is None:
            choice = chosen[name] = self._choice(facts, finding)
        operator, rule, parameters = choice
        return Obligation(finding=finding, operator=operator, rule=rule, parameters=parameters)

    def _choice(self, facts: Facts, finding: Finding) -> _Choice:
        best: Rule | None = None
        for compiled in self._index.get((facts.direction, finding.entity_type), ()):
            rule = compiled.rule
            if (best is None or rule.operator > best.operator) and compiled.matches(facts, finding):
                best = rule
        if best is None:
            return self._unmatched[facts.direction], UNMATCHED, NOTHING
        return best.operator, best.name, best.parameters

    def explain(self, facts: Facts, findings: Sequence[Finding]) -> tuple[Trace, ...]:
        """Return why each finding is treated as it is."""
        return tuple(
            Trace(
                obligation=self._obligation(facts, finding, {}),
                matched=tuple(
                    compiled.rule.name
                    for compiled in self._index.get((facts.direction, finding.entity_type), ())
                    if compiled.matches(facts, finding)
                ),
            )
            for finding in findings
        )


def compile_bundle(bundle: Bundle) -> CompiledPolicy:
    """Compile a bundle; a bundle that was read compiles."""
    return CompiledPolicy(bundle)
