/* The slab heap: lib/heap_slab.h says how memory is laid out. Whatever is not the hot path is out of line. */
#include "lib/heap_slab.h"

enum {
    LINEAR_CLASSES = 8, /* up to here a class every HEAP_ALIGN bytes, then four a doubling */
    LINEAR_BYTES = LINEAR_CLASSES * HEAP_ALIGN,
};
_Static_assert(SLAB_LARGEST == LINEAR_BYTES << (SLAB_CLASSES - LINEAR_CLASSES) / 4, "the last class");

static struct heap_slab *heap_slab(struct heap *heap)
{
    return container_of(heap, struct heap_slab, heap);
}

/* ---- pages ---- */

static void give_slab(struct heap_slab *self, struct slab *slab)
{
    slab->owner = NULL;
    self->pages->give(self->pages, slab);
}

static void slab_heap_trim(struct heap *heap)
{
    struct heap_slab *self = heap_slab(heap);

    for (unsigned index = 0; index < SLAB_CLASSES; index++) {
        struct slab *slab = self->current[index];

        if (slab->countdown == 1 && !slab->full) {
            self->current[index] = &self->none;
            give_slab(self, slab);
        }
    }
}

static void *take_pages(struct heap_slab *self, size_t bytes, size_t align, enum heap_pages_kind kind)
{
    void *run = self->pages->take(self->pages, bytes, align, kind);

    if (run)
        return run;
    slab_heap_trim(&self->heap);
    return self->pages->take(self->pages, bytes, align, kind);
}

static struct slab *make_slab(struct heap_slab *self, unsigned index)
{
    struct slab *slab = take_pages(self, SLAB_BYTES, SLAB_BYTES, HEAP_PAGES_SLAB);
    uint16_t block_bytes = self->class_bytes[index];

    if (slab) {
        *slab = (struct slab){
            .owner = &self->heap,
            .factor = UINT32_MAX / block_bytes + 2,
            .block_bytes = block_bytes,
            .capacity = (uint16_t)((SLAB_BYTES - sizeof(*slab)) / block_bytes),
            .class_index = (uint8_t)index,
        };
    }
    return slab;
}

/* ---- allocation ---- */

/* Replaces a current slab that has no room. NULL, and nothing is changed, if there is no memory. */
static struct slab *next_slab(struct heap_slab *self, unsigned index)
{
    struct slab *full = self->current[index];
    struct list *partial = &self->partial[index];
    struct slab *slab;

    if (list_empty(partial)) {
        slab = make_slab(self, index);
        if (!slab)
            return NULL;
    } else {
        slab = container_of(partial->next, struct slab, link);
        list_remove(&slab->link);
    }
    full->full = true;
    full->countdown = 1;
    slab->countdown++;
    self->current[index] = slab;
    return slab;
}

static void *take_block(struct heap_slab *self, unsigned index)
{
    struct slab *slab = self->current[index];
    void *block;

    if (!slab->free && slab->carved == (uint32_t)slab->capacity * slab->block_bytes) {
        slab = next_slab(self, index);
        if (!slab)
            return NULL;
    }
    slab->countdown++;
    block = slab->free;
    if (block) {
        slab->free = *(void **)block;
        return block;
    }
    slab->carved += slab->block_bytes;
    slab->limit = slab->carved * slab->factor;
    return (char *)slab + SLAB_BYTES - slab->carved;
}

static void *take_large(struct heap_slab *self, size_t size, size_t align)
{
    size_t bytes = (size + SLAB_PAGE_BYTES - 1) & ~(size_t)(SLAB_PAGE_BYTES - 1);

    if (bytes < size)
        return NULL;
    return take_pages(self, bytes, align > SLAB_BYTES ? align : SLAB_BYTES, HEAP_PAGES_LARGE);
}

/* A class that a multiple of `align` falls into is a multiple of it too: within a doubling, classes are as far apart as
 * a power of two, and a larger power of two divides no size between them. */
