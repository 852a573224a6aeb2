/* The examples of docs/async.md, part two: tasks, threads and interrupts. */
#include "bridge/block_on.h"
#include "bridge/join.h"
#include "executor/channel.h"
#include "executor/combine.h"
#include "executor/sleep.h"
#include "executor/task_join.h"
#include "executor/task_pool.h"
#include "guide.h"
#include "lib/clock.h"
#include "lib/ring.h"
#include "machine.h"

static void begin(void)
{
    guide_begin();
    machine_start(10 * MS);
}

TestSuite(guide_tasks, .init = begin);

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

/* guide: nap */
struct nap {
    struct async async;
    struct sleep sleep;
    uint64_t duration_ns;
};

static enum poll nap_poll(struct future *future, struct waker *waker)
{
    struct nap *self = container_of(future, struct nap, async.future);

    ASYNC (&self->async) {
        self->sleep = sleep_ns(self->duration_ns);
        AWAIT(&self->sleep.future);
        say("slept %u", (unsigned)(self->duration_ns / MS));
        ASYNC_RETURN_VALUE(self->duration_ns / MS); /* the task's value, one word: for who joins it */
    }
}

static struct nap nap(uint64_t duration_ns)
{
    return (struct nap){.async = ASYNC_BODY(nap_poll), .duration_ns = duration_ns};
}
/* guide end */

/* guide: static */
Test(guide_tasks, are_their_creators_memory)
{
    static struct nap body; /* both are the executor's until task.done is done */
    static struct task task;

    body = nap(20 * MS);
    executor_spawn(&executor, &task, "nap", &body.async.future);
    run();
    cr_assert(completion_done(&task.done));
    cr_assert_eq(task_take_value(&task), 20);
}
/* guide end */

/* guide: pool */
static TASK_SLOTS(struct nap) slots[3]; /* the task and the frame, side by side */
static struct task_pool pool;

static bool nap_in_pool(uint64_t duration_ns)
{
    struct nap *frame = task_pool_take(&pool); /* from anywhere, an interrupt too */

    if (!frame)
        return false; /* full: yours to decide what then */
    *frame = nap(duration_ns);
    task_pool_spawn_detached(&pool, frame); /* nobody joins it: its slot is free when it ends */
    return true;
}

Test(guide_tasks, come_from_a_pool)
{
    task_pool_init(&pool, &executor, "nap", slots, sizeof(slots[0]), ARRAY_SIZE(slots));
    cr_assert(nap_in_pool(30 * MS));
    cr_assert(nap_in_pool(10 * MS));
    cr_assert(nap_in_pool(20 * MS));
    cr_assert_not(nap_in_pool(40 * MS));
    run();
    said("slept 10 slept 20 slept 30");
    cr_assert(nap_in_pool(40 * MS));
}
/* guide end */

/* guide: join */
struct boss {
    struct async async;
    struct task_handle handle;
    struct task_join join;
};

static enum poll boss_poll(struct future *future, struct waker *waker)
{
    struct boss *self = container_of(future, struct boss, async.future);

    ASYNC (&self->async) {
        {
            struct nap *frame = task_pool_take(&pool); /* a local is fine in a block without an await */

            if (!frame)
                ASYNC_RETURN_VALUE(0);
            *frame = nap(50 * MS);
            self->handle = task_pool_spawn(&pool, frame);
        }
        say("spawned");
        self->join = task_handle_join(self->handle);
        AWAIT(&self->join.future);
        ASYNC_RETURN_VALUE(self->join.value + 1);
    }
}
/* guide end */

Test(guide_tasks, are_joined)
{
    struct boss body = {.async = ASYNC_BODY(boss_poll)};
    struct task task;

    task_pool_init(&pool, &executor, "nap", slots, sizeof(slots[0]), ARRAY_SIZE(slots));
    executor_spawn(&executor, &task, "boss", &body.async.future);
    run();
    said("spawned slept 50");
    cr_assert_eq(task_take_value(&task), 51);
    cr_assert_eq(task_pool_used(&pool), 0);
}

/* guide: cancel */
Test(guide_tasks, are_cancelled)
{
    static struct nap body;
    static struct task task;

    body = nap(20 * MS);
    executor_spawn(&executor, &task, "nap", &body.async.future);
    run_until(5 * MS);
    task_cancel(&task);                         /* from anywhere: a mark and a wake, no more */
    cr_assert_not(completion_done(&task.done)); /* the executor drops it, in the task's turn */
    run();
    cr_assert_eq(task_take_value(&task), TASK_CANCELLED_VALUE);
    cr_assert_not(timer_queued(&body.sleep.timer)); /* and the drop took the timer back */
    cr_assert_eq(support_clock_ns, 5 * MS);
    said("");
}
/* guide end */

/* ---- threads and interrupts -------------------------------------------------------------------------------------- */

