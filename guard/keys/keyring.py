"""The keyring: wrapped keys in one file, opened by a provider's root key.

Hierarchy (DESIGN §5, Keys): root → tenant KEK → monthly shred-epoch KEK (random, wrapped,
only here and never in a database) → purpose keys by HKDF. Destroying an epoch's key in
this file destroys everything sealed under it, in every backup of the databases too. The
file is 0600; with ``GUARD_KEYRING`` (base64 of 32 bytes) the root stands outside it.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.errors import ConfigurationError, KeyUnavailable
from guard.keys.envelope import Envelope
from guard.keys.provider import KeyProvider, LocalProvider
from guard.keys.purposes import Purpose, derive

__all__ = ["Keyring", "Signer"]

LASTING = "lasting"
FORMAT = 1


class Signer:
    """An Ed25519 key that signs checkpoints. ``public`` is the 32-byte public key."""

    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of ``message``."""
        return self._private.sign(message)


class Keyring:
    """Opens wrapped keys and hands out purpose keys. Safe to use from several threads."""

    def __init__(self, path: Path, provider: KeyProvider, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._provider = provider
        self._clock = clock
        self._lock = threading.Lock()
        self._secrets: dict[str, bytes] = {}
        self._derived: dict[tuple[str, str, str, str], bytes] = {}
        self._envelopes: dict[tuple[str, str], Envelope] = {}

    @classmethod
    def create(cls, path: Path, *, clock: Callable[[], float] = time.time) -> Keyring:
        """Make a keyring where there is none and open it."""
        document: dict[str, object] = {"v": FORMAT, "wrapped": {}}
        if "GUARD_KEYRING" not in os.environ:
            document["root"] = base64.b64encode(os.urandom(32)).decode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        return cls.load(path, clock=clock)

    @classmethod
    def load(cls, path: Path, *, clock: Callable[[], float] = time.time) -> Keyring:
        """Open the keyring at ``path``.

        Raises ``ConfigurationError`` if others may read the file or it is no keyring, and
        ``KeyUnavailable`` if it is missing.
        """
        if not path.is_file():
            raise KeyUnavailable(f"no keyring at {path}; run: guard init")
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"others may read {path}; run: chmod 600 {path}")
        encoded = os.environ.get("GUARD_KEYRING") or _read(path).get("root")
        if not isinstance(encoded, str):
            raise KeyUnavailable(f"{path} has no root key; set GUARD_KEYRING to the base64 of 32 bytes")
        try:
            root = base64.b64decode(encoded, validate=True)
            provider = LocalProvider(root)
        except (binascii.Error, ValueError):
            raise ConfigurationError("the root key is not the base64 of 32 bytes") from None
        return cls(path, provider, clock=clock)

    def epoch(self) -> str:
        """Return the current shred epoch, ``YYYY-MM`` in UTC."""
        return time.strftime("%Y-%m", time.gmtime(self._clock()))

    def purpose_key(self, purpose: Purpose, *, tenant: str, context: str = "") -> bytes:
        """Return the 32-byte key of a purpose; it changes with the epoch unless lasting."""
        epoch = LASTING if purpose.lasting else self.epoch()
        name = (purpose.value, tenant, context, epoch)
        key = self._derived.get(name)
        if key is None:
            key = derive(self._secret(tenant, epoch), purpose=purpose, tenant=tenant, context=context)
            self._derived[name] = key
        return key

    def seal(
        self, plaintext: bytes, *, tenant: str, associated: bytes, purpose: Purpose = Purpose.SIDE_ROW
    ) -> tuple[str, bytes]:
        """Encrypt under the purpose's key of now; return the key's id and the ciphertext."""
        epoch = LASTING if purpose.lasting else self.epoch()
        with self._lock:
            envelope = self._envelope(tenant, epoch, purpose)
            return f"{purpose.value}:{epoch}", envelope.seal(plaintext, associated)

    def open(self, key_id: str, sealed: bytes, *, tenant: str, associated: bytes) -> bytes:
        """Decrypt. Raises ``KeyUnavailable`` for a shredded key, ``DecryptionFailed`` else."""
        word, _, epoch = key_id.partition(":")
        if word not in set(Purpose) or f"{tenant}/{epoch}" not in self._wrapped():
            raise KeyUnavailable(f"the key {key_id} of tenant {tenant} is not in the keyring")
        with self._lock:
            return self._envelope(tenant, epoch, Purpose(word)).open(sealed, associated)

    def signer(self) -> Signer:
        """Return the key that signs this installation's checkpoints."""
        seed = derive(self._secret("system", LASTING), purpose="checkpoint", tenant="system")
        return Signer(Ed25519PrivateKey.from_private_bytes(seed))

    def _envelope(self, tenant: str, epoch: str, purpose: Purpose) -> Envelope:
        name = (f"{tenant}/{epoch}", purpose.value)
        envelope = self._envelopes.get(name)
        if envelope is None:
            key = derive(self._secret(tenant, epoch), purpose=purpose, tenant=tenant)
            envelope = self._envelopes[name] = Envelope(key)
        return envelope

    def _secret(self, tenant: str, epoch: str) -> bytes:
        name = f"{tenant}/{epoch}"
        secret = self._secrets.get(name)
        if secret is None:
            wrapped = self._wrapped().get(name) or self._add(tenant, name)
            secret = self._provider.unwrap(base64.b64decode(wrapped), tenant=tenant, name=name)
            self._secrets[name] = secret
        return secret

    def _wrapped(self) -> dict[str, str]:
        wrapped = _read(self._path).get("wrapped")
        if not isinstance(wrapped, dict):
            raise ConfigurationError(f"{self._path} is no keyring")
        return wrapped

    def _add(self, tenant: str, name: str) -> str:
        """Make a key under the file's lock, so that all processes end with the same one."""
        with self._locked():
            document = _read(self._path)
            wrapped = document.setdefault("wrapped", {})
            if not isinstance(wrapped, dict):
                raise ConfigurationError(f"{self._path} is no keyring")
            if name not in wrapped:
                sealed = self._provider.wrap(os.urandom(32), tenant=tenant, name=name)
                wrapped[name] = base64.b64encode(sealed).decode()
                _replace(self._path, document)
            return str(wrapped[name])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(f"{self._path}.lock", "w") as lock:
            os.chmod(lock.fileno(), 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _read(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise KeyUnavailable(f"cannot read the keyring {path} ({type(error).__name__})") from None
    if not isinstance(document, dict) or document.get("v") != FORMAT:
        raise ConfigurationError(f"{path} is no keyring of format {FORMAT}")
    return document


def _replace(path: Path, document: dict[str, object]) -> None:
    """Write durably beside the file, then rename: a crash leaves the old or the new one."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
