/* The kernel's side of drivers/port_io.h. */
#include "drivers/port_io.h"

#include "kernel/x86_64/cpu.h"

uint8_t port_in8(uint16_t port)
{
    return inb(port);
}

void port_out8(uint16_t port, uint8_t value)
{
    outb(port, value);
}
