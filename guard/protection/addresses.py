"""Addresses in a text, and whether each leads to a host that the caller named.

Everything that some reader might take for an address counts: with a scheme or without,
with slashes of either kind, with entities or percent signs in place of characters. What
cannot be read for sure leads to a stranger.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

__all__ = ["Judged", "Stranger", "hosts_in", "judge"]

AUTHORITY = re.compile(r"(?i)https?://([^\s/?#\\<>\"'`()\[\]{}|]{1,300})")
NAME = re.compile(r"([a-z0-9.\-]{1,253})(?::[0-9]{1,5})?")
DOT = r"(?:\.|(?<=[A-Za-z0-9])[\u3002\uff0e\uff61](?=[A-Za-z0-9]))"
"""Between Latin letters the full stops of Chinese and Japanese are dots too."""

HOST_ENDS = r"(?=[/?#\\]|:[0-9]{1,5}[/?#\\])"
ADDRESS = re.compile(
    r"[\\/]{2,}|(?<![^\W_])[wW]{3}[.\u3002\uff0e\uff61]"
    rf"|(?<![\w@\-])(?<![\w@\-]\.)(?:[\w\-]{{1,63}}{DOT}){{1,8}}(?:[^\W\d_]{{2,24}}|xn--[\w\-]{{2,40}}){HOST_ENDS}"
    rf"|(?<![0-9A-Za-z@\-])(?<![0-9A-Za-z]\.)(?:[0-9]{{1,3}}\.){{3}}[0-9]{{1,3}}{HOST_ENDS}"
)
"""Slashes, ``www.``, or a name or number with dots in front of what may follow a host."""

AUTHORITY_END = re.compile(r"[/\\?#]")
SCHEME = re.compile(r"(?i)(?<![a-z0-9])(?:javascript|vbscript|data:[a-z]{2,20}/)")
DIALLED = re.compile(r"(?i)(?<![a-z0-9])(?:mailto|tel|smsto|sms|callto|sips|sip|xmpp|skype|facetime):(?=.)")
BEFORE_SCHEME = re.compile(r"[A-Za-z0-9+.\-:]{0,40}")
QUOTES = "\"'`"
PUNCTUATION = ".,;:!\u3002\uff0c\uff1b\uff01"
DELIMITERS = frozenset(",:;)]}")
IGNORED = str.maketrans("", "", "\t\n\r")
"""What browsers leave out of addresses."""


def hosts_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the hosts of all addresses with a scheme in ``texts``, in lower case."""
    hosts: set[str] = set()
    for text in texts:
        for found in AUTHORITY.finditer(text) if "://" in text else ():
            name = NAME.fullmatch(found.group(1).rpartition("@")[2].rstrip(PUNCTUATION).lower())
            if name is not None:
                hosts.add(name.group(1).rstrip(".-"))
    return frozenset(hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """An address that leads elsewhere: what opened it, and what follows its beginning.

    ``first``: the text begins with it.
    """

    opener: str
    rest: str
    first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """``found``: there is an address; ``open``: the last has not left its host behind."""

    found: bool
    open: bool
    strangers: tuple[Stranger, ...]

    @property
    def foreign(self) -> bool:
        """Whether something may lead to a host that the caller did not name."""
        return self.open or bool(self.strangers)


NONE = Judged(found=False, open=False, strangers=())


def judge(text: str, hosts: frozenset[str], *, quoted: bool = False) -> Judged:
    """Judge the addresses of ``text``, as written and as entities and percent signs mean them.

    ``quoted``: a quotation that has closed ends an address if a delimiter and another
    quotation follow, as in JSON and code.
    """
    texts = {text: None, text.translate(IGNORED): None}
    for plain in tuple(texts):
        if "&" in plain:
            texts[html.unescape(plain).translate(IGNORED)] = None
    for plain in tuple(texts):
        if "%" in plain:
            texts[unquote(plain, errors="ignore").translate(IGNORED)] = None
    found = is_open = False
    strangers: list[Stranger] = []
    for plain in texts:
        for one in _addresses(plain, hosts, quoted=quoted):
            found = True
            if isinstance(one, Stranger):
                strangers.append(one)
            else:
                is_open = is_open or one
    return Judged(found=found, open=is_open, strangers=tuple(strangers)) if found else NONE


def _addresses(text: str, hosts: frozenset[str], *, quoted: bool) -> Iterator[Stranger | bool]:
    """Yield a stranger for each address that leads elsewhere, else whether it is still open."""
    for other in (SCHEME.search(text), DIALLED.search(text)):
        if other is not None:
            yield Stranger(opener="", rest="", first=False)
    at = 0
    while (found := ADDRESS.search(text, at)) is not None:
        at = found.end()
        slashes = found.group()[0] in "\\/"
        if slashes and _path(text, found):
            continue
        scheme = _scheme_start(text, found.start())
        if quoted and (close := _closing(text, scheme, found.end())) > 0:
            at = close + 1
            continue
        begin = found.end() if slashes else found.start()
        ending = AUTHORITY_END.search(text, begin)
        if ending is None:
            yield True
            return
        at = ending.end()
        name = NAME.fullmatch(text[begin : ending.start()].lower())
        if ending.group() == "\\" or name is None or name.group(1) not in hosts:
            # Renderers may take a backslash for an escape and read on.
            opener = text[scheme - 1 : scheme] if slashes else ""
            yield Stranger(opener=opener, rest=text[found.end() :], first=scheme == 0)
        else:
            yield False


def _path(text: str, slashes: re.Match[str]) -> bool:
    """Whether backslashes stand in a path of Windows, where they begin no address."""
    start = slashes.start()
    if "/" in slashes.group() or start == 0:
        return False
    drive = (
        text[start - 1] == ":"
        and text[start - 2 : start - 1].isalpha()
        and not text[start - 3 : start - 2].isalnum()
    )
    return drive or text[start - 1].isalnum()


def _scheme_start(text: str, start: int) -> int:
    before = BEFORE_SCHEME.match(text[max(0, start - 40) : start][::-1])
    return start - (before.end() if before else 0)


def _closing(text: str, scheme: int, end: int) -> int:
    """Return where the quotation round an address closes if another may have begun since, or -1."""
    opener = text[scheme - 1 : scheme]
    close = text.find(opener, end) if opener and opener in QUOTES else -1
    if close < 0 or text[close + 1 : close + 2] not in DELIMITERS:
        return -1
    return close if any(mark in text[close + 2 :] for mark in QUOTES) else -1
