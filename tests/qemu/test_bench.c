/* A measurement is a property of the kernel, not of the run: on the reference machine it repeats to the last digit. */
#include <criterion/criterion.h>
#include <jansson.h>
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

#define THREAD_METRIC "mode=bench suite=thread-metric tm=5ms"

static struct machine *thread_metric_run(const char *cmdline, int expected)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = cmdline, .reference = true});
    int status = machine_wait_exit(machine, BENCH_MS);

    if (status != expected)
        machine_fail(machine, "'%s' ends with %d", cmdline, status);
    return machine;
}

Test(bench, thread_metric_keeps_its_rules, .timeout = 300)
{
    static const char *const tests[] = {
        "tm.basic",   "tm.cooperative",     "tm.preemptive", "tm.interrupt", "tm.interrupt_preemption",
        "tm.message", "tm.synchronization", "tm.memory"};
    struct machine *first = thread_metric_run(THREAD_METRIC, EXIT_PASSED);
    struct machine *second = thread_metric_run(THREAD_METRIC, EXIT_PASSED);

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        json_t *test = machine_com2_event(first, "thread_metric", 0);

        cr_assert_str_eq(json_string_value(json_object_get(test, "name")), tests[i]);
        cr_assert(json_is_true(json_object_get(test, "passed")), "%s", tests[i]);
        cr_assert_gt(json_integer_value(json_object_get(test, "rounds")), 100, "%s", tests[i]);
        json_decref(test);
    }
    cr_assert_str_eq(text_of(first), text_of(second));
    machine_stop(first);
    machine_stop(second);
}

Test(bench, thread_metric_through_the_io_apic, .timeout = 300)
{
    machine_stop(thread_metric_run(THREAD_METRIC " irq=apic", EXIT_PASSED));
}

Test(bench, thread_metric_has_no_test_of_another_name, .timeout = 300)
{
    machine_stop(thread_metric_run(THREAD_METRIC " test=tm.basics", EXIT_FAILED));
}

Test(bench, a_cell_measures_the_same_behind_grub, .timeout = 300)
{
    struct machine *direct = bench_run(false, "async", "mouse");
    struct machine *grub = bench_run(true, "async", "mouse");

    cr_assert_str_eq(cell_line(direct), cell_line(grub));
    machine_stop(direct);
    machine_stop(grub);
}

/* What `suite=threads` measures, in its order. */
static const struct figure {
    const char *name, *unit;
    json_int_t n;
} figures[] = {
    {"thread.yield", "instructions", 1000},
    {"thread.yield_1", "instructions", 1000},
    {"thread.yield_8", "instructions", 1000},
    {"thread.yield_1000", "instructions", 1000},
    {"thread.yield_vectors", "instructions", 1000},
    {"thread.sem_oneway", "instructions", 1000},
    {"thread.sem_oneway_wait", "instructions", 1000},
    {"thread.sem_pingpong", "instructions", 1000},
    {"thread.sem_oneway_insight", "instructions", 1000},
    {"thread.yield_insight", "instructions", 1000},
    {"thread.event_oneway", "instructions", 1000},
    {"thread.event_oneway_wait", "instructions", 1000},
    {"thread.queue_oneway", "instructions", 1000},
    {"thread.queue_oneway_wait", "instructions", 1000},
    {"thread.queue_pingpong", "instructions", 1000},
    {"thread.mutex_pair", "instructions", 1000},
    {"thread.mutex_pingpong", "instructions", 1000},
    {"thread.lifecycle", "instructions", 1000},
    {"thread.create", "instructions", 1000},
    {"irq.entry", "instructions", 1000},
    {"irq.null", "instructions", 1000},
    {"irq.exit", "instructions", 1000},
    {"irq.thread", "instructions", 1000},
    {"irq.thread_handler", "instructions", 1000},
    {"irq.thread_idle", "instructions", 1000},
    {"timer.irq", "instructions", 1000},
    {"timer.thread", "instructions", 1000},
    {"timer.thread_idle", "instructions", 1000},
    {"sleep.late_busy", "ns", 1000},
    {"sleep.late_idle", "ns", 1000},
    {"kpreempt.on", "ns", 1000},
    {"kpreempt.off", "ns", 1000},
    {"pi.section", "instructions", 1000},
    {"pi.wait_on", "instructions", 1000},
    {"pi.wait_off_10", "instructions", 1},
    {"pi.wait_off_20", "instructions", 1},
    {"pi.wait_off_40", "instructions", 1},
    {"fairness.spread_4", "ppm", 1},
    {"fairness.spread_4_cut", "ppm", 1},
    {"thread.yield_same_space", "instructions", 1000},
    {"thread.yield_other_space", "instructions", 1000},
    {"user.process_switch_same", "instructions", 1},
    {"user.cr3_writes_same", "writes", 1},
    {"user.syscall_null", "instructions", 1},
    {"user.syscall_null_max", "instructions", 1},
    {"user.yield_and_back", "instructions", 1},
    {"user.yield_and_back_max", "instructions", 1},
    {"user.process_switch_other", "instructions", 1},
    {"user.cr3_writes_other", "writes", 1},
    {"user.lifecycle", "instructions", 1000},
    {"user.wake", "instructions", 1},
    {"user.wake_max", "instructions", 1},
    {"user.fault_to_kill", "instructions", 20},
};

