#include "measure.h"

#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define WAY(name) offsetof(struct peer, name)

const struct unit units[UNITS] = {
    {"wake_poll", WAY(wake_poll), false, false, 1, 1, 400000, 2000},
    {"self_wake", WAY(self_wake), false, false, 1, 1, 400000, 2000},
    {"pingpong", WAY(pingpong), false, false, 2, 2, 200000, 2000},
    {"spawn", WAY(spawn), false, false, 1, 1, 200000, 2000},
    {"round_robin_10", WAY(round_robin), false, true, 10, 10, 400000, 2000},
    {"round_robin_10k", WAY(round_robin), false, true, 10000, 10000, 400000, 10000},
    {"round_robin_1M", WAY(round_robin), false, true, 1000000, 1000000, 1000000, 1000000},
    {"channel", WAY(channel), false, false, 2, 1, 1000000, 6400},
    {"timer_10k", 0, true, false, 10000, 0, 40000, 16000},
    {"timer_1M", 0, true, false, 1000000, 0, 40000, 16000},
    {"cross_thread", WAY(cross_thread), false, false, 1, 1, 200000, 0},
};

/* ---- the harness's own peers: they prove that its checks and its counting work ---- */

enum { CALIBRATION = 100 };

static uint64_t calibrated;

static void calibration_prepare(size_t tasks)
{
    (void)tasks;
}

/* A hundred instructions each time, and nothing else. */
static void calibration_run(uint64_t count)
{
    calibrated += count;
    __asm__ volatile("1: .rept 98\n nop\n .endr\n dec %0\n jnz 1b" : "+r"(count));
}

static uint64_t calibration_done(size_t task)
{
    (void)task;
    return calibrated;
}

static const struct peer peer_calibration = {
    .id = "calibration",
    .slow = 1,
    .wake_poll = {calibration_prepare, calibration_run, calibration_done, NULL},
    .self_wake = {calibration_prepare, calibration_run, calibration_done, NULL},
};

/* Leaves one out. */
static void liar_run(uint64_t count)
{
    calibration_run(count - 1);
}

/* Expires them in any order, whether they are due or not. */
static uint32_t liar_timers[100000];
static size_t liar_count;

static void liar_insert(const uint32_t *timers, const uint64_t *deadlines, size_t count)
{
    (void)deadlines;
    for (size_t i = 0; i < count; i++)
        liar_timers[liar_count++] = timers[i];
}

static void liar_cancel(const uint32_t *timers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < liar_count; j++)
            if (liar_timers[j] == timers[i])
                liar_timers[j--] = liar_timers[--liar_count];
}

static void liar_expire(size_t least)
{
    while (timers_expired_count < least)
        timers_expired(liar_timers[--liar_count]);
}

static const struct peer peer_liar = {
    .id = "liar",
    .slow = 1,
    .self_wake = {calibration_prepare, liar_run, calibration_done, NULL},
    .timers = {calibration_prepare, liar_insert, liar_cancel, liar_expire, NULL},
};

/* ---- peers ---- */

const struct peer *const peers[] = {
    &peer_duet,     &peer_coroutine,   &peer_coroutine_any, &peer_boost,
    &peer_ucontext, &peer_libuv_async, &peer_libuv_idle,    &peer_pth,
    &peer_pthread,  &peer_flag,        &peer_calibration,   &peer_liar,
    NULL,
};

const struct peer *peer_find(const char *id)
{
    for (size_t i = 0; peers[i]; i++)
        if (strcmp(peers[i]->id, id) == 0)
            return peers[i];
    native_die("no peer is called %s", id);
}

static const struct way *unit_way(const struct unit *unit, const struct peer *peer)
{
    return (const void *)((const char *)peer + unit->way);
}

const char *unit_why_not(const struct unit *unit, const struct peer *peer)
{
    if (unit->timers)
        return peer->timers.insert ? NULL : peer->timers.why_not ? peer->timers.why_not : "none";
    if (!unit_way(unit, peer)->run)
        return unit_way(unit, peer)->why_not ? unit_way(unit, peer)->why_not : "none";
    return unit->shared && unit->tasks > peer->tasks_most ? peer->why_not_more : NULL;
}

/* ---- what the peers use ---- */

/* Not by way of clock_gettime(), which one of the peers replaces. */
static uint64_t now_ns(void)
{
    struct timespec time;

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* ---- CPUs: the last one measures, the first one hands off ---- */

static int cpu_first, cpu_last;

static void pin_to(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        native_die("cannot run on CPU %d", cpu);
}

static void pin(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set))
        native_die("sched_getaffinity failed");
    for (cpu_first = 0; !CPU_ISSET(cpu_first, &set);)
        cpu_first++;
    for (cpu_last = CPU_SETSIZE - 1; !CPU_ISSET(cpu_last, &set);)
        cpu_last--;
    pin_to(cpu_last);
}

/* ---- hand-offs ---- */

uint64_t cross_asked, cross_acknowledged;

static void *cross_main(void *argument)
{
    void (*wake)(void) = *(void (**)(void))argument;

    pin_to(cpu_first);
    for (uint64_t handed = 0;; handed++) {
        while (__atomic_load_n(&cross_asked, __ATOMIC_ACQUIRE) == handed)
            __builtin_ia32_pause();
        wake();
        while (__atomic_load_n(&cross_acknowledged, __ATOMIC_ACQUIRE) == handed)
            ;
    }
    return NULL;
}

