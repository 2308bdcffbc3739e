"""The faults that must be caught: one for every promise of the kind "never".

To add one: the shortest text that occurs once in its file, what takes its place, and the
fastest test that must fail.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTANTS", "Change", "Mutant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``old``, which stands once in ``file``, becomes ``new``."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A fault and the test that fails because of it."""

    name: str
    changes: tuple[Change, ...]
    node: str


def mutant(name: str, file: str, old: str, new: str, node: str) -> Mutant:
    """Return a mutant with one change."""
    return Mutant(name=name, changes=(Change(file=file, old=old, new=new),), node=node)


MUTANTS = (
    mutant(
        "a salt is used twice",
        "guard/audit/leaf.py",
        "salt = entropy[number * SALT : (number + 1) * SALT]",
        "salt = entropy[:SALT]",
        "tests/unit/audit/test_leaf.py",
    ),
    mutant(
        "a gap is written for a living process",
        "guard/audit/lease.py",
        "    except BlockingIOError:\n        return True\n",
        "    except BlockingIOError:\n        return False\n",
        "tests/unit/audit/test_lease.py::test_a_lease_lives_until_it_is_released",
    ),
)
