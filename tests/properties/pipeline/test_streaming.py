"""Law: streaming equals batch, for every way of cutting, through the whole answer path."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field

import yaml
from hypothesis import given
from hypothesis import strategies as st

from guard.domain.entities import TOKEN
from guard.domain.principal import Tools
from tests.fakes.upstream import Answer
from tests.properties.pipeline.texts import VALUES, fillers
from tests.unit.pipeline.house import House, chat, done, packed
from tests.unit.policy.policies import policy

ASKED = "Write to maria.gomez@kestrel-labs.com, card 5425 2334 3010 9903, key AKIAZ3MHQWERTYUI2345."
OTHERS = ("eve.adams@kestrel-labs.com", "5105 1051 0510 5100", "DE89370400440532013000", "+49 30 901821")
GLUE = (
    "https://evil.example/?q=",
    "![x](https://evil.example/",
    ")",
    "<img src='",
    "'>",
    "@",
    ".",
    "X",
    "-----",
)
ASK = "name: ask, direction: request, action: surrogate"
ALL_BUT_CARDS = "when: {not: {group: payment}}"


def answering(pack: str) -> bytes:
    """Return a shipped pack's rules on answers, with one on requests that lets every question through."""
    document = yaml.safe_load(packed(pack))
    document["spec"]["rules"] = [
        {"name": "ask", "direction": "request", "action": "surrogate"},
        *(rule for rule in document["spec"]["rules"] if rule["direction"] == "answer"),
    ]
    return yaml.safe_dump(document).encode()


POLICIES = {
    **{pack: answering(pack) for pack in ("default", "strict", "pci")},
    "masks": policy(ASK, "name: all, direction: answer, action: {mask: {keep_last: 4}}"),
    "sentences": policy(
        ASK,
        "name: cards, direction: answer, when: {group: payment}, action: block, hold: sentence",
        f"name: rest, direction: answer, {ALL_BUT_CARDS}, action: keep",
    ),
    "answers": policy(
        ASK,
        "name: cards, direction: answer, when: {group: payment}, action: block, hold: answer",
        f"name: rest, direction: answer, {ALL_BUT_CARDS}, action: redact",
    ),
}
FIELDS = ("reasoning_content", "content", "refusal")
Slots = list[str | int]
"""Words, and numbers that stand for a surrogate of the request."""

slots = st.lists(
    fillers
    | st.sampled_from([f" {value} " for value in OTHERS])
    | st.sampled_from(OTHERS)
    | st.sampled_from(GLUE)
    | st.integers(0, 5),
    max_size=7,
)


@st.composite
def choices(draw: st.DrawFn) -> dict[str, Slots]:
    """Draw the texts of one choice by channel; calls are named ``call:TOOL``."""
    drawn = {name: draw(slots) for name in FIELDS if draw(st.booleans())}
    for tool in draw(st.lists(st.sampled_from(["Write", "fetch", "find"]), max_size=2, unique=True)):
        drawn[f"call:{tool}"] = draw(slots)
    return drawn


def written(drawn: Slots, tokens: list[str]) -> str:
    """Put surrogates in: bare, in their shape, in lower case."""
    forms = [form for token in tokens for form in (token, f"{token}@guard.invalid", token.lower())]
    return "".join(part if isinstance(part, str) else forms[part % len(forms)] for part in drawn)


@dataclass(slots=True)
class Told:
    """What a caller got: texts by (choice, channel), and why choices ended."""

    texts: dict[tuple[int, str], str] = field(default_factory=lambda: defaultdict(str))
    reasons: dict[int, str] = field(default_factory=dict)


def plain_answer(said: list[dict[str, str]]) -> bytes:
    """Return a whole answer."""
    listed = []
    for number, channels in enumerate(said):
        calls = [name for name in channels if name.startswith("call:")]
        message: dict[str, object] = {name: channels[name] for name in FIELDS if name in channels}
        if calls:
            message["tool_calls"] = [
                {
                    "id": f"c{index}",
                    "type": "function",
                    "function": {"name": name.removeprefix("call:"), "arguments": channels[name]},
                }
                for index, name in enumerate(calls)
            ]
        listed.append({"index": number, "message": message, "finish_reason": "stop"})
    return json.dumps({"choices": listed}).encode()


def read_plain(body: bytes) -> Told:
    """Read a whole answer."""
    told = Told()
    for choice in json.loads(body)["choices"]:
        number, message = choice["index"], choice["message"]
        for name in FIELDS:
            told.texts[number, name] = message.get(name) or ""
        for call in message.get("tool_calls", []):
            told.texts[number, "call:" + call["function"]["name"]] = call["function"]["arguments"]
        told.reasons[number] = choice["finish_reason"]
    return told


