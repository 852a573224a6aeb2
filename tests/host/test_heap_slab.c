/* The slab heap on an arena whose frames the real frame allocator hands out, and against a shadow of all its bytes. */
#include "lib/heap_slab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "support.h"

enum {
    ARENA_FIRST = 1 << 20, /* "physical" address; below it there are bytes that are nobody's */
    SLAB_FRAMES = SLAB_BYTES / FRAME_BYTES,
};

static char *base; /* of the arena: address 0 */
static struct heap_slab slab_heap;
static struct heap *const heap = &slab_heap.heap;

/* An arena that begins at a multiple of its size, so that it has every alignment its frames have. */
static void begin(uint64_t bytes)
{
    char *space = mmap(NULL, 2 * ARENA_END, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    cr_assert_neq(space, MAP_FAILED);
    base = (char *)(((uintptr_t)space + ARENA_END - 1) & ~(uintptr_t)(ARENA_END - 1));
    arena_begin(base + ARENA_FIRST, ARENA_FIRST, bytes);
    heap_slab_init(&slab_heap, &arena.pages);
}

static void begin_all(void)
{
    begin(ARENA_END - ARENA_FIRST);
}

static uint32_t frames_used(void)
{
    return arena.frames.total - arena.frames.free;
}

static void expect_nothing_lost(void)
{
    cr_assert_eq(heap_live(heap), 0);
    cr_assert_leq(frames_used(), SLAB_CLASSES * SLAB_FRAMES, "%u frames", frames_used());
    heap_trim(heap);
    cr_assert_eq(frames_used(), 0, "%u frames", frames_used());
    cr_assert_eq(arena.takes, arena.gives);
}

static void *take(size_t size)
{
    void *block = heap_alloc(heap, size);

    cr_assert_not_null(block, "%zu bytes", size);
    return block;
}

static bool aligned(const void *block, size_t align)
{
    return ((uintptr_t)block & (align - 1)) == 0;
}

static bool filled(const void *block, unsigned char value, size_t size)
{
    const unsigned char *bytes = block;

    return size == 0 || (bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* ---- sizes ---- */

Test(heap_slab, says_its_name)
{
    begin_all();
    cr_assert_str_eq(heap->operations->name, "slab");
    cr_assert_eq(frames_used(), 0, "takes nothing before it is asked");
}

Test(heap_slab, blocks_of_every_size_are_aligned_and_large_enough)
{
    begin_all();
    for (size_t size = 0; size <= 20000; size++) {
        char *block = take(size);
        size_t usable = heap_usable(heap, block);

        cr_assert(aligned(block, HEAP_ALIGN));
        cr_assert(usable >= size && usable >= 16);
        if (size > 128 && size <= 4096)
            cr_assert_lt(usable * 4, size * 5 + 4, "%zu bytes for %zu", usable, size);
        else if (size && size <= 128)
            cr_assert_lt(usable, size + 16);
        else if (size)
            cr_assert_lt(usable, size + 4096);
        if (size && (size & (size - 1)) == 0 && size <= 4096)
            cr_assert(aligned(block, size), "%p of %zu", (void *)block, size);
        memset(block, 0xa5, usable);
        heap_free(heap, block);
    }
    expect_nothing_lost();
}

Test(heap_slab, four_classes_a_doubling)
{
    static const uint16_t classes[] = {16,  32,  48,  64,  80,  96,   112,  128,  160,  192,  224,  256,  320,  384,
                                       448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096};

    begin_all();
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        void *block = take(classes[i]);
        void *more = take(classes[i] + 1u);

        cr_assert_eq(heap_usable(heap, block), classes[i]);
        cr_assert_eq(heap_usable(heap, more), i + 1 < ARRAY_SIZE(classes) ? classes[i + 1] : 8192);
        heap_free(heap, block);
        heap_free(heap, more);
    }
    expect_nothing_lost();
}

Test(heap_slab, blocks_have_any_alignment)
{
    begin_all();
    for (size_t align = 1; align <= 4 << 20; align *= 2) {
        for (size_t size = 0; size <= 10000; size += size / 7 + 1) {
            char *first = heap_alloc_aligned(heap, size, align);
            char *second = heap_alloc_aligned(heap, size, align);

            cr_assert(first && second);
            cr_assert(aligned(first, align) && aligned(second, align), "%zu at %zu", size, align);
            cr_assert(heap_usable(heap, first) >= size && heap_usable(heap, second) >= size);
            memset(first, 1, heap_usable(heap, first));
            memset(second, 2, heap_usable(heap, second));
            cr_assert(filled(first, 1, heap_usable(heap, first)));
            heap_free(heap, first);
            heap_free(heap, second);
        }
    }
    expect_nothing_lost();
}

Test(heap_slab, size_zero_has_a_block_of_its_own)
{
    void *first, *second;

    begin_all();
    first = take(0);
    second = take(0);
    cr_assert_neq(first, second);
    cr_assert_eq(heap_usable(heap, first), 16);
    heap_free(heap, first);
    heap_free(heap, second);
    heap_free(heap, NULL);
    expect_nothing_lost();
}

Test(heap_slab, all_that_is_usable_may_be_used)
{
    static void *blocks[700];

    begin_all();
    for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++) {
        blocks[i] = take(i * 13);
        memset(blocks[i], (unsigned char)i, heap_usable(heap, blocks[i]));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++)
        cr_assert(filled(blocks[i], (unsigned char)i, heap_usable(heap, blocks[i])), "block %u", i);
    for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++)
        heap_free(heap, blocks[i]);
    expect_nothing_lost();
}

