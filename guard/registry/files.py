"""Reading files that people edit: only plain files of a sensible size, and never waiting.

A pipe or a device in the place of a policy would hold the reader for ever or fill the
memory, and with it every later reload, a revoked key included.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["MAX_FILE", "read_file"]

MAX_FILE = 8 * 2**20
"""Bytes; a policy of a thousand rules has a fiftieth of it."""


def read_file(path: Path) -> bytes:
    """Return what is in ``path``.

    Raises ``OSError``, also for what is no plain file (``EINVAL``) or larger than ``MAX_FILE``
    (``EFBIG``).
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        state = os.fstat(file.fileno())
        if stat.S_ISDIR(state.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise OSError(errno.EFBIG, f"larger than {MAX_FILE} bytes", str(path))
    return data
