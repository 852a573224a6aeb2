/*
 * The matrix: driver style x device x load x priority, a cell at a time.
 *
 * A cell injects events from the timer interrupt, so that they strike whatever is running, and stamps each at four
 * moments: the interrupt handler's first C code, the driver resumed with the event's last byte, the event published,
 * and a consumer thread returned from event_read() with it. Stages count from the injection. Nothing is printed or
 * computed before the last event has arrived.
 */
#include "kernel/bench_cell.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/kmalloc.h"
#include "kernel/programs.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum {
    PERIOD_NS = 1000000,
    PATIENCE_NS = 500000000,
    REST_NS = 20000000, /* what is left once the load has ended comes soon */
    PRIORITY_CONTROL = 30,
};

/* The one that is measured, and with load=both the other device's. */
static struct stream streams[2];
static struct event_queue other_events;

uint64_t *cell_resumed_at, *cell_published_at, *cell_samples;

static uint64_t polls(void)
{
    return executor_polls(&bench_executors[PRIORITY_EQUAL].executor) +
           executor_polls(&bench_executors[PRIORITY_HIGH].executor);
}

/* From an injection with interrupts on to the handler: what a latency from the timer interrupt has besides its tail. */
static uint64_t measure_entry(enum device device)
{
    uint64_t injected;
    struct ps2_byte byte = {0};

    bench_inject(device, cell_event_byte(device, 0, 0), &injected);
    (void)ps2_try_read(&input.ports[device], &byte);
    return byte.stamp - injected;
}

/* Makes sure that the cell's threads find their stacks mapped: what mapping one costs depends on what memory there is,
 * and how the loader left it. */
static enum status stacks_prepare(void)
{
    void *stacks[CELL_THREADS_MAX];
    uint64_t flags = irq_save();
    size_t count = 0;

    while (count < CELL_THREADS_MAX && (stacks[count] = stack_alloc(THREAD_STACK_BYTES)))
        count++;
    for (size_t i = 0; i < count; i++)
        stack_free(stacks[i], THREAD_STACK_BYTES);
    irq_restore(flags);
    return count == CELL_THREADS_MAX ? STATUS_OK : STATUS_NO_MEMORY;
}

/* How long nothing may come before the rest is given up. */
static uint64_t patience(const struct cell *cell)
{
    return PATIENCE_NS + 2 * cell->load.count * (cell->load.kind == LOAD_THREADS) * cpu_this()->quantum_ns;
}

/* Consumer and driver at rest. */
static enum status stream_begin(struct stream *stream)
{
    const struct cell *cell = stream->cell;
    unsigned priority = bench_driver_priority(cell->priority);

    if (stream_consume(stream, priority) != STATUS_OK)
        return STATUS_NO_MEMORY;
    if (input_driver_start(stream->device, cell->style, priority, &bench_executors[cell->priority]) == STATUS_OK)
        return STATUS_OK;
    stream_end(stream);
    return STATUS_NO_MEMORY;
}

static void stream_finish(struct stream *stream)
{
    stream_stop(stream);
    input_driver_stop(stream->device);
}

/* The thread that a driver runs on: its own, or the executor's. */
static uint64_t driver_run_ns(const struct cell *cell)
{
    const struct thread *own = input_driver_thread(cell->device);

    if (cell->style == STYLE_ISR)
        return 0;
    return thread_run_ns(own ? own : &bench_executors[cell->priority].thread);
}

/* From the consumers and the drivers at rest to the last event. What was counted is left in *counts. */
static enum status observe(const struct cell *cell, size_t count, struct cell_counts *counts)
{
    enum status status;

