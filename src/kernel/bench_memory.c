/*
 * Single figures of memory: a block, a frame or a page taken and given back, and the way into a page fault's handler.
 */
#include "kernel/bench.h"
#include "kernel/kmalloc.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "lib/heap_block.h"
#include "lib/heap_bump.h"
#include "lib/heap_list.h"

enum {
    SAMPLES = BENCH_MICRO_SAMPLES,
    WARM_UP = 4,
    SCATTERED = 4000, /* blocks that fragment the heap */
    SCATTERED_BYTES_MAX = 2048,
    BATCH = 1000,
    BATCH_STRIDE = 377, /* has no divisor in common with BATCH */
    CLASSIC_BYTES = 64,
    CLASSIC_BYTES_FRAG = 2048, /* which few holes are large enough for */
    CLASSIC_HEAP_BYTES = 1 << 20,
    CLASSIC_SCATTERED = 800,
};

static const struct {
    size_t size;
    const char *hot, *batch, *scattered;
} sizes[] = {
    {16, "heap.pair_16", "heap.batch_16", "heap.pair_16_frag"},
    {64, "heap.pair_64", "heap.batch_64", "heap.pair_64_frag"},
    {256, "heap.pair_256", "heap.batch_256", "heap.pair_256_frag"},
    {1024, "heap.pair_1024", "heap.batch_1024", "heap.pair_1024_frag"},
    {4096, "heap.pair_4096", "heap.batch_4096", "heap.pair_4096_frag"},
};

static void bench_pair(const char *name, size_t size)
{
    for (unsigned i = 0; i < WARM_UP + SAMPLES; i++) {
        uint64_t before = rdtsc();
        uint64_t after;
        void *block = kmalloc(size);

        kfree(block);
        after = rdtsc();
        if (!block)
            bench_no_memory("a block");
        if (i >= WARM_UP)
            bench_sample(after - before);
    }
    bench_report(name, "instructions");
}

/* Many blocks, and then all of them given back in another order: with what it takes to get memory for them and to give
 * it back. What a block costs on average. */
static void bench_batch(const char *name, size_t size)
{
    void **blocks = kzalloc(BATCH, sizeof(*blocks));
    uint64_t before = rdtsc();
    uint64_t spent;

    if (!blocks)
        bench_no_memory("blocks");
    for (size_t i = 0; i < BATCH; i++)
        blocks[i] = kmalloc(size);
    for (size_t i = 0; i < BATCH; i++)
        kfree(blocks[i * BATCH_STRIDE % BATCH]);
    spent = rdtsc() - before;
    for (size_t i = 0; i < BATCH; i++)
        if (!blocks[i])
            bench_no_memory("blocks");
    kfree(blocks);
    bench_report_one(name, spent / BATCH, "instructions");
}

