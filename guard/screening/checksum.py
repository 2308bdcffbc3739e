"""Check digits: Luhn (ISO/IEC 7812-1), MOD 97-10 and MOD 11-2 (ISO/IEC 7064)."""

from __future__ import annotations

__all__ = ["iban_valid", "luhn_valid", "mod11_2_valid"]


def luhn_valid(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others."""
    total = 0
    for index, character in enumerate(reversed(digits)):
        value = ord(character) - 48
        if index & 1:
            value = value * 2 - 9 if value > 4 else value * 2  # noqa: PLR2004 (the rule itself)
        total += value
    return total % 10 == 0


def iban_valid(iban: str) -> bool:
    """Whether an IBAN (upper case, no spaces) has remainder 1 modulo 97."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def mod11_2_valid(number: str) -> bool:
    """Whether the last character (digit or X) is the MOD 11-2 check of the 17 before it."""
    total = 0
    for character in number[:-1]:
        total = (total + ord(character) - 48) * 2
    check = (12 - total % 11) % 11
    return number[-1] == "0123456789X"[check]
