"""Strict JSON: what the caller's bytes mean, with no second reading left to anyone.

Refuses a byte order mark, invalid UTF-8, lone surrogates, NaN and infinities, integers
beyond 64 bits, and whatever is larger, deeper or has more strings or values than the
limits. Of duplicate keys the last counts; what goes upstream is written from the parsed
value, so the others do not travel.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from guard.errors import InvalidRequest

__all__ = ["BodyLimits", "Json", "JsonObject", "parse", "render"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]
LEAST, MOST = -(2**63), 2**64 - 1
LONG = 100_000
"""From here on an integer is screened as text (six digits), so it counts as a string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """The most that a request may have: bytes, nesting, strings (keys and long numbers too), values.

    The last two bound the time that one body can take from all others.
    """

    bytes: int = 8 * 2**20
    depth: int = 64
    strings: int = 50_000
    values: int = 200_000


_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def parse(body: bytes, limits: BodyLimits) -> JsonObject:
    """Return the object that ``body`` is. Raises ``InvalidRequest``."""
    if len(body) > limits.bytes:
        raise InvalidRequest(f"the body is larger than {limits.bytes} bytes", code="body_too_large")
    if body.startswith(b"\xef\xbb\xbf"):
        raise InvalidRequest("the body begins with a byte order mark", code="invalid_json")
    try:
        value = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The library's message is not passed on: it may quote the body.
        raise InvalidRequest("the body is not valid JSON in UTF-8", code="invalid_json") from None
    except RecursionError:
        raise InvalidRequest(f"the body nests deeper than {limits.depth}", code="too_deep") from None
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object", code="invalid_json")
    _inspect(value, limits)
    return value


def _inspect(root: Json, limits: BodyLimits) -> None:
    """Walk level by level, without recursion."""
    strings = values = depth = 0
    level: list[Json] = [root]
    while level:
        depth += 1
        values += len(level)
        if depth > limits.depth:
            raise InvalidRequest(f"the body nests deeper than {limits.depth}", code="too_deep")
        if values > limits.values:
            raise InvalidRequest(f"the body has more than {limits.values} values", code="too_many_values")
        below: list[Json] = []
        for value in level:
            if isinstance(value, dict):
                strings += len(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str | float):
                strings += 1
            elif isinstance(value, int):
                strings += abs(value) >= LONG
                if not LEAST <= value <= MOST:
                    raise InvalidRequest("a number is beyond 64 bits", code="number_too_large")
        if strings > limits.strings:
            raise InvalidRequest(f"the body has more than {limits.strings} strings", code="too_many_strings")
        level = below


def render(value: Json) -> bytes:
    """Return ``value`` as JSON, keys in their order."""
    return _encoder.encode(value)
