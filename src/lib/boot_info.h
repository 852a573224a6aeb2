/*
 * What a loader tells the kernel, whichever loader it was: filled by multiboot2_parse() or pvh_parse().
 *
 * Ranges are in the loader's order, unsorted, and may overlap: the frame allocator settles that. None is empty and
 * base + size never exceeds 2^64 - 1: empty ranges are left out and longer ones are clipped.
 */
#ifndef DUET_LIB_BOOT_INFO_H
#define DUET_LIB_BOOT_INFO_H

#include "lib/base.h"

#define BOOT_MAX_RANGES  64
#define BOOT_MAX_MODULES 16

enum memory_kind {
    MEMORY_USABLE,
    MEMORY_RESERVED, /* also every kind the loader has and this list has not */
    MEMORY_ACPI,     /* ACPI tables: usable once they are read */
    MEMORY_NVS,      /* ACPI non-volatile storage: never usable */
    MEMORY_BAD,
};

/* Physical bytes [base, base + size). */
struct memory_range {
    uint64_t base;
    uint64_t size;
    enum memory_kind kind;
};

struct boot_info {
    const char *loader;       /* its name, never NULL; may point into loader memory */
    const char *command_line; /* in loader memory, NUL-terminated within bounds that were checked; NULL if none */
    struct memory_range ranges[BOOT_MAX_RANGES];
    size_t range_count;
    struct memory_range modules[BOOT_MAX_MODULES]; /* what the loader placed for us: MEMORY_RESERVED */
    size_t module_count;
    uint64_t info_base; /* where the loader's structure itself lies, physically */
    uint64_t info_size;
    uint64_t rsdp; /* physical, of the ACPI root pointer or the loader's copy of it; 0: the loader gave none */
};

/* For the parsers: the types of E820, which both loaders pass on (ACPI 6.5, table 15.4). */
static inline enum memory_kind boot_memory_kind(uint32_t type)
{
    switch (type) {
    case 1:
        return MEMORY_USABLE;
    case 3:
        return MEMORY_ACPI;
    case 4:
        return MEMORY_NVS;
    case 5:
        return MEMORY_BAD;
    default:
        return MEMORY_RESERVED;
    }
}

/* For the parsers: appends a range as the rule above says. STATUS_NO_MEMORY if `capacity` are there already. */
must_check static inline enum status boot_add_range(struct memory_range *ranges, size_t *count, size_t capacity,
                                                    const struct memory_range *range)
{
    uint64_t size = range->size > UINT64_MAX - range->base ? UINT64_MAX - range->base : range->size;

    if (!size)
        return STATUS_OK;
    if (*count == capacity)
        return STATUS_NO_MEMORY;
    ranges[(*count)++] = (struct memory_range){range->base, size, range->kind};
    return STATUS_OK;
}

#endif