    counts->switches = cpu_this()->switches;
    counts->polls = polls();
    counts->driver_ns = driver_run_ns(cell);
    counts->consumer_ns = thread_run_ns(&streams[0].consumer.thread);
    for (size_t i = 0; i < count; i++)
        stream_inject(&streams[i], &thread_current()->waker);
    status = load_begin(cell);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        stream_wait(&streams[i], patience(cell));
    counts->switches = cpu_this()->switches - counts->switches;
    counts->polls = polls() - counts->polls;
    counts->driver_ns = driver_run_ns(cell) - counts->driver_ns;
    counts->consumer_ns = thread_run_ns(&streams[0].consumer.thread) - counts->consumer_ns;
    if (cell->trace)
        cell_trace_names();
    load_end();
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        stream_wait(&streams[i], REST_NS);
    input_driver_memory(cell->device, &counts->memory);
    return status;
}

static void probe_start(struct probe *probe, uint64_t *stamps, uint32_t capacity, uint32_t handicap)
{
    *probe = (struct probe){.stamps = stamps, .capacity = capacity, .handicap = handicap};
}

static void probes_stop(const struct cell *cell)
{
    input.events.event.stamps = NULL;
    input.ports[cell->device].resumed = (struct probe){.count = input.ports[cell->device].resumed.count};
}

static enum status streams_run(const struct cell *cell, size_t count, struct cell_counts *counts)
{
    enum status status = STATUS_OK;
    size_t begun = 0;

    while (begun < count && (status = stream_begin(&streams[begun])) == STATUS_OK)
        begun++;
    if (status == STATUS_OK && cell->trace)
        status = cell_trace_begin();
    if (status == STATUS_OK)
        status = observe(cell, count, counts);
    if (cell->trace)
        cell_trace_end();
    for (size_t i = 0; i < begun; i++)
        stream_finish(&streams[i]);
    probes_stop(cell);
    for (size_t i = 0; i < begun; i++)
        stream_end(&streams[i]);
    return status;
}

static void streams_prepare(const struct cell *cell)
{
    enum device other = cell->device == DEVICE_MOUSE ? DEVICE_KEYBOARD : DEVICE_MOUSE;
    struct event_queue *keys = &input.events, *motions = &input.events;

    streams[0].cell = streams[1].cell = cell;
    streams[0].device = cell->device;
    streams[1].device = other;
    streams[0].queue = &input.events;
    streams[1].queue = &other_events;
    if (cell->load.kind == LOAD_BOTH && cell->device == DEVICE_KEYBOARD)
        motions = &other_events;
    else if (cell->load.kind == LOAD_BOTH)
        keys = &other_events;
    keyboard_init(&input.keyboard, &input.ports[DEVICE_KEYBOARD], keys);
    mouse_init(&input.mouse, &input.ports[DEVICE_MOUSE], motions, MOUSE_ID_STANDARD);
    input.events.dropped = other_events.dropped = 0;
}

static enum status cell_run(const struct cell *cell)
{
    struct cell_counts counts = {.entry = measure_entry(cell->device)};
    size_t count = cell->load.kind == LOAD_BOTH ? 2 : 1;
    enum status status;

    streams_prepare(cell);
    for (size_t i = 0; i < count; i++)
        for (uint32_t event = 0; event < cell->events; event++)
            streams[i].injections[event] = (struct injection){.dropped = false};
    if (stacks_prepare() != STATUS_OK)
        return STATUS_NO_MEMORY;

    /* Whatever timers and turns were under way come to rest; from here on a cell depends on nothing before it. */
    thread_sleep_until(clock_now_ns() + BENCH_WAIT_NS);
    probe_start(&input.ports[cell->device].resumed, cell_resumed_at, cell->events * CELL_MOUSE_BYTES,
                cell->handicap_ticks);
    probe_start(&input.events.event, cell_published_at, cell->events, 0);
    status = streams_run(cell, count, &counts);
    if (status == STATUS_OK)
        cell_report(&streams[0], count > 1 ? &streams[1] : NULL, &counts);
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

    if (cell->priority == PRIORITY_EQUAL && cell->load.kind == LOAD_THREADS && cell->load.priority == LOAD_EQUAL)
        wait_ns = cell->load.count * cpu_this()->quantum_ns;
    periods = (wait_ns * cell_event_bytes(cell->device) / (PS2_RING_BYTES / 2) + PERIOD_NS - 1) / PERIOD_NS;
    return (periods ? periods : 1) * PERIOD_NS;
}

