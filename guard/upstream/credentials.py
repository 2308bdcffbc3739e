"""What stands in a provider's ``credential``, turned into an authorization header's value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from guard.domain.catalogue import Provider
from guard.errors import GuardError, InvalidRequest, UpstreamUnavailable

__all__ = ["Credentials"]

SECONDS = 5.0
"""How long a file's or stored secret is remembered: a replaced one counts soon after."""


class Credentials:
    """Resolves credentials for ``upstream.http``.

    ``environment``: the process's variables; ``secret``: name to stored secret, raising
    ``GuardError`` if there is none; ``clock``: monotonic seconds.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        secret: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self._environment = environment
        self._secret = secret
        self._clock = clock
        self._known: dict[str, tuple[float, str]] = {}

    def __call__(self, provider: Provider, caller_authorization: str | None) -> str | None:
        """Return the header's value, or ``None`` for a provider without a credential.

        Raises ``UpstreamUnavailable`` if the credential is not there, so that the next
        target is tried, and ``InvalidRequest`` if the caller had to bring it and did not.
        """
        credential = provider.credential
        if credential is None:
            return None
        if credential == "caller":
            if not caller_authorization:
                raise InvalidRequest(
                    f"provider {provider.name} takes your own Authorization; "
                    "send Guard's key as x-guard-key beside it",
                    code="caller_authorization_missing",
                )
            return caller_authorization
        return f"Bearer {self._remembered(provider.name, credential)}"

    def _remembered(self, provider: str, credential: str) -> str:
        now = self._clock()
        known = self._known.get(credential)
        if known and now - known[0] < SECONDS:
            return known[1]
        value = self._look_up(provider, credential)
        self._known[credential] = (now, value)
        return value

    def _look_up(self, provider: str, credential: str) -> str:
        kind, _, name = credential.partition(":")
        try:
            if kind == "env":
                value = self._environment.get(name, "")
            elif kind == "file":
                value = Path(name).read_text(encoding="utf-8")
            else:
                value = self._secret(name)
        except (OSError, UnicodeDecodeError, GuardError):
            value = ""
        value = value.strip()
        if not (value and value.isascii() and value.isprintable()):
            raise UpstreamUnavailable(
                # Not the reference: callers read this, and it may be a path of this machine.
                f"the credential of provider {provider} is not there or cannot be sent; see: guard doctor",
                code="credential_missing",
            )
        return value
