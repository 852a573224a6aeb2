/*
 * What the kernel boots on, and what it says where it cannot. With -no-reboot a triple fault ends QEMU, so "still runs"
 * below also means that there was none.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdb.h"
#include "machine.h"
#include "qmp.h"

#define BOOT_MS   60000
#define STILL_MS  500
#define ANSWER_MS 20000

#define MULTIBOOT2_LOADER 0x36d76289u
#define PVH_START_INFO    0x336ec578u
#define START_INFO_RSDP   32

static void must_still_run(struct machine *machine)
{
    if (machine_wait_exit(machine, STILL_MS) != EXIT_NONE || machine->pid == 0)
        machine_fail(machine, "the machine did not stay up");
}

static void must_say(struct machine *machine, const char *text)
{
    if (!machine_com1_contains(machine, text, BOOT_MS))
        machine_fail(machine, "COM1 never says '%s'", text);
}

static void must_refuse(struct machine *machine, const char *reason)
{
    must_say(machine, reason);
    if (!machine_screen_contains(machine, reason, ANSWER_MS))
        machine_fail(machine, "the screen never says '%s'", reason);
    must_still_run(machine);
    cr_assert_eq(machine->text[MACHINE_COM2].length, 0, "a kernel that refused went on");
    machine_stop(machine);
}

/* In echo mode, alive from the interrupt line to COM2. */
static void must_echo(struct machine *machine)
{
    const char *line;

    json_decref(machine_com2_event(machine, "ready", BOOT_MS));
    machine_tap(machine, "q");
    line = machine_com2_line(machine, ANSWER_MS);
    cr_assert(strstr(line, "\"KEY_Q\""), "no echo, but '%s'", line);
    machine_com2_line(machine, ANSWER_MS);
    machine_mouse_move(machine, 3, 4);
    line = machine_com2_line(machine, ANSWER_MS);
    cr_assert(strstr(line, "\"dx\":3,\"dy\":4"), "no motion, but '%s'", line);
    must_still_run(machine);
    machine_stop(machine);
}

/* ---- refusals ---- */

struct lack {
    char cpu[24];
    char reason[16];
    bool grub;
};

static struct lack lacks[] = {
    {"qemu32", "no long mode", false}, {"qemu32", "no long mode", true},   {"qemu64,-nx", "no NX", false},
    {"qemu64,-nx", "no NX", true},     {"qemu64,-apic", "no APIC", false}, {"qemu64,-apic", "no APIC", true},
};

ParameterizedTestParameters(boot, refuses_a_cpu_without_what_it_needs)
{
    return cr_make_param_array(struct lack, lacks, sizeof(lacks) / sizeof(lacks[0]));
}

ParameterizedTest(struct lack *lack, boot, refuses_a_cpu_without_what_it_needs, .timeout = 180)
{
    must_refuse(machine_start(&(struct machine_options){.kernel = lack->grub ? NULL : KERNEL_GCC_O2,
                                                        .iso = ISO,
                                                        .cmdline = "mode=echo",
                                                        .cpu = lack->cpu,
                                                        .vga = true}),
                lack->reason);
}

/* The kernel's text is there; its stacks are not, or not all of its data. */
Test(boot, refuses_a_machine_with_less_memory_than_its_own, .timeout = 120)
{
    for (unsigned mib = 2; mib <= 3; mib++)
        must_refuse(machine_start(&(struct machine_options){
                        .kernel = KERNEL_GCC_O2, .cmdline = "mode=echo", .memory_mib = mib, .vga = true}),
                    "there is less memory");
}

static unsigned little[] = {4, 5, 6, 7, 8, 12, 16, 24, 31};

ParameterizedTestParameters(boot, four_mib_are_enough)
{
    return cr_make_param_array(unsigned, little, sizeof(little) / sizeof(little[0]));
}

