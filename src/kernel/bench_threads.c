/*
 * Single figures of threads among themselves: path lengths from a stamp just before an operation to a stamp just after
 * it, on the same thread or on the one that the operation lets run. A back-to-back pair of stamps costs what `stamp`
 * says, which is never subtracted.
 */
#include "kernel/backtrace.h"
#include "kernel/bench.h"
#include "kernel/console.h"
#include "kernel/kmalloc.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "thread/event.h"
#include "thread/message_queue.h"
#include "thread/mutex.h"
#include "thread/sched.h"
#include "thread/semaphore.h"
#include "thread/vectors.h"

enum {
    SAMPLES = BENCH_MICRO_SAMPLES,
    WARM_UP = BENCH_WARM_UP,
    PRIORITY_BELOW = THREAD_PRIORITY_NORMAL - 1, /* below the thread that starts them */
    MESSAGE_WORDS = 2,
};

/* ---- yielding ---- */

static uint64_t yielded_at;

/* Each thread measures from the yield of the one before it; the first round, in which they begin, is nobody's. */
static void *yielder_main(void *unused)
{
    (void)unused;
    do {
        uint64_t now;

        yielded_at = rdtsc();
        thread_yield();
        now = rdtsc();
        bench_sample(now - yielded_at);
    } while (bench_samples() < SAMPLES);
    return NULL;
}

static void bench_yield(const char *name, unsigned threads)
{
    struct thread *yielders = kzalloc(threads, sizeof(*yielders));

    if (!yielders)
        bench_no_memory("yielding threads");
    /* Below this thread, so that all are ready before the first runs. */
    for (unsigned i = 0; i < threads; i++)
        bench_start(&yielders[i], "yielder", PRIORITY_BELOW, yielder_main, NULL);
    for (unsigned i = 0; i < threads; i++)
        (void)thread_join(&yielders[i]);
    kfree(yielders);
    bench_report(name, "instructions");
}

/* Two whose vector registers hold a state: each switch saves one and loads the other. */
static void *vector_yielder_main(void *unused)
{
    if (vectors_use() != STATUS_OK)
        bench_no_memory("vector registers");
    return yielder_main(unused);
}

static void bench_yield_vectors(void)
{
    struct thread yielders[2];

    for (size_t i = 0; i < ARRAY_SIZE(yielders); i++)
        bench_start(&yielders[i], "yielder", PRIORITY_BELOW, vector_yielder_main, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(yielders); i++)
        (void)thread_join(&yielders[i]);
    bench_report("thread.yield_vectors", "instructions");
}

/* ---- two threads of one priority that wait for each other in turn ---- */

enum role {
    FIRST,
    SECOND,
    WAITER,
    POSTER,
    FIRST_THERE_AND_BACK,
    SECOND_THERE_AND_BACK,
};

typedef void pass(size_t side);

static uint64_t given_at;
static unsigned rounds;

/* From the give, over the giver's own wait, to the other's return. */
static inline void one_way(size_t self, pass *take, pass *give)
{
    for (;;) {
        uint64_t now;

        take(self);
        now = rdtsc();
        if (rounds++ >= WARM_UP)
            bench_sample(now - given_at);
        if (bench_samples() >= SAMPLES)
            break;
        given_at = rdtsc();
        give(!self);
    }
    give(!self);
}

/* From the give, over the giver's yield, to the other's return. */
static inline void await_all(pass *take)
{
    for (unsigned i = 0; i < WARM_UP + SAMPLES; i++) {
        uint64_t now;

        take(FIRST);
        now = rdtsc();
        if (i >= WARM_UP)
            bench_sample(now - given_at);
    }
}

static inline void post_all(pass *give)
{
    for (unsigned i = 0; i < WARM_UP + SAMPLES; i++) {
        given_at = rdtsc();
        give(FIRST);
        thread_yield();
    }
}

/* From the give until what the other gave was taken. */
static inline void there_and_back(pass *take, pass *give)
{
    for (unsigned i = 0; i < WARM_UP + SAMPLES; i++) {
        uint64_t before = rdtsc();
        uint64_t after;

        give(SECOND);
        take(FIRST);
        after = rdtsc();
        if (i >= WARM_UP)
            bench_sample(after - before);
    }
}

