/* Address spaces: the same addresses in several, what it costs to change between them, and who may touch their pages.
 */
#include "kernel/space_thread.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/user_copy.h"
#include "lib/mem.h"

#define PLACE UINT64_C(0x400000)

enum { ROUNDS = 1000, DWELLERS = 4, PAGES = 3, FLAG_AC = 1 << 18 };

struct dweller {
    struct space_thread flow;
    struct space space;
    uint64_t mark;
    unsigned wrong;
};

static struct dweller dwellers[DWELLERS];

/* Whether SMAP is lifted: Intel SDM vol. 3, 4.6.1. */
static bool lifted(void)
{
    uint64_t flags = irq_save();

    irq_restore(flags);
    return flags & FLAG_AC;
}

/* Its own number where all have theirs, seen again after others ran. */
static void *dwell(void *argument)
{
    struct dweller *self = argument;
    uint64_t seen;

    space_thread_begin(&self->flow);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t number = self->mark + i;

        self->wrong += user_copy_out(PLACE + i % 8 * 8, &number, sizeof(number)) != STATUS_OK;
        thread_yield();
        self->wrong += user_copy_in(&seen, PLACE + i % 8 * 8, sizeof(seen)) != STATUS_OK || seen != number;
        self->wrong += lifted();
    }
    space_thread_end(&self->flow);
    return NULL;
}

static void make(struct dweller *dweller, uint64_t mark)
{
    *dweller = (struct dweller){.mark = mark, .flow.space = &dweller->space};
    if (mmu_space_create(&dweller->space, PAGES) != STATUS_OK ||
        space_map(&dweller->space, PLACE, PAGES * PAGE_BYTES, PAGE_WRITE) != STATUS_OK)
        panic("no memory for a test's address space");
}

TEST(one_address, "space.one_address_many_contents")
{
    struct memory_mark mark = memory_mark();
    uint64_t switches;

    for (unsigned i = 0; i < DWELLERS; i++)
        make(&dwellers[i], i * UINT64_C(0x1000000000));
    switches = mmu_space_switches();
    for (unsigned i = 0; i < DWELLERS; i++)
        start(&dwellers[i].flow.thread, "dweller", THREAD_PRIORITY_NORMAL, dwell, &dwellers[i]);
    for (unsigned i = 0; i < DWELLERS; i++) {
        thread_join(&dwellers[i].flow.thread);
        CHECK_EQUAL(dwellers[i].wrong, 0);
    }
    CHECK(mmu_space_switches() - switches >= DWELLERS * ROUNDS);
    CHECK(mmu_space_switches() - switches <= DWELLERS * (ROUNDS + 1));
    for (unsigned i = 0; i < DWELLERS; i++)
        mmu_space_destroy(&dwellers[i].space);
    memory_check(&mark);
}

/* What is the kernel's is every space's, so its part of the top table is complete. */
TEST(sealed, "space.kernel_half_is_complete")
{
    struct physical frame;

    if (frame_alloc(&frame) != STATUS_OK)
        panic("no memory for a test");
    CHECK(mmu_map((void *)UINT64_C(0xffffe00000000000), frame, PAGE_BYTES, PAGE_WRITE) == STATUS_INVALID);
    make(&dwellers[0], 1);
    for (uint64_t entry = 256; entry < 512; entry++) {
        const uint64_t *space = mmu_direct((struct physical){dwellers[0].space.paging.root});
        const uint64_t *kernel = mmu_direct((struct physical){read_cr3()});

        CHECK((space[entry] & UINT64_C(0xffffffffff000)) == (kernel[entry] & UINT64_C(0xffffffffff000)));
    }
    mmu_space_destroy(&dwellers[0].space);
    frame_free(frame);
}

static void *yield_much(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        thread_yield();
    return unused;
}

