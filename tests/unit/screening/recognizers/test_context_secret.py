"""Passwords and tokens that only the words round them give away. All are made up."""

from __future__ import annotations

import hashlib

import pytest

from guard.screening.recognizers.context_secret import ContextSecret
from tests.unit.screening.seen import alone, seen

SECRET = alone(ContextSecret())
HEX = hashlib.md5(b"made up", usedforsecurity=False).hexdigest()
OPAQUE = hashlib.shake_128(b"made up").hexdigest(600)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("password: Tr0ub4dor&3", "Tr0ub4dor&3", id="a colon"),
        pytest.param("PASSWORD=Tr0ub4dor&3\n", "Tr0ub4dor&3", id="an environment"),
        pytest.param("DB_PASS=Tr0ub4dor&3", "Tr0ub4dor&3", id="the short word"),
        pytest.param("DB_PWD='Tr0ub4dor&3'", "Tr0ub4dor&3", id="a shorter one"),
        pytest.param('"password": "Xk9(2#kd),"', "Xk9(2#kd),", id="JSON, to the closing quotation"),
        pytest.param(r"{\"password\": \"Tr0ub4dor&3\"}", "Tr0ub4dor&3", id="JSON inside JSON"),
        pytest.param("my password is hunter2!", "hunter2!", id="a sentence"),
        pytest.param("password = hunter2", "hunter2", id="the famous one"),
        pytest.param("token         = 'dop_v1_" + HEX + "'", "dop_v1_" + HEX, id="aligned"),
        pytest.param(f"api_key={HEX}", HEX, id="a key of an interface"),
        pytest.param(f"x-api-key: {HEX}", HEX, id="a header"),
        pytest.param(f"AccountKey={HEX}==;", HEX + "==", id="a connection string"),
        pytest.param(f"COINLIB_KEY={HEX}", HEX, id="a variable in capitals"),
        pytest.param(f"client_secret => {HEX}", HEX, id="an arrow"),
        pytest.param(f"Authorization: Bearer {HEX}", HEX, id="a bearer"),
        pytest.param("Authorization: Basic YW5uOmh1bnRlcjI=", "YW5uOmh1bnRlcjI=", id="a basic one"),
        pytest.param(f"Authorization: {HEX}", HEX, id="neither"),
        pytest.param(f"secret {HEX}", HEX, id="no sign, but very random"),
        pytest.param(f"get('SECRET_KEY', '{HEX}')", HEX, id="a default"),
        pytest.param("密码：Tr0ub4dor3", "Tr0ub4dor3", id="Chinese"),
        pytest.param("密码是Tr0ub4dor3。", "Tr0ub4dor3", id="a Chinese sentence"),
        pytest.param("Passwort: Tr0ub4dor3", "Tr0ub4dor3", id="German"),
        pytest.param("mot de passe : Tr0ub4dor3", "Tr0ub4dor3", id="French"),
        pytest.param("пароль: Tr0ub4dor3", "Tr0ub4dor3", id="Russian"),
        pytest.param("ｐａｓｓｗｏｒｄ：Ｔr0ub4dor3", "Ｔr0ub4dor3", id="full width"),
        pytest.param("pass\u200bword: Tr0ub\u200b4dor3", "Tr0ub\u200b4dor3", id="invisible characters"),
        pytest.param(
            "HF_TOKEN:hfjYCNNYmxuBtgRinmPTvAmeHMXzbXxYAdwF",
            "hfjYCNNYmxuBtgRinmPTvAmeHMXzbXxYAdwF",
            id="capitals and small letters at random",
        ),
        pytest.param(f"token={OPAQUE} x", OPAQUE, id="a very long one"),
        pytest.param(f"token={HEX}&mail=ann@acme.io", HEX + "&mail=ann@acme.io", id="with an address inside"),
    ],
)
def test_secrets(text: str, found: str) -> None:
    assert seen(text, SECRET) == [("SECRET_IN_CONTEXT", found)]


def test_a_secret_with_an_address_inside_is_found_whole() -> None:
    text = f"token={HEX}&mail=ann@acme.io"
    assert seen(text) == [("SECRET_IN_CONTEXT", text.removeprefix("token="))]


def test_two_secrets_in_one_run() -> None:
    text = f"token={HEX}secret={HEX[::-1]}"
    assert [value for _, value in seen(text, SECRET)] == [f"{HEX}secret=", HEX[::-1]]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("password: string", id="a type"),
        pytest.param("password = getpass()", id="a call"),
        pytest.param("password = get_password1(x)", id="another call"),
        pytest.param("password = os.environ['DB_PASSWORD1']", id="the environment"),
        pytest.param("password: ${DB_PASSWORD1}", id="a variable"),
        pytest.param('password="${DB_PASSWORD1}x9"', id="a template"),
        pytest.param("password: {{ vault.db1 }}", id="another template"),
        pytest.param("password: %(pass1)s", id="a format"),
        pytest.param("password: your-password-1", id="a slot"),
        pytest.param("password: changeme123", id="a placeholder"),
        pytest.param("password: example1234", id="an example"),
        pytest.param("token: https://acme.io/a1b2c3", id="an address"),
        pytest.param("secret: /run/secrets/db1", id="a path"),
        pytest.param("max_tokens: 4096", id="a number"),
        pytest.param("tokenizer: cl100k_base", id="a name beside it"),
        pytest.param("key: a1b2c3d4e5f6", id="a key that nobody calls secret"),
        pytest.param(f"PUBLIC_KEY={HEX}", id="a public key"),
        pytest.param("compass: a1b2c3d4e5", id="part of another word"),
        pytest.param("password: abc1", id="too short"),
        pytest.param("secret santa on 24.12.2024", id="prose"),
        pytest.param("the token abc123 is wrong", id="prose with a short value"),
        pytest.param("pass the salt, 12 g", id="a verb"),
        pytest.param("token.value.first_name2", id="an attribute"),
        pytest.param("api_key: process.env.KEY1", id="the environment of a page"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert seen(text, SECRET) == []
