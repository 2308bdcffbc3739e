"""Commands run in this process: as fast as a function call, with arguments and exit codes as ever."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from guard.cli.init import prepare
from guard.cli.main import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        """What it wrote as JSON."""
        return json.loads(self.out)


Guard = Callable[..., Done]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give back the environment that commands change for their children."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("GUARD_"):
            monkeypatch.delenv(name)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory that nobody changes."""
    folder = tmp_path_factory.mktemp("made") / "guard-data"
    prepare(folder)
    return folder


@pytest.fixture
def data_dir(made: Path, tmp_path: Path, environment: None) -> Path:
    """Return a data directory of this test alone, as ``guard init`` makes it."""
    folder = tmp_path / "guard-data"
    shutil.copytree(made, folder)
    os.environ["GUARD_DATA_DIR"] = str(folder)
    return folder


@pytest.fixture
def guard(data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Guard:
    """Return a function that runs a command on the test's data directory."""

    def run(*arguments: str, text: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["guard", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Done(code=code if isinstance(code, int) else 0, out=captured.out, err=captured.err)

    return run
