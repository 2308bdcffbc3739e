"""Every entity type, and what the shipped default policy does with it."""

from __future__ import annotations

from pathlib import Path

from docs.generator.markdown import page, table, words
from guard.domain.decision import Direction
from guard.domain.entities import CATALOGUE, EntityType
from guard.domain.finding import Finding
from guard.policy.bundle import load_bundle
from guard.policy.condition import Facts
from guard.policy.engine import CompiledPolicy, compile_bundle

__all__ = ["render"]

FILE = "docs/generator/entities.py"
PACK = Path(__file__).parents[2] / "policies" / "default" / "screening.yaml"
INTRODUCTION = """
`guard screen --types` prints these, `guard screen < text` shows where they stand. A candidate whose
score is below the threshold is no finding; policies change thresholds by type. A value of a type that
*propagates* is replaced wherever it stands in a request, once it was found anywhere in it. The last
columns are what the pack `default` does with a certain finding (score 1).
"""

WORDS = {
    "EMAIL_ADDRESS": "an e-mail address",
    "PHONE_NUMBER": "a telephone number in international form, or a Chinese mobile number",
    "CREDIT_CARD": "a payment card number that passes its checksum",
    "IBAN_CODE": "an international bank account number that passes its checksum",
    "US_SSN": "a United States social security number",
    "CN_RESIDENT_ID": "a Chinese resident identity number that passes its checksum",
    "IP_ADDRESS": "a public IPv4 or IPv6 address",
    "MAC_ADDRESS": "the address of a network device",
    "URL_CREDENTIALS": "a user name and password inside an address",
    "AWS_ACCESS_KEY": "an access key of Amazon Web Services",
    "GITHUB_TOKEN": "a token of GitHub",
    "OPENAI_API_KEY": "a key of a model provider",
    "SLACK_TOKEN": "a token or web hook of Slack",
    "JWT": "a signed JSON web token",
    "PRIVATE_KEY": "a private key in PEM",
    "SECRET_IN_CONTEXT": "a random-looking value after a word as password or token",
    "EMAIL_ADDRESS_EXAMPLE": "an address at a domain reserved for examples",
    "CREDIT_CARD_TEST": "a card number that payment providers publish for tests",
    "IP_ADDRESS_PRIVATE": "an address of a private, loopback or documentation network",
}


def _action(policy: CompiledPolicy, name: str, direction: Direction) -> str:
    facts = Facts(direction=direction, application="", purpose="", model="", region="")
    finding = Finding(entity_type=name, start=0, end=1, score=1.0, recognizer="")
    return policy.decide(facts, [[finding]]).obligations[0][0].operator.word


def _row(policy: CompiledPolicy, row: EntityType) -> tuple[str, ...]:
    return (
        f"`{row.name}`",
        words(WORDS, row.name, FILE),
        row.group.value,
        f"`{row.shape.format(token=f'{row.mnemonic}X…')}`",
        row.evidence.value,
        f"{row.threshold:g}",
        "yes" if row.propagates else "no",
        _action(policy, row.name, Direction.REQUEST),
        _action(policy, row.name, Direction.ANSWER),
    )


def render() -> str:
    """Return the page."""
    policy = compile_bundle(load_bundle(PACK.read_bytes()))
    head = (
        "type",
        "what it is",
        "group",
        "surrogate",
        "evidence",
        "threshold",
        "propagates",
        "request",
        "answer",
    )
    return page("Entity types", INTRODUCTION, table(head, (_row(policy, row) for row in CATALOGUE.values())))
