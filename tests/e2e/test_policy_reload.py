"""Policies are files: a change is in force within a second, a broken one changes nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.service import Service, run_guard

EMAIL = "maria.gomez@kestrel-labs.com"
BODY = json.dumps(
    {"model": "demo-echo", "messages": [{"role": "user", "content": f"reload {EMAIL}"}]}
).encode()
CONTACT = """    - name: contact
      direction: request
      when: {group: contact}
      action: surrogate
"""


def until(service: Service, status: int) -> tuple[int, dict[str, str], bytes]:
    """Ask many at once until every worker answers so."""
    agreed = 0
    answers: list[tuple[int, dict[str, str], bytes]] = []
    with ThreadPoolExecutor(16) as pool:
        for _ in range(300):
            answers = list(pool.map(lambda _: service.chat(BODY), range(16)))
            agreed = agreed + 1 if {answer[0] for answer in answers} == {status} else 0
            if agreed == 2:
                break
    return answers[0]


def test_a_change_is_in_force_and_a_broken_file_keeps_the_last_good_policy(own_service: Service) -> None:
    service = own_service
    policy = service.data_dir / "policies" / "screening.yaml"
    shipped = policy.read_text()
    assert CONTACT in shipped
    before = service.chat(BODY)[1]["x-guard-policy"]

    policy.write_text(shipped.replace(CONTACT, CONTACT.replace("surrogate", "block")))
    status, headers, answer = until(service, 400)
    error = json.loads(answer)["error"]
    assert (status, error["code"]) == (400, "content_policy_violation")
    assert "contact" in error["message"] and "1 EMAIL_ADDRESS" in error["message"]
    assert error["param"] == "messages[0].content" and EMAIL not in answer.decode()
    assert headers["x-guard-policy"] != before

    policy.write_text(shipped.replace("action: surrogate", "action: surogate", 1))
    for _ in range(5000):
        ready = json.loads(service.get("/readyz")[1])
        if ready.get("problem"):
            break
    assert "did you mean 'surrogate'" in ready["problem"] and "screening.yaml:" in ready["problem"]
    assert service.chat(BODY)[0] == 400, "the last good policy is in force"

    policy.write_text(shipped)
    assert until(service, 200)[0] == 200
    rows = run_guard(service.data_dir, "log", "tail", "--tenant", "system", "-n", "50", "--json").stdout
    types = [json.loads(line)["type"] for line in rows.splitlines()]
    assert "policy.rejected" in types and types.count("policy.loaded") >= 3
