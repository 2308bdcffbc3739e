"""One chat call as an application makes it, plain or streamed, with the standard library alone."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from guard.errors import ConfigurationError

__all__ = ["Answer", "Caller", "fetch"]

SECONDS = 30.0
NEW_KEY_SECONDS = 5.0
"""Every worker knows a new key within a second; so long a 401 is asked again."""
PAUSE_SECONDS = 0.1
UNAUTHORISED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. ``text``: the first choice's, or the error's; ``pieces``: of a stream."""

    status: int
    headers: Mapping[str, str]
    text: str
    code: str | None = None
    pieces: int = 0

    @property
    def milliseconds(self) -> str:
        """The time that Guard itself took, as its header ``server-timing`` says."""
        return self.headers.get("server-timing", "").partition("dur=")[2] or "?"


class Caller:
    """Calls one service with one key."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._key = key

    def chat(self, text: str, *, model: str, stream: bool = False) -> Answer:
        """Ask ``model``. Raises ``ConfigurationError`` if the service does not answer."""
        body = json.dumps(
            {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
        ).encode()
        deadline = time.monotonic() + NEW_KEY_SECONDS
        while True:
            answer = self._ask(body)
            if answer.status != UNAUTHORISED or time.monotonic() > deadline:
                return answer
            time.sleep(PAUSE_SECONDS)

    def _ask(self, body: bytes) -> Answer:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        connection = _connect(self._address)
        try:
            connection.request("POST", "/v1/chat/completions", body, headers)
            return _read(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _silent(self._address, error) from None
        finally:
            connection.close()


def fetch(address: str, path: str) -> bytes:
    """Return a page. Raises ``ConfigurationError`` if there is no answer."""
    connection = _connect(address)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        raise _silent(address, error) from None
    finally:
        connection.close()


def _connect(address: str) -> http.client.HTTPConnection:
    parts = urlsplit(address)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)


def _silent(address: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{address} does not answer ({type(error).__name__}); run: guard doctor")


def _read(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    if headers.get("content-type", "").startswith("text/event-stream"):
        pieces = [piece for line in response if (piece := _delta(line))]
        return Answer(status=response.status, headers=headers, text="".join(pieces), pieces=len(pieces))
    document = json.loads(response.read())
    if "error" in document:
        error = document["error"]
        return Answer(status=response.status, headers=headers, text=error["message"], code=error["code"])
    text = document["choices"][0]["message"]["content"]
    return Answer(status=response.status, headers=headers, text=text or "")


def _delta(line: bytes) -> str:
    """Return the text of one line of a stream; comments and ends have none."""
    data = line.removeprefix(b"data: ").strip()
    if not line.startswith(b"data: ") or data == b"[DONE]":
        return ""
    choices = json.loads(data)["choices"]
    return choices[0]["delta"].get("content") or "" if choices else ""
