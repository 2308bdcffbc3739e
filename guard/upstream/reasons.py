"""What our own model server may say of a request that it refuses: a word of this list and a place.

A provider's own words never reach a caller, because they may hold anything. The model server
names one of these in a header instead, and only they are told on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["HEADER", "PLACE_HEADER", "REASONS", "told"]

HEADER = "x-guard-reason"
PLACE_HEADER = "x-guard-place"
PLACE = re.compile(r"(?:in|out)puts\[[0-9]{1,4}\]")
REASONS: Mapping[str, str] = {
    "invalid_request": "the body is no inference request of protocol v2",
    "input_twice": "an input is sent twice",
    "inputs_missing": "the model has inputs that were not sent",
    "input_unknown": "the model has no input of this name",
    "output_unknown": "the model has no output of this name",
    "datatype_unknown": "the datatype is none of the protocol",
    "datatype_other": "the model wants texts where numbers were sent, or numbers for texts",
    "shape_other": "the model wants another shape",
    "shape_unfilled": "the values do not fill the shape",
    "sizes_differ": "inputs that belong together differ in size",
    "value_other": "a value does not fit the datatype",
    "data_nested": "the data nests too deeply or holds something that is no value",
    "too_many_values": "an input holds too many values",
    "inputs_refused": "the model cannot take these inputs together",
    "body_too_large": "the body is too large",
}
"""Every reason, by its word."""


def told(headers: Mapping[str, str]) -> tuple[str, str | None]:
    """Return what may be told of a refusal, and its place; nothing if the headers name no reason."""
    reason = REASONS.get(headers.get(HEADER, ""), "")
    place = headers.get(PLACE_HEADER, "")
    return reason, place if reason and PLACE.fullmatch(place) else None
