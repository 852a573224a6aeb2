/* Message queues on a simulated machine: every message once, in its order, to whom it belongs. */
#include "thread/message_queue.h"

#include <string.h>

#include "machine.h"
#include "support.h"
#include "thread/arch.h"

#define MS UINT64_C(1000000)

enum { LOW = THREAD_PRIORITY_NORMAL - 8, EQUAL = THREAD_PRIORITY_NORMAL, HIGH = THREAD_PRIORITY_HIGH };

enum { CAPACITY = 3 };

static struct thread a, b, c, high;
static struct message_queue queue;
static uint64_t storage[CAPACITY];

static void init(void)
{
    support_clock_ns = 0;
    support_trace_clear();
    machine_start(10 * MS);
    message_queue_init(&queue, storage, sizeof(uint64_t), CAPACITY);
}

TestSuite(message_queue, .init = init);

static void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    cr_assert_eq(thread_start(thread, name, priority, entry, argument), STATUS_OK);
}

static void expect_trace(const char *expected)
{
    cr_assert_str_eq(support_trace_text(), expected);
}

static void send(uint64_t message)
{
    message_queue_send(&queue, &message);
}

static bool send_try(uint64_t message)
{
    return message_queue_send_try(&queue, &message);
}

static enum status send_until(uint64_t message, uint64_t deadline_ns)
{
    return message_queue_send_until(&queue, &message, deadline_ns);
}

static uint64_t receive(void)
{
    uint64_t message;

    message_queue_receive(&queue, &message);
    return message;
}

/* 0: nothing. */
static uint64_t receive_try(void)
{
    uint64_t message = 0;

    return message_queue_receive_try(&queue, &message) ? message : 0;
}

static uint64_t receive_until(uint64_t deadline_ns)
{
    uint64_t message = 0;

    return message_queue_receive_until(&queue, &message, deadline_ns) == STATUS_OK ? message : 0;
}

static void fill(uint64_t first)
{
    for (unsigned i = 0; i < CAPACITY; i++)
        send(first + i);
}

static void send_7(void)
{
    cr_assert(send_try(7));
}

static void receive_1(void)
{
    cr_assert_eq(receive_try(), 1);
}

static void *receive_and_say(void *argument)
{
    uint64_t message = receive();

    support_trace("%s:%u", thread_current()->name, (unsigned)message);
    return argument;
}

static void *receive_until_and_say(void *deadline_ns)
{
    uint64_t message = receive_until((uintptr_t)deadline_ns);

    support_trace("%s:%u@%u", thread_current()->name, (unsigned)message, (unsigned)(support_clock_ns / MS));
    return NULL;
}

static void *send_and_say(void *message)
{
    send((uintptr_t)message);
    support_trace("%s", thread_current()->name);
    return NULL;
}

/* The message is the deadline, in milliseconds. */
static void *send_until_and_say(void *message)
{
    enum status status = send_until((uintptr_t)message, (uintptr_t)message * MS);

    support_trace("%s:%s@%u", thread_current()->name, status == STATUS_OK ? "sent" : "timeout",
                  (unsigned)(support_clock_ns / MS));
    return NULL;
}

/* ---- one thread -------------------------------------------------------------------------------------------------- */

Test(message_queue, gives_messages_in_the_order_they_were_sent)
{
    uint64_t next_in = 1, next_out = 1;

    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i <= round % CAPACITY; i++)
            send(next_in++);
        cr_assert_eq(message_queue_count(&queue), round % CAPACITY + 1);
        for (unsigned i = 0; i <= round % CAPACITY; i++)
            cr_assert_eq(receive(), next_out++);
        cr_assert_eq(message_queue_count(&queue), 0);
    }
    cr_assert_eq(cpu_this()->switches, 0);
}

Test(message_queue, takes_no_more_than_its_capacity)
{
    cr_assert_eq(receive_try(), 0);
    cr_assert(irq_enabled());
    cr_assert_eq(receive_until(0), 0);
    cr_assert(irq_enabled());
    for (uint64_t i = 1; i <= CAPACITY; i++)
        cr_assert(i % 2 ? send_try(i) : send_until(i, 0) == STATUS_OK);
    cr_assert_not(send_try(9));
    cr_assert(irq_enabled());
    cr_assert_eq(send_until(9, 0), STATUS_TIMEOUT);
    cr_assert(irq_enabled());
    cr_assert_eq(message_queue_count(&queue), CAPACITY);
    for (uint64_t i = 1; i <= CAPACITY; i++)
        cr_assert_eq(i % 2 ? receive_try() : receive_until(0), i);
    cr_assert_eq(receive_try(), 0);
    cr_assert_eq(cpu_this()->switches, 0);
}

