/*
 * Single figures, by the names that other kernels' are published under: path lengths of one operation each, from a
 * stamp just before to a stamp just after. A back-to-back pair of stamps (`stamp`) is shown and never subtracted.
 *
 * Bytes are injected with interrupts on, from a thread of lower priority than what they wake; the idle figures inject
 * and halt in one step, in a thread that stands where the idle thread does.
 */
#include "bridge/block_on.h"
#include "bridge/join.h"
#include "executor/async.h"
#include "executor/task_pool.h"
#include "kernel/bench.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/modes.h"
#include "kernel/programs.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/physical.h"

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
    bench_driver("key.isr", DEVICE_KEYBOARD, STYLE_ISR, END_EVENT, false);
    bench_driver("mouse.isr", DEVICE_MOUSE, STYLE_ISR, END_EVENT, false);
}

/* In processes. Last, as interrupts cost an instruction more once there was one. */
static void bench_user_drivers(void)
{
    if (!programs_exist())
        return;
    bench_driver("key.user_byte", DEVICE_KEYBOARD, STYLE_USER, END_BYTE, false);
    bench_driver("key.user", DEVICE_KEYBOARD, STYLE_USER, END_EVENT, false);
    bench_driver("key.user_idle", DEVICE_KEYBOARD, STYLE_USER, END_EVENT, true);
    bench_driver("key.user_consumer", DEVICE_KEYBOARD, STYLE_USER, END_CONSUMER, false);
    bench_driver("mouse.user", DEVICE_MOUSE, STYLE_USER, END_EVENT, false);
}

/* ---- tasks ---- */

static void wake_nothing(struct waker *waker)
{
    (void)waker;
}

/* An executor without a thread of its own: it runs here. */
static struct executor executor;
static struct waker parent = {wake_nothing};

enum {
    BATCH = 100,
    TASKS_FEW = 10,
    TASKS_MOST = 1000000,
    ROUNDS = 3,
};

static struct counted {
    struct future future;
    struct waker *peer; /* of wake_peer() */
    uint64_t left;      /* polls until it wakes nobody */
} counted[2];

static struct task counted_tasks[2];

static enum poll wake_itself(struct future *future, struct waker *waker)
{
    struct counted *self = container_of(future, struct counted, future);

    if (likely(--self->left))
        waker_wake(waker);
    return POLL_PENDING;
}

static enum poll wake_peer(struct future *future, struct waker *waker)
{
    struct counted *self = container_of(future, struct counted, future);

