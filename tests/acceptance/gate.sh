#!/bin/bash
# Every line of "To show when done" of the issue `gate`, from a clean clone. About an hour.
source "$(dirname "$0")/line.sh"
clone

GUARD_PORT=$(free_port)
GUARD_DEMO_PORT=$(free_port)
export GUARD_PORT GUARD_DEMO_PORT
BASE=http://127.0.0.1:$GUARD_PORT

starts() {
    local began
    began=$(date +%s)
    make run >"$WORK/run.log" 2>&1 &
    SERVICE=$!
    for _ in $(seq 600); do
        curl -fs "$BASE/readyz" >/dev/null && break
        kill -0 "$SERVICE" 2>/dev/null || break
        sleep 0.2
    done
    curl -fs "$BASE/readyz" >/dev/null || { cat "$WORK/run.log"; return 1; }
    KEY=$(grep -o 'gk_live_[0-9A-Za-z_]*' "$WORK/run.log" | head -n 1)
    export KEY
    [ -n "$KEY" ] && echo "make run without an environment serves after $(($(date +%s) - began)) s"
}

snippets() {
    python3 -m venv "$WORK/client" && "$WORK/client/bin/pip" install -q --disable-pip-version-check openai
    python3 tests/acceptance/snippets.py "$WORK/run.log" "$WORK" || return 1
    "$WORK/client/bin/python" "$WORK/snippet.py" | grep -q 'anna.berg@nordwind' || return 1
    bash "$WORK/snippet.sh" | grep -q 'anna.berg@nordwind' || return 1
    echo "both printed snippets give the address back"
}

stops() {
    # A terminal sends Ctrl-C to make and to what make runs; make itself then ends by the signal.
    pkill -INT -P "$SERVICE"
    wait "$SERVICE"
    SERVICE=
    tail -n 1 "$WORK/run.log" | grep -q 'guard: stopped' || return 1
    ! curl -fs "$BASE/healthz" >/dev/null || return 1
    echo "Ctrl-C drains, says 'guard: stopped' and leaves nothing behind"
}

evidence() {
    .venv/bin/python -m tests.acceptance.evidence "$WORK/evidence"
}

line 1a "make run" starts
line 1b "printed snippets" snippets
line 1c "make demo" make demo
line 1d "Ctrl-C" stops
line 2 "make test with GUARD_REQUIRE=all" env GUARD_REQUIRE=all make test
line 3 "the official client" .venv/bin/python -m pytest -q tests/e2e/test_sdk.py tests/e2e/test_agent.py
line 4 "an export after a kill -9 storm, bytes flipped" evidence
line 5 "all bars" .venv/bin/python -m benchmarks run --issue gate
line 6 "contract mutations and mutants" .venv/bin/python -m pytest -q tests/architecture tests/mutants
exit $FAILED
