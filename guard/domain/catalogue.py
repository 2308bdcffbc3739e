"""What ``guard.yaml`` describes, as values: providers, models and where they lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.domain.exchange import Target
from guard.domain.principal import Application

__all__ = ["Catalogue", "Model", "Provider", "Timeouts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: to connect, between two reads, and for the whole attempt."""

    connect: float = 5.0
    read: float = 120.0
    total: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A place that serves models.

    ``base_url`` as in DESIGN §6 (``builtin:demo`` is resolved by the wiring).
    ``credential``: ``env:NAME``, ``file:PATH``, ``secret:NAME``, ``caller`` or ``None``.
    ``ca``: path of a PEM file; ``proxy``: URL.
    """

    name: str
    dialect: str
    base_url: str
    credential: str | None = None
    region: str = "local"
    ca: str | None = None
    proxy: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name that callers ask for (``gpt-*`` is a pattern) and its targets, best first.

    A target whose model is ``same`` gets the name that the caller asked for. ``lineage``:
    what a model of our own is made of; records of its calls name it.
    """

    name: str
    targets: tuple[Target, ...]
    max_tokens: int = 4096
    lineage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything of ``guard.yaml`` that an exchange needs."""

    providers: Mapping[str, Provider]
    models: tuple[Model, ...]
    applications: Mapping[str, Application]
