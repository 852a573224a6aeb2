/*
 * The matrix: driver style x device x load x priority, a cell at a time.
 *
 * A cell injects events from the timer interrupt, so that they strike whatever is running, and stamps each at four
 * moments: the interrupt handler's first C code, the driver resumed with the event's last byte, the event published,
 * and a consumer thread returned from event_read() with it. Stages count from the injection. Nothing is printed or
 * computed before the last event has arrived.
 */
#include "kernel/bench.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/kmalloc.h"
#include "kernel/programs.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum {
    THREADS_MAX = 16,
    CELL_THREADS = THREADS_MAX + 2, /* the driver's and the consumer's besides */
    MOUSE_BYTES = 3,
    PERIOD_NS = 1000000,
    BYTE_GAP_NS = 20000,  /* between the bytes of one packet */
    BUSY_RETRY_NS = 5000, /* the handler has not read the previous byte yet */
    GIVE_UP_NS = 2000000000,
    PRIORITY_CONTROL = 30,

    SCAN_CODES = 27, /* scan codes 0x02 to 0x1c, whose KEY_* codes are the same numbers */
    SCAN_CODE_FIRST = 0x02,
    MOTION_SEQUENCE = 127, /* of dx, and again of dy */
};

struct cell {
    enum style style;
    enum device device;
    enum bench_priority priority;
    struct load load;
    const char *load_text;
    uint32_t events;
    uint64_t period_ns;
    uint64_t seed;
};

/* Injects the events of one cell. Timer interrupt only while it runs. */
static struct injector {
    struct waker waker;
    struct timer timer;
    const struct cell *cell;
    uint64_t random;
    uint64_t next_ns;
    uint32_t event;         /* being sent, or next to send */
    uint32_t byte;          /* of that event, next to send */
    uint32_t bytes;         /* sent so far */
    uint32_t dropped_bytes; /* by the port, when last looked at */
    uint32_t dropped;       /* events that lost a byte */
    bool event_dropped;     /* the one being sent has */
} injector;

/* What was seen of each event. Injection by event; the others in the order in which they happened. */
static uint64_t *injected_at;
static uint64_t *resumed_at; /* MOUSE_BYTES for each */
static uint64_t *published_at;

/* The consumer's record of one delivered event. */
static struct delivery {
    uint64_t handled, consumed;
    uint32_t event;
} * deliveries;

static struct consumer {
    struct thread thread;
    const struct cell *cell;
    uint32_t delivered;
    uint32_t missing; /* gaps in the sequence */
} consumer;

static struct thread hogs[THREADS_MAX];
static unsigned hogs_started;

static struct neighbour {
    struct future future;
    struct task task;
    uint64_t duration_ns;
} neighbour;

static atomic_bool stop; /* the loads end */

static uint32_t bytes_per_event(const struct cell *cell)
{
    return cell->device == DEVICE_MOUSE ? MOUSE_BYTES : 1;
}

/* Byte `byte` of event `event`. Every event carries its number, so that a lost, doubled or reordered one is known. */
static uint8_t event_byte(const struct cell *cell, uint32_t event, uint32_t byte)
{
    if (cell->device == DEVICE_KEYBOARD)
        return (uint8_t)(SCAN_CODE_FIRST + event % SCAN_CODES);
    if (byte == 0)
        return 0x08; /* no buttons, both signs positive */
    return (uint8_t)(1 + (byte == 1 ? event : event / MOTION_SEQUENCE) % MOTION_SEQUENCE);
}

/* The number an event carries, as far as it goes before it repeats. */
static uint32_t event_number(const struct cell *cell, const struct input_event *event, uint32_t *modulus)
{
    if (cell->device == DEVICE_KEYBOARD) {
        *modulus = SCAN_CODES;
        return event->code - SCAN_CODE_FIRST;
    }
    *modulus = MOTION_SEQUENCE * MOTION_SEQUENCE;
    return (uint32_t)(event->dx - 1 + (-event->dy - 1) * MOTION_SEQUENCE);
}

/* Half a period to one and a half, uniformly. */
static uint64_t jittered(struct injector *self)
{
    uint64_t period = self->cell->period_ns;

    self->random = bench_random(self->random);
    return period / 2 + self->random % (period + 1);
}

