/* The checks of `make bench-native`: a peer that does less, more or another thing than it was asked for is found out.
 */
#include "../../tools/native/check.h"

#include "support.h"

enum { LIVE = 1000, BLOCKS = 20 };

/* ---- a peer's timers: an array that is searched, with room for one bug ---- */

static enum bug { NONE, TWICE, LEFT_OUT, OUT_OF_ORDER, NOT_CANCELLED, UNKNOWN } bug;

static uint64_t deadlines[LIVE + TIMER_BLOCK]; /* 0: not live */

static uint32_t earliest(void)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < LIVE + TIMER_BLOCK; i++)
        if (deadlines[i] && (!deadlines[found] || deadlines[i] < deadlines[found]))
            found = i;
    return found;
}

static void insert(size_t count)
{
    model_choose_inserts(count);
    for (size_t i = 0; i < count; i++)
        deadlines[model.batch[i]] = model.batch_deadlines[i];
}

static void cancel(size_t count)
{
    model_choose_cancels(count);
    for (size_t i = bug == NOT_CANCELLED; i < count; i++)
        deadlines[model.batch[i]] = 0;
}

static void expire(size_t count)
{
    uint32_t held = earliest();

    if (bug == LEFT_OUT || bug == OUT_OF_ORDER)
        deadlines[held] = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t timer = earliest();

        deadlines[timer] = 0;
        timers_expired(timer);
    }
    if (bug == OUT_OF_ORDER)
        timers_expired(held);
    if (bug == TWICE)
        timers_expired(timers_expired_list[0]);
    if (bug == UNKNOWN)
        timers_expired(UINT32_MAX);
    model_expired();
}

static void run(enum bug planted)
{
    bug = planted;
    model_init(LIVE);
    for (unsigned block = 0; block < BLOCKS; block++) {
        insert(LIVE + 100 - model.live_count);
        cancel(50);
        expire(50);
    }
    model_check();
}

Test(native, timers_that_expire_in_order_pass)
{
    run(NONE);
    cr_assert_eq(model.live_count, LIVE);
    cr_assert_gt(model.last_expired, 0);
}

Test(native, a_timer_that_expires_twice_is_found, .exit_code = NATIVE_DIED)
{
    run(TWICE);
}

Test(native, a_timer_that_never_expires_is_found, .exit_code = NATIVE_DIED)
{
    run(LEFT_OUT);
}

Test(native, a_timer_that_expires_late_is_found, .exit_code = NATIVE_DIED)
{
    run(OUT_OF_ORDER);
}

Test(native, a_cancelled_timer_that_expires_is_found, .exit_code = NATIVE_DIED)
{
    run(NOT_CANCELLED);
}

Test(native, a_timer_that_does_not_exist_is_found, .exit_code = NATIVE_DIED)
{
    run(UNKNOWN);
}

/* ---- counts ---- */

Test(native, a_task_that_did_what_was_asked_passes)
{
    check_count("a peer", 0, 1000, 1000);
}

Test(native, a_task_that_did_one_less_is_found, .exit_code = NATIVE_DIED)
{
    check_count("a peer", 0, 999, 1000);
}

Test(native, a_task_that_did_one_more_is_found, .exit_code = NATIVE_DIED)
{
    check_count("a peer", 0, 1001, 1000);
}
