"""Several processes that need a new key at the same moment end with the same one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from guard.keys.keyring import Keyring

ASKS = """
import sys
from pathlib import Path
from guard.keys.keyring import Keyring
from guard.keys.purposes import Purpose
keyring = Keyring.load(Path(sys.argv[1]), clock=lambda: 1_764_000_000.0)
sys.stdin.readline()
tenants = [f"tenant-{number}" for number in range(10)]
for tenant in tenants:
    print(tenant, keyring.purpose_key(Purpose.SURROGATE, tenant=tenant).hex())
print("signer", keyring.signer().public.hex())
"""


def test_all_get_the_same_keys_and_none_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARD_KEYRING", raising=False)
    path = tmp_path / "keyring"
    Keyring.create(path)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", ASKS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    answers = []
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        answers.append(process.communicate(timeout=60)[0])
        assert process.returncode == 0
    assert len(set(answers)) == 1
    lines = answers[0].splitlines()
    assert len(lines) == len({line.split()[1] for line in lines}) == 11
    assert path.stat().st_mode & 0o777 == 0o600
    assert lines[-1] == f"signer {Keyring.load(path).signer().public.hex()}"
