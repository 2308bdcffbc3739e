"""What the gateway hands to the gate and gets back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.domain.event import CheckpointSummary
from guard.errors import GuardError
from guard.pipeline.answer import Reply

__all__ = ["Incoming", "Result", "Stamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request as the gateway hands it over; ``headers`` have lower-case names.

    ``named``: the model that the path names, where it stands there. ``problem``: why the
    gateway could not read it, so that the refusal is recorded like every other; the body is
    empty then.
    """

    exchange: str
    route: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    credential: str | None = field(repr=False)
    caller_authorization: str | None = field(repr=False)
    address: str
    named: str | None = None
    problem: GuardError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the answer's headers say, all of it known before the first byte."""

    exchange: str
    policy: str = ""
    entities: Mapping[str, int] | None = None
    record: int | None = None
    checkpoint: CheckpointSummary | None = None
    guard_seconds: float = 0.0
    reporting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A reply or the error that took its place, never both."""

    stamp: Stamp
    reply: Reply | None = None
    error: GuardError | None = None
