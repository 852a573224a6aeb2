/*
 * Single figures of what tasks and threads communicate by. A message has 8 bytes, and is sent and received as usual:
 * by a call that does not wait where there is room, by a future where it may have to.
 */
#include "bridge/block_on.h"
#include "executor/async.h"
#include "executor/async_event.h"
#include "executor/async_mutex.h"
#include "executor/broadcast.h"
#include "executor/channel.h"
#include "executor/oneshot.h"
#include "executor/watch.h"
#include "kernel/bench.h"
#include "kernel/x86_64/cpu.h"

enum {
    SAMPLES = BENCH_MICRO_SAMPLES,
    WARM_UP = BENCH_WARM_UP,
    CAPACITY = 64,
    REPEATS = 100,
};

static struct channel channels[2];
static uint64_t storage[2][CAPACITY];
static uint64_t sent_at;

static void channels_init(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(channels); i++)
        channel_init(&channels[i], storage[i], sizeof(uint64_t), CAPACITY);
}

/* A channel filled and emptied by one thread: what a message costs where nobody waits. */
static void bench_one_thread(void)
{
    channels_init();
    for (unsigned i = 0; i < SAMPLES / 10; i++) {
        uint64_t before = rdtsc();

        for (uint64_t message = 0; message < CAPACITY; message++)
            ASSERT(channel_send_try(&channels[0], &message) == STATUS_OK);
        for (uint64_t expected = 0, message; expected < CAPACITY; expected++)
            ASSERT(channel_receive_try(&channels[0], &message) == STATUS_OK && message == expected);
        bench_sample((rdtsc() - before) / CAPACITY);
    }
    bench_report("task.channel", "instructions");
}

/* ---- from one to another that waits and is more urgent ----------------------------------------------------------- */

static unsigned rounds;

static void note(uint64_t now)
{
    if (rounds++ >= WARM_UP)
        bench_sample(now - sent_at);
}

static struct link {
    struct async async;
    struct task task;
    struct channel_receive receive;
    struct channel_send send;
    uint64_t message;
    unsigned number;
} links[2];

static enum poll receiver_poll(struct future *future, struct waker *waker)
{
    struct link *self = container_of(future, struct link, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = channel_receive(&channels[0], &self->message);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN;
            note(rdtsc());
        }
    }
}

static enum poll sender_poll(struct future *future, struct waker *waker)
{
    struct link *self = container_of(future, struct link, async.future);

    ASYNC (&self->async) {
        for (self->message = 0; self->message < WARM_UP + SAMPLES; self->message++) {
            sent_at = rdtsc();
            self->send = channel_send(&channels[0], &self->message);
            AWAIT(&self->send.future);
        }
        channel_close(&channels[0]);
        ASYNC_RETURN;
    }
}

static void spawn(struct executor *executor, struct link *self, enum poll (*poll)(struct future *, struct waker *))
{
    *self = (struct link){.async = ASYNC_BODY(poll)};
    executor_spawn(executor, &self->task, "link", &self->async.future);
}

static void wait_for(struct task *task)
{
    while (completion_register(&task->done, &thread_current()->waker))
        thread_park();
}

static void bench_thread_to_task(void)
{
    channels_init();
    rounds = 0;
    spawn(&bench_executors[PRIORITY_HIGH].executor, &links[0], receiver_poll);
    for (uint64_t message = 0; message < WARM_UP + SAMPLES; message++) {
        sent_at = rdtsc();
        ASSERT(channel_send_try(&channels[0], &message) == STATUS_OK);
    }
    channel_close(&channels[0]);
    wait_for(&links[0].task);
    bench_report("channel.thread_to_task", "instructions");
}

static void *receiver_main(void *unused)
{
    (void)unused;
    for (;;) {
        uint64_t message;
        struct channel_receive receive = channel_receive(&channels[0], &message);

        block_on(&receive.future);
        if (receive.status == STATUS_CLOSED)
            return NULL;
        note(rdtsc());
    }
}

