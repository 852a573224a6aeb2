/* Address spaces in a simulated memory: what may be mapped where, and that all of it comes back. */
#include "lib/space.h"

#include <string.h>

#include "support.h"

#define K4   UINT64_C(0x1000)
#define CODE UINT64_C(0x400000)
#define BASE UINT64_C(0x1230000)

enum { FRAMES = 400, PAGES_MAX = 300 };

static uint64_t memory[FRAMES][512];
static bool taken[FRAMES];
static size_t taken_count, frames_limit;

static enum status take(struct paging *paging, uint64_t *physical)
{
    (void)paging;
    if (taken_count >= frames_limit)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < FRAMES; i++) {
        if (taken[i])
            continue;
        taken[i] = true;
        taken_count++;
        memset(memory[i], 0, K4);
        *physical = BASE + i * K4;
        return STATUS_OK;
    }
    return STATUS_NO_MEMORY;
}

static size_t number(uint64_t physical)
{
    size_t i = (physical - BASE) / K4;

    cr_assert(i < FRAMES && taken[i] && physical % K4 == 0, "no frame at %#lx", (unsigned long)physical);
    return i;
}

static void give(struct paging *paging, uint64_t physical)
{
    size_t i = number(physical);

    (void)paging;
    taken[i] = false;
    taken_count--;
    memset(memory[i], 0xee, K4);
}

static uint64_t *at(struct paging *paging, uint64_t physical)
{
    (void)paging;
    return memory[number(physical)];
}

static void flush(struct paging *paging, uint64_t address)
{
    (void)paging;
    (void)address;
}

static const struct paging_operations operations = {take, give, at, flush};
static struct space space;

static void init(void)
{
    uint64_t root;

    memset(taken, 0, sizeof(taken));
    taken_count = 0;
    frames_limit = FRAMES;
    cr_assert_eq(take(NULL, &root), STATUS_OK);
    space_init(&space, &operations, root, PAGES_MAX);
}

TestSuite(space, .init = init);

static void expect(enum status got, enum status wanted)
{
    cr_assert_eq(got, wanted, "status %d, not %d", got, wanted);
}

static struct translation page_at(uint64_t address)
{
    struct translation page;

    expect(page_translate(&space.paging, address, &page), STATUS_OK);
    return page;
}

static void expect_nothing_changed(size_t frames, size_t pages)
{
    cr_assert_eq(taken_count, frames);
    cr_assert_eq(space.pages, pages);
}

Test(space, maps_pages_that_are_ring_3s_and_zero)
{
    struct translation page;

    expect(space_map(&space, CODE, 3 * K4, PAGE_WRITE), STATUS_OK);
    cr_assert_eq(space.pages, 3);
    for (uint64_t address = CODE; address < CODE + 3 * K4; address += K4) {
        page = page_at(address);
        cr_assert_eq(page.flags, PAGE_USER | PAGE_WRITE);
        for (unsigned i = 0; i < 512; i++)
            cr_assert_eq(memory[number(page.physical)][i], 0);
    }
    expect(page_translate(&space.paging, CODE + 3 * K4, &page), STATUS_NOT_FOUND);
    expect(space_map(&space, 2 * CODE, K4, PAGE_EXECUTE | PAGE_GLOBAL | PAGE_UNCACHED), STATUS_OK);
    cr_assert_eq(page_at(2 * CODE).flags, PAGE_USER | PAGE_EXECUTE);
}

Test(space, refuses_what_is_out_of_bounds)
{
    static const struct {
        uint64_t address, size;
    } bad[] = {
        {0, K4},
        {SPACE_LOW - K4, K4},
        {SPACE_LOW - K4, 2 * K4},
        {CODE + 1, K4},
        {CODE, K4 - 1},
        {CODE, 0},
        {SPACE_END, K4},
        {SPACE_END - K4, 2 * K4},
        {CODE, SPACE_END},
        {CODE, -CODE},
        {CODE, -K4},
        {UINT64_C(0x800000000000), K4},
        {UINT64_C(0xffff800000000000), K4},
        {-K4, K4},
        {-K4, 2 * K4},
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        expect(space_map(&space, bad[i].address, bad[i].size, 0), STATUS_INVALID);
        expect(space_unmap(&space, bad[i].address, bad[i].size), STATUS_INVALID);
    }
    expect_nothing_changed(1, 0);
    expect(space_map(&space, SPACE_LOW, K4, 0), STATUS_OK);
    expect(space_map(&space, SPACE_END - K4, K4, 0), STATUS_OK);
}

