/* The list heap of lib/heap_list.h. */
#include "lib/heap_list.h"

struct heap_hole {
    size_t size; /* with this node */
    struct heap_hole *next;
};
_Static_assert(sizeof(struct heap_hole) == HEAP_ALIGN, "the smallest remainder is a hole");

static bool hole_fits(const struct heap_hole *hole, size_t gap, size_t size)
{
    size_t room = hole->size - sizeof(struct heap_header);

    return gap <= room && size <= room - gap;
}

/* Joins a hole with the next one if they touch. */
static void hole_join(struct heap_hole *hole)
{
    struct heap_hole *next = hole->next;

    if (!next || (uintptr_t)hole + hole->size != (uintptr_t)next)
        return;
    hole->size += next->size;
    hole->next = next->next;
}

static void list_add_hole(struct heap_list *list, void *start, size_t size)
{
    struct heap_hole *hole = start;
    struct heap_hole *before = NULL;

    for (struct heap_hole *other = list->holes; other && other < hole; other = other->next)
        before = other;
    hole->size = size;
    hole->next = before ? before->next : list->holes;
    if (before)
        before->next = hole;
    else
        list->holes = hole;
    if (!list->merge)
        return;
    hole_join(hole);
    if (before)
        hole_join(before);
}

/* Cuts a header and a block of `size` bytes out of the hole at `link`, `gap` bytes behind its start. */
static struct heap_header *list_cut(struct heap_hole **link, size_t gap, size_t size)
{
    struct heap_hole *hole = *link;
    struct heap_hole *rest = hole->next;
    size_t used = gap + sizeof(struct heap_header) + size;

    if (used < hole->size) {
        rest = (void *)((char *)hole + used);
        rest->size = hole->size - used;
        rest->next = hole->next;
    }
    if (gap) {
        hole->size = gap;
        hole->next = rest;
    } else {
        *link = rest;
    }
    return (void *)((char *)hole + gap);
}

static void *list_alloc(struct heap *heap, size_t size, size_t align)
{
    struct heap_list *list = container_of(heap, struct heap_list, heap);

    size = heap_rounded(size);
    for (struct heap_hole **link = &list->holes; *link; link = &(*link)->next) {
        size_t gap = heap_header_gap((uintptr_t)*link, align);

        if (hole_fits(*link, gap, size))
            return heap_count(heap, heap_header_give(list_cut(link, gap, size), heap, size));
    }
    return heap_count(heap, NULL);
}

static size_t list_usable(const struct heap *heap, const void *block)
{
    const struct heap_list *list = (const void *)heap; /* its first member */

    return heap_header_of(block, heap, &list->stretch)->size;
}

static void list_free(struct heap *heap, void *block)
{
    struct heap_list *list = container_of(heap, struct heap_list, heap);
    size_t size = list_usable(heap, block);

    heap->frees++;
    /* The node of the hole lies on the header and breaks its seal. */
    list_add_hole(list, heap_header_before(block), sizeof(struct heap_header) + size);
}

/* Adds the hole right behind a block to it; false if there is none, or both together have less than `size` bytes. */
static bool list_extend(struct heap_list *list, void *block, size_t size)
{
    struct heap_header *header = heap_header_before(block);
    const char *end = (char *)block + header->size;
    struct heap_hole **link = &list->holes;
    struct heap_hole *hole;

    for (hole = *link; hole && (char *)hole < end; hole = *link)
        link = &hole->next;
    if (!hole || (char *)hole != end || header->size + hole->size < size)
        return false;
    header->size += hole->size;
    *link = hole->next;
    return true;
}

static void *list_resize(struct heap *heap, void *block, size_t size)
{
    struct heap_list *list = container_of(heap, struct heap_list, heap);
    struct heap_header *header = heap_header_before(block);
    size_t tail;

    size = heap_rounded(size);
    if (size > list_usable(heap, block) && !list_extend(list, block, size))
        return heap_move(heap, block, size);
    tail = header->size - size;
    heap_header_give(header, heap, size);
    if (tail)
        list_add_hole(list, (char *)block + size, tail);
    return block;
}

static void list_trim(struct heap *heap)
{
    (void)heap; /* it has no memory but its own */
}

void heap_list_init(struct heap_list *list, void *memory, size_t bytes, bool merge)
{
    static const struct heap_operations operations = {
        .name = "list",
        .alloc = list_alloc,
        .free = list_free,
        .usable = list_usable,
        .trim = list_trim,
        .resize = list_resize,
    };

    *list = (struct heap_list){.heap.operations = &operations, .stretch = heap_stretch(memory, bytes), .merge = merge};
    list_add_hole(list, (void *)list->stretch.begin, list->stretch.end - list->stretch.begin);
}
