/*
 * The 16 bytes before each block of the heaps that live in one stretch of memory. Only those heaps include this.
 *
 * free() is told neither the size of a block nor whose it is; the header knows both. Its seal is a function of its
 * place, its size and the heap, so a pointer that no heap gave, that another heap gave, or whose header was overwritten
 * has a wrong one. So has a block that was freed: whoever frees it breaks the seal.
 */
#ifndef DUET_LIB_HEAP_HEADER_H
#define DUET_LIB_HEAP_HEADER_H

#include "lib/heap.h"

struct heap_header {
    size_t size; /* of the block, a multiple of HEAP_ALIGN */
    uint64_t seal;
};
_Static_assert(sizeof(struct heap_header) == HEAP_ALIGN, "keeps the alignment of what follows it");

/* Memory of a heap, multiples of HEAP_ALIGN. */
struct heap_stretch {
    uintptr_t begin, end;
};

/* The whole units of HEAP_ALIGN in a stretch of memory. */
static inline struct heap_stretch heap_stretch(void *memory, size_t bytes)
{
    uintptr_t begin = ((uintptr_t)memory + HEAP_ALIGN - 1) & -(uintptr_t)HEAP_ALIGN;
    uintptr_t end = ((uintptr_t)memory + bytes) & -(uintptr_t)HEAP_ALIGN;

    ASSERT(begin < end);
    return (struct heap_stretch){begin, end};
}

/* How far behind `start` a header must lie so that the block after it is aligned. */
static inline size_t heap_header_gap(uintptr_t start, size_t align)
{
    return -(start + sizeof(struct heap_header)) & (align - 1);
}

/* Of any pointer at all: no pointer arithmetic, which could overflow. */
static inline struct heap_header *heap_header_before(const void *block)
{
    return (struct heap_header *)((uintptr_t)block - sizeof(struct heap_header));
}

static inline uint64_t heap_header_seal(const struct heap_header *header, const struct heap *owner)
{
    return UINT64_C(0x6ea15ea1ab10c000) ^ (uintptr_t)header ^ (uintptr_t)owner ^ header->size;
}

/* Makes what follows the header a block of `owner`, and returns it. */
static inline void *heap_header_give(struct heap_header *header, const struct heap *owner, size_t size)
{
    header->size = size;
    header->seal = heap_header_seal(header, owner);
    return header + 1;
}

/* The header of a block that `owner` gave; panics if it did not. */
static inline const struct heap_header *heap_header_of(const void *block, const struct heap *owner,
                                                       const struct heap_stretch *stretch)
{
    const struct heap_header *header = heap_header_before(block);
    uintptr_t start = (uintptr_t)header;

    if (start % HEAP_ALIGN || start < stretch->begin || start >= stretch->end ||
        header->seal != heap_header_seal(header, owner))
        panic("heap %s: free of what the heap did not give: %p", owner->operations->name, block);
    return header;
}

#endif
