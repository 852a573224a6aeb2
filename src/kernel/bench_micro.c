/*
 * Single figures, by the names that other kernels' are published under: path lengths of one operation each, from a
 * stamp just before to a stamp just after. A back-to-back pair of stamps (`stamp`) is shown and never subtracted.
 *
 * Interrupts are raised by an injected byte with interrupts on, from a thread of lower priority than what they wake;
 * the idle figures inject and halt in one step, in a thread that stands where the idle thread does.
 */
#include "executor/sleep.h"
#include "kernel/bench.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/kmalloc.h"
#include "kernel/modes.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/pic.h"
#include "thread/arch.h"
#include "thread/mutex.h"
#include "thread/sched.h"
#include "thread/semaphore.h"
#include "thread/vectors.h"

enum {
    SAMPLES = BENCH_MICRO_SAMPLES,
    WARM_UP = 4, /* first rounds, not counted: a thread's first switch is not like the others */
    YIELD_MANY = 1000,
    TASKS_MANY = 10000,
    SCAN_CODE = 0x1e, /* A; pressed again and again it repeats */
};

static uint64_t samples[SAMPLES];
static uint32_t sample_count;

void bench_sample(uint64_t sample)
{
    if (sample_count < SAMPLES)
        samples[sample_count] = sample;
    sample_count++;
}

void bench_report(const char *name, const char *unit)
{
    static char line[256];
    struct json json;
    struct stats stats;
    size_t count = sample_count < SAMPLES ? sample_count : SAMPLES;

    stats_of(samples, count, &stats);
    sample_count = 0;
    console_print("%-24s %8lu %s (min %lu, max %lu, n %zu)\n", name, (unsigned long)stats.p50, unit,
                  (unsigned long)stats.min, (unsigned long)stats.max, count);
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "micro");
    json_string(&json, "name", name);
    json_string(&json, "unit", unit);
    json_unsigned(&json, "n", stats.n);
    json_unsigned(&json, "min", stats.min);
    json_unsigned(&json, "p50", stats.p50);
    if (stats.has_p99)
        json_unsigned(&json, "p99", stats.p99);
    json_unsigned(&json, "max", stats.max);
    console_send_json(&json);
}

void bench_report_one(const char *name, uint64_t value, const char *unit)
{
    bench_sample(value);
    bench_report(name, unit);
}

static void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    if (thread_start(thread, name, priority, entry, argument) != STATUS_OK)
        bench_no_memory("a stack");
}

static void bench_stamp(void)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();

        bench_sample(rdtsc() - before);
    }
    bench_report("stamp", "instructions");
}

/* ---- threads ---- */

static uint64_t last_yield;

/* Each thread measures from the yield of the one before it. */
static void *yielder_main(void *unused)
{
    (void)unused;
    while (sample_count < SAMPLES + WARM_UP) {
        uint64_t now = rdtsc();

        if (last_yield)
            bench_sample(now - last_yield);
        last_yield = rdtsc();
        thread_yield();
    }
    return NULL;
}

static void bench_yield(const char *name, unsigned threads)
{
    struct thread *yielders = kzalloc(threads, sizeof(*yielders));

    if (!yielders)
        bench_no_memory("yielding threads");
    last_yield = 0;
    for (unsigned i = 0; i < threads; i++)
        start(&yielders[i], "yielder", THREAD_PRIORITY_NORMAL - 1, yielder_main, NULL);
    /* Below this thread, so that all are ready before the first runs. */
    for (unsigned i = 0; i < threads; i++)
        (void)thread_join(&yielders[i]);
    kfree(yielders);
    bench_report(name, "instructions");
}

/* Two whose vector registers hold a state: each switch saves one and loads the other. */
static void *vector_yielder_main(void *unused)
{
    if (vectors_use() != STATUS_OK)
        bench_no_memory("vector registers");
    return yielder_main(unused);
}

static void bench_yield_vectors(void)
{
    struct thread yielders[2];

    last_yield = 0;
    for (size_t i = 0; i < ARRAY_SIZE(yielders); i++)
        start(&yielders[i], "yielder", THREAD_PRIORITY_NORMAL - 1, vector_yielder_main, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(yielders); i++)
        (void)thread_join(&yielders[i]);
    bench_report("thread.yield_vectors", "instructions");
}

static void *return_argument(void *argument)
{
    return argument;
}

/* Two threads that wait for each other in turn: from the give, over the giver's own wait, to the other's return. */
static struct semaphore turns[2];
static uint64_t given_at;

static void *semaphore_main(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument;

    for (;;) {
        semaphore_take(&turns[self]);
        if (given_at)
            bench_sample(rdtsc() - given_at);
        if (sample_count >= SAMPLES + WARM_UP)
            break;
        given_at = rdtsc();
        semaphore_give(&turns[!self]);
    }
    semaphore_give(&turns[!self]);
    return NULL;
}

