/* The table of command-line words. */
#include "kernel/options.h"

#include "kernel/console.h"
#include "kernel/panic.h"
#include "kernel/x86_64/fw_cfg.h"
#include "lib/mem.h"
#include "thread/sched.h"

static bool load_valid(const char *text)
{
    struct load load;

    return string_equal(text, "all") || load_parse(text, &load);
}

static bool arrival_valid(const char *text)
{
    struct arrival arrival;

    return arrival_parse(text, &arrival);
}

/* Reads none, or a driver's style, a colon and a number of ticks. */
static bool handicap_parse(const char *text, enum style *style, uint32_t *ticks)
{
    static const char *const names[STYLE_ALL] = {"async:", "thread:", "user:", "isr:", "poll:"};
    unsigned number;

    *style = STYLE_ALL;
    *ticks = 0;
    for (enum style i = STYLE_ASYNC; i < STYLE_ALL; i++) {
        if (!string_starts(text, names[i]))
            continue;
        if (!workload_number(text + string_length(names[i]), 1000000, &number))
            return false;
        *style = i;
        *ticks = number;
        return true;
    }
    return string_equal(text, "none");
}

static bool handicap_valid(const char *text)
{
    enum style style;
    uint32_t ticks;

    return handicap_parse(text, &style, &ticks);
}

#define CHOICES(...)      \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

enum option_index {
    OPTION_MODE,
    OPTION_KEYBOARD,
    OPTION_MOUSE,
    OPTION_DRIVER,
    OPTION_DEVICE,
    OPTION_LOAD,
    OPTION_ARRIVAL,
    OPTION_HANDICAP,
    OPTION_PRIORITY,
    OPTION_SUITE,
    OPTION_EVENTS,
    OPTION_PERIOD,
    OPTION_QUANTUM,
    OPTION_SPAN,
    OPTION_SEED,
    OPTION_MINUTES,
    OPTION_SERIES,
    OPTION_TRACE,
    OPTION_TM,
    OPTION_TEST,
    OPTION_INHERITANCE,
    OPTION_INSIGHT,
    OPTION_IRQ,
    OPTION_IRQOFF,
    OPTION_LOG,
    OPTION_HEAP,
    OPTION_PREEMPT,
    OPTION_KPREEMPT,
    OPTION_TICK,
    OPTION_INT80,
    OPTIONS
};

