"""Check a certificate offline: needs the extra ``verify`` (dp-accounting), neither torch nor a database.

What is checked, in this order:
 1. the file is canonical JSON of the known shape;
 2. the signature is the given key's;
 3. the plan has its digest, and what the certificate claims stands in the plan;
 4. sample rate and noise follow from the plan, no more steps ran than were planned;
 5. epsilon, computed anew from sample rate, noise and executed steps, is what is claimed,
    the second accountant agrees, and the target is kept;
 6. every check of the self-test was made and passed;
 7. the model, if it is given, is the one that the certificate is about.
What the caller still owes: the right public key, from somewhere else than the certificate.

``VerificationFailed`` is the only exception that escapes.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import cast

from guard.audit.verify import VerificationFailed, decode, ed25519_verify, parse_key
from guard.domain.canonical import Json, digest
from guard.domain.certificate import FORMAT, signed_bytes
from guard.domain.privacy import Mechanism
from guard.training.accounting import epsilon_pld
from guard.training.checks import CHECKS

__all__ = ["Verified", "verify_certificate"]

Object = dict[str, Json]
MEMBERS = frozenset(
    "code dataset delta epsilon format issued job ledger libraries mechanism model noise not_covered "
    "plan plan_digest relation selftest steps unit".split()
)
ACCOUNTING = 1e-4
"""How far another version of the accountant may be off."""
SECOND = 0.011
"""How far the second accountant, which adds its own error, may lie above the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a certificate says, after every check. ``digest``: SHA-256 of the file, hex."""

    digest: str
    key: str
    plan: str
    model: str
    job: str
    dataset: str
    root: str
    unit: str
    relation: str
    delta: float
    epsilon: float
    second_epsilon: float
    executed: int
    issued: int
    not_covered: tuple[str, ...]


def verify_certificate(data: bytes, *, key: str | None = None, model: bytes | None = None) -> Verified:
    """Check a certificate.

    ``key``: the verifier key (``NAME+HASH+BASE64``) that it must be signed by; without it
    the key in the file counts, which proves only that the file is whole. ``model``: the
    ONNX file. Raises ``VerificationFailed``.
    """
    try:
        return _verify(data, key, model)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise VerificationFailed(f"certificate: malformed ({type(error).__name__})") from None


def _verify(data: bytes, key: str | None, model: bytes | None) -> Verified:
    file = _object(decode(data, "certificate"))  # 1
    if set(file) != {"certificate", "key", "signature"}:
        raise VerificationFailed("certificate: not of the known shape")
    certificate = _object(file["certificate"])
    if set(certificate) != MEMBERS or certificate["format"] != FORMAT:
        raise VerificationFailed(f"certificate: not of the format {FORMAT}")
    line = key if key is not None else _text(file["key"])
    _check_signature(file, line)  # 2
    _check_plan(certificate)  # 3
    mechanism = _mechanism(certificate)  # 4
    _check_epsilon(certificate, mechanism)  # 5
    _check_selftest(certificate)  # 6
    if model is not None and hashlib.sha256(model).hexdigest() != certificate["model"]:  # 7
        raise VerificationFailed("certificate: the model is another one, or was changed")
    return _verified(data, line, certificate)


def _check_signature(file: Object, line: str) -> None:
    _, public = parse_key(line)
    if file["key"] != line:
        raise VerificationFailed("certificate: signed by another key than the one given")
    signature = base64.b64decode(_text(file["signature"]), validate=True)
    message = signed_bytes(file["certificate"])
    if base64.b64encode(signature).decode() != file["signature"] or not ed25519_verify(
        public, message, signature
    ):
        raise VerificationFailed("certificate: the signature is wrong")


def _check_plan(certificate: Object) -> None:
    plan = _object(certificate["plan"])
    if digest(plan) != certificate["plan_digest"]:
        raise VerificationFailed("certificate: the plan does not have its digest")
    privacy = _object(_object(plan["recipe"])["privacy"])
    claimed = {
        "unit": certificate["unit"],
        "relation": certificate["relation"],
        "delta": certificate["delta"],
        "target": _object(certificate["epsilon"])["target"],
        "dataset": certificate["dataset"],
        "code": certificate["code"],
    }
    planned = {
        "unit": plan["unit"],
        "relation": plan["relation"],
        "delta": privacy["delta"],
        "target": privacy["epsilon"],
        "dataset": {"id": plan["dataset"], "root": plan["root"]},
        "code": plan["code"],
    }
    for name, value in claimed.items():
        if value != planned[name]:
            raise VerificationFailed(f"certificate: {name} is not as planned")


def _mechanism(certificate: Object) -> Mechanism:
    plan = _object(certificate["plan"])
    schedule = _object(_object(plan["recipe"])["schedule"])
    steps, claimed = _object(certificate["steps"]), _object(certificate["mechanism"])
    rate = _count(plan["expected_batch"]) / _count(plan["units"])
    noise = _decimal(plan["noise_multiplier"])
    if claimed != {"noise_multiplier": repr(noise), "sample_rate": repr(rate)}:
        raise VerificationFailed("certificate: sample rate or noise do not follow from the plan")
    planned = _count(schedule["steps"]) + _count(schedule["spare_steps"])
    executed, in_weights = _count(steps["executed"]), _count(steps["in_weights"])
    if steps["planned"] != planned or not 0 < in_weights <= executed <= planned:
        raise VerificationFailed("certificate: the steps are not those of the plan")
    return Mechanism(sample_rate=rate, noise_multiplier=noise, steps=executed)


def _check_epsilon(certificate: Object, mechanism: Mechanism) -> None:
    epsilon = {name: _decimal(value) for name, value in _object(certificate["epsilon"]).items()}
    computed = epsilon_pld([mechanism], delta=_decimal(certificate["delta"]))
    if not abs(epsilon["pld"] - computed) <= ACCOUNTING:
        raise VerificationFailed("certificate: epsilon is not what its sample rate, noise and steps cost")
    if not epsilon["pld"] - ACCOUNTING <= epsilon["prv"] <= epsilon["pld"] + SECOND:
        raise VerificationFailed("certificate: the second accountant does not agree")
    if not epsilon["pld"] <= epsilon["target"] + ACCOUNTING:
        raise VerificationFailed("certificate: epsilon is above its target")


def _check_selftest(certificate: Object) -> None:
    checks = [_object(check) for check in cast("list[Json]", certificate["selftest"])]
    if tuple(check["name"] for check in checks) != CHECKS:
        raise VerificationFailed("certificate: the self-test is not complete")
    failed = [_text(check["name"]) for check in checks if check["passed"] is not True]
    if failed:
        raise VerificationFailed(f"certificate: the self-test failed ({', '.join(failed)})")


def _verified(data: bytes, line: str, certificate: Object) -> Verified:
    unit, dataset = _object(certificate["unit"]), _object(certificate["dataset"])
    epsilon = _object(certificate["epsilon"])
    named = f"{_text(unit['kind'])} ({unit['column']})" if unit["column"] else _text(unit["kind"])
    return Verified(
        digest=hashlib.sha256(data).hexdigest(),
        key=line,
        plan=_text(certificate["plan_digest"]),
        model=_text(certificate["model"]),
        job=_text(certificate["job"]),
        dataset=_text(dataset["id"]),
        root=_text(dataset["root"]),
        unit=named,
        relation=_text(certificate["relation"]),
        delta=_decimal(certificate["delta"]),
        epsilon=_decimal(epsilon["pld"]),
        second_epsilon=_decimal(epsilon["prv"]),
        executed=_count(_object(certificate["steps"])["executed"]),
        issued=_count(certificate["issued"]),
        not_covered=tuple(_text(line) for line in cast("list[Json]", certificate["not_covered"])),
    )


def _object(value: Json) -> Object:
    if not isinstance(value, dict):
        raise VerificationFailed("certificate: an object is missing")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise VerificationFailed("certificate: a text is missing")
    return value


def _count(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise VerificationFailed("certificate: a count is missing")
    return value


def _decimal(value: Json) -> float:
    """Return a number that is written as the shortest decimal that reads back the same."""
    number = float(_text(value))
    if repr(number) != value:
        raise VerificationFailed("certificate: a number is not in its shortest form")
    return number
