/*
 * A cell with its trace: trace=on. What was recorded is sent once the cell has ended, for tools/lab/trace.py; so is
 * when each event came to each stage, by the stamps that the cell's figures are made of. All in ticks since the trace
 * began.
 */
#include "kernel/bench_cell.h"
#include "kernel/console.h"
#include "kernel/kmalloc.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/trace.h"
#include "thread/thread.h"

enum { RECORDS = 1 << 17, RECORDS_A_LINE = 25, EVENTS_A_LINE = 15, NAMES = 48 };

static struct trace recorded;
static uint64_t began_ticks;
static struct {
    const struct thread *thread;
    char name[THREAD_NAME_BYTES];
} names[NAMES];
static size_t names_count;

void cell_trace_names(void)
{
    list_for_each (node, &thread_all) {
        const struct thread *thread = container_of(node, struct thread, all);
        size_t i = 0;

        while (i < names_count && names[i].thread != thread)
            i++;
        if (i == NAMES)
            continue;
        names[i].thread = thread;
        memcpy(names[i].name, thread->name, THREAD_NAME_BYTES);
        names_count = i == names_count ? i + 1 : names_count;
    }
}

enum status cell_trace_begin(void)
{
    recorded = (struct trace){kzalloc(RECORDS, sizeof(struct trace_record)), RECORDS - 1, 0};
    if (!recorded.records)
        return STATUS_NO_MEMORY;
    names_count = 0;
    cell_trace_names();
    began_ticks = clock_ticks();
    trace = recorded;
    trace_note(TRACE_SWITCH, (uintptr_t)thread_current());
    return STATUS_OK;
}

static void send_names(void)
{
    for (size_t i = 0; i < names_count; i++) {
        char line[160];
        struct json json;

        json_begin(&json, line, sizeof(line));
        json_string(&json, "event", "trace_thread");
        json_unsigned(&json, "id", (uintptr_t)names[i].thread);
        json_string(&json, "name", names[i].name);
        console_send_json(&json);
    }
}

void cell_trace_end(void)
{
    recorded = trace;
    trace.records = NULL;
}

static void json_record(struct json *json, const struct trace_record *record)
{
    json_unsigned(json, NULL, record->ticks - began_ticks);
    json_unsigned(json, NULL, record->kind);
    json_unsigned(json, NULL, record->who);
}

static void send_records(void)
{
    static char line[CONSOLE_LINE_BYTES];
    uint64_t i = recorded.count > RECORDS ? recorded.count - RECORDS : 0;

    while (i < recorded.count) {
        uint64_t end = i + RECORDS_A_LINE;
        struct json json;

        json_begin(&json, line, sizeof(line));
        json_string(&json, "event", "trace");
        json_unsigned(&json, "first", i);
        json_array_begin(&json, "values");
        for (; i < end && i < recorded.count; i++)
            json_record(&json, &recorded.records[i & recorded.mask]);
        json_array_end(&json);
        console_send_json(&json);
    }
}

/* `at` has `stages` moments of each event: the injection and the stages. */
static void send_events(const uint64_t *at, uint32_t events, uint32_t stages)
{
    static char line[CONSOLE_LINE_BYTES];

    for (uint32_t i = 0; i < events;) {
        uint32_t end = i + EVENTS_A_LINE;
        struct json json;

        json_begin(&json, line, sizeof(line));
        json_string(&json, "event", "trace_event");
        json_array_begin(&json, "values");
        for (; i < end && i < events; i++)
            for (uint32_t stage = 0; stage < stages; stage++)
                json_unsigned(&json, NULL, at[i * stages + stage] - began_ticks);
        json_array_end(&json);
        console_send_json(&json);
    }
}

void cell_trace_send(const uint64_t *at, uint32_t events, uint32_t stages)
{
    send_names();
    send_records();
    send_events(at, events, stages);
    kfree(recorded.records);
}
