/* Channels: every message once, in order, to whoever is first, whoever gives up and whenever. */
#include "executor/channel.h"

#include <string.h>

#include "bridge/block_on.h"
#include "comm.h"
#include "executor/async.h"
#include "executor/executor.h"
#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

enum { CAPACITY = 3 };

static struct channel channel;
static uint64_t storage[CAPACITY];

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    channel_init(&channel, storage, sizeof(uint64_t), CAPACITY);
}

TestSuite(channel, .init = init);

static enum status put(uint64_t message)
{
    return channel_send_try(&channel, &message);
}

/* 0: there is none now; UINT64_MAX: nor will there be. */
static uint64_t get(void)
{
    uint64_t message = 0;
    enum status status = channel_receive_try(&channel, &message);

    return status == STATUS_CLOSED ? UINT64_MAX : message;
}

static void fill(void)
{
    for (uint64_t i = 1; i <= CAPACITY; i++)
        cr_assert_eq(put(i), STATUS_OK);
}

struct receiver {
    struct channel_receive receive;
    uint64_t message;
};

static void begin_receive(struct receiver *receiver)
{
    receiver->message = 0;
    receiver->receive = channel_receive(&channel, &receiver->message);
}

static bool receives(struct receiver *receiver, char name)
{
    return poll_as(&receiver->receive.future, name);
}

Test(channel, keeps_the_order_and_refuses_when_full)
{
    cr_assert_eq(get(), 0);
    for (unsigned round = 0; round < 5; round++) {
        fill();
        cr_assert_eq(put(9), STATUS_AGAIN);
        cr_assert_eq(channel_count(&channel), CAPACITY);
        for (uint64_t i = 1; i <= CAPACITY; i++)
            cr_assert_eq(get(), i);
        cr_assert_eq(get(), 0);
        cr_assert_eq(put(7), STATUS_OK);
        cr_assert_eq(get(), 7);
    }
}

Test(channel, carries_messages_of_any_size)
{
    static unsigned char bytes[2 * COPY_BYTES_MAX], in[COPY_BYTES_MAX], out[COPY_BYTES_MAX];

    for (size_t size = 1; size <= COPY_BYTES_MAX; size++) {
        channel_init(&channel, bytes, size, 2);
        for (unsigned i = 0; i < 5; i++) {
            for (size_t at = 0; at < size; at++)
                in[at] = (unsigned char)(size + i + at);
            cr_assert_eq(channel_send_try(&channel, in), STATUS_OK);
            cr_assert_eq(channel_receive_try(&channel, out), STATUS_OK);
            cr_assert_arr_eq(in, out, size);
        }
    }
}

Test(channel, is_ready_at_the_first_poll_if_it_can_be)
{
    uint64_t message = 5, got = 0;
    struct channel_send send = channel_send(&channel, &message);
    struct channel_receive receive = channel_receive(&channel, &got);

    cr_assert(poll_as(&send.future, 'a'));
    cr_assert_eq(send.status, STATUS_OK);
    cr_assert(poll_as(&receive.future, 'b'));
    cr_assert_eq(receive.status, STATUS_OK);
    cr_assert_eq(got, 5);
    expect_woken("");
}

Test(channel, serves_receivers_in_the_order_they_came)
{
    struct receiver a, b, c;

    begin_receive(&a);
    begin_receive(&b);
    begin_receive(&c);
    cr_assert_not(receives(&a, 'a'));
    cr_assert_not(receives(&b, 'b'));
    cr_assert_not(receives(&c, 'c'));
    cr_assert_eq(put(1), STATUS_OK);
    cr_assert_eq(put(2), STATUS_OK);
    expect_woken("a b");
    cr_assert_eq(get(), 0, "both are promised");
    cr_assert_eq(channel_count(&channel), 2);
    cr_assert_not(receives(&c, 'c'), "it is not its turn");
    cr_assert(receives(&a, 'a'));
    cr_assert(receives(&b, 'b'));
    cr_assert_eq(a.message, 1);
    cr_assert_eq(b.message, 2);
    cr_assert_eq(put(3), STATUS_OK);
    expect_woken("c");
    cr_assert(receives(&c, 'c'));
    cr_assert_eq(c.message, 3);
}

