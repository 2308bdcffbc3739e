"""The plan of a request: what is replaced where, what spreads, what is refused."""

from __future__ import annotations

import json

import pytest

from guard.domain.decision import Operator
from guard.domain.entities import Group
from guard.domain.exchange import Encoding, PartKind
from guard.domain.finding import Finding
from guard.errors import ProtectionFailed, SurrogateInvalid, UnknownOperator
from guard.protection.plan import plan
from guard.protection.surrogate import Surrogates
from tests.unit.protection.requests import SURROGATES, decided, part, protected, screened

EMAIL = "ann.lee7@acme.io"
SHAPED = SURROGATES.write("EMAIL_ADDRESS", SURROGATES.token("EMAIL_ADDRESS", EMAIL))
CARD = "4539148803436467"
CARD_TOKEN = SURROGATES.token("CREDIT_CARD", CARD)
PHONE = "415-555-2671"
PHONE_TOKEN = SURROGATES.token("PHONE_NUMBER", PHONE)
SECRET = "Tr0ub4dor&3xyz"


def test_a_finding_becomes_its_surrogate_and_the_vault_knows_it() -> None:
    (text,), planned = protected(f"Write to {EMAIL}.")
    assert text == f"Write to {SHAPED}."
    (original,) = planned.vault.values()
    assert (original.value, original.entity_type, original.group) == (EMAIL, "EMAIL_ADDRESS", Group.CONTACT)
    assert EMAIL not in repr(planned) and EMAIL not in repr(original)


def test_the_same_value_has_one_surrogate_wherever_it_stands() -> None:
    texts, planned = protected(f"{EMAIL} {EMAIL}", f"again {EMAIL}")
    assert texts == [f"{SHAPED} {SHAPED}", f"again {SHAPED}"]
    assert len(planned.vault) == 1


def test_what_is_kept_stays() -> None:
    (text,), planned = protected(f"{EMAIL} at 93.184.216.34", choose=lambda _: Operator.KEEP)
    assert text == f"{EMAIL} at 93.184.216.34"
    assert planned.vault == {}


@pytest.mark.parametrize(
    ("other", "changed"),
    [
        pytest.param(f"x,{PHONE};y", f"x,{PHONE_TOKEN};y", id="between marks"),
        pytest.param(f"_{PHONE}_", f"_{PHONE_TOKEN}_", id="between low lines"),
        pytest.param(f"中{PHONE}中", f"中{PHONE_TOKEN}中", id="between Han characters"),
        pytest.param(f"a{PHONE}", f"a{PHONE}", id="behind a letter"),
        pytest.param(f"{PHONE}9", f"{PHONE}9", id="before a digit"),
        pytest.param("415 555 2671", "415 555 2671", id="other code points"),
    ],
)
def test_a_value_spreads_to_where_it_would_not_be_found(other: str, changed: str) -> None:
    """Seen once, it is replaced wherever its neighbours are neither letters nor digits."""
    keep = {"415 555 2671": Operator.KEEP}
    texts, _ = protected(
        f"call {PHONE}", other, choose=lambda one: keep.get(other[one.start : one.end], Operator.SURROGATE)
    )
    assert texts == [f"call {PHONE_TOKEN}", changed]


def test_it_spreads_backwards_and_that_is_counted() -> None:
    texts, planned = protected(f"id 9-{CARD}-9", f"my card is {CARD}", f"again {CARD}")
    assert texts == [f"id 9-{CARD_TOKEN}-9", f"my card is {CARD_TOKEN}", f"again {CARD_TOKEN}"]
    assert planned.prefix_changed == 1


def test_nothing_is_counted_where_the_history_only_goes_on() -> None:
    _, planned = protected(f"my card is {CARD}", f"again {CARD}", f"id 9-{CARD}-9")
    assert planned.prefix_changed == 0


