/* Events, message queues and semaphores between real threads and the real timer interrupt. */
#include "kernel/suites/support.h"
#include "thread/event.h"
#include "thread/message_queue.h"
#include "thread/semaphore.h"

enum {
    ROUNDS = 2000,
    WAITERS = 24, /* more than are woken at once */
    MESSAGES = 20000,
    CAPACITY = 4,
    TICKS = 500,
};

/* What the timer interrupt does, again and again: a signal, a unit or a message a period. */
static struct ticker {
    struct waker waker;
    struct timer timer;
    uint64_t period_ns;
    void (*tick)(uint32_t number);
    atomic_uint ticks;
    unsigned last;
} ticker;

static void ticker_wake(struct waker *waker)
{
    unsigned number = atomic_fetch_add(&ticker.ticks, 1) + 1;

    (void)waker;
    ticker.tick(number);
    if (number < ticker.last)
        sched_timer_start(&ticker.timer, clock_now_ns() + ticker.period_ns, &ticker.waker);
}

static void ticker_start(void (*tick)(uint32_t), uint64_t period_ns, unsigned ticks)
{
    ticker.waker.wake = ticker_wake;
    ticker.tick = tick;
    ticker.period_ns = period_ns;
    ticker.last = ticks;
    atomic_store(&ticker.ticks, 0);
    sched_timer_start(&ticker.timer, clock_now_ns() + period_ns, &ticker.waker);
}

static void ticker_wait(void)
{
    sleep_until_holds(atomic_load(&ticker.ticks) == ticker.last);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static struct event events[2];
static struct event gate;

static void *return_serves(void *turns)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        event_wait(&events[1]);
        ++*(unsigned *)turns;
        event_signal(&events[0]);
    }
    return NULL;
}

static unsigned play(unsigned priority)
{
    struct thread partner;
    unsigned turns = 0, wrong = 0;

    event_init(&events[0], true);
    event_init(&events[1], true);
    start(&partner, "partner", priority, return_serves, &turns);
    for (unsigned i = 0; i < ROUNDS; i++) {
        event_signal(&events[1]);
        event_wait(&events[0]);
        wrong += *(volatile unsigned *)&turns != i + 1;
    }
    thread_join(&partner);
    return wrong;
}

TEST(event_turns, "event.two_take_turns")
{
    CHECK_EQUAL(play(THREAD_PRIORITY_NORMAL), 0);
    CHECK_EQUAL(play(THREAD_PRIORITY_HIGH), 0);
    CHECK_EQUAL(play(PRIORITY_LOW), 0);
}

static void signal_event(uint32_t number)
{
    (void)number;
    event_signal(&events[0]);
}

TEST(event_irq, "event.irq_signals_wake_one_each")
{
    unsigned woken = 0;

    event_init(&events[0], true);
    for (unsigned i = 0; i < 50; i++) {
        ticker_start(signal_event, i * 10 * US, 1);
        woken += event_wait_until(&events[0], clock_now_ns() + 10000 * (uint64_t)MS) == STATUS_OK;
    }
    CHECK_EQUAL(woken, 50);
    CHECK(!event_is_set(&events[0]));
}

static struct {
    struct thread thread;
    unsigned number;
} waiters[WAITERS];
static unsigned order[WAITERS];
static atomic_uint passed;

static void *wait_at_gate(void *number)
{
    event_wait(&gate);
    order[atomic_fetch_add(&passed, 1)] = *(const unsigned *)number;
    return NULL;
}

static void start_waiters(bool automatic)
{
    event_init(&gate, automatic);
    atomic_store(&passed, 0);
    for (unsigned i = 0; i < WAITERS; i++) {
        waiters[i].number = i;
        start(&waiters[i].thread, "waiter", THREAD_PRIORITY_HIGH + i % 3, wait_at_gate, &waiters[i].number);
    }
}

/* The most urgent first, equals as they came. */
static void check_order(void)
{
    unsigned wrong = 0;

    CHECK_EQUAL(atomic_load(&passed), WAITERS);
    for (unsigned i = 0; i < WAITERS; i++)
        wrong += order[i] != 2 - i / (WAITERS / 3) + 3 * (i % (WAITERS / 3));
    CHECK_EQUAL(wrong, 0);
    for (unsigned i = 0; i < WAITERS; i++)
        thread_join(&waiters[i].thread);
}

