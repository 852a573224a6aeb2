/* System calls at random, from ring 3: src/user/programs/fuzz.c makes them. The kernel is to stand, and to have all its
 * memory back. */
#include "kernel/input.h"
#include "kernel/suites/support.h"

enum {
    FUZZ_SESSION = 0xa5,
    CALLS_SHIFT = 8,
    SEED_SHIFT = 32,
    SEED = 20240606,
    CALLS_SHORT = 10000,
    CALLS_LONG = 1000000,
    CALLS_EACH = 10000, /* by one process, which then has claimed and mapped what it may */
    SETTLE_NS = 20 * MS,
};

#define SYSCALL_ERROR(...)
#define SYSCALL0(number, ...) | UINT64_C(1) << (number)
#define SYSCALL1              SYSCALL0
#define SYSCALL2              SYSCALL0
#define SYSCALL3              SYSCALL0
#define SYSCALL4              SYSCALL0
static const uint64_t every_number = 0
#include "lib/syscalls.def"
    ;
#undef SYSCALL0
#define SYSCALL0(number, name, ...) NUMBER_##name = (number),
enum {
#include "lib/syscalls.def"
};
static const uint64_t shells_alone = UINT64_C(1) << NUMBER_report | UINT64_C(1) << NUMBER_bench |
                                     UINT64_C(1) << NUMBER_power;

/* Those whose parents were killed are nobody's, and some sleep for ever. */
static void end_all_since(uint64_t first)
{
    while (process_count()) {
        unsigned killed = 0;
        uint64_t next = start_process("quick", 0);

        expect_end(next, PROCESS_EXITED, 0);
        for (uint64_t pid = first; pid < next; pid++)
            killed += process_kill(PROCESS_KERNEL, pid) == STATUS_OK;
        if (killed)
            sleep_for(MS);
    }
}

static uint64_t run_session(uint64_t seed)
{
    uint64_t pid = start_process("fuzz", seed << SEED_SHIFT | CALLS_EACH << CALLS_SHIFT | FUZZ_SESSION);
    enum process_end end = PROCESS_RUNS;
    int64_t found = -1;

    CHECK(process_wait(PROCESS_KERNEL, pid, &end, &found) == STATUS_OK);
    CHECK_EQUAL(end, PROCESS_EXITED);
    CHECK(found >= 0);
    end_all_since(pid);
    for (uint64_t source = 0; source < INPUT_SOURCES; source++)
        CHECK(input_claimed_by(source, PROCESS_KERNEL)); /* nobody's */
    input_forget();
    return found < 0 ? 0 : (uint64_t)found;
}

static void fuzz(uint64_t calls)
{
    struct memory_mark mark;
    uint64_t found = 0;

    input_forget();
    expect_end(start_process("hello", 0), PROCESS_EXITED, 0);
    sleep_for(SETTLE_NS);
    mark = memory_mark();
    for (uint64_t seed = SEED; seed < SEED + calls / CALLS_EACH; seed++)
        found |= run_session(seed);
    sleep_for(SETTLE_NS);
    memory_check(&mark);
    CHECK_EQUAL(found, every_number & ~shells_alone); /* each succeeded that may, and none that may not */
}

TEST_NEEDS(some, "user.fuzz_10000_calls", "programs=there")
{
    fuzz(CALLS_SHORT);
}

TEST_LONG(many, "user.fuzz_1000000_calls")
{
    fuzz(CALLS_LONG);
}
