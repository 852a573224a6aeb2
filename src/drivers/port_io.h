/*
 * x86 port I/O as drivers see it: a seam that the kernel and the host tests each define at link time.
 *
 * Both are single instructions in the kernel, in program order with each other and with memory accesses.
 */
#ifndef DUET_DRIVERS_PORT_IO_H
#define DUET_DRIVERS_PORT_IO_H

#include <stdint.h>

/* Context: any. */
uint8_t port_in8(uint16_t port);
void port_out8(uint16_t port, uint8_t value);

#endif
