/* Puts calls of irqoff.S's stubs where the listed instructions are. */
#include "kernel/x86_64/irqoff.h"

#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum {
    CALL_BYTES = 5, /* and a jump's: the opcode, and how far from behind it */
    SITE_BYTES_MAX = 15,
    PREFIX = 0x2e, /* of a segment that there is none of */
};

/* What machine/interrupts.h and machine/sites.h list. */
struct site {
    uint64_t address, stub;
    uint32_t bytes;
    uint32_t opcode; /* of a call or a jump */
};
_Static_assert(sizeof(struct site) == 24, "as assembled");
_Static_assert(offsetof(struct irqoff, longest.ticks) == 0 && offsetof(struct irqoff, longest.begin) == 8 &&
                   offsetof(struct irqoff, longest.end) == 16 && offsetof(struct irqoff, began_ticks) == 24 &&
                   offsetof(struct irqoff, began) == 32,
               "irqoff.S knows these offsets");
_Static_assert(offsetof(struct cpu, preempt_count) == 12, "irqoff.S knows this offset");

extern const struct site irq_sites_start[], irq_sites_end[];

struct irqoff irqoff_interrupts, irqoff_preemption;
static bool on;

/* Prefixes as before make up the length. */
static void patch(const struct site *site)
{
    uint8_t code[SITE_BYTES_MAX];
    size_t padding = site->bytes - CALL_BYTES;
    uint32_t distance = (uint32_t)(site->stub - (site->address + site->bytes));

    ASSERT(site->bytes >= CALL_BYTES && site->bytes <= SITE_BYTES_MAX);
    memset(code, PREFIX, padding);
    code[padding] = (uint8_t)site->opcode;
    memcpy(&code[padding + 1], &distance, sizeof(distance));
    mmu_patch((void *)site->address, code, site->bytes);
}

void irqoff_start(void)
{
    for (const struct site *site = irq_sites_start; site < irq_sites_end; site++)
        patch(site);
    on = true;
}

bool irqoff_on(void)
{
    return on;
}

void irqoff_reset(void)
{
    uint64_t flags = irq_save();

    irqoff_interrupts.longest = irqoff_preemption.longest = (struct irqoff_stretch){0};
    irq_restore(flags);
}

struct irqoff_stretch irqoff_longest(const struct irqoff *irqoff)
{
    uint64_t flags = irq_save();
    struct irqoff_stretch longest = irqoff->longest;

    irq_restore(flags);
    return longest;
}

uint64_t irqoff_ns(const struct irqoff_stretch *stretch)
{
    uint64_t low = (uint32_t)stretch->ticks;

    return (stretch->ticks >> 32) * clock_ns_per_tick + (low * clock_ns_per_tick >> 32);
}
