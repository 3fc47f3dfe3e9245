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
        record fail "$what" "${*:1:6}" 0 1
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

conformance() { # conformance NAME CMAKE-OPTION...: builds csrc in build/NAME and runs its tests
    local name=$1 dir=$BUILD/$1 results=$BUILD/results/$1.xml status=0
    shift
    say "conformance, $name"
    if ! logged "$name.log" cmake -S csrc -B "$dir" "$@" ||
        ! logged "$name-build.log" cmake --build "$dir" --parallel "$JOBS"; then
        record fail "conformance, $name" "does not build" 0 1
        return 0
    fi
    mkdir -p "$BUILD/results"
    rm -f "$results"
    ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
        logged "$name-ctest.log" ctest --test-dir "$dir" --output-on-failure --no-tests=error \
        --output-junit "$results" || status=$?
    grep -h -E 'Passed|\*\*\*|tests passed' "$BUILD/log/$name-ctest.log" | sed 's/^/   /' || true
    junit "conformance, $name" "$results" "$status"
}

absent() { # absent WHAT: this part of the tree does not exist yet, which is not a skip
    say "$1 is not part of this tree yet"
}

failed_in() { # failed_in SUITE...: whether a failure is on record for one of them
    local IFS='|'
    grep -qP "^fail\t($*)\t" "$CORESTATE_SUMMARY"
}

finish() { # the summary, when this script began the record; inside another one only the exit status
    if [ "${SUMMARY_OWNER:-}" = $$ ]; then
        "$ROOT/tools/summary" "$CORESTATE_SUMMARY"
    else
        if failed_in "${@:-$SUITE}"; then return 1; fi
    fi
}
