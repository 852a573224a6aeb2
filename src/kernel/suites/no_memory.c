/*
 * Whoever allocates, without: each scenario is run with every number of free frames, and with every allocation from the
 * heap failing once, until it passes. Whatever it could not have, it says so and keeps nothing.
 */
#include "kernel/bench.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/mmu.h"
#include "lib/heap_failing.h"

enum {
    THREADS = 70, /* whose stacks lie in 2 MiB and more: they need a table that is not there yet */
    STACK_FRAMES = THREAD_STACK_BYTES / PAGE_BYTES,
    TABLES = 3, /* that a page may need, where nothing is mapped yet */
    ATTEMPTS_MAX = 400,
};

/* What a scenario says. It ends all that it began, whether it passes or not. */
typedef enum status scenario(void);

/* Frame by frame more, from none. Returns how often it was refused. */
static unsigned fail_frames(scenario *run)
{
    struct memory_mark whole = memory_mark();
    enum status status = STATUS_NO_MEMORY;
    struct hoard hoard;
    unsigned refused = 0;

    hoard_frames(&hoard);
    while (refused < ATTEMPTS_MAX) {
        struct memory_mark mark = memory_mark();

        status = run();
        memory_check(&mark);
        if (status != STATUS_NO_MEMORY)
            break;
        refused++;
        hoard_give(&hoard, 1);
    }
    CHECK(status == STATUS_OK);
    hoard_give(&hoard, hoard.count);
    memory_check(&whole);
    return refused;
}

/* The first allocation fails, the second, and so on. Returns how many there are. */
static unsigned fail_blocks(scenario *run)
{
    static struct heap_failing failing;
    struct memory_mark mark = memory_mark();
    enum status status = STATUS_NO_MEMORY;
    struct heap *before;
    unsigned n = 0;

    heap_failing_init(&failing, kmalloc_heap());
    before = kmalloc_use(&failing.heap);
    while (status == STATUS_NO_MEMORY && n < ATTEMPTS_MAX) {
        heap_failing_at(&failing, ++n);
        status = run();
        CHECK_EQUAL(status, failing.injected ? STATUS_NO_MEMORY : STATUS_OK);
        CHECK_EQUAL(heap_live(&failing.heap), 0);
    }
    CHECK(kmalloc_use(before) == &failing.heap);
    memory_check(&mark);
    return n - 1;
}

static void *nothing(void *unused)
{
    return unused;
}

static enum status start_threads(void)
{
    static struct thread threads[THREADS];
    enum status status = STATUS_OK;
    unsigned started = 0;

    while (status == STATUS_OK && started < THREADS) {
        status = thread_start(&threads[started], "poor", PRIORITY_LOW, nothing, NULL);
        started += status == STATUS_OK;
    }
    while (started--)
        (void)thread_join(&threads[started]);
    return status;
}

TEST(threads, "no_memory.threads")
{
    unsigned refused = fail_frames(start_threads);

    CHECK(refused > THREADS * STACK_FRAMES && refused <= THREADS * STACK_FRAMES + TABLES);
}

/* Where no table is yet but the one that all address spaces share. */
static enum status map_far(void)
{
    char *page = (char *)UINT64_C(0xffffd07000000000);
    struct physical frame;
    enum status status = frame_alloc(&frame);

    if (status != STATUS_OK)
        return status;
    status = mmu_map(page, frame, PAGE_BYTES, PAGE_WRITE);
    if (status == STATUS_OK) {
        *(volatile char *)page = 1;
        CHECK(mmu_unmap(page, PAGE_BYTES) == STATUS_OK);
    }
    frame_free(frame);
    return status;
}

TEST(page_tables, "no_memory.page_tables")
{
    CHECK_EQUAL(fail_frames(map_far), TABLES);
}

/* An executor's thread has no end: the one that had memory stays. */
TEST(executor, "no_memory.executor")
{
    static struct executor_thread executor;
    struct executor_thread *others = executor_thread_all;
    struct memory_mark mark = memory_mark();
    struct hoard hoard;

    hoard_frames(&hoard);
    for (unsigned frames = 0; frames < STACK_FRAMES; frames++) {
        CHECK(executor_thread_start(&executor, "poor", PRIORITY_LOW) == STATUS_NO_MEMORY);
        CHECK_EQUAL(frames_free(), frames);
        CHECK(executor_thread_all == others);
        hoard_give(&hoard, 1);
    }
    hoard_give(&hoard, hoard.count);
    memory_check(&mark);
    CHECK(executor_thread_start(&executor, "not poor", PRIORITY_LOW) == STATUS_OK);
    CHECK(executor_thread_all == &executor);
}

