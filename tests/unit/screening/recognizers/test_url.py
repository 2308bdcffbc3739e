"""Credentials in URLs."""

from __future__ import annotations

import pytest

from guard.screening.recognizers.url import UrlCredentials
from tests.unit.screening.seen import alone, seen, types

URL = alone(UrlCredentials())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("postgres://app:s3cr3tpw@db.acme.io:5432/x", "app:s3cr3tpw", id="a database"),
        pytest.param("redis://:s3cr3tpw@10.0.0.7/0", ":s3cr3tpw", id="no user"),
        pytest.param("https://ann:hunter@acme.io", "ann:hunter", id="a plain password"),
        pytest.param("amqp://app:p@ss:w0rd@mq/vhost", "app:p@ss:w0rd", id="signs inside the password"),
        pytest.param("mongodb+srv://app:Xk9%21z@cluster0.mongodb.net", "app:Xk9%21z", id="percent signs"),
        pytest.param(
            "git clone https://x-token:abc123@[2a00::1]/r", "x-token:abc123", id="a host of version 6"
        ),
        pytest.param("连接postgres://app:s3cr3tpw@db，谢谢", "app:s3cr3tpw", id="between Han characters"),
        pytest.param("postgres：／／app:s3cr3tpw＠db", "app:s3cr3tpw", id="full width"),
    ],
)
def test_credentials(text: str, found: str) -> None:
    assert seen(text, URL) == [("URL_CREDENTIALS", found)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("https://acme.io:8080/a@b", id="a port"),
        pytest.param("https://ann@acme.io", id="no password"),
        pytest.param("https://ann:@acme.io", id="an empty password"),
        pytest.param("https://user:password@acme.io", id="the word itself"),
        pytest.param("https://user:${PASSWORD}@acme.io", id="a shell variable"),
        pytest.param("https://user:$PASSWORD@acme.io", id="a bare variable"),
        pytest.param("https://user:{password}@acme.io", id="a format"),
        pytest.param("https://user:{{ password }}@acme.io", id="a template with spaces"),
        pytest.param("https://user:[YOUR-PASSWORD]@acme.io", id="a slot"),
        pytest.param("https://user:****@acme.io", id="masked"),
        pytest.param("https://user:xxxx@acme.io", id="crossed out"),
        pytest.param("https://user:s3cr3tpw@", id="no host"),
        pytest.param("https://user:s3c r3t@acme.io", id="a space"),
        pytest.param("user:s3cr3tpw@acme.io", id="no scheme"),
        pytest.param("https://user:" + "x1" * 60 + "@acme.io", id="too long"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert seen(text, URL) == []


def test_the_password_of_a_url_is_no_address() -> None:
    assert types("postgres://app:s3cr3tpw@db.acme.io/x") == ["URL_CREDENTIALS"]
    assert types("postgres://app:password@db.acme.io/x") == []
