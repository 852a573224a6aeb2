/* Broadcasts: everything to everybody, or counted as lost. */
#include "executor/broadcast.h"

#include "bridge/block_on.h"
#include "comm.h"
#include "lib/copy.h"
#include "machine.h"
#include "support.h"

#define MS UINT64_C(1000000)

enum { CAPACITY = 4 };

static struct broadcast broadcast;
static uint64_t storage[CAPACITY];

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    broadcast_init(&broadcast, storage, sizeof(uint64_t), CAPACITY);
}

TestSuite(broadcast, .init = init);

static void send(uint64_t message)
{
    cr_assert_eq(broadcast_send(&broadcast, &message), STATUS_OK);
}

/* 0: there is none now. */
static uint64_t get(struct broadcast_receiver *receiver)
{
    uint64_t message = 0;

    return broadcast_receive_try(receiver, &message) == STATUS_OK ? message : 0;
}

Test(broadcast, gives_every_message_to_every_receiver_from_when_it_subscribed)
{
    struct broadcast_receiver a = broadcast_subscribe(&broadcast), b;

    send(1);
    b = broadcast_subscribe(&broadcast);
    send(2);
    cr_assert_eq(get(&a), 1);
    cr_assert_eq(get(&a), 2);
    cr_assert_eq(get(&a), 0);
    cr_assert_eq(get(&b), 2);
    cr_assert_eq(get(&b), 0);
    cr_assert_eq(a.lost + b.lost, 0);
}

Test(broadcast, counts_exactly_what_a_receiver_that_lags_has_lost)
{
    struct broadcast_receiver a = broadcast_subscribe(&broadcast);

    for (uint64_t i = 1; i <= CAPACITY; i++)
        send(i);
    cr_assert_eq(get(&a), 1);
    cr_assert_eq(a.lost, 0);
    for (uint64_t i = CAPACITY + 1; i <= CAPACITY + 6; i++)
        send(i);
    cr_assert_eq(get(&a), 7);
    cr_assert_eq(a.missed, 5);
    cr_assert_eq(a.lost, 5);
    for (uint64_t i = 8; i <= 10; i++)
        cr_assert_eq(get(&a), i);
    cr_assert_eq(get(&a), 0);
    cr_assert_eq(a.missed, 0);
    cr_assert_eq(a.lost, 5);
}

Test(broadcast, accounts_for_every_message_at_any_pace)
{
    uint64_t random = 4711, sent = 0, received = 0, last = 0;
    struct broadcast_receiver a = broadcast_subscribe(&broadcast);

    for (unsigned i = 0; i < 100000; i++) {
        if (support_random(&random) >> 60 < 8 + (i / 1000) % 4) {
            send(++sent);
        } else {
            uint64_t message = get(&a);

            received += message != 0;
            if (message) {
                cr_assert_eq(message, received + a.lost);
                cr_assert_gt(message, last);
                last = message;
            }
        }
    }
    while (get(&a))
        received++;
    cr_assert_eq(received + a.lost, sent);
    cr_assert_gt(a.lost, 1000);
}

Test(broadcast, wakes_all_who_wait)
{
    struct broadcast_receiver r[3];
    struct broadcast_receive receive[3];
    uint64_t message[3];

    for (unsigned i = 0; i < 3; i++) {
        r[i] = broadcast_subscribe(&broadcast);
        receive[i] = broadcast_receive(&r[i], &message[i]);
        cr_assert_not(poll_as(&receive[i].future, (char)('a' + i)));
    }
    future_drop(&receive[1].future);
    send(5);
    expect_woken("a c");
    cr_assert(poll_as(&receive[0].future, 'a'));
    cr_assert_eq(message[0], 5);
    future_drop(&receive[2].future);
    cr_assert_eq(get(&r[1]), 5);
    cr_assert_eq(get(&r[2]), 5, "a dropped receive has taken nothing");
}

Test(broadcast, is_drained_after_it_is_closed_and_then_says_so)
{
    struct broadcast_receiver a = broadcast_subscribe(&broadcast), b = a;
    uint64_t message = 0;
    struct broadcast_receive receive;

    send(1);
    cr_assert_eq(get(&b), 1);
    receive = broadcast_receive(&b, &message);
    cr_assert_not(poll_as(&receive.future, 'b'));
    broadcast_close(&broadcast);
    expect_woken("b");
    cr_assert(poll_as(&receive.future, 'b'));
    cr_assert_eq(receive.status, STATUS_CLOSED);
    cr_assert_eq(broadcast_send(&broadcast, &message), STATUS_CLOSED);
    cr_assert_eq(get(&a), 1);
    cr_assert_eq(broadcast_receive_try(&a, &message), STATUS_CLOSED);
}

Test(broadcast, refuses_a_capacity_that_is_no_power_of_two, .exit_code = PANIC_EXIT)
{
    broadcast_init(&broadcast, storage, 8, 3);
}

Test(broadcast, refuses_no_capacity, .exit_code = PANIC_EXIT)
{
    broadcast_init(&broadcast, storage, 8, 0);
}

Test(broadcast, refuses_messages_of_no_size, .exit_code = PANIC_EXIT)
{
    broadcast_init(&broadcast, storage, 0, 4);
}

Test(broadcast, refuses_messages_too_large, .exit_code = PANIC_EXIT)
{
    broadcast_init(&broadcast, storage, COPY_BYTES_MAX + 1, 4);
}

static void interrupt_sends(void)
{
    send(7);
}

