"""Access control in Cedar: may this application invoke this model for this purpose?

Cedar skips a ``forbid`` that errors, so any diagnostic error and any answer but Allow is
a denial here. Policies and schema are parsed once; the slice of a request is two
entities. Patterns of a key (``gpt-*``) are resolved before Cedar is asked, because Cedar
matches only against literal patterns: the model's ``granted`` says whether one fits.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDecision:
    """Whether access is allowed, and the ids of the policies that decided."""

    allowed: bool
    reasons: tuple[str, ...]


class Access:
    """Immutable policies with a bounded memory of decisions, which is sound because of that."""

    def __init__(self, source: str, *, file: str = "access.cedar") -> None:
        try:
            self._policies = cedarpy.PolicySet.from_str(source)
            self._schema = cedarpy.Schema.from_str(SCHEMA)
            self._names = _names(source)
            checked = cedarpy.validate_policies(source, SCHEMA)
        except (ValueError, TypeError, RuntimeError) as error:
            raise ConfigurationError(f"{file}: {error}") from None
        if not checked.validation_passed:
            problems = "; ".join(str(problem.error) for problem in checked.errors)
            raise ConfigurationError(f"{file}: {problems}")
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
    policies = json.loads(cedarpy.policies_to_json_str(source)).get("staticPolicies", {})
    return {number: policy.get("annotations", {}).get("id", number) for number, policy in policies.items()}
