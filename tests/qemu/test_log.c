/*
 * The log as people see it, on COM1: what the kernel's own tests of it leave there, which they cannot read themselves.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

#define TEST_MS     60000
#define DRAIN_LINES 100
#define BURST       300
#define BURST_LOST  44

/* The machine after a test of the kernel's, on the reference machine, with other words after it. */
static struct machine *run(const char *test, const char *words)
{
    char cmdline[128];
    struct machine *machine;
    int status;

    snprintf(cmdline, sizeof(cmdline), "mode=test test=%s %s", test, words);
    machine = machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = cmdline, .reference = true});
    status = machine_wait_exit(machine, TEST_MS);
    if (status != EXIT_PASSED)
        machine_fail(machine, "%s ended with %d", test, status);
    return machine;
}

static const char *com1(const struct machine *machine)
{
    return machine->text[MACHINE_COM1].bytes;
}

static unsigned times(const struct machine *machine, const char *text)
{
    unsigned count = 0;

    for (const char *at = com1(machine); (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

/* Returns what follows the text, which must come at or after `from`. */
static const char *must_follow(struct machine *machine, const char *from, const char *text)
{
    const char *at = strstr(from, text);

    if (!at)
        machine_fail(machine, "COM1 does not say '%s' where it should", text);
    return at + strlen(text);
}

Test(log, shows_time_level_thread_and_text_of_the_boot, .timeout = 120)
{
    struct machine *machine = run("list", "");
    const char *at = must_follow(machine, com1(machine), "Duet: ");
    unsigned seconds, us;
    char text[8] = "";

    at = must_follow(machine, at, "\n");
    cr_assert_eq(sscanf(at, "[%5u.%6u] info    boot: %4[cpu:]", &seconds, &us, text), 3, "'%.60s'", at);
    cr_assert_str_eq(text, "cpu:");
    must_follow(machine, at, " info    boot: memory: ");
    cr_assert_eq(times(machine, " debug "), 0);
    machine_stop(machine);
}

Test(log, shows_what_the_command_line_chose, .timeout = 120)
{
    struct machine *machine = run("list", "log=debug");

    cr_assert_gt(times(machine, " debug   boot: memory: "), 2);
    machine_stop(machine);
    machine = run("list", "log=warning");
    cr_assert_eq(times(machine, "] "), 0, "something is said");
    machine_stop(machine);
}

Test(log, warns_of_the_first_interrupt_nobody_asked_for, .timeout = 120)
{
    struct machine *machine = run("log.unexpected_is_said_once", "");

    cr_assert_eq(times(machine, "] warning boot/interrupt: unexpected interrupt, vector 0x41"), 1);
    machine_stop(machine);
}

Test(log, counts_what_a_burst_lost_and_prints_the_rest_in_order, .timeout = 120)
{
    struct machine *machine = run("log.burst_counts_what_it_lost", "");
    const char *at = must_follow(machine, com1(machine), " log: 44 lines lost\r\n");

    for (unsigned i = BURST_LOST; i < BURST; i++) {
        char text[32];

        snprintf(text, sizeof(text), ": burst %u\r\n", i);
        cr_assert_eq(times(machine, text), 1);
        at = must_follow(machine, at, text);
    }
    cr_assert_eq(times(machine, "lost\r\n"), 1);
    cr_assert_eq(times(machine, "burst 43\r\n"), 0);
    machine_stop(machine);
}

Test(log, reports_the_last_lines_again, .timeout = 120)
{
    struct machine *machine = run("log.report_of_the_last_lines", "");

    cr_assert_eq(times(machine, " error   boot: first of three\r\n"), 2);
    cr_assert_eq(times(machine, " info    boot: second of three\r\n"), 2);
    cr_assert_eq(times(machine, "third of three"), 0);
    machine_stop(machine);
}

Test(log, prints_what_was_left_before_a_panics_report, .timeout = 120)
{
    struct machine *machine = run("log.panic_replays_undrained", "");
    const char *at = must_follow(machine, com1(machine), " info    boot: first undrained\r\n");

    at = must_follow(machine, at, " warning boot: second undrained\r\n");
    must_follow(machine, at, "PANIC: after two lines\r\n");
    cr_assert_eq(times(machine, "first undrained"), 1);
    cr_assert_eq(times(machine, "second undrained"), 1);
    machine_stop(machine);
}

Test(log, prints_what_an_interrupt_said_before_it_panicked, .timeout = 120)
{
    struct machine *machine = run("log.panic_replays_in_interrupt", "");
    const char *at = must_follow(machine, com1(machine), " info    boot/interrupt: from the interrupt that panics\r\n");

    must_follow(machine, at, "PANIC: in an interrupt\r\n");
    machine_stop(machine);
}

Test(log, prints_half_the_line_whose_writer_panicked, .timeout = 120)
{
    struct machine *machine = run("log.panic_replays_in_writer", "");
    const char *at = must_follow(machine, com1(machine), " info    boot: before the writer\r\n");

    at = must_follow(machine, at, " error   boot: the name is  (unfinished)\r\n");
    must_follow(machine, at, "PANIC: page fault: read of unmapped page at 0x10");
    machine_stop(machine);
}

/* The one line that was being printed may be there twice. */
Test(log, loses_no_line_when_its_own_thread_is_panicked_in, .timeout = 120)
{
    struct machine *machine = run("log.panic_replays_in_drain", "");
    const char *at = com1(machine);
    unsigned twice = 0;

    for (unsigned i = 0; i < DRAIN_LINES; i++) {
        char text[32];

        snprintf(text, sizeof(text), ": drain %u\r\n", i);
        twice += times(machine, text) - 1;
        at = must_follow(machine, at, text);
    }
    cr_assert_leq(twice, 1);
    must_follow(machine, at, "PANIC: while printing\r\n    at src/kernel/suites/log.c");
    must_follow(machine, at, "thread log,");
    machine_stop(machine);
}
