/*
 * Every heap against the same claims, a shadow map and a million random operations; then what each one alone promises.
 *
 * A new heap needs a `struct subject` and a line in EACH_HEAP: each CLAIM then is a test of its suite, heap_NAME/claim.
 */
#include "lib/heap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "heap_model.h"
#include "lib/heap_block.h"
#include "lib/heap_bump.h"
#include "lib/heap_debug.h"
#include "lib/heap_failing.h"
#include "lib/heap_list.h"
#include "support.h"

enum {
    HEAP_SIZE = 100 * 1024,         /* the blog's */
    SLAB_HEAP_SIZE = 1024 * 1024,   /* a slab for each class, and little more */
    MEMORY_SIZE = HEAP_MODEL_BYTES, /* of which the rest belongs to nobody */
    HEADER = sizeof(struct heap_header),
};

static _Alignas(SLAB_BYTES) unsigned char memory[MEMORY_SIZE];

/* ---- the heaps ----------------------------------------------------------------------------------------------------
 */

struct subject {
    struct heap *(*make)(void); /* all of its blocks lie in `memory` */
    size_t bytes;               /* of memory it has */
    bool reuses;                /* memory that was freed while other blocks are live */
    bool peeks;                 /* reads what lies before or around a wild pointer, and says so */
    struct heap_debug *debug;   /* if it is one */
    const char *wild, *twice;   /* what it says of a free of what it did not give, and of a second free */
};

#define WILD "free of what the heap did not give"

static struct heap_bump bump;
static struct heap_list list;
static struct heap_block block;
static struct heap_slab slab;
static struct heap_debug debug;
static struct heap_failing failing;

static struct heap *make_bump(void)
{
    heap_bump_init(&bump, memory, HEAP_SIZE);
    return &bump.heap;
}

static struct heap *make_list(void)
{
    heap_list_init(&list, memory, HEAP_SIZE, true);
    return &list.heap;
}

static struct heap *make_block(void)
{
    heap_block_init(&block, memory, HEAP_SIZE, HEAP_BLOCK_KEEP);
    return &block.heap;
}

static struct heap *make_slab(void)
{
    arena_begin(memory, SLAB_HEAP_SIZE, SLAB_HEAP_SIZE);
    heap_slab_init(&slab, &arena.pages);
    return &slab.heap;
}

static struct heap *make_debug(struct heap *inner)
{
    heap_debug_init(&debug, inner, HEAP_DEBUG_KEEP);
    return &debug.heap;
}

static struct heap *make_debug_list(void)
{
    return make_debug(make_list());
}

static struct heap *make_debug_block(void)
{
    return make_debug(make_block());
}

static struct heap *make_debug_slab(void)
{
    return make_debug(make_slab());
}

static struct heap *make_failing_list(void)
{
    heap_failing_init(&failing, make_list());
    return &failing.heap;
}

static const struct subject bump_subject = {make_bump, HEAP_SIZE, false, false, NULL, WILD, WILD};
static const struct subject list_subject = {make_list, HEAP_SIZE, true, false, NULL, WILD, WILD};
static const struct subject block_subject = {make_block, HEAP_SIZE, true, false, NULL, WILD, WILD};
static const struct subject slab_subject = {make_slab, SLAB_HEAP_SIZE,          true,         true,
                                            NULL,      "no block of this heap", "freed twice"};
static const struct subject debug_list_subject = {make_debug_list, HEAP_SIZE, true, true, &debug, WILD, "double free"};
static const struct subject debug_block_subject = {make_debug_block, HEAP_SIZE, true,         true,
                                                   &debug,           WILD,      "double free"};
static const struct subject debug_slab_subject = {make_debug_slab, SLAB_HEAP_SIZE, true,         true,
                                                  &debug,          WILD,           "double free"};
static const struct subject failing_list_subject = {make_failing_list, HEAP_SIZE, true, false, NULL, WILD, WILD};

#define EACH_HEAP(TEST, claim) \
    TEST(bump, claim)          \
    TEST(list, claim)          \
    TEST(block, claim)         \
    TEST(slab, claim)          \
    TEST(debug_list, claim)    \
    TEST(debug_block, claim)   \
    TEST(debug_slab, claim)    \
    TEST(failing_list, claim)

#define TEST_OF(name, claim)                           \
    Test(heap_##name, claim)                           \
    {                                                  \
        claim(&name##_subject, name##_subject.make()); \
    }
#define CLAIM(claim)                                                     \
    static void claim(const struct subject *subject, struct heap *heap); \
    EACH_HEAP(TEST_OF, claim)                                            \
    static void claim(const struct subject *subject, struct heap *heap)

/* ---- tools --------------------------------------------------------------------------------------------------------
 */

/* Asserts that a function panics with a message that contains `text`. It does so in a process of its own. */
static void expect_panic(void (*function)(struct heap *heap), struct heap *heap, const char *text)
{
    char said[1024];
    size_t length = 0;
    ssize_t got;
    int ends[2], status;
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (!child) {
        dup2(ends[1], STDERR_FILENO);
        function(heap);
        exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], said + length, sizeof(said) - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    said[length] = '\0';
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == PANIC_EXIT, "no panic, but status %x: %s", status, said);
    cr_assert(strstr(said, text), "\"%s\" does not say \"%s\"", said, text);
}

/* The largest block that can be had. */
static size_t largest(struct heap *heap)
{
    size_t fits = 0;

    for (size_t step = (size_t)1 << 30; step; step /= 2) {
        void *tried = heap_alloc(heap, fits + step);

        if (tried)
            fits += step;
        heap_free(heap, tried);
    }
    return fits;
}

static void fill(void *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)(seed + i * 7);
}