/* Every size, in storage and variables that are not aligned; what is around them stays. */
Test(message_queue, copies_messages_of_every_size_whole_and_nothing_else)
{
    static unsigned char place[2 * MESSAGE_QUEUE_BYTES_MAX + 2], message[MESSAGE_QUEUE_BYTES_MAX + 2];
    static unsigned char received[MESSAGE_QUEUE_BYTES_MAX + 2];

    for (size_t bytes = 1; bytes <= MESSAGE_QUEUE_BYTES_MAX; bytes++) {
        memset(place, 0xaa, sizeof(place));
        memset(received, 0xbb, sizeof(received));
        for (size_t i = 0; i < sizeof(message); i++)
            message[i] = (unsigned char)(i * 7 + bytes);
        message_queue_init(&queue, place + 1, bytes, 2);
        for (unsigned i = 0; i < 3; i++) { /* the last one comes to the first place again */
            message_queue_send(&queue, message + 1);
            message_queue_receive(&queue, received + 1);
        }
        cr_assert_eq(memcmp(received + 1, message + 1, bytes), 0, "%zu bytes", bytes);
        cr_assert_eq(received[0], 0xbb);
        cr_assert_eq(received[1 + bytes], 0xbb, "%zu bytes", bytes);
        cr_assert_eq(place[0], 0xaa);
        cr_assert_eq(place[1 + 2 * bytes], 0xaa, "%zu bytes", bytes);
    }
}

Test(message_queue, has_room_for_one_message_at_least, .exit_code = PANIC_EXIT)
{
    message_queue_init(&queue, storage, sizeof(uint64_t), 0);
}

Test(message_queue, takes_no_message_of_nothing, .exit_code = PANIC_EXIT)
{
    message_queue_init(&queue, storage, 0, CAPACITY);
}

Test(message_queue, copies_no_more_than_it_says, .exit_code = PANIC_EXIT)
{
    message_queue_init(&queue, storage, MESSAGE_QUEUE_BYTES_MAX + 1, 1);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

Test(message_queue, makes_a_receiver_wait_until_an_interrupt_sends)
{
    machine_at(3 * MS, send_7);
    cr_assert_eq(receive(), 7);
    cr_assert_eq(support_clock_ns, 3 * MS);
    cr_assert_eq(message_queue_count(&queue), 0);
}

Test(message_queue, makes_a_sender_wait_until_an_interrupt_receives)
{
    fill(1);
    machine_at(3 * MS, receive_1);
    send(4);
    cr_assert_eq(support_clock_ns, 3 * MS);
    cr_assert_eq(message_queue_count(&queue), CAPACITY);
    for (uint64_t i = 2; i <= 4; i++)
        cr_assert_eq(receive(), i);
}

static void start_four(thread_entry *entry)
{
    start(&a, "a", EQUAL, entry, (void *)11);
    start(&b, "b", LOW, entry, (void *)12);
    start(&c, "c", EQUAL, entry, (void *)13);
    thread_sleep_until(1 * MS);
    start(&high, "high", HIGH, entry, (void *)14);
}

Test(message_queue, hands_messages_to_the_most_urgent_and_to_equals_in_their_order)
{
    struct thread *const order[] = {&high, &a, &c, &b};

    start_four(receive_and_say);
    preempt_disable();
    for (unsigned i = 0; i < 4; i++) {
        cr_assert(send_try(i + 1));
        cr_assert_eq(message_queue_count(&queue), 0);
        for (unsigned j = 0; j < 4; j++)
            cr_assert_eq(thread_state(order[j]), j <= i ? THREAD_READY : THREAD_WAITING, "message %u, thread %s", i,
                         order[j]->name);
    }
    preempt_enable();
    thread_join(&b);
    expect_trace("high:1 a:2 c:3 b:4");
}

Test(message_queue, takes_in_messages_of_the_most_urgent_and_of_equals_in_their_order)
{
    struct thread *const order[] = {&high, &a, &c, &b};
    static const uint64_t expected[] = {1, 2, 3, 14, 11, 13, 12};

    fill(1);
    start_four(send_and_say);
    preempt_disable();
    for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
        cr_assert_eq(receive_try(), expected[i]);
        cr_assert_eq(message_queue_count(&queue), i < 4 ? CAPACITY : 6 - i);
        for (unsigned j = 0; j < 4; j++)
            cr_assert_eq(thread_state(order[j]), j <= i ? THREAD_READY : THREAD_WAITING, "message %u, thread %s", i,
                         order[j]->name);
    }
    preempt_enable();
    thread_join(&b);
    expect_trace("high a c b");
}

