"""Streams: channels apart, calls whole, choices each for itself, comments in silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from guard.domain.principal import Tools
from guard.errors import GuardError
from guard.pipeline import stream as streams
from guard.pipeline.answer import StreamReply
from tests.fakes.upstream import Answer
from tests.unit.pipeline.house import DONE, EMAIL, House, chat, done, frame, packed, said
from tests.unit.policy.policies import policy

CARD = "5425 2334 3010 9903"
STOPPED = "The answer was stopped by policy rule answer-never: CREDIT_CARD."


def answered(house: House, pieces: Sequence[bytes], **members: object) -> list[dict[str, object]]:
    """Return the chunks that the caller gets for a provider's stream."""
    house.upstream.behaviours["a"] = lambda _: Answer(pieces)
    got = asyncio.run(_done(house, asking(stream=True, **members)))
    frames = [one for one in got.split(b"\n\n") if one and not one.startswith(b":")]
    assert frames[-1] == b"data: [DONE]"
    return [json.loads(one.removeprefix(b"data: ")) for one in frames[:-1]]


def asking(**members: object) -> bytes:
    """Return a request with members."""
    return json.dumps({**json.loads(chat()), **members}).encode()


async def _done(house: House, body: bytes) -> bytes:
    return await done(await house.ask(body))


def choices(chunks: list[dict[str, object]]) -> list[tuple[int, dict[str, object], str | None]]:
    """Return (index, delta without role, reason) of every choice of every chunk."""
    found = []
    for chunk in chunks:
        listed = chunk["choices"]
        assert isinstance(listed, list)
        for choice in listed:
            delta = {name: value for name, value in choice["delta"].items() if name != "role"}
            found.append((choice["index"], delta, choice["finish_reason"]))
    return found


def text(chunks: list[dict[str, object]], index: int = 0, name: str = "content") -> str:
    """Return all text of a channel."""
    return "".join(str(delta.get(name) or "") for number, delta, _ in choices(chunks) if number == index)


def reasons(chunks: list[dict[str, object]]) -> list[tuple[int, str]]:
    """Return why each choice ended, in order."""
    return [(index, reason) for index, _, reason in choices(chunks) if reason]


def call(index: int, name: str = "", arguments: str = "", **members: object) -> bytes:
    """Return a piece of a tool call."""
    function = {**({"name": name} if name else {}), "arguments": arguments}
    return frame({"tool_calls": [{"index": index, "function": function, **members}]})


END = [frame({}, reason="stop"), DONE]


def test_fields_are_held_apart() -> None:
    chunks = answered(
        House(),
        [
            frame({"reasoning_content": "maria.", "content": "jose."}),
            frame({"reasoning_content": "gomez@x", "content": "perez@x"}),
            frame({"content": " said", "refusal": "no"}),
            *END,
        ],
    )
    assert text(chunks) == "jose.perez@x said"
    assert text(chunks, name="reasoning_content") == "maria.gomez@x"
    assert text(chunks, name="refusal") == "no"
    assert reasons(chunks) == [(0, "stop")]


def test_reasoning_keeps_its_surrogates_and_content_gets_originals() -> None:
    house = House()

    def think(body: bytes) -> Answer:
        return Answer([frame({"reasoning_content": said(body)}), frame({"content": said(body)}), *END])

    house.upstream.behaviours["a"] = think
    got = asyncio.run(_done(house, chat(EMAIL, stream=True))).decode()
    thought, spoken = got.split('"content"')
    assert EMAIL not in thought and "@guard.invalid" in thought and EMAIL in spoken


def test_a_call_goes_whole_when_its_choice_ends_and_in_the_order_of_its_index() -> None:
    chunks = answered(
        House(),
        [
            call(1, "second", '{"a":', id="c2"),
            call(0, "first", "{}", id="c1"),
            frame({"content": "said"}),
            call(1, "", ' "b"}'),
            frame({}, reason="tool_calls"),
            DONE,
        ],
    )
    made = [
        (function["name"], function["arguments"])
        for _, delta, _ in choices(chunks)
        for one in _listed(delta.get("tool_calls"))
        for function in [one["function"]]
    ]
    assert made == [("first", "{}"), ("second", '{"a": "b"}')]
    assert text(chunks) == "said" and reasons(chunks) == [(0, "tool_calls")]


