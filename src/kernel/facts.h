/*
 * What this machine is, for whoever reads its log.
 */
#ifndef DUET_KERNEL_FACTS_H
#define DUET_KERNEL_FACTS_H

#include "lib/boot_info.h"

/* Logs the CPU and the memory, and at debug level each range of the loader's memory map. Context: thread. */
void facts_log(const struct boot_info *info);

#endif
