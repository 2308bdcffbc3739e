"""May this principal do this action: the one place that asks Cedar for lists and edges."""

from __future__ import annotations

from guard.domain.principal import Principal
from guard.pipeline.snapshot import Snapshot

__all__ = ["usable_models"]


def usable_models(principal: Principal, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the models that the principal may use for any purpose it has, in file order."""
    application = snapshot.application(principal.application)
    access = snapshot.governance.access
    return tuple(
        model.name
        for model in snapshot.governance.catalogue.models
        if any(
            access.may_invoke(
                principal,
                model=model.name,
                purpose=purpose,
                classification=application.classification,
            ).allowed
            for purpose in principal.purposes
        )
    )
