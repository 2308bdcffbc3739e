"""``guard.yaml``: what it may say, and where it is wrong."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from guard.domain.catalogue import Timeouts
from guard.domain.exchange import Target
from guard.domain.principal import Application, Classification, Tools
from guard.errors import ConfigurationError
from guard.registry.configuration import Configuration, load_configuration, uses
from guard.registry.providers import DEMO, MODELS

TODAY = date(2026, 11, 24)
PROVIDERS = """providers:
  - {name: demo, dialect: openai, base_url: "builtin:demo"}
  - name: openai
    dialect: openai
    base_url: https://api.openai.com/v1/
    credential: env:OPENAI_API_KEY
    region: us
"""
MODELS_PART = """models:
  - {name: "demo-*", targets: [{provider: demo, model: same}]}
"""
WHOLE = (
    PROVIDERS
    + MODELS_PART
    + """  - name: gpt-5-mini
    max_tokens: 9000
    targets: [{provider: openai, model: gpt-5-mini-2026}, {provider: demo, model: demo-echo}]
applications:
  - name: laptop-agents
    tools: {secret: [Write, Edit], egress: "mcp__*"}
    subject_field: metadata.user_id
    classification: confidential
policies: {source: file, path: rules}
enforcement: enforce
audit: {mode: strict}
database: sqlite:///data/guard.db
"""
)


def load(folder: Path, text: str) -> Configuration:
    """Read a configuration as of a fixed day."""
    path = folder / "guard.yaml"
    path.write_text(text)
    return load_configuration(path, today=TODAY)


def wrong(folder: Path, text: str) -> str:
    """Return what is wrong with a configuration, without the path."""
    with pytest.raises(ConfigurationError) as refused:
        load(folder, text)
    return refused.value.message.removeprefix(str(folder / "guard.yaml"))


def test_everything_that_may_be_said_is_read(tmp_path: Path) -> None:
    known = load(tmp_path, WHOLE)
    demo, openai = known.catalogue.providers.values()
    assert (demo.base_url, demo.region, demo.credential) == (DEMO, "local", None)
    assert (openai.base_url, openai.region) == ("https://api.openai.com/v1", "us")
    assert (openai.credential, openai.timeouts) == ("env:OPENAI_API_KEY", Timeouts())
    pattern, mini = known.catalogue.models
    assert pattern.targets == (Target(provider="demo", model="same", region="local"),)
    assert (mini.name, mini.max_tokens) == ("gpt-5-mini", 9000)
    assert [target.region for target in mini.targets] == ["us", "local"]
    assert known.catalogue.applications == {
        "laptop-agents": Application(
            name="laptop-agents",
            tools=Tools(secret=("Write", "Edit"), egress=("mcp__*",)),
            subject_field="metadata.user_id",
            classification=Classification.CONFIDENTIAL,
        )
    }
    assert (known.policies_source, known.policies_path) == ("file", tmp_path / "rules")
    assert (known.enforcement, known.enforcement_until, known.audit_mode) == ("enforce", None, "strict")
    assert known.database == f"sqlite:///{tmp_path}/data/guard.db"
    assert known.log_database == f"sqlite:///{tmp_path}/data/log.db"


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    known = load(tmp_path, PROVIDERS + MODELS_PART)
    assert known.policies_path == tmp_path / "policies"
    assert (known.enforcement, known.audit_mode) == ("enforce", "strict")
    assert known.database == f"sqlite:///{tmp_path}/guard.db"
    assert known.catalogue.applications == {} and known.catalogue.models[0].max_tokens == 4096


def test_whether_a_built_in_provider_is_used(tmp_path: Path) -> None:
    assert uses(load(tmp_path, WHOLE), DEMO) and not uses(load(tmp_path, WHOLE), MODELS)


def test_reporting_has_a_last_day_of_at_most_thirty_ahead(tmp_path: Path) -> None:
    for day in ("2026-11-24", "2026-12-24"):
        known = load(tmp_path, WHOLE.replace("enforce\n", f"{{mode: report, until: {day}}}\n"))
        assert (known.enforcement, known.enforcement_until) == ("report", date.fromisoformat(day))
    known = load(tmp_path, WHOLE.replace("enforcement: enforce", "enforcement: {mode: enforce}"))
    assert known.enforcement == "enforce"


WRONG: dict[str, tuple[str, str, str]] = {
    "an unknown member": ("database:", "databse:", ": 'databse' is not known; did you mean 'database'?"),
    "a provider without a name": ("name: openai\n", "nme: openai\n", ": 'name' is missing"),
    "two providers of one name": ("name: openai\n", "name: demo\n", ": a second one is named 'demo'"),
    "a dialect that nobody speaks": (
        "dialect: openai\n    base",
        "dialect: opnai\n    base",
        ": 'opnai' is not known; did you mean 'openai'?",
    ),
    "a dialect that comes later": (
        "dialect: openai\n    base",
        "dialect: anthropic\n    base",
        ": dialect anthropic comes later; today: open-inference, openai",
    ),
    "an address that is none": ("https://api", "ftp://api", ": not an address; expected https://host/v1"),
    "a built-in that is none": ("builtin:demo", "builtin:dem", ": not an address; expected https://host/v1"),
    "a password in an address": (
        "https://api",
        "https://user:hunter2@api",
        ": a password does not belong in the address; use 'credential'",
    ),
    "a query in an address": ("/v1/", "/v1?key=1", ": an address here has no query and no fragment"),
    "a key in the file": (
        "env:OPENAI_API_KEY",
        "sk-proj-hunter2",
        ": expected env:NAME, file:PATH, secret:NAME or caller, never the key itself",
    ),
    "a variable that is none": (
        "env:OPENAI_API_KEY",
        "env:OPENAI-KEY",
        ": expected env:NAME, file:PATH, secret:NAME or caller, never the key itself",
    ),
    "a region that is none": (
        "region: us",
        "region: US!",
        ": 'US!' is no region (a word as us, eu-west, local)",
    ),
    "a credential for the demo": (
        '"builtin:demo"}',
        '"builtin:demo", credential: caller}',
        ": builtin:demo takes no credential",
    ),
    "a promise that comes later": (
        "region: us",
        "zero_retention: true",
        ": zero_retention comes later; leave it out",
    ),
    "a file of authorities that is not there": (
        "region: us",
        "ca: nowhere.pem",
        ": there is no file {folder}/nowhere.pem",
    ),
    "a proxy that is none": ("region: us", "proxy: squid", ": not an address; expected https://host/v1"),
    "no patience": ("region: us", "timeouts: {connect: 0}", ": expected a number from 0.1 to 3600"),
    "patience of another kind": (
        "region: us",
        "timeouts: {conect: 1}",
        ": 'conect' is not known; did you mean 'connect'?",
    ),
    "a model without a target": (
        "targets: [{provider: demo, model: same}]",
        "targets: []",
        ": model 'demo-*' has no target",
    ),
    "a target that is not there": (
        "{provider: demo, model: same}",
        "{provider: dmo, model: same}",
        ": no provider is named 'dmo'; did you mean 'demo'?",
    ),
    "a name that is no model's": ('"demo-*"', '"demo *"', ": 'demo *' is no model name"),
    "half a token": ("max_tokens: 9000", "max_tokens: 0.5", ": expected a number from 1 to 1e+07"),
    "part of a token": ("max_tokens: 9000", "max_tokens: 9.5", ": expected a whole number"),
    "a name that is no application's": (
        "name: laptop-agents",
        "name: laptop agents",
        ": 'laptop agents' is no application name",
    ),
    "a tool with a blank": ("[Write, Edit]", "[Write, Ed it]", ": 'Ed it' is no tool name"),
    "a field that is none": ("metadata.user_id", "metadata..id", ": 'metadata..id' is no dotted field name"),
    "a class that is none": (
        "classification: confidential",
        "classification: secret",
        ": 'secret' is not known; ",
    ),
    "a store for policies": (
        "source: file",
        "source: store",
        ": source: store comes later; use source: file",
    ),
    "another mode of the log": (
        "mode: strict",
        "mode: bounded",
        ": mode bounded comes later; use mode: strict",
    ),
    "another database": (
        "sqlite:///data/guard.db",
        "postgresql+psycopg://db/guard",
        ": PostgreSQL comes later; use sqlite:///guard.db",
    ),
    "a database that is none": (
        "sqlite:///data/guard.db",
        "mysql://x",
        ": expected sqlite:/// and a path, as sqlite:///guard.db",
    ),
    "a database with options": (
        "sqlite:///data/guard.db",
        "sqlite:///guard.db?mode=ro",
        ": expected sqlite:/// and a path, as sqlite:///guard.db",
    ),
    "the log's own file": (
        "sqlite:///data/guard.db",
        "sqlite:///log.db",
        ": log.db is the log's own file; use another name",
    ),
    "reporting without an end": (
        "enforcement: enforce",
        "enforcement: report",
        ": report needs its last day; write: enforcement: {mode: report, until: 2026-12-01}",
    ),
    "reporting without an end, written long": (
        "enforcement: enforce",
        "enforcement: {mode: report}",
        ": report needs its last day; write: enforcement: {mode: report, until: 2026-12-01}",
    ),
    "reporting that has ended": (
        "enforcement: enforce",
        "enforcement: {mode: report, until: 2026-11-23}",
        ": reporting ended on 2026-11-23; write: enforcement: enforce",
    ),
    "reporting for too long": (
        "enforcement: enforce",
        "enforcement: {mode: report, until: 2026-12-25}",
        ": at most 30 days ahead, so 2026-12-24 at the latest",
    ),
    "a day that is none": (
        "enforcement: enforce",
        "enforcement: {mode: report, until: soon}",
        ": expected a date as 2030-12-31",
    ),
    "an end of enforcing": (
        "enforcement: enforce",
        "enforcement: {mode: enforce, until: 2026-12-01}",
        ": 'until' belongs to mode: report",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_is_told_with_line_and_column_and_what_to_do(tmp_path: Path, what: str) -> None:
    old, new, message = WRONG[what]
    assert WHOLE.count(old) == 1, "the change must be one"
    said = wrong(tmp_path, WHOLE.replace(old, new))
    place, _, told = said.removeprefix(":").partition(": ")
    assert re.fullmatch(r"[0-9]+:[0-9]+", place)
    expected = message.removeprefix(": ").replace("{folder}", str(tmp_path))
    assert told.startswith(expected)
    line = int(place.split(":")[0])
    assert line in range(1, WHOLE.count("\n") + 1)
    assert "hunter2" not in said


@pytest.mark.parametrize("part", [PROVIDERS, MODELS_PART])
def test_what_must_be_there_is_missed(tmp_path: Path, part: str) -> None:
    name = "models" if part is PROVIDERS else "providers"
    assert wrong(tmp_path, part) == f":1:1: {name!r} is missing"


def test_a_file_that_is_not_there_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="run: guard init"):
        load_configuration(tmp_path / "guard.yaml")


def test_a_credential_in_a_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    known = load(tmp_path, WHOLE.replace("env:OPENAI_API_KEY", "file:keys/openai"))
    assert known.catalogue.providers["openai"].credential == f"file:{tmp_path}/keys/openai"
    for same in ("caller", "secret:openai"):
        known = load(tmp_path, WHOLE.replace("env:OPENAI_API_KEY", same))
        assert known.catalogue.providers["openai"].credential == same


def test_a_provider_may_have_an_authority_a_proxy_and_patience(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    more = "region: us\n    ca: ca.pem\n    proxy: http://proxy.internal:3128\n    timeouts: {read: 30}"
    openai = load(tmp_path, WHOLE.replace("region: us", more)).catalogue.providers["openai"]
    assert (openai.ca, openai.proxy) == (f"{tmp_path}/ca.pem", "http://proxy.internal:3128")
    assert openai.timeouts == Timeouts(read=30.0)


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    first = load(tmp_path, WHOLE).digest
    assert (
        load(tmp_path, "# moved\n" + WHOLE.replace("max_tokens: 9000", "max_tokens:   9000")).digest == first
    )
    assert load(tmp_path, WHOLE.replace("max_tokens: 9000", "max_tokens: 9001")).digest != first


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("max_tokens: 9000", "max_tokens: 1", ()),
        (
            "enforcement: enforce",
            "enforcement: {mode: report, until: 2026-12-01}",
            ("enforcement", "enforcement_until"),
        ),
        ("data/guard.db", "other.db", ("database",)),
    ],
)
def test_some_changes_take_a_restart(tmp_path: Path, old: str, new: str, names: tuple[str, ...]) -> None:
    before = load(tmp_path, WHOLE)
    assert load(tmp_path, WHOLE.replace(old, new)).needs_restart(before) == names
