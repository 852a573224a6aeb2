/* What a cell has to say. */
#include "kernel/bench_cell.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/kmalloc.h"
#include "kernel/x86_64/clock.h"
#include "lib/histogram.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum { HISTOGRAM_LINE_BYTES = 65536, SERIES_EVENTS = 50 };

enum stage { STAGE_HANDLER, STAGE_DRIVER, STAGE_EVENT, STAGE_CONSUMER, STAGES };
static const char *const stage_names[STAGES] = {"handler", "driver", "event", "consumer"};
static const char *const delta_names[STAGES] = {NULL, "handler_driver", "driver_event", "event_consumer"};

static const char *const preemption_names[] = {
    [PREEMPTION_ANYWHERE] = "anywhere", [PREEMPTION_AT_POINTS] = "at points", [PREEMPTION_NEVER] = "never"};

/* When delivery `i` reached `stage`. The driver was resumed for it the last time before it published. */
static uint64_t stage_at(const struct stream *stream, enum stage stage, uint32_t i, uint32_t *resumed)
{
    const struct delivery *delivery = &stream->deliveries[i];
    uint64_t published = cell_published_at[delivery->place];

    switch (stage) {
    case STAGE_HANDLER:
        return delivery->handled;
    case STAGE_DRIVER:
        while (*resumed + 1 < stream_port(stream)->resumed.count && cell_resumed_at[*resumed + 1] <= published)
            (*resumed)++;
        return cell_resumed_at[*resumed];
    case STAGE_EVENT:
        return published;
    case STAGE_CONSUMER:
    case STAGES:
        break;
    }
    return delivery->consumed;
}

static const struct injection *injection_of(const struct stream *stream, uint32_t i)
{
    return &stream->injections[stream->deliveries[i].event];
}

/* How late the injector was, in ticks: from the moment planned to the injection. */
static uint64_t lateness(const struct injection *injection, uint64_t now_ns, uint64_t now_ticks)
{
    uint64_t hz = clock_tsc_hz(), second = 1000000000;
    uint64_t ago_ns = now_ns - injection->planned_ns, ago = now_ticks - injection->injected;
    uint64_t planned_ago = ago_ns / second * hz + ago_ns % second * hz / second;

    return planned_ago > ago ? planned_ago - ago : 0;
}

/* Leaves a sample for each delivery in cell_samples: from the injection, or from the stage before, to `stage`. */
static void sample_stage(const struct stream *stream, enum stage stage, bool delta)
{
    uint32_t resumed = 0, resumed_before = 0;

    for (uint32_t i = 0; i < stream->consumer.delivered; i++)
        cell_samples[i] = stage_at(stream, stage, i, &resumed) -
                          (delta ? stage_at(stream, stage - 1, i, &resumed_before) : injection_of(stream, i)->injected);
}

/* The same from the moment planned; or, to STAGES, to the injection alone. */
static void sample_planned(const struct stream *stream, enum stage stage)
{
    uint64_t flags = irq_save(), now_ns = clock_now_ns(), now_ticks = clock_ticks();
    uint32_t resumed = 0;

    irq_restore(flags);
    for (uint32_t i = 0; i < stream->consumer.delivered; i++) {
        const struct injection *injection = injection_of(stream, i);

        cell_samples[i] = lateness(injection, now_ns, now_ticks);
        if (stage != STAGES)
            cell_samples[i] += stage_at(stream, stage, i, &resumed) - injection->injected;
    }
}

static void json_samples(struct json *json, const char *key, const struct stream *stream)
{
    bench_json_stats(json, key, cell_samples, stream->consumer.delivered);
}

/* The tail of the injector's interrupt, as the median event saw it; 0 where the clock is not exact enough to tell. */
static uint64_t injector_tail(const struct stream *stream, uint64_t entry)
{
    struct stats stats;

    for (uint32_t i = 0; i < stream->consumer.delivered; i++) {
        uint64_t handler = stream->deliveries[i].handled - injection_of(stream, i)->injected;

        cell_samples[i] = handler > entry ? handler - entry : 0;
    }
    stats_of(cell_samples, stream->consumer.delivered, &stats);
    return stats.p50;
}