static enum status bench_loads(const struct options *options, struct cell cell)
{
    static const char *const all[] = {"idle", "threads:1", "threads:4", "tasks:100us"};
    const char *const one[] = {options->load_text};
    bool every = options->load.kind == LOAD_ALL;

    for (size_t i = 0; i < (every ? ARRAY_SIZE(all) : 1); i++) {
        enum status status;

        cell.load_text = every ? all[i] : one[i];
        if (!load_parse(cell.load_text, &cell.load))
            panic("load %s cannot be parsed", cell.load_text);
        if (cell.style == STYLE_USER && cell.load.kind == LOAD_BOTH) {
            console_print("bench: two drivers in ring 3 publish to one queue: load=both is not measured\n");
            continue;
        }
        cell.period_ns = options->period_ns ? options->period_ns : choose_period(&cell);
        status = cell_run(&cell);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static bool chosen(const struct options *options, const struct cell *cell)
{
    return (options->device == DEVICE_ALL || options->device == cell->device) &&
           (options->priority == PRIORITY_ALL || options->priority == cell->priority) &&
           (options->driver == cell->style ||
            (options->driver == STYLE_ALL && (cell->style != STYLE_USER || programs_exist())));
}

static enum status matrix(const struct options *options)
{
    struct cell cell = {.events = (uint32_t)options->events,
                        .seed = options->seed,
                        .series = options->series,
                        .trace = options->trace,
                        .arrival = options->arrival,
                        .arrival_text = options->arrival_text};
    enum status status = STATUS_OK;

    for (cell.device = DEVICE_KEYBOARD; cell.device < DEVICE_ALL; cell.device++)
        for (cell.priority = PRIORITY_EQUAL; cell.priority < PRIORITY_ALL; cell.priority++)
            for (cell.style = STYLE_ASYNC; cell.style < STYLE_ALL && status == STATUS_OK; cell.style++) {
                cell.handicap_ticks = options->handicapped == cell.style ? options->handicap_ticks : 0;
                if (chosen(options, &cell))
                    status = bench_loads(options, cell);
            }
    return status;
}

static void *matrix_main(void *argument)
{
    return (void *)(uintptr_t)matrix(argument);
}

/* Memory to note `events` events in; false if there is not enough. */
static bool records_alloc(size_t events, bool both)
{
    streams[0].injections = kzalloc(events, sizeof(*streams[0].injections));
    streams[0].deliveries = kzalloc(events, sizeof(*streams[0].deliveries));
    cell_resumed_at = kzalloc(events, sizeof(*cell_resumed_at) * CELL_MOUSE_BYTES);
    cell_published_at = kzalloc(events, sizeof(*cell_published_at));
    cell_samples = kzalloc(events, sizeof(*cell_samples));
    streams[1].injections = both ? kzalloc(events, sizeof(*streams[1].injections)) : NULL;
    return streams[0].injections && streams[0].deliveries && cell_resumed_at && cell_published_at && cell_samples &&
           (!both || streams[1].injections);
}

static void records_free(void)
{
    kfree(streams[0].injections);
    kfree(streams[0].deliveries);
    kfree(cell_resumed_at);
    kfree(cell_published_at);
    kfree(cell_samples);
    kfree(streams[1].injections);
}

/* The matrix runs above everything it measures: a neighbour that computes without end on the high executor would keep
 * it from ever ending the cell. Between events it is parked. */
enum status bench_matrix(const struct options *options)
{
    static struct thread thread;
    static struct options own;
    enum status status = STATUS_NO_MEMORY;

    own = *options;
    if (records_alloc(options->events, options->load.kind == LOAD_BOTH))
        status = thread_start(&thread, "matrix", PRIORITY_CONTROL, matrix_main, &own);
    if (status == STATUS_OK)
        status = (enum status)(uintptr_t)thread_join(&thread);
    records_free();
    return status;
}
