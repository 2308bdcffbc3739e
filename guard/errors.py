"""The error tree.

Each error has a stable ``code`` and a message that holds ids, types, counts and
positions, never payload. Nothing here knows HTTP: ``gateway/problems.py`` alone turns
an error into a status and a body in the caller's dialect.

::

    GuardError
    ├─ ConfigurationError       settings or bundle invalid: refuse to start, or keep the last good one
    ├─ InvalidRequest           the caller's bytes cannot be read safely: nothing is forwarded
    ├─ AuthenticationError
    ├─ Refused                  a decision, not a fault
    │  ├─ PolicyDenied
    │  ├─ LimitExceeded
    │  └─ BudgetExhausted       a privacy budget has no room; says the largest job that would fit
    ├─ ScreeningFailed          a recognizer broke or ran out of time: treated as deny
    ├─ ProtectionFailed
    │  ├─ UnknownOperator
    │  ├─ SurrogateInvalid
    │  └─ RestoreFailed
    ├─ KeyUnavailable
    ├─ DecryptionFailed         one message for every cause: no oracle
    ├─ UpstreamError
    │  ├─ UpstreamTimeout
    │  ├─ UpstreamUnavailable
    │  └─ UpstreamRejected
    ├─ AuditUnavailable         fail closed
    ├─ NotFound
    ├─ Conflict
    └─ TrainingError            a job cannot run or may not go on
       ├─ IncompatibleModel     a layer or setting under which the guarantee would not hold
       ├─ LedgerConflict        a reservation is not in the state that the step asks for
       └─ LedgerTampered        the privacy ledger is not as it was written: nothing is admitted

``VerificationFailed``, the only type that ``audit/verify.py`` may raise, stands in that
file, because the file ships alone in evidence bundles and imports nothing of Guard.
"""

from __future__ import annotations

__all__ = [
    "AuditUnavailable",
    "AuthenticationError",
    "BudgetExhausted",
    "ConfigurationError",
    "Conflict",
    "DecryptionFailed",
    "GuardError",
    "IncompatibleModel",
    "InvalidRequest",
    "KeyUnavailable",
    "LedgerConflict",
    "LedgerTampered",
    "LimitExceeded",
    "NotFound",
    "PolicyDenied",
    "ProtectionFailed",
    "Refused",
    "RestoreFailed",
    "ScreeningFailed",
    "SurrogateInvalid",
    "TrainingError",
    "UnknownOperator",
    "UpstreamError",
    "UpstreamRejected",
    "UpstreamTimeout",
    "UpstreamUnavailable",
]


class GuardError(Exception):
    """Base of every fault and refusal that Guard reports.

    ``position`` names where in a request the cause stands (``messages[3].content``),
    if it stands somewhere.
    """

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, position: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        if code is not None:
            self.code = code


class ConfigurationError(GuardError):
    """Settings or a bundle are invalid; the message says where and what to do."""

    code = "configuration_invalid"


class InvalidRequest(GuardError):
    """The caller's request cannot be read safely."""

    code = "invalid_request"


class AuthenticationError(GuardError):
    """No credential, or one that is unknown, expired or revoked."""

    code = "invalid_api_key"


class Refused(GuardError):
    """A decision against the request, not a fault."""

    code = "refused"


class PolicyDenied(Refused):
    """Access or screening policy refuses; ``rules`` are the rules that decided."""

    code = "content_policy_violation"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        position: str | None = None,
        rules: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, code=code, position=position)
        self.rules = rules


class LimitExceeded(Refused):
    """A usage limit of the key is reached; ``retry_after`` is in seconds."""

    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class BudgetExhausted(Refused):
    """A privacy budget has no room for the job; ``largest`` is the most steps that would fit."""

    code = "budget_exhausted"

    def __init__(self, message: str, *, largest: int) -> None:
        super().__init__(message)
        self.largest = largest


class ScreeningFailed(GuardError):
    """A recognizer broke, found too many candidates or ran out of time."""

    code = "screening_failed"


class ProtectionFailed(GuardError):
    """A replacement could not be planned or applied."""

    code = "protection_failed"


class UnknownOperator(ProtectionFailed):
    """An obligation names an operator that does not exist."""

    code = "unknown_operator"


class SurrogateInvalid(ProtectionFailed):
    """Two values would share a surrogate, or a surrogate stands in the input."""

    code = "surrogate_invalid"


class RestoreFailed(ProtectionFailed):
    """An original could not be put back."""

    code = "restore_failed"


class KeyUnavailable(GuardError):
    """The keyring or its provider cannot be reached or has no such key."""

    code = "key_unavailable"


class DecryptionFailed(GuardError):
    """A ciphertext, its key or its context is wrong; the message never says which."""

    code = "decryption_failed"

    def __init__(self) -> None:
        super().__init__("decryption failed")


class UpstreamError(GuardError):
    """The provider did not give a usable answer."""

    code = "upstream_error"


class UpstreamTimeout(UpstreamError):
    """The provider took too long; the body counts as sent."""

    code = "upstream_timeout"


class UpstreamUnavailable(UpstreamError):
    """No connection, or the connection broke."""

    code = "upstream_unavailable"


class UpstreamRejected(UpstreamError):
    """The provider answered with an error status, kept in ``status``.

    ``retry_after``: seconds that the provider asks to wait, if it does.
    """

    code = "upstream_rejected"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        position: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, code=code, position=position)
        self.status = status
        self.retry_after = retry_after


class AuditUnavailable(GuardError):
    """The log cannot be written: nothing is forwarded, nothing more is released."""

    code = "audit_unavailable"


class NotFound(GuardError):
    """The named thing does not exist."""

    code = "not_found"


class Conflict(GuardError):
    """The named thing exists already or changed meanwhile."""

    code = "conflict"


class TrainingError(GuardError):
    """A training job cannot run or may not go on."""

    code = "training_failed"


class IncompatibleModel(TrainingError):
    """A layer or a setting under which the guarantee would not hold; the message names the remedy."""

    code = "incompatible_model"


class LedgerConflict(TrainingError):
    """A reservation is not in the state that the step asks for."""

    code = "ledger_conflict"


class LedgerTampered(TrainingError):
    """A row of the privacy ledger was changed, removed or put back: nothing is admitted."""

    code = "ledger_tampered"
