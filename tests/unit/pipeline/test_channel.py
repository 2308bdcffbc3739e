"""One channel of an answer: what is applied, restored, held and stopped."""

from __future__ import annotations

import asyncio

import pytest

from guard.domain.decision import Direction
from guard.domain.entities import Group
from guard.domain.principal import Tools
from guard.pipeline.channel import Blocked, Channel, ChannelSetting, Tally
from guard.policy.bundle import load_bundle
from guard.policy.engine import compile_bundle
from guard.protection.plan import Original
from guard.protection.restore import RestoreContext
from guard.screening.engine import compile_screener
from tests.unit.pipeline.house import EMAIL, packed
from tests.unit.policy.policies import facts, policy

CARD = "5425 2334 3010 9903"
TOKEN = "EMLX0123456789AB"
SHAPED = f"{TOKEN}@guard.invalid"
OTHER = "jose.perez@kestrel-labs.com"


def setting(pack: bytes | None = None, *, report_only: bool = False) -> ChannelSetting:
    """Return a setting whose vault knows one e-mail address."""
    original = Original(value=EMAIL, entity_type="EMAIL_ADDRESS", group=Group.CONTACT)
    return ChannelSetting(
        screener=compile_screener(),
        policy=compile_bundle(load_bundle(pack or packed("default"))),
        facts=facts(Direction.ANSWER),
        restore=RestoreContext(vault={TOKEN: original}, hosts=frozenset(), tools=Tools()),
        report_only=report_only,
    )


def run(
    text: str,
    known: ChannelSetting | None = None,
    *,
    sink: str = "prose",
    restores: bool = True,
    json_text: bool = False,
) -> tuple[str, Tally]:
    """Put a whole text through a channel."""
    tally = Tally()
    channel = Channel(known or setting(), tally, sink=sink, restores=restores)
    return asyncio.run(channel.whole(text, json_text=json_text)), tally


def test_a_surrogate_becomes_its_original_in_its_shape_or_bare() -> None:
    text, tally = run(f"{SHAPED}, {TOKEN}, {TOKEN.lower()} and EMLXAAAAAAAAAAAA")
    assert text == f"{EMAIL}, {EMAIL}, {EMAIL} and EMLXAAAAAAAAAAAA"
    assert (tally.restored, tally.withheld) == (3, 0)


def test_reasoning_and_ids_keep_their_surrogates() -> None:
    text, tally = run(f"about {SHAPED}", restores=False)
    assert text == f"about {SHAPED}" and (tally.restored, tally.withheld) == (0, 0)


def test_values_that_the_model_made_are_treated_as_the_answers_rules_say() -> None:
    text, tally = run(f"card {CARD}, mail {OTHER}")
    assert text == f"card [CREDIT_CARD], mail {OTHER}"
    assert dict(tally.entities) == {"CREDIT_CARD": 1, "EMAIL_ADDRESS": 1}
    assert tally.rules == {"answer-payment", "answer-others"}


def test_our_own_restored_values_are_not_screened_again() -> None:
    strict = setting(packed("strict"))
    text, tally = run(f"to {SHAPED}", strict)
    assert text == f"to {EMAIL}" and not tally.entities


def test_a_mask_leaves_the_last_few() -> None:
    masks = policy("name: m, direction: answer, action: {mask: {keep_last: 4}}")
    assert run(f"card {CARD}.", setting(masks))[0] == "card **** **** **** 9903."


def test_report_mode_counts_and_changes_nothing() -> None:
    text, tally = run(f"card {CARD}", setting(packed("strict"), report_only=True))
    assert text == f"card {CARD}" and tally.rules == {"answer-never"}


def stopped(text: str, known: ChannelSetting, *, json_text: bool = False) -> Blocked:
    """Return how a text is stopped."""
    with pytest.raises(Blocked) as block:
        run(text, known, json_text=json_text)
    return block.value


def test_a_block_releases_what_stood_before_the_finding_and_names_no_value() -> None:
    block = stopped(f"To {SHAPED}: {OTHER} has {CARD} and more", setting(packed("pci")))
    assert block.released == f"To {EMAIL}: {OTHER} has "
    assert block.explanation == "The answer was stopped by policy rule answer-cards: CREDIT_CARD."
    assert CARD not in str(block)


def test_what_was_kept_back_for_a_surrogate_that_never_came_is_released_too() -> None:
    block = stopped(f"the card:{CARD}", setting(packed("pci")))
    assert block.released == "the card:"


def test_what_was_changed_before_the_finding_stays_changed() -> None:
    block = stopped(f"{OTHER} has {CARD}", setting(packed("strict")))
    assert block.released == "[EMAIL_ADDRESS] has "


def test_a_block_in_a_tools_arguments_releases_nothing() -> None:
    known = setting(packed("strict"))
    assert stopped(f'{{"to": "{SHAPED}", "card": "{CARD}"}}', known, json_text=True).released == ""
    tally = Tally()
    with pytest.raises(Blocked):
        asyncio.run(Channel(known, tally, sink="tool:x").whole(f'{{"a": "{SHAPED} {CARD}"}}', json_text=True))
    assert tally.restored == 0


@pytest.mark.parametrize(("level", "released"), [("sentence", "First one."), ("part", ""), ("answer", "")])
def test_a_rule_that_holds_releases_only_what_it_lets_go(level: str, released: str) -> None:
    known = setting(
        policy(
            f"name: cards, direction: answer, when: {{group: payment}}, action: block, hold: {level}",
            "name: rest, direction: answer, action: keep",
        )
    )
    text = f"First one. Then the card {CARD}."
    assert stopped(text, known).released == released
    assert run("First one. Then nothing.", known)[0] == "First one. Then nothing."


def test_json_is_edited_by_spans_and_escaped() -> None:
    vault = {TOKEN: Original(value='a "b"\\c\n', entity_type="EMAIL_ADDRESS", group=Group.CONTACT)}
    known = setting()
    known = ChannelSetting(
        screener=known.screener,
        policy=known.policy,
        facts=known.facts,
        restore=RestoreContext(vault=vault, hosts=frozenset(), tools=Tools()),
        report_only=False,
    )
    source = '{"x":  "\\u0045MLX0123456789AB",\t"n": 1e5, "card": "5425 2334\\u00203010 9903"}'
    text, _ = run(source, known, sink="tool:f", json_text=True)
    assert text == '{"x":  "a \\"b\\"\\\\c\\n",\t"n": 1e5, "card": "[CREDIT_CARD]"}'


def test_what_is_open_is_held_and_the_rest_goes_at_once() -> None:
    channel = Channel(setting(), Tally(), sink="prose")
    assert channel.feed("Hello there, write to maria.go") == "Hello there, write to "
    assert channel.feed("mez@kestrel-labs.com") == ""
    assert channel.feed(" now. EMLX01234") == f"{EMAIL} now. "
    assert channel.feed("56789AB") == ""
    assert channel.close() == EMAIL


def test_counts_are_there_before_the_channel_is_closed() -> None:
    tally = Tally()
    channel = Channel(setting(), tally, sink="prose")
    channel.feed(f"{SHAPED} and then more text follows")
    assert tally.restored == 1


async def _turns(work: asyncio.Future[str]) -> int:
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


@pytest.mark.parametrize("json_text", [False, True])
def test_a_long_answer_lets_others_run(json_text: bool) -> None:
    async def scenario() -> int:
        channel = Channel(setting(), Tally(), sink="prose")
        text = '"' + "word " * 40_000 + '"'
        return await _turns(asyncio.ensure_future(channel.whole(text, json_text=json_text)))

    assert asyncio.run(scenario()) > 10
