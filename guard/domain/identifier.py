"""Time-ordered identifiers (UUID version 7, RFC 9562 §5.7), pure: time and randomness are passed in."""

from __future__ import annotations

__all__ = ["uuid7"]

ENTROPY = 10


def uuid7(*, microseconds: int, entropy: bytes) -> str:
    """Return the identifier of ``microseconds`` since 1970 and ten random bytes.

    The twelve bits after the milliseconds carry the sub-millisecond part (RFC 9562 §6.2,
    method 3), so identifiers of one process sort by time.
    """
    if len(entropy) != ENTROPY:
        raise ValueError("entropy must be ten bytes")
    milliseconds, rest = divmod(microseconds, 1000)
    fraction = rest * 4096 // 1000
    value = (milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76 | fraction << 64
    value |= 0b10 << 62 | int.from_bytes(entropy, "big") & (2**62 - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
