/*
 * What processes may not do: each in a process of its own, which ends by the exception that it must, while others run
 * on with their registers. src/user/programs/attack.S has the numbers.
 */
#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"

enum {
    GENERAL_PROTECTIONS = 28,
    PAGE_FAULTS = 13,
    ATTACK_INT = 1000,
    ATTACK_POINTERS = 2000,
    LET_THROUGH = 7,
    UNKNOWN = 8,
    NEIGHBOURS = 2,
    NEIGHBOUR_MS = 1000,
};

/* After the first two groups. */
static const uint8_t exceptions[] = {6, 6, 6, 6, 0, 1, 1, 16};
static const uint8_t either[][2] = {{13, 14}, {13, 14}, {1, 6}, {12, 13}};
enum { HARMLESS = 8 };

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
    uint64_t attack = 0;

    neighbours_start();
    for (unsigned i = 0; i < GENERAL_PROTECTIONS; i++)
        expect_attack(attack++, PROCESS_FAULTED, VECTOR_GENERAL_PROTECTION);
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
