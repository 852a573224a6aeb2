/* POSIX threads: mutexes and condition variables, all threads on one CPU but for cross_thread. */
#include <gnu/libc-version.h>
#include <pthread.h>

#include "native.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_attr_t attributes;
static struct task {
    pthread_cond_t turned;
    struct state state;
} * tasks;
static size_t task_count;
static size_t turn; /* whose it is */
static uint64_t goal;

static void threads_init(size_t count)
{
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_BYTES);
    task_count = count;
    tasks = native_memory(count * sizeof(*tasks));
    for (size_t i = 0; i < count; i++)
        pthread_cond_init(&tasks[i].turned, NULL);
}

static void thread_spawn(void *(*body)(void *argument), void *argument)
{
    pthread_t thread;

    if (pthread_create(&thread, &attributes, body, argument))
        native_die("pthread_create failed");
    pthread_detach(thread);
}

static uint64_t thread_done(size_t task)
{
    return tasks[task].state.resumed;
}

/* ---- each wakes the next; the first one is main(). Two of them are the ping-pong ---- */

static void take_turn(size_t own)
{
    pthread_mutex_lock(&mutex);
    while (turn != own)
        pthread_cond_wait(&tasks[own].turned, &mutex);
    tasks[own].state.resumed++;
    turn = own + 1 == task_count ? 0 : own + 1;
    pthread_cond_signal(&tasks[turn].turned);
    pthread_mutex_unlock(&mutex);
}

static void *looper(void *argument)
{
    for (;;)
        take_turn((size_t)((struct task *)argument - tasks));
    return NULL;
}

static void turns_prepare(size_t count)
{
    threads_init(count);
    for (size_t i = 1; i < count; i++)
        thread_spawn(looper, &tasks[i]);
}

static void turns_run(uint64_t turns)
{
    for (uint64_t i = 0; i < turns; i++)
        take_turn(0);
    pthread_mutex_lock(&mutex);
    while (turn != 0)
        pthread_cond_wait(&tasks[0].turned, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void round_robin_run(uint64_t count)
{
    turns_run(count / task_count);
}

/* ---- spawn: glibc keeps the stack for the next one ---- */

static void *once(void *argument)
{
    ((struct task *)argument)->state.resumed++;
    return NULL;
}

static void spawn_run(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        pthread_t thread;

        if (pthread_create(&thread, &attributes, once, &tasks[0]) || pthread_join(thread, NULL))
            native_die("pthread_create or pthread_join failed");
    }
}

/* ---- channel ---- */

static struct ring64 ring;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static uint64_t received;

static void *producer(void *argument)
{
    (void)argument;
    for (uint64_t sent = 0;; sent++) {
        pthread_mutex_lock(&mutex);
        while (ring64_full(&ring))
            pthread_cond_wait(&not_full, &mutex);
        ring64_put(&ring, sent);
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void channel_prepare(size_t count)
{
    threads_init(count);
    thread_spawn(producer, NULL);
}

static void channel_run(uint64_t count)
{
    for (goal += count; received < goal;) {
        pthread_mutex_lock(&mutex);
        while (ring64_empty(&ring))
            pthread_cond_wait(&not_empty, &mutex);
        tasks[0].state.resumed += ring64_take(&ring) == received++;
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&mutex);
    }
}

/* ---- woken by a thread on another CPU ---- */

static bool woken;

static void cross_wake(void)
{
    pthread_mutex_lock(&mutex);
    woken = true;
    pthread_cond_signal(&tasks[0].turned);
    pthread_mutex_unlock(&mutex);
}

static void cross_prepare(size_t count)
{
    threads_init(count);
    cross_start(cross_wake);
}

static void cross_thread_run(uint64_t count)
{
    cross_run(count);
    while (!cross_done()) {
        pthread_mutex_lock(&mutex);
        while (!woken)
            pthread_cond_wait(&tasks[0].turned, &mutex);
        woken = false;
        pthread_mutex_unlock(&mutex);
        tasks[0].state.resumed++;
        cross_acknowledge();
    }
}

/* ---- */

static size_t task_bytes(void)
{
    return THREAD_BYTES;
}

const struct peer peer_pthread = {
    .id = "pthread",
    .column = "pthreads",
    .title = "pthreads",
    .version = gnu_get_libc_version,
    .how =
        "a thread a task, all on one CPU; a mutex and condition variables, the round robin passes a turn on. Stacks of "
        "16 KiB, the least POSIX allows, which glibc keeps for the next thread; what the kernel keeps of a thread is "
        "not in its bytes. cross_thread: it blocks in `pthread_cond_wait()` where the others spin",
    .slow = 50,
    .threads = true,
    .task_bytes = task_bytes,
    .tasks_most = 10000,
    .why_not_more = "more threads than the system has",
    .wake_poll = {.why_not = "the waker would have to wait for the thread in turn: that is pingpong"},
    .self_wake = {.why_not = "a thread that runs cannot wake itself"},
    .pingpong = {turns_prepare, turns_run, thread_done, NULL},
    .spawn = {threads_init, spawn_run, thread_done, NULL},
    .round_robin = {turns_prepare, round_robin_run, thread_done, NULL},
    .channel = {channel_prepare, channel_run, thread_done, NULL},
    .cross_thread = {cross_prepare, cross_thread_run, thread_done, NULL},
    .timers = {.why_not = "a timer is a thread that waits"},
};

/* ---- the floor of cross_thread: a word in memory, and no task ---- */

static uint64_t flag;
static uint64_t flags_seen;

static void flag_wake(void)
{
    __atomic_store_n(&flag, flag + 1, __ATOMIC_RELEASE);
}

static void flag_prepare(size_t count)
{
    (void)count;
    cross_start(flag_wake);
}

static void flag_run(uint64_t count)
{
    cross_run(count);
    while (!cross_done())
        if (__atomic_load_n(&flag, __ATOMIC_ACQUIRE) != flags_seen) {
            flags_seen++;
            cross_acknowledge();
        }
}

static uint64_t flag_done(size_t task)
{
    (void)task;
    return flags_seen;
}

const struct peer peer_flag = {
    .id = "flag",
    .title = "a flag in memory",
    .version = gnu_get_libc_version,
    .slow = 1,
    .cross_thread = {flag_prepare, flag_run, flag_done, NULL},
};
