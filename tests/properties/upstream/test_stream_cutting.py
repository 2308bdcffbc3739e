"""Law: however the provider's bytes are cut, the events are the same."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from guard.errors import UpstreamError
from guard.upstream.dialect import StreamEvent
from guard.upstream.dialects.openai_stream import ChatStreamReader
from guard.upstream.sse import EventStream

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
call = st.fixed_dictionaries(
    {"index": st.integers(0, 2)},
    optional={
        "id": st.sampled_from(["c1", "c2"]),
        "function": st.fixed_dictionaries({}, optional={"name": st.just("f"), "arguments": text}),
        "custom": st.fixed_dictionaries({}, optional={"name": st.just("g"), "input": text}),
    },
)
delta = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": text | st.none(),
        "refusal": text,
        "reasoning_content": text,
        "unknown": text | st.lists(text, max_size=2),
        "tool_calls": st.lists(call, max_size=2),
        "function_call": st.fixed_dictionaries({"name": st.just("h"), "arguments": text}),
    },
)
choice = st.fixed_dictionaries(
    {"index": st.integers(0, 2), "delta": delta},
    optional={"finish_reason": st.sampled_from(["stop", "tool_calls", None])},
)
usage = st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9), "completion_tokens": st.integers(0, 9)})
chunk = st.fixed_dictionaries(
    {"choices": st.lists(choice, max_size=2)}, optional={"id": text, "usage": usage | st.none()}
)
endings = st.sampled_from([["\n"], ["\r"], ["\r\n"], ["\n", "\r\n"]])
"""A return and a line feed side by side would be one end, so not all may be mixed."""

noise = st.sampled_from([": ping", "event: message", "id: 7", "retry: 10", "data-like: x", ""])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Draw a stream as odd servers write it: any line ends, comments, data over several lines."""
    lines: list[str] = []
    for body in draw(st.lists(chunk, max_size=6)):
        escaped = draw(st.booleans())
        written = json.dumps(body, ensure_ascii=escaped, indent=draw(st.sampled_from([None, 1])))
        # U+2028 and the like are no line ends here, so only those of the indentation split.
        lines += [draw(noise)] if draw(st.booleans()) else []
        lines += ["data:" + draw(st.sampled_from(["", " "])) + piece for piece in written.split("\n")]
        lines.append("")
    lines += ["data: [DONE]", ""] if draw(st.booleans()) else []
    mark = "\ufeff" if draw(st.booleans()) else ""
    ending = st.sampled_from(draw(endings))
    return (mark + "".join(line + draw(ending) for line in lines)).encode()


@st.composite
def cut(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """Draw a way to cut bytes, empty pieces included."""
    at = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    return [whole[start:stop] for start, stop in zip([0, *at], [*at, len(whole)], strict=True)]


def read(pieces: list[bytes]) -> list[StreamEvent] | str:
    """Return the events, or the code of the error."""
    reader = ChatStreamReader()
    try:
        return [event for piece in pieces for event in reader.feed(piece)]
    except UpstreamError as error:
        return error.code


@given(st.data())
def test_events_do_not_depend_on_the_cutting(data: st.DataObject) -> None:
    whole = data.draw(streams())
    expected = read([whole])
    assert not isinstance(expected, str)
    assert read(data.draw(cut(whole))) == expected
    assert read([whole[at : at + 1] for at in range(len(whole))]) == expected


@given(st.data())
def test_any_bytes_at_all_give_the_same_whole_or_cut(data: st.DataObject) -> None:
    alphabet = [
        b"data: ",
        b"data:",
        b": ",
        b"\n",
        b"\r",
        b"\r\n",
        b"x",
        b"\xef\xbb\xbf",
        b"\xff",
        b"event: y",
    ]
    whole = b"".join(data.draw(st.lists(st.sampled_from(alphabet), max_size=30)))
    pieces = data.draw(cut(whole))
    reader, other = EventStream(), EventStream()
    assert [e for piece in pieces for e in reader.feed(piece)] == list(other.feed(whole))


def slow(whole: bytes) -> list[bytes]:
    """Read a whole stream as the standard's text says, line by line."""
    lines = (
        whole.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]
    )
    events: list[bytes] = []
    data: list[bytes] = []
    for line in lines:
        if not line:
            events += [b"\n".join(data)] if data else []
            data = []
            continue
        name, _, value = line.partition(b":")
        data += [value[1:] if value.startswith(b" ") else value] if name == b"data" else []
    return events


@given(
    st.lists(
        st.sampled_from(
            [b"data: a", b"data", b"data:b", b": c", b"\n", b"\r", b"\r\n", b"id: 1", b"\xef\xbb\xbf"]
        )
    )
)
def test_the_reader_agrees_with_a_slow_one(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert list(EventStream().feed(whole)) == slow(whole)
