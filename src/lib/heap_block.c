/*
 * The block heap of lib/heap_block.h.
 *
 * A block's header is the one that the fallback put before it, sealed anew: by this heap while the block is given, by
 * nobody while it is on a list, by the fallback when it goes back.
 */
#include "lib/heap_block.h"

struct heap_block_free {
    struct heap_block_free *next;
};

/* The class whose blocks have `size` bytes, at least HEAP_BLOCK_SMALLEST, or the next more. */
static unsigned class_of(size_t size)
{
    return (unsigned)(60 - __builtin_clzl(size - 1));
}

/* True if a block of this size is one of a class. If it is the fallback's, for an alignment beyond the classes, it is
 * as good. */
static bool class_has(size_t size)
{
    return size <= HEAP_BLOCK_LARGEST && !(size & (size - 1));
}

static void block_give_back(struct heap_block *blocks, void *block)
{
    struct heap_header *header = heap_header_before(block);
    struct heap *fallback = &blocks->fallback.heap;

    heap_free(fallback, heap_header_give(header, fallback, header->size));
}

static void *class_pop(struct heap_block_class *class)
{
    struct heap_block_free *block = class->first;

    if (!block)
        return NULL;
    class->first = block->next;
    class->count--;
    return block;
}

static void class_push(struct heap_block_class *class, void *block)
{
    struct heap_block_free *free = block;

    free->next = class->first;
    class->first = free;
    class->count++;
}

static void block_trim(struct heap *heap)
{
    struct heap_block *blocks = container_of(heap, struct heap_block, heap);

    for (unsigned i = 0; i < HEAP_BLOCK_CLASSES; i++) {
        for (void *block; (block = class_pop(&blocks->classes[i]));)
            block_give_back(blocks, block);
    }
}

static void *block_from_fallback(struct heap_block *blocks, size_t size, size_t align)
{
    struct heap *fallback = &blocks->fallback.heap;
    void *block = heap_alloc_aligned(fallback, size, align);

    if (block || blocks->keep == HEAP_BLOCK_KEEP_ALL)
        return block;
    block_trim(&blocks->heap);
    return heap_alloc_aligned(fallback, size, align);
}

static void *block_alloc(struct heap *heap, size_t size, size_t align)
{
    struct heap_block *blocks = container_of(heap, struct heap_block, heap);
    size_t least = size > align ? size : align;
    void *block;

    if (least > HEAP_BLOCK_LARGEST) {
        block = block_from_fallback(blocks, size, align);
    } else {
        unsigned index = class_of(least);
        size_t bytes = (size_t)HEAP_BLOCK_SMALLEST << index;

        block = class_pop(&blocks->classes[index]);
        if (!block)
            block = block_from_fallback(blocks, bytes, bytes);
    }
    if (block)
        heap_header_give(heap_header_before(block), heap, heap_header_before(block)->size);
    return heap_count(heap, block);
}

static size_t block_usable(const struct heap *heap, const void *block)
{
    const struct heap_block *blocks = (const void *)heap; /* its first member */

    return heap_header_of(block, heap, &blocks->fallback.stretch)->size;
}

static void block_free(struct heap *heap, void *block)
{
    struct heap_block *blocks = container_of(heap, struct heap_block, heap);
    size_t size = block_usable(heap, block);

    heap->frees++;
    if (class_has(size)) {
        struct heap_block_class *class = &blocks->classes[class_of(size)];

        if (class->count < blocks->keep) {
            heap_header_before(block)->seal = 0;
            class_push(class, block);
            return;
        }
    }
    block_give_back(blocks, block);
}

void heap_block_init(struct heap_block *blocks, void *memory, size_t bytes, uint32_t keep)
{
    static const struct heap_operations operations = {
        .name = "block",
        .alloc = block_alloc,
        .free = block_free,
        .usable = block_usable,
        .trim = block_trim,
    };

    *blocks = (struct heap_block){.heap.operations = &operations, .keep = keep};
    heap_list_init(&blocks->fallback, memory, bytes, true);
}