TEST(event_manual, "event.manual_wakes_all_in_order")
{
    start_waiters(false);
    event_signal(&gate);
    check_order();
    CHECK(event_is_set(&gate));
    event_wait(&gate);
    event_reset(&gate);
    CHECK(!event_try(&gate));
}

TEST(event_automatic, "event.automatic_wakes_in_order")
{
    start_waiters(true);
    for (unsigned i = 0; i < WAITERS; i++) {
        event_signal(&gate);
        CHECK_EQUAL(atomic_load(&passed), i + 1);
    }
    check_order();
    CHECK(!event_is_set(&gate));
}

TEST(event_timeout, "event.timeout_not_before")
{
    event_init(&gate, true);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t deadline_ns = clock_now_ns() + i * 100 * US;

        CHECK(event_wait_until(&gate, deadline_ns) == STATUS_TIMEOUT);
        CHECK(clock_now_ns() >= deadline_ns);
        if (clock_is_exact())
            CHECK(clock_now_ns() < deadline_ns + 20 * US);
    }
}

/* ---- message queues ---------------------------------------------------------------------------------------------- */

/* 16 bytes: who sent it, and its number among the sender's. */
struct letter {
    uint64_t sender;
    uint64_t number;
};

enum { SENDERS = 3 };

static struct message_queue letters;
static struct letter letter_storage[CAPACITY];
static struct thread senders[SENDERS];

static void *send_letters(void *sender)
{
    for (uint64_t i = 0; i < MESSAGES / SENDERS; i++) {
        const struct letter letter = {(uintptr_t)sender, i};

        if (i % 3 != 0)
            message_queue_send(&letters, &letter);
        else /* one that gives up sends nothing, and tries again */
            while (message_queue_send_until(&letters, &letter, clock_now_ns() + 50 * US) != STATUS_OK)
                ;
    }
    return NULL;
}

/* Receives all there are, of senders at this priority: how many came in another order than they were sent in. */
static unsigned receive_letters(unsigned priority)
{
    uint64_t next[SENDERS] = {0};
    unsigned wrong = 0;

    message_queue_init(&letters, letter_storage, sizeof(struct letter), CAPACITY);
    for (unsigned i = 0; i < SENDERS; i++)
        start(&senders[i], "sender", priority, send_letters, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < MESSAGES / SENDERS * SENDERS; i++) {
        struct letter letter = {0};

        if (i % 2)
            message_queue_receive(&letters, &letter);
        else
            while (message_queue_receive_until(&letters, &letter, clock_now_ns() + 30 * US) != STATUS_OK)
                ;
        if (letter.sender >= SENDERS || letter.number != next[letter.sender]++)
            wrong++;
    }
    for (unsigned i = 0; i < SENDERS; i++)
        thread_join(&senders[i]);
    CHECK_EQUAL(message_queue_count(&letters), 0);
    return wrong;
}

TEST(queue_order, "queue.keeps_order_loses_none")
{
    uint64_t quantum = quantum_set(20 * US);

    CHECK_EQUAL(receive_letters(THREAD_PRIORITY_NORMAL), 0);
    CHECK_EQUAL(receive_letters(THREAD_PRIORITY_HIGH), 0);
    CHECK_EQUAL(receive_letters(PRIORITY_LOW), 0);
    quantum_set(quantum);
}

static uint32_t number_storage[CAPACITY];
static struct message_queue numbers;
static atomic_uint numbers_refused;

static void send_number(uint32_t number)
{
    if (!message_queue_send_try(&numbers, &number))
        atomic_fetch_add(&numbers_refused, 1);
}

/* Sent in the timer interrupt, received by a thread that it may interrupt anywhere: all come, but for those refused. */
TEST(queue_irq, "queue.irq_sends_arrive_in_order")
{
    unsigned received = 0, wrong = 0;
    uint32_t number, last = 0;

    message_queue_init(&numbers, number_storage, sizeof(number_storage[0]), CAPACITY);
    atomic_store(&numbers_refused, 0);
    ticker_start(send_number, 7 * US, TICKS);
    while (message_queue_receive_until(&numbers, &number, clock_now_ns() + 100 * (uint64_t)MS) == STATUS_OK) {
        wrong += number <= last;
        last = number;
        received++;
    }
    ticker_wait();
    CHECK_EQUAL(wrong, 0);
    CHECK_EQUAL(received + atomic_load(&numbers_refused), TICKS);
    CHECK(received > 0);
}