static void bench_task_to_thread(void)
{
    struct thread receiver;

    channels_init();
    rounds = 0;
    bench_start(&receiver, "receiver", THREAD_PRIORITY_HIGH, receiver_main, NULL);
    spawn(&bench_executors[PRIORITY_EQUAL].executor, &links[0], sender_poll);
    wait_for(&links[0].task);
    (void)thread_join(&receiver);
    bench_report("channel.task_to_thread", "instructions");
}

static void bench_thread_to_thread(void)
{
    struct thread receiver;

    channels_init();
    rounds = 0;
    bench_start(&receiver, "receiver", THREAD_PRIORITY_HIGH, receiver_main, NULL);
    for (uint64_t message = 0; message < WARM_UP + SAMPLES; message++) {
        sent_at = rdtsc();
        ASSERT(channel_send_try(&channels[0], &message) == STATUS_OK);
    }
    channel_close(&channels[0]);
    (void)thread_join(&receiver);
    bench_report("channel.thread_to_thread", "instructions");
}

/* ---- from task to task of one executor ----------------------------------------------------------------------------
 */

static void wake_nothing(struct waker *waker)
{
    (void)waker;
}

static struct executor executor;
static struct waker parent = {wake_nothing};

/* Each sends the other what it received. */
static enum poll player_poll(struct future *future, struct waker *waker)
{
    struct link *self = container_of(future, struct link, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = channel_receive(&channels[self->number], &self->message);
            AWAIT(&self->receive.future);
            ASSERT(channel_send_try(&channels[!self->number], &self->message) == STATUS_OK);
        }
    }
}

static void bench_task_to_task(void)
{
    uint64_t ball = 1;

    channels_init();
    executor_init(&executor, &parent);
    for (unsigned i = 0; i < 2; i++) {
        spawn(&executor, &links[i], player_poll);
        links[i].number = i;
    }
    (void)executor_poll(&executor, 0);
    ASSERT(channel_send_try(&channels[0], &ball) == STATUS_OK);
    for (unsigned i = 0; i < SAMPLES / 10; i++) {
        uint64_t before = rdtsc();

        for (unsigned poll = 0; poll < REPEATS; poll++)
            (void)executor_poll(&executor, 0);
        bench_sample((rdtsc() - before) / REPEATS);
    }
    ASSERT(links[0].task.polls == links[1].task.polls && links[0].task.polls > SAMPLES);
    bench_report("channel.task_to_task", "instructions");
}

/* ---- sizes ---------------------------------------------------------------------------------------------------------
 */

static void report_sizes(void)
{
    static const struct {
        const char *name;
        size_t bytes;
    } sizes[] = {
        {"bytes.channel", sizeof(struct channel)},
        {"bytes.channel_send", sizeof(struct channel_send)},
        {"bytes.channel_receive", sizeof(struct channel_receive)},
        {"bytes.oneshot", sizeof(struct oneshot)},
        {"bytes.oneshot_receive", sizeof(struct oneshot_receive)},
        {"bytes.watch", sizeof(struct watch)},
        {"bytes.watch_changed", sizeof(struct watch_changed)},
        {"bytes.broadcast", sizeof(struct broadcast)},
        {"bytes.broadcast_receiver", sizeof(struct broadcast_receiver)},
        {"bytes.broadcast_receive", sizeof(struct broadcast_receive)},
        {"bytes.async_semaphore", sizeof(struct async_semaphore)},
        {"bytes.async_semaphore_take", sizeof(struct async_semaphore_take)},
        {"bytes.async_mutex", sizeof(struct async_mutex)},
        {"bytes.async_mutex_guard", sizeof(struct async_mutex_guard)},
        {"bytes.async_event", sizeof(struct async_event)},
        {"bytes.async_event_wait", sizeof(struct async_event_wait)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        bench_report_one(sizes[i].name, sizes[i].bytes, "bytes");
}

void bench_async(void)
{
    bench_one_thread();
    bench_thread_to_task();
    bench_task_to_thread();
    bench_thread_to_thread();
    bench_task_to_task();
    report_sizes();
}
