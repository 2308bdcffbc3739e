"""Files that people edit are read whole, or refused: nothing waits and nothing fills the memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guard.registry.files import MAX_FILE, read_file


def test_a_plain_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"x: 1\n")
    (tmp_path / "link").symlink_to(plain)
    assert read_file(plain) == read_file(tmp_path / "link") == b"x: 1\n"


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_loop(path: Path) -> None:
    path.symlink_to(path)


def a_huge_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_FILE + 1)


@pytest.mark.parametrize(
    "made", [a_pipe, a_device, a_folder, a_loop, a_huge_file], ids=lambda one: one.__name__
)
def test_what_is_no_plain_file_of_a_sensible_size_is_refused_at_once(tmp_path: Path, made: object) -> None:
    assert callable(made)
    made(tmp_path / "policy")
    with pytest.raises(OSError, match="Errno"):
        read_file(tmp_path / "policy")