    (void)waker;
    if (likely(--self->left))
        waker_wake(self->peer);
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

/* Begins anew, with `count` tasks that wait for each other, or the one for itself. */
static void set_up_counted(unsigned count)
{
    executor_init(&executor, &parent);
    for (unsigned i = 0; i < count; i++) {
        counted[i] = (struct counted){.future = {.poll = pend}};
        executor_spawn(&executor, &counted_tasks[i], "counted", &counted[i].future);
    }
    (void)executor_run(&executor);
    for (unsigned i = 0; i < count; i++) {
        counted[i].future.poll = count > 1 ? wake_peer : wake_itself;
        counted[i].peer = &counted_tasks[1 - i].waker;
    }
}

/* How long the executor runs until each of them was polled a hundred times, one after the other, and what that makes
 * for once: it is shorter than two stamps are apart. */
static void bench_wakes(const char *name, unsigned count)
{
    set_up_counted(count);
    for (unsigned i = 0; i < SAMPLES / 10; i++) {
        uint64_t before;

        counted[0].left = counted[1].left = BATCH + 1;
        waker_wake(&counted_tasks[0].waker);
        before = rdtsc();
        (void)executor_run(&executor);
        bench_sample((rdtsc() - before) / BATCH);
    }
    bench_report(name, "instructions");
    ASSERT(executor_polls(&executor) == count + SAMPLES / 10 * (count * (uint64_t)BATCH + 1));
}

static TASK_SLOTS(struct future) spawn_slots[BATCH];

/* Takes frames, spawns, runs and ends `batch` tasks at a time. */
static void bench_spawn_pooled(const char *name, unsigned batch)
{
    struct task_pool pool;

    executor_init(&executor, &parent);
    task_pool_init(&pool, &executor, "spawned", spawn_slots, sizeof(spawn_slots[0]), ARRAY_SIZE(spawn_slots));
    for (unsigned i = 0; i < SAMPLES / 10; i++) {
        uint64_t before = rdtsc();

        for (unsigned task = 0; task < batch; task++) {
            struct future *frame = task_pool_take(&pool);

            ASSERT(frame);
            frame->poll = ready;
            frame->drop = NULL;
            task_pool_spawn_detached(&pool, frame);
        }
        (void)executor_run(&executor);
        bench_sample((rdtsc() - before) / batch);
    }
    bench_report(name, "instructions");
    ASSERT(executor_polls(&executor) == SAMPLES / 10 * batch && task_pool_used(&pool) == 0);
}

static void bench_spawn_static(const char *name, unsigned batch)
{
    static struct task tasks[BATCH];
    static struct future future = {.poll = ready};

    executor_init(&executor, &parent);
    for (unsigned i = 0; i < SAMPLES / 10; i++) {
        uint64_t before = rdtsc();

        for (unsigned task = 0; task < batch; task++)
            executor_spawn(&executor, &tasks[task], "spawned", &future);
        (void)executor_run(&executor);
        bench_sample((rdtsc() - before) / batch);
    }
    bench_report(name, "instructions");
    ASSERT(executor_polls(&executor) == SAMPLES / 10 * batch && completion_done(&tasks[0].done));
}

/* Wakes `count` tasks, one after the other, and has each polled: all of it, in instructions, the best of a few times.
 */
static __attribute__((noinline)) uint64_t round_robin(char *slots, size_t slot_bytes, unsigned count)
{
    char *const end = slots + count * slot_bytes;
    uint64_t best = UINT64_MAX;

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t ticks = rdtsc();

        for (char *slot = slots; slot < end; slot += slot_bytes)
            waker_wake(&((struct task *)(void *)slot)->waker);
        (void)executor_run(&executor);
        ticks = rdtsc() - ticks;
        if (ticks < best)
            best = ticks;
    }
    return best;
}

/* Memory in one piece of addresses, however much: NULL if there is not so much. It is not given back. */
static void *map_pages(size_t bytes)
{
    char *pages = mmu_reserve(bytes);

    for (size_t at = 0; at < bytes; at += PAGE_BYTES) {
        struct physical frame;

        if (frame_alloc(&frame) != STATUS_OK ||
            mmu_map(pages + at, frame, PAGE_BYTES, PAGE_WRITE | PAGE_GLOBAL) != STATUS_OK)
            return NULL;
    }
    return pages;
}

/* A task of 96 bytes, of which 32 are its state. */
typedef TASK_SLOTS(struct async) slot;

/* What the tasks from `from` to `to` take, each: the same, to the instruction, if nothing is left over. */
static void report_growth(const char *const names[2], const uint64_t from[2], const uint64_t to[2])
{
    bench_report_one(names[0], (to[1] - from[1]) / (to[0] - from[0]), "instructions");
    bench_report_one(names[1], (to[1] - from[1]) % (to[0] - from[0]), "instructions");
}

/* All alive; a few of them, half of them and all of them woken. */
static void bench_round_robin(unsigned most, const char *name, const char *const half[2], const char *const few[2])
{
    static struct task_pool pool;
    uint64_t counts[] = {TASKS_FEW, most / 2, most}, took[ARRAY_SIZE(counts)][2];
    slot *slots = NULL;

    if (frames_free() * PAGE_BYTES > most * sizeof(*slots) * 5 / 4)
        slots = map_pages(most * sizeof(*slots));
    if (!slots) {
        console_print("%s: no memory for %u tasks of %zu bytes: skipped\n", name, most, sizeof(*slots));
        return;
    }
    executor_init(&executor, &parent);
    task_pool_init(&pool, &executor, "counted", slots, sizeof(*slots), most);
    for (unsigned i = 0; i < most; i++) {
        struct async *frame = task_pool_take(&pool);

        ASSERT(frame);
        *frame = (struct async){.future = {.poll = pend}};
        task_pool_spawn_detached(&pool, frame);
    }
    (void)executor_run(&executor);
    for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
        took[i][0] = counts[i];
        took[i][1] = round_robin((char *)slots, sizeof(*slots), (unsigned)counts[i]);
    }
    ASSERT(executor_polls(&executor) == most + ROUNDS * (counts[0] + counts[1] + counts[2]));
    bench_report_one(name, took[2][1] / most, "instructions");
    report_growth(half, took[1], took[2]);
    if (most > TASKS_FEW)
        report_growth(few, took[0], took[2]);
}

