/* Vector registers on a simulated machine: whose state is in them, and when it is moved. */
#include "thread/vectors.h"

#include "machine.h"
#include "support.h"
#include "thread/arch.h"

#define MS UINT64_C(1000000)

enum {
    EQUAL = THREAD_PRIORITY_NORMAL,
    HIGH = THREAD_PRIORITY_HIGH,
    ROUNDS = 20,
    MODEL_THREADS = 5,
    MODEL_STEPS = 2000
};

static struct thread a, b, c, high;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
}

TestSuite(vectors, .init = init);

static void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    cr_assert_eq(thread_start(thread, name, priority, entry, argument), STATUS_OK);
}

static void use(void)
{
    cr_assert_eq(vectors_use(), STATUS_OK);
}

/* What a vector instruction does: it needs the registers to be on. */
static uint64_t *registers(void)
{
    cr_assert(machine.vectors_on, "thread %s: device not available", thread_current()->name);
    return &machine.vectors;
}

static void expect_moves(unsigned saves, unsigned loads)
{
    cr_assert_eq(machine.vector_saves, saves, "%u saves, not %u", machine.vector_saves, saves);
    cr_assert_eq(machine.vector_loads, loads, "%u loads, not %u", machine.vector_loads, loads);
}

static void *yield_a_lot(void *value)
{
    use();
    for (unsigned i = 0; i < ROUNDS; i++) {
        *registers() = (uintptr_t)value + i;
        thread_yield();
        cr_assert_eq(*registers(), (uintptr_t)value + i);
    }
    return NULL;
}

static void *yield_without(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        cr_assert_not(machine.vectors_on);
        cr_assert_eq(thread_current()->attention, 0);
        thread_yield();
    }
    return NULL;
}

Test(vectors, are_off_until_a_thread_asks)
{
    cr_assert_not(machine.vectors_on);
    use();
    cr_assert(machine.vectors_on);
    expect_moves(0, 1);
}

Test(vectors, are_asked_for_once)
{
    use();
    *registers() = 7;
    use();
    cr_assert_eq(*registers(), 7);
    cr_assert_eq(machine.vector_states, 1);
    expect_moves(0, 1);
}

Test(vectors, begin_as_new_whatever_another_left)
{
    use();
    *registers() = 7;
    vectors_leave();
    use();
    cr_assert_eq(*registers(), 0);
    expect_moves(0, 2); /* what was left is nobody's: not saved */
}

Test(vectors, follow_their_threads)
{
    start(&a, "a", EQUAL, yield_a_lot, (void *)100);
    start(&b, "b", EQUAL, yield_a_lot, (void *)200);
    start(&c, "c", EQUAL, yield_a_lot, (void *)300);
    thread_join(&a);
    thread_join(&b);
    thread_join(&c);
    cr_assert_eq(machine.vector_states, 0);
    cr_assert_eq(cpu_this()->vector_owner, NULL);
}

Test(vectors, stay_in_the_registers_while_nobody_else_asks)
{
    start(&a, "a", EQUAL, yield_a_lot, (void *)100);
    start(&b, "b", EQUAL, yield_without, NULL);
    start(&c, "c", EQUAL, yield_without, NULL);
    thread_join(&a);
    thread_join(&b);
    thread_join(&c);
    expect_moves(0, 1);
}

Test(vectors, are_moved_once_a_change_of_owner)
{
    start(&a, "a", EQUAL, yield_a_lot, (void *)100);
    start(&b, "b", EQUAL, yield_without, NULL);
    start(&c, "c", EQUAL, yield_a_lot, (void *)200);
    thread_join(&a);
    thread_join(&b);
    thread_join(&c);
    /* Each asks, and comes back from each of its yields to the other's state, but that a has ended when c comes back
     * the last time: nobody's is saved then. */
    expect_moves(2 * ROUNDS, 2 * ROUNDS + 2);
}

Test(vectors, are_off_for_whoever_did_not_ask)
{
    start(&a, "a", EQUAL, yield_without, NULL);
    use();
    for (unsigned i = 0; i < ROUNDS; i++) {
        *registers() = i;
        thread_yield();
        cr_assert_eq(*registers(), i);
    }
    thread_join(&a);
    expect_moves(0, 1);
}

/* Nobody turns anything on or off: what is put on by hand stays so. */
static void *find_on(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        cr_assert(machine.vectors_on);
        thread_yield();
    }
    return NULL;
}

Test(vectors, are_left_alone_by_a_switch_among_others)
{
    start(&a, "a", EQUAL, find_on, NULL);
    start(&b, "b", EQUAL, find_on, NULL);
    machine.vectors_on = true;
    thread_join(&a);
    thread_join(&b);
}

/* thread/arch.h: space_enter(). */
static void *run_in_a_space(void *unused)
{
    struct thread *self = thread_current();

    self->attention |= ATTENTION_SPACE;
    for (unsigned i = 0; i < ROUNDS; i++) {
        machine.space = NULL;
        thread_yield();
        cr_assert_eq(machine.space, self);
    }
    self->attention &= (uint8_t)~ATTENTION_SPACE;
    return unused;
}

static void *run_in_none(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        machine.space = NULL;
        thread_yield();
    }
    return unused;
}

Test(vectors, leave_address_spaces_to_those_who_have_one)
{
    start(&a, "a", EQUAL, run_in_a_space, NULL);
    start(&b, "b", EQUAL, run_in_none, NULL);
    start(&c, "c", EQUAL, run_in_a_space, NULL);
    thread_join(&a);
    thread_join(&b);
    thread_join(&c);
    cr_assert_eq(machine.space_enters, 2 * ROUNDS);
}

