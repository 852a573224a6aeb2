/*
 * The kernel's heap: one of lib/heap.h, chosen by `heap=` at boot.
 *
 * Never from an interrupt: that panics. Whoever allocates is not preempted meanwhile, which is all the lock that one
 * CPU needs, and interrupts stay on. NULL is an answer every caller copes with.
 */
#ifndef DUET_KERNEL_KMALLOC_H
#define DUET_KERNEL_KMALLOC_H

#include "lib/heap.h"
#include "thread/sched.h"

enum heap_choice {
    HEAP_SLAB,
    HEAP_BUMP,
    HEAP_LIST,
    HEAP_BLOCK,
    HEAP_DEBUG, /* around the slab heap */
};

enum {
    KMALLOC_STRETCH_BYTES = 1 << 20, /* what bump, list and block have */
};

/* Sets up the heap. Panics if its memory cannot be had. Context: boot. */
void kmalloc_init(enum heap_choice choice);

/* The heap in use, for its counters; and another one in its place, for tests: returns the one so far. Context: thread.
 */
struct heap *kmalloc_heap(void);
struct heap *kmalloc_use(struct heap *heap);

/* As heap_alloc(), heap_alloc_aligned(), heap_alloc_zeroed(), heap_resize(), heap_free(). Context: thread, boot. */
void *kmalloc(size_t size);
void *kmalloc_aligned(size_t size, size_t align);
void *kzalloc(size_t count, size_t size);
void *krealloc(void *block, size_t size);
void kfree(void *block);

/* What the heap takes of the frames' memory: bytes, blocks or not. Context: thread. */
size_t kmalloc_taken(void);

/* Prints who holds what was allocated since `mark`, with heap=debug; and the mark of now. Returns how many blocks, or
 * with any other heap 0. Context: thread. */
size_t kmalloc_leaks(uint64_t mark);
uint64_t kmalloc_mark(void);

#endif
