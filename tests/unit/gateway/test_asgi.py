"""The hot path: what is read, what is refused before it is read, and what a caller that leaves leaves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from guard.errors import AuthenticationError, GuardError
from guard.gateway.asgi import ASGIApp, Message, ModelEndpoints, Receive, Scope, Send
from guard.pipeline.answer import WholeReply
from guard.pipeline.result import Incoming, Result, Stamp
from tests.fakes.asgi import JSON, Caller, Got, call
from tests.fakes.upstream import Answer
from tests.unit.pipeline.house import CREDENTIAL, EMAIL, House, chat, frame, streamed

PATH = "/v1/chat/completions"
KEY = (b"authorization", f"Bearer {CREDENTIAL}".encode())


class KeptGate:
    """A gate that keeps what it is handed and answers with one result."""

    def __init__(self, known: str = CREDENTIAL) -> None:
        self.known = known
        self.incoming: list[Incoming] = []
        self.waits: asyncio.Event | None = None
        self.cancelled = False
        self.asked = asyncio.Event()

    def authenticate(self, credential: str | None) -> object:
        """Know one key."""
        if credential != self.known:
            raise AuthenticationError("no")
        return None

    async def exchange(self, incoming: Incoming) -> Result:
        """Keep the request; say what is wrong with it, or that it is fine."""
        self.incoming.append(incoming)
        self.asked.set()
        if self.waits:
            try:
                await self.waits.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        stamp = Stamp(exchange=incoming.exchange)
        if incoming.problem:
            return Result(stamp=stamp, error=incoming.problem)
        return Result(stamp=stamp, reply=WholeReply(body=b"{}"))


class Fallback:
    """What is no model endpoint lands here."""

    def __init__(self) -> None:
        self.paths: list[object] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def endpoints(gate: KeptGate | House, fallback: ASGIApp | None = None) -> ModelEndpoints:
    """Return the application."""
    counter = itertools.count(1)
    return ModelEndpoints(
        gate.gate if isinstance(gate, House) else gate,
        fallback=fallback or Fallback(),
        max_body=1000,
        new_id=lambda: f"x{next(counter)}",
    )


def ask(
    gate: KeptGate,
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    pieces: Sequence[bytes] = (b"{}",),
    query: bytes = b"",
) -> Got:
    """Send one request with a key."""
    sent = [KEY, *(headers or (JSON,))]
    return asyncio.run(call(endpoints(gate), method=method, headers=sent, pieces=pieces, query=query))


def problem(gate: KeptGate) -> GuardError:
    """Return the problem of the one request."""
    (incoming,) = gate.incoming
    assert incoming.problem is not None and incoming.body == b""
    return incoming.problem


def test_a_request_is_handed_over_as_it_is() -> None:
    gate = KeptGate()
    got = ask(gate, JSON, (b"X-Guard-Purpose", b"support"), pieces=[b'{"a"', b"", b":1}"])
    (incoming,) = gate.incoming
    assert (incoming.body, incoming.route, incoming.exchange) == (b'{"a":1}', "openai.chat", "x1")
    assert (incoming.credential, incoming.caller_authorization) == (CREDENTIAL, None)
    assert incoming.headers["x-guard-purpose"] == "support" and incoming.address == "192.0.2.1"
    assert (got.status, got.body, got.finished) == (200, b"{}", True)
    assert got.headers["x-guard-request"] == "x1" and got.headers["content-length"] == "2"
    assert got.headers["content-type"] == "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """A request with something wrong."""

    status: int
    code: str
    method: str = "POST"
    headers: Sequence[tuple[bytes, bytes]] = (JSON,)
    pieces: Sequence[bytes] = (b"{}",)
    query: bytes = b""


REFUSED = {
    "another method": Odd(method="GET", status=405, code="method_not_allowed"),
    "only the head": Odd(method="HEAD", status=405, code="method_not_allowed"),
    "an encoded body": Odd(
        headers=[JSON, (b"content-encoding", b"gzip")], status=415, code="unsupported_encoding"
    ),
    "another type": Odd(
        headers=[(b"content-type", b"text/plain")], status=415, code="unsupported_media_type"
    ),
    "a form": Odd(
        headers=[(b"content-type", b"multipart/form-data; boundary=x")],
        status=415,
        code="unsupported_media_type",
    ),
    "no type": Odd(headers=[(b"accept", b"*/*")], status=415, code="unsupported_media_type"),
    "a type that only begins so": Odd(
        headers=[(b"content-type", b"application/json5")], status=415, code="unsupported_media_type"
    ),
    "a body that says that it is large": Odd(
        headers=[JSON, (b"content-length", b"1001")], status=413, code="body_too_large"
    ),
    "a body that is large": Odd(pieces=[b"x" * 600, b"x" * 600], status=413, code="body_too_large"),
    "two types": Odd(headers=[JSON, JSON], status=400, code="duplicate_header"),
    "a header of ours twice": Odd(
        headers=[JSON, (b"x-guard-purpose", b"a"), (b"x-guard-purpose", b"b")],
        status=400,
        code="duplicate_header",
    ),
    "two lengths": Odd(
        headers=[JSON, (b"content-length", b"2"), (b"transfer-encoding", b"chunked")],
        status=400,
        code="ambiguous_length",
    ),
    "a key in the address": Odd(query=b"key=secret", status=400, code="key_in_query"),
    "a parameter": Odd(query=b"beta=true", status=400, code="unknown_parameter"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_a_clear_status_and_handed_to_the_gate_as_a_problem(what: str) -> None:
    odd, gate = REFUSED[what], KeptGate()
    got = ask(gate, *odd.headers, method=odd.method, pieces=odd.pieces, query=odd.query)
    assert (got.status, got.error["code"]) == (odd.status, odd.code)
    assert problem(gate).code == odd.code
    assert got.headers["x-guard-request"] == "x1" and "secret" not in got.body.decode()


@pytest.mark.parametrize(
    "kind", [b"application/json", b"application/json; charset=utf-8", b"Application/JSON ;x=y"]
)
def test_json_may_have_parameters(kind: bytes) -> None:
    assert ask(KeptGate(), (b"content-type", kind)).status == 200


def test_a_body_of_exactly_the_limit_is_read() -> None:
    gate = KeptGate()
    assert ask(gate, pieces=[b"x" * 500, b"x" * 500]).status == 200
    assert len(gate.incoming[0].body) == 1000


def test_two_keys_at_once_are_none() -> None:
    gate = KeptGate()
    got = asyncio.run(call(endpoints(gate), headers=[JSON, KEY, KEY]))
    assert (got.status, got.error["code"]) == (400, "duplicate_header")
    assert gate.incoming[0].credential is None


@pytest.mark.parametrize("key", [b"Bearer nonsense", b"", b"Basic x"])
def test_a_strangers_body_is_not_kept(key: bytes) -> None:
    gate = KeptGate()
    large = [b"x" * 600] * 50
    asyncio.run(call(endpoints(gate), headers=[JSON, (b"authorization", key)], pieces=large))
    assert gate.incoming[0].body == b"" and gate.incoming[0].problem is None


PATHS = [
    "/",
    "/v1/chat/completions/",
    "//v1/chat/completions",
    "/v1/../v1/chat/completions",
    "/v1/chat/./completions",
    "/V1/chat/completions",
    "/v1/chat/completions\x00",
    "/v1/chat/completions?x",
    "/v1/chat",
    "/v1/embeddings",
    "",
    "/v2/models/../chat/infer",
    "/v2/models/" + "x" * 65 + "/infer",
    "/v2/models/a b/infer",
    "/v2/models//infer",
    "http://127.0.0.1/v1/chat/completions",
]


@pytest.mark.parametrize("path", PATHS)
def test_odd_paths_are_no_model_endpoints(path: str) -> None:
    gate, fallback = KeptGate(), Fallback()
    got = asyncio.run(call(endpoints(gate, fallback), path, headers=[JSON, KEY]))
    assert got.status == 404 and fallback.paths == [path] and gate.incoming == []


def test_a_web_socket_is_no_model_endpoint() -> None:
    fallback = Fallback()
    app = endpoints(KeptGate(), fallback)

    async def scenario() -> None:
        caller = Caller()
        await app({"type": "websocket", "path": PATH}, caller.receive, caller.send)

    asyncio.run(scenario())
    assert fallback.paths == [PATH]


# Callers that leave -----------------------------------------------------------------------
def test_a_caller_that_leaves_before_its_body_is_whole_is_nobody() -> None:
    gate = KeptGate()

    async def scenario() -> list[Message]:
        caller = Caller([b"{"])
        caller.pieces = [b"{", b""]

        async def receive() -> Message:
            if caller.asked == 0:
                caller.asked = 1
                return {"type": "http.request", "body": b"{", "more_body": True}
            return {"type": "http.disconnect"}

        await endpoints(gate)(
            {"type": "http", "method": "POST", "path": PATH, "headers": [JSON, KEY], "query_string": b""},
            receive,
            caller.send,
        )
        return caller.sent

    assert asyncio.run(scenario()) == [] and gate.incoming == []


def test_a_caller_that_leaves_while_it_waits_cancels_the_exchange() -> None:
    gate = KeptGate()

    async def scenario() -> Caller:
        gate.waits = asyncio.Event()
        caller = Caller([b"{}"])
        serving = asyncio.ensure_future(_serve(endpoints(gate), caller))
        await gate.asked.wait()
        caller.left.set()
        await serving
        return caller

    assert asyncio.run(scenario()).sent == []
    assert gate.cancelled


async def _serve(app: ModelEndpoints, caller: Caller) -> None:
    scope: Message = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "headers": [JSON, KEY],
        "query_string": b"",
        "client": ("192.0.2.1", 1),
    }
    await app(scope, caller.receive, caller.send)


def test_a_server_that_stops_ends_the_exchange_before_it_goes() -> None:
    gate = KeptGate()

    async def scenario() -> None:
        gate.waits = asyncio.Event()
        serving = asyncio.ensure_future(_serve(endpoints(gate), Caller([b"{}"])))
        await gate.asked.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert gate.cancelled

    asyncio.run(scenario())


class Refuses(Caller):
    """A caller whose connection breaks when the answer begins."""

    async def send(self, message: Message) -> None:
        raise OSError("gone")


@pytest.mark.parametrize("leaving", ["while the answer begins", "in the middle"])
def test_a_stream_that_nobody_takes_is_ended_and_its_provider_closed(leaving: str) -> None:
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer([frame({"content": "hello "})], hangs=True)

    async def scenario() -> None:
        app = endpoints(house)
        body = chat(stream=True)
        if leaving == "while the answer begins":
            with pytest.raises(OSError, match="gone"):
                await _serve(app, Refuses([body]))
            return
        caller = Caller([body])
        serving = asyncio.ensure_future(_serve(app, caller))
        await caller.hears(2)
        caller.left.set()
        await serving
        assert not caller.got.finished

    asyncio.run(scenario())
    assert house.recorder.types() == ["intent", "outcome"]
    assert house.recorder.records[-1].fields["end"] == "aborted"
    assert house.upstream.answers[0].closed


# Answers ----------------------------------------------------------------------------------
def whole(house: House, body: bytes) -> Got:
    """Run a request through the gate of a house."""
    return asyncio.run(call(endpoints(house), headers=[JSON, KEY], pieces=[body]))


def test_a_plain_answer_and_its_headers() -> None:
    got = whole(House(), chat(f"to {EMAIL}"))
    assert got.status == 200 and EMAIL in got.body.decode()
    assert got.headers["x-guard-entities"] == "EMAIL_ADDRESS=1"
    assert (got.headers["x-guard-policy"], got.headers["x-guard-record"]) == ("s", "0")


def test_a_stream_and_its_headers() -> None:
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer(streamed("hello"))
    got = whole(house, chat(stream=True))
    assert (got.status, got.finished) == (200, True)
    assert got.headers["content-type"] == "text/event-stream" and "content-length" not in got.headers
    assert got.headers["cache-control"] == "no-cache"
    assert got.body.endswith(b"data: [DONE]\n\n")


def test_a_stream_that_fails_is_left_unfinished_so_that_the_connection_breaks() -> None:
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer([frame({"content": "half "})])

    async def scenario() -> Got:
        caller = Caller([chat(stream=True)])
        with pytest.raises(GuardError):
            await _serve(endpoints(house), caller)
        return caller.got

    got = asyncio.run(scenario())
    assert got.status == 200 and not got.finished and b"half" in got.body


def test_a_refusal_has_its_status_and_says_where_it_is_recorded() -> None:
    house = House()
    got = whole(house, chat(model="nobody"))
    assert (got.status, got.error["code"]) == (400, "model_not_allowed")
    assert got.headers["x-guard-record"] == "0" and got.headers["x-should-retry"] == "false"
    assert f"(ref {got.headers['x-guard-request']})" in str(got.error["message"])


def test_what_the_edge_refuses_is_recorded_for_a_key_and_counted_for_a_stranger() -> None:
    house = House()
    app = endpoints(house)
    asyncio.run(call(app, headers=[KEY, (b"content-type", b"text/plain")]))
    (record,) = house.recorder.records
    assert (record.type, record.fields["reason"]) == ("exchange.refused", "unsupported_media_type")
    asyncio.run(call(app, headers=[(b"content-type", b"text/plain")]))
    asyncio.run(call(app, headers=[JSON, (b"x-api-key", b"nonsense")]))
    assert house.strangers_counted() == {"invalid_api_key": 1, "unsupported_media_type": 1}
    assert len(house.recorder.records) == 1


def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.gateway.asgi.BODY_SECONDS", 0)
    gate = KeptGate()

    async def scenario() -> None:
        never = asyncio.Event()

        async def receive() -> Message:
            if gate.incoming:
                return {"type": "http.disconnect"}
            await never.wait()
            raise AssertionError("nobody sets it")

        await endpoints(gate)(
            {"type": "http", "method": "POST", "path": PATH, "headers": [JSON, KEY], "query_string": b""},
            receive,
            Caller().send,
        )

    asyncio.run(scenario())
    (incoming,) = gate.incoming
    assert incoming.problem is not None and incoming.problem.code == "body_too_slow"