/* guide: channel */
static struct channel numbers;
static uint32_t numbers_storage[4];
static unsigned dropped;

/* A task receives. */
struct adder {
    struct async async;
    struct channel_receive receive;
    uint32_t number, sum;
};

static enum poll adder_poll(struct future *future, struct waker *waker)
{
    struct adder *self = container_of(future, struct adder, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = channel_receive(&numbers, &self->number);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN_VALUE(self->sum);
            self->sum += self->number;
        }
    }
}

/* A thread sends, and waits while there is no room. */
static void *sender(void *unused)
{
    for (uint32_t i = 1; i <= 10; i++) {
        struct channel_send send = channel_send(&numbers, &i);

        block_on(&send.future);
        thread_sleep_until(clock_now_ns() + 1 * MS);
    }
    channel_close(&numbers);
    return unused;
}

/* An interrupt sends, and never waits. */
static void interrupt(void)
{
    uint32_t hundred = 100;

    if (channel_send_try(&numbers, &hundred) != STATUS_OK)
        dropped++;
}
/* guide end */

/* guide: executor-block-on */
Test(guide_tasks, hear_from_threads_and_interrupts)
{
    struct adder body = {.async = ASYNC_BODY(adder_poll)};
    struct thread thread;

    channel_init(&numbers, numbers_storage, sizeof(numbers_storage[0]), ARRAY_SIZE(numbers_storage));
    cr_assert_eq(thread_start(&thread, "sender", THREAD_PRIORITY_NORMAL, sender, NULL), STATUS_OK);
    machine_at(5500 * US, interrupt);
    cr_assert_eq(executor_block_on(&executor, &body.async.future), 155); /* the executor is this thread meanwhile */
    cr_assert_eq(dropped, 0);
    (void)thread_join(&thread);
}
/* guide end */

/* guide: block-on */
Test(guide_tasks, are_not_needed_to_wait_for_a_future)
{
    uint32_t number = 0;
    struct channel_receive receive;

    channel_init(&numbers, numbers_storage, sizeof(numbers_storage[0]), ARRAY_SIZE(numbers_storage));
    machine_at(3 * MS, interrupt);
    receive = channel_receive(&numbers, &number);
    block_on(&receive.future); /* this thread parks, as in a semaphore */
    cr_assert_eq(number, 100);
    receive = channel_receive(&numbers, &number);
    cr_assert_eq(block_on_until(&receive.future, 8 * MS), STATUS_TIMEOUT);
}
/* guide end */

/* ---- a driver ---------------------------------------------------------------------------------------------------- */

/* guide: sensor */
/* Sends samples of 16 bits, the upper byte first. */
struct sensor {
    struct ring ring; /* of the bytes that came */
    uint8_t bytes[16];
    unsigned dropped;         /* the ring was full */
    struct waker_slot reader; /* whom to wake */
};

static void sensor_interrupt(struct sensor *sensor, uint8_t byte)
{
    uint32_t index;

    if (!ring_can_push(&sensor->ring, ARRAY_SIZE(sensor->bytes), &index)) {
        sensor->dropped++;
        return;
    }
    sensor->bytes[index % ARRAY_SIZE(sensor->bytes)] = byte;
    ring_push(&sensor->ring, index);
    waker_slot_wake(&sensor->reader);
}

/* The leaf: ready with the next byte. */
struct sensor_read {
    struct future future;
    struct sensor *sensor;
    uint8_t byte;
};

static bool sensor_read_try(struct sensor_read *self)
{
    uint32_t index;

    if (!ring_can_pop(&self->sensor->ring, &index))
        return false;
    self->byte = self->sensor->bytes[index % ARRAY_SIZE(self->sensor->bytes)];
    ring_pop(&self->sensor->ring, index);
    return true;
}

static enum poll sensor_read_poll(struct future *future, struct waker *waker)
{
    struct sensor_read *self = container_of(future, struct sensor_read, future);

    if (sensor_read_try(self))
        return POLL_READY;
    waker_slot_register(&self->sensor->reader, waker);
    return sensor_read_try(self) ? POLL_READY : POLL_PENDING;
}

static void sensor_read_drop(struct future *future)
{
    waker_slot_clear(&container_of(future, struct sensor_read, future)->sensor->reader);
}

static struct sensor_read sensor_read(struct sensor *sensor)
{
    return (struct sensor_read){.future = {sensor_read_poll, sensor_read_drop}, .sensor = sensor};
}
/* guide end */

/* guide: driver */
struct sensor_driver {
    struct async async;
    struct sensor *sensor;
    struct channel *samples;
    struct sensor_read read;
    struct timeout timeout;
    struct channel_send send;
    uint16_t sample;
    unsigned torn; /* samples whose second byte did not come */
};

