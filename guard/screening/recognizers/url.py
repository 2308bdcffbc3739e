"""Credentials inside URLs and connection strings: ``scheme://user:password@host``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.screening.tail import Tail
from guard.screening.view import Candidate, View

__all__ = ["UrlCredentials"]

AUTHORITY = re.compile(r"[^\s/?#\"'<>\u2e80-\U0010ffff]{3,202}")
HOST = re.compile(r"[A-Za-z0-9\[_$\-]")
USER_MAX = 100
PASSWORD_MAX = 100
PLACEHOLDER = re.compile(
    r"(?i)\$\{?[A-Za-z_][0-9A-Za-z_]{0,40}\}?|\{{1,2}[0-9A-Za-z_]{0,40}\}{1,2}|\$\([^)]{0,40}\)"
    r"|\[[^\]]{0,40}\]|%[a-z]|x{3,40}|\*{3,40}|\.{3}|password|pass|passwd|pwd|secret|your[-_]?password"
)


class UrlCredentials:
    """Anchored at ``://``; the finding is what stands before the ``@`` that the host follows."""

    name = "url"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield user and password, but not placeholders."""
        if "://" not in view.text:
            return
        for at in view.occurrences("://"):
            found = AUTHORITY.match(view.text, at + 3)
            if found is None:
                continue
            credentials, sign, _ = found.group().rpartition("@")
            user, colon, password = credentials.partition(":")
            if not sign or not colon or not self._plausible(user, password):
                continue
            end = found.start() + len(credentials)
            if HOST.match(view.text, end + 1):
                yield Candidate(
                    entity_type="URL_CREDENTIALS",
                    start=found.start(),
                    end=end,
                    score=0.9,
                    recognizer=self.name,
                )

    def open_at(self, tail: Tail) -> int:
        """Return where the last run without a space begins."""
        return tail.run

    @staticmethod
    def _plausible(user: str, password: str) -> bool:
        if len(user) > USER_MAX or not 0 < len(password) <= PASSWORD_MAX:
            return False
        return PLACEHOLDER.fullmatch(password) is None
