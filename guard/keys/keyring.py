"""The keyring: wrapped keys in one file, opened by a provider's root key.

Hierarchy (DESIGN §5, Keys): root → tenant KEK → monthly shred-epoch KEK (random, wrapped,
only here and never in a database) → purpose keys by HKDF. Destroying an epoch's key in
this file destroys everything sealed under it, in every backup of the databases too. The
file is 0600; with ``GUARD_KEYRING`` (base64 of 32 bytes) the root stands outside it.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.errors import ConfigurationError, DecryptionFailed, KeyUnavailable
from guard.keys.envelope import Envelope
from guard.keys.provider import KeyProvider, LocalProvider
from guard.keys.purposes import Purpose, derive

__all__ = ["Keyring", "Signer"]

LASTING = "lasting"
FORMAT = 1
KEY = 32
ROOT = "GUARD_KEYRING"
"""The variable that may hold the root key, in base64, so that it stands outside the file."""


Seal = Callable[[bytes, bytes], tuple[str, bytes]]
"""From plaintext and associated data to the key's id and the ciphertext."""


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
    """Opens wrapped keys and hands out purpose keys. Safe to use from several threads.

    The file is looked at each time (a ``stat``), so that a key which another process has
    destroyed there is gone here too.
    """

    def __init__(self, path: Path, provider: KeyProvider, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._provider = provider
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: tuple[tuple[int, int, int], Mapping[str, str]] | None = None
        self._secrets: dict[str, bytes] = {}
        self._derived: dict[tuple[str, str, str, str], bytes] = {}
        self._envelopes: dict[tuple[str, str], Envelope] = {}

    @classmethod
    def create(cls, path: Path, *, clock: Callable[[], float] = time.time) -> Keyring:
        """Make a keyring where there is none and open it."""
        document: dict[str, object] = {"v": FORMAT, "wrapped": {}}
        if not os.environ.get(ROOT):
            document["root"] = base64.b64encode(os.urandom(KEY)).decode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write(descriptor, document)
        return cls.load(path, clock=clock)

    @classmethod
    def load(cls, path: Path, *, clock: Callable[[], float] = time.time) -> Keyring:
        """Open the keyring at ``path``.

        Raises ``ConfigurationError`` if others may read the file, it is no keyring or the
        root key is not its own, and ``KeyUnavailable`` if it or its root key is missing.
        """
        if not path.is_file():
            raise KeyUnavailable(f"no keyring at {path}; run: guard init")
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"others may read {path}; run: chmod 600 {path}")
        encoded = os.environ.get(ROOT) or _read(path).get("root")
        if not isinstance(encoded, str):
            raise KeyUnavailable(f"{path} has no root key; set {ROOT} to the base64 of {KEY} bytes")
        try:
            provider = LocalProvider(base64.b64decode(encoded, validate=True))
        except ValueError:
            raise ConfigurationError(f"the root key is not the base64 of {KEY} bytes") from None
        keyring = cls(path, provider, clock=clock)
        keyring._try_all()
        return keyring

    def _try_all(self) -> None:
        """Unwrap every key: with a wrong root or a damaged name, new keys would be made in silence."""
        for name, wrapped in self._wrapped().items():
            try:
                self._unwrap(name, wrapped)
            except DecryptionFailed:
                raise ConfigurationError(
                    f"a key in {self._path} cannot be opened: the file is damaged, then restore it from a "
                    f"backup, or {ROOT} is not the root key of this installation"
                ) from None

    def epoch(self) -> str:
        """Return the current shred epoch, ``YYYY-MM`` in UTC."""
        return time.strftime("%Y-%m", time.gmtime(self._clock()))

    def purpose_key(self, purpose: Purpose, *, tenant: str, context: str = "") -> bytes:
        """Return the 32-byte key of a purpose; it changes with the epoch unless lasting."""
        wrapped = self._current(tenant, LASTING if purpose.lasting else self.epoch())
        name = (purpose.value, tenant, context, wrapped)
        key = self._derived.get(name)
        if key is None:
            secret = self._secrets[wrapped]
            key = self._derived[name] = derive(secret, purpose=purpose, tenant=tenant, context=context)
        return key

    def seal(
        self, plaintext: bytes, *, tenant: str, associated: bytes, purpose: Purpose = Purpose.SIDE_ROW
    ) -> tuple[str, bytes]:
        """Encrypt under the purpose's key of now; return the key's id and the ciphertext."""
        return self.sealing(tenant=tenant, purpose=purpose)(plaintext, associated)

    def sealing(self, *, tenant: str, purpose: Purpose = Purpose.SIDE_ROW) -> Seal:
        """Return what encrypts under the purpose's key of now: one look at the file for several values."""
        epoch = LASTING if purpose.lasting else self.epoch()
        wrapped = self._current(tenant, epoch)
        key_id = f"{purpose.value}:{epoch}"
        with self._lock:
            envelope = self._envelope(wrapped, tenant, purpose)

        def seal(plaintext: bytes, associated: bytes) -> tuple[str, bytes]:
            with self._lock:
                return key_id, envelope.seal(plaintext, associated)

        return seal

    def open(self, key_id: str, sealed: bytes, *, tenant: str, associated: bytes) -> bytes:
        """Decrypt. Raises ``KeyUnavailable`` for a shredded key, ``DecryptionFailed`` else."""
        word, _, epoch = key_id.partition(":")
        name = f"{tenant}/{epoch}"
        wrapped = self._wrapped().get(name)
        if word not in set(Purpose) or wrapped is None:
            raise KeyUnavailable(f"the key {key_id} of tenant {tenant} is not in the keyring")
        self._unwrap(name, wrapped)
        with self._lock:
            return self._envelope(wrapped, tenant, Purpose(word)).open(sealed, associated)

    def signer(self) -> Signer:
        """Return the key that signs this installation's checkpoints."""
        secret = self._secrets[self._current("system", LASTING)]
        seed = derive(secret, purpose="checkpoint", tenant="system")
        return Signer(Ed25519PrivateKey.from_private_bytes(seed))

    def _envelope(self, wrapped: str, tenant: str, purpose: Purpose) -> Envelope:
        name = (wrapped, purpose.value)
        envelope = self._envelopes.get(name)
        if envelope is None:
            key = derive(self._secrets[wrapped], purpose=purpose, tenant=tenant)
            envelope = self._envelopes[name] = Envelope(key)
        return envelope

    def _current(self, tenant: str, epoch: str) -> str:
        """Return the wrapped key of an epoch, made if there is none; it is unwrapped then."""
        name = f"{tenant}/{epoch}"
        wrapped = self._wrapped().get(name) or self._add(tenant, name)
        self._unwrap(name, wrapped)
        return wrapped

    def _unwrap(self, name: str, wrapped: str) -> None:
        if wrapped not in self._secrets:
            tenant = name.rpartition("/")[0]
            try:
                sealed = base64.b64decode(wrapped, validate=True)
            except ValueError:
                raise ConfigurationError(f"{self._path} is damaged; restore it from a backup") from None
            self._secrets[wrapped] = self._provider.unwrap(sealed, tenant=tenant, name=name)

    def _wrapped(self) -> Mapping[str, str]:
        try:
            stat = self._path.stat()
        except OSError as error:
            raise _unreadable(self._path, error) from None
        mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        seen = self._seen
        if seen is None or seen[0] != mark:
            self._seen = seen = (mark, _wrapped_in(self._path, _read(self._path)))
        return seen[1]

    def _add(self, tenant: str, name: str) -> str:
        """Make a key under the file's lock, so that all processes end with the same one."""
        with self._locked():
            document = _read(self._path)
            wrapped = _wrapped_in(self._path, document)
            if name not in wrapped:
                sealed = self._provider.wrap(os.urandom(KEY), tenant=tenant, name=name)
                wrapped[name] = base64.b64encode(sealed).decode()
                _replace(self._path, document)
            return wrapped[name]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(f"{self._path}.lock", "w") as lock:
            os.chmod(lock.fileno(), 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _unreadable(path: Path, error: Exception) -> KeyUnavailable:
    return KeyUnavailable(f"cannot read the keyring {path} ({type(error).__name__})")


def _read(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from None
    if not isinstance(document, dict) or document.get("v") != FORMAT:
        raise ConfigurationError(f"{path} is no keyring of format {FORMAT}")
    return document


def _wrapped_in(path: Path, document: dict[str, object]) -> dict[str, str]:
    wrapped = document.get("wrapped")
    if not isinstance(wrapped, dict) or not all(isinstance(key, str) for key in wrapped.values()):
        raise ConfigurationError(f"{path} is no keyring of format {FORMAT}")
    return wrapped


def _write(descriptor: int, document: dict[str, object]) -> None:
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, document: dict[str, object]) -> None:
    """Write durably beside the file, then rename: a crash leaves the old or the new one."""
    beside = path.with_name(path.name + ".new")
    _write(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), document)
    os.replace(beside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
