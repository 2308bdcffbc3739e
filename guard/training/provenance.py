"""What a model was made with: a digest of the training code, versions of the libraries."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["code_digest", "library_versions"]

LIBRARIES = ("cryptography", "dp-accounting", "numpy", "onnx", "opacus", "safetensors", "torch")


def code_digest() -> str:
    """Return ``sha256:<hex>`` over every file of the training room, names and lengths included."""
    root = Path(__file__).parent
    state = hashlib.sha256(b"guard/training\n")
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        state.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return "sha256:" + state.hexdigest()


def library_versions() -> dict[str, str]:
    """Return the version of each library that the result depends on."""
    versions: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions
