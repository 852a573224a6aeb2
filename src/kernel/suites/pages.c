/*
 * All page tables there are, page by page, while the machine runs: the kernel's, and those of each process. Each thing
 * that must not be is also planted once, to see that it is noticed.
 */
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"

#define LOWER_END   UINT64_C(0x0000800000000000)
#define KERNEL_BASE UINT64_C(0xffffffff80000000)
#define PLACE       UINT64_C(0x400000)
#define SPIN_MS     100
#define SETTLE_NS   (20 * MS)

enum offence {
    WRITTEN_AND_RUN,
    TEXT_WRITTEN,      /* under another address */
    KERNELS_OF_RING_3, /* in the upper half */
    RING_3S_OF_KERNEL, /* in the lower half */
    NULL_PAGE,         /* or another that nobody may have there */
    STACK_WITHOUT_GUARD,
    OFFENCES,
};

struct look {
    unsigned offences[OFFENCES];
    unsigned lower, upper, executed; /* pages */
};

enum { PROCESSES = 3 };

extern char text_start[], text_end[];

static bool covers_text(const struct translation *page)
{
    uint64_t begin = page->physical, end = begin + PAGE_SIZE(page->level);

    return begin < (uint64_t)text_end - KERNEL_BASE && end > (uint64_t)text_start - KERNEL_BASE;
}

/* Below each stack of ring 3 the rest of its slot is empty. Programs that map nothing there themselves. */
static bool is_ring_3s_guard(uint64_t address)
{
    uint64_t from_end = PROCESS_STACK_END - 1 - address;

    return address < PROCESS_STACK_END && from_end < PROCESS_THREADS_MAX * (uint64_t)PROCESS_STACK_SLOT &&
           from_end % PROCESS_STACK_SLOT >= PROCESS_STACK_BYTES;
}

static void look_lower(struct look *look, uint64_t address, const struct translation *page)
{
    look->lower++;
    look->offences[RING_3S_OF_KERNEL] += !(page->flags & PAGE_USER);
    look->offences[NULL_PAGE] += !space_holds(address, PAGE_SIZE(page->level));
    look->offences[STACK_WITHOUT_GUARD] += is_ring_3s_guard(address);
}

static bool look_at(void *context, uint64_t address, const struct translation *page)
{
    struct look *look = context;

    look->executed += !!(page->flags & PAGE_EXECUTE);
    look->offences[WRITTEN_AND_RUN] += (page->flags & PAGE_WRITE) && (page->flags & PAGE_EXECUTE);
    look->offences[TEXT_WRITTEN] += (page->flags & PAGE_WRITE) && covers_text(page);
    if (address < LOWER_END) {
        look_lower(look, address, page);
    } else {
        look->upper++;
        look->offences[KERNELS_OF_RING_3] += !!(page->flags & PAGE_USER);
    }
    return true;
}

static uint64_t *table_at(struct paging *paging, uint64_t physical)
{
    (void)paging;
    return mmu_direct((struct physical){physical});
}

static const struct paging_operations reading = {.at = table_at};

/* Below every stack of the kernel's there is nothing, in this address space. */
static unsigned unguarded(struct paging *paging)
{
    struct translation page;
    unsigned count = 0;

    list_for_each (node, &thread_all) {
        const char *stack = container_of(node, struct thread, all)->stack;

        count += page_translate(paging, (uint64_t)stack - 1, &page) != STATUS_NOT_FOUND;
    }
    return count;
}

/* All that the CPU finds from there on. */
static struct look look_from(uint64_t root)
{
    struct paging paging = {.operations = &reading, .root = root, .largest = PAGE_1G};
    struct look look = {0};

    page_walk(&paging, look_at, &look);
    look.offences[STACK_WITHOUT_GUARD] += unguarded(&paging);
    return look;
}

static struct look look_at_kernel(void)
{
    struct look look = {0};

    mmu_walk(look_at, &look);
    return look;
}

static void check_innocent(const struct look *look)
{
    for (unsigned i = 0; i < OFFENCES; i++)
        if (look->offences[i])
            suite_fail(__FILE__, __LINE__, "offence %u: %u pages", i, look->offences[i]);
}

/* The kernel's own tables lead to nothing in the lower half. */
TEST(kernel, "pages.kernels_are_as_they_must")
{
    struct look tables = look_at_kernel();
    struct look cpu = look_from(read_cr3());

    check_innocent(&tables);
    check_innocent(&cpu);
    CHECK_EQUAL(tables.lower, 0);
    CHECK_EQUAL(tables.executed, (uint64_t)(text_end - text_start) / PAGE_BYTES);
    CHECK(tables.upper > tables.executed);
    CHECK_EQUAL(cpu.upper, tables.upper);
}

