/*
 * Backtraces: how a flow came to where it is, by name.
 *
 *      #0 f3+0x21 (src/kernel/example.c:10)
 *      -- interrupt 0x20 --
 *      #1 f2+0x1c (src/kernel/example.c:17)
 *      async body_poll (src/kernel/example.c:30)
 *      async leaf_poll (src/kernel/example.c:22)
 *
 * A line for each call, innermost first, then across interrupts and exceptions into what they interrupted. Calls that
 * the compiler inlined or made a jump of are not there. For a task a line for each await, outermost first; the last one
 * is the future that everything waits for.
 *
 * Frames are followed on the flow's own stack and on those of exceptions alone, and upwards alone: a chain that was
 * overwritten ends the backtrace, with a word about it, and does not fault.
 */
#ifndef DUET_KERNEL_BACKTRACE_H
#define DUET_KERNEL_BACKTRACE_H

#include "executor/executor.h"
#include "kernel/x86_64/interrupt.h"
#include "thread/thread.h"

/* Where the lines go; it is called with whole lines. console_print() is one. */
typedef void backtrace_sink(const char *format, ...) printf_like(1, 2);

/* The running flow, from the caller of the function whose frame this is: __builtin_frame_address(0). Context: any. */
void backtrace_frame(backtrace_sink *print, const void *frame);

/* The running flow, from what an exception interrupted. Context: exception. */
void backtrace_trap(backtrace_sink *print, const struct trap_frame *trap);

/* A thread that does not run, from where it was switched away. Context: interrupts off. */
void backtrace_thread(backtrace_sink *print, const struct thread *thread);

/* A task, from its own future to the leaf. Context: interrupts off; the thread of its executor. */
void backtrace_task(backtrace_sink *print, const struct task *task);

/* Writes what code a return address is in, "function (file:line)", or the address. Context: any. */
void backtrace_name(char *buffer, size_t size, const void *return_address);

/* Whether a future's poll function has an ASYNC body, as the names' table knows. Context: any. */
bool backtrace_has_body(uintptr_t poll);

#endif
