/* The latency lab: its cells, its runner, and the guard that both styles are measured alike. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "machine.h"

#define CELL_MS 120000

static struct machine *cell_run(const char *words)
{
    char cmdline[256];
    struct machine *machine;
    int status;

    snprintf(cmdline, sizeof(cmdline), "mode=bench suite=matrix %s", words);
    machine = machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = cmdline, .reference = true});
    status = machine_wait_exit(machine, CELL_MS);
    if (status != EXIT_PASSED)
        machine_fail(machine, "'%s' ends with %d", cmdline, status);
    return machine;
}

static json_int_t number(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);

    cr_assert(json_is_integer(value), "no %s", member);
    return json_integer_value(value);
}

static json_int_t figure(const json_t *cell, const char *of, const char *stage, const char *member)
{
    return number(json_object_get(json_object_get(cell, of), stage), member);
}

/* A histogram's values, and whether they can be the figure's that it is of. */
static void check_histogram(struct machine *machine, const json_t *cell)
{
    json_t *histogram = machine_com2_event(machine, "histogram", 0);
    const char *of = json_string_value(json_object_get(histogram, "of"));
    const char *name = json_string_value(json_object_get(histogram, "name"));
    const json_t *buckets = json_object_get(histogram, "buckets");
    json_int_t n = 0, before = -1;

    for (size_t i = 0; i < json_array_size(buckets); i += 2) {
        cr_assert_gt(json_integer_value(json_array_get(buckets, i)), before);
        before = json_integer_value(json_array_get(buckets, i));
        n += json_integer_value(json_array_get(buckets, i + 1));
    }
    cr_assert_eq(n, number(cell, "delivered"), "%s %s", of, name);
    cr_assert_eq(number(histogram, "n"), n);
    cr_assert_eq(number(histogram, "min"), figure(cell, of, name, "min"), "%s %s", of, name);
    cr_assert_eq(number(histogram, "max"), figure(cell, of, name, "max"), "%s %s", of, name);
    cr_assert_lt(number(histogram, "worst"), number(cell, "injected"));
    json_decref(histogram);
}

/* Nine of them: four stages, three differences, two from the moment planned. */
static void check_cell(struct machine *machine, json_int_t events)
{
    json_t *cell = machine_com2_event(machine, "cell", 0);

    cr_assert_str_eq(json_string_value(json_object_get(cell, "timebase")), "icount");
    cr_assert_eq(number(cell, "injected"), events);
    cr_assert_eq(number(cell, "delivered") + number(cell, "dropped"), events);
    cr_assert_leq(number(cell, "lost"), number(cell, "dropped"));
    cr_assert_eq(number(cell, "disordered"), 0);
    cr_assert_geq(figure(cell, "intended", "event", "min"), figure(cell, "stages", "event", "min"));
    for (unsigned i = 0; i < 9; i++)
        check_histogram(machine, cell);
    json_decref(cell);
}

struct words {
    char words[128];
};

static struct words cells[] = {
    {"driver=isr device=keyboard priority=high load=idle"},
    {"driver=isr device=mouse priority=equal load=threads:4"},
    {"driver=poll device=keyboard priority=high load=threads:4"},
    {"driver=poll device=mouse priority=equal load=threads:1"},
    {"driver=poll device=keyboard priority=high load=tasks:1ms"},
    {"driver=async device=keyboard priority=high load=tasks:1ms:yield"},
    {"driver=async device=keyboard priority=equal load=ready:1000"},
    {"driver=async device=mouse priority=high load=both"},
    {"driver=thread device=keyboard priority=high load=both"},
    {"driver=isr device=keyboard priority=high load=both"},
    {"driver=thread device=keyboard priority=high load=print"},
    {"driver=async device=keyboard priority=equal load=alloc"},
    {"driver=thread device=keyboard priority=high load=irqstorm"},
    {"driver=thread device=keyboard priority=equal load=threads:2:higher"},
    {"driver=async device=keyboard priority=equal load=threads:2:lower"},
    {"driver=async device=keyboard priority=high load=threads:4 preempt=off"},
    {"driver=thread device=keyboard priority=high load=threads:4 kpreempt=off"},
    {"driver=thread device=keyboard priority=equal load=threads:1 tick=250 quantum=5ms"},
    {"driver=async device=keyboard priority=high load=idle arrival=burst:16"},
    {"driver=thread device=mouse priority=high load=idle arrival=burst:15"},
    {"driver=isr device=keyboard priority=high load=idle arrival=burst:16"},
    {"driver=async device=keyboard priority=high load=idle arrival=back-to-back"},
    {"driver=thread device=mouse priority=high load=idle arrival=periodic"},
    {"driver=async device=keyboard priority=equal load=threads:16 period=200us"}, /* the ring is too short: drops */
};

