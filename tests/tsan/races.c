/*
 * The executor and what its tasks communicate by, among threads of the host that run at the same time: two executors,
 * and threads that stand for interrupts and for threads. Under the thread sanitizer, which sees what one does to
 * another without an order between them; and by counts: nothing is lost and nothing comes twice.
 */
#include "executor/async.h"
#include "executor/async_event.h"
#include "executor/async_mutex.h"
#include "executor/broadcast.h"
#include "executor/channel.h"
#include "executor/oneshot.h"
#include "executor/sleep.h"
#include "executor/task_pool.h"
#include "executor/watch.h"
#include "host_threads.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXECUTORS = 2, THREADS = 3, ROUNDS = 20000, TIMEOUT_S = 100 };

#define CHECK(claim) ((claim) ? (void)0 : failed(__LINE__, #claim))

static _Noreturn void failed(int line, const char *claim)
{
    fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, line, claim);
    exit(EXIT_FAILURE);
}

static struct host_executor executors[EXECUTORS];
static struct parking here;

static void init(void)
{
    parking_init(&here);
    for (unsigned i = 0; i < EXECUTORS; i++)
        host_executor_start(&executors[i]);
}

static void stop(void)
{
    for (unsigned i = 0; i < EXECUTORS; i++)
        host_executor_stop(&executors[i]);
}

static void run_threads(void *(*entry)(void *number))
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        host_thread_start(&threads[i], entry, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        host_thread_join(threads[i]);
}

/* ---- wakes ------------------------------------------------------------------------------------------------------- */

/* Takes what threads give it, which wake it after each; it sleeps a little now and then. */
static struct worker {
    struct async async;
    struct task task;
    struct sleep nap;
    struct worker_wait {
        struct future future;
        struct worker *worker;
    } wait;
    atomic_uint given;
    unsigned taken, naps;
} workers[4];

static enum poll worker_wait_poll(struct future *future, struct waker *waker)
{
    struct worker *worker = container_of(future, struct worker_wait, future)->worker;
    unsigned given = atomic_exchange(&worker->given, 0);

    (void)waker; /* who gives wakes the task itself */
    worker->taken += given;
    return given ? POLL_READY : POLL_PENDING;
}

static enum poll worker_poll(struct future *future, struct waker *waker)
{
    struct worker *self = container_of(future, struct worker, async.future);

    ASYNC (&self->async) {
        while (self->taken < THREADS * ROUNDS) {
            self->wait = (struct worker_wait){{.poll = worker_wait_poll}, self};
            AWAIT(&self->wait.future);
            if (self->taken / 1000 > self->naps) {
                self->naps = self->taken / 1000;
                self->nap = sleep_ns(1000);
                AWAIT(&self->nap.future);
            }
        }
        ASYNC_RETURN;
    }
}

/* One gives without end, the others wait each time until it is taken: so executors park again and again, and are woken
 * by some while they fall asleep after others. */
static void *give_and_wake(void *number)
{
    bool waits = (uintptr_t)number > 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        for (size_t w = 0; w < ARRAY_SIZE(workers); w++) {
            struct worker *worker = &workers[(w + (uintptr_t)number) % ARRAY_SIZE(workers)];

            atomic_fetch_add(&worker->given, 1);
            waker_wake(&worker->task.waker);
            while (waits && atomic_load(&worker->given))
                ;
        }
    }
    return NULL;
}

static void no_wake_is_lost_and_late_ones_do_nothing(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
        workers[i].async = (struct async)ASYNC_BODY(worker_poll);
        executor_spawn(&executors[i % EXECUTORS].executor, &workers[i].task, "worker", &workers[i].async.future);
    }
    run_threads(give_and_wake);
    for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
        host_wait(&here, &workers[i].task);
        CHECK(workers[i].taken == THREADS * ROUNDS);
    }
}

/* ---- channels ---------------------------------------------------------------------------------------------------- */

static struct channel first, second;
static uint32_t first_storage[7], second_storage[2];

