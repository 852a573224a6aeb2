/* irqoff=on as a person sees it: what is refused, and what a run and a panic end with. */
#include <criterion/criterion.h>

#include "machine.h"

enum { BOOT_MS = 30000 };

TestSuite(irqoff, .timeout = 120);

static struct machine *start(const char *cmdline)
{
    return machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = cmdline, .reference = true});
}

static void must_say(struct machine *machine, const char *text)
{
    cr_assert(machine_com1_contains(machine, text, BOOT_MS), "it does not say: %s", text);
}

Test(irqoff, any_other_value_is_refused_by_name)
{
    struct machine *machine = start("mode=echo irqoff=maybe");

    must_say(machine, "duet: irqoff: unknown value \"maybe\" (valid: off, on)");
    cr_assert_eq(machine_wait_exit(machine, BOOT_MS), EXIT_FAILED);
    machine_stop(machine);
}

/* The stretch that the test plants is the longest of preemption, by far. */
Test(irqoff, a_run_of_tests_ends_with_the_longest)
{
    struct machine *machine = start("mode=test test=irqoff.preemption_is_found irqoff=on");

    must_say(machine, "longest interrupts off: ");
    must_say(machine, " from irqoff_flow_preemption (src/kernel/suites/irqoff_flow.S:");
    cr_assert_eq(machine_wait_exit(machine, BOOT_MS), EXIT_PASSED);
    machine_stop(machine);
}

Test(irqoff, a_panic_ends_with_the_longest)
{
    struct machine *machine = start("mode=test test=panic.preempt_enable_unpaired irqoff=on");

    must_say(machine, "PANIC: preemption is enabled more often than disabled");
    must_say(machine, "longest interrupts off: ");
    must_say(machine, "longest preemption off: ");
    cr_assert_eq(machine_wait_exit(machine, BOOT_MS), EXIT_PASSED);
    machine_stop(machine);
}

Test(irqoff, nothing_is_said_of_it_unless_asked_for)
{
    struct machine *machine = start("mode=test test=panic.preempt_enable_unpaired");

    cr_assert_eq(machine_wait_exit(machine, BOOT_MS), EXIT_PASSED);
    cr_assert_not(machine_com1_contains(machine, "longest", 0));
    machine_stop(machine);
}