Test(message_queue, lets_a_more_urgent_receiver_run_before_send_returns)
{
    start(&high, "high", HIGH, receive_and_say, NULL);
    send(1);
    support_trace("boot");
    expect_trace("high:1 boot");
}

Test(message_queue, lets_a_more_urgent_sender_run_before_receive_returns)
{
    fill(1);
    start(&high, "high", HIGH, send_and_say, (void *)4);
    cr_assert_eq(receive(), 1);
    support_trace("boot");
    expect_trace("high boot");
}

static void send_and_say_irq(void)
{
    send_7();
    support_trace("irq");
}

Test(message_queue, switches_at_the_end_of_the_interrupt_that_sends)
{
    start(&high, "high", HIGH, receive_and_say, NULL);
    machine_interrupt(send_and_say_irq);
    support_trace("boot");
    expect_trace("irq high:7 boot");
}

Test(message_queue, leaves_the_switch_to_who_turns_interrupts_on)
{
    uint64_t flags;

    start(&high, "high", HIGH, receive_and_say, NULL);
    flags = irq_save();
    cr_assert(send_try(1));
    cr_assert_not(irq_enabled());
    support_trace("boot");
    irq_restore(flags);
    thread_yield();
    expect_trace("boot high:1");
}

/* The message is in a's hands before a runs. */
Test(message_queue, lets_nobody_steal_a_message_that_was_handed_over)
{
    start(&a, "a", EQUAL, receive_and_say, NULL);
    thread_yield();
    send(1);
    cr_assert_eq(receive_try(), 0);
    cr_assert_eq(receive_until(1 * MS), 0);
    thread_join(&a);
    expect_trace("a:1");
}

/* The room is a's before a runs. */
Test(message_queue, lets_nobody_overtake_a_sender_that_waits)
{
    fill(1);
    start(&a, "a", EQUAL, send_and_say, (void *)4);
    thread_yield();
    cr_assert_eq(receive(), 1);
    cr_assert_not(send_try(9));
    for (uint64_t i = 2; i <= 4; i++)
        cr_assert_eq(receive(), i);
    thread_join(&a);
}

Test(message_queue, keeps_a_message_sent_whatever_becomes_of_the_variable)
{
    uint64_t message = 1;

    message_queue_send(&queue, &message);
    message = 2;
    cr_assert_eq(receive(), 1);
}

/* ---- timeouts ---------------------------------------------------------------------------------------------------- */

Test(message_queue, ends_a_receivers_wait_at_the_deadline_and_never_before)
{
    start(&a, "a", EQUAL, receive_until_and_say, (void *)(uintptr_t)(5 * MS));
    start(&b, "b", EQUAL, receive_until_and_say, (void *)(uintptr_t)(3 * MS));
    start(&c, "c", EQUAL, receive_until_and_say, (void *)(uintptr_t)(7 * MS));
    machine_at(4 * MS, send_7);
    thread_join(&c);
    expect_trace("b:0@3 a:7@4 c:0@7");
    cr_assert_not(timer_queued(&a.deadline));
    send(1);
    cr_assert_eq(message_queue_count(&queue), 1, "nobody waits any more");
}

