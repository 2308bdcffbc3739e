"""Credentials inside URLs and connection strings: ``scheme://user:password@host``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.screening.view import Candidate, View

__all__ = ["UrlCredentials"]

USERINFO = re.compile(
    r"[^\s/?#@\"'<>\u2e80-\U0010ffff]{0,100}:[^\s/?#@\"'<>\u2e80-\U0010ffff]{1,100}@(?=[A-Za-z0-9\[_$-])"
)
PLACEHOLDER = re.compile(
    r"(?i)^[^:]*:(?:\$\{?[A-Za-z_]\w*\}?|<[^>]*>|\{+\w*\}+|x{3,}|\*{3,}|password|pass|passwd|pwd|secret|your[-_]?password)$"
)


class UrlCredentials:
    """Anchored at ``://``; the finding is what stands before the ``@``."""

    name = "url"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield user and password, but not placeholders."""
        if "://" not in view.text:
            return
        for at in view.occurrences("://"):
            found = USERINFO.match(view.text, at + 3)
            if found is None or PLACEHOLDER.match(found.group()[:-1]):
                continue
            yield Candidate(
                entity_type="URL_CREDENTIALS",
                start=found.start(),
                end=found.end() - 1,
                score=0.9,
                recognizer=self.name,
            )
