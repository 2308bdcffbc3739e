"""``verify.py`` as an outsider has it: one file, any Python, no network, nothing of Guard."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from guard.audit import verify
from tests.fakes.exports import KEY, STRANGER, filled, revealed_export

SOURCE = Path(verify.__file__).read_text()
STANDARD = {"__future__", "base64", "hashlib", "io", "json", "sys", "typing", "zipfile"}


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the file that lies in ``folder``, isolated from everything that is installed."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", str(folder / "verify.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": ""},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export and the program that came in it, as a reader unpacks them."""
    data = revealed_export(*filled(3))
    (tmp_path / "export.zip").write_bytes(data)
    (tmp_path / "verify.py").write_bytes(verify.unpack(data)["verify.py"])
    return tmp_path


def test_the_file_that_ships_is_the_file_that_we_run(folder: Path) -> None:
    assert (folder / "verify.py").read_text() == SOURCE


def test_it_is_in_the_syntax_of_python_3_8() -> None:
    ast.parse(SOURCE, feature_version=(3, 8))


def test_it_imports_the_standard_library_and_nothing_else() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert imported == STANDARD


def test_a_valid_export_is_reported_log_by_log(folder: Path) -> None:
    code, out, err = run(folder, "export.zip", "--key", KEY)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "valid    log default: 7 entries",
        "valid    log system: 1 entries",
    ]


def test_without_a_key_it_says_what_that_means(folder: Path) -> None:
    code, out, _ = run(folder, "export.zip")
    assert code == 0
    assert out.splitlines()[-1].startswith("note     no --key given")


def test_a_flipped_byte_is_reported_with_its_place(folder: Path) -> None:
    data = bytearray((folder / "export.zip").read_bytes())
    at = data.index(b"subject of") if b"subject of" in data else len(data) // 2
    data[at] ^= 1
    (folder / "export.zip").write_bytes(bytes(data))
    code, out, err = run(folder, "export.zip", "--key", KEY)
    assert (code, err) == (1, "")
    assert out.startswith("INVALID  ")


def test_another_key_is_reported(folder: Path) -> None:
    code, out, _ = run(folder, "export.zip", "--key", verify.key_line("guard", STRANGER.public))
    assert (code, out.startswith("INVALID  keys.txt")) == (1, True)


@pytest.mark.parametrize(
    "arguments", [(), ("--help",), ("a.zip", "b.zip"), ("--key", KEY), ("export.zip", "--key")], ids=str
)
def test_wrong_use_is_told_and_is_neither_valid_nor_invalid(folder: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = run(folder, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("use: python verify.py")


def test_a_file_that_is_not_there_is_wrong_use(folder: Path) -> None:
    code, _, err = run(folder, "missing.zip")
    assert (code, err.startswith("cannot read missing.zip")) == (2, True)
