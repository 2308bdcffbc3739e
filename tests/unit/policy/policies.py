"""Small policies that tests write, and facts that they ask with."""

from __future__ import annotations

from guard.domain.decision import Direction
from guard.domain.finding import Finding
from guard.policy.bundle import load_bundle
from guard.policy.engine import CompiledPolicy, Facts, compile_bundle

__all__ = ["compiled", "facts", "finding", "policy"]


def policy(*rules: str, unmatched: str = "redact", more: str = "") -> bytes:
    """Return a policy with rules, each one line of flow YAML without its braces."""
    lines = "\n".join(f"    - {{{rule}}}" for rule in rules)
    listed = f"rules:\n{lines}" if rules else "rules: []"
    return (
        "apiVersion: guard/v1\nkind: ScreeningPolicy\nmetadata: {name: test}\n"
        f"spec:\n  unmatched: {unmatched}\n  {listed}\n{more}"
    ).encode()


def compiled(*rules: str, unmatched: str = "redact", more: str = "") -> CompiledPolicy:
    """Return a policy that is ready to decide."""
    return compile_bundle(load_bundle(policy(*rules, unmatched=unmatched, more=more)))


def facts(
    direction: Direction = Direction.REQUEST,
    /,
    *,
    application: str = "crm",
    purpose: str = "support",
    model: str = "gpt-5-mini",
    region: str = "us",
) -> Facts:
    """Return what is known beside the findings."""
    return Facts(direction=direction, application=application, purpose=purpose, model=model, region=region)


def finding(entity_type: str = "EMAIL_ADDRESS", score: float = 0.9, start: int = 0) -> Finding:
    """Return a finding."""
    return Finding(entity_type=entity_type, start=start, end=start + 5, score=score, recognizer="test")
