/* Mutexes of tasks: one guard owns it, and it is handed on, whoever gives up and whenever. */
#include "executor/async_mutex.h"

#include "bridge/block_on.h"
#include "comm.h"
#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

static struct async_mutex mutex;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    async_mutex_init(&mutex);
}

TestSuite(async_mutex, .init = init);

Test(async_mutex, is_handed_over_in_the_order_they_came)
{
    struct async_mutex_guard a = async_mutex_lock(&mutex), b = a, c = a;

    cr_assert(poll_as(&a.future, 'a'));
    cr_assert(a.locked);
    cr_assert_not(poll_as(&b.future, 'b'));
    cr_assert_not(poll_as(&c.future, 'c'));
    async_mutex_unlock(&a);
    cr_assert_not(a.locked);
    expect_woken("b");
    cr_assert_not(async_mutex_try(&mutex, &a), "it is b's already");
    cr_assert(poll_as(&b.future, 'b'));
    async_mutex_unlock(&b);
    expect_woken("c");
    cr_assert(poll_as(&c.future, 'c'));
    async_mutex_unlock(&c);
    cr_assert(async_mutex_try(&mutex, &a));
    async_mutex_unlock(&a);
}

Test(async_mutex, is_unlocked_or_passed_on_by_a_guard_that_is_dropped_in_any_state)
{
    struct async_mutex_guard a = async_mutex_lock(&mutex), b = a, c = a, zero = {.locked = false};

    future_drop(&zero.future);
    future_drop(&a.future);
    cr_assert(poll_as(&a.future, 'a'));
    cr_assert_not(poll_as(&b.future, 'b'));
    cr_assert_not(poll_as(&c.future, 'c'));
    future_drop(&a.future);
    expect_woken("b");
    future_drop(&b.future);
    expect_woken("c");
    cr_assert(poll_as(&c.future, 'c'));
    future_drop(&c.future);
    cr_assert(async_mutex_try(&mutex, &a));
}

Test(async_mutex, is_not_locked_twice_by_one_guard, .exit_code = PANIC_EXIT)
{
    struct async_mutex_guard guard = async_mutex_lock(&mutex);

    (void)poll_as(&guard.future, 'a');
    (void)poll_as(&guard.future, 'a');
}

Test(async_mutex, is_not_unlocked_by_a_guard_that_has_not_locked_it, .exit_code = PANIC_EXIT)
{
    struct async_mutex_guard guard = async_mutex_lock(&mutex);

    async_mutex_unlock(&guard);
}

/* ---- held by threads that preempt each other -------------------------------------------------------------------- */

static unsigned inside, entered;

static void *enter(void *unused)
{
    for (unsigned i = 0; i < 20; i++) {
        struct async_mutex_guard guard = async_mutex_lock(&mutex);

        block_on(&guard.future);
        cr_assert_eq(inside++, 0);
        machine_run(3 * MS);
        cr_assert_eq(--inside, 0);
        entered++;
        async_mutex_unlock(&guard);
        machine_run(1 * MS);
    }
    return unused;
}

Test(async_mutex, lets_in_one_thread_at_a_time)
{
    struct thread threads[4];

    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(thread_start(&threads[i], "t", THREAD_PRIORITY_NORMAL, enter, NULL), STATUS_OK);
    for (unsigned i = 0; i < 4; i++)
        thread_join(&threads[i]);
    cr_assert_eq(entered, 80);
    cr_assert_eq(async_semaphore_units(&mutex.free), 1);
}

static struct async_mutex_guard owner;

static void unlock_it(void)
{
    async_mutex_unlock(&owner);
}

static void lock_until_deadline(void)
{
    struct async_mutex_guard guard = async_mutex_lock(&mutex);
    enum status status;

    init();
    cr_assert(async_mutex_try(&mutex, &owner));
    machine_window_open();
    status = block_on_until(&guard.future, 5 * MS);
    machine_window_close();
    cr_assert_eq(guard.locked, status == STATUS_OK, "%s", machine_place());
    if (owner.locked)
        unlock_it();
    cr_assert_eq(async_semaphore_units(&mutex.free), status != STATUS_OK, "%s", machine_place());
}

Test(async_mutex, is_free_or_locked_when_its_time_is_up_at_any_instruction)
{
    cr_assert_gt(machine_explore(lock_until_deadline, unlock_it), 20);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { ACTORS = 3, PER_ACTOR = 4, OPERATIONS = ACTORS * PER_ACTOR };

static struct actor {
    struct async_mutex_guard guard;
    bool begun;
} actors[ACTORS];

static struct line waiting;
static char owned_by; /* 0: nobody; it need not know yet */

static void reset(void)
{
    for (unsigned i = 0; i < ACTORS; i++)
        actors[i] = (struct actor){.begun = false};
    waiting = (struct line){""};
    owned_by = 0;
    async_mutex_init(&mutex);
}

static void model_leave(char name)
{
    line_quit(&waiting, name);
    if (owned_by != name)
        return;
    owned_by = 0;
    if (!line_empty(&waiting)) {
        owned_by = line_serve(&waiting);
        model_wakes(owned_by);
    }
}

static void step(unsigned operation)
{
    struct actor *self = &actors[operation / PER_ACTOR];
    char name = (char)('a' + operation / PER_ACTOR);

    switch (operation % PER_ACTOR) {
    case 0: /* poll */
        if (self->guard.locked)
            break;
        if (!self->begun) {
            self->guard = async_mutex_lock(&mutex);
            self->begun = true;
            if (!owned_by)
                owned_by = name;
            else
                line_join(&waiting, name);
        }
        MODEL(poll_as(&self->guard.future, name) == (owned_by == name));
        break;
    case 1: /* unlock */
        if (!self->guard.locked)
            break;
        self->begun = false;
        model_leave(name);
        async_mutex_unlock(&self->guard);
        break;
    case 2: /* drop, in any state */
        self->begun = false;
        model_leave(name);
        future_drop(&self->guard.future);
        self->guard = (struct async_mutex_guard){.locked = false};
        break;
    default:
        if (self->begun)
            break;
        self->begun = !owned_by;
        MODEL(async_mutex_try(&mutex, &self->guard) == !owned_by);
        if (!owned_by)
            owned_by = name;
        break;
    }
    for (unsigned i = 0; i < ACTORS; i++)
        MODEL(!actors[i].guard.locked || owned_by == (char)('a' + i));
}

Test(async_mutex, agrees_with_a_model_in_every_order_of_five_operations)
{
    model_try_all(OPERATIONS, 5, reset, step);
}

Test(async_mutex, agrees_with_a_model_in_a_long_random_order)
{
    model_try_random(OPERATIONS, 300000, 20240612, reset, step);
}
