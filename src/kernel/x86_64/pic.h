/*
 * The two cascaded 8259A interrupt controllers. Sixteen lines, all masked until someone unmasks them.
 * Facts: Intel 8259A data sheet (order 231468); the cascade on line 2 is the PC AT's.
 */
#ifndef DUET_KERNEL_PIC_H
#define DUET_KERNEL_PIC_H

#include "kernel/x86_64/cpu.h"

enum {
    PIC_VECTOR = 0x20, /* of line 0; line n is PIC_VECTOR + n */
    PIC_LINES = 16,
    PIC_SLAVE_LINE = 8, /* the first of the second one */
    PIC_CASCADE = 2,

    PIC_MASTER = 0x20,
    PIC_MASTER_DATA = 0x21,
    PIC_SLAVE = 0xa0,
    PIC_SLAVE_DATA = 0xa1,
    PIC_EOI = 0x20,
};

/* Moves the lines to PIC_VECTOR and masks all but the cascade. Context: boot. */
void pic_init(void);

/* Masks all lines, the cascade's too. Context: boot. */
void pic_retire(void);

/* Context: interrupts off. */
void pic_unmask(unsigned line);
void pic_mask(unsigned line);

/* The lines now masked, a bit each. Context: any. */
uint16_t pic_masked(void);

/* True if the interrupt on `line`, 7 or 15, is none: a request that went away before it was acknowledged. The
 * controller sends its lowest vector then without setting the in-service bit (8259A data sheet, "default IR7"). */
bool pic_spurious(unsigned line);

/* Ends the interrupt in service, which came from a line of the first or of the second one. Context: irq. */
static inline void pic_end_master(void)
{
    outb(PIC_MASTER, PIC_EOI);
}

static inline void pic_end_slave(void)
{
    outb(PIC_SLAVE, PIC_EOI);
    outb(PIC_MASTER, PIC_EOI);
}

#endif