ParameterizedTest(unsigned *mib, boot, four_mib_are_enough, .timeout = 120)
{
    must_echo(
        machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo", .memory_mib = *mib}));
}

Test(boot, refuses_a_start_info_without_its_magic, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo", .vga = true, .gdb = true});
    uint64_t entry = elf_pvh_entry(KERNEL_GCC_O2);

    cr_assert_neq(entry, 0, "no PVH note");
    gdb_attach(machine);
    gdb_run_to(machine, entry, BOOT_MS);
    gdb_write_memory_u32(machine, gdb_read_register(machine, GDB_RBX), ~PVH_START_INFO);
    gdb_continue(machine);
    must_refuse(machine, "the loader is neither");
}

Test(boot, refuses_a_loader_without_the_multiboot2_magic, .timeout = 180)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.iso = ISO, .cmdline = "mode=echo", .vga = true, .gdb = true});
    uint64_t entry = elf_multiboot2_entry(KERNEL_GCC_O2);

    gdb_attach(machine);
    /* Firmware and GRUB may run code of their own at this address first. */
    do
        gdb_run_to(machine, entry, BOOT_MS);
    while (gdb_read_register(machine, GDB_RAX) != MULTIBOOT2_LOADER);
    gdb_write_register(machine, GDB_RAX, MULTIBOOT2_LOADER - 1);
    gdb_continue(machine);
    must_refuse(machine, "the loader is neither");
}

/* ---- what it boots on ---- */

struct platform {
    char machine[8];
    bool grub;
    bool disk;
    unsigned memory_mib;
};

static struct platform platforms[] = {
    {"pc", false, false, 32},   {"pc", false, false, 8192}, {"q35", false, false, 512}, {"pc", true, false, 32},
    {"pc", true, true, 64},     {"pc", true, false, 512},   {"q35", true, false, 64},   {"q35", true, true, 32},
    {"q35", true, false, 8192}, {"pc", true, true, 8192},
};

ParameterizedTestParameters(boot, boots_from_every_loader_on_every_platform)
{
    return cr_make_param_array(struct platform, platforms, sizeof(platforms) / sizeof(platforms[0]));
}

ParameterizedTest(struct platform *platform, boot, boots_from_every_loader_on_every_platform, .timeout = 240)
{
    must_echo(machine_start(&(struct machine_options){.kernel = platform->grub ? NULL : KERNEL_GCC_O2,
                                                      .iso = ISO,
                                                      .disk = platform->disk,
                                                      .cmdline = "mode=echo keyboard=async mouse=thread",
                                                      .machine = platform->machine,
                                                      .memory_mib = platform->memory_mib}));
}

Test(boot, a_plain_64_bit_cpu_is_enough, .timeout = 120)
{
    must_echo(
        machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo", .cpu = "qemu64"}));
}

/* QEMU's own things are looked for only where something says that it is no real machine. */
Test(boot, a_cpu_that_names_no_hypervisor_is_enough, .timeout = 120)
{
    struct machine *machine = machine_start(&(struct machine_options){
        .iso = ISO, .cmdline = "mode=test test=boot.clock_is_monotonic", .cpu = "max,-hypervisor", .vga = true});

    must_say(machine, "Duet: futures and threads");
    if (machine_screen_row(machine, 1, "keyboard  async", BOOT_MS) != 1)
        machine_fail(machine, "it took words from where it should not have looked");
    machine_stop(machine);
}

/* ---- irq=apic ---- */

static struct platform apic_platforms[] = {
    {"pc", false, false, 32},
    {"pc", false, false, 8192},
    {"q35", true, false, 64},
    {"pc", true, true, 8192},
};

ParameterizedTestParameters(boot, finds_the_io_apic_from_every_loader)
{
    return cr_make_param_array(struct platform, apic_platforms, sizeof(apic_platforms) / sizeof(apic_platforms[0]));
}

/* With 8 GiB the firmware's tables lie just below the third or fourth. */
ParameterizedTest(struct platform *platform, boot, finds_the_io_apic_from_every_loader, .timeout = 240)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = platform->grub ? NULL : KERNEL_GCC_O2,
                                  .iso = ISO,
                                  .disk = platform->disk,
                                  .cmdline = "mode=echo keyboard=thread mouse=async irq=apic",
                                  .machine = platform->machine,
                                  .memory_mib = platform->memory_mib});

    must_say(machine, "irq: I/O APIC at 0xfec00000");
    must_echo(machine);
}

/* QEMU's own view of the I/O APIC. A pin is shown as "pin N 0x<redirection> dest=D vec=V active-<hi|lo> <edge|level>
 * [masked] ...". */
