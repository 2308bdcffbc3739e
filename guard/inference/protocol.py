"""The open inference protocol v2 (REST): requests to arrays, arrays to answers. Pure.

Source: the KServe "Open Inference Protocol" specification, sections "Inference Request JSON
Object" and "Inference Response JSON Object". Messages name tensors and shapes, never data;
each error has a word of ``upstream/reasons.py``, which is all that a caller of the gateway sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from guard.errors import InvalidRequest

if TYPE_CHECKING:
    from numpy import generic
    from numpy.typing import NDArray

__all__ = ["Feed", "InputSpec", "Request", "answer", "feeds", "read_request"]

MAX_VALUES = 2_000_000
DEEPEST = 8
DATATYPES = {
    "BOOL": "bool", "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64",
    "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "FP32": "float32", "FP64": "float64", "BYTES": "object",
}  # fmt: skip
"""Datatypes of the protocol and what numpy calls them."""
WORDS = {name: word for word, name in DATATYPES.items()}
Scalar = str | int | float | bool | None
Feed = Mapping[str, "NDArray[generic]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """An input that the model has. ``datatype`` is a word of the protocol."""

    name: str
    datatype: str
    shape: Sequence[int | str | None]


class Tensor(msgspec.Struct, forbid_unknown_fields=True):
    """One input as it is sent; ``data`` may be nested or flat, ``null`` is a missing value."""

    name: str
    shape: list[int]
    datatype: str
    data: list[object]
    parameters: dict[str, object] = {}


class Output(msgspec.Struct, forbid_unknown_fields=True):
    """One output that is asked for."""

    name: str
    parameters: dict[str, object] = {}


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """An inference request."""

    inputs: list[Tensor]
    id: str = ""
    parameters: dict[str, object] = {}
    outputs: list[Output] = []


def read_request(body: bytes) -> Request:
    """Parse a request. Raises ``InvalidRequest``."""
    try:
        request = msgspec.json.decode(body, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("the body is no inference request of protocol v2") from None
    names = [tensor.name for tensor in request.inputs]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise _wrong("input_twice", "an input is sent twice", place)
    return request


def feeds(request: Request, specs: Sequence[InputSpec]) -> dict[str, NDArray[generic]]:
    """Return the arrays of every input that the model has. Raises ``InvalidRequest``."""
    wanted = {spec.name: spec for spec in specs}
    sent = {tensor.name for tensor in request.inputs}
    missing = sorted(set(wanted) - sent)
    if missing:
        raise _wrong("inputs_missing", f"missing inputs: {', '.join(missing)}")
    arrays: dict[str, NDArray[generic]] = {}
    sizes: dict[str, int] = {}
    for place, tensor in enumerate(request.inputs):
        spec = wanted.get(tensor.name)
        if spec is None:
            raise _wrong("input_unknown", f"the model's inputs are {', '.join(wanted)}", place)
        arrays[spec.name] = _array(tensor, spec, place)
        for free, size in zip(spec.shape, tensor.shape, strict=True):
            if isinstance(free, str) and sizes.setdefault(free, size) != size:
                raise _wrong(
                    "sizes_differ", f"input {spec.name}: {size} is not the size of the others", place
                )
    return arrays


def _wrong(reason: str, message: str, place: int | None = None) -> InvalidRequest:
    position = None if place is None else f"inputs[{place}]"
    return InvalidRequest(message, code=reason, position=position)


def _array(tensor: Tensor, spec: InputSpec, place: int) -> NDArray[generic]:
    import numpy

    name = f"input {spec.name}"
    if tensor.datatype not in DATATYPES:
        raise _wrong("datatype_unknown", f"{name}: no datatype of the protocol", place)
    texts = spec.datatype == "BYTES"
    if texts != (tensor.datatype == "BYTES"):
        raise _wrong("datatype_other", f"{name}: the model wants {spec.datatype}", place)
    flat = _flat(tensor.data, place)
    if any(size < 0 for size in tensor.shape) or math.prod(tensor.shape) != len(flat):
        raise _wrong("shape_unfilled", f"{name}: {len(flat)} values do not fill the shape", place)
    if len(tensor.shape) != len(spec.shape) or any(
        isinstance(wanted, int) and wanted != size
        for wanted, size in zip(spec.shape, tensor.shape, strict=True)
    ):
        raise _wrong("shape_other", f"{name}: the model wants the shape {list(spec.shape)}", place)
    read = _text if texts else READERS.get(spec.datatype, _whole)
    try:
        with numpy.errstate(over="ignore"):  # beyond single precision is infinite, as everywhere
            values = numpy.array([read(value) for value in flat], dtype=DATATYPES[spec.datatype])
        return values.reshape(tensor.shape)
    except (TypeError, ValueError, OverflowError):
        raise _wrong("value_other", f"{name}: a value is no {spec.datatype}", place) from None


def _flat(data: Sequence[object], place: int, depth: int = 0) -> Sequence[Scalar]:
    flat: list[Scalar] = []
    for value in data:
        if isinstance(value, list):
            if depth > DEEPEST:
                raise _wrong("data_nested", "the data nests too deeply", place)
            flat += _flat(value, place, depth + 1)
        elif value is None or isinstance(value, str | int | float):
            flat.append(value)
        else:
            raise _wrong("data_nested", "the data holds something that is no value", place)
        if len(flat) > MAX_VALUES:
            raise _wrong("too_many_values", f"an input holds more than {MAX_VALUES} values", place)
    return flat


def _text(value: Scalar) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _fraction(value: Scalar) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str | bool):
        raise TypeError("not a number")
    return float(value)


def _whole(value: Scalar) -> int:
    if isinstance(value, str | bool) or value is None or value != int(value):
        raise TypeError("not a whole number")
    return int(value)


def _truth(value: Scalar) -> bool:
    if not isinstance(value, bool):
        raise TypeError("neither true nor false")
    return value


READERS: Mapping[str, Callable[[Scalar], object]] = {"FP32": _fraction, "FP64": _fraction, "BOOL": _truth}
"""How the values of a datatype are read; all others are whole numbers."""


def answer(request: Request, *, name: str, version: str, outputs: Mapping[str, NDArray[generic]]) -> bytes:
    """Render the outputs that were asked for. Raises ``InvalidRequest`` for an unknown one."""
    wanted = [output.name for output in request.outputs] or list(outputs)
    unknown = [output for output in wanted if output not in outputs]
    if unknown:
        raise _wrong("output_unknown", f"the model's outputs are {', '.join(outputs)}")
    plain: dict[str, object] = {"model_name": name, "model_version": version}
    if request.id:
        plain["id"] = request.id
    plain["outputs"] = [_rendered(output, outputs[output]) for output in wanted]
    return msgspec.json.encode(plain)


def _rendered(name: str, array: NDArray[generic]) -> dict[str, object]:
    word = WORDS.get(array.dtype.name, "BYTES")
    return {
        "name": name,
        "datatype": word,
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }
