/*
 * What `make bench-native` measures, and what a peer is: one way of writing tasks, behind a struct of functions.
 *
 * Each function is called once for a whole loop, or a whole batch of timers, so that no peer pays for the harness's
 * indirect calls. Every task counts in its own state how often it ran; the harness compares that with what it asked
 * for. Valid C17 and C++20.
 */
#ifndef DUET_NATIVE_H
#define DUET_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CHANNEL_ITEMS = 64,   /* what a channel holds */
    STACK_BYTES = 4096,   /* of a task that has a stack */
    THREAD_BYTES = 16384, /* the least that POSIX allows */
    NATIVE_DIED = 3,      /* an exit status that neither a sanitizer nor a signal gives */
};

/* What each task keeps while it is parked: 32 bytes. */
struct state {
    uint64_t resumed;
    uint64_t value[3];
};

/*
 * One operation of a peer. prepare() makes the tasks and leaves them parked or ready; run() does the operation `count`
 * times, again and again; done() is how often `task` has done it since. Without run, `why_not` says why.
 */
struct way {
    void (*prepare)(size_t tasks);
    void (*run)(uint64_t count);
    uint64_t (*done)(size_t task);
    const char *why_not;
};

/* Timers, numbered from 0. expire() lets time pass until at least `least` expired; each calls timers_expired(). */
struct timers {
    void (*prepare)(size_t timers);
    void (*insert)(const uint32_t *timers, const uint64_t *deadlines, size_t count);
    void (*cancel)(const uint32_t *timers, size_t count);
    void (*expire)(size_t least);
    const char *why_not;
};

struct peer {
    const char *id;
    const char *column; /* of the table on a terminal: 10 letters */
    const char *title;
    const char *(*version)(void);
    const char *how; /* what maps to what */
    unsigned slow;   /* divides the counts: it makes system calls */
    bool threads;    /* blocks in the kernel: its instructions are not counted */
    size_t (*task_bytes)(void);
    size_t tasks_most; /* of round_robin */
    const char *why_not_more;
    struct way wake_poll, self_wake, pingpong, spawn, round_robin, channel, cross_thread;
    struct timers timers;
};

extern const struct peer peer_duet, peer_coroutine, peer_coroutine_any, peer_boost, peer_ucontext, peer_libuv_async,
    peer_libuv_idle, peer_pth, peer_pthread, peer_flag;

/* Timers that expired, in order, since the harness emptied it. */
extern uint32_t *timers_expired_list;
extern size_t timers_expired_count;

static inline void timers_expired(uint32_t timer)
{
    timers_expired_list[timers_expired_count++] = timer;
}

/*
 * Hand-offs from another thread: it calls `wake` and spins until the task has acknowledged, as often as cross_run()
 * asks. The peer meanwhile runs its loop until cross_done().
 */
void cross_start(void (*wake)(void));
void cross_run(uint64_t count);

extern uint64_t cross_asked, cross_acknowledged;

static inline void cross_acknowledge(void)
{
    __atomic_store_n(&cross_acknowledged, cross_acknowledged + 1, __ATOMIC_RELEASE);
}

/* Only the thread that acknowledges asks. */
static inline bool cross_done(void)
{
    return cross_acknowledged == cross_asked;
}

/* The ring of every channel but those that bring their own. */
struct ring64 {
    uint64_t items[CHANNEL_ITEMS];
    uint32_t head, tail;
};

static inline bool ring64_full(const struct ring64 *ring)
{
    return ring->tail - ring->head == CHANNEL_ITEMS;
}

static inline bool ring64_empty(const struct ring64 *ring)
{
    return ring->tail == ring->head;
}

static inline void ring64_put(struct ring64 *ring, uint64_t item)
{
    ring->items[ring->tail++ % CHANNEL_ITEMS] = item;
}

static inline uint64_t ring64_take(struct ring64 *ring)
{
    return ring->items[ring->head++ % CHANNEL_ITEMS];
}

/* Says what is wrong and ends the process with NATIVE_DIED. */
__attribute__((noreturn)) void native_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Zeroed memory, aligned to a page; never NULL. */
void *native_memory(size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