static const struct option table[OPTIONS] = {
    [OPTION_MODE] = {.key = "mode",
                     .kind = OPTION_CHOICE,
                     .choices = CHOICES("demo", "echo", "bench", "test", "shell", "soak")},
    [OPTION_KEYBOARD] = {.key = "keyboard",
                         .kind = OPTION_CHOICE,
                         .choices = CHOICES("async", "thread", "user", "isr", "poll")},
    [OPTION_MOUSE] = {.key = "mouse",
                      .kind = OPTION_CHOICE,
                      .choices = CHOICES("async", "thread", "user", "isr", "poll")},
    [OPTION_DRIVER] = {.key = "driver",
                       .kind = OPTION_CHOICE,
                       .choices = CHOICES("async", "thread", "user", "isr", "poll", "all")},
    [OPTION_DEVICE] = {.key = "device", .kind = OPTION_CHOICE, .choices = CHOICES("keyboard", "mouse", "all")},
    [OPTION_LOAD] = {.key = "load", .kind = OPTION_TEXT, .valid = WORKLOAD_LOADS ", or all", .check = load_valid},
    [OPTION_ARRIVAL] = {.key = "arrival", .kind = OPTION_TEXT, .valid = WORKLOAD_ARRIVALS, .check = arrival_valid},
    [OPTION_HANDICAP] = {.key = "handicap",
                         .kind = OPTION_TEXT,
                         .valid = "none, or async:1 to async:1000000, likewise thread, user, isr and poll",
                         .check = handicap_valid},
    [OPTION_PRIORITY] = {.key = "priority", .kind = OPTION_CHOICE, .choices = CHOICES("equal", "high", "all")},
    [OPTION_SUITE] = {.key = "suite",
                      .kind = OPTION_CHOICE,
                      .choices = CHOICES("matrix", "micro", "threads", "thread-metric", "all")},
    [OPTION_EVENTS] =
        {.key = "events", .kind = OPTION_NUMBER, .minimum = 1, .maximum = 20000, .valid = "a number from 1 to 20000"},
    [OPTION_PERIOD] = {.key = "period",
                       .kind = OPTION_DURATION,
                       .minimum = 0,
                       .maximum = 1000000000,
                       .valid = "a duration up to 1s, such as 1ms; 0 chooses"},
    [OPTION_QUANTUM] = {.key = "quantum",
                        .kind = OPTION_DURATION,
                        .minimum = 100000,
                        .maximum = 1000000000,
                        .valid = "a duration from 100us to 1s, such as 10ms"},
    [OPTION_SPAN] = {.key = "span",
                     .kind = OPTION_DURATION,
                     .minimum = 100000000,
                     .maximum = 100000000000,
                     .valid = "a duration from 100ms to 100s, such as 10s"},
    [OPTION_SEED] =
        {.key = "seed", .kind = OPTION_NUMBER, .minimum = 1, .maximum = UINT64_MAX, .valid = "a number from 1 on"},
    [OPTION_MINUTES] =
        {.key = "minutes", .kind = OPTION_NUMBER, .minimum = 1, .maximum = 10000, .valid = "a number from 1 to 10000"},
    [OPTION_SERIES] = {.key = "series", .kind = OPTION_CHOICE, .choices = CHOICES("off", "on")},
    [OPTION_TRACE] = {.key = "trace", .kind = OPTION_CHOICE, .choices = CHOICES("off", "on")},
    [OPTION_TM] = {.key = "tm",
                   .kind = OPTION_DURATION,
                   .minimum = 1000000,
                   .maximum = 30000000000,
                   .valid = "a duration from 1ms to 30s, such as 100ms"},
    [OPTION_TEST] = {.key = "test",
                     .kind = OPTION_TEXT,
                     .valid = "all, list, the name of a test, or its beginning and *"},
    [OPTION_INHERITANCE] = {.key = "pi", .kind = OPTION_CHOICE, .choices = CHOICES("on", "off")},
    [OPTION_INSIGHT] = {.key = "insight", .kind = OPTION_CHOICE, .choices = CHOICES("off", "on")},
    [OPTION_IRQ] = {.key = "irq", .kind = OPTION_CHOICE, .choices = CHOICES("pic", "apic")},
    [OPTION_IRQOFF] = {.key = "irqoff", .kind = OPTION_CHOICE, .choices = CHOICES("off", "on")},
    [OPTION_HEAP] = {.key = "heap",
                     .kind = OPTION_CHOICE,
                     .choices = CHOICES("slab", "bump", "list", "block", "debug")},
    [OPTION_PREEMPT] = {.key = "preempt", .kind = OPTION_CHOICE, .choices = CHOICES("on", "off")},
    [OPTION_KPREEMPT] = {.key = "kpreempt", .kind = OPTION_CHOICE, .choices = CHOICES("on", "off")},
    [OPTION_TICK] = {.key = "tick",
                     .kind = OPTION_NUMBER,
                     .maximum = 10000,
                     .valid = "a number of Hz up to 10000; 0 is none"},
    [OPTION_INT80] = {.key = "int80", .kind = OPTION_CHOICE, .choices = CHOICES("off", "on")},
    [OPTION_LOG] = {.key = "log", .kind = OPTION_CHOICE, .choices = CHOICES("error", "warning", "info", "debug")},
};

/* False if the line has an error, now printed. */
static bool read_line(const char *line, struct option_value *values)
{
    char error[256];

    if (cmdline_parse(line, table, OPTIONS, values, error, sizeof(error)) == STATUS_OK)
        return true;
    console_print("duet: %s\n", error);
    return false;
}

static void set_text(struct option_value *value, const char *text)
{
    memcpy(value->text, text, string_length(text) + 1);
}

static bool is_word(const char *at, const char *word)
{
    size_t length = string_length(word);

    return string_starts(at, word) && (at[length] == ' ' || at[length] == '\0');
}

