/* Semaphores of tasks: first come first served, and every unit somewhere, whoever gives up and whenever. */
#include "executor/async_semaphore.h"

#include "bridge/block_on.h"
#include "comm.h"
#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

static struct async_semaphore semaphore;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    async_semaphore_init(&semaphore, 0);
}

TestSuite(async_semaphore, .init = init);

Test(async_semaphore, gives_at_once_what_is_there)
{
    struct async_semaphore_take take = async_semaphore_take(&semaphore, 2);

    async_semaphore_give(&semaphore, 3);
    cr_assert(poll_as(&take.future, 'a'));
    cr_assert_eq(async_semaphore_units(&semaphore), 1);
    cr_assert_not(async_semaphore_try(&semaphore, 2));
    cr_assert(async_semaphore_try(&semaphore, 1));
    cr_assert_eq(async_semaphore_units(&semaphore), 0);
}

Test(async_semaphore, lets_nobody_overtake_who_wants_more)
{
    struct async_semaphore_take many = async_semaphore_take(&semaphore, 3), one = async_semaphore_take(&semaphore, 1);

    async_semaphore_give(&semaphore, 2);
    cr_assert_not(poll_as(&many.future, 'a'));
    cr_assert_not(poll_as(&one.future, 'b'));
    cr_assert_not(async_semaphore_try(&semaphore, 1));
    async_semaphore_give(&semaphore, 1);
    expect_woken("a");
    async_semaphore_give(&semaphore, 1);
    expect_woken("b");
    cr_assert(poll_as(&one.future, 'b'));
    cr_assert(poll_as(&many.future, 'a'));
}

Test(async_semaphore, serves_who_is_next_when_the_first_gives_up)
{
    struct async_semaphore_take many = async_semaphore_take(&semaphore, 3), one = async_semaphore_take(&semaphore, 1);

    async_semaphore_give(&semaphore, 2);
    cr_assert_not(poll_as(&many.future, 'a'));
    cr_assert_not(poll_as(&one.future, 'b'));
    future_drop(&many.future);
    expect_woken("b");
    cr_assert(poll_as(&one.future, 'b'));
    cr_assert_eq(async_semaphore_units(&semaphore), 1);
}

Test(async_semaphore, passes_on_the_units_of_a_take_that_is_dropped)
{
    struct async_semaphore_take a = async_semaphore_take(&semaphore, 2), b = async_semaphore_take(&semaphore, 1), c = b;

    cr_assert_not(poll_as(&a.future, 'a'));
    cr_assert_not(poll_as(&b.future, 'b'));
    cr_assert_not(poll_as(&c.future, 'c'));
    async_semaphore_give(&semaphore, 2);
    expect_woken("a");
    future_drop(&a.future);
    expect_woken("b c");
    future_drop(&b.future);
    cr_assert(poll_as(&c.future, 'c'));
    cr_assert_eq(async_semaphore_units(&semaphore), 1);
}

Test(async_semaphore, takes_no_units_at_once_or_in_turn)
{
    struct async_semaphore_take one = async_semaphore_take(&semaphore, 1), none = async_semaphore_take(&semaphore, 0);

    cr_assert(async_semaphore_try(&semaphore, 0));
    cr_assert_not(poll_as(&one.future, 'a'));
    cr_assert_not(poll_as(&none.future, 'b'));
    future_drop(&one.future);
    expect_woken("b");
    cr_assert(poll_as(&none.future, 'b'));
}

Test(async_semaphore, refuses_more_units_than_it_can_count, .exit_code = PANIC_EXIT)
{
    async_semaphore_give(&semaphore, 1);
    async_semaphore_give(&semaphore, UINT32_MAX);
}

/* Amid a give that wakes many, interrupts come: who tries then is not served first. */
static bool stolen;

static void steal(void)
{
    stolen |= async_semaphore_try(&semaphore, 1);
}

static void give_to_many(void)
{
    struct async_semaphore_take take[20];

    init();
    for (unsigned i = 0; i < 20; i++) {
        take[i] = async_semaphore_take(&semaphore, 1);
        cr_assert_not(poll_as(&take[i].future, 'a'));
    }
    machine_window_open();
    async_semaphore_give(&semaphore, 20);
    machine_window_close();
    for (unsigned i = 0; i < 20; i++)
        cr_assert(poll_as(&take[i].future, 'a'), "%s", machine_place());
    cr_assert_eq(async_semaphore_units(&semaphore), 0);
    cr_assert_eq(cpu_this()->preempt_count, 0, "%s", machine_place());
}

Test(async_semaphore, lets_interrupts_in_while_it_wakes_many_and_serves_them_last)
{
    cr_assert_gt(machine_explore(give_to_many, steal), 2);
    cr_assert_not(stolen);
}

static void give_1(void)
{
    async_semaphore_give(&semaphore, 1);
}

