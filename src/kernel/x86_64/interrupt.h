/*
 * Descriptor tables, exceptions and interrupts.
 * Facts: Intel SDM vol. 3, chapter 6 (interrupts and exceptions), 7.7 (64-bit TSS).
 */
#ifndef DUET_KERNEL_INTERRUPT_H
#define DUET_KERNEL_INTERRUPT_H

#include "lib/base.h"

enum {
    VECTOR_NMI = 2,
    VECTOR_BREAKPOINT = 3,
    VECTOR_DEVICE_NOT_AVAILABLE = 7,
    VECTOR_DOUBLE_FAULT = 8,
    VECTOR_GENERAL_PROTECTION = 13,
    VECTOR_PAGE_FAULT = 14,
    VECTOR_MACHINE_CHECK = 18,
    VECTOR_SYSTEM_CALL = 0x80, /* of ring 3's, where it is open */
    VECTOR_INTERRUPTS = 32,    /* the first that is no exception */
    VECTORS = 256,
};

/* Segments, in the order that SYSCALL and SYSRET want: IA32_STAR holds the first of each two (SDM vol. 3, 5.8.8). The
 * ring is in the lowest two bits. */
enum {
    SELECTOR_KERNEL_CODE = 0x08,
    SELECTOR_KERNEL_DATA = 0x10,
    SELECTOR_USER_DATA = 0x18 | 3,
    SELECTOR_USER_CODE = 0x20 | 3,
};

/* What entry.S saves for an exception, and restores when the handler returns. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trap_frame) == 22 * 8 && offsetof(struct trap_frame, rbp) == 8 * 8 &&
                   offsetof(struct trap_frame, rax) == 14 * 8 && offsetof(struct trap_frame, vector) == 15 * 8 &&
                   offsetof(struct trap_frame, rip) == 17 * 8,
               "entry.S pushes in this order");

/* What entry.S saves for an interrupt: what lies above the return address of interrupt(). For backtraces. */
enum { INTERRUPT_SAVED_REGISTERS = 9 };
struct interrupt_frame {
    uint64_t registers[INTERRUPT_SAVED_REGISTERS];
    uint64_t rip;
    uint32_t cs;
    uint8_t vector;
    uint64_t rflags, rsp, ss;
};
_Static_assert(sizeof(struct interrupt_frame) == 14 * 8 && offsetof(struct interrupt_frame, vector) == 9 * 8 + 12,
               "entry.S pushes in this order");

/* Context: interrupts off, stamps first. */
typedef void interrupt_handler(unsigned vector);

/* Loads our own tables, on the boot stack: exceptions are reported from here on. Context: boot. */
void interrupt_init(void);

/* Gives double faults, NMIs and machine checks stacks of their own. Context: boot, once stacks can be allocated. */
void interrupt_use_own_stacks(void);

/* The lowest byte of the stack of its own that the address is on, NULL if it is on none. They have THREAD_STACK_BYTES.
 * Context: any. */
const void *interrupt_own_stack(uintptr_t address);

/* What the exception of a vector below 32 is called. Context: any. */
const char *exception_name(unsigned vector);

/* Sends a vector from 32 on to `handler`; the interrupt is ended, where it came from, after the handler returned.
 * Returns the handler so far, for who wants to put it back. Context: boot, thread. */
interrupt_handler *interrupt_set(unsigned vector, interrupt_handler *handler);

/* account_insight(), and the time in handlers of vectors from 32 on counted apart from the threads they come to:
 * cpu.interrupt_ns. What entry.S, the end of an interrupt and the switch after it take stays the thread's.
 * Context: boot, thread. */
void interrupt_set_insight(bool on);

/* Called for an exception, on its stack, with interrupts off, or on where the frame says so and it turns them on. What
 * it changes in the frame is what returns. False: it is not mine, and the machine stops with a report. */
typedef bool exception_handler(struct trap_frame *frame);

/* Has an exception handled; NULL for nobody. Returns the handler so far. Context: boot, thread. */
exception_handler *exception_set(unsigned vector, exception_handler *handler);

/* Called for an exception of ring 3's own doing, on the running thread's stack with interrupts off. It ends the thread.
 * Context: exception. */
typedef void user_exception_handler(struct trap_frame *frame);

/* From here on there may be a ring 3: interrupts and exceptions cost an instruction more where there is SMAP.
 * Context: thread. */
void interrupt_expect_user(user_exception_handler *handler);

/* Whether a saved cs is ring 3's. */
static inline bool interrupt_from_user(uint64_t cs)
{
    return cs & 3;
}

/* Where the kernel's stack begins when ring 3 is left, by an interrupt, an exception or a system call: TSS.RSP0.
 * Context: interrupts off. */
void interrupt_use_stack(uintptr_t top);

/* Has a software interrupt of ring 3 lead to `entry`, with interrupts off. Context: boot. */
void interrupt_open_gate(void (*entry)(void));
bool interrupt_gate_open(void);

/* The stack of its own that an exception has, its lowest byte; NULL if it has none. Context: any. */
void *interrupt_stack(unsigned vector);

/* Looks whether interrupts are on, by the IDT that was meant, every gate of it. Returns NULL, or what is wrong.
 * Context: thread. */
const char *interrupt_check(void);

/* From here on the ISA lines' interrupts come from, and are ended at, the local APIC. Context: boot. */
void interrupt_leave_pic(void);

/* From here on an interrupt's return to ring 3 is a preempt_point(). Called once. Context: boot. */
void interrupt_preempt_at_edges(void);

/* How often a vector was taken. Context: any. */
uint64_t interrupt_count(unsigned vector);

/* Interrupts nobody asked for: spurious ones of the PIC, and vectors without a handler. Context: any. */
uint64_t interrupt_spurious(void);
uint64_t interrupt_unexpected(void);

#endif
