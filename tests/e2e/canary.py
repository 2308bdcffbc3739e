"""Marked values, the forms in which they could hide, and a provider that throws them back."""

from __future__ import annotations

import base64
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = [
    "ANSWERS",
    "FORMS",
    "SENT",
    "SILENT",
    "TEXT",
    "bodies",
    "forms",
    "headers",
    "hostile_upstream",
    "leaks",
]

SENT = (
    "canary.bird@kestrel-labs.com",
    "5425233430109903",
    "AKIAZ3CANARYWERT2345",
    "canary9Passw0rd77",
    "+49 30 901820",
)
"""What callers send."""

TEXT = " ".join((SENT[0], SENT[1], SENT[2], f"password: {SENT[3]}", SENT[4]))

ANSWERS = ("answer.wren@harrier-works.net", "5306919876543212", "AKIAW7ANSWERQRST6789")
"""What the provider says without having been told."""

SAID = " ".join(ANSWERS)


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """Yield a value as it might stand in a file, by the name of the form."""
    plain = value.encode()
    yield "plain", plain
    yield "UTF-16, little end first", value.encode("utf-16-le")
    yield "UTF-16, big end first", value.encode("utf-16-be")
    yield "percent", urllib.parse.quote(value, safe="").encode()
    yield "percent, all of it", "".join(f"%{byte:02x}" for byte in plain).encode()
    yield "hexadecimal", plain.hex().encode()
    for shift in range(3):
        # Base 64 of a value depends on where it begins; the groups at its borders on its neighbours.
        whole = base64.b64encode(b"\0" * shift + plain + b"\0" * (-(shift + len(plain)) % 3))
        inner = whole[4 if shift else 0 : len(whole) - (4 if (shift + len(plain)) % 3 else 0)]
        yield f"base 64, {shift} after a group", inner
        yield f"base 64 for addresses, {shift} after a group", inner.translate(bytes.maketrans(b"+/", b"-_"))


FORMS = tuple((value, name, form) for value in (*SENT, *ANSWERS) for name, form in forms(value))


def leaks(data: bytes) -> list[tuple[str, str]]:
    """Return which values stand in ``data``, and in which form; letters of either case."""
    lower = data.lower()
    return [
        (value, name)
        for value, name, form in FORMS
        if (form in data if name.startswith("base 64") else form.lower() in lower)
    ]


def chat(model: str, **members: object) -> bytes:
    """Return a chat body with marked values wherever text can stand."""
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": TEXT},
            {"role": "user", "name": "someone", "content": [{"type": "text", "text": TEXT}], TEXT: TEXT},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "t", "arguments": json.dumps({TEXT: [TEXT]})},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": TEXT},
            {"role": "user", "content": TEXT},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "t", "description": TEXT, "parameters": {"description": TEXT}},
            }
        ],
        "metadata": {"who": TEXT},
        "stop": [TEXT],
        "user": SENT[0],
        "unknown": {"deep": [{TEXT: SENT[1]}]},
        **members,
    }
    return json.dumps(body).encode()


DEMO = "demo-echo demo-tool demo-inject demo-status-500 demo-invalid demo-error demo-cut demo-bytes".split()
HOSTILE = [f"hostile-{number}" for number in range(15)]
SILENT = 15
"""The number of the model that falls silent in the middle of a stream."""
MODELS = [*DEMO, *HOSTILE, "unreachable", "falls-back", "second-after-500", "link-local", "no-such-model"]


def bodies() -> Iterator[bytes]:
    """Yield requests that end in every way there is."""
    for model in MODELS:
        for stream in (False, True):
            yield chat(model, stream=stream, n=2 if model in DEMO else 1)
    yield TEXT.encode()
    yield chat("demo-echo")[:-9]
    yield chat("demo-echo").replace(b'"user"', b'"user\xff"', 1)
    yield b"\xef\xbb\xbf" + chat("demo-echo")
    yield chat(SENT[0])
    yield chat("demo-echo", messages=[{"role": TEXT, "content": TEXT}])
    yield chat("demo-echo", messages=[{"role": "tool", "tool_call_id": SENT[0], "content": "x"}])
    yield chat("demo-echo", messages=[{"role": "user", "content": [{"type": TEXT, TEXT: TEXT}]}])
    yield chat("demo-echo", messages=TEXT)
    yield chat("demo-echo", n=TEXT)
    yield chat("demo-echo", stream=TEXT)
    yield chat("demo-echo", logprobs=TEXT)
    yield chat("demo-echo", tool_choice={"type": TEXT, "function": {"name": SENT[0]}})
    yield chat("demo-echo", response_format={"type": TEXT, TEXT: TEXT})
    yield chat("demo-echo", **{TEXT: float("inf")})
    yield chat("demo-echo", **{TEXT: 10**30})
    yield chat("demo-echo", metadata={TEXT: [TEXT] * 60_000})
    yield chat("demo-echo", messages=[{"role": "user", "content": f"{TEXT} " * 6000}])


