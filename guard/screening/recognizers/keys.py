"""Secrets that announce themselves by a prefix: provider keys, JSON web tokens, private keys."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from guard.screening.view import MAX_ANNOUNCED, Candidate, View

__all__ = ["Jwt", "PrivateKey", "ProviderKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    entity_type: str
    prefixes: tuple[str, ...]
    body: re.Pattern[str]


FORMS = (
    _Form(
        entity_type="AWS_ACCESS_KEY",
        prefixes=("AKIA", "ASIA"),
        body=re.compile(r"[A-Z2-7]{16}(?![A-Za-z0-9_])"),
    ),
    _Form(
        entity_type="GITHUB_TOKEN",
        prefixes=("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        body=re.compile(r"[A-Za-z0-9]{30,240}"),
    ),
    _Form(entity_type="GITHUB_TOKEN", prefixes=("github_pat_",), body=re.compile(r"[A-Za-z0-9_]{40,240}")),
    _Form(entity_type="OPENAI_API_KEY", prefixes=("sk-",), body=re.compile(r"[A-Za-z0-9_\-]{20,240}")),
    _Form(
        entity_type="SLACK_TOKEN",
        prefixes=("xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"),
        body=re.compile(r"[A-Za-z0-9\-]{10,240}"),
    ),
)
MIXED = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])")
REPEATED = 6
"""A body of fewer different characters is a placeholder (``xxxx``, ``1234``)."""


class ProviderKey:
    """Keys of AWS, GitHub, OpenAI (and those shaped like it) and Slack."""

    name = "provider_key"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield keys; not placeholders, and not words that begin alike."""
        for form in FORMS:
            for prefix in form.prefixes:
                for start in view.occurrences(prefix):
                    end = self._end(view, start, start + len(prefix), form)
                    if end is not None:
                        yield Candidate(
                            entity_type=form.entity_type,
                            start=start,
                            end=end,
                            score=0.95,
                            recognizer=self.name,
                        )

    @staticmethod
    def _end(view: View, start: int, body: int, form: _Form) -> int | None:
        if view.word_at(start - 1) or view.char(start - 1) == "_":
            return None
        found = form.body.match(view.text, body)
        if found is None or not MIXED.match(found.group()) or "EXAMPLE" in found.group():
            return None
        return found.end() if len(set(found.group())) >= REPEATED else None


TOKEN = re.compile(r"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)?")
HEADER = 1000


class Jwt:
    """``header.payload.signature`` whose header is base64url of JSON that names an algorithm."""

    name = "jwt"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield tokens."""
        for start in view.occurrences("eyJ"):
            if view.word_at(start - 1) or view.char(start - 1) in ("_", "-", "."):
                continue
            found = TOKEN.match(view.text, start, start + MAX_ANNOUNCED)
            if found is None or not self._header(found.group().partition(".")[0]):
                continue
            yield Candidate(entity_type="JWT", start=start, end=found.end(), score=0.98, recognizer=self.name)

    @staticmethod
    def _header(segment: str) -> bool:
        if len(segment) > HEADER:
            return False
        try:
            decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        except (binascii.Error, ValueError):
            return False
        return b'"alg"' in decoded


BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
BODY = re.compile(r"[A-Za-z0-9+/=\s\\:,.()\-]*")
END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
CUT_SHORT = re.compile(r"(?:[\s\\]*[A-Za-z0-9+/=]{16,})*")
LEAST = 16


class PrivateKey:
    """PEM blocks, whole or cut short; line ends may be written as escapes."""

    name = "private_key"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield blocks that have a body."""
        for start in view.occurrences("-----BEGIN "):
            header = BEGIN.match(view.text, start)
            if header is None:
                continue
            limit = start + MAX_ANNOUNCED
            body = BODY.match(view.text, header.end(), limit)
            ending = END.search(view.text, header.end(), body.end() if body else header.end())
            cut = CUT_SHORT.match(view.text, header.end(), limit)
            end = ending.end() if ending else (cut.end() if cut else header.end())
            if end - header.end() >= LEAST:
                yield Candidate(
                    entity_type="PRIVATE_KEY", start=start, end=end, score=0.99, recognizer=self.name
                )
