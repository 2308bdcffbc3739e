# Sourced by the acceptance scripts: a clean clone of HEAD, and one verdict a line.
set -uo pipefail

SOURCE=$(git -C "$(dirname "${BASH_SOURCE[0]}")" rev-parse --show-toplevel)
WORK=$(mktemp -d)
CLONE=$WORK/guard
FAILED=0
trap 'cleanup' EXIT

cleanup() {
    [ -n "${SERVICE:-}" ] && kill -INT "$SERVICE" 2>/dev/null && wait "$SERVICE" 2>/dev/null
    rm -rf "$WORK"
}

clone() {
    git clone -q "$SOURCE" "$CLONE"
    [ -d "$SOURCE/../shared" ] && ln -s "$(cd "$SOURCE/../shared" && pwd)" "$WORK/shared"
    cd "$CLONE" || exit 1
    echo "commit $(git rev-parse --short HEAD)"
}

# line NUMBER WHAT COMMAND…: run it, say PASS or FAIL with its last line of output and its seconds.
# ONLY="1a 1b" leaves the other lines out.
line() {
    local number=$1 what=$2 began verdict=PASS
    shift 2
    case " ${ONLY:-$number} " in *" $number "*) ;; *) return ;; esac
    began=$(date +%s)
    "$@" >"$WORK/$number.log" 2>&1 || { verdict=FAIL; FAILED=1; }
    printf '%s  %s  %s: %s  (%s s)\n' "$verdict" "$number" "$what" "$(grep -v '^ *$' "$WORK/$number.log" | tail -n 1 | cut -c1-160)" "$(($(date +%s) - began))"
    if [ "$verdict" = FAIL ]; then tail -n 40 "$WORK/$number.log" | sed 's/^/      /'; fi
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
