"""Laws of private training, for whatever recipe, row, moment of a crash or changed byte."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import onnxruntime
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.training.example import example_plan, example_recipe, example_rows
from guard.audit.verify import VerificationFailed
from guard.domain.certificate import FORMAT
from guard.errors import ConfigurationError, TrainingError
from guard.keys.keyring import Signer
from guard.training.certificate import sign_certificate
from guard.training.checkpoint import pack, unpack
from guard.training.export import to_onnx
from guard.training.plan import TrainingPlan, expected_batch
from guard.training.recipe import Category, Feature, Number, Recipe, Scale, load_recipe
from guard.training.recipes.tabular import Value, encode, probabilities, width
from guard.training.sampler import PoissonSampler
from guard.training.selftest.bench import Chosen, Silence
from guard.training.state import TrainerState
from guard.training.trainer import Mechanics, Progress, Trainer, assemble, model_for
from guard.training.trainer.gradients import GhostGradients, HookGradients
from guard.training.units import read_units
from guard.training.verify import MEMBERS, verify_certificate

NAMES = st.text("abcdefg-", min_size=1, max_size=8)
SINGLE = st.floats(-1e6, 1e6, width=32)


@st.composite
def categories(draw: st.DrawFn) -> Category:
    words = draw(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=5, unique=True))
    return Category(column=draw(NAMES), vocabulary=tuple(words))


@st.composite
def numbers(draw: st.DrawFn) -> Number:
    edges = sorted(draw(st.sets(st.integers(-1000, 1000), min_size=2, max_size=6)))
    bins = tuple(map(float, edges[1:-1])) if draw(st.booleans()) else ()
    scale = Scale.LINEAR if bins else draw(st.sampled_from(Scale))
    return Number(column=draw(NAMES), low=float(edges[0]), high=float(edges[-1]), scale=scale, bins=bins)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    features: list[Feature] = draw(
        st.lists(categories() | numbers(), min_size=1, max_size=4, unique_by=lambda feature: feature.column)
    )
    return replace(example_recipe(), features=tuple(features))


def values(feature: Feature) -> st.SearchStrategy[Value]:
    if isinstance(feature, Category):
        return st.sampled_from(feature.vocabulary) | st.text(max_size=6) | st.none()
    edges = [float(np.float32(edge)) for edge in (feature.low, feature.high, *feature.bins)]
    return st.sampled_from(edges) | SINGLE | st.just(math.inf) | st.just(-math.inf) | st.none()


@st.composite
def tables(draw: st.DrawFn) -> tuple[Recipe, list[dict[str, Value]]]:
    recipe = draw(recipes())
    row = st.fixed_dictionaries({feature.column: values(feature) for feature in recipe.features})
    return recipe, draw(st.lists(row, min_size=1, max_size=5))


@given(tables())
def test_every_row_is_encoded_at_length_one(table: tuple[Recipe, list[dict[str, Value]]]) -> None:
    recipe, rows = table
    encoded = encode(recipe, rows)
    assert encoded.shape == (len(rows), width(recipe))
    assert np.allclose(np.linalg.norm(encoded, axis=1), 1, atol=1e-5)


PLAN = example_plan()


@settings(max_examples=40)
@given(tables(), st.integers(0, 2**32 - 1))
def test_the_graph_says_what_the_model_says(table: tuple[Recipe, list[dict[str, Value]]], seed: int) -> None:
    recipe, rows = table
    weights = np.random.default_rng(seed).normal(scale=5, size=(2, width(recipe))).astype(np.float32)
    session = onnxruntime.InferenceSession(
        to_onnx(replace(PLAN, recipe=recipe), weights), providers=["CPUExecutionProvider"]
    )
    feeds = {
        feature.column: np.array(
            ["" if row[feature.column] is None else row[feature.column] for row in rows], object
        )
        if isinstance(feature, Category)
        else np.array(
            [math.nan if (value := row[feature.column]) is None else value for row in rows], np.float32
        )
        for feature in recipe.features
    }
    (scores,) = session.run(["probabilities"], feeds)
    assert np.allclose(scores, probabilities(encode(recipe, rows), weights), atol=1e-5)


@given(st.integers(1, 3000), st.data())
def test_the_threshold_is_the_rate_to_the_last_bit_and_never_above(units: int, data: st.DataObject) -> None:
    batch = data.draw(st.integers(1, units))
    rate = batch / units
    threshold = PoissonSampler(rate=rate, units=1)._threshold
    numerator, denominator = rate.as_integer_ratio()
    assert threshold == (numerator << 64) // denominator


class Book:
    """Pays for steps, keeps checkpoints, and dies where it is told to."""

    def __init__(self, *, paid: int = 0, dies_before_keep: int | None = None) -> None:
        self.paid = paid
        self.kept: list[TrainerState] = []
        self._dies = dies_before_keep

    def ahead(self, executed: int) -> None:
        assert executed > self.paid
        self.paid = executed

    def keep(self, state: TrainerState) -> None:
        if self._dies is not None and len(self.kept) >= self._dies:
            raise InterruptedError
        self.kept.append(state)

    def progress(self, progress: Progress) -> None:
        assert progress.executed == self.paid

    def cancelled(self) -> bool:
        return False


def crashing_plan(steps: int, every: int, spare: int) -> TrainingPlan:
    schedule = replace(
        PLAN.recipe.schedule, steps=steps, checkpoint_every=min(every, steps), spare_steps=spare
    )
    return replace(PLAN, units=40, expected_batch=8, recipe=replace(PLAN.recipe, schedule=schedule))


UNITS = read_units(replace(PLAN, units=40), example_rows(40, seed=1))


def quiet(plan: TrainingPlan, model: torch.nn.Module, units: int) -> Mechanics:
    return replace(assemble(plan, model, units), noise=Silence(), sampler=Chosen(range(units)))


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 12), st.lists(st.integers(0, 3), max_size=4))
def test_however_often_it_dies_no_more_runs_than_is_paid_and_what_runs_is_the_same(
    steps: int, every: int, spare: int, deaths: list[int]
) -> None:
    plan = crashing_plan(steps, every, spare)
    last: TrainerState | None = None
    paid = 0
    for death in (*deaths, None):
        book = Book(paid=paid, dies_before_keep=death)
        trainer = Trainer(plan=plan, units=UNITS, model=model_for(plan.recipe), parts=quiet)
        trainer.resume(last, executed=paid)
        try:
            state = trainer.run(book)
        except InterruptedError:
            state = None
        last, paid = (book.kept[-1] if book.kept else last), book.paid
        assert paid <= plan.mechanism.steps
        if state is not None:
            break
    assert state is not None
    assert state.executed == paid and state.done <= steps
    assert state.done == steps or paid == plan.mechanism.steps, "it ends early only if nothing is left"
    if state.done:
        uninterrupted = Trainer(
            plan=crashing_plan(state.done, every, 0), units=UNITS, model=model_for(plan.recipe), parts=quiet
        ).run(Book())
        assert np.allclose(state.weights, uninterrupted.weights, atol=1e-9)


@given(
    st.lists(
        st.lists(SINGLE | st.sampled_from([math.nan, math.inf, 1e30]), min_size=3, max_size=3), max_size=6
    ),
    st.data(),
)
def test_no_unit_moves_a_sum_further_than_the_bound(rows: list[list[float]], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([GhostGradients, HookGradients]))
    labels = torch.tensor([data.draw(st.integers(0, 1)) for _ in rows], dtype=torch.int64)
    features = torch.tensor(rows, dtype=torch.float32).reshape(len(rows), 3)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh(), torch.nn.Linear(2, 2))
    made = kind(model, bound=0.5)
    whole = made.clipped_sum(features, labels)
    assert whole.isfinite().all()
    for unit in range(len(rows)):
        others = torch.arange(len(rows)) != unit
        moved = (whole - made.clipped_sum(features[others], labels[others])).norm()
        assert moved <= 0.5 * (1 + 1e-5)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_a_packed_state_comes_back(done: int, executed: int, size: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(3, size))
    state = TrainerState(
        done=done, executed=executed, weights=vectors[0], velocity=vectors[1], average=vectors[2]
    )
    back = unpack(pack(state, plan="p"), plan="p")
    assert (back.done, back.executed) == (done, executed)
    assert np.array_equal(np.stack([back.weights, back.velocity, back.average]), vectors)


@given(st.binary(max_size=300))
def test_what_is_no_checkpoint_is_refused_and_nothing_else_happens(data: bytes) -> None:
    try:
        unpack(data, plan="p")
    except TrainingError:
        return
    raise AssertionError("accepted")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))
SIGNED = st.dictionaries(st.sampled_from(sorted(MEMBERS)), JSON).map(
    lambda some: sign_certificate({**dict.fromkeys(MEMBERS), "format": FORMAT, **some}, SIGNER)
)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | SIGNED)
def test_verifying_raises_only_verification_failed(data: bytes) -> None:
    try:
        verify_certificate(data)
    except VerificationFailed:
        return
    raise AssertionError("accepted")


@given(st.text(max_size=200))
def test_reading_a_recipe_raises_only_configuration_errors(text: str) -> None:
    try:
        load_recipe(text.encode())
    except ConfigurationError:
        return
    raise AssertionError("accepted")


@given(st.integers(1, 10**6))
def test_a_rate_becomes_a_whole_batch_of_no_higher_rate(units: int) -> None:
    schedule = PLAN.recipe.schedule
    batch = expected_batch(schedule, units)
    assert 1 <= batch <= units
    assert batch == 1 or batch / units <= 0.2 * (1 + 1e-12)