static bool filled(const void *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        if (((const unsigned char *)bytes)[i] != (unsigned char)(seed + i * 7))
            return false;
    }
    return true;
}

/* ---- what the blog tests ------------------------------------------------------------------------------------------
 */

CLAIM(simple_allocation)
{
    int *one = heap_alloc(heap, sizeof(int)), *two = heap_alloc(heap, sizeof(int));

    (void)subject;
    *one = 41;
    *two = 13;
    cr_assert(*one == 41 && *two == 13);
    cr_assert_eq(heap_live(heap), 2);
    heap_free(heap, one);
    heap_free(heap, two);
    cr_assert_eq(heap_live(heap), 0);
}

CLAIM(large_vec)
{
    uint64_t *numbers = NULL, sum = 0;
    size_t capacity = 0, n = 1000;

    (void)subject;
    for (size_t i = 0; i < n; i++) {
        if (i == capacity) {
            capacity = capacity ? 2 * capacity : 4;
            numbers = heap_resize(heap, numbers, capacity * sizeof(*numbers));
            cr_assert(numbers);
        }
        numbers[i] = i;
    }
    for (size_t i = 0; i < n; i++)
        sum += numbers[i];
    cr_assert_eq(sum, (n - 1) * n / 2);
    heap_free(heap, numbers);
}

static unsigned boxes_until_full(struct heap *heap, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned *box = heap_alloc(heap, sizeof(*box));

        if (!box)
            return i;
        *box = i;
        cr_assert_eq(*box, i);
        heap_free(heap, box);
    }
    return count;
}

CLAIM(many_boxes)
{
    (void)subject;
    cr_assert_eq(boxes_until_full(heap, HEAP_SIZE), HEAP_SIZE);
}

CLAIM(many_boxes_long_lived)
{
    unsigned *long_lived = heap_alloc(heap, sizeof(*long_lived)), boxes;

    *long_lived = 1;
    boxes = boxes_until_full(heap, HEAP_SIZE);
    cr_assert_eq(*long_lived, 1);
    cr_assert_eq(boxes == HEAP_SIZE, subject->reuses, "%u boxes", boxes);
    heap_free(heap, long_lived);
    cr_assert_eq(boxes_until_full(heap, HEAP_SIZE), HEAP_SIZE);
}

/* ---- every size, every alignment ----------------------------------------------------------------------------------
 */

CLAIM(has_every_size_at_every_alignment_and_all_of_it_can_be_written)
{
    (void)subject;
    for (size_t align = 1; align <= 4096; align *= 2) {
        for (size_t size = 0; size <= 5000; size += size < 70 ? 1 : 61) {
            unsigned char *one = heap_alloc_aligned(heap, size, align);
            unsigned char *two = heap_alloc_aligned(heap, size, align);

            cr_assert(one && two, "%zu bytes at %zu", size, align);
            cr_assert((uintptr_t)one % align == 0 && (uintptr_t)one % HEAP_ALIGN == 0, "%p at %zu", one, align);
            cr_assert((uintptr_t)two % align == 0 && (uintptr_t)two % HEAP_ALIGN == 0, "%p at %zu", two, align);
            cr_assert(heap_usable(heap, one) >= size && heap_usable(heap, two) >= size);
            fill(one, heap_usable(heap, one), 1);
            fill(two, heap_usable(heap, two), 2);
            cr_assert(filled(one, heap_usable(heap, one), 1) && filled(two, heap_usable(heap, two), 2));
            heap_free(heap, one);
            heap_free(heap, two);
        }
    }
    cr_assert_eq(heap->failures, 0);
}

CLAIM(gives_blocks_of_their_own_for_size_zero)
{
    char *blocks[100];

    (void)subject;
    for (unsigned i = 0; i < 100; i++) {
        blocks[i] = heap_alloc(heap, 0);
        cr_assert(blocks[i]);
        for (unsigned j = 0; j < i; j++)
            cr_assert_neq(blocks[i], blocks[j]);
    }
    for (unsigned i = 0; i < 100; i++)
        heap_free(heap, blocks[i]);
    cr_assert_eq(heap_live(heap), 0);
}

CLAIM(frees_null)
{
    (void)subject;
    heap_free(heap, NULL);
    cr_assert_eq(heap->frees, 0);
}

CLAIM(zeroes)
{
    unsigned char *dirty = heap_alloc(heap, 3000), *clean;

    (void)subject;
    memset(dirty, 0xff, 3000);
    heap_free(heap, dirty);
    clean = heap_alloc_zeroed(heap, 30, 100);
    for (size_t i = 0; i < 3000; i++)
        cr_assert_eq(clean[i], 0, "byte %zu", i);
    heap_free(heap, clean);
    clean = heap_alloc_zeroed(heap, 0, SIZE_MAX);
    cr_assert(clean);
    heap_free(heap, clean);
}

