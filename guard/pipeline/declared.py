"""What the caller declares in ``x-guard-*`` headers (DESIGN §6). Nothing here weakens a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from guard.domain.principal import Classification, Principal
from guard.errors import InvalidRequest, PolicyDenied

__all__ = ["HEADERS", "Declared", "declared"]

HEADERS = frozenset(
    {
        "x-guard-key",
        "x-guard-purpose",
        "x-guard-subject",
        "x-guard-conversation",
        "x-guard-classification",
    }
)
"""Every header of ours that a request may carry; all are stripped before the upstream."""

SESSIONS = ("x-session-id", "session-id", "x-claude-code-session-id")
"""Headers by which coding agents name their session."""

MAX_VALUE_BYTES = 256
ORDER = list(Classification)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The purpose, subject, conversation and classification of one request.

    ``conversation`` is declared to us or, failing that, a coding agent's session.
    """

    purpose: str
    subject: str | None
    conversation: str | None
    classification: Classification


def declared(headers: Mapping[str, str], principal: Principal, floor: Classification) -> Declared:
    """Read the declarations of ``headers`` (lower-case names).

    Raises ``InvalidRequest`` for an unknown or overlong header and ``PolicyDenied`` with
    code ``purpose_required`` for a purpose that the key does not have.
    """
    for name, value in headers.items():
        if not name.startswith("x-guard-"):
            continue
        if name not in HEADERS:
            raise InvalidRequest(
                f"unknown header; known are {', '.join(sorted(HEADERS))}", code="unknown_header"
            )
        if len(value.encode()) > MAX_VALUE_BYTES:
            raise InvalidRequest(f"{name} is longer than {MAX_VALUE_BYTES} bytes", code="header_too_long")
    return Declared(
        purpose=_purpose(headers.get("x-guard-purpose"), principal),
        subject=headers.get("x-guard-subject") or None,
        conversation=headers.get("x-guard-conversation") or _session(headers),
        classification=_classification(headers.get("x-guard-classification"), floor),
    )


def _session(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in SESSIONS if headers.get(name)), None)


def _purpose(asked: str | None, principal: Principal) -> str:
    if asked is None:
        if not principal.purposes:
            raise PolicyDenied("this key has no purpose; issue it with --purposes", code="purpose_required")
        return principal.purposes[0]
    if asked not in principal.purposes:
        raise PolicyDenied(
            f"this key may not act for that purpose; it has {', '.join(principal.purposes) or 'none'}",
            code="purpose_required",
        )
    return asked


def _classification(asked: str | None, floor: Classification) -> Classification:
    if asked is None:
        return floor
    try:
        wanted = Classification(asked)
    except ValueError:
        words = ", ".join(ORDER)
        raise InvalidRequest(
            f"x-guard-classification must be one of {words}", code="invalid_header"
        ) from None
    # The header may only raise: a lower word is no error, it just changes nothing.
    return max(wanted, floor, key=ORDER.index)
