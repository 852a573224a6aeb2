/* The bump heap of lib/heap_bump.h. */
#include "lib/heap_bump.h"

static void *bump_alloc(struct heap *heap, size_t size, size_t align)
{
    struct heap_bump *bump = container_of(heap, struct heap_bump, heap);
    size_t before = heap_header_gap(bump->next, align) + sizeof(struct heap_header);
    size_t room = bump->stretch.end - bump->next;
    struct heap_header *header;

    size = heap_rounded(size);
    if (before > room || size > room - before)
        return heap_count(heap, NULL);
    header = heap_header_before((void *)(bump->next + before));
    bump->next += before + size;
    return heap_count(heap, heap_header_give(header, heap, size));
}

static size_t bump_usable(const struct heap *heap, const void *block)
{
    const struct heap_bump *bump = (const void *)heap; /* its first member */

    return heap_header_of(block, heap, &bump->stretch)->size;
}

static void bump_free(struct heap *heap, void *block)
{
    struct heap_bump *bump = container_of(heap, struct heap_bump, heap);

    (void)heap_header_of(block, heap, &bump->stretch);
    heap_header_before(block)->seal = 0;
    heap->frees++;
    if (!heap_live(heap))
        bump->next = bump->stretch.begin;
}

static void bump_trim(struct heap *heap)
{
    (void)heap; /* it has no memory but its own */
}

void heap_bump_init(struct heap_bump *bump, void *memory, size_t bytes)
{
    static const struct heap_operations operations = {
        .name = "bump",
        .alloc = bump_alloc,
        .free = bump_free,
        .usable = bump_usable,
        .trim = bump_trim,
    };

    *bump = (struct heap_bump){.heap.operations = &operations, .stretch = heap_stretch(memory, bytes)};
    bump->next = bump->stretch.begin;
}
