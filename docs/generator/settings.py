"""Every setting: variables of the environment, and the members of the files that people edit.

A test reads files that say everything and compares what was asked for with what stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from docs.generator.markdown import page, table, words
from guard.cli.starter import STARTER
from guard.settings import PREFIX, Settings

__all__ = ["FILES", "VARIABLES", "render", "variables"]

FILE = "docs/generator/settings.py"

INTRODUCTION = """
Scalars come from the environment, everything that has a shape from `guard.yaml` in the data directory
(`--config` or `GUARD_CONFIG` for another place). Options of a command win over the environment. A name
that is not known stops the start, with its line and what may have been meant. Changes to providers,
models, applications and policies count within a second; changes to `enforcement`, `audit` and
`database` take a restart.
"""
VARIABLES = {
    "GUARD_HOST": "the address to listen on",
    "GUARD_PORT": "the port to listen on; 0 takes a free one",
    "GUARD_DATA_DIR": "where everything is kept",
    "GUARD_CONFIG": "where `guard.yaml` stands, if not in the data directory",
    "GUARD_WORKERS": "worker processes; unset is one a core, at most four",
    "GUARD_DEMO_PORT": "the demo model's port on 127.0.0.1; 0 takes a free one",
    "GUARD_MODELS_PORT": "the model server's port on 127.0.0.1; 0 takes a free one",
    "GUARD_LOG_LEVEL": "`debug`, `info`, `warning` or `error`",
    "GUARD_KEYRING": "the root key, base64 of 32 bytes; then the keyring file does not hold it",
}
NOT_IN_SETTINGS = ("GUARD_KEYRING",)
"""Read by the keyring alone: a secret has no place in a value that gets handed around."""

GUARD_YAML = {
    "providers": "places that serve models, a list",
    "name": "a name (of a provider, model or application); a model's may hold `*`",
    "dialect": "the protocol of a provider: `openai`, or `open-inference` for tensors",
    "base_url": "its address, ending in `/v1` for OpenAI's protocol; or `builtin:demo`, `builtin:models`",
    "credential": "`env:NAME`, `file:PATH`, `secret:NAME` or `caller` (the caller's own)",
    "region": "a word that policies can speak about; default `local`",
    "ca": "a PEM file with the certificates to trust instead of the system's",
    "proxy": "the address of a proxy to go through",
    "timeouts": "seconds",
    "connect": "until a connection stands; default 5",
    "read": "between two reads; default 120",
    "total": "for one attempt; default 600",
    "zero_retention": "comes later",
    "models": "names that callers ask for, a list",
    "targets": "where a model leads, best first; the next one is tried if one fails before its first byte",
    "provider": "a provider's name",
    "model": "the model's name there; `same` is the name that was asked for",
    "max_tokens": "what a request counts as if it does not say; default 4096",
    "applications": "what is known of an application beyond its keys, a list",
    "tools": "names of its tools, `*` in patterns",
    "secret": "tools in which everything is restored, secrets too; they must not send anything",
    "egress": "tools in which nothing is restored",
    "subject_field": "the field of the body that names the data subject, as `metadata.user_id`",
    "classification": "`public`, `internal` (default), `confidential` or `restricted`",
    "policies": "where policies stand",
    "source": "`file`: edit the files, they are read again at once",
    "path": "the folder, relative to `guard.yaml`; default `policies`",
    "enforcement": "`enforce` (default), or `{mode: report, until: DATE}`: decide and record, change nothing",
    "until": "the last day of reporting, at most 30 days ahead; then Guard stops being ready",
    "audit": "how records are kept",
    "mode": "of `audit`: `strict` (no record, no service); of `enforcement`: `report` or `enforce`",
    "database": "`sqlite:///PATH`; the log stands beside it in `log.db`; default `sqlite:///guard.db`",
}
SCREENING_YAML = {
    "apiVersion": "`guard/v1`",
    "kind": "`ScreeningPolicy`",
    "metadata": "`name` of the policy",
    "name": "a name; a rule's stands in records and errors",
    "spec": "what follows",
    "unmatched": "`block`, `redact` or `allow`, for findings that no rule matches; or one for each direction",
    "thresholds": "the least score by entity type, where the catalogue's is not wanted",
    "rules": "a list; of those that match, the most protective operator wins",
    "exempt": "a list of what is taken out of rules: `rule`, `when`, `reason`",
    "rule": "the rule that an exemption weakens",
    "direction": "`request` or `answer`",
    "when": "the condition; without one the rule matches every finding",
    "unless": "a condition that takes findings out of the rule",
    "action": "the operator, or `mask: {keep_last: n}`",
    "hold": "of rules on answers: `sentence`, `part` or `answer` waits until that much is screened",
    "reason": "a sentence for people",
    "entity_type": "one or several entity types",
    "group": "one or several groups of entity types",
    "score": "`at_least` and `below`, from 0 to 1",
    "at_least": "the least score that matches",
    "below": "the score that matches no more",
    "application": "names, `*` in patterns",
    "purpose": "names, `*` in patterns",
    "model": "names, `*` in patterns",
    "region": "names, `*` in patterns",
    "any": "a list of conditions, one of which holds",
    "all": "a list of conditions that all hold",
    "not": "a condition that does not hold",
    "mask": "the operator with its parameter",
    "keep_last": "letters and digits that stay readable, at most half",
}

TESTS_YAML = {
    "apiVersion": "`guard/v1`",
    "kind": "`PolicyTests`",
    "cases": "a list; `guard policy check` runs them",
    "name": "what the case says",
    "expect": "the operator that must come out",
    "direction": "`request` or `answer`",
    "entity_type": "the type of the finding",
    "score": "its score, from 0 to 1",
    "application": "who asks; default `default`",
    "purpose": "what for; default `general`",
    "model": "which model; default `demo-echo`",
    "region": "where it stands; default `local`",
}
DATASET_YAML = {
    "apiVersion": "`guard/v1`",
    "kind": "`DatasetPolicy`",
    "metadata": "`name` of the policy",
    "name": "a name, which stands in records",
    "spec": "what follows",
    "columns": "rules for columns by their header, a list",
    "match": "headers, in small letters; `*` stands for anything",
    "types": "rules for values by what is found in them, a list",
    "entity_type": "one or several entity types",
    "group": "one or several groups of entity types",
    "action": "`keep`, `generalise`, `mask`, `surrogate`, `pseudonymise` or `drop`; the most protective wins",
    "unmatched": "the action for what is found and no rule names",
    "otherwise": "the action for columns that no rule names and in which nothing is found",
    "mask": "asterisks, with `keep_last`",
    "keep_last": "letters and digits that stay readable",
    "generalise": "a coarser value, with one of `width` and `keep_first`",
    "width": "of numbers: the size of a range",
    "keep_first": "of texts: the characters that stay",
}
FILES: Mapping[str, Mapping[str, str]] = {
    "guard.yaml": GUARD_YAML,
    "policies/screening.yaml": SCREENING_YAML,
    "policies/tests.yaml": TESTS_YAML,
    "policies/dataset.yaml": DATASET_YAML,
}


def variables(texts: Iterable[str]) -> set[str]:
    """Return the names of Guard's variables that stand in ``texts``."""
    return {name for text in texts for name in re.findall(r"\bGUARD_[A-Z][A-Z_]*[A-Z]\b", text)}


def _environment() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        default = "–" if field.default is None else f"`{field.default}`"
        rows.append((f"`{variable}`", words(VARIABLES, variable, FILE), default))
    rows += [(f"`{name}`", words(VARIABLES, name, FILE), "–") for name in NOT_IN_SETTINGS]
    return table(("variable", "what it sets", "default"), rows)


def _members(known: Mapping[str, str]) -> str:
    return table(("member", "what it is"), ((f"`{name}`", text) for name, text in known.items()))


def render() -> str:
    """Return the page."""
    return page(
        "Settings",
        INTRODUCTION,
        "## Environment",
        _environment(),
        f"## A new installation's guard.yaml\n\n```yaml\n{STARTER}```",
        *(f"## {name}\n\n{_members(known)}" for name, known in FILES.items()),
    )