Test(heap_slab, a_large_block_takes_its_frames_and_no_more)
{
    void *block;

    begin_all();
    for (size_t size = 4097; size < 300000; size += 3001) {
        block = take(size);
        cr_assert_eq(frames_used(), (size + FRAME_BYTES - 1) / FRAME_BYTES);
        cr_assert_eq(heap_usable(heap, block), (size_t)frames_used() * FRAME_BYTES);
        heap_free(heap, block);
        cr_assert_eq(frames_used(), 0);
    }
}

Test(heap_slab, what_cannot_be_is_refused)
{
    begin_all();
    cr_assert_null(heap_alloc(heap, SIZE_MAX));
    cr_assert_null(heap_alloc(heap, SIZE_MAX - 15));
    cr_assert_null(heap_alloc(heap, SIZE_MAX - 4096));
    cr_assert_null(heap_alloc(heap, ARENA_END));
    cr_assert_null(heap_alloc_aligned(heap, 1, (SIZE_MAX >> 1) + 1));
    cr_assert_null(heap_alloc_aligned(heap, SIZE_MAX, 4096));
    cr_assert_eq(heap->failures, 6);
    cr_assert_eq(heap->allocations, 0);
    expect_nothing_lost();
}

Test(heap_slab, counts_what_it_does)
{
    void *small, *large;

    begin_all();
    small = take(100);
    large = take(10000);
    cr_assert_eq(heap->allocations, 2);
    cr_assert_eq(heap_live(heap), 2);
    heap_free(heap, small);
    cr_assert_eq(heap->frees, 1);
    heap_free(heap, take(100));
    heap_free(heap, large);
    cr_assert_eq(heap->allocations, 3);
    cr_assert_eq(heap->frees, 3);
    cr_assert_eq(heap->failures, 0);
    expect_nothing_lost();
}

/* ---- slabs ---- */

Test(heap_slab, the_block_freed_last_is_used_first)
{
    void *first, *second;

    begin_all();
    first = take(64);
    second = take(64);
    heap_free(heap, first);
    heap_free(heap, second);
    cr_assert_eq(take(64), second);
    cr_assert_eq(take(64), first);
}

/* Blocks of 1024 bytes, 31 of which fill a slab. */
enum { BLOCK = 1024, FILL = 31, SLABS = 4 };
static void *row[SLABS][FILL];