Test(channel, serves_senders_in_the_order_they_came_and_lets_nobody_overtake)
{
    uint64_t four = 4, five = 5;
    struct channel_send a = channel_send(&channel, &four), b = channel_send(&channel, &five);

    fill();
    cr_assert_not(poll_as(&a.future, 'a'));
    cr_assert_not(poll_as(&b.future, 'b'));
    cr_assert_eq(get(), 1);
    expect_woken("a");
    cr_assert_eq(put(9), STATUS_AGAIN, "the room is promised");
    cr_assert_not(poll_as(&b.future, 'b'));
    cr_assert_eq(get(), 2);
    expect_woken("b");
    cr_assert(poll_as(&a.future, 'a'));
    cr_assert(poll_as(&b.future, 'b'));
    cr_assert_eq(a.status, STATUS_OK);
    cr_assert_eq(get(), 3);
    cr_assert_eq(get(), 4);
    cr_assert_eq(get(), 5);
    cr_assert_eq(get(), 0);
    fill();
    expect_woken("");
}

Test(channel, wakes_the_waker_of_the_latest_poll)
{
    struct receiver a;

    begin_receive(&a);
    cr_assert_not(receives(&a, 'a'));
    cr_assert_not(receives(&a, 'b'));
    cr_assert_eq(put(1), STATUS_OK);
    expect_woken("b");
    cr_assert(receives(&a, 'b'));
    cr_assert_eq(get(), 0);
}

/* ---- dropped ----------------------------------------------------------------------------------------------------- */

Test(channel, forgets_a_receive_dropped_before_its_first_poll_or_while_it_waits)
{
    struct receiver a, b;

    begin_receive(&a);
    future_drop(&a.receive.future);
    begin_receive(&a);
    begin_receive(&b);
    cr_assert_not(receives(&a, 'a'));
    cr_assert_not(receives(&b, 'b'));
    future_drop(&a.receive.future);
    cr_assert_eq(put(1), STATUS_OK);
    expect_woken("b");
    future_drop(&b.receive.future);
    cr_assert_eq(get(), 1);
    fill();
}

Test(channel, passes_on_the_message_promised_to_a_receive_that_is_dropped)
{
    struct receiver a, b;

    begin_receive(&a);
    begin_receive(&b);
    cr_assert_not(receives(&a, 'a'));
    cr_assert_not(receives(&b, 'b'));
    cr_assert_eq(put(1), STATUS_OK);
    expect_woken("a");
    future_drop(&a.receive.future);
    expect_woken("b");
    cr_assert_eq(a.message, 0);
    cr_assert(receives(&b, 'b'));
    cr_assert_eq(b.message, 1);
}

Test(channel, keeps_the_order_of_messages_when_a_receive_is_dropped)
{
    struct receiver a;

    begin_receive(&a);
    cr_assert_not(receives(&a, 'a'));
    cr_assert_eq(put(1), STATUS_OK);
    cr_assert_eq(put(2), STATUS_OK);
    future_drop(&a.receive.future);
    cr_assert_eq(get(), 1);
    cr_assert_eq(get(), 2);
}

Test(channel, sends_nothing_of_a_send_that_is_dropped_and_passes_its_room_on)
{
    uint64_t four = 4, five = 5;
    struct channel_send a = channel_send(&channel, &four), b = channel_send(&channel, &five);

    future_drop(&a.future);
    fill();
    cr_assert_not(poll_as(&a.future, 'a'));
    cr_assert_not(poll_as(&b.future, 'b'));
    cr_assert_eq(get(), 1);
    expect_woken("a");
    future_drop(&a.future);
    expect_woken("b");
    cr_assert(poll_as(&b.future, 'b'));
    cr_assert_eq(get(), 2);
    cr_assert_eq(get(), 3);
    cr_assert_eq(get(), 5);
    cr_assert_eq(get(), 0);
}

