/*
 * The block heap: lists of free blocks of fixed sizes, filled from a list heap.
 *
 * A block has the smallest power of two that is at least its size and its alignment, 16 to 2048 bytes, and is aligned
 * to it. (A class of 8 would break the promise of HEAP_ALIGN.) Taking one from its list and giving it back is one step.
 * An empty list asks the fallback for one block; what is larger or aligned to more than 2048 is the fallback's
 * altogether.
 *
 * Blocks on the lists cannot become larger ones, so a list keeps only so many, and gives the rest back to the fallback,
 * where they join; when the fallback runs out, all lists are emptied before the allocation fails. Between neighbours of
 * one class lies a gap, since each has its header before it; smaller classes come out of the gaps.
 */
#ifndef DUET_LIB_HEAP_BLOCK_H
#define DUET_LIB_HEAP_BLOCK_H

#include "lib/heap_list.h"

enum {
    HEAP_BLOCK_SMALLEST = HEAP_ALIGN,
    HEAP_BLOCK_CLASSES = 8,
    HEAP_BLOCK_LARGEST = HEAP_BLOCK_SMALLEST << (HEAP_BLOCK_CLASSES - 1),
    HEAP_BLOCK_KEEP = 64, /* a reasonable number */
};
_Static_assert(HEAP_BLOCK_LARGEST == 2048, "as the comment above says");

/* Nothing goes back but by heap_trim(): for a demonstration of how large allocations starve then. */
#define HEAP_BLOCK_KEEP_ALL UINT32_MAX

struct heap_block_free;

struct heap_block {
    struct heap heap;
    struct heap_list fallback;
    uint32_t keep;
    struct heap_block_class {
        struct heap_block_free *first;
        uint32_t count; /* at most `keep` */
    } classes[HEAP_BLOCK_CLASSES];
};

/* Begins with empty lists, each of which keeps at most `keep` free blocks. `memory` is the heap's as long as it is
 * used. Context: any. */
void heap_block_init(struct heap_block *blocks, void *memory, size_t bytes, uint32_t keep);

#endif
