"""The ``guard.yaml`` that a new installation begins with, and how a provider is added to one."""

from __future__ import annotations

import re
from pathlib import Path

from guard.errors import ConfigurationError
from guard.registry.configuration import load_configuration

__all__ = ["PROVIDERS", "STARTER", "add_provider"]

STARTER = """\
# Guard's configuration. Changes to providers, models and applications count within a
# second; changes to enforcement, audit and database take a restart. Check: guard doctor

providers:
  - name: demo
    dialect: openai
    base_url: builtin:demo   # a model inside Guard: it answers, and shows what it received
    region: local            # a word that policies can speak about
  - name: own-models
    dialect: open-inference
    base_url: builtin:models # models trained here (guard train) that are in production
    region: local

# A real provider (guard init --provider openai writes these lines for you):
#  - name: openai
#    dialect: openai         # every server that speaks OpenAI's protocol, Ollama too
#    base_url: https://api.openai.com/v1
#    credential: env:OPENAI_API_KEY   # or file:PATH, secret:NAME, caller (the caller's own)
#    region: us
#    timeouts: {connect: 5, read: 120, total: 600}   # seconds

models:
  - name: demo-*             # what callers ask for; * stands for anything
    targets: [{provider: demo, model: same}]   # in order of preference; same = the name asked for

# What is known of an application beyond its key:
# applications:
#   - name: laptop-agents
#     tools: {secret: [Write, Edit], egress: [WebFetch, "mcp__*"]}   # where values may be restored
#     subject_field: metadata.user_id      # whom a request is about
#     classification: internal             # public < internal < confidential < restricted

policies: {source: file, path: policies}   # edit the files in there; they are read again at once
enforcement: enforce         # to try things out: {mode: report, until: DATE}, at most 30 days ahead
audit: {mode: strict}        # no record, no service
database: sqlite:///guard.db
"""

OPENAI = (
    [
        "- name: openai",
        "  dialect: openai",
        "  base_url: https://api.openai.com/v1",
        "  credential: env:OPENAI_API_KEY",
        "  region: us",
    ],
    ['- name: "gpt-*"', "  targets: [{provider: openai, model: same}]"],
)
PROVIDERS = {"openai": OPENAI}
"""For each provider that can be added: its lines under ``providers`` and under ``models``."""


def add_provider(text: str, name: str, *, path: Path) -> str:
    """Return the configuration ``text`` of ``path`` with a provider and its models added.

    Comments and order stay. Raises ``ConfigurationError`` with the lines to add by hand
    if the file has another shape than expected.
    """
    provider, models = PROVIDERS[name]
    changed = _inserted(_inserted(text, "providers", provider), "models", models)
    if changed is not None:
        trial = path.with_name(f".{path.name}.trial")
        try:
            trial.write_text(changed, encoding="utf-8")
            load_configuration(trial)
        except ConfigurationError:
            changed = None
        finally:
            trial.unlink(missing_ok=True)
    if changed is None:
        lines = ["providers:", *_indented(provider, "  "), "models:", *_indented(models, "  ")]
        raise ConfigurationError(
            f"{path} has a shape that cannot be added to safely; add by hand:\n" + "\n".join(lines)
        )
    return changed


def _inserted(text: str | None, section: str, lines: list[str]) -> str | None:
    """Insert list items at the head of a top-level section written in block style."""
    head = re.compile(rf"^{section}:[ \t]*(?:#.*)?$\n", re.MULTILINE)
    found = head.search(text) if text is not None else None
    if text is None or found is None:
        return None
    first = re.compile(r"^([ ]*)- ", re.MULTILINE).search(text, found.end())
    block = "".join(f"{line}\n" for line in _indented(lines, first.group(1) if first else "  "))
    return text[: found.end()] + block + text[found.end() :]


def _indented(lines: list[str], indent: str) -> list[str]:
    return [indent + line for line in lines]
