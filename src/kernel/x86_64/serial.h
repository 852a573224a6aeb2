/*
 * 16550 serial ports, polled. COM1 is for people, COM2 for machines.
 * Facts: National Semiconductor PC16550D data sheet, 8.
 */
#ifndef DUET_KERNEL_SERIAL_H
#define DUET_KERNEL_SERIAL_H

#include "lib/base.h"

enum serial_port {
    SERIAL_COM1,
    SERIAL_COM2,
    SERIAL_PORTS,
};

/* 115200 baud, 8N1, FIFO on. A port that is not there swallows what is sent. Context: boot. */
void serial_init(enum serial_port port);

/* Waits for the transmitter, but not for ever. Context: any; the caller keeps writers apart. */
void serial_put(enum serial_port port, char c);

#endif
