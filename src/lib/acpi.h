/*
 * Reads from the ACPI tables how a PC's interrupt lines are wired: the root pointer (RSDP), the table of tables (RSDT
 * or XSDT) and the Multiple APIC Description Table (MADT). ACPI Specification 6.5, sections 5.2.5 to 5.2.8 and 5.2.12.
 *
 * The tables are firmware's, lie anywhere and point anywhere, so the caller lends a function that translates physical
 * addresses, as for pvh_parse(). Nothing that is read is believed before it is checked.
 */
#ifndef DUET_LIB_ACPI_H
#define DUET_LIB_ACPI_H

#include "lib/base.h"

#define ACPI_ISA_LINES       16
#define ACPI_MAX_IO_APICS    16
#define ACPI_MAX_TABLE_BYTES (1u << 20) /* one that says it is longer lies */

/* One I/O APIC: its first input is global system interrupt gsi_base. How many it has, only the device itself says. */
struct acpi_io_apic {
    uint64_t address; /* physical, of its registers: not 0, a multiple of 1024 */
    uint32_t gsi_base;
    uint8_t id;
};

/* Where an ISA line ends: as ISA defines it, high and by edges, and with the MADT's overrides applied. */
struct acpi_line {
    uint32_t gsi;
    bool connected; /* false: another line took the GSI that would have been its own */
    bool active_low;
    bool level; /* triggered by level, not by edge */
};

struct acpi_interrupts {
    uint64_t local_apic; /* physical, of every CPU's own registers: not 0, page-aligned, no I/O APIC's page */
    bool pic;            /* there are two 8259s as well */
    struct acpi_line lines[ACPI_ISA_LINES];
    struct acpi_io_apic io_apics[ACPI_MAX_IO_APICS]; /* no two with one address or one gsi_base */
    size_t io_apic_count;                            /* may be 0 */
};

/*
 * Looks for the root pointer where a BIOS leaves it: in the first KiB of the extended BIOS data area, and between
 * 0xe0000 and 0xfffff. Returns its physical address, 0 if it is nowhere. Context: boot.
 */
must_check uint64_t acpi_find_root(const void *(*at)(uint64_t physical, size_t size));

/*
 * Reads the MADT that the root pointer at `root` leads to. at(physical, size) says where those bytes can be read, or
 * NULL if any of them cannot; it is asked about any address, wrapping ones included, and nothing it gave is kept.
 *
 * Errors: STATUS_NOT_FOUND, there is no MADT; STATUS_INVALID, a checksum, a length or a field breaks the format, two
 * entries contradict each other, or a table that is needed cannot be read; STATUS_NO_MEMORY, more I/O APICs than fit.
 * *out is untouched on all of them. Entries that are not described above are stepped over, and so are tables other than
 * the MADT, sound or not. Context: boot.
 */
must_check enum status acpi_parse(uint64_t root, const void *(*at)(uint64_t physical, size_t size),
                                  struct acpi_interrupts *out);

#endif
