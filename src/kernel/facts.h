/*
 * What this machine is, for whoever reads its log.
 */
#ifndef DUET_KERNEL_FACTS_H
#define DUET_KERNEL_FACTS_H

#include "lib/boot_info.h"

/* Logs the CPU and the memory; at debug level each range of the loader's memory map, and that interrupts are set up as
 * they should be. What is wrong with them is an error. Context: thread. */
void facts_log(const struct boot_info *info);

#endif
