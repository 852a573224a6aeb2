/*
 * The sweep: an interrupt at every instruction of the scenarios in src/kernel/suites/sweep*.c. The kernel's own list
 * says which there are.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

#define SWEEP_MS 100000
#define LIST_MS  60000

static const char *string_member(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static json_int_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    cr_assert(json_is_integer(value), "no %s", key);
    return json_integer_value(value);
}

static struct machine *boot(const char *kernel, const char *cmdline)
{
    return machine_start(&(struct machine_options){.kernel = kernel, .cmdline = cmdline, .reference = true});
}

static unsigned scenarios_listed(const char *kernel)
{
    struct machine *machine = boot(kernel, "mode=test test=list");
    unsigned count = 0;
    const char *line;

    cr_assert_eq(machine_wait_exit(machine, LIST_MS), EXIT_PASSED);
    while ((line = machine_com2_try_line(machine, 0)))
        count += strstr(line, "\"list\"") && strstr(line, "\"sweep.");
    machine_stop(machine);
    return count;
}

/* Every boundary is accounted for, and none is wrong. */
static void must_be_whole(struct machine *machine, const json_t *row)
{
    const char *name = string_member(row, "name");

    if (number(row, "boundaries") <= 0 || number(row, "hit") <= 0 || number(row, "instructions") <= 0)
        machine_fail(machine, "%s sweeps nothing", name);
    if (number(row, "hit") + number(row, "masked") + number(row, "missed") != number(row, "boundaries"))
        machine_fail(machine, "%s: hit, masked and missed are not all", name);
    if (number(row, "missed") || number(row, "failures"))
        machine_fail(machine, "%s: %d missed, %d failures", name, (int)number(row, "missed"),
                     (int)number(row, "failures"));
}

/* What is masked is said, stretch by stretch, with where the interrupt then comes. */
static json_int_t masked_length(struct machine *machine, const json_t *stretch)
{
    if (!*string_member(stretch, "from") || !*string_member(stretch, "delivered"))
        machine_fail(machine, "a stretch of %s without its places", string_member(stretch, "name"));
    return number(stretch, "last") - number(stretch, "first") + 1;
}

struct kernel {
    char path[48];
};

static struct kernel kernels[] = {{KERNEL_GCC_O2}, {KERNEL_GCC_O0}, {KERNEL_CLANG_O2}, {KERNEL_CLANG_O0}};

ParameterizedTestParameters(sweep, an_interrupt_at_any_instruction_does_no_harm)
{
    return cr_make_param_array(struct kernel, kernels, sizeof(kernels) / sizeof(kernels[0]));
}

ParameterizedTest(struct kernel *kernel, sweep, an_interrupt_at_any_instruction_does_no_harm, .timeout = 240)
{
    unsigned listed = scenarios_listed(kernel->path), rows = 0;
    struct machine *machine = boot(kernel->path, "mode=test test=sweep");
    json_int_t boundaries = 0, masked = 0, masked_said = 0;
    const char *event = "";
    json_t *object;

    cr_assert_gt(listed, 0);
    while (strcmp(event, "done") != 0) {
        object = machine_com2_object(machine, SWEEP_MS);
        event = string_member(object, "event");
        if (strcmp(event, "sweep") == 0) {
            must_be_whole(machine, object);
            boundaries += number(object, "boundaries");
            masked += number(object, "masked");
            rows++;
        } else if (strcmp(event, "masked") == 0) {
            masked_said += masked_length(machine, object);
        } else if (strcmp(event, "sweep_total") == 0) {
            must_be_whole(machine, object);
            cr_assert_eq(number(object, "boundaries"), boundaries);
        }
        event = strcmp(event, "done") == 0 ? "done" : "";
        json_decref(object);
    }
    cr_assert_eq(machine_wait_exit(machine, SWEEP_MS), EXIT_PASSED);
    cr_assert_eq(rows, listed, "%u of %u scenarios were swept", rows, listed);
    cr_assert_eq(masked, masked_said);
    machine_stop(machine);
}

/* A clock that does not count instructions cannot place an interrupt: the sweep says so, and does not pass. */
Test(sweep, refuses_a_machine_whose_clock_is_not_exact, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=test test=sweep.park"});

    cr_assert_eq(machine_wait_exit(machine, LIST_MS), EXIT_FAILED);
    if (!machine_com1_contains(machine, "the clock does not count instructions", 0))
        machine_fail(machine, "it does not say why");
    machine_stop(machine);
}
