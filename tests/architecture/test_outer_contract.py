"""The names that scripts and people rely on are there, and no others (DESIGN §6)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generator.commands import commands
from guard.domain.event import CheckpointSummary
from guard.gateway.asgi import ROUTES
from guard.gateway.headers import stamp_headers
from guard.gateway.operations import operations_app
from guard.pipeline.declared import HEADERS
from guard.pipeline.exchange import Stamp
from guard.registry.configuration import load_configuration
from tests.e2e.service import run_guard

ROOT = Path(__file__).parents[2]

MAKE = "run test install demo bench check soak system acceptance help lock".split()

NOW = """
serve demo-model demo init doctor screen explain
keys issue, keys list, keys rotate, keys revoke
log tail
policy check, policy explain
audit fsck, audit verify, audit export
"""
"""Commands of this version."""

LATER = """
worker model-server backup restore scan plan apply query connect
backup refresh
keyring status, keyring rotate, keyring shred, keyring export
policy fmt, policy test, policy prove, policy diff, policy replay, policy submit, policy approve
policy shadow, policy activate, policy rollback
audit rewind-check, audit watch
evidence export
witness serve
subject find, subject export, subject erase
dataset ingest, dataset list
train submit, train status, train list, train watch, train cancel, train resume, train verify
budget show, budget set, budget simulate
models list, models show, models choose, models import, models stage
import litellm
"""
"""Names that are taken: a command that comes later has one of these."""

RUNS = {"serve", "worker", "model-server", "demo-model", "witness serve", "train watch"}
"""Commands that run until they are stopped or what they follow ends: they have no result to print as JSON."""

PATHS = {"/v1/chat/completions", "/v1/models", "/healthz", "/readyz", "/metrics"}
UNLISTED = {"/", "/{path:path}"}
"""Clients that ask whether anybody is there, and everything else, which is refused."""

REQUEST_HEADERS = {
    "x-guard-key",
    "x-guard-purpose",
    "x-guard-subject",
    "x-guard-conversation",
    "x-guard-classification",
}
ANSWER_HEADERS = {
    "x-guard-request": "01a20e77-3ba9-7ed9-94ad-7b692b99df13",
    "x-guard-policy": "0123456789ab",
    "x-guard-entities": "CREDIT_CARD=1,EMAIL_ADDRESS=2",
    "x-guard-record": "7",
    "x-guard-checkpoint": "guard/default 6 cm9vdA==",
    "server-timing": "guard;dur=1.9",
    "x-guard-enforcement": "report",
}
"""``x-guard-enforcement`` is there only while nothing is enforced."""

FILES = {"guard.yaml", "guard.db", "log.db", "keyring", "policies"}
BESIDE = {"boots", "metrics"}
"""Nobody's business but Guard's, like lock files."""
CONFIGURATION = """
providers:
  - name: openai
    dialect: openai
    base_url: https://api.openai.com/v1
    credential: env:OPENAI_API_KEY
    region: us
models:
  - name: gpt-5-mini
    targets: [{provider: openai, model: gpt-5-mini}]
applications:
  - name: laptop-agents
    tools: {secret: [Write, Edit, MultiEdit, apply_patch], egress: [WebFetch, "mcp__*"]}
    subject_field: metadata.user_id
    classification: internal
policies: {source: file, path: policies}
enforcement: enforce
audit: {mode: strict}
database: sqlite:///guard.db
"""


def named(text: str) -> set[str]:
    """Return the commands of a list: groups with commas, single words without."""
    names: set[str] = set()
    for line in text.strip().splitlines():
        names |= (
            set(line.split(", ")) if "," in line or re.fullmatch(r"\w+ [\w-]+", line) else set(line.split())
        )
    return {name.strip() for name in names}


def test_make_has_the_targets_and_help_lists_them() -> None:
    text = (ROOT / "Makefile").read_text()
    assert sorted(re.findall(r"^([a-z]+):[^=\n]*## .", text, re.MULTILINE)) == sorted(MAKE)


def test_every_command_of_this_version_is_there_and_none_has_another_name() -> None:
    there = set(commands())
    assert named(NOW) <= there
    assert there <= named(NOW) | named(LATER)


@pytest.mark.parametrize("name", sorted(commands()))
def test_a_command_tells_how_it_is_used_and_speaks_json(name: str) -> None:
    command = commands()[name]
    assert re.search(rf"guard {name}\b", command.help or ""), "help without an example"
    options = {option for parameter in command.params for option in parameter.opts}
    assert ("--json" in options) is (name not in RUNS)


def test_the_paths_are_there_and_no_others() -> None:
    app = operations_app(
        authenticate=lambda credential: pytest.fail("not called"),
        usable=lambda principal, snapshot: [],
        ready=lambda: (True, {}),
        metrics=lambda: b"",
        new_id=lambda: "",
    )
    served = {*ROUTES, *(getattr(route, "path", "") for route in app.routes)}
    assert served == PATHS | UNLISTED


def test_request_headers() -> None:
    assert HEADERS == REQUEST_HEADERS


def test_answer_headers() -> None:
    stamp = Stamp(
        exchange="01a20e77-3ba9-7ed9-94ad-7b692b99df13",
        policy="sha256:0123456789abcdef",
        entities={"EMAIL_ADDRESS": 2, "CREDIT_CARD": 1},
        record=7,
        checkpoint=CheckpointSummary(origin="guard/default", size=6, root="cm9vdA=="),
        guard_seconds=0.0019,
        reporting=True,
    )
    assert {name.decode(): value.decode() for name, value in stamp_headers(stamp)} == ANSWER_HEADERS
    assert {name for name, _ in stamp_headers(Stamp(exchange="x"))} == {b"x-guard-request", b"server-timing"}


def test_the_data_directory_holds_what_the_design_says(tmp_path: Path) -> None:
    folder = tmp_path / "guard-data"
    made = run_guard(folder, "init")
    assert made.returncode == 0, made.stderr
    names = {path.name for path in folder.iterdir()}
    assert names >= FILES
    assert {name for name in names - FILES if not name.endswith(".lock")} <= BESIDE
    assert (folder / "keyring").stat().st_mode & 0o777 == 0o600
    shipped = ROOT / "policies" / "default"
    assert {path.name for path in (folder / "policies").iterdir()} == {
        path.name for path in shipped.iterdir()
    }


def test_the_configuration_of_the_design_is_read(tmp_path: Path) -> None:
    path = tmp_path / "guard.yaml"
    path.write_text(CONFIGURATION)
    read = load_configuration(path)
    assert list(read.catalogue.providers) == ["openai"]
    assert read.catalogue.applications["laptop-agents"].tools.secret == (
        "Write",
        "Edit",
        "MultiEdit",
        "apply_patch",
    )
    assert read.policies_path == tmp_path / "policies"
    assert read.database == f"sqlite:///{tmp_path / 'guard.db'}"
