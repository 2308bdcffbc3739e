"""What the README says can be pasted: commands run, the snippet answers, links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.service import GUARD, Service, run_guard

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHIM = '#!/bin/bash\nexec {command} "$@"\n'
MAKE = '#!/bin/bash\nexec {make} -n -C {root} "$@"\n'
"""Targets of make are only asked for: what they do is tested where it is made."""


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of a language."""
    return [text for found, text in BLOCK.findall(README) if found == language]


def commands(block: str) -> str:
    """Return the lines that are typed, without the remarks behind them."""
    lines = (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))
    return "\n".join(re.sub(r"\s{2,}# .*", "", line) for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody with a running Guard in a folder of their own who pastes. ``key_id`` is of another key."""

    folder: Path
    service: Service
    key: str
    key_id: str
    exchange: str

    def paste(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run lines in a shell that stops at the first one that fails."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        script = re.sub(r"\bID\b", self.key_id, re.sub(r"\bEXCHANGE\b", self.exchange, script))
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**os.environ, "PATH": path, "GUARD_DATA_DIR": str(self.service.data_dir)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def executable(path: Path, text: str) -> None:
    """Write a script that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Return a reader who has started Guard, asked something and holds a letter."""
    folder = tmp_path_factory.mktemp("reader")
    service = Service(data_dir=folder / "guard-data", workers=1)
    made = run_guard(service.data_dir, "init", "--json")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["key"]
    executable(folder / ".venv" / "bin" / "guard", SHIM.format(command=" ".join(GUARD)))
    make = subprocess.run(["which", "make"], capture_output=True, text=True, check=True).stdout.strip()
    executable(folder / "bin" / "make", MAKE.format(make=make, root=ROOT))
    (folder / "letter.txt").write_text("Write to maria.gomez@kestrel-labs.com\n")
    service.start()
    other = run_guard(service.data_dir, "keys", "issue", "--application", "other", "--json")
    body = b'{"model":"demo-echo","messages":[{"role":"user","content":"hello"}]}'
    status, headers, _ = service.chat(body, key=key)
    assert status == 200
    yield Reader(
        folder=folder,
        service=service,
        key=key,
        key_id=json.loads(other.stdout)["id"],
        exchange=headers["x-guard-request"],
    )
    assert service.stop() == 0


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: commands(block).partition("\n")[0])
def test_what_is_typed_runs(reader: Reader, block: str) -> None:
    script = commands(block)
    assert script, "a console block without a command"
    # Exit code 1 of this command says that it found something, as it should here.
    script = re.sub(r"^(.*guard screen .*)$", r"\1 && false || [ $? = 1 ]", script, flags=re.MULTILINE)
    done = reader.paste(script)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_command_that_does_not_exist_would_be_noticed(reader: Reader) -> None:
    assert reader.paste("make nonsense").returncode != 0
    assert reader.paste(".venv/bin/guard nonsense\ntrue").returncode != 0


def test_the_snippet_gets_the_address_back(reader: Reader) -> None:
    (snippet,) = blocks("python")
    address = f'base_url="{reader.service.url}/v1"'
    snippet, addresses = re.subn(r'base_url="[^"]*"', address, snippet)
    snippet, keys = re.subn("gk_live_…", reader.key, snippet)
    assert (addresses, keys) == (1, 1)
    done = subprocess.run(
        [sys.executable, "-c", snippet], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "maria.gomez@kestrel-labs.com" in done.stdout
    assert "@guard.invalid" in reader.service.received()[-1]
    assert "maria.gomez" not in reader.service.received()[-1]


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead to no file or no heading."""
    wrong = []
    for link in LINK.findall(BLOCK.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (heading and heading not in headings(target)):
            wrong.append(link)
    return wrong


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert not broken(page)


def test_a_broken_link_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One title\n[a](gone.md) [b](page.md#one-title) [c](#no-title) [d](https://x.example)\n"
    )
    assert broken(page) == ["gone.md", "#no-title"]
