/* The life of threads on the real machine: what they find at their start, and what is left of them. */
#include "kernel/kmalloc.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/stacks.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/mutex.h"
#include "thread/semaphore.h"

enum {
    ROUNDS = 10000,
    CROWD = 10000,
    MIXED = 60,
};

static void *nothing(void)
{
    return NULL;
}

static void check_entry(const struct thread *thread, const uint64_t arguments[6])
{
    uint64_t top = (uint64_t)thread->stack + thread->stack_bytes;

    for (size_t i = 0; i < 6; i++)
        CHECK_EQUAL(registers_at_entry.arguments[i], arguments[i]);
    for (size_t i = 0; i < ARRAY_SIZE(registers_at_entry.others); i++)
        CHECK_EQUAL(registers_at_entry.others[i], 0);
    CHECK_EQUAL(registers_at_entry.rsp, top - 8); /* as after a call from a stack that is empty and aligned */
    CHECK_EQUAL(top % 16, 0);
    CHECK_EQUAL(registers_at_entry.rflags & FLAG_DIRECTION, 0);
    memset(&registers_at_entry, 0x5a, sizeof(registers_at_entry));
}

TEST(arguments, "life.arguments_in_registers")
{
    static const uint64_t none[6], six[6] = {0x1111222233334444, 0x8222333344445555, 0x3333444455556666,
                                             0xc444555566667777, 0x5555666677778888, 0xf666777788889999};
    struct thread thread;

    CHECK(thread_start_with(&thread, "six", THREAD_PRIORITY_NORMAL, registers_at_entry_6, six[0], six[1], six[2],
                            six[3], six[4], six[5]) == STATUS_OK);
    CHECK(thread_join(&thread) == &registers_at_entry);
    check_entry(&thread, six);
    CHECK(thread_start_with(&thread, "none", THREAD_PRIORITY_HIGH, registers_at_entry_0) == STATUS_OK);
    CHECK(thread_join(&thread) == &registers_at_entry);
    check_entry(&thread, none);
}

static void *exit_with(int8_t low, uint16_t high, bool by_exit)
{
    void *result = (void *)((uintptr_t)high << 16 | (uintptr_t)(uint8_t)low);

    if (by_exit)
        thread_exit(result);
    return result;
}

TEST(exits, "life.exit_value_either_way")
{
    struct thread thread;

    for (unsigned i = 0; i < 2; i++) {
        CHECK(thread_start_with(&thread, "exit", PRIORITY_LOW, exit_with, (int8_t)-2, (uint16_t)0xffff,
                                (bool)(i == 1)) == STATUS_OK);
        CHECK(thread_join(&thread) == (void *)0xffff00fe);
    }
}

TEST(rounds, "life.10000_leave_only_their_ids")
{
    struct thread thread;
    struct memory_mark mark;
    uint64_t id;

    CHECK(thread_start_with(&thread, "first", THREAD_PRIORITY_HIGH, nothing) == STATUS_OK);
    (void)thread_join(&thread);
    id = thread.id;
    mark = memory_mark();
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (thread_start_with(&thread, "mayfly", i % 2 ? THREAD_PRIORITY_HIGH : PRIORITY_LOW, nothing) != STATUS_OK)
            panic("no stack");
        (void)thread_join(&thread);
    }
    CHECK_EQUAL(thread.id, id + ROUNDS);
    memory_check(&mark);
}

/* ---- many at once ---- */

static struct semaphore gate;

static void *wait_at_gate(uint32_t number)
{
    semaphore_take(&gate);
    return (void *)(uintptr_t)number;
}

/* As many as there is memory for, of all sizes in turn, or of the default one. Returns how many. */
static size_t crowd_start(struct thread **crowd, size_t most, bool mixed)
{
    semaphore_init(&gate, 0);
    for (size_t i = 0; i < most; i++) {
        struct thread_options options = {.stack_bytes = mixed ? (size_t)THREAD_STACK_BYTES_MIN << i % 7 : 0};

        crowd[i] = kmalloc(sizeof(struct thread));
        if (!crowd[i])
            return i;
        if (thread_start_options(crowd[i], "crowd", THREAD_PRIORITY_HIGH, &options, wait_at_gate, (uint32_t)i) !=
            STATUS_OK) {
            kfree(crowd[i]);
            return i;
        }
    }
    return most;
}

static void crowd_end(struct thread **crowd, size_t count)
{
    for (size_t i = 0; i < count; i++)
        semaphore_give(&gate);
    for (size_t i = 0; i < count; i++) {
        CHECK(thread_join(crowd[i]) == (void *)i);
        kfree(crowd[i]);
    }
}

TEST(mixed, "life.mixed_stacks_come_and_go")
{
    static struct thread *crowd[MIXED];
    static const void *first[MIXED];
    struct translation page;

    for (unsigned round = 0; round < 3; round++) {
        struct memory_mark mark = memory_mark();
        size_t count = crowd_start(crowd, MIXED, true);

        CHECK_EQUAL(count, MIXED);
        for (size_t i = 0; i < count; i++) {
            char *stack = crowd[i]->stack;
            size_t bytes = (size_t)THREAD_STACK_BYTES_MIN << i % 7;

            CHECK_EQUAL(crowd[i]->stack_bytes, bytes);
            CHECK(round == 0 || stack == first[i]); /* addresses are used again */
            first[i] = stack;
            CHECK(mmu_translate(stack, &page) == STATUS_OK);
            CHECK(mmu_translate(stack + bytes - 1, &page) == STATUS_OK);
            CHECK(mmu_translate(stack - 1, &page) == STATUS_NOT_FOUND);
            CHECK(mmu_translate(stack + bytes, &page) == STATUS_NOT_FOUND);
            CHECK(stack_guarding((uintptr_t)stack - 1) == stack && stack_guarding((uintptr_t)stack - bytes) == stack);
            CHECK(stack_guarding((uintptr_t)stack) == NULL && stack_guarding((uintptr_t)stack + bytes - 1) == NULL);
        }
        crowd_end(crowd, count);
        CHECK(stacks_pooled() > 0);
        memory_check(&mark);
    }
}