/* Takes from one channel, sends to the other. */
static struct forwarder {
    struct async async;
    struct task task;
    struct channel_receive receive;
    struct channel_send send;
    uint32_t message;
} forwarders[EXECUTORS];

static enum poll forwarder_poll(struct future *future, struct waker *waker)
{
    struct forwarder *self = container_of(future, struct forwarder, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->receive = channel_receive(&first, &self->message);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                ASYNC_RETURN;
            self->send = channel_send(&second, &self->message);
            AWAIT(&self->send.future);
        }
    }
}

/* As an interrupt does: it never waits, though it may try again. */
static void *send_numbers(void *number)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t message = (uint32_t)(uintptr_t)number * ROUNDS + i;

        while (channel_send_try(&first, &message) != STATUS_OK)
            sched_yield();
    }
    return NULL;
}

static unsigned char came[THREADS * ROUNDS];

static void *receive_numbers(void *unused)
{
    static struct parking parking;

    parking_init(&parking);
    for (;;) {
        uint32_t message;
        struct channel_receive receive = channel_receive(&second, &message);

        host_block_on(&parking, &receive.future);
        if (receive.status == STATUS_CLOSED)
            return unused;
        came[message]++;
    }
}

static void each_message_arrives_once(void)
{
    pthread_t receiver;

    channel_init(&first, first_storage, sizeof(uint32_t), ARRAY_SIZE(first_storage));
    channel_init(&second, second_storage, sizeof(uint32_t), ARRAY_SIZE(second_storage));
    for (unsigned i = 0; i < EXECUTORS; i++) {
        forwarders[i].async = (struct async)ASYNC_BODY(forwarder_poll);
        executor_spawn(&executors[i].executor, &forwarders[i].task, "forwarder", &forwarders[i].async.future);
    }
    host_thread_start(&receiver, receive_numbers, NULL);
    run_threads(send_numbers);
    channel_close(&first);
    for (unsigned i = 0; i < EXECUTORS; i++)
        host_wait(&here, &forwarders[i].task);
    channel_close(&second);
    host_thread_join(receiver);
    for (unsigned i = 0; i < THREADS * ROUNDS; i++)
        CHECK(came[i] == 1);
}

/* ---- cancels ----------------------------------------------------------------------------------------------------- */

enum { CANCELS = 5000 };

static struct taker {
    struct future future;
    struct task task;
    struct channel_receive receive;
    uint32_t message;
} taker;

static enum poll taker_poll(struct future *future, struct waker *waker)
{
    struct taker *self = container_of(future, struct taker, future);

    return future_poll(&self->receive.future, waker);
}

static void taker_drop(struct future *future)
{
    future_drop(&container_of(future, struct taker, future)->receive.future);
}

static void *send_one(void *unused)
{
    uint32_t message = 1;

    while (channel_send_try(&first, &message) != STATUS_OK)
        ;
    return unused;
}

/* A task ends by the message or by the cancel, whichever comes first: the message is its own or still there. */
static void a_cancelled_receive_takes_nothing(void)
{
    unsigned cancelled = 0;

    channel_init(&first, first_storage, sizeof(uint32_t), ARRAY_SIZE(first_storage));
    for (unsigned i = 0; i < CANCELS; i++) {
        pthread_t sender;
        uint32_t message = 0;

        taker = (struct taker){.future = {taker_poll, taker_drop}};
        taker.receive = channel_receive(&first, &taker.message);
        executor_spawn(&executors[i % EXECUTORS].executor, &taker.task, "taker", &taker.future);
        host_thread_start(&sender, send_one, NULL);
        for (unsigned spin = 0; spin < i % 64; spin++)
            sched_yield();
        task_cancel(&taker.task);
        host_wait(&here, &taker.task);
        host_thread_join(sender);
        if (taker.task.value == TASK_CANCELLED_VALUE) {
            cancelled++;
            CHECK(channel_receive_try(&first, &message) == STATUS_OK);
            CHECK(message == 1);
        } else {
            CHECK(taker.message == 1);
        }
        CHECK(channel_count(&first) == 0);
    }
    CHECK(cancelled > 0 && cancelled < CANCELS);
}

