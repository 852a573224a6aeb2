/*
 * 16550 serial ports, which poll what they send. COM1 is for people, COM2 for machines.
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

enum { SERIAL_COM1_IRQ = 4 };

/* From now on the port raises its line while there is a byte to take; false if it is not there. The line is an edge:
 * whoever is interrupted takes all. Context: thread. */
bool serial_receive(enum serial_port port) must_check;

/* Takes the oldest byte received, if there is one. Context: any, one caller at a time. */
bool serial_try_get(enum serial_port port, uint8_t *byte) must_check;

#endif
