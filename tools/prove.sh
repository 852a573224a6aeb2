#!/bin/sh
# prove.sh: runs what is promised by a count, at that count, and writes docs/proof.md: what, how often, with which
# seed, on which commit. If anything fails it says so and leaves the page as it was.
set -eu
cd "$(dirname "$0")/.."
page=docs/proof.md
kernel=build/kernel-gcc-O2/duet.elf
new=$(mktemp)
log=$(mktemp)
figures=$(mktemp)
folder=$(mktemp -d)
trap 'rm -rf "$new" "$log" "$figures" "$folder"' EXIT

# What runs the test | the test | its source | count | seed, or - | how the source writes the count | the claim.
proofs() {
    cat <<'END'
host|frames/a_million_operations_agree_with_the_model|tests/host/test_frames.c|1,000,000|20240101|operation < 1000000|random operations on physical frames, each compared with a model
host|heap_slab/a_million_operations_agree_with_the_model|tests/host/test_heap_slab.c|1,000,000|20240102|operation < 1000000|random operations on the slab heap, each compared with a model
host|heap_*/survives_a_million_random_operations_and_loses_nothing|tests/host/test_heap.c|1,000,000|20240607|FUZZ_OPERATIONS = 1000000|random operations on every heap, after which it is whole again
host|paging/does_what_a_sorted_array_of_pages_would|tests/host/test_paging.c|1,000,000|1|OPERATIONS = 1000000 / ROUNDS|random operations on page tables, each compared with a sorted array
kernel|registers.10000000_preemptions|src/kernel/suites/preemption.c|10,000,000|20240909|PREEMPTIONS_LONG = 10000000|preemptions at every instruction that no register notices: general, flags, xmm, ymm, x87, MXCSR
kernel|thread.100000_wakes_at_once|src/kernel/suites/thread.c|100,000|-|WAKES = 100000|wakes of a more urgent thread, which runs at once at each
kernel|thread.2000_leave_no_memory|src/kernel/suites/thread.c|2,000|-|CHURN = 2000|threads started and joined that leave no memory
bench|fairness.spread_4<1000|tools/prove.sh|10 s|-|span=10s|of four threads computing, after which their shares differ by less than 1,000 millionths
bench|fairness.spread_4_cut<5000|tools/prove.sh|10 s|-|span=10s|of the same, cut into by a more urgent thread at random: by less than 5,000 millionths, a quantum
qemu|machines/a_hundred_boots_say_the_same_to_the_byte|tests/qemu/test_machines.c|100|-|BOOTS 100|boots of the reference machine that say the same, to the byte, on both serial lines
END
}

# boot WORDS COM2 SECONDS: the kernel on the reference machine, for so long at most, COM1 to stdout. QEMU ends with 33 when it passed.
boot() {
    status=0
    # shellcheck disable=SC2046 # one word an argument
    timeout "$3" qemu-system-x86_64 $(grep -v '^#' tools/reference-machine) -display none -no-reboot -serial stdio \
        -serial "$2" -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$kernel" -append "$1" || status=$?
    [ "$status" -eq 33 ]
}

# run_bench NAME<LIMIT: the benchmark of threads; passes if the figure is below the limit.
run_bench() {
    boot "mode=bench suite=threads span=10s" "file:$figures" 600 || return 1
    value=$(sed -n "s/.*\"name\":\"${1%<*}\".*\"max\":\([0-9]*\).*/\1/p" "$figures")
    echo "$1: $value"
    [ -n "$value" ] && [ "$value" -lt "${1#*<}" ]
}

# run_kernel TEST: one of the kernel's own tests.
run_kernel() {
    boot "mode=test test=$1" null 600
}

# run_criterion PROGRAM TESTS: passes if there was such a test and every one did.
run_criterion() {
    "$1" -j"$(nproc)" --color=never --filter "$2"
}

