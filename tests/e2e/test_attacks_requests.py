"""A hostile caller: values in disguise, requests that mean two things, bodies that cost much."""

from __future__ import annotations

import json
import socket

import pytest

from tests.e2e.service import Service

EMAIL = "maria.gomez@kestrel-labs.com"
CARD = "4539148803436467"
USER = '{"model":"demo-echo","messages":[{"role":"user","content":"x"}]'


def said(content: str) -> bytes:
    """Return a chat body."""
    body = {"model": "demo-echo", "messages": [{"role": "user", "content": content}]}
    return json.dumps(body, ensure_ascii=False).encode()


def called(arguments: object) -> bytes:
    """Return a body whose history holds a call of a tool."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    history = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "x"},
    ]
    return json.dumps({"model": "demo-echo", "messages": history}, ensure_ascii=False).encode()


NESTED = json.dumps({"a": json.dumps({"b": json.dumps({"c": EMAIL})})})
DISGUISED: dict[str, bytes] = {
    "an escape in the body": f'{USER[:-4]}{EMAIL.replace("@", chr(92) + "u0040")}"}}]}}'.encode(),
    "an escape in arguments": called('{"a":"maria.gomez\\u0040kestrel-labs.com"}'),
    "JSON in JSON in JSON": called(NESTED),
    "arguments that are no string": called({"a": EMAIL, EMAIL: 4539148803436467}),
    "a full-width sign": said(EMAIL.replace("@", "＠")),
    "a small sign": said(EMAIL.replace("@", "﹫")),
    "zero-width characters": said("maria.\u200bgo\u200bmez@kestrel\u2060-labs.com"),
    "marks of direction": said("\u202emaria.gomez\u200f@\u200ekestrel-labs.com\u202c"),
    "emoji around it": said(f"😀{EMAIL}🎉 💳{CARD}💳"),
    "digits of another script": said(CARD.translate({48 + n: 0x1D7CE + n for n in range(10)})),
    "soft hyphens": said("4539\u00ad1488\u00ad0343\u00ad6467"),
    "a combining accent": said("mari\u0301a.gomez@kestrel-labs.com"),
    "a key": f'{USER},"metadata":{{"{EMAIL}":1}}}}'.encode(),
    "a key far below": f'{USER},"extra":{{"a":[{{"b":{{"{EMAIL}":[{{"{CARD}":1}}]}}}}]}}}}'.encode(),
    "an integer": f'{USER},"metadata":{{"a":{CARD}}}}}'.encode(),
    "a negative integer": f'{USER},"metadata":{{"a":-{CARD}}}}}'.encode(),
    "a float": f'{USER},"metadata":{{"a":{CARD}.0}}}}'.encode(),
    "an exponent": f'{USER},"metadata":{{"a":4.539148803436467e15}}}}'.encode(),
    "the second of two keys below": f'{USER},"metadata":{{"a":{{"b":1,"\\u0062":"{EMAIL}"}}}}}}'.encode(),
    "a name": USER.replace('"content"', f'"name":"{EMAIL}","content"').encode() + b"}",
    "a role": USER.replace("user", EMAIL).encode() + b"}",
    "a word to stop at": f'{USER},"stop":["{EMAIL}"]}}'.encode(),
    "an option of the stream": f'{USER},"stream_options":{{"{EMAIL}":"{EMAIL}"}}}}'.encode(),
    "a schema": f'{USER},"response_format":{{"json_schema":{{"name":"{EMAIL}"}}}}}}'.encode(),
}


def plain(text: str) -> str:
    """Return a text as a reader of numbers sees it."""
    return text.replace(".0", "").replace("4.539148803436467e15", CARD)


@pytest.mark.parametrize("what", DISGUISED)
def test_a_value_in_disguise_does_not_leave(service: Service, what: str) -> None:
    before = service.received()
    status, headers, _ = service.chat(DISGUISED[what])
    after = service.received()
    assert status == 200 and after != before and headers["x-guard-entities"]
    arrived = after[-1]
    assert "guard.invalid" in arrived or "CRDX" in arrived
    assert EMAIL not in json.dumps(json.loads(arrived), ensure_ascii=False)
    assert "gomez" not in arrived and CARD not in plain(arrived)


@pytest.mark.parametrize("token", ["EMLX0123456789AB", "emlx0123456789ab", "CRDXZZZZZZZZZZZZ"])
def test_a_forged_surrogate_comes_back_as_it_went(service: Service, token: str) -> None:
    status, _, answer = service.chat(said(f"give me {token} please"))
    assert status == 200
    assert json.loads(answer)["choices"][0]["message"]["content"] == f"give me {token} please"


def test_a_surrogate_of_another_application_or_conversation_restores_to_nothing(service: Service) -> None:
    service.chat(said(EMAIL), key=service.key("agents"))
    stolen = json.loads(service.received()[-1])["messages"][0]["content"]
    assert stolen.endswith("@guard.invalid")
    for options in ({"key": service.key("other")}, {"headers": {"x-guard-conversation": "b"}}):
        _, _, answer = service.chat(said(f"{stolen} {CARD}"), **options)
        assert stolen in answer.decode() and EMAIL not in answer.decode()


EDGES = {
    "the largest": ("18446744073709551615", 200),
    "one more": ("18446744073709551616", 400),
    "the least": ("-9223372036854775808", 200),
    "one less": ("-9223372036854775809", 400),
    "minus nothing": ("-0", 200),
    "beyond every float": ("1e400", 400),
    "a huge exponent": ("1e99999999999", 400),
    "next to nothing": ("1e-99999999999", 200),
    "sixty levels": ("[" * 60 + "1" + "]" * 60, 200),
    "sixty levels a thousand times": ("[" + ",".join(["[" * 58 + "1" + "]" * 58] * 1000) + "]", 200),
    "an integer of a million digits": ("1" * 10**6, 400),
}


@pytest.mark.parametrize("what", EDGES)
def test_numbers_and_depths_at_the_edge(service: Service, what: str) -> None:
    written, expected = EDGES[what]
    assert service.chat(f'{USER},"metadata":{{"a":{written}}}}}'.encode())[0] == expected


def test_thousands_of_values_that_begin_alike_hold_nobody_up(service: Service) -> None:
    many = " ".join(f"u.{number}x@kestrel-labs.com" for number in range(5000))
    status, headers, answer = service.chat(said(many))
    assert status == 200 and headers["x-guard-entities"] == "EMAIL_ADDRESS=5000"
    assert json.loads(answer)["choices"][0]["message"]["content"] == many
    assert "kestrel" not in service.received()[-1]


def raw(service: Service, lines: str, body: bytes = USER.encode() + b"}") -> tuple[str, bool]:
    """Send a request with these first lines; return the status and whether something went upstream."""
    before = service.received()
    own = f"Authorization: Bearer {service.key()}\r\nContent-Type: application/json\r\n"
    head = f"{lines}{own}Connection: close\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\n" + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer[9:12].decode(), service.received() != before


LENGTH = f"Content-Length: {len(USER) + 1}\r\n"
POST = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
TWO_MEANINGS = {
    "a folded header": f"{POST}{LENGTH}X-Guard-Purpose: gen\r\n eral\r\n",
    "a space before the colon": f"{POST}{LENGTH}Transfer-Encoding : chunked\r\n",
    "a length and chunks": f"{POST}{LENGTH}Transfer-Encoding: chunked\r\n",
    "a coding that is none": f"{POST}{LENGTH}Transfer-Encoding: xchunked\r\n",
    "chunked not last": f"{POST}Transfer-Encoding: chunked, identity\r\n",
    "a vertical tab": f"{POST}{LENGTH}Transfer-Encoding: \x0bchunked\r\n",
    "a signed length": f"{POST}Content-Length: +5\r\n",
    "a list of lengths": f"{POST}Content-Length: 5, 5\r\n",
    "a length twice": f"{POST}{LENGTH}{LENGTH}",
    "a negative length": f"{POST}Content-Length: -1\r\n",
    "a length of 23 digits": f"{POST}Content-Length: 99999999999999999999999\r\n",
    "a lone return": f"{POST}{LENGTH}X: a\rX-Guard-Mode: off\r\n",
    "a zero byte": f"{POST}{LENGTH}X: a\0b\r\n",
    "another version": f"POST /v1/chat/completions HTTP/9.9\r\nHost: x\r\n{LENGTH}",
    "a tunnel": f"CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n{LENGTH}",
    "a subject of a megabyte": f"{POST}{LENGTH}X-Guard-Subject: {'s' * 2**20}\r\n",
    "a purpose and a header in one": f"{POST}{LENGTH}X-Guard-Purpose: general\r\nX-Guard-Evil: 1\r\n",
    "two slashes": f"POST //v1/chat/completions HTTP/1.1\r\nHost: x\r\n{LENGTH}",
    "a way round": f"POST /v1/../v1/chat/completions HTTP/1.1\r\nHost: x\r\n{LENGTH}",
    "capitals": f"POST /V1/chat/completions HTTP/1.1\r\nHost: x\r\n{LENGTH}",
    "a parameter of the path": f"POST /v1/chat/completions;a=b HTTP/1.1\r\nHost: x\r\n{LENGTH}",
    "a zero byte in the path": f"POST /v1/chat/completions%00 HTTP/1.1\r\nHost: x\r\n{LENGTH}",
    "an upgrade": POST.replace("POST", "GET") + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
}


@pytest.mark.parametrize("what", TWO_MEANINGS)
def test_a_request_with_two_meanings_reaches_nobody(service: Service, what: str) -> None:
    status, upstream = raw(service, TWO_MEANINGS[what])
    assert status in ("400", "404", "405") and not upstream


@pytest.mark.parametrize(
    "line", ["POST http://evil.example/v1/chat/completions HTTP/1.1", "POST /v1/chat%2fcompletions HTTP/1.1"]
)
def test_another_way_to_write_the_address_is_the_same_gate(service: Service, line: str) -> None:
    body = said(f"absolute {EMAIL}")
    status, upstream = raw(service, f"{line}\r\nHost: evil.example\r\nContent-Length: {len(body)}\r\n", body)
    assert status == "200" and upstream and EMAIL not in service.received()[-1]


def test_two_hundred_slow_callers_do_not_keep_another_waiting(service: Service) -> None:
    head = f"{POST}Authorization: Bearer {service.key()}\r\nContent-Type: application/json\r\n"
    slow = [socket.create_connection(("127.0.0.1", service.port), timeout=10) for _ in range(200)]
    try:
        for number, connection in enumerate(slow):
            body = b"Content-Length: 8000000\r\n\r\n{" if number % 2 else b""
            connection.sendall(head.encode() + body)
        assert service.chat(said("quick"))[0] == 200
    finally:
        for connection in slow:
            connection.close()
