/* Frames, the kernel's page tables, and what the CPU makes of them. */
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/stacks.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum {
    VGA_TEXT = 0xb8000,
    CR0_WP = 1 << 16,
    CR4_PGE = 1 << 7,
    CR4_UMIP = 1 << 11,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21,
    EFER_NXE = 1 << 11,
};

#define MSR_EFER 0xc0000080

extern char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[], boot_stack_guard[];

/* The last fault that an access tried here ended in. */
static struct {
    uint64_t address;
    uint64_t error;
    unsigned count;
} fault;

static bool note_fault(struct trap_frame *frame)
{
    fault.address = read_cr2();
    fault.error = frame->error;
    fault.count++;
    if (frame->error & 16) /* a fetch: drop the return address of the call that led there */
        frame->rsp += 8;
    frame->rip = (uint64_t)try_failed;
    return true;
}

enum access { READ, WRITE, EXECUTE };

/* True if the access works; if it does not, `fault` says why. */
static bool can(enum access access, void *address)
{
    exception_handler *before = exception_set(VECTOR_PAGE_FAULT, note_fault);
    bool works;

    if (access == READ)
        works = try_read(address);
    else if (access == WRITE)
        works = try_write(address);
    else
        works = try_execute(address);
    (void)exception_set(VECTOR_PAGE_FAULT, before);
    return works;
}

/* A page of its own, mapped with these flags; holds `ret`. */
static char *page_with(enum page_flags flags)
{
    char *page = mmu_reserve(PAGE_BYTES);
    struct physical frame;

    if (frame_alloc(&frame) != STATUS_OK)
        panic("no frame");
    *(uint8_t *)mmu_direct(frame) = 0xc3;
    if (mmu_map(page, frame, PAGE_BYTES, flags) != STATUS_OK)
        panic("no table");
    return page;
}

static void page_drop(char *page)
{
    struct translation translation;

    CHECK(mmu_translate(page, &translation) == STATUS_OK);
    CHECK(mmu_unmap(page, PAGE_BYTES) == STATUS_OK);
    frame_free((struct physical){translation.physical});
}

TEST(access, "memory.flags_are_obeyed")
{
    static const struct {
        enum page_flags flags;
        bool write, execute;
    } cases[] = {{0, false, false}, {PAGE_WRITE, true, false}, {PAGE_EXECUTE, false, true}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *page = page_with(cases[i].flags);

        CHECK(can(READ, page));
        CHECK_EQUAL(can(WRITE, page), cases[i].write);
        CHECK_EQUAL(can(EXECUTE, page), cases[i].execute);
        page_drop(page);
    }
}

TEST(fault_error, "memory.fault_error_codes")
{
    char *page = page_with(0);

    CHECK(!can(WRITE, page + 5));
    CHECK_EQUAL(fault.address, (uint64_t)page + 5);
    CHECK_EQUAL(fault.error, 3); /* present, write */
    CHECK(!can(EXECUTE, page));
    CHECK_EQUAL(fault.error, 17); /* present, fetch */
    page_drop(page);
    CHECK(!can(READ, page));
    CHECK_EQUAL(fault.error, 0);
    CHECK(!can(WRITE, page));
    CHECK_EQUAL(fault.error, 2);
}

/* An access that stays in the TLB would go on working: QEMU keeps one as a CPU does. */
TEST(flush, "memory.changes_are_at_once")
{
    char *page = page_with(PAGE_WRITE | PAGE_EXECUTE | PAGE_GLOBAL);

    CHECK(can(WRITE, page) && can(EXECUTE, page));
    CHECK(mmu_protect(page, PAGE_4K, PAGE_EXECUTE | PAGE_GLOBAL) == STATUS_OK);
    CHECK(!can(WRITE, page));
    CHECK(mmu_protect(page, PAGE_4K, PAGE_WRITE | PAGE_GLOBAL) == STATUS_OK);
    CHECK(can(WRITE, page));
    CHECK(!can(EXECUTE, page));
    page_drop(page);
    CHECK(!can(READ, page));
}

TEST(use_after_unmap, "memory.use_after_unmap_faults")
{
    size_t frames = frames_free();
    char *page = page_with(PAGE_WRITE);

    for (unsigned i = 0; i < 100; i++) {
        struct translation translation;

        CHECK(can(WRITE, page));
        CHECK(mmu_translate(page, &translation) == STATUS_OK);
        CHECK(mmu_unmap(page, PAGE_BYTES) == STATUS_OK);
        CHECK(!can(READ, page));
        CHECK(mmu_map(page, (struct physical){translation.physical}, PAGE_BYTES, PAGE_WRITE) == STATUS_OK);
    }
    page_drop(page);
    CHECK_EQUAL(frames_free(), frames);
}

TEST(ring_3_pages, "memory.ring_3_pages")
{
    char *page = page_with(PAGE_WRITE | PAGE_EXECUTE | PAGE_USER);

    CHECK_EQUAL(can(READ, page), !mmu_protections.smap);
    CHECK_EQUAL(can(WRITE, page), !mmu_protections.smap);
    CHECK_EQUAL(can(EXECUTE, page), !mmu_protections.smep);
    page_drop(page);
}

