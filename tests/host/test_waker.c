/* A slot's waker and a completion's waiter: woken once, never forgotten, never touched afterwards. */
#include "lib/waker.h"

#include <stdlib.h>

#include "lib/completion.h"
#include "machine.h"
#include "support.h"

struct sleeper {
    struct waker waker;
    unsigned wakes;
};

static void sleeper_wake(struct waker *waker)
{
    container_of(waker, struct sleeper, waker)->wakes++;
}

/* A sleeper that counts its wakes. */
#define SLEEPER ((struct sleeper){.waker = {sleeper_wake}})

/* ---- the slot ---------------------------------------------------------------------------------------------------- */

static struct waker_slot slot;

Test(waker_slot, wakes_once_whoever_registered)
{
    struct sleeper sleeper = SLEEPER;

    waker_slot_register(&slot, &sleeper.waker);
    cr_assert_eq(sleeper.wakes, 0);
    waker_slot_wake(&slot);
    cr_assert_eq(sleeper.wakes, 1);
    waker_slot_wake(&slot);
    cr_assert_eq(sleeper.wakes, 1);
}

Test(waker_slot, is_woken_in_vain_when_nobody_registered)
{
    waker_slot_wake(&slot);
    cr_assert_null(slot.waker);
}

Test(waker_slot, wakes_the_latest_registration_alone)
{
    struct sleeper first = SLEEPER, second = SLEEPER;

    waker_slot_register(&slot, &first.waker);
    waker_slot_register(&slot, &second.waker);
    waker_slot_wake(&slot);
    cr_assert_eq(first.wakes, 0);
    cr_assert_eq(second.wakes, 1);
}

Test(waker_slot, forgets_what_is_taken_back)
{
    struct sleeper sleeper = SLEEPER;

    waker_slot_register(&slot, &sleeper.waker);
    waker_slot_clear(&slot);
    waker_slot_wake(&slot);
    cr_assert_eq(sleeper.wakes, 0);
}

static void register_again(struct waker *waker)
{
    waker_slot_register(&slot, waker);
}

Test(waker_slot, keeps_a_registration_made_during_the_wake)
{
    struct waker waker = {register_again};

    waker_slot_register(&slot, &waker);
    waker_slot_wake(&slot);
    cr_assert_eq(slot.waker, &waker);
}

static struct sleeper explored;
static volatile bool published;

static void publish(void)
{
    published = true;
    waker_slot_wake(&slot);
}

static struct sleeper newcomer;

static void come(void)
{
    published = true;
    waker_slot_register(&slot, &newcomer.waker);
}

static void wake_slot(void)
{
    explored = newcomer = SLEEPER;
    published = false;
    waker_slot_register(&slot, &explored.waker);
    machine_window_open();
    waker_slot_wake(&slot);
    machine_window_close();
    waker_slot_wake(&slot);
    cr_assert_eq(newcomer.wakes, published, "who came is forgotten; %s", machine_place());
    cr_assert(explored.wakes == 1 || published, "%s", machine_place());
}

Test(waker_slot, forgets_nobody_who_registers_at_any_instruction_of_a_wake)
{
    cr_assert_gt(machine_explore(wake_slot, come), 4);
}

/* Try, register, try again, pend. */
static void wait_on_slot(void)
{
    bool ready;

    explored = SLEEPER;
    published = false;
    waker_slot_clear(&slot);
    machine_window_open();
    ready = published;
    if (!ready) {
        waker_slot_register(&slot, &explored.waker);
        ready = published;
    }
    machine_window_close();
    cr_assert(ready || !published || explored.wakes == 1, "%s", machine_place());
    cr_assert_leq(explored.wakes, 1);
}

Test(waker_slot, loses_no_wake_that_comes_at_any_instruction_of_the_wait)
{
    cr_assert_gt(machine_explore(wait_on_slot, publish), 4);
}

/* ---- the completion ---------------------------------------------------------------------------------------------- */

static struct completion completion;

Test(completion, is_done_once_signalled)
{
    cr_assert_not(completion_done(&completion));
    completion_signal(&completion);
    cr_assert(completion_done(&completion));
}

Test(completion, wakes_the_waiter_and_is_done_by_then)
{
    struct sleeper sleeper = SLEEPER;

    cr_assert(completion_register(&completion, &sleeper.waker));
    cr_assert_not(completion_done(&completion));
    completion_signal(&completion);
    cr_assert_eq(sleeper.wakes, 1);
    cr_assert(completion_done(&completion));
}

Test(completion, takes_no_waiter_when_it_is_done)
{
    struct sleeper sleeper = SLEEPER;

    completion_signal(&completion);
    cr_assert_not(completion_register(&completion, &sleeper.waker));
    cr_assert(completion_done(&completion));
    cr_assert_eq(sleeper.wakes, 0);
}

Test(completion, wakes_the_latest_waiter_alone)
{
    struct sleeper first = SLEEPER, second = SLEEPER;

    cr_assert(completion_register(&completion, &first.waker));
    cr_assert(completion_register(&completion, &second.waker));
    completion_signal(&completion);
    cr_assert_eq(first.wakes, 0);
    cr_assert_eq(second.wakes, 1);
}

Test(completion, wakes_nobody_who_took_itself_back)
{
    struct sleeper sleeper = SLEEPER;

    cr_assert(completion_register(&completion, &sleeper.waker));
    cr_assert(completion_unregister(&completion, &sleeper.waker));
    completion_signal(&completion);
    cr_assert_eq(sleeper.wakes, 0);
    cr_assert_not(completion_unregister(&completion, &sleeper.waker));
    cr_assert(completion_done(&completion));
}

Test(completion, panics_when_signalled_twice, .exit_code = PANIC_EXIT)
{
    completion_signal(&completion);
    completion_signal(&completion);
}

struct owner {
    struct waker waker;
    struct completion done;
};

static void owner_free(struct waker *waker)
{
    struct owner *owner = container_of(waker, struct owner, waker);

    cr_assert(completion_done(&owner->done));
    free(owner);
}

/* With the address sanitizer, whatever touches it afterwards fails. */
Test(completion, may_be_freed_by_the_waiter_that_the_signal_wakes)
{
    struct owner *owner = malloc(sizeof(*owner));

    *owner = (struct owner){.waker = {owner_free}};
    cr_assert(completion_register(&owner->done, &owner->waker));
    completion_signal(&owner->done);
}

static void signal_completion(void)
{
    published = true;
    completion_signal(&completion);
}

static void wait_on_completion(void)
{
    bool registered;

    explored = SLEEPER;
    completion = (struct completion){NULL};
    published = false;
    machine_window_open();
    registered = completion_register(&completion, &explored.waker);
    machine_window_close();
    cr_assert_eq(completion_done(&completion), published, "the signal is lost; %s", machine_place());
    if (!published)
        cr_assert_eq(completion.waiter, &explored.waker);
    cr_assert(registered || published);
    cr_assert_eq(explored.wakes, registered && published, "%s", machine_place());
}

Test(completion, wakes_or_refuses_when_signalled_at_any_instruction_of_registering)
{
    cr_assert_gt(machine_explore(wait_on_completion, signal_completion), 4);
}
