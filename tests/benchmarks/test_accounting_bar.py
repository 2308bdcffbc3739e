"""training.accounting with 1/50 of its settings, and accountants that do not agree."""

from __future__ import annotations

import pytest

from benchmarks.training.accounting import SETTINGS, USUAL, compare, settings
from guard.domain.privacy import Mechanism
from guard.training.accounting import epsilon_pld


def _bars(seed: int) -> dict[str, float]:
    chosen = settings(len(USUAL) + max(SETTINGS // 50, 1), seed=seed)[len(USUAL) :]
    return {measured.bar: measured.value for measured in compare(chosen, say=print).measured}


def test_the_accountants_agree_on_settings_drawn_at_random(seed: int) -> None:
    bars = _bars(seed)
    assert bars["settings"] >= 1
    assert 0 <= bars["below"] <= bars["above"] <= 0.011


@pytest.mark.parametrize(("error", "bar"), [(-0.02, "below"), (0.02, "above")])
def test_an_accountant_that_is_off_is_seen(monkeypatch: pytest.MonkeyPatch, error: float, bar: str) -> None:
    def off(chosen: tuple[Mechanism, ...], *, delta: float) -> float:
        return epsilon_pld(chosen, delta=delta) - error

    monkeypatch.setattr("benchmarks.training.accounting.epsilon_pld", off)
    bars = _bars(1)
    assert bars["below"] < 0 if bar == "below" else bars["above"] > 0.011


def test_settings_are_the_usual_ones_and_then_new_ones() -> None:
    chosen = settings(SETTINGS, seed=3)
    assert tuple(chosen[: len(USUAL)]) == USUAL
    assert len(set(chosen)) == SETTINGS >= 50
    assert chosen == settings(SETTINGS, seed=3) != settings(SETTINGS, seed=4)
