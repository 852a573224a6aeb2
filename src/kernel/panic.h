/*
 * The end of the road: a broken invariant or a fatal exception. base.h declares panic() itself.
 */
#ifndef DUET_KERNEL_PANIC_H
#define DUET_KERNEL_PANIC_H

#include "kernel/x86_64/interrupt.h"

enum { EXIT_PASSED = 0x10, EXIT_FAILED = 0x11 };

/* As panic(), with the registers and the backtrace of an exception. Context: exception. */
_Noreturn void panic_exception(const struct trap_frame *frame, const char *format, ...) printf_like(2, 3);

/* Says that a panic whose message contains `text`, in which '*' stands for anything, is what is being tested: it then
 * passes. Context: thread. */
void panic_expect(const char *text);

/* Says that no person is watching: a panic ends the machine as failed, where it can be ended. Context: thread. */
void panic_exits(void);

/* Chooses this boot's stack protector value. No function entered before may return after. Context: boot. */
void stack_guard_init(void);

/* Ends QEMU through isa-debug-exit: status 33 for EXIT_PASSED, 35 for EXIT_FAILED. On a machine without that device,
 * halts. Context: any. */
_Noreturn void machine_exit(uint8_t code);

#endif
