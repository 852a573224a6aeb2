/* Duet's executor and timers, the kernel's own sources. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "executor/executor.h"
#include "lib/clock.h"
#include "lib/critical.h"
#include "lib/ring.h"
#include "native.h"

struct looper {
    struct task task;
    struct future future;
    struct state state;
};

static struct executor executor;
static struct looper *loopers;

_Noreturn void panic_at(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(77);
}

_Noreturn void assertion_failed(const struct assertion *assertion)
{
    panic_at(assertion->file, assertion->line, "assertion failed: %s", assertion->expression);
}

/* ---- what the kernel has, and a program of the host has not ---- */

/* A critical section is a lock. Nothing that is measured has one: they are where a task's end is waited for, and where
 * what happens is recorded. */
static pthread_mutex_t critical = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local unsigned critical_depth;

uint64_t irq_save(void)
{
    if (critical_depth++ == 0)
        pthread_mutex_lock(&critical);
    return 0;
}

void irq_restore(uint64_t flags)
{
    (void)flags;
    if (--critical_depth == 0)
        pthread_mutex_unlock(&critical);
}

void critical_leave_woken(uint64_t flags)
{
    irq_restore(flags);
}

/* Of records alone, and nothing is recorded. */
uint64_t clock_ticks(void)
{
    return 0;
}

/* Whoever polls the executor spins: there is nobody to wake. */
static void parent_wake(struct waker *waker)
{
    (void)waker;
}

static struct waker parent = {parent_wake};

static enum poll parked_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    return POLL_PENDING;
}

/* Tasks that have been polled once and wait for a wake; from then on `poll` is their body. */
static void loopers_park(size_t count, enum poll (*poll)(struct future *future, struct waker *waker))
{
    loopers = native_memory(count * sizeof(*loopers));
    executor_init(&executor, &parent);
    for (size_t i = 0; i < count; i++) {
        loopers[i].future.poll = parked_poll;
        executor_spawn(&executor, &loopers[i].task, "looper", &loopers[i].future);
    }
    executor_poll(&executor, 0);
    for (size_t i = 0; i < count; i++)
        loopers[i].future.poll = poll;
}

static uint64_t looper_done(size_t task)
{
    return loopers[task].state.resumed;
}

/* ---- a parked task is woken from outside ---- */

static enum poll count_poll(struct future *future, struct waker *waker)
{
    (void)waker;
    container_of(future, struct looper, future)->state.resumed++;
    return POLL_PENDING;
}

static void wake_poll_prepare(size_t tasks)
{
    loopers_park(tasks, count_poll);
}

static void wake_poll_run(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        waker_wake(&loopers[0].task.waker);
        executor_poll(&executor, 0);
    }
}

/* ---- a task wakes itself; many do ---- */

static size_t looper_count;
static uint64_t goal; /* after which a looper wakes nobody */

static enum poll self_wake_poll(struct future *future, struct waker *waker)
{
    struct looper *self = container_of(future, struct looper, future);

    if (++self->state.resumed != goal)
        waker_wake(waker);
    return POLL_PENDING;
}

static void round_robin_prepare(size_t tasks)
{
    looper_count = tasks;
    loopers_park(tasks, self_wake_poll);
}

static void round_robin_run(uint64_t count)
{
    goal += count / looper_count;
    for (size_t i = 0; i < looper_count; i++)
        waker_wake(&loopers[i].task.waker);
    executor_run(&executor);
}

/* ---- two tasks ---- */

static enum poll ping_poll(struct future *future, struct waker *waker)
{
    (void)waker;
    container_of(future, struct looper, future)->state.resumed++;
    waker_wake(&loopers[1].task.waker);
    return POLL_PENDING;
}

static enum poll pong_poll(struct future *future, struct waker *waker)
{
    struct looper *self = container_of(future, struct looper, future);

    (void)waker;
    if (++self->state.resumed != goal)
        waker_wake(&loopers[0].task.waker);
    return POLL_PENDING;
}

static void pingpong_prepare(size_t tasks)
{
    loopers_park(tasks, ping_poll);
    loopers[1].future.poll = pong_poll;
}

static void pingpong_run(uint64_t count)
{
    goal += count;
    waker_wake(&loopers[0].task.waker);
    executor_run(&executor);
}

/* ---- spawn ---- */

static enum poll once_poll(struct future *future, struct waker *waker)
{
    struct looper *self = container_of(future, struct looper, future);

    (void)waker;
    self->state.resumed++;
    return POLL_READY;
}

static void spawn_prepare(size_t tasks)
{
    loopers_park(tasks, once_poll);
    waker_wake(&loopers[0].task.waker); /* the task that was parked ends */
    executor_poll(&executor, 0);
    loopers[0].state.resumed = 0;
}

static void spawn_run(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        executor_spawn(&executor, &loopers[0].task, "once", &loopers[0].future);
        executor_poll(&executor, 0);
    }
    ASSERT(completion_done(&loopers[0].task.done));
}

/* ---- channel: a ring with a slot for a waker at each end, as a driver would write it ---- */