Test(channel, gives_the_room_of_the_last_dropped_send_to_anybody)
{
    uint64_t four = 4;
    struct channel_send a = channel_send(&channel, &four);

    fill();
    cr_assert_not(poll_as(&a.future, 'a'));
    cr_assert_eq(get(), 1);
    future_drop(&a.future);
    cr_assert_eq(put(8), STATUS_OK);
    a = channel_send(&channel, &four);
    cr_assert_not(poll_as(&a.future, 'a'));
    future_drop(&a.future);
    cr_assert_eq(get(), 2);
    cr_assert_eq(put(9), STATUS_OK);
}

/* ---- closed ------------------------------------------------------------------------------------------------------ */

Test(channel, is_drained_after_it_is_closed_and_then_says_so)
{
    struct receiver a;
    uint64_t message = 1;
    struct channel_send send = channel_send(&channel, &message);

    cr_assert_eq(put(1), STATUS_OK);
    cr_assert_eq(put(2), STATUS_OK);
    channel_close(&channel);
    channel_close(&channel);
    cr_assert_eq(put(3), STATUS_CLOSED);
    cr_assert(poll_as(&send.future, 'a'));
    cr_assert_eq(send.status, STATUS_CLOSED);
    cr_assert_eq(get(), 1);
    begin_receive(&a);
    cr_assert(receives(&a, 'a'));
    cr_assert_eq(a.receive.status, STATUS_OK);
    cr_assert_eq(a.message, 2);
    cr_assert_eq(get(), UINT64_MAX);
    begin_receive(&a);
    cr_assert(receives(&a, 'a'));
    cr_assert_eq(a.receive.status, STATUS_CLOSED);
}

Test(channel, tells_all_who_wait_to_receive_that_it_is_closed)
{
    struct receiver r[20];

    for (unsigned i = 0; i < 20; i++) {
        begin_receive(&r[i]);
        cr_assert_not(receives(&r[i], 'a'));
    }
    channel_close(&channel);
    cr_assert_eq(waker_wakes('a'), 20);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert(receives(&r[i], 'a'));
        cr_assert_eq(r[i].receive.status, STATUS_CLOSED);
    }
}

Test(channel, tells_all_who_wait_to_send_that_it_is_closed_even_those_promised_room)
{
    uint64_t four = 4;
    struct channel_send a = channel_send(&channel, &four), b = a, c = a;

    fill();
    cr_assert_not(poll_as(&a.future, 'a'));
    cr_assert_not(poll_as(&b.future, 'b'));
    cr_assert_not(poll_as(&c.future, 'c'));
    cr_assert_eq(get(), 1);
    expect_woken("a");
    channel_close(&channel);
    expect_woken("b c");
    cr_assert(poll_as(&a.future, 'a'));
    cr_assert(poll_as(&b.future, 'b'));
    cr_assert_eq(a.status, STATUS_CLOSED);
    cr_assert_eq(b.status, STATUS_CLOSED);
    future_drop(&c.future);
    cr_assert_eq(get(), 2);
    cr_assert_eq(get(), 3);
    cr_assert_eq(get(), UINT64_MAX);
}

Test(channel, is_not_drained_while_a_message_is_promised)
{
    struct receiver a, b, c;

    begin_receive(&a);
    begin_receive(&b);
    cr_assert_not(receives(&a, 'a'));
    cr_assert_eq(put(1), STATUS_OK);
    expect_woken("a");
    channel_close(&channel);
    cr_assert_eq(get(), 0, "it may be given back");
    cr_assert_not(receives(&b, 'b'));
    future_drop(&a.receive.future);
    expect_woken("b");
    begin_receive(&c);
    cr_assert_not(receives(&c, 'c'));
    cr_assert(receives(&b, 'b'));
    cr_assert_eq(b.message, 1);
    expect_woken("c");
    cr_assert(receives(&c, 'c'));
    cr_assert_eq(c.receive.status, STATUS_CLOSED);
}

