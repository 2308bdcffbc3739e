"""A trial does to a text what an exchange would, and leaves nothing behind."""

from __future__ import annotations

from guard.pipeline.rehearse import Rehearsal, rehearse
from guard.policy.bundle import load_bundle
from guard.policy.engine import compile_bundle
from guard.screening.engine import compile_screener
from tests.unit.pipeline.house import EMAIL, packed
from tests.unit.policy.policies import facts


def tried(text: str, pack: str = "default") -> Rehearsal:
    """Try a text under a shipped pack."""
    return rehearse(
        text,
        screener=compile_screener(),
        policy=compile_bundle(load_bundle(packed(pack))),
        facts=facts(),
        key=bytes(32),
    )


def test_a_text_is_shown_as_it_would_leave() -> None:
    trial = tried(f"Write to {EMAIL}.")
    assert [finding.entity_type for finding in trial.findings] == ["EMAIL_ADDRESS"]
    assert trial.protected is not None and EMAIL not in trial.protected
    assert trial.protected.startswith("Write to EMLX") and trial.protected.endswith("@guard.invalid.")
    assert tried(f"Write to {EMAIL}.") == trial


def test_a_text_without_findings_is_shown_as_it_is() -> None:
    assert tried("Meet in Paris.").protected == "Meet in Paris."


def test_a_text_that_is_blocked_would_not_leave() -> None:
    trial = tried("card 5425 2334 3010 9903", "strict")
    assert trial.protected is None and not trial.decision.allowed
