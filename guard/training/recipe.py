"""A recipe as written: what is learnt from which columns, and at what privacy.

``recipe.yaml`` is read into frozen values; every error says file, line and column. Bounds
and vocabularies stand in the file because they must be public: anything measured on the
rows would itself have to be paid for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from guard.domain import positioned
from guard.domain.positioned import Mapping, Node
from guard.registry.cards import ESTABLISHED, FIELDS

__all__ = ["Category", "Feature", "Number", "Privacy", "Recipe", "Scale", "Schedule", "Target", "load_recipe"]

API_VERSION = "guard/v1"
KIND = "TrainingRecipe"
RECIPES = ("tabular-classification",)
PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
LARGEST = 1e15
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names of models that an address can hold."""
LONGEST_COLUMN = 128
"""Characters of a column that can be the name of a tensor."""
MOST_PLACES = 20_000
"""Words and edges of all features together."""


class Scale(StrEnum):
    """How a number without bins becomes a feature between 0 and 1."""

    LINEAR = "linear"
    LOG = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A column with a public vocabulary; every other value counts as one more word."""

    column: str
    vocabulary: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A column with public bounds. ``bins``: rising edges; without them ``scale`` applies."""

    column: str
    low: float
    high: float
    scale: Scale
    bins: tuple[float, ...]


