/* Oneshots: the value, or word that there is none, to whoever asks and whenever. */
#include "executor/oneshot.h"

#include "bridge/block_on.h"
#include "comm.h"
#include "lib/copy.h"
#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

static struct oneshot oneshot;
static uint64_t value;

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    value = 0;
    oneshot_init(&oneshot, &value, sizeof(value));
}

TestSuite(oneshot, .init = init);

static enum status send_7(void)
{
    return oneshot_send(&oneshot, &(uint64_t){7});
}

static void expect_ready(struct oneshot_receive *receive, enum status status)
{
    cr_assert(poll_as(&receive->future, 'a'));
    cr_assert_eq(receive->status, status);
}

Test(oneshot, is_received_when_it_was_sent_before)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot);

    cr_assert_eq(oneshot_receive_try(&oneshot), STATUS_AGAIN);
    cr_assert_eq(send_7(), STATUS_OK);
    cr_assert_eq(oneshot_receive_try(&oneshot), STATUS_OK);
    expect_ready(&receive, STATUS_OK);
    cr_assert_eq(value, 7);
    expect_woken("");
}

Test(oneshot, wakes_the_receiver_by_its_latest_waker)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot);

    cr_assert_not(poll_as(&receive.future, 'a'));
    cr_assert_not(poll_as(&receive.future, 'b'));
    cr_assert_eq(send_7(), STATUS_OK);
    expect_woken("b");
    expect_ready(&receive, STATUS_OK);
    cr_assert_eq(value, 7);
}

Test(oneshot, tells_the_receiver_that_the_sender_has_left)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot);

    cr_assert_not(poll_as(&receive.future, 'a'));
    oneshot_abandon(&oneshot);
    expect_woken("a");
    expect_ready(&receive, STATUS_CLOSED);
    cr_assert_eq(oneshot_receive_try(&oneshot), STATUS_CLOSED);
}

Test(oneshot, tells_the_sender_that_the_receiver_has_left)
{
    cr_assert_not(oneshot_closed(&oneshot));
    oneshot_close(&oneshot);
    cr_assert(oneshot_closed(&oneshot));
    cr_assert_eq(send_7(), STATUS_CLOSED);
    cr_assert_eq(value, 0);
    oneshot_abandon(&oneshot);
}

Test(oneshot, keeps_a_value_sent_before_the_receiver_left)
{
    cr_assert_eq(send_7(), STATUS_OK);
    oneshot_close(&oneshot);
    cr_assert_eq(oneshot_receive_try(&oneshot), STATUS_OK);
    cr_assert_eq(value, 7);
}

Test(oneshot, keeps_the_value_when_the_receive_is_dropped_in_any_state)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot);

    future_drop(&receive.future);
    cr_assert_not(poll_as(&receive.future, 'a'));
    future_drop(&receive.future);
    receive = oneshot_receive(&oneshot);
    cr_assert_not(poll_as(&receive.future, 'b'));
    cr_assert_eq(send_7(), STATUS_OK);
    expect_woken("b");
    future_drop(&receive.future);
    receive = oneshot_receive(&oneshot);
    expect_ready(&receive, STATUS_OK);
}

Test(oneshot, wakes_nobody_whose_receive_was_dropped)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot);

    cr_assert_not(poll_as(&receive.future, 'a'));
    future_drop(&receive.future);
    cr_assert_eq(send_7(), STATUS_OK);
    expect_woken("");
}

Test(oneshot, carries_nothing_but_the_news)
{
    oneshot_init(&oneshot, NULL, 0);
    cr_assert_eq(oneshot_send(&oneshot, NULL), STATUS_OK);
    cr_assert_eq(oneshot_receive_try(&oneshot), STATUS_OK);
}

Test(oneshot, is_sent_once, .exit_code = PANIC_EXIT)
{
    (void)send_7();
    (void)send_7();
}

