/* What all heaps share: zeroed blocks, and blocks that change their size. */
#include "lib/heap.h"

#include "lib/mem.h"

void *heap_alloc_zeroed(struct heap *heap, size_t count, size_t size)
{
    size_t bytes;
    void *block;

    if (__builtin_mul_overflow(count, size, &bytes))
        return heap_count(heap, NULL);
    block = heap_alloc(heap, bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

void *heap_move(struct heap *heap, void *block, size_t size)
{
    size_t usable = heap_usable(heap, block);
    void *moved = heap_alloc(heap, size);

    if (!moved)
        return NULL;
    memcpy(moved, block, size < usable ? size : usable);
    heap_free(heap, block);
    return moved;
}

void *heap_resize(struct heap *heap, void *block, size_t size)
{
    if (!block)
        return heap_alloc(heap, size);
    if (heap->operations->resize)
        return heap->operations->resize(heap, block, size);
    return size <= heap_usable(heap, block) ? block : heap_move(heap, block, size);
}
