"""Access control in Cedar: may this application invoke this model for this purpose?

Cedar skips a ``forbid`` that errors, so any diagnostic error and any answer but Allow is
a denial here. Policies and schema are parsed once; the slice of a request is two
entities. Patterns of a key (``gpt-*``) are resolved before Cedar is asked, because Cedar
matches only against literal patterns: the model's ``granted`` says whether one fits.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import cedarpy

from guard.domain.principal import Principal
from guard.errors import ConfigurationError

__all__ = ["SCHEMA", "Access", "AccessDecision"]

SCHEMA = """
entity Application = { tenant: String, purposes: Set<String> };
entity Model = { granted: Bool };
action invoke appliesTo {
    principal: Application,
    resource: Model,
    context: { purpose: String, classification: String }
};
"""
CACHE = 4096
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;')
BLANK = re.compile(r"(?:\s|//[^\n]*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDecision:
    """Whether access is allowed, and the ids of the policies that decided."""

    allowed: bool
    reasons: tuple[str, ...]


class Access:
    """Immutable policies with a bounded memory of decisions, which is sound because of that."""

    def __init__(self, source: str, *, file: str = "access.cedar") -> None:
        statements = _statements(source)
        try:
            self._policies = cedarpy.PolicySet.from_str(source)
            self._schema = cedarpy.Schema.from_str(SCHEMA)
            self._names = _names(source)
            checked = cedarpy.validate_policies(source, SCHEMA)
        except (ValueError, TypeError, RuntimeError) as error:
            raise ConfigurationError(f"{_broken(statements, file)}: {error}") from None
        if not checked.validation_passed:
            problems = [f"{_place(statements, found, file)}: {found.error}" for found in checked.errors]
            raise ConfigurationError("\n".join(problems))
        self.digest = "sha256:" + hashlib.sha256(source.encode()).hexdigest()
        self._known: OrderedDict[tuple[object, ...], AccessDecision] = OrderedDict()

    def may_invoke(
        self, principal: Principal, *, model: str, purpose: str, classification: str
    ) -> AccessDecision:
        """Decide one invocation."""
        name = (principal, model, purpose, classification)
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._ask(principal, model, purpose, classification)
            if len(self._known) > CACHE:
                self._known.popitem(last=False)
        return known

    def _ask(self, principal: Principal, model: str, purpose: str, classification: str) -> AccessDecision:
        granted = any(fnmatchcase(model, pattern) for pattern in principal.models)
        application = {"type": "Application", "id": principal.application}
        resource = {"type": "Model", "id": model}
        entities = [
            {
                "uid": application,
                "attrs": {"tenant": principal.tenant, "purposes": list(principal.purposes)},
                "parents": [],
            },
            {"uid": resource, "attrs": {"granted": granted}, "parents": []},
        ]
        answer = cedarpy.is_authorized(
            {
                "principal": application,
                "action": {"type": "Action", "id": "invoke"},
                "resource": resource,
                "context": {"purpose": purpose, "classification": classification},
            },
            self._policies,
            entities,
            self._schema,
        )
        errors = answer.diagnostics.errors
        allowed = answer.decision == cedarpy.Decision.Allow and not errors
        reasons = tuple(self._names.get(reason, reason) for reason in answer.diagnostics.reasons)
        return AccessDecision(allowed=allowed, reasons=reasons)


def _names(source: str) -> dict[str, str]:
    """Return the ``@id`` of each policy by the number that Cedar gives it."""
    written = json.loads(cedarpy.policies_to_json_str(source))
    if written.get("templates"):
        raise ValueError("templates are not used here: nothing would fill them in")
    policies = written.get("staticPolicies", {})
    return {number: policy.get("annotations", {}).get("id", number) for number, policy in policies.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """One policy of the source, and where it begins; lines and columns count from 1."""

    text: str
    line: int
    column: int


def _statements(source: str) -> list[_Statement]:
    """Split a source at its semicolons, because Cedar's errors do not say where they are."""
    found: list[_Statement] = []
    start = 0
    ends = [token.end() for token in TOKEN.finditer(source) if token.group() == ";"]
    for end in [*ends, len(source)]:
        blank = BLANK.match(source, start)
        begin = blank.end() if blank else start
        if begin < end:
            line = source.count("\n", 0, begin) + 1
            column = begin - (source.rfind("\n", 0, begin) + 1) + 1
            found.append(_Statement(text=source[begin:end], line=line, column=column))
        start = end
    return found


def _broken(statements: Sequence[_Statement], file: str) -> str:
    """Return where the first statement stands that cannot be read by itself."""
    for statement in statements:
        try:
            _names(statement.text)
        except ValueError:
            return f"{file}:{statement.line}:{statement.column}"
    return file


def _place(statements: Sequence[_Statement], found: cedarpy.ValidationError, file: str) -> str:
    number = found.policy_id.removeprefix("policy")
    if not number.isdecimal() or int(number) >= len(statements):
        return file
    return f"{file}:{statements[int(number)].line}:{statements[int(number)].column}"
