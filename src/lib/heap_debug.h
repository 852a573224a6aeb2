/*
 * The debug heap: around any other heap, finds who misuses it.
 *
 *      overrun         each block lies between two red zones, checked when it is freed, resized or asked for its size,
 *                      and all of them by heap_debug_check()
 *      use after free  a freed block is filled with HEAP_DEBUG_FREED and kept a while; if it was written to meanwhile,
 *                      that is reported when it goes back. Who reads it reads 0xDDDD...
 *      double free     reported while the block is kept, and mostly long after
 *      wild free       reported; the bytes before the pointer are read, so they must be there to be read
 *      use of what     a fresh block is filled with HEAP_DEBUG_FRESH
 *      was never set
 *      leak            heap_debug_leaks() lists what is live
 *
 * A report is a panic that names the address, the size, who allocated it and who freed it, as the caller says who it
 * is. A resize always moves, so that nobody gets used to its not doing so, and the usable size is the one asked for, to
 * the byte. Each block costs some 130 bytes more.
 */
#ifndef DUET_LIB_HEAP_DEBUG_H
#define DUET_LIB_HEAP_DEBUG_H

#include "lib/heap.h"
#include "lib/list.h"

enum {
    HEAP_DEBUG_ZONE = 32, /* bytes of a red zone */
    HEAP_DEBUG_RED = 0xbd,
    HEAP_DEBUG_FRESH = 0xcd,
    HEAP_DEBUG_FREED = 0xdd,
    HEAP_DEBUG_KEEP = 64, /* a reasonable number */
};

/* Writes who the code at a return address is. */
typedef void heap_debug_namer(char *buffer, size_t size, const void *caller);

struct heap_debug {
    struct heap heap;
    struct heap *inner;
    heap_debug_namer *name; /* for reports; NULL, as heap_debug_init() leaves it: addresses will do */
    const void *caller;
    uint64_t next_sequence;
    struct list live; /* oldest first */
    struct list kept; /* freed, oldest first */
    uint32_t kept_count, keep;
};

/* Around `inner`, which nobody else uses from now on; keeps the `keep` blocks freed last, as long as memory suffices.
 * Context: any. */
void heap_debug_init(struct heap_debug *debug, struct heap *inner, uint32_t keep);

/* Says on whose behalf the following operations are: a code address. Context: the heap's lock. */
static inline void heap_debug_set_caller(struct heap_debug *debug, const void *caller)
{
    debug->caller = caller;
}

/* Panics if a red zone of a live block, or a kept freed block, was written to. Context: the heap's lock. */
void heap_debug_check(const struct heap_debug *debug);

/* Allocations from now on are the ones since this mark. */
static inline uint64_t heap_debug_mark(const struct heap_debug *debug)
{
    return debug->next_sequence;
}

/* A live block. */
struct heap_debug_block {
    const void *address;
    size_t size;
    const void *caller; /* who allocated it */
    uint64_t sequence;  /* of all allocations; marks are the same numbers */
};

/* Calls visit(), unless it is NULL, for each live block allocated since `mark` (0: ever), oldest first, and returns how
 * many there are. visit() does not use the heap. Context: the heap's lock. */
size_t heap_debug_leaks(const struct heap_debug *debug, uint64_t mark,
                        void (*visit)(void *context, const struct heap_debug_block *block), void *context);

#endif
