/* A wait that has a deadline ends at it, whatever it waits for; and the timer interrupts for deadlines alone. */
#include "kernel/suites/support.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/interrupt.h"
#include "thread/condvar.h"
#include "thread/event.h"
#include "thread/message_queue.h"
#include "thread/mutex.h"
#include "thread/rwlock.h"
#include "thread/semaphore.h"
#include "thread/wait_queue.h"

enum {
    DEADLINES = 200, /* of each kind */
    DEADLINE_NS_MIN = 1000,
    DEADLINE_DOUBLINGS = 12,
#if defined(__OPTIMIZE__) && !defined(CHECKED_ARITHMETIC)
    LATE_NS = 1000,
#else
    LATE_NS = 2000, /* the way from the deadline to the caller has twice as many instructions */
#endif
};

/* ---- one of each kind, and nobody to end the wait ---- */

static struct semaphore semaphore = SEMAPHORE_INIT(semaphore, 0);
static struct event automatic, manual;
static struct message_queue empty, full;
static struct mutex held, free_mutex;
static struct rwlock written, read;
static struct condvar condvar;
static struct wait_queue queue;
static struct thread owner;
static uint64_t message;

static enum status sleep_until_(uint64_t deadline_ns)
{
    thread_sleep_until(deadline_ns);
    return STATUS_TIMEOUT;
}

static enum status park_until(uint64_t deadline_ns)
{
    thread_park_until(deadline_ns);
    return STATUS_TIMEOUT;
}

static enum status take_until(uint64_t deadline_ns)
{
    return semaphore_take_until(&semaphore, deadline_ns);
}

static enum status automatic_until(uint64_t deadline_ns)
{
    return event_wait_until(&automatic, deadline_ns);
}

static enum status manual_until(uint64_t deadline_ns)
{
    return event_wait_until(&manual, deadline_ns);
}

static enum status lock_until(uint64_t deadline_ns)
{
    return mutex_lock_until(&held, deadline_ns);
}

static enum status condvar_until(uint64_t deadline_ns)
{
    enum status status;

    mutex_lock(&free_mutex);
    status = condvar_wait_until(&condvar, &free_mutex, deadline_ns);
    mutex_unlock(&free_mutex);
    return status;
}

static bool never(void *unused)
{
    return unused;
}

static enum status queue_until(uint64_t deadline_ns)
{
    return wait_queue_wait_until(&queue, never, NULL, deadline_ns);
}

static enum status read_until(uint64_t deadline_ns)
{
    return rwlock_read_lock_until(&written, deadline_ns);
}

static enum status write_until(uint64_t deadline_ns)
{
    return rwlock_write_lock_until(&read, deadline_ns);
}

static enum status send_until(uint64_t deadline_ns)
{
    return message_queue_send_until(&full, &message, deadline_ns);
}

static enum status receive_until(uint64_t deadline_ns)
{
    return message_queue_receive_until(&empty, &message, deadline_ns);
}

static enum status join_until(uint64_t deadline_ns)
{
    void *result;

    return thread_join_until(&owner, deadline_ns, &result);
}

static const struct kind {
    const char *name;
    enum status (*wait_until)(uint64_t deadline_ns);
} kinds[] = {
    {"thread_sleep_until", sleep_until_},
    {"thread_park_until", park_until},
    {"thread_join_until", join_until},
    {"wait_queue_wait_until", queue_until},
    {"semaphore_take_until", take_until},
    {"mutex_lock_until", lock_until},
    {"condvar_wait_until", condvar_until},
    {"event_wait_until, automatic", automatic_until},
    {"event_wait_until, manual", manual_until},
    {"rwlock_read_lock_until", read_until},
    {"rwlock_write_lock_until", write_until},
    {"message_queue_send_until", send_until},
    {"message_queue_receive_until", receive_until},
};

