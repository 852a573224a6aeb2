/*
 * libuv, twice. uv_async: a wake is uv_async_send(), which any thread may call and which writes to an eventfd.
 * uv_idle: a wake is uv_idle_start(), which only the loop's own thread may call. Either way a poll is the callback.
 */
#include <dlfcn.h>
#include <time.h>
#include <uv.h>

#include "native.h"

struct handle {
    union {
        uv_handle_t any;
        uv_async_t async;
        uv_idle_t idle;
    } uv;
    struct state state;
};

static uv_loop_t *loop;
static struct handle *handles;
static size_t handle_count;
static uint64_t goal;
static void (*body)(struct handle *self);
static bool idle; /* else async. Set once */

static void async_callback(uv_async_t *async)
{
    body((struct handle *)(void *)async);
}

static void idle_callback(uv_idle_t *handle)
{
    uv_idle_stop(handle);
    body((struct handle *)(void *)handle);
}

static inline void handle_wake(struct handle *handle)
{
    if (idle)
        uv_idle_start(&handle->uv.idle, idle_callback);
    else
        uv_async_send(&handle->uv.async);
}

static inline void handle_init(struct handle *handle)
{
    if (idle ? uv_idle_init(loop, &handle->uv.idle) : uv_async_init(loop, &handle->uv.async, async_callback))
        native_die("libuv makes no handle");
}

static void handles_make(size_t count, void (*callback)(struct handle *self))
{
    loop = uv_default_loop();
    body = callback;
    handle_count = count;
    handles = native_memory(count * sizeof(*handles));
    for (size_t i = 0; i < count; i++)
        handle_init(&handles[i]);
}

static uint64_t handle_done(size_t task)
{
    return handles[task].state.resumed;
}

/* ---- a task that waits is woken from outside ---- */

static void count(struct handle *self)
{
    self->state.resumed++;
}

static void wake_poll_prepare(size_t tasks)
{
    handles_make(tasks, count);
}

static void wake_poll_run(uint64_t times)
{
    for (goal = handles[0].state.resumed; times; times--) {
        handle_wake(&handles[0]);
        for (goal++; handles[0].state.resumed < goal;)
            uv_run(loop, UV_RUN_NOWAIT);
    }
}

static void idle_wake_poll_prepare(size_t tasks)
{
    idle = true;
    wake_poll_prepare(tasks);
}

/* ---- a task wakes itself; many do ---- */

static void looper(struct handle *self)
{
    self->state.resumed++;
    handle_wake(self);
}

static void round_robin_prepare(size_t tasks)
{
    handles_make(tasks, looper);
    for (size_t i = 0; i < tasks; i++)
        handle_wake(&handles[i]);
}

static void round_robin_run(uint64_t count)
{
    goal = handles[0].state.resumed + count / handle_count;
    while (handles[0].state.resumed < goal || handles[handle_count - 1].state.resumed < goal)
        uv_run(loop, UV_RUN_NOWAIT);
}

static void idle_round_robin_prepare(size_t tasks)
{
    idle = true;
    round_robin_prepare(tasks);
}

/* ---- two tasks ---- */

/* Ends with the second one's callback: uv_async may run both in one turn of the loop. */
static void pingpong(struct handle *self)
{
    self->state.resumed++;
    if (self == handles || self->state.resumed < goal)
        handle_wake(&handles[self == handles]);
}

static void pingpong_prepare(size_t tasks)
{
    handles_make(tasks, pingpong);
}

static void pingpong_run(uint64_t count)
{
    goal += count;
    handle_wake(&handles[0]);
    while (handles[1].state.resumed < goal)
        uv_run(loop, UV_RUN_NOWAIT);
}

static void idle_pingpong_prepare(size_t tasks)
{
    idle = true;
    pingpong_prepare(tasks);
}

/* ---- spawn ---- */

static bool closed;

static void on_close(uv_handle_t *handle)
{
    (void)handle;
    closed = true;
}

static void once(struct handle *self)
{
    self->state.resumed++;
    uv_close(&self->uv.any, on_close);
}

/* The loop keeps its eventfd after the last async handle is closed, as it does in a program that lives on. */
static void spawn_prepare(size_t tasks)
{
    handles_make(tasks + 1, once);
    uv_close(&handles[0].uv.any, on_close);
    uv_run(loop, UV_RUN_NOWAIT);
}

static void spawn_run(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        closed = false;
        handle_init(&handles[0]);
        handle_wake(&handles[0]);
        while (!closed)
            uv_run(loop, UV_RUN_NOWAIT);
    }
}

static void idle_spawn_prepare(size_t tasks)
{
    idle = true;
    spawn_prepare(tasks);
}

/* ---- channel: handles[0] receives, handles[1] sends ---- */

static struct ring64 ring;
static bool reader_waits, writer_waits;
static uint64_t sent, received;

static void drain(struct handle *self)
{
    while (received < goal && !ring64_empty(&ring)) {
        self->state.resumed += ring64_take(&ring) == received++;
        if (writer_waits) {
            writer_waits = false;
            handle_wake(&handles[1]);
        }
    }
    reader_waits = received < goal;
}

static void fill(void)
{
    while (!ring64_full(&ring)) {
        ring64_put(&ring, sent++);
        if (reader_waits) {
            reader_waits = false;
            handle_wake(&handles[0]);
        }
    }
    writer_waits = true;
}

static void channel_body(struct handle *self)
{
    if (self == handles)
        drain(self);
    else
        fill();
}

static void channel_prepare(size_t tasks)
{
    handles_make(tasks, channel_body);
    handle_wake(&handles[1]);
}

static void channel_run(uint64_t count)
{
    goal += count;
    handle_wake(&handles[0]);
    while (received < goal)
        uv_run(loop, UV_RUN_NOWAIT);
}