Test(channel, refuses_messages_of_no_size, .exit_code = PANIC_EXIT)
{
    channel_init(&channel, storage, 0, 1);
}

Test(channel, refuses_messages_too_large, .exit_code = PANIC_EXIT)
{
    channel_init(&channel, storage, COPY_BYTES_MAX + 1, 1);
}

Test(channel, refuses_no_room, .exit_code = PANIC_EXIT)
{
    channel_init(&channel, storage, 8, 0);
}

/* ---- threads, interrupts, tasks ---------------------------------------------------------------------------------- */

static uint64_t receive_blocking(void)
{
    struct receiver a;

    begin_receive(&a);
    block_on(&a.receive.future);
    return a.receive.status == STATUS_OK ? a.message : UINT64_MAX;
}

static void *send_five(void *unused)
{
    for (uint64_t i = 1; i <= 5; i++) {
        struct channel_send send = channel_send(&channel, &i);

        block_on(&send.future);
    }
    channel_close(&channel);
    return unused;
}

Test(channel, joins_two_threads_of_any_priority)
{
    static const unsigned priorities[] = {THREAD_PRIORITY_NORMAL - 1, THREAD_PRIORITY_NORMAL, THREAD_PRIORITY_HIGH};

    for (unsigned p = 0; p < 3; p++) {
        struct thread sender;

        channel_init(&channel, storage, sizeof(uint64_t), CAPACITY);
        cr_assert_eq(thread_start(&sender, "sender", priorities[p], send_five, NULL), STATUS_OK);
        for (uint64_t i = 1; i <= 5; i++)
            cr_assert_eq(receive_blocking(), i);
        cr_assert_eq(receive_blocking(), UINT64_MAX);
        thread_join(&sender);
    }
}

static void *receive_and_say(void *unused)
{
    support_trace("got%u", (unsigned)receive_blocking());
    return unused;
}

Test(channel, switches_at_once_to_a_more_urgent_receiver)
{
    struct thread receiver;

    cr_assert_eq(thread_start(&receiver, "r", THREAD_PRIORITY_HIGH, receive_and_say, NULL), STATUS_OK);
    cr_assert_eq(put(1), STATUS_OK);
    support_trace("sent");
    cr_assert_str_eq(support_trace_text(), "got1 sent");
    thread_join(&receiver);
}

static void put_7(void)
{
    cr_assert_eq(put(7), STATUS_OK);
}

static void receive_once(void)
{
    init();
    machine_window_open();
    uint64_t got = receive_blocking();
    machine_window_close();
    cr_assert_eq(got, 7, "%s", machine_place());
    cr_assert_eq(channel_count(&channel), 0, "%s", machine_place());
}

Test(channel, loses_no_message_sent_at_any_instruction_of_a_receive)
{
    cr_assert_gt(machine_explore(receive_once, put_7), 20);
}

static uint64_t dropped_for;
static void receive_and_drop(void)
{
    struct receiver a, b;
    bool ready;

    init();
    begin_receive(&a);
    begin_receive(&b);
    machine_window_open();
    ready = future_poll(&a.receive.future, &machine.boot.waker) == POLL_READY;
    if (!ready)
        future_drop(&a.receive.future);
    block_on(&b.receive.future);
    machine_window_close();
    dropped_for = ready ? a.message : b.message;
    cr_assert_eq(dropped_for, 7, "%s", machine_place());
}

static void put_7_and_8(void)
{
    put_7();
    cr_assert_eq(put(8), STATUS_OK);
}

Test(channel, swallows_no_message_sent_at_any_instruction_of_a_poll_and_a_drop)
{
    cr_assert_gt(machine_explore(receive_and_drop, put_7_and_8), 20);
}