CLAIM(refuses_what_overflows)
{
    const size_t sizes[] = {SIZE_MAX,       SIZE_MAX - 14,   SIZE_MAX - 15, SIZE_MAX - 16,    SIZE_MAX - 31,
                            SIZE_MAX - 32,  SIZE_MAX - 33,   SIZE_MAX - 47, SIZE_MAX - 48,    SIZE_MAX - 127,
                            SIZE_MAX - 128, SIZE_MAX - 4096, SIZE_MAX / 2,  SIZE_MAX / 2 + 1, subject->bytes + 1};
    unsigned char *kept = heap_alloc(heap, 100);
    uint64_t failures = 0;

    fill(kept, 100, 3);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        cr_assert_null(heap_alloc(heap, sizes[i]), "%zx", sizes[i]);
        cr_assert_null(heap_alloc_aligned(heap, sizes[i], 4096), "%zx", sizes[i]);
        cr_assert_null(heap_resize(heap, kept, sizes[i]), "%zx", sizes[i]);
        cr_assert_null(heap_resize(heap, NULL, sizes[i]), "%zx", sizes[i]);
        cr_assert_null(heap_alloc_zeroed(heap, sizes[i], 1), "%zx", sizes[i]);
        failures += 5;
        cr_assert_eq(heap->failures, failures);
    }
    cr_assert_null(heap_alloc_zeroed(heap, SIZE_MAX / 2, 3));
    cr_assert_null(heap_alloc_zeroed(heap, (size_t)1 << 32, (size_t)1 << 32));
    cr_assert_null(heap_alloc_zeroed(heap, ((size_t)1 << 32) + 1, (size_t)1 << 32));
    cr_assert_null(heap_alloc_aligned(heap, 1, (size_t)1 << 63));
    cr_assert_null(heap_alloc_aligned(heap, SIZE_MAX, (size_t)1 << 63));
    cr_assert_eq(heap->failures, failures + 5);
    cr_assert(heap_live(heap) == 1 && filled(kept, 100, 3));
    heap_free(heap, kept);
}

CLAIM(resizes_and_keeps_the_contents)
{
    static const size_t sizes[] = {10, 11, 16, 17, 100, 3000, 2999, 64, 0, 40, 9000, 1, 4096, 4000, 20};
    unsigned char *neighbour = NULL, *bytes = heap_resize(heap, NULL, 10);

    (void)subject;
    for (unsigned i = 0; i + 1 < ARRAY_SIZE(sizes); i++) {
        size_t common = sizes[i] < sizes[i + 1] ? sizes[i] : sizes[i + 1];
        unsigned char *next_neighbour;

        fill(bytes, sizes[i], i);
        bytes = heap_resize(heap, bytes, sizes[i + 1]);
        cr_assert(bytes && (uintptr_t)bytes % HEAP_ALIGN == 0);
        cr_assert_geq(heap_usable(heap, bytes), sizes[i + 1]);
        cr_assert(filled(bytes, common, i), "%zu to %zu", sizes[i], sizes[i + 1]);
        fill(bytes, sizes[i + 1], i);
        next_neighbour = heap_alloc(heap, 33); /* so that it has to move at times */
        heap_free(heap, neighbour);
        neighbour = next_neighbour;
        fill(neighbour, 33, 9);
        cr_assert(filled(bytes, sizes[i + 1], i));
    }
    heap_free(heap, bytes);
    heap_free(heap, neighbour);
    cr_assert_eq(heap_live(heap), 0);
}

/* Fills the heap with blocks of `size` bytes. Returns how many there are; the first points to the next, and so on. */
static unsigned take_all(struct heap *heap, size_t size, void ***first)
{
    unsigned count = 0;
    void **taken;

    for (*first = NULL; (taken = heap_alloc(heap, size)); count++) {
        fill(taken, size, 5);
        *taken = *first;
        *first = taken;
    }
    return count;
}

static void free_all(struct heap *heap, size_t size, void **first)
{
    while (first) {
        void **next = *first;

        cr_assert(filled(first + 1, size - sizeof(*first), (unsigned char)(5 + 7 * sizeof(*first))));
        heap_free(heap, first);
        first = next;
    }
}

CLAIM(recovers_from_exhaustion)
{
    static const size_t sizes[] = {16, 1000, 48, 2048, 5000, 16};
    size_t whole = largest(heap);
    unsigned counts[ARRAY_SIZE(sizes)];

    (void)subject;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
            uint64_t failures = heap->failures, allocations = heap->allocations;
            void **first;
            unsigned count;

            heap_trim(heap);
            count = take_all(heap, sizes[i], &first);
            cr_assert_eq(heap->allocations, allocations + count);
            cr_assert_eq(heap->failures, failures + 1);
            if (round)
                cr_assert_eq(count, counts[i], "%u blocks of %zu, were %u", count, sizes[i], counts[i]);
            counts[i] = count;
            cr_assert_null(heap_alloc(heap, sizes[i]), "still none");
            free_all(heap, sizes[i], first);
            cr_assert_eq(heap_live(heap), 0);
        }
    }
    heap_trim(heap);
    cr_assert_eq(largest(heap), whole);
}

/* ---- misuse -------------------------------------------------------------------------------------------------------
 */

static void free_twice(struct heap *heap)
{
    void *kept = heap_alloc(heap, 40), *freed = heap_alloc(heap, 40);

    (void)kept;
    heap_free(heap, freed);
    heap_free(heap, freed);
}

static void free_twice_the_last(struct heap *heap)
{
    void *freed = heap_alloc(heap, 40);

    heap_free(heap, freed);
    heap_trim(heap);
    heap_free(heap, freed);
}

static void free_inside(struct heap *heap)
{
    char *bytes = heap_alloc(heap, 400);

    memset(bytes, 0, 400);
    heap_free(heap, bytes + 128);
}

static void free_unaligned(struct heap *heap)
{
    heap_free(heap, (char *)heap_alloc(heap, 400) + 4);
}

static void free_never_given(struct heap *heap)
{
    heap_free(heap, memory + MEMORY_SIZE / 2);
}

static void size_never_given(struct heap *heap)
{
    (void)heap_usable(heap, memory + MEMORY_SIZE / 2);
}

static void resize_never_given(struct heap *heap)
{
    (void)heap_resize(heap, memory + MEMORY_SIZE / 2, 1);
}

static void free_of_another_heap(struct heap *heap)
{
    static struct heap_list other;

    heap_list_init(&other, memory + MEMORY_SIZE / 2, 4096, true);
    heap_free(heap, heap_alloc(&other.heap, 500));
}