/* And with irqoff=on, after the same with names of their own. */
static const char *const stretches[] = {"irqoff.longest", "irqoff.longest_printing", "preemptoff.longest"};

#define THREADS "mode=bench suite=threads"

enum { FIGURES = sizeof(figures) / sizeof(figures[0]) };

static json_int_t number_of(const json_t *figure, const char *member)
{
    const json_t *value = json_object_get(figure, member);

    cr_assert(json_is_integer(value), "%s has no %s", json_string_value(json_object_get(figure, "name")), member);
    return json_integer_value(value);
}

static void check_figure(const json_t *figure, const struct figure *expected, const char *suffix)
{
    const char *name = json_string_value(json_object_get(figure, "name"));
    size_t length = strlen(expected->name);
    const json_int_t order[] = {number_of(figure, "min"), number_of(figure, "p50"),
                                expected->n >= 1000 ? number_of(figure, "p99") : number_of(figure, "p50"),
                                number_of(figure, "max")};

    cr_assert(name && !strncmp(name, expected->name, length) && !strcmp(name + length, suffix), "%s is not %s%s", name,
              expected->name, suffix);
    cr_assert_str_eq(json_string_value(json_object_get(figure, "unit")), expected->unit);
    cr_assert_eq(number_of(figure, "n"), expected->n);
    cr_assert(order[0] > 0 && order[0] <= order[1] && order[1] <= order[2] && order[2] <= order[3],
              "%s is no distribution", expected->name);
}

static struct machine *threads_run(const char *words)
{
    struct machine *machine = machine_start(&(struct machine_options){
        .kernel = KERNEL_GCC_O2, .module = PROGRAMS_GCC_O2, .cmdline = words, .reference = true});
    int status = machine_wait_exit(machine, BENCH_MS);

    if (status != EXIT_PASSED)
        machine_fail(machine, "'%s' ends with %d", words, status);
    return machine;
}

/* Leaves each figure's median in medians[], by its place in figures[]. */
static void read_each(struct machine *machine, const char *suffix, json_int_t medians[FIGURES])
{
    for (size_t i = 0; i < FIGURES; i++) {
        json_t *object = machine_com2_event(machine, "micro", 0);

        check_figure(object, &figures[i], suffix);
        medians[i] = number_of(object, "p50");
        json_decref(object);
    }
}

static void must_be_done(struct machine *machine)
{
    json_t *object = machine_com2_object(machine, 0);

    cr_assert_str_eq(json_string_value(json_object_get(object, "event")), "done", "there are more figures");
    json_decref(object);
}

static void read_figures(struct machine *machine, json_int_t medians[FIGURES])
{
    read_each(machine, "", medians);
    must_be_done(machine);
}

static json_int_t median_of(const json_int_t medians[FIGURES], const char *name)
{
    size_t i = 0;

    while (strcmp(figures[i].name, name) != 0)
        i++;
    return medians[i];
}

Test(bench, every_figure_of_threads_is_there_once_and_repeats, .timeout = 300)
{
    struct machine *first = threads_run(THREADS);
    struct machine *second = threads_run(THREADS);
    json_int_t medians[FIGURES];

    cr_assert_str_eq(text_of(first), text_of(second));
    read_figures(first, medians);
    machine_stop(first);
    machine_stop(second);
}

Test(bench, a_wait_is_bounded_by_inheritance_and_else_as_long_as_others_compute, .timeout = 300)
{
    struct machine *machine = threads_run(THREADS);
    json_int_t medians[FIGURES], section, on, off[3];

    read_figures(machine, medians);
    machine_stop(machine);
    section = median_of(medians, "pi.section");
    on = median_of(medians, "pi.wait_on");
    off[0] = median_of(medians, "pi.wait_off_10");
    off[1] = median_of(medians, "pi.wait_off_20");
    off[2] = median_of(medians, "pi.wait_off_40");
    cr_assert(section < on && on < 2 * section);
    cr_assert(on < off[0] / 100);
    for (size_t i = 0; i < 2; i++)
        cr_assert(off[i + 1] > 19 * off[i] / 10 && off[i + 1] < 21 * off[i] / 10, "twice as many quanta, %lld and %lld",
                  (long long)off[i], (long long)off[i + 1]);
}

/* What preempts it waits for a line of a report, or for the rest of it. */
Test(bench, a_kernel_that_is_preempted_at_its_edges_alone_is_later, .timeout = 300)
{
    struct machine *machine = threads_run(THREADS);
    json_int_t medians[FIGURES];

    read_figures(machine, medians);
    machine_stop(machine);
    cr_assert_lt(median_of(medians, "kpreempt.on"), 20000);
    cr_assert_gt(median_of(medians, "kpreempt.off"), 5 * median_of(medians, "kpreempt.on"));
}

