/* A measurement is a property of the kernel, not of the run: on the reference machine it repeats to the last digit. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

#define CELL     "mode=bench suite=matrix driver=%s device=%s load=idle priority=equal events=100"
#define BENCH_MS 120000

static struct machine *bench_run(bool grub, const char *driver, const char *device)
{
    struct machine *machine;
    char cmdline[128];
    int status;

    snprintf(cmdline, sizeof(cmdline), CELL, driver, device);
    machine = machine_start(&(struct machine_options){
        .kernel = grub ? NULL : KERNEL_GCC_O2, .iso = ISO, .cmdline = cmdline, .reference = true});
    status = machine_wait_exit(machine, BENCH_MS);
    if (status != EXIT_PASSED)
        machine_fail(machine, "'%s' ends with %d", cmdline, status);
    return machine;
}

/* The line of COM2 that holds the cell's figures. */
static const char *cell_line(struct machine *machine)
{
    const char *line;

    do
        line = machine_com2_line(machine, 0);
    while (!strstr(line, "\"event\":\"cell\""));
    return line;
}

static const char *text_of(const struct machine *machine)
{
    const char *text = machine->text[MACHINE_COM2].bytes;

    return text ? text : "";
}

static void must_repeat(const char *driver, const char *device)
{
    struct machine *first = bench_run(false, driver, device);
    struct machine *second = bench_run(false, driver, device);

    cr_assert(strstr(text_of(first), "\"event\":\"cell\""), "no figures");
    cr_assert_str_eq(text_of(first), text_of(second));
    machine_stop(first);
    machine_stop(second);
}

Test(bench, two_runs_of_a_cooperative_cell_are_identical, .timeout = 300)
{
    must_repeat("async", "keyboard");
}

Test(bench, two_runs_of_a_preemptive_cell_are_identical, .timeout = 300)
{
    must_repeat("thread", "mouse");
}

Test(bench, a_cell_measures_the_same_behind_grub, .timeout = 300)
{
    struct machine *direct = bench_run(false, "async", "mouse");
    struct machine *grub = bench_run(true, "async", "mouse");

    cr_assert_str_eq(cell_line(direct), cell_line(grub));
    machine_stop(direct);
    machine_stop(grub);
}