/* A line that is wrong has chosen nothing, but its `mode=` still says whether a person is there to read the error. */
static bool interactive(const char *line)
{
    for (const char *at = line; line && *at; at++)
        if ((at == line || at[-1] == ' ') && string_starts(at, "mode="))
            return is_word(at, "mode=demo") || is_word(at, "mode=shell");
    return true;
}

void options_read(const char *line, struct options *options)
{
    static char extra[1024];
    struct option_value values[OPTIONS] = {0};
    enum status status = fw_cfg_read_text("opt/duet/cmdline", extra, sizeof(extra));
    bool good;

    values[OPTION_DRIVER].choice = STYLE_ALL;
    values[OPTION_DEVICE].choice = DEVICE_ALL;
    values[OPTION_PRIORITY].choice = PRIORITY_ALL;
    values[OPTION_SUITE].choice = SUITE_ALL;
    values[OPTION_EVENTS].number = 1000;
    values[OPTION_QUANTUM].number = SCHED_QUANTUM_NS;
    values[OPTION_SPAN].number = 1000000000;
    values[OPTION_SEED].number = 1;
    values[OPTION_MINUTES].number = 10;
    values[OPTION_TM].number = 100000000;
    values[OPTION_LOG].choice = LOG_INFO;
    set_text(&values[OPTION_LOAD], "all");
    set_text(&values[OPTION_ARRIVAL], "jitter");
    set_text(&values[OPTION_HANDICAP], "none");
    set_text(&values[OPTION_TEST], "all");

    if (status == STATUS_NO_MEMORY)
        console_print("duet: the fw_cfg item opt/duet/cmdline is too long\n");
    good = read_line(line, values) && status != STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        good = read_line(extra, values) && good;
    if (!good && !interactive(status == STATUS_OK && *extra ? extra : line))
        machine_exit(EXIT_FAILED);

    *options = (struct options){.mode = values[OPTION_MODE].choice,
                                .keyboard = values[OPTION_KEYBOARD].choice,
                                .mouse = values[OPTION_MOUSE].choice,
                                .driver = values[OPTION_DRIVER].choice,
                                .device = values[OPTION_DEVICE].choice,
                                .priority = values[OPTION_PRIORITY].choice,
                                .suite = values[OPTION_SUITE].choice,
                                .events = values[OPTION_EVENTS].number,
                                .period_ns = values[OPTION_PERIOD].number,
                                .quantum_ns = values[OPTION_QUANTUM].number,
                                .span_ns = values[OPTION_SPAN].number,
                                .inheritance = values[OPTION_INHERITANCE].choice == 0,
                                .insight = values[OPTION_INSIGHT].choice == 1,
                                .seed = values[OPTION_SEED].number,
                                .minutes = values[OPTION_MINUTES].number,
                                .series = values[OPTION_SERIES].choice == 1,
                                .trace = values[OPTION_TRACE].choice == 1,
                                .tm_ns = values[OPTION_TM].number,
                                .irq = values[OPTION_IRQ].choice,
                                .irqoff = values[OPTION_IRQOFF].choice == 1,
                                .heap = values[OPTION_HEAP].choice,
                                .preempt = values[OPTION_PREEMPT].choice == 0,
                                .kpreempt = values[OPTION_KPREEMPT].choice == 0,
                                .tick_hz = (unsigned)values[OPTION_TICK].number,
                                .int80 = values[OPTION_INT80].choice == 1,
                                .log = values[OPTION_LOG].choice};
    options->load.kind = LOAD_ALL;
    (void)load_parse(values[OPTION_LOAD].text, &options->load);
    (void)arrival_parse(values[OPTION_ARRIVAL].text, &options->arrival);
    (void)handicap_parse(values[OPTION_HANDICAP].text, &options->handicapped, &options->handicap_ticks);
    memcpy(options->arrival_text, values[OPTION_ARRIVAL].text, CMDLINE_TEXT_SIZE);
    memcpy(options->load_text, values[OPTION_LOAD].text, CMDLINE_TEXT_SIZE);
    memcpy(options->test, values[OPTION_TEST].text, CMDLINE_TEXT_SIZE);
}
