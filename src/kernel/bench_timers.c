/*
 * Single figures of the timer queue alone, no interrupt and no thread in them: what a timer costs among ten, a thousand
 * and a million others.
 */
#include "kernel/bench.h"
#include "kernel/kmalloc.h"
#include "kernel/x86_64/cpu.h"
#include "lib/timer_queue.h"

enum {
    BLOCK_BYTES = 1 << 20,
    BLOCK_TIMERS = BLOCK_BYTES / sizeof(struct timer),
    BLOCKS_MAX = 32,
    TIMERS_MAX = 1000000,
    SPAN_NS = 1000000000, /* the deadlines lie within */
};
_Static_assert(BLOCKS_MAX *BLOCK_TIMERS >= TIMERS_MAX, "there is room for all");

static const struct {
    unsigned count;
    unsigned rounds;
    const char *insert, *remove, *expire, *longest;
} sizes[] = {
    {10, 1000, "timer.insert_10", "timer.remove_10", "timer.expire_10", "timer.expire_max_10"},
    {1000, 100, "timer.insert_1000", "timer.remove_1000", "timer.expire_1000", "timer.expire_max_1000"},
    {1000000, 1, "timer.insert_1m", "timer.remove_1m", "timer.expire_1m", "timer.expire_max_1m"},
};

static struct timer *blocks[BLOCKS_MAX];
static struct timer_queue queue;
static uint64_t now_ns; /* the queue's own time */
static unsigned expired;

static struct timer *timer_at(size_t number)
{
    return &blocks[number / BLOCK_TIMERS][number % BLOCK_TIMERS];
}

static void count_expired(struct waker *waker)
{
    (void)waker;
    expired++;
}

static struct waker waker = {count_expired};

/* The deadlines are chosen before the stamp. */
static uint64_t insert_all(unsigned count)
{
    static uint64_t random = 88172645463325252;
    uint64_t before;

    for (unsigned i = 0; i < count; i++) {
        random = bench_random(random);
        timer_at(i)->deadline_ns = now_ns + random % SPAN_NS;
    }
    before = rdtsc();
    for (unsigned i = 0; i < count; i++)
        timer_queue_insert(&queue, timer_at(i), timer_at(i)->deadline_ns, &waker);
    return rdtsc() - before;
}

/* Every other, which is in the order of no deadlines. */
static uint64_t remove_half(unsigned count)
{
    uint64_t before = rdtsc();

    for (unsigned i = 0; i < count; i += 2)
        timer_queue_remove(&queue, timer_at(i));
    return rdtsc() - before;
}

/* Time goes from deadline to deadline. */
static uint64_t expire_rest(uint64_t *longest)
{
    uint64_t begin = rdtsc();
    uint64_t again_ns = now_ns;

    while (again_ns != TIMER_NEVER) {
        uint64_t before = rdtsc();
        uint64_t spent;

        again_ns = timer_queue_expire(&queue, now_ns);
        spent = rdtsc() - before;
        *longest = spent > *longest ? spent : *longest;
        if (again_ns > now_ns && again_ns != TIMER_NEVER)
            now_ns = again_ns;
    }
    return rdtsc() - begin;
}

static void bench_size(size_t size)
{
    uint64_t inserting = 0, removing = 0, expiring = 0, longest = 0;
    uint64_t timers = (uint64_t)sizes[size].count * sizes[size].rounds;

    expired = 0;
    preempt_disable(); /* nothing else runs, and wakes nobody meanwhile */
    for (unsigned round = 0; round < sizes[size].rounds; round++) {
        inserting += insert_all(sizes[size].count);
        removing += remove_half(sizes[size].count);
        expiring += expire_rest(&longest);
    }
    preempt_enable();
    if (expired != timers / 2)
        panic("%u timers expired", expired);
    bench_report_one(sizes[size].insert, inserting / timers, "instructions");
    bench_report_one(sizes[size].remove, removing / (timers / 2), "instructions");
    bench_report_one(sizes[size].expire, expiring / (timers / 2), "instructions");
    bench_report_one(sizes[size].longest, longest, "instructions");
}

void bench_timers(void)
{
    for (size_t i = 0; i < BLOCKS_MAX; i++) {
        blocks[i] = kmalloc(BLOCK_BYTES);
        if (!blocks[i])
            bench_no_memory("a million timers");
        for (size_t j = 0; j < BLOCK_TIMERS; j++)
            blocks[i][j] = (struct timer){0};
    }
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        bench_size(i);
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        kfree(blocks[i]);
}