static void receive_number(uint32_t number)
{
    uint32_t message;

    (void)number;
    if (!message_queue_receive_try(&numbers, &message))
        atomic_fetch_add(&numbers_refused, 1);
}

/* The interrupt makes room for a thread that sends more than there is. */
TEST(queue_room, "queue.irq_room_lets_senders_in")
{
    uint32_t message = 0;

    message_queue_init(&numbers, number_storage, sizeof(number_storage[0]), CAPACITY);
    atomic_store(&numbers_refused, 0);
    ticker_start(receive_number, 50 * US, TICKS);
    for (uint32_t i = 0; i < TICKS; i++)
        message_queue_send(&numbers, &i);
    ticker_wait();
    CHECK_EQUAL(message_queue_count(&numbers), atomic_load(&numbers_refused));
    while (message_queue_receive_try(&numbers, &message))
        CHECK(message < TICKS);
}

TEST(queue_timeout, "queue.timeouts_not_before")
{
    uint32_t message = 1;

    message_queue_init(&numbers, number_storage, sizeof(number_storage[0]), 1);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t deadline_ns = clock_now_ns() + i * 100 * US;

        if (i % 2) {
            CHECK(message_queue_send_try(&numbers, &message));
            CHECK(message_queue_send_until(&numbers, &message, deadline_ns) == STATUS_TIMEOUT);
            CHECK(message_queue_receive_try(&numbers, &message));
        } else {
            CHECK(message_queue_receive_until(&numbers, &message, deadline_ns) == STATUS_TIMEOUT);
        }
        CHECK(clock_now_ns() >= deadline_ns);
    }
    CHECK_EQUAL(message_queue_count(&numbers), 0);
    CHECK_EQUAL(message, 1);
}

/* ---- semaphores -------------------------------------------------------------------------------------------------- */

static struct semaphore units;
static atomic_uint taken;

static void give_unit(uint32_t number)
{
    (void)number;
    semaphore_give(&units);
}

static void *take_units(void *share)
{
    for (unsigned i = 0; i < *(const unsigned *)share; i++) {
        semaphore_take(&units);
        atomic_fetch_add(&taken, 1);
    }
    return NULL;
}

/* Given in the timer interrupt, taken by threads of three priorities. */
TEST(semaphore_irq, "semaphore.irq_units_all_taken")
{
    static const unsigned share = TICKS / 5;
    struct thread takers[3];

    semaphore_init(&units, 0);
    atomic_store(&taken, 0);
    for (unsigned i = 0; i < 3; i++)
        start(&takers[i], "taker", PRIORITY_LOW + 8 * i, take_units, (void *)(uintptr_t)&share);
    ticker_start(give_unit, 10 * US, TICKS);
    for (unsigned i = 0; i < 3; i++)
        thread_join(&takers[i]);
    ticker_wait();
    CHECK_EQUAL(atomic_load(&taken) + semaphore_units(&units), TICKS);
    CHECK_EQUAL(atomic_load(&taken), 3 * share);
}

TEST(semaphore_timeout, "semaphore.timeout_not_before")
{
    semaphore_init(&units, 0);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t deadline_ns = clock_now_ns() + i * 100 * US;

        CHECK(semaphore_take_until(&units, deadline_ns) == STATUS_TIMEOUT);
        CHECK(clock_now_ns() >= deadline_ns);
    }
    semaphore_give(&units);
    CHECK(semaphore_take_until(&units, 0) == STATUS_OK);
}

TEST(semaphore_ping_pong, "semaphore.urgent_runs_at_once")
{
    static const unsigned share = ROUNDS;
    struct thread taker;
    unsigned late = 0;

    semaphore_init(&units, 0);
    atomic_store(&taken, 0);
    start(&taker, "taker", THREAD_PRIORITY_HIGH, take_units, (void *)(uintptr_t)&share);
    for (unsigned i = 0; i < ROUNDS; i++) {
        semaphore_give(&units);
        late += atomic_load(&taken) != i + 1;
    }
    CHECK_EQUAL(late, 0);
    thread_join(&taker);
}
