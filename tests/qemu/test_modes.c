/* How threads are scheduled, as the command line chooses it: the in-kernel tests of each choice, and what they print.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

#define TEST_MS 120000

struct choice {
    char kernel[32];
    char words[32];
    char test[24];
    int tests, skipped; /* that run, and those about another choice */
};

static struct machine *run(const char *kernel, const char *test, const char *words)
{
    char cmdline[128];
    struct machine *machine;
    int status;

    snprintf(cmdline, sizeof(cmdline), "mode=test test=%s %s", test, words);
    machine = machine_start(&(struct machine_options){.kernel = kernel, .cmdline = cmdline, .reference = true});
    status = machine_wait_exit(machine, TEST_MS);
    if (status != EXIT_PASSED)
        machine_fail(machine, "'%s' ends with %d", cmdline, status);
    return machine;
}

static struct choice choices[] = {
    {KERNEL_GCC_O2, "preempt=off", "completion", 5, 0},
    {KERNEL_CLANG_O0, "preempt=off", "completion", 5, 0},
    {KERNEL_GCC_O2, "preempt=off irq=apic", "completion", 5, 0},
    {KERNEL_GCC_O2, "preempt=off kpreempt=off", "completion", 5, 0},
    {KERNEL_GCC_O2, "preempt=off tick=1000", "completion", 5, 0},
    {KERNEL_GCC_O2, "preempt=on", "completion.*", 0, 5},
    {KERNEL_GCC_O2, "kpreempt=off", "edges", 6, 0},
    {KERNEL_CLANG_O0, "kpreempt=off", "edges", 6, 0},
    {KERNEL_GCC_O2, "kpreempt=off irq=apic", "edges", 6, 0},
    {KERNEL_GCC_O2, "kpreempt=off tick=1000", "edges", 6, 0},
    {KERNEL_GCC_O2, "kpreempt=off int80=on", "edges", 6, 0},
    {KERNEL_GCC_O2, "kpreempt=off", "user.fuzz_10000_calls", 1, 0},
    {KERNEL_GCC_O2, "kpreempt=off int80=on", "gate.takes_system_calls", 1, 0},
    {KERNEL_GCC_O2, "kpreempt=off int80=on", "gate.other_*", 1, 0},
    {KERNEL_GCC_O2, "int80=on", "gate", 4, 0},
    {KERNEL_GCC_O2, "kpreempt=on", "edges.*", 0, 6},
    {KERNEL_GCC_O2, "tick=100", "tick", 2, 2},
    {KERNEL_GCC_O2, "tick=250", "tick", 2, 2},
    {KERNEL_GCC_O2, "tick=1000", "tick", 2, 2},
    {KERNEL_CLANG_O0, "tick=100", "tick", 2, 2},
    {KERNEL_GCC_O2, "tick=1000 preempt=off", "tick", 2, 2},
    {KERNEL_GCC_O2, "tick=1000 kpreempt=off", "tick", 2, 2},
    {KERNEL_GCC_O2, "tick=0", "tick.*", 0, 4},
    {KERNEL_GCC_O2, "preempt=off", "modes", 2, 0},
    {KERNEL_GCC_O2, "kpreempt=off", "modes", 2, 0},
    {KERNEL_CLANG_O0, "kpreempt=off", "modes", 2, 0},
    {KERNEL_GCC_O2, "tick=1000", "modes", 2, 0},
    {KERNEL_GCC_O2, "preempt=off", "deadline", 2, 1},
    {KERNEL_GCC_O2, "kpreempt=off", "deadline", 3, 0},
    {KERNEL_GCC_O2, "tick=1000", "deadline", 2, 1},
    {KERNEL_GCC_O2, "kpreempt=off", "log.*", -1, 0},
};

ParameterizedTestParameters(modes, the_tests_of_each_choice_run_and_pass)
{
    return cr_make_param_array(struct choice, choices, sizeof(choices) / sizeof(choices[0]));
}

/* Where no test runs, the machine ends as failed. */
ParameterizedTest(struct choice *choice, modes, the_tests_of_each_choice_run_and_pass, .timeout = 300)
{
    int folder = (int)(strrchr(choice->kernel, '/') - choice->kernel);
    char cmdline[128], programs[64];
    struct machine *machine;
    json_t *done;
    int status;

    snprintf(cmdline, sizeof(cmdline), "mode=test test=%s %s", choice->test, choice->words);
    snprintf(programs, sizeof(programs), "%.*s/programs.tar", folder, choice->kernel);
    machine = machine_start(
        &(struct machine_options){.kernel = choice->kernel, .module = programs, .cmdline = cmdline, .reference = true});
    status = machine_wait_exit(machine, TEST_MS);
    if (status != (choice->tests ? EXIT_PASSED : EXIT_FAILED))
        machine_fail(machine, "'%s' ends with %d", cmdline, status);
    done = machine_com2_event(machine, "done", 0);
    if (choice->tests >= 0 && json_integer_value(json_object_get(done, "tests")) != choice->tests)
        machine_fail(machine, "'%s' did not run %d tests", cmdline, choice->tests);
    if (json_integer_value(json_object_get(done, "skipped")) != choice->skipped)
        machine_fail(machine, "'%s' did not skip %d tests", cmdline, choice->skipped);
    json_decref(done);
    machine_stop(machine);
}

static const char *const three_lines[] = {"preempt=on", "preempt=off", "preempt=on tick=1000"};

/* These, and nothing between. */
Test(modes, two_threads_that_yield_say_their_three_lines_in_order, .timeout = 120)
{
    for (size_t i = 0; i < sizeof(three_lines) / sizeof(three_lines[0]); i++) {
        struct machine *machine = run(KERNEL_GCC_O2, "modes.three_lines", three_lines[i]);

        if (!strstr(machine->text[MACHINE_COM1].bytes, "\nSwitching to otherTask...\r\n"
                                                       "Hello multitasking world!\r\n"
                                                       "Returned to mainTask!\r\n"))
            machine_fail(machine, "with %s it says something else", three_lines[i]);
        machine_stop(machine);
    }
}