CLAIM(panics_at_a_free_of_what_it_did_not_give)
{
    expect_panic(free_twice, heap, subject->twice);
    expect_panic(free_twice_the_last, heap, subject->debug ? subject->twice : subject->wild);
    expect_panic(free_inside, heap, subject->wild);
    expect_panic(free_unaligned, heap, subject->wild);
    expect_panic(free_never_given, heap, subject->wild);
    expect_panic(free_of_another_heap, heap, subject->wild);
    expect_panic(size_never_given, heap, subject->wild);
    expect_panic(resize_never_given, heap, subject->wild);
}

static void free_far_below(struct heap *heap)
{
    heap_free(heap, (void *)4096);
}

static void free_far_above(struct heap *heap)
{
    heap_free(heap, (void *)(UINTPTR_MAX - 4095));
}

static void free_next_to_null(struct heap *heap)
{
    heap_free(heap, (void *)8);
}

CLAIM(panics_at_a_free_of_what_is_not_even_memory)
{
    if (subject->peeks)
        return;
    expect_panic(free_far_below, heap, subject->wild);
    expect_panic(free_far_above, heap, subject->wild);
    expect_panic(free_next_to_null, heap, subject->wild);
}

static void align_to_24(struct heap *heap)
{
    (void)heap_alloc_aligned(heap, 8, 24);
}

static void align_to_0(struct heap *heap)
{
    (void)heap_alloc_aligned(heap, 8, 0);
}

CLAIM(panics_at_an_alignment_that_is_no_power_of_two)
{
    (void)subject;
    expect_panic(align_to_24, heap, "align");
    expect_panic(align_to_0, heap, "align");
}

/* ---- a million operations -----------------------------------------------------------------------------------------
 */

CLAIM(survives_a_million_random_operations_and_loses_nothing)
{
    size_t whole = largest(heap);
    unsigned failures;

    heap_model_begin(&(struct heap_model_subject){heap, memory, subject->bytes, subject->reuses}, 20240607);
    for (unsigned i = 0; i < 1000000; i++) {
        heap_model_step(16 << i / 50000 % 5); /* now nearly empty, now overfull */
        if (i % 16384 == 0 && subject->debug)
            heap_debug_check(subject->debug);
        if (i % 65536 == 0)
            heap_trim(heap);
    }
    failures = heap_model_end();
    cr_assert_gt(heap->allocations, 400000, "only %lu allocations", (unsigned long)heap->allocations);
    cr_assert_gt(failures, 100, "only %u times out of memory", failures);
    heap_trim(heap);
    cr_assert_eq(largest(heap), whole);
}

/* ---- bump ---------------------------------------------------------------------------------------------------------
 */

Test(heap_bump, goes_up_until_nothing_is_live_and_then_starts_over)
{
    struct heap *heap = make_bump();
    char *one = heap_alloc(heap, 10), *two = heap_alloc(heap, 10), *three;

    cr_assert(one == (char *)memory + HEADER && two == one + 16 + HEADER);
    heap_free(heap, one);
    three = heap_alloc(heap, 10);
    cr_assert_eq(three, two + 16 + HEADER);
    heap_free(heap, three);
    heap_free(heap, two);
    cr_assert_eq(heap_alloc(heap, 10), one);
}

Test(heap_bump, has_all_of_its_memory_and_nothing_beyond)
{
    heap_bump_init(&bump, memory + 3, 16 + HEADER + 64 + 20);
    cr_assert_null(heap_alloc_aligned(&bump.heap, 1, 4096));
    cr_assert_null(heap_alloc(&bump.heap, 64 + 17));
    cr_assert_eq(heap_alloc(&bump.heap, 64), memory + 16 + HEADER);
    cr_assert_null(heap_alloc(&bump.heap, 0));
}

static void init_too_small(struct heap *heap)
{
    (void)heap;
    heap_bump_init(&bump, memory + 1, 16);
}

Test(heap_bump, panics_without_memory)
{
    expect_panic(init_too_small, NULL, "begin");
}

/* ---- list ---------------------------------------------------------------------------------------------------------
 */

Test(heap_list, takes_the_first_hole_that_fits_and_splits_it)
{
    struct heap *heap = make_list();
    char *one = heap_alloc(heap, 160), *two = heap_alloc(heap, 16), *three = heap_alloc(heap, 160), *part;

    cr_assert(two == one + 160 + HEADER && three == two + 16 + HEADER);
    heap_free(heap, one);
    part = heap_alloc(heap, 64);
    cr_assert_eq(part, one);
    cr_assert_eq(heap_alloc(heap, 160 - 64 - HEADER), part + 64 + HEADER, "the rest of the hole, to the byte");
    cr_assert_eq(heap_alloc(heap, 160), three + 160 + HEADER);
}

Test(heap_list, keeps_the_gap_before_an_aligned_block_as_a_hole)
{
    struct heap *heap = make_list();
    char *aligned = heap_alloc_aligned(heap, 100, 4096);

    cr_assert_eq(aligned, (char *)memory + 4096);
    cr_assert_eq(heap_alloc(heap, 4096 - 2 * HEADER), (char *)memory + HEADER);
    cr_assert_eq(heap_alloc(heap, 16), aligned + 112 + HEADER);
}

