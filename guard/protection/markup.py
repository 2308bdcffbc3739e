"""Where in a tag a text stands: the attribute part of HTML's tokenizer (WHATWG HTML §13.2.5).

Fed piece by piece, so that a stream and a whole text end in the same state. Quotation
marks count only where HTML says so; whoever guesses there can be led past a ``>``.
"""

from __future__ import annotations

import re
from enum import Enum, auto

__all__ = ["Markup"]

NAME = re.compile(r"/?[A-Za-z][A-Za-z0-9:\-]*")
NAME_LIMIT = 64
VALUE_LIMIT = 2048
SPACE = " \t\n\f\r"
LOADS = re.compile(
    r"(?i)(?:on[a-z]{1,30}|.{0,40}(?:src|srcset|href|url|uri|link|action|background|poster|ping|cite|data|style"
    r"|content|image|icon|manifest|profile|longdesc|srcdoc|codebase|classid|archive|usemap))"
)
"""Attributes whose values a browser or a script may load, send or run."""


class _State(Enum):
    TEXT = auto()
    TAG_NAME = auto()
    BEFORE_NAME = auto()
    ATTRIBUTE = auto()
    AFTER_NAME = auto()
    BEFORE_VALUE = auto()
    DOUBLE = auto()
    SINGLE = auto()
    UNQUOTED = auto()


VALUES = frozenset({_State.BEFORE_VALUE, _State.DOUBLE, _State.SINGLE, _State.UNQUOTED})


class Markup:
    """Follows a text through its tags."""

    __slots__ = ("_attribute", "_state", "_tag", "_value", "overflow")

    def __init__(self) -> None:
        self._state = _State.TEXT
        self._tag = ""
        self._attribute = ""
        self._value = ""
        self.overflow = False
        """The current value is longer than is kept."""

    @property
    def value(self) -> str | None:
        """What has been written of an attribute's value, or ``None`` outside of one."""
        return self._value if self._state in VALUES else None

    @property
    def loads(self) -> bool:
        """Whether the attribute's value may be loaded, sent or run."""
        return LOADS.fullmatch(self._attribute) is not None

    def feed(self, text: str) -> None:
        """Go on."""
        at = 0
        while at < len(text):
            if self._state is _State.TEXT:
                at = text.find("<", at) + 1
                if at == 0:
                    return
                self._state, self._tag = _State.TAG_NAME, ""
            else:
                self._step(text[at])
                at += 1

    def _step(self, character: str) -> None:
        state = self._state
        if state is _State.TAG_NAME:
            self._in_name(character)
        elif state in (_State.DOUBLE, _State.SINGLE, _State.UNQUOTED):
            self._in_value(character)
        elif character == ">":
            self._state = _State.TEXT
        elif character == "=" and state in (_State.ATTRIBUTE, _State.AFTER_NAME):
            self._state, self._value, self.overflow = _State.BEFORE_VALUE, "", False
        elif state is _State.BEFORE_VALUE:
            if character not in SPACE:
                self._begin_value(character)
        elif character in SPACE:
            self._state = _State.AFTER_NAME if state in (_State.ATTRIBUTE, _State.AFTER_NAME) else state
        elif character == "/":
            self._state = _State.BEFORE_NAME
        elif state is _State.ATTRIBUTE:
            self._attribute = (self._attribute + character)[:NAME_LIMIT]
        else:
            self._state, self._attribute = _State.ATTRIBUTE, character

    def _in_name(self, character: str) -> None:
        if character == ">":
            self._state = _State.TEXT
        elif character in SPACE or (character == "/" and self._tag):
            known = NAME.fullmatch(self._tag) is not None
            self._state = _State.BEFORE_NAME if known else _State.TEXT
            self._attribute = ""
        elif character == "<":
            self._tag = ""
        elif len(self._tag) < NAME_LIMIT:
            self._tag += character
        else:
            self._state = _State.TEXT

    def _begin_value(self, character: str) -> None:
        if character == '"':
            self._state = _State.DOUBLE
        elif character == "'":
            self._state = _State.SINGLE
        else:
            self._state = _State.UNQUOTED
            self._in_value(character)

    def _in_value(self, character: str) -> None:
        state = self._state
        if (
            (state is _State.DOUBLE and character == '"')
            or (state is _State.SINGLE and character == "'")
            or (state is _State.UNQUOTED and character in SPACE)
        ):
            self._state = _State.BEFORE_NAME
        elif state is _State.UNQUOTED and character == ">":
            self._state = _State.TEXT
        elif len(self._value) < VALUE_LIMIT:
            self._value += character
        else:
            self.overflow = True
