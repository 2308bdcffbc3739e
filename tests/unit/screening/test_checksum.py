"""Check digits against published numbers, and against slow twins written from the standards."""

from __future__ import annotations

import random

import pytest

from guard.screening.checksum import iban_valid, luhn_valid, mod11_2_valid
from tests.unit.screening.vectors import CARDS, IBANS, RESIDENTS


@pytest.mark.parametrize("number", CARDS)
def test_published_card_numbers_pass_luhn(number: str) -> None:
    assert luhn_valid(number)


@pytest.mark.parametrize("number", IBANS)
def test_published_ibans_pass(number: str) -> None:
    assert iban_valid(number)


@pytest.mark.parametrize("number", RESIDENTS)
def test_published_resident_numbers_pass(number: str) -> None:
    assert mod11_2_valid(number)


@pytest.mark.parametrize("position", range(16))
def test_every_single_wrong_digit_of_a_card_is_noticed(position: int) -> None:
    number = "4539148803436467"
    for digit in "0123456789":
        changed = number[:position] + digit + number[position + 1 :]
        assert luhn_valid(changed) == (changed == number)


@pytest.mark.parametrize("position", range(2, 22))
def test_every_single_wrong_digit_of_an_iban_is_noticed(position: int) -> None:
    number = "DE89370400440532013000"
    for digit in "0123456789":
        changed = number[:position] + digit + number[position + 1 :]
        assert iban_valid(changed) == (changed == number)


@pytest.mark.parametrize("position", range(18))
def test_every_single_wrong_digit_of_a_resident_number_is_noticed(position: int) -> None:
    number = "11010519491231002X"
    for digit in "0123456789X" if position == 17 else "0123456789":
        changed = number[:position] + digit + number[position + 1 :]
        assert mod11_2_valid(changed) == (changed == number)


def slow_luhn(number: str) -> bool:
    """Double every second digit from the right, add the digits of the products."""
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(number))]
    return sum(int(d) for product in doubled for d in str(product)) % 10 == 0


def slow_mod11_2(number: str) -> bool:
    """Weigh each place by 2^(17-i) modulo 11 (GB 11643-1999, table of weights)."""
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    rest = sum(int(d) * w for d, w in zip(number[:17], weights, strict=True)) % 11
    return number[17] == "10X98765432"[rest]


def test_random_numbers_agree_with_the_slow_twins(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(2_000):
        digits = "".join(source.choices("0123456789", k=source.randint(12, 19)))
        assert luhn_valid(digits) == slow_luhn(digits)
        number = "".join(source.choices("0123456789", k=17)) + source.choice("0123456789X")
        assert mod11_2_valid(number) == slow_mod11_2(number)