static void fill_slabs(void)
{
    begin_all();
    for (unsigned i = 0; i < SLABS * FILL; i++)
        row[i / FILL][i % FILL] = take(BLOCK);
    cr_assert_eq(frames_used(), SLABS * SLAB_FRAMES, "this test is about full slabs");
}

static void free_row(unsigned slab)
{
    for (unsigned i = 0; i < FILL; i++)
        heap_free(heap, row[slab][i]);
}

Test(heap_slab, an_empty_slab_is_given_back_at_once)
{
    fill_slabs();
    free_row(1);
    cr_assert_eq(frames_used(), 3 * SLAB_FRAMES);
    free_row(0);
    cr_assert_eq(frames_used(), 2 * SLAB_FRAMES);
    free_row(2);
    cr_assert_eq(frames_used(), 1 * SLAB_FRAMES);
    free_row(3);
    cr_assert_eq(frames_used(), 1 * SLAB_FRAMES, "all but the current one");
    expect_nothing_lost();
}

Test(heap_slab, room_in_a_full_slab_is_used_before_a_new_one)
{
    fill_slabs();
    heap_free(heap, row[0][5]);
    heap_free(heap, row[2][7]);
    heap_free(heap, row[0][9]);
    for (unsigned i = 0; i < 3; i++) {
        void *block = take(BLOCK);

        cr_assert(block == row[0][5] || block == row[0][9] || block == row[2][7]);
    }
    cr_assert_eq(frames_used(), SLABS * SLAB_FRAMES);
    take(BLOCK);
    cr_assert_eq(frames_used(), (SLABS + 1) * SLAB_FRAMES);
}

Test(heap_slab, a_slab_that_was_full_twice_is_given_back)
{
    fill_slabs();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 9; i++)
            heap_free(heap, row[1][i]);
        for (unsigned i = 0; i < 9; i++)
            row[1][i] = take(BLOCK);
        cr_assert_eq(frames_used(), SLABS * SLAB_FRAMES);
    }
    for (unsigned i = 0; i < SLABS; i++)
        free_row(i);
    expect_nothing_lost();
}

Test(heap_slab, a_lone_block_takes_no_frames_again_and_again)
{
    unsigned takes;

    fill_slabs();
    take(BLOCK);
    takes = arena.takes;
    for (unsigned i = 0; i < 1000; i++)
        heap_free(heap, take(BLOCK));
    cr_assert_eq(arena.takes, takes);
    cr_assert_eq(arena.gives, 0);
}

Test(heap_slab, trimming_leaves_slabs_in_use_alone)
{
    void *block;

    begin_all();
    block = take(100);
    memset(block, 7, 100);
    heap_free(heap, take(3000));
    cr_assert_eq(frames_used(), 2 * SLAB_FRAMES);
    heap_trim(heap);
    cr_assert_eq(frames_used(), SLAB_FRAMES);
    cr_assert(filled(block, 7, 100));
    heap_free(heap, take(100));
    heap_free(heap, block);
    expect_nothing_lost();
    heap_trim(heap);
    heap_free(heap, take(100));
    expect_nothing_lost();
}

/* ---- no memory ---- */

static void exhaust(size_t size, size_t expected)
{
    static void *blocks[1 << 17];
    size_t count = 0;

    for (unsigned round = 0; round < 2; round++) {
        uint64_t failures = heap->failures;

        for (count = 0; (blocks[count] = heap_alloc(heap, size)) != NULL; count++)
            memset(blocks[count], (unsigned char)count, size);
        cr_assert_eq(count, expected, "%zu of %zu", count, size);
        cr_assert_eq(heap->failures, failures + 1);
        cr_assert_null(heap_alloc(heap, size), "and again");
        for (size_t i = 0; i < count; i++)
            cr_assert(filled(blocks[i], (unsigned char)i, size));
        heap_free(heap, blocks[0]);
        blocks[0] = heap_alloc(heap, size);
        cr_assert(blocks[0] && !heap_alloc(heap, size), "one freed is one more");
        for (size_t i = 0; i < count; i++)
            heap_free(heap, blocks[i * 11 % count]);
        expect_nothing_lost();
    }
}

