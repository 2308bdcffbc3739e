"""Errors → status, headers and body in the caller's dialect. Alone in knowing statuses.

The choice of statuses is DESIGN §7: a decision of policy is always 400, the one status
that every measured client shows and does not repeat; 401 only for credentials, 429 for
limits, 503 for us.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from guard.errors import (
    AuditUnavailable,
    AuthenticationError,
    ConfigurationError,
    Conflict,
    DecryptionFailed,
    GuardError,
    InvalidRequest,
    KeyUnavailable,
    LimitExceeded,
    NotFound,
    PolicyDenied,
    ProtectionFailed,
    Refused,
    ScreeningFailed,
    TrainingError,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)

__all__ = ["Problem", "openai_problem", "problem_of"]

FINAL = (b"x-should-retry", b"false")

STATUS: tuple[tuple[type[GuardError], int, str], ...] = (
    (AuthenticationError, 401, "authentication_error"),
    (LimitExceeded, 429, "rate_limit_error"),
    (PolicyDenied, 400, "invalid_request_error"),
    (Refused, 400, "invalid_request_error"),
    (InvalidRequest, 400, "invalid_request_error"),
    (ScreeningFailed, 400, "invalid_request_error"),
    (ProtectionFailed, 400, "invalid_request_error"),
    (NotFound, 404, "invalid_request_error"),
    (Conflict, 409, "invalid_request_error"),
    (UpstreamTimeout, 504, "server_error"),
    (UpstreamUnavailable, 502, "server_error"),
    (UpstreamRejected, 502, "server_error"),
    (UpstreamError, 502, "server_error"),
    (AuditUnavailable, 503, "server_error"),
    (KeyUnavailable, 503, "server_error"),
    (DecryptionFailed, 503, "server_error"),
    (ConfigurationError, 503, "server_error"),
    (TrainingError, 500, "server_error"),
    (GuardError, 500, "server_error"),
)
"""First match counts; the order goes from the leaves of the tree to its root."""

BY_CODE = {
    "unsupported_encoding": 415,
    "unsupported_media_type": 415,
    "body_too_large": 413,
    "body_too_slow": 408,
    "method_not_allowed": 405,
}
"""Codes with a status of their own, where the class alone would say too little."""

PASSED_ON = frozenset({400, 404, 408, 409, 413, 422, 429})
"""Statuses of the provider that are about the caller's request, not about our account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An HTTP answer that explains an error."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def _status(error: GuardError) -> tuple[int, str]:
    if isinstance(error, UpstreamRejected) and error.status in PASSED_ON:
        kind = "rate_limit_error" if error.status == 429 else "invalid_request_error"  # noqa: PLR2004 (the status itself)
        return error.status, kind
    for cls, status, kind in STATUS:
        if isinstance(error, cls):
            return BY_CODE.get(error.code, status), kind
    raise RuntimeError("the table above ends with the root of the tree")


def problem_of(error: GuardError, *, route: str, reference: str) -> Problem:
    """Render ``error`` for a caller of ``route``; ``reference`` is the exchange id."""
    if route.startswith("open-inference."):
        return _inference_problem(error, reference=reference)
    return openai_problem(error, reference=reference)


def openai_problem(error: GuardError, *, reference: str) -> Problem:
    """Render ``error`` in the OpenAI error format; ``reference`` is the exchange id."""
    status, kind = _status(error)
    plain = {
        "message": f"{error.message} (ref {reference})",
        "type": kind,
        "param": error.position,
        "code": error.code,
    }
    return _rendered(error, status, {"error": plain})


def _inference_problem(error: GuardError, *, reference: str) -> Problem:
    """Render ``error`` as open inference has it: one text."""
    where = f" at {error.position}" if error.position else ""
    return _rendered(
        error, _status(error)[0], {"error": f"{error.code}{where}: {error.message} (ref {reference})"}
    )


def _rendered(error: GuardError, status: int, plain: object) -> Problem:
    body = msgspec.json.encode(plain)
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]
    if isinstance(error, LimitExceeded) or (
        isinstance(error, UpstreamRejected) and error.retry_after is not None
    ):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    elif status == 503:  # noqa: PLR2004 (the status itself)
        headers += [(b"retry-after", b"5"), FINAL]
    elif not isinstance(error, UpstreamError):
        headers.append(FINAL)
    if status == 405:  # noqa: PLR2004 (the status itself)
        headers.append((b"allow", b"POST"))
    return Problem(status=status, headers=tuple(headers), body=body)
