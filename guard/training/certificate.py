"""The certificate of a trained model: what was promised, what ran, what was tested, signed.

Canonical JSON (RFC 8785), numbers with a fraction as decimal strings, so that whoever
checks it compares bytes. ``verify.py`` is the checking half, which needs no torch.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Protocol

from guard.audit.checkpoint import KEY_NAME
from guard.audit.verify import key_line
from guard.domain.canonical import Json, canonical
from guard.domain.certificate import FORMAT, signed_bytes
from guard.domain.privacy import UnitKind
from guard.errors import TrainingError
from guard.training.accounting import epsilon_pld, epsilon_prv
from guard.training.checks import SelfTest
from guard.training.keystream import SOURCE
from guard.training.plan import TrainingPlan
from guard.training.provenance import library_versions
from guard.training.state import TrainerState

__all__ = ["CertificateSigner", "certificate_of", "not_covered", "sign_certificate"]


class CertificateSigner(Protocol):
    """An Ed25519 key; the keyring's signer is one."""

    public: bytes

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""
        ...


def certificate_of(
    plan: TrainingPlan,
    state: TrainerState,
    selftest: SelfTest,
    *,
    job: str,
    model: str,
    issued: int,
    ledger: Mapping[str, Json] | None = None,
) -> Json:
    """Return the certificate to be signed.

    ``model``: SHA-256 of the ONNX file, hex. ``issued``: µs since 1970. ``ledger``: what the
    budget's cap and total are after this job. Raises ``TrainingError`` if the self-test did
    not pass or is of another plan.
    """
    if not selftest.passed or selftest.plan != plan.digest:
        raise TrainingError(
            f"no certificate: the self-test failed ({', '.join(selftest.failed) or 'its plan'})"
        )
    if not state.done:
        raise TrainingError("no certificate: no step is in the weights")
    ran = plan.executed(state.executed)
    delta = plan.recipe.privacy.delta
    return {
        "code": plan.code,
        "dataset": {"id": plan.dataset, "root": plan.root},
        "delta": repr(delta),
        "epsilon": {
            "pld": repr(epsilon_pld([ran], delta=delta)),
            "prv": repr(epsilon_prv([ran], delta=delta)),
            "target": repr(plan.recipe.privacy.epsilon),
        },
        "format": FORMAT,
        "issued": issued,
        "job": job,
        "ledger": ledger,
        "libraries": library_versions(),
        "mechanism": {
            "noise_multiplier": repr(ran.noise_multiplier),
            "sample_rate": repr(ran.sample_rate),
        },
        "model": model,
        "noise": SOURCE,
        "not_covered": list(not_covered(plan)),
        "plan": plan.plain(),
        "plan_digest": plan.digest,
        "relation": plan.relation.value,
        "selftest": selftest.plain(),
        "steps": {
            "executed": state.executed,
            "in_weights": state.done,
            "planned": plan.mechanism.steps,
        },
        "unit": {"column": plan.unit.column, "kind": plan.unit.kind.value},
    }


def sign_certificate(certificate: Json, signer: CertificateSigner) -> bytes:
    """Return the file: the certificate, the key's line and the signature."""
    signature = signer.sign(signed_bytes(certificate))
    return canonical(
        {
            "certificate": certificate,
            "key": key_line(KEY_NAME, signer.public),
            "signature": base64.b64encode(signature).decode(),
        }
    )


def not_covered(plan: TrainingPlan) -> tuple[str, ...]:
    """Say what the figure of epsilon is silent about."""
    unit = plan.unit.kind.value
    spread = (
        ("a person who stands in several rows: the unit is one row",)
        if plan.unit.kind is UnitKind.EXAMPLE
        else (f"rows of a user beyond the first {plan.records_per_unit}, which were left out",)
    )
    return (
        *spread,
        f"replacing one {unit} by another, which counts about twice",
        "how the recipe and its settings were chosen, if that was done by looking at this dataset",
        "bounds, vocabularies and the number of units, which are declared public",
        "data that the model was evaluated on",
        "what rounding of floating-point numbers may reveal, and how long steps took",
        "what the self-test cannot see: it tests the trainer, and proves nothing",
    )
