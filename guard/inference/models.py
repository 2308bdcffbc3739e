"""Models that are served: loaded once, each with the certificate that it was registered with."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from guard.domain.model import ModelVersion
from guard.errors import InvalidRequest, NotFound
from guard.inference.certified import check_certified
from guard.inference.protocol import InputSpec, Request, answer, feeds

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["ModelSource", "ServedModel", "ServedModels"]

LOADED = 16
TYPES = {
    "tensor(string)": "BYTES",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(int64)": "INT64",
    "tensor(int32)": "INT32",
    "tensor(bool)": "BOOL",
}


class ModelSource(Protocol):
    """Where the server learns what is served."""

    def in_production(self) -> dict[str, ModelVersion]:
        """Return the served version of each model by name."""
        ...

    def content(self, version: ModelVersion) -> bytes:
        """Return the model's file. Raises ``NotFound``."""
        ...

    def certificate(self, version: ModelVersion) -> bytes:
        """Return the certificate's file. Raises ``NotFound``."""
        ...


class ServedModel:
    """One loaded version."""

    def __init__(self, version: ModelVersion, content: bytes) -> None:
        self.version = version
        self._session = _session(content)
        self.inputs = tuple(
            InputSpec(name=item.name, datatype=TYPES[item.type], shape=item.shape)
            for item in self._session.get_inputs()
        )
        self.outputs = tuple(
            InputSpec(name=item.name, datatype=TYPES[item.type], shape=item.shape)
            for item in self._session.get_outputs()
        )

    def infer(self, request: Request) -> bytes:
        """Run the model. Raises ``InvalidRequest``."""
        names = [output.name for output in self.outputs]
        arrays = feeds(request, self.inputs)
        try:
            found = self._session.run(names, arrays)
        except Exception:  # noqa: BLE001 (the library's errors share no base, and may quote values)
            raise InvalidRequest(
                "the model cannot take these inputs together", code="inputs_refused"
            ) from None
        return answer(
            request,
            name=self.version.name,
            version=str(self.version.version),
            outputs=dict(zip(names, found, strict=True)),
        )


def _session(content: bytes) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


class ServedModels:
    """Loads versions as they are asked for and keeps the last few.

    ``public``: the key that certificates must be signed by.
    """

    def __init__(self, source: ModelSource, *, public: bytes) -> None:
        self._source = source
        self._public = public
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[str, ...], ServedModel] = OrderedDict()

    def names(self) -> list[str]:
        """Return the names of what is served."""
        return sorted(self._source.in_production())

    def find(self, name: str) -> ServedModel:
        """Return the served version. Raises ``NotFound``, ``ConfigurationError``."""
        version = self._source.in_production().get(name)
        if version is None:
            raise NotFound("no such model is in production")
        known_as = (version.name, *version.lineage)
        with self._lock:
            model = self._loaded.get(known_as)
            if model is None:
                model = self._loaded[known_as] = self._load(version)
                if len(self._loaded) > LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(known_as)
            return model

    def _load(self, version: ModelVersion) -> ServedModel:
        content = self._source.content(version)
        check_certified(version, content, self._source.certificate(version), public=self._public)
        return ServedModel(version, content)
