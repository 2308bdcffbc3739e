"""Exports: what is in them, and that any other bytes are refused."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from guard.audit import verify
from guard.audit.checkpoint import KEY_NAME, sign
from guard.audit.export import export
from tests.fakes.exports import (
    KEY,
    SIGNER,
    STRANGER,
    compiled_ed25519,
    filled,
    forged,
    packed_with,
    refusal_of,
    revealed_export,
    small_log,
)
from tests.fakes.log_store import MemoryLogStore, MemorySideRow

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def small() -> bytes:
    return revealed_export(*small_log())


@pytest.fixture(scope="module")
def larger() -> bytes:
    return revealed_export(*filled(20))


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "ed25519_verify", compiled_ed25519)


# What is right -----------------------------------------------------------------------------
def test_an_export_verifies_and_says_what_it_holds(larger: bytes) -> None:
    default, system = verify.verify_export(larger, KEY)
    assert (default.log, default.size, default.revealed) == ("default", 41, 21 * 6 + 20 * 5)
    assert (system.log, system.size, system.revealed) == ("system", 1, 0)
    assert default.first == 1_000_000_000
    assert default.last == 1_000_000_040
    assert system.first == system.last == 2_000_000_000


def test_the_archive_is_canonical(larger: bytes) -> None:
    assert verify.pack(verify.unpack(larger)) == larger


def test_the_members_are_what_a_reader_expects(small: bytes) -> None:
    members = verify.unpack(small)
    assert sorted(members) == [
        "README.txt",
        "keys.txt",
        "logs/default/checkpoint",
        "logs/default/entries.jsonl",
        "logs/default/revealed.jsonl",
        "manifest.json",
        "verify.py",
    ]
    assert members["keys.txt"].decode() == KEY + "\n"
    values = [json.loads(line)["value"] for line in members["logs/default/revealed.jsonl"].splitlines()]
    assert values == ["192.0.2.1", {"a": [None, True], "b": "\u20ac"}]


def test_a_redacted_export_proves_the_same_without_a_value() -> None:
    store, batches = filled(3)
    shown = verify.verify_export(revealed_export(store, batches), KEY)
    hidden = verify.verify_export(export(store, store.logs(), SIGNER, None), KEY)
    assert [result.root for result in shown] == [result.root for result in hidden]
    assert [result.revealed for result in hidden] == [0, 0]
    assert b"subject of" not in export(store, store.logs(), SIGNER, None)


def test_values_whose_key_was_destroyed_or_that_were_altered_are_left_out() -> None:
    store, batches = small_log()
    key, row = next(iter(store.state.rows.items()))
    store.state.rows[key] = replace(row, value=row.value + b"x")
    assert [result.revealed for result in verify.verify_export(revealed_export(store, batches), KEY)] == [1]
    batches.sealer.destroyed.add("clear:1")
    assert [result.revealed for result in verify.verify_export(revealed_export(store, batches), KEY)] == [0]


def test_values_that_are_taken_out_of_an_export_leave_it_valid(small: bytes) -> None:
    """That is how a reader redacts; what is shown is still proven."""

    def redact(members: Members) -> None:
        lines = members["logs/default/revealed.jsonl"].splitlines(keepends=True)
        members["logs/default/revealed.jsonl"] = lines[1]

    assert refusal_of(packed_with(small, redact)) is None


def test_a_log_without_entries_is_an_empty_tree() -> None:
    store, batches = small_log()
    data = export(store, ["nobody"], SIGNER, batches.sealer)
    assert [(result.log, result.size) for result in verify.verify_export(data, KEY)] == [("nobody", 0)]


class Untidy(MemoryLogStore):
    """Gives side rows in another order, as another collation does, and one of a later entry."""

    def side_rows(self, log: str, leaf_ids: Sequence[str] | None = None) -> Iterator[MemorySideRow]:
        rows = list(super().side_rows(log, leaf_ids))
        yield from [replace(row, leaf_id="written after the entries were read") for row in rows[:1]]
        yield from reversed(rows)


def test_an_export_does_not_hang_on_how_the_store_gives_its_rows() -> None:
    store, batches = filled(3)
    untidy = Untidy()
    untidy.state = store.state
    assert revealed_export(untidy, batches) == revealed_export(store, batches)


def test_logs_are_named_once_and_in_order(small: bytes) -> None:
    store, batches = small_log()
    assert export(store, ["default", "default"], SIGNER, batches.sealer) == small


# Every byte --------------------------------------------------------------------------------
def test_a_flipped_byte_at_every_position_of_the_archive_is_reported(small: bytes, fast: None) -> None:
    for at in range(len(small)):
        changed = bytearray(small)
        changed[at] ^= 1 << at % 8
        assert refusal_of(bytes(changed)) is not None, at


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80], ids=["lowest", "case", "highest"])
def test_a_flipped_byte_at_every_position_of_every_member_is_reported(
    small: bytes, fast: None, bit: int
) -> None:
    """By somebody who packs the archive again, so that no checksum of the format gives him away."""
    for name, content in verify.unpack(small).items():
        step = 61 if name == "verify.py" else 1
        for at in range(0, len(content), step):
            changed = bytearray(content)
            changed[at] ^= bit

            def put(members: Members, name: str = name, changed: bytes = bytes(changed)) -> None:
                members[name] = changed

            assert refusal_of(packed_with(small, put)) is not None, (name, at)


@pytest.mark.parametrize("cut", [1, 2, 21, 22, 23, 100, 1000])
def test_a_truncated_or_lengthened_archive_is_reported(small: bytes, cut: int) -> None:
    assert refusal_of(small[:-cut]) is not None
    assert refusal_of(small[cut:]) is not None
    assert refusal_of(small + bytes(cut)) is not None
    assert refusal_of(bytes(cut) + small) is not None


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"not an archive at all"])
def test_what_is_no_archive_is_reported(data: bytes) -> None:
    assert refusal_of(data) is not None


# The archive as others write it --------------------------------------------------------------
def rewritten(data: bytes, change: Callable[[zipfile.ZipFile, list[tuple[str, bytes]]], None]) -> bytes:
    """Write the members of an export as another program would."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        change(archive, sorted(verify.unpack(data).items()))
    return buffer.getvalue()


