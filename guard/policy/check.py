"""Check a pack: read it, list what is missing or contradictory, run its own tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from guard.domain import positioned
from guard.domain.decision import Direction
from guard.domain.entities import CATALOGUE
from guard.domain.finding import Finding
from guard.errors import ConfigurationError
from guard.policy.access import Access
from guard.policy.bundle import OPERATORS, Bundle, Rule, load_bundle
from guard.policy.condition import All, AnyOf, Atom, Condition, Not, Score
from guard.policy.engine import CompiledPolicy, Facts, compile_bundle

__all__ = ["ACCESS", "SCREENING", "TESTS", "Problem", "check_pack", "load_pack"]

SCREENING = "screening.yaml"
ACCESS = "access.cedar"
TESTS = "tests.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong; an ``error`` keeps the pack from being loaded."""

    level: str
    message: str


def load_pack(files: Mapping[str, bytes]) -> tuple[CompiledPolicy, Access]:
    """Read and compile a pack. Raises ``ConfigurationError`` with every error in it."""
    bundle = load_bundle(_need(files, SCREENING))
    errors = [problem.message for problem in _conflicts(bundle)]
    if errors:
        raise ConfigurationError("\n".join(errors))
    return compile_bundle(bundle), _access(files)


def check_pack(files: Mapping[str, bytes]) -> list[Problem]:
    """Return everything that is wrong or doubtful with a pack."""
    try:
        bundle = load_bundle(_need(files, SCREENING))
        _access(files)
    except ConfigurationError as error:
        return [Problem(level="error", message=error.message)]
    problems = [*_conflicts(bundle), *_unruled(bundle), *_dead(bundle), *_weaker(bundle)]
    if TESTS in files:
        problems += _failing(compile_bundle(bundle), files[TESTS])
    return problems


def _need(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise ConfigurationError(f"the pack has no {name}")
    return files[name]


def _access(files: Mapping[str, bytes]) -> Access:
    try:
        source = _need(files, ACCESS).decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{ACCESS}: not UTF-8") from None
    return Access(source)


def _conflicts(bundle: Bundle) -> list[Problem]:
    """The same operator with other parameters, unless the conditions exclude one another."""
    return [
        Problem(
            level="error",
            message=f"{second.place}: rules {first.name!r} and {second.name!r} can both match, "
            f"with different parameters of {first.operator.word}",
        )
        for first, second in combinations(bundle.rules, 2)
        if first.operator is second.operator
        and first.parameters != second.parameters
        and first.direction is second.direction
        and not _exclusive(first, second)
    ]


def _needed(rule: Rule) -> Sequence[Condition]:
    """Return conditions that all hold where a rule matches."""
    terms = [*rule.when.terms] if isinstance(rule.when, All) else [rule.when]
    excepted = rule.unless.terms if isinstance(rule.unless, AnyOf) else (rule.unless,)
    return terms + [Not(term) for term in excepted if term is not None]


def _exclusive(first: Rule, second: Rule) -> bool:
    """Whether two rules can never match the same finding, as far as their words show it."""
    return not first.types & second.types or any(
        _contradict(a, b) for a in _needed(first) for b in _needed(second)
    )


def _contradict(a: Condition, b: Condition) -> bool:
    match a, b:
        case Score(), Score():
            return a.below <= b.at_least or b.below <= a.at_least
        case Atom(), Atom():
            literal = not any("*" in value for value in a.values | b.values)
            return literal and a.attribute == b.attribute and not a.values & b.values
        case Not(), _ if a.term == b:
            return True
        case _, Not():
            return b.term == a
    return False


def _weaker(bundle: Bundle) -> list[Problem]:
    return [
        Problem(
            level="note",
            message=f"{exemption.place}: rule {exemption.rule!r} is weakened: {exemption.reason}",
        )
        for exemption in bundle.exemptions
    ]


def _unruled(bundle: Bundle) -> list[Problem]:
    problems = []
    for direction in Direction:
        ruled = {name for rule in bundle.rules if rule.direction is direction for name in rule.types}
        missing = sorted(CATALOGUE.keys() - ruled)
        if missing:
            problems.append(
                Problem(
                    level="note",
                    message=f"{direction.value}: no rule names {', '.join(missing)}; "
                    f"they get 'unmatched' ({bundle.unmatched[direction].word})",
                )
            )
    return problems


def _dead(bundle: Bundle) -> list[Problem]:
    return [
        Problem(level="error", message=f"{rule.place}: rule {rule.name!r} can never match")
        for rule in bundle.rules
        if not rule.types
    ]


def _failing(policy: CompiledPolicy, data: bytes) -> list[Problem]:
    try:
        return _run_cases(policy, data)
    except ConfigurationError as error:
        return [Problem(level="error", message=error.message)]


def _run_cases(policy: CompiledPolicy, data: bytes) -> list[Problem]:
    top = positioned.load(data, file=TESTS).mapping()
    top.need("apiVersion").word(["guard/v1"])
    top.need("kind").word(["PolicyTests"])
    cases = top.need("cases").items()
    top.finish()
    problems: list[Problem] = []
    for node in cases:
        case = node.mapping()
        name = case.need("name").text()
        expected = case.need("expect").word(OPERATORS)
        facts, finding = _case(case)
        case.finish()
        obligation = policy.decide(facts, [[finding]]).obligations[0][0]
        if obligation.operator.word != expected:
            problems.append(
                Problem(
                    level="error",
                    message=f"{node.place}: {name!r} expects {expected}, "
                    f"rule {obligation.rule!r} says {obligation.operator.word}",
                )
            )
    return problems


def _case(case: positioned.Mapping) -> tuple[Facts, Finding]:
    def said(name: str, default: str) -> str:
        node = case.get(name)
        return node.text() if node else default

    facts = Facts(
        direction=Direction(case.need("direction").word([d.value for d in Direction])),
        application=said("application", "default"),
        purpose=said("purpose", "general"),
        model=said("model", "demo-echo"),
        region=said("region", "local"),
    )
    finding = Finding(
        entity_type=case.need("entity_type").word(CATALOGUE),
        start=0,
        end=1,
        score=case.need("score").number(0, 1),
        recognizer="test",
    )
    return facts, finding
