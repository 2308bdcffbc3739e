"""Every error of the tree has a status, headers and a body as DESIGN §7 says."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable

import pytest

from guard import errors
from guard.errors import GuardError
from guard.gateway.problems import STATUS, Problem, openai_problem, problem_of

FINAL = ("x-should-retry", "false")


def made(kind: type[GuardError]) -> GuardError:
    """Make an error of a kind, with whatever it must be given."""
    needed: dict[str, object] = {"message": "what happened", "retry_after": 7, "status": 500, "largest": 3}
    takes = inspect.signature(kind.__init__).parameters.values()
    given = {one.name: needed[one.name] for one in takes if one.name in needed and one.default is one.empty}
    build: Callable[..., GuardError] = kind
    return build(**given)


KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, GuardError)]

TABLE = {
    "GuardError": 500,
    "ConfigurationError": 503,
    "InvalidRequest": 400,
    "AuthenticationError": 401,
    "Refused": 400,
    "PolicyDenied": 400,
    "LimitExceeded": 429,
    "BudgetExhausted": 400,
    "ScreeningFailed": 400,
    "ProtectionFailed": 400,
    "UnknownOperator": 400,
    "SurrogateInvalid": 400,
    "RestoreFailed": 400,
    "KeyUnavailable": 503,
    "DecryptionFailed": 503,
    "UpstreamError": 502,
    "UpstreamTimeout": 504,
    "UpstreamUnavailable": 502,
    "UpstreamRejected": 502,
    "AuditUnavailable": 503,
    "NotFound": 404,
    "Conflict": 409,
    "TrainingError": 500,
    "IncompatibleModel": 500,
    "LedgerConflict": 500,
    "LedgerTampered": 500,
}


def headers(problem: Problem) -> dict[str, str]:
    """Return the headers of a problem."""
    return {name.decode(): value.decode() for name, value in problem.headers}


def test_the_table_knows_every_error_and_no_other() -> None:
    assert {kind.__name__ for kind in KINDS} == set(TABLE)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_an_error_has_the_status_of_the_design(kind: type[GuardError]) -> None:
    assert openai_problem(made(kind), reference="x1").status == TABLE[kind.__name__]


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind is not GuardError], ids=lambda k: str(k.__name__)
)
def test_no_error_is_left_to_the_row_of_the_root(kind: type[GuardError]) -> None:
    row = next(row for row in STATUS if issubclass(kind, row[0]))
    assert row[0] is not GuardError


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_an_error_says_whether_it_is_worth_a_retry(kind: type[GuardError]) -> None:
    error = made(kind)
    told = headers(openai_problem(error, reference="x1"))
    status = TABLE[kind.__name__]
    if status == 429:
        assert told["retry-after"] == "7" and "x-should-retry" not in told
    elif status == 503:
        assert told["retry-after"] == "5" and told["x-should-retry"] == "false"
    elif issubclass(kind, errors.UpstreamError):
        assert "x-should-retry" not in told and "retry-after" not in told
    else:
        assert told["x-should-retry"] == "false" and "retry-after" not in told


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_a_body_is_the_openai_error_with_code_position_and_reference(kind: type[GuardError]) -> None:
    error = made(kind)
    error.position = "messages[3].content"
    problem = openai_problem(error, reference="x1")
    told = json.loads(problem.body)["error"]
    assert set(told) == {"message", "type", "param", "code"}
    assert (told["code"], told["param"]) == (error.code, "messages[3].content")
    assert told["message"] == f"{error.message} (ref x1)"
    assert headers(problem)["content-type"] == "application/json"
    expected = {
        401: "authentication_error",
        429: "rate_limit_error",
        500: "server_error",
        502: "server_error",
        503: "server_error",
        504: "server_error",
    }
    assert told["type"] == expected.get(problem.status, "invalid_request_error")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("unsupported_encoding", 415),
        ("unsupported_media_type", 415),
        ("body_too_large", 413),
        ("body_too_slow", 408),
        ("method_not_allowed", 405),
        ("invalid_json", 400),
    ],
)
def test_what_cannot_be_read_has_a_status_of_its_own(code: str, status: int) -> None:
    problem = openai_problem(errors.InvalidRequest("x", code=code), reference="x1")
    assert problem.status == status
    assert headers(problem).get("allow") == ("POST" if status == 405 else None)


@pytest.mark.parametrize(("code"), ["content_policy_violation", "model_not_allowed", "purpose_required"])
def test_every_refusal_of_policy_or_access_is_a_400_that_nobody_repeats(code: str) -> None:
    problem = openai_problem(errors.PolicyDenied("x", code=code), reference="x1")
    assert problem.status == 400 and headers(problem)["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("status", "shown", "kind"),
    [
        (400, 400, "invalid_request_error"),
        (404, 404, "invalid_request_error"),
        (408, 408, "invalid_request_error"),
        (413, 413, "invalid_request_error"),
        (422, 422, "invalid_request_error"),
        (429, 429, "rate_limit_error"),
        (401, 502, "server_error"),
        (402, 502, "server_error"),
        (403, 502, "server_error"),
        (302, 502, "server_error"),
        (500, 502, "server_error"),
        (529, 502, "server_error"),
    ],
)
def test_of_a_providers_statuses_only_those_about_the_request_are_passed_on(
    status: int, shown: int, kind: str
) -> None:
    problem = openai_problem(errors.UpstreamRejected("x", status=status), reference="x1")
    assert problem.status == shown and json.loads(problem.body)["error"]["type"] == kind


def test_the_seconds_that_a_provider_asks_to_wait_are_passed_on() -> None:
    error = errors.UpstreamRejected("x", status=429, retry_after=9)
    assert headers(openai_problem(error, reference="x1"))["retry-after"] == "9"
    silent = errors.UpstreamRejected("x", status=429)
    assert "retry-after" not in headers(openai_problem(silent, reference="x1"))


def test_another_dialect_has_another_body_and_the_same_status_and_headers() -> None:
    error = errors.InvalidRequest("what happened", code="invalid_json", position="inputs[0]")
    there = problem_of(error, route="open-inference.infer", reference="x1")
    here = problem_of(error, route="openai.chat", reference="x1")
    assert (there.status, there.headers) == (here.status, here.headers)
    assert json.loads(there.body) == {"error": "invalid_json at inputs[0]: what happened (ref x1)"}
