/* glibc's ucontext: each switch also swaps the signal mask, by a system call. */
#include <gnu/libc-version.h>
#include <ucontext.h>

#include "native.h"

struct context {
    ucontext_t ucontext;
};

#include "fibers.h"

static void entry(void)
{
    current->body(current);
    current = &scheduler;
    setcontext(&scheduler.context.ucontext);
}

static void context_make(struct fiber *fiber)
{
    if (getcontext(&fiber->context.ucontext))
        native_die("getcontext failed");
    fiber->context.ucontext.uc_stack.ss_sp = fiber->stack;
    fiber->context.ucontext.uc_stack.ss_size = STACK_BYTES;
    fiber->context.ucontext.uc_link = NULL;
    makecontext(&fiber->context.ucontext, entry, 0);
}

static void context_switch(struct fiber *from, struct fiber *to)
{
    swapcontext(&from->context.ucontext, &to->context.ucontext);
}

#define MANY "a stack of 4 KiB each would be 4 GiB"

const struct peer peer_ucontext = {
    .id = "ucontext",
    .column = "ucontext",
    .title = "ucontext",
    .version = gnu_get_libc_version,
    .how = "`swapcontext()` from one task straight to the next, with the same list and stacks. Each switch makes a "
           "system call for the signal mask",
    .slow = 4,
    .task_bytes = task_bytes,
    .tasks_most = 10000,
    .why_not_more = MANY,
    .wake_poll = {wake_poll_prepare, wake_poll_run, fiber_done, NULL},
    .self_wake = {self_wake_prepare, self_wake_run, fiber_done, NULL},
    .pingpong = {pingpong_prepare, fibers_run, fiber_done, NULL},
    .spawn = {spawn_prepare, spawn_run, fiber_done, NULL},
    .round_robin = {round_robin_prepare, fibers_run, fiber_done, NULL},
    .channel = {channel_prepare, fibers_run, fiber_done, NULL},
    .cross_thread = {.why_not = "its list is one thread's"},
    .timers = {.why_not = "it has no timers"},
};
