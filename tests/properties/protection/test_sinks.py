"""Nothing gets out through an address, whatever stands round it and however it is cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.domain.entities import Group
from guard.domain.principal import Tools
from guard.protection.plan import Original
from guard.protection.restore import RestoreContext, Restorer
from tests.properties.screening.texts import cuts
from tests.unit.protection.answers import HARMLESS, HOSTILE

TOKEN, VALUE = "EMLX0123456789AB", "ann.lee@acme.io"
CONTEXT = RestoreContext(
    vault={TOKEN: Original(value=VALUE, entity_type="EMAIL_ADDRESS", group=Group.CONTACT)},
    hosts=frozenset({"ok.example"}),
    tools=Tools(),
)
WRITTEN = st.sampled_from([TOKEN, TOKEN.lower(), f"{TOKEN}@guard.invalid"])
hostile = st.sampled_from([one for group in HOSTILE.values() for one in group])
harmless = st.sampled_from(HARMLESS)
noise = st.lists(
    st.sampled_from(
        [
            "word ",
            "\n",
            "\n\n",
            "- ",
            "> ",
            "(",
            ")",
            '"',
            "'",
            "<b>",
            "a < b ",
            "`",
            "```\n",
            "<!-- ",
            "|",
            "&",
            "中",
            ", ",
        ]
    ),
    max_size=6,
).map("".join)


glued = st.tuples(noise, st.sampled_from(["", "see", ":x", "9"])).map("".join)
"""Before these a surrogate is none."""


def restored(pieces: list[str]) -> str:
    """Restore in prose."""
    restorer = Restorer(CONTEXT, sink="prose")
    return "".join(map(restorer.feed, pieces)) + restorer.close()


@given(noise, hostile, WRITTEN)
@settings(max_examples=400)
def test_what_stands_before_does_not_open_a_way(before: str, answer: str, written: str) -> None:
    text = before + answer.replace("§", written)
    assert VALUE not in restored([text])


@given(glued, hostile, glued, harmless, WRITTEN, st.data())
@settings(max_examples=300)
def test_every_cut_gives_the_same(
    before: str, answer: str, between: str, other: str, written: str, data: st.DataObject
) -> None:
    text = (before + answer + between + other).replace("§", written)
    whole = restored([text])
    assert restored(data.draw(cuts(text))) == whole
    assert restored(list(text)) == whole


@given(hostile, st.sampled_from(["\n\n", "\n\nNext paragraph. "]), harmless, WRITTEN)
def test_a_strangers_address_that_closed_does_not_count_in_the_next_paragraph(
    answer: str, between: str, other: str, written: str
) -> None:
    """At most a quotation or a tag that stays open holds it back."""
    open_ended = sum(answer.count(mark) for mark in "\"'") % 2 or answer.count("<") != answer.count(">")
    text = answer.replace("§", "x") + between + other.replace("§", written)
    if not open_ended and answer.count("(") == answer.count(")"):
        assert VALUE in restored([text])
