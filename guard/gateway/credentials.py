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

__all__ = ["Credential", "check_query", "read_credential"]

KEY_PARAMETERS = frozenset({"key", "api_key", "api-key", "apikey", "token", "access_token"})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credential:
    """Guard's key, and the caller's own authorization for the provider."""

    key: str | None
    caller_authorization: str | None


def check_query(query: bytes) -> None:
    """Raise ``InvalidRequest`` if the query string carries anything."""
    if not query:
        return
    names = {pair.partition("=")[0].lower() for pair in query.decode("latin-1").split("&")}
    if names & KEY_PARAMETERS:
        raise InvalidRequest(
            "a key does not belong in the address, where it is logged; "
            "send it as 'Authorization: Bearer …' and rotate this one",
            code="key_in_query",
        )
    raise InvalidRequest("this endpoint takes no query parameters", code="unknown_parameter")


def read_credential(headers: Mapping[str, str]) -> Credential:
    """Find the key; an empty header is none."""
    authorization = headers.get("authorization") or None
    own = headers.get("x-guard-key")
    if own:
        return Credential(key=own, caller_authorization=authorization)
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return Credential(
            key=token.strip() if scheme.lower() == "bearer" else None, caller_authorization=None
        )
    return Credential(
        key=headers.get("x-api-key") or headers.get("x-goog-api-key") or None, caller_authorization=None
    )
