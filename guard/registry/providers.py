"""One provider of ``guard.yaml``: its address, credential, border and patience."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from guard.domain.catalogue import Provider, Timeouts
from guard.domain.positioned import Node, problem

__all__ = ["BUILTIN", "DEMO", "MODELS", "read_provider"]

DEMO = "builtin:demo"
"""The address of the demo model, which the wiring turns into a real one."""
MODELS = "builtin:models"
"""The address of the model server, which serves the models that were trained here."""
BUILTIN = {DEMO: "openai", MODELS: "open-inference"}
"""Addresses inside Guard, and the dialect that each speaks."""

DIALECTS = ("openai", "anthropic", "gemini", "azure-openai", "open-inference", "mcp")
SPOKEN = frozenset({"openai", "open-inference"})
"""Dialects of this version; the others are known words, so that the error is a clear one."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
REGION = re.compile(r"[a-z][a-z0-9-]{0,31}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
LONGEST = 3600


def read_provider(node: Node, folder: Path) -> Provider:
    """Read one provider; relative paths are relative to ``folder``."""
    members = node.mapping()
    name = _name(members.need("name"))
    dialect = _dialect(members.need("dialect"))
    base_url = _address(members.need("base_url"))
    credential = members.get("credential")
    region = members.get("region")
    ca, proxy, timeouts = members.get("ca"), members.get("proxy"), members.get("timeouts")
    retention = members.get("zero_retention")
    members.finish()
    if retention:
        raise problem(retention.place, "zero_retention comes later; leave it out")
    if credential and base_url in BUILTIN:
        raise problem(credential.place, f"{base_url} takes no credential")
    if BUILTIN.get(base_url, dialect) != dialect:
        raise problem(members.need("dialect").place, f"{base_url} speaks {BUILTIN[base_url]}")
    return Provider(
        name=name,
        dialect=dialect,
        base_url=base_url,
        credential=_credential(credential, folder) if credential else None,
        region=_region(region) if region else "local",
        ca=_certificates(ca, folder) if ca else None,
        proxy=_web_address(proxy) if proxy else None,
        timeouts=_timeouts(timeouts) if timeouts else Timeouts(),
    )


def _name(node: Node) -> str:
    name = node.text()
    if NAME.fullmatch(name) is None:
        raise problem(node.place, f"{name!r} is no provider name (letters, digits, . _ -)")
    return name


def _dialect(node: Node) -> str:
    dialect = node.word(DIALECTS)
    if dialect not in SPOKEN:
        raise problem(node.place, f"dialect {dialect} comes later; today: {', '.join(sorted(SPOKEN))}")
    return dialect


def _address(node: Node) -> str:
    return node.text() if node.text() in BUILTIN else _web_address(node)


def _web_address(node: Node) -> str:
    text = node.text()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise problem(node.place, "not an address; expected https://host/v1") from None
    if parts.scheme not in ("http", "https") or not host:
        raise problem(node.place, "not an address; expected https://host/v1")
    if parts.username or parts.password:
        # The address itself is not repeated: it holds a password.
        raise problem(node.place, "a password does not belong in the address; use 'credential'")
    if parts.query or parts.fragment:
        raise problem(node.place, "an address here has no query and no fragment")
    return text.rstrip("/")


def _credential(node: Node, folder: Path) -> str:
    text = node.text()
    kind, _, rest = text.partition(":")
    if text == "caller":
        return text
    if kind == "env" and VARIABLE.fullmatch(rest):
        return text
    if kind == "secret" and NAME.fullmatch(rest):
        return text
    if kind == "file" and rest:
        return f"file:{folder / rest}"
    # The text is not repeated: somebody may have put the key itself here.
    raise problem(node.place, "expected env:NAME, file:PATH, secret:NAME or caller, never the key itself")


def _region(node: Node) -> str:
    region = node.text()
    if REGION.fullmatch(region) is None:
        raise problem(node.place, f"{region!r} is no region (a word as us, eu-west, local)")
    return region


def _certificates(node: Node, folder: Path) -> str:
    path = folder / node.text()
    if not path.is_file():
        raise problem(node.place, f"there is no file {path}")
    return str(path)


def _timeouts(node: Node) -> Timeouts:
    members = node.mapping()
    given = {name: members.get(name) for name in ("connect", "read", "total")}
    members.finish()
    chosen = {name: float(value.number(0.1, LONGEST)) for name, value in given.items() if value}
    return Timeouts(**chosen)
