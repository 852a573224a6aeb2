/* Mutexes, condition variables, reader-writer locks and waits for a condition, with real threads and the real timer. */
#include "kernel/suites/support.h"
#include "thread/arch.h"
#include "thread/condvar.h"
#include "thread/rwlock.h"

enum { MUTEXES = 3, ROUNDS = 200 };

static struct thread threads[6];

static void join_all(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        thread_join(&threads[i]);
}

/* ---- mutexes ----------------------------------------------------------------------------------------------------- */

static struct mutex mutexes[MUTEXES];
static atomic_bool chain_over;
static bool middle_ran_first;
static uint8_t priorities[ARRAY_SIZE(threads)]; /* as the first owner unlocks */

/* Link i of the chain owns mutex i and waits for the one before. */
static void *link_of_chain(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;

    mutex_lock(&mutexes[self]);
    mutex_lock(&mutexes[self - 1]);
    mutex_unlock(&mutexes[self - 1]);
    mutex_unlock(&mutexes[self]);
    return NULL;
}

static void *end_of_chain(void *argument)
{
    mutex_lock(&mutexes[MUTEXES - 1]);
    mutex_unlock(&mutexes[MUTEXES - 1]);
    atomic_store(&chain_over, true);
    return argument;
}

/* Owns the first mutex for a while in which the timer wakes all the others. */
static void *begin_of_chain(void *argument)
{
    mutex_lock(&mutexes[0]);
    spin_for(40 * MS);
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        priorities[i] = threads[i].priority;
    mutex_unlock(&mutexes[0]);
    return argument;
}

static void *middle(void *argument)
{
    sleep_for(15 * MS);
    spin_for(50 * MS);
    middle_ran_first = !atomic_load(&chain_over);
    return argument;
}

static void *urgent(void *argument)
{
    sleep_for(5 * MS);
    return end_of_chain(argument);
}

/* Low owns what two others and in the end the urgent one wait for; the middle one is more urgent than all but that. */
static void run_chain(bool inheritance)
{
    atomic_store(&chain_over, false);
    middle_ran_first = false;
    for (unsigned i = 0; i < MUTEXES; i++)
        mutex_init(&mutexes[i]);
    cpu_this()->inheritance = inheritance;
    start(&threads[0], "middle", THREAD_PRIORITY_NORMAL + 4, middle, NULL);
    start(&threads[1], "urgent", THREAD_PRIORITY_HIGH, urgent, NULL);
    start(&threads[2], "low", 1, begin_of_chain, NULL);
    sleep_for(MS);
    start(&threads[3], "link", 2, link_of_chain, (void *)1);
    sleep_for(MS);
    start(&threads[4], "link", 3, link_of_chain, (void *)2);
    join_all(5);
    for (unsigned i = 2; i < 5; i++)
        CHECK_EQUAL(priorities[i], inheritance ? THREAD_PRIORITY_HIGH : i - 1);
    cpu_this()->inheritance = true;
    CHECK(atomic_load(&chain_over));
    CHECK_EQUAL(threads[2].priority, 1);
    for (unsigned i = 0; i < MUTEXES; i++)
        CHECK(!mutex_owner(&mutexes[i]));
}

TEST(mutex_chain, "mutex.lends_over_a_chain_of_three")
{
    run_chain(true);
    CHECK(!middle_ran_first);
}

TEST(mutex_no_lending, "mutex.lends_nothing_when_off")
{
    run_chain(false);
    CHECK(middle_ran_first);
}

static unsigned counter;

/* Torn apart by the timer, but for the mutex. */
static void *count_in_mutex(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned before;

        mutex_lock(&mutexes[0]);
        before = *(volatile unsigned *)&counter;
        spin_for(20 * US);
        *(volatile unsigned *)&counter = before + 1;
        mutex_unlock(&mutexes[0]);
    }
    return argument;
}

TEST(mutex_excludes, "mutex.excludes_while_turns_end")
{
    uint64_t quantum = quantum_set(50 * US);

    mutex_init(&mutexes[0]);
    counter = 0;
    for (unsigned i = 0; i < 4; i++)
        start(&threads[i], "counter", PRIORITY_LOW, count_in_mutex, NULL);
    join_all(4);
    quantum_set(quantum);
    CHECK_EQUAL(counter, 4 * ROUNDS);
}

