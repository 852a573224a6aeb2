/*
 * Threads that run in address spaces of their own.
 */
#ifndef DUET_KERNEL_SPACE_THREAD_H
#define DUET_KERNEL_SPACE_THREAD_H

#include "lib/space.h"
#include "thread/thread.h"

/* Every thread with ATTENTION_SPACE is the first part of one. */
struct space_thread {
    struct thread thread;
    const struct space *space;
};

/* The running thread, which is this one, goes into its space, and out of it: for good, before it is destroyed. Others
 * find theirs whenever they run. Context: thread. */
void space_thread_begin(struct space_thread *self);
void space_thread_end(struct space_thread *self);

#endif
