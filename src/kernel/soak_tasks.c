/* Tasks of a pool that sleep, yield, and wait for each other, and are cancelled wherever they are; spawned by a thread
 * and by interrupts. */
#include "bridge/join.h"
#include "executor/async.h"
#include "executor/async_semaphore.h"
#include "executor/channel.h"
#include "executor/combine.h"
#include "kernel/soak.h"
#include "kernel/suites/support.h"

enum {
    SLOTS = 96,
    HELD = 48,
    ITEMS = 8,
    UNITS = 4,
    TURNS_MAX = 20,
    PATIENCE_NS = 5 * MS,
    PRIORITY_REAPER = 17,
};

static struct executor_thread executor;
static struct channel channel;
static uint64_t items[ITEMS];
static struct async_semaphore semaphore;
static struct task_pool pool;
static atomic_bool open; /* to interrupts */

struct work {
    struct async async;
    struct sleep sleep;
    struct yield_now yield;
    struct channel_send send;
    struct channel_receive receive;
    struct async_semaphore_take take;
    struct timeout timeout;
    uint64_t row, item, turns;
    uint32_t units; /* that it has */
};
static TASK_SLOTS(struct work) slots[SLOTS];

static struct held {
    struct task_handle handle;
    bool there;
} held[HELD];

static void end_one(struct work *self)
{
    if (self->units)
        async_semaphore_give(&semaphore, self->units);
    self->units = 0;
    soak_count(SOAK_TASKS_ENDED);
}

static void work_drop(struct future *future)
{
    struct work *self = container_of(future, struct work, async.future);

    async_drop(future);
    end_one(self);
}

static enum poll work_poll(struct future *future, struct waker *waker)
{
    struct work *self = container_of(future, struct work, async.future);

    ASYNC (&self->async) {
        for (; self->turns; self->turns--) {
            self->item = soak_random(&self->row);
            if (self->item % 5 == 0) {
                self->sleep = sleep_ns(soak_below(&self->row, PATIENCE_NS));
                AWAIT(&self->sleep.future);
            } else if (self->item % 5 == 1) {
                self->yield = yield_now();
                AWAIT(&self->yield.future);
            } else if (self->item % 5 == 2) {
                self->send = channel_send(&channel, &self->item);
                self->timeout = timeout_after(&self->send.future, 1 + soak_below(&self->row, PATIENCE_NS));
                AWAIT(&self->timeout.future);
                if (!self->timeout.expired)
                    soak_count(SOAK_ITEMS_SENT);
            } else if (self->item % 5 == 3) {
                self->receive = channel_receive(&channel, &self->item);
                self->timeout = timeout_after(&self->receive.future, 1 + soak_below(&self->row, PATIENCE_NS));
                AWAIT(&self->timeout.future);
                if (!self->timeout.expired)
                    soak_count(SOAK_ITEMS_RECEIVED);
            } else {
                self->take = async_semaphore_take(&semaphore, 1 + (uint32_t)soak_below(&self->row, UNITS));
                AWAIT(&self->take.future);
                self->units = self->take.units;
                self->sleep = sleep_ns(soak_below(&self->row, MS));
                AWAIT(&self->sleep.future);
                async_semaphore_give(&semaphore, self->units);
                self->units = 0;
            }
        }
        end_one(self);
        ASYNC_RETURN;
    }
}

static struct work *make(uint64_t *row)
{
    struct work *work = task_pool_take(&pool);

    if (!work)
        return NULL;
    soak_count(SOAK_TASKS_SPAWNED);
    *work = (struct work){
        .async = {.future = {work_poll, work_drop}}, .row = soak_random(row), .turns = soak_below(row, TURNS_MAX)};
    return work;
}

void soak_tasks_interrupt(uint64_t *row)
{
    struct work *work = atomic_load(&open) && soak_below(row, 4) == 0 ? make(row) : NULL;
    uint64_t item = soak_random(row);

    if (work)
        task_pool_spawn_detached(&pool, work);
    if (atomic_load(&open) && soak_below(row, 8) == 0 && channel_send_try(&channel, &item) == STATUS_OK)
        soak_count(SOAK_ITEMS_SENT);
}

static void turn(struct held *at, uint64_t *row)
{
    struct work *work;

    if (at->there) {
        if (soak_below(row, 2)) {
            soak_count(SOAK_TASKS_CANCELLED);
            task_handle_cancel(at->handle);
        }
        if (soak_below(row, 2))
            (void)task_handle_join_wait(at->handle);
        else
            task_handle_detach(at->handle);
        at->there = false;
        return;
    }
    work = make(row);
    if (!work)
        return;
    at->handle = task_pool_spawn(&pool, work);
    at->there = true;
}

/* The last of them end by themselves. */
static void all_end(uint64_t *row)
{
    atomic_store(&open, false);
    for (unsigned i = 0; i < HELD; i++)
        if (held[i].there)
            turn(&held[i], row);
    for (unsigned ms = 0; ms < 10000 && task_pool_used(&pool); ms++)
        sleep_for(MS);
}

static void *reap_tasks(uint64_t row)
{
    while (!atomic_load(&soak.over)) {
        for (uint64_t turns = soak_below(&row, 6); turns; turns--)
            turn(&held[soak_below(&row, HELD)], &row);
        sleep_for(soak_below(&row, 3 * MS));
    }
    all_end(&row);
    return NULL;
}

static void tasks_begin(void)
{
    channel_init(&channel, items, sizeof(items[0]), ITEMS);
    async_semaphore_init(&semaphore, UNITS);
    while (executor_thread_start(&executor, "work", THREAD_PRIORITY_NORMAL) != STATUS_OK)
        sleep_for(MS);
    task_pool_init(&pool, &executor.executor, "work", slots, sizeof(slots[0]), SLOTS);
    atomic_store(&open, true);
}

static void tasks_check(void)
{
    uint64_t item;

    while (channel_receive_try(&channel, &item) == STATUS_OK)
        soak_count(SOAK_ITEMS_RECEIVED);
    if (task_pool_used(&pool))
        soak_fail("task", "%u have not ended", task_pool_used(&pool));
    else
        executor_thread_stop(&executor);
    soak_balance("task", "spawned", atomic_load(&soak.counts[SOAK_TASKS_SPAWNED]), "ended",
                 atomic_load(&soak.counts[SOAK_TASKS_ENDED]));
    soak_balance("channel", "sent", atomic_load(&soak.counts[SOAK_ITEMS_SENT]), "received",
                 atomic_load(&soak.counts[SOAK_ITEMS_RECEIVED]));
    soak_balance("semaphore of tasks", "units", UNITS, "left", async_semaphore_units(&semaphore));
}

const struct soak_actor soak_task_actors[] = {{"tasks", PRIORITY_REAPER, reap_tasks, tasks_begin, tasks_check},
                                              {.name = NULL}};
