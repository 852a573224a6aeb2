/*
 * A thread or a future that never gives the CPU back takes its share and no more: equals keep running, and drivers of a
 * higher priority do not even notice.
 */
#include "kernel/suites/support.h"

enum {
    COUNTERS = 2,
    WATCH_NS = 100 * MS,
    KEYS = 60,
    MOUSE_PACKETS = 20,
    PERIOD_NS = 500 * US,
};

static atomic_bool stop;

/* What a rogue does, as far as anyone else can tell: it runs until the test has seen enough. */
static void run_away(void)
{
    while (!atomic_load(&stop))
        ;
}

static void *rogue_thread(void *unused)
{
    (void)unused;
    run_away();
    return NULL;
}

static enum poll rogue_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    run_away();
    return POLL_READY;
}

static struct counter {
    struct thread thread;
    atomic_uint count;
} counters[COUNTERS];

static void *counter_thread(void *argument)
{
    struct counter *self = argument;

    while (!atomic_load(&stop))
        atomic_fetch_add(&self->count, 1);
    return NULL;
}

static void counters_start(void)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        atomic_store(&counters[i].count, 0);
        start(&counters[i].thread, "counter", THREAD_PRIORITY_NORMAL, counter_thread, &counters[i]);
    }
}

static void counters_join(void)
{
    for (unsigned i = 0; i < COUNTERS; i++)
        thread_join(&counters[i].thread);
}

static bool counters_rose(const unsigned before[COUNTERS])
{
    for (unsigned i = 0; i < COUNTERS; i++)
        if (atomic_load(&counters[i].count) <= before[i])
            return false;
    return true;
}

/* Each counter rises in each of two halves of the watch. */
static void check_counters_rise(void)
{
    unsigned before[COUNTERS] = {0};

    for (unsigned half = 0; half < 2; half++) {
        sleep_for(WATCH_NS / 2);
        if (!clock_is_exact()) /* the host may have been elsewhere */
            sleep_until_holds(counters_rose(before));
        CHECK(counters_rose(before));
        for (unsigned i = 0; i < COUNTERS; i++)
            before[i] = atomic_load(&counters[i].count);
    }
}

/* Counts the events that were not published when the next byte came: with a quantum of 10 ms and a byte every half of
 * one, a driver that had to wait for its turn would miss nearly all. */
static struct watch {
    struct injector injector;
    struct waker waker;
    struct timer timer;
    uint32_t published_before;
    uint32_t late;
} watch;

static void watch_wake(struct waker *waker)
{
    struct watch *self = container_of(waker, struct watch, waker);
    uint32_t expected = stream_events(DEVICE_KEYBOARD, self->injector.sent[DEVICE_KEYBOARD]) +
                        stream_events(DEVICE_MOUSE, self->injector.sent[DEVICE_MOUSE]);

    self->late += input.events.published - self->published_before != expected;
    if (!atomic_load(&self->injector.done))
        sched_timer_start(&self->timer, clock_now_ns() + PERIOD_NS, waker);
}

static void drivers_must_deliver_at_once(enum style style)
{
    static const uint32_t first[DEVICE_ALL];
    uint32_t mouse_bytes = MOUSE_PACKETS * input.mouse.decoder.size;
    uint32_t count[DEVICE_ALL] = {[DEVICE_KEYBOARD] = KEYS, [DEVICE_MOUSE] = MOUSE_PACKETS};

    watch = (struct watch){.waker = {watch_wake}, .published_before = input.events.published};
    injector_start(&watch.injector, PERIOD_NS, KEYS, mouse_bytes);
    sched_timer_start(&watch.timer, clock_now_ns() + PERIOD_NS / 2, &watch.waker);
    injector_wait(&watch.injector);
    check_events(first, count, style);
    sched_timer_cancel(&watch.timer);
    if (clock_is_exact())
        CHECK_EQUAL(watch.late, 0);
}

static void counters_must_rise(void)
{
    counters_start();
    check_counters_rise();
    atomic_store(&stop, true);
    counters_join();
}

static void driver_threads_must_deliver(void)
{
    drivers_start(STYLE_THREAD, THREAD_PRIORITY_HIGH);
    drivers_must_deliver_at_once(STYLE_THREAD);
    drivers_stop();
}

static void driver_tasks_must_deliver(void)
{
    drivers_start(STYLE_ASYNC, THREAD_PRIORITY_HIGH);
    drivers_must_deliver_at_once(STYLE_ASYNC);
    drivers_stop();
}

static void beside_thread(void (*check)(void))
{
    static struct thread rogue;

    atomic_store(&stop, false);
    start(&rogue, "rogue", THREAD_PRIORITY_NORMAL, rogue_thread, NULL);
    check();
    atomic_store(&stop, true);
    thread_join(&rogue);
}

static void beside_future(void (*check)(void))
{
    static struct future rogue = {.poll = rogue_poll};
    static struct task task;

    atomic_store(&stop, false);
    executor_spawn(&executor_at(THREAD_PRIORITY_NORMAL)->executor, &task, "rogue", &rogue);
    check();
    CHECK_EQUAL(task.polls, 1);
    atomic_store(&stop, true);
    task_wait(&task);
}

TEST(rogue_thread_and_equals, "rogue.thread_and_equals")
{
    beside_thread(counters_must_rise);
}

TEST(rogue_future_and_equals, "rogue.future_and_equals")
{
    beside_future(counters_must_rise);
}

TEST(rogue_thread_and_driver_threads, "rogue.thread_and_driver_threads")
{
    beside_thread(driver_threads_must_deliver);
}

TEST(rogue_thread_and_driver_tasks, "rogue.thread_and_driver_tasks")
{
    beside_thread(driver_tasks_must_deliver);
}

TEST(rogue_future_and_driver_threads, "rogue.future_and_driver_threads")
{
    beside_future(driver_threads_must_deliver);
}

TEST(rogue_future_and_driver_tasks, "rogue.future_and_driver_tasks")
{
    beside_future(driver_tasks_must_deliver);
}
