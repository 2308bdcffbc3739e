"""Where the caller's key stands, and what of the request may travel on.

A key is read from ``x-guard-key``, ``Authorization: Bearer``, ``x-api-key`` or
``x-goog-api-key``, never from the query string: addresses end up in logs. With
``x-guard-key`` the caller's own ``Authorization`` is kept for a provider whose
credential is ``caller``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from guard.errors import InvalidRequest

__all__ = ["Credential", "read_credential"]

KEY_PARAMETERS = frozenset({"key", "api_key", "api-key", "apikey", "token", "access_token"})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credential:
    """Guard's key, and the caller's own authorization for the provider."""

    key: str | None
    caller_authorization: str | None


def read_credential(headers: Mapping[str, str], query: bytes) -> Credential:
    """Find the key. Raises ``InvalidRequest`` if the query string carries anything."""
    if query:
        names = {pair.partition("=")[0].lower() for pair in query.decode("latin-1").split("&")}
        if names & KEY_PARAMETERS:
            raise InvalidRequest(
                "a key does not belong in the address, where it is logged; "
                "send it as 'Authorization: Bearer …' and rotate this one",
                code="key_in_query",
            )
        raise InvalidRequest("this endpoint takes no query parameters", code="unknown_parameter")
    authorization = headers.get("authorization")
    own = headers.get("x-guard-key")
    if own is not None:
        return Credential(key=own, caller_authorization=authorization)
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return Credential(
            key=token.strip() if scheme.lower() == "bearer" else None, caller_authorization=None
        )
    return Credential(
        key=headers.get("x-api-key") or headers.get("x-goog-api-key"), caller_authorization=None
    )