TEST(pool_limit, "life.pool_is_limited")
{
    static struct thread *crowd[MIXED];
    size_t before, after;

    heap_tidy();
    before = frames_free();
    crowd_end(crowd, crowd_start(crowd, MIXED, true)); /* over 4 MiB of stacks */
    preempt_disable();
    heap_trim(kmalloc_heap());
    preempt_enable();
    after = frames_free();
    CHECK(before - after <= (size_t)(2 << 20) / PAGE_BYTES + 64); /* and their page tables */
    CHECK(stacks_trim() > 0);
    CHECK_EQUAL(frames_free(), before);
}

TEST(short_of_memory, "life.pooled_stacks_serve_others")
{
    static struct thread *crowd[MIXED];
    struct thread_options options = {.stack_bytes = 4096};
    struct hoard hoard;
    struct thread thread;
    void *block;

    crowd_end(crowd, crowd_start(crowd, MIXED / 2, false));
    CHECK(stacks_pooled() > 0);
    hoard_frames(&hoard);
    CHECK(thread_start_options(&thread, "small", THREAD_PRIORITY_HIGH, &options, nothing) == STATUS_OK);
    CHECK_EQUAL(stacks_pooled(), 0);
    (void)thread_join(&thread);
    block = kmalloc(8192);
    CHECK(block != NULL);
    kfree(block);
    hoard_give(&hoard, hoard.count);
    heap_tidy();
}

TEST_NEEDS(crowd, "life.10000_at_once", "memory=1g")
{
    static struct thread *threads[CROWD];
    struct memory_mark mark = memory_mark();
    size_t count = crowd_start(threads, CROWD, false);

    CHECK_EQUAL(count, CROWD);
    for (size_t i = 1; i < count; i++)
        CHECK_EQUAL(threads[i]->id, threads[0]->id + i);
    crowd_end(threads, count);
    memory_check(&mark);
}

/* ---- detached and cancelled ---- */

static void release_block(struct thread *thread)
{
    kfree(thread);
}

TEST(detached, "life.detached_are_released")
{
    struct memory_mark mark = memory_mark();
    struct thread_options options = {.detached = true, .release = release_block};

    for (unsigned i = 0; i < MIXED; i++) {
        struct thread *thread = kmalloc(sizeof(*thread));

        CHECK(thread_start_options(thread, "detached", PRIORITY_LOW, &options, nothing) == STATUS_OK);
    }
    sleep_for(10 * MS); /* they run, and the idle thread looks after them */
    memory_check(&mark);
}

static void *serve(struct semaphore *semaphore, struct mutex *mutex)
{
    for (;;) {
        thread_cancel_point();
        mutex_lock(mutex);
        if (semaphore_take_until(semaphore, clock_now_ns() + 50 * US) == STATUS_OK)
            semaphore_give(semaphore);
        mutex_unlock(mutex);
        thread_sleep_until(clock_now_ns() + 20 * US);
    }
    return NULL;
}

/* Each a little later in its life. */
TEST(cancelled, "life.cancelled_hold_nothing")
{
    static struct semaphore semaphore;
    static struct mutex mutex;

    semaphore_init(&semaphore, 1);
    mutex_init(&mutex);
    for (unsigned i = 0; i < 200; i++) {
        struct thread thread;

        CHECK(thread_start_with(&thread, "server", i % 2 ? THREAD_PRIORITY_HIGH : PRIORITY_LOW, serve, &semaphore,
                                &mutex) == STATUS_OK);
        thread_sleep_until(clock_now_ns() + i * 1009);
        thread_cancel(&thread);
        CHECK(thread_join(&thread) == THREAD_CANCELLED);
        CHECK_EQUAL(semaphore_units(&semaphore), 1);
        CHECK(mutex_owner(&mutex) == NULL);
    }
}

/* ---- a stack of another size overflows ---- */

static void *use_up(void)
{
    return (void *)(uintptr_t)deepen(0);
}

static void overflow(size_t stack_bytes)
{
    struct thread_options options = {.stack_bytes = stack_bytes};
    struct thread thread;

    CHECK(thread_start_options(&thread, "tiny", THREAD_PRIORITY_HIGH, &options, use_up) == STATUS_OK);
    (void)thread_join(&thread);
}

TEST_PANICS(overflow_small, "panic.overflow_of_4_kib", "in thread tiny, * bytes under its stack: stack overflow")
{
    overflow(THREAD_STACK_BYTES_MIN);
}

TEST_PANICS(overflow_large, "panic.overflow_of_256_kib", "in thread tiny, * bytes under its stack: stack overflow")
{
    overflow(THREAD_STACK_BYTES_MAX);
}
