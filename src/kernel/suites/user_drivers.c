/* Drivers and readers of events as processes, and the other ways into the kernel: see src/user/programs. */
#include "kernel/input.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"
#include "lib/mem.h"

enum {
    CLAIMS_ALL,
    CLAIMS_TAKEN,
    CLAIMS_SPIN,
    CLAIMS_COUNT,
    CLAIMS_WAIT,
    CLAIMS_TWO,
    CLAIMS_THREADS,
    CLAIMS_TAKE_PASSED,
    CLAIMS_PASS,
    CLAIMS_NUMBER_SHIFT = 8,
    BURST = 10,
    ROUNDS = 4000,
    ROUND_NS = 4000,
    ROUND_STEP_NS = 5,
    SETTLE_NS = 5 * MS
};

TEST_NEEDS(claims, "user.claims_are_exclusive", "programs=there")
{
    input_forget();
    expect_end(start_process("claims", CLAIMS_ALL), PROCESS_EXITED, 0);
    /* However it ends, all is free again. */
    for (unsigned i = 0; i < 3; i++) {
        uint64_t pid = start_process("claims", CLAIMS_SPIN);

        sleep_for(SETTLE_NS);
        CHECK(input_claimed_by(DEVICE_KEYBOARD, pid) && input_claimed_by(INPUT_EVENTS, pid));
        expect_end(start_process("claims", CLAIMS_TAKEN), PROCESS_EXITED, 0);
        CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
        expect_end(pid, PROCESS_KILLED, 0);
        CHECK(!input_claimed_by(DEVICE_KEYBOARD, pid) && !input_claimed_by(INPUT_EVENTS, pid));
    }
    input_forget();
}

TEST_NEEDS(passed, "user.events_are_passed_on", "programs=there")
{
    input_forget();
    expect_end(start_process("claims", CLAIMS_PASS), PROCESS_EXITED, 0);
    input_forget();
}

/* What the kernel's own driver has is nobody's. */
TEST_NEEDS(kernel_reads, "user.kernel_drivers_keep_ports", "programs=there")
{
    drivers_start(STYLE_THREAD, THREAD_PRIORITY_HIGH);
    expect_end(start_process("claims", CLAIMS_TAKEN), PROCESS_EXITED, 0);
    drivers_stop();
}

TEST_NEEDS(burst, "user.takes_all_bytes_waiting", "programs=there")
{
    uint64_t pid;

    input_forget();
    pid = start_process("claims", CLAIMS_COUNT);
    sleep_for(SETTLE_NS);
    for (uint32_t i = 0; i < BURST; i++)
        CHECK(inject_and_wait(DEVICE_KEYBOARD, stream_byte(DEVICE_KEYBOARD, i)));
    expect_end(pid, PROCESS_EXITED, BURST);
    CHECK_EQUAL(ring_count(&input.ports[DEVICE_KEYBOARD].ring), 0);
}

TEST_NEEDS(waits, "user.killed_in_wait_for_events", "programs=there")
{
    uint64_t pid;

    input_forget();
    pid = start_process("claims", CLAIMS_WAIT);
    sleep_for(SETTLE_NS);
    CHECK(input_claimed_by(INPUT_EVENTS, pid));
    CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
    sleep_until_holds(process_ended(pid));
    CHECK(process_ended(pid));
    process_forget(pid);
}

TEST_NEEDS(two_readers, "user.one_thread_reads_at_a_time", "programs=there")
{
    input_forget();
    expect_end(start_process("claims", CLAIMS_TWO), PROCESS_EXITED, 0);
}

/* A byte may come just when a thread has found none and is about to wait: it gets it and ends, and nobody must think of
 * it at the next byte. So all is done again and again, with that byte a few instructions later each time. */
TEST_NEEDS(readers_end, "user.readers_end_unremembered", "programs=there")
{
    static struct injector injector;
    uint64_t pid;

    input_forget();
    pid = start_process("claims", CLAIMS_THREADS | ROUNDS << CLAIMS_NUMBER_SHIFT);
    sleep_for(SETTLE_NS);
    for (unsigned i = 0; i < ROUNDS; i++) {
        injector_start(&injector, ROUND_NS + i * ROUND_STEP_NS, 3, 0);
        injector_wait(&injector);
        sleep_for(SETTLE_NS / 20);
    }
    expect_end(pid, PROCESS_EXITED, 0);
}

/* The number of the next process that will be started. */
static uint64_t next_pid(void)
{
    uint64_t pid = start_process("quick", 0);

    expect_end(pid, PROCESS_EXITED, 0);
    return pid + 1;
}

/* It says so; and another one reads on, in any style. */
TEST_NEEDS(dies, "user.driver_dies_aloud", "programs=there")
{
    static const uint32_t first[DEVICE_ALL];
    static const uint32_t count[DEVICE_ALL] = {[DEVICE_KEYBOARD] = BURST};
    uint64_t pid = next_pid();

    for (enum style style = STYLE_ASYNC; style <= STYLE_USER; style++) {
        drivers_start(STYLE_USER, THREAD_PRIORITY_HIGH);
        CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
        sleep_for(SETTLE_NS);
        CHECK(!input_claimed_by(DEVICE_KEYBOARD, pid));
        drivers_stop();
        drivers_start(style, THREAD_PRIORITY_HIGH);
        for (uint32_t i = 0; i < BURST; i++)
            CHECK(inject_and_wait(DEVICE_KEYBOARD, stream_byte(DEVICE_KEYBOARD, i)));
        check_events(first, count, style);
        drivers_stop();
        pid = next_pid();
    }
}

/* One process's selectors are no other's, nor its own after a switch. */
TEST_NEEDS(segments, "user.odd_segments_harm_nobody", "programs=there")
{
    static const uint64_t odd[] = {0x1b, 0x23, 3, 0x1a & 0x1b};

    for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
        uint64_t loads = start_process("segments", odd[i]);
        uint64_t looks = start_process("segments", 0);

        expect_end(loads, PROCESS_EXITED, 0);
        expect_end(looks, PROCESS_EXITED, 0);
    }
}

TEST_NEEDS(gate, "gate.takes_system_calls", "int80=on")
{
    for (uint64_t ns = 50; ns < 5 * MS; ns = ns * 3 + 1) {
        uint64_t pid = start_process("gate", 1);

        sleep_for(ns);
        CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
        expect_end(pid, PROCESS_KILLED, 0);
    }
    expect_end(start_process("gate", 0), PROCESS_EXITED, 0);
    CHECK(!interrupt_check());
}