/* Frees three neighbours in each order; they and the rest become one hole again. */
Test(heap_list, merges_with_both_neighbours_in_every_order)
{
    static const unsigned char orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct heap *heap = make_list();

    for (unsigned i = 0; i < 6; i++) {
        void *blocks[3], *end, *joined;

        for (unsigned j = 0; j < 3; j++)
            blocks[j] = heap_alloc(heap, 100);
        end = heap_alloc(heap, 100);
        for (unsigned j = 0; j < 3; j++)
            heap_free(heap, blocks[orders[i][j]]);
        joined = heap_alloc(heap, 3 * 112 + 2 * HEADER);
        cr_assert_eq(joined, blocks[0], "order %u", i);
        heap_free(heap, end);
        heap_free(heap, joined);
        joined = heap_alloc(heap, HEAP_SIZE - HEADER);
        cr_assert(joined);
        heap_free(heap, joined);
    }
}

/* Three blocks that fill the heap, three frees, and then the whole heap at once. */
static void *whole_heap_after_three_blocks(bool merge)
{
    void *blocks[3];

    heap_list_init(&list, memory, HEAP_SIZE, merge);
    for (unsigned i = 0; i < 3; i++) {
        blocks[i] = heap_alloc(&list.heap, i < 2 ? HEAP_SIZE / 4 : HEAP_SIZE / 2 - 3 * HEADER);
        cr_assert(blocks[i]);
    }
    cr_assert_null(heap_alloc(&list.heap, 0));
    for (unsigned i = 0; i < 3; i++)
        heap_free(&list.heap, blocks[i]);
    return heap_alloc(&list.heap, HEAP_SIZE - HEADER);
}

Test(heap_list, fragments_for_ever_if_holes_do_not_merge)
{
    cr_assert_null(whole_heap_after_three_blocks(false));
    cr_assert_not_null(whole_heap_after_three_blocks(true));
}

Test(heap_list, without_merging_uses_each_hole_again_all_the_same)
{
    heap_list_init(&list, memory, HEAP_SIZE, false);
    cr_assert_eq(boxes_until_full(&list.heap, HEAP_SIZE), HEAP_SIZE);
}

Test(heap_list, shrinks_in_place_and_gives_the_tail_back)
{
    struct heap *heap = make_list();
    char *bytes = heap_alloc(heap, 1024), *behind = heap_alloc(heap, 16);

    cr_assert_eq(heap_resize(heap, bytes, 500), bytes);
    cr_assert_eq(heap_usable(heap, bytes), 512);
    cr_assert_eq(heap_alloc(heap, 512 - HEADER), bytes + 512 + HEADER);
    cr_assert_eq(heap_alloc(heap, 0), behind + 16 + HEADER);
    cr_assert_eq(heap_resize(heap, bytes, 512), bytes, "nothing to give");
}

Test(heap_list, grows_into_the_hole_behind_if_that_is_large_enough)
{
    struct heap *heap = make_list();
    char *one = heap_alloc(heap, 64), *two = heap_alloc(heap, 64), *three = heap_alloc(heap, 64), *moved;

    cr_assert_eq(heap_resize(heap, three, 4096), three, "the rest of the memory");
    cr_assert_null(heap_resize(heap, two, HEAP_SIZE / 2 * 3));
    heap_free(heap, two);
    cr_assert_eq(heap_resize(heap, one, 100), one);
    cr_assert_eq(heap_usable(heap, one), 112);
    cr_assert_eq(heap_resize(heap, one, 64 + HEADER + 64), one, "all of the hole");
    moved = heap_resize(heap, one, 64 + HEADER + 65);
    cr_assert_eq(moved, three + 4096 + HEADER);
    heap_free(heap, moved);
    heap_free(heap, three);
    three = heap_alloc(heap, HEAP_SIZE - HEADER);
    cr_assert_eq(three, (char *)memory + HEADER);
    cr_assert_null(heap_resize(heap, three, HEAP_SIZE), "no hole at all");
}

static void overwrite_a_header(struct heap *heap)
{
    char *one = heap_alloc(heap, 32), *two = heap_alloc(heap, 32);

    memset(one, 'x', 32 + 1);
    heap_free(heap, two);
}

Test(heap_list, panics_at_the_free_of_a_block_whose_header_was_overwritten)
{
    expect_panic(overwrite_a_header, make_list(), "free of what the heap did not give");
    expect_panic(overwrite_a_header, make_bump(), "free of what the heap did not give");
}

/* ---- block --------------------------------------------------------------------------------------------------------
 */

Test(heap_block, has_classes_from_16_to_2048_and_passes_on_what_is_larger)
{
    static const size_t usable[][2] = {{0, 16},      {1, 16},      {16, 16},     {17, 32},    {32, 32},
                                       {33, 64},     {100, 128},   {129, 256},   {512, 512},  {1024, 1024},
                                       {1025, 2048}, {2048, 2048}, {2049, 2064}, {5000, 5008}};
    struct heap *heap = make_block();

    for (unsigned i = 0; i < ARRAY_SIZE(usable); i++) {
        char *one = heap_alloc(heap, usable[i][0]);
        uint64_t taken = heap_live(&block.fallback.heap);

        cr_assert_eq(heap_usable(heap, one), usable[i][1], "%zu has %zu", usable[i][0], heap_usable(heap, one));
        cr_assert(usable[i][1] > 2048 || (uintptr_t)one % usable[i][1] == 0, "%p for %zu", one, usable[i][1]);
        heap_free(heap, one);
        cr_assert_eq(taken - heap_live(&block.fallback.heap), usable[i][1] > 2048, "%zu is kept", usable[i][1]);
    }
    cr_assert_eq(heap_live(&block.fallback.heap), HEAP_BLOCK_CLASSES);
}

