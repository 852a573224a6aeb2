/* Events of tasks: a signal lets one through or stays, whoever gives up and whenever. */
#include "executor/async_event.h"

#include "bridge/block_on.h"
#include "comm.h"
#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

static struct async_event event;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    async_event_init(&event, true);
}

TestSuite(async_event, .init = init);

Test(async_event, lets_one_through_a_signal_and_forgets_a_second)
{
    struct async_event_wait a = async_event_wait(&event), b = a;

    async_event_signal(&event);
    async_event_signal(&event);
    cr_assert(poll_as(&a.future, 'a'));
    cr_assert_not(poll_as(&b.future, 'b'));
    async_event_signal(&event);
    expect_woken("b");
    cr_assert_not(async_event_try(&event), "it is b's");
    cr_assert(poll_as(&b.future, 'b'));
}

Test(async_event, passes_on_the_signal_of_a_wait_that_is_dropped)
{
    struct async_event_wait a = async_event_wait(&event), b = a;

    cr_assert_not(poll_as(&a.future, 'a'));
    cr_assert_not(poll_as(&b.future, 'b'));
    async_event_signal(&event);
    expect_woken("a");
    future_drop(&a.future);
    expect_woken("b");
    future_drop(&b.future);
    expect_woken("");
    cr_assert(async_event_try(&event));
    cr_assert_not(async_event_try(&event));
}

Test(async_event, takes_a_signal_back)
{
    async_event_signal(&event);
    async_event_reset(&event);
    cr_assert_not(async_event_try(&event));
}

Test(async_event, lets_everybody_through_a_gate_until_it_is_reset)
{
    struct async_event_wait wait[20], late = async_event_wait(&event);

    async_event_init(&event, false);
    for (unsigned i = 0; i < 20; i++) {
        wait[i] = async_event_wait(&event);
        cr_assert_not(poll_as(&wait[i].future, 'a'));
    }
    async_event_signal(&event);
    cr_assert_eq(waker_wakes('a'), 20);
    cr_assert(poll_as(&late.future, 'b'));
    cr_assert(async_event_try(&event));
    async_event_reset(&event);
    for (unsigned i = 0; i < 19; i++)
        cr_assert(poll_as(&wait[i].future, 'a'), "it was let through before");
    future_drop(&wait[19].future);
    cr_assert_not(async_event_try(&event), "a gate is not signalled by who gives up");
}

static void signal_it(void)
{
    async_event_signal(&event);
}

static void wait_once(void)
{
    struct async_event_wait wait = async_event_wait(&event);

    init();
    machine_window_open();
    block_on(&wait.future);
    machine_window_close();
    cr_assert_not(async_event_try(&event), "%s", machine_place());
}

Test(async_event, loses_no_signal_at_any_instruction_of_a_wait)
{
    cr_assert_gt(machine_explore(wait_once, signal_it), 20);
}

static void wait_until_deadline(void)
{
    struct async_event_wait wait = async_event_wait(&event);
    enum status status;

    init();
    machine_window_open();
    status = block_on_until(&wait.future, 5 * MS);
    machine_window_close();
    cr_assert_eq((status == STATUS_OK) + async_event_try(&event), machine.interrupts > (status == STATUS_TIMEOUT), "%s",
                 machine_place());
}

Test(async_event, has_the_signal_or_the_waiter_has_whenever_it_gives_up)
{
    cr_assert_gt(machine_explore(wait_until_deadline, signal_it), 20);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { ACTORS = 3, PER_ACTOR = 2, OPERATIONS = ACTORS * PER_ACTOR + 3 };

static struct actor {
    struct async_event_wait wait;
    bool begun, granted;
} actors[ACTORS];

static struct line waiting;
static bool automatic, set;

static void reset(void)
{
    for (unsigned i = 0; i < ACTORS; i++)
        actors[i] = (struct actor){.begun = false};
    waiting = (struct line){""};
    set = false;
    async_event_init(&event, automatic);
}

static void model_signal(void)
{
    set = !automatic || line_empty(&waiting);
    while (!line_empty(&waiting)) {
        char name = line_serve(&waiting);

        actors[name - 'a'].granted = true;
        model_wakes(name);
        if (automatic)
            break;
    }
}

static bool model_pass(void)
{
    bool was_set = set;

    set = set && !automatic;
    return was_set;
}

static void model_poll(struct actor *self, char name)
{
    bool fresh = !self->begun;

    if (fresh) {
        self->wait = async_event_wait(&event);
        self->begun = true;
        self->granted = model_pass();
    }
    if (fresh && !self->granted)
        line_join(&waiting, name);
    MODEL(poll_as(&self->wait.future, name) == self->granted);
    self->begun = !self->granted;
    self->granted = false;
}

static void step(unsigned operation)
{
    struct actor *self = &actors[operation / PER_ACTOR % ACTORS];
    char name = (char)('a' + operation / PER_ACTOR);

    if (operation == OPERATIONS - 1) {
        async_event_signal(&event);
        model_signal();
    } else if (operation == OPERATIONS - 2) {
        async_event_reset(&event);
        set = false;
    } else if (operation == OPERATIONS - 3) {
        MODEL(async_event_try(&event) == model_pass());
    } else if (operation % PER_ACTOR == 0) {
        model_poll(self, name);
    } else if (self->begun) {
        future_drop(&self->wait.future);
        self->begun = false;
        line_quit(&waiting, name);
        if (self->granted && automatic)
            model_signal();
        self->granted = false;
    }
    MODEL(event.set == set);
}

Test(async_event, agrees_with_a_model_in_every_order_of_six_operations)
{
    automatic = true;
    model_try_all(OPERATIONS, 6, reset, step);
}

Test(async_event, agrees_with_a_model_of_a_gate_in_every_order_of_six_operations)
{
    automatic = false;
    model_try_all(OPERATIONS, 6, reset, step);
}

Test(async_event, agrees_with_a_model_in_a_long_random_order)
{
    for (unsigned i = 0; i < 2; i++) {
        automatic = i;
        model_try_random(OPERATIONS, 200000, 20240613, reset, step);
    }
}