/* Every thread's of ring 3, none of which runs meanwhile. Returns how many there are. */
static unsigned check_spaces(const struct look *kernel)
{
    unsigned count = 0;

    thread_set_priority(thread_current(), THREAD_PRIORITY_HIGH);
    list_for_each (node, &thread_all) {
        struct thread *thread = container_of(node, struct thread, all);
        struct look look;

        if (!(thread->attention & ATTENTION_SPACE))
            continue;
        look = look_from(container_of(thread, struct space_thread, thread)->space->paging.root);
        check_innocent(&look);
        CHECK(look.lower > 0);
        CHECK(look.executed > kernel->executed && look.executed < kernel->executed + look.lower);
        CHECK_EQUAL(look.upper, kernel->upper);
        count++;
    }
    thread_set_priority(thread_current(), THREAD_PRIORITY_NORMAL);
    return count;
}

TEST_NEEDS(processes, "pages.processes_are_as_they_must", "programs=there")
{
    uint64_t pids[PROCESSES];
    struct look kernel;

    for (uint64_t i = 0; i < PROCESSES; i++)
        pids[i] = start_process("marks", (i + 1) << 40 | SPIN_MS);
    sleep_for(SETTLE_NS);
    kernel = look_at_kernel();
    CHECK_EQUAL(check_spaces(&kernel), PROCESSES);
    for (unsigned i = 0; i < PROCESSES; i++)
        expect_end(pids[i], PROCESS_EXITED, 0);
}

/* ---- planted ---- */

static void check_noticed(const struct look *look, enum offence offence)
{
    for (unsigned i = 0; i < OFFENCES; i++)
        CHECK_EQUAL(look->offences[i], i == offence);
}

static void plant_in_kernel(void *at, uint64_t physical, enum page_flags flags, enum offence offence)
{
    struct look look;

    CHECK(mmu_map(at, (struct physical){physical}, PAGE_BYTES, flags) == STATUS_OK);
    look = look_from(read_cr3());
    CHECK(mmu_unmap(at, PAGE_BYTES) == STATUS_OK);
    check_noticed(&look, offence);
}

TEST(planted_in_kernel, "pages.what_is_wrong_is_noticed")
{
    struct physical frame;
    char *at = mmu_reserve(PAGE_BYTES);

    if (frame_alloc(&frame) != STATUS_OK)
        panic("no memory for a test");
    plant_in_kernel(at, frame.address, PAGE_WRITE | PAGE_EXECUTE, WRITTEN_AND_RUN);
    plant_in_kernel(at, frame.address, PAGE_USER, KERNELS_OF_RING_3);
    plant_in_kernel(at, (uint64_t)text_end - PAGE_BYTES - KERNEL_BASE, PAGE_WRITE, TEXT_WRITTEN);
    plant_in_kernel((char *)thread_current()->stack - PAGE_BYTES, frame.address, 0, STACK_WITHOUT_GUARD);
    frame_free(frame);
}

static void plant_in_space(struct space *space, uint64_t at, enum page_flags flags, enum offence offence)
{
    struct physical frame;
    struct look look;

    if (frame_alloc(&frame) != STATUS_OK)
        panic("no memory for a test");
    CHECK(page_map(&space->paging, at, frame.address, PAGE_4K, flags) == STATUS_OK);
    look = look_from(space->paging.root);
    CHECK(page_unmap(&space->paging, at, PAGE_4K, NULL) == STATUS_OK);
    frame_free(frame);
    check_noticed(&look, offence);
}

TEST(planted_in_space, "pages.what_is_wrong_in_ring_3_is_too")
{
    struct space space;

    if (mmu_space_create(&space, 1) != STATUS_OK)
        panic("no memory for a test's address space");
    plant_in_space(&space, PLACE, PAGE_USER | PAGE_WRITE | PAGE_EXECUTE, WRITTEN_AND_RUN);
    plant_in_space(&space, PLACE, PAGE_WRITE, RING_3S_OF_KERNEL);
    plant_in_space(&space, 0, PAGE_USER, NULL_PAGE);
    plant_in_space(&space, SPACE_LOW - PAGE_BYTES, PAGE_USER, NULL_PAGE);
    plant_in_space(&space, SPACE_END, PAGE_USER, NULL_PAGE);
    plant_in_space(&space, PROCESS_STACK_END - PROCESS_STACK_BYTES - PAGE_BYTES, PAGE_USER, STACK_WITHOUT_GUARD);
    mmu_space_destroy(&space);
}

/* The same bytes under the one other address that they have. */
TEST_PANICS(write_text_elsewhere, "panic.code_written_elsewhere", "page fault: write to read-only page at")
{
    *(volatile uint8_t *)mmu_direct((struct physical){(uint64_t)text_start - KERNEL_BASE}) = 0x90;
}
