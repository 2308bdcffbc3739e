"""Model cards: what must be said of a model before it is registered.

The fields follow Mitchell et al. 2019 ("Model Cards for Model Reporting") as far as they
can be known here; what a trainer cannot know, the recipe must say.
"""

from __future__ import annotations

from collections.abc import Mapping

from guard.errors import ConfigurationError

__all__ = ["ESTABLISHED", "FIELDS", "check_card"]

FIELDS: Mapping[str, str] = {
    "purpose": "what the model is for",
    "intended_use": "by whom and where it may be used",
    "out_of_scope": "what it must not be used for",
    "owner": "who answers for it",
    "data": "the dataset that it learned from",
    "privacy": "epsilon, delta, unit and relation",
    "evaluation": "how good it is, measured on which public data",
    "limits": "known weaknesses",
}
"""Required fields, and what each must say."""

ESTABLISHED = frozenset({"data", "privacy"})
"""Fields that the job itself fills in; people write the others."""


def check_card(card: Mapping[str, str], *, given: frozenset[str] = frozenset()) -> None:
    """Check that every field is there, but for those that are ``given`` later.

    Raises ``ConfigurationError`` that lists what is missing, with what it must say.
    """
    missing = [
        f"{name} ({meaning})"
        for name, meaning in FIELDS.items()
        if name not in given and not card.get(name, "").strip()
    ]
    if missing:
        raise ConfigurationError("the model card lacks: " + "; ".join(missing))