def in_another_order(archive: zipfile.ZipFile, members: list[tuple[str, bytes]]) -> None:
    for name, content in reversed(members):
        info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        info.create_system, info.external_attr = 3, 0o100644 << 16
        archive.writestr(info, content)


def compressed(archive: zipfile.ZipFile, members: list[tuple[str, bytes]]) -> None:
    for name, content in members:
        archive.writestr(name, content, zipfile.ZIP_DEFLATED)


def with_dates(archive: zipfile.ZipFile, members: list[tuple[str, bytes]]) -> None:
    for name, content in members:
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)


def with_a_comment(archive: zipfile.ZipFile, members: list[tuple[str, bytes]]) -> None:
    in_another_order(archive, list(reversed(members)))
    archive.comment = b"hello"


def with_a_folder(archive: zipfile.ZipFile, members: list[tuple[str, bytes]]) -> None:
    in_another_order(archive, list(reversed(members)))
    archive.writestr("folder/", b"")


@pytest.mark.parametrize("change", [in_another_order, compressed, with_dates, with_a_comment, with_a_folder])
def test_an_archive_that_another_program_wrote_is_reported(
    small: bytes, change: Callable[[zipfile.ZipFile, list[tuple[str, bytes]]], None]
) -> None:
    assert refusal_of(rewritten(small, change)) is not None


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice_is_reported(small: bytes) -> None:
    def twice(archive: zipfile.ZipFile, members: list[tuple[str, bytes]]) -> None:
        in_another_order(archive, list(reversed(members)))
        in_another_order(archive, members[:1])

    assert refusal_of(rewritten(small, twice)) is not None


def test_a_bomb_is_not_unpacked(small: bytes) -> None:
    def bomb(archive: zipfile.ZipFile, members: list[tuple[str, bytes]]) -> None:
        archive.writestr("zeros", bytes(200_000_000), zipfile.ZIP_DEFLATED)

    assert "compressed" in (refusal_of(rewritten(small, bomb)) or "")


def test_a_member_that_is_listed_a_thousand_times_is_not_read_a_thousand_times(small: bytes) -> None:
    """Each entry of the directory would make the reader take in the same bytes again."""
    start = small.index(b"PK\x01\x02")
    end = small.index(b"PK\x05\x06")
    directory, tail = small[start:end], small[end:]
    count = len(verify.unpack(small)) * 1000
    tail = tail[:8] + struct.pack("<HHI", count, count, len(directory) * 1000) + tail[16:]
    assert refusal_of(small[:start] + directory * 1000 + tail) == "archive: members claim more than it holds"


# Members changed by somebody who can pack ----------------------------------------------------
ENTRIES, CHECKPOINT, REVEALED = (f"logs/default/{part}" for part in verify.PARTS)


def lines_of(members: Members, name: str) -> list[bytes]:
    return members[name].splitlines(keepends=True)


def swap(name: str) -> Callable[[Members], None]:
    """Return a change that swaps the first two lines of a member."""

    def change(members: Members) -> None:
        first, second, *rest = lines_of(members, name)
        members[name] = b"".join([second, first, *rest])

    return change


def drop(name: str, at: int) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        lines = lines_of(members, name)
        del lines[at]
        members[name] = b"".join(lines)

    return change


