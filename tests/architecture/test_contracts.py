"""The import contracts hold, say all that the design says, and bite.

For every contract one import that breaks it is planted into a copy of the package, where
it counts at once, only for the type checker, and inside a function.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from importlinter.application.use_cases import lint_imports
from importlinter.configuration import configure

configure()

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "pyproject.toml"
CONTRACTS = tomllib.loads(CONFIGURATION.read_text())["tool"]["importlinter"]["contracts"]
BY_ID = {contract["id"]: contract for contract in CONTRACTS}

ORDER = (
    "cli",
    "app worker",
    "wiring",
    "settings telemetry",
    "gateway admin console inference witness storage client",
    "compliance",
    "pipeline training",
    "datasets",
    "identity policy screening protection upstream audit limits ledger registry documents reports",
    "jobs keys",
    "domain",
    "errors",
)
"""DESIGN §3: top may import below; names of one line are strangers."""

EDGES = 4
"""The line of ``ORDER`` with the edges."""

PURE = {
    "guard.domain",
    "guard.policy.engine",
    "guard.policy.condition",
    "guard.screening",
    "guard.protection",
    "guard.audit.leaf",
    "guard.audit.merkle",
    "guard.audit.verify",
}

PLACEMENTS: dict[str, Callable[[str], str]] = {
    "at once": lambda name: f"\nimport {name}\n",
    "for the type checker": lambda name: (
        f"\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {name}\n"
    ),
    "inside a function": lambda name: f"\ndef _planted() -> None:\n    import {name}\n",
}

PLANTS: dict[str, list[tuple[str, str]]] = {
    "order": [
        ("domain/finding.py", "guard.keys.purposes"),
        ("policy/engine.py", "guard.screening.engine"),
        ("audit/log.py", "guard.storage.log"),
        ("gateway/asgi.py", "guard.settings"),
        ("pipeline/exchange.py", "guard.wiring"),
    ],
    "cycles": [("pipeline/memo.py", "guard.pipeline.exchange")],
    "frameworks": [("pipeline/trail.py", "fastapi"), ("domain/finding.py", "sqlalchemy")],
    "sql": [("wiring.py", "sqlalchemy"), ("cli/keys.py", "guard.storage.tables")],
    "training": [("pipeline/rehearse.py", "torch"), ("cli/main.py", "opacus")],
    "pure": [
        ("domain/event.py", "time"),
        ("screening/checksum.py", "os.path"),
        ("protection/plan.py", "random"),
        ("policy/condition.py", "http.client"),
        # Not itself forbidden, but it leads to the operating system.
        ("audit/leaf.py", "guard.keys.entropy"),
    ],
    "recognizers": [("screening/recognizers/email.py", "guard.screening.recognizers.card")],
    "operators": [("protection/operators/mask.py", "guard.protection.operators.redact")],
    "dialects": [("upstream/dialects/anthropic_stream.py", "guard.upstream.dialects.openai_stream")],
    "kernels": [("protection/plan.py", "guard.keys.purposes")],
}
CASES = [(contract, file, name) for contract, plants in PLANTS.items() for file, name in plants]


class Copy:
    """A copy of the package, in which import-linter looks instead of the real one."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "guard"

    def keeps(self, contract: str) -> bool:
        """Return whether the contract is kept in the copy. Raises if it cannot be checked."""
        importlib.invalidate_caches()
        return lint_imports(
            str(CONFIGURATION),
            limit_to_contracts=(contract,),
            cache_dir=None,
            is_debug_mode=True,
            no_logo=True,
        )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Return an untouched copy; tests clean up what they plant."""
    copy = Copy(tmp_path_factory.mktemp("contracts"))
    shutil.copytree(ROOT / "guard", copy.package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def copy(original: Copy, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """Return the copy, found by name before the installed package."""
    monkeypatch.syspath_prepend(str(original.package.parent))
    monkeypatch.delitem(sys.modules, "guard", raising=False)
    return original


@pytest.fixture
def plant(copy: Copy) -> Iterator[Callable[[str, str], None]]:
    """Return what adds text to a file of the copy until the test ends."""
    before: dict[Path, str | None] = {}

    def add(file: str, text: str) -> None:
        path = copy.package / file
        before.setdefault(path, path.read_text() if path.exists() else None)
        path.write_text((path.read_text() if path.exists() else "") + text)

    yield add
    for path, text in before.items():
        if text is None:
            path.unlink()
        else:
            path.write_text(text)


def test_every_contract_has_a_plant() -> None:
    assert set(BY_ID) == set(PLANTS)


@pytest.mark.parametrize("contract", BY_ID)
def test_the_contract_is_kept(copy: Copy, contract: str) -> None:
    assert copy.keeps(contract)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(("contract", "file", "name"), CASES, ids=[" ".join(case) for case in CASES])
def test_a_planted_import_breaks_it(
    copy: Copy, plant: Callable[[str, str], None], contract: str, file: str, name: str, placement: str
) -> None:
    plant(file, PLACEMENTS[placement](name))
    assert not copy.keeps(contract)


def test_a_module_outside_of_the_order_breaks_it(copy: Copy, plant: Callable[[str, str], None]) -> None:
    plant("somewhere.py", '"""In no layer."""\n')
    assert not copy.keeps("order")


def test_training_is_reached_through_its_doors_alone(copy: Copy, plant: Callable[[str, str], None]) -> None:
    plant("cli/train.py", "\nimport opacus\n")
    assert copy.keeps("training"), "the door may"
    plant("cli/screen.py", "\nimport guard.cli.train\n")
    assert copy.keeps("training"), "going through the door is no way round it"
    plant("cli/keys.py", "\nimport guard.cli.detour\n")
    plant("cli/detour.py", "\nimport opacus\n")
    assert not copy.keeps("training")


def test_files_of_one_dialect_may_know_each_other(copy: Copy, plant: Callable[[str, str], None]) -> None:
    plant("upstream/dialects/openai_answer.py", "\nimport guard.upstream.dialects.openai_chat\n")
    assert copy.keeps("dialects")


def test_the_order_is_the_design_s() -> None:
    layers = BY_ID["order"]["layers"]
    assert [layer.translate(str.maketrans("", "", "()|")).split() for layer in layers] == [
        line.split() for line in ORDER
    ]
    assert BY_ID["order"]["exhaustive"] and BY_ID["order"]["containers"] == ["guard"]


def test_the_doors_of_frameworks_are_what_stands_at_and_above_the_edges() -> None:
    edges = {f"guard.{name}" for line in ORDER[: EDGES + 1] for name in line.split()}
    assert set(BY_ID["frameworks"]["doors"]) == edges
    assert {"fastapi", "starlette", "sqlalchemy", "click", "typer"} <= set(BY_ID["frameworks"]["targets"])


def test_every_file_with_tables_is_behind_storage_s_door() -> None:
    sources = {path.stem: path.read_text() for path in (ROOT / "guard").rglob("*.py")}
    stems = {
        stem for stem, text in sources.items() if " = Table(" in text and "from sqlalchemy import" in text
    }
    assert stems and all(stem.endswith("tables") for stem in stems)
    assert "guard.storage.*tables" in BY_ID["sql"]["targets"] and BY_ID["sql"]["doors"] == ["guard.storage"]


def test_what_the_design_calls_pure_is_pure_without_detours() -> None:
    assert set(BY_ID["pure"]["source_modules"]) >= PURE
    forbidden = set(BY_ID["pure"]["forbidden_modules"])
    assert forbidden >= {"os", "time", "random", "secrets", "socket", "asyncio", "http", "aiohttp"}
    assert "allow_indirect_imports" not in BY_ID["pure"]


def opens_addresses(text: str) -> bool:
    """Return whether a file imports more of ``urllib`` than its parser, which the graph cannot tell."""
    return re.search(r"^\s*(?:import|from) urllib(?!\.parse\b)", text, re.MULTILINE) is not None


def test_of_urllib_pure_modules_use_the_parser_alone() -> None:
    folders = [ROOT / name.replace(".", "/") for name in BY_ID["pure"]["source_modules"]]
    files = [path for folder in folders for path in (*folder.rglob("*.py"), folder.with_suffix(".py"))]
    assert not [path for path in files if path.is_file() and opens_addresses(path.read_text())]


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        ("import urllib.request", True),
        ("    from urllib.request import urlopen", True),
        ("from urllib import request", True),
        ("from urllib.parse import quote", False),
        ("import urllib.parse", False),
    ],
)
def test_opening_an_address_is_noticed(text: str, opens: bool) -> None:
    assert opens_addresses(f"import os\n{text}\n") is opens


def test_imports_for_the_type_checker_count() -> None:
    options = tomllib.loads(CONFIGURATION.read_text())["tool"]["importlinter"]
    assert options["exclude_type_checking_imports"] is False
    assert options["include_external_packages"] is True
