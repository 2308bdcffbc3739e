"""Rows are read one at a time, resumably, and what is not clear is refused."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.documents.rows import open_row_file
from guard.errors import InvalidRequest

CELL = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12).map(
    str.strip
)


def written(folder: Path, content: bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@given(rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8), stop=st.integers(0, 8))
def test_reading_goes_on_where_it_stopped(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], stop: int
) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("a", "b", "c"), *rows])
    source = open_row_file(written(tmp_path_factory.mktemp("rows"), out.getvalue().encode()))
    whole = list(source.rows())
    assert [tuple(row.values.values()) for row in whole] == rows
    if stop < len(whole):
        rest = list(source.rows(whole[stop].after))
        assert rest == whole[stop + 1 :]


def test_jsonl_reads_what_json_wrote_and_resumes(tmp_path: Path) -> None:
    rows: list[dict[str, str | int | float | None]] = [
        {"a": 1, "b": "ö"},
        {"a": None, "b": "x\ny"},
        {"a": 2.5},
    ]
    content = "\n".join(json.dumps(row) for row in rows).encode() + b"\n\n"
    source = open_row_file(written(tmp_path, content, "table.jsonl"))
    found = list(source.rows())
    assert [dict(row.values) for row in found] == [{"b": None, **row} for row in rows]
    assert list(source.rows(found[0].after)) == found[1:]


def test_a_mark_and_other_line_ends_make_no_difference(tmp_path: Path) -> None:
    source = open_row_file(written(tmp_path, b"\xef\xbb\xbfa,b\r\n1,2\r\n"))
    assert source.columns == ("a", "b")
    assert [dict(row.values) for row in source.rows()] == [{"a": "1", "b": "2"}]


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "another ending": ("table.xlsx", b"", "unknown_format"),
    "an empty file": ("table.csv", b"", "no_columns"),
    "two columns of one name": ("table.csv", b"a,a\n1,2\n", "unclear_columns"),
    "a nameless column": ("table.csv", b"a,\n1,2\n", "unclear_columns"),
    "a row that is too long": ("table.csv", b"a,b\n1,2,3\n", "uneven_row"),
    "a row that is too short": ("table.csv", b"a,b\n1\n", "uneven_row"),
    "a quote that never ends": ("table.csv", b'a,b\n1,"2\n', "not_csv"),
    "another encoding": ("table.csv", b"a\n\xe9\n", "not_utf8"),
    "a NUL": ("table.csv", b"a\n\0\n", "not_text"),
    "a line without end": ("table.csv", b"a\n" + b"x" * (2 << 20), "record_too_long"),
    "a record of lines without end": ("table.csv", b"a\n" + b'"\n",' * (1 << 19), "record_too_long"),
    "a header without end": ("table.csv", b"a," * (1 << 20), "record_too_long"),
    "a field without end": ("table.csv", b'a\n"' + b"x\n" * (1 << 18), "not_csv"),
    "a JSON line without end": ("table.jsonl", b'{"a": "' + b"x" * (2 << 20), "record_too_long"),
    "too many columns": ("table.csv", b",".join(b"c%d" % n for n in range(2001)), "no_columns"),
    "a long name": ("table.csv", b"c" * 257 + b"\n1\n", "unclear_columns"),
    "an escape in a name": ("table.csv", b"a\x1b[2J,b\n1,2\n", "unclear_columns"),
    "a name of two lines": ("table.csv", b'"a\nb",c\n1,2\n', "unclear_columns"),
    "half a character": ("table.jsonl", b'{"a": "\\ud800"}\n', "not_json"),
    "half a character in a name": ("table.jsonl", b'{"\\ud800": 1}\n', "not_json"),
    "a number without end": ("table.jsonl", b'{"a": ' + b"9" * 5000 + b"}\n", "not_json"),
    "nested JSON": ("table.jsonl", b'{"a": 1}\n{"a": [1]}\n', "nested_row"),
    "a list": ("table.jsonl", b"[1]\n", "nested_row"),
    "no JSON": ("table.jsonl", b'{"a": 1}\n{"a":\n', "not_json"),
    "deep JSON": ("table.jsonl", b"[" * 100_000, "not_json"),
    "a new member": ("table.jsonl", b'{"a": 1}\n{"b": 2}\n', "uneven_row"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_clear_is_refused_without_its_content(tmp_path: Path, what: str) -> None:
    name, content, code = REFUSED[what]
    with pytest.raises(InvalidRequest) as refused:
        list(open_row_file(written(tmp_path, content, name)).rows())
    assert refused.value.code == code


def test_only_what_can_be_read_twice_is_read(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "nowhere.csv").symlink_to(tmp_path / "gone")
    for path in tmp_path.iterdir():
        with pytest.raises(InvalidRequest) as refused:
            open_row_file(path)
        assert refused.value.code == "unreadable"


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(written(tmp_path, b"a\n1\n"))
    assert [dict(row.values) for row in open_row_file(tmp_path / "link.csv").rows()] == [{"a": "1"}]


def test_nan_in_json_is_missing(tmp_path: Path) -> None:
    source = open_row_file(written(tmp_path, b'{"a": NaN}\n{"a": Infinity}\n', "table.jsonl"))
    assert [row.values["a"] for row in source.rows()] == [None, None]
