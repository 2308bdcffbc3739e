"""Train a small model and leave its certificate and its file in a folder, to be checked elsewhere."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.datasets.resume import Trials, opened


def main(folder: Path) -> None:
    """Write ``certificate.json`` and ``model.onnx``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        trials = Trials(Path(made), rows=3_000, seed=1)
        with opened(trials.folder / "undisturbed") as installation:
            (version,) = installation.models.list()
            shutil.copy(installation.certificate_path(version.certificate), folder / "certificate.json")
            shutil.copy(installation.model_path(version.digest), folder / "model.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
