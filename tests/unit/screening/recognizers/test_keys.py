"""Keys of providers. All are made up: the right form, no account behind them."""

from __future__ import annotations

import pytest

from guard.screening.recognizers.keys import ProviderKey
from tests.unit.screening.seen import alone, seen

KEYS = alone(ProviderKey())
BODY = "aZ3kQ9xW2mB7nR5tY8uP1sD4fG6hJ0lCvEwX"

AWS = "AKIA" + "Q3EGTZ5RXW7HN2LB"
GITHUB = "ghp_" + BODY
PAT = "github_pat_" + "11ABCDEFG0" + BODY + "_" + BODY
OPENAI = "sk-proj-" + BODY + "-" + BODY + "_x"
ANTHROPIC = "sk-ant-api03-" + BODY + "-AA"
SLACK = "xoxb-" + "123456789012-1234567890123-" + "aZ3kQ9xW2mB7nR5tY8uP1sD4"


@pytest.mark.parametrize(
    ("entity_type", "key"),
    [
        pytest.param("AWS_ACCESS_KEY", AWS, id="AWS"),
        pytest.param("AWS_ACCESS_KEY", "ASIA" + AWS[4:], id="AWS for a session"),
        pytest.param("AWS_ACCESS_KEY", "AKIA" + "QWERTYUIOPASDFGH", id="AWS without a digit"),
        pytest.param("GITHUB_TOKEN", GITHUB, id="GitHub"),
        pytest.param("GITHUB_TOKEN", "ghs_" + BODY, id="GitHub for an app"),
        pytest.param("GITHUB_TOKEN", PAT, id="GitHub with fine grain"),
        pytest.param("OPENAI_API_KEY", "sk-" + BODY + BODY[:12], id="OpenAI before projects"),
        pytest.param("OPENAI_API_KEY", OPENAI, id="OpenAI"),
        pytest.param("OPENAI_API_KEY", ANTHROPIC, id="Anthropic"),
        pytest.param("SLACK_TOKEN", SLACK, id="Slack"),
        pytest.param("SLACK_TOKEN", "xoxe." + SLACK, id="Slack that rotates"),
        pytest.param("SLACK_TOKEN", "xapp-1-A012B3C4D-5678-" + BODY, id="Slack for an app"),
    ],
)
def test_keys_alone_in_code_and_in_prose(entity_type: str, key: str) -> None:
    for text in (key, f'KEY="{key}"', f"use {key}.", f"密钥{key}。", f"-H x:{key}\n", f"({key})"):
        assert seen(text, KEYS) == [(entity_type, key)]


def test_of_a_web_hook_only_the_path_is_secret() -> None:
    path = "T5T9FBDJQ/B5T5WFU0K/CdVQm6KZiMPRxAqiIraNkYBW"
    assert seen(f"https://hooks.slack.com/services/{path}", KEYS) == [("SLACK_TOKEN", path)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("AKIAIOSFODNN7EXAMPLE", id="the documentation's example"),
        pytest.param("AKIAXXXXXXXXXXXXXXXX", id="a placeholder"),
        pytest.param(AWS + "A", id="AWS, too long"),
        pytest.param(AWS[:-1], id="AWS, too short"),
        pytest.param("AKIA" + "Q3EGTZ5RXW7HN2L1", id="AWS with a digit that it never has"),
        pytest.param("X" + AWS, id="glued"),
        pytest.param("_" + GITHUB, id="part of a name"),
        pytest.param("ghp_" + "x" * 36, id="one letter all along"),
        pytest.param("ghp_short1", id="too short"),
        pytest.param("sk-learn-pipeline-components-and-more", id="words"),
        pytest.param("task-3f9a8b7c6d5e4f3a2b1c", id="another word"),
        pytest.param("xoxb-my-bot-token", id="words behind the prefix"),
        pytest.param("xoxb-", id="the prefix alone"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert seen(text, KEYS) == []
