"""``guard.yaml``: providers, models, applications and how Guard runs (DESIGN §6).

Every error names file, line and column and says what was meant or what to do. Relative
paths are relative to the file. ``enforcement`` is the word ``enforce``, or
``{mode: report, until: DATE}`` with a date at most 30 days ahead: reporting without an
end would be a gate that stands open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from guard.domain import positioned
from guard.domain.canonical import digest
from guard.domain.catalogue import Catalogue, Model, Provider
from guard.domain.exchange import Target
from guard.domain.positioned import Node, problem, suggestion
from guard.domain.principal import Application, Classification, Tools
from guard.errors import ConfigurationError
from guard.registry.files import read_file
from guard.registry.providers import read_provider

__all__ = ["MAX_REPORT_DAYS", "Configuration", "load_configuration", "uses"]

MAX_REPORT_DAYS = 30
MAX_TOKENS = 10_000_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MODEL_NAME = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:/@*+-]{0,127}")
TOOL_NAME = re.compile(r"[A-Za-z0-9_.:*/-]{1,128}")
FIELD_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,7}")
SQLITE = "sqlite:///"
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What ``guard.yaml`` says; paths are absolute, ``digest`` is that of its content.

    ``enforcement`` is ``enforce`` or ``report``; only ``report`` has an
    ``enforcement_until``, its last day in UTC. ``database`` and ``log_database`` are
    SQLAlchemy URLs; on SQLite the log stands in ``log.db`` beside the database.
    """

    path: Path
    catalogue: Catalogue
    policies_source: str
    policies_path: Path
    enforcement: str
    enforcement_until: date | None
    audit_mode: str
    database: str
    log_database: str
    digest: str

    def needs_restart(self, other: Configuration) -> tuple[str, ...]:
        """Return what differs from ``other`` that a running worker cannot change."""
        names = ("enforcement", "enforcement_until", "audit_mode", "database")
        return tuple(name for name in names if getattr(self, name) != getattr(other, name))


def uses(configuration: Configuration, builtin: str) -> bool:
    """Return whether a provider is the built-in one at this address."""
    return any(provider.base_url == builtin for provider in configuration.catalogue.providers.values())


def load_configuration(path: Path, *, today: date | None = None) -> Configuration:
    """Read ``path``. ``today`` (UTC) decides whether reporting has ended.

    Raises ``ConfigurationError`` with file, line and column.
    """
    try:
        data = read_file(path)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path} ({error.strerror}); run: guard init") from None
    root = positioned.load(data, file=str(path))
    top = root.mapping()
    folder = path.resolve().parent
    providers = _named(
        top.need("providers"), lambda node: read_provider(node, folder), key=lambda provider: provider.name
    )
    models = _named(top.need("models"), lambda node: _model(node, providers), key=lambda model: model.name)
    listed = top.get("applications")
    applications = _named(listed, _application, key=lambda application: application.name) if listed else {}
    source, policies_path = _policies(top.get("policies"), folder)
    enforcement, until = _enforcement(top.get("enforcement"), today or datetime.now(UTC).date())
    audit_mode = _audit_mode(top.get("audit"))
    database, log_database = _databases(top.get("database"), folder)
    top.finish()
    return Configuration(
        path=path,
        catalogue=Catalogue(
            providers=providers,
            models=tuple(models.values()),
            applications=applications,
        ),
        policies_source=source,
        policies_path=policies_path,
        enforcement=enforcement,
        enforcement_until=until,
        audit_mode=audit_mode,
        database=database,
        log_database=log_database,
        digest=digest(positioned.plain(root)),
    )


def _named(node: Node, read: Callable[[Node], Thing], *, key: Callable[[Thing], str]) -> dict[str, Thing]:
    """Read a list of things whose names differ."""
    things: dict[str, Thing] = {}
    for item in node.items():
        thing = read(item)
        if key(thing) in things:
            raise problem(item.place, f"a second one is named {key(thing)!r}")
        things[key(thing)] = thing
    return things


def _matching(node: Node, shape: re.Pattern[str], what: str) -> str:
    text = node.text()
    if shape.fullmatch(text) is None:
        raise problem(node.place, f"{text!r} is no {what}")
    return text


def _model(node: Node, providers: Mapping[str, Provider]) -> Model:
    members = node.mapping()
    name = _matching(members.need("name"), MODEL_NAME, "model name (letters, digits, . _ - : / @ + and *)")
    targets_node = members.need("targets")
    targets = tuple(_target(item, providers) for item in targets_node.items())
    limit = members.get("max_tokens")
    members.finish()
    if not targets:
        raise problem(targets_node.place, f"model {name!r} has no target")
    if limit is None:
        return Model(name=name, targets=targets)
    return Model(name=name, targets=targets, max_tokens=limit.integer(1, MAX_TOKENS))


