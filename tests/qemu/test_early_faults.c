/*
 * Exceptions between the loader's jump and the kernel's own IDT: each is reported by boot.S, on COM1 and on the screen,
 * and stops the machine. With -no-reboot a triple fault would end QEMU. gdb plants the faults.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>

#include "gdb.h"
#include "machine.h"
#include "qmp.h"

#define BOOT_MS   60000
#define STILL_MS  200
#define SCREEN_MS 5000

#define KERNEL_BASE 0xffffffff80000000u

/* Instructions, as the little-endian words that are written over what is there. */
#define UD2         0x90900b0fu
#define DIV_AH      0x9090f4f6u /* div %ah: by 0 if %rax is 1 */
#define LOAD_EAX    0x9090008bu /* mov (%rax), %eax */
#define LOAD_DS     0x9090d88eu /* mov %eax, %ds */
#define PUSH_RAX    0x90909050u
#define LTR         0xd8000fu /* of a register, which the lowest bits name */
#define LTR_BYTES   3
#define UNMAPPED    0x100000000u        /* boot.S maps the 4 GiB below */
#define NONE        0x8000000000000000u /* not canonical */
#define NO_SELECTOR 0xfff8u

enum { DIVIDE_ERROR = 0, INVALID_OPCODE = 6, GENERAL_PROTECTION = 13, PAGE_FAULT = 14 };

/* At the symbol, what `rax` and `rsp` hold (0: what they held), and the instruction; then what is to be reported. */
struct fault {
    char place[24];
    uint32_t instruction;
    uint64_t rax, rsp;
    unsigned vector;
    uint32_t error;
    bool grub;
};

static struct fault faults[] = {
    {"check_cpu", UD2, 0, 0, INVALID_OPCODE, 0, false},
    {"check_cpu", UD2, 0, 0, INVALID_OPCODE, 0, true},
    {"check_cpu", LOAD_DS, NO_SELECTOR, 0, GENERAL_PROTECTION, NO_SELECTOR, false},
    {"map_memory", UD2, 0, 0, INVALID_OPCODE, 0, false},
    {"enter_long_mode", UD2, 0, 0, INVALID_OPCODE, 0, false},
    {"leave_compatibility", UD2, 0, 0, INVALID_OPCODE, 0, false},
    {"leave_compatibility", LOAD_DS, NO_SELECTOR, 0, GENERAL_PROTECTION, NO_SELECTOR, false},
    {"start64", UD2, 0, 0, INVALID_OPCODE, 0, false},
    {"start64", PUSH_RAX, 0, UNMAPPED + 8, PAGE_FAULT, 2, false},
    {"kernel_main", UD2, 0, 0, INVALID_OPCODE, 0, false},
    {"kernel_main", LOAD_EAX, UNMAPPED, 0, PAGE_FAULT, 0, false},
    {"kernel_main", PUSH_RAX, 0, NONE, GENERAL_PROTECTION, 0, false}, /* from QEMU: a stack fault on hardware */
    {"console_init", DIV_AH, 1, 0, DIVIDE_ERROR, 0, false},
    {"console_init", LOAD_EAX, NONE, 0, GENERAL_PROTECTION, 0, false},
    {"interrupt_init", UD2, 0, 0, INVALID_OPCODE, 0, false},
};

/* Stops where the fault is to be. What GRUB and the firmware run at that address first has another stack. */
static uint64_t stop_at_place(struct machine *machine, const struct fault *fault)
{
    uint64_t place = elf_symbol(KERNEL_GCC_O2, fault->place);
    uint64_t stack = elf_symbol(KERNEL_GCC_O2, "boot_stack32_top") - KERNEL_BASE;

    gdb_attach(machine);
    do
        gdb_run_to(machine, place, BOOT_MS);
    while (fault->grub && gdb_read_register(machine, GDB_RSP) != stack);
    return place;
}

ParameterizedTestParameters(early_faults, every_exception_is_reported_and_stops_the_machine)
{
    return cr_make_param_array(struct fault, faults, sizeof(faults) / sizeof(faults[0]));
}

ParameterizedTest(struct fault *fault, early_faults, every_exception_is_reported_and_stops_the_machine, .timeout = 120)
{
    struct machine *machine = machine_start(&(struct machine_options){
        .kernel = fault->grub ? NULL : KERNEL_GCC_O2, .iso = ISO, .cmdline = "mode=echo", .vga = true, .gdb = true});
    uint64_t place = stop_at_place(machine, fault);
    char report[128];
    int on_screen;

    gdb_write_memory_u32(machine, place, fault->instruction);
    if (fault->rax)
        gdb_write_register(machine, GDB_RAX, fault->rax);
    if (fault->rsp)
        gdb_write_register(machine, GDB_RSP, fault->rsp);
    gdb_continue(machine);

    snprintf(report, sizeof(report),
             "Duet: exception %u at 0x%016" PRIx64 "%n before the kernel could handle it, "
             "error code 0x%08" PRIx32 "\r\n",
             fault->vector, place, &on_screen, fault->error);
    if (!machine_com1_contains(machine, report, BOOT_MS))
        machine_fail(machine, "at %s: COM1 never says '%s'", fault->place, report);
    report[on_screen] = 0;
    if (!machine_screen_contains(machine, report, SCREEN_MS))
        machine_fail(machine, "at %s: the screen never says '%s'", fault->place, report);
    if (machine_wait_exit(machine, STILL_MS) != EXIT_NONE || machine->pid == 0)
        machine_fail(machine, "at %s: the machine did not stay up", fault->place);
    cr_assert_eq(machine->text[MACHINE_COM2].length, 0, "the kernel went on");
    machine_stop(machine);
}

Test(early_faults, a_panic_before_the_console_is_set_up_sets_it_up, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo", .vga = true, .gdb = true});

    gdb_attach(machine);
    gdb_run_to(machine, elf_symbol(KERNEL_GCC_O2, "console_init"), BOOT_MS);
    gdb_write_register(machine, GDB_RIP, elf_symbol(KERNEL_GCC_O2, "__stack_chk_fail"));
    gdb_continue(machine);
    if (!machine_com1_contains(machine, "PANIC: stack smashed", BOOT_MS))
        machine_fail(machine, "COM1 never says so");
    if (!machine_screen_contains(machine, "PANIC: stack smashed", SCREEN_MS))
        machine_fail(machine, "the screen never says so");
    machine_stop(machine);
}

/* The kernel's TSS has no stacks for exceptions yet when it replaces boot.S's. */
Test(early_faults, an_exception_as_soon_as_the_tss_is_loaded_is_a_panic, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo", .gdb = true});
    uint64_t place = elf_symbol(KERNEL_GCC_O2, "interrupt_init");

    gdb_attach(machine);
    gdb_run_to(machine, place, BOOT_MS);
    for (uint64_t end = place + 1024; (gdb_read_memory_u64(machine, place) & 0xf8ffff) != LTR; place++)
        cr_assert_lt(place, end, "no ltr in interrupt_init()");
    place += LTR_BYTES;
    gdb_run_to(machine, place, BOOT_MS);
    gdb_write_memory_u32(machine, place, UD2);
    gdb_continue(machine);
    if (!machine_com1_contains(machine, "PANIC: invalid opcode", BOOT_MS))
        machine_fail(machine, "COM1 never says so");
    machine_stop(machine);
}
