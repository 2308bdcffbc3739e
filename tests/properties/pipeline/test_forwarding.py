"""Law: forward what was screened. And: restore(protect(x)) = x, in every position."""

from __future__ import annotations

import asyncio
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from guard.domain.exchange import Target
from guard.domain.json_escapes import decode
from guard.domain.principal import Tools
from guard.errors import GuardError
from guard.pipeline.memo import FindingMemo
from guard.pipeline.request import Protected, Who, decide, protect, read, screen
from guard.pipeline.result import Incoming
from guard.upstream.json_text import BodyLimits, Json
from tests.fakes.upstream import Answer
from tests.properties.pipeline.texts import CARDS, CONTACTS, SECRETS, VALUES, texts
from tests.unit.pipeline.house import CREDENTIAL, House, chat, done, keyring, said, streamed, whole

TARGET = Target(provider="a", model="real", region="us")
SHAPE = re.compile(r"(?i)(?<![0-9A-Z])([A-Z]{3}X[0-9A-HJKMNP-TV-Z]{12})(?![0-9A-Z])(@guard\.invalid)?")
names = st.text("abcdef_", min_size=1, max_size=5)
leaves = texts(most=3) | st.none() | st.booleans() | st.integers(-99, 99) | st.just(5425233430109903)
free = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | texts(most=2), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Json]:
    """Draw a request with values anywhere that texts may stand."""
    messages: list[Json] = []
    for number in range(draw(st.integers(1, 4))):
        role = draw(st.sampled_from(["system", "user", "assistant", "tool"]))
        message: dict[str, Json] = {"role": role, "content": draw(texts())}
        if role == "assistant" and draw(st.booleans()):
            arguments = json.dumps(draw(free), ensure_ascii=draw(st.booleans()))
            call: Json = {"id": f"c{number}", "function": {"name": "f", "arguments": arguments}}
            message["tool_calls"] = [call]
        if role == "user" and draw(st.booleans()):
            message["content"] = [{"type": "text", "text": draw(texts(most=3))}]
        messages.append(message)
    extra = draw(st.dictionaries(st.sampled_from(["metadata", "user", "zeta", "tools"]), free, max_size=2))
    return {"model": "m", "messages": messages, **extra}


def protected(body: dict[str, Json]) -> Protected:
    """Run steps 2 to 6 on a body."""
    house = House()
    principal, snapshot = house.gate.authenticate(CREDENTIAL)
    who = Who(
        principal=principal,
        application=snapshot.application("crm"),
        snapshot=snapshot,
        report_only=False,
    )
    incoming = Incoming(
        exchange="x",
        route="openai.chat",
        body=json.dumps(body, ensure_ascii=False).encode(),
        headers={},
        credential=None,
        caller_authorization=None,
        address="",
    )
    request = read(who, incoming, BodyLimits())
    findings = asyncio.run(screen(who, request, FindingMemo(key=bytes(32))))
    decision = decide(who, request, findings, TARGET)
    return asyncio.run(protect(who, request, decision, TARGET, keyring()))


def restored(value: Json, plan: Protected) -> Json:
    """Put every original back, wherever its surrogate stands."""

    def back(text: str) -> str:
        def original(found: re.Match[str]) -> str:
            known = plan.plan.vault.get(found.group(1).upper())
            return known.value if known else found.group()

        return SHAPE.sub(original, text)

    if isinstance(value, str):
        return back(value)
    if isinstance(value, list):
        return [restored(member, plan) for member in value]
    if isinstance(value, dict):
        return {back(key): restored(member, plan) for key, member in value.items()}
    return value


def comparable(value: Json, *, arguments: bool = False) -> Json:
    """Write long numbers as texts and JSON sources decoded, because protecting does."""
    if isinstance(value, dict):
        return {key: comparable(member, arguments=key == "arguments") for key, member in value.items()}
    if isinstance(value, list):
        return [comparable(member) for member in value]
    if isinstance(value, str) and arguments:
        return decode(value).text
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(bodies())
def test_what_leaves_is_what_came_with_every_value_replaced(body: dict[str, Json]) -> None:
    try:
        plan = protected(body)
    except GuardError as refused:
        shown = f"{refused.message} {refused.position}"
        plan = None
    if plan is None:
        assert not any(value in shown for value in VALUES)
        return
    sent = json.loads(plan.body)
    assert not any(value in plan.body.decode() for value in VALUES)
    plain = json.dumps(sent, ensure_ascii=False)
    assert not any(value in plain or value in decode(plain).text for value in VALUES)
    assert list(sent) == list(body) and sent["model"] == "real"
    assert comparable(restored({**sent, "model": "m"}, plan)) == comparable(body)


@given(bodies())
def test_to_protect_again_gives_the_same_bytes(body: dict[str, Json]) -> None:
    try:
        first = protected(body)
    except GuardError:
        return
    assert protected(body).body == first.body


def answered(house: House, content: str, *, stream: bool) -> str:
    """Return what the caller reads when the provider says what it was told."""

    async def scenario() -> bytes:
        return await done(await house.ask(chat(content, stream=stream)))

    got = asyncio.run(scenario())
    if not stream:
        text: str = json.loads(got)["choices"][0]["message"]["content"]
        return text
    chunks = [json.loads(one[6:]) for one in got.split(b"\n\n") if one.startswith(b"data: {")]
    return "".join(str(c["delta"].get("content") or "") for chunk in chunks for c in chunk["choices"])


@given(texts(*CONTACTS, *CARDS, "DE89370400440532013000"), st.booleans())
def test_a_caller_reads_its_own_words_again(content: str, stream: bool) -> None:
    house = House()
    assert answered(house, content, stream=stream) == content
    assert not any(value in house.upstream.sent[0].body.decode() for value in VALUES)


@given(texts(*CONTACTS, *SECRETS), st.booleans())
def test_a_trusted_tool_gets_everything_back_and_prose_no_secret(content: str, stream: bool) -> None:
    house = House(tools=Tools(secret=("Write",)))

    def writes(body: bytes) -> Answer:
        arguments = json.dumps({"text": said(body)}, ensure_ascii=False)
        call = {
            "index": 0,
            "id": "c",
            "type": "function",
            "function": {"name": "Write", "arguments": arguments},
        }
        if stream:
            frame = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
            return Answer([b"data: " + json.dumps(frame).encode() + b"\n\n", *streamed(said(body))])
        message = {"content": said(body), "tool_calls": [call]}
        return Answer([json.dumps({"choices": [{"index": 0, "message": message}]}).encode()])

    house.upstream.behaviours["a"] = writes

    async def scenario() -> bytes:
        return await done(await house.ask(chat(content, stream=stream)))

    got = asyncio.run(scenario()).decode()
    sources = re.findall(r'"arguments":("(?:\\.|[^"\\])*")', got)
    assert [json.loads(json.loads(source))["text"] for source in sources] == [content]
    spoken = re.sub(r'"arguments":"(?:\\.|[^"\\])*"', "", got)
    assert not any(secret in spoken for secret in SECRETS)


@given(texts(), texts())
def test_an_answer_of_others_values_gets_none_of_ours(question: str, answer: str) -> None:
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer([whole("unrelated")])
    asyncio.run(house.ask(chat(question)))
    house.upstream.behaviours["a"] = lambda _: Answer([whole(said(house.upstream.sent[0].body))])
    asked = asyncio.run(house.ask(chat("something else")))
    assert asked.error is None
    got = asyncio.run(done(asked)).decode()
    assert not any(json.dumps(value)[1:-1] in got for value in (*CONTACTS, *SECRETS) if value not in answer)
