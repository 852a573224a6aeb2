/*
 * One PS/2 port, as its interrupt handler and its driver share it: a ring of stamped bytes, and the waker of whoever
 * reads it. Up to here, and from the decoder on, both driver styles run the same object code; the two leaves below are
 * the whole difference between them. What a byte passes through is inline: as many calls would be half of its way.
 */
#ifndef DUET_DRIVERS_PS2_PORT_H
#define DUET_DRIVERS_PS2_PORT_H

#include "executor/future.h"
#include "lib/probe.h"
#include "lib/ring.h"
#include "thread/thread.h"

enum { PS2_RING_BYTES = 128 }; /* capacity, in bytes from the device */

/* Bits of a port's attention. */
enum {
    PS2_CLOSED = 1 << 0, /* the driver is asked to end */
    PS2_LATE = 1 << 1,   /* the alarm has rung */
};

struct ps2_byte {
    uint64_t stamp; /* clock_ticks() at the entry of the interrupt handler */
    uint8_t data;
};

struct ps2_port {
    struct waker_slot reader;
    struct ring ring; /* the interrupt handler pushes, the driver pops */
    struct ps2_byte bytes[PS2_RING_BYTES];
    atomic_uchar attention; /* PS2_*: what the driver is to look at besides bytes */
    struct timer alarm;
    struct waker alarm_rings;
    struct waker *late; /* woken by the driver once the alarm has rung. Set by who sets it */

    /* interrupt handler only */
    uint32_t received;
    uint32_t dropped; /* of those, found the ring full */

    struct probe resumed;              /* the driver goes on with a byte */
    enum status (*send)(uint8_t byte); /* to the device. Set once; NULL: it takes no commands */
};

/* Takes a byte from the device: keeps it, or counts it as dropped, and wakes the reader. Context: irq. */
static inline void ps2_receive(struct ps2_port *port, uint8_t data, uint64_t stamp)
{
    uint32_t index;

    port->received++;
    if (unlikely(!ring_can_push(&port->ring, PS2_RING_BYTES, &index))) {
        port->dropped++;
        return;
    }
    port->bytes[index % PS2_RING_BYTES].stamp = stamp;
    port->bytes[index % PS2_RING_BYTES].data = data;
    ring_push(&port->ring, index);
    waker_slot_wake(&port->reader);
}

/* Pops the oldest byte, if there is one. Context: the one reader. */
static inline bool ps2_try_read(struct ps2_port *port, struct ps2_byte *byte)
{
    uint32_t index;

    if (!ring_can_pop(&port->ring, &index))
        return false;
    *byte = port->bytes[index % PS2_RING_BYTES];
    ring_pop(&port->ring, index);
    return true;
}

/* What ps2_closed() does when there is something to look at. */
bool ps2_attend(struct ps2_port *port);

/* The port was closed: it has nothing more for this reader, whatever is in the ring. Wakes port->late if the alarm has
 * rung. Context: the one reader. */
static inline bool ps2_closed(struct ps2_port *port)
{
    if (likely(!atomic_load_explicit(&port->attention, memory_order_acquire))) /* pairs with ps2_close */
        return false;
    return ps2_attend(port);
}

/* The cooperative leaf: ready with the next byte each time that it is polled, or, for the last time, with `closed`. */
struct ps2_read {
    struct future future;
    struct ps2_port *port;
    struct ps2_byte byte;
    bool closed;
};

static inline bool ps2_try(struct ps2_read *self, struct ps2_port *port)
{
    struct ps2_byte byte;

    if (ps2_closed(port))
        return self->closed = true;
    if (!ps2_try_read(port, &byte))
        return false;
    self->byte = byte;
    self->closed = false;
    probe_hit(&port->resumed);
    return true;
}

/* Its poll, for AWAIT_BY(). */
static inline __attribute__((always_inline)) enum poll ps2_read_poll(struct future *future, struct waker *waker)
{
    struct ps2_read *self = container_of(future, struct ps2_read, future);
    struct ps2_port *port = self->port;

    if (ps2_try(self, port))
        return POLL_READY;
    waker_slot_register(&port->reader, waker);
    return ps2_try(self, port) ? POLL_READY : POLL_PENDING;
}

void ps2_read_drop(struct future *future);

/* Context: task, the one reader. */
static inline struct ps2_read ps2_read(struct ps2_port *port)
{
    return (struct ps2_read){.future = {ps2_read_poll, ps2_read_drop}, .port = port};
}

/* The preemptive leaf: waits for the next byte. False if the port was closed instead. Context: thread, the one reader.
 */
static inline bool ps2_wait(struct ps2_port *port, struct ps2_byte *byte)
{
    for (;;) {
        if (ps2_closed(port))
            return false;
        if (ps2_try_read(port, byte)) {
            probe_hit(&port->resumed);
            return true;
        }
        waker_slot_register(&port->reader, &thread_current()->waker);
        if (ring_count(&port->ring) == 0 && !atomic_load(&port->attention))
            thread_park();
    }
}

/* Asks the reader to end; bytes in the ring wait for the next one, after ps2_open(). Context: any. */
void ps2_close(struct ps2_port *port);
void ps2_open(struct ps2_port *port);

/* Has the reader wake port->late, in its own turn and once it has read all that came, this long from now if nothing is
 * said before; 0: not any more. A closed port's next reader does. A driver that is a process has one of its own
 * (user/driver.c). Context: the one reader. */
void ps2_alarm(struct ps2_port *port, uint64_t after_ns);

#endif