def headers() -> Iterator[dict[str, str]]:
    """Yield headers with marked values, good and bad."""
    yield {"x-guard-subject": SENT[0], "x-guard-conversation": SENT[0]}
    yield {"x-guard-subject": TEXT * 3}
    yield {"x-guard-purpose": SENT[0]}
    yield {"x-guard-classification": SENT[0]}
    yield {"x-guard-canary": TEXT}
    yield {f"x-guard-{SENT[2].lower()}": "1"}
    yield {"x-guard-key": SENT[2]}
    yield {"x-guard-key": f"gk_live_{SENT[3]}"}
    yield {"content-type": f"text/{SENT[2]}"}
    yield {"content-encoding": SENT[2]}
    yield {
        "user-agent": TEXT,
        "cookie": TEXT,
        "referer": TEXT,
        "x-forwarded-for": SENT[0],
        "traceparent": SENT[2],
    }


def _answer(number: int, stream: bool) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the n-th way to misbehave."""
    say = json.dumps(SAID)
    error = f'{{"error": {{"message": {say}, "type": {say}, "code": {say}, "param": {say}}}}}'.encode()
    kind = {"content-type": "text/event-stream" if stream else "application/json"}
    whole = (
        f'{{"id": {say}, "model": {say}, "choices": [{{"index": 0, "finish_reason": {say}, "message": '
        f'{{"role": "assistant", "content": {say}, "reasoning_content": {say}, "extra": {say}}}}}], '
        f'"x": {say}}}'
    ).encode()
    good = whole.replace(f'"finish_reason": {say}'.encode(), b'"finish_reason": "stop"').replace(
        f'{{"id": {say}, "model": {say}, '.encode(), b'{"id": "c", "model": "m", "created": 1, '
    )
    delta = good.replace(b'"message"', b'"delta"')
    events = {
        0: b"data: " + delta + b"\n\ndata: [DONE]\n\n",
        1: b"data: " + error + b"\n\n",
        2: b"data: " + delta[:-20] + b"\n\n",
        3: b"data: " + delta + b"\n\n",
        4: b"event: " + SAID.encode() + b"\ndata: " + SAID.encode() + b"\n\n",
    }
    answers = {0: good, 1: error, 2: good[:-20], 3: whole, 4: SAID.encode()}
    statuses = {5: 400, 6: 401, 7: 403, 8: 404, 9: 413, 10: 422, 11: 429, 12: 500, 13: 503}
    if number in statuses:
        return statuses[number], {**kind, "x-canary": SAID, "retry-after": SAID}, error
    if number in answers:
        return 200, {**kind, "x-canary": SAID}, (events if stream else answers)[number]
    return 302, {"location": f"http://127.0.0.1:9/?{urllib.parse.quote(SAID)}"}, error


class _Hostile(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        number = int(str(body["model"]).rpartition("-")[2])
        if number == SILENT:
            self._fall_silent()
            return
        status, given, answer = _answer(number, body.get("stream") is True)
        self.send_response(status)
        for name, value in given.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _fall_silent(self) -> None:
        """Begin a stream and say no more until the other side leaves."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        delta = {"id": "c", "choices": [{"index": 0, "delta": {"content": f"{SAID} and so on, "}}]}
        self.wfile.write(b"data: " + json.dumps(delta).encode() + b"\n\n")
        self.close_connection = True
        self.rfile.read(1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def hostile_upstream() -> Iterator[int]:
    """Serve answers full of marked values; yield the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
