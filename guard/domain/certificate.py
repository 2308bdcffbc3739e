"""What a certificate's signature covers: one word for those who sign, verify and serve."""

from __future__ import annotations

from guard.domain.canonical import Json, canonical

__all__ = ["FORMAT", "signed_bytes"]

FORMAT = "guard-certificate/1"


def signed_bytes(certificate: Json) -> bytes:
    """Return what is signed: a line that no checkpoint begins with, then the certificate."""
    return FORMAT.encode() + b"\n" + canonical(certificate)
