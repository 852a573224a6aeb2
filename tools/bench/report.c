#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "anchors.h"
#include "guest.h"
#include "plan.h"
#include "util.h"

enum { STYLE_ASYNC, STYLE_THREAD }; /* indices into plan_drivers */

/* With separators: "1,234,567". */
static char *format_number(json_int_t number)
{
    char digits[32];
    char text[48];
    size_t size = (size_t)snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, number);
    size_t end = 0;

    for (size_t i = 0; i < size; i++) {
        if (i > 0 && digits[i - 1] != '-' && (size - i) % 3 == 0)
            text[end++] = ',';
        text[end++] = digits[i];
    }
    return text_format("%.*s", (int)end, text);
}

/* "-" for what the guest left out: a percentile that so few samples do not support, or any figure of none. */
static char *format_member(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);

    return json_is_integer(value) ? format_number(json_integer_value(value)) : text_format("-");
}

static json_t *find_cell(json_t *results, size_t driver, size_t device, size_t load, size_t priority)
{
    return json_array_get(json_object_get(results, "cells"), plan_index(driver, device, load, priority));
}

static json_t *find_stage(json_t *cell, const char *stage)
{
    return json_object_get(json_object_get(cell, "stages"), stage);
}

/* "10 ms" in the largest unit that divides it. */
static char *format_duration(json_int_t ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    size_t unit = 0;
    char *number;
    char *text;

    for (; unit + 1 < ARRAY_SIZE(units) && ns != 0 && ns % 1000 == 0; unit++)
        ns /= 1000;
    number = format_number(ns);
    text = text_format("%s %s", number, units[unit]);
    free(number);
    return text;
}

/* A value of the member `name`, which says by its ending whether it is a time. */
static char *format_value(const char *name, const json_t *value)
{
    size_t size = strlen(name);

    if (json_is_string(value))
        return text_format("%s", json_string_value(value));
    if (size > 3 && !strcmp(name + size - 3, "_ns"))
        return format_duration(json_integer_value(value));
    return format_number(json_integer_value(value));
}

/* All that the cells say for `member`, each once, in the order of its first cell. */
static char *list_values(json_t *results, const char *member)
{
    json_t *seen = json_array();
    char *list = text_format("%s", "");
    size_t index;
    json_t *cell;

    json_array_foreach(json_object_get(results, "cells"), index, cell)
    {
        json_t *value = json_object_get(cell, member);
        size_t i = 0;

        while (i < json_array_size(seen) && !json_equal(json_array_get(seen, i), value))
            i++;
        if (value && i == json_array_size(seen)) {
            char *text = format_value(member, value);
            char *longer = text_format("%s%s%s", list, list[0] ? " or " : "", text);

            free(text);
            free(list);
            list = longer;
            json_array_append(seen, value);
        }
    }
    json_decref(seen);
    return list;
}

static void write_field(const struct page *page, const char *label, char *text)
{
    page_field(page, label, text);
    free(text);
}

/* "-O2" if the guest says its level, else what it says of being optimised at all. */
static char *describe_level(const json_t *build)
{
    const json_t *level = json_object_get(build, "opt");
    const json_t *optimized = json_object_get(build, "optimized");

    if (json_is_integer(level))
        return text_format("-O%d", (int)json_integer_value(level));
    if (json_is_string(level))
        return text_format("%s%s", json_string_value(level)[0] == '-' ? "" : "-O", json_string_value(level));
    if (json_is_boolean(optimized))
        return text_format("%s", json_is_true(optimized) ? "optimised" : "NOT optimised");
    return text_format("unknown level");
}

static char *describe_build(const json_t *build)
{
    const char *compiler = json_string_value(json_object_get(build, "compiler"));
    bool is_gcc = compiler && compiler[0] >= '0' && compiler[0] <= '9'; /* its __VERSION__ is a bare number */
    char *level = describe_level(build);
    char *text = text_format("%s%s, %s; as shipped: asserts, stack protector and frame pointers on",
                             is_gcc ? "gcc " : "", compiler ? compiler : "unknown compiler", level);

    free(level);
    return text;
}

