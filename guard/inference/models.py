"""Models that are served: loaded once, checked against the digest that they were registered with."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from guard.domain.model import ModelVersion
from guard.errors import ConfigurationError, NotFound
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


class ServedModel:
    """One loaded version."""

    def __init__(self, version: ModelVersion, content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != version.digest:
            raise ConfigurationError(
                f"the file of model {version.name} version {version.version} is not the one that was "
                "registered; it is not served"
            )
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
        found = self._session.run(names, feeds(request, self.inputs))
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
    """Loads versions as they are asked for and keeps the last few."""

    def __init__(self, source: ModelSource, *, load: Callable[..., ServedModel] = ServedModel) -> None:
        self._source = source
        self._load = load
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, ServedModel] = OrderedDict()

    def names(self) -> list[str]:
        """Return the names of what is served."""
        return sorted(self._source.in_production())

    def find(self, name: str) -> ServedModel:
        """Return the served version. Raises ``NotFound``, ``ConfigurationError``."""
        version = self._source.in_production().get(name)
        if version is None:
            raise NotFound("no such model is in production")
        with self._lock:
            model = self._loaded.get(version.digest)
            if model is None:
                model = self._load(version, self._source.content(version))
                self._loaded[version.digest] = model
                if len(self._loaded) > LOADED:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(version.digest)
            return model
