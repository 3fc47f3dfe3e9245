# Shared by the scripts in tools/: sourced, never run. A suite calls `suite NAME`, then `need` and `step` as it goes, and
# `finish` at its end. What happened is kept as lines `status <tab> suite <tab> what <tab> detail <tab> passed <tab> failed`,
# from which `finish` (or tools/test-all, over all suites) prints the summary.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$ROOT/build
JOBS=$(nproc 2>/dev/null || echo 2)
cd "$ROOT"

if [ -z "${CORESTATE_SUMMARY:-}" ]; then
    mkdir -p "$BUILD"
    CORESTATE_SUMMARY=$(mktemp "$BUILD/summary.XXXXXX")
    SUMMARY_OWNER=$$
    trap 'rm -f "$CORESTATE_SUMMARY"' EXIT
fi
export CORESTATE_SUMMARY

suite() { SUITE=$1; }

say() { printf '== %s: %s\n' "$SUITE" "$*"; }

record() { # record pass|fail|skip WHAT DETAIL [PASSED FAILED]
    local passed=${4:-0} failed=${5:-0}
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$SUITE" "$2" "$3" "$passed" "$failed" >>"$CORESTATE_SUMMARY"
}

need() { # need WHAT COMMAND PACKAGES: false, and a recorded skip, when the command is not here
    local what=$1 command=$2 packages=$3
    command -v "$command" >/dev/null 2>&1 && return 0
    record skip "$what" "no $command; apt-get install $packages"
    say "$what skipped: no $command (apt-get install $packages)"
    return 1
}

step() { # step WHAT COMMAND...: one thing that passes or fails as a whole
    local what=$1
    shift
    say "$what"
    if "$@"; then
        record pass "$what" "" 1 0
    else
        record fail "$what" "$*" 0 1
    fi
}

logged() { # logged LOG COMMAND...: the output goes to the log, and its end to the terminal on failure
    local log=$BUILD/log/$1
    shift
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 && return 0
    tail -n 40 "$log" >&2
    echo "   all of it: ${log#"$ROOT"/}" >&2
    return 1
}

junit() { # junit WHAT FILE STATUS: adds up what pytest or ctest wrote down
    python3 "$ROOT/tools/junit_summary.py" "$SUITE" "$1" "$2" "$3" >>"$CORESTATE_SUMMARY"
}

absent() { # absent WHAT: this part of the tree does not exist yet, which is not a skip
    say "$1 is not part of this tree yet"
}

finish() { # the closing summary of a suite that runs by itself; inside tools/test-all only the exit status
    if [ "${SUMMARY_OWNER:-}" = $$ ]; then
        "$ROOT/tools/summary" "$CORESTATE_SUMMARY"
    else
        ! grep -qP "^fail\t$SUITE\t" "$CORESTATE_SUMMARY"
    fi
}