/* Notes whether the port had to drop the byte injected last. */
static void injector_check(struct injector *self)
{
    uint32_t dropped = input.ports[self->cell->device].dropped;

    if (dropped == self->dropped_bytes)
        return;
    self->dropped_bytes = dropped;
    if (!self->event_dropped)
        self->dropped++;
    self->event_dropped = true;
}

/* Sends the next byte, and arms the timer for the one after it first: the injection is the last thing done, and as
 * little as possible of this interrupt is counted as latency. */
static void injector_wake(struct waker *waker)
{
    struct injector *self = container_of(waker, struct injector, waker);
    const struct cell *cell = self->cell;
    uint32_t event = self->event;
    uint8_t byte;

    if (input.ports[cell->device].received != self->bytes) {
        sched_timer_start(&self->timer, clock_now_ns() + BUSY_RETRY_NS, waker);
        return;
    }
    injector_check(self);
    if (event == cell->events)
        return;
    byte = event_byte(cell, event, self->byte);
    if (self->byte == 0)
        self->event_dropped = false;
    self->bytes++;
    if (++self->byte == bytes_per_event(cell)) {
        self->byte = 0;
        self->event++;
        self->next_ns += jittered(self);
        sched_timer_start(&self->timer, self->next_ns, waker);
    } else {
        sched_timer_start(&self->timer, clock_now_ns() + BYTE_GAP_NS, waker);
    }
    bench_inject(cell->device, byte, &injected_at[event]);
}

static void injector_start(const struct cell *cell)
{
    injector = (struct injector){
        .waker = {injector_wake}, .cell = cell, .random = cell->seed * UINT64_C(0x9e3779b97f4a7c15)};
    input.ports[cell->device].received = 0;
    input.ports[cell->device].dropped = 0;
    injector.next_ns = clock_now_ns() + PERIOD_NS;
    sched_timer_start(&injector.timer, injector.next_ns, &injector.waker);
}

/* A separate thread that only waits for events, as an application would. */
static void *consumer_main(void *argument)
{
    struct consumer *self = argument;
    uint32_t next = 0;

    while (self->delivered + self->missing < self->cell->events) {
        struct input_event event;
        struct delivery *delivery = &deliveries[self->delivered];
        uint32_t number, modulus, gap;

        event_read(&input.events, &event);
        delivery->consumed = clock_ticks();
        if (bench_is_end(&event))
            break;
        number = event_number(self->cell, &event, &modulus);
        gap = (number + modulus - next % modulus) % modulus;
        delivery->handled = event.stamp;
        delivery->event = next + gap;
        self->missing += gap;
        self->delivered++;
        next = delivery->event + 1;
    }
    return NULL;
}

/* What a consumer that had all its events did not take: at most the one that would have ended it. */
static void consumer_drain(void)
{
    struct input_event event;

    while (event_try_read(&input.events, &event))
        ;
}

static void *hog_main(void *unused)
{
    uint64_t state = 1;

    (void)unused;
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        state = bench_work(state);
    return NULL;
}

static enum poll neighbour_poll(struct future *future, struct waker *waker)
{
    struct neighbour *self = container_of(future, struct neighbour, future);

    if (atomic_load_explicit(&stop, memory_order_relaxed))
        return POLL_READY;
    bench_compute(self->duration_ns);
    waker_wake(waker);
    return POLL_PENDING;
}

/* A future's neighbours share its executor, whatever that one's priority; beside a thread they run on the normal one.
 */
static enum status load_start(const struct cell *cell)
{
    struct executor_thread *executor = &bench_executors[cell->style == STYLE_ASYNC ? cell->priority : PRIORITY_EQUAL];

    hogs_started = 0;
    while (cell->load.kind == LOAD_THREADS && hogs_started < cell->load.threads) {
        if (thread_start(&hogs[hogs_started], "hog", THREAD_PRIORITY_NORMAL, hog_main, NULL) != STATUS_OK)
            return STATUS_NO_MEMORY;
        hogs_started++;
    }
    if (cell->load.kind == LOAD_TASKS) {
        neighbour = (struct neighbour){.future = {.poll = neighbour_poll}, .duration_ns = cell->load.duration_ns};
        executor_spawn(&executor->executor, &neighbour.task, "neighbour", &neighbour.future);
    }
    return STATUS_OK;
}

