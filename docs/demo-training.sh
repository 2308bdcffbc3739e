#!/bin/bash
# The second thread, whole: a table goes in, a private model answers at the gate, and every
# step stands in one log. Run it with: make demo-training   (ADULT=path/to/adult.csv[.gz])
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=$PWD/.venv/bin
WORK=$(mktemp -d)
trap '[ -n "${SERVICE:-}" ] && kill -INT "$SERVICE" 2>/dev/null && wait "$SERVICE" 2>/dev/null; rm -rf "$WORK"' EXIT
export GUARD_DATA_DIR=$WORK/guard-data
GUARD_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export GUARD_PORT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
guard() { printf '$ guard %s\n' "$*"; "$BIN/guard" "$@" | sed "s#$WORK/##g"; }

say "1. A table of people, and a part of it that is public, to measure with"
"$BIN/python" docs/demo_table.py "${ADULT:-../shared/data/training/adult.csv.gz}" "$WORK"
cd "$WORK"

say "2. What would be done to each column, before anything is written"
guard init >/dev/null
guard dataset ingest adult.csv --purpose research --licence CC-BY-4.0 --preview

say "3. Write the protected, encrypted copy"
guard dataset ingest adult.csv --purpose research --licence CC-BY-4.0 | tail -n 2
head -c 14 guard-data/datasets/*/000000.shard; echo "  … and what follows is encrypted"

say "4. What may be learnt from it, in all"
guard budget set adult --epsilon 3 --delta 1e-5

say "5. Train: reserve, test the trainer, run, settle, certify"
cp "$OLDPWD/guard/training/recipes/adult.yaml" recipe.yaml
guard train submit recipe.yaml
guard budget show adult

say "6. Too much is refused, with what would fit"
sed 's/epsilon: 1$/epsilon: 2.9/' recipe.yaml >greedy.yaml
guard train submit greedy.yaml || true

say "7. The certificate, checked by anyone who knows the key, without the data and without torch"
TRUSTED=$("$BIN/guard" audit fsck --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["key"])')
guard train verify guard-data/models/*.certificate.json --model guard-data/models/*.onnx --key "$TRUSTED"

say "8. Into production, and asked through the gate like any other model"
guard models stage adult-income --to production
KEY=$("$BIN/guard" keys issue --application demo --expires 1h --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["key"])')
"$BIN/guard" serve --no-worker >serve.log 2>&1 &
SERVICE=$!
for _ in $(seq 300); do curl -fs "127.0.0.1:$GUARD_PORT/readyz" >/dev/null && break; sleep 0.1; done
"$BIN/python" "$OLDPWD/docs/demo_score.py" public.csv "http://127.0.0.1:$GUARD_PORT" "$KEY" recipe.yaml

say "9. From the record of a call back to the table"
guard explain "$(cat exchange)"

say "10. One log holds it all, and anybody can check it"
guard log tail -n 40 | grep -v exchange. | cut -c1-110
guard audit export --out log.zip
guard audit verify log.zip --key "$TRUSTED"