static char *describe_load(json_t *results)
{
    static const char *const members[][2] = {
        {"arrival", "arrival"}, {"period_ns", "period"}, {"quantum_ns", "quantum"}, {"seed", "seed"}, {"ring", "ring"}};
    char *events = format_number(json_integer_value(json_object_get(results, "events")));
    char *text = text_format("%s events a cell, injected from the timer interrupt", events);

    free(events);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        char *values = list_values(results, members[i][0]);
        char *longer = text_format("%s; %s %s", text, members[i][1], values[0] ? values : "not said");

        free(values);
        free(text);
        text = longer;
    }
    return text;
}

static void write_heading(const struct page *page, json_t *results)
{
    page_title(page, "Duet: keyboard and mouse drivers as futures (async) and as threads (thread), side by side");
    page_field(page, "unit",
               "guest instructions: 1 tick = 1 instruction. The length of the path, not time. Less is better");
    write_field(page, "build", describe_build(json_object_get(results, "build")));
    page_field(page, "qemu", json_string_value(json_object_get(results, "qemu")));
    page_field(page, "machine", json_string_value(json_object_get(results, "machine")));
    write_field(page, "load", describe_load(results));
    page_field(page, "priority",
               "of the driver's thread, or of the executor's: equal = that of the load, high = above it");
    page_field(page, "method",
               "the guest writes a byte to the i8042 and stamps the outb; all figures count from there, to the "
               "handler, to the driver's code, to the event it published, to the thread that consumes it");
    if (json_is_true(json_object_get(results, "quick")))
        page_field(page, "quick", "a short run: use it to see that things work, not to compare");
}

static void add_three(struct table *table, const json_t *stage)
{
    table_add(table, format_member(stage, "p50"));
    table_add(table, format_member(stage, "p99"));
    table_add(table, format_member(stage, "max"));
}

/* How many rows each style wins. */
struct score {
    unsigned async, thread, same;
};

static void add_verdict(struct table *table, const json_t *async, const json_t *thread, struct score *score)
{
    json_int_t one = json_integer_value(json_object_get(async, "p50"));
    json_int_t other = json_integer_value(json_object_get(thread, "p50"));
    json_int_t hundredths;

    if (one <= 0 || other <= 0) {
        table_add(table, text_format("-"));
        table_add(table, text_format("-"));
        return;
    }
    hundredths = (one * 100 + other / 2) / other;
    table_add(table, text_format("%" JSON_INTEGER_FORMAT ".%02d", hundredths / 100, (int)(hundredths % 100)));
    table_add(table, text_format("%s", hundredths < 100 ? "async" : hundredths > 100 ? "thread" : "same"));
    score->async += hundredths < 100;
    score->thread += hundredths > 100;
    score->same += hundredths == 100;
}

static void write_events(const struct page *page, json_t *results, size_t device, struct score *score)
{
    static const struct column columns[] = {
        {NULL, "load", true},        {NULL, "prio", true},     {"async", "p50", false}, {NULL, "p99", false},
        {NULL, "max", false},        {"thread", "p50", false}, {NULL, "p99", false},    {NULL, "max", false},
        {"", "async/thread", false}, {NULL, "shorter", true},
    };
    struct table table = table_new(columns, ARRAY_SIZE(columns));
    char *title = text_format("%s: from the outb to the published event", plan_devices[device]);

    for (size_t i = 0; i < PLAN_LOADS * PLAN_PRIORITIES; i++) {
        size_t load = i / PLAN_PRIORITIES;
        size_t priority = i % PLAN_PRIORITIES;
        json_t *async = find_stage(find_cell(results, STYLE_ASYNC, device, load, priority), "event");
        json_t *thread = find_stage(find_cell(results, STYLE_THREAD, device, load, priority), "event");

        table_add(&table, text_format("%s", plan_loads[load]));
        table_add(&table, text_format("%s", plan_priorities[priority]));
        add_three(&table, async);
        add_three(&table, thread);
        add_verdict(&table, async, thread, score);
    }
    page_section(page, title);
    page_table(page, &table);
    table_free(&table);
    free(title);
}

