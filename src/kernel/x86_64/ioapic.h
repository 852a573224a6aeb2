/*
 * The I/O APICs, as far as the ISA lines need them. Where each line ends is the firmware's to say (lib/acpi.h).
 * Facts: Intel 82093AA data sheet (order 290566), 3.0 to 3.2; Intel SDM vol. 3, chapter 10, for what it sends where.
 */
#ifndef DUET_KERNEL_IOAPIC_H
#define DUET_KERNEL_IOAPIC_H

#include "lib/acpi.h"

/*
 * Maps every I/O APIC, masks all inputs of all of them, and points ISA line n, still masked, to `vector` + n of the CPU
 * whose local APIC has the id `destination`. Interrupts end at that local APIC.
 * STATUS_NOT_FOUND: no register answers where there should be one, or no I/O APIC has the input of a line that is
 * connected; nothing was changed then. Context: boot, interrupts off.
 */
must_check enum status ioapic_init(const struct acpi_interrupts *wiring, uint8_t vector, uint8_t destination);

/* A line that is not connected stays masked. An edge that comes while its line is masked is lost. Context: interrupts
 * off. */
void ioapic_unmask(unsigned line);
void ioapic_mask(unsigned line);

/* The lines now masked, a bit each. Context: interrupts off. */
uint16_t ioapic_masked(void);

#endif