static __attribute__((noinline)) void *alloc_slow(struct heap_slab *self, size_t size, size_t align)
{
    void *block;

    if (!size)
        size = 1;
    if (size > SLAB_LARGEST || align > SLAB_LARGEST) {
        block = take_large(self, size, align);
    } else {
        size = (size + align - 1) & ~(align - 1);
        block = take_block(self, self->class_of[size]);
    }
    if (block)
        self->heap.allocations++;
    else
        self->heap.failures++;
    return block;
}

static void *slab_heap_alloc(struct heap *heap, size_t size, size_t align)
{
    struct heap_slab *self = heap_slab(heap);
    void *block = unlikely(align > HEAP_ALIGN) ? NULL : heap_slab_take(self, size);

    return likely(block != NULL) ? block : alloc_slow(self, size, align);
}

/* ---- freeing ---- */

static size_t large_length(const struct heap_slab *self, const void *block)
{
    size_t length = self->pages->length(self->pages, block, HEAP_PAGES_LARGE);

    if (!length)
        panic("%p is no block of this heap", block);
    return length;
}

/* What is not simply a taken block of a slab: a run of its own, or a mistake. */
static void free_other(struct heap_slab *self, void *block)
{
    uint32_t distance = heap_slab_distance(block);

    if (distance) {
        if (!heap_slab_has(self, heap_slab_at(block), distance))
            panic("%p is no block of this heap", block);
        panic("%p is freed twice", block);
    }
    (void)large_length(self, block);
    self->pages->give(self->pages, block);
    self->heap.frees++;
}

/* The countdown is over. */
static void free_last(struct heap_slab *self, struct slab *slab)
{
    if (slab == self->current[slab->class_index])
        panic("more blocks of %u bytes are freed than were taken", slab->block_bytes);
    if (slab->full) {
        slab->full = false;
        slab->countdown = slab->capacity - 1u;
        list_push_front(&self->partial[slab->class_index], &slab->link);
    } else {
        list_remove(&slab->link);
        give_slab(self, slab);
    }
}

void heap_slab_settle(struct heap_slab *self, void *block, enum heap_slab_given given)
{
    if (given == HEAP_SLAB_LAST)
        free_last(self, heap_slab_at(block));
    else if (given == HEAP_SLAB_OTHER)
        free_other(self, block);
}

static void slab_heap_free(struct heap *heap, void *block)
{
    struct heap_slab *self = heap_slab(heap);

    heap_slab_settle(self, block, heap_slab_give(self, block));
}

static size_t slab_heap_usable(const struct heap *heap, const void *block)
{
    const struct heap_slab *self = (const struct heap_slab *)heap;
    uint32_t distance = heap_slab_distance(block);
    const struct slab *slab = heap_slab_at(block);

    if (!distance)
        return large_length(self, block);
    if (!heap_slab_has(self, slab, distance))
        panic("%p is no block of this heap", block);
    return slab->block_bytes;
}

/* ---- the heap ---- */

static const struct heap_operations slab_operations = {
    .name = "slab",
    .alloc = slab_heap_alloc,
    .free = slab_heap_free,
    .usable = slab_heap_usable,
    .trim = slab_heap_trim,
};

void heap_slab_init(struct heap_slab *self, struct heap_pages *pages)
{
    uint32_t bytes = 0;
    uint32_t size = 0;

    *self = (struct heap_slab){.heap.operations = &slab_operations, .pages = pages, .none.full = true};
    for (unsigned index = 0; index < SLAB_CLASSES; index++) {
        bytes += index < LINEAR_CLASSES ? HEAP_ALIGN : (LINEAR_BYTES / 4u) << (index - LINEAR_CLASSES) / 4;
        self->class_bytes[index] = (uint16_t)bytes;
        self->current[index] = &self->none;
        list_init(&self->partial[index]);
        while (size <= bytes)
            self->class_of[size++] = (uint8_t)index;
    }
}