TEST(mutex_timeout, "mutex.times_out_at_the_deadline")
{
    uint64_t deadline;

    mutex_init(&mutexes[0]);
    start(&threads[0], "owner", PRIORITY_LOW, begin_of_chain, NULL);
    sleep_for(MS);
    CHECK(mutex_owner(&mutexes[0]) == &threads[0]);
    deadline = clock_now_ns() + 3 * (uint64_t)MS;
    CHECK(mutex_lock_until(&mutexes[0], deadline) == STATUS_TIMEOUT);
    CHECK(clock_now_ns() >= deadline);
    CHECK_EQUAL(threads[0].priority, PRIORITY_LOW);
    join_all(1);
}

/* ---- condition variables ----------------------------------------------------------------------------------------- */

static struct mutex mutex;
static struct condvar condvar;
static unsigned turn;

/* Each waits for its turn and gives the next one its own: a signal lost is a hang. */
static void *take_turns(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        mutex_lock(&mutex);
        while (turn % 3 != self)
            condvar_wait(&condvar, &mutex);
        turn++;
        condvar_broadcast(&condvar);
        mutex_unlock(&mutex);
    }
    return NULL;
}

TEST(condvar_turns, "condvar.loses_no_signal")
{
    uint64_t quantum = quantum_set(50 * US);

    mutex_init(&mutex);
    condvar_init(&condvar);
    turn = 0;
    for (unsigned i = 0; i < 3; i++)
        start(&threads[i], "turns", PRIORITY_LOW + i % 2, take_turns, (void *)(uintptr_t)i);
    join_all(3);
    quantum_set(quantum);
    CHECK_EQUAL(turn, 3 * ROUNDS);
    CHECK(!mutex_owner(&mutex));
}

TEST(condvar_timeout, "condvar.times_out_owning_the_mutex")
{
    uint64_t deadline;

    mutex_init(&mutex);
    condvar_init(&condvar);
    mutex_lock(&mutex);
    deadline = clock_now_ns() + 3 * (uint64_t)MS;
    CHECK(condvar_wait_until(&condvar, &mutex, deadline) == STATUS_TIMEOUT);
    CHECK(clock_now_ns() >= deadline);
    CHECK(mutex_owner(&mutex) == thread_current());
    mutex_unlock(&mutex);
}

static void *wait_for_signal(void *status)
{
    mutex_lock(&mutex);
    *(enum status *)status = condvar_wait_until(&condvar, &mutex, clock_now_ns() + 5 * (uint64_t)MS);
    mutex_unlock(&mutex);
    return NULL;
}

TEST(condvar_moves, "condvar.moves_to_the_mutex")
{
    enum status status = STATUS_TIMEOUT;

    mutex_init(&mutex);
    condvar_init(&condvar);
    start(&threads[0], "waiter", THREAD_PRIORITY_HIGH, wait_for_signal, &status);
    mutex_lock(&mutex);
    condvar_signal(&condvar);
    CHECK_EQUAL(threads[0].switches, 1);
    CHECK_EQUAL(thread_current()->priority, THREAD_PRIORITY_HIGH);
    spin_for(10 * MS);
    mutex_unlock(&mutex);
    CHECK_EQUAL(thread_current()->priority, THREAD_PRIORITY_NORMAL);
    CHECK(status == STATUS_OK);
    CHECK_EQUAL(threads[0].switches, 2);
    join_all(1);
}

/* ---- reader-writer locks ----------------------------------------------------------------------------------------- */

static struct rwlock rwlock;
static unsigned pair[2];
static atomic_uint together, most_together;

static void *write_pair(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        rwlock_write_lock(&rwlock);
        *(volatile unsigned *)&pair[0] += 1;
        spin_for(20 * US);
        *(volatile unsigned *)&pair[1] += 1;
        rwlock_write_unlock(&rwlock);
    }
    return argument;
}

static void *read_pair(void *torn)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned readers;
        unsigned before;

        rwlock_read_lock(&rwlock);
        before = *(volatile unsigned *)&pair[0];
        readers = atomic_fetch_add(&together, 1) + 1;
        if (readers > atomic_load(&most_together))
            atomic_store(&most_together, readers);
        spin_for(20 * US);
        *(unsigned *)torn += *(volatile unsigned *)&pair[1] != before;
        atomic_fetch_sub(&together, 1);
        rwlock_read_unlock(&rwlock);
    }
    return NULL;
}

TEST(rwlock_excludes, "rwlock.no_reader_sees_half_a_write")
{
    uint64_t quantum = quantum_set(50 * US);
    unsigned torn[3] = {0};

    rwlock_init(&rwlock);
    pair[0] = pair[1] = 0;
    atomic_store(&most_together, 0);
    for (unsigned i = 0; i < 3; i++)
        start(&threads[i], "reader", PRIORITY_LOW, read_pair, &torn[i]);
    for (unsigned i = 3; i < 5; i++)
        start(&threads[i], "writer", PRIORITY_LOW, write_pair, NULL);
    join_all(5);
    quantum_set(quantum);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(torn[i], 0);
    CHECK_EQUAL(pair[0], 2 * ROUNDS);
    CHECK(atomic_load(&most_together) >= 2);
    CHECK(rwlock_write_try(&rwlock));
    rwlock_write_unlock(&rwlock);
}