Test(heap_block, takes_the_class_of_the_alignment_if_that_is_larger)
{
    struct heap *heap = make_block();
    void *one = heap_alloc_aligned(heap, 1, 2048), *two;

    cr_assert_eq(heap_usable(heap, one), 2048);
    heap_free(heap, one);
    cr_assert_eq(heap_alloc(heap, 2000), one, "last in, first out");
    two = heap_alloc_aligned(heap, 100, 4096);
    cr_assert((uintptr_t)two % 4096 == 0 && heap_usable(heap, two) == 112, "the fallback's");
    heap_free(heap, two);
    two = heap_alloc_aligned(heap, 128, 4096);
    heap_free(heap, two);
    cr_assert_eq(heap_alloc(heap, 128), two, "as good as one of the class");
}

Test(heap_block, keeps_as_many_as_it_may_and_gives_back_the_rest)
{
    void *taken[10];

    heap_block_init(&block, memory, HEAP_SIZE, 4);
    for (unsigned i = 0; i < 10; i++)
        taken[i] = heap_alloc(&block.heap, 100);
    for (unsigned i = 0; i < 10; i++) {
        heap_free(&block.heap, taken[i]);
        cr_assert_eq(heap_live(&block.fallback.heap), i < 4 ? 10 : 13 - i, "%u freed", i + 1);
    }
    heap_trim(&block.heap);
    cr_assert_eq(heap_live(&block.fallback.heap), 0);
    cr_assert_eq(heap_alloc(&block.heap, HEAP_SIZE - HEADER), memory + HEADER);
}

/* Fills the heap with small blocks, frees them all, and asks for half of it. */
static void *half_the_heap_after_small_blocks(uint32_t keep)
{
    void **first;

    heap_block_init(&block, memory, HEAP_SIZE, keep);
    cr_assert_gt(take_all(&block.heap, 64, &first), 700);
    free_all(&block.heap, 64, first);
    cr_assert_eq(heap_live(&block.heap), 0);
    return heap_alloc(&block.heap, HEAP_SIZE / 2);
}

Test(heap_block, starves_large_allocations_if_it_keeps_all_blocks)
{
    cr_assert_null(half_the_heap_after_small_blocks(HEAP_BLOCK_KEEP_ALL));
    heap_trim(&block.heap);
    cr_assert_not_null(heap_alloc(&block.heap, HEAP_SIZE / 2), "but for trim");
    cr_assert_not_null(half_the_heap_after_small_blocks(HEAP_BLOCK_KEEP));
    cr_assert_not_null(half_the_heap_after_small_blocks(0));
}

Test(heap_block, empties_its_lists_before_it_fails)
{
    void **small, **large;

    heap_block_init(&block, memory, HEAP_SIZE, 1000000); /* enough to keep them all */
    take_all(&block.heap, 16, &small);
    free_all(&block.heap, 16, small);
    cr_assert_gt(block.classes[0].count, 3000);
    cr_assert_eq(take_all(&block.heap, 2048, &large), HEAP_SIZE / 4096);
    cr_assert_eq(block.classes[0].count, 0);
}

static void free_to_the_fallback(struct heap *heap)
{
    heap_free(&block.fallback.heap, heap_alloc(heap, 5000));
}

Test(heap_block, panics_at_a_free_of_its_blocks_to_the_fallback)
{
    expect_panic(free_to_the_fallback, make_block(), "heap list: free of what the heap did not give");
}

/* ---- debug --------------------------------------------------------------------------------------------------------
 */

static const void *const alice = (const void *)0xa11ce, *const bob = (const void *)0xb0b,
                         *const carol = (const void *)0xca401;

/* A block of 24 bytes, allocated by alice; what follows is bob's doing. */
static unsigned char *alices(struct heap *heap)
{
    unsigned char *bytes;

    heap_debug_set_caller(&debug, alice);
    bytes = heap_alloc(heap, 24);
    heap_debug_set_caller(&debug, bob);
    return bytes;
}

static void overrun_by_one(struct heap *heap)
{
    unsigned char *bytes = alices(heap);

    bytes[24] = 0;
    heap_free(heap, bytes);
}

static void overrun_by_the_last_of_the_zone(struct heap *heap)
{
    alices(heap)[24 + HEAP_DEBUG_ZONE - 1] ^= 1;
    heap_debug_check(&debug);
}

static void overrun_and_resize(struct heap *heap)
{
    unsigned char *bytes = alices(heap);

    bytes[26] = 0;
    (void)heap_resize(heap, bytes, 100);
}

static void underrun_by_one(struct heap *heap)
{
    unsigned char *bytes = alices(heap);

    bytes[-1] = 0;
    heap_free(heap, bytes);
}

static void underrun_by_the_first_of_the_zone(struct heap *heap)
{
    alices(heap)[-HEAP_DEBUG_ZONE] = 0;
    heap_debug_check(&debug);
}

static void underrun_into_the_header(struct heap *heap)
{
    alices(heap)[-HEAP_DEBUG_ZONE - 20] ^= 1;
    heap_debug_check(&debug);
}

static void overrun_after_a_shrink(struct heap *heap)
{
    unsigned char *bytes = heap_resize(heap, alices(heap), 10);

    bytes[10] = 0;
    heap_debug_check(&debug);
}

static void write_after_free(struct heap *heap)
{
    unsigned char *bytes = alices(heap);

    heap_free(heap, bytes);
    bytes[7] = 0;
    for (unsigned i = 0; i < HEAP_DEBUG_KEEP; i++)
        heap_free(heap, heap_alloc(heap, 1));
}

static void write_after_free_and_check(struct heap *heap)
{
    unsigned char *bytes = alices(heap);

    heap_free(heap, bytes);
    bytes[23] = 0;
    heap_debug_check(&debug);
}

static void write_after_a_freed_block(struct heap *heap)
{
    unsigned char *bytes = alices(heap);

    heap_free(heap, bytes);
    bytes[24] = 0;
    heap_trim(heap);
}

