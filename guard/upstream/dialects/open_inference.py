"""Open inference protocol v2: where the texts of a call to a model stand, and of its answer.

Tensor names and ids are bounded ids, shapes are numbers, datatypes an enumeration; data,
parameters and everything unknown are screened. The model stands in the path, not in the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.domain.exchange import Encoding, Part
from guard.errors import InvalidRequest, UpstreamError
from guard.upstream.dialect import AnswerChannel, StreamReader, StreamWriter, Usage
from guard.upstream.edit import edited
from guard.upstream.json_text import BodyLimits, Json, JsonObject, parse, render
from guard.upstream.positions import FREE, Each, Id, Members, Number, Path, Places, Words, wrong

__all__ = ["OpenInference"]

ANSWER_LIMITS = BodyLimits(bytes=32 * 2**20)
MOST = 2**31
TEXTS = "BYTES"
DATATYPES = Words(
    frozenset("BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FP16 FP32 FP64 BYTES".split())
)
_shape = Each(Number(-1, MOST))
REQUEST = Members(
    {
        "id": Id(),
        "inputs": Each(Members({"name": Id(), "shape": _shape, "datatype": DATATYPES, "data": FREE})),
        "outputs": Each(Members({"name": Id()})),
    }
)
ANSWER = Members(
    {
        "model_name": FREE,
        "model_version": FREE,
        "id": FREE,
        "outputs": Each(Members({"name": FREE, "shape": _shape, "datatype": DATATYPES, "data": FREE})),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceReading:
    """A parsed call; implements ``dialect.Reading``."""

    value: JsonObject = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    paths: tuple[Path, ...] = field(repr=False)
    model: str
    stream: bool = False
    include_usage: bool = False
    conversation: str | None = None

    def lookup(self, dotted: str) -> str | None:
        """Return the string at ``dotted`` (``parameters.user_id``), if there is one."""
        value: Json = self.value
        for name in dotted.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) and value else None

    def write(self, texts: Mapping[int, str], *, model: str) -> bytes:  # noqa: ARG002 (the path names it)
        """Return the body. Raises ``InvalidRequest`` where a number would have to become a text."""
        for index in texts:
            if self.parts[index].encoding is Encoding.NUMBER and self._in_numbers(self.paths[index]):
                raise InvalidRequest(
                    "personal data among numbers, where nothing can stand in its place",
                    code="personal_data_in_number",
                    position=self.parts[index].position,
                )
        return render(edited(self.value, self.parts, self.paths, texts))

    def _in_numbers(self, path: Path) -> bool:
        inputs = self.value.get("inputs")
        if path[:1] != ("inputs",) or not isinstance(inputs, list) or not isinstance(path[1], int):
            return False
        tensor = inputs[path[1]]
        return path[2:3] == ("data",) and isinstance(tensor, dict) and tensor.get("datatype") != TEXTS


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceAnswer:
    """A parsed answer; implements ``dialect.AnswerDocument``."""

    value: JsonObject = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    paths: tuple[Path, ...] = field(repr=False)
    channels: tuple[AnswerChannel, ...] = field(repr=False)
    usage: Usage | None = None

    def write(self, texts: Mapping[int, str], blocked: Mapping[int, str]) -> bytes:
        """Return the answer; there are no choices that could be stopped one by one."""
        if blocked:
            raise RuntimeError("an answer without choices is blocked as a whole")
        return render(edited(self.value, self.parts, self.paths, texts))


class OpenInference:
    """The protocol as a dialect."""

    name = "open-inference"

    def path(self, model: str) -> str:
        """Return where a model is asked, below the provider's base URL."""
        return f"/v2/models/{model}/infer"

    def read(self, body: bytes, limits: BodyLimits, *, named: str | None = None) -> InferenceReading:
        """Parse a call of the model that the path names. Raises ``InvalidRequest``."""
        if named is None:
            raise RuntimeError("the route gives the model that its path names")
        value = parse(body, limits)
        if not isinstance(value.get("inputs"), list):
            raise wrong("inputs", "a list of tensors")
        places = Places()
        REQUEST.walk(value, "", (), places, by_caller=True)
        return InferenceReading(
            value=value, parts=tuple(places.parts), paths=tuple(places.paths), model=named
        )

    def read_answer(self, body: bytes) -> InferenceAnswer:
        """Parse an answer. Raises ``UpstreamError`` for anything that is none."""
        try:
            value = parse(body, ANSWER_LIMITS)
            if value.get("error") or not isinstance(value.get("outputs"), list):
                raise UpstreamError("the model answered with an error inside a success")
            places = Places()
            ANSWER.walk(value, "", (), places, by_caller=False)
        except InvalidRequest:
            raise UpstreamError("the model's answer cannot be read", code="upstream_invalid") from None
        channels = tuple(
            AnswerChannel(
                choice=-1,
                text=part.text,
                sink="prose",
                restores=part.encoding is Encoding.TEXT and path[2:3] == ("data",),
                json_text=False,
            )
            for part, path in zip(places.parts, places.paths, strict=True)
        )
        return InferenceAnswer(
            value=value, parts=tuple(places.parts), paths=tuple(places.paths), channels=channels
        )

    def stream(self, _reading: object) -> tuple[StreamReader, StreamWriter]:
        """Never called: nothing in this protocol is streamed."""
        raise RuntimeError("open inference has no streams")
