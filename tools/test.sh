#!/bin/sh
# test.sh [host] [tsan] [compile] [models] [fuzz] [mutants] [report] [browser] [qemu]: builds and runs the tests named; all but browser when none is.
# Shows what failed; the last line is 'N passed, N failed'. A program that does not build or dies counts as one failure.
# TEST_FILTER='suite/name*' runs only the tests that match; TEST_JOBS=N runs N at a time.
set -u
cd "$(dirname "$0")/.." || exit 1
export TSAN_OPTIONS="suppressions=$PWD/tools/tsan-suppressions:print_suppressions=0"
export LSAN_OPTIONS="suppressions=$PWD/tools/lsan-suppressions:print_suppressions=0"
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

# count NAME: Criterion's number of that name on the log's synthesis line.
count() {
    sed -n "s/.*Synthesis:.*$1: *\([0-9][0-9]*\).*/\1/p" "$log" | tail -n 1
}

# run NAME JOBS PROGRAM: runs a test program and adds up what it says.
run() {
    echo "== $1"
    set -- "$1" "${TEST_JOBS:-$2}" "$3" ${TEST_FILTER:+--filter "$TEST_FILTER"}
    name=$1 jobs=$2 program=$3
    shift 3
    "$program" -j"$jobs" --color=never "$@" >"$log" 2>&1
    status=$?
    good=$(count Passing)
    tested=$(count Tested)
    if [ -z "$good" ] || { [ "$tested" -eq 0 ] && [ -z "${TEST_FILTER:-}" ]; }; then
        cat "$log"
        echo "$name: ended with status $status before it had run a test"
        good=0 tested=1
    elif [ "$status" -ne 0 ] || [ "$tested" -ne "$good" ]; then
        cat "$log"
        [ "$tested" -ne "$good" ] || { echo "$name: ended with status $status"; tested=$((tested + 1)); }
    fi
    bad=$((tested - good))
    echo "$name: $good passed, $bad failed"
    passed=$((passed + good))
    failed=$((failed + bad))
}

# run_counted NAME PROGRAM...: runs what ends with 'N passed, N failed' by itself, and adds up what it says.
run_counted() {
    echo "== $1"
    name=$1
    shift
    "$@" >"$log" 2>&1
    status=$?
    set -- "$name"
    good=$(sed -n '$s/^\(fuzz: \)*\([0-9]*\) passed.*/\2/p' "$log")
    bad=$(sed -n '$s/.* \([0-9]*\) failed$/\1/p' "$log")
    if [ -z "$good" ] || [ -z "$bad" ] || [ $((good + bad)) -eq 0 ]; then
        cat "$log"
        echo "$1: ended with status $status before it had run a test"
        good=0 bad=1
    elif [ "$status" -ne 0 ]; then
        cat "$log"
    fi
    echo "$1: $good passed, $bad failed"
    passed=$((passed + good))
    failed=$((failed + bad))
}

# build NAME TARGET...: makes the targets, one after the other: they share files.
build() {
    name=$1
    shift
    for target; do
        make -s -j"$(nproc)" "$target" >"$log" 2>&1 && continue
        cat "$log"
        echo "$name: $target does not build"
        failed=$((failed + 1))
        return 1
    done
}

[ $# -gt 0 ] || set -- host tsan compile models fuzz mutants report qemu
for part in "$@"; do
    case $part in
    host) build host build/host-san/host-tests && run host "$(nproc)" build/host-san/host-tests ;;
    tsan) build tsan build/tsan-tests && run_counted tsan build/tsan-tests ;;
    compile) run_counted compile tools/compile-tests.sh ;;
    models) run_counted models tools/models.sh ;;
    fuzz) run_counted fuzz tools/fuzz.sh replay ;;
    mutants) run_counted mutants tools/mutants/mutants.py --sample "${MUTANTS:-30}" ;;
    report)
        run_counted report tests/report/run.py test_report
        run_counted trace tests/report/run.py test_trace
        run_counted coverage tests/report/run.py test_coverage
        ;;
    browser) run_counted browser tests/report/run.py test_browser ;;
    qemu) build qemu kernels iso build/qemu-tests build/bench/duet-external build/bench/stopwatch.so && run qemu 2 build/qemu-tests ;;
    *)
        echo "test.sh: '$part' is neither host, tsan, compile, models, fuzz, mutants, report, browser nor qemu"
        failed=$((failed + 1))
        ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