static void load_join(const struct cell *cell)
{
    for (unsigned i = 0; i < hogs_started; i++)
        (void)thread_join(&hogs[i]);
    if (cell->load.kind == LOAD_TASKS)
        while (completion_register(&neighbour.task.done, &thread_current()->waker))
            thread_park();
}

static uint64_t polls(void)
{
    return executor_polls(&bench_executors[PRIORITY_EQUAL].executor) +
           executor_polls(&bench_executors[PRIORITY_HIGH].executor);
}

static void probe_start(struct probe *probe, uint64_t *stamps, uint32_t capacity)
{
    *probe = (struct probe){.stamps = stamps, .capacity = capacity};
}

/* From an injection with interrupts on to the handler: what a latency from the timer interrupt has besides its tail. */
static uint64_t measure_entry(enum device device)
{
    uint64_t injected;
    struct ps2_byte byte = {0};

    bench_inject(device, SCAN_CODE_FIRST, &injected);
    (void)ps2_try_read(&input.ports[device], &byte);
    return byte.stamp - injected;
}

/* The samples of one stage, or of the difference between two. */
static uint64_t *samples;

enum stage { STAGE_HANDLER, STAGE_DRIVER, STAGE_EVENT, STAGE_CONSUMER, STAGES };
static const char *const stage_names[STAGES] = {"handler", "driver", "event", "consumer"};
static const char *const delta_names[STAGES] = {NULL, "handler_driver", "driver_event", "event_consumer"};

/* When delivery `i` reached `stage`. The driver was resumed for it the last time before it published. */
static uint64_t stage_at(enum stage stage, uint32_t i, uint32_t *resumed)
{
    switch (stage) {
    case STAGE_HANDLER:
        return deliveries[i].handled;
    case STAGE_DRIVER:
        while (*resumed + 1 < input.ports[injector.cell->device].resumed.count &&
               resumed_at[*resumed + 1] <= published_at[i])
            (*resumed)++;
        return resumed_at[*resumed];
    case STAGE_EVENT:
        return published_at[i];
    case STAGE_CONSUMER:
    case STAGES:
        break;
    }
    return deliveries[i].consumed;
}

static void json_stage(struct json *json, enum stage stage, bool delta)
{
    uint32_t resumed = 0, resumed_before = 0;

    for (uint32_t i = 0; i < consumer.delivered; i++)
        samples[i] = stage_at(stage, i, &resumed) -
                     (delta ? stage_at(stage - 1, i, &resumed_before) : injected_at[deliveries[i].event]);
    bench_json_stats(json, delta ? delta_names[stage] : stage_names[stage], samples, consumer.delivered);
}

/* The tail of the injector's interrupt, as the median event saw it. */
static uint64_t injector_tail(uint64_t entry)
{
    struct stats stats;

    for (uint32_t i = 0; i < consumer.delivered; i++)
        samples[i] = deliveries[i].handled - injected_at[deliveries[i].event] - entry;
    stats_of(samples, consumer.delivered, &stats);
    return stats.p50;
}

static void print_cell(const struct cell *cell)
{
    struct stats stats;

    for (uint32_t i = 0; i < consumer.delivered; i++)
        samples[i] = published_at[i] - injected_at[deliveries[i].event];
    stats_of(samples, consumer.delivered, &stats);
    console_print("%-6s %-8s %-12s %-5s  n %u  min %lu  p50 %lu  max %lu ticks to the event\n", style_name(cell->style),
                  cell->device == DEVICE_MOUSE ? "mouse" : "keyboard", cell->load_text,
                  cell->priority == PRIORITY_HIGH ? "high" : "equal", consumer.delivered, (unsigned long)stats.min,
                  (unsigned long)stats.p50, (unsigned long)stats.max);
}

