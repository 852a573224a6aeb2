/*
 * Reads the Multiboot 2 information structure: Multiboot2 Specification 2.0, section 3.6, "Boot information format".
 *
 * Read from it: command line (tag 1), loader name (2), modules (3), memory map (6) and the ACPI root pointer (14, 15;
 * the newer one wins). Other tags are stepped over; the basic meminfo (4) says nothing the map does not. The structure
 * comes from outside and is not believed: every size, offset and string is checked against the bounds around it.
 */
#ifndef DUET_LIB_MULTIBOOT2_H
#define DUET_LIB_MULTIBOOT2_H

#include "lib/boot_info.h"

#define MULTIBOOT2_LOADER_MAGIC 0x36d76289u /* in EAX at entry; EBX holds the structure's physical address */

/*
 * `info` is readable for `limit` bytes, and lies at the address `physical`. Strings in *out point into it, and so does
 * the root pointer, physically: the loader's copy stands for the firmware's, wherever that is.
 * Errors: STATUS_INVALID, it breaks the format; STATUS_NOT_FOUND, no memory map; STATUS_NO_MEMORY, more ranges or
 * modules than struct boot_info holds. *out is untouched on all of them. Context: boot.
 */
must_check enum status multiboot2_parse(const void *info, uint64_t physical, size_t limit, struct boot_info *out);

#endif
