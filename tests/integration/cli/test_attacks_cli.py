"""What is typed or handed over with ill will: names, numbers, archives, places to write."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Guard


@pytest.mark.parametrize(
    "name",
    ["system", "root", "..", "../../etc", "a/b", "", "x" * 65, "$(id)", "a\nb", "\x1b[2J", "x;drop table y"],
)
def test_no_tenant_has_a_name_that_means_something_elsewhere(guard: Guard, name: str) -> None:
    done = guard("keys", "issue", "--application", "a", "--tenant", name)
    assert done.code == 2 and "tenant name" in done.err
    assert "\x1b" not in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("purpose", ["a\r\nx-evil: 1", "../x", "a b"])
def test_no_purpose_can_break_out_of_a_header(guard: Guard, purpose: str) -> None:
    assert guard("keys", "issue", "--application", "a", "--purposes", purpose).code == 2


def test_a_limit_beyond_every_counter_is_refused(guard: Guard) -> None:
    done = guard("keys", "issue", "--application", "a", "--requests-per-minute", "9" * 23)
    assert done.code == 2 and "Traceback" not in done.err


@pytest.mark.parametrize("exchange", ["' OR 1=1 --", "%", "*", "../../etc/passwd", "\x1b[2J", "x" * 10_000])
def test_an_exchange_is_asked_for_by_its_id_only(guard: Guard, exchange: str) -> None:
    done = guard("explain", exchange)
    assert done.code == 2 and not done.out and "\x1b[2J" not in done.err


def test_bytes_that_are_no_text_are_screened_as_far_as_they_are_one(guard: Guard) -> None:
    assert guard("screen", text="\0" * 100_000).code == 0
    done = guard("screen", text="\0\udcff maria.gomez@kestrel-labs.com \0")
    assert done.code == 1 and "EMAIL_ADDRESS" in done.out


def traversing(archive: zipfile.ZipFile) -> None:
    archive.writestr("../../escaped", "x")


def speaking_to_the_terminal(archive: zipfile.ZipFile) -> None:
    archive.writestr("logs/\x1b]0;owned\x07/checkpoint", "x")


def crowded(archive: zipfile.ZipFile) -> None:
    for number in range(5000):
        archive.writestr(f"{number:07d}", "")


def a_bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr("bomb", bytes(50_000_000), compress_type=zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    "filled", [traversing, speaking_to_the_terminal, crowded, a_bomb], ids=lambda one: one.__name__
)
def test_a_hostile_archive_is_invalid_and_writes_nothing(
    guard: Guard, tmp_path: Path, filled: object
) -> None:
    path = tmp_path / "in" / "export.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        assert callable(filled)
        filled(archive)
    before = sorted(tmp_path.rglob("*"))
    done = guard("audit", "verify", str(path))
    assert done.code == 1 and done.out.startswith("INVALID")
    assert "\x1b" not in done.out + done.err
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_takes_the_place_of_a_device_or_a_pipe(guard: Guard, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = guard("audit", "export", "--out", str(pipe))
    assert done.code == 2 and "no plain file" in done.err
    assert pipe.is_fifo()


def test_a_link_that_waits_beside_the_export_is_not_followed(guard: Guard, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".log.zip.new").symlink_to(victim)
    done = guard("audit", "export", "--out", str(tmp_path / "log.zip"))
    assert done.code == 2 and "cannot write" in done.err
    assert victim.read_text() == "precious"
