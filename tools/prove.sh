#!/bin/sh
# prove.sh [--check]: runs what is promised by a count, at that count, and writes docs/proof.md: what, how often, with
# which seed, on which commit. If anything fails it says so and leaves the page as it was. With --check it only sees
# whether the tests still have these counts and seeds.
set -eu
cd "$(dirname "$0")/.."
page=docs/proof.md
kernel=build/kernel-gcc-O2/duet.elf
programs=build/kernel-gcc-O2/programs.tar
checked=build/kernel-gcc-O2-ubsan/duet.elf
checked_programs=build/kernel-gcc-O2-ubsan/programs.tar
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
host|heap_*/survives_a_million_random_operations_and_loses_nothing|tests/host/test_heap.c|1,000,000|20240607|i < 1000000|random operations on every heap, after which it is whole again
host|paging/does_what_a_sorted_array_of_pages_would|tests/host/test_paging.c|1,000,000|1|OPERATIONS = 1000000 / ROUNDS|random operations on page tables, each compared with a sorted array
host|executor_model/agrees_with_a_naive_reference_at_every_operation|tests/host/test_executor_model.c|1,000,000|20240101|setting("DUET_MODEL_OPERATIONS", OPERATIONS)|random operations on an executor, its timers, pool, cancels and channels, each compared with a naive reference, with the address and the undefined-behaviour sanitizer
tsan|races/*|tests/tsan/races.c|20,000|-|ROUNDS = 20000|rounds of each thread of the host that wakes tasks, sends to them or shares locks and pools with them, without a race that the thread sanitizer sees
kernel|registers.10000000_preemptions|src/kernel/suites/preemption.c|10,000,000|20240909|PREEMPTIONS_LONG = 10000000|preemptions at every instruction that no register notices: general, flags, xmm, ymm, x87, MXCSR
kernel|user.registers_kept_100000|src/kernel/suites/user.c|100,000|-|PREEMPTIONS = 100000|switches between three processes that no register of theirs notices: general, flags, xmm
kernel|user.1000_leave_nothing|src/kernel/suites/user.c|1,000|-|LIVES = 1000|processes started and ended, or killed, that leave neither a frame nor a block of the heap
checked|user.fuzz_1000000_calls|src/kernel/suites/user_fuzz.c|1,000,000|20240606|CALLS_LONG = 1000000|system calls from ring 3, random or nearly right, by a hundred processes of as many seeds, beside those that their threads and children make, on a kernel that checks its arithmetic and its heap: it stands, nothing is let through, no register is lost, and all memory is back
kernel|input.1000000_thread_equal|src/kernel/suites/input_flood.c|1,000,000|20240505|BYTES_LONG = 1000000|bytes of keyboard and mouse, a thread the driver of each, as urgent as what computes beside them: injected = delivered + dropped, none dropped while the ring has room
kernel|input.1000000_thread_high|src/kernel/suites/input_flood.c|1,000,000|20240505|BYTES_LONG = 1000000|bytes of keyboard and mouse, a thread the driver of each, more urgent than what computes beside them: injected = delivered + dropped, none dropped while the ring has room
kernel|input.1000000_task_equal|src/kernel/suites/input_flood.c|1,000,000|20240505|BYTES_LONG = 1000000|bytes of keyboard and mouse, a task the driver of each, as urgent as what computes beside them: injected = delivered + dropped, none dropped while the ring has room
kernel|input.1000000_task_high|src/kernel/suites/input_flood.c|1,000,000|20240505|BYTES_LONG = 1000000|bytes of keyboard and mouse, a task the driver of each, more urgent than what computes beside them: injected = delivered + dropped, none dropped while the ring has room
kernel|thread.100000_wakes_at_once|src/kernel/suites/thread.c|100,000|-|WAKES = 100000|wakes of a more urgent thread, which runs at once at each
kernel|thread.2000_leave_no_memory|src/kernel/suites/thread.c|2,000|-|CHURN = 2000|threads started and joined that leave no memory
bench|fairness.spread_4<1000|tools/prove.sh|10 s|-|span=10s|of four threads computing, after which their shares differ by less than 1,000 millionths
bench|fairness.spread_4_cut<5000|tools/prove.sh|10 s|-|span=10s|of the same, cut into by a more urgent thread at random: by less than 5,000 millionths, a quantum
qemu|machines/a_hundred_boots_say_the_same_to_the_byte|tests/qemu/test_machines.c|100|-|BOOTS 100|boots of the reference machine that say the same, to the byte, on both serial lines
END
}

# agrees SOURCE SEED CODE: whether the source has that count and that seed.
agrees() {
    grep -qF "$3" "$1" && { [ "$2" = - ] || grep -qwF "$2" "$1"; } && return
    echo "prove: $1 says another count or seed: $2, $3"
    return 1
}

if [ "${1:-}" = --check ]; then
    proofs | while IFS='|' read -r how test source count seed code claim; do
        agrees "$source" "$seed" "$code" || exit 1
    done
    exit
fi

# boot WORDS COM2 SECONDS [ARGUMENT...]: the kernel on the reference machine, or what more arguments of QEMU make of it,
# for so long at most, COM1 to stdout. QEMU ends with 33 when it passed.
boot() {
    words=$1 com2=$2 seconds=$3
    shift 3
    status=0
    # shellcheck disable=SC2046 # one word an argument
    timeout "$seconds" qemu-system-x86_64 $(grep -v '^#' tools/reference-machine) "$@" -display none -no-reboot \
        -serial stdio -serial "$com2" -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$kernel" -append "$words" ||
        status=$?
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
    boot "mode=test test=$1" null 600 -initrd "$programs"
}

# run_checked TEST: the same on the kernel that checks its arithmetic, with the heap that does.
run_checked() {
    fast=$kernel
    kernel=$checked
    good=0
    boot "mode=test test=$1 heap=debug" null 1800 -initrd "$checked_programs" || good=1
    kernel=$fast
    return "$good"
}

# run_criterion PROGRAM TESTS: passes if there was such a test and every one did.
run_criterion() {
    "$1" -j"$(nproc)" --color=never --filter "$2"
}

passed() {
    case $1 in
    host) DUET_MODEL_OPERATIONS=1000000 run_criterion build/host-san/host-tests "$2" ;;
    tsan) TSAN_OPTIONS="suppressions=$PWD/tools/tsan-suppressions:print_suppressions=0" build/tsan-tests ;;
    qemu) run_criterion build/qemu-tests "$2" ;;
    kernel) run_kernel "$2" ;;
    checked) run_checked "$2" ;;
    bench) run_bench "$2" ;;
    esac </dev/null >"$log" 2>&1 && case $1 in host | qemu) grep -q 'Tested: [1-9]' "$log" ;; esac
}

make -s -j"$(nproc)" build/host-san/host-tests build/tsan-tests
make -s CC=gcc OPT=2 iso
make -s CC=gcc OPT=2 SAN=ubsan kernel
make -s build/qemu-tests

changes=
git diff --quiet HEAD -- . ":!$page" || changes=' with changes'
cat >"$new" <<END
# Proof

Written by \`make prove\` on $(date -u +%Y-%m-%d), of commit $(git rev-parse --short=12 HEAD)$changes, with
$(gcc --version | head -n 1) and $(qemu-system-x86_64 --version | head -n 1).

What is promised by a count was done as often as that, and nothing failed. Random operations follow from the seed;
where there is none, nothing is random. \`make test\` runs these tests, too, but for the preemptions: 100,000 of them,
by \`registers.100000_preemptions\`; for the bytes: 10,000 of them, by \`input.10000_*\`; for the system
calls: 10,000 of them, by \`user.fuzz_10000_calls\`; and for the executor: 100,000 operations.

| what | count | seed | test |
|---|---|---|---|
END
proofs | while IFS='|' read -r how test source count seed code claim; do
    printf '%s, %s: ' "$test" "$count"
    agrees "$source" "$seed" "$code" || exit 1
    begin=$(date +%s)
    if ! passed "$how" "$test"; then
        echo failed
        cat "$log"
        exit 1
    fi
    echo "passed, $(($(date +%s) - begin)) s"
    echo "| $claim | $count | $seed | \`$test\` |" >>"$new"
done

# figure NAME: its median, of those in $figures.
figure() {
    sed -n "s/.*\"name\":\"$1\",.*\"p50\":\([0-9]*\).*/\1/p" "$figures"
}

