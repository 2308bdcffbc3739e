"""The scenes of ``guard demo``: each does something real and returns what is to be seen.

The last one changes the policies in force, and only so far that nobody else can notice:
it adds one line, a rule that names the demo's own application, checks the result before
it is written, and takes that line out again whatever happens. A copy of the policies
would be safer still and would show nothing, because no running service reads it. What a
power cut leaves behind is a rule for an application whose key has ended; the next demo
removes it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guard.audit import verify
from guard.audit.export import export
from guard.audit.history import exchange_records
from guard.cli.audit import verdict
from guard.cli.caller import Answer, Caller, fetch
from guard.cli.explain import tell
from guard.cli.options import replace_file
from guard.errors import ConfigurationError
from guard.policy.check import SCREENING, load_pack
from guard.storage.installation import Installation
from guard.storage.truth import read_pack
from guard.upstream.demo import answer as demo_answer

__all__ = ["APPLICATION", "SENT", "Scene", "Stage"]

APPLICATION = "guard-demo"
VALUES = {
    "the e-mail": "maria.gomez@kestrel-labs.com",
    "the card": "5425 2334 3010 9903",
    "the key": "AKIAZ3MHQWERTYUI2345",
}
SENT = "Write to {}: card {}, key {}, and meet in Paris on Friday.".format(*VALUES.values())
TENANT = "default"
WHEN = f"{{group: contact, application: {APPLICATION}}}"
RULE = f"- {{name: {APPLICATION}, direction: request, when: {WHEN}, action: block}}"
RULES = re.compile(r"^ *rules:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*( *)- ", re.MULTILINE)
LEFT = re.compile(rf"^ *{re.escape(RULE)}\n", re.MULTILINE)
FORCE_SECONDS = 10.0
PAUSE_SECONDS = 0.1
OK, REFUSED = 200, 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is to be seen: columns side by side, and what to notice."""

    title: str
    columns: Mapping[str, str]
    notes: Sequence[str]