static void bench_semaphore(void)
{
    static struct thread threads[2];

    semaphore_init(&turns[0], 0);
    semaphore_init(&turns[1], 0);
    given_at = 0;
    for (uintptr_t i = 0; i < 2; i++)
        start(&threads[i], "semaphore", THREAD_PRIORITY_NORMAL, semaphore_main, (void *)i);
    semaphore_give(&turns[0]);
    for (size_t i = 0; i < 2; i++)
        (void)thread_join(&threads[i]);
    bench_report("thread.sem_oneway", "instructions");
}

static void bench_mutex(void)
{
    static struct mutex mutex = MUTEX_INIT(mutex);

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();

        mutex_lock(&mutex);
        mutex_unlock(&mutex);
        bench_sample(rdtsc() - before);
    }
    bench_report("thread.mutex_pair", "instructions");
}

static void bench_lifecycle(void)
{
    static struct thread thread;

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();

        start(&thread, "short", THREAD_PRIORITY_NORMAL, return_argument, NULL);
        (void)thread_join(&thread);
        bench_sample(rdtsc() - before);
    }
    bench_report("thread.lifecycle", "instructions");
}

/* ---- interrupts ---- */

static uint64_t injected_at, handled_at;
static struct thread waiter;
static atomic_bool waiter_stop;

static void handle_stamping(unsigned vector)
{
    handled_at = rdtsc();
    (void)vector;
    (void)inb(I8042_DATA);
}

static void handle_empty(unsigned vector)
{
    (void)vector;
}

static void handle_waking(unsigned vector)
{
    handled_at = rdtsc();
    (void)vector;
    (void)inb(I8042_DATA);
    waker_wake(&waiter.waker);
}

static void bench_irq_entry(void)
{
    interrupt_handler *normal = interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, handle_stamping);

    for (unsigned i = 0; i < SAMPLES; i++) {
        bench_inject(DEVICE_KEYBOARD, SCAN_CODE, &injected_at);
        bench_sample(handled_at - injected_at);
    }
    bench_report("irq.entry", "instructions");
    interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, handle_empty);
    for (unsigned i = 0; i < SAMPLES; i++) {
        bench_inject(DEVICE_KEYBOARD, SCAN_CODE, &injected_at);
        bench_sample(rdtsc() - injected_at);
        (void)inb(I8042_DATA);
    }
    bench_report("irq.null", "instructions");
    interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, normal);
}

static bool from_handler; /* what the waiter's samples count from */

static void *waiter_main(void *unused)
{
    (void)unused;
    for (;;) {
        uint64_t now;

        thread_park();
        now = rdtsc();
        if (atomic_load(&waiter_stop))
            return NULL;
        bench_sample(now - (from_handler ? handled_at : injected_at));
    }
}

/* Injects SAMPLES keys from this thread, one after the other is done with. */
static void inject_busy(void)
{
    while (sample_count < SAMPLES)
        bench_inject(DEVICE_KEYBOARD, SCAN_CODE, &injected_at);
}

/* The same from where the CPU is idle but for the injection itself: the halt follows with interrupts still off. */
static void *inject_idle(void *unused)
{
    (void)unused;
    while (sample_count < SAMPLES) {
        irq_save();
        bench_inject(DEVICE_KEYBOARD, SCAN_CODE, &injected_at);
        cpu_wait();
    }
    return NULL;
}

static void inject_from_idle(void)
{
    static struct thread thread;

    start(&thread, "injector", THREAD_PRIORITY_IDLE + 1, inject_idle, NULL);
    (void)thread_join(&thread);
}

static void bench_irq_thread(const char *name, bool from, bool idle)
{
    interrupt_handler *normal;

    from_handler = from;
    atomic_store(&waiter_stop, false);
    start(&waiter, "waiter", THREAD_PRIORITY_HIGH, waiter_main, NULL);
    normal = interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, handle_waking);
    if (idle)
        inject_from_idle();
    else
        inject_busy();
    interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, normal);
    atomic_store(&waiter_stop, true);
    thread_wake(&waiter);
    (void)thread_join(&waiter);
    bench_report(name, "instructions");
}

/* ---- timers ---- */

static void wake_nothing(struct waker *waker)
{
    (void)waker;
}

/* What a timer interrupt takes from a thread that does nothing but look at the clock: by how much two looks in a row
 * were further apart than any others. */
