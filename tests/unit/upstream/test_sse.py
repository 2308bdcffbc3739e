"""Server-sent events as the standard reads them (WHATWG HTML §9.2.6), cut anywhere."""

from __future__ import annotations

import pytest

from guard.errors import UpstreamError
from guard.upstream import sse
from guard.upstream.sse import EventStream

STREAMS: dict[str, tuple[bytes, list[bytes]]] = {
    "one event": (b"data: a\n\n", [b"a"]),
    "no space after the colon": (b"data:a\n\n", [b"a"]),
    "only the first space goes": (b"data:  a \n\n", [b" a "]),
    "several lines are one event": (b"data: a\ndata: b\ndata:\n\n", [b"a\nb\n"]),
    "CR LF": (b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"]),
    "CR alone": (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
    "mixed endings": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\n\r", [b"a", b"b", b"c"]),
    "comments and other fields": (b": hi\nevent: x\nid: 1\nretry: 5\ndata: a\n\n", [b"a"]),
    "a field without a colon": (b"data\n\n", [b""]),
    "an event without data": (b"event: x\n\ndata: a\n\n", [b"a"]),
    "a name that only begins so": (b"database: a\n\ndata: b\n\n", [b"b"]),
    "upper case is another name": (b"DATA: a\n\n", []),
    "a byte order mark at the beginning": (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    "one byte order mark, not two": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [b"b"]),
    "a byte order mark later is text": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
    "an event that is not ended": (b"data: a\n\ndata: b\n", [b"a"]),
    "colons in the data": (b"data: a:b: c\n\n", [b"a:b: c"]),
    "no bytes": (b"", []),
}


@pytest.mark.parametrize("what", STREAMS)
def test_a_stream_is_read_as_the_standard_says(what: str) -> None:
    stream, events = STREAMS[what]
    assert list(EventStream().feed(stream)) == events


@pytest.mark.parametrize("what", STREAMS)
def test_every_cutting_in_two_and_byte_by_byte_gives_the_same(what: str) -> None:
    stream, events = STREAMS[what]
    cuttings = [[stream[:cut], b"", stream[cut:]] for cut in range(len(stream) + 1)]
    cuttings.append([stream[at : at + 1] for at in range(len(stream))])
    for pieces in cuttings:
        reader = EventStream()
        assert [event for piece in pieces for event in reader.feed(piece)] == events


@pytest.mark.parametrize(
    "endless", [b"x", b"data: x\n", b"data\n", b"data:\r"], ids=["a line", "data lines", "bare", "returns"]
)
def test_an_event_without_end_is_refused_before_it_fills_the_memory(
    endless: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1000)
    reader = EventStream()

    def read_on() -> None:
        for _ in range(1100):
            assert not list(reader.feed(endless))

    with pytest.raises(UpstreamError) as refused:
        read_on()
    assert refused.value.code == "upstream_invalid"


def test_endless_comments_and_events_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1000)
    reader = EventStream()
    for _ in range(300):
        assert not list(reader.feed(b": " + b"x" * 500 + b"\n"))
        assert list(reader.feed(b"data: " + b"y" * 500 + b"\n\n")) == [b"y" * 500]


def test_a_long_line_in_single_bytes_takes_linear_time() -> None:
    reader = EventStream()
    events: list[bytes] = []
    for piece in [b"data: ", *([b"x"] * 300_000), b"\n", b"\n"]:
        events += reader.feed(piece)
    assert [len(event) for event in events] == [300_000]