Test(space, refuses_pages_to_be_written_and_executed)
{
    expect(space_map(&space, CODE, K4, PAGE_WRITE | PAGE_EXECUTE), STATUS_INVALID);
    expect_nothing_changed(1, 0);
}

Test(space, changes_nothing_when_a_page_is_there)
{
    size_t frames;

    expect(space_map(&space, CODE + 2 * K4, K4, 0), STATUS_OK);
    frames = taken_count;
    expect(space_map(&space, CODE, 5 * K4, PAGE_WRITE), STATUS_EXISTS);
    expect_nothing_changed(frames, 1);
    cr_assert_eq(page_at(CODE + 2 * K4).flags, PAGE_USER);
}

Test(space, changes_nothing_when_frames_run_out)
{
    for (frames_limit = 1; frames_limit < 9; frames_limit++) {
        expect(space_map(&space, CODE, 6 * K4, 0), STATUS_NO_MEMORY);
        expect_nothing_changed(1, 0);
    }
    frames_limit = 1 + 3 + 6;
    expect(space_map(&space, CODE, 6 * K4, 0), STATUS_OK);
}

Test(space, has_no_more_pages_than_it_may)
{
    expect(space_map(&space, CODE, (PAGES_MAX + 1) * K4, 0), STATUS_NO_MEMORY);
    expect_nothing_changed(1, 0);
    expect(space_map(&space, CODE, PAGES_MAX * K4, 0), STATUS_OK);
    expect(space_map(&space, 2 * CODE, K4, 0), STATUS_NO_MEMORY);
    expect(space_unmap(&space, CODE, (PAGES_MAX + 1) * K4), STATUS_INVALID);
    expect(space_unmap(&space, CODE, K4), STATUS_OK);
    expect(space_map(&space, 2 * CODE, K4, 0), STATUS_OK);
}

Test(space, gives_frames_back_and_passes_over_holes)
{
    expect(space_map(&space, CODE, K4, 0), STATUS_OK);
    expect(space_map(&space, CODE + 2 * K4, K4, 0), STATUS_OK);
    expect(space_unmap(&space, CODE, 4 * K4), STATUS_OK);
    expect_nothing_changed(1, 0);
}

Test(space, is_written_across_pages_whatever_they_allow)
{
    char text[2 * 4096], read[2 * 4096];
    uint64_t address = CODE + K4 - 100;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 + i / 256);
    expect(space_map(&space, CODE, 4 * K4, PAGE_EXECUTE), STATUS_OK);
    expect(space_write(&space, address, text, sizeof(text)), STATUS_OK);
    for (size_t i = 0; i < sizeof(text); i++) {
        uint64_t physical = page_at(address + i).physical;

        read[i] = ((const char *)memory[number(physical & ~(K4 - 1))])[physical % K4];
    }
    cr_assert_eq(memcmp(text, read, sizeof(text)), 0);
    expect(space_write(&space, CODE, text, 0), STATUS_OK);
}

Test(space, is_not_written_where_nothing_is)
{
    char text[8192] = "text";

    expect(space_map(&space, CODE, K4, 0), STATUS_OK);
    expect(space_write(&space, CODE + 1, text, K4), STATUS_NOT_FOUND);
    expect(space_write(&space, 2 * CODE, text, 1), STATUS_NOT_FOUND);
    expect(space_write(&space, SPACE_END, text, 1), STATUS_NOT_FOUND);
    expect(space_write(&space, UINT64_C(0xffff800000000000), text, 1), STATUS_NOT_FOUND);
}

