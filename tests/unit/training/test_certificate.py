"""Certificates: what they say, and that nothing in one can be changed unseen."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.verify import VerificationFailed, key_line
from guard.domain.canonical import Json, canonical
from guard.errors import TrainingError
from guard.keys.keyring import Signer
from guard.training.certificate import certificate_of, not_covered, sign_certificate
from guard.training.checks import CHECKS, Check, SelfTest
from guard.training.plan import TrainingPlan
from guard.training.state import TrainerState
from guard.training.verify import verify_certificate
from tests.unit.training.conftest import Trained

OTHER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def test_a_certificate_says_what_was_promised_and_what_ran(trained: Trained) -> None:
    found = verify_certificate(trained.file, key=trained.key, model=trained.onnx)
    assert (found.unit, found.relation, found.delta) == ("example", "add-remove", 1e-5)
    assert found.executed == 20
    assert 1.5 < found.epsilon <= 2, "two spare steps were not run"
    assert found.epsilon <= found.second_epsilon <= found.epsilon + 0.011
    assert (found.dataset, found.root) == (trained.plan.dataset, trained.plan.root)
    assert found.plan == trained.plan.digest and found.job == "job-1"
    assert found.not_covered == not_covered(trained.plan)


def test_the_file_is_canonical_json_without_floats(trained: Trained) -> None:
    def refuse(number: str) -> float:
        raise AssertionError(number)

    assert canonical(json.loads(trained.file, parse_float=refuse)) == trained.file


def test_without_a_key_the_file_is_only_whole(trained: Trained) -> None:
    assert verify_certificate(trained.file).key == trained.key
    forged = sign_certificate(trained.certificate, OTHER)
    assert verify_certificate(forged).key != trained.key
    with pytest.raises(VerificationFailed, match="another key"):
        verify_certificate(forged, key=trained.key)


def test_a_users_certificate_names_the_user_and_the_bound(trained: Trained) -> None:
    privacy = replace(trained.plan.recipe.privacy, records_per_user=4)
    plan = replace(trained.plan, recipe=replace(trained.plan.recipe, privacy=privacy))
    unit = replace(plan.unit, kind=type(plan.unit.kind)("user"), column="customer")
    plan = replace(plan, unit=unit)
    file = certified(trained, plan=plan, selftest=replace(trained.selftest, plan=plan.digest))
    found = verify_certificate(file, key=trained.key)
    assert found.unit == "user (customer)"
    assert "rows of a user beyond the first 4" in found.not_covered[0]


def certified(
    trained: Trained,
    *,
    plan: TrainingPlan | None = None,
    state: TrainerState | None = None,
    selftest: SelfTest | None = None,
) -> bytes:
    made = certificate_of(
        plan or trained.plan,
        state or trained.state,
        selftest or trained.selftest,
        job="job-1",
        model="0" * 64,
        issued=1,
    )
    return sign_certificate(made, trained.signer)


Place = tuple[str | int, ...]


def changed(value: Json, path: Place, new: Json) -> Json:
    """Return JSON with another value at one place."""
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, dict) and isinstance(first, str):
        return {**value, first: changed(value.get(first), rest, new)}
    if isinstance(value, list) and isinstance(first, int):
        return [
            changed(member, rest, new) if index == first else member for index, member in enumerate(value)
        ]
    raise AssertionError(path)


def test_a_run_that_was_cut_short_costs_less(trained: Trained) -> None:
    state = replace(trained.state, done=3, executed=5)
    found = verify_certificate(certified(trained, state=state), key=trained.key)
    assert found.executed == 5
    assert found.epsilon < verify_certificate(trained.file).epsilon


def test_no_certificate_without_a_passed_selftest_of_this_plan(trained: Trained) -> None:
    failed = tuple(Check(name=name, passed=name != "noise", figures={}) for name in CHECKS)
    with pytest.raises(TrainingError, match=r"failed \(noise\)"):
        certified(trained, selftest=replace(trained.selftest, checks=failed))
    with pytest.raises(TrainingError, match=r"failed \(its plan\)"):
        certified(trained, selftest=replace(trained.selftest, plan="sha256:other"))
    with pytest.raises(TrainingError, match="no step"):
        certified(trained, state=replace(trained.state, done=0))


LIES = [
    ("epsilon", ("epsilon", "pld"), "0.5", "epsilon is not what"),
    ("epsilon a little", ("epsilon", "pld"), "1.5", "epsilon is not what"),
    ("epsilon nan", ("epsilon", "pld"), "nan", "epsilon is not what"),
    ("second epsilon", ("epsilon", "prv"), "3.0", "second accountant"),
    ("second epsilon below", ("epsilon", "prv"), "0.1", "second accountant"),
    ("target", ("epsilon", "target"), "1.0", "target is not as planned"),
    ("delta", ("delta",), "1e-06", "delta is not as planned"),
    ("unit", ("unit",), {"column": None, "kind": "user"}, "unit is not as planned"),
    ("relation", ("relation",), "replace-one", "relation is not as planned"),
    ("dataset", ("dataset", "id"), "another", "dataset is not as planned"),
    ("root", ("dataset", "root"), "another", "dataset is not as planned"),
    ("code", ("code",), "sha256:0", "code is not as planned"),
    ("plan", ("plan", "noise_multiplier"), "9.0", "does not have its digest"),
    ("sample rate", ("mechanism", "sample_rate"), "0.1", "do not follow from the plan"),
    ("noise", ("mechanism", "noise_multiplier"), "9.0", "do not follow from the plan"),
    ("fewer steps", ("steps", "executed"), 10, "the steps are not those"),
    ("more steps", ("steps", "executed"), 40, "the steps are not those"),
    ("more in the weights", ("steps", "in_weights"), 21, "the steps are not those"),
    ("none in the weights", ("steps", "in_weights"), 0, "the steps are not those"),
    ("planned", ("steps", "planned"), 30, "the steps are not those"),
    ("negative steps", ("steps", "executed"), -1, "a count is missing"),
    ("true steps", ("steps", "executed"), True, "a count is missing"),
    ("failed check", ("selftest", 1, "passed"), False, "self-test failed (noise)"),
    ("nearly passed", ("selftest", 1, "passed"), "yes", "self-test failed (noise)"),
    ("missing check", ("selftest",), [], "self-test is not complete"),
    ("renamed check", ("selftest", 0, "name"), "noise", "self-test is not complete"),
    ("longer number", ("delta",), "0.00001", "delta is not as planned"),
    ("format", ("format",), "guard-certificate/2", "not of the format"),
    ("one more member", ("praise",), "very private", "not of the format"),
    ("no object", ("mechanism",), [], "an object is missing"),
    ("no text", ("job",), 7, "a text is missing"),
    ("no list", ("not_covered",), 7, "malformed"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), [row[1:] for row in LIES], ids=[row[0] for row in LIES]
)
def test_a_lie_is_found_even_if_it_is_signed(
    trained: Trained, path: Place, value: Json, message: str
) -> None:
    lie = changed(trained.certificate, path, value)
    with pytest.raises(VerificationFailed) as caught:
        verify_certificate(sign_certificate(lie, trained.signer), key=trained.key)
    assert message in str(caught.value)


def test_the_epsilon_of_fewer_steps_is_found(trained: Trained) -> None:
    fewer = certified(trained, state=replace(trained.state, done=3, executed=5))
    cheaper: Json = json.loads(fewer)["certificate"]["epsilon"]
    lie = changed(trained.certificate, ("epsilon",), cheaper)
    with pytest.raises(VerificationFailed, match="epsilon is not what"):
        verify_certificate(sign_certificate(lie, trained.signer), key=trained.key)


def test_any_changed_byte_is_found(trained: Trained) -> None:
    chance = random.Random(2)
    for place in chance.sample(range(len(trained.file)), 200):
        changed = bytearray(trained.file)
        changed[place] ^= 1 << chance.randrange(8)
        with pytest.raises(VerificationFailed):
            verify_certificate(bytes(changed), key=trained.key)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"7", b"\xff", b'{"certificate":{},"key":"","signature":""}', b"[" * 10_000],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationFailed):
        verify_certificate(data)


@pytest.mark.parametrize(
    "change", [lambda d: d + b" ", lambda d: d[:-1], lambda d: d.replace(b":", b": ", 1)]
)
def test_other_bytes_of_the_same_meaning_are_refused(
    trained: Trained, change: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(VerificationFailed):
        verify_certificate(change(trained.file), key=trained.key)


def test_another_model_is_refused(trained: Trained) -> None:
    changed = bytearray(trained.onnx)
    changed[len(changed) // 2] ^= 1
    with pytest.raises(VerificationFailed, match="the model is another one"):
        verify_certificate(trained.file, key=trained.key, model=bytes(changed))


def test_a_key_that_is_none_is_refused(trained: Trained) -> None:
    for key in ("", "guard", "guard+00000000+AA==", key_line("guard", OTHER.public)):
        with pytest.raises(VerificationFailed):
            verify_certificate(trained.file, key=key)


def test_a_signed_checkpoint_is_no_certificate(trained: Trained) -> None:
    """The same key signs both; the first line keeps them apart."""
    signature = base64.b64encode(trained.signer.sign(canonical(trained.certificate))).decode()
    file = changed(json.loads(trained.file), ("signature",), signature)
    with pytest.raises(VerificationFailed, match="signature is wrong"):
        verify_certificate(canonical(file), key=trained.key)


BARE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in "torch opacus onnx onnxruntime safetensors sqlalchemy pyarrow".split():
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from pathlib import Path
from guard.training.verify import verify_certificate
print(verify_certificate(Path(sys.argv[1]).read_bytes(), key=sys.argv[2]).executed)
"""


def test_verifying_needs_neither_torch_nor_a_database(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    path.write_bytes(trained.file)
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(path), trained.key],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == "20\n"
