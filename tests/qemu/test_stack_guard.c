/*
 * The stack protector's value is drawn anew at every boot. That an overrun is caught is the kernel's own test,
 * panic.stack_smashed.
 */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "gdb.h"
#include "machine.h"

#define BOOT_MS 60000

/* The value, read where the kernel has drawn it and goes on. */
static uint64_t guard_of(const struct machine_options *options)
{
    struct machine *machine = machine_start(options);
    uint64_t guard;

    gdb_attach(machine);
    gdb_run_to(machine, elf_symbol(options->kernel, "interrupt_init"), BOOT_MS);
    guard = gdb_read_memory_u64(machine, elf_symbol(options->kernel, "__stack_chk_guard"));
    machine_stop(machine);
    cr_assert_neq(guard, 0);
    cr_assert_eq(guard & 0xff, 0, "a string can hold %016" PRIx64, guard);
    return guard;
}

static uint64_t seeded_guard(const char *kernel, unsigned seed)
{
    return guard_of(&(struct machine_options){.kernel = kernel, .reference = true, .seed = seed, .gdb = true});
}

Test(stack_guard, is_what_the_seed_says, .timeout = 120)
{
    uint64_t guard = seeded_guard(KERNEL_GCC_O2, 1);

    cr_assert_eq(seeded_guard(KERNEL_GCC_O2, 1), guard);
    cr_assert_eq(seeded_guard(KERNEL_CLANG_O0, 1), guard);
    cr_assert_neq(seeded_guard(KERNEL_GCC_O2, 2), guard);
}

Test(stack_guard, differs_between_boots, .timeout = 120)
{
    struct machine_options options = {.kernel = KERNEL_GCC_O2, .gdb = true};

    cr_assert_neq(guard_of(&options), guard_of(&options));
}

Test(stack_guard, differs_between_boots_without_rdrand, .timeout = 120)
{
    struct machine_options options = {.kernel = KERNEL_GCC_O2, .cpu = "max,-rdrand", .gdb = true};

    cr_assert_neq(guard_of(&options), guard_of(&options));
}