static void report(const struct cell *cell, uint64_t entry, uint64_t switches, uint64_t polled)
{
    static char line[CONSOLE_LINE_BYTES];
    struct json json;

    print_cell(cell);
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "cell");
    json_string(&json, "driver", style_name(cell->style));
    json_string(&json, "device", cell->device == DEVICE_MOUSE ? "mouse" : "keyboard");
    json_string(&json, "load", cell->load_text);
    json_string(&json, "priority", cell->priority == PRIORITY_HIGH ? "high" : "equal");
    json_string(&json, "arrival", "jitter");
    json_unsigned(&json, "period_ns", cell->period_ns);
    json_unsigned(&json, "quantum_ns", cpu_this()->quantum_ns);
    json_unsigned(&json, "seed", cell->seed);
    json_unsigned(&json, "ring", PS2_RING_BYTES);
    json_unsigned(&json, "injected", injector.event);
    json_unsigned(&json, "delivered", consumer.delivered);
    json_unsigned(&json, "dropped", injector.dropped + input.events.dropped);
    json_unsigned(&json, "injector_tail", injector_tail(entry));
    json_object_begin(&json, "stages");
    for (enum stage stage = STAGE_HANDLER; stage < STAGES; stage++)
        json_stage(&json, stage, false);
    json_object_end(&json);
    json_object_begin(&json, "deltas");
    for (enum stage stage = STAGE_DRIVER; stage < STAGES; stage++)
        json_stage(&json, stage, true);
    json_object_end(&json);
    json_unsigned(&json, "switches", switches);
    json_unsigned(&json, "polls", polled);
    console_send_json(&json);
}

/* Waits until every event is accounted for, or nothing has come for long after the last injection. */
static void wait_for_events(const struct cell *cell)
{
    while (completion_register(&consumer.thread.done, &thread_current()->waker)) {
        uint64_t give_up_ns = injector.next_ns + GIVE_UP_NS;

        if (injector.event == cell->events && clock_now_ns() >= give_up_ns)
            return;
        thread_park_until(give_up_ns);
    }
}

/* Makes sure that the cell's threads find their stacks mapped: what mapping one costs depends on what memory there is,
 * and how the loader left it. */
static enum status stacks_prepare(void)
{
    void *stacks[CELL_THREADS];
    uint64_t flags = irq_save();
    size_t count = 0;

    while (count < CELL_THREADS && (stacks[count] = stack_alloc(THREAD_STACK_BYTES)))
        count++;
    for (size_t i = 0; i < count; i++)
        stack_free(stacks[i], THREAD_STACK_BYTES);
    irq_restore(flags);
    return count == CELL_THREADS ? STATUS_OK : STATUS_NO_MEMORY;
}

static void consumer_end(void)
{
    bench_publish_end();
    (void)thread_join(&consumer.thread);
    consumer_drain();
}

/* From the consumer and the driver at rest to the last event, and back. What was counted until then is left in
 * `switches` and `polled`. */
static enum status cell_observe(const struct cell *cell, uint64_t *switches, uint64_t *polled)
{
    unsigned priority = bench_driver_priority(cell->priority);
    enum status status;

    *switches = cpu_this()->switches;
    *polled = polls();
    if (thread_start(&consumer.thread, "consumer", priority, consumer_main, &consumer) != STATUS_OK)
        return STATUS_NO_MEMORY;
    if (input_driver_start(cell->device, cell->style, priority, &bench_executors[cell->priority]) != STATUS_OK) {
        consumer_end();
        return STATUS_NO_MEMORY;
    }
    injector_start(cell);
    status = load_start(cell);
    if (status == STATUS_OK)
        wait_for_events(cell);

    *switches = cpu_this()->switches - *switches;
    *polled = polls() - *polled;
    atomic_store(&stop, true);
    load_join(cell);
    sched_timer_cancel(&injector.timer);
    injector_check(&injector);
    input_driver_stop(cell->device);
    input.events.event.stamps = NULL;
    consumer_end();
    return status;
}

static enum status cell_run(const struct cell *cell)
{
    uint64_t entry, switches, polled;
    enum status status;

    keyboard_init(&input.keyboard, &input.ports[DEVICE_KEYBOARD], &input.events);
    mouse_init(&input.mouse, &input.ports[DEVICE_MOUSE], &input.events, MOUSE_ID_STANDARD);
    atomic_store(&stop, false);
    input.events.dropped = 0;
    consumer.cell = cell;
    consumer.delivered = 0;
    consumer.missing = 0;
    entry = measure_entry(cell->device);
    if (stacks_prepare() != STATUS_OK)
        return STATUS_NO_MEMORY;

