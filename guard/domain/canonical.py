"""Canonical bytes of small JSON values (RFC 8785 without floats), for digests.

The checking half of the same encoding stands in ``audit/verify.py``, which ships alone;
a test holds the two equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

__all__ = ["Json", "canonical", "digest"]

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]
"""A JSON value without floats."""

MAX_INTEGER = 2**53 - 1


def _check(value: object) -> None:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError("an integer is beyond 2^53 - 1")
        return
    if isinstance(value, Mapping):
        for key, member in value.items():
            if not isinstance(key, str):
                raise TypeError("an object key is not a string")
            _check(member)
        return
    if isinstance(value, (list, tuple)):
        for member in value:
            _check(member)
        return
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _ordered(value: object) -> object:
    # RFC 8785 §3.2.3 sorts keys by UTF-16 code units, which json.dumps does not.
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda k: k.encode("utf-16-be"))}
    if isinstance(value, (list, tuple)):
        return [_ordered(member) for member in value]
    return value


def canonical(value: Json) -> bytes:
    """Return the RFC 8785 bytes of ``value``.

    Raises ``TypeError`` for anything that is no JSON value or a float and ``ValueError``
    for integers beyond 2^53 - 1 and strings with lone surrogates.
    """
    _check(value)
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":")).encode()


def digest(value: Json) -> str:
    """Return ``sha256:<hex>`` of the canonical bytes of ``value``."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()
