/*
 * Vector and x87 registers for the threads that ask for them.
 *
 * A thread that did not ask has no such instruction, so nobody saves anything for it: the state of the one that asked
 * stays in the registers until another that asked runs. Where they are not the running thread's they are off, and an
 * instruction that uses them panics with the thread's name.
 */
#ifndef DUET_THREAD_VECTORS_H
#define DUET_THREAD_VECTORS_H

#include "lib/base.h"

/* Gives the running thread the registers: all zero, rounding to nearest, every exception masked, the x87 stack empty.
 * They are its own across every switch until it ends. Again does nothing. Returns STATUS_NO_MEMORY if there is no room
 * for the state. Context: thread. */
enum status vectors_use(void) must_check;

/* Gives them back, and what they hold is lost; thread_exit() does the same. Context: thread. */
void vectors_leave(void);

#endif
