/*
 * QEMU's fw_cfg device: named items that the host hands to the guest.
 * Facts: QEMU, docs/specs/fw_cfg.rst.
 */
#ifndef DUET_KERNEL_FW_CFG_H
#define DUET_KERNEL_FW_CFG_H

#include "lib/base.h"

/* Whether there is one: this is QEMU then. Context: any, one caller at a time. */
bool fw_cfg_present(void);

/* Reads the item `name` as text into `buffer`, NUL-terminated. STATUS_NOT_FOUND: no such device or item.
 * STATUS_NO_MEMORY: it does not fit. Context: boot. */
enum status fw_cfg_read_text(const char *name, char *buffer, size_t size) must_check;

#endif
