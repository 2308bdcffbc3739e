"""Canonical bytes of small JSON values (RFC 8785 without floats), for digests.

The checking half of the same encoding stands in ``audit/verify.py``, which ships alone;
a test holds the two equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring

__all__ = ["Json", "canonical", "digest"]

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]
"""A JSON value without floats."""

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 16


def _encoded(value: object, depth: int = 0) -> str:
    """Encode in one pass; this runs for every sealed value of every record."""
    if depth > MAX_DEPTH:
        raise ValueError("JSON nests too deeply")
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_basestring(str.__str__(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _integer(int(value))
    if isinstance(value, (dict, Mapping)):  # an abstract class is slow to ask
        members = [f"{encode_basestring(key)}:{_encoded(value[key], depth + 1)}" for key in _ordered(value)]
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([_encoded(member, depth + 1) for member in value]) + "]"
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _integer(value: int) -> str:
    if abs(value) > MAX_INTEGER:
        raise ValueError("an integer is beyond 2^53 - 1")
    return str(value)


def _ordered(value: Mapping[object, object]) -> list[str]:
    keys = [str.__str__(key) for key in value if isinstance(key, str)]
    if len(keys) != len(value):
        raise TypeError("an object key is not a string")
    if "".join(keys).isascii():
        return sorted(keys)
    # RFC 8785 §3.2.3 sorts keys by UTF-16 code units, which differ from code points.
    return sorted(keys, key=lambda key: key.encode("utf-16-be"))


def canonical(value: Json) -> bytes:
    """Return the RFC 8785 bytes of ``value``.

    Raises ``TypeError`` for anything that is no JSON value or a float and ``ValueError``
    for integers beyond 2^53 - 1, strings with lone surrogates and more than 16 levels.
    """
    return _encoded(value).encode()


def digest(value: Json) -> str:
    """Return ``sha256:<hex>`` of the canonical bytes of ``value``."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()