static void get_1(void)
{
    cr_assert_eq(get(), 1);
}

static void send_once(void)
{
    uint64_t four = 4;
    struct channel_send send = channel_send(&channel, &four);

    init();
    fill();
    machine_window_open();
    block_on(&send.future);
    machine_window_close();
    for (uint64_t i = 2; i <= 4; i++)
        cr_assert_eq(get(), i, "%s", machine_place());
}

Test(channel, loses_no_room_made_at_any_instruction_of_a_send)
{
    cr_assert_gt(machine_explore(send_once, get_1), 20);
}

static void try_both(void)
{
    uint64_t sum = 0;

    init();
    machine_window_open();
    cr_assert_eq(put(1), STATUS_OK);
    sum += get();
    machine_window_close();
    if (machine.interrupts == 0)
        machine_interrupt(put_7);
    sum += get();
    cr_assert_eq(sum, 8, "%s", machine_place());
}

Test(channel, counts_right_with_a_message_sent_at_any_instruction_of_the_short_ways)
{
    cr_assert_gt(machine_explore(try_both, put_7), 4);
}

static void close_it(void)
{
    channel_close(&channel);
}

static void receive_until_closed(void)
{
    init();
    machine_window_open();
    uint64_t got = receive_blocking();
    machine_window_close();
    cr_assert_eq(got, UINT64_MAX, "%s", machine_place());
}

Test(channel, tells_of_a_close_at_any_instruction_of_a_receive)
{
    cr_assert_gt(machine_explore(receive_until_closed, close_it), 20);
}

static void receive_until_deadline(void)
{
    struct receiver a;
    enum status status;

    init();
    begin_receive(&a);
    machine_window_open();
    status = block_on_until(&a.receive.future, 5 * MS);
    machine_window_close();
    cr_assert_eq((status == STATUS_OK) + channel_count(&channel), machine.interrupts > (status == STATUS_TIMEOUT), "%s",
                 machine_place());
    cr_assert_not(timer_queued(&machine.boot.deadline));
}

