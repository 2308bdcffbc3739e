"""Hostile and broken requests: a clear error in the OpenAI format, and nothing goes upstream."""

from __future__ import annotations

import http.client
import json
import socket

import pytest

from tests.e2e.service import Service

EMAIL = "maria.gomez@kestrel-labs.com"


def chat(content: str = "mark", **members: object) -> bytes:
    """Return a chat body."""
    body = {"model": "demo-echo", "messages": [{"role": "user", "content": content}], **members}
    return json.dumps(body).encode()


REFUSED: dict[str, tuple[bytes, str]] = {
    "NaN": (chat().replace(b'"mark"', b"NaN"), "invalid_json"),
    "an integer of 24 digits": (
        chat(seed=1).replace(b'"seed": 1', b'"seed": 123456789012345678901234'),
        "number_too_large",
    ),
    "a lone surrogate": (chat().replace(b"mark", b"mark\\ud800"), "invalid_json"),
    "a byte order mark": (b"\xef\xbb\xbf" + chat(), "invalid_json"),
    "invalid UTF-8": (chat().replace(b"mark", b"mark\xff"), "invalid_json"),
    "ten thousand levels": (
        chat(metadata=1).replace(b'"metadata": 1', b'"metadata": ' + b"[" * 10_000 + b"]" * 10_000),
        "too_deep",
    ),
    "a truncated body": (chat()[:-3], "invalid_json"),
    "a list": (b"[]", "invalid_json"),
    "nothing": (b"", "invalid_json"),
    "no model": (b'{"messages":[{"role":"user","content":"mark"}]}', "invalid_request"),
    "no messages": (b'{"model":"demo-echo","messages":[]}', "invalid_request"),
    "token arrays": (chat().replace(b'"mark"', b"[1, 2, 3]"), "token_input"),
    "logprobs": (chat(logprobs=True), "logprobs_refused"),
    "an image": (
        chat().replace(b'"mark"', b'[{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]'),
        "unsupported_content",
    ),
    "an e-mail in an id": (
        json.dumps(
            {
                "model": "demo-echo",
                "messages": [{"role": "tool", "tool_call_id": EMAIL, "content": "mark"}],
            }
        ).encode(),
        "personal_data_in_id",
    ),
    "an e-mail as the model": (chat().replace(b"demo-echo", EMAIL.encode()), "model_not_allowed"),
    "too many strings": (chat(metadata=["a"] * 60_000), "too_many_strings"),
    "too many choices": (chat(n=1000), "invalid_request"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_safely_is_refused(service: Service, what: str) -> None:
    body, code = REFUSED[what]
    before = service.received()
    status, headers, answer = service.chat(body)
    error = json.loads(answer)["error"]
    assert (status, error["code"]) == (400, code)
    assert EMAIL not in answer.decode() and "mark" not in error["message"].replace("byte order mark", "")
    assert headers["x-should-retry"] == "false" and headers["x-guard-request"]
    assert service.received() == before, "something went upstream"


def test_of_two_messages_the_last_is_screened_and_travels_alone(service: Service) -> None:
    body = (
        b'{"model":"demo-echo","messages":[{"role":"user","content":"first-of-two"}],'
        b'"messages":[{"role":"user","content":"second-of-two maria.gomez@kestrel-labs.com"}]}'
    )
    status, _, answer = service.chat(body)
    assert status == 200 and EMAIL in answer.decode()
    assert not any("first-of-two" in arrived for arrived in service.received())
    (arrived,) = [arrived for arrived in service.received() if "second-of-two" in arrived]
    assert EMAIL not in arrived


def test_a_body_of_fifty_megabytes_is_refused_without_being_read_whole(service: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.putrequest("POST", "/v1/chat/completions")
    for name, value in {
        "authorization": f"Bearer {service.key()}",
        "content-type": "application/json",
        "content-length": str(50 * 2**20),
    }.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * 2**16)
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["code"] == "body_too_large"
    connection.close()


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ({"content-encoding": "gzip"}, 415, "unsupported_encoding"),
        ({"x-guard-mode": "off"}, 400, "unknown_header"),
        ({"x-guard-purpose": "marketing"}, 400, "purpose_required"),
        ({"x-guard-classification": "secret"}, 400, "invalid_header"),
        ({"x-guard-subject": "s" * 300}, 400, "header_too_long"),
    ],
)
def test_headers_that_mean_nothing_or_too_much_are_refused(
    service: Service, headers: dict[str, str], status: int, code: str
) -> None:
    got, _, answer = service.chat(chat(), headers=headers)
    assert (got, json.loads(answer)["error"]["code"]) == (status, code)


def test_a_key_in_the_address_is_refused(service: Service) -> None:
    status, _, answer = service.call("POST", f"/v1/chat/completions?key={service.key()}", chat())
    error = json.loads(answer)["error"]
    assert (status, error["code"]) == (400, "key_in_query")
    assert service.key() not in answer.decode()


def test_unknown_endpoints_are_never_passed_through(service: Service) -> None:
    status, _, answer = service.call("POST", "/v1/embeddings", b"{}", key=service.key())
    assert (status, json.loads(answer)["error"]["code"]) == (404, "unknown_endpoint")


def raw(service: Service, request: bytes) -> bytes:
    """Send bytes as they are and return everything that comes back."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize(
    "smuggled",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 90\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 2\r\n",
    ],
)
def test_smuggled_headers_reach_nobody(service: Service, smuggled: bytes) -> None:
    before = service.received()
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + smuggled
        + b"\r\n0\r\n\r\nPOST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    answer = raw(service, request)
    assert b" 200 " not in answer.split(b"\r\n")[0]
    assert service.received() == before
