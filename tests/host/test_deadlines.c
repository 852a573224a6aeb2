/* Every wait that has a deadline, on a simulated machine: it ends then, to the nanosecond, and leaves nothing behind.
 */
#include "machine.h"
#include "support.h"
#include "thread/arch.h"
#include "thread/condvar.h"
#include "thread/event.h"
#include "thread/message_queue.h"
#include "thread/mutex.h"
#include "thread/rwlock.h"
#include "thread/semaphore.h"
#include "thread/wait_queue.h"

#define MS UINT64_C(1000000)

static struct thread owner, busy;
static struct semaphore semaphore;
static struct event automatic, manual;
static struct message_queue empty, full;
static struct mutex held, free_mutex;
static struct rwlock written, read_by_owner;
static struct condvar condvar;
static struct wait_queue queue;
static uint64_t message, storage[2];

enum kind { SLEEP, PARK, JOIN, QUEUE, SEMAPHORE, MUTEX, CONDVAR, AUTOMATIC, MANUAL, READ, WRITE, SEND, RECEIVE, KINDS };

static bool never(void *unused)
{
    return unused;
}

static enum status condvar_until(uint64_t deadline_ns)
{
    enum status status;

    mutex_lock(&free_mutex);
    status = condvar_wait_until(&condvar, &free_mutex, deadline_ns);
    mutex_unlock(&free_mutex);
    return status;
}

static enum status wait_until(enum kind kind, uint64_t deadline_ns)
{
    void *result;

    switch (kind) {
    case SLEEP:
        thread_sleep_until(deadline_ns);
        return STATUS_TIMEOUT;
    case PARK:
        thread_park_until(deadline_ns);
        return STATUS_TIMEOUT;
    case JOIN:
        return thread_join_until(&owner, deadline_ns, &result);
    case QUEUE:
        return wait_queue_wait_until(&queue, never, NULL, deadline_ns);
    case SEMAPHORE:
        return semaphore_take_until(&semaphore, deadline_ns);
    case MUTEX:
        return mutex_lock_until(&held, deadline_ns);
    case CONDVAR:
        return condvar_until(deadline_ns);
    case AUTOMATIC:
        return event_wait_until(&automatic, deadline_ns);
    case MANUAL:
        return event_wait_until(&manual, deadline_ns);
    case READ:
        return rwlock_read_lock_until(&written, deadline_ns);
    case WRITE:
        return rwlock_write_lock_until(&read_by_owner, deadline_ns);
    case SEND:
        return message_queue_send_until(&full, &message, deadline_ns);
    case RECEIVE:
        return message_queue_receive_until(&empty, &message, deadline_ns);
    case KINDS:
    default:
        panic("no kind of wait");
    }
}

static void *hold_all(void *argument)
{
    mutex_lock(&held);
    rwlock_write_lock(&written);
    rwlock_read_lock(&read_by_owner);
    thread_park();
    rwlock_read_unlock(&read_by_owner);
    rwlock_write_unlock(&written);
    mutex_unlock(&held);
    return argument;
}

static void begin(void)
{
    support_clock_ns = 0;
    machine_start(10 * MS);
    semaphore_init(&semaphore, 0);
    event_init(&automatic, false);
    event_init(&manual, true);
    message_queue_init(&empty, &storage[0], sizeof(storage[0]), 1);
    message_queue_init(&full, &storage[1], sizeof(storage[1]), 1);
    message_queue_send(&full, &message);
    mutex_init(&held);
    mutex_init(&free_mutex);
    rwlock_init(&written);
    rwlock_init(&read_by_owner);
    condvar_init(&condvar);
    wait_queue_init(&queue);
    cr_assert_eq(thread_start(&owner, "owner", THREAD_PRIORITY_HIGH, hold_all, NULL), STATUS_OK);
    thread_yield();
}

static void end(void)
{
    thread_wake(&owner);
    cr_assert_null(thread_join(&owner));
    cr_assert_eq(machine.stacks, 1);
}

static uint64_t later(uint64_t *random)
{
    return support_clock_ns + 1 + support_random(random) % (4 * MS);
}

Test(deadlines, end_every_kind_of_wait_at_the_nanosecond_by_one_interrupt)
{
    uint64_t random = 1;

    begin();
    for (unsigned i = 0; i < 1000 * KINDS; i++) {
        uint64_t deadline = later(&random);
        unsigned interrupts = machine.interrupts;

        cr_assert_eq(wait_until(i % KINDS, deadline), STATUS_TIMEOUT);
        cr_assert_eq(support_clock_ns, deadline, "kind %u", i % KINDS);
        cr_assert_eq(machine.interrupts - interrupts, 1, "kind %u", i % KINDS);
        cr_assert_not(timer_queued(&machine.boot.deadline), "kind %u", i % KINDS);
        cr_assert_not(machine.boot.token, "kind %u", i % KINDS);
    }
    end();
}

static void *compute_and_end(void *argument)
{
    machine_run(100 * MS);
    return argument;
}

Test(deadlines, end_every_kind_of_wait_while_another_thread_computes)
{
    uint64_t random = 2;

    begin();
    for (unsigned i = 0; i < 100 * KINDS; i++) {
        uint64_t deadline = later(&random);

        cr_assert_eq(thread_start(&busy, "busy", THREAD_PRIORITY_NORMAL - 1, compute_and_end, NULL), STATUS_OK);
        cr_assert_eq(wait_until(i % KINDS, deadline), STATUS_TIMEOUT);
        cr_assert_eq(support_clock_ns, deadline, "kind %u", i % KINDS);
        cr_assert_null(thread_join(&busy));
    }
    end();
}

/* The clock goes on as it is read: a deadline that is looked for is not the one that comes. */
Test(deadlines, end_no_wait_early_whatever_the_clock_does_meanwhile)
{
    uint64_t random = 3;

    begin();
    support_clock_step_ns = 7;
    for (unsigned i = 0; i < 100 * KINDS; i++) {
        uint64_t deadline = later(&random);

        cr_assert_eq(wait_until(i % KINDS, deadline), STATUS_TIMEOUT);
        cr_assert_geq(support_clock_ns, deadline, "kind %u", i % KINDS);
        cr_assert_leq(support_clock_ns, deadline + 1000, "kind %u", i % KINDS);
    }
    support_clock_step_ns = 0;
    end();
}

/* As if each had been in the past all along. */
Test(deadlines, in_the_past_end_every_kind_of_wait_without_time_passing)
{
    begin();
    machine_run(MS);
    for (unsigned i = 0; i < 3 * KINDS; i++) {
        static const uint64_t past[] = {0, 1, MS};

        cr_assert_eq(wait_until(i % KINDS, past[i / KINDS]), STATUS_TIMEOUT);
        cr_assert_eq(support_clock_ns, MS, "kind %u", i % KINDS);
    }
    end();
}
