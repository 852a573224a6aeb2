/* Each heap by operations from the input, against a shadow map of its memory. */
#include "lib/heap.h"

#include "arena.h"
#include "fuzz.h"
#include "heap_model.h"
#include "lib/heap_block.h"
#include "lib/heap_bump.h"
#include "lib/heap_debug.h"
#include "lib/heap_failing.h"
#include "lib/heap_list.h"

enum { STRETCH = 100 * 1024, SLAB_HEAP = 1024 * 1024, STEPS_MAX = 600 };

static _Alignas(SLAB_BYTES) unsigned char memory[HEAP_MODEL_BYTES];

static struct heap_bump bump;
static struct heap_list list;
static struct heap_block block;
static struct heap_slab slab;
static struct heap_debug debug;
static struct heap_failing failing;

static struct heap_model_subject make_inner(unsigned kind, bool small)
{
    struct heap_model_subject subject = {.memory = memory, .bytes = small ? 8 * 1024 : STRETCH, .reuses = kind != 0};

    switch (kind) {
    case 0:
        heap_bump_init(&bump, memory, subject.bytes);
        subject.heap = &bump.heap;
        break;
    case 1:
        heap_list_init(&list, memory, subject.bytes, true);
        subject.heap = &list.heap;
        break;
    case 2:
        heap_block_init(&block, memory, subject.bytes, small ? 4 : HEAP_BLOCK_KEEP);
        subject.heap = &block.heap;
        break;
    default:
        subject.bytes = small ? SLAB_HEAP / 8 : SLAB_HEAP;
        arena_begin(memory, SLAB_HEAP, subject.bytes);
        heap_slab_init(&slab, &arena.pages);
        subject.heap = &slab.heap;
        break;
    }
    return subject;
}

/* A heap, maybe with another around it. */
static struct heap_model_subject make(unsigned kind, bool small, unsigned around)
{
    struct heap_model_subject subject = make_inner(kind, small);

    if (around == 1) {
        heap_debug_init(&debug, subject.heap, small ? 3 : HEAP_DEBUG_KEEP);
        subject.heap = &debug.heap;
    } else if (around == 2) {
        heap_failing_init(&failing, subject.heap);
        heap_failing_randomly(&failing, (uint32_t)fuzz_below(200) * 1000, 1 + fuzz_byte());
        subject.heap = &failing.heap;
    }
    return subject;
}

/* What there is to be had in one piece. */
static size_t largest(struct heap *heap)
{
    size_t low = 0, high = HEAP_MODEL_BYTES;

    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        void *at = heap_alloc(heap, middle);

        heap_free(heap, at);
        if (at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

void fuzz_one(void)
{
    unsigned kind = (unsigned)fuzz_below(4), around = (unsigned)fuzz_below(3);
    bool small = fuzz_below(2);
    unsigned fullness = 1 + (unsigned)fuzz_below(255);
    struct heap_model_subject subject = make(kind, small, around);
    size_t whole = around == 0 ? largest(subject.heap) : 0;

    heap_model_begin(&subject, 1);
    for (unsigned i = 0; fuzz_more() && i < STEPS_MAX; i++) {
        heap_model_step(fullness);
        if (i % 64 == 63)
            heap_trim(subject.heap);
        if (around == 1 && i % 16 == 0)
            heap_debug_check(&debug);
    }
    (void)heap_model_end();
    if (around == 1)
        CHECK(heap_debug_leaks(&debug, 0, NULL, NULL) == 0);
    heap_trim(subject.heap);
    if (around == 0)
        CHECK(largest(subject.heap) == whole);
}
