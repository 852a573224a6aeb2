/*
 * The modes when there is no memory for a thread. A debugger is what there is none of: it makes stack_alloc() return
 * NULL, so that what is tested is the kernel as it is.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "gdb.h"
#include "machine.h"
#include "qmp.h"

#define KERNEL  KERNEL_GCC_O2
#define BOOT_MS 90000
#define SAID_MS 30000

#define XOR_EAX_EAX_RET 0x90c3c031 /* and a nop, little endian */

static struct machine *start(const char *cmdline, const char *mode)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL, .cmdline = cmdline, .vga = true, .gdb = true});

    gdb_attach(machine);
    gdb_run_to(machine, elf_symbol(KERNEL, mode), BOOT_MS);
    return machine;
}

/* Stops at the next call of stack_alloc(). Returns where it returns to. */
static uint64_t run_to_stack(struct machine *machine)
{
    gdb_run_to(machine, elf_symbol(KERNEL, "stack_alloc"), SAID_MS);
    return gdb_read_memory_u64(machine, gdb_read_register(machine, GDB_RSP));
}

/* Lets `calls` calls succeed. */
static void pass_stacks(struct machine *machine, unsigned calls)
{
    while (calls--)
        gdb_run_to(machine, run_to_stack(machine), SAID_MS);
}

/* The next call returns NULL, and the machine runs on. */
static void fail_stack(struct machine *machine)
{
    uint64_t back = run_to_stack(machine);

    gdb_write_register(machine, GDB_RAX, 0);
    gdb_write_register(machine, GDB_RIP, back);
    gdb_write_register(machine, GDB_RSP, gdb_read_register(machine, GDB_RSP) + 8);
    gdb_continue(machine);
}

static void must_say(struct machine *machine, const char *text)
{
    if (!machine_com1_contains(machine, text, SAID_MS))
        machine_fail(machine, "does not say '%s'", text);
    if (machine_com1_contains(machine, "PANIC", 0))
        machine_fail(machine, "panics");
}

/* The executor, and each driver. */
static unsigned echo_stacks[] = {0, 1, 2};

ParameterizedTestParameters(no_memory, echo_says_so_and_ends)
{
    return cr_make_param_array(unsigned, echo_stacks, sizeof(echo_stacks) / sizeof(echo_stacks[0]));
}

ParameterizedTest(unsigned *before, no_memory, echo_says_so_and_ends, .timeout = 120)
{
    struct machine *machine = start("mode=echo keyboard=thread mouse=thread", "echo_run");

    pass_stacks(machine, *before);
    fail_stack(machine);
    must_say(machine, "duet: echo: no memory for the drivers");
    cr_assert_eq(machine_wait_exit(machine, SAID_MS), EXIT_FAILED);
    machine_stop(machine);
}

struct lack {
    unsigned before; /* stacks of the demo that there is memory for */
    char said[64];
    bool works; /* the keyboard, all the same */
};

static struct lack lacks[] = {
    {0, "[no memory for the demo's threads, nothing runs]", false},
    {1, "[no memory for the demo's threads, nothing runs]", false},
    {2, "[keyboard: no memory for a thread, it is async]", true},
    {3, "[mouse: no memory for a thread, it is async]", true},
    {4, "[thread a: no memory for its stack]", true},
    {5, "[thread b: no memory for its stack]", true},
};

ParameterizedTestParameters(no_memory, the_demo_says_so_and_does_what_it_can)
{
    return cr_make_param_array(struct lack, lacks, sizeof(lacks) / sizeof(lacks[0]));
}

ParameterizedTest(struct lack *lack, no_memory, the_demo_says_so_and_does_what_it_can, .timeout = 120)
{
    struct machine *machine = start("mode=demo keyboard=thread mouse=thread", "demo_run");

    pass_stacks(machine, lack->before);
    fail_stack(machine);
    must_say(machine, lack->said);
    if (lack->works) {
        machine_key(machine, "q", true);
        machine_key(machine, "q", false);
        machine_key(machine, "f2", true);
        must_say(machine, "q\r\n[mouse: ");
    }
    machine_stop(machine);
}

Test(no_memory, the_demo_keeps_an_async_driver_that_cannot_become_a_thread, .timeout = 120)
{
    struct machine *machine = start("mode=demo keyboard=async mouse=thread", "demo_run");

    pass_stacks(machine, 5); /* its threads */
    gdb_write_memory_u32(machine, elf_symbol(KERNEL, "stack_alloc"), XOR_EAX_EAX_RET);
    gdb_continue(machine);
    machine_key(machine, "f1", true);
    must_say(machine, "[keyboard: no memory for a thread, it is async]");
    machine_key(machine, "f1", false);
    machine_key(machine, "q", true);
    machine_key(machine, "q", false);
    machine_key(machine, "f2", true);
    must_say(machine, "q\r\n[mouse: thread -> async]");
    machine_stop(machine);
}
