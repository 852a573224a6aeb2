/*
 * thread/arch.h's interrupts off and on, on a PC. Inline: the scheduler's critical sections are a few dozen
 * instructions, and a call and its return are two of them.
 *
 * Each place where they go off or come back on is one instruction of five bytes or more, padded by prefixes that change
 * nothing (Intel SDM vol. 2, 2.1.1), and is listed in a section of its own with the code that may be called instead of
 * it: see kernel/x86_64/irqoff.h. So is each where preemption is counted off and on.
 */
#ifndef DUET_MACHINE_INTERRUPTS_H
#define DUET_MACHINE_INTERRUPTS_H

#include "lib/base.h"

#define IRQ_SITE(instruction, stub)                   \
    "1: .byte 0x2e, 0x2e, 0x2e, 0x2e\n"               \
    "   " instruction "\n"                            \
    "2: .pushsection irq_sites, \"a\"\n"              \
    "   .quad 1b, " stub ", 0xe800000000 + 2b - 1b\n" \
    "   .popsection\n"

static inline uint64_t irq_save(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq\n"
                     "pop %0\n" IRQ_SITE("cli", "irqoff_cli")
                     : "=r"(flags)
                     :
                     : "memory");
    return flags;
}

/* Flags other than IF are as the caller left them when it saved. */
static inline void irq_restore(uint64_t flags)
{
    __asm__ volatile("push %0\n" IRQ_SITE("popfq", "irqoff_popfq") : : "r"(flags) : "memory", "cc");
}

static inline bool irq_enabled(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq\n"
                     "pop %0\n"
                     : "=r"(flags)
                     :
                     : "memory");
    return flags & (UINT64_C(1) << 9);
}

static inline void preempt_count_up(int32_t *count)
{
    __asm__ volatile(IRQ_SITE("incl %0", "irqoff_preempt_up") : "+m"(*count) : : "memory", "cc");
}

/* False if it is less than nothing now. */
static inline bool preempt_count_down(int32_t *count)
{
    bool good;

    __asm__ volatile(IRQ_SITE("decl %0", "irqoff_preempt_down") : "+m"(*count), "=@ccns"(good) : : "memory");
    return good;
}

#endif
