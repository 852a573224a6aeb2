/* GNU Pth: cooperative threads. main() is one of them, so that it must be one of the tasks. */
#include <pth.h>
#include <stdio.h>

#include "native.h"

static struct state *states;
static size_t task_count;
static uint64_t goal;
static pth_attr_t attributes;

static void threads_init(size_t tasks)
{
    if (!pth_init())
        native_die("pth_init failed");
    attributes = pth_attr_new();
    pth_attr_set(attributes, PTH_ATTR_STACK_SIZE, (unsigned)THREAD_BYTES);
    task_count = tasks;
    states = native_memory(tasks * sizeof(*states));
}

static void thread_spawn(void *(*body)(void *state), struct state *state)
{
    if (!pth_spawn(attributes, body, state))
        native_die("pth_spawn failed");
}

static uint64_t thread_done(size_t task)
{
    return states[task].resumed;
}

/* ---- a thread that waits is woken from outside ---- */

static pth_mutex_t mutex = PTH_MUTEX_INIT;
static pth_cond_t wake = PTH_COND_INIT;
static uint64_t wakes;

static void *waiter(void *argument)
{
    struct state *state = argument;

    pth_mutex_acquire(&mutex, FALSE, NULL);
    for (;;) {
        while (state->resumed == wakes)
            pth_cond_await(&wake, &mutex, NULL);
        state->resumed++;
    }
    return NULL;
}

static void wake_poll_prepare(size_t tasks)
{
    threads_init(tasks);
    thread_spawn(waiter, &states[0]);
    pth_yield(NULL);
}

static void wake_poll_run(uint64_t count)
{
    while (count--) {
        pth_mutex_acquire(&mutex, FALSE, NULL);
        wakes++;
        pth_cond_notify(&wake, FALSE);
        pth_mutex_release(&mutex);
        while (states[0].resumed < wakes)
            pth_yield(NULL);
    }
}

/* ---- a yield; many ---- */

static void *looper(void *argument)
{
    struct state *state = argument;

    for (;;) {
        state->resumed++;
        pth_yield(NULL);
    }
    return NULL;
}

static void round_robin_prepare(size_t tasks)
{
    threads_init(tasks);
    for (size_t i = 1; i < tasks; i++)
        thread_spawn(looper, &states[i]);
}

static void round_robin_run(uint64_t count)
{
    for (uint64_t turns = count / task_count; turns; turns--) {
        states[0].resumed++;
        pth_yield(NULL);
    }
}

/* ---- two threads ---- */

static pth_cond_t turned[2] = {PTH_COND_INIT, PTH_COND_INIT};
static unsigned turn;

/* Has `own` turn, then gives it to the other. */
static void take_turn(unsigned own)
{
    pth_mutex_acquire(&mutex, FALSE, NULL);
    while (turn != own)
        pth_cond_await(&turned[own], &mutex, NULL);
    states[own].resumed++;
    turn = !own;
    pth_cond_notify(&turned[turn], FALSE);
    pth_mutex_release(&mutex);
}

static void *ponger(void *argument)
{
    (void)argument;
    for (;;)
        take_turn(1);
    return NULL;
}

static void pingpong_prepare(size_t tasks)
{
    threads_init(tasks);
    thread_spawn(ponger, &states[1]);
}

static void pingpong_run(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        take_turn(0);
    while (states[1].resumed < states[0].resumed)
        pth_yield(NULL);
}

/* ---- spawn ---- */

static void *once(void *argument)
{
    struct state *state = argument;

    state->resumed++;
    return NULL;
}

static void spawn_prepare(size_t tasks)
{
    threads_init(tasks);
    pth_attr_set(attributes, PTH_ATTR_STACK_ADDR, native_memory(THREAD_BYTES));
}

static void spawn_run(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        pth_t thread = pth_spawn(attributes, once, &states[0]);

        if (!thread || !pth_join(thread, NULL))
            native_die("pth_spawn or pth_join failed");
    }
}

/* ---- channel ---- */

static struct ring64 ring;
static pth_cond_t not_empty = PTH_COND_INIT, not_full = PTH_COND_INIT;
static uint64_t received;

static void *producer(void *argument)
{
    (void)argument;
    for (uint64_t sent = 0;; sent++) {
        pth_mutex_acquire(&mutex, FALSE, NULL);
        while (ring64_full(&ring))
            pth_cond_await(&not_full, &mutex, NULL);
        ring64_put(&ring, sent);
        pth_cond_notify(&not_empty, FALSE);
        pth_mutex_release(&mutex);
    }
    return NULL;
}

static void channel_prepare(size_t tasks)
{
    threads_init(tasks);
    thread_spawn(producer, &states[1]);
}

static void channel_run(uint64_t count)
{
    for (goal += count; received < goal;) {
        pth_mutex_acquire(&mutex, FALSE, NULL);
        while (ring64_empty(&ring))
            pth_cond_await(&not_empty, &mutex, NULL);
        states[0].resumed += ring64_take(&ring) == received++;
        pth_cond_notify(&not_full, FALSE);
        pth_mutex_release(&mutex);
    }
}

/* ---- */

static const char *version(void)
{
    static char text[64];
    unsigned long number = (unsigned long)pth_version();

    snprintf(text, sizeof(text), "%lX.%lX.%lX", number >> 20, number >> 12 & 0xff, number & 0xff);
    return text;
}

static size_t task_bytes(void)
{
    return THREAD_BYTES;
}

const struct peer peer_pth = {
    .id = "pth",
    .column = "GNU Pth",
    .title = "GNU Pth",
    .version = version,
    .how =
        "a thread a task; `pth_yield()` for a task that wakes itself, a mutex and `pth_cond_await()` where one waits "
        "for another; `pth_spawn()` and `pth_join()` on a given stack of 16 KiB, the least it takes. Its scheduler "
        "asks the system for the time and for its events",
    .slow = 20,
    .task_bytes = task_bytes,
    .tasks_most = 10000,
    .why_not_more = "a stack of 16 KiB each would be 16 GiB",
    .wake_poll = {wake_poll_prepare, wake_poll_run, thread_done, NULL},
    .self_wake = {round_robin_prepare, round_robin_run, thread_done, NULL},
    .pingpong = {pingpong_prepare, pingpong_run, thread_done, NULL},
    .spawn = {spawn_prepare, spawn_run, thread_done, NULL},
    .round_robin = {round_robin_prepare, round_robin_run, thread_done, NULL},
    .channel = {channel_prepare, channel_run, thread_done, NULL},
    .cross_thread = {.why_not = "its threads are one thread's"},
    .timers = {.why_not = "a timer is a thread that waits, and each turn looks at all of them"},
};
