/*
 * What is to know of stacks beyond thread/arch.h, which declares stack_alloc() and stack_free().
 */
#ifndef DUET_KERNEL_STACKS_H
#define DUET_KERNEL_STACKS_H

#include "lib/base.h"

/* If `address` is in the guard page of a stack, or below it where no stack ever is, says whose base it guards;
 * NULL otherwise. Context: any. */
void *stack_guarding(uintptr_t address);

/* Bytes of a stack that were ever used beyond the account at its lowest end, as far as zeroes tell: by all threads that
 * were on it. Context: any. */
size_t stack_used(const void *stack, size_t size_bytes);

/* Unmaps the stacks that wait for a new thread, as is done when memory runs out. Returns the frames given back.
 * Context: thread. */
size_t stacks_trim(void);

/* How many wait: some 2 MiB of them at most. Context: any. */
size_t stacks_pooled(void);

#endif