/* A heap after a life: many blocks of all sizes, of which a random half was freed again. */
static void scatter(struct heap *heap, void **blocks, size_t count)
{
    uint64_t random = 88172645463325252;

    for (size_t i = 0; i < count; i++) {
        random = bench_random(random);
        blocks[i] = heap_alloc(heap, 1 + random % SCATTERED_BYTES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        random = bench_random(random);
        if (random & 1) {
            heap_free(heap, blocks[i]);
            blocks[i] = NULL;
        }
    }
}

static void gather(struct heap *heap, void **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        heap_free(heap, blocks[i]);
}

static void bench_heap(void)
{
    void **blocks = kzalloc(SCATTERED, sizeof(*blocks));

    if (!blocks)
        bench_no_memory("blocks");
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        bench_pair(sizes[i].hot, sizes[i].size);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        bench_batch(sizes[i].batch, sizes[i].size);
    scatter(kmalloc_heap(), blocks, SCATTERED);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        bench_pair(sizes[i].scattered, sizes[i].size);
    gather(kmalloc_heap(), blocks, SCATTERED);
    kfree(blocks);
}

static void bench_classic_pair(struct heap *heap, const char *name, size_t size)
{
    for (unsigned i = 0; i < WARM_UP + SAMPLES; i++) {
        uint64_t before = rdtsc();
        void *block = heap_alloc(heap, size);

        heap_free(heap, block);
        if (!block)
            bench_no_memory("a block");
        if (i >= WARM_UP)
            bench_sample(rdtsc() - before);
    }
    bench_report(name, "instructions");
}

/* A pair of one of the blog's heaps, without kmalloc() around it: fresh, and after a life. A bump heap has no life: it
 * does not use again what was freed, and is full. */
static void bench_classic(struct heap *heap, const char *fresh, const char *scattered)
{
    static void *blocks[CLASSIC_SCATTERED];

    bench_classic_pair(heap, fresh, CLASSIC_BYTES);
    if (!scattered)
        return;
    scatter(heap, blocks, CLASSIC_SCATTERED);
    bench_classic_pair(heap, scattered, CLASSIC_BYTES_FRAG);
    gather(heap, blocks, CLASSIC_SCATTERED);
}

static void bench_classics(void)
{
    static struct heap_bump bump;
    static struct heap_list list;
    static struct heap_block block;
    void *memory = kmalloc(CLASSIC_HEAP_BYTES);

    if (!memory)
        bench_no_memory("a heap");
    heap_bump_init(&bump, memory, CLASSIC_HEAP_BYTES);
    bench_classic(&bump.heap, "heap.bump_64", NULL);
    heap_list_init(&list, memory, CLASSIC_HEAP_BYTES, true);
    bench_classic(&list.heap, "heap.list_64", "heap.list_2048_frag");
    heap_block_init(&block, memory, CLASSIC_HEAP_BYTES, HEAP_BLOCK_KEEP);
    bench_classic(&block.heap, "heap.block_64", "heap.block_2048_frag");
    kfree(memory);
}

/* Without the zeroing, which is 512 instructions more whoever does it. */
static void bench_frame(void)
{
    for (unsigned i = 0; i < WARM_UP + SAMPLES; i++) {
        uint64_t before = rdtsc();
        struct physical frame;
        enum status status = frame_alloc_run(1, 1, &frame);

        if (status != STATUS_OK)
            bench_no_memory("a frame");
        frame_free(frame);
        if (i >= WARM_UP)
            bench_sample(rdtsc() - before);
    }
    bench_report("frame.pair", "instructions");
}

static struct {
    char *page;
    struct physical frame;
    uint64_t entered;
} mapping;

static void map(void)
{
    if (mmu_map(mapping.page, mapping.frame, PAGE_BYTES, PAGE_WRITE) != STATUS_OK)
        bench_no_memory("a page table");
}

static void unmap(void)
{
    if (mmu_unmap(mapping.page, PAGE_BYTES) != STATUS_OK)
        panic("a benchmark's page went away");
}

static bool map_on_fault(struct trap_frame *frame)
{
    (void)frame;
    mapping.entered = rdtsc();
    map();
    return true;
}

/* Among neighbours, so that the tables stay. */
static void bench_map(void)
{
    char *neighbour = mmu_reserve(PAGE_BYTES);

    mapping.page = mmu_reserve(PAGE_BYTES);
    if (frame_alloc(&mapping.frame) != STATUS_OK ||
        mmu_map(neighbour, mapping.frame, PAGE_BYTES, PAGE_WRITE) != STATUS_OK)
        bench_no_memory("a frame");
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();

        map();
        unmap();
        bench_sample(rdtsc() - before);
    }
    bench_report("page.map_unmap", "instructions");
    if (mmu_unmap(neighbour, PAGE_BYTES) != STATUS_OK)
        panic("a benchmark's page went away");
}

/* From the access that faults to the handler's first instruction; and until the access is done, the handler having
 * mapped the page. */
static void bench_fault(void)
{
    static uint64_t whole[SAMPLES];
    exception_handler *handler = exception_set(VECTOR_PAGE_FAULT, map_on_fault);

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();

        *(volatile char *)mapping.page = 1;
        whole[i] = rdtsc() - before;
        bench_sample(mapping.entered - before);
        unmap();
    }
    bench_report("fault.entry", "instructions");
    for (unsigned i = 0; i < SAMPLES; i++)
        bench_sample(whole[i]);
    bench_report("fault.map", "instructions");
    (void)exception_set(VECTOR_PAGE_FAULT, handler);
    frame_free(mapping.frame);
}

void bench_memory(void)
{
    bench_heap();
    bench_classics();
    bench_frame();
    bench_map();
    bench_fault();
}
