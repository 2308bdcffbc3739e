"""May this principal do this action: the one place that asks Cedar for lists and edges."""

from __future__ import annotations

from fnmatch import fnmatchcase

from guard.domain.principal import Principal
from guard.pipeline.snapshot import Snapshot

__all__ = ["usable_models"]


def usable_models(principal: Principal, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the models that the principal may use for any purpose it has, in file order.

    Where the catalogue has a pattern, the key's own names that fit it stand for it.
    """
    names: dict[str, None] = {}
    for model in snapshot.governance.catalogue.models:
        fitting = [name for name in principal.models if "*" in model.name and fnmatchcase(name, model.name)]
        for name in (model.name, *fitting):
            if _may_invoke(principal, snapshot, name):
                names.setdefault(name)
    return tuple(names)


def _may_invoke(principal: Principal, snapshot: Snapshot, model: str) -> bool:
    classification = snapshot.application(principal.application).classification
    return any(
        snapshot.governance.access.may_invoke(
            principal, model=model, purpose=purpose, classification=classification
        ).allowed
        for purpose in principal.purposes
    )
