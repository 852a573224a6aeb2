/*
 * Time on a PC: the TSC as the clock, the local APIC's one-shot timer for deadlines, and the PIT that both are
 * calibrated against. Defines lib/clock.h and thread/arch.h's timer_arm().
 * Facts: Intel SDM vol. 3, 10.4 and 10.5 (local APIC and its timer), 17.17 (TSC); Intel 8254 data sheet (order 231164).
 */
#ifndef DUET_KERNEL_CLOCK_H
#define DUET_KERNEL_CLOCK_H

#include "lib/base.h"
#include "lib/clock.h"

enum {
    APIC_TIMER_VECTOR = 0x30,
    APIC_SPURIOUS_VECTOR = 0xff,
};

/* Turns the local APIC on, lets the 8259A through it, and measures the TSC and the APIC timer over 2 ms of the PIT.
 * Context: boot, interrupts off. */
void clock_init(void);

/* What was measured, rounded to 1 MHz. */
uint64_t clock_tsc_hz(void);

/* Ends the local APIC's interrupt in service. Context: irq. */
void apic_end(void);

/* Lets the 8259A's interrupts through no longer. Context: boot. */
void apic_refuse_pic(void);

/* What other APICs call this CPU's. Context: boot. */
uint8_t apic_id(void);

/* Makes PIT channel 0 interrupt on line 0 `hz` times a second, 19 to 1193182; 0 stops it after one more interrupt at
 * most. The line stays masked until unmasked. Context: thread. */
void pit_start(uint32_t hz);

#endif
