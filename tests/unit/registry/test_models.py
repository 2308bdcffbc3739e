"""From the name that a caller asks for to the model of the catalogue."""

from __future__ import annotations

import pytest

from guard.domain.catalogue import Catalogue, Model
from guard.domain.exchange import Target
from guard.registry.models import resolve


def catalogue(*names: str) -> Catalogue:
    """Return a catalogue of models, each with a fixed target and one that keeps the name."""
    targets = (
        Target(provider="a", model="fixed", region="us"),
        Target(provider="b", model="same", region="eu"),
    )
    return Catalogue(
        providers={}, models=tuple(Model(name=name, targets=targets) for name in names), applications={}
    )


@pytest.mark.parametrize(
    ("names", "asked", "found"),
    [
        (("gpt-5",), "gpt-5", "gpt-5"),
        (("gpt-5",), "gpt-5-mini", None),
        (("gpt-5",), "GPT-5", None),
        (("*",), "anything", "*"),
        (("*", "gpt-*", "gpt-5-*"), "gpt-5-mini", "gpt-5-*"),
        (("gpt-5-*", "gpt-*", "*"), "gpt-5-mini", "gpt-5-*"),
        (("gpt-*", "*-mini"), "gpt-5-mini", "*-mini"),
        (("gpt-*", "gpt-5"), "gpt-5", "gpt-5"),
        (("a-*", "*-a"), "a-a", "a-*"),
        ((), "gpt-5", None),
        (("gpt-*",), "gpt-*", "gpt-*"),
        (("gpt-5",), "", None),
    ],
)
def test_the_exact_name_counts_first_then_the_longest_pattern(
    names: tuple[str, ...], asked: str, found: str | None
) -> None:
    model = resolve(catalogue(*names), asked)
    assert (model.name if model else None) == found


def test_a_target_that_says_same_gets_the_name_asked_for() -> None:
    model = resolve(catalogue("gpt-*"), "gpt-5-mini")
    assert model is not None
    assert [target.model for target in model.targets] == ["fixed", "gpt-5-mini"]
    assert [target.region for target in model.targets] == ["us", "eu"]
