/*
 * One PS/2 port, as its interrupt handler and its driver share it: a ring of stamped bytes, and the waker of whoever
 * reads it. Up to here, and from the decoder on, both driver styles run the same object code; the two leaves below are
 * the whole difference between them.
 */
#ifndef DUET_DRIVERS_PS2_PORT_H
#define DUET_DRIVERS_PS2_PORT_H

#include "executor/future.h"
#include "lib/probe.h"
#include "lib/ring.h"

enum { PS2_RING_BYTES = 128 }; /* capacity, in bytes from the device */

struct ps2_byte {
    uint64_t stamp; /* clock_ticks() at the entry of the interrupt handler */
    uint8_t data;
};

struct ps2_port {
    struct waker_slot reader;
    struct ring ring; /* the interrupt handler pushes, the driver pops */
    struct ps2_byte bytes[PS2_RING_BYTES];
    atomic_bool closed; /* the driver is asked to end */

    /* interrupt handler only */
    uint32_t received;
    uint32_t dropped; /* of those, found the ring full */

    struct probe resumed;              /* the driver goes on with a byte */
    enum status (*send)(uint8_t byte); /* to the device. Set once; NULL: it takes no commands */
};

/* Takes a byte from the device: keeps it, or counts it as dropped, and wakes the reader. Context: irq. */
void ps2_receive(struct ps2_port *port, uint8_t data, uint64_t stamp);

/* Pops the oldest byte, if there is one. Context: the one reader. */
bool ps2_try_read(struct ps2_port *port, struct ps2_byte *byte);

/* The cooperative leaf: ready with the next byte, or with `closed`. */
struct ps2_read {
    struct future future;
    struct ps2_port *port;
    struct ps2_byte byte;
    bool closed;
};

/* Context: task, the one reader. */
struct ps2_read ps2_read(struct ps2_port *port);

/* The preemptive leaf: waits for the next byte. False if the port was closed instead. Context: thread, the one reader.
 */
bool ps2_wait(struct ps2_port *port, struct ps2_byte *byte);

/* Asks the reader to end; bytes in the ring wait for the next one, after ps2_open(). Context: any. */
void ps2_close(struct ps2_port *port);
void ps2_open(struct ps2_port *port);

#endif
