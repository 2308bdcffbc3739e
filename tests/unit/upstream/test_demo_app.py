"""The demo provider as an application: it speaks OpenAI's wire, shows what it got, misbehaves on request."""

from __future__ import annotations

import asyncio
import json

import pytest

from guard.upstream.demo_app import KEPT, make_app
from tests.fakes.asgi import Caller, Got, call


def chat(model: str, content: str = "hello", **members: object) -> bytes:
    """Return a request."""
    return json.dumps(
        {"model": model, "messages": [{"role": "user", "content": content}], **members}
    ).encode()


def ask(*bodies: bytes, then: str = "/received") -> tuple[list[Got], Got]:
    """Send bodies, then look at a page."""
    app = make_app()

    async def scenario() -> tuple[list[Got], Got]:
        answers = [await call(app, "/v1/chat/completions", pieces=[body[:5], body[5:]]) for body in bodies]
        return answers, await call(app, then, method="GET", headers=())

    return asyncio.run(scenario())


def test_it_answers_and_shows_the_bodies_as_they_arrived() -> None:
    (answer,), page = ask(chat("demo-echo"))
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "hello"
    assert json.loads(page.body) == [chat("demo-echo").decode()]


def test_the_last_twenty_are_kept_oldest_first() -> None:
    _, page = ask(*(chat("demo-echo", f"n{number}") for number in range(KEPT + 3)))
    kept = json.loads(page.body)
    assert len(kept) == KEPT and '"n3"' in kept[0] and f'"n{KEPT + 2}"' in kept[-1]


def test_the_page_shows_them_newest_first_and_runs_none_of_it() -> None:
    _, page = ask(chat("demo-echo", "<script>alert(1)</script>"), chat("demo-echo", "later"), then="/")
    shown = page.body.decode()
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    assert shown.index("later") < shown.index("&lt;script&gt;")


def test_a_stream_is_cut_into_events_and_ended() -> None:
    (answer,), _ = ask(chat("demo-echo", "some words to say", stream=True))
    assert answer.headers["content-type"] == "text/event-stream" and answer.finished
    assert answer.body.endswith(b"data: [DONE]\n\n") and answer.body.count(b"data: ") > 4


@pytest.mark.parametrize(
    ("model", "status", "body"),
    [
        ("demo-status-500", 500, b"on request"),
        ("demo-invalid", 200, b'{"choices": ['),
        ("demo-error", 200, b'"error"'),
    ],
)
def test_it_misbehaves_on_request(model: str, status: int, body: bytes) -> None:
    (answer,), _ = ask(chat(model))
    assert answer.status == status and body in answer.body


def test_a_cut_stream_has_no_end() -> None:
    async def scenario() -> Caller:
        caller = Caller([chat("demo-cut", "words " * 20, stream=True)])
        with pytest.raises(ConnectionAbortedError):
            await call(make_app(), "/v1/chat/completions", caller=caller)
        return caller

    got = asyncio.run(scenario()).got
    assert b"[DONE]" not in got.body and got.body.startswith(b"data: ")


def test_one_byte_at_a_time_says_the_same() -> None:
    (slow, quick), _ = ask(chat("demo-bytes", "é🙂", stream=True), chat("demo-echo", "é🙂", stream=True))
    assert slow.body.replace(b"demo-bytes", b"demo-echo") == quick.body


def test_the_models_are_listed_and_nothing_else_is_known() -> None:
    _, models = ask(then="/v1/models")
    assert {"demo-echo", "demo-tool"} <= {model["id"] for model in json.loads(models.body)["data"]}
    _, nothing = ask(then="/elsewhere")
    assert nothing.status == 404
