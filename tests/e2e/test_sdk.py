"""What an application developer sees with the official client: nothing but the base URL changes."""

from __future__ import annotations

import asyncio
import json
import re

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam

from guard.domain.entities import TOKEN
from tests.e2e.service import Service

EMAIL = "maria.gomez@kestrel-labs.com"
CARD = "5425 2334 3010 9903"
AWS = "AKIAZ3MHQWERTYUI2345"
SENT = f"Write to {EMAIL}, card {CARD}, key {AWS}, and meet in Paris on Friday."


def tool(name: str) -> ChatCompletionToolParam:
    """Return a tool that takes a text."""
    schema: dict[str, object] = {"type": "object", "properties": {"text": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def only(bodies: list[str], mark: str) -> str:
    """Return the one body that carries a mark."""
    (found,) = [body for body in bodies if mark in body]
    return found


def test_a_plain_chat_hides_values_from_the_model_and_gives_them_back(service: Service) -> None:
    answer = service.client().chat.completions.create(
        model="demo-echo", messages=[{"role": "user", "content": f"plain-1 {SENT}"}]
    )
    content = answer.choices[0].message.content or ""
    assert EMAIL in content and CARD in content
    assert AWS not in content, "a secret is never restored in prose"
    arrived = only(service.received(), "plain-1")
    assert not any(value in arrived for value in (EMAIL, CARD, AWS))
    assert "meet in Paris on Friday" in arrived


def test_the_headers_say_what_was_found_decided_and_recorded(service: Service) -> None:
    raw = service.client().chat.completions.with_raw_response.create(
        model="demo-echo", messages=[{"role": "user", "content": SENT}]
    )
    assert raw.headers["x-guard-entities"] == "AWS_ACCESS_KEY=1,CREDIT_CARD=1,EMAIL_ADDRESS=1"
    assert re.fullmatch(r"[0-9a-f]{12}", raw.headers["x-guard-policy"])
    assert raw.headers["x-guard-record"].isdigit()
    assert re.fullmatch(r"guard;dur=\d+\.\d", raw.headers["server-timing"])


@pytest.mark.parametrize("model", ["demo-echo", "demo-bytes"])
def test_a_stream_gives_the_same_text_as_a_plain_answer(service: Service, model: str) -> None:
    client = service.client()
    message = f"stream-{model} {SENT} 中文 é🙂 \\u00e9 end"
    plain = client.chat.completions.create(model="demo-echo", messages=[{"role": "user", "content": message}])
    pieces = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": message}], stream=True
    )
    text = ""
    reasons = []
    for piece in pieces:
        assert piece.usage is None, "nobody asked for usage"
        for choice in piece.choices:
            text += choice.delta.content or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
    assert text == plain.choices[0].message.content
    assert EMAIL in text and reasons == ["stop"]


def test_usage_comes_last_if_asked_for(service: Service) -> None:
    pieces = list(
        service.client().chat.completions.create(
            model="demo-echo",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert [piece.usage is not None for piece in pieces].count(True) == 1
    assert pieces[-1].usage and pieces[-1].usage.total_tokens > 0


def test_several_choices_are_each_restored(service: Service) -> None:
    client = service.client()
    answer = client.chat.completions.create(
        model="demo-echo", n=3, messages=[{"role": "user", "content": SENT}]
    )
    assert [EMAIL in (choice.message.content or "") for choice in answer.choices] == [True] * 3
    texts: dict[int, str] = {}
    for piece in client.chat.completions.create(
        model="demo-echo", n=3, messages=[{"role": "user", "content": SENT}], stream=True
    ):
        for choice in piece.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    assert len(texts) == 3 and all(EMAIL in text for text in texts.values())


@pytest.mark.parametrize("stream", [False, True])
def test_tool_arguments_are_restored_by_the_tool_they_go_to(service: Service, stream: bool) -> None:
    client = service.client("agents")
    tools = [tool("Write"), tool("WebFetch"), tool("lookup")]
    message = f'tools {SENT} "quoted" \\ line\nnext'
    arguments: dict[str, str] = {}
    if stream:
        for piece in client.chat.completions.create(
            model="demo-tool", tools=tools, messages=[{"role": "user", "content": message}], stream=True
        ):
            for choice in piece.choices:
                for call in choice.delta.tool_calls or []:
                    assert call.function and call.function.name and call.function.arguments
                    arguments[call.function.name] = call.function.arguments
    else:
        answer = client.chat.completions.create(
            model="demo-tool", tools=tools, messages=[{"role": "user", "content": message}]
        )
        for made in answer.choices[0].message.tool_calls or []:
            assert made.type == "function"
            arguments[made.function.name] = made.function.arguments
    texts = {name: json.loads(source)["text"] for name, source in arguments.items()}
    assert texts["Write"] == message, "a tool on the secret list gets everything back"
    assert EMAIL in texts["lookup"] and AWS not in texts["lookup"] and CARD not in texts["lookup"]
    assert not any(value in texts["WebFetch"] for value in (EMAIL, CARD, AWS))


def test_an_injected_answer_cannot_carry_values_to_a_strange_address(service: Service) -> None:
    answer = service.client().chat.completions.create(
        model="demo-inject", messages=[{"role": "user", "content": SENT}]
    )
    content = answer.choices[0].message.content or ""
    first, *addresses = content.splitlines()
    assert EMAIL in first
    assert addresses and not any(EMAIL in line or CARD in line for line in addresses)
    assert all(TOKEN.search(line) for line in addresses)


def test_a_host_of_the_callers_own_may_carry_values(service: Service) -> None:
    question = f"See https://collector.example/ about {EMAIL}"
    answer = service.client().chat.completions.create(
        model="demo-inject", messages=[{"role": "user", "content": question}]
    )
    assert f"?q={EMAIL}" in (answer.choices[0].message.content or "")


def test_fifty_conversations_at_once_get_exactly_their_own_values_back(service: Service) -> None:
    key = service.key()
    people = [f"person{number}.{number * 7919}@kestrel-labs.com" for number in range(50)]

    async def converse(client: openai.AsyncOpenAI, person: str) -> None:
        history = f"I am {person}."
        for turn in range(3):
            answer = await client.chat.completions.create(
                model="demo-echo", messages=[{"role": "user", "content": f"{history} Turn {turn}."}]
            )
            content = answer.choices[0].message.content or ""
            assert re.findall(r"[\w.]+@[\w.-]+\w", content) == [person]

    async def everybody() -> None:
        async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key=key, max_retries=0) as client:
            await asyncio.gather(*(converse(client, person) for person in people))

    asyncio.run(everybody())
    assert not any(person in body for body in service.received() for person in people)


def test_the_list_of_models_is_what_the_key_may_use(service: Service) -> None:
    everything = {model.id for model in service.client().models.list()}
    assert {"demo-*", "falls-back"} <= everything
    narrow = service.client("narrow", "--models", "falls-back")
    assert [model.id for model in narrow.models.list()] == ["falls-back"]
    with pytest.raises(openai.BadRequestError) as refused:
        narrow.chat.completions.create(model="demo-echo", messages=[{"role": "user", "content": "x"}])
    assert refused.value.code == "model_not_allowed"


def test_a_wrong_key_is_a_401_that_the_client_understands(service: Service) -> None:
    client = openai.OpenAI(base_url=f"{service.url}/v1", api_key="sk-not-ours", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="demo-echo", messages=[{"role": "user", "content": "x"}])


def test_a_revoked_key_ends_within_a_second(service: Service) -> None:
    from tests.e2e.service import run_guard

    key = service.key("short-lived")
    rows = json.loads(run_guard(service.data_dir, "keys", "list", "--json").stdout)
    (key_id,) = [row["id"] for row in rows if row["application"] == "short-lived"]
    assert run_guard(service.data_dir, "keys", "revoke", key_id).returncode == 0
    refused = 0
    for _ in range(20_000):
        status, _, _ = service.call("GET", "/v1/models", key=key)
        refused = refused + 1 if status == 401 else 0
        if refused == 8:
            break
    assert refused == 8