/* ---- locks and the rest ------------------------------------------------------------------------------------------ */

static struct async_mutex mutex;
static unsigned counter; /* whoever has the mutex */

static struct locker {
    struct async async;
    struct task task;
    struct async_mutex_guard guard;
    struct yield_now yield;
    unsigned left;
} lockers[EXECUTORS];

static enum poll locker_poll(struct future *future, struct waker *waker)
{
    struct locker *self = container_of(future, struct locker, async.future);

    ASYNC (&self->async) {
        for (self->left = ROUNDS; self->left; self->left--) {
            self->guard = async_mutex_lock(&mutex);
            AWAIT(&self->guard.future);
            counter++;
            async_mutex_unlock(&self->guard);
        }
        ASYNC_RETURN;
    }
}

static void *lock_and_count(void *unused)
{
    struct parking parking;

    parking_init(&parking);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct async_mutex_guard guard = async_mutex_lock(&mutex);

        host_block_on(&parking, &guard.future);
        counter++;
        async_mutex_unlock(&guard);
    }
    return unused;
}

static void a_mutex_excludes_tasks_of_two_executors_and_threads(void)
{
    async_mutex_init(&mutex);
    for (unsigned i = 0; i < EXECUTORS; i++) {
        lockers[i].async = (struct async)ASYNC_BODY(locker_poll);
        executor_spawn(&executors[i].executor, &lockers[i].task, "locker", &lockers[i].async.future);
    }
    run_threads(lock_and_count);
    for (unsigned i = 0; i < EXECUTORS; i++)
        host_wait(&here, &lockers[i].task);
    CHECK(counter == (EXECUTORS + THREADS) * ROUNDS);
}

/* Two numbers that belong together: never one of an old value and one of a new. */
struct pair {
    uint32_t a, b;
};

static struct watch watch;
static struct pair watched;
static struct broadcast broadcast;
static struct pair broadcasted[4];
static struct async_event event;
static struct oneshot oneshots[EXECUTORS];
static uint32_t oneshot_values[EXECUTORS];

static struct listener {
    struct async async;
    struct task task;
    struct watch_changed changed;
    struct broadcast_receiver receiver;
    struct broadcast_receive receive;
    struct async_event_wait wait;
    struct oneshot_receive answer;
    struct pair pair;
    uint64_t seen, heard;
    bool torn;
} listeners[EXECUTORS];

static enum poll listener_poll(struct future *future, struct waker *waker)
{
    struct listener *self = container_of(future, struct listener, async.future);

    ASYNC (&self->async) {
        while (self->pair.a < ROUNDS) {
            self->changed = watch_changed(&watch, self->seen);
            AWAIT(&self->changed.future);
            self->seen = watch_get(&watch, &self->pair);
            self->torn |= self->pair.a != ~self->pair.b;
        }
        for (;;) {
            self->receive = broadcast_receive(&self->receiver, &self->pair);
            AWAIT(&self->receive.future);
            if (self->receive.status == STATUS_CLOSED)
                break;
            self->torn |= self->pair.a != ~self->pair.b;
            self->heard++;
        }
        self->wait = async_event_wait(&event);
        AWAIT(&self->wait.future);
        self->answer = oneshot_receive(&oneshots[self - listeners]);
        AWAIT(&self->answer.future);
        ASYNC_RETURN;
    }
}

static void *tell_all(void *unused)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        struct pair pair = {i, ~i};

        watch_set(&watch, &pair);
        (void)broadcast_send(&broadcast, &pair);
    }
    broadcast_close(&broadcast);
    async_event_signal(&event);
    for (uint32_t i = 0; i < EXECUTORS; i++) {
        uint32_t value = 40 + i;

        CHECK(oneshot_send(&oneshots[i], &value) == STATUS_OK);
    }
    return unused;
}

