"""Keys of providers that announce themselves by a prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from guard.screening.tail import Tail
from guard.screening.view import Candidate, View

__all__ = ["ProviderKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How the keys of one kind are written.

    ``mixed``: the prefix alone says too little, so the body needs letters and digits.
    ``secret_prefix``: the prefix is part of the key.
    """

    entity_type: str
    prefixes: tuple[str, ...]
    body: re.Pattern[str]
    mixed: bool = False
    secret_prefix: bool = True


FORMS = (
    _Form(
        entity_type="AWS_ACCESS_KEY",
        prefixes=("AKIA", "ASIA", "ABIA", "ACCA"),
        body=re.compile(r"[A-Z2-7]{16}(?![A-Za-z0-9_])"),
    ),
    _Form(
        entity_type="GITHUB_TOKEN",
        prefixes=("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        body=re.compile(r"[A-Za-z0-9]{30,240}"),
    ),
    _Form(entity_type="GITHUB_TOKEN", prefixes=("github_pat_",), body=re.compile(r"[A-Za-z0-9_]{40,240}")),
    _Form(
        entity_type="OPENAI_API_KEY",
        prefixes=("sk-",),
        body=re.compile(r"[A-Za-z0-9_\-]{20,240}"),
        mixed=True,
    ),
    _Form(
        entity_type="SLACK_TOKEN",
        prefixes=("xoxa-", "xoxb-", "xoxe-", "xoxe.xoxb-", "xoxe.xoxp-", "xoxp-", "xoxr-", "xoxs-", "xapp-"),
        body=re.compile(r"[A-Za-z0-9\-]{10,240}"),
        mixed=True,
    ),
    _Form(
        entity_type="SLACK_TOKEN",
        prefixes=("hooks.slack.com/services/",),
        body=re.compile(r"[A-Z0-9]{8,14}/[A-Z0-9]{8,14}/[A-Za-z0-9]{20,32}"),
        secret_prefix=False,
    ),
)
BY_PREFIX = {prefix: form for form in FORMS for prefix in form.prefixes}
REPEATED = 6
"""A body of fewer different characters is a placeholder (``xxxx``, ``1234``)."""


class ProviderKey:
    """Keys of AWS, GitHub, OpenAI (and those shaped like it) and Slack."""

    name = "provider_key"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield keys; not placeholders, and not words that begin alike."""
        for prefix in view.present(BY_PREFIX):
            form = BY_PREFIX[prefix]
            for start in view.occurrences(prefix):
                body = start + len(prefix)
                end = self._end(view, start, body, form)
                if end is not None:
                    yield Candidate(
                        entity_type=form.entity_type,
                        start=start if form.secret_prefix else body,
                        end=end,
                        score=0.95,
                        recognizer=self.name,
                    )

    def open_at(self, tail: Tail) -> int:
        """Return where the last run without a space begins."""
        return tail.run

    @staticmethod
    def _end(view: View, start: int, body: int, form: _Form) -> int | None:
        if view.word_at(start - 1) or view.char(start - 1) == "_":
            return None
        found = form.body.match(view.text, body)
        if found is None:
            return None
        written = found.group()
        if "EXAMPLE" in written or len(set(written)) < REPEATED:
            return None
        mixed = any(c.isdigit() for c in written) and any(c.isalpha() for c in written)
        return found.end() if mixed or not form.mixed else None