class Stage:
    """Plays the scenes against a running service and its demo model."""

    def __init__(self, installation: Installation, caller: Caller, *, demo: str) -> None:
        self._installation = installation
        self._caller = caller
        self._demo = demo
        self._exchange = ""

    def scenes(self) -> Iterator[Scene]:
        """Yield each scene when it has been played."""
        yield self.streamed()
        yield self.injected()
        yield self.explained()
        yield self.proved()
        yield self.forbidden()

    def streamed(self) -> Scene:
        """Personal data and a secret on their way to the model and back."""
        answer = self._caller.chat(SENT, model="demo-echo", stream=True)
        if answer.status != OK:
            raise ConfigurationError(
                f"the demo's first request got {answer.status} {answer.code} ({answer.text}); it is made for "
                "the pack default, as in a new data directory: GUARD_DATA_DIR=/tmp/guard-demo make run"
            )
        return Scene(
            title="Personal data on its way to a model and back",
            columns={
                "you sent": SENT,
                "the model got": _said(self._received("demo-echo")),
                "you got back": answer.text,
            },
            notes=[
                f"streamed in {answer.pieces} pieces; Guard itself took {answer.milliseconds} ms",
                f"found: {answer.headers.get('x-guard-entities', 'nothing')}",
                *_fate(answer.text),
            ],
        )

    def injected(self) -> Scene:
        """An answer, made by an injected text, that would carry values to a strange address."""
        answer = self._caller.chat(SENT, model="demo-inject")
        self._exchange = answer.headers.get("x-guard-request", "")
        made = demo_answer(self._received("demo-inject"))
        return Scene(
            title="An injected answer that tries to carry values to collector.example",
            columns={"the model answered": _content(made), "you got back": answer.text},
            notes=[
                f"values in addresses of collector.example: {_carried(answer)} of {len(VALUES)}",
                "values come back in prose; in an address only if you named its host yourself",
            ],
        )

    def explained(self) -> Scene:
        """Why: that exchange, told from its records."""
        store = self._installation.open_log_store()
        try:
            records = exchange_records(store, self._installation.keyring, self._exchange)
        finally:
            store.close()
        command = f"guard explain {self._exchange}"
        return Scene(title="Why", columns={f"$ {command}": "\n".join(tell(records))}, notes=[])

    def proved(self) -> Scene:
        """An export that anybody can check, a byte flipped in it, and a forgery of the whole archive."""
        store = self._installation.open_log_store()
        try:
            signer = self._installation.keyring.signer()
            data = export(store, [TENANT], signer, None)
        finally:
            store.close()
        key = verify.key_line("guard", signer.public)
        member = f"logs/{TENANT}/entries.jsonl"
        entries = verify.unpack(data)[member]
        within = entries.rindex(b'"decision":"protect"') + len(b'"decision":"p')
        at = data.index(entries) + within
        forged = verify.pack({**verify.unpack(data), member: _flipped(entries, within)})
        return Scene(
            title="The proof: guard audit export, guard audit verify",
            columns={
                "the export": _verdict(data, key),
                f"byte {at} of {len(data)} flipped": _verdict(_flipped(data, at), key),
                "and its checksums repaired": _verdict(forged, key),
            },
            notes=["by hand: guard audit export --out log.zip, then: guard audit verify log.zip"],
        )

    def forbidden(self) -> Scene:
        """One line more in a policy, and the first request is refused."""
        path = self._installation.configuration.policies_path / SCREENING
        with one_more_rule(path):
            answer = self._until(REFUSED)
        after = self._until(OK)
        return Scene(
            title="One line more in a policy",
            columns={
                f"added to {path}": RULE,
                "you sent": SENT,
                f"you got back ({answer.status})": f"{answer.code}: {answer.text}",
            },
            notes=[
                f"the line named only the demo's application, and is out again: {after.status}",
                f"by hand: edit {path}; guard policy check; it counts within a second",
            ],
        )

    def _until(self, status: int) -> Answer:
        deadline = time.monotonic() + FORCE_SECONDS
        while True:
            answer = self._caller.chat(SENT, model="demo-echo")
            if answer.status == status:
                return answer
            if time.monotonic() > deadline:
                raise ConfigurationError("the changed policy is not in force; see: guard doctor")
            time.sleep(PAUSE_SECONDS)

    def _received(self, model: str) -> dict[str, object]:
        """Return the newest body of ours that the demo model received."""
        for source in reversed(json.loads(fetch(self._demo, "/received"))):
            body = json.loads(source)
            if isinstance(body, dict) and body.get("model") == model and "Paris on Friday" in source:
                return body
        raise ConfigurationError(
            "the demo model did not receive the request; is guard.yaml's model demo-* changed?"
        )


@contextmanager
def one_more_rule(path: Path) -> Iterator[None]:
    """Have ``RULE`` in a policy file for a while. Raises ``ConfigurationError``, then nothing was changed."""
    before = LEFT.sub("", path.read_text(encoding="utf-8"))
    first = RULES.search(before)
    if first is None:
        raise ConfigurationError(f"{path} has no list of rules to add to; by hand: {RULE}")
    head = first.start(1)
    changed = f"{before[:head]}{first.group(1)}{RULE}\n{before[head:]}"
    load_pack({**read_pack(path.parent), SCREENING: changed.encode()})
    replace_file(path, changed.encode())
    try:
        yield
    finally:
        # What somebody else wrote meanwhile stays.
        replace_file(path, LEFT.sub("", path.read_text(encoding="utf-8")).encode())


def _said(body: Mapping[str, object]) -> str:
    messages = body["messages"]
    return str(messages[-1]["content"]) if isinstance(messages, list) else ""


def _content(answer: Mapping[str, object]) -> str:
    choices = answer["choices"]
    return str(choices[0]["message"]["content"]) if isinstance(choices, list) else ""


def _fate(text: str) -> list[str]:
    back = [name for name, value in VALUES.items() if value in text]
    kept = [name for name in VALUES if name not in back]
    stays = [f"stays a surrogate: {', '.join(kept)} (pack default: secrets only go to listed tools)"]
    return [f"came back: {', '.join(back) or 'nothing'}", *(stays if kept else [])]


def _carried(answer: Answer) -> int:
    """Return how many values stand on a line with an address."""
    lines = [line for line in answer.text.splitlines() if "collector.example" in line]
    return sum(any(value in line for line in lines) for value in VALUES.values())


def _verdict(data: bytes, key: str) -> str:
    return "\n".join(verdict(data, key).lines)


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