static enum poll sensor_driver_poll(struct future *future, struct waker *waker)
{
    struct sensor_driver *self = container_of(future, struct sensor_driver, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->read = sensor_read(self->sensor); /* the first byte may take as long as it likes */
            AWAIT(&self->read.future);
            self->sample = (uint16_t)(self->read.byte << 8);

            self->read = sensor_read(self->sensor); /* the second one not */
            self->timeout = timeout_after(&self->read.future, 10 * MS);
            AWAIT(&self->timeout.future);
            if (self->timeout.expired) {
                self->torn++;
                continue;
            }
            self->sample |= self->read.byte;

            self->send = channel_send(self->samples, &self->sample);
            AWAIT(&self->send.future);
            if (self->send.status == STATUS_CLOSED)
                ASYNC_RETURN; /* nobody listens any more */
        }
    }
}

/* However it is ended, what it waits for is dropped, and who listens is told. */
static void sensor_driver_drop(struct future *future)
{
    struct sensor_driver *self = container_of(future, struct sensor_driver, async.future);

    async_drop(future);
    channel_close(self->samples);
}

static struct sensor_driver sensor_driver(struct sensor *sensor, struct channel *samples)
{
    return (struct sensor_driver){
        .async.future = {sensor_driver_poll, sensor_driver_drop}, .sensor = sensor, .samples = samples};
}

/* The thread at the other end. */
static void *listen(void *samples)
{
    for (;;) {
        uint16_t sample;
        struct channel_receive receive = channel_receive(samples, &sample);

        block_on(&receive.future);
        if (receive.status == STATUS_CLOSED)
            return NULL;
        say("%04x", sample);
    }
}
/* guide end */

/* guide: session */
/* Runs the driver for a tenth of a second. */
struct session {
    struct async async;
    struct sensor_driver driver;
    struct task task;
    struct sleep sleep;
    struct task_join join;
};

static enum poll session_poll(struct future *future, struct waker *waker)
{
    struct session *self = container_of(future, struct session, async.future);

    ASYNC (&self->async) {
        executor_spawn(&executor, &self->task, "sensor", &self->driver.async.future);
        self->sleep = sleep_ns(100 * MS);
        AWAIT(&self->sleep.future);
        task_cancel(&self->task);
        self->join = task_join(&self->task); /* until then its frame, which is in ours, is the executor's */
        AWAIT(&self->join.future);
        say(self->join.value == TASK_CANCELLED_VALUE ? "cancelled" : "ended");
        ASYNC_RETURN;
    }
}
/* guide end */

static struct sensor sensor;
static const uint8_t *script;

static void next_byte(void)
{
    sensor_interrupt(&sensor, *script++);
}

Test(guide_tasks, make_a_driver)
{
    static const uint8_t bytes[] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc};
    static const uint64_t times_ms[] = {10, 11, 30, 50, 55, 99}; /* 56 is torn, bc is alone when the time is over */
    static struct channel samples;
    static uint16_t storage[2];
    struct session session = {.async = ASYNC_BODY(session_poll), .driver = sensor_driver(&sensor, &samples)};
    struct thread listener;

    script = bytes;
    channel_init(&samples, storage, sizeof(storage[0]), ARRAY_SIZE(storage));
    cr_assert_eq(thread_start(&listener, "listener", THREAD_PRIORITY_HIGH, listen, &samples), STATUS_OK);
    for (size_t i = 0; i < ARRAY_SIZE(bytes); i++)
        machine_at(times_ms[i] * MS, next_byte);
    (void)executor_block_on(&executor, &session.async.future);
    (void)thread_join(&listener);
    said("1234 789a cancelled");
    cr_assert_eq(session.driver.torn, 1);
    cr_assert_eq(sensor.dropped, 0);
    cr_assert_null(atomic_load(&sensor.reader.waker));
    cr_assert_eq(support_clock_ns, 100 * MS);
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

/* guide: sizes */
_Static_assert(sizeof(struct waker) == 8, "a pointer to what a wake calls");
_Static_assert(sizeof(struct future) == 16, "poll and drop");
_Static_assert(sizeof(struct async) == 32, "a body's own");
_Static_assert(sizeof(struct task) == 64, "a cache line");
_Static_assert(sizeof(struct yield_now) == 24, "");
_Static_assert(sizeof(struct sleep) == 72, "with its timer");
_Static_assert(sizeof(struct timeout) == 104, "its sleep and a pointer");
_Static_assert(sizeof(struct join_all) == 32, "and a pointer for each child");
_Static_assert(sizeof(struct race) == 48, "");
_Static_assert(sizeof(struct channel_send) == 72, "with its place in the line");
_Static_assert(sizeof(struct channel_receive) == 72, "");
_Static_assert(sizeof(struct task_join) == 40, "");
_Static_assert(sizeof(struct nap) == 112, "the body above: 32 + 72 + 8");
_Static_assert(sizeof(slots[0]) == 176, "and with its task");
_Static_assert(sizeof(struct thread) <= 256, "a thread; and on top a stack, of 4 KiB at least");
/* guide end */