static void print_cell(const struct stream *stream)
{
    const struct cell *cell = stream->cell;
    struct stats stats;

    sample_stage(stream, STAGE_EVENT, false);
    stats_of(cell_samples, stream->consumer.delivered, &stats);
    console_print("%-6s %-8s %-12s %-5s  n %u  min %lu  p50 %lu  max %lu ticks to the event (%s)\n",
                  style_name(cell->style), cell->device == DEVICE_MOUSE ? "mouse" : "keyboard", cell->load_text,
                  cell->priority == PRIORITY_HIGH ? "high" : "equal", stream->consumer.delivered,
                  (unsigned long)stats.min, (unsigned long)stats.p50, (unsigned long)stats.max, bench_timebase());
}

/* What the cell is; first in each of its lines. */
static void json_cell(struct json *json, const char *event, const struct cell *cell)
{
    json_string(json, "event", event);
    json_string(json, "timebase", bench_timebase());
    json_string(json, "driver", style_name(cell->style));
    json_string(json, "device", cell->device == DEVICE_MOUSE ? "mouse" : "keyboard");
    json_string(json, "load", cell->load_text);
    json_string(json, "priority", cell->priority == PRIORITY_HIGH ? "high" : "equal");
}

static void json_settings(struct json *json, const struct cell *cell)
{
    const struct cpu *cpu = cpu_this();

    json_string(json, "arrival", cell->arrival_text);
    json_unsigned(json, "period_ns", cell->period_ns);
    json_unsigned(json, "quantum_ns", cpu->quantum_ns);
    json_unsigned(json, "tick_hz", cpu->tick_ns ? 1000000000 / cpu->tick_ns : 0);
    json_string(json, "preemption", preemption_names[cpu->preemption]);
    json_unsigned(json, "seed", cell->seed);
    json_unsigned(json, "ring", PS2_RING_BYTES);
    json_unsigned(json, "handicap", cell->handicap_ticks);
}

/* Each from a counter of its own. */
static void json_account(struct json *json, const struct stream *stream)
{
    json_unsigned(json, "injected", stream->injector.event);
    json_unsigned(json, "delivered", stream->consumer.delivered);
    json_unsigned(json, "dropped", stream->injector.dropped + stream->queue->dropped);
}

static void json_counts(struct json *json, const struct stream *stream, const struct cell_counts *counts)
{
    json_unsigned(json, "dropped_by_port", stream->injector.dropped);
    json_unsigned(json, "dropped_by_queue", stream->queue->dropped);
    json_unsigned(json, "lost", stream->consumer.lost);
    json_unsigned(json, "disordered", stream->consumer.disordered);
    json_unsigned(json, "injector_tail", injector_tail(stream, counts->entry));
    json_unsigned(json, "switches", counts->switches);
    json_unsigned(json, "polls", counts->polls);
    json_unsigned(json, "wakes", stream->injector.wakes);
    json_unsigned(json, "coalesced", stream->injector.coalesced);
    json_unsigned(json, "driver_ns", counts->driver_ns);
    json_unsigned(json, "consumer_ns", counts->consumer_ns);
    json_unsigned(json, "load_done", load_done());
}

static void json_stages(struct json *json, const struct stream *stream)
{
    json_object_begin(json, "stages");
    for (enum stage stage = STAGE_HANDLER; stage < STAGES; stage++) {
        sample_stage(stream, stage, false);
        json_samples(json, stage_names[stage], stream);
    }
    json_object_end(json);
    json_object_begin(json, "deltas");
    for (enum stage stage = STAGE_DRIVER; stage < STAGES; stage++) {
        sample_stage(stream, stage, true);
        json_samples(json, delta_names[stage], stream);
    }
    json_object_end(json);
    json_object_begin(json, "intended");
    for (enum stage stage = STAGE_EVENT; stage < STAGES; stage++) {
        sample_planned(stream, stage);
        json_samples(json, stage_names[stage], stream);
    }
    json_object_end(json);
    sample_planned(stream, STAGES);
    json_samples(json, "injector_late", stream);
}

static void json_memory(struct json *json, const struct driver_memory *memory)
{
    json_object_begin(json, "memory");
    json_unsigned(json, "frame", memory->frame);
    json_unsigned(json, "stack", memory->stack);
    json_unsigned(json, "stack_used", memory->stack_used);
    json_object_end(json);
}