static void values_arrive_whole(void)
{
    pthread_t teller;

    watch_init(&watch, &watched, sizeof(watched));
    broadcast_init(&broadcast, broadcasted, sizeof(broadcasted[0]), ARRAY_SIZE(broadcasted));
    async_event_init(&event, false);
    for (unsigned i = 0; i < EXECUTORS; i++) {
        oneshot_init(&oneshots[i], &oneshot_values[i], sizeof(oneshot_values[i]));
        listeners[i].async = (struct async)ASYNC_BODY(listener_poll);
        listeners[i].receiver = broadcast_subscribe(&broadcast);
        executor_spawn(&executors[i].executor, &listeners[i].task, "listener", &listeners[i].async.future);
    }
    host_thread_start(&teller, tell_all, NULL);
    host_thread_join(teller);
    for (unsigned i = 0; i < EXECUTORS; i++) {
        host_wait(&here, &listeners[i].task);
        CHECK(!listeners[i].torn);
        CHECK(listeners[i].heard + listeners[i].receiver.lost == ROUNDS);
        CHECK(oneshot_values[i] == 40 + i);
    }
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

struct counting {
    struct future future;
    bool yielded;
};

static struct task_pool pool;
static TASK_SLOTS(struct counting) slots[16];
static unsigned counted; /* by the executor's thread */

static enum poll counting_poll(struct future *future, struct waker *waker)
{
    struct counting *self = container_of(future, struct counting, future);

    if (!self->yielded) {
        self->yielded = true;
        waker_wake(waker);
        return POLL_PENDING;
    }
    counted++;
    return POLL_READY;
}

static void *spawn_counting(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct counting *frame;

        while (!(frame = task_pool_take(&pool)))
            sched_yield();
        *frame = (struct counting){.future = {.poll = counting_poll}};
        task_pool_spawn_detached(&pool, frame);
    }
    return unused;
}

static void a_pool_loses_no_slot(void)
{
    static struct host_executor own;

    host_executor_start(&own);
    task_pool_init(&pool, &own.executor, "counting", slots, sizeof(slots[0]), ARRAY_SIZE(slots));
    run_threads(spawn_counting);
    host_executor_stop(&own);
    CHECK(counted == THREADS * ROUNDS);
    CHECK(task_pool_used(&pool) == 0);
}

/* ---- each in a process of its own -------------------------------------------------------------------------------- */

static const struct race {
    const char *name;
    void (*run)(void);
} races[] = {
    {"no_wake_is_lost_and_late_ones_do_nothing", no_wake_is_lost_and_late_ones_do_nothing},
    {"each_message_arrives_once", each_message_arrives_once},
    {"a_cancelled_receive_takes_nothing", a_cancelled_receive_takes_nothing},
    {"a_mutex_excludes_tasks_of_two_executors_and_threads", a_mutex_excludes_tasks_of_two_executors_and_threads},
    {"values_arrive_whole", values_arrive_whole},
    {"a_pool_loses_no_slot", a_pool_loses_no_slot},
};

static bool race_passes(const struct race *race)
{
    int status;
    pid_t child = fork();

    if (child < 0)
        failed(__LINE__, "a process");
    if (child == 0) {
        alarm(TIMEOUT_S);
        init();
        race->run();
        stop();
        exit(EXIT_SUCCESS); /* or what the sanitizer makes of it */
    }
    waitpid(child, &status, 0);
    if (status != 0)
        printf("races/%s: ended with %s %d\n", race->name, WIFSIGNALED(status) ? "signal" : "status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return status == 0;
}

/* All of them, or the one that is named. */
int main(int count, char **words)
{
    unsigned passed = 0, tested = 0;

    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < ARRAY_SIZE(races); i++) {
        if (count > 1 && strcmp(words[1], races[i].name) != 0)
            continue;
        tested++;
        passed += race_passes(&races[i]);
    }
    printf("%u passed, %u failed\n", passed, tested - passed);
    return tested && passed == tested ? EXIT_SUCCESS : EXIT_FAILURE;
}
