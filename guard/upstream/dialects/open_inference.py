"""Open inference protocol v2: where the texts of a call to a model stand, and of its answer.

Names of tensors are those of the model's columns: scanned, never edited. Sizes are whole
numbers that a body can fill, datatypes an enumeration; data, parameters and everything
unknown are screened. The model stands in the path, not in the body. Nothing can stand in a
number's place: personal data among numbers is refused, in the answer too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.domain.exchange import Encoding, Part, PartKind
from guard.errors import InvalidRequest, UpstreamError
from guard.upstream.dialect import AnswerChannel, StreamReader, StreamWriter, Usage
from guard.upstream.edit import edited
from guard.upstream.json_text import BodyLimits, Json, JsonObject, parse, render
from guard.upstream.positions import FREE, Each, Id, Members, Path, Places, Words, wrong

__all__ = ["OpenInference"]

ANSWER_LIMITS = BodyLimits(bytes=32 * 2**20)
LARGEST = 200_000
"""The most that a size can be: more values than that are in no body. A telephone number is longer."""
LONGEST_NAME = 128
NOT_FINITE = (b"NaN", b"Infinity")
TEXTS = "BYTES"
DATATYPES = Words(
    frozenset("BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FP16 FP32 FP64 BYTES".split())
)


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a tensor: any short line, scanned like text and never edited."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Note the name."""
        if not (isinstance(value, str) and value.isprintable() and 0 < len(value) <= LONGEST_NAME):
            raise wrong(position, f"a name of at most {LONGEST_NAME} printable characters")
        places.add(value, position, path, by_caller=by_caller, kind=PartKind.STRUCTURAL)


@dataclass(frozen=True, slots=True)
class Size:
    """One size of a shape."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:  # noqa: ARG002 (every kind of position is walked alike)
        """Check the range."""
        if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value <= LARGEST:
            raise wrong(position, f"a whole number from -1 to {LARGEST}")


_shape = Each(Size())
REQUEST = Members(
    {
        "id": Id(),
        "inputs": Each(Members({"name": Name(), "shape": _shape, "datatype": DATATYPES, "data": FREE})),
        "outputs": Each(Members({"name": Name()})),
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
            if _among_numbers(self.value, self.parts[index], self.paths[index]):
                raise InvalidRequest(
                    "personal data among numbers, where nothing can stand in its place",
                    code="personal_data_in_number",
                    position=self.parts[index].position,
                )
        return render(edited(self.value, self.parts, self.paths, texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceAnswer:
    """A parsed answer; implements ``dialect.AnswerDocument``."""

    value: JsonObject = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    paths: tuple[Path, ...] = field(repr=False)
    channels: tuple[AnswerChannel, ...] = field(repr=False)
    usage: Usage | None = None

    def write(self, texts: Mapping[int, str], blocked: Mapping[int, str]) -> bytes:
        """Return the answer; there are no choices that could be stopped one by one.

        Raises ``UpstreamError`` where a number would have to become a text.
        """
        if blocked:
            raise RuntimeError("an answer without choices is blocked as a whole")
        if any(_among_numbers(self.value, self.parts[index], self.paths[index]) for index in texts):
            raise UpstreamError(
                "the model answered with personal data among numbers", code="upstream_invalid"
            )
        return render(edited(self.value, self.parts, self.paths, texts))


def _among_numbers(value: JsonObject, part: Part, path: Path) -> bool:
    """Whether a part is a number in the data of a tensor that is not of texts."""
    if part.encoding is not Encoding.NUMBER or path[2:3] != ("data",):
        return False
    match value.get(str(path[0])), path[1]:
        case list() as tensors, int(index):
            tensor = tensors[index]
            return isinstance(tensor, dict) and tensor.get("datatype") != TEXTS
    return False


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
        value = _parsed(body, limits)
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
                restores=part.encoding is Encoding.TEXT
                and path[:1] == ("outputs",)
                and path[2:3] == ("data",),
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


def _parsed(body: bytes, limits: BodyLimits) -> JsonObject:
    """Parse, and say what is wrong where a number library wrote what JSON does not have."""
    try:
        return parse(body, limits)
    except InvalidRequest as error:
        if error.code == "invalid_json" and any(word in body for word in NOT_FINITE):
            raise InvalidRequest(
                "NaN and Infinity are no JSON; write null for a number that is missing",
                code="invalid_json",
            ) from None
        raise
