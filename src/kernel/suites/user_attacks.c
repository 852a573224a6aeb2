/*
 * What processes may not do: each in a process of its own, which ends by the exception that it must, while others run
 * on with their registers. src/user/programs/attack.S has the numbers.
 */
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"

enum {
    GENERAL_PROTECTIONS = 46,
    XSETBV = 19, /* among them, but unknown to a CPU without XSAVE */
    INVALID_OPCODE = 6,
    CPUID_ECX_OSXSAVE = 1 << 27,
    DESCRIPTORS = 5,
    PAGE_FAULTS = 17,
    ATTACK_INT = 1000,
    ATTACK_POINTERS = 2000,
    LET_THROUGH = 7,
    UNKNOWN = 8,
    BOMB_FORK = 0,
    BOMB_HOG,
    BOMB_FLOOD,
    NEIGHBOURS = 2,
    NEIGHBOUR_MS = 1000,
    GATE = 0x80,
    QUANTUM_NS = 20 * US,
    SETTLE_NS = 20 * MS,
    BOMB_NS = 500 * MS,
    BOMB_PASS = 2048, /* processes */
    BOMB_EVENTS = 100000,
    BOMB_EVENTS_AT_ONCE = 16,
};

/* After the first two groups. */
static const uint8_t exceptions[] = {6, 6, 6, 6, 0, 1, 1, 6, 6, 6, 6, 1, 1, 16};
static const uint8_t either[][2] = {{13, 14}, {13, 14}, {1, 6},   {12, 13}, {6, 13}, {6, 13},
                                    {13, 14}, {13, 14}, {13, 14}, {13, 14}, {13, 14}};
enum { HARMLESS = 12 };

static uint64_t neighbours[NEIGHBOURS];

static void neighbours_start(void)
{
    for (uint64_t i = 0; i < NEIGHBOURS; i++)
        neighbours[i] = start_process("marks", (i + 1) << 40 | NEIGHBOUR_MS);
}

static void neighbours_check(void)
{
    for (unsigned i = 0; i < NEIGHBOURS; i++)
        expect_end(neighbours[i], PROCESS_EXITED, 0);
}

static void expect_attack(uint64_t attack, enum process_end end, int64_t status)
{
    expect_end(start_process("attack", attack), end, status);
}

TEST_NEEDS(attacks, "user.attacks_are_contained", "programs=there")
{
    bool xsave = cpuid(1).ecx & CPUID_ECX_OSXSAVE;
    uint64_t attack = 0;

    neighbours_start();
    for (unsigned i = 0; i < GENERAL_PROTECTIONS; i++)
        expect_attack(attack++, PROCESS_FAULTED, i == XSETBV && !xsave ? INVALID_OPCODE : VECTOR_GENERAL_PROTECTION);
    for (unsigned i = 0; i < DESCRIPTORS; i++)
        expect_attack(attack++, mmu_protections.umip ? PROCESS_FAULTED : PROCESS_EXITED,
                      mmu_protections.umip ? VECTOR_GENERAL_PROTECTION : LET_THROUGH);
    for (unsigned i = 0; i < PAGE_FAULTS; i++)
        expect_attack(attack++, PROCESS_FAULTED, VECTOR_PAGE_FAULT);
    for (unsigned i = 0; i < ARRAY_SIZE(exceptions); i++)
        expect_attack(attack++, PROCESS_FAULTED, exceptions[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(either); i++) {
        enum process_end end;
        int64_t vector;

        CHECK(process_wait(PROCESS_KERNEL, start_process("attack", attack++), &end, &vector) == STATUS_OK);
        CHECK(end == PROCESS_FAULTED && (vector == either[i][0] || vector == either[i][1]));
    }
    for (unsigned i = 0; i < HARMLESS; i++)
        expect_attack(attack++, PROCESS_EXITED, LET_THROUGH);
    expect_attack(attack, PROCESS_EXITED, UNKNOWN); /* these are all */
    neighbours_check();
}

TEST_NEEDS(software_interrupts, "user.int_n_is_refused", "programs=there")
{
    neighbours_start();
    for (unsigned n = 0; n < VECTORS; n++)
        expect_attack(ATTACK_INT + n, PROCESS_FAULTED, VECTOR_GENERAL_PROTECTION);
    neighbours_check();
}

TEST_NEEDS(pointers, "user.wild_pointers_are_refused", "programs=there")
{
    neighbours_start();
    expect_attack(ATTACK_POINTERS, PROCESS_EXITED, LET_THROUGH);
    neighbours_check();
}

/* The same where one of them is a door: what came to it was no call's number. */
TEST_NEEDS(interrupts_beside_gate, "gate.other_int_n_is_refused", "int80=on")
{
    neighbours_start();
    for (unsigned n = 0; n < VECTORS; n++)
        expect_attack(ATTACK_INT + n, n == GATE ? PROCESS_EXITED : PROCESS_FAULTED,
                      n == GATE ? LET_THROUGH : VECTOR_GENERAL_PROTECTION);
    neighbours_check();
}

TEST_NEEDS(holes, "user.half_there_is_not_there", "programs=there")
{
    neighbours_start();
    input_forget();
    expect_end(start_process("pointers", 0), PROCESS_EXITED, 0);
    input_forget();
    neighbours_check();
}

/* Of however many there are by now, more urgent than they. */
static void end_all_since(uint64_t first)
{
    for (uint64_t last = first; process_count(); last += BOMB_PASS) {
        thread_set_priority(thread_current(), THREAD_PRIORITY_HIGH);
        for (uint64_t pid = first; pid < last + BOMB_PASS; pid++)
            if (process_kill(PROCESS_KERNEL, pid) != STATUS_OK)
                continue;
        thread_set_priority(thread_current(), THREAD_PRIORITY_NORMAL);
        sleep_for(SETTLE_NS);
        if (!process_ended(first))
            continue;
        process_forget(first);
    }
}

/* Beside neighbours that go on, and end well; and all is as before. Returns how many processes there were. */
static size_t explode(uint64_t argument)
{
    uint64_t quantum_ns = quantum_set(QUANTUM_NS);
    struct memory_mark mark;
    size_t count;
    uint64_t pid;

    sleep_for(SETTLE_NS);
    mark = memory_mark();
    neighbours_start();
    pid = start_process("bomb", argument);
    sleep_for(BOMB_NS);
    count = process_count() - NEIGHBOURS;
    neighbours_check();
    end_all_since(pid);
    (void)quantum_set(quantum_ns);
    sleep_for(SETTLE_NS);
    memory_check(&mark);
    return count;
}

TEST_NEEDS(fork_bomb, "user.fork_bomb_is_contained", "programs=there")
{
    CHECK_EQUAL(explode(BOMB_FORK), PROCESSES_MAX - NEIGHBOURS);
}

TEST_NEEDS(memory_hogs, "user.memory_hogs_are_contained", "programs=there")
{
    CHECK(explode(BOMB_HOG) > 1);
}

TEST_NEEDS(flood, "user.unread_events_are_dropped", "programs=there")
{
    uint32_t published = input.events.published;
    uint32_t dropped = input.events.dropped;

    input_forget();
    CHECK_EQUAL(explode(BOMB_FLOOD), 1);
    published = input.events.published - published;
    dropped = input.events.dropped - dropped;
    CHECK_EQUAL(published, EVENT_QUEUE_EVENTS);
    CHECK_EQUAL(published + dropped, BOMB_EVENTS / BOMB_EVENTS_AT_ONCE * BOMB_EVENTS_AT_ONCE);
    input_forget();
}
