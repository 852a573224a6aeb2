/*
 * Tasks by the thousand: slots of one size, each a task and the frame of its future, taken and given back from any
 * context without a lock.
 *
 *      struct echo { struct async async; ... };
 *      static TASK_SLOTS(struct echo) slots[100];
 *
 *      task_pool_init(&pool, &executor, "echo", slots, sizeof(slots[0]), ARRAY_SIZE(slots));
 *      struct echo *frame = task_pool_take(&pool);
 *      if (frame) {
 *          *frame = echo(...);
 *          handle = task_pool_spawn(&pool, frame);
 *      }
 *
 * A slot is given back once its task has ended and was joined (executor/task_join.h) or detached. Each life of a slot
 * has a number, its generation: a handle that is too old finds another one and does nothing. A waker that is too old
 * does nothing either, or polls a later task once for nothing, which every future expects.
 */
#ifndef DUET_EXECUTOR_TASK_POOL_H
#define DUET_EXECUTOR_TASK_POOL_H

#include "executor/executor.h"

struct task_pool {
    _Atomic uint64_t free; /* the first free slot's distance from `base`, 0: none; above 32 bits, how many were taken */
    char *base;            /* TASK_POOL_FIRST bytes before the first slot */
    char *slots;
    struct executor *executor;
    const char *name;
    size_t slot_bytes;
    uint32_t count;
    struct task_pool *next; /* of the executor's */
};

enum { TASK_POOL_FIRST = 8 };
#define TASK_POOL_TAKEN      (UINT64_C(1) << 32)
#define TASK_GENERATION_MASK (~(uint32_t)(TASK_GENERATION - 1) & ~TASK_SPECIAL)

/* The waiter of a task that nobody joins. */
extern struct waker task_detached_mark;

/* One life of a slot. */
struct task_handle {
    struct task *task;
    uint32_t generation;
};

/* A slot for frames of `type`, whose first member is the future. */
#define TASK_SLOTS(type)  \
    struct {              \
        struct task task; \
        type frame;       \
    }

/* Slots for `executor`, all free. The memory and the name are the caller's, for as long as there is a task or a handle.
 * Context: the executor's thread, or before it runs. */
void task_pool_init(struct task_pool *pool, struct executor *executor, const char *name, void *slots, size_t slot_bytes,
                    uint32_t count);

/* Takes the frame of a free slot, NULL if there is none. Context: any. */
static inline void *task_pool_take(struct task_pool *pool)
{
    uint64_t head = atomic_load_explicit(&pool->free, memory_order_acquire); /* pairs with who gave the slot back */
    struct task *task;

    do {
        if (unlikely(!(uint32_t)head))
            return NULL;
        task = (struct task *)(void *)(pool->base + (uint32_t)head);
        /* Another's, if somebody takes the slot meanwhile: then the head has changed too. */
    } while (!atomic_compare_exchange_weak(&pool->free, &head, head + task->free_next));
    return task + 1;
}

static inline uint32_t task_pool_start(struct task_pool *pool, void *frame, struct waker *waiter)
{
    struct task *task = (struct task *)frame - 1;
    uint32_t state = atomic_load_explicit(&task->state, memory_order_relaxed) & ~(uint32_t)TASK_FREE;

    ASSERT(task->pool == pool);
    task->future = frame;
    atomic_init(&task->done.waiter, waiter);
    atomic_init(&task->state, state);
    task->polls = 0;
    executor_push(task->executor, task);
    return state & TASK_GENERATION_MASK;
}

/* Makes the future at the begin of a frame a task, to be joined or detached; detached from the start. Context: any. */
static inline struct task_handle task_pool_spawn(struct task_pool *pool, void *frame)
{
    return (struct task_handle){(struct task *)frame - 1, task_pool_start(pool, frame, NULL)};
}

static inline void task_pool_spawn_detached(struct task_pool *pool, void *frame)
{
    (void)task_pool_start(pool, frame, &task_detached_mark);
}

/* Nobody will join the task: its slot is given back when it ends. Once for each handle; a named panic if somebody joins
 * it. Context: any. */
void task_handle_detach(struct task_handle handle);

/* As task_cancel(), or nothing if that life is over. Context: any. */
void task_handle_cancel(struct task_handle handle);

/* Whether that life was neither joined nor detached and over; whether the task has ended. Context: any. */
bool task_handle_valid(struct task_handle handle);
bool task_handle_ended(struct task_handle handle);

/* The slots that are not free. Walks them all. Context: nobody takes or gives one back meanwhile. */
uint32_t task_pool_used(const struct task_pool *pool);

#endif
