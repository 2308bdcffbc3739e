"""The shipped packs do what their tables say (DESIGN §5), for every type of the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.domain.decision import Direction, Holdback
from guard.domain.entities import CATALOGUE, Evidence, Group
from guard.policy.check import SCREENING, check_pack, load_pack
from guard.policy.engine import CompiledPolicy
from guard.screening.engine import compile_screener
from tests.unit.policy.policies import facts, finding

PACKS = Path(__file__).parents[3] / "policies"
NAMES = ("default", "strict", "pci")
PRIVATE = (Group.SECRET, Group.PAYMENT, Group.BANK, Group.NATIONAL_ID)


def files(name: str) -> dict[str, bytes]:
    """Return a pack as it is shipped."""
    return {path.name: path.read_bytes() for path in (PACKS / name).iterdir() if path.is_file()}


def operator(policy: CompiledPolicy, direction: Direction, entity_type: str, score: float) -> str:
    """Return what a policy does about one finding."""
    ((obligation,),) = policy.decide(facts(direction), [[finding(entity_type, score)]]).obligations
    assert obligation.rule != "unmatched", f"no rule names {entity_type}"
    return obligation.operator.word


def default_request(entity_type: str, score: float) -> str:
    """Say what the table of pack default says about requests."""
    row = CATALOGUE[entity_type]
    if row.group in (Group.BANK, Group.NATIONAL_ID):
        return "surrogate" if score >= 0.6 else "keep"
    return "surrogate" if row.group in (Group.SECRET, Group.PAYMENT, Group.CONTACT) else "keep"


def default_answer(entity_type: str, score: float) -> str:
    """Say what it says about values in answers that are not from the request."""
    row = CATALOGUE[entity_type]
    if row.group is Group.SECRET:
        return "redact" if score >= 0.8 else "keep"
    return "redact" if row.group is Group.PAYMENT else "keep"


def strict(entity_type: str, _: float) -> str:
    """Say what pack strict does, both ways, about what blocks and what is nobody's."""
    group = CATALOGUE[entity_type].group
    return "block" if group in PRIVATE else "keep" if group is Group.PLACEHOLDER else "change"


def pci(entity_type: str, _: float) -> str:
    """Say what pack pci does about requests."""
    group = CATALOGUE[entity_type].group
    if group is Group.PAYMENT:
        return "block"
    return "keep" if group in (Group.NETWORK, Group.DEVICE, Group.PLACEHOLDER) else "surrogate"


SCORES = (0.0, 0.5, 0.59, 0.6, 0.79, 0.8, 0.99, 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_pack_has_no_problem_and_passes_its_own_tests(name: str) -> None:
    shipped = files(name)
    assert {"screening.yaml", "access.cedar", "tests.yaml"} <= set(shipped)
    assert check_pack(shipped) == []


@pytest.mark.parametrize("entity_type", CATALOGUE)
@pytest.mark.parametrize("score", SCORES)
def test_the_default_pack_does_what_its_table_says(entity_type: str, score: float) -> None:
    policy, _ = load_pack(files("default"))
    assert operator(policy, Direction.REQUEST, entity_type, score) == default_request(entity_type, score)
    assert operator(policy, Direction.ANSWER, entity_type, score) == default_answer(entity_type, score)


@pytest.mark.parametrize("entity_type", CATALOGUE)
def test_the_strict_pack_blocks_both_ways(entity_type: str) -> None:
    policy, _ = load_pack(files("strict"))
    changes = {Direction.REQUEST: "surrogate", Direction.ANSWER: "redact"}
    for direction, change in changes.items():
        told = operator(policy, direction, entity_type, 0.9)
        assert told == strict(entity_type, 0.9).replace("change", change)


@pytest.mark.parametrize("entity_type", CATALOGUE)
def test_the_card_pack_blocks_cards_both_ways(entity_type: str) -> None:
    policy, _ = load_pack(files("pci"))
    assert operator(policy, Direction.REQUEST, entity_type, 0.9) == pci(entity_type, 0.9)
    blocks = operator(policy, Direction.ANSWER, entity_type, 0.9) == "block"
    assert blocks is (CATALOGUE[entity_type].group is Group.PAYMENT)


@pytest.mark.parametrize(
    ("entity_type", "text"),
    [("IBAN_CODE", "account DE89370400440532013000"), ("CN_RESIDENT_ID", "11010519491231002X")],
)
def test_what_a_checksum_confirms_is_never_unsure_in_the_default_pack(entity_type: str, text: str) -> None:
    # The table says "checksum, or score ≥ 0.6"; the pack asks for the score alone, which is
    # the same as long as no checksum is worth less.
    assert CATALOGUE[entity_type].evidence is Evidence.CHECKSUM
    (found,) = compile_screener().screen(text)
    policy, _ = load_pack(files("default"))
    assert found.entity_type == entity_type
    assert operator(policy, Direction.REQUEST, entity_type, found.score) == "surrogate"


@pytest.mark.parametrize("name", NAMES)
def test_a_recognizer_that_somebody_adds_is_not_let_through(name: str) -> None:
    policy, _ = load_pack(files(name))
    for direction in Direction:
        ((added,),) = policy.decide(facts(direction), [[finding("EMPLOYEE_NUMBER")]]).obligations
        assert (added.rule, added.operator.word) == ("unmatched", "block" if name == "strict" else "redact")


def test_the_default_pack_holds_nothing_back_above_a_sentence() -> None:
    policy, _ = load_pack(files("default"))
    assert policy.holdback <= Holdback.SENTENCE


def test_packs_differ_only_where_they_mean_to() -> None:
    access = {files(name)["access.cedar"] for name in NAMES}
    assert len(access) == 1
    assert len({load_pack(files(name))[0].digest for name in NAMES}) == len(NAMES)


def test_every_rule_of_a_shipped_pack_can_decide_something() -> None:
    for name in NAMES:
        policy, _ = load_pack(files(name))
        used = {
            policy.decide(facts(direction), [[finding(entity_type, score)]]).obligations[0][0].rule
            for direction in Direction
            for entity_type in CATALOGUE
            for score in SCORES
        }
        written = {
            line.split(":")[1].strip()
            for line in files(name)[SCREENING].decode().splitlines()
            if line.strip().startswith("- name:")
        }
        assert used == written
