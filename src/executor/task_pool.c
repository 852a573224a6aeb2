/*
 * The free slots are a stack. Its head holds a slot's number and counts what was ever taken, so a slot that was taken
 * and given back between somebody's two looks at the head is noticed.
 */
#include "executor/task_pool.h"

#include "executor/internal.h"

struct waker task_detached_mark;

/* From here on wakes and handles of the life that is over do nothing. */
static inline void slot_give(struct task_pool *pool, struct task *task)
{
    uint64_t number = (uint64_t)((char *)task - pool->base);
    uint64_t head = atomic_load_explicit(&pool->free, memory_order_relaxed); /* the exchange orders */
    uint64_t step;

    do {
        step = (uint32_t)head - number;
        task->free_next = step + TASK_POOL_TAKEN;
    } while (!atomic_compare_exchange_weak(&pool->free, &head, head - step));
}

seldom void task_pool_init(struct task_pool *pool, struct executor *executor, const char *name, void *slots,
                           size_t slot_bytes, uint32_t count)
{
    ASSERT(slot_bytes % sizeof(void *) == 0 && slot_bytes >= sizeof(struct task) + sizeof(struct future));
    ASSERT((uint64_t)count * slot_bytes < UINT32_MAX - TASK_POOL_FIRST);
    *pool = (struct task_pool){.base = (char *)slots - TASK_POOL_FIRST,
                               .slots = slots,
                               .executor = executor,
                               .name = name,
                               .slot_bytes = slot_bytes,
                               .count = count,
                               .next = executor->pools};
    executor->pools = pool;
    for (uint32_t i = count; i-- > 0;) {
        struct task *task = (struct task *)(void *)(pool->slots + i * slot_bytes);

        *task = (struct task){.waker = {task_wake}, .executor = executor, .name = name, .pool = pool};
        atomic_init(&task->state, TASK_FREE | TASK_POOLED | TASK_QUEUED);
        slot_give(pool, task);
    }
}

static inline void release(struct task *task)
{
    uint32_t state = atomic_load_explicit(&task->state, memory_order_relaxed) & TASK_GENERATION_MASK;

    /* Only a wake or a cancel that comes too late changes it meanwhile, and is to be forgotten. */
    state += TASK_GENERATION + TASK_FREE + TASK_POOLED + TASK_QUEUED;
    atomic_store_explicit(&task->state, state & ~TASK_SPECIAL, memory_order_release);
    slot_give(task->pool, task);
}

void task_pool_release(struct task *task)
{
    release(task);
}

void task_pool_finish(struct task *task)
{
    struct waker *waiter = NULL;

    if (atomic_compare_exchange_strong(&task->done.waiter, &waiter, &completion_done_mark))
        return;
    if (waiter == &task_detached_mark) /* which stays */
        release(task);
    else
        task_signal_waiter(task);
}

/* ---- handles ----------------------------------------------------------------------------------------------------- */

static bool is_life(struct task_handle handle, uint32_t state)
{
    return (state & TASK_GENERATION_MASK) == handle.generation && !(state & TASK_FREE);
}

void task_handle_detach(struct task_handle handle)
{
    struct waker *waiter = NULL;

    if (!task_handle_valid(handle))
        panic("a task is detached that was joined or detached before");
    if (atomic_compare_exchange_strong(&handle.task->done.waiter, &waiter, &task_detached_mark))
        return;
    if (waiter != &completion_done_mark)
        panic("a task is detached that somebody joins, or detached before: %s", handle.task->name);
    task_pool_release(handle.task);
}

void task_handle_cancel(struct task_handle handle)
{
    struct task *task = handle.task;
    uint32_t state = atomic_load(&task->state);

    do
        if (!is_life(handle, state))
            return;
    while (!atomic_compare_exchange_weak(&task->state, &state, state | TASK_SPECIAL | TASK_CANCELLED | TASK_QUEUED));
    if (!(state & TASK_QUEUED))
        executor_push(task->executor, task);
}

bool task_handle_valid(struct task_handle handle)
{
    return is_life(handle, atomic_load(&handle.task->state));
}

bool task_handle_ended(struct task_handle handle)
{
    return !task_handle_valid(handle) || completion_done(&handle.task->done);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static struct task *slot_after(const struct task_pool *pool, const struct task *task)
{
    const char *slot = task ? (const char *)task + pool->slot_bytes : pool->slots;
    size_t offset = (size_t)(slot - pool->slots);

    return offset < pool->slot_bytes * pool->count ? (struct task *)(void *)(pool->slots + offset) : NULL;
}

struct task *task_pool_next(const struct task_pool *pool, const struct task *task)
{
    struct task *next = slot_after(pool, task);

    while (next && (atomic_load(&next->state) & (TASK_FREE | TASK_NEW) || completion_done(&next->done)))
        next = slot_after(pool, next);
    return next;
}

uint32_t task_pool_used(const struct task_pool *pool)
{
    uint32_t used = 0;

    for (struct task *task = slot_after(pool, NULL); task; task = slot_after(pool, task))
        used += !(atomic_load(&task->state) & TASK_FREE);
    return used;
}
