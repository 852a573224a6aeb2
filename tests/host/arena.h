/*
 * Pages for heaps on the host: the real frame allocator, over memory that a test has.
 */
#ifndef DUET_TESTS_HOST_ARENA_H
#define DUET_TESTS_HOST_ARENA_H

#include "lib/frames.h"
#include "lib/heap_slab.h"

enum { ARENA_END = 64 << 20 }; /* of what can be given to it, in "physical" addresses */

struct arena {
    struct heap_pages pages;
    struct frames frames;
    struct frame table[ARENA_END / FRAME_BYTES];
    char *memory;   /* where the address `first` is */
    uint64_t first; /* "physical" */
    unsigned takes, gives;
};
extern struct arena arena;

/* Begins anew, with `bytes` of memory from the address `first` on. A run is as aligned as its address, if `memory` is
 * as `first` is. */
void arena_begin(void *memory, uint64_t first, uint64_t bytes);

#endif
