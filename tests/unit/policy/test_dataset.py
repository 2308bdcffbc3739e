"""Dataset policies: what they say of a column and of a value, and what every mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.domain.dataset import TransformWord
from guard.domain.entities import CATALOGUE, Group
from guard.errors import ConfigurationError
from guard.policy.dataset import ORDER, DatasetPolicy, load_dataset_policy

SHIPPED = Path(__file__).parents[3] / "policies" / "default" / "dataset.yaml"
TEXT = """\
apiVersion: guard/v1
kind: DatasetPolicy
metadata: {name: tests}
spec:
  columns:
    - {match: ["*NAME*", surname], action: pseudonymise}
    - {match: zip, action: {generalise: {keep_first: 3}}}
    - {match: age, action: {generalise: {width: 10}}}
    - {match: plate, action: {mask: {keep_last: 2}}}
    - {match: "last*", action: drop}
    - {match: open, action: keep}
  types:
    - {group: [payment, bank], action: drop}
    - {entity_type: EMAIL_ADDRESS, action: surrogate}
    - {entity_type: [EMAIL_ADDRESS, PHONE_NUMBER], action: mask}
  unmatched: drop
  otherwise: keep
"""
NOTHING: frozenset[str] = frozenset()


def load(text: str = TEXT) -> DatasetPolicy:
    return load_dataset_policy(text.encode(), file="d.yaml")


@pytest.mark.parametrize(
    ("column", "found", "word", "rule"),
    [
        ("First Name", NOTHING, TransformWord.PSEUDONYMISE, "columns *name*, surname"),
        ("surname", NOTHING, TransformWord.PSEUDONYMISE, "columns *name*, surname"),
        ("lastname", NOTHING, TransformWord.DROP, "columns last*"),
        ("ZIP", NOTHING, TransformWord.GENERALISE, "columns zip"),
        ("plate", NOTHING, TransformWord.MASK, "columns plate"),
        ("plate", frozenset({"CREDIT_CARD"}), TransformWord.DROP, "types at line 13"),
        ("open", frozenset({"EMAIL_ADDRESS"}), TransformWord.SURROGATE, "types at line 14"),
        ("open", frozenset({"JWT"}), TransformWord.DROP, "unmatched"),
        ("open", NOTHING, TransformWord.KEEP, "columns open"),
        ("town", NOTHING, TransformWord.KEEP, "otherwise"),
        ("town", frozenset({"PHONE_NUMBER", "EMAIL_ADDRESS"}), TransformWord.SURROGATE, "types at line 14"),
    ],
)
def test_of_the_rules_for_a_column_the_most_protective_wins(
    column: str, found: frozenset[str], word: TransformWord, rule: str
) -> None:
    action = load().for_column(column, found)
    assert (action.word, action.rule) == (word, rule)


@given(st.sets(st.sampled_from(sorted(CATALOGUE)), max_size=4), st.sampled_from(sorted(CATALOGUE)))
def test_a_finding_more_never_makes_a_column_less_protected(found: set[str], more: str) -> None:
    policy = load()
    less = policy.for_column("open", frozenset(found))
    assert ORDER.index(policy.for_column("open", frozenset({*found, more})).word) >= ORDER.index(less.word)


def test_a_rule_has_its_parameters() -> None:
    policy = load()
    assert policy.for_column("age", NOTHING).parameters == {"width": 10}
    assert policy.for_column("zip", NOTHING).parameters == {"keep_first": 3}
    assert policy.for_column("plate", NOTHING).parameters == {"keep_last": 2}


def test_a_policy_is_named_by_what_it_says() -> None:
    assert load().digest == load(TEXT.replace("metadata", "metadata ")).digest
    assert load().digest != load(TEXT.replace("width: 10", "width: 20")).digest


MISTAKES = [
    ("kind: DatasetPolicy", "kind: Policy", "2:7: 'Policy' is not known"),
    ("  unmatched: drop\n", "", "5:3: 'unmatched' is missing"),
    ("otherwise: keep", "otherwise: keep\n  others: keep", "'others' is not known"),
    ("action: pseudonymise", "action: pseudonymize", "6:44: 'pseudonymize' is not known; did you mean"),
    ("{generalise: {width: 10}}", "generalise", "8:28: write generalise: {width: 10} or {keep_first: 3}"),
    ("{width: 10}", "{}", "generalise takes width (numbers) or keep_first (texts)"),
    ("{width: 10}", "{width: 10, keep_first: 2}", "generalise takes width (numbers) or keep_first (texts)"),
    ("{width: 10}", "{width: 0}", "expected a number from 1"),
    ("{keep_last: 2}", "{keep_last: 17}", "expected a number from 0 to 16"),
    ("{keep_last: 2}", "{keep_first: 2}", "'keep_first' is not known"),
    ("{mask: {keep_last: 2}}", "{mask: {}, drop: {}}", "expected one of"),
    ("{mask: {keep_last: 2}}", "{hide: {}}", "expected one of"),
    ("entity_type: EMAIL_ADDRESS,", "entity_type: EMAIL,", "'EMAIL' is not known"),
    ("group: [payment, bank]", "group: [paiment]", "did you mean 'payment'?"),
    ("group: [payment, bank], ", "", "13:7: expected entity_type or group"),
    ("match: zip, ", "", "'match' is missing"),
    ("match: zip", "match: [1]", "expected a text"),
]


@pytest.mark.parametrize(("right", "wrong", "says"), MISTAKES, ids=[row[1] or row[2] for row in MISTAKES])
def test_a_mistake_is_told_with_its_place(right: str, wrong: str, says: str) -> None:
    assert right in TEXT
    with pytest.raises(ConfigurationError) as caught:
        load(TEXT.replace(right, wrong, 1))
    assert caught.value.message.startswith("d.yaml:") and says in caught.value.message


def test_the_shipped_policy_keeps_no_secret_and_no_number_of_a_person() -> None:
    policy = load_dataset_policy(SHIPPED.read_bytes(), file=SHIPPED.name)
    kept = {name for name in CATALOGUE if policy.for_type(name).word is TransformWord.KEEP}
    assert {CATALOGUE[name].group for name in kept} <= {Group.PLACEHOLDER}
    for name, row in CATALOGUE.items():
        if row.group in (Group.SECRET, Group.PAYMENT, Group.BANK, Group.NATIONAL_ID):
            assert policy.for_type(name).word is TransformWord.DROP


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("First_Name", TransformWord.DROP), ("user_id", TransformWord.PSEUDONYMISE),
        ("E-mail", TransformWord.PSEUDONYMISE), ("email", TransformWord.PSEUDONYMISE),
        ("Name", TransformWord.DROP), ("customer name", TransformWord.DROP), ("mail", TransformWord.KEEP),
        ("Birthday", TransformWord.GENERALISE), ("postcode", TransformWord.GENERALISE),
        ("age", TransformWord.KEEP), ("income", TransformWord.KEEP),
    ],
)  # fmt: skip
def test_the_shipped_policy_reads_headers(column: str, word: TransformWord) -> None:
    """A header that it does not know is no harm where values are recognised."""
    policy = load_dataset_policy(SHIPPED.read_bytes(), file=SHIPPED.name)
    assert policy.for_column(column, NOTHING).word is word
    assert policy.for_column(column, frozenset({"EMAIL_ADDRESS"})).word is not TransformWord.KEEP
