#!/bin/bash
# Every line of "To show when done" of the issue `dataset-to-model`, from a clean clone.
source "$(dirname "$0")/line.sh"
clone

story() {
    make demo-training >"$WORK/story.log" 2>&1 || { cat "$WORK/story.log"; return 1; }
    grep -h 'public rows asked' "$WORK/story.log"
}

traced() {
    grep -q 'A model of our own: model:' "$WORK/story.log" || return 1
    grep -q 'valid    log default' "$WORK/story.log" || return 1
    echo "the record of the call names model, certificate, dataset and job; the log verifies"
}

bare() {
    # Only the base and the extra verify: no torch, no opacus, no data.
    local at=$WORK/bare
    .venv/bin/python -m tests.acceptance.certificate "$WORK/cert" || return 1
    python3 -m venv "$at" && "$at/bin/pip" install -q --disable-pip-version-check ".[verify]" || return 1
    "$at/bin/python" -c 'import importlib.util as u; raise SystemExit(any(u.find_spec(n) for n in ("torch", "opacus")))' || return 1
    "$at/bin/guard" train verify "$WORK/cert/certificate.json" --model "$WORK/cert/model.onnx" | grep -q '^valid' || return 1
    sed 's/"executed":/"executed" :/' "$WORK/cert/certificate.json" >"$WORK/cert/changed.json"
    ! "$at/bin/guard" train verify "$WORK/cert/changed.json" >/dev/null || return 1
    echo "valid without torch; one added space is invalid"
}

line 1 "the whole story, make demo-training" story
line 2 "a call through the gate, traced back" traced
line 3 "the certificate in a bare environment" bare
line 4 "all bars" .venv/bin/python -m benchmarks run --issue dataset-to-model
exit $FAILED