TEST(control_registers, "memory.every_protection_is_on")
{
    struct cpuid features = cpuid(0).eax >= 7 ? cpuid(7) : (struct cpuid){0};
    uint64_t cr4 = read_cr4();

    CHECK(read_cr0() & CR0_WP);
    CHECK(rdmsr(MSR_EFER) & EFER_NXE);
    CHECK(cr4 & CR4_PGE);
    CHECK_EQUAL(!!(cr4 & CR4_SMEP), !!(features.ebx & 1 << 7));
    CHECK_EQUAL(!!(cr4 & CR4_SMAP), !!(features.ebx & 1 << 20));
    CHECK_EQUAL(!!(cr4 & CR4_UMIP), !!(features.ecx & 1 << 2));
}

/* What the sections' pages may be used for. */
static void check_section(const char *start, const char *end, enum page_flags wanted)
{
    struct translation page;

    CHECK(start < end);
    for (const char *at = start; at < end; at += PAGE_BYTES) {
        if (at == boot_stack_guard)
            continue;
        CHECK(mmu_translate(at, &page) == STATUS_OK);
        CHECK_EQUAL(page.flags & (PAGE_WRITE | PAGE_EXECUTE | PAGE_USER | PAGE_GLOBAL), wanted | PAGE_GLOBAL);
        CHECK_EQUAL(page.physical, (uint64_t)at - UINT64_C(0xffffffff80000000));
    }
}

TEST(sections, "memory.sections_have_their_rights")
{
    check_section(text_start, text_end, PAGE_EXECUTE);
    check_section(rodata_start, rodata_end, 0);
    check_section(data_start, data_end, PAGE_WRITE);
}

TEST(write_xor_execute, "memory.no_page_is_written_and_run")
{
    char *page;

    CHECK_EQUAL(mmu_writable_executable(), 0);
    page = page_with(PAGE_WRITE | PAGE_EXECUTE);
    CHECK_EQUAL(mmu_writable_executable(), 1);
    page_drop(page);
    CHECK_EQUAL(mmu_writable_executable(), 0);
}

TEST(guards, "memory.every_stack_has_a_guard")
{
    static const unsigned own[] = {VECTOR_NMI, VECTOR_DOUBLE_FAULT, VECTOR_MACHINE_CHECK};
    struct translation page;
    unsigned stacks = 0;

    list_for_each (node, &thread_all) {
        char *stack = container_of(node, struct thread, all)->stack;

        CHECK(mmu_translate(stack, &page) == STATUS_OK);
        CHECK(mmu_translate(stack - 1, &page) == STATUS_NOT_FOUND);
        CHECK(stack_guarding((uintptr_t)stack - 1) == stack);
        stacks++;
    }
    CHECK(stacks >= 2);
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        char *stack = interrupt_stack(own[i]);

        CHECK(stack != NULL);
        CHECK_EQUAL((uintptr_t)stack % 16, 0);
        CHECK(mmu_translate(stack, &page) == STATUS_OK);
        CHECK(mmu_translate(stack - 1, &page) == STATUS_NOT_FOUND);
    }
}

TEST(direct_map, "memory.direct_map_is_physical")
{
    struct translation page;

    CHECK(mmu_translate(mmu_direct((struct physical){0}), &page) == STATUS_OK);
    CHECK_EQUAL(page.physical, 0);
    CHECK(mmu_translate(mmu_direct((struct physical){VGA_TEXT + 7}), &page) == STATUS_OK);
    CHECK_EQUAL(page.physical, VGA_TEXT + 7);
    CHECK(mmu_translate(mmu_direct((struct physical){(20 << 20) + 12345}), &page) == STATUS_OK);
    CHECK_EQUAL(page.physical, (20 << 20) + 12345);
    CHECK(page.level != PAGE_4K);
    CHECK_EQUAL(mmu_direct_physical(mmu_direct((struct physical){0x123456})).address, 0x123456);
}

/* The blog's example: the screen's frame at a page of its own, and a text that shows. */
TEST(new, "memory.example_shows_new")
{
    void *page = mmu_reserve(PAGE_BYTES);
    volatile uint16_t *screen = mmu_direct((struct physical){VGA_TEXT});

    CHECK(mmu_map(page, (struct physical){VGA_TEXT}, PAGE_BYTES, PAGE_WRITE | PAGE_UNCACHED) == STATUS_OK);
    ((volatile uint64_t *)page)[400] = UINT64_C(0xf021f077f065f04e);
    CHECK_EQUAL(screen[1600], 0xf04e); /* N e w ! */
    CHECK_EQUAL(screen[1601], 0xf065);
    CHECK_EQUAL(screen[1602], 0xf077);
    CHECK_EQUAL(screen[1603], 0xf021);
    CHECK(mmu_unmap(page, PAGE_BYTES) == STATUS_OK);
}