/* S2.08: CR3 is written where the space is another one, and nowhere else. */
TEST(real_changes, "space.cr3_written_on_real_change")
{
    static struct thread plain[2];
    uint64_t switches = mmu_space_switches();

    for (unsigned i = 0; i < ARRAY_SIZE(plain); i++)
        start(&plain[i], "plain", THREAD_PRIORITY_NORMAL, yield_much, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(plain); i++)
        thread_join(&plain[i]);
    CHECK_EQUAL(mmu_space_switches() - switches, 0);

    make(&dwellers[0], 1);
    start(&plain[0], "plain", THREAD_PRIORITY_NORMAL, yield_much, NULL);
    start(&dwellers[0].flow.thread, "dweller", THREAD_PRIORITY_NORMAL, dwell, &dwellers[0]);
    thread_join(&plain[0]);
    thread_join(&dwellers[0].flow.thread);
    CHECK_EQUAL(dwellers[0].wrong, 0);
    CHECK_EQUAL(mmu_space_switches() - switches, 1);
    CHECK_EQUAL(read_cr3(), dwellers[0].space.paging.root); /* lazily: nobody wanted another */
    mmu_space_destroy(&dwellers[0].space);
    CHECK_EQUAL(mmu_space_switches() - switches, 2);
}

static void *copy_badly(void *argument)
{
    static const uint64_t WILD[] = {0,
                                    8,
                                    PLACE - 1,
                                    PLACE + PAGES * PAGE_BYTES - 7,
                                    SPACE_END - 4,
                                    UINT64_C(0x7fffffffffff),
                                    UINT64_C(0x800000000000),
                                    UINT64_C(0xffff800000001000),
                                    UINT64_C(0xffffffff80100000),
                                    UINT64_MAX - 3};
    struct dweller *self = argument;
    char large[2 * PAGE_BYTES];
    uint64_t number = 7;

    space_thread_begin(&self->flow);
    for (size_t i = 0; i < ARRAY_SIZE(WILD); i++) {
        self->wrong += user_copy_in(&number, WILD[i], sizeof(number)) != STATUS_INVALID;
        self->wrong += user_copy_out(WILD[i], &number, sizeof(number)) != STATUS_INVALID;
        self->wrong += lifted();
    }
    self->wrong += user_copy_in(large, PLACE, sizeof(large)) != STATUS_OK;
    self->wrong += space_unmap(&self->space, PLACE + PAGE_BYTES, PAGE_BYTES) != STATUS_OK;
    self->wrong += user_copy_in(large, PLACE, sizeof(large)) != STATUS_INVALID; /* the hole is noticed at once */
    self->wrong += space_map(&self->space, PLACE + PAGE_BYTES, PAGE_BYTES, 0) != STATUS_OK;
    self->wrong += user_copy_in(large, PLACE, sizeof(large)) != STATUS_OK;
    self->wrong += user_copy_out(PLACE + PAGE_BYTES, large, 1) != STATUS_INVALID; /* it is read-only */
    space_thread_end(&self->flow);
    return NULL;
}

TEST(wild_pointers, "space.wild_pointers_are_refused")
{
    make(&dwellers[0], 1);
    start(&dwellers[0].flow.thread, "wild", THREAD_PRIORITY_NORMAL, copy_badly, &dwellers[0]);
    thread_join(&dwellers[0].flow.thread);
    CHECK_EQUAL(dwellers[0].wrong, 0);
    mmu_space_destroy(&dwellers[0].space);
}

static void *read_directly(void *argument)
{
    struct dweller *self = argument;

    space_thread_begin(&self->flow);
    return (void *)(uintptr_t) * (const volatile char *)PLACE;
}

TEST_PANICS(kernel_reads_it, "space.smap_keeps_the_kernel_out", "read of page of ring 3 at 0x400000")
{
    make(&dwellers[0], 1);
    start(&dwellers[0].flow.thread, "reader", THREAD_PRIORITY_NORMAL, read_directly, &dwellers[0]);
    thread_join(&dwellers[0].flow.thread);
}