static void write_stages(const struct page *page, json_t *results, size_t device)
{
    static const struct column columns[] = {
        {NULL, "load", true},   {NULL, "prio", true},      {"async", "handler", false},  {NULL, "driver", false},
        {NULL, "event", false}, {NULL, "consumer", false}, {"thread", "handler", false}, {NULL, "driver", false},
        {NULL, "event", false}, {NULL, "consumer", false},
    };
    struct table table = table_new(columns, ARRAY_SIZE(columns));
    char *title = text_format("%s: medians of every stage, cumulative from the outb", plan_devices[device]);

    for (size_t i = 0; i < PLAN_LOADS * PLAN_PRIORITIES; i++) {
        size_t load = i / PLAN_PRIORITIES;
        size_t priority = i % PLAN_PRIORITIES;

        table_add(&table, text_format("%s", plan_loads[load]));
        table_add(&table, text_format("%s", plan_priorities[priority]));
        for (size_t driver = 0; driver < PLAN_DRIVERS; driver++) {
            json_t *cell = find_cell(results, driver, device, load, priority);

            for (size_t stage = 0; stage < GUEST_STAGES; stage++)
                table_add(&table, format_member(find_stage(cell, guest_stages[stage]), "p50"));
        }
    }
    page_section(page, title);
    page_table(page, &table);
    table_free(&table);
    free(title);
}

static void write_drops(const struct page *page, json_t *results)
{
    char *list = text_format("%s", "");
    size_t index;
    json_t *cell;

    json_array_foreach(json_object_get(results, "cells"), index, cell)
    {
        json_int_t dropped = json_integer_value(json_object_get(cell, "dropped"));
        char *longer;

        if (dropped == 0)
            continue;
        longer = text_format("%s%s%s %s %s %s %" JSON_INTEGER_FORMAT, list, list[0] ? ", " : "",
                             json_string_value(json_object_get(cell, "driver")),
                             json_string_value(json_object_get(cell, "device")),
                             json_string_value(json_object_get(cell, "load")),
                             json_string_value(json_object_get(cell, "priority")), dropped);
        free(list);
        list = longer;
    }
    page_field(page, "dropped", list[0] ? list : "no event in any cell");
    free(list);
}

static void write_summary(const struct page *page, json_t *results, const struct score *score)
{
    char *tail = list_values(results, "injector_tail");
    const json_t *grub = json_object_get(results, "grub");

    page_section(page, "Reading this");
    write_field(page, "shorter",
                text_format("by its median to the event: async in %u rows, thread in %u, the same within 0.5 %% in %u",
                            score->async, score->thread, score->same));
    write_drops(page, results);
    write_field(page, "tail",
                text_format("every figure contains the injector's own way out of its timer "
                            "interrupt, from the outb to its iretq: %s",
                            tail));
    write_field(page, "grub",
                text_format("the cell '%s', booted from the ISO through GRUB: %s",
                            json_string_value(json_object_get(grub, "cell")),
                            json_is_true(json_object_get(grub, "identical")) ? "identical" : "DIFFERENT"));
    page_field(page, "-", "a percentile that so few samples do not support (p90 needs 100, p99 1,000)");
    free(tail);
}

/* "thread.yield", or "task.bytes (bytes)" if its unit is not the page's. */
static char *name_micro(const json_t *figure)
{
    const char *unit = json_string_value(json_object_get(figure, "unit"));
    const char *name = json_string_value(json_object_get(figure, "name"));

    if (!unit || !strcmp(unit, "instructions"))
        return text_format("%s", name);
    return text_format("%s (%s)", name, unit);
}

/* The figure's twin, measured with irqoff=on; NULL if there is none. */
static const json_t *find_irqoff(const json_t *results, const char *name)
{
    char *twin = text_format("%s_irqoff", name);
    const json_t *found = NULL;
    size_t index;
    json_t *figure;

    json_array_foreach(json_object_get(results, "micro"), index, figure)
    {
        if (!strcmp(json_string_value(json_object_get(figure, "name")), twin))
            found = figure;
    }
    free(twin);
    return found;
}

static bool is_irqoff(const char *name)
{
    const char *end = strrchr(name, '_');

    return end && !strcmp(end, "_irqoff");
}

/* Whose code the longest stretches are. */
static void write_stretches(const struct page *page, const json_t *results)
{
    size_t index;
    json_t *figure;

    json_array_foreach(json_object_get(results, "micro"), index, figure)
    {
        const char *begin = json_string_value(json_object_get(figure, "begin"));
        const char *end = json_string_value(json_object_get(figure, "end"));
        const char *load = json_string_value(json_object_get(figure, "load"));

        if (begin && end && load)
            write_field(page, json_string_value(json_object_get(figure, "name")),
                        text_format("under %s, from %s to %s", load, begin, end));
    }
}

