/*
 * The failing heap: around any other heap, runs out when a test wants it to.
 *
 * It counts the allocations and resizes since it was last told what to fail, from 1. A scenario is tested by running it
 * with heap_failing_at(1), then 2, and so on until nothing fails any more: each time it must neither crash nor leak.
 */
#ifndef DUET_LIB_HEAP_FAILING_H
#define DUET_LIB_HEAP_FAILING_H

#include "lib/heap.h"

struct heap_failing {
    struct heap heap;
    struct heap *inner;
    uint64_t first, last; /* attempts that fail; none if last < first */
    uint32_t per_million;
    uint64_t random;
    uint64_t attempts; /* since heap_failing_*() */
    uint64_t injected; /* failures among them that are this heap's doing */
};

/* Around `inner`; fails nothing yet. Context: any. */
void heap_failing_init(struct heap_failing *failing, struct heap *inner);

/* From now on: fails nothing; the n-th attempt; the n-th and all after it; each with a probability, the same ones for
 * the same seed. Context: the heap's lock. */
void heap_failing_never(struct heap_failing *failing);
void heap_failing_at(struct heap_failing *failing, uint64_t n);
void heap_failing_from(struct heap_failing *failing, uint64_t n);
void heap_failing_randomly(struct heap_failing *failing, uint32_t per_million, uint64_t seed);

#endif