def read_stream(body: bytes) -> Told:
    """Read a stream."""
    told = Told()
    for frame in body.split(b"\n\n"):
        if not frame.startswith(b"data: {"):
            continue
        for choice in json.loads(frame[6:])["choices"]:
            number, delta = choice["index"], choice["delta"]
            for name in FIELDS:
                told.texts[number, name] += delta.get(name) or ""
            for call in delta.get("tool_calls", []):
                told.texts[number, "call:" + call["function"]["name"]] += call["function"]["arguments"]
            if choice["finish_reason"]:
                told.reasons[number] = choice["finish_reason"]
    return told


@st.composite
def cut(draw: st.DrawFn, text: str | bytes, most: int) -> list[str | bytes]:
    """Draw a way to cut a text or bytes."""
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=most)))
    return [text[start:stop] for start, stop in zip([0, *at], [*at, len(text)], strict=True)]


def deltas_of(number: int, name: str, index: int, parts: list[str | bytes]) -> list[dict[str, object]]:
    """Return the chunks of one channel."""
    if not name.startswith("call:"):
        return [{"index": number, "delta": {name: part}} for part in parts]
    chunks = []
    for position, part in enumerate(parts):
        head = {"id": f"c{index}", "type": "function"} if position == 0 else {}
        function = {"name": name.removeprefix("call:")} if position == 0 else {}
        call = {"index": index, **head, "function": {**function, "arguments": part}}
        chunks.append({"index": number, "delta": {"tool_calls": [call]}})
    return chunks


def stream_of(data: st.DataObject, said: list[dict[str, str]]) -> list[bytes]:
    """Draw a stream of the same answer: texts cut anywhere, choices mixed, bytes cut anywhere."""
    queues: list[list[dict[str, object]]] = []
    for number, channels in enumerate(said):
        queue: list[dict[str, object]] = []
        calls = [name for name in channels if name.startswith("call:")]
        for name in [*(name for name in FIELDS if name in channels), *calls]:
            index = calls.index(name) if name in calls else 0
            queue += deltas_of(number, name, index, data.draw(cut(channels[name], 6)))
        queues.append([*queue, {"index": number, "delta": {}, "finish_reason": "stop"}])
    frames: list[bytes] = []
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        body = json.dumps({"choices": [queue.pop(0)]}, ensure_ascii=data.draw(st.booleans()))
        frames.append(f"data: {body}\n\n".encode())
    whole = b"".join(frames) + b"data: [DONE]\n\n"
    return [piece for piece in data.draw(cut(whole, 20)) if isinstance(piece, bytes)]


def answered(house: House, pieces: list[bytes], *, stream: bool) -> bytes:
    """Return what the caller gets for a provider's bytes."""
    house.upstream.behaviours["a"] = lambda _: Answer(pieces)

    async def scenario() -> bytes:
        return await done(await house.ask(chat(ASKED, stream=stream)))

    return asyncio.run(scenario())


def tokens_of(house: House) -> list[str]:
    """Return the surrogates of the request."""
    asyncio.run(house.ask(chat(ASKED)))
    found = list(dict.fromkeys(str(token) for token in TOKEN.findall(house.upstream.sent[0].body.decode())))
    assert found
    return found


@given(st.data(), st.sampled_from(sorted(POLICIES)), st.lists(choices(), min_size=1, max_size=2))
def test_a_stream_gives_what_the_whole_would(
    data: st.DataObject, name: str, drawn: list[dict[str, Slots]]
) -> None:
    house = House(policy=POLICIES[name], tools=Tools(secret=("Write",), egress=("fetch",)))
    tokens = tokens_of(house)
    said = [{channel: written(part, tokens) for channel, part in one.items()} for one in drawn]
    batch = read_plain(answered(house, [plain_answer(said)], stream=False))
    stream = read_stream(answered(house, stream_of(data, said), stream=True))
    assert stream.reasons == batch.reasons
    for (number, channel), text in stream.texts.items():
        expected = batch.texts[number, channel]
        if batch.reasons[number] == "content_filter":
            assert expected.startswith(text) if channel != "refusal" else bool(expected)
        else:
            assert text == expected
    for place, text in batch.texts.items():
        if batch.reasons[place[0]] != "content_filter":
            assert stream.texts[place] == text
    plain, streamed = house.recorder.of("exchange.outcome")[-2:]
    for counted in ("end", "restored", "withheld", "surrogates"):
        if "content_filter" not in batch.reasons.values():
            assert plain.fields[counted] == streamed.fields[counted]


@given(st.data(), st.lists(choices(), min_size=1, max_size=1))
def test_nothing_of_a_value_that_is_blocked_or_redacted_is_ever_sent(
    data: st.DataObject, drawn: list[dict[str, Slots]]
) -> None:
    house = House(policy=POLICIES["strict"])
    tokens = tokens_of(house)
    said = [{channel: written(part, tokens) for channel, part in one.items()} for one in drawn]
    batch = answered(house, [plain_answer(said)], stream=False)
    stream = answered(house, stream_of(data, said), stream=True)
    batched = {value for value in (*OTHERS, *VALUES) if value.encode() in batch}
    for value in (*OTHERS, *VALUES):
        if value not in batched:
            got = "".join(read_stream(stream).texts.values())
            assert value not in got