Test(heap_slab, exhaustion_is_null_and_passes)
{
    enum { MEMORY = 1 << 20, SLABS_THERE = MEMORY / SLAB_BYTES };

    begin(MEMORY);
    exhaust(16, SLABS_THERE * 2044);
    exhaust(1000, SLABS_THERE * 31);
    exhaust(4096, SLABS_THERE * 7);
    exhaust(SLAB_BYTES - 4096, SLABS_THERE);
    exhaust(100000, 8);
}

Test(heap_slab, trims_before_it_says_that_there_is_no_memory)
{
    void *blocks[28];

    begin(32 * SLAB_BYTES);
    for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++)
        blocks[i] = take(slab_heap.class_bytes[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++)
        heap_free(heap, blocks[i]);
    cr_assert_eq(frames_used(), SLAB_CLASSES * SLAB_FRAMES, "this test is about empty slabs");
    blocks[0] = take(32 * SLAB_BYTES);
    cr_assert_null(heap_alloc(heap, 16));
    heap_free(heap, blocks[0]);
    heap_free(heap, take(16));
    expect_nothing_lost();
}

/* ---- mistakes ---- */

/* Whether freeing the block, or asking for its size, panics in a process of its own. */
static bool dies(void *block, bool by_free)
{
    int status;
    pid_t child = fork();

    cr_assert_geq(child, 0);
    if (!child) {
        close(STDERR_FILENO); /* a panic for each address is much to read */
        if (by_free)
            heap_free(heap, block);
        else
            (void)heap_usable(heap, block);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == PANIC_EXIT;
}

Test(heap_slab, freeing_any_other_address_of_a_slab_panics)
{
    static const size_t sizes[] = {16, 48, 112, 160, 448, 1280, 2048, 3584, 4096};
    uint64_t random = 3;

    begin_all();
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t size = sizes[i];
        char *highest = take(size), *middle = take(size), *lowest = take(size);
        char *slab = (char *)((uintptr_t)lowest & ~(uintptr_t)(SLAB_BYTES - 1));
        char *wrong[] = {slab,        slab + 8,
                         slab + 16,   lowest - size,
                         lowest - 16, middle + 1,
                         middle + 8,  middle + size / 2,
                         middle - 1,  highest + 1 + support_random(&random) % (size - 1)};

        cr_assert(highest == middle + size && middle == lowest + size, "blocks lie from the end downwards");
        for (size_t k = 0; k < ARRAY_SIZE(wrong); k++) {
            cr_assert(dies(wrong[k], true), "%zu: free of wrong address %zu", size, k);
            cr_assert(k % 3 || dies(wrong[k], false), "%zu: size of wrong address %zu", size, k);
        }
        while ((uintptr_t)lowest - (uintptr_t)slab >= size + sizeof(struct slab))
            lowest = take(size);
        cr_assert(dies(highest + size - 1, true) && dies(highest - 1, true) && dies(lowest + 1, true));
        cr_assert(dies(lowest - 16, true), "%zu: in the header", size);
        cr_assert_not(dies(highest, true) || dies(middle, true) || dies(lowest, true));
        cr_assert_not(dies(highest, false) || dies(middle, false) || dies(lowest, false));
    }
}

Test(heap_slab, freeing_what_no_heap_gave_panics)
{
    static struct heap_slab other;
    char *large;

    begin_all();
    large = take(100000);
    memset(large, 0x5a, 100000);
    cr_assert(dies(base, true));
    cr_assert(dies(base + 4096, true));
    cr_assert(dies(base + 16, true));
    cr_assert(dies(large + 4096, true));
    cr_assert(dies(large + 16, true));
    cr_assert(dies(large + SLAB_BYTES, true));
    cr_assert(dies(large + SLAB_BYTES, false));
    heap_slab_init(&other, &arena.pages);
    cr_assert(dies(heap_alloc(&other.heap, 16), true), "another heap's");
}

