/*
 * Heaps: allocators behind one interface.
 *
 *      bump    hands out ever higher addresses, and starts over when nothing is live any more
 *      list    first fit on a free list sorted by address; neighbours merge
 *      block   lists of blocks of 16 << n bytes, 2048 at most; more than that, and refills, come from a `list`
 *      slab    size classes in slabs of whole frames; empty slabs go back to the frames. The default: constant time
 *      debug   around any of them: red zones, poison, double frees, and who leaks
 *      failing around any of them: runs out when told to
 *
 * The first three are the blog's, for comparison; they live in one fixed stretch of memory. Blocks are aligned to 16
 * bytes, or more if asked. Running out returns NULL and changes nothing; a pointer that the heap did not give panics
 * where that can be told. Locking is the caller's.
 */
#ifndef DUET_LIB_HEAP_H
#define DUET_LIB_HEAP_H

#include "lib/base.h"

enum { HEAP_ALIGN = 16 };

struct heap;

struct heap_operations {
    const char *name; /* what `heap=` calls it */
    void *(*alloc)(struct heap *heap, size_t size, size_t align);
    void (*free)(struct heap *heap, void *block);
    size_t (*usable)(const struct heap *heap, const void *block);
    void (*trim)(struct heap *heap);
    /* Of a block that is not NULL; itself NULL where a block stays as long as the size fits, and moves otherwise. */
    void *(*resize)(struct heap *heap, void *block, size_t size);
};

/* What every allocator begins with. Its operations count; a resize that moves is an allocation and a free. */
struct heap {
    const struct heap_operations *operations;
    uint64_t allocations; /* that succeeded */
    uint64_t frees;
    uint64_t failures;
};

/* For allocators: counts `block`, which may be NULL, as the outcome of an allocation, and returns it. */
static inline void *heap_count(struct heap *heap, void *block)
{
    if (block)
        heap->allocations++;
    else
        heap->failures++;
    return block;
}

/* For allocators: a size in whole units of HEAP_ALIGN, at least one; a number that fits nowhere if there is no such. */
static inline size_t heap_rounded(size_t size)
{
    return size > SIZE_MAX - HEAP_ALIGN ? SIZE_MAX - HEAP_ALIGN + 1
                                        : (size + !size + HEAP_ALIGN - 1) & -(size_t)HEAP_ALIGN;
}

/* `size` bytes, contents whatever they were; NULL if there is no room. Size 0 gives a block of its own all the same. */
static inline void *heap_alloc(struct heap *heap, size_t size)
{
    return heap->operations->alloc(heap, size, HEAP_ALIGN);
}

/* As heap_alloc(), at a multiple of `align`, a power of two. */
static inline void *heap_alloc_aligned(struct heap *heap, size_t size, size_t align)
{
    ASSERT(align && !(align & (align - 1)));
    return heap->operations->alloc(heap, size, align < HEAP_ALIGN ? HEAP_ALIGN : align);
}

/* `count` objects of `size` bytes, all zero; NULL also if the product does not fit a size_t. */
void *heap_alloc_zeroed(struct heap *heap, size_t count, size_t size);

/* Takes back a block; NULL is none. */
static inline void heap_free(struct heap *heap, void *block)
{
    if (block)
        heap->operations->free(heap, block);
}

/* Makes a block larger or smaller, moving it if it must (to HEAP_ALIGN); the bytes that both sizes have stay. NULL, and
 * the block as it was, if there is no room. A NULL block is allocated; size 0 is not special. */
void *heap_resize(struct heap *heap, void *block, size_t size);

/* For allocators: a block of `size` bytes with the contents of `block`, which is freed. NULL, and the block as it was,
 * if there is no room. */
void *heap_move(struct heap *heap, void *block, size_t size);

/* Bytes that may be used of a block: at least what was asked for. */
static inline size_t heap_usable(const struct heap *heap, const void *block)
{
    return heap->operations->usable(heap, block);
}

/* Gives back what memory it can do without at the moment. */
static inline void heap_trim(struct heap *heap)
{
    heap->operations->trim(heap);
}

/* Blocks handed out and not taken back. */
static inline uint64_t heap_live(const struct heap *heap)
{
    return heap->allocations - heap->frees;
}

#endif