Test(channel, has_the_message_or_the_receiver_has_whenever_it_gives_up)
{
    cr_assert_gt(machine_explore(receive_until_deadline, put_7), 20);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { ACTORS = 4, RECEIVERS = 2, PER_ACTOR = 2, OPERATIONS = ACTORS * PER_ACTOR + 3 };

/* The first ones receive, the others send. */
static struct actor {
    struct channel_send send;
    struct channel_receive receive;
    uint64_t message;
    bool begun, granted;
} actors[ACTORS];

/* A message is its number, so that they come out without a gap. */
static struct {
    uint64_t sent, taken;
    unsigned promised, promised_room, capacity;
    bool closed;
    struct line receivers, senders;
} model;

static unsigned model_capacity;

static void reset(void)
{
    for (unsigned i = 0; i < ACTORS; i++)
        actors[i] = (struct actor){.begun = false};
    memset(&model, 0, sizeof(model));
    model.capacity = model_capacity;
    channel_init(&channel, storage, sizeof(uint64_t), model_capacity);
}

/* Promises what is there to who waits for it, and tells all to whom nothing will ever be promised. */
static void model_settle(void)
{
    while (!line_empty(&model.receivers) && model.sent - model.taken > model.promised) {
        char name = line_serve(&model.receivers);

        actors[name - 'a'].granted = true;
        model.promised++;
        model_wakes(name);
    }
    while (!model.closed && !line_empty(&model.senders) &&
           model.sent - model.taken + model.promised_room < model.capacity) {
        char name = line_serve(&model.senders);

        actors[name - 'a'].granted = true;
        model.promised_room++;
        model_wakes(name);
    }
    if (model.closed)
        model_wakes_all(&model.senders);
    if (model.closed && model.sent == model.taken)
        model_wakes_all(&model.receivers);
}

/* What a send, or a receive, must come to now; does it if it can. */
static enum status model_send(struct actor *self)
{
    bool granted = self && self->granted;

    if (granted) {
        model.promised_room--;
        self->granted = false;
    }
    if (model.closed)
        return STATUS_CLOSED;
    if (model.sent - model.taken + model.promised_room >= model.capacity)
        return STATUS_AGAIN;
    model.sent++;
    return STATUS_OK;
}

static enum status model_receive(struct actor *self)
{
    if (self && self->granted) {
        model.promised--;
        self->granted = false;
    }
    if (model.sent - model.taken > model.promised) {
        model.taken++;
        return STATUS_OK;
    }
    return model.closed && model.sent == model.taken ? STATUS_CLOSED : STATUS_AGAIN;
}

static void model_poll(struct actor *self, char name)
{
    bool sends = self - actors >= RECEIVERS, fresh = !self->begun, ready;
    struct line *line = sends ? &model.senders : &model.receivers;
    uint64_t next = model.sent + 1;
    enum status status, expected;

    if (fresh) {
        self->send = channel_send(&channel, &self->message);
        self->receive = channel_receive(&channel, &self->message);
    }
    self->message = sends ? next : 0;
    ready = poll_as(sends ? &self->send.future : &self->receive.future, name);
    status = sends ? self->send.status : self->receive.status;
    expected = sends ? model_send(self) : model_receive(self);
    MODEL(status == expected);
    MODEL(ready == (expected != STATUS_AGAIN));
    if (!sends)
        MODEL(self->message == (expected == STATUS_OK ? model.taken : 0));
    line_quit(line, ready ? name : '-');
    if (fresh && !ready)
        line_join(line, name);
    self->begun = !ready;
}

static void model_drop(struct actor *self, char name)
{
    bool sends = self - actors >= RECEIVERS;

    if (!self->begun)
        return;
    future_drop(sends ? &self->send.future : &self->receive.future);
    if (self->granted && sends)
        model.promised_room--;
    else if (self->granted)
        model.promised--;
    line_quit(sends ? &model.senders : &model.receivers, name);
    self->begun = self->granted = false;
}

static void step(unsigned operation)
{
    struct actor *self = &actors[operation / PER_ACTOR % ACTORS];
    char name = (char)('a' + operation / PER_ACTOR);
    uint64_t message = model.sent + 1;

    if (operation == OPERATIONS - 1) {
        channel_close(&channel);
        model.closed = true;
    } else if (operation == OPERATIONS - 2) {
        MODEL(channel_send_try(&channel, &message) == model_send(NULL));
    } else if (operation == OPERATIONS - 3) {
        enum status status = channel_receive_try(&channel, &message), expected = model_receive(NULL);

        MODEL(status == expected);
        MODEL(status != STATUS_OK || message == model.taken);
    } else if (operation % PER_ACTOR == 0) {
        model_poll(self, name);
    } else {
        model_drop(self, name);
    }
    model_settle();
    MODEL(channel_count(&channel) == model.sent - model.taken);
}

Test(channel, agrees_with_a_model_in_every_order_of_six_operations_with_room_for_one)
{
    model_capacity = 1;
    model_try_all(OPERATIONS, 6, reset, step);
}

Test(channel, agrees_with_a_model_in_every_order_of_five_operations_with_room_for_two)
{
    model_capacity = 2;
    model_try_all(OPERATIONS, 5, reset, step);
}

/* Closed rarely, and then opened again. */
static void step_again(unsigned operation)
{
    static unsigned closing;

    if (operation == OPERATIONS - 1 && ++closing % 50 != 0)
        return;
    if (operation == OPERATIONS - 1 && model.closed)
        reset();
    else
        step(operation);
}

Test(channel, agrees_with_a_model_in_a_long_random_order)
{
    model_capacity = CAPACITY;
    model_try_random(OPERATIONS, 300000, 20240601, reset, step_again);
}
