/*
 * Single figures, by the names that other kernels' are published under: path lengths of one operation each, from a
 * stamp just before to a stamp just after. A back-to-back pair of stamps (`stamp`) is shown and never subtracted.
 *
 * Bytes are injected with interrupts on, from a thread of lower priority than what they wake; the idle figures inject
 * and halt in one step, in a thread that stands where the idle thread does.
 */
#include "executor/sleep.h"
#include "kernel/bench.h"
#include "kernel/input.h"
#include "kernel/modes.h"
#include "kernel/x86_64/cpu.h"

enum {
    SAMPLES = BENCH_MICRO_SAMPLES,
    TASKS_MANY = 10000,
};

static void bench_stamp(void)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();

        bench_sample(rdtsc() - before);
    }
    bench_report("stamp", "instructions");
}

/* ---- drivers ---- */

/* Where a latency ends: the driver has the byte, has published the event, or a consumer has got it. */
enum end { END_BYTE, END_EVENT, END_CONSUMER };

static uint64_t injected_at;

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

    while (bench_samples() < SAMPLES) {
        if (device == DEVICE_MOUSE) {
            bench_inject(device, packet[0], &injected_at);
            bench_inject(device, packet[1], &injected_at);
            bench_inject(device, packet[2], &injected_at);
        } else {
            bench_inject(device, BENCH_SCAN_CODE, &injected_at);
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
    bench_start(&reader.thread, "reader", THREAD_PRIORITY_HIGH, reader_main, NULL);
    if (input_driver_start(device, style, THREAD_PRIORITY_HIGH, &bench_executors[PRIORITY_HIGH]) != STATUS_OK)
        bench_no_memory("a driver's stack");
    if (end == END_BYTE)
        input.ports[device].resumed = probe;
    else if (end == END_EVENT)
        input.events.event = probe;
    if (idle)
        bench_inject_from_idle(&injected_at);
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

static void wake_nothing(struct waker *waker)
{
    (void)waker;
}

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
    *self = (struct counted){.future = {.poll = poll}, .peer = peer};
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
    extern char text_start[], text_bench[], text_suites[], text_suites_end[];

    bench_stamp();
    bench_report_one("boot.ready", boot_ready_ns, "ns");
    bench_report_one("image.text", (uint64_t)(text_bench - text_start) / 1024, "KiB");
    bench_report_one("image.text_bench", (uint64_t)(text_suites - text_bench) / 1024, "KiB");
    bench_report_one("image.text_tests", (uint64_t)(text_suites_end - text_suites) / 1024, "KiB");
    bench_report_one("image.thread", sizeof(struct thread), "bytes");
    bench_memory();
    bench_timers();
    bench_drivers();
    bench_tasks();
    bench_async();
}