def test_the_most_protective_decision_counts_everywhere() -> None:
    operators = iter([Operator.SURROGATE, Operator.REDACT])
    texts, planned = protected(f"call {PHONE}", f"ring {PHONE}", choose=lambda _: next(operators))
    assert texts == ["call [PHONE_NUMBER]", "ring [PHONE_NUMBER]"]
    assert planned.prefix_changed == 1
    operators = iter([Operator.REDACT, Operator.SURROGATE])
    _, planned = protected(f"call {PHONE}", f"ring {PHONE}", choose=lambda _: next(operators))
    assert planned.prefix_changed == 0


def test_of_two_types_of_one_value_the_secret_counts() -> None:
    value = "415-555-2671"
    parts = [part(f"call {value}"), part(f"pin {value}", 1)]
    findings = [
        (Finding(entity_type="PHONE_NUMBER", start=5, end=17, score=0.9, recognizer="t"),),
        (Finding(entity_type="URL_CREDENTIALS", start=4, end=16, score=0.9, recognizer="t"),),
    ]
    planned = plan(parts, decided(findings), SURROGATES)
    assert [one.group for one in planned.vault.values()] == [Group.SECRET]
    assert planned.prefix_changed == 1


@pytest.mark.parametrize(
    ("value", "entity_type", "spreads"),
    [
        ("DE89370400440532013000", "IBAN_CODE", True),
        ("ann.lee7@acme.io", "EMAIL_ADDRESS", True),
        ("ann@acme.io", "EMAIL_ADDRESS", False),
        ("a7@b.io", "EMAIL_ADDRESS", False),
        ("ann7@example.com", "EMAIL_ADDRESS_EXAMPLE", False),
    ],
)
def test_short_values_words_and_placeholders_do_not_spread(
    value: str, entity_type: str, spreads: bool
) -> None:
    found = Finding(entity_type=entity_type, start=0, end=len(value), score=0.9, recognizer="t")
    planned = plan([part(value), part(value, 1)], decided([[found], []]), SURROGATES)
    assert [len(changes) for changes in planned.replacements] == [1, 1 if spreads else 0]


def test_changes_that_overlap_become_one() -> None:
    """A value that spreads into another finding: no piece of either is left."""
    texts, planned = protected(f"card {CARD}", f"mail {CARD}@acme.io")
    assert CARD not in texts[1] and "acme" not in texts[1]
    assert texts[1].startswith("mail CRDX"), "a card is restored in fewer places than an address"
    assert {one.value for one in planned.vault.values()} == {CARD, f"{CARD}@acme.io"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("x" * 70 + "@acme.io", "x" * 70 + "@acme.io", id="a long local part"),
        pytest.param("sk-" + "aZ3kQ9" * 45, "sk-" + "aZ3kQ9" * 45, id="a long key"),
        pytest.param("中" + "x" * 70 + "@acme.io中", "x" * 70 + "@acme.io", id="up to a Han character"),
    ],
)
def test_a_word_that_a_finding_cuts_belongs_to_it(text: str, value: str) -> None:
    """Or its rest would stay, and a surrogate glued to it could not be restored."""
    _, planned = protected(text)
    assert [one.value for one in planned.vault.values()] == [value]


def test_surrogates_that_would_touch_become_one() -> None:
    """Or neither could be read again."""
    texts, planned = protected("password: Tr0ub4dor\\\u00fcnal@acme.io")
    assert [one.value for one in planned.vault.values()] == ["Tr0ub4dor\\ünal@acme.io"]
    assert texts[0].startswith("password: SECX") and len(texts[0]) == len("password: ") + 16


def test_in_json_sources_escapes_are_no_letters() -> None:
    source = json.dumps({"a": f"one\n{EMAIL}\nnext", "b": "x"})
    (text,), planned = protected(part(source, encoding=Encoding.JSON))
    assert json.loads(text) == {"a": f"one\n{SHAPED}\nnext", "b": "x"}
    assert [one.value for one in planned.vault.values()] == [EMAIL]


def test_in_json_sources_values_are_what_they_mean() -> None:
    source = '{"a":"' + EMAIL.replace("@", r"\u0040") + '"}'
    texts, planned = protected(part(source, encoding=Encoding.JSON), f"the same {EMAIL}")
    assert texts == [f'{{"a":"{SHAPED}"}}', f"the same {SHAPED}"]
    assert len(planned.vault) == 1