passed() {
    case $1 in
    host) run_criterion build/host-san/host-tests "$2" ;;
    qemu) run_criterion build/qemu-tests "$2" ;;
    kernel) run_kernel "$2" ;;
    bench) run_bench "$2" ;;
    esac </dev/null >"$log" 2>&1 && { [ "$1" = kernel ] || [ "$1" = bench ] || grep -q 'Tested: [1-9]' "$log"; }
}

make -s -j"$(nproc)" build/host-san/host-tests
make -s CC=gcc OPT=2 iso
make -s build/qemu-tests

changes=
git diff --quiet HEAD -- . ":!$page" || changes=' with changes'
cat >"$new" <<END
# Proof

Written by \`make prove\` on $(date -u +%Y-%m-%d), of commit $(git rev-parse --short=12 HEAD)$changes, with
$(gcc --version | head -n 1) and $(qemu-system-x86_64 --version | head -n 1).

What is promised by a count was done as often as that, and nothing failed. Random operations follow from the seed;
where there is none, nothing is random. \`make test\` runs these tests, too, but for the preemptions: 100,000 of them,
by \`registers.100000_preemptions\`.

| what | count | seed | test |
|---|---|---|---|
END
proofs | while IFS='|' read -r how test source count seed code claim; do
    printf '%s, %s: ' "$test" "$count"
    if ! grep -qF "$code" "$source" || { [ "$seed" != - ] && ! grep -qE "= ${seed}[,;]" "$source"; }; then
        echo "$source says another count or seed"
        exit 1
    fi
    if ! passed "$how" "$test"; then
        echo failed
        cat "$log"
        exit 1
    fi
    echo passed
    echo "| $claim | $count | $seed | \`$test\` |" >>"$new"
done

# The tests of Thread-Metric, and what a round of each is.
thread_metric() {
    cat <<'END'
tm.basic|a pass of one thread over 1,024 words
tm.cooperative|a yield between five threads of one priority, all counted
tm.preemptive|a turn of one of five threads of different priorities, each resuming the next and suspending itself
tm.interrupt|IRQ 1 raised, its handler giving a semaphore, which the thread takes
tm.interrupt_preemption|IRQ 1 raised, its handler waking a more urgent thread, which runs on the way out
tm.message|16 bytes sent to a queue of 10 and received
tm.synchronization|a semaphore taken and given
tm.memory|128 bytes allocated and freed
END
}

# run_metric TEST: ten virtual seconds of it; its rounds, and what each takes, into a file of its name if it passed.
run_metric() {
    boot "mode=bench suite=thread-metric test=$1 tm=10s" "file:$folder/$1.com2" 1800 >"$folder/$1.com1" 2>&1 \
        </dev/null || return 0
    sed -n "/\"name\":\"$1\",.*\"passed\":true/s/.*\"each_ns\":\([0-9]*\),\"rounds\":\([0-9]*\),.*/\2 \1/p" \
        "$folder/$1.com2" >"$folder/$1"
}

# grouped NUMBER: with separators, 1,234,567.
grouped() {
    echo "$1" | sed ':a;s/\B[0-9]\{3\}\>/,&/;ta'
}

cat >>"$new" <<END

## Thread-Metric

Ten virtual seconds of each test, its rules checked at the end: \`docs/benchmark.md\` has them. Here a second is 10^9
instructions.

| test | a round | rounds | instructions each |
|---|---|---|---|
END
# shellcheck disable=SC2046 # one test an argument
set -- $(thread_metric | cut -d'|' -f1)
while [ $# -gt 0 ]; do
    run_metric "$1" &
    if [ $# -gt 1 ]; then
        run_metric "$2" &
        shift
    fi
    wait
    shift
done
thread_metric | while IFS='|' read -r test round; do
    if ! [ -s "$folder/$test" ]; then
        echo "$test: failed"
        cat "$folder/$test.com1"
        exit 1
    fi
    read -r rounds each <"$folder/$test"
    echo "$test: passed"
    echo "| \`$test\` | $round | $(grouped "$rounds") | $(grouped "$each") |" >>"$new"
done
cp "$new" "$page"
echo "$page is written"
