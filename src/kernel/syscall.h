/*
 * System calls: what syscalls.def lists, and where the CPU finds it.
 */
#ifndef DUET_KERNEL_SYSCALL_H
#define DUET_KERNEL_SYSCALL_H

#include "lib/base.h"

/* Has SYSCALL lead to syscall.S, and int 0x80 too if `gate`. Facts: Intel SDM vol. 4, table 2-2 (IA32_STAR and its
 * neighbours). Context: boot. */
void syscall_init(bool gate);

#endif