def test_a_long_word_in_a_json_source_is_taken_whole_too() -> None:
    source = '{"a":"\\n' + "x" * 70 + '@acme.io\\n"}'
    (text,), planned = protected(part(source, encoding=Encoding.JSON))
    assert [one.value for one in planned.vault.values()] == ["x" * 70 + "@acme.io"]
    assert json.loads(text)["a"].strip().endswith("@guard.invalid")


def test_a_value_that_spreads_into_a_json_source_keeps_it_valid() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEabcdefghijklmnopqrstuvwx7\n-----END PRIVATE KEY-----"
    source = json.dumps({"k": key})
    texts, planned = protected(key, part(source, 1, encoding=Encoding.JSON))
    assert set(json.loads(texts[1])) == {"k"} and texts[0] == json.loads(texts[1])["k"]
    assert [one.value for one in planned.vault.values()] == [key]


@pytest.mark.parametrize("text", [EMAIL, f"run-{CARD}"], ids=["found", "spread"])
def test_a_value_in_an_id_refuses_the_request(text: str) -> None:
    parts = [part(f"{EMAIL} {CARD}"), part(text, 1, kind=PartKind.STRUCTURAL)]
    findings = screened(parts)
    findings[1] = findings[1] if text == EMAIL else ()
    with pytest.raises(ProtectionFailed) as failure:
        plan(parts, decided(findings), SURROGATES)
    assert (failure.value.code, failure.value.position) == ("personal_data_in_id", "messages[1]")
    assert EMAIL not in failure.value.message and CARD not in failure.value.message


class Colliding(Surrogates):
    """Writes one token for everything."""

    def token(self, entity_type: str, value: str) -> str:
        """Return the same token always."""
        return "EMLX0123456789AB"


def test_two_values_never_share_a_surrogate() -> None:
    writer = Colliding(key=bytes(32), tenant="t", application="a", scope="")
    with pytest.raises(SurrogateInvalid) as failure:
        protected(f"{EMAIL} or bob.ray@acme.io", surrogates=writer)
    assert EMAIL not in failure.value.message


def test_surrogates_of_earlier_turns_are_counted_and_stay() -> None:
    (text,), planned = protected(f"{SHAPED} and crdx0123456789ab and {EMAIL}")
    assert text == f"{SHAPED} and crdx0123456789ab and {SHAPED}"
    assert planned.seen == 2


def test_a_number_becomes_a_text() -> None:
    (text,), _ = protected(part(CARD, encoding=Encoding.NUMBER))
    assert text == CARD_TOKEN


@pytest.mark.parametrize(
    ("operator", "parameters", "changed"),
    [
        (Operator.REDACT, {}, "call [PHONE_NUMBER]"),
        (Operator.MASK, {}, "call ***-***-****"),
        (Operator.MASK, {"keep_last": 4}, "call ***-***-2671"),
        (Operator.MASK, {"keep_last": 9}, "call ***-**5-2671"),
    ],
    ids=["redact", "mask", "mask but four", "mask at least half"],
)
def test_other_operators(operator: Operator, parameters: dict[str, int | str], changed: str) -> None:
    (text,), planned = protected(f"call {PHONE}", choose=lambda _: operator, parameters=parameters)
    assert text == changed
    assert planned.vault == {}


def test_an_operator_that_is_not_there_refuses() -> None:
    with pytest.raises(UnknownOperator):
        protected(f"call {PHONE}", choose=lambda _: Operator.ENCRYPT)


def test_a_client_that_resends_its_history_gets_identical_bytes() -> None:
    turns = [f"I am {EMAIL}", f"card {CARD}", "thanks", f"call {PHONE}"]
    before: list[str] = []
    for count in range(1, len(turns) + 1):
        texts, planned = protected(*turns[:count])
        assert texts[: len(before)] == before and planned.prefix_changed == 0
        before = texts