Feature = Category | Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is predicted; a row with another value teaches nothing."""

    column: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """What the job may cost. ``records_per_user`` is there if the dataset's unit is a user."""

    epsilon: float
    delta: float
    max_grad_norm: float
    records_per_user: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How it is trained. Exactly one of ``expected_batch`` and ``sample_rate`` is given.

    ``spare_steps``: steps paid for but only run to make up for a crash.
    ``checkpoint_every``: steps between checkpoints, and so what a crash can waste.
    """

    expected_batch: int | None
    sample_rate: float | None
    steps: int
    spare_steps: int
    checkpoint_every: int
    learning_rate: float
    momentum: float
    averaging: float
    """Weight of the past in the running average of the iterates; 0 takes the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe that was read without an error. ``dataset``: a registered name or id."""

    name: str
    recipe: str
    dataset: str
    target: Target
    features: tuple[Feature, ...]
    privacy: Privacy
    schedule: Schedule
    card: tuple[tuple[str, str], ...] = ()
    """What people say of the model: fields of its card and their texts."""


def load_recipe(data: bytes, *, file: str = "recipe.yaml") -> Recipe:
    """Read a recipe. Raises ``ConfigurationError`` with file:line:column."""
    top = positioned.load(data, file=file).mapping()
    top.need("apiVersion").word([API_VERSION])
    top.need("kind").word([KIND])
    metadata = top.need("metadata").mapping()
    name = metadata.need("name")
    if NAME.fullmatch(name.text()) is None:
        raise positioned.problem(
            name.place,
            "a model's name has at most 64 letters, digits and . _ - and begins with a letter or digit",
        )
    metadata.finish()
    spec = top.need("spec").mapping()
    top.finish()
    recipe = Recipe(
        name=name.text(),
        recipe=spec.need("recipe").word(RECIPES),
        dataset=spec.need("dataset").text(),
        target=_target(spec.need("target")),
        features=_features(spec.need("features")),
        privacy=_privacy(spec.need("privacy")),
        schedule=_schedule(spec.need("schedule")),
        card=_card(spec.get("card")),
    )
    spec.finish()
    _target_is_no_feature(recipe, spec)
    return recipe


def _card(node: Node | None) -> tuple[tuple[str, str], ...]:
    if node is None:
        return ()
    members = node.mapping()
    written = {name: members.get(name) for name in FIELDS if name not in ESTABLISHED}
    members.finish()
    for text in written.values():
        # A card is shown on terminals, where an escape could say something else.
        if text is not None and not text.text().replace("\n", "").isprintable():
            raise positioned.problem(text.place, "a card is plain text")
    return tuple((name, text.text()) for name, text in written.items() if text is not None)


def _target_is_no_feature(recipe: Recipe, spec: Mapping) -> None:
    for feature, node in zip(recipe.features, spec.members["features"].items(), strict=True):
        if feature.column == recipe.target.column:
            raise positioned.problem(node.place, f"{feature.column!r} is the target, so it is no feature")


def _decimal(node: Node, low: float, high: float) -> float:
    """Return a number; YAML 1.1 reads ``1e-5``, which has no dot, as a text."""
    if isinstance(node.value, str) and PLAIN_NUMBER.fullmatch(node.value):
        node = Node(node.place, float(node.value))
    return float(node.number(low, high))


def _positive(node: Node, high: float) -> float:
    value = _decimal(node, 0, high)
    if value <= 0:
        raise positioned.problem(node.place, "expected a number above 0")
    return value


def _count(node: Node, low: int, high: int) -> int:
    value = _decimal(node, low, high)
    if value != int(value):
        raise positioned.problem(node.place, "expected a whole number")
    return int(value)


def _words(node: Node, *, least: int) -> tuple[str, ...]:
    """Return distinct words; whole numbers are words too."""
    words: dict[str, None] = {}
    for item in node.items():
        whole = isinstance(item.value, int) and not isinstance(item.value, bool)
        word = str(item.value) if whole else item.text()
        if word in words:
            raise positioned.problem(item.place, f"{word!r} stands here twice")
        words[word] = None
    if len(words) < least:
        raise positioned.problem(node.place, f"expected at least {least} words")
    return tuple(words)


def _target(node: Node) -> Target:
    members = node.mapping()
    target = Target(column=_column(members), classes=_words(members.need("classes"), least=2))
    members.finish()
    return target


def _column(members: Mapping) -> str:
    node = members.need("column")
    if not node.text().isprintable() or not 0 < len(node.text()) <= LONGEST_COLUMN:
        raise positioned.problem(node.place, f"a column has at most {LONGEST_COLUMN} printable characters")
    return node.text()


def _features(node: Node) -> tuple[Feature, ...]:
    features: dict[str, Feature] = {}
    places = 0
    for item in node.items():
        feature = _feature(item)
        if feature.column in features:
            raise positioned.problem(item.place, f"a second feature reads {feature.column!r}")
        features[feature.column] = feature
        places += len(feature.vocabulary if isinstance(feature, Category) else feature.bins) + 1
        if places > MOST_PLACES:
            raise positioned.problem(item.place, f"more than {MOST_PLACES} words and edges in all")
    if not features:
        raise positioned.problem(node.place, "expected at least one feature")
    return tuple(features.values())


def _feature(node: Node) -> Feature:
    members = node.mapping()
    column = _column(members)
    vocabulary = members.get("vocabulary")
    if vocabulary is not None:
        members.finish()
        return Category(column=column, vocabulary=_words(vocabulary, least=1))
    if members.get("low") is None or members.get("high") is None:
        raise positioned.problem(
            node.place, f"{column!r} needs a vocabulary, or low and high; they must be public"
        )
    low, high = (_decimal(members.need(name), -LARGEST, LARGEST) for name in ("low", "high"))
    if low >= high:
        raise positioned.problem(members.need("high").place, "expected high above low")
    bins, scale = members.get("bins"), members.get("scale")
    members.finish()
    if bins is not None and scale is not None:
        raise positioned.problem(scale.place, "bins or scale, not both")
    return Number(
        column=column,
        low=low,
        high=high,
        scale=Scale(scale.word([scale.value for scale in Scale])) if scale else Scale.LINEAR,
        bins=_bins(bins, low, high) if bins else (),
    )


def _bins(node: Node, low: float, high: float) -> tuple[float, ...]:
    edges: list[float] = []
    for item in node.items():
        edge = _decimal(item, low, high)
        if edge <= (edges[-1] if edges else low):
            raise positioned.problem(item.place, "edges must rise, from above low")
        edges.append(edge)
    return tuple(edges)


def _privacy(node: Node) -> Privacy:
    members = node.mapping()
    records = members.get("records_per_user")
    privacy = Privacy(
        epsilon=_positive(members.need("epsilon"), 100),
        delta=_positive(members.need("delta"), 0.01),
        max_grad_norm=_positive(members.need("max_grad_norm"), 1e6),
        records_per_user=_count(records, 1, 1000) if records else None,
    )
    members.finish()
    return privacy


def _schedule(node: Node) -> Schedule:
    members = node.mapping()
    batch, rate = members.get("expected_batch"), members.get("sample_rate")
    if (batch is None) == (rate is None):
        raise positioned.problem(node.place, "expected either expected_batch or sample_rate")
    steps = _count(members.need("steps"), 1, 1_000_000)
    every, spare = members.get("checkpoint_every"), members.get("spare_steps")
    checkpoint_every = _count(every, 1, steps) if every else max(1, steps // 50)
    average, momentum = members.get("averaging"), members.get("momentum")
    schedule = Schedule(
        expected_batch=_count(batch, 1, 2**31) if batch else None,
        sample_rate=_positive(rate, 1) if rate else None,
        steps=steps,
        spare_steps=_count(spare, 0, steps) if spare else min(steps, 2 * checkpoint_every),
        checkpoint_every=checkpoint_every,
        learning_rate=_positive(members.need("learning_rate"), 1e6),
        momentum=_decimal(momentum, 0, 0.999) if momentum else 0.0,
        averaging=_decimal(average, 0, 0.9999) if average else 0.0,
    )
    members.finish()
    return schedule