Test(vectors, of_a_thread_that_ends_are_nobodys)
{
    start(&a, "a", HIGH, yield_a_lot, (void *)100);
    cr_assert_eq(thread_state(&a), THREAD_DEAD);
    cr_assert_eq(cpu_this()->vector_owner, NULL);
    cr_assert_eq(machine.vector_states, 0);
    cr_assert_not(machine.vectors_on);
    use();
    cr_assert_eq(*registers(), 0);
    expect_moves(0, 2);
}

Test(vectors, can_be_given_back_without_having_any)
{
    vectors_leave();
    cr_assert_not(machine.vectors_on);
    use();
    vectors_leave();
    vectors_leave();
    cr_assert_eq(machine.vector_states, 0);
    cr_assert_not(machine.vectors_on);
}

Test(vectors, need_memory)
{
    machine.vector_states_max = 0;
    cr_assert_eq(vectors_use(), STATUS_NO_MEMORY);
    cr_assert_not(machine.vectors_on);
    cr_assert_eq(thread_current()->attention, 0);
    machine.vector_states_max = 1;
    use();
}

static void use_and_leave(void)
{
    use();
    vectors_leave();
}

Test(vectors, cannot_be_asked_for_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(use_and_leave);
}

Test(vectors, cannot_be_given_back_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    use();
    machine_interrupt(vectors_leave);
}

Test(vectors, are_the_running_threads_if_it_asked, .exit_code = PANIC_EXIT)
{
    use();
    cpu_this()->vector_owner = NULL;
    vectors_leave();
}

static void *park_then_use(void *value)
{
    thread_park();
    use();
    *registers() = (uintptr_t)value;
    thread_park();
    cr_assert_eq(*registers(), (uintptr_t)value);
    return NULL;
}

static void wake_high(void)
{
    thread_wake(&high);
}

Test(vectors, survive_preemption)
{
    start(&high, "high", HIGH, park_then_use, (void *)9);
    use();
    *registers() = 5;
    machine_at(1 * MS, wake_high);
    machine_at(2 * MS, wake_high);
    machine_run(4 * MS);
    cr_assert_eq(thread_state(&high), THREAD_DEAD);
    cr_assert_eq(*registers(), 5);
    expect_moves(3, 5); /* boot, high, boot, high, boot; high's end leaves nothing to save, and boot's is loaded */
}

static void *outlast_the_turn(void *unused)
{
    (void)unused;
    use();
    thread_park();
    machine_run(20 * MS); /* the timer comes, and has nothing to be armed for */
    cr_assert_eq(machine.timer_ns, TIMER_NEVER);
    return NULL;
}

/* The timer is armed for the end of a turn on this way of a switch as on the other. */
Test(vectors, arm_the_timer_as_other_switches_do)
{
    use();
    start(&high, "high", HIGH, outlast_the_turn, NULL);
    start(&a, "a", EQUAL, yield_without, NULL);
    thread_wake(&high);
    cr_assert_eq(thread_state(&high), THREAD_DEAD);
    cr_assert_neq(machine.timer_ns, TIMER_NEVER);
    cr_assert_eq(machine.timer_ns, cpu_this()->current->slice_end_ns);
}

static void scenario(void)
{
    init();
    start(&high, "high", HIGH, park_then_use, (void *)9);
    machine_window_open();
    use();
    *registers() = 5;
    cr_assert_eq(*registers(), 5);
    vectors_leave();
    machine_window_close();
    machine_run(MS);
    thread_wake(&high);
    if (thread_state(&high) != THREAD_DEAD)
        thread_wake(&high);
    cr_assert_eq(thread_state(&high), THREAD_DEAD);
    cr_assert_eq(machine.vector_states, 0);
    cr_assert_not(machine.vectors_on);
    machine_interrupt(wake_high);
}

Test(vectors, come_and_go_whatever_interrupts, .timeout = 60)
{
    cr_assert_gt(machine_explore(scenario, wake_high), 50);
}

/* ---- against a model ---- */

/* Each thread knows what its registers hold, and whether it asked; who runs next, and what it does, is random. */
static struct model_thread {
    struct thread thread;
    bool asked;
    uint64_t value;
} model[MODEL_THREADS];
static uint64_t seed = 20240909;
static unsigned steps, switched;

static void model_step(struct model_thread *self)
{
    uint64_t what = support_random(&seed) % 8;

    cr_assert_eq(machine.vectors_on, self->asked);
    if (self->asked)
        cr_assert_eq(*registers(), self->value);
    if (what == 0) {
        vectors_leave();
        self->asked = false;
    } else if (what < 3) {
        if (!self->asked)
            self->value = 0;
        use();
        self->asked = true;
        cr_assert_eq(*registers(), self->value);
    } else if (what < 5 && self->asked) {
        self->value = *registers() = support_random(&seed);
    } else {
        thread_yield();
        switched++;
    }
}

static void *model_main(void *self)
{
    while (steps++ < MODEL_STEPS)
        model_step(self);
    return NULL;
}

Test(vectors, agree_with_a_model_of_each_thread)
{
    for (size_t i = 0; i < MODEL_THREADS; i++)
        start(&model[i].thread, "model", EQUAL, model_main, &model[i]);
    for (size_t i = 0; i < MODEL_THREADS; i++)
        thread_join(&model[i].thread);
    cr_assert_eq(machine.vector_states, 0);
    cr_assert_gt(switched, MODEL_STEPS / 4);
    cr_assert_leq(machine.vector_saves, machine.vector_loads);
}
