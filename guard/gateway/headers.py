"""Headers: what a request's say, and the answer's, all known before the first byte (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Iterable

from guard.errors import InvalidRequest
from guard.pipeline.result import Stamp

__all__ = ["Header", "read_headers", "request_header", "stamp_headers"]

Header = tuple[bytes, bytes]
SINGLE = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "content-type", "content-length", "content-encoding"}
)
"""Headers that mean two things when sent twice, beside all of ours."""


def read_headers(raw: Iterable[Header]) -> dict[str, str]:
    """Return headers by lower-case name. Raises ``InvalidRequest`` for ambiguous ones."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        if key in headers and (key.startswith("x-guard-") or key in SINGLE):
            # The name is not repeated: it may be anything that somebody wrote after x-guard-.
            raise InvalidRequest("a header that counts is sent twice", code="duplicate_header")
        headers[key] = value.decode("latin-1")
    if "transfer-encoding" in headers and "content-length" in headers:
        raise InvalidRequest("both Content-Length and Transfer-Encoding are sent", code="ambiguous_length")
    return headers


def request_header(exchange: str) -> Header:
    """Return the header that names the exchange."""
    return (b"x-guard-request", exchange.encode())


def stamp_headers(stamp: Stamp) -> tuple[Header, ...]:
    """Render what is known of an exchange; nothing that is not known."""
    headers: list[Header] = [
        request_header(stamp.exchange),
        (b"server-timing", f"guard;dur={stamp.guard_seconds * 1000:.1f}".encode()),
    ]
    if stamp.policy:
        headers.append((b"x-guard-policy", stamp.policy.removeprefix("sha256:")[:12].encode()))
    if stamp.entities:
        counts = ",".join(f"{name}={count}" for name, count in sorted(stamp.entities.items()))
        headers.append((b"x-guard-entities", counts.encode()))
    if stamp.record is not None:
        headers.append((b"x-guard-record", str(stamp.record).encode()))
    if stamp.checkpoint is not None:
        known = stamp.checkpoint
        headers.append((b"x-guard-checkpoint", f"{known.origin} {known.size} {known.root}".encode()))
    if stamp.reporting:
        headers.append((b"x-guard-enforcement", b"report"))
    return tuple(headers)