/* Of the mean share of a second: a quantum of 10 ms, and what the thread that cuts in took from all of them. */
Test(bench, equals_that_compute_share_within_a_quantum, .timeout = 300)
{
    struct machine *machine = threads_run(THREADS);
    json_int_t medians[FIGURES];

    read_figures(machine, medians);
    machine_stop(machine);
    cr_assert(median_of(medians, "fairness.spread_4") < 1000000 * 10 / 250);
    cr_assert(median_of(medians, "fairness.spread_4_cut") < 1000000 * 10 / 200);
}

/* "function (file:line)", whose the code is: not the header's that has the instruction. */
static bool is_place(const json_t *text)
{
    const char *file = strstr(json_string_value(text), " (src/");

    return file && strstr(file, ".c:") && !strstr(file, "interrupts.h");
}

/* Looking costs something, which is said beside what it is without; and it says whose code is responsible. */
Test(bench, the_longest_stretches_are_figures_with_their_places, .timeout = 300)
{
    struct machine *off = threads_run(THREADS), *on = threads_run(THREADS " irqoff=on");
    json_int_t without[FIGURES], with[FIGURES];

    read_figures(off, without);
    read_each(on, "_irqoff", with);
    cr_assert_gt(median_of(with, "thread.yield"), median_of(without, "thread.yield"));
    cr_assert_eq(median_of(with, "thread.mutex_pair"), median_of(without, "thread.mutex_pair"), "it has no site");
    for (size_t i = 0; i < sizeof(stretches) / sizeof(stretches[0]); i++) {
        json_t *object = machine_com2_event(on, "micro", 0);

        cr_assert_str_eq(json_string_value(json_object_get(object, "name")), stretches[i]);
        cr_assert_str_eq(json_string_value(json_object_get(object, "unit")), "ns");
        cr_assert(number_of(object, "p50") > 0 && number_of(object, "ticks") > 0);
        cr_assert(is_place(json_object_get(object, "begin")) && is_place(json_object_get(object, "end")));
        cr_assert(json_is_string(json_object_get(object, "load")));
        json_decref(object);
    }
    must_be_done(on);
    machine_stop(off);
    machine_stop(on);
}

/* A figure of `suite=micro` that is one value, or always the same; what stands before it is skipped. */
static json_int_t next_figure(struct machine *machine, const char *wanted, const char *member)
{
    for (;;) {
        json_t *figure = machine_com2_event(machine, "micro", 0);
        bool found = !strcmp(json_string_value(json_object_get(figure, "name")), wanted);
        json_int_t value = found ? number_of(figure, member) : 0;

        json_decref(figure);
        if (found)
            return value;
    }
}

/* Of a million tasks, woken one after the other, each takes what each of ten takes. And a task that wakes itself for
 * ever delays nobody by more than a poll of its own: a timer's interrupt and a wake are in the figure. */
Test(bench, a_task_costs_the_same_among_ten_and_a_million, .timeout = 300)
{
    static const char *const growths[] = {
        "task.growth_10",        "task.growth_10_rest",        "task.growth_10k", "task.growth_10k_rest",
        "task.growth_10_to_10k", "task.growth_10_to_10k_rest", "task.growth_1M",  "task.growth_1M_rest",
        "task.growth_10_to_1M",  "task.growth_10_to_1M_rest"};
    struct machine *machine = machine_start(&(struct machine_options){
        .kernel = KERNEL_GCC_O2, .cmdline = "mode=bench suite=micro", .reference = true, .memory_mib = 256});
    int status = machine_wait_exit(machine, BENCH_MS);
    json_int_t each = 0;

    if (status != EXIT_PASSED)
        machine_fail(machine, "suite=micro ends with %d", status);
    cr_assert_gt(next_figure(machine, "task.delay_same_executor", "min"), 90000000);
    cr_assert_lt(next_figure(machine, "task.delay_higher_executor", "max"), 1000);
    for (size_t i = 0; i < sizeof(growths) / sizeof(growths[0]); i += 2) {
        json_int_t growth = next_figure(machine, growths[i], "p50");

        cr_assert(growth > 0 && (i == 0 || growth == each), "%s is %lld", growths[i], (long long)growth);
        cr_assert_eq(next_figure(machine, growths[i + 1], "p50"), 0, "%s", growths[i + 1]);
        each = growth;
    }
    cr_assert_eq(next_figure(machine, "task.bytes", "p50"), 96);
    cr_assert_lt(next_figure(machine, "task.delay_restless", "max"), 1000);
    cr_assert_lt(next_figure(machine, "task.delay_restless_thread", "max"), 1000);
    cr_assert_gt(next_figure(machine, "task.simple_polls_1ms", "p50"), 1000);
    cr_assert_eq(next_figure(machine, "task.polls_1ms", "p50"), 2);
    cr_assert_not_null(strstr(machine->text[MACHINE_COM1].bytes, "async number: 42"));
    machine_stop(machine);
}