Test(message_queue, ends_a_senders_wait_at_the_deadline_and_sends_nothing)
{
    fill(1);
    start(&a, "a", EQUAL, send_until_and_say, (void *)5);
    start(&b, "b", EQUAL, send_until_and_say, (void *)4);
    start(&c, "c", EQUAL, send_until_and_say, (void *)7);
    machine_at(4 * MS + 1, receive_1);
    thread_join(&c);
    expect_trace("b:timeout@4 a:sent@4 c:timeout@7");
    cr_assert_eq(receive(), 2);
    cr_assert_eq(receive(), 3);
    cr_assert_eq(receive(), 5);
    cr_assert_eq(receive_try(), 0);
}

Test(message_queue, touches_nothing_when_it_times_out)
{
    uint64_t message = 99;

    cr_assert_eq(message_queue_receive_until(&queue, &message, 0), STATUS_TIMEOUT);
    cr_assert_eq(message_queue_receive_until(&queue, &message, 2 * MS), STATUS_TIMEOUT);
    cr_assert_not(message_queue_receive_try(&queue, &message));
    send(1);
    cr_assert_eq(message, 99);
}

Test(message_queue, waits_for_good_without_a_deadline)
{
    machine_at(5000 * MS, send_7);
    cr_assert_eq(receive_until(TIMER_NEVER), 7);
    fill(1);
    machine_at(9000 * MS, receive_1);
    cr_assert_eq(send_until(4, TIMER_NEVER), STATUS_OK);
    cr_assert_eq(machine.timer_arms, 0);
}

/* ---- where it may be used ---------------------------------------------------------------------------------------- */

static void receive_in_vain(void)
{
    receive();
}

Test(message_queue, is_not_received_from_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    send(1);
    machine_interrupt(receive_in_vain);
}

static void send_in_vain(void)
{
    send(1);
}

Test(message_queue, is_not_sent_to_in_an_interrupt, .exit_code = PANIC_EXIT)
{
    machine_interrupt(send_in_vain);
}

Test(message_queue, is_not_received_from_in_a_poll, .exit_code = PANIC_EXIT)
{
    send(1);
    machine.boot.may_not_park = true;
    receive();
}

Test(message_queue, is_not_received_from_until_a_time_in_a_poll, .exit_code = PANIC_EXIT)
{
    send(1);
    machine.boot.may_not_park = true;
    cr_assert_eq(receive_until(0), 1);
}

Test(message_queue, is_not_sent_to_until_a_time_in_a_poll, .exit_code = PANIC_EXIT)
{
    machine.boot.may_not_park = true;
    cr_assert_eq(send_until(1, 0), STATUS_OK);
}

Test(message_queue, is_not_sent_to_while_preemption_is_disabled, .exit_code = PANIC_EXIT)
{
    preempt_disable();
    send(1);
}

Test(message_queue, is_tried_anywhere)
{
    machine.boot.may_not_park = true;
    preempt_disable();
    cr_assert(send_try(1));
    cr_assert_eq(receive_try(), 1);
}

/* Written over from outside: a receiver waits, and there is a message. */
Test(message_queue, notices_a_receiver_that_waits_though_there_is_a_message, .exit_code = PANIC_EXIT)
{
    start(&high, "high", HIGH, receive_and_say, NULL);
    queue.count = 1;
    send(1);
}

