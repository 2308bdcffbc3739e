"""Who acts, and what the application behind a key is known to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Application", "Classification", "Limits", "Principal", "Tools"]


class Classification(StrEnum):
    """How confidential an application's data is, rising."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Name patterns (``mcp__*``) of an application's tools, by what may be restored there."""

    secret: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The settings of a key's application; absent in ``guard.yaml`` means these defaults."""

    name: str
    tools: Tools = field(default_factory=Tools)
    subject_field: str | None = None
    classification: Classification = Classification.INTERNAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Usage limits of a key; ``None`` is no limit."""

    requests_per_minute: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated application key.

    ``models`` are name patterns that the key may ask for, ``purposes`` those that it may
    declare; the first purpose is its default.
    """

    key_id: str
    tenant: str
    application: str
    models: tuple[str, ...]
    purposes: tuple[str, ...]
    limits: Limits
