/*
 * The one way to ring 3's memory: checked for where it may be, and for what is there by trying.
 */
#ifndef DUET_KERNEL_USER_COPY_H
#define DUET_KERNEL_USER_COPY_H

#include "lib/base.h"

/*
 * Copy between the kernel and the running thread's address space. STATUS_INVALID for bytes that are not all within
 * [SPACE_LOW, SPACE_END), and where ring 3 itself could not have read or written them; what comes before the first such
 * byte may be copied then. Context: thread with ATTENTION_SPACE, which can be preempted meanwhile.
 */
enum status user_copy_in(void *to, uint64_t from, size_t size) must_check;
enum status user_copy_out(uint64_t to, const void *from, size_t size) must_check;

#endif
