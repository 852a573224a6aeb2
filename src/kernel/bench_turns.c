/*
 * Who gets the CPU, and how long others wait for it: priority inversion with and without inheritance, and how evenly
 * equals share.
 */
#include "kernel/bench.h"
#include "kernel/x86_64/cpu.h"
#include "thread/mutex.h"
#include "thread/sched.h"
#include "thread/semaphore.h"

enum {
    INVERSIONS = BENCH_MICRO_SAMPLES,
    CHAIN = 3, /* mutexes */
    PRIORITY_LOW = 8,
    MEDIUMS = 2,
    QUANTA_MAX = 40,
    STEPS = 100,       /* in which a CPU-bound thread does a quantum's work */
    SETTLE_NS = 50000, /* until a thread just started waits for what it should */
    SECTION_ROUNDS = 100,
    SHARERS = 4,
};

static void settle(void)
{
    thread_sleep_until(clock_now_ns() + SETTLE_NS);
}

/* ---- priority inversion ---- */

/*
 * links[0] owns chain[0]; links[i] owns chain[i] and waits for chain[i - 1]. A thread more urgent than all of them
 * comes to wait for the last, while threads that are more urgent than the links only compute.
 */
static struct link {
    struct thread thread;
    struct mutex *own, *wanted;
} links[CHAIN];
static struct mutex chain[CHAIN];
static struct semaphore begin; /* the first link's section */
static struct thread urgent, mediums[MEDIUMS];
static unsigned steps;  /* of each of `mediums`, unless stopped before */
static uint64_t waited; /* by `urgent`, the last time */
static atomic_bool stop;

/* A critical section of a fixed number of instructions: what `pi.section` says. */
static __attribute__((noinline)) void section(void)
{
    static _Atomic uint64_t sink;
    uint64_t state = 1;

    for (unsigned i = 0; i < SECTION_ROUNDS; i++)
        state = bench_work(state);
    atomic_store_explicit(&sink, state, memory_order_relaxed);
}

static void *link_main(void *argument)
{
    struct link *self = argument;

    mutex_lock(self->own);
    if (self->wanted) {
        mutex_lock(self->wanted);
        mutex_unlock(self->wanted);
    } else {
        semaphore_take(&begin);
        section();
    }
    mutex_unlock(self->own);
    return NULL;
}

static void *medium_main(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < steps && !atomic_load(&stop); i++)
        bench_compute(cpu_this()->quantum_ns / STEPS);
    return NULL;
}

/* From the lock until it is had. Only then may the CPU-bound threads end early. */
static void *urgent_main(void *unused)
{
    uint64_t before;

    (void)unused;
    settle(); /* whoever started this waits for its end */
    for (unsigned i = 0; i < MEDIUMS; i++)
        bench_start(&mediums[i], "medium", THREAD_PRIORITY_NORMAL, medium_main, NULL);
    semaphore_give(&begin);
    before = rdtsc();
    mutex_lock(&chain[CHAIN - 1]);
    waited = rdtsc() - before;
    atomic_store(&stop, true);
    mutex_unlock(&chain[CHAIN - 1]);
    return NULL;
}

static void invert_once(unsigned quanta)
{
    steps = quanta * STEPS / MEDIUMS;
    atomic_store(&stop, false);
    semaphore_init(&begin, 0);
    for (unsigned i = 0; i < CHAIN; i++) {
        mutex_init(&chain[i]);
        links[i].own = &chain[i];
        links[i].wanted = i ? &chain[i - 1] : NULL;
        bench_start(&links[i].thread, "link", PRIORITY_LOW + i, link_main, &links[i]);
        settle();
        ASSERT(mutex_owner(&chain[i]) == &links[i].thread && links[i].thread.waits_for == links[i].wanted);
    }
    bench_start(&urgent, "urgent", THREAD_PRIORITY_HIGH, urgent_main, NULL);
    (void)thread_join(&urgent);
    for (unsigned i = 0; i < MEDIUMS; i++)
        (void)thread_join(&mediums[i]);
    for (unsigned i = 0; i < CHAIN; i++)
        (void)thread_join(&links[i].thread);
}

/* Again and again, unless the others had a whole turn meanwhile: then they have all they want, each time. */
static void bench_inversion(const char *name, bool inheritance, unsigned quanta)
{
    bool before = cpu_this()->inheritance;

    cpu_this()->inheritance = inheritance;
    do {
        invert_once(quanta);
        bench_sample(waited);
    } while (bench_samples() < INVERSIONS && waited < cpu_this()->quantum_ns);
    cpu_this()->inheritance = before;
    bench_report(name, "instructions");
}

static void bench_section(void)
{
    for (unsigned i = 0; i < INVERSIONS; i++) {
        uint64_t before = rdtsc();

        section();
        bench_sample(rdtsc() - before);
    }
    bench_report("pi.section", "instructions");
}

static void bench_inversions(void)
{
    bench_section();
    bench_inversion("pi.wait_on", true, QUANTA_MAX);
    bench_inversion("pi.wait_off_10", false, 10);
    bench_inversion("pi.wait_off_20", false, 20);
    bench_inversion("pi.wait_off_40", false, QUANTA_MAX);
}

/* ---- fairness ---- */

static struct thread sharers[SHARERS];

static void *sharer_main(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop))
        bench_compute(100000);
    return NULL;
}

/* Cuts into turns at moments that have nothing to do with them: every 1 to 2 ms, for 300 us. */
static void *cutter_main(void *unused)
{
    uint64_t random = 88172645463325252;

    (void)unused;
    while (!atomic_load(&stop)) {
        random = bench_random(random);
        thread_sleep_until(clock_now_ns() + 1000000 + random % 1000000);
        bench_compute(300000);
    }
    return NULL;
}

/* How far the most and the least favoured are apart, in millionths of the mean. They are off the CPU now. */
static uint64_t spread_ppm(void)
{
    uint64_t least = UINT64_MAX, most = 0, sum = 0;

    for (unsigned i = 0; i < SHARERS; i++) {
        uint64_t run = sharers[i].run_ns;

        least = run < least ? run : least;
        most = run > most ? run : most;
        sum += run;
    }
    return (most - least) * 1000000 / (sum / SHARERS);
}

/* This thread is more urgent than those that share, and sleeps meanwhile. */
static void bench_fairness(const char *name, uint64_t span_ns, bool cut)
{
    static struct thread cutter;
    uint64_t spread;

    atomic_store(&stop, false);
    for (unsigned i = 0; i < SHARERS; i++)
        bench_start(&sharers[i], "sharer", THREAD_PRIORITY_NORMAL - 1, sharer_main, NULL);
    if (cut)
        bench_start(&cutter, "cutter", THREAD_PRIORITY_HIGH, cutter_main, NULL);
    thread_sleep_until(clock_now_ns() + span_ns);
    spread = spread_ppm();
    atomic_store(&stop, true);
    for (unsigned i = 0; i < SHARERS; i++)
        (void)thread_join(&sharers[i]);
    if (cut)
        (void)thread_join(&cutter);
    bench_report_one(name, spread, "ppm");
}

void bench_turns(const struct options *options)
{
    bench_inversions();
    bench_fairness("fairness.spread_4", options->span_ns, false);
    bench_fairness("fairness.spread_4_cut", options->span_ns, true);
}