def _listed(value: object) -> list[dict[str, dict[str, str]]]:
    return value if isinstance(value, list) else []


def test_custom_and_legacy_calls_go_through_their_tools_sink() -> None:
    house = House(tools=Tools(egress=("fetch",)))

    def calls(body: bytes) -> Answer:
        value = said(body)
        custom = [{"index": 0, "type": "custom", "id": "c", "custom": {"name": "fetch", "input": value}}]
        legacy = {"name": "save", "arguments": json.dumps({"to": value})}
        return Answer([frame({"tool_calls": custom}), frame({"function_call": legacy}), *END])

    house.upstream.behaviours["a"] = calls
    got = asyncio.run(_done(house, chat(EMAIL, stream=True))).decode()
    custom, legacy = got.split("function_call")
    assert EMAIL not in custom and "@guard.invalid" in custom
    assert EMAIL in legacy


def test_a_choice_that_is_stopped_ends_with_a_refusal_and_the_others_go_on() -> None:
    chunks = answered(
        House(policy=packed("strict")),
        [
            frame({"content": "one, "}),
            frame({"content": f"the card {CARD} is"}, index=1),
            frame({"content": "two"}),
            frame({"content": " never seen"}, index=1),
            call(0, "f", "{}"),
            frame({}, index=1, reason="stop"),
            *END,
        ],
    )
    assert text(chunks) == "one, two" and text(chunks, 1) == "the card "
    assert text(chunks, 1, "refusal") == STOPPED
    assert reasons(chunks) == [(1, "content_filter"), (0, "stop")]


def test_a_call_that_is_stopped_sends_no_call_of_its_choice() -> None:
    chunks = answered(
        House(policy=packed("strict")),
        [
            frame({"content": "I call."}),
            call(0, "fine", "{}"),
            call(1, "bad", json.dumps({"card": CARD})),
            frame({}, reason="tool_calls"),
            DONE,
        ],
    )
    assert "tool_calls" not in json.dumps([delta for _, delta, _ in choices(chunks)])
    assert text(chunks) == "I call." and text(chunks, name="refusal") == STOPPED
    assert reasons(chunks) == [(0, "content_filter")]


@pytest.mark.parametrize("member", ["id", "name"])
def test_an_id_or_a_name_that_is_stopped_stops_its_choice(member: str) -> None:
    value = CARD.replace(" ", "")
    chunks = answered(
        House(policy=packed("strict")),
        [
            call(0, value if member == "name" else "f", "{}", **({"id": value} if member == "id" else {})),
            *END,
        ],
    )
    assert reasons(chunks) == [(0, "content_filter")] and value not in json.dumps(chunks)


def test_an_id_that_the_model_made_up_of_a_value_is_treated_like_any_text() -> None:
    value = CARD.replace(" ", "")
    chunks = answered(House(), [call(0, "f", "{}", id=value), *END])
    assert value not in json.dumps(chunks) and "[CREDIT_CARD]" in json.dumps(chunks)


def test_the_envelope_is_screened_before_anything_goes() -> None:
    value = CARD.replace(" ", "")
    first = json.loads(frame({"content": "x"}).removeprefix(b"data: "))
    marked = b"data: " + json.dumps({**first, "id": value}).encode() + b"\n\n"
    chunks = answered(House(), [marked, *END])
    assert {chunk["id"] for chunk in chunks} == {"[CREDIT_CARD]"}
    house = House(policy=packed("strict"))
    house.upstream.behaviours["a"] = lambda _: Answer([marked, *END])
    error = asyncio.run(house.ask(chat(stream=True))).error
    assert error is not None and error.code == "content_policy_violation"
    assert house.recorder.records[-1].fields["end"] == "blocked"


def test_what_comes_after_the_end_of_a_choice_is_not_passed_on() -> None:
    chunks = answered(
        House(),
        [
            frame({"content": "a"}, reason="stop"),
            frame({"content": "late"}),
            frame({}, reason="length"),
            DONE,
        ],
    )
    assert text(chunks) == "a" and reasons(chunks) == [(0, "stop")]


