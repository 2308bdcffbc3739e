"""Network and device addresses: IPv4, IPv6, MAC."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from guard.screening.view import Candidate, View

__all__ = ["IpAddress", "MacAddress"]

V4 = re.compile(r"(?<![0-9A-Za-z_.\-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z_]|\.[0-9A-Za-z]|-[0-9])")
V6 = re.compile(
    r"(?<![0-9A-Za-z:._])[0-9A-Fa-f:]{2,39}(?:(?<=:)[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?![0-9A-Za-z_:])"
)
MAC = re.compile(
    r"(?<![0-9A-Za-z:\-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"
)
VERSION = re.compile(r"(?:\bv|version|release|build|revision|chapter|section)\s*[:=]?\s*$")
COLONS = 2


class IpAddress:
    """Public addresses; private, loopback and documentation ones have a type of their own."""

    name = "ip"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield addresses of both versions."""
        if view.text.count(".") >= 3 and view.groups:  # noqa: PLR2004 (the fewest an address has)
            for found in V4.finditer(view.text):
                if not VERSION.search(view.before(found.start())[-16:]):
                    yield from self._confirmed(found.group(), found.start())
        if view.text.count(":") >= COLONS:
            for found in V6.finditer(view.text):
                written = found.group()
                if "::" in written or written.count(":") == 7:  # noqa: PLR2004 (a full address)
                    yield from self._confirmed(
                        written.rstrip(":") if not written.endswith("::") else written, found.start()
                    )

    def _confirmed(self, written: str, start: int) -> Iterator[Candidate]:
        try:
            address = ipaddress.ip_address(written)
        except ValueError:
            return
        if len(written.strip(":")) < 3:  # noqa: PLR2004 ("::1" and shorter are code, not addresses)
            return
        kind = "IP_ADDRESS" if address.is_global and not address.is_multicast else "IP_ADDRESS_PRIVATE"
        yield Candidate(
            entity_type=kind, start=start, end=start + len(written), score=0.85, recognizer=self.name
        )


class MacAddress:
    """Six pairs of hexadecimal digits with one separator."""

    name = "mac"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield addresses, but not the ones that mean nobody."""
        if view.text.count(":") < 5 and view.text.count("-") < 5:  # noqa: PLR2004 (an address has five)
            return
        for found in MAC.finditer(view.text):
            pairs = set(re.split("[:-]", found.group().lower()))
            if len(pairs) > 2:  # noqa: PLR2004 (all zeros, all ones and patterns are placeholders)
                yield Candidate(
                    entity_type="MAC_ADDRESS",
                    start=found.start(),
                    end=found.end(),
                    score=0.9,
                    recognizer=self.name,
                )