static void write_far_before_a_freed_block(struct heap *heap)
{
    unsigned char *bytes = alices(heap);

    heap_free(heap, bytes);
    bytes[-HEAP_DEBUG_ZONE - 20] ^= 1;
    heap_trim(heap);
}

static void write_far_before_a_freed_block_and_check(struct heap *heap)
{
    unsigned char *bytes = alices(heap);

    heap_free(heap, bytes);
    bytes[-HEAP_DEBUG_ZONE - 20] ^= 1;
    heap_debug_check(&debug);
}

static void free_by_bob_and_carol(struct heap *heap)
{
    unsigned char *bytes = alices(heap);

    heap_free(heap, bytes);
    heap_debug_set_caller(&debug, carol);
    heap_free(heap, bytes);
}

static void free_wild_by_bob(struct heap *heap)
{
    heap_free(heap, alices(heap) + 16);
}

CLAIM(finds_the_misuse_that_only_debug_finds)
{
    if (!subject->debug)
        return;
    expect_panic(overrun_by_one, heap, "written after a block, at byte 0 of its red zone: 24 bytes at");
    expect_panic(overrun_by_one, heap, "allocated by 0xa11ce");
    expect_panic(overrun_by_the_last_of_the_zone, heap, "written after a block, at byte 31");
    expect_panic(overrun_and_resize, heap, "written after a block, at byte 2");
    expect_panic(overrun_after_a_shrink, heap, "written after a block, at byte 0 of its red zone: 10 bytes at");
    expect_panic(overrun_after_a_shrink, heap, "allocated by 0xb0b");
    expect_panic(underrun_by_one, heap, "written before a block, at byte 31");
    expect_panic(underrun_by_the_first_of_the_zone, heap, "written before a block, at byte 0");
    expect_panic(underrun_into_the_header, heap, "written far before a block");
    expect_panic(write_after_free, heap, "written to byte 7 of a freed block: 24 bytes at");
    expect_panic(write_after_free, heap, "allocated by 0xa11ce, freed by 0xb0b");
    expect_panic(write_after_free_and_check, heap, "written to byte 23 of a freed block");
    expect_panic(write_after_a_freed_block, heap, "written after a block");
    expect_panic(write_far_before_a_freed_block, heap, "written far before a freed block");
    expect_panic(write_far_before_a_freed_block_and_check, heap, "written far before a freed block");
    expect_panic(free_by_bob_and_carol, heap, "double free: 24 bytes at");
    expect_panic(free_by_bob_and_carol, heap, "allocated by 0xa11ce, freed by 0xb0b and again by 0xca401");
    expect_panic(free_wild_by_bob, heap, "freed by 0xb0b");
    heap_debug_check(subject->debug);
}

Test(heap_debug, fills_fresh_memory_and_poisons_freed_memory)
{
    struct heap *heap = make_debug_list();
    unsigned char *bytes = heap_alloc(heap, 100);

    cr_assert_eq(heap_usable(heap, bytes), 100, "what was asked for, to the byte");
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(bytes[i], HEAP_DEBUG_FRESH);
    heap_free(heap, bytes);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(bytes[i], HEAP_DEBUG_FREED);
    cr_assert_neq(heap_alloc(heap, 100), bytes, "not used again at once");
}

Test(heap_debug, moves_at_every_resize)
{
    struct heap *heap = make_debug_list();
    unsigned char *bytes = heap_alloc(heap, 100), *moved;

    fill(bytes, 100, 1);
    moved = heap_resize(heap, bytes, 99);
    cr_assert(moved != bytes && filled(moved, 99, 1));
    cr_assert_eq(bytes[0], HEAP_DEBUG_FREED);
}

Test(heap_debug, keeps_the_blocks_freed_last_and_gives_up_the_oldest)
{
    void *freed[5];

    heap_debug_init(&debug, make_list(), 3);
    for (unsigned i = 0; i < 5; i++)
        freed[i] = heap_alloc(&debug.heap, 10);
    for (unsigned i = 0; i < 5; i++)
        heap_free(&debug.heap, freed[i]);
    cr_assert_eq(heap_live(&list.heap), 3);
    cr_assert_eq(heap_alloc(&debug.heap, 10), freed[0]);
    heap_trim(&debug.heap);
    cr_assert_eq(heap_live(&list.heap), 1);
    heap_debug_init(&debug, make_list(), 0);
    freed[0] = heap_alloc(&debug.heap, 10);
    heap_free(&debug.heap, freed[0]);
    cr_assert_eq(heap_alloc(&debug.heap, 10), freed[0]);
}

Test(heap_debug, trims_the_inner_heap_too)
{
    struct heap *heap = make_debug_block();

    heap_free(heap, heap_alloc(heap, 100));
    heap_trim(heap);
    cr_assert_eq(heap_live(&block.fallback.heap), 0);
}

Test(heap_debug, gives_up_what_it_keeps_before_it_fails)
{
    struct heap *heap = make_debug_list();
    void *large = heap_alloc(heap, HEAP_SIZE / 2);

    heap_free(heap, large);
    cr_assert_eq(heap_alloc(heap, HEAP_SIZE / 2), large);
    cr_assert_null(heap_alloc(heap, HEAP_SIZE / 2));
    cr_assert_eq(heap->failures, 1);
}

static void trace_leak(void *context, const struct heap_debug_block *leak)
{
    cr_assert_eq(context, &debug);
    support_trace("%zu:%p:%lu", leak->size, leak->caller, (unsigned long)leak->sequence);
    cr_assert_eq(heap_usable(&debug.heap, leak->address), leak->size);
}

