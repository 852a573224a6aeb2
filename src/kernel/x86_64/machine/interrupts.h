/*
 * thread/arch.h's interrupts off and on, on a PC. Inline: the scheduler's critical sections are a few dozen
 * instructions, and a call and its return are two of them.
 *
 * Each place where they go off or come back on is one instruction of five bytes, padded by prefixes that change nothing
 * (Intel SDM vol. 2, 2.1.1), and is listed in a section of its own: enough room for a call, should somebody want to
 * watch them.
 */
#ifndef DUET_MACHINE_INTERRUPTS_H
#define DUET_MACHINE_INTERRUPTS_H

#include "lib/base.h"

#define IRQ_SITE(instruction)            \
    "1: .byte 0x2e, 0x2e, 0x2e, 0x2e\n"  \
    "   " instruction "\n"               \
    "   .pushsection irq_sites, \"a\"\n" \
    "   .quad 1b\n"                      \
    "   .popsection\n"

static inline uint64_t irq_save(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq\n"
                     "pop %0\n" IRQ_SITE("cli")
                     : "=r"(flags)
                     :
                     : "memory");
    return flags;
}

/* Flags other than IF are as the caller left them when it saved. */
static inline void irq_restore(uint64_t flags)
{
    __asm__ volatile("push %0\n" IRQ_SITE("popfq") : : "r"(flags) : "memory", "cc");
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

#endif
