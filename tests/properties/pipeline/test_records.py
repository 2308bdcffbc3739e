"""Law: nothing personal in our own output, wherever a value stands and however the exchange ends."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.parse
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from guard.domain.canonical import canonical
from guard.errors import AuditUnavailable, GuardError, UpstreamRejected, UpstreamTimeout
from guard.pipeline.answer import StreamReply
from guard.pipeline.result import Result
from tests.fakes.upstream import Answer, Behaviour
from tests.properties.pipeline.texts import VALUES
from tests.unit.pipeline.house import House, chat, frame, packed, said, streamed, whole

CANARY = "canary.bird7@kestrel-labs.com"
BUCKETS = {
    f"{low}-{high}" for low, high in zip(("0", "256", "1k", "4k"), ("256", "1k", "4k", "16k"), strict=True)
}
PLACES = (
    "content",
    "name",
    "key",
    "metadata",
    "user",
    "unknown",
    "tool",
    "argument",
    "stop",
    "id",
    "model",
    "role",
)


def body(place: str, *, stream: bool) -> bytes:
    """Return a request with the canary at a place."""
    value: dict[str, object] = json.loads(chat(CANARY if place == "content" else "hello", stream=stream))
    messages = value["messages"]
    assert isinstance(messages, list)
    extra: dict[str, dict[str, object]] = {
        "key": {"metadata": {CANARY: 1}},
        "metadata": {"metadata": {"a": [CANARY]}},
        "user": {"user": CANARY},
        "unknown": {CANARY: {"x": CANARY}},
        "tool": {"tools": [{"type": "function", "function": {"name": "f", "description": CANARY}}]},
        "stop": {"stop": [CANARY]},
        "model": {"model": "free-" + CANARY},
    }
    if place == "name":
        messages[0]["name"] = CANARY
    elif place == "role":
        messages[0]["role"] = CANARY
    elif place == "argument":
        function = {"name": "f", "arguments": json.dumps({"a": CANARY})}
        messages.insert(0, {"role": "assistant", "tool_calls": [{"id": "c", "function": function}]})
    elif place == "id":
        messages.insert(0, {"role": "tool", "tool_call_id": CANARY, "content": "x"})
    return json.dumps({**value, **extra.get(place, {})}).encode()


def echo(sent: bytes) -> Answer:
    """Say what was asked, and the canary as if the model knew it."""
    content = f"{said(sent)} and {CANARY}"
    return Answer(streamed(content) if json.loads(sent).get("stream") else [whole(content)])


def broken(sent: bytes) -> Answer:
    """Break off after the canary."""
    return Answer(
        [frame({"content": CANARY + " "}), b'data: {"error":{"message":"' + CANARY.encode() + b'"}}\n\n']
    )


UPSTREAM: dict[str, Behaviour] = {
    "echoes": echo,
    "breaks": broken,
    "refuses": UpstreamRejected("no", status=500),
    "is late": UpstreamTimeout("late"),
    "quotes": RuntimeError(CANARY),
    "rubbish": lambda _: Answer([b"{" + CANARY.encode()]),
}


def forms(value: str) -> Iterator[bytes]:
    """Yield a value as it might be hidden."""
    yield value.encode()
    yield value.encode("utf-16-le")
    yield urllib.parse.quote(value, safe="").encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + value.encode())
        yield encoded[4 if shift else 0 : -4]


async def taken(reply: StreamReply, leaves: int | None) -> None:
    """Take chunks until the caller leaves or the stream ends."""
    count = 0
    try:
        async for _ in reply.chunks:
            count += 1
            if count == leaves:
                break
        await reply.chunks.aclose()
    finally:
        await reply.close()


async def ended(house: House, request: bytes, *, leaves: int | None) -> tuple[Result, list[str]]:
    """Run an exchange to its end; the caller may leave after some chunks."""
    result = await house.ask(request, headers={"x-guard-subject": CANARY, "x-guard-conversation": CANARY})
    shown = [repr(result), f"{result.error.message} {result.error.position}" if result.error else ""]
    if isinstance(result.reply, StreamReply):
        try:
            await taken(result.reply, leaves)
        except GuardError as error:
            shown.append(error.message)
    return result, shown


@given(
    st.sampled_from(PLACES),
    st.sampled_from(sorted(UPSTREAM)),
    st.sampled_from(["default", "strict", "pci"]),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(1, 3),
    st.sampled_from([(), ("exchange.intent",), ("exchange.outcome",), ("exchange.refused",)]),
)
def test_no_value_stands_in_a_record_an_error_a_summary_or_a_representation(
    place: str,
    upstream: str,
    pack: str,
    stream: bool,
    reporting: bool,
    leaves: int | None,
    away: tuple[str, ...],
) -> None:
    house = House(policy=packed(pack), reporting=reporting)
    house.upstream.behaviours["a"] = UPSTREAM[upstream]
    for kind in away:
        house.recorder.faults[kind] = [AuditUnavailable("away")]
    _, shown = asyncio.run(ended(house, body(place, stream=stream), leaves=leaves))
    clear = house.recorder.clear()
    seen = b"\n".join([clear, repr(house.observer.summaries).encode(), *(one.encode() for one in shown)])
    for value in (CANARY, *VALUES):
        assert not any(form in seen for form in forms(value))
    assert len(house.ends()) <= 1


CODES = {
    "protect",
    "allow",
    "complete",
    "failed",
    "blocked",
    "aborted",
    "openai.chat",
    "us",
    "a",
    "crm",
    "support",
}


@given(st.sampled_from(PLACES), st.sampled_from(sorted(UPSTREAM)), st.booleans())
def test_the_clear_fields_of_a_record_are_types_codes_buckets_and_names_of_ours(
    place: str, upstream: str, stream: bool
) -> None:
    house = House()
    house.upstream.behaviours["a"] = UPSTREAM[upstream]
    asyncio.run(ended(house, body(place, stream=stream), leaves=None))
    for record in house.recorder.records:
        for name, value in record.fields.items():
            if name == "size":
                assert value in BUCKETS
            elif name in ("decision", "end", "route", "region", "provider", "application", "purpose"):
                assert value in CODES
            elif name in ("entities", "rules", "candidates", "lineage"):
                assert isinstance(value, list) and all(
                    isinstance(one, str) and len(one) < 64 for one in value
                )
            elif name in ("attempt", "restored", "withheld", "surrogates"):
                assert isinstance(value, int)
        assert len(canonical(dict(record.fields))) < 4096