/* The same of a sender, and room. */
Test(message_queue, notices_a_sender_that_waits_though_there_is_room, .exit_code = PANIC_EXIT)
{
    fill(1);
    start(&high, "high", HIGH, send_and_say, (void *)4);
    queue.count = 1;
    receive();
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static volatile uint64_t sent, received_sum;

static void begin(void)
{
    init();
    sent = received_sum = 0;
}

static void send_100(void)
{
    if (send_try(100))
        sent += 100;
}

static void receive_any(void)
{
    received_sum += receive_try();
}

static void drain(void)
{
    for (uint64_t message; (message = receive_try());)
        received_sum += message;
}

static void receive_once(void)
{
    uint64_t message;

    begin();
    machine_window_open();
    message_queue_receive(&queue, &message);
    machine_window_close();
    cr_assert_eq(message, 100, "%s", machine_place());
    cr_assert_eq(message_queue_count(&queue), 0, "%s", machine_place());
}

Test(message_queue, loses_no_message_sent_at_any_instruction_of_a_receive)
{
    cr_assert_gt(machine_explore(receive_once, send_100), 5);
}

static void send_once(void)
{
    static const uint64_t message = 4;

    begin();
    fill(1);
    machine_window_open();
    message_queue_send(&queue, &message);
    machine_window_close();
    cr_assert_eq(received_sum, 1, "%s", machine_place());
    for (uint64_t i = 2; i <= 4; i++)
        cr_assert_eq(receive_try(), i, "%s", machine_place());
    cr_assert_eq(receive_try(), 0, "%s", machine_place());
}

Test(message_queue, loses_no_message_received_from_at_any_instruction_of_a_send)
{
    cr_assert_gt(machine_explore(send_once, receive_any), 5);
}

static void send_and_receive(void)
{
    uint64_t message = 1, got[3] = {0};

    begin();
    machine_window_open();
    message_queue_send(&queue, &message);
    message = 2;
    message_queue_send(&queue, &message);
    message_queue_receive(&queue, &got[0]);
    message = 3;
    message_queue_send(&queue, &message);
    message_queue_receive(&queue, &got[1]);
    message_queue_receive(&queue, &got[2]);
    machine_window_close();
    received_sum = got[0] + got[1] + got[2];
    drain();
    cr_assert_eq(received_sum, 6 + sent, "%s", machine_place());
    cr_assert(got[0] == 100 || got[0] == 1, "%s", machine_place());
    cr_assert(got[2] == 100 || got[2] == 2 || got[2] == 3, "%s", machine_place());
}

Test(message_queue, keeps_count_with_a_message_sent_at_any_instruction)
{
    cr_assert_gt(machine_explore(send_and_receive, send_100), 30);
}

static void receive_with_a_deadline(void)
{
    uint64_t message = 0;
    enum status status;

    begin();
    machine_window_open();
    status = message_queue_receive_until(&queue, &message, 5 * MS);
    machine_window_close();
    cr_assert_not(timer_queued(&machine.boot.deadline), "%s", machine_place());
    cr_assert(status == STATUS_OK || support_clock_ns == 5 * MS, "%s", machine_place());
    cr_assert_eq(message, status == STATUS_OK ? 100 : 0, "%s", machine_place());
    drain();
    cr_assert_eq(received_sum + message, sent, "%s", machine_place());
}

Test(message_queue, gets_the_message_or_the_timeout_at_any_instruction)
{
    cr_assert_gt(machine_explore(receive_with_a_deadline, send_100), 5);
}

static void expire_high(void)
{
    support_clock_ns = 2 * MS;
    sched_timer_interrupt();
}

static void *receive_in_time(void *argument)
{
    received_sum += receive_until(2 * MS);
    return argument;
}

static void send_while_it_times_out(void)
{
    static const uint64_t message = 5;

    begin();
    start(&high, "high", HIGH, receive_in_time, NULL);
    machine_window_open();
    message_queue_send(&queue, &message);
    machine_window_close();
    thread_join(&high);
    drain();
    cr_assert_eq(received_sum, 5, "%s", machine_place());
}

Test(message_queue, hands_over_or_keeps_a_message_when_the_receiver_times_out_at_any_instruction)
{
    cr_assert_gt(machine_explore(send_while_it_times_out, expire_high), 5);
}

static void *send_in_time(void *argument)
{
    if (send_until(50, 2 * MS) == STATUS_OK)
        sent += 50;
    return argument;
}

static void receive_while_it_times_out(void)
{
    uint64_t message;

    begin();
    fill(1);
    start(&high, "high", HIGH, send_in_time, NULL);
    machine_window_open();
    message_queue_receive(&queue, &message);
    machine_window_close();
    thread_join(&high);
    drain();
    cr_assert_eq(message, 1, "%s", machine_place());
    cr_assert_eq(received_sum, 2 + 3 + sent, "%s", machine_place());
}

Test(message_queue, takes_in_a_message_or_leaves_it_when_the_sender_times_out_at_any_instruction)
{
    cr_assert_gt(machine_explore(receive_while_it_times_out, expire_high), 5);
}

static void *park_and_transfer(void *argument)
{
    thread_park();
    received_sum += receive_until(2 * MS);
    if (send_until(50, 2 * MS) == STATUS_OK)
        sent += 50;
    return argument;
}

static void wake_high(void)
{
    thread_wake(&high);
}

/* The interrupt makes a more urgent thread receive, or wait, and then send, in the midst of all this. */
static void transfer_while_preempted(void)
{
    uint64_t message = 1;

    begin();
    start(&high, "high", HIGH, park_and_transfer, NULL);
    machine_window_open();
    message_queue_send(&queue, &message);
    message_queue_send(&queue, &message);
    message_queue_receive(&queue, &message);
    machine_window_close();
    thread_wake(&high);
    thread_join(&high);
    drain();
    cr_assert_eq(received_sum + message, 2 + sent, "%s", machine_place());
}

Test(message_queue, loses_and_doubles_nothing_with_a_thread_that_cuts_in_at_any_instruction)
{
    cr_assert_gt(machine_explore(transfer_while_preempted, wake_high), 20);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

/*
 * Threads whose every step the test decides. Whoever is told to send or receive is more urgent than the test, so it is
 * done, or waits, when the test goes on; what it should be is told by arrays that are searched and shifted.
 */
enum { ACTORS = 8, STEPS = 20000, MODEL_MAX = 64 };

enum step { STEP_END, STEP_SEND, STEP_SEND_UNTIL, STEP_RECEIVE, STEP_RECEIVE_UNTIL };

static struct actor {
    struct thread thread;
    enum step step;
    uint64_t message; /* to send, or received */
    uint64_t deadline_ns;
    enum status status;
    bool done;

    /* what the model says */
    bool waits;
    bool sends;
    uint64_t came; /* when it came to wait: a number */
    uint64_t expected;
    enum status expected_status;
} actors[ACTORS];

static void *act(void *argument)
{
    struct actor *self = argument;

    for (;;) {
        do
            thread_park();
        while (self->done);
        self->status = STATUS_OK;
        if (self->step == STEP_END)
            return NULL;
        if (self->step == STEP_SEND)
            message_queue_send(&queue, &self->message);
        else if (self->step == STEP_SEND_UNTIL)
            self->status = message_queue_send_until(&queue, &self->message, self->deadline_ns);
        else if (self->step == STEP_RECEIVE)
            message_queue_receive(&queue, &self->message);
        else
            self->status = message_queue_receive_until(&queue, &self->message, self->deadline_ns);
        self->done = true;
    }
}

static struct {
    uint64_t messages[MODEL_MAX];
    unsigned count, capacity;
    uint64_t arrivals;
    unsigned handed_over, taken_in, expired;
} model;

/* The first of those that wait on one side. */
static struct actor *model_first(bool sends)
{
    struct actor *first = NULL;

    for (unsigned i = 0; i < ACTORS; i++) {
        struct actor *other = &actors[i];

        if (!other->waits || other->sends != sends)
            continue;
        if (!first || other->thread.priority > first->thread.priority ||
            (other->thread.priority == first->thread.priority && other->came < first->came))
            first = other;
    }
    return first;
}

static void model_end_wait(struct actor *actor, enum status status)
{
    actor->waits = false;
    actor->expected_status = status;
}

static bool model_send(uint64_t message)
{
    struct actor *receiver = model_first(false);

    if (receiver) {
        receiver->expected = message;
        model_end_wait(receiver, STATUS_OK);
        model.handed_over++;
        return true;
    }
    if (model.count == model.capacity)
        return false;
    model.messages[model.count++] = message;
    return true;
}

static bool model_receive(uint64_t *message)
{
    struct actor *sender = model_first(true);

    if (model.count == 0)
        return false;
    *message = model.messages[0];
    model.count--;
    memmove(model.messages, model.messages + 1, model.count * sizeof(model.messages[0]));
    if (sender) {
        model.messages[model.count++] = sender->message;
        model_end_wait(sender, STATUS_OK);
        model.taken_in++;
    }
    return true;
}

static void model_wait(struct actor *actor, bool sends)
{
    actor->waits = true;
    actor->sends = sends;
    actor->came = model.arrivals++;
    if (actor->deadline_ns <= support_clock_ns) {
        model_end_wait(actor, STATUS_TIMEOUT);
        model.expired++;
    }
}

static void model_expire(void)
{
    for (unsigned i = 0; i < ACTORS; i++)
        if (actors[i].waits && actors[i].deadline_ns <= support_clock_ns) {
            model_end_wait(&actors[i], STATUS_TIMEOUT);
            model.expired++;
        }
}

static void check_against_model(uint64_t seed, unsigned step)
{
    cr_assert_eq(message_queue_count(&queue), model.count, "seed %lu, step %u", seed, step);
    for (unsigned i = 0; i < ACTORS; i++) {
        const struct actor *actor = &actors[i];

        cr_assert_eq(!actor->done, actor->waits, "seed %lu, step %u, actor %u", seed, step, i);
        cr_assert_eq(thread_state(&actor->thread), actor->waits ? THREAD_WAITING : THREAD_PARKED);
        if (actor->waits)
            continue;
        cr_assert_eq(actor->status, actor->expected_status, "seed %lu, step %u, actor %u", seed, step, i);
        cr_assert_eq(actor->message, actor->expected, "seed %lu, step %u, actor %u", seed, step, i);
        cr_assert_not(timer_queued(&actor->thread.deadline));
    }
}

static void let_act(struct actor *actor, uint64_t number, uint64_t *random)
{
    bool sends = support_random(random) % 2;
    bool limited = support_random(random) % 2;

    actor->step = (sends ? STEP_SEND : STEP_RECEIVE) + limited;
    actor->deadline_ns = limited ? support_clock_ns + support_random(random) % 2000 : TIMER_NEVER;
    if (sends)
        actor->message = number;
    actor->expected = actor->message;
    actor->expected_status = STATUS_OK;
    if (!(sends ? model_send(number) : model_receive(&actor->expected)))
        model_wait(actor, sends);
    actor->done = false;
    thread_wake(&actor->thread);
}

static uint64_t irq_message;
static bool irq_done;

static void send_in_interrupt(void)
{
    irq_done = message_queue_send_try(&queue, &irq_message);
}

static void receive_in_interrupt(void)
{
    irq_done = message_queue_receive_try(&queue, &irq_message);
}

static void interrupt_at_random(uint64_t number, uint64_t *random)
{
    uint64_t expected = irq_message = number;
    bool sends = support_random(random) % 2;
    bool done = sends ? model_send(number) : model_receive(&expected);

    machine_interrupt(sends ? send_in_interrupt : receive_in_interrupt);
    cr_assert_eq(irq_done, done);
    cr_assert_eq(irq_message, expected);
}

static void end_actors(void)
{
    for (unsigned i = 0; i < ACTORS; i++)
        while (!actors[i].done) { /* it waits for one side or the other */
            uint64_t message = 0;

            if (message_queue_send_try(&queue, &message) || message_queue_receive_try(&queue, &message))
                continue;
        }
    for (unsigned i = 0; i < ACTORS; i++) {
        actors[i].step = STEP_END;
        actors[i].done = false;
        thread_wake(&actors[i].thread);
        thread_join(&actors[i].thread);
    }
}

static void begin_model(unsigned capacity)
{
    static uint64_t place[MODEL_MAX];

    init();
    memset(&model, 0, sizeof(model));
    model.capacity = capacity;
    message_queue_init(&queue, place, sizeof(uint64_t), capacity);
    for (unsigned i = 0; i < ACTORS; i++) {
        actors[i] = (struct actor){.done = true};
        start(&actors[i].thread, "actor", HIGH + i % 3, act, &actors[i]);
    }
}

Test(message_queue, does_as_its_model_in_the_long_run)
{
    static const unsigned capacities[] = {1, 2, 3, 7};

    for (uint64_t seed = 1; seed <= ARRAY_SIZE(capacities); seed++) {
        uint64_t random = seed;

        begin_model(capacities[seed - 1]);
        for (unsigned step = 0; step < STEPS; step++) {
            struct actor *actor = &actors[support_random(&random) % ACTORS];

            if (support_random(&random) % 4 == 0) {
                machine_run(support_random(&random) % 400);
                model_expire();
            } else if (support_random(&random) % 4 == 0) {
                interrupt_at_random(step + 1, &random);
            } else if (actor->done) {
                let_act(actor, step + 1, &random);
            }
            check_against_model(seed, step);
        }
        cr_assert_gt(model.handed_over, 100);
        cr_assert_gt(model.taken_in, 100);
        cr_assert_gt(model.expired, 100);
        end_actors();
    }
}