void cross_start(void (*wake)(void))
{
    static void (*kept)(void);
    pthread_t thread;

    kept = wake;
    if (cpu_first == cpu_last)
        native_die("a hand-off needs two CPUs");
    if (pthread_create(&thread, NULL, cross_main, &kept))
        native_die("pthread_create failed");
}

void cross_run(uint64_t count)
{
    __atomic_store_n(&cross_asked, cross_asked + count, __ATOMIC_RELEASE);
}

/* ---- operations ---- */

static uint64_t asked;

static void way_run(const struct way *way, uint64_t count)
{
    asked += count;
    way->run(count);
}

static void way_check(const struct unit *unit, const struct peer *peer)
{
    uint64_t expected = unit->shared ? asked / unit->tasks : asked;
    char what[64];

    snprintf(what, sizeof(what), "%s of %s", unit->id, peer->id);
    for (size_t task = 0; task < unit->checked; task++)
        check_count(what, task, unit_way(unit, peer)->done(task), expected);
}

/* `count` by as much as the peer is slow, in whole rounds of all tasks. */
static uint64_t whole(const struct unit *unit, uint64_t count)
{
    uint64_t rounds = unit->shared ? count / unit->tasks : count;

    rounds = rounds ? rounds : 1;
    return unit->shared ? rounds * unit->tasks : rounds;
}

/* ---- timers: the harness keeps the model of them ---- */

const char *const phase_names[PHASES] = {"insert", "cancel", "expire"};

/* ---- a phase that is measured ---- */

static bool counting;
static uint64_t phase_began, phase_ns[PHASES], phase_count[PHASES];

static void phase_begin(void)
{
    phase_began = now_ns();
    CALLGRIND_TOGGLE_COLLECT;
}

static void phase_end(size_t phase, uint64_t count)
{
    CALLGRIND_TOGGLE_COLLECT;
    phase_ns[phase] += now_ns() - phase_began;
    phase_count[phase] += count;
    if (counting) {
        CALLGRIND_DUMP_STATS;
        printf("%zu %llu\n", phase, (unsigned long long)count);
    }
}

/* Back to so many live ones and a block more; then half of the block is cancelled, and half expires. */
static void timers_block(const struct timers *timers, size_t live)
{
    size_t count = live + TIMER_BLOCK - model.live_count;

    model_choose_inserts(count);
    phase_begin();
    timers->insert(model.batch, model.batch_deadlines, count);
    phase_end(0, count);
    model_choose_cancels(TIMER_BLOCK / 2);
    phase_begin();
    timers->cancel(model.batch, TIMER_BLOCK / 2);
    phase_end(1, TIMER_BLOCK / 2);
    phase_begin();
    timers->expire(TIMER_BLOCK / 2);
    phase_end(2, timers_expired_count);
    model_expired();
}

/* The first blocks, which find the timers as they were inserted, are not measured. */
static void timers_run(const struct unit *unit, const struct peer *peer, uint64_t count)
{
    bool dump = counting;

    counting = false;
    model_init(unit->tasks);
    peer->timers.prepare(model.most);
    for (unsigned i = 0; i < 3; i++)
        timers_block(&peer->timers, unit->tasks);
    CALLGRIND_ZERO_STATS;
    for (size_t i = 0; i < PHASES; i++)
        phase_ns[i] = phase_count[i] = 0;
    counting = dump;
    while (phase_count[0] < count)
        timers_block(&peer->timers, unit->tasks);
    model_check();
}

/* ---- the three ways to run a unit ---- */

void measure_time(const struct unit *unit, const struct peer *peer)
{
    const struct way *way = unit_way(unit, peer);
    uint64_t count = whole(unit, unit->count / peer->slow);

    pin();
    if (unit->timers) {
        timers_run(unit, peer, unit->count);
    } else {
        way->prepare(unit->tasks);
        way_run(way, whole(unit, count / 10));
        phase_begin();
        way_run(way, count);
        phase_end(0, count);
        way_check(unit, peer);
    }
    for (size_t i = 0; i < PHASES && phase_count[i]; i++)
        printf("%zu %llu %llu\n", i, (unsigned long long)phase_ns[i], (unsigned long long)phase_count[i]);
}

void measure_count(const struct unit *unit, const struct peer *peer)
{
    const struct way *way = unit_way(unit, peer);
    uint64_t count = whole(unit, unit->counted);

    counting = true;
    if (unit->timers) {
        timers_run(unit, peer, unit->counted);
        return;
    }
    way->prepare(unit->tasks);
    way_run(way, count);
    CALLGRIND_ZERO_STATS;
    for (uint64_t times = 1; times <= 2; times++) {
        phase_begin();
        way_run(way, count * times);
        phase_end(0, count * times);
    }
    way_check(unit, peer);
}

void measure_check(const struct unit *unit, const struct peer *peer)
{
    const struct way *way = unit_way(unit, peer);

    pin();
    if (unit->timers) {
        timers_run(unit, peer, unit->counted);
        return;
    }
    way->prepare(unit->tasks);
    for (unsigned i = 0; i < 3; i++)
        way_run(way, whole(unit, 640));
    way_check(unit, peer);
}
