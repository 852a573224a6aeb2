/*
 * Single figures of memory: a block, a frame or a page taken and given back, and the way into a page fault's handler.
 */
#include "kernel/bench.h"
#include "kernel/kmalloc.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"

enum {
    SAMPLES = BENCH_MICRO_SAMPLES,
    WARM_UP = 4,
    SCATTERED = 4000, /* blocks that fragment the heap */
    SCATTERED_BYTES_MAX = 2048,
};

static const struct {
    size_t size;
    const char *hot, *scattered;
} sizes[] = {
    {16, "heap.pair_16", "heap.pair_16_frag"},       {64, "heap.pair_64", "heap.pair_64_frag"},
    {256, "heap.pair_256", "heap.pair_256_frag"},    {1024, "heap.pair_1024", "heap.pair_1024_frag"},
    {4096, "heap.pair_4096", "heap.pair_4096_frag"},
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

/* A heap after a life: many blocks of all sizes, of which a random half was freed again. */
static void **scatter(void)
{
    void **blocks = kzalloc(SCATTERED, sizeof(*blocks));
    uint64_t random = 88172645463325252;

    if (!blocks)
        bench_no_memory("blocks");
    for (unsigned i = 0; i < SCATTERED; i++) {
        random = bench_random(random);
        blocks[i] = kmalloc(1 + random % SCATTERED_BYTES_MAX);
    }
    for (unsigned i = 0; i < SCATTERED; i++) {
        random = bench_random(random);
        if (random & 1) {
            kfree(blocks[i]);
            blocks[i] = NULL;
        }
    }
    return blocks;
}

static void bench_heap(void)
{
    void **blocks;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        bench_pair(sizes[i].hot, sizes[i].size);
    blocks = scatter();
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        bench_pair(sizes[i].scattered, sizes[i].size);
    for (unsigned i = 0; i < SCATTERED; i++)
        kfree(blocks[i]);
    kfree(blocks);
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
    bench_frame();
    bench_map();
    bench_fault();
}
