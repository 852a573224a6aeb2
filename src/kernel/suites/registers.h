/*
 * Flows that know what every register holds, in registers.S: whoever interrupts them must leave all as it was.
 */
#ifndef DUET_KERNEL_SUITES_REGISTERS_H
#define DUET_KERNEL_SUITES_REGISTERS_H

#include <stdatomic.h>

#include "lib/base.h"

/* The arithmetic flags and DF: all that a thread may own (Intel SDM vol. 1, 3.4.3). */
enum {
    FLAG_CARRY = 0x001,
    FLAG_PARITY = 0x004,
    FLAG_ADJUST = 0x010,
    FLAG_ZERO = 0x040,
    FLAG_SIGN = 0x080,
    FLAG_DIRECTION = 0x400,
    FLAG_OVERFLOW = 0x800,
    FLAGS_ALL = 0xcd5,
};

struct registers {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rflags;
    uint64_t wrong; /* the order above, a bit each: what did not keep its value */
    uint64_t mismatches;
    uint64_t rounds;
    atomic_bool stop;
};
_Static_assert(offsetof(struct registers, rflags) == 120 && offsetof(struct registers, wrong) == 128 &&
                   offsetof(struct registers, mismatches) == 136 && offsetof(struct registers, rounds) == 144 &&
                   offsetof(struct registers, stop) == 152,
               "registers.S knows these offsets");

/* Different values in every register and for every `seed`; the flags given, interrupts on. */
void registers_init(struct registers *registers, uint64_t seed, uint64_t flags);

/* Says what did not keep its value. Context: thread. */
void registers_check(const struct registers *registers);

/* Fills every register and the flags, does nothing for a while, and compares, until `stop`. Context: interrupts on. */
void registers_spin(struct registers *registers);

/* Where it does nothing: from the first instruction to the end. */
extern const uintptr_t registers_window[2];

/* The same, once, and what it does is an exception or an interrupt. */
void registers_across_breakpoint(struct registers *registers);
void registers_across_interrupt(struct registers *registers); /* SUITE_VECTOR */

void registers_across_flags(struct registers *registers);  /* interrupts off and on, in every way */
void registers_across_counts(struct registers *registers); /* preemption off and on */

/* The same for each exception, delivered as the CPU would, with 0x500 + vector for an error code where it has one. */
extern void (*const registers_across_exception[32])(struct registers *registers);

/* Fills the registers that a function must preserve, calls it, and compares. */
void registers_across_call(struct registers *registers, void (*function)(void));

/* Software interrupts. Vectors from 0x40 on have no hardware. */
enum {
    SUITE_VECTOR = 0x40,
    SUITE_VECTOR_UNUSED = 0x41,
    SUITE_VECTOR_SEVENTH = 0x47,
};
void raise_23(void);
void raise_27(void);
void raise_28(void);
void raise_2f(void);
void raise_40(void);
void raise_41(void);
void raise_47(void);
void raise_ff(void);

/* The same with the direction flag set, which a C function may not find. */
void raise_40_downwards(void);

/* One access to memory. True if it did not fault; one that did goes on at try_failed, by whoever handles the fault:
 * try_execute()'s with the return address it had pushed taken off the stack. */
bool try_read(const void *address);
bool try_write(void *address); /* writes the instruction ret */
bool try_execute(const void *address);
extern char try_failed[];

/* What ends a machine. */
void divide_by_zero(void);
void invalid_opcode(void);
void stack_nowhere(void);

/* A thread's registers at its first instruction, as left by these two, which return where. Context: thread. */
extern struct registers_at_entry {
    uint64_t arguments[6];
    uint64_t others[8]; /* r10, r11, rbx, rbp, r12 to r15 */
    uint64_t rsp, rflags;
} registers_at_entry;
void *registers_at_entry_0(void);
void *registers_at_entry_6(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);

#endif
