"""What is protected and then restored is what it was, in every position and cut anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.domain.decision import Operator
from guard.domain.entities import CATALOGUE, Group, tokens_in
from guard.domain.exchange import Encoding
from guard.domain.finding import Finding
from guard.domain.principal import Tools
from guard.protection.plan import Plan
from guard.protection.restore import RestoreContext, Restorer
from tests.properties.screening.texts import cuts
from tests.unit.protection.requests import part, protected
from tests.unit.screening.seen import seen

VALUES = (
    *("ann.lee7@acme.io", "ü.ö@müller.de", "+1 415 555 2671", "(415) 555-2671", "4539 1488 0343 6467"),
    *(
        "DE89 3704 0044 0532 0130 00",
        "11010519491231002X",
        "219-09-9998",
        "13912345678",
        "x" * 70 + "@acme.io",
    ),
    "3c:22:fb:9a:10:7e",
)
AROUND = (
    *(
        " ",
        "\n",
        ", ",
        "; ",
        "- ",
        "(",
        ")",
        "*",
        "_",
        "|",
        "中",
        "。",
        "，",
        "é",
        "!",
        "?",
        '"',
        "'",
        "\u200b",
    ),
    *("word ", "Call ", "电话", "１", "\U0001f600", "\t", "# ", "`"),
)
SECRETS = ("sk-aZ3kQ9xW2mB7nR5tY8uP1sD4", "password: Xk9z!2mm", "Bearer aZ3kQ9xW2mB7nR5t")
plain = st.lists(st.sampled_from(VALUES) | st.sampled_from(AROUND), max_size=10).map("".join)
with_secrets = st.lists(
    st.sampled_from(VALUES) | st.sampled_from((*AROUND, "\\")) | st.sampled_from(SECRETS), max_size=8
).map("".join)
"""Texts without addresses: those have laws of their own."""


def context(planned: Plan, *, secret: tuple[str, ...] = ()) -> RestoreContext:
    """Return what an exchange restores with."""
    return RestoreContext(vault=planned.vault, hosts=frozenset(), tools=Tools(secret=secret, egress=()))


def back(pieces: Sequence[str], planned: Plan) -> str:
    """Restore in prose."""
    restorer = Restorer(context(planned), sink="prose")
    return "".join(map(restorer.feed, pieces)) + restorer.close()


def joined(text: str) -> bool:
    """Whether a value is followed by what would make it part of a host or a mailbox."""
    return re.search(r"X[0-9A-Z]{12}(?:@guard\.invalid)?(?:@|\.[^\W_]|:[\\/])", text) is not None


@given(plain.flatmap(lambda text: st.tuples(st.just(text), st.data())))
@settings(max_examples=200)
def test_in_prose(drawn: tuple[str, st.DataObject]) -> None:
    text, data = drawn
    (sent,), planned = protected(text)
    if joined(sent):
        return
    assert back([sent], planned) == text
    assert back(data.draw(cuts(sent)), planned) == text
    assert back(sent, planned) == text


@given(plain)
def test_a_model_that_writes_small_letters_or_no_shape_changes_nothing(text: str) -> None:
    (sent,), planned = protected(text)
    if joined(sent):
        return
    for token in planned.vault:
        sent = sent.replace(token, token.lower())
    assert back([sent], planned) == text
    bare = sent.replace("@guard.invalid", "")
    if not joined(bare):
        assert back([bare], planned) == text


@given(st.dictionaries(st.text(max_size=5), with_secrets, max_size=4), st.booleans())
def test_in_arguments_of_a_trusted_tool(arguments: dict[str, str], ascii_only: bool) -> None:
    source = json.dumps(arguments, ensure_ascii=ascii_only)
    (sent,), planned = protected(part(source, encoding=Encoding.JSON))
    json.loads(sent)
    restorer = Restorer(context(planned, secret=("edit",)), sink="tool:edit")
    assert json.loads(restorer.source(sent)) == arguments


spaced = st.lists(
    st.sampled_from(VALUES) | st.sampled_from(AROUND) | st.sampled_from(SECRETS), max_size=8
).map(" ".join)


@given(st.lists(spaced, max_size=4))
def test_nothing_that_was_found_leaves(texts: list[str]) -> None:
    sent, planned = protected(*texts)
    for text, out in zip(texts, sent, strict=True):
        assert all(value not in out for _, value in seen(text))
        assert len(tokens_in(out)) >= bool(seen(text))
    assert all(original.value not in "".join(sent) for original in planned.vault.values())


@given(st.lists(plain, min_size=1, max_size=4))
def test_one_value_has_one_surrogate_and_no_two_share_one(texts: list[str]) -> None:
    _, planned = protected(*texts)
    values = [(one.entity_type, one.value) for one in planned.vault.values()]
    assert len(set(values)) == len(values)
    for token, one in planned.vault.items():
        assert token.startswith(CATALOGUE[one.entity_type].mnemonic + "X")
        assert one.group is CATALOGUE[one.entity_type].group


@given(st.lists(plain, min_size=1, max_size=4))
def test_replacements_are_in_order_apart_and_inside(texts: list[str]) -> None:
    operators = [Operator.KEEP, Operator.MASK, Operator.SURROGATE, Operator.REDACT]

    def choose(found: Finding) -> Operator:
        return operators[(found.start + found.end) % 4]

    _, planned = protected(*texts, choose=choose)
    for text, changes in zip(texts, planned.replacements, strict=True):
        at = 0
        for one in changes:
            assert at <= one.start < one.end <= len(text)
            at = one.end


@given(st.lists(plain, min_size=1, max_size=3), plain)
def test_a_longer_conversation_changes_earlier_turns_only_if_it_says_so(turns: list[str], more: str) -> None:
    before, _ = protected(*turns)
    after, planned = protected(*turns, more)
    if planned.prefix_changed == 0:
        assert after[: len(before)] == before


def test_secrets_are_a_group_of_their_own() -> None:
    assert {CATALOGUE[name].group for name, _ in seen(" ".join(SECRETS))} == {Group.SECRET}
