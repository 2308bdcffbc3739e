"""Telephone numbering plans: lengths and patterns of each calling code.

They come from libphonenumber's metadata (the ``phonenumbers`` package), compiled once
when a calling code is first met.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["dialable"]

CODE_MAX = 3
KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager"),
    *("uan", "voicemail"),
)
"""The library's kinds of number that a person may write down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    lengths: frozenset[int]
    numbers: re.Pattern[str]


@lru_cache(maxsize=1024)
def _plan(code: str) -> _Plan | None:
    """Return the numbering plan of a calling code, or ``None`` if it is none."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    if not code or code.startswith("0"):
        return None
    lengths: set[int] = set()
    patterns: list[str] = []
    for region in COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()):
        known = (
            PhoneMetadata.metadata_for_nongeo_region(int(code), None)
            if region == "001"
            else PhoneMetadata.metadata_for_region(region, None)
        )
        if known is None:
            continue
        if known.general_desc is not None:
            lengths.update(known.general_desc.possible_length or ())
        kinds = [getattr(known, kind) for kind in KINDS]
        patterns += [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
    if not patterns:
        return None
    return _Plan(lengths=frozenset(lengths), numbers=re.compile("|".join(f"(?:{p})" for p in patterns)))


def dialable(digits: str) -> bool:
    """Whether ``digits`` (ASCII, with calling code, at most 17) belong to a numbering plan."""
    for width in range(1, CODE_MAX + 1):
        plan = _plan(digits[:width])
        if plan is not None:
            national = digits[width:]
            # "+44 (0)20 …": the trunk zero is written, but not dialled.
            for number in (national, national[1:]) if national.startswith("0") else (national,):
                if len(number) in plan.lengths and plan.numbers.fullmatch(number):
                    return True
            return False
    return False
