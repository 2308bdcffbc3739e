"""The reference pages say what the code is, and the generator overlooks nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from docs.generator import commands, errors, settings
from docs.generator.__main__ import COMMAND, PAGES, stale
from docs.generator.markdown import words
from guard.cli.starter import STARTER
from guard.domain import positioned
from guard.domain.decision import Direction
from guard.domain.entities import CATALOGUE
from guard.domain.event import EVENT_TYPES
from guard.errors import GuardError
from guard.policy.bundle import load_bundle
from guard.policy.check import check_pack
from guard.policy.dataset import load_dataset_policy
from guard.registry.configuration import load_configuration
from guard.storage.truth import read_pack

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
NO_SETTINGS = {"GUARD_REQUIRE", "GUARD_NAME", "GUARD_OUTER__INNER"}
"""One for tests, and two that stand for any name."""
EVERYTHING = """
providers:
  - {name: p, dialect: openai, base_url: "https://models.example/v1", credential: caller, region: eu,
     proxy: "http://proxy.example:3128", timeouts: {connect: 1, read: 2, total: 3}}
models: [{name: m, targets: [{provider: p, model: same}], max_tokens: 10}]
applications:
  - {name: a, tools: {secret: [t], egress: [u]}, subject_field: user, classification: public}
policies: {source: file, path: policies}
enforcement: {mode: enforce}
audit: {mode: strict}
database: sqlite:///guard.db
"""
EVERY_CONDITION = """
apiVersion: guard/v1
kind: ScreeningPolicy
metadata: {name: all}
spec:
  unmatched: {request: redact, answer: allow}
  thresholds: {JWT: 0.9}
  rules:
    - name: one
      direction: request
      when: {any: [{group: secret}], all: [{score: {at_least: 0.1, below: 0.9}}], not: {entity_type: JWT}}
      unless: {application: a, purpose: b, model: c, region: d}
      action: {mask: {keep_last: 2}}
      reason: because
    - {name: two, direction: answer, action: block, hold: sentence}
  exempt: [{rule: one, when: {group: contact}, reason: because}]
"""
EVERY_TRANSFORM = """
apiVersion: guard/v1
kind: DatasetPolicy
metadata: {name: all}
spec:
  columns: [{match: a, action: {mask: {keep_last: 2}}}, {match: b, action: {generalise: {width: 10}}}]
  types: [{entity_type: JWT, action: drop}, {group: contact, action: {generalise: {keep_first: 3}}}]
  unmatched: drop
  otherwise: keep
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the names that are read from files while the test runs."""
    names: set[str] = set()
    get = positioned.Mapping.get

    def noting(mapping: positioned.Mapping, name: str) -> positioned.Node | None:
        names.add(name)
        return get(mapping, name)

    monkeypatch.setattr(positioned.Mapping, "get", noting)
    return names


def test_no_page_is_stale() -> None:
    assert not stale(), f"renew the pages with: {COMMAND}"


def test_every_page_is_made_and_no_other_stands_there() -> None:
    assert {path.name for path in REFERENCE.iterdir()} == set(PAGES)


def test_a_changed_page_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "operators.md").write_text(PAGES["operators.md"]() + "\nMore.\n")
    monkeypatch.setattr("docs.generator.__main__.FOLDER", tmp_path)
    assert "operators.md" in stale()


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("entities.md", list(CATALOGUE)),
        (
            "events.md",
            [*EVENT_TYPES, *(name for kind in EVENT_TYPES.values() for name in kind.fields | kind.sealed)],
        ),
        ("commands.md", [f"guard {name}" for name in commands.commands()]),
        ("errors.md", [one.code for one in errors.raised()]),
        (
            "settings.md",
            [*settings.VARIABLES, *(name for known in settings.FILES.values() for name in known)],
        ),
    ],
    ids=["entities", "events", "commands", "errors", "settings"],
)
def test_every_name_stands_on_its_page(page: str, names: list[str]) -> None:
    text = (REFERENCE / page).read_text()
    assert names and not [name for name in names if name not in text]


def test_every_class_of_error_has_a_code_on_the_page() -> None:
    text = (REFERENCE / "errors.md").read_text()
    pending = [GuardError]
    while pending:
        cls = pending.pop()
        if cls.__module__ == "guard.errors":
            assert f"`{cls.code}` | {cls.__name__} |" in text
        pending += cls.__subclasses__()


def test_every_variable_that_the_code_names_has_words() -> None:
    texts = [path.read_text() for path in (ROOT / "guard").rglob("*.py")]
    texts += [(ROOT / name).read_text() for name in ("Makefile", "README.md")]
    assert settings.variables(texts) - NO_SETTINGS <= set(settings.VARIABLES)


def test_every_member_that_guard_yaml_is_read_for_is_told(asked: set[str], tmp_path: Path) -> None:
    path = tmp_path / "guard.yaml"
    for text in (EVERYTHING, STARTER):
        path.write_text(text)
        load_configuration(path)
    assert asked == set(settings.GUARD_YAML)


def test_every_member_that_screening_yaml_is_read_for_is_told(asked: set[str]) -> None:
    load_bundle(EVERY_CONDITION.encode())
    directions = {direction.value for direction in Direction}
    assert asked == set(settings.SCREENING_YAML) | directions


def test_every_member_that_tests_yaml_is_read_for_is_told(asked: set[str]) -> None:
    pack = read_pack(ROOT / "policies" / "default")
    load_bundle(pack["screening.yaml"])
    for_rules = set(asked)
    assert not [problem for problem in check_pack(pack) if problem.level == "error"]
    assert asked == for_rules | set(settings.TESTS_YAML)


def test_every_member_that_dataset_yaml_is_read_for_is_told(asked: set[str]) -> None:
    load_dataset_policy(EVERY_TRANSFORM.encode(), file="dataset.yaml")
    assert asked == set(settings.DATASET_YAML)


def test_every_dependency_has_its_reasons() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    names = {re.split(r"[\[<>=;~ ]", one)[0] for one in wanted}
    page = (ROOT / "docs" / "dependencies.md").read_text()
    told = {name for row in re.findall(r"^\| ([\w, -]+) \|", page, re.MULTILINE) for name in row.split(", ")}
    assert told - {"dependency"} == names - {"guard"}


def test_decisions_are_numbered_without_gaps_and_once() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "decisions").glob("0*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_codes_are_found_wherever_they_are_given(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "class Later:\n    message: str\n    code: str\n"
        'TEXT = "said elsewhere"\n'
        'raise InvalidRequest(f"more than {limit} rows", code="too_many")\n'
        'Later(TEXT, "later_code")\n'
        'f(code="", status_code=3)\n'
    )
    found = {(one.code, one.error, one.message) for one in errors.raised(tmp_path)}
    assert found == {
        ("too_many", "InvalidRequest", "more than … rows"),
        ("later_code", "InvalidRequest", "said elsewhere"),
    }


def test_a_name_without_words_says_where_they_belong() -> None:
    with pytest.raises(LookupError, match=re.escape("docs/generator/x.py has no words for 'new'")):
        words({}, "new", "docs/generator/x.py")