ParameterizedTestParameters(lab, every_load_and_arrival_accounts_for_every_event)
{
    return cr_make_param_array(struct words, cells, sizeof(cells) / sizeof(cells[0]));
}

ParameterizedTest(struct words *words, lab, every_load_and_arrival_accounts_for_every_event, .timeout = 300)
{
    char line[192];
    struct machine *machine;

    snprintf(line, sizeof(line), "%s events=120", words->words);
    machine = cell_run(line);
    check_cell(machine, 120);
    machine_stop(machine);
}

/* More come than the port has room for while the driver waits for its turn, and it says so. */
Test(lab, what_the_ring_has_no_room_for_is_counted_and_known_by_its_number, .timeout = 300)
{
    struct machine *machine = cell_run("driver=thread device=keyboard priority=equal load=threads:4 period=100us "
                                       "events=500");
    json_t *cell = machine_com2_event(machine, "cell", 0);

    cr_assert_gt(number(cell, "dropped"), 100);
    cr_assert_eq(number(cell, "dropped"), number(cell, "dropped_by_port"));
    cr_assert_eq(number(cell, "delivered") + number(cell, "dropped"), 500);
    cr_assert_eq(number(cell, "disordered"), 0);
    json_decref(cell);
    machine_stop(machine);
}

static void check_wakes(const char *words, json_int_t wakes, json_int_t coalesced)
{
    struct machine *machine = cell_run(words);
    json_t *cell = machine_com2_event(machine, "cell", 0);

    cr_assert_eq(number(cell, "wakes"), wakes, "%s: %lld", words, (long long)number(cell, "wakes"));
    cr_assert_eq(number(cell, "coalesced"), coalesced, "%s: %lld", words, (long long)number(cell, "coalesced"));
    json_decref(cell);
    machine_stop(machine);
}

Test(lab, a_burst_is_one_wake_and_single_bytes_are_each, .timeout = 300)
{
    check_wakes("driver=async device=keyboard priority=high load=idle arrival=periodic events=64", 64, 0);
    check_wakes("driver=thread device=keyboard priority=high load=idle arrival=burst:16 events=64", 4, 60);
    check_wakes("driver=async device=keyboard priority=high load=idle arrival=burst:16 events=64", 4, 60);
    check_wakes("driver=isr device=keyboard priority=high load=idle arrival=burst:16 events=64", 64, 0);
    check_wakes("driver=poll device=keyboard priority=high load=idle arrival=burst:16 events=64", 0, 0);
}

static char *cell_text(const char *words)
{
    struct machine *machine = cell_run(words);
    char *text = strdup(machine->text[MACHINE_COM2].bytes);

    machine_stop(machine);
    return text;
}

#define JITTER "driver=thread device=keyboard priority=equal load=threads:1 events=100 seed="

Test(lab, jitter_is_the_seeds_and_nothing_elses, .timeout = 300)
{
    char *first = cell_text(JITTER "7"), *again = cell_text(JITTER "7"), *other = cell_text(JITTER "8");

    cr_assert_str_eq(first, again);
    cr_assert(strcmp(strstr(first, "\"stages\""), strstr(other, "\"stages\"")) != 0);
    free(first);
    free(again);
    free(other);
}

