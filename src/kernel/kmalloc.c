/*
 * The default heap lies in the direct map, in runs of frames. The blog's three have a stretch of addresses of their
 * own, mapped page by page, with nothing behind it.
 */
#include "kernel/kmalloc.h"

#include "kernel/backtrace.h"
#include "kernel/console.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/stacks.h"
#include "lib/heap_block.h"
#include "lib/heap_bump.h"
#include "lib/heap_debug.h"
#include "lib/heap_list.h"
#include "lib/heap_slab.h"
#include "lib/mem.h"

static union {
    struct heap_slab slab;
    struct heap_bump bump;
    struct heap_list list;
    struct heap_block block;
} inner;
static struct heap_debug debug;
static enum heap_choice chosen;
static struct heap *heap; /* in use */
static bool slab_in_use;  /* it is inner.slab: kmalloc() and kfree() take the short way */
static bool debugging;
static size_t taken_bytes;

static void *run_take(struct heap_pages *pages, size_t bytes, size_t align, enum heap_pages_kind kind)
{
    uint32_t count = (uint32_t)(bytes / FRAME_BYTES), each = (uint32_t)(align / FRAME_BYTES);
    struct physical run;

    (void)pages;
    if (bytes / FRAME_BYTES > FRAMES_MAX || align / FRAME_BYTES > FRAMES_MAX) /* more than 32 bits count */
        return NULL;
    if (frame_alloc_run(count, each, &run) != STATUS_OK &&
        (!stacks_trim() || frame_alloc_run(count, each, &run) != STATUS_OK))
        return NULL;
    frame_set_tag(run, (uint16_t)kind);
    taken_bytes += bytes;
    return mmu_direct(run);
}

static void run_give(struct heap_pages *pages, void *run)
{
    struct physical first = mmu_direct_physical(run);

    (void)pages;
    taken_bytes -= (size_t)frame_run_length(first) * FRAME_BYTES;
    frame_free(first);
}

static size_t run_length(const struct heap_pages *pages, const void *run, enum heap_pages_kind kind)
{
    struct physical first = mmu_direct_physical(run);

    (void)pages;
    if (frame_tag(first) != kind)
        return 0;
    return (size_t)frame_run_length(first) * FRAME_BYTES;
}

static struct heap_pages pages = {.take = run_take, .give = run_give, .length = run_length};

static void *stretch_map(void)
{
    char *stretch = mmu_reserve(KMALLOC_STRETCH_BYTES);

    for (size_t at = 0; at < KMALLOC_STRETCH_BYTES; at += PAGE_BYTES) {
        struct physical frame;

        if (frame_alloc(&frame) != STATUS_OK ||
            mmu_map(stretch + at, frame, PAGE_BYTES, PAGE_WRITE | PAGE_GLOBAL) != STATUS_OK)
            panic("no memory for the heap");
    }
    taken_bytes = KMALLOC_STRETCH_BYTES;
    return stretch;
}

runs_once void kmalloc_init(enum heap_choice choice)
{
    switch (choice) {
    case HEAP_SLAB:
    case HEAP_DEBUG:
        heap_slab_init(&inner.slab, &pages);
        heap = &inner.slab.heap;
        break;
    case HEAP_BUMP:
        heap_bump_init(&inner.bump, stretch_map(), KMALLOC_STRETCH_BYTES);
        heap = &inner.bump.heap;
        break;
    case HEAP_LIST:
        heap_list_init(&inner.list, stretch_map(), KMALLOC_STRETCH_BYTES, true);
        heap = &inner.list.heap;
        break;
    case HEAP_BLOCK:
        heap_block_init(&inner.block, stretch_map(), KMALLOC_STRETCH_BYTES, HEAP_BLOCK_KEEP);
        heap = &inner.block.heap;
        break;
    }
    debugging = choice == HEAP_DEBUG;
    if (debugging) {
        heap_debug_init(&debug, heap, HEAP_DEBUG_KEEP);
        debug.name = backtrace_name;
        heap = &debug.heap;
    }
    chosen = choice;
    slab_in_use = choice == HEAP_SLAB;
}