def _target(node: Node, providers: Mapping[str, Provider]) -> Target:
    members = node.mapping()
    provider_node = members.need("provider")
    provider = provider_node.text()
    model = members.need("model").text()
    members.finish()
    if provider not in providers:
        raise problem(
            provider_node.place, f"no provider is named {provider!r}; {_known(provider, providers)}"
        )
    return Target(provider=provider, model=model, region=providers[provider].region)


def _known(word: str, known: Iterable[str]) -> str:
    names = list(known)
    return suggestion(word, names) if names else "there are none"


def _application(node: Node) -> Application:
    members = node.mapping()
    name = _matching(members.need("name"), NAME, "application name (letters, digits, . _ -)")
    tools = members.get("tools")
    subject = members.get("subject_field")
    classification = members.get("classification")
    words = [word.value for word in Classification]
    settings = Application(
        name=name,
        tools=_tools(tools) if tools else Tools(),
        subject_field=_matching(subject, FIELD_NAME, "dotted field name") if subject else None,
        classification=Classification(classification.word(words))
        if classification
        else Classification.INTERNAL,
    )
    members.finish()
    return settings


def _tools(node: Node) -> Tools:
    members = node.mapping()
    secret, egress = members.get("secret"), members.get("egress")
    tools = Tools(secret=_tool_names(secret) if secret else (), egress=_tool_names(egress) if egress else ())
    members.finish()
    return tools


def _tool_names(node: Node) -> tuple[str, ...]:
    items = node.items() if isinstance(node.value, list) else [node]
    return tuple(_matching(item, TOOL_NAME, "tool name (letters, digits, _ . : / - and *)") for item in items)


def _policies(node: Node | None, folder: Path) -> tuple[str, Path]:
    if node is None:
        return "file", folder / "policies"
    members = node.mapping()
    source_node, path = members.get("source"), members.get("path")
    source = source_node.word(["file", "store"]) if source_node else "file"
    members.finish()
    if source_node and source == "store":
        raise problem(source_node.place, "source: store comes later; use source: file")
    return source, folder / (path.text() if path else "policies")


def _enforcement(node: Node | None, today: date) -> tuple[str, date | None]:
    if node is None:
        return "enforce", None
    form = f"{{mode: report, until: {today + timedelta(days=7)}}}"
    if isinstance(node.value, str):
        mode = node.word(["enforce", "report"])
        if mode == "report":
            raise problem(node.place, f"report needs its last day; write: enforcement: {form}")
        return mode, None
    members = node.mapping()
    mode = members.need("mode").word(["enforce", "report"])
    until = members.get("until")
    members.finish()
    if mode == "enforce":
        if until:
            raise problem(until.place, "'until' belongs to mode: report")
        return mode, None
    if until is None:
        raise problem(node.place, f"report needs its last day; write: enforcement: {form}")
    return mode, _last_day(until, today)


def _last_day(node: Node, today: date) -> date:
    try:
        day = date.fromisoformat(node.text())
    except ValueError:
        raise problem(node.place, "expected a date as 2030-12-31") from None
    if day < today:
        raise problem(node.place, f"reporting ended on {day}; write: enforcement: enforce")
    if day > today + timedelta(days=MAX_REPORT_DAYS):
        latest = today + timedelta(days=MAX_REPORT_DAYS)
        raise problem(node.place, f"at most {MAX_REPORT_DAYS} days ahead, so {latest} at the latest")
    return day


def _audit_mode(node: Node | None) -> str:
    if node is None:
        return "strict"
    members = node.mapping()
    mode_node = members.need("mode")
    mode = mode_node.word(["strict", "bounded", "best-effort"])
    members.finish()
    if mode != "strict":
        raise problem(mode_node.place, f"mode {mode} comes later; use mode: strict")
    return mode


def _databases(node: Node | None, folder: Path) -> tuple[str, str]:
    url = node.text() if node else f"{SQLITE}guard.db"
    if node and url.startswith("postgresql"):
        raise problem(node.place, "PostgreSQL comes later; use sqlite:///guard.db")
    if node and (not url.startswith(SQLITE) or url == SQLITE or "?" in url):
        raise problem(node.place, "expected sqlite:/// and a path, as sqlite:///guard.db")
    path = folder / url.removeprefix(SQLITE)
    if node and path.name == "log.db":
        raise problem(node.place, "log.db is the log's own file; use another name")
    return f"{SQLITE}{path}", f"{SQLITE}{path.with_name('log.db')}"
