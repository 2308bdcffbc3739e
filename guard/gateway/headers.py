"""The answer's headers, all from the state before the first byte (DESIGN §6)."""

from __future__ import annotations

from guard.pipeline.exchange import Stamp

__all__ = ["stamp_headers"]

Header = tuple[bytes, bytes]


def stamp_headers(stamp: Stamp) -> tuple[Header, ...]:
    """Render what is known of an exchange; nothing that is not known."""
    headers: list[Header] = [
        (b"x-guard-request", stamp.exchange.encode()),
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
