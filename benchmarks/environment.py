"""What a figure was measured on, in words that a stranger can compare with."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["ROOT", "SHARED", "commit", "dirty", "environment"]

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
"""Open data that does not belong in the repository; a benchmark without it is not run."""


def environment() -> dict[str, str]:
    """Return machine, kernel, interpreter, file system, load and time of now."""
    load = os.getloadavg()[0]
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{pages / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file system": _file_system(Path(tempfile.gettempdir())),
        "load before": f"{load:.2f}",
        "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _file_system(path: Path) -> str:
    """Return the type of the file system that holds ``path``."""
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mounted, this, *_ = line.split()
        if path.is_relative_to(mounted) and len(mounted) >= len(best):
            best, kind = mounted, this
    return kind


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit() -> str:
    """Return the commit of the tree."""
    return _git("rev-parse", "HEAD")


def dirty() -> list[str]:
    """Return what in the tree differs from its commit."""
    return _git("status", "--porcelain").splitlines()
