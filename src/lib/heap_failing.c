/* The failing heap of lib/heap_failing.h. */
#include "lib/heap_failing.h"

/* splitmix64: a counter whose bits are mixed, so that every seed is a good one. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Counts an attempt; true if it is to fail. */
static bool failing_fails(struct heap_failing *failing)
{
    uint64_t attempt = ++failing->attempts;

    if (!(attempt >= failing->first && attempt <= failing->last) &&
        next_random(&failing->random) % 1000000 >= failing->per_million)
        return false;
    failing->injected++;
    return true;
}

static void *failing_alloc(struct heap *heap, size_t size, size_t align)
{
    struct heap_failing *failing = container_of(heap, struct heap_failing, heap);

    return heap_count(heap, failing_fails(failing) ? NULL : heap_alloc_aligned(failing->inner, size, align));
}

static void failing_free(struct heap *heap, void *block)
{
    struct heap_failing *failing = container_of(heap, struct heap_failing, heap);

    heap_free(failing->inner, block);
    heap->frees++;
}

static size_t failing_usable(const struct heap *heap, const void *block)
{
    const struct heap_failing *failing = (const void *)heap; /* its first member */

    return heap_usable(failing->inner, block);
}

static void failing_trim(struct heap *heap)
{
    heap_trim(container_of(heap, struct heap_failing, heap)->inner);
}

static void *failing_resize(struct heap *heap, void *block, size_t size)
{
    struct heap_failing *failing = container_of(heap, struct heap_failing, heap);
    void *resized = failing_fails(failing) ? NULL : heap_resize(failing->inner, block, size);

    heap->failures += !resized;
    return resized;
}

static void failing_set(struct heap_failing *failing, uint64_t first, uint64_t last)
{
    failing->first = first;
    failing->last = last;
    failing->per_million = 0;
    failing->attempts = 0;
    failing->injected = 0;
}

void heap_failing_never(struct heap_failing *failing)
{
    failing_set(failing, 1, 0);
}

void heap_failing_at(struct heap_failing *failing, uint64_t n)
{
    failing_set(failing, n, n);
}

void heap_failing_from(struct heap_failing *failing, uint64_t n)
{
    failing_set(failing, n, UINT64_MAX);
}

void heap_failing_randomly(struct heap_failing *failing, uint32_t per_million, uint64_t seed)
{
    failing_set(failing, 1, 0);
    failing->per_million = per_million;
    failing->random = seed;
}

void heap_failing_init(struct heap_failing *failing, struct heap *inner)
{
    static const struct heap_operations operations = {
        .name = "failing",
        .alloc = failing_alloc,
        .free = failing_free,
        .usable = failing_usable,
        .trim = failing_trim,
        .resize = failing_resize,
    };

    *failing = (struct heap_failing){.heap.operations = &operations, .inner = inner};
    heap_failing_never(failing);
}
