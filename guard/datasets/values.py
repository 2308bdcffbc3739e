"""What a single value of a table is: missing, a quantity, a code or a text."""

from __future__ import annotations

import math
import re
import unicodedata

from guard.domain.dataset import ColumnKind

__all__ = ["Value", "is_integer", "is_number", "missing", "parsed", "spelled"]

MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none", "inf", "-inf", "infinity"})
DIGITS = 15
"""Digits of an integer that every reader of numbers holds exactly."""
EXACT = 1 << 53
NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
Value = str | int | float | None


def missing(value: Value) -> bool:
    """Whether a value is one of the ways to write that there is none."""
    return value is None or (isinstance(value, str) and value.lower() in MISSING)


def is_integer(value: str | int | float) -> bool:
    """Whether it is a whole quantity that stays as it is."""
    if isinstance(value, str):
        digits = value.removeprefix("-")
        plain = digits.isascii() and digits.isdigit() and len(digits) <= DIGITS
        return plain and (digits[0] != "0" or digits == "0")
    return isinstance(value, int) and abs(value) < EXACT


def is_number(value: str | int | float) -> bool:
    """Whether it is a quantity.

    A plus or a leading zero makes a code of it (a telephone number, a postcode), and so do
    more digits without a point than a number holds.
    """
    if isinstance(value, str):
        long = len(value) > DIGITS and value.removeprefix("-").isdigit()
        return not long and NUMBER.fullmatch(value) is not None
    return isinstance(value, float) or abs(value) < EXACT


def parsed(value: Value, kind: ColumnKind) -> Value:
    """Return ``value`` as its column's kind has it; ``None`` for what is missing or not finite."""
    if value is None or missing(value):
        return None
    if kind is ColumnKind.TEXT:
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(value) if kind is ColumnKind.INTEGER else number


def spelled(value: Value) -> str:
    """Return a value in the one spelling that stands for all: 39, 39.0 and " 39 " are the same."""
    if missing(value):
        return ""
    text = " ".join(unicodedata.normalize("NFKC", str(value)).casefold().split())
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:.15g}" if number else "0"
