"""What a policy and a configuration can ask of the whole service, seen by the official client."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.conftest import CONFIGURATION, make_service
from tests.e2e.service import Service, run_guard, stop_quietly

EMAIL = "maria.gomez@kestrel-labs.com"
CARD = "5425 2334 3010 9903"
ANSWERS_BLOCK = """apiVersion: guard/v1
kind: ScreeningPolicy
metadata: {name: answers}
spec:
  unmatched: redact
  rules:
    - {name: ask, direction: request, when: {not: {group: payment}}, action: surrogate}
    - {name: cards-go, direction: request, when: {group: payment}, action: keep}
    - {name: no-cards, direction: answer, when: {group: payment}, action: block, hold: sentence}
    - {name: rest, direction: answer, when: {not: {group: payment}}, action: keep}
"""


def test_an_answer_that_a_rule_stops_ends_as_a_refusal_streamed_and_not(tmp_path: Path) -> None:
    service = make_service(tmp_path, workers=1)
    (service.data_dir / "policies" / "screening.yaml").write_text(ANSWERS_BLOCK)
    service.start()
    try:
        question = f"First to {EMAIL}. Then the card {CARD} and more. "
        client = service.client()
        plain = client.chat.completions.create(
            model="demo-echo", messages=[{"role": "user", "content": question}]
        ).choices[0]
        assert plain.finish_reason == "content_filter"
        assert plain.message.content == f"First to {EMAIL}."
        assert plain.message.refusal == "The answer was stopped by policy rule no-cards: CREDIT_CARD."
        text, refusal, reasons = "", "", []
        for piece in client.chat.completions.create(
            model="demo-bytes", messages=[{"role": "user", "content": question}], stream=True
        ):
            for choice in piece.choices:
                text += choice.delta.content or ""
                refusal += choice.delta.refusal or ""
                reasons += [choice.finish_reason] if choice.finish_reason else []
        assert (text, refusal, reasons) == (plain.message.content, plain.message.refusal, ["content_filter"])
        told = run_guard(service.data_dir, "log", "tail", "-n", "10", "--json").stdout
        ends = [json.loads(line)["end"] for line in told.splitlines() if '"exchange.outcome"' in line]
        assert ends == ["blocked", "blocked"]
    finally:
        stop_quietly(service)


def test_report_mode_forwards_unchanged_and_says_so_everywhere(tmp_path: Path) -> None:
    service = make_service(tmp_path, workers=1)
    until = datetime.now(UTC).date() + timedelta(days=1)
    reporting = CONFIGURATION.replace(
        "enforcement: enforce", f"enforcement: {{mode: report, until: {until}}}"
    )
    (service.data_dir / "guard.yaml").write_text(reporting)
    service.start()
    try:
        raw = service.client().chat.completions.with_raw_response.create(
            model="demo-echo", messages=[{"role": "user", "content": f"report {EMAIL}"}]
        )
        assert raw.headers["x-guard-enforcement"] == "report"
        assert raw.headers["x-guard-entities"] == "EMAIL_ADDRESS=1"
        assert any(EMAIL in body for body in service.received())
        ready = json.loads(service.get("/readyz")[1])
        assert (ready["enforcement"], ready["enforcement_until"]) == ("report", until.isoformat())
        told = run_guard(service.data_dir, "log", "tail", "--tenant", "system", "-n", "9", "--json").stdout
        started = [json.loads(line) for line in told.splitlines() if '"system.started"' in line]
        assert [record["enforcement"] for record in started] == ["report"]
    finally:
        stop_quietly(service)


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key", "x-guard-key"])
def test_a_key_is_taken_in_each_form(service: Service, header: str) -> None:
    body = json.dumps({"model": "demo-echo", "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {header: service.key()}
    status, _, _ = service.call("POST", "/v1/chat/completions", body, headers=headers)
    assert status == 200


def test_what_the_edge_refuses_stands_in_the_log_of_its_tenant(service: Service) -> None:
    status, headers, _ = service.chat(b"{}", headers={"content-type": "text/plain"})
    assert status == 415
    told = run_guard(service.data_dir, "explain", headers["x-guard-request"], "--json")
    (record,) = json.loads(told.stdout)["records"]
    assert record["leaf"]["type"] == "exchange.refused"
    assert record["leaf"]["reason"] == "unsupported_media_type"
    assert headers["x-guard-record"].isdigit()