static inline void return_all(pass *take, pass *give)
{
    for (unsigned i = 0; i < WARM_UP + SAMPLES; i++) {
        take(SECOND);
        give(FIRST);
    }
}

/* Inlined into each user, where both calls are direct ones. */
static inline __attribute__((always_inline)) void *play(void *role, pass *take, pass *give)
{
    switch ((enum role)(uintptr_t)role) {
    case FIRST:
    case SECOND:
        one_way((size_t)(uintptr_t)role, take, give);
        break;
    case WAITER:
        await_all(take);
        break;
    case POSTER:
        post_all(give);
        break;
    case FIRST_THERE_AND_BACK:
        there_and_back(take, give);
        break;
    case SECOND_THERE_AND_BACK:
        return_all(take, give);
        break;
    }
    return NULL;
}

static void run_pair(const char *name, thread_entry *entry, enum role first, enum role second)
{
    static struct thread threads[2];

    rounds = 0;
    bench_start(&threads[0], "first", THREAD_PRIORITY_NORMAL, entry, (void *)(uintptr_t)first);
    bench_start(&threads[1], "second", THREAD_PRIORITY_NORMAL, entry, (void *)(uintptr_t)second);
    for (size_t i = 0; i < 2; i++)
        (void)thread_join(&threads[i]);
    bench_report(name, "instructions");
}

static struct semaphore turns[2];

static void take_unit(size_t side)
{
    semaphore_take(&turns[side]);
}

static void give_unit(size_t side)
{
    semaphore_give(&turns[side]);
}

static void *semaphore_main(void *role)
{
    return play(role, take_unit, give_unit);
}

static void bench_semaphore(void)
{
    semaphore_init(&turns[0], 0);
    run_pair("thread.sem_oneway", semaphore_main, WAITER, POSTER);
    semaphore_init(&turns[0], 1);
    semaphore_init(&turns[1], 0);
    run_pair("thread.sem_oneway_wait", semaphore_main, FIRST, SECOND);
    semaphore_init(&turns[0], 0);
    semaphore_init(&turns[1], 0);
    run_pair("thread.sem_pingpong", semaphore_main, FIRST_THERE_AND_BACK, SECOND_THERE_AND_BACK);
}

/* The first figures again with accounts: what insight=on costs. */
static void bench_insight(void)
{
    bool insight = cpu_this()->insight;

    interrupt_set_insight(true);
    semaphore_init(&turns[0], 0);
    run_pair("thread.sem_oneway_insight", semaphore_main, WAITER, POSTER);
    bench_yield("thread.yield_insight", 2);
    interrupt_set_insight(insight);
}

static struct event events[2];

static void await(size_t side)
{
    event_wait(&events[side]);
}

static void notify(size_t side)
{
    event_signal(&events[side]);
}

static void *event_main(void *role)
{
    return play(role, await, notify);
}

static void bench_event(void)
{
    event_init(&events[0], true);
    run_pair("thread.event_oneway", event_main, WAITER, POSTER);
    event_init(&events[0], true);
    event_init(&events[1], true);
    event_signal(&events[0]);
    run_pair("thread.event_oneway_wait", event_main, FIRST, SECOND);
}

static struct message_queue queues[2];

static void receive(size_t side)
{
    uint64_t message[MESSAGE_WORDS];

    message_queue_receive(&queues[side], message);
}

static void send(size_t side)
{
    uint64_t message[MESSAGE_WORDS] = {side, side};

    message_queue_send(&queues[side], message);
}

static void *queue_main(void *role)
{
    return play(role, receive, send);
}

static void reset_queues(void)
{
    static uint64_t storage[2][4][MESSAGE_WORDS];

    for (size_t i = 0; i < 2; i++)
        message_queue_init(&queues[i], storage[i], sizeof(storage[i][0]), ARRAY_SIZE(storage[i]));
}

static void bench_queue(void)
{
    reset_queues();
    run_pair("thread.queue_oneway", queue_main, WAITER, POSTER);
    reset_queues();
    send(FIRST);
    run_pair("thread.queue_oneway_wait", queue_main, FIRST, SECOND);
    reset_queues();
    run_pair("thread.queue_pingpong", queue_main, FIRST_THERE_AND_BACK, SECOND_THERE_AND_BACK);
}

