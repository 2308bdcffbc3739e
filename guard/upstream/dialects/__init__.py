"""One file a protocol; this table says which route speaks which."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from guard.upstream.dialect import AnswerDocument, Dialect, Reading, StreamReader, StreamWriter
from guard.upstream.dialects import openai_answer, openai_chat
from guard.upstream.dialects.open_inference import OpenInference
from guard.upstream.dialects.openai_stream import ChatStreamReader, ChatStreamWriter
from guard.upstream.json_text import BodyLimits

__all__ = ["DIALECTS"]


class _OpenAIChat:
    """Chat Completions as a dialect."""

    name = "openai"

    def path(self, model: str) -> str:  # noqa: ARG002 (the body names it)
        return "/chat/completions"

    def read(self, body: bytes, limits: BodyLimits, *, named: str | None = None) -> Reading:  # noqa: ARG002
        return openai_chat.read(body, limits)

    def read_answer(self, body: bytes) -> AnswerDocument:
        return openai_answer.read_answer(body)

    def stream(self, reading: Reading) -> tuple[StreamReader, StreamWriter]:
        return ChatStreamReader(), ChatStreamWriter(include_usage=reading.include_usage)


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {"openai.chat": _OpenAIChat(), "open-inference.infer": OpenInference()}
)
"""Dialects by route."""