static void *hold_all(void *unused)
{
    mutex_lock(&held);
    rwlock_write_lock(&written);
    rwlock_read_lock(&read);
    thread_park();
    rwlock_read_unlock(&read);
    rwlock_write_unlock(&written);
    mutex_unlock(&held);
    return unused;
}

static void prepare(void)
{
    static uint64_t storage[2];

    event_init(&automatic, false);
    event_init(&manual, true);
    message_queue_init(&empty, &storage[0], sizeof(storage[0]), 1);
    message_queue_init(&full, &storage[1], sizeof(storage[1]), 1);
    message_queue_send(&full, &message);
    mutex_init(&held);
    mutex_init(&free_mutex);
    rwlock_init(&written);
    rwlock_init(&read);
    condvar_init(&condvar);
    wait_queue_init(&queue);
    start(&owner, "owner", THREAD_PRIORITY_HIGH, hold_all, NULL);
    thread_yield();
}

/* Some in 1 us to 2 us, as many in 2 us to 4 ms. */
static void must_be_in_time(const struct kind *kind)
{
    uint64_t random = 88172645463325252, latest = 0;

    for (unsigned i = 0; i < DEADLINES; i++) {
        uint64_t shortest, deadline, now;
        enum status status;

        random = random * 6364136223846793005 + 1442695040888963407;
        shortest = (uint64_t)DEADLINE_NS_MIN << (random >> 60) % DEADLINE_DOUBLINGS;
        deadline = clock_now_ns() + shortest + (random >> 20) % shortest;
        status = kind->wait_until(deadline);
        now = clock_now_ns();
        if (status != STATUS_TIMEOUT || now < deadline)
            suite_fail(__FILE__, __LINE__, "%s ended %ld ns early", kind->name, (long)(deadline - now));
        else if (now - deadline > latest)
            latest = now - deadline;
    }
    if (clock_is_exact() && latest > LATE_NS)
        suite_fail(__FILE__, __LINE__, "%s was %lu ns late", kind->name, (unsigned long)latest);
}

static void all_must_be_in_time(void)
{
    prepare();
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        must_be_in_time(&kinds[i]);
    thread_wake(&owner);
    thread_join(&owner);
}

TEST(deadline_idle, "deadline.within_1us_idle")
{
    all_must_be_in_time();
}

static atomic_bool stop;

static void *compute(void *unused)
{
    while (!atomic_load(&stop))
        preempt_point();
    return unused;
}

TEST_NEEDS(deadline_busy, "deadline.within_1us_busy", "preempt=on")
{
    struct thread busy;

    atomic_store(&stop, false);
    start(&busy, "busy", PRIORITY_LOW, compute, NULL);
    all_must_be_in_time();
    atomic_store(&stop, true);
    thread_join(&busy);
}

/* ---- nothing but deadlines ---- */

static uint64_t interrupts_of_all(void)
{
    uint64_t count = 0;

    for (unsigned vector = 0; vector < VECTORS; vector++)
        count += interrupt_count(vector);
    return count;
}

/* An idle machine and one that sleeps: an interrupt for each of its deadlines, and no other. */
TEST_NEEDS(deadline_alone, "deadline.sleeper_alone", "tick=0")
{
    enum { SLEEPS = 20 };
    uint64_t timer, all;

    sleep_for(2 * SCHED_QUANTUM_NS); /* what was armed before is over */
    timer = interrupt_count(APIC_TIMER_VECTOR);
    all = interrupts_of_all();
    for (unsigned i = 0; i < SLEEPS; i++)
        sleep_for((1 + 7 * i % 50) * MS); /* shorter than a quantum, and longer */
    timer = interrupt_count(APIC_TIMER_VECTOR) - timer;
    CHECK(timer >= SLEEPS);
    if (!clock_is_exact())
        return; /* some may come early */
    CHECK_EQUAL(timer, SLEEPS);
    CHECK_EQUAL(interrupts_of_all() - all, SLEEPS);
}