TEST(map_errors, "memory.failed_map_changes_nothing")
{
    char *page = page_with(PAGE_WRITE);
    size_t frames = frames_free();
    struct translation before, after;

    CHECK(mmu_translate(page, &before) == STATUS_OK);
    CHECK(mmu_map(page, (struct physical){0x5000}, PAGE_BYTES, PAGE_WRITE) == STATUS_EXISTS);
    CHECK(mmu_map(page + 1, (struct physical){0x5000}, PAGE_BYTES, PAGE_WRITE) == STATUS_INVALID);
    CHECK(mmu_map(mmu_direct((struct physical){4 << 20}), (struct physical){0x5000}, PAGE_BYTES, PAGE_WRITE) ==
          STATUS_LARGE);
    CHECK(mmu_map((void *)UINT64_C(0x0000900000000000), (struct physical){0x5000}, PAGE_BYTES, 0) == STATUS_INVALID);
    CHECK(mmu_translate(page, &after) == STATUS_OK);
    CHECK_EQUAL(after.physical, before.physical);
    CHECK_EQUAL(frames_free(), frames);
    page_drop(page);
}

TEST(exhaustion, "memory.all_frames_had_and_given")
{
    struct frames_report before = physical_report();
    struct frames_report empty;
    struct hoard hoard;

    hoard_frames(&hoard);
    empty = physical_report();
    CHECK_EQUAL(hoard.count, before.free);
    CHECK_EQUAL(empty.free, 0);
    CHECK_EQUAL(empty.largest_run, 0);
    CHECK_EQUAL(empty.used, before.total);
    hoard_give(&hoard, hoard.count);
    CHECK_EQUAL(physical_report().free, before.free);
    CHECK_EQUAL(physical_report().largest_run, before.largest_run);
}

TEST(runs, "memory.aligned_runs")
{
    size_t before = frames_free();

    for (uint32_t count = 1; count <= 64; count += 7) {
        struct physical run;

        CHECK(frame_alloc_run(count, 16, &run) == STATUS_OK);
        CHECK_EQUAL(run.address % (16 * PAGE_BYTES), 0);
        CHECK_EQUAL(frame_run_length(run), count);
        CHECK_EQUAL(frames_free(), before - count);
        memset(mmu_direct(run), 0xee, (size_t)count * PAGE_BYTES);
        frame_free(run);
        CHECK_EQUAL(frames_free(), before);
    }
}

static void *nothing(void *unused)
{
    return unused;
}

TEST(pool, "memory.pooled_stacks_given_back")
{
    struct thread threads[8];
    size_t before;

    (void)stacks_trim();
    before = frames_free();
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        start(&threads[i], "pooled", PRIORITY_LOW, nothing, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        (void)thread_join(&threads[i]);
    CHECK_EQUAL(stacks_pooled(), ARRAY_SIZE(threads));
    CHECK(stacks_trim() >= 4 * ARRAY_SIZE(threads));
    CHECK_EQUAL(stacks_pooled(), 0);
    CHECK_EQUAL(frames_free(), before);
}

static volatile unsigned touched;

static void *touch_deep(void *unused)
{
    volatile char deep[5000];

    for (size_t i = 0; i < sizeof(deep); i++)
        deep[i] = 1;
    touched = (unsigned)deep[77];
    thread_park();
    return unused;
}

TEST(high_water, "memory.stack_high_water")
{
    struct thread thread;
    size_t used;

    (void)stacks_trim(); /* a fresh stack */
    start(&thread, "deep", THREAD_PRIORITY_HIGH, touch_deep, NULL);
    used = stack_used(thread.stack, thread.stack_bytes);
    CHECK(used >= 5000 && used < 7000);
    thread_wake(&thread);
    (void)thread_join(&thread);
}

/* A page whose entry says more than the CPU knows. */
TEST_PANICS(reserved_bits, "panic.reserved_bits", "page fault: read of page whose tables are corrupt at")
{
    char *page = mmu_reserve(PAGE_BYTES);

    CHECK(mmu_map(page, (struct physical){UINT64_C(1) << 51}, PAGE_BYTES, 0) == STATUS_OK);
    (void)*(volatile char *)page;
}

TEST_PANICS(ring_3_read, "panic.ring_3_page_read", "page fault: read of page of ring 3 at")
{
    (void)*(volatile char *)page_with(PAGE_WRITE | PAGE_USER);
}

TEST_PANICS(ring_3_run, "panic.ring_3_page_run", "page fault: execution of page of ring 3 at")
{
    ((void (*)(void))(uintptr_t)page_with(PAGE_EXECUTE | PAGE_USER))();
}

TEST_PANICS(frame_twice, "panic.frame_given_twice", "is given back and not taken")
{
    struct physical frame;

    CHECK(frame_alloc(&frame) == STATUS_OK);
    frame_free(frame);
    frame_free(frame);
}

TEST_PANICS(frame_wild, "panic.frame_never_taken", "is given back and not taken")
{
    frame_free((struct physical){0});
}
