/* mode=test: runs the registered tests, or one, or lists them. */
#include "kernel/suite.h"

#include "kernel/console.h"
#include "kernel/kmalloc.h"
#include "kernel/log.h"
#include "kernel/modes.h"
#include "kernel/panic.h"
#include "kernel/programs.h"
#include "kernel/report.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irq_line.h"
#include "kernel/x86_64/irqoff.h"
#include "kernel/x86_64/physical.h"
#include "lib/format.h"
#include "lib/mem.h"

extern const struct suite_test suite_start[], suite_end[];

#define MEMORY_1G (UINT64_C(1000) << 20) /* firmware takes a little of it */

enum result { RESULT_PASSED, RESULT_FAILED, RESULT_SKIPPED, RESULTS };

static bool failed;
static const struct options *chosen;
static void (*at_end)(void);

void suite_at_end(void (*sum_up)(void))
{
    at_end = sum_up;
}

void suite_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    failed = true;
    console_print("    %s:%d: ", file, line);
    va_start(arguments, format);
    console_print_va(format, arguments);
    va_end(arguments);
    console_print("\n");
}

static void send(const char *event, const struct suite_test *test, const char *key, const char *value)
{
    static char line[256];
    struct json json;

    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", event);
    json_string(&json, "name", test->name);
    json_string(&json, key, value);
    if (test->needs)
        json_string(&json, "needs", test->needs);
    console_send_json(&json);
}

static _Noreturn void finish(bool listed, const unsigned counts[RESULTS])
{
    static char line[128];
    bool good = listed || (counts[RESULT_PASSED] > 0 && counts[RESULT_FAILED] == 0);
    struct json json;

    console_print("%u passed, %u failed, %u skipped\n", counts[RESULT_PASSED], counts[RESULT_FAILED],
                  counts[RESULT_SKIPPED]);
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "done");
    json_bool(&json, "passed", good);
    json_unsigned(&json, "tests", counts[RESULT_PASSED] + counts[RESULT_FAILED]);
    json_unsigned(&json, "skipped", counts[RESULT_SKIPPED]);
    console_send_json(&json);
    machine_exit(good ? EXIT_PASSED : EXIT_FAILED);
}

/* What `key=` came to: what was asked for is not always there. */
static const char *in_use(const char *key)
{
    static char number[8];

    if (string_starts(key, "irq="))
        return irq_line_controller_name();
    if (string_starts(key, "heap="))
        return kmalloc_heap()->operations->name;
    if (string_starts(key, "preempt="))
        return chosen->preempt ? "on" : "off";
    if (string_starts(key, "kpreempt="))
        return chosen->kpreempt ? "on" : "off";
    if (string_starts(key, "tick=")) {
        format_text(number, sizeof(number), "%u", chosen->tick_hz);
        return number;
    }
    if (string_starts(key, "irqoff="))
        return irqoff_on() ? "on" : "off";
    if (string_starts(key, "memory="))
        return (size_t)physical_report().total * FRAME_BYTES >= MEMORY_1G ? "1g" : "less";
    if (string_starts(key, "int80="))
        return interrupt_gate_open() && programs_exist() ? "on" : "off";
    if (string_starts(key, "programs="))
        return programs_exist() ? "there" : "none";
    panic("no test can need %s", key);
}

/* Whether `word`, key=value or key=value,value, has the value that is in use. */
static bool holds(const char *word)
{
    const char *value = in_use(word);
    size_t length = string_length(value);

    for (const char *at = word; *at; at++)
        if ((*at == '=' || *at == ',') && string_starts(at + 1, value) && (!at[1 + length] || at[1 + length] == ','))
            return true;
    return false;
}

static enum result skip(const struct suite_test *test)
{
    console_print("%s\t[skipped: it is about %s, and %s is in use]\n", test->name, test->needs, in_use(test->needs));
    send("test", test, "result", "skipped");
    return RESULT_SKIPPED;
}

/* One that expects a panic does not come back when it passes. */
static enum result run(const struct suite_test *test)
{
    if (test->needs && !holds(test->needs))
        return skip(test);
    failed = false;
    log_flush(); /* what earlier ones logged neither runs within this one nor shows below its name */
    console_print("%s...\n", test->name);
    if (test->panics)
        panic_expect(test->panics);
    test->run();
    if (test->panics)
        suite_fail(__FILE__, __LINE__, "did not panic with \"%s\"", test->panics);
    console_print("%s\t[%s]\n", test->name, failed ? "FAILED" : "ok");
    send("test", test, "result", failed ? "failed" : "passed");
    return failed ? RESULT_FAILED : RESULT_PASSED;
}

/* By its name; or together with others, which takes no test that ends in a panic. */
static bool is_asked_for(const struct suite_test *test, const char *words)
{
    bool among_all = !test->panics && test->part == SUITE_PART_OF_ALL;
    size_t same = 0;

    if (string_equal(words, "all"))
        return among_all;
    while (words[same] && words[same] == test->name[same])
        same++;
    if (string_equal(words + same, "*"))
        return among_all;
    if (!words[same] && test->name[same] == '.')
        return !test->panics && test->part != SUITE_PART_OF_NONE;
    return !words[same] && !test->name[same];
}

/* How a test ends, as test=list says it. */
static const char *expected_end(const struct suite_test *test)
{
    if (test->panics)
        return "panic";
    switch (test->part) {
    case SUITE_PART_OF_ALL:
        return "pass";
    case SUITE_PART_OF_AREA:
        return "pass, apart";
    case SUITE_PART_OF_NONE:
        return "pass, in minutes";
    }
    return "?";
}

_Noreturn void suite_run(const struct options *options)
{
    bool list = string_equal(options->test, "list");
    unsigned counts[RESULTS] = {0};
    bool known = false;

    chosen = options;
    for (const struct suite_test *test = suite_start; test < suite_end; test++) {
        if (list) {
            send("list", test, "expects", expected_end(test));
            known = true;
        } else if (is_asked_for(test, options->test)) {
            counts[run(test)]++;
            known = true;
        }
    }
    if (at_end)
        at_end();
    if (irqoff_on())
        report_stretches(console_print);
    if (!known)
        console_print("duet: test: unknown value \"%s\" (valid: all, list, a name that test=list prints, its area, "
                      "or its beginning and *)\n",
                      options->test);
    finish(list, counts);
}
