/*
 * Where the two halves wait for each other's ends: a thread for a task, and a task for a thread.
 */
#ifndef DUET_BRIDGE_JOIN_H
#define DUET_BRIDGE_JOIN_H

#include "executor/task_join.h"
#include "thread/thread.h"

/* Waits for the end of a task of any executor, and returns its value. One joiner a task. Context: thread, not in a
 * poll. */
uintptr_t task_join_wait(struct task *task);
uintptr_t task_handle_join_wait(struct task_handle handle);

/* Ready once the thread has ended: thread_join() for a task. */
struct thread_join_future {
    struct future future;
    struct thread *thread;
    struct waker *waker;
    void *result;
};
struct thread_join_future thread_join_future(struct thread *thread);

#endif