static void send_cell(const struct stream *stream, const struct stream *other, const struct cell_counts *counts)
{
    static char line[2 * CONSOLE_LINE_BYTES];
    struct json json;

    json_begin(&json, line, sizeof(line));
    json_cell(&json, "cell", stream->cell);
    json_settings(&json, stream->cell);
    json_account(&json, stream);
    json_counts(&json, stream, counts);
    json_stages(&json, stream);
    json_memory(&json, &counts->memory);
    if (other) {
        json_object_begin(&json, "other");
        json_account(&json, other);
        json_unsigned(&json, "disordered", other->consumer.disordered);
        json_object_end(&json);
    }
    console_send_json(&json);
}

/* The samples as a histogram whose runs are the events' numbers: bucket, count, bucket, count. */
static void send_histogram(const struct stream *stream, const char *of, const char *name)
{
    static struct histogram histogram;
    static char line[HISTOGRAM_LINE_BYTES];
    struct json json;

    histogram_clear(&histogram);
    for (uint32_t i = 0; i < stream->consumer.delivered; i++)
        histogram_add(&histogram, cell_samples[i], stream->deliveries[i].event);
    json_begin(&json, line, sizeof(line));
    json_cell(&json, "histogram", stream->cell);
    json_string(&json, "of", of);
    json_string(&json, "name", name);
    json_unsigned(&json, "n", histogram.n);
    json_unsigned(&json, "min", histogram.min);
    json_unsigned(&json, "max", histogram.max);
    json_unsigned(&json, "sum", histogram.sum);
    json_unsigned(&json, "worst", histogram.worst);
    json_array_begin(&json, "buckets");
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (!histogram.counts[i])
            continue;
        json_unsigned(&json, NULL, i);
        json_unsigned(&json, NULL, histogram.counts[i]);
    }
    json_array_end(&json);
    console_send_json(&json);
}

static void send_histograms(const struct stream *stream)
{
    for (enum stage stage = STAGE_HANDLER; stage < STAGES; stage++) {
        sample_stage(stream, stage, false);
        send_histogram(stream, "stages", stage_names[stage]);
    }
    for (enum stage stage = STAGE_DRIVER; stage < STAGES; stage++) {
        sample_stage(stream, stage, true);
        send_histogram(stream, "deltas", delta_names[stage]);
    }
    for (enum stage stage = STAGE_EVENT; stage < STAGES; stage++) {
        sample_planned(stream, stage);
        send_histogram(stream, "intended", stage_names[stage]);
    }
}

/* Of each event when it was injected, in ticks since the first was, and how long it took until it was published. */
static void send_series(const struct stream *stream)
{
    static char line[CONSOLE_LINE_BYTES];

    sample_stage(stream, STAGE_EVENT, false);
    for (uint32_t i = 0; i < stream->consumer.delivered;) {
        uint32_t end = i + SERIES_EVENTS;
        struct json json;

        json_begin(&json, line, sizeof(line));
        json_cell(&json, "series", stream->cell);
        json_array_begin(&json, "values");
        for (; i < end && i < stream->consumer.delivered; i++) {
            json_unsigned(&json, NULL, injection_of(stream, i)->injected - stream->injections[0].injected);
            json_unsigned(&json, NULL, cell_samples[i]);
        }
        json_array_end(&json);
        console_send_json(&json);
    }
}

/* What happened, and when each event came to each stage. */
static void send_trace(const struct stream *stream)
{
    uint32_t delivered = stream->consumer.delivered, moments = STAGES + 1;
    uint64_t *at = kzalloc(delivered ? delivered : 1, moments * sizeof(*at));

    if (!at)
        panic("no memory for the trace's events");
    for (uint32_t stage = STAGE_HANDLER; stage <= STAGES; stage++) {
        uint32_t resumed = 0;

        for (uint32_t i = 0; i < delivered; i++)
            at[i * moments + (stage + 1) % moments] = stage == STAGES ? injection_of(stream, i)->injected
                                                                      : stage_at(stream, stage, i, &resumed);
    }
    cell_trace_send(at, delivered, moments);
    kfree(at);
}

void cell_report(const struct stream *stream, const struct stream *other, const struct cell_counts *counts)
{
    print_cell(stream);
    send_cell(stream, other, counts);
    send_histograms(stream);
    if (stream->cell->series)
        send_series(stream);
    if (stream->cell->trace)
        send_trace(stream);
}