/* The upper half is whoever's it is: here a page of its own. */
Test(space, is_cleared_and_nothing_else)
{
    uint64_t frame;

    cr_assert_eq(take(NULL, &frame), STATUS_OK);
    expect(page_map(&space.paging, UINT64_C(0xffff800000000000), frame, PAGE_4K, PAGE_WRITE), STATUS_OK);
    expect(space_map(&space, CODE, 200 * K4, PAGE_EXECUTE), STATUS_OK);
    expect(space_map(&space, SPACE_END - 10 * K4, 10 * K4, PAGE_WRITE), STATUS_OK);
    expect(space_map(&space, SPACE_LOW, K4, 0), STATUS_OK);
    space_clear(&space);
    expect_nothing_changed(1 + 1 + 3, 0);
    page_at(UINT64_C(0xffff800000000000));
    space_clear(&space);
    expect_nothing_changed(1 + 1 + 3, 0);
}

Test(space, holds_bytes_that_neither_wrap_nor_leave)
{
    cr_assert(space_holds(SPACE_LOW, 1));
    cr_assert(space_holds(SPACE_END - 1, 1));
    cr_assert(space_holds(SPACE_LOW, SPACE_END - SPACE_LOW));
    cr_assert(space_holds(0, 0));
    cr_assert_not(space_holds(SPACE_LOW - 1, 1));
    cr_assert_not(space_holds(SPACE_END - 1, 2));
    cr_assert_not(space_holds(SPACE_END, 1));
    cr_assert_not(space_holds(CODE, UINT64_MAX));
    cr_assert_not(space_holds(CODE, -CODE));
    cr_assert_not(space_holds(UINT64_MAX, 2));
}

/* What a kernel does with its upper half: an entry that is pinned stays, with whatever comes and goes below it. */
Test(space, shares_what_is_pinned_for_ever)
{
    static const uint64_t KERNEL = UINT64_C(0xffffc00000000000);
    uint64_t other, frame;
    struct translation page;
    struct paging shared = {.operations = &operations, .largest = PAGE_2M};

    expect(page_pin(&space.paging, KERNEL), STATUS_OK);
    cr_assert_eq(taken_count, 2);
    space.paging.sealed = true;
    cr_assert_eq(take(NULL, &other), STATUS_OK);
    memcpy(&memory[number(other)][256], &memory[number(space.paging.root)][256], K4 / 2);
    shared.root = other;
    cr_assert_eq(take(NULL, &frame), STATUS_OK);
    for (unsigned i = 0; i < 3; i++) {
        expect(page_map(&space.paging, KERNEL + i * K4, frame, PAGE_4K, PAGE_WRITE), STATUS_OK);
        expect(page_translate(&shared, KERNEL + i * K4, &page), STATUS_OK);
        cr_assert_eq(page.physical, frame);
        expect(page_unmap(&space.paging, KERNEL + i * K4, PAGE_4K, NULL), STATUS_OK);
        expect(page_translate(&shared, KERNEL + i * K4, &page), STATUS_NOT_FOUND);
    }
    cr_assert_eq(taken_count, 4);
    expect(page_map(&space.paging, UINT64_C(0xffffd00000000000), frame, PAGE_4K, 0), STATUS_INVALID);
    expect(page_map(&space.paging, KERNEL, frame, PAGE_4K, 0), STATUS_OK);
}

Test(space, pins_what_has_tables_already_and_needs_memory_for_others)
{
    static const uint64_t KERNEL = UINT64_C(0xffffc00000000000);
    uint64_t frame;

    frames_limit = 1;
    expect(page_pin(&space.paging, KERNEL), STATUS_NO_MEMORY);
    frames_limit = FRAMES;
    cr_assert_eq(take(NULL, &frame), STATUS_OK);
    expect(page_map(&space.paging, KERNEL, frame, PAGE_4K, 0), STATUS_OK);
    expect(page_pin(&space.paging, KERNEL + K4), STATUS_OK);
    expect(page_unmap(&space.paging, KERNEL, PAGE_4K, NULL), STATUS_OK);
    cr_assert_eq(taken_count, 3, "the top table, the frame, and what is pinned");
}