static void take_once(void)
{
    struct async_semaphore_take take = async_semaphore_take(&semaphore, 1);

    init();
    machine_window_open();
    block_on(&take.future);
    machine_window_close();
    cr_assert_eq(async_semaphore_units(&semaphore), 0, "%s", machine_place());
}

Test(async_semaphore, loses_no_unit_given_at_any_instruction_of_a_take)
{
    cr_assert_gt(machine_explore(take_once, give_1), 20);
}

static void take_and_drop(void)
{
    struct async_semaphore_take a = async_semaphore_take(&semaphore, 1), b = a;

    init();
    machine_window_open();
    if (future_poll(&a.future, &machine.boot.waker) == POLL_READY)
        give_1();
    else
        future_drop(&a.future);
    block_on(&b.future);
    machine_window_close();
    cr_assert_eq(async_semaphore_units(&semaphore), 0, "%s", machine_place());
}

Test(async_semaphore, loses_no_unit_given_at_any_instruction_of_a_poll_and_a_drop)
{
    cr_assert_gt(machine_explore(take_and_drop, give_1), 20);
}

static void take_until_deadline(void)
{
    struct async_semaphore_take take = async_semaphore_take(&semaphore, 1);
    enum status status;

    init();
    machine_window_open();
    status = block_on_until(&take.future, 5 * MS);
    machine_window_close();
    cr_assert_eq((status == STATUS_OK) + async_semaphore_units(&semaphore),
                 machine.interrupts > (status == STATUS_TIMEOUT), "%s", machine_place());
}

Test(async_semaphore, has_the_unit_or_the_taker_has_whenever_it_gives_up)
{
    cr_assert_gt(machine_explore(take_until_deadline, give_1), 20);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { ACTORS = 3, PER_ACTOR = 4, OPERATIONS = ACTORS * PER_ACTOR + 4 };

static struct actor {
    struct async_semaphore_take take;
    bool begun, granted;
    uint32_t held;
} actors[ACTORS];

static struct line waiting;
static uint32_t units; /* of the model */

static void reset(void)
{
    for (unsigned i = 0; i < ACTORS; i++)
        actors[i] = (struct actor){.held = 0};
    waiting = (struct line){""};
    units = 1;
    async_semaphore_init(&semaphore, 1);
}

static void model_settle(void)
{
    while (!line_empty(&waiting) && actors[waiting.names[0] - 'a'].take.units <= units) {
        char name = line_serve(&waiting);

        units -= actors[name - 'a'].take.units;
        actors[name - 'a'].granted = true;
        model_wakes(name);
    }
}

static bool model_take(uint32_t wanted)
{
    bool taken = line_empty(&waiting) && wanted <= units;

    units -= taken ? wanted : 0;
    return taken;
}

static void model_poll(struct actor *self, char name, uint32_t wanted)
{
    bool fresh = !self->begun, ready;

    if (fresh) {
        self->take = async_semaphore_take(&semaphore, wanted);
        self->begun = true;
        self->granted = model_take(wanted);
    }
    ready = poll_as(&self->take.future, name);
    MODEL(ready == self->granted);
    if (ready) {
        self->held += self->take.units;
        self->begun = self->granted = false;
    } else if (fresh) {
        line_join(&waiting, name);
    }
}

static void model_drop(struct actor *self, char name)
{
    if (!self->begun)
        self->take = async_semaphore_take(&semaphore, 1);
    future_drop(&self->take.future);
    if (self->granted)
        units += self->take.units;
    line_quit(&waiting, name);
    self->begun = self->granted = false;
    model_settle();
}

static void step(unsigned operation)
{
    struct actor *self = &actors[operation / PER_ACTOR % ACTORS];
    char name = (char)('a' + operation / PER_ACTOR);

    if (operation >= ACTORS * PER_ACTOR) {
        uint32_t wanted = operation % 4;

        if (wanted < 2) {
            async_semaphore_give(&semaphore, 1 + wanted);
            units += 1 + wanted;
            model_settle();
        } else {
            MODEL(async_semaphore_try(&semaphore, wanted - 1) == model_take(wanted - 1));
        }
    } else if (operation % PER_ACTOR < 2) {
        model_poll(self, name, 1 + operation % PER_ACTOR);
    } else if (operation % PER_ACTOR == 2) {
        model_drop(self, name);
    } else if (self->held) {
        async_semaphore_give(&semaphore, self->held);
        units += self->held;
        self->held = 0;
        model_settle();
    }
    MODEL(async_semaphore_units(&semaphore) == units);
}

Test(async_semaphore, agrees_with_a_model_in_every_order_of_five_operations)
{
    model_try_all(OPERATIONS, 5, reset, step);
}

Test(async_semaphore, agrees_with_a_model_in_a_long_random_order)
{
    model_try_random(OPERATIONS, 300000, 20240611, reset, step);
}