static struct channel {
    struct ring ring;
    struct waker_slot reader, writer;
    uint64_t items[CHANNEL_ITEMS];
    uint64_t sent, received, goal;
} channel;

static enum poll producer_poll(struct future *future, struct waker *waker)
{
    uint32_t slot;

    (void)future;
    for (;;) {
        while (ring_can_push(&channel.ring, CHANNEL_ITEMS, &slot)) {
            channel.items[slot % CHANNEL_ITEMS] = channel.sent++;
            ring_push(&channel.ring, slot);
            waker_slot_wake(&channel.reader);
        }
        waker_slot_register(&channel.writer, waker);
        if (!ring_can_push(&channel.ring, CHANNEL_ITEMS, &slot))
            return POLL_PENDING;
    }
}

static enum poll consumer_poll(struct future *future, struct waker *waker)
{
    struct looper *self = container_of(future, struct looper, future);
    uint32_t slot;

    for (;;) {
        while (ring_can_pop(&channel.ring, &slot)) {
            self->state.resumed += channel.items[slot % CHANNEL_ITEMS] == channel.received++;
            ring_pop(&channel.ring, slot);
            waker_slot_wake(&channel.writer);
            if (channel.received == channel.goal) {
                waker_wake(waker);
                return POLL_PENDING;
            }
        }
        waker_slot_register(&channel.reader, waker);
        if (!ring_can_pop(&channel.ring, &slot))
            return POLL_PENDING;
    }
}

static void channel_prepare(size_t tasks)
{
    loopers_park(tasks, consumer_poll);
    loopers[1].future.poll = producer_poll;
    for (size_t i = 0; i < tasks; i++)
        waker_wake(&loopers[i].task.waker);
}

static void channel_run(uint64_t count)
{
    channel.goal += count;
    while (channel.received < channel.goal)
        executor_poll(&executor, 0);
}

/* ---- woken by another thread ---- */

static enum poll cross_poll(struct future *future, struct waker *waker)
{
    struct looper *self = container_of(future, struct looper, future);

    (void)waker;
    self->state.resumed++;
    cross_acknowledge();
    return POLL_PENDING;
}

static void cross_wake(void)
{
    waker_wake(&loopers[0].task.waker);
}

static void cross_prepare(size_t tasks)
{
    loopers_park(tasks, cross_poll);
    cross_start(cross_wake);
}

static void cross_thread_run(uint64_t count)
{
    cross_run(count);
    while (!cross_done())
        executor_poll(&executor, 0);
}

/* ---- timers ---- */

static struct alarm {
    struct timer timer;
    struct waker waker;
} * alarms;
static struct timer_queue queue;

static void alarm_wake(struct waker *waker)
{
    timers_expired((uint32_t)(container_of(waker, struct alarm, waker) - alarms));
}

static void timers_prepare(size_t timers)
{
    alarms = native_memory(timers * sizeof(*alarms));
    for (size_t i = 0; i < timers; i++)
        alarms[i].waker.wake = alarm_wake;
}

static void timers_insert(const uint32_t *timers, const uint64_t *deadlines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        timer_queue_insert(&queue, &alarms[timers[i]].timer, deadlines[i], &alarms[timers[i]].waker);
}

static void timers_cancel(const uint32_t *timers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        timer_queue_remove(&queue, &alarms[timers[i]].timer);
}

/* Each deadline is an interrupt of its own. Time does not go back. */
static void timers_expire(size_t least)
{
    static uint64_t now;

    while (timers_expired_count < least) {
        uint64_t next = timer_queue_next_deadline(&queue);

        now = next > now ? next : now;
        timer_queue_expire(&queue, now);
    }
}

/* ---- */

static const char *version(void)
{
    return "this commit, asserts on";
}

static size_t task_bytes(void)
{
    return sizeof(struct looper);
}

const struct peer peer_duet = {
    .id = "duet",
    .column = "Duet",
    .title = "Duet",
    .version = version,
    .how = "a future a task, `waker_wake()`, `executor_run()` until nothing is ready where tasks wake each other, else "
           "`executor_poll()`; the parent's wake is an empty function. A wake may come "
           "from an interrupt or another thread, twice or late. The channel is `struct ring` and two `waker_slot`s. "
           "Timers: `timer_queue_insert()`, `_remove()`, `_expire()` at each next deadline",
    .slow = 1,
    .task_bytes = task_bytes,
    .tasks_most = 1000000,
    .wake_poll = {wake_poll_prepare, wake_poll_run, looper_done, NULL},
    .self_wake = {round_robin_prepare, round_robin_run, looper_done, NULL},
    .pingpong = {pingpong_prepare, pingpong_run, looper_done, NULL},
    .spawn = {spawn_prepare, spawn_run, looper_done, NULL},
    .round_robin = {round_robin_prepare, round_robin_run, looper_done, NULL},
    .channel = {channel_prepare, channel_run, looper_done, NULL},
    .cross_thread = {cross_prepare, cross_thread_run, looper_done, NULL},
    .timers = {timers_prepare, timers_insert, timers_cancel, timers_expire, NULL},
};
