/*
 * Register integrity: whatever interrupts a thread or switches away from it, every register is back afterwards.
 *
 * A lost register is only noticed if it holds a known value, so the threads here hold known values in all of them,
 * flags included, each thread its own.
 */
#include "kernel/suites/registers.h"

#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"
#include "thread/arch.h"

enum {
    SPINNERS = 4,
    STORM_BYTES = 2000,
    VOLUNTARY_ROUNDS = 20000,
};

static const uint64_t flag_patterns[SPINNERS] = {
    FLAGS_ALL,
    0,
    FLAG_CARRY | FLAG_ADJUST | FLAG_SIGN | FLAG_DIRECTION,
    FLAG_PARITY | FLAG_ZERO | FLAG_OVERFLOW,
};

void registers_init(struct registers *registers, uint64_t seed, uint64_t flags)
{
    uint64_t *values = &registers->rax;

    *registers = (struct registers){0};
    for (unsigned i = 0; i < 15; i++)
        values[i] = (seed << 32 | 0x5eed0000 | i) * UINT64_C(0x9e3779b97f4a7c15);
    registers->rflags = flags | IRQ_ENABLED | 2; /* bit 1 is always set */
}

void registers_check(const struct registers *registers)
{
    CHECK(registers->rounds > 0);
    if (registers->mismatches)
        suite_fail(__FILE__, __LINE__, "%lu mismatches in %lu rounds; registers %04lx",
                   (unsigned long)registers->mismatches, (unsigned long)registers->rounds,
                   (unsigned long)registers->wrong);
}

static struct registers spinner_registers[SPINNERS];
static struct thread spinners[SPINNERS];

static void *spinner(void *argument)
{
    registers_spin(argument);
    return NULL;
}

static void spinners_start(void)
{
    for (unsigned i = 0; i < SPINNERS; i++) {
        registers_init(&spinner_registers[i], i + 1, flag_patterns[i]);
        start(&spinners[i], "spinner", THREAD_PRIORITY_NORMAL, spinner, &spinner_registers[i]);
    }
}

static void spinners_stop(void)
{
    for (unsigned i = 0; i < SPINNERS; i++)
        atomic_store(&spinner_registers[i].stop, true);
    for (unsigned i = 0; i < SPINNERS; i++) {
        thread_join(&spinners[i]);
        registers_check(&spinner_registers[i]);
    }
}

TEST(storm_registers, "registers.storm_of_keys")
{
    static struct injector injector;
    uint32_t received = input.ports[DEVICE_KEYBOARD].received;

    spinners_start();
    injector_start(&injector, 20 * US, STORM_BYTES, 0);
    injector_wait(&injector);
    CHECK_EQUAL(input.ports[DEVICE_KEYBOARD].received - received, STORM_BYTES);
    spinners_stop();
    input_forget();
}

static uint64_t handler_flags;
static void suite_interrupt(unsigned vector)
{
    (void)vector;
    handler_flags = irq_save();
}

TEST(interrupted_registers, "registers.interrupt")
{
    struct registers registers;

    interrupt_set(SUITE_VECTOR, suite_interrupt);
    for (unsigned i = 0; i < SPINNERS; i++) {
        registers_init(&registers, i, flag_patterns[i]);
        registers_across_interrupt(&registers);
        registers_check(&registers);
    }
}

TEST(direction_in_interrupt, "registers.direction_in_handler")
{
    interrupt_set(SUITE_VECTOR, suite_interrupt);
    handler_flags = UINT64_MAX;
    raise_40_downwards();
    CHECK_EQUAL(handler_flags & FLAG_DIRECTION, 0);
    CHECK_EQUAL(handler_flags & IRQ_ENABLED, 0);
}

/* Two that give way to each other, and one that the other wakes: all by their own calls, no interrupt needed. */
static struct voluntary {
    struct thread thread;
    struct registers registers;
} voluntary[3];
static atomic_bool voluntary_over;

static void *yielder(void *argument)
{
    struct voluntary *self = argument;

    for (unsigned i = 0; i < VOLUNTARY_ROUNDS; i++)
        registers_across_call(&self->registers, thread_yield);
    return NULL;
}

static void wake_parker(void)
{
    thread_wake(&voluntary[2].thread);
    thread_yield();
}

static void *waking(void *argument)
{
    struct voluntary *self = argument;

    for (unsigned i = 0; i < VOLUNTARY_ROUNDS; i++)
        registers_across_call(&self->registers, wake_parker);
    atomic_store(&voluntary_over, true);
    thread_wake(&voluntary[2].thread);
    return NULL;
}

static void *parker(void *argument)
{
    struct voluntary *self = argument;

    while (!atomic_load(&voluntary_over))
        registers_across_call(&self->registers, thread_park);
    return NULL;
}

TEST(voluntary_registers, "registers.yield_and_park")
{
    static thread_entry *const entries[ARRAY_SIZE(voluntary)] = {yielder, waking, parker};

    atomic_store(&voluntary_over, false);
    for (unsigned i = 0; i < ARRAY_SIZE(voluntary); i++) {
        registers_init(&voluntary[i].registers, 7 + i, 0);
        start(&voluntary[i].thread, "voluntary", THREAD_PRIORITY_NORMAL, entries[i], &voluntary[i]);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(voluntary); i++) {
        thread_join(&voluntary[i].thread);
        registers_check(&voluntary[i].registers);
    }
    CHECK(voluntary[2].registers.rounds > VOLUNTARY_ROUNDS / 2);
}
