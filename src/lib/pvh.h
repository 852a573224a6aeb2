/*
 * Reads hvm_start_info, what a PVH loader (QEMU's -kernel) passes in EBX: Xen, public/arch-x86/hvm/start_info.h.
 *
 * The structure holds physical addresses of further ones, so the caller lends a function that translates them. As with
 * Multiboot 2, nothing that is read is believed before it is checked.
 */
#ifndef DUET_LIB_PVH_H
#define DUET_LIB_PVH_H

#include "lib/boot_info.h"

#define PVH_MAGIC            0x336ec578u
#define PVH_MAX_COMMAND_LINE 4096 /* bytes, its NUL included */

/*
 * `info` is the physical address of the structure. at(physical, size) says where those bytes can be read, or NULL if
 * any of them cannot; it is asked about any address, wrapping ones included. The command line in *out points to what
 * `at` gave. Errors: STATUS_INVALID, it breaks the format or points where `at` does not reach; STATUS_NOT_FOUND, no
 * memory map, as in version 0 of the structure; STATUS_NO_MEMORY, more ranges or modules than struct boot_info holds.
 * *out is untouched on all of them. Context: boot.
 */
must_check enum status pvh_parse(uint64_t info, const void *(*at)(uint64_t physical, size_t size),
                                 struct boot_info *out);

#endif
