"""The words of trained models: versions, their stage and what a card must say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ModelVersion", "Stage"]


class Stage(StrEnum):
    """How far a model version has come; only ``PRODUCTION`` is served."""

    DRAFT = "draft"
    PRODUCTION = "production"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One trained model: what it is made of, what proves it, where it stands.

    ``digest``: SHA-256 of the ONNX file, hex. ``certificate``: SHA-256 of the certificate,
    hex. ``card``: the required fields of ``registry/cards.py``, by name.
    """

    name: str
    version: int
    tenant: str
    digest: str
    certificate: str
    dataset: str
    job: str
    stage: Stage
    card: Mapping[str, str]
    created: int
    """µs since 1970."""

    @property
    def lineage(self) -> tuple[str, ...]:
        """What records of calls name: model, certificate and dataset."""
        return (
            f"model:{self.digest}",
            f"certificate:{self.certificate}",
            f"dataset:{self.dataset}",
            f"job:{self.job}",
        )