static seldom _Noreturn void in_interrupt(const void *caller)
{
    char name[96];

    backtrace_name(name, sizeof(name), caller);
    panic("the heap was used in an interrupt, by %s", name);
}

struct heap *kmalloc_heap(void)
{
    return heap;
}

struct heap *kmalloc_use(struct heap *other)
{
    struct heap *before = heap;

    heap = other;
    slab_in_use = chosen == HEAP_SLAB && other == &inner.slab.heap; /* all of `inner` are at that address */
    return before;
}

/* Before each operation: the right context, and the lock. */
static inline void begin(void)
{
    if (unlikely(cpu_this()->irq_depth))
        in_interrupt(__builtin_return_address(0));
    preempt_disable();
}

/* The slow ways end what kmalloc() or kfree() began: out of line, so that the hot path needs no frame. */
static __attribute__((noinline)) void *alloc_otherwise(size_t size, const void *caller)
{
    void *block;

    debug.caller = caller;
    block = heap_alloc(heap, size);
    preempt_enable();
    return block;
}

static seldom void *preempted_with(void *block)
{
    sched_preempt_enabled();
    return block;
}

void *kmalloc(size_t size)
{
    void *block;

    begin();
    if (unlikely(!slab_in_use))
        return alloc_otherwise(size, __builtin_return_address(0));
    block = heap_slab_take(&inner.slab, size);
    if (unlikely(!block))
        return alloc_otherwise(size, __builtin_return_address(0));
    if (preempt_release())
        return preempted_with(block);
    return block;
}

static __attribute__((noinline)) void free_otherwise(void *block, const void *caller)
{
    debug.caller = caller;
    heap_free(heap, block);
    preempt_enable();
}

static __attribute__((noinline)) void settle(void *block, enum heap_slab_given given)
{
    if (block)
        heap_slab_settle(&inner.slab, block, given);
    preempt_enable();
}

void kfree(void *block)
{
    enum heap_slab_given given;

    begin();
    if (unlikely(!slab_in_use)) {
        free_otherwise(block, __builtin_return_address(0));
        return;
    }
    given = heap_slab_give(&inner.slab, block); /* NULL lies at the start of a run, which is another case */
    if (unlikely(given != HEAP_SLAB_DONE)) {
        settle(block, given);
        return;
    }
    if (preempt_release())
        sched_preempt_enabled();
}

void *kmalloc_aligned(size_t size, size_t align)
{
    void *block;

    begin();
    debug.caller = __builtin_return_address(0);
    block = heap_alloc_aligned(heap, size, align);
    preempt_enable();
    return block;
}

/* Zeroed once preemption is back on, as it takes as long as the block is large. */
void *kzalloc(size_t count, size_t size)
{
    size_t bytes;
    bool too_large = __builtin_mul_overflow(count, size, &bytes);
    void *block;

    begin();
    debug.caller = __builtin_return_address(0);
    block = too_large ? heap_count(heap, NULL) : heap_alloc(heap, bytes);
    preempt_enable();
    return block ? memset(block, 0, bytes) : NULL;
}

void *krealloc(void *block, size_t size)
{
    void *other;

    begin();
    debug.caller = __builtin_return_address(0);
    other = heap_resize(heap, block, size);
    preempt_enable();
    return other;
}

size_t kmalloc_taken(void)
{
    return taken_bytes;
}

static seldom void print_leak(void *context, const struct heap_debug_block *block)
{
    char name[96];

    (void)context;
    backtrace_name(name, sizeof(name), block->caller);
    console_print("    %zu bytes at %p, allocated by %s\n", block->size, block->address, name);
}

seldom size_t kmalloc_leaks(uint64_t mark)
{
    size_t count;

    if (!debugging)
        return 0;
    preempt_disable();
    count = heap_debug_leaks(&debug, mark, print_leak, NULL);
    preempt_enable();
    return count;
}

uint64_t kmalloc_mark(void)
{
    return debugging ? heap_debug_mark(&debug) : 0;
}