static void *write_for_20_ms(void *argument)
{
    rwlock_write_lock(&rwlock);
    spin_for(20 * MS);
    rwlock_downgrade(&rwlock);
    rwlock_read_unlock(&rwlock);
    return argument;
}

TEST(rwlock_lends, "rwlock.lends_to_its_writer")
{
    uint64_t deadline;

    rwlock_init(&rwlock);
    start(&threads[0], "writer", 1, write_for_20_ms, NULL);
    sleep_for(MS);
    CHECK(rwlock_writer(&rwlock) == &threads[0]);
    deadline = clock_now_ns() + 2 * (uint64_t)MS;
    CHECK(rwlock_read_lock_until(&rwlock, deadline) == STATUS_TIMEOUT);
    CHECK(clock_now_ns() >= deadline);
    CHECK_EQUAL(threads[0].priority, 1);
    start(&threads[1], "middle", PRIORITY_LOW, middle, NULL);
    rwlock_read_lock(&rwlock);
    CHECK_EQUAL(threads[0].priority, 1);
    rwlock_read_unlock(&rwlock);
    CHECK(!completion_done(&threads[1].done));
    join_all(2);
}

static void *end_writing(void *argument)
{
    rwlock_write_lock(&rwlock);
    return argument;
}

TEST_PANICS(rwlock_end, "panic.end_as_rwlock_writer", "current->mutexes == 0")
{
    rwlock_init(&rwlock);
    start(&threads[0], "writer", THREAD_PRIORITY_HIGH, end_writing, NULL);
}

/* ---- waits for a condition --------------------------------------------------------------------------------------- */

static struct ticker {
    struct waker waker;
    struct timer timer;
    struct wait_queue queue;
    unsigned left;    /* ticks to come */
    unsigned tickets; /* not taken yet */
} ticker;

static void tick(struct waker *waker)
{
    ticker.tickets++;
    wait_queue_wake_one(&ticker.queue);
    if (--ticker.left)
        sched_timer_start(&ticker.timer, clock_now_ns() + 30 * US, waker);
}

static void ticker_start(unsigned ticks)
{
    ticker = (struct ticker){.waker = {tick}, .left = ticks};
    wait_queue_init(&ticker.queue);
    sched_timer_start(&ticker.timer, clock_now_ns() + MS, &ticker.waker);
}

static bool take_ticket(void *taken)
{
    if (ticker.tickets == 0)
        return false;
    ticker.tickets--;
    ++*(unsigned *)taken;
    return true;
}

static void *take_tickets(void *taken)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        wait_queue_wait(&ticker.queue, take_ticket, taken);
    return NULL;
}

TEST(waitq_irq, "waitq.misses_no_wake_of_a_timer")
{
    unsigned taken[3] = {0};

    ticker_start(3 * ROUNDS);
    for (unsigned i = 0; i < 3; i++)
        start(&threads[i], "taker", PRIORITY_LOW + i, take_tickets, &taken[i]);
    join_all(3);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(taken[i], ROUNDS);
    CHECK_EQUAL(ticker.tickets, 0);
}

TEST(waitq_timeout, "waitq.times_out_at_the_deadline")
{
    uint64_t deadline = clock_now_ns() + 3 * (uint64_t)MS;
    unsigned taken = 0;

    ticker_start(1);
    CHECK(wait_queue_wait_until(&ticker.queue, take_ticket, &taken, deadline) == STATUS_OK);
    CHECK(wait_queue_wait_until(&ticker.queue, take_ticket, &taken, deadline) == STATUS_TIMEOUT);
    CHECK(clock_now_ns() >= deadline);
    CHECK_EQUAL(taken, 1);
}

TEST(waitq_all, "waitq.wakes_all")
{
    unsigned taken[3] = {0};
    uint64_t flags;

    ticker = (struct ticker){0};
    wait_queue_init(&ticker.queue);
    for (unsigned i = 0; i < 3; i++)
        start(&threads[i], "taker", THREAD_PRIORITY_HIGH, take_tickets, &taken[i]);
    flags = irq_save();
    ticker.tickets = 3 * ROUNDS;
    irq_restore(flags);
    wait_queue_wake_all(&ticker.queue);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(taken[i], ROUNDS);
    join_all(3);
}