def repeat(name: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        lines = lines_of(members, name)
        members[name] = b"".join([lines[0], *lines])

    return change


def add(name: str, content: bytes) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        members[name] = members.get(name, b"") + content

    return change


def older_checkpoint(members: Members) -> None:
    """A true signature over a part of the entries."""
    frontier: list[bytes] = []
    verify.grow(frontier, 0, verify.leaf_hash(members[ENTRIES].splitlines()[0]))
    members[CHECKPOINT] = sign("default", 1, verify.root_of(frontier), SIGNER).encode()


def other_logs_checkpoint(members: Members) -> None:
    members[CHECKPOINT] = members[CHECKPOINT.replace("default", "system")]


def strangers_checkpoint(members: Members) -> None:
    text = members[CHECKPOINT].decode()
    checkpoint = verify.open_checkpoint(text, KEY_NAME, SIGNER.public)
    members[CHECKPOINT] = sign("default", checkpoint.size, checkpoint.root, STRANGER).encode()


def foreign_value(members: Members) -> None:
    """A value shown under an entry that committed to another one."""
    first, second, *rest = (json.loads(line) for line in lines_of(members, REVEALED))
    first["salt"], first["value"] = second["salt"], second["value"]
    members[REVEALED] = b"".join(verify.encode(row) + b"\n" for row in (first, second, *rest))


def another_origin(members: Members) -> None:
    """Our own signature over the right tree, but as another log's."""
    checkpoint = verify.open_checkpoint(members[CHECKPOINT].decode(), KEY_NAME, SIGNER.public)
    members[CHECKPOINT] = sign("other", checkpoint.size, checkpoint.root, SIGNER).encode()


def swapped_logs(members: Members) -> None:
    for part in verify.PARTS:
        one, other = f"logs/default/{part}", f"logs/system/{part}"
        members[one], members[other] = members[other], members[one]


def without(name: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        del members[name]

    return change


CHANGES: dict[str, Callable[[Members], None]] = {
    "entries swapped": swap(ENTRIES),
    "the first entry dropped": drop(ENTRIES, 0),
    "the last entry dropped": drop(ENTRIES, -1),
    "an entry in the middle dropped": drop(ENTRIES, 5),
    "an entry repeated": repeat(ENTRIES),
    "an entry appended": add(ENTRIES, b'{"v":1}\n'),
    "an empty line appended": add(ENTRIES, b"\n"),
    "a cut line appended": add(ENTRIES, b"{"),
    "values swapped": swap(REVEALED),
    "a value repeated": repeat(REVEALED),
    "a value of another entry": foreign_value,
    "the checkpoint of a part": older_checkpoint,
    "the checkpoint of another log": other_logs_checkpoint,
    "the checkpoint of another key": strangers_checkpoint,
    "the checkpoint under another origin": another_origin,
    "two checkpoints": add(CHECKPOINT, b"x"),
    "the logs exchanged": swapped_logs,
    "a member too many": add("logs/default/more", b""),
    "a member without its log": add("logs/other/checkpoint", b""),
    "no checkpoint": without(CHECKPOINT),
    "no manifest": without("manifest.json"),
    "no program": without("verify.py"),
    "another program": add("verify.py", b"\n# changed\n"),
    "another text": add("README.txt", b"!"),
    "a second key": add("keys.txt", KEY.encode()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_reported_however_well_it_is_packed(
    larger: bytes, fast: None, change: Callable[[Members], None]
) -> None:
    assert refusal_of(packed_with(larger, lambda _: None)) is None
    assert refusal_of(packed_with(larger, change)) is not None
    assert refusal_of(packed_with(larger, change), key=None) is not None


# Keys --------------------------------------------------------------------------------------
def test_a_trusted_key_tells_a_forgery_that_is_whole_in_itself(larger: bytes) -> None:
    lines = verify.unpack(larger)[ENTRIES].splitlines()
    forgery = forged(larger, "default", lines[:-1], revealed=[])
    forgery = packed_with(forgery, lambda members: members.update(resigned(members)))
    assert refusal_of(forgery, key=None) is None, "whole, but by its own key"
    assert "another key" in (refusal_of(forgery) or "")


def resigned(members: Members) -> Members:
    """Let the stranger sign the other log's checkpoint too."""
    name = CHECKPOINT.replace("default", "system")
    checkpoint = verify.open_checkpoint(members[name].decode(), KEY_NAME, SIGNER.public)
    members[name] = sign("system", checkpoint.size, checkpoint.root, STRANGER).encode()
    return members


@pytest.mark.parametrize("key", ["", "guard", verify.key_line(KEY_NAME, STRANGER.public), KEY + " "])
def test_another_key_than_the_trusted_one_is_reported(small: bytes, key: str) -> None:
    assert refusal_of(small, key) is not None