    /* Whatever timers and turns were under way come to rest; from here on a cell depends on nothing before it. */
    thread_sleep_until(clock_now_ns() + BENCH_WAIT_NS);
    probe_start(&input.ports[cell->device].resumed, resumed_at, cell->events * MOUSE_BYTES);
    probe_start(&input.events.event, published_at, cell->events);
    status = cell_observe(cell, &switches, &polled);
    input.events.event.stamps = NULL;
    if (status == STATUS_OK)
        report(cell, entry, switches, polled);
    input.ports[cell->device].resumed.stamps = NULL;
    return status;
}

/*
 * One event a millisecond, unless the driver may have to wait longer for its turn than its ring has room: at equal
 * priority each CPU-bound thread has its quantum first, and half a ring is to be enough.
 */
static uint64_t choose_period(const struct cell *cell)
{
    uint64_t wait_ns = 0;
    uint64_t periods;

    if (cell->priority == PRIORITY_EQUAL && cell->load.kind == LOAD_THREADS)
        wait_ns = cell->load.threads * cpu_this()->quantum_ns;
    periods = (wait_ns * bytes_per_event(cell) / (PS2_RING_BYTES / 2) + PERIOD_NS - 1) / PERIOD_NS;
    return (periods ? periods : 1) * PERIOD_NS;
}

static enum status bench_loads(const struct options *options, struct cell cell)
{
    static const char *const all[] = {"idle", "threads:1", "threads:4", "tasks:100us"};
    const char *const one[] = {options->load_text};
    bool every = options->load.kind == LOAD_ALL;

    for (size_t i = 0; i < (every ? ARRAY_SIZE(all) : 1); i++) {
        cell.load_text = every ? all[i] : one[i];
        if (!load_parse(cell.load_text, &cell.load))
            panic("load %s cannot be parsed", cell.load_text);
        cell.period_ns = options->period_ns ? options->period_ns : choose_period(&cell);
        if (cell_run(&cell) != STATUS_OK)
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static enum status matrix(const struct options *options)
{
    struct cell cell = {.events = (uint32_t)options->events, .seed = options->seed};

    for (cell.device = DEVICE_KEYBOARD; cell.device < DEVICE_ALL; cell.device++)
        for (cell.priority = PRIORITY_EQUAL; cell.priority < PRIORITY_ALL; cell.priority++)
            for (cell.style = STYLE_ASYNC; cell.style < STYLE_ALL; cell.style++)
                if ((options->device == DEVICE_ALL || options->device == cell.device) &&
                    (options->priority == PRIORITY_ALL || options->priority == cell.priority) &&
                    (options->driver == cell.style ||
                     (options->driver == STYLE_ALL && (cell.style != STYLE_USER || programs_exist()))) &&
                    bench_loads(options, cell) != STATUS_OK)
                    return STATUS_NO_MEMORY;
    return STATUS_OK;
}

static void *matrix_main(void *argument)
{
    return (void *)(uintptr_t)matrix(argument);
}

/* Memory to note `events` events in; false if there is not enough. */
static bool records_alloc(size_t events)
{
    injected_at = kzalloc(events, sizeof(*injected_at));
    resumed_at = kzalloc(events, sizeof(*resumed_at) * MOUSE_BYTES);
    published_at = kzalloc(events, sizeof(*published_at));
    deliveries = kzalloc(events, sizeof(*deliveries));
    samples = kzalloc(events, sizeof(*samples));
    return injected_at && resumed_at && published_at && deliveries && samples;
}

static void records_free(void)
{
    kfree(injected_at);
    kfree(resumed_at);
    kfree(published_at);
    kfree(deliveries);
    kfree(samples);
}

/* The matrix runs above everything it measures: a neighbour that computes without end on the high executor would keep
 * it from ever ending the cell. Between events it is parked. */
enum status bench_matrix(const struct options *options)
{
    static struct thread thread;
    static struct options own;
    enum status status = STATUS_NO_MEMORY;

    own = *options;
    if (records_alloc(options->events))
        status = thread_start(&thread, "matrix", PRIORITY_CONTROL, matrix_main, &own);
    if (status == STATUS_OK)
        status = (enum status)(uintptr_t)thread_join(&thread);
    records_free();
    return status;
}
