/* Watches: the latest value to all, and no change slept through. */
#include "executor/watch.h"

#include "bridge/block_on.h"
#include "comm.h"
#include "lib/copy.h"
#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

static struct watch watch;
static uint64_t storage;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    watch_init(&watch, &storage, sizeof(storage));
}

TestSuite(watch, .init = init);

static void set(uint64_t value)
{
    watch_set(&watch, &value);
}

Test(watch, has_no_value_at_first)
{
    uint64_t value = 5;

    cr_assert_eq(watch_get(&watch, &value), 0);
    cr_assert_eq(value, 5);
}

Test(watch, has_the_latest_value_and_a_version_for_each)
{
    uint64_t value;

    for (uint64_t i = 1; i < 5; i++) {
        set(10 * i);
        cr_assert_eq(watch_get(&watch, &value), i);
        cr_assert_eq(value, 10 * i);
    }
}

Test(watch, is_changed_at_once_for_who_has_seen_another_version)
{
    struct watch_changed changed;

    set(1);
    set(2);
    changed = watch_changed(&watch, 1);
    cr_assert(poll_as(&changed.future, 'a'));
    changed = watch_changed(&watch, 2);
    cr_assert_not(poll_as(&changed.future, 'a'));
    future_drop(&changed.future);
}

Test(watch, wakes_all_who_wait_for_a_change_in_their_order)
{
    struct watch_changed wait[20];

    for (unsigned i = 0; i < 20; i++) {
        wait[i] = watch_changed(&watch, 0);
        cr_assert_not(poll_as(&wait[i].future, i < 2 ? (char)('a' + i) : 'c'));
    }
    set(1);
    expect_woken("a b c c c c c c c c c c c c c c c c c c");
    for (unsigned i = 0; i < 20; i++)
        cr_assert(poll_as(&wait[i].future, 'a'));
    set(2);
    expect_woken("");
}

Test(watch, forgets_a_wait_that_is_dropped_in_any_state)
{
    struct watch_changed a = watch_changed(&watch, 0), b = a, c = a;

    future_drop(&a.future);
    cr_assert_not(poll_as(&a.future, 'a'));
    cr_assert_not(poll_as(&b.future, 'b'));
    cr_assert_not(poll_as(&c.future, 'c'));
    future_drop(&b.future);
    set(1);
    expect_woken("a c");
    future_drop(&a.future);
    future_drop(&c.future);
    set(2);
    expect_woken("");
}

/* Polled though it was not woken, while others are. */
static struct watch_changed early;
static void poll_early(struct waker *waker)
{
    (void)waker;
    cr_assert(poll_as(&early.future, 'b'));
}

Test(watch, may_be_polled_while_a_change_is_being_told)
{
    struct waker waker = {poll_early};
    struct watch_changed first = watch_changed(&watch, 0), last = first;

    early = watch_changed(&watch, 0);
    cr_assert_eq(future_poll(&first.future, &waker), POLL_PENDING);
    cr_assert_not(poll_as(&early.future, 'b'));
    cr_assert_not(poll_as(&last.future, 'c'));
    set(1);
    expect_woken("c");
}

Test(watch, refuses_values_of_no_size, .exit_code = PANIC_EXIT)
{
    watch_init(&watch, &storage, 0);
}

Test(watch, refuses_values_too_large, .exit_code = PANIC_EXIT)
{
    watch_init(&watch, &storage, COPY_BYTES_MAX + 1);
}

static void interrupt_sets(void)
{
    set(7);
}

static void wait_once(void)
{
    struct watch_changed changed = watch_changed(&watch, 0);
    uint64_t value = 0;

    init();
    machine_window_open();
    block_on(&changed.future);
    machine_window_close();
    cr_assert_eq(watch_get(&watch, &value), 1, "%s", machine_place());
    cr_assert_eq(value, 7, "%s", machine_place());
}

Test(watch, misses_no_change_made_at_any_instruction_of_a_wait)
{
    cr_assert_gt(machine_explore(wait_once, interrupt_sets), 20);
}

/* A value of many words is one version's, whole. */
static uint64_t wide_storage[8];

static void interrupt_sets_wide(void)
{
    watch_set(&watch, (uint64_t[8]){2, 2, 2, 2, 2, 2, 2, 2});
}

static void read_wide(void)
{
    uint64_t value[8], version;

    init();
    watch_init(&watch, wide_storage, sizeof(wide_storage));
    watch_set(&watch, (uint64_t[8]){1, 1, 1, 1, 1, 1, 1, 1});
    machine_window_open();
    version = watch_get(&watch, value);
    machine_window_close();
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(value[i], version, "%s", machine_place());
}

static void read_wide_and_wait(void)
{
    read_wide();
    if (watch.version == 1)
        machine_interrupt(interrupt_sets_wide);
}

Test(watch, reads_no_half_of_a_value_set_at_any_instruction)
{
    cr_assert_gt(machine_explore(read_wide_and_wait, interrupt_sets_wide), 3);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { ACTORS = 3, PER_ACTOR = 3, OPERATIONS = ACTORS * PER_ACTOR + 1 };

static struct actor {
    struct watch_changed changed;
    uint64_t seen; /* a value is its version */
    bool begun;
} actors[ACTORS];

static uint64_t latest;
static struct line waiting;

static void reset(void)
{
    for (unsigned i = 0; i < ACTORS; i++)
        actors[i] = (struct actor){.begun = false};
    waiting = (struct line){""};
    latest = 0;
    watch_init(&watch, &storage, sizeof(storage));
}

static void step_actor(struct actor *self, char name, unsigned what)
{
    if (what == 0) {
        bool fresh = !self->begun, ready;

        if (fresh)
            self->changed = watch_changed(&watch, self->seen);
        ready = poll_as(&self->changed.future, name);
        MODEL(ready == (self->changed.seen != latest));
        if (ready)
            line_quit(&waiting, name);
        else if (fresh)
            line_join(&waiting, name);
        self->begun = !ready;
    } else if (what == 1) {
        uint64_t value = self->seen;

        self->seen = watch_get(&watch, &value);
        MODEL(self->seen == latest && value == latest);
    } else if (self->begun) {
        future_drop(&self->changed.future);
        line_quit(&waiting, name);
        self->begun = false;
    }
}

/* Who was woken has left the queue, and joins it as if anew: nobody changes the version back. */
static void step(unsigned operation)
{
    if (operation == OPERATIONS - 1) {
        set(++latest);
        model_wakes_all(&waiting);
    } else {
        step_actor(&actors[operation / PER_ACTOR], (char)('a' + operation / PER_ACTOR), operation % PER_ACTOR);
    }
}

Test(watch, agrees_with_a_model_in_every_order_of_six_operations)
{
    model_try_all(OPERATIONS, 6, reset, step);
}

Test(watch, agrees_with_a_model_in_a_long_random_order)
{
    model_try_random(OPERATIONS, 200000, 20240615, reset, step);
}
