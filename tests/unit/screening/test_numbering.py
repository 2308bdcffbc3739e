"""Numbering plans against their oracle, the ``phonenumbers`` library."""

from __future__ import annotations

import random

import phonenumbers
import pytest

from guard.screening.numbering import dialable

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@pytest.mark.parametrize("region", REGIONS)
def test_the_example_number_of_each_region_can_be_dialled(region: str) -> None:
    example = phonenumbers.example_number(region)
    assert example is not None
    assert dialable(f"{example.country_code}{phonenumbers.national_significant_number(example)}")


def test_random_numbers_agree_with_the_library(seed: int) -> None:
    """The library also reads a national prefix behind the country; apart from that they agree."""
    source = random.Random(seed)
    codes = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    agreed = 0
    for _ in range(3_000):
        digits = f"{source.choice(codes)}{source.randint(10**6, 10**11)}"
        national = phonenumbers.PhoneNumber()
        phonenumbers.parse(f"+{digits}", None, numobj=national)
        written = f"{national.country_code}{phonenumbers.national_significant_number(national)}"
        valid = phonenumbers.is_valid_number(national) and written == digits
        assert dialable(digits) == valid, digits
        agreed += valid
    assert agreed > 20


@pytest.mark.parametrize("digits", ["", "0", "00", "0123456789", "999123456789", "8881234567890"])
def test_what_belongs_to_no_plan(digits: str) -> None:
    assert not dialable(digits)


def test_the_trunk_zero_is_not_dialled() -> None:
    assert dialable("442079460958") and dialable("4402079460958")
