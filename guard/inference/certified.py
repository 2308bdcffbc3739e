"""A model is served with its own certificate or not at all.

What the registry says is not believed: the file must have the version's digest, and the
certificate must be signed by this installation's key and name that very model, job and
dataset. That the figures inside are right was checked when it was signed, and can be
checked by anybody with ``guard train verify``.
"""

from __future__ import annotations

import base64
import hashlib

from guard.audit.verify import VerificationFailed, decode, ed25519_verify
from guard.domain.certificate import FORMAT, signed_bytes
from guard.domain.model import ModelVersion
from guard.errors import ConfigurationError

__all__ = ["check_certified"]


def check_certified(version: ModelVersion, model: bytes, certificate: bytes, *, public: bytes) -> None:
    """Raise ``ConfigurationError`` unless the files are those that were registered and belong together."""
    name = f"model {version.name} version {version.version}"
    if hashlib.sha256(model).hexdigest() != version.digest:
        raise ConfigurationError(f"the file of {name} is not the one that was registered; it is not served")
    if hashlib.sha256(certificate).hexdigest() != version.certificate:
        raise ConfigurationError(
            f"the certificate of {name} is not the one that was registered; it is not served"
        )
    if not _names(version, certificate, public):
        raise ConfigurationError(
            f"the certificate of {name} is another model's, or nobody's; it is not served"
        )


def _names(version: ModelVersion, certificate: bytes, public: bytes) -> bool:
    """Whether the certificate is signed and names the version's model, job and dataset."""
    try:
        file = decode(certificate, "certificate")
        said = file["certificate"]
        claimed = (said["format"], said["model"], said["job"], said["dataset"]["id"])
        signature = base64.b64decode(file["signature"], validate=True)
        message = signed_bytes(said)
    except (VerificationFailed, KeyError, TypeError, ValueError):
        return False
    registered = (FORMAT, version.digest, version.job, version.dataset)
    return claimed == registered and ed25519_verify(public, message, signature)
