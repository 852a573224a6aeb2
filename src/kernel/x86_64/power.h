/*
 * The machine's end.
 */
#ifndef DUET_KERNEL_POWER_H
#define DUET_KERNEL_POWER_H

#include "lib/base.h"

enum power { POWER_AGAIN, POWER_OFF };

/*
 * Starts the machine again: by the keyboard controller's reset line (IBM PS/2 Hardware Interface Technical Reference,
 * command 0xfe), or, where that does nothing, a triple fault. Context: any.
 */
_Noreturn void power_again(void);

/*
 * Turns the machine off, where it is QEMU's: its firmware puts the registers of power management at port 0x600 (Intel
 * PIIX4 data sheet, 7.2.3: PMCNTRL, where SUS_TYP 0 with SUS_EN is soft off). Elsewhere says that it can be turned off,
 * and halts. Context: any.
 */
_Noreturn void power_off(void);

#endif
