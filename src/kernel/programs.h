/*
 * The programs that came with the kernel: the files of a ustar archive that the loader placed in memory as a module.
 */
#ifndef DUET_KERNEL_PROGRAMS_H
#define DUET_KERNEL_PROGRAMS_H

#include "lib/boot_info.h"
#include "lib/tar.h"

/* Takes note of the modules. Context: boot, once RAM is mapped. */
void programs_init(const struct boot_info *info);

/* Whether there is any archive. Context: any. */
bool programs_exist(void);

/* STATUS_NOT_FOUND: there is no file of that name. Context: any. */
enum status programs_find(const char *name, struct tar_file *file) must_check;

#endif