Test(heap_slab, freeing_the_same_block_again_at_once_panics)
{
    void *block;

    begin_all();
    take(32);
    block = take(32);
    heap_free(heap, block);
    cr_assert(dies(block, true));
    block = take(8192);
    heap_free(heap, block);
    cr_assert(dies(block, true));
}

Test(heap_slab, freeing_more_than_was_taken_panics)
{
    void *first, *second;

    begin_all();
    first = take(32);
    second = take(32);
    heap_free(heap, first);
    heap_free(heap, second);
    cr_assert(dies(first, true));
}

Test(heap_slab, freeing_into_a_slab_that_was_given_back_panics)
{
    fill_slabs();
    free_row(0);
    for (unsigned i = 0; i < FILL; i++)
        cr_assert(i % 10 || dies(row[0][i], true));
    free_row(3);
    heap_trim(heap);
    cr_assert(dies(row[3][0], true));
}

/* ---- the model: a shadow of the arena's bytes ---- */

enum { LIVE_MAX = 6000 };

static struct {
    unsigned char *block;
    size_t size;
    unsigned char value;
} live[LIVE_MAX];
static unsigned live_count;
static unsigned char shadow[ARENA_END / HEAP_ALIGN]; /* 1: in a block */

static void shadow_mark(unsigned char *block, size_t bytes, unsigned char from)
{
    size_t first = (size_t)((char *)block - base) / HEAP_ALIGN;
    size_t count = bytes / HEAP_ALIGN;

    cr_assert(filled(shadow + first, from, count), "%p of %zu overlaps another", (void *)block, bytes);
    memset(shadow + first, !from, count);
}

static void model_take(uint64_t *random)
{
    static const size_t largest[] = {64, 64, 256, 256, 256, 256, 1024, 1024, 1024, 1024, 1024, 4096, 4096, 4096, 4096};
    unsigned kind = support_random(random) % 64;
    size_t size = support_random(random) % ((kind < ARRAY_SIZE(largest) * 4 ? largest[kind / 4] : 40000) + 1);
    size_t align = support_random(random) % 16 ? HEAP_ALIGN : (size_t)1 << (support_random(random) % 16);
    unsigned char *block = heap_alloc_aligned(heap, size, align);
    size_t usable;

    if (!block)
        return;
    usable = heap_usable(heap, block);
    cr_assert(aligned(block, align) && aligned(block, HEAP_ALIGN));
    cr_assert(usable >= size && usable % HEAP_ALIGN == 0);
    shadow_mark(block, usable, 0);
    live[live_count].block = block;
    live[live_count].size = usable;
    live[live_count].value = (unsigned char)support_random(random);
    memset(block, live[live_count].value, usable);
    live_count++;
}

static void model_free(unsigned index)
{
    cr_assert(filled(live[index].block, live[index].value, live[index].size), "%p was written to",
              (void *)live[index].block);
    cr_assert_eq(heap_usable(heap, live[index].block), live[index].size);
    heap_free(heap, live[index].block);
    shadow_mark(live[index].block, live[index].size, 1);
    live[index] = live[--live_count];
}

/* 6 MiB: about half of the time there is no room for what is asked for last. */
Test(heap_slab, a_million_operations_agree_with_the_model)
{
    uint64_t random = 20240102;

    begin(6 << 20);
    for (unsigned operation = 0; operation < 1000000; operation++) {
        unsigned taking = operation / 20000 % 2 ? 35 : 65;

        if (support_random(&random) % 100 < taking && live_count < LIVE_MAX)
            model_take(&random);
        else if (live_count)
            model_free((unsigned)(support_random(&random) % live_count));
        if (operation % 10007 == 0)
            heap_trim(heap);
        cr_assert_eq(heap_live(heap), live_count);
    }
    cr_assert_gt(heap->failures, 1000, "this test is about a heap that runs out too");
    while (live_count)
        model_free(live_count - 1);
    expect_nothing_lost();
}
