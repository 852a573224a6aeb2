#!/bin/sh
# coverage.sh: what the tests cover of all of src/, on the host and in the running kernel.
# HTML in coverage/html, a table in coverage/summary.txt and on the terminal, and in coverage/uncovered.md each line that
# never ran, with its reason. Fails as tools/coverage/report.py and asserts.py say, and when a test of the host fails; tests
# of the kernel count here even if they fail: exact figures are those of an optimised kernel that does not count.
set -eu
cd "$(dirname "$0")/.."
host=build/host-cov kernel=build/kernel-coverage runs=build/coverage-runs

# quietly COMMAND...: runs it, and shows what it says (Perl's warnings about lcov itself, mostly) only if it fails.
quietly() {
    "$@" >build/lcov.log 2>&1 || { cat build/lcov.log; exit 1; }
}

# capture FOLDER INFO: what gcov says of it, of our sources alone.
capture() {
    quietly lcov --config-file coverage/lcovrc --capture --directory "$1" --output-file "$2.all"
    quietly lcov --config-file coverage/lcovrc --extract "$2.all" "$PWD/src/*" --output-file "$2"
    rm "$2.all"
}

make -s -j"$(nproc)" $host/host-tests
make -s -j"$(nproc)" COVERAGE=1 kernel $kernel/duet.iso $kernel/qemu-tests
rm -rf $runs $runs.log coverage/html
mkdir -p $runs

echo "== host"
find $host -name '*.gcda' -delete
$host/host-tests -j"$(nproc)" --color=never >$host-tests.log 2>&1 || { cat $host-tests.log; exit 1; }
grep Synthesis $host-tests.log
capture $host coverage/host.info

echo "== kernel, by itself"
tools/coverage/boots.sh $kernel $runs
grep -v 'status 33' $runs.log || :
echo "== kernel, in tests/qemu"
COVERAGE_RUNS=$PWD/$runs $kernel/qemu-tests -j2 --color=never --filter "@($(grep -v '^#' tools/coverage/tests | paste -sd '|'))" >$kernel/qemu-tests.log 2>&1 || :
grep -E '^\[(FAIL|CRASH|TIMEOUT|----.*Synthesis)|Synthesis' $kernel/qemu-tests.log || :
tools/coverage/merge.py $kernel $runs
capture $kernel coverage/kernel.info

quietly lcov --config-file coverage/lcovrc --add-tracefile coverage/host.info --add-tracefile coverage/kernel.info \
    --output-file coverage/duet.info
quietly genhtml --config-file coverage/lcovrc --prefix "$PWD" --output-directory coverage/html coverage/duet.info
status=0
tools/coverage/report.py coverage/duet.info coverage/host.info >coverage/summary.txt || status=1
tools/coverage/asserts.py $host $kernel >>coverage/summary.txt || status=1
cat coverage/summary.txt
exit "$status"
