"""The open inference protocol v2 (REST): requests to arrays, arrays to answers. Pure.

Source: the KServe "Open Inference Protocol" specification, sections "Inference Request JSON
Object" and "Inference Response JSON Object". Messages name tensors and shapes, never data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from guard.errors import InvalidRequest

if TYPE_CHECKING:
    from numpy import generic
    from numpy.typing import NDArray

__all__ = ["Feed", "InputSpec", "Request", "answer", "feeds", "read_request"]

MAX_VALUES = 2_000_000
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
    """One input as it is sent; ``data`` may be nested or flat."""

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
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest("the body is no inference request of protocol v2") from None
    names = [tensor.name for tensor in request.inputs]
    if len(set(names)) != len(names):
        raise InvalidRequest("an input is sent twice")
    return request


def feeds(request: Request, specs: Sequence[InputSpec]) -> dict[str, NDArray[generic]]:
    """Return the arrays of every input that the model has. Raises ``InvalidRequest``."""
    sent = {tensor.name: tensor for tensor in request.inputs}
    known = {spec.name for spec in specs}
    missing = sorted(known - set(sent))
    unknown = sorted(set(sent) - known)
    if missing or unknown:
        parts = [f"missing: {', '.join(missing)}"] if missing else []
        parts += [f"{len(unknown)} unknown"] if unknown else []
        raise InvalidRequest(f"the inputs are not those of the model ({'; '.join(parts)})")
    return {spec.name: _array(sent[spec.name], spec) for spec in specs}


def _array(tensor: Tensor, spec: InputSpec) -> NDArray[generic]:
    import numpy

    if tensor.datatype not in DATATYPES:
        raise InvalidRequest(f"input {spec.name}: no datatype of the protocol")
    flat = list(_flat(tensor.data))
    if any(size < 0 for size in tensor.shape) or math.prod(tensor.shape) != len(flat):
        raise InvalidRequest(f"input {spec.name}: {len(flat)} values do not fill the shape")
    if len(tensor.shape) != len(spec.shape) or any(
        isinstance(wanted, int) and wanted != size
        for wanted, size in zip(spec.shape, tensor.shape, strict=True)
    ):
        raise InvalidRequest(f"input {spec.name}: the model wants the shape {list(spec.shape)}")
    texts = spec.datatype == "BYTES"
    if texts != (tensor.datatype == "BYTES"):
        raise InvalidRequest(f"input {spec.name}: the model wants {spec.datatype}")
    try:
        if texts:
            values: list[object] = ["" if value is None else _text(value) for value in flat]
            return numpy.array(values, dtype=object).reshape(tensor.shape)
        plain = [math.nan if value is None else _number(value) for value in flat]
        return numpy.array(plain).astype(DATATYPES[spec.datatype]).reshape(tensor.shape)
    except (TypeError, ValueError, OverflowError):
        raise InvalidRequest(f"input {spec.name}: a value is no {spec.datatype}") from None


def _flat(data: Sequence[object], depth: int = 0) -> Sequence[Scalar]:
    flat: list[Scalar] = []
    for value in data:
        if isinstance(value, list):
            if depth > len(DATATYPES):
                raise InvalidRequest("the data nests too deeply")
            flat += _flat(value, depth + 1)
        elif value is None or isinstance(value, str | int | float):
            flat.append(value)
        else:
            raise InvalidRequest("the data holds something that is no value")
        if len(flat) > MAX_VALUES:
            raise InvalidRequest(f"an input holds more than {MAX_VALUES} values")
    return flat


def _text(value: Scalar) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _number(value: Scalar) -> int | float:
    if isinstance(value, str) or value is None:
        raise TypeError("not a number")
    return value


def answer(request: Request, *, name: str, version: str, outputs: Mapping[str, NDArray[generic]]) -> bytes:
    """Render the outputs that were asked for. Raises ``InvalidRequest`` for an unknown one."""
    wanted = [output.name for output in request.outputs] or list(outputs)
    unknown = [output for output in wanted if output not in outputs]
    if unknown:
        raise InvalidRequest(f"the model's outputs are {', '.join(outputs)}")
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
