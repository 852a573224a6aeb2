/* Programming the 8259A pair. */
#include "kernel/x86_64/pic.h"

enum {
    ICW1_INIT_ICW4 = 0x11, /* edge triggered, cascaded, ICW4 follows */
    ICW4_8086 = 0x01,
    OCW3_READ_ISR = 0x0b,
    POST_PORT = 0x80, /* a write takes about a microsecond: the time an old controller needs between two */
};

static void pic_write(uint16_t port, uint8_t value)
{
    outb(port, value);
    outb(POST_PORT, 0);
}

void pic_init(void)
{
    pic_write(PIC_MASTER, ICW1_INIT_ICW4);
    pic_write(PIC_SLAVE, ICW1_INIT_ICW4);
    pic_write(PIC_MASTER_DATA, PIC_VECTOR);
    pic_write(PIC_SLAVE_DATA, PIC_VECTOR + 8);
    pic_write(PIC_MASTER_DATA, 1 << PIC_CASCADE);
    pic_write(PIC_SLAVE_DATA, PIC_CASCADE);
    pic_write(PIC_MASTER_DATA, ICW4_8086);
    pic_write(PIC_SLAVE_DATA, ICW4_8086);
    pic_write(PIC_MASTER_DATA, (uint8_t) ~(1u << PIC_CASCADE));
    pic_write(PIC_SLAVE_DATA, 0xff);
}

uint16_t pic_masked(void)
{
    return (uint16_t)(inb(PIC_SLAVE_DATA) << 8 | inb(PIC_MASTER_DATA));
}

static void pic_set_mask(uint16_t mask)
{
    outb(PIC_MASTER_DATA, (uint8_t)mask);
    outb(PIC_SLAVE_DATA, (uint8_t)(mask >> 8));
}

void pic_retire(void)
{
    pic_set_mask(0xffff);
}

void pic_unmask(unsigned line)
{
    pic_set_mask((uint16_t)(pic_masked() & ~(1u << line)));
}

void pic_mask(unsigned line)
{
    pic_set_mask((uint16_t)(pic_masked() | 1u << line));
}

bool pic_spurious(unsigned line)
{
    uint16_t port = line == 15 ? PIC_SLAVE : PIC_MASTER;

    outb(port, OCW3_READ_ISR);
    if (inb(port) & 0x80)
        return false;
    if (line == 15)
        outb(PIC_MASTER, PIC_EOI); /* the master did see a real request: the cascade's */
    return true;
}