static void write_micro(const struct page *page, json_t *results, enum anchor_group group, const char *title)
{
    const char *const *names = group == ANCHOR_EXECUTORS ? anchor_executors : anchor_kernels;
    size_t peers = names[ANCHOR_PEERS - 1] ? ANCHOR_PEERS : ANCHOR_PEERS - 1;
    size_t own = group == ANCHOR_THREADS ? 6 : 5;
    struct column columns[6 + ANCHOR_PEERS] = {{NULL, "figure", true}, {NULL, "n", false},
                                               {"Duet", "p50", false}, {NULL, "p99", false},
                                               {NULL, "max", false},   {NULL, "irqoff=on", false}};
    struct table table = table_new(columns, own + peers);
    size_t index;
    json_t *figure;

    for (size_t i = 0; i < peers; i++)
        columns[own + i] = (struct column){i == 0 ? "" : NULL, names[i], false};
    json_array_foreach(json_object_get(results, "micro"), index, figure)
    {
        const char *name = json_string_value(json_object_get(figure, "name"));

        if (anchor_group(name) != group || is_irqoff(name))
            continue;
        table_add(&table, name_micro(figure));
        table_add(&table, format_member(figure, "n"));
        add_three(&table, figure);
        if (group == ANCHOR_THREADS)
            table_add(&table, format_member(find_irqoff(results, name), "p50"));
        for (size_t i = 0; i < peers; i++)
            table_add(&table, text_format("%s", anchor_find(name)[i]));
    }
    if (table.count) {
        page_section(page, title);
        page_table(page, &table);
    }
    table_free(&table);
}

static void write_thread_metric(const struct page *page, json_t *results)
{
    const struct column columns[] = {
        {NULL, "test", true},
        {"Duet", "per 10 s", false},
        {NULL, "each", false},
        {"", "rounds", false},
        {NULL, "ticks", false},
        {"", anchor_thread_metric[0], false},
        {NULL, anchor_thread_metric[1], false},
    };
    static const char *const figures[] = {"per_10s", "each_ns", "rounds", "elapsed_ns"};
    struct table table = table_new(columns, ARRAY_SIZE(columns));
    size_t index;
    json_t *test;

    json_array_foreach(json_object_get(results, "thread_metric"), index, test)
    {
        const char *name = json_string_value(json_object_get(test, "name"));

        table_add(&table, text_format("%s", name));
        for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
            table_add(&table, format_member(test, figures[i]));
        table_add(&table, text_format("%s", anchor_find(name)[0]));
        table_add(&table, text_format("%s", anchor_find(name)[1]));
    }
    page_section(page, "Thread-Metric: rounds in 10 virtual seconds (10^10 ticks), scaled; here more is better");
    page_table(page, &table);
    page_paragraph(page,
                   "rounds, ticks: what was counted, in how long. each: ticks a round. * Measured elsewhere: "
                   "qemu_x86 under icount at 32 ns an instruction, asserts off / as shipped, from 30 s to 10 s and "
                   "to 1 ns an instruction; its interrupt is an instruction, with no controller to go through.");
    table_free(&table);
}

static void write_peers(const struct page *page)
{
    page_paragraph(
        page,
        "* Medians. Kernels were measured on this same virtual machine, in the same unit, gcc 12.2 -O2: LK bd45103b, "
        "debug off (with SMP code / without, its best case); NuttX 4ebc8a72 (asserts on / off); Linux 6.1.192 as "
        "Debian ships it, user space as SCHED_FIFO, keys and mouse from a blocked read() (console's own keyboard "
        "handler bypassed / as shipped). LK's consumer gets the raw byte, undecoded: key.*_byte. Executors ran "
        "natively, counted by callgrind: embassy 0.10, blog_os post 12, tokio 1.24, C++20 coroutines, whose "
        "resumption no interrupt may ask for. docs/benchmark.md says more.");
}

void report_write(const struct page *page, json_t *results)
{
    struct score score = {0};

    write_heading(page, results);
    for (size_t device = 0; device < PLAN_DEVICES; device++)
        write_events(page, results, device, &score);
    for (size_t device = 0; device < PLAN_DEVICES; device++)
        write_stages(page, results, device);
    write_summary(page, results, &score);
    write_micro(page, results, ANCHOR_THREADS, "Threads, beside other kernels");
    write_stretches(page, results);
    write_micro(page, results, ANCHOR_KERNEL, "Other single operations, beside other kernels");
    write_micro(page, results, ANCHOR_EXECUTORS, "Futures, beside other executors");
    write_peers(page);
    write_thread_metric(page, results);
}
