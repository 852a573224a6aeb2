/* What of processes only a whole machine shows: what the kernel says of them, and its words for them. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

#define TEST_MS 120000

static struct machine *run(const char *cmdline)
{
    struct machine *machine = machine_start(&(struct machine_options){
        .kernel = KERNEL_GCC_O2, .cmdline = cmdline, .module = PROGRAMS_GCC_O2, .reference = true});
    int status = machine_wait_exit(machine, TEST_MS);

    if (status != EXIT_PASSED)
        machine_fail(machine, "'%s' ends with %d", cmdline, status);
    return machine;
}

/* Another way to copy from and to ring 3, and other first instructions of the ways in. */
Test(user, a_cpu_without_smap_is_enough, .timeout = 200)
{
    static const char *const tests[] = {"user.runs_and_ends", "user.threads_and_memory"};

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        char cmdline[64];
        struct machine *machine;
        int status;

        snprintf(cmdline, sizeof(cmdline), "mode=test test=%s", tests[i]);
        machine = machine_start(&(struct machine_options){
            .kernel = KERNEL_GCC_O2, .cmdline = cmdline, .module = PROGRAMS_GCC_O2, .cpu = "qemu64"});
        status = machine_wait_exit(machine, TEST_MS);
        if (status != EXIT_PASSED)
            machine_fail(machine, "'%s' ends with %d", cmdline, status);
        machine_stop(machine);
    }
}

Test(user, a_driver_that_dies_is_named, .timeout = 200)
{
    struct machine *machine = run("mode=test test=user.driver_dies_aloud");

    if (!strstr(machine->text[MACHINE_COM1].bytes,
                "input: the keyboard's driver, process 2, has ended: nobody reads it"))
        machine_fail(machine, "it does not say so");
    if (strstr(machine->text[MACHINE_COM1].bytes, "the mouse's driver"))
        machine_fail(machine, "it says so of a driver that was asked to end");
    machine_stop(machine);
}

Test(user, the_classic_gate_is_there_for_those_who_ask, .timeout = 200)
{
    static const char *const words[] = {"mode=test test=gate.* int80=on", "mode=test test=gate.* int80=on irqoff=on"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct machine *machine = run(words[i]);

        if (!strstr(machine->text[MACHINE_COM1].bytes, "gate: by int 0x80"))
            machine_fail(machine, "no program printed by it");
        machine_stop(machine);
    }
}

static void must_say(struct machine *machine, const char *text)
{
    if (!strstr(machine->text[MACHINE_COM1].bytes, text))
        machine_fail(machine, "nobody says '%s'", text);
}

/* Where who prints beside the attackers says so once at least between the first report and the last. */
static void must_print_beside(struct machine *machine)
{
    const char *first = strstr(machine->text[MACHINE_COM1].bytes, ", attack: ");
    const char *neighbour = first ? strstr(first, "marks: process ") : NULL;

    if (!neighbour || !strstr(neighbour, ", attack: "))
        machine_fail(machine, "the neighbours fell silent");
}

Test(user, attacks_are_reported_as_what_they_are, .timeout = 200)
{
    static const char *const reports[] = {"general protection, error code 0x0\r\n",
                                          "general protection, error code 0x10\r\n",
                                          "general protection: int 0x3\r\n",
                                          "invalid opcode, error code 0x0\r\n",
                                          "divide error, error code 0x0\r\n",
                                          "debug, error code 0x0\r\n",
                                          "x87 error, error code 0x0\r\n",
                                          "page fault: read of unmapped page at 0x0, a null pointer\r\n",
                                          "page fault: execution of unmapped page at 0x0, a null pointer\r\n",
                                          "page fault: read of page of the kernel at 0xffffffff80110000\r\n",
                                          "page fault: write to page of the kernel at 0xffffffff80110000\r\n",
                                          "page fault: execution of page of the kernel at 0xffffffff80110000\r\n",
                                          "page fault: read of page of the kernel at 0xffff800000100000\r\n",
                                          "page fault: write to read-only page at 0x40",
                                          "page fault: execution of no-execute page at 0x7ffffffd",
                                          "page fault: execution of no-execute page at 0x40",
                                          "page fault: write to unmapped page at 0x7ffffffd7ff8\r\n",
                                          "page fault: execution of unmapped page at 0x7ffffffffffe\r\n"};
    struct machine *machine = run("mode=test test=user.attacks_are_contained");

    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++)
        must_say(machine, reports[i]);
    must_print_beside(machine);
    machine_stop(machine);
}

Test(user, each_int_n_is_reported_by_its_number, .timeout = 200)
{
    struct machine *machine = run("mode=test test=user.int_n_is_refused");
    char report[64];

    for (unsigned n = 0; n < 256; n++) {
        snprintf(report, sizeof(report), "attack: general protection: int 0x%x\r\n", n);
        must_say(machine, report);
    }
    must_print_beside(machine);
    machine_stop(machine);
}

/* The GRUB image brings them along. */
Test(user, drivers_are_started_from_the_image, .timeout = 200)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.iso = ISO, .cmdline = "mode=echo keyboard=user mouse=user"});

    json_decref(machine_com2_event(machine, "ready", TEST_MS));
    if (!machine_com1_contains(machine, "keyboard=user mouse=user", 0))
        machine_fail(machine, "the drivers are others");
    machine_stop(machine);
}

Test(user, drivers_need_programs, .timeout = 200)
{
    static const char *const words[] = {"mode=echo keyboard=user", "mode=echo mouse=user"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct machine *machine = machine_start(
            &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = words[i], .reference = true});
        int status = machine_wait_exit(machine, TEST_MS);

        if (status != EXIT_FAILED || !machine_com1_contains(machine, "the drivers cannot be started", 0))
            machine_fail(machine, "'%s' ends with %d", words[i], status);
        machine_stop(machine);
    }
}

static uint64_t median(struct machine *machine, const char *name)
{
    uint64_t p50 = 0;
    json_t *event;

    while (!p50) {
        event = machine_com2_event(machine, "micro", 0);
        if (strcmp(json_string_value(json_object_get(event, "name")), name) == 0)
            p50 = (uint64_t)json_integer_value(json_object_get(event, "p50"));
        json_decref(event);
    }
    return p50;
}

/* From the byte's injection to the event that the process published. */
Test(user, a_key_takes_900_instructions_through_a_process, .timeout = 300)
{
    struct machine *machine = run("mode=bench suite=micro");
    uint64_t key = median(machine, "key.user");

    if (key > 900)
        machine_fail(machine, "it takes %" PRIu64, key);
    machine_stop(machine);
}
