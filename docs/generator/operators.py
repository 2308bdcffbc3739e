"""Every operator: its rank, what it leaves, and whether this version applies it."""

from __future__ import annotations

from docs.generator.markdown import page, table, words
from guard.domain.decision import Operator, Residue
from guard.policy.bundle import OPERATORS

__all__ = ["render"]

FILE = "docs/generator/operators.py"
INTRODUCTION = """
Policies name an operator as the `action` of a rule. Among the rules that match one finding the most
protective operator wins, which is the one further down. What an operator leaves is its residue.
"""
WORDS = {
    "keep": "the value goes on as it is, and is recorded as found",
    "generalise": "a coarser value takes its place: a year for a date",
    "mask": "letters and digits become asterisks; `mask: {keep_last: 4}` leaves the last few, at most half",
    "surrogate": "a keyed token takes its place and is restored in the answer, where the sink allows it; "
    "in answers, where nothing could restore it, the value is redacted",
    "pseudonymise": "a keyed value that stays the same across exchanges, restored only through the vault",
    "fpe": "encrypted into the same format",
    "encrypt": "encrypted; whoever has the key can read it",
    "hash": "a keyed hash, equal for equal values",
    "redact": "only its type is left: `[EMAIL_ADDRESS]`",
    "block": "the request is refused with 400 `content_policy_violation`; an answer ends before the value",
}
RESIDUES = {
    "keep": Residue.ORIGINAL,
    "generalise": Residue.PARTIAL,
    "mask": Residue.PARTIAL,
    "surrogate": Residue.LINKABLE_TOKEN,
    "pseudonymise": Residue.LINKABLE_TOKEN,
    "fpe": Residue.LINKABLE_TOKEN,
    "encrypt": Residue.LINKABLE_TOKEN,
    "hash": Residue.LINKABLE_TOKEN,
    "redact": Residue.NOTHING,
    "block": Residue.NOTHING,
}


def render() -> str:
    """Return the page."""
    rows = [
        (
            f"`{operator.word}`",
            words(WORDS, operator.word, FILE),
            RESIDUES[operator.word].value,
            "yes" if operator.word in OPERATORS else "later",
        )
        for operator in sorted(Operator)
    ]
    return page(
        "Operators", INTRODUCTION, table(("operator", "what happens", "residue", "in this version"), rows)
    )