static void idle_channel_prepare(size_t tasks)
{
    idle = true;
    channel_prepare(tasks);
}

/* ---- woken by another thread ---- */

static void acknowledge(struct handle *self)
{
    self->state.resumed++;
    cross_acknowledge();
}

static void cross_wake(void)
{
    uv_async_send(&handles[0].uv.async);
}

static void cross_prepare(size_t tasks)
{
    handles_make(tasks, acknowledge);
    cross_start(cross_wake);
}

static void cross_thread_run(uint64_t count)
{
    cross_run(count);
    while (!cross_done())
        uv_run(loop, UV_RUN_NOWAIT);
}

/* ---- timers: libuv reads the clock itself, in milliseconds, so the clock it reads is ours ---- */

enum { EXPIRE_BATCH = 64 }; /* about as many are due when the loop turns */

static uint64_t fake_ms;
static size_t timer_count;
static uint64_t latest;

static struct alarm {
    uv_timer_t timer;
} * alarms;

/* Libuv's, and libuv's only: the harness asks the kernel itself. Without timers it is libc's, at the price of a jump.
 */
static int (*libc_clock)(clockid_t id, struct timespec *time);

__attribute__((constructor)) static void clock_init(void)
{
    *(void **)&libc_clock = dlsym(RTLD_NEXT, "clock_gettime");
    if (!libc_clock)
        native_die("libc has no clock");
}

int clock_gettime(clockid_t id, struct timespec *time)
{
    if (!timer_count)
        return libc_clock(id, time);
    *time = (struct timespec){.tv_sec = (time_t)(fake_ms / 1000), .tv_nsec = (long)(fake_ms % 1000) * 1000000};
    return 0;
}

static void on_alarm(uv_timer_t *timer)
{
    timers_expired((uint32_t)((struct alarm *)(void *)timer - alarms));
}

static void timers_prepare(size_t timers)
{
    loop = uv_default_loop();
    timer_count = timers;
    uv_update_time(loop);
    alarms = native_memory(timers * sizeof(*alarms));
    for (size_t i = 0; i < timers; i++)
        uv_timer_init(loop, &alarms[i].timer);
}

/* A microsecond of the harness is a millisecond here: as many different deadlines as Duet has in a second of 1 MHz. */
static void timers_insert(const uint32_t *timers, const uint64_t *deadlines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t ms = deadlines[i] / 1000;

        latest = ms > latest ? ms : latest;
        uv_timer_start(&alarms[timers[i]].timer, on_alarm, ms - uv_now(loop), 0);
    }
}

static void timers_cancel(const uint32_t *timers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        uv_timer_stop(&alarms[timers[i]].timer);
}

static void timers_expire(size_t least)
{
    while (timers_expired_count < least) {
        fake_ms += 1 + EXPIRE_BATCH * (latest - fake_ms) / timer_count;
        uv_run(loop, UV_RUN_NOWAIT);
    }
}

/* ---- */

static size_t async_bytes(void)
{
    return sizeof(uv_async_t) + sizeof(struct state);
}

static size_t idle_bytes(void)
{
    return sizeof(uv_idle_t) + sizeof(struct state);
}

const struct peer peer_libuv_async = {
    .id = "libuv_async",
    .column = "uv_async",
    .title = "libuv, uv_async",
    .version = uv_version_string,
    .how =
        "a handle a task, `uv_async_send()` as the wake, its callback as the poll, `uv_run(UV_RUN_NOWAIT)`. A wake may "
        "come from any thread; it writes to an eventfd, and the loop calls `epoll_wait()` and `read()`. Spawn: "
        "`uv_async_init()` to the callback of `uv_close()`. Timers: `uv_timer_start()`, `_stop()`, and `uv_run()` with "
        "a "
        "clock of the harness, about 64 of them due at a time",
    .slow = 8,
    .task_bytes = async_bytes,
    .tasks_most = 1000000,
    .wake_poll = {wake_poll_prepare, wake_poll_run, handle_done, NULL},
    .self_wake = {round_robin_prepare, round_robin_run, handle_done, NULL},
    .pingpong = {pingpong_prepare, pingpong_run, handle_done, NULL},
    .spawn = {spawn_prepare, spawn_run, handle_done, NULL},
    .round_robin = {round_robin_prepare, round_robin_run, handle_done, NULL},
    .channel = {channel_prepare, channel_run, handle_done, NULL},
    .cross_thread = {cross_prepare, cross_thread_run, handle_done, NULL},
    .timers = {timers_prepare, timers_insert, timers_cancel, timers_expire, NULL},
};

const struct peer peer_libuv_idle = {
    .id = "libuv_idle",
    .column = "uv_idle",
    .title = "libuv, uv_idle",
    .version = uv_version_string,
    .how = "the same with `uv_idle_start()` as the wake: from the loop's own thread only. The loop still calls "
           "`epoll_wait()` once a turn",
    .slow = 4,
    .task_bytes = idle_bytes,
    .tasks_most = 1000000,
    .wake_poll = {idle_wake_poll_prepare, wake_poll_run, handle_done, NULL},
    .self_wake = {idle_round_robin_prepare, round_robin_run, handle_done, NULL},
    .pingpong = {idle_pingpong_prepare, pingpong_run, handle_done, NULL},
    .spawn = {idle_spawn_prepare, spawn_run, handle_done, NULL},
    .round_robin = {idle_round_robin_prepare, round_robin_run, handle_done, NULL},
    .channel = {idle_channel_prepare, channel_run, handle_done, NULL},
    .cross_thread = {.why_not = "a handle of one thread"},
    .timers = {.why_not = "the same timers as uv_async"},
};
