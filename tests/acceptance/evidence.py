"""Kill workers under load, export the log, verify it, then flip bytes: each flip is reported."""

from __future__ import annotations

import os
import random
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from guard.audit import verify
from tests.e2e.conftest import make_service
from tests.e2e.service import Service, run_guard

ROUNDS = 10
REQUESTS = 60
FLIPS = 400
BODY = b'{"model":"demo-echo","messages":[{"role":"user","content":"maria.gomez@kestrel-labs.com"}]}'


def storm(service: Service) -> None:
    """Kill every worker while requests run, again and again."""
    key = service.key()

    def ask(_: int) -> int:
        try:
            return service.chat(BODY, key=key)[0]
        except OSError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        for _ in range(ROUNDS):
            jobs = [pool.submit(ask, number) for number in range(REQUESTS)]
            for pid in service.worker_pids():
                os.kill(pid, signal.SIGKILL)
            for job in jobs:
                job.result()


def undetected(content: bytes, seed: int) -> int:
    """Return how many of ``FLIPS`` changed bytes a verification does not see."""
    chance = random.Random(seed)
    missed = 0
    for _ in range(FLIPS):
        changed = bytearray(content)
        at = chance.randrange(len(changed))
        changed[at] ^= 1 << chance.randrange(8)
        try:
            verify.verify_export(bytes(changed))
            missed += 1
        except verify.VerificationFailed:
            continue
    return missed


def main(folder: Path) -> int:
    """Run all of it; return the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    service = make_service(folder)
    service.start()
    storm(service)
    stopped = service.stop()
    out = folder / "export.zip"
    exported = run_guard(service.data_dir, "audit", "export", "--out", str(out))
    verified = run_guard(service.data_dir, "audit", "verify", str(out))
    checked = run_guard(service.data_dir, "audit", "fsck")
    seed = random.SystemRandom().randrange(2**32)
    missed = undetected(out.read_bytes(), seed)
    sys.stdout.write(
        f"verify {verified.returncode}, fsck {checked.returncode}, "
        f"{FLIPS - missed} of {FLIPS} flipped bytes reported (seed {seed}, {out.stat().st_size} bytes)\n"
    )
    return int(bool(stopped or exported.returncode or verified.returncode or checked.returncode or missed))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