@pytest.mark.parametrize("asked", [True, False])
def test_usage_is_said_if_asked_for_and_recorded_anyway(asked: bool) -> None:
    counts = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
    house = House()
    options: dict[str, object] = {"stream_options": {"include_usage": True}} if asked else {}
    stream = [
        frame({"content": "a"}),
        frame({}, reason="stop"),
        b"data: " + json.dumps(counts).encode() + b"\n\n",
        DONE,
    ]
    chunks = answered(house, stream, **options)
    assert [chunk["usage"] for chunk in chunks if "usage" in chunk] == ([counts["usage"]] if asked else [])
    assert house.recorder.records[-1].fields["usage"] == {"prompt": 3, "completion": 4}
    assert json.loads(house.upstream.sent[0].body)["stream_options"]["include_usage"] is True


HOLDING = "name: cards, direction: answer, when: {{group: payment}}, action: block, hold: {}"
KEEPING = "name: rest, direction: answer, action: keep"


def holding(level: str) -> House:
    """Return a house whose policy holds answers back."""
    return House(policy=policy(HOLDING.format(level), KEEPING))


def test_a_sentence_is_held_until_it_has_ended() -> None:
    chunks = answered(
        holding("sentence"),
        [frame({"content": piece}) for piece in ("One", ". Tw", "o. Thr", f"ee {CARD}")] + END,
    )
    assert [delta["content"] for _, delta, _ in choices(chunks) if "content" in delta] == ["One.", " Two."]
    assert reasons(chunks) == [(0, "content_filter")]


@pytest.mark.parametrize(("level", "content"), [("part", "All of it. "), ("answer", "")])
def test_a_held_answer_gives_nothing_of_a_choice_that_is_stopped_later(level: str, content: str) -> None:
    stream = [
        frame({"content": "All of it. "}),
        call(0, "f", json.dumps({"card": CARD})),
        frame({"content": "fine"}, index=1),
        frame({}, index=1, reason="stop"),
        frame({}, reason="tool_calls"),
        DONE,
    ]
    chunks = answered(holding(level), stream)
    assert text(chunks) == content and text(chunks, 1) == "fine"
    assert reasons(chunks) == [(1, "stop"), (0, "content_filter")]


def test_a_held_answer_goes_whole_when_nothing_stops_it() -> None:
    chunks = answered(holding("answer"), [frame({"content": "One. "}), frame({"content": "Two."}), *END])
    assert [delta for _, delta, _ in choices(chunks)] == [{"content": "One. Two."}, {}]


def test_comments_keep_the_connection_alive_while_nothing_can_be_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.01)
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer([call(0, "f", "{")], hangs=True)

    async def scenario() -> list[bytes]:
        reply = (await house.ask(chat(stream=True))).reply
        assert isinstance(reply, StreamReply)
        got = [await anext(reply.chunks) for _ in range(2)]
        await reply.chunks.aclose()
        await reply.close()
        return got

    assert asyncio.run(scenario()) == [b": keep-alive\n\n"] * 2


def test_a_provider_that_says_nothing_for_us_but_keeps_talking_does_not_silence_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.0)
    house = House()
    stream = [call(0, "f", "{")] + [call(0, "", " ")] * 5 + [call(0, "", "}"), *END]
    house.upstream.behaviours["a"] = lambda _: Answer(stream)
    got = asyncio.run(_done(house, chat(stream=True)))
    assert got.count(b": keep-alive\n\n") >= 5
    assert got.index(b"tool_calls") > got.index(b": keep-alive")
    assert all(one.startswith((b":", b"data: ")) for one in got.split(b"\n\n") if one)


def test_channels_without_bound_are_refused() -> None:
    house = House()
    stream = [
        frame({"".join(chr(97 + int(d)) for d in str(number)): "x" for number in range(start, start + 200)})
        for start in range(0, 5000, 200)
    ]
    house.upstream.behaviours["a"] = lambda _: Answer(stream)
    with pytest.raises(GuardError, match="too large"):
        asyncio.run(_done(house, chat(stream=True)))


def test_an_upstream_that_is_done_is_drained_and_closed() -> None:
    house = House()
    answered(house, [frame({"content": "a"}), *END, b": trailing\n\n"])
    (answer,) = house.upstream.answers
    assert answer.taken == 4 and answer.closed