static void bench_growth(void)
{
    static const struct {
        unsigned tasks;
        const char *name, *half[2], *few[2];
    } sizes[] = {
        {TASKS_FEW, "task.round_robin_10", {"task.growth_10", "task.growth_10_rest"}, {NULL, NULL}},
        {TASKS_MANY,
         "task.round_robin_10k",
         {"task.growth_10k", "task.growth_10k_rest"},
         {"task.growth_10_to_10k", "task.growth_10_to_10k_rest"}},
        {TASKS_MOST,
         "task.round_robin_1M",
         {"task.growth_1M", "task.growth_1M_rest"},
         {"task.growth_10_to_1M", "task.growth_10_to_1M_rest"}},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
        bench_round_robin(sizes[i].tasks, sizes[i].name, sizes[i].half, sizes[i].few);
    bench_report_one("task.bytes", sizeof(slot), "bytes");
}

/* ---- a neighbour that computes ---- */

enum { DELAY_COMPUTE_NS = 100000000, DELAY_AFTER_NS = 1000000, DELAY_ROUNDS = 10 };

/* Woken by a timer interrupt a millisecond after its neighbour began to compute. */
static struct delayed {
    struct future future;
    struct task task;
    struct waker waker;
    struct timer timer;
    uint64_t late_ns;
    bool began;
} delayed;

static void delayed_due(struct waker *waker)
{
    (void)waker;
    waker_wake(&delayed.task.waker);
}

static enum poll delayed_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    if (!delayed.began) {
        delayed.began = true;
        return POLL_PENDING;
    }
    delayed.late_ns = clock_now_ns() - delayed.timer.deadline_ns;
    return POLL_READY;
}

static enum poll compute(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    sched_timer_start(&delayed.timer, clock_now_ns() + DELAY_AFTER_NS, &delayed.waker);
    bench_compute(DELAY_COMPUTE_NS);
    return POLL_READY;
}

static void bench_delay(const char *name, struct executor *of_neighbour)
{
    struct future computes = {.poll = compute};
    struct task task;

    for (unsigned i = 0; i < DELAY_ROUNDS; i++) {
        delayed = (struct delayed){.future = {.poll = delayed_poll}, .waker = {delayed_due}};
        executor_spawn(of_neighbour, &delayed.task, "delayed", &delayed.future);
        thread_sleep_until(clock_now_ns() + DELAY_AFTER_NS);
        executor_spawn(&bench_executors[PRIORITY_EQUAL].executor, &task, "computes", &computes);
        (void)task_join_wait(&task);
        (void)task_join_wait(&delayed.task);
        bench_sample(delayed.late_ns);
    }
    bench_report(name, "ns");
}

static void bench_tasks(void)
{
    bench_delay("task.delay_same_executor", &bench_executors[PRIORITY_EQUAL].executor);
    bench_delay("task.delay_higher_executor", &bench_executors[PRIORITY_HIGH].executor);
    bench_wakes("task.self_wake", 1);
    bench_wakes("task.pingpong", 2);
    bench_spawn_static("task.spawn", BATCH);
    bench_spawn_static("task.spawn_one", 1);
    bench_spawn_pooled("task.spawn_pooled", BATCH);
    bench_growth();
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
    bench_restless();
    bench_async();
    bench_user_drivers();
}
