/*
 * The default heap: size classes in slabs of whole frames, every operation in constant time.
 *
 * There are four classes a doubling: 16, 32, ... 128, 160, 192, 224, 256, 320, ... 4096 bytes. A slab is a run of 32
 * KiB, aligned to its size, with its header at the start; the blocks lie back to back from its end downwards. So a
 * block is aligned to the largest power of two that divides its class, no block lies at the start of a slab, and
 * masking a block's address finds the header. What is larger than a class has a run of frames of its own, which begins
 * at a multiple of 32 KiB: that is how free() tells the two apart without asking anybody.
 *
 * A class allocates from one slab, its current one, until that is full. A full slab is on no list until a block of it
 * is freed; an empty one goes back to the page source at once, unless it is the current one: at most one empty slab a
 * class. Trimming gives those back too, and happens before the heap says that there is no memory.
 *
 * Panics: a free of what is no block of this heap, of a block that is not taken because none of its slab is, and of the
 * block that was freed last. Other double frees are the debug heap's to find. Locking is the caller's.
 */
#ifndef DUET_LIB_HEAP_SLAB_H
#define DUET_LIB_HEAP_SLAB_H

#include "lib/heap.h"
#include "lib/list.h"

enum {
    SLAB_BYTES = 32768,
    SLAB_CLASSES = 28,
    SLAB_LARGEST = 4096,    /* bytes of the last class */
    SLAB_PAGE_BYTES = 4096, /* larger blocks are a multiple of it */
};

/* What a run of pages is for. */
enum heap_pages_kind {
    HEAP_PAGES_SLAB = 1,
    HEAP_PAGES_LARGE,
};

/* Where a heap's memory comes from. */
struct heap_pages {
    /* `bytes` at a multiple of `align`, contents whatever they were, noted as of `kind`; NULL if there is no such run.
     * `bytes` is a multiple of SLAB_PAGE_BYTES, `align` a power of two and as large at least. */
    void *(*take)(struct heap_pages *pages, size_t bytes, size_t align, enum heap_pages_kind kind);
    void (*give)(struct heap_pages *pages, void *run);
    /* Bytes of the run of that kind that begins at `run`; 0 if none does. Any address may be asked for. */
    size_t (*length)(const struct heap_pages *pages, const void *run, enum heap_pages_kind kind);
};

/* What a slab begins with. */
struct slab {
    struct heap *owner; /* NULL again when the slab is given back */
    void *free;         /* freed blocks; each holds the next */
    uint32_t countdown; /* frees until somebody must look: 1 if full, else taken blocks, and 1 more if current */
    uint32_t carved;    /* bytes at the end that were ever handed out */
    uint32_t factor;    /* 2^32 / block_bytes, rounded up, and 1 more */
    uint32_t limit;     /* carved * factor */
    uint16_t block_bytes;
    uint16_t capacity; /* blocks */
    uint8_t class_index;
    bool full;
    struct list link; /* in `partial`: neither full nor current */
};

struct heap_slab {
    struct heap heap;
    struct heap_pages *pages;
    struct slab *current[SLAB_CLASSES]; /* allocated from; &none if a class has none */
    struct list partial[SLAB_CLASSES];  /* the others that have both taken blocks and room */
    struct slab none;                   /* has no room, ever */
    uint16_t class_bytes[SLAB_CLASSES];
    uint8_t class_of[SLAB_LARGEST + 1]; /* by size */
};

/* Begins empty: takes no memory yet. `pages` outlives the heap. Context: boot. */
void heap_slab_init(struct heap_slab *slab, struct heap_pages *pages);

/*
 * The hot path, for who wants it inline; the heap's operations are made of it too. Takes a block if the class's current
 * slab has one that was freed. NULL: ask heap_alloc(), which finds another way or says that there is none.
 */
static inline void *heap_slab_take(struct heap_slab *self, size_t size)
{
    struct slab *slab;
    void *block;

    if (unlikely(size > SLAB_LARGEST))
        return NULL;
    slab = self->current[self->class_of[size]];
    block = slab->free;
    if (unlikely(!block))
        return NULL;
    slab->free = *(void **)block;
    slab->countdown++;
    self->heap.allocations++;
    return block;
}

/* From a block to the end of the slab that it would be in; 0 for the start of a run. */
static inline uint32_t heap_slab_distance(const void *block)
{
    return (uint32_t)(-(uintptr_t)block & (SLAB_BYTES - 1));
}

static inline struct slab *heap_slab_at(const void *block)
{
    return (struct slab *)((uintptr_t)block + heap_slab_distance(block) - SLAB_BYTES);
}

/* Whether a block that was handed out begins `distance` before the end of this heap's slab. Modulo 2^32, the product of
 * a multiple of the block size with the factor is little more than the multiple, and grows with it; one byte more adds
 * 2^32 / block_bytes, which is more than any multiple has. So one comparison tells both a block's start and the last.
 */
static inline bool heap_slab_has(const struct heap_slab *self, const struct slab *slab, uint32_t distance)
{
    return likely(slab->owner == &self->heap) && likely(distance * slab->factor <= slab->limit);
}

/* What heap_slab_give() did. */
enum heap_slab_given {
    HEAP_SLAB_DONE,
    HEAP_SLAB_LAST,  /* given, and somebody must look at its slab: heap_slab_settle() */
    HEAP_SLAB_OTHER, /* not done, it is not simply a taken block of a slab: heap_slab_settle() */
};

/* The hot path of heap_free(). */
static inline enum heap_slab_given heap_slab_give(struct heap_slab *self, void *block)
{
    uint32_t distance = heap_slab_distance(block);
    struct slab *slab = heap_slab_at(block);

    if (unlikely(!distance) || unlikely(!heap_slab_has(self, slab, distance)) || unlikely(slab->free == block))
        return HEAP_SLAB_OTHER;
    *(void **)block = slab->free;
    slab->free = block;
    self->heap.frees++;
    return unlikely(--slab->countdown == 0) ? HEAP_SLAB_LAST : HEAP_SLAB_DONE;
}

void heap_slab_settle(struct heap_slab *self, void *block, enum heap_slab_given given);

#endif