static void must_be_wired(const char *view, unsigned pin, unsigned vector, const char *trigger, bool masked)
{
    const char *line = view;
    unsigned found_pin, found_vector, destination;
    char found_polarity[16], found_trigger[16], found_mask[16];

    while ((line = strstr(line, "pin "))) {
        if (sscanf(line, "pin %u 0x%*x dest=%u vec=%u active-%15s %15s %15s", &found_pin, &destination, &found_vector,
                   found_polarity, found_trigger, found_mask) == 6 &&
            found_pin == pin) {
            cr_assert_eq(found_vector, vector, "pin %u: vector %u", pin, found_vector);
            cr_assert_eq(destination, 0);
            cr_assert_str_eq(found_polarity, "hi", "pin %u", pin);
            cr_assert_str_eq(found_trigger, trigger, "pin %u", pin);
            cr_assert_eq(strcmp(found_mask, "masked") == 0, masked, "pin %u: '%.80s'", pin, line);
            return;
        }
        line++;
    }
    cr_assert_fail("no pin %u in '%s'", pin, view);
}

/* Line 0 is input 2, and those that QEMU shares with PCI come by level: the firmware's overrides say so. */
Test(boot, wires_the_io_apic_as_the_firmware_says, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo irq=apic"});
    json_t *answer;
    const char *view;

    json_decref(machine_com2_event(machine, "ready", BOOT_MS));
    answer = qmp_run(machine, "human-monitor-command", json_pack("{s:s}", "command-line", "info pic"));
    view = json_string_value(json_object_get(answer, "return"));
    cr_assert_not_null(view);
    must_be_wired(view, 0, 0, "edge", true);
    must_be_wired(view, 1, 33, "edge", false);
    must_be_wired(view, 2, 32, "edge", true);
    must_be_wired(view, 4, 36, "edge", true);
    must_be_wired(view, 9, 41, "level", true);
    must_be_wired(view, 12, 44, "edge", false);
    must_be_wired(view, 16, 0, "edge", true);
    json_decref(answer);
    machine_stop(machine);
}

/* What the loader says of the root pointer, and what comes of it. QEMU passes the right one. */
struct root {
    unsigned address;
    char said[48];
};

static struct root roots[] = {
    {0, "irq: I/O APIC at 0xfec00000"}, /* it is looked for */
    {0x1000, "irq: no I/O APIC, as the ACPI tables break"},
    {0xfffffff0, "irq: no I/O APIC, as the ACPI tables break"},
};

ParameterizedTestParameters(boot, takes_no_root_pointer_or_a_wild_one_and_goes_on)
{
    return cr_make_param_array(struct root, roots, sizeof(roots) / sizeof(roots[0]));
}

ParameterizedTest(struct root *root, boot, takes_no_root_pointer_or_a_wild_one_and_goes_on, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo irq=apic", .gdb = true});
    uint64_t start_info;

    gdb_attach(machine);
    gdb_run_to(machine, elf_pvh_entry(KERNEL_GCC_O2), BOOT_MS);
    start_info = gdb_read_register(machine, GDB_RBX);
    gdb_write_memory_u32(machine, start_info + START_INFO_RSDP, root->address);
    gdb_write_memory_u32(machine, start_info + START_INFO_RSDP + 4, 0);
    gdb_continue(machine);
    must_say(machine, root->said);
    must_echo(machine);
}

Test(boot, goes_on_with_the_8259_where_there_is_no_io_apic_and_says_so, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo irq=apic", .machine = "pc,acpi=off"});

    must_say(machine, "irq: no I/O APIC, as ");
    must_echo(machine);
}

Test(boot, does_without_a_keyboard_controller_and_says_so, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo", .machine = "pc,i8042=off"});
    json_t *ready = machine_com2_event(machine, "ready", BOOT_MS);

    cr_assert(json_is_false(json_object_get(ready, "keyboard")));
    cr_assert(json_is_false(json_object_get(ready, "mouse")));
    json_decref(ready);
    must_say(machine, "no i8042");
    must_still_run(machine);
    machine_stop(machine);
}