# A wake and a poll among ten tasks, ten thousand and a million: the same to the instruction, or it is not proved.
printf 'a million tasks: '
boot "mode=bench suite=micro" "file:$figures" 600 -m 256 >"$log" 2>&1 </dev/null || { cat "$log"; exit 1; }
each=$(figure task.growth_10)
cat >>"$new" <<END

## A million tasks

All alive in 256 MiB, $(figure task.bytes) bytes each, and woken one after the other, round by round. The wakes and polls of
*n* tasks take a + b * *n* instructions; b is what each task more takes, from *n* / 2 to *n* and from 10 to *n*, and what is
left over when the difference is divided by their number.

| tasks | instructions each, a included | b, from *n* / 2 | left over | b, from 10 | left over |
|---|---|---|---|---|---|
END
for tasks in 10 10k 1M; do
    from_half=$(figure "task.growth_$tasks") rest=$(figure "task.growth_${tasks}_rest")
    from_ten=$(figure "task.growth_10_to_$tasks") rest_of_ten=$(figure "task.growth_10_to_${tasks}_rest")
    if [ "$from_half $rest ${from_ten:-$each} ${rest_of_ten:-0}" != "$each 0 $each 0" ]; then
        echo "b is $from_half, $rest left over, and $from_ten, $rest_of_ten left over, not $each"
        exit 1
    fi
    echo "| $tasks | $(figure "task.round_robin_$tasks") | $from_half | $rest | ${from_ten:--} | ${rest_of_ten:--} |" >>"$new"
done
echo passed

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
