/* mode=test: runs the registered tests, or one, or lists them. */
#include "kernel/suite.h"

#include "kernel/console.h"
#include "kernel/modes.h"
#include "kernel/panic.h"
#include "lib/mem.h"

extern const struct suite_test suite_start[], suite_end[];

static bool failed;

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

static void send(const char *event, const char *name, const char *key, const char *value)
{
    static char line[256];
    struct json json;

    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", event);
    json_string(&json, "name", name);
    json_string(&json, key, value);
    console_send_json(&json);
}

static _Noreturn void finish(unsigned run, unsigned failures)
{
    static char line[128];
    struct json json;

    console_print("%u passed, %u failed\n", run - failures, failures);
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "done");
    json_bool(&json, "passed", run > 0 && failures == 0);
    json_unsigned(&json, "tests", run);
    console_send_json(&json);
    machine_exit(run > 0 && failures == 0 ? EXIT_PASSED : EXIT_FAILED);
}

/* True if it passed. One that expects a panic does not come back when it passes. */
static bool run(const struct suite_test *test)
{
    failed = false;
    console_print("%s...\n", test->name);
    if (test->panics)
        panic_expect(test->panics);
    test->run();
    if (test->panics)
        suite_fail(__FILE__, __LINE__, "did not panic with \"%s\"", test->panics);
    console_print("%s\t[%s]\n", test->name, failed ? "FAILED" : "ok");
    send("test", test->name, "result", failed ? "failed" : "passed");
    return !failed;
}

_Noreturn void suite_run(const struct options *options)
{
    bool list = string_equal(options->test, "list");
    bool all = string_equal(options->test, "all");
    unsigned tests = 0;
    unsigned failures = 0;

    for (const struct suite_test *test = suite_start; test < suite_end; test++) {
        if (list) {
            send("list", test->name, "expects", test->panics ? "panic" : "pass");
            tests++;
        } else if (all ? !test->panics : string_equal(options->test, test->name)) {
            tests++;
            if (!run(test))
                failures++;
        }
    }
    if (!tests)
        console_print("duet: test: unknown value \"%s\" (valid: all, list, or a name that test=list prints)\n",
                      options->test);
    finish(tests, failures);
}