Test(heap_debug, lists_who_leaks_since_a_mark)
{
    struct heap *heap = make_debug_block();
    void *one = alices(heap), *two = heap_alloc(heap, 1), *three;
    uint64_t mark = heap_debug_mark(&debug);

    heap_debug_set_caller(&debug, carol);
    three = heap_alloc(heap, 3000);
    cr_assert_eq(heap_debug_leaks(&debug, 0, trace_leak, &debug), 3);
    cr_assert_str_eq(support_trace_text(), "24:0xa11ce:0 1:0xb0b:1 3000:0xca401:2");
    support_trace_clear();
    heap_free(heap, one);
    cr_assert_eq(heap_debug_leaks(&debug, mark, trace_leak, &debug), 1);
    cr_assert_str_eq(support_trace_text(), "3000:0xca401:2");
    heap_free(heap, three);
    cr_assert_eq(heap_debug_leaks(&debug, mark, NULL, NULL), 0);
    cr_assert_eq(heap_debug_leaks(&debug, 0, NULL, NULL), 1);
    heap_free(heap, two);
    cr_assert_eq(heap_debug_leaks(&debug, 0, NULL, NULL), 0);
}

/* ---- failing ------------------------------------------------------------------------------------------------------
 */

/* Which of ten allocations fail: "..F" and so on. */
static const char *outcomes(struct heap *heap)
{
    static char text[11];

    for (unsigned i = 0; i < 10; i++) {
        void *tried = heap_alloc(heap, 8);

        text[i] = tried ? '.' : 'F';
        heap_free(heap, tried);
    }
    return text;
}

Test(heap_failing, fails_when_told_to)
{
    struct heap *heap = make_failing_list();

    cr_assert_str_eq(outcomes(heap), "..........");
    heap_failing_at(&failing, 3);
    cr_assert_str_eq(outcomes(heap), "..F.......");
    cr_assert(failing.attempts == 10 && failing.injected == 1);
    heap_failing_from(&failing, 3);
    cr_assert_str_eq(outcomes(heap), "..FFFFFFFF");
    cr_assert(failing.attempts == 10 && failing.injected == 8);
    heap_failing_never(&failing);
    cr_assert_str_eq(outcomes(heap), "..........");
    cr_assert(failing.attempts == 10 && failing.injected == 0);
    cr_assert(heap->failures == 9 && heap_live(heap) == 0 && heap_live(&list.heap) == 0);
}

Test(heap_failing, fails_at_random_the_same_way_for_the_same_seed)
{
    struct heap *heap = make_failing_list();
    char first[11];

    heap_failing_randomly(&failing, 500000, 1);
    strcpy(first, outcomes(heap));
    heap_failing_randomly(&failing, 500000, 1);
    cr_assert_str_eq(outcomes(heap), first);
    heap_failing_randomly(&failing, 500000, 2);
    cr_assert_str_neq(outcomes(heap), first);
    heap_failing_randomly(&failing, 0, 1);
    cr_assert_str_eq(outcomes(heap), "..........");
    heap_failing_randomly(&failing, 1000000, 1);
    cr_assert_str_eq(outcomes(heap), "FFFFFFFFFF");
    heap_failing_randomly(&failing, 250000, 3);
    for (unsigned i = 0; i < 1000; i++)
        outcomes(heap);
    cr_assert(failing.injected > 2300 && failing.injected < 2700, "%lu of 10000", (unsigned long)failing.injected);
}

Test(heap_failing, does_not_count_the_inner_heaps_own_failures)
{
    struct heap *heap = make_failing_list();

    cr_assert_null(heap_alloc(heap, HEAP_SIZE));
    cr_assert_null(heap_resize(heap, heap_alloc(heap, 1), HEAP_SIZE));
    cr_assert(failing.injected == 0 && failing.attempts == 3 && heap->failures == 2);
}

Test(heap_failing, trims_the_inner_heap)
{
    struct heap *heap;

    heap_failing_init(&failing, make_block());
    heap = &failing.heap;
    heap_free(heap, heap_alloc(heap, 100));
    heap_trim(heap);
    cr_assert_eq(heap_live(&block.fallback.heap), 0);
}

/* A growing table of names; whatever fails, it is torn down. */
static bool scenario(struct heap *heap)
{
    char **names = NULL;
    unsigned count = 0, capacity = 0;
    bool done = false;

    while (count < 20) {
        if (count == capacity) {
            char **larger = heap_resize(heap, names, (capacity + 8) * sizeof(*names));

            if (!larger)
                goto out;
            names = larger;
            capacity += 8;
        }
        names[count] = heap_alloc_zeroed(heap, 1, 10 + count);
        if (!names[count])
            goto out;
        snprintf(names[count], 10 + count, "name %u", count);
        count++;
    }
    done = true;
out:
    for (unsigned i = 0; i < count; i++) {
        char expected[16];

        snprintf(expected, sizeof(expected), "name %u", i);
        cr_assert_str_eq(names[i], expected);
        heap_free(heap, names[i]);
    }
    heap_free(heap, names);
    return done;
}

Test(heap_failing, lets_each_allocation_of_a_scenario_fail_once)
{
    uint64_t n = 0;
    bool done;

    heap_failing_init(&failing, make_debug_block());
    do {
        heap_failing_at(&failing, ++n);
        done = scenario(&failing.heap);
        cr_assert_eq(done, !failing.injected, "attempt %lu", (unsigned long)n);
        cr_assert_eq(heap_debug_leaks(&debug, 0, NULL, NULL), 0, "attempt %lu", (unsigned long)n);
        heap_debug_check(&debug);
    } while (failing.injected);
    cr_assert_eq(n, 24, "20 names, 3 tables, and once nothing failed");
}
