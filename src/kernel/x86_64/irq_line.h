/*
 * The sixteen ISA interrupt lines, whichever controller they come through: the two 8259As, or the I/O APIC that the
 * firmware's tables describe. Line n is vector PIC_VECTOR + n by either; all are masked until someone unmasks them.
 */
#ifndef DUET_KERNEL_IRQ_LINE_H
#define DUET_KERNEL_IRQ_LINE_H

#include "lib/boot_info.h"

enum irq_controller { IRQ_PIC, IRQ_APIC };

/* Reads how the lines are wired, from tables that mmu_boot_at() reaches. Context: boot, before mmu_init(). */
void irq_line_find(const struct boot_info *info);

/*
 * Moves the lines from the 8259As, which have been initialised, to the controller that was asked for. If there is no
 * I/O APIC to move to, says so on the console and leaves them where they are. Context: boot, interrupts off, after
 * clock_init().
 */
void irq_line_init(enum irq_controller controller);

/* The controller in use, and its name: "pic" or "apic". Context: any. */
enum irq_controller irq_line_controller(void);
const char *irq_line_controller_name(void);

/*
 * An interrupt that comes while its line is masked is kept by the 8259A (data sheet, "Interrupt mask register") and
 * lost by the I/O APIC if it is an edge (82093AA data sheet, 3.2.4): after unmasking, look at the device. Lines that
 * are wired to nothing stay masked. Context: interrupts off.
 */
void irq_line_unmask(unsigned line);
void irq_line_mask(unsigned line);

/* The lines now masked, a bit each. Context: interrupts off. */
uint16_t irq_line_masked(void);

#endif