Test(boot, measures_nothing_without_a_keyboard_controller, .timeout = 120)
{
    struct machine *machine = machine_start(&(struct machine_options){
        .kernel = KERNEL_GCC_O2, .cmdline = "mode=bench suite=micro", .machine = "pc,i8042=off"});
    int status = machine_wait_exit(machine, BOOT_MS);

    if (status != EXIT_FAILED)
        machine_fail(machine, "ended with %d", status);
    must_say(machine, "bench: there is no i8042 controller, so nothing can be injected");
    machine_stop(machine);
}

Test(boot, echoes_beside_threads_that_compute, .timeout = 120)
{
    must_echo(machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2,
                                                      .cmdline = "mode=echo keyboard=async mouse=thread load=threads:3",
                                                      .reference = true}));
}

/* ---- the command line ---- */

struct mistake {
    char cmdline[64];
    char word[16];
    char valid[16]; /* something that would have been right */
};

static struct mistake mistakes[] = {
    {"mode=ecoh", "ecoh", "echo"},
    {"mode=echo keyboard=fancy", "fancy", "thread"},
    {"mode=echo mouse=async colour=red", "colour", "keyboard"},
    {"mode=test test=no_such_test", "no_such_test", "all"},
    {"mode=bench suite=matrix driver=fancy", "fancy", "async"},
    {"mode=echo irq=fancy", "fancy", "apic"},
    {"mode=bench suite=fancy", "fancy", "threads"},
    {"mode=bench handicap=async:x", "async:x", "async:1000000"},
    {"mode=bench span=1ms", "1ms", "100ms"},
    {"mode=echo pi=fancy", "fancy", "off"},
    {"mode=echo preempt=fancy", "fancy", "off"},
    {"mode=echo kpreempt=fancy", "fancy", "off"},
    {"mode=echo tick=fancy", "fancy", "10000"},
    {"mode=echo tick=10001", "10001", "10000"},
    {"mode=echo tick=-1", "-1", "10000"},
    {"mode=echo tick=100hz", "100hz", "10000"},
    {"mode=echo tick=1ms", "1ms", "10000"},
};

ParameterizedTestParameters(boot, a_wrong_word_is_named_beside_the_right_ones_and_fails)
{
    return cr_make_param_array(struct mistake, mistakes, sizeof(mistakes) / sizeof(mistakes[0]));
}

/* Whether a single line of COM1 holds both. */
static bool line_holds(struct machine *machine, const char *word, const char *valid)
{
    char *copy = strdup(machine->text[MACHINE_COM1].bytes ? machine->text[MACHINE_COM1].bytes : "");
    char *rest = copy;
    char *line;
    bool found = false;

    while ((line = strsep(&rest, "\r\n")))
        found = found || (strstr(line, word) && strstr(line, valid));
    free(copy);
    return found;
}

ParameterizedTest(struct mistake *mistake, boot, a_wrong_word_is_named_beside_the_right_ones_and_fails, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = mistake->cmdline});
    int status = machine_wait_exit(machine, BOOT_MS);

    if (status != EXIT_FAILED)
        machine_fail(machine, "'%s' ends with %d", mistake->cmdline, status);
    if (!line_holds(machine, mistake->word, mistake->valid))
        machine_fail(machine, "no line names '%s' and '%s'", mistake->word, mistake->valid);
    machine_stop(machine);
}

/* Longer than the kernel keeps one, from the loader and from QEMU. */
Test(boot, a_command_line_that_is_too_long_is_refused, .timeout = 120)
{
    static char words[1200] = "mode=echo";
    struct machine *machine;

    memset(words + strlen(words), ' ', sizeof(words) - strlen(words) - 1);
    machine = machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = words});
    must_say(machine, "PANIC: the command line is longer than 1023 characters");
    machine_stop(machine);
    machine = machine_start(&(struct machine_options){.iso = ISO, .cmdline = words});
    must_say(machine, "duet: the fw_cfg item opt/duet/cmdline is too long");
    machine_stop(machine);
}

Test(boot, the_demo_names_a_wrong_word_and_goes_on, .timeout = 120)
{
    static const char *const lines[] = {"mode=demo colour=red", "colour=red"}; /* the demo is the default */

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct machine *machine = machine_start(
            &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = lines[i], .vga = true});

        must_say(machine, "colour");
        must_still_run(machine);
        machine_stop(machine);
    }
}
