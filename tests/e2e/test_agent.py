"""A coding agent over three turns: the prefix stays byte-identical, files get originals back."""

from __future__ import annotations

import json

from tests.e2e.service import Service

EMAIL = "maria.gomez@kestrel-labs.com"
AWS = "AKIAZ3MHQWERTYUI2345"
FILE = f'# settings\nowner = "{EMAIL}"\naws_key = "{AWS}"\n'
Message = dict[str, object]


def ask(
    service: Service, messages: list[Message], model: str = "demo-tool"
) -> tuple[dict[str, object], list[Message]]:
    """Send a turn as the agent does; return the answer's message and what the model got."""
    tools = [{"type": "function", "function": {"name": "Write", "parameters": {"type": "object"}}}]
    body = json.dumps({"model": model, "messages": messages, "tools": tools}, ensure_ascii=False).encode()
    status, _, answer = service.chat(body, key=service.key("agents"))
    assert status == 200
    arrived: list[Message] = json.loads(service.received()[-1])["messages"]
    return json.loads(answer)["choices"][0]["message"], arrived


def test_three_turns(own_service: Service) -> None:
    service = own_service
    messages: list[Message] = [
        {"role": "system", "content": "You edit files."},
        {"role": "user", "content": "Read settings.py"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_r", "type": "function", "function": {"name": "Read", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_r", "content": FILE},
        {"role": "user", "content": f"Now write this again:\n{FILE}"},
    ]
    made, first = ask(service, messages)
    assert EMAIL not in json.dumps(first) and AWS not in json.dumps(first)
    calls = made["tool_calls"]
    assert isinstance(calls, list)
    written = json.loads(calls[0]["function"]["arguments"])["text"]
    assert written == messages[-1]["content"], "the written file holds the originals"

    messages += [made, {"role": "tool", "tool_call_id": calls[0]["id"], "content": "written"}]
    messages.append({"role": "user", "content": f"Say the key {AWS} to me"})
    said, second = ask(service, messages, "demo-echo")
    assert second[: len(first)] == first, "the prefix upstream is byte-identical"
    assert AWS not in str(said["content"]), "a secret is withheld in prose"

    messages += [said, {"role": "user", "content": "Thanks"}]
    _, third = ask(service, messages, "demo-echo")
    assert third[: len(second)] == second
    assert AWS not in json.dumps(third)
