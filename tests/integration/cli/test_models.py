"""``guard models``: which versions there are, what they are made of, and which one is served."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from guard.domain.model import ModelVersion, Stage
from guard.registry.cards import FIELDS
from guard.registry.versions import registered
from guard.settings import Settings
from guard.storage.installation import Installation, open_installation
from tests.integration.cli.conftest import Guard

VERSION = ModelVersion(
    name="income",
    version=1,
    tenant="default",
    digest="a" * 64,
    certificate="c" * 64,
    dataset="sha256:d",
    job="j1",
    stage=Stage.DRAFT,
    card={**dict.fromkeys(FIELDS, "said"), "privacy": "epsilon 0.812"},
    created=1_764_000_000_000_000,
)


@pytest.fixture
def installation(data_dir: Path) -> Iterator[Installation]:
    opened = open_installation(data_dir, Settings(data_dir=data_dir).config_path)
    yield opened
    opened.close()


def add(installation: Installation, version: ModelVersion = VERSION) -> None:
    installation.models.add(version, registered(version, "me"))


def test_without_a_model_there_is_an_empty_list(guard: Guard) -> None:
    assert guard("models", "list", "--json").json == []
    assert guard("models", "list").out.split() == ["name", "version", "stage", "dataset", "privacy", "made"]


def test_models_are_listed_newest_first(guard: Guard, installation: Installation) -> None:
    add(installation)
    add(installation, replace(VERSION, version=2, job="j2"))
    lines = guard("models", "list").out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["income", "2", "draft"], ["income", "1", "draft"]]
    assert "epsilon 0.812" in lines[1] and "sha256:d" in lines[1]


def test_a_card_is_shown_with_what_the_model_is_made_of(guard: Guard, installation: Installation) -> None:
    add(installation)
    out = guard("models", "show", "income").out
    assert out.startswith("income version 1, draft, made 2025-11-24")
    assert all(
        text in out for text in ("intended use", "said", "a" * 64, "sha256:d", "j1", ".certificate.json")
    )
    shown = guard("models", "show", "income", "--version", "1", "--json").json
    assert (
        isinstance(shown, dict)
        and shown["card"] == VERSION.card
        and shown["lineage"] == list(VERSION.lineage)
    )
    done = guard("models", "show", "other")
    assert done.code == 2 and "guard models list" in done.err
    assert guard("models", "show", "income", "--version", "9").code == 2


def test_one_version_is_in_production_and_the_log_says_so(guard: Guard, installation: Installation) -> None:
    add(installation)
    add(installation, replace(VERSION, version=2, job="j2"))
    assert guard("models", "stage", "income", "--to", "production", "--version", "1").code == 0
    assert (
        guard("models", "stage", "income", "--to", "production").out == "income version 2 is in production\n"
    )
    stages = {(found.version, found.stage) for found in installation.models.list()}
    assert stages == {(1, Stage.RETIRED), (2, Stage.PRODUCTION)}
    moved = guard("models", "stage", "income", "--to", "retired", "--json").json
    assert moved == {"name": "income", "version": 2, "stage": "retired"}
    leaves = [json.loads(line) for line in guard("log", "tail", "--json").out.splitlines()]
    told = [(leaf["version"], leaf["stage"]) for leaf in leaves if leaf["type"] == "model.staged"]
    assert told == [(1, "production"), (2, "production"), (2, "retired")]
    assert all(str(os.getuid()) not in json.dumps(leaf.get("name")) for leaf in leaves)


def test_a_card_that_says_too_little_is_not_served(guard: Guard, installation: Installation) -> None:
    add(installation, replace(VERSION, card={**VERSION.card, "owner": "  "}))
    done = guard("models", "stage", "income", "--to", "production")
    assert done.code == 2 and "the model card lacks: owner (who answers for it)" in done.err
    assert installation.models.find("income").stage is Stage.DRAFT


@pytest.mark.parametrize("name", ["demo-echo", "demo-income"])
def test_a_name_that_the_configuration_answers_to_is_not_taken_over(
    guard: Guard, installation: Installation, name: str
) -> None:
    """``demo-*`` leads to the demo model: its callers must not find themselves elsewhere."""
    add(installation, replace(VERSION, name=name))
    done = guard("models", "stage", name, "--to", "production")
    assert done.code == 2 and "guard.yaml has a model 'demo-*'" in done.err
    assert guard("models", "stage", name, "--to", "retired").code == 0


@pytest.mark.parametrize("name", ["", "../../etc", "a b", "x" * 300, "'; DROP TABLE model; --"])
def test_an_odd_name_is_no_model(guard: Guard, installation: Installation, name: str) -> None:
    add(installation)
    assert guard("models", "stage", name, "--to", "production").code == 2
    assert len(installation.models.list()) == 1


def test_another_stage_is_a_wrong_use(guard: Guard, installation: Installation) -> None:
    add(installation)
    assert guard("models", "stage", "income", "--to", "live").code == 2