/* Beside a load that keeps interrupts off the injector is late: that is the plan's latency, not the injection's. */
Test(lab, an_injector_that_is_late_makes_the_planned_latency_longer, .timeout = 300)
{
    struct machine *machine = cell_run("driver=thread device=keyboard priority=high load=print events=300");
    json_t *cell = machine_com2_event(machine, "cell", 0);

    cr_assert_gt(number(json_object_get(cell, "injector_late"), "max"), 10000);
    cr_assert_lt(figure(cell, "stages", "event", "max"), 2000);
    cr_assert_gt(figure(cell, "intended", "event", "max"), 10000);
    json_decref(cell);
    machine_stop(machine);
}

Test(lab, what_would_never_end_is_refused, .timeout = 300)
{
    struct machine *machine = machine_start(&(struct machine_options){
        .kernel = KERNEL_GCC_O2,
        .cmdline = "mode=bench suite=matrix driver=async device=keyboard priority=high load=ready:10 preempt=off",
        .reference = true});

    cr_assert_eq(machine_wait_exit(machine, CELL_MS), EXIT_FAILED);
    cr_assert(machine_com1_contains(machine, "preempt=off", 0));
    machine_stop(machine);
}

/* Where the clock is the host's, the figures say so. */
Test(lab, without_icount_figures_are_marked_as_noise, .timeout = 300)
{
    struct machine *machine = machine_start(&(struct machine_options){
        .kernel = KERNEL_GCC_O2,
        .cmdline = "mode=bench suite=matrix driver=async device=keyboard priority=high load=idle events=20"});
    json_t *cell;

    cr_assert_eq(machine_wait_exit(machine, CELL_MS), EXIT_PASSED);
    cell = machine_com2_event(machine, "cell", 0);
    cr_assert_str_eq(json_string_value(json_object_get(cell, "timebase")), "tcg");
    json_decref(cell);
    machine_stop(machine);
}

/* ---- the runner ---- */