static void receive_once(void)
{
    struct broadcast_receiver a;
    struct broadcast_receive receive;
    uint64_t message = 0;

    init();
    a = broadcast_subscribe(&broadcast);
    receive = broadcast_receive(&a, &message);
    machine_window_open();
    block_on(&receive.future);
    machine_window_close();
    cr_assert_eq(message, 7, "%s", machine_place());
}

Test(broadcast, loses_no_message_sent_at_any_instruction_of_a_receive)
{
    cr_assert_gt(machine_explore(receive_once, interrupt_sends), 20);
}

static void drop_and_receive(void)
{
    struct broadcast_receiver a, b;
    struct broadcast_receive dropped, receive;
    uint64_t message = 0;

    init();
    a = broadcast_subscribe(&broadcast);
    b = broadcast_subscribe(&broadcast);
    dropped = broadcast_receive(&a, &message);
    receive = broadcast_receive(&b, &message);
    cr_assert_not(poll_as(&dropped.future, 'a'));
    cr_assert_not(poll_as(&receive.future, 'b'));
    machine_window_open();
    future_drop(&dropped.future);
    block_on(&receive.future);
    machine_window_close();
    cr_assert_eq(message, 7, "%s", machine_place());
    cr_assert(waiters_empty(&broadcast.waiters), "%s", machine_place());
}

Test(broadcast, keeps_who_waits_in_order_with_a_message_sent_at_any_instruction_of_a_drop)
{
    cr_assert_gt(machine_explore(drop_and_receive, interrupt_sends), 20);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { ACTORS = 3, PER_ACTOR = 4, OPERATIONS = ACTORS * PER_ACTOR + 2, MODEL_CAPACITY = 2 };

/* The model keeps for each receiver what it has not taken, and counts what does not fit any more. */
static struct actor {
    struct broadcast_receiver receiver;
    struct broadcast_receive receive;
    uint64_t message;
    bool begun;
    uint64_t kept[MODEL_CAPACITY];
    unsigned count;
    uint64_t missed, lost;
} actors[ACTORS];

static struct line waiting;
static uint64_t sent;
static bool closed;

static void subscribe(struct actor *self)
{
    *self = (struct actor){.receiver = broadcast_subscribe(&broadcast)};
}

static void reset(void)
{
    broadcast_init(&broadcast, storage, sizeof(uint64_t), MODEL_CAPACITY);
    for (unsigned i = 0; i < ACTORS; i++)
        subscribe(&actors[i]);
    waiting = (struct line){""};
    sent = 0;
    closed = false;
}

static void model_send(struct actor *self, uint64_t message)
{
    if (self->count == MODEL_CAPACITY) {
        for (unsigned i = 1; i < MODEL_CAPACITY; i++)
            self->kept[i - 1] = self->kept[i];
        self->count--;
        self->missed++;
    }
    self->kept[self->count++] = message;
}

/* Takes what the actor must have got, and compares. */
static void model_take(struct actor *self, enum status status)
{
    if (self->count == 0) {
        MODEL(status == (closed ? STATUS_CLOSED : STATUS_AGAIN));
        return;
    }
    MODEL(status == STATUS_OK);
    MODEL(self->message == self->kept[0] && self->receiver.missed == self->missed);
    self->lost += self->missed;
    MODEL(self->receiver.lost == self->lost);
    self->missed = 0;
    self->count--;
    for (unsigned i = 0; i < self->count; i++)
        self->kept[i] = self->kept[i + 1];
}

static void model_poll(struct actor *self, char name)
{
    bool fresh = !self->begun, ready;

    if (fresh)
        self->receive = broadcast_receive(&self->receiver, &self->message);
    ready = poll_as(&self->receive.future, name);
    MODEL(ready == (self->receive.status != STATUS_AGAIN));
    model_take(self, self->receive.status);
    if (ready)
        line_quit(&waiting, name);
    else
        line_join(&waiting, name); /* again, if another receive of its own took what it was woken for */
    self->begun = !ready;
}

static void step_actor(struct actor *self, char name, unsigned what)
{
    if (what == 0) {
        model_poll(self, name);
    } else if (what == 1 && self->begun) {
        future_drop(&self->receive.future);
        line_quit(&waiting, name);
        self->begun = false;
    } else if (what == 2) {
        model_take(self, broadcast_receive_try(&self->receiver, &self->message));
    } else if (what == 3 && !self->begun) {
        subscribe(self);
    }
}

static void step(unsigned operation)
{
    if (operation < ACTORS * PER_ACTOR) {
        step_actor(&actors[operation / PER_ACTOR], (char)('a' + operation / PER_ACTOR), operation % PER_ACTOR);
        return;
    }
    if (operation == OPERATIONS - 1) {
        broadcast_close(&broadcast);
        closed = true;
    } else {
        sent++;
        MODEL(broadcast_send(&broadcast, &sent) == (closed ? STATUS_CLOSED : STATUS_OK));
        if (closed)
            return;
        for (unsigned i = 0; i < ACTORS; i++)
            model_send(&actors[i], sent);
    }
    model_wakes_all(&waiting);
}

Test(broadcast, agrees_with_a_model_in_every_order_of_five_operations)
{
    model_try_all(OPERATIONS, 5, reset, step);
}

static void step_again(unsigned operation)
{
    static unsigned closing;

    if (operation == OPERATIONS - 1 && ++closing % 50 != 0)
        return;
    if (operation == OPERATIONS - 1 && closed)
        reset();
    else
        step(operation);
}

Test(broadcast, agrees_with_a_model_in_a_long_random_order)
{
    model_try_random(OPERATIONS, 300000, 20240616, reset, step_again);
}