static void bench_timer_irq(void)
{
    static struct waker waker = {wake_nothing};
    static struct timer timer;

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t shortest = UINT64_MAX, longest = 0, last;

        sched_timer_start(&timer, clock_now_ns() + 2000, &waker);
        last = rdtsc();
        for (unsigned look = 0; look < 500; look++) {
            uint64_t now = rdtsc();
            uint64_t gap = now - last;

            last = now;
            shortest = gap < shortest ? gap : shortest;
            longest = gap > longest ? gap : longest;
        }
        bench_sample(longest - shortest);
    }
    bench_report("timer.irq", "instructions");
}

static void *sleeper_main(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t deadline = clock_now_ns() + 10000;

        thread_sleep_until(deadline);
        bench_sample(clock_now_ns() - deadline);
    }
    return NULL;
}

static void bench_timer_thread(void)
{
    static struct thread sleeper;

    start(&sleeper, "sleeper", THREAD_PRIORITY_HIGH, sleeper_main, NULL);
    while (!completion_done(&sleeper.done))
        ;
    (void)thread_join(&sleeper);
    bench_report("timer.thread", "instructions");
}

/* ---- drivers ---- */

/* Where a latency ends: the driver has the byte, has published the event, or a consumer has got it. */
enum end { END_BYTE, END_EVENT, END_CONSUMER };

static struct key_reader {
    struct thread thread;
    enum end end;
    uint64_t stamp[1]; /* the probe's, for the ends before the consumer */
    bool from_handler; /* else from the injection */
} reader;

static void *reader_main(void *unused)
{
    struct input_event event;

    (void)unused;
    for (;;) {
        uint64_t now;

        event_read(&input.events, &event);
        now = rdtsc();
        if (bench_is_end(&event))
            return NULL;
        bench_sample((reader.end == END_CONSUMER ? now : reader.stamp[0]) -
                     (reader.from_handler ? event.stamp : injected_at));
        input.events.event.count = 0;
        input.ports[DEVICE_KEYBOARD].resumed.count = 0;
    }
}

/* One event's last byte, after the bytes before it have been taken. */
static void inject_packets(enum device device)
{
    static const uint8_t packet[] = {0x08, 1, 1};

    while (sample_count < SAMPLES) {
        if (device == DEVICE_MOUSE) {
            bench_inject(device, packet[0], &injected_at);
            bench_inject(device, packet[1], &injected_at);
            bench_inject(device, packet[2], &injected_at);
        } else {
            bench_inject(device, SCAN_CODE, &injected_at);
        }
    }
}

static void bench_driver(const char *name, enum device device, enum style style, enum end end, bool idle)
{
    struct probe probe = {.stamps = reader.stamp, .capacity = 1};

    keyboard_init(&input.keyboard, &input.ports[DEVICE_KEYBOARD], &input.events);
    mouse_init(&input.mouse, &input.ports[DEVICE_MOUSE], &input.events, MOUSE_ID_STANDARD);
    reader.end = end;
    reader.from_handler = end == END_BYTE && idle;
    start(&reader.thread, "reader", THREAD_PRIORITY_HIGH, reader_main, NULL);
    if (input_driver_start(device, style, THREAD_PRIORITY_HIGH, &bench_executors[PRIORITY_HIGH]) != STATUS_OK)
        bench_no_memory("a driver's stack");
    if (end == END_BYTE)
        input.ports[device].resumed = probe;
    else if (end == END_EVENT)
        input.events.event = probe;
    if (idle)
        inject_from_idle();
    else
        inject_packets(device);
    input.ports[device].resumed.stamps = NULL;
    input.events.event.stamps = NULL;
    input_driver_stop(device);
    bench_publish_end();
    (void)thread_join(&reader.thread);
    bench_report(name, "instructions");
}

static void bench_drivers(void)
{
    bench_driver("key.thread_byte", DEVICE_KEYBOARD, STYLE_THREAD, END_BYTE, false);
    bench_driver("key.task_byte", DEVICE_KEYBOARD, STYLE_ASYNC, END_BYTE, false);
    bench_driver("key.thread_byte_idle", DEVICE_KEYBOARD, STYLE_THREAD, END_BYTE, true);
    bench_driver("key.task_byte_idle", DEVICE_KEYBOARD, STYLE_ASYNC, END_BYTE, true);
    bench_driver("key.thread", DEVICE_KEYBOARD, STYLE_THREAD, END_EVENT, false);
    bench_driver("key.task", DEVICE_KEYBOARD, STYLE_ASYNC, END_EVENT, false);
    bench_driver("key.thread_idle", DEVICE_KEYBOARD, STYLE_THREAD, END_EVENT, true);
    bench_driver("key.task_idle", DEVICE_KEYBOARD, STYLE_ASYNC, END_EVENT, true);
    bench_driver("key.thread_consumer", DEVICE_KEYBOARD, STYLE_THREAD, END_CONSUMER, false);
    bench_driver("key.task_consumer", DEVICE_KEYBOARD, STYLE_ASYNC, END_CONSUMER, false);
    bench_driver("mouse.thread", DEVICE_MOUSE, STYLE_THREAD, END_EVENT, false);
    bench_driver("mouse.task", DEVICE_MOUSE, STYLE_ASYNC, END_EVENT, false);
    bench_driver("mouse.thread_consumer", DEVICE_MOUSE, STYLE_THREAD, END_CONSUMER, false);
    bench_driver("mouse.task_consumer", DEVICE_MOUSE, STYLE_ASYNC, END_CONSUMER, false);
}