/* ---- mutexes ---- */

static struct mutex mutex = MUTEX_INIT(mutex);

static void bench_mutex(void)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();

        mutex_lock(&mutex);
        mutex_unlock(&mutex);
        bench_sample(rdtsc() - before);
    }
    bench_report("thread.mutex_pair", "instructions");
}

/* Whoever has the mutex unlocks it, which hands it to the other, and must wait for it at once. */
static void *contender_main(void *unused)
{
    bool last;

    (void)unused;
    do {
        uint64_t now;

        mutex_lock(&mutex);
        now = rdtsc();
        if (rounds++ == 0)
            thread_yield(); /* until the other waits for it too */
        else if (rounds > WARM_UP)
            bench_sample(now - given_at);
        last = bench_samples() >= SAMPLES;
        given_at = rdtsc();
        mutex_unlock(&mutex);
    } while (!last);
    return NULL;
}

static void bench_contended_mutex(void)
{
    run_pair("thread.mutex_pingpong", contender_main, FIRST, SECOND);
}

/* ---- a thread's life ---- */

static void *return_argument(void *argument)
{
    return argument;
}

static struct thread mortal;

static void bench_lifecycle(void)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();

        if (thread_start(&mortal, "short", THREAD_PRIORITY_NORMAL, return_argument, NULL) != STATUS_OK)
            bench_no_memory("a stack");
        (void)thread_join(&mortal);
        bench_sample(rdtsc() - before);
    }
    bench_report("thread.lifecycle", "instructions");
}

/* Ready, and not run before the second stamp: it is the less urgent. */
static void bench_create(void)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t before = rdtsc();
        enum status status = thread_start(&mortal, "short", PRIORITY_BELOW, return_argument, NULL);

        bench_sample(rdtsc() - before);
        if (status != STATUS_OK)
            bench_no_memory("a stack");
        (void)thread_join(&mortal);
    }
    bench_report("thread.create", "instructions");
}

/* ---- the longest stretches of all that ---- */

static void report_stretch(const char *name, const char *load, const struct irqoff_stretch *longest)
{
    static char line[512];
    uint64_t ns = irqoff_ns(longest);
    char begin[96], end[96];
    struct json json;

    backtrace_name(begin, sizeof(begin), longest->begin);
    backtrace_name(end, sizeof(end), longest->end);
    console_print("%-24s %8lu ns under %s, from %s to %s\n", name, (unsigned long)ns, load, begin, end);
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "micro");
    json_string(&json, "name", name);
    json_string(&json, "unit", "ns");
    json_string(&json, "timebase", bench_timebase());
    json_unsigned(&json, "n", 1);
    json_unsigned(&json, "min", ns);
    json_unsigned(&json, "p50", ns);
    json_unsigned(&json, "max", ns);
    json_unsigned(&json, "ticks", longest->ticks);
    json_string(&json, "load", load);
    json_string(&json, "begin", begin);
    json_string(&json, "end", end);
    console_send_json(&json);
}

/* The console's lock is interrupts off, and would hide all others. */
static void bench_stretches(void)
{
    if (!irqoff_on())
        return;
    bench_stretches_add(&bench_measured);
    report_stretch("irqoff.longest", "suite=threads", &bench_measured.interrupts);
    report_stretch("irqoff.longest_printing", "printing its figures", &bench_printed.interrupts);
    report_stretch("preemptoff.longest", "suite=threads", &bench_measured.preemption);
}

void bench_threads(const struct options *options)
{
    bench_measured = bench_printed = (struct bench_stretches){0};
    irqoff_reset();
    bench_yield("thread.yield", 2);
    bench_yield("thread.yield_1", 1);
    bench_yield("thread.yield_8", 8);
    bench_yield("thread.yield_1000", 1000);
    bench_yield_vectors();
    bench_semaphore();
    bench_insight();
    bench_event();
    bench_queue();
    bench_mutex();
    bench_contended_mutex();
    bench_lifecycle();
    bench_create();
    bench_interrupts();
    bench_turns(options);
    bench_user();
    bench_stretches();
}