Test(oneshot, is_not_abandoned_after_it_was_sent, .exit_code = PANIC_EXIT)
{
    (void)send_7();
    oneshot_abandon(&oneshot);
}

Test(oneshot, has_one_receive_at_a_time, .exit_code = PANIC_EXIT)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot), another = receive;

    (void)poll_as(&receive.future, 'a');
    (void)poll_as(&another.future, 'b');
}

Test(oneshot, is_not_closed_while_a_receive_waits, .exit_code = PANIC_EXIT)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot);

    (void)poll_as(&receive.future, 'a');
    oneshot_close(&oneshot);
}

Test(oneshot, refuses_values_too_large, .exit_code = PANIC_EXIT)
{
    oneshot_init(&oneshot, &value, COPY_BYTES_MAX + 1);
}

Test(oneshot, refuses_no_storage_for_a_value, .exit_code = PANIC_EXIT)
{
    oneshot_init(&oneshot, NULL, 8);
}

static void interrupt_sends(void)
{
    cr_assert_eq(send_7(), STATUS_OK);
}

static void receive_once(void)
{
    struct oneshot_receive receive = oneshot_receive(&oneshot);

    init();
    machine_window_open();
    block_on(&receive.future);
    machine_window_close();
    cr_assert_eq(receive.status, STATUS_OK, "%s", machine_place());
    cr_assert_eq(value, 7, "%s", machine_place());
}

Test(oneshot, is_received_when_sent_at_any_instruction_of_a_receive)
{
    cr_assert_gt(machine_explore(receive_once, interrupt_sends), 20);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { POLL, DROP, TRY, SEND, ABANDON, CLOSE, OPERATIONS };

static struct oneshot_receive model_receive;
static enum status model_status; /* what a receive comes to now */
static bool begun, waits, sender_left, receiver_left;

static void reset(void)
{
    begun = waits = sender_left = receiver_left = false;
    model_status = STATUS_AGAIN;
    init();
}

static void model_settle(enum status status)
{
    model_status = status;
    if (waits)
        model_wakes('a');
    waits = false;
}

static void model_poll(void)
{
    bool ready;

    if (!begun)
        model_receive = oneshot_receive(&oneshot);
    ready = poll_as(&model_receive.future, 'a');
    MODEL(ready == (model_status != STATUS_AGAIN));
    MODEL(model_receive.status == model_status);
    begun = waits = !ready;
}

/* What the contract forbids is left out. */
static void step(unsigned operation)
{
    if (operation == POLL && !receiver_left) {
        model_poll();
    } else if (operation == DROP && begun) {
        future_drop(&model_receive.future);
        begun = waits = false;
    } else if (operation == TRY) {
        MODEL(oneshot_receive_try(&oneshot) == model_status);
    } else if (operation == SEND && !sender_left) {
        MODEL(send_7() == (receiver_left ? STATUS_CLOSED : STATUS_OK));
        sender_left = true;
        if (!receiver_left)
            model_settle(STATUS_OK);
    } else if (operation == ABANDON && !sender_left) {
        oneshot_abandon(&oneshot);
        sender_left = true;
        model_settle(STATUS_CLOSED);
    } else if (operation == CLOSE && !begun && !receiver_left) {
        oneshot_close(&oneshot);
        receiver_left = true;
        if (!sender_left)
            model_status = STATUS_CLOSED;
    }
    MODEL(value == (model_status == STATUS_OK ? 7 : 0));
}

Test(oneshot, agrees_with_a_model_in_every_order_of_six_operations)
{
    model_try_all(OPERATIONS, 6, reset, step);
}

static void step_again(unsigned operation)
{
    if (sender_left && (receiver_left || operation == ABANDON))
        reset();
    else
        step(operation);
}

Test(oneshot, agrees_with_a_model_in_a_long_random_order)
{
    model_try_random(OPERATIONS, 100000, 20240614, reset, step_again);
}
