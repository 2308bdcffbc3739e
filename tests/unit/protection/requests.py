"""Requests of a few texts, screened and decided, for the tests of protection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from guard.domain.decision import Decision, Obligation, Operator
from guard.domain.exchange import Encoding, Part, PartKind
from guard.domain.finding import Finding
from guard.protection.apply import apply
from guard.protection.plan import Plan, plan
from guard.protection.surrogate import Surrogates
from guard.screening.engine import compile_screener

__all__ = ["SURROGATES", "decided", "part", "protected", "screened"]

SURROGATES = Surrogates(key=bytes(range(32)), tenant="default", application="crm", scope="")
SCREENER = compile_screener()

Choose = Callable[[Finding], Operator]


def part(
    text: str,
    index: int = 0,
    *,
    kind: PartKind = PartKind.SCREENED,
    encoding: Encoding = Encoding.TEXT,
) -> Part:
    """Return one text of a request."""
    return Part(
        index=index, position=f"messages[{index}]", text=text, kind=kind, encoding=encoding, by_caller=True
    )


def obligation(finding: Finding, operator: Operator, parameters: Mapping[str, int | str]) -> Obligation:
    """Return an obligation of a rule named for its operator."""
    return Obligation(finding=finding, operator=operator, rule=operator.word, parameters=parameters)


def decided(
    findings: Sequence[Sequence[Finding]],
    choose: Choose = lambda _: Operator.SURROGATE,
    parameters: Mapping[str, int | str] | None = None,
) -> Decision:
    """Decide every finding by ``choose``."""
    obligations = tuple(
        tuple(obligation(one, choose(one), parameters or {}) for one in of_part) for of_part in findings
    )
    return Decision(obligations=obligations, rules=(), blocked=())


def screened(parts: Sequence[Part]) -> list[tuple[Finding, ...]]:
    """Screen the texts of a request."""
    return [SCREENER.screen(one.text, json_text=one.encoding is Encoding.JSON) for one in parts]


def protected(
    *parts: Part | str,
    choose: Choose = lambda _: Operator.SURROGATE,
    parameters: Mapping[str, int | str] | None = None,
    surrogates: Surrogates = SURROGATES,
) -> tuple[list[str], Plan]:
    """Screen, decide and protect; return the texts as they leave, and the plan."""
    whole = [part(one, index) if isinstance(one, str) else one for index, one in enumerate(parts)]
    planned = plan(whole, decided(screened(whole), choose, parameters), surrogates)
    texts = [apply(one.text, changes) for one, changes in zip(whole, planned.replacements, strict=True)]
    return texts, planned