/* Runs a shell command with its output in *output, fresh; returns its exit status. */
static int shell(char **output, const char *format, ...)
{
    char command[1024];
    size_t size = 0, capacity = 1 << 20;
    va_list arguments;
    FILE *pipe;
    int status;

    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    *output = calloc(capacity, 1);
    while (size + 1 < capacity && !feof(pipe) && !ferror(pipe))
        size += fread(*output + size, 1, capacity - 1 - size, pipe);
    status = pclose(pipe);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static char *folder_make(void)
{
    char *folder = strdup("/tmp/duet-lab-XXXXXX");

    cr_assert_not_null(mkdtemp(folder));
    return folder;
}

static void folder_remove(char *folder)
{
    char *output;

    cr_assert_eq(shell(&output, "rm -r %s", folder), 0);
    free(output);
    free(folder);
}

#define LAB "%stools/lab/lab.py %s --quick --kernel " KERNEL_GCC_O2 " --out %s --only 'async high|thread high' %s 2>&1"

static void must_shell(int expected, const char *says, const char *format, const char *before, const char *command,
                       const char *folder, const char *after)
{
    char *output;
    int status = shell(&output, format, before, command, folder, after);

    cr_assert_eq(status, expected, "%s ends with %d: %s", command, status, output);
    cr_assert(!says || strstr(output, says), "'%s' is not said: %s", says, output);
    free(output);
}

/* A thousand instructions more in one style's driver, and nowhere else. */
Test(lab, a_planted_asymmetry_is_found, .timeout = 600)
{
    static const char *const handicaps[] = {"", "--words handicap=async:1000", "--words handicap=thread:1000"};
    char *folder = folder_make();

    for (size_t i = 0; i < 3; i++) {
        char *output;
        int status;

        must_shell(0, NULL, LAB, "", "run", folder, handicaps[i]);
        must_shell(0, NULL, LAB, "", "merge", folder, handicaps[i]);
        status = shell(&output, "tools/lab/check.py %s/results.json 2>&1", folder);
        cr_assert_eq(status, i == 0 ? 0 : 1, "%s", output);
        cr_assert(strstr(output, i == 0 ? "ok    same_code" : "FALSE same_code"), "%s", output);
        free(output);
    }
    folder_remove(folder);
}

/* A QEMU that lives as long as a file allows: the first so many boots are the real one's, and the next is killed. */
static void qemu_plant(const char *folder, const char *dies)
{
    char *output;

    cr_assert_eq(shell(&output,
                       "mkdir %s/bin && printf '#!/bin/sh\n[ \"$1\" = --version ] && exec %s \"$@\"\n"
                       "echo x >>%s/boots\n[ $(wc -l <%s/boots) -gt 2 ] && { %s; }\nexec %s \"$@\"\n' "
                       ">%s/bin/qemu-system-x86_64 && chmod +x %s/bin/qemu-system-x86_64",
                       folder, "/usr/bin/qemu-system-x86_64", folder, folder, dies, "/usr/bin/qemu-system-x86_64",
                       folder, folder),
                 0, "%s", output);
    free(output);
}

static void must_resume(const char *dies, const char *says)
{
    char *folder = folder_make(), before[128], *output;

    qemu_plant(folder, dies);
    snprintf(before, sizeof(before), "PATH=%s/bin:$PATH ", folder);
    must_shell(1, says, LAB, before, "run", folder, "--jobs 1");
    must_shell(1, "2 of", LAB, before, "run", folder, "--jobs 1");
    must_shell(1, "have no result", LAB, "", "merge", folder, "");
    must_shell(0, "2 of", LAB, "", "run", folder, "");
    must_shell(0, NULL, LAB, "", "merge", folder, "");
    cr_assert_eq(shell(&output, "ls %s/lab | grep -c json", folder), 0);
    cr_assert_eq(atoi(output), 12, "%s", output);
    free(output);
    folder_remove(folder);
}

Test(lab, a_killed_qemu_is_named_and_the_rest_resumes, .timeout = 600)
{
    must_resume("kill -9 $$", "killed by signal 9");
}

Test(lab, output_that_was_not_written_is_noticed, .timeout = 600)
{
    must_resume("exit 33", "is the disk full?");
}

/* A file that is checked as it is written: slices nest, an event's arrows connect, and its stages add up to what the
 * histograms have. Where nobody computes for as long as there is time, as many switches, polls and wakes as without. */
Test(lab, a_trace_is_right_and_changes_no_order, .timeout = 600)
{
    static const char *const traced[] = {"driver=async --orders", "driver=thread load=both --orders",
                                         "driver=thread device=mouse arrival=burst:16 --orders",
                                         "driver=async priority=equal load=tasks:100us"};
    char *folder = folder_make();

    for (size_t i = 0; i < sizeof(traced) / sizeof(traced[0]); i++) {
        char *output;
        int status = shell(&output, "tools/lab/trace.py %s --kernel " KERNEL_GCC_O2 " --out %s 2>&1", traced[i],
                           folder);

        cr_assert_eq(status, 0, "%s: %s", traced[i], output);
        cr_assert(strstr(output, "trace.json: "), "%s", output);
        free(output);
    }
    folder_remove(folder);
}

/* The same cells twice are the same files; and one at a time, in any order, as all at once. */
Test(lab, two_runs_and_single_cells_give_the_same_bytes, .timeout = 600)
{
    char *folders[3], *output;

    for (size_t i = 0; i < 3; i++) {
        folders[i] = folder_make();
        if (i < 2)
            must_shell(0, NULL, LAB, "", "run", folders[i], "");
        else
            must_shell(0, NULL,
                       "%stools/lab/lab.py %s --quick --kernel " KERNEL_GCC_O2 " --out %s --only "
                       "'async high|thread high' %s | sort | sh 2>&1",
                       "", "list", folders[i], "");
        must_shell(0, NULL, LAB, "", "merge", folders[i], "");
    }
    for (size_t i = 1; i < 3; i++) {
        cr_assert_eq(shell(&output,
                           "cmp %s/results.json %s/results.json 2>&1 && cmp %s/results.csv %s/results.csv 2>&1",
                           folders[0], folders[i], folders[0], folders[i]),
                     0, "%s", output);
        free(output);
    }
    for (size_t i = 0; i < 3; i++)
        folder_remove(folders[i]);
}
