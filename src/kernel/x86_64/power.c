/* Ways to end, one after the other until one works. */
#include "kernel/x86_64/power.h"

#include "drivers/i8042.h"
#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/fw_cfg.h"

enum {
    COMMAND_PULSE_RESET = 0xfe,
    PORT_PM1_CONTROL = 0x604,
    PM1_SLEEP = 0x2000,
    WAIT_MAX = 100000, /* reads of about 1 us each */
};

_Noreturn void power_again(void)
{
    static const struct descriptor_table none = {0};

    cli();
    log_replay();
    for (unsigned i = 0; i < WAIT_MAX && (inb(I8042_STATUS) & I8042_STATUS_INPUT_FULL); i++)
        ;
    outb(I8042_COMMAND, COMMAND_PULSE_RESET);
    for (unsigned i = 0; i < WAIT_MAX; i++)
        (void)inb(I8042_STATUS);
    lidt(&none);
    breakpoint();
    for (;;)
        hlt();
}

_Noreturn void power_off(void)
{
    cli();
    log_replay();
    if (fw_cfg_present())
        outw(PORT_PM1_CONTROL, PM1_SLEEP);
    console_print("duet: the machine can be turned off now\n");
    machine_exit(EXIT_PASSED);
}