static enum status start_drivers(void)
{
    enum status status = STATUS_OK;
    enum device started = DEVICE_KEYBOARD;

    while (status == STATUS_OK && started < DEVICE_ALL) {
        status = input_driver_start(started, STYLE_THREAD, THREAD_PRIORITY_HIGH, NULL);
        started += status == STATUS_OK;
    }
    while (started > DEVICE_KEYBOARD)
        input_driver_stop(--started);
    return status;
}

TEST(driver_threads, "no_memory.driver_threads")
{
    unsigned refused;

    input_forget();
    refused = fail_frames(start_drivers);
    CHECK(refused >= 2 * STACK_FRAMES && refused <= 2 * STACK_FRAMES + TABLES);
}

/* Each allocation fails once, those of the process's own thread too, which then ends at once: nothing is left of it. */
TEST_NEEDS(driver_processes, "no_memory.driver_processes", "programs=there")
{
    static struct heap_failing failing;
    enum status status = STATUS_NO_MEMORY;
    struct memory_mark mark;
    struct heap *before;
    unsigned closed = 0, n = 0;

    input_forget();
    mark = memory_mark();
    heap_failing_init(&failing, kmalloc_heap());
    before = kmalloc_use(&failing.heap);
    while (status != STATUS_OK && n < ATTEMPTS_MAX) {
        heap_failing_at(&failing, ++n);
        status = input_driver_start(DEVICE_KEYBOARD, STYLE_USER, THREAD_PRIORITY_HIGH, NULL);
        closed += status == STATUS_CLOSED;
        CHECK_EQUAL(process_count(), status == STATUS_OK);
        CHECK(failing.injected ? status == STATUS_NO_MEMORY || status == STATUS_CLOSED : status == STATUS_OK);
    }
    CHECK(closed > 0);
    input_driver_stop(DEVICE_KEYBOARD);
    CHECK(kmalloc_use(before) == &failing.heap);
    sleep_for(20 * MS);
    memory_check(&mark);
}

/* Nothing at all is needed for those. */
TEST(driver_tasks, "no_memory.driver_tasks")
{
    static const uint32_t none[DEVICE_ALL];
    static const uint32_t key[DEVICE_ALL] = {[DEVICE_KEYBOARD] = 1};
    struct executor_thread *executor = executor_at(THREAD_PRIORITY_HIGH);
    struct hoard hoard;

    input_forget();
    hoard_frames(&hoard);
    for (enum device device = 0; device < DEVICE_ALL; device++)
        CHECK(input_driver_start(device, STYLE_ASYNC, THREAD_PRIORITY_HIGH, executor) == STATUS_OK);
    CHECK(inject_and_wait(DEVICE_KEYBOARD, stream_byte(DEVICE_KEYBOARD, 0)));
    check_events(none, key, STYLE_ASYNC);
    drivers_stop();
    CHECK_EQUAL(frames_free(), 0);
    hoard_give(&hoard, hoard.count);
}

/* One cell, with two threads for a load: five records, and five threads with the consumer, the driver and the control.
 */
static enum status bench_cell(void)
{
    static const struct options options = {.events = 2,
                                           .seed = 1,
                                           .driver = STYLE_THREAD,
                                           .device = DEVICE_KEYBOARD,
                                           .priority = PRIORITY_HIGH,
                                           .load = {.kind = LOAD_THREADS, .count = 2},
                                           .load_text = "threads:2"};

    return bench_matrix(&options);
}

TEST(bench_frames, "no_memory.bench_frames")
{
    CHECK(fail_frames(bench_cell) >= 5 * STACK_FRAMES);
    input_forget();
}

TEST(bench_blocks, "no_memory.bench_blocks")
{
    CHECK_EQUAL(fail_blocks(bench_cell), 5);
    input_forget();
}
