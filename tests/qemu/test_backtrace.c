/*
 * What a panic says of how it came about, from the innermost call to the outermost, against the source of the suite
 * that panics: there a comment "line: f1" marks the line at which f1 is to be found.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

#define SOURCE   "src/kernel/suites/backtrace.c"
#define PANIC_MS 60000

struct kernel {
    char path[48];
};

static struct kernel kernels[] = {{KERNEL_GCC_O2}, {KERNEL_GCC_O0}, {KERNEL_CLANG_O2}};

/* Boots the test, and returns what it says from its panic on; good until the machine is stopped. */
static const char *panic_of(const struct kernel *kernel, const char *test, struct machine **machine)
{
    char cmdline[64];
    const char *text;
    int status;

    snprintf(cmdline, sizeof(cmdline), "mode=test test=%s", test);
    *machine = machine_start(&(struct machine_options){.kernel = kernel->path, .cmdline = cmdline, .reference = true});
    status = machine_wait_exit(*machine, PANIC_MS);
    if (status != EXIT_PASSED)
        machine_fail(*machine, "%s ended with %d", test, status);
    text = strstr((*machine)->text[MACHINE_COM1].bytes, "\nPANIC: ");
    if (!text || strstr(text, "while panicking"))
        machine_fail(*machine, "%s did not end in one panic", test);
    return text;
}

/* "(file:line)" of the line of the suite's source that is marked so. */
static const char *place(const char *mark)
{
    static char text[128];
    char wanted[64], line[512];
    FILE *file = fopen(SOURCE, "r");
    unsigned number = 0, found = 0;

    cr_assert(file);
    snprintf(wanted, sizeof(wanted), "/* line: %s */", mark);
    while (fgets(line, sizeof(line), file)) {
        number++;
        if (strstr(line, wanted)) {
            cr_assert_eq(found, 0, "'%s' is marked twice", mark);
            found = number;
        }
    }
    fclose(file);
    cr_assert_neq(found, 0, "'%s' is not marked", mark);
    snprintf(text, sizeof(text), "(%s:%u)", SOURCE, found);
    return text;
}

/* The name on a line "    #2 name+0x14 (...)" or "    async name (...)", without what a compiler appended. */
static bool names(const char *line, const char *name)
{
    char begin[16];
    size_t length = strlen(name);
    int skipped = 0;
    unsigned number;

    if (sscanf(line, "    %15s %n", begin, &skipped) != 1 || skipped == 0)
        return false;
    if (strcmp(begin, "async") != 0 && sscanf(begin, "#%u", &number) != 1)
        return false;
    return strncmp(line + skipped, name, length) == 0 && strchr("+. ", line[skipped + length]);
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end ? end + 1 : line + strlen(line);
}

/* Finds the next line with the name, after `text`, and checks what it says about its place: the marked line's if
 * `marked`. Returns the line after it. */
static const char *expect(struct machine *machine, const char *text, const char *name, bool marked)
{
    const char *line = text;
    char copy[256];

    while (*line && !names(line, name))
        line = next_line(line);
    if (!*line)
        machine_fail(machine, "%s is not there, or not in its place", name);
    snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(line, "\r\n"), line);
    if (marked && !strstr(copy, place(name)))
        machine_fail(machine, "not at %s: %s", place(name), copy);
    return next_line(line);
}

static const char *expect_text(struct machine *machine, const char *text, const char *wanted)
{
    const char *at = strstr(text, wanted);

    if (!at)
        machine_fail(machine, "no '%s' in its place", wanted);
    return next_line(at);
}

/* ---- */

ParameterizedTestParameters(backtrace, a_panic_names_every_call_down_to_the_threads_first)
{
    return cr_make_param_array(struct kernel, kernels, sizeof(kernels) / sizeof(kernels[0]));
}

ParameterizedTest(struct kernel *kernel, backtrace, a_panic_names_every_call_down_to_the_threads_first, .timeout = 120)
{
    static const char *const calls[] = {"f3", "f2", "f1", "calls_thread", "thread_trampoline"};
    struct machine *machine;
    const char *line = panic_of(kernel, "backtrace.calls", &machine);

    line = strstr(line, "    #0 ");
    if (!line)
        machine_fail(machine, "no backtrace");
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        char number[16];

        snprintf(number, sizeof(number), "    #%zu ", i);
        if (strncmp(line, number, strlen(number)) != 0)
            machine_fail(machine, "%s is not call %zu", calls[i], i);
        if (expect(machine, line, calls[i], i < 4) != next_line(line))
            machine_fail(machine, "call %zu is not %s", i, calls[i]);
        line = next_line(line);
    }
    if (strncmp(line, "passed:", 7) != 0)
        machine_fail(machine, "it goes on behind the thread's first call");
    machine_stop(machine);
}

ParameterizedTestParameters(backtrace, a_panic_in_an_interrupt_in_a_poll_names_all_from_the_interrupt_to_the_await)
{
    return cr_make_param_array(struct kernel, kernels, sizeof(kernels) / sizeof(kernels[0]));
}

ParameterizedTest(struct kernel *kernel, backtrace,
                  a_panic_in_an_interrupt_in_a_poll_names_all_from_the_interrupt_to_the_await, .timeout = 120)
{
    struct machine *machine;
    const char *line = panic_of(kernel, "backtrace.interrupted_poll", &machine);

    line = expect_text(machine, line, "task nested");
    line = expect(machine, line, "f3", true);
    line = expect(machine, line, "panicking_wake", true);
    line = expect(machine, line, "timer_queue_expire", false);
    line = expect(machine, line, "interrupt", false);
    line = expect_text(machine, line, "    -- interrupt 0x30 --");
    line = expect(machine, line, "leaf_poll", false); /* whose loop may be interrupted in a header's inlined line */
    line = expect(machine, line, "inner_poll", false);
    line = expect(machine, line, "outer_poll", false);
    line = expect(machine, line, "executor_run", false);
    line = expect(machine, line, "executor_thread_main", false);
    line = expect(machine, line, "thread_trampoline", false);
    if (strncmp(line, "    async outer_poll ", 21) != 0)
        machine_fail(machine, "the task's awaits do not follow");
    line = expect(machine, line, "outer_poll", true);
    line = expect(machine, line, "inner_poll", true);
    line = expect(machine, line, "leaf_poll", false);
    if (strncmp(line, "passed:", 7) != 0)
        machine_fail(machine, "it goes on behind the leaf");
    machine_stop(machine);
}

static void expect_end(const struct kernel *kernel, const char *test, const char *caller)
{
    struct machine *machine;
    const char *line = panic_of(kernel, test, &machine);

    line = expect(machine, line, "f3", true);
    line = expect(machine, line, "spoil_frame", true);
    line = expect(machine, line, caller, true);
    if (strncmp(line, "    the chain of frames is broken: ", 35) != 0)
        machine_fail(machine, "the chain goes on");
    if (strncmp(next_line(line), "passed:", 7) != 0)
        machine_fail(machine, "it goes on behind the break");
    machine_stop(machine);
}

ParameterizedTestParameters(backtrace, a_spoilt_chain_of_frames_ends_the_backtrace_and_nothing_else)
{
    return cr_make_param_array(struct kernel, kernels, sizeof(kernels) / sizeof(kernels[0]));
}

ParameterizedTest(struct kernel *kernel, backtrace, a_spoilt_chain_of_frames_ends_the_backtrace_and_nothing_else,
                  .timeout = 120)
{
    expect_end(kernel, "backtrace.broken_chain", "broken");
    expect_end(kernel, "backtrace.looping_chain", "looping");
}
