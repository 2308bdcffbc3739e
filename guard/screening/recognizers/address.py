"""Network and device addresses: IPv4, IPv6, MAC."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from guard.screening.tail import Tail
from guard.screening.view import Candidate, View

__all__ = ["IpAddress", "MacAddress"]

DOTS = 3
V4_SHORTEST = 7
V4 = re.compile(r"(?<![0-9A-Za-z_.\-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z_]|\.[0-9A-Za-z]|-[0-9])")
V4_AHEAD = 2
V6 = re.compile(
    r"(?<![0-9A-Za-z:._])[0-9A-Fa-f:]{2,39}(?:(?<=:)[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?![0-9A-Za-z_:]|\.[0-9])"
)
V6_COLONS = 7
V6_ANCHOR = re.compile(r":(?::|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:)")
V6_LONGEST = 39
V6_CHARACTERS = "0123456789abcdefABCDEF:"
V6_SHORTEST = 3
"""``::1`` and shorter are code, not addresses."""

VERSION = re.compile(r"(?:\bv|version|release|build|revision|chapter|section)\s{0,3}[:=]?\s{0,3}\Z")
VERSION_REACH = 16


class IpAddress:
    """Public addresses; private, loopback and documentation ones have a type of their own."""

    name = "ip"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield addresses of both versions."""
        for start, end in view.chains:
            if end - start >= V4_SHORTEST and view.text.count(".", start, end) >= DOTS:
                for found in V4.finditer(view.text, start, end + V4_AHEAD):
                    if not VERSION.search(view.before(found.start(), VERSION_REACH)):
                        yield from self._confirmed(found.group(), found.start())
        seen = -1
        for anchor in V6_ANCHOR.finditer(view.text):
            start = _run_start(view.text, anchor.start())
            run = V6.match(view.text, start) if start > seen else None
            seen = start
            written = run.group() if run else ""
            if "::" in written or written.count(":") == V6_COLONS:
                short = written if written.endswith("::") else written.rstrip(":")
                yield from self._confirmed(short, start)

    def open_at(self, tail: Tail) -> int:
        """Return where the last run without a space begins."""
        return tail.run

    def _confirmed(self, written: str, start: int) -> Iterator[Candidate]:
        if len(written.strip(":")) < V6_SHORTEST:
            return
        try:
            address = ipaddress.ip_address(written)
        except ValueError:
            return
        kind = "IP_ADDRESS" if address.is_global and not address.is_multicast else "IP_ADDRESS_PRIVATE"
        yield Candidate(
            entity_type=kind, start=start, end=start + len(written), score=0.85, recognizer=self.name
        )


def _run_start(text: str, at: int) -> int:
    """Return where the run of hexadecimal digits and colons begins that goes on at ``at``."""
    before = text[max(0, at - V6_LONGEST) : at]
    return at - len(before) + len(before.rstrip(V6_CHARACTERS))


PLAIN = re.compile(
    r"(?<![0-9A-Za-z:\-])[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})"
    r"(?![0-9A-Za-z]|[:\-][0-9A-Fa-f])"
)
DOTTED = re.compile(
    r"(?<![0-9A-Za-z.\-])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z]|[.\-][0-9A-Za-z])"
)
DOTTED_QUAD = 5


class MacAddress:
    """Six pairs of hexadecimal digits with one separator, or three groups of four with dots."""

    name = "mac"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield addresses, but not the ones that mean nobody."""
        text = view.text
        for separator in ":-":
            for at in view.occurrences(separator):
                if text[at + 3 : at + 13 : 3] == separator * 4 and (found := PLAIN.match(text, at - 2)):
                    yield from self._confirmed(found)
        for at in view.occurrences("."):
            if view.char(at + DOTTED_QUAD) == "." and at >= DOTTED_QUAD - 1:
                found = DOTTED.match(text, at - DOTTED_QUAD + 1)
                if found and not found.group().replace(".", "").isdigit():
                    yield from self._confirmed(found)

    def open_at(self, tail: Tail) -> int:
        """Return where the last run without a space begins."""
        return tail.run

    def _confirmed(self, found: re.Match[str]) -> Iterator[Candidate]:
        digits = re.sub("[:.-]", "", found.group().lower())
        pairs = {digits[index : index + 2] for index in range(0, len(digits), 2)}
        if len(pairs) > 2:  # noqa: PLR2004 (all zeros, all ones and patterns are placeholders)
            yield Candidate(
                entity_type="MAC_ADDRESS",
                start=found.start(),
                end=found.end(),
                score=0.9,
                recognizer=self.name,
            )
