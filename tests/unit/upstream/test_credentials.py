"""Where a provider's credential comes from, and what happens when it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.domain.catalogue import Provider
from guard.errors import InvalidRequest, NotFound, UpstreamUnavailable
from guard.upstream.credentials import SECONDS, Credentials


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Secrets:
    """Stored secrets by name; counts how often it is asked."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.asked = 0

    def __call__(self, name: str) -> str:
        self.asked += 1
        if name not in self.values:
            raise NotFound("no such secret")
        return self.values[name]


def provider(credential: str | None) -> Provider:
    """Return a provider with a credential."""
    return Provider(name="p", dialect="openai", base_url="http://127.0.0.1/v1", credential=credential)


def credentials(clock: Clock | None = None, **secrets: str) -> Credentials:
    """Return credentials with one variable and some secrets."""
    return Credentials(
        environment={"KEY": " sk-env \n", "EMPTY": " "}, secret=Secrets(**secrets), clock=clock or Clock()
    )


def test_a_provider_without_a_credential_gets_none() -> None:
    assert credentials()(provider(None), "Bearer callers-own") is None


def test_each_kind_becomes_a_bearer(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-file\n")
    known = credentials(stored="sk-secret")
    assert known(provider("env:KEY"), None) == "Bearer sk-env"
    assert known(provider(f"file:{tmp_path / 'key'}"), None) == "Bearer sk-file"
    assert known(provider("secret:stored"), None) == "Bearer sk-secret"


def test_the_callers_own_authorization_travels_only_where_the_provider_says_so() -> None:
    known = credentials()
    assert known(provider("caller"), "Basic abc") == "Basic abc"
    assert known(provider("env:KEY"), "Basic abc") == "Bearer sk-env"
    for nothing in (None, ""):
        with pytest.raises(InvalidRequest) as refused:
            known(provider("caller"), nothing)
        assert refused.value.code == "caller_authorization_missing"


@pytest.mark.parametrize(
    "credential",
    ["env:ABSENT", "env:EMPTY", "file:/nowhere/key", "secret:absent", "secret:odd", "secret:line"],
)
def test_a_credential_that_is_not_there_or_cannot_be_sent_lets_the_next_target_be_tried(
    credential: str,
) -> None:
    known = credentials(odd="sk-é", line="sk\r\nx-evil: 1")
    with pytest.raises(UpstreamUnavailable) as missing:
        known(provider(credential), None)
    assert missing.value.code == "credential_missing"
    shown = missing.value.message
    assert "nowhere" not in shown and "sk" not in shown and "p" in shown


def test_a_file_that_is_no_text_is_missing(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(UpstreamUnavailable):
        credentials()(provider(f"file:{tmp_path / 'key'}"), None)


def test_a_stored_secret_is_remembered_for_a_few_seconds_and_then_looked_up_again() -> None:
    clock, secrets = Clock(), Secrets(stored="one")
    known = Credentials(environment={}, secret=secrets, clock=clock)
    assert known(provider("secret:stored"), None) == "Bearer one"
    secrets.values["stored"] = "two"
    clock.now += SECONDS - 0.1
    assert known(provider("secret:stored"), None) == "Bearer one"
    assert secrets.asked == 1
    clock.now += 0.2
    assert known(provider("secret:stored"), None) == "Bearer two"


def test_a_missing_secret_is_not_remembered() -> None:
    secrets = Secrets()
    known = Credentials(environment={}, secret=secrets, clock=Clock())
    with pytest.raises(UpstreamUnavailable):
        known(provider("secret:late"), None)
    secrets.values["late"] = "now"
    assert known(provider("secret:late"), None) == "Bearer now"