/* ---- tasks ---- */

/* An executor without a thread: polled here, by hand. */
static struct executor executor;
static struct waker parent = {wake_nothing};

static struct counted {
    struct future future;
    struct task task;
    struct waker *peer; /* woken at each poll; NULL: the task itself */
} counted[TASKS_MANY];

static enum poll wake_and_pend(struct future *future, struct waker *waker)
{
    struct counted *self = container_of(future, struct counted, future);

    waker_wake(self->peer ? self->peer : waker);
    return POLL_PENDING;
}

static enum poll pend(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    return POLL_PENDING;
}

static enum poll ready(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    return POLL_READY;
}

static void spawn(struct counted *self, enum poll (*poll)(struct future *, struct waker *), struct waker *peer)
{
    *self = (struct counted){.future = {poll}, .peer = peer};
    executor_spawn(&executor, &self->task, "counted", &self->future);
}

/* Repeats what takes `polls` polls a hundred times in a row and reports what once takes: it is shorter than two stamps
 * are apart. */
static void report_polls(const char *name, unsigned polls)
{
    enum { REPEATS = 100 };

    for (unsigned i = 0; i < SAMPLES / 10; i++) {
        uint64_t before = rdtsc();

        for (unsigned poll = 0; poll < REPEATS * polls; poll++)
            (void)executor_poll(&executor, 0);
        bench_sample((rdtsc() - before) / REPEATS);
    }
    bench_report(name, "instructions");
}

static void bench_tasks(void)
{
    executor_init(&executor, &parent);
    spawn(&counted[0], wake_and_pend, NULL);
    report_polls("task.self_wake", 1);

    /* Two tasks, of which each wakes the other and never itself: one is ready at a time, so a round trip is two polls.
     */
    executor_init(&executor, &parent);
    spawn(&counted[1], pend, NULL);
    (void)executor_poll(&executor, 0);
    counted[1].future.poll = wake_and_pend;
    counted[1].peer = &counted[0].task.waker;
    spawn(&counted[0], wake_and_pend, &counted[1].task.waker);
    report_polls("task.pingpong", 2);
    ASSERT(counted[0].task.polls + 1 == counted[1].task.polls);

    executor_init(&executor, &parent);
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();

        spawn(&counted[0], ready, NULL);
        (void)executor_poll(&executor, 0);
        bench_sample(rdtsc() - before);
    }
    bench_report("task.spawn", "instructions");

    executor_init(&executor, &parent);
    for (unsigned i = 0; i < TASKS_MANY; i++)
        spawn(&counted[i], pend, NULL);
    (void)executor_poll(&executor, 0);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t before = rdtsc();

        for (unsigned task = 0; task < TASKS_MANY; task++)
            waker_wake(&counted[task].task.waker);
        (void)executor_poll(&executor, 0);
        bench_sample((rdtsc() - before) / TASKS_MANY);
    }
    bench_report("task.round_robin_10k", "instructions");
    bench_report_one("task.bytes", sizeof(struct task) + 32, "bytes");
}

void bench_micro(void)
{
    extern char text_start[], text_suites[], text_suites_end[];

    thread_sleep_until(clock_now_ns() + BENCH_WAIT_NS); /* no timer left over from what came before */
    bench_stamp();
    bench_report_one("boot.ready", boot_ready_ns, "ns");
    bench_report_one("image.text", (uint64_t)(text_suites - text_start) / 1024, "KiB");
    bench_report_one("image.text_tests", (uint64_t)(text_suites_end - text_suites) / 1024, "KiB");
    bench_report_one("image.thread", sizeof(struct thread), "bytes");
    bench_yield("thread.yield", 2);
    bench_yield("thread.yield_1000", YIELD_MANY);
    bench_yield_vectors();
    bench_semaphore();
    bench_mutex();
    bench_lifecycle();
    bench_irq_entry();
    bench_irq_thread("irq.thread", false, false);
    bench_irq_thread("irq.thread_handler", true, false);
    bench_irq_thread("irq.thread_idle", true, true);
    bench_timer_irq();
    bench_timer_thread();
    bench_memory();
    bench_drivers();
    bench_tasks();
}
