"""Before the first private step: does this trainer do what its plan says?

The same plan and the same code path run on synthetic canaries, at no cost in privacy. An
audit by attack alone misses most faults (halved noise, a bound for each layer, division
by the batch's own size); tests of conformance find each of them in seconds.
"""

from __future__ import annotations

from guard.training.checks import SelfTest
from guard.training.plan import TrainingPlan
from guard.training.selftest.audit import audit_check
from guard.training.selftest.bench import Bench
from guard.training.selftest.counting import division_check, steps_check
from guard.training.selftest.randomness import noise_check, sampling_check
from guard.training.selftest.sensitivity import sensitivity_check
from guard.training.trainer import Assemble, assemble

__all__ = ["run_selftest"]


def run_selftest(plan: TrainingPlan, *, parts: Assemble = assemble) -> SelfTest:
    """Check the trainer that ``parts`` assembles for ``plan``; takes seconds."""
    bench = Bench(plan, parts)
    return SelfTest(
        plan=plan.digest,
        checks=(
            sensitivity_check(bench),
            noise_check(bench),
            sampling_check(bench),
            division_check(bench),
            steps_check(bench),
            audit_check(bench),
        ),
    )
