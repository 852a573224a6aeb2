/*
 * The mouse driver: bytes in, motion and button events out.
 *
 * It exists twice: mouse_task.c waits as a future, mouse_thread.c as a thread. Both pass each byte to mouse_receive(),
 * and that is all they do.
 */
#ifndef DUET_DRIVERS_MOUSE_H
#define DUET_DRIVERS_MOUSE_H

#include "drivers/input.h"
#include "drivers/ps2_port.h"
#include "executor/async.h"
#include "lib/mouse_packet.h"

/* A mouse that was plugged in is set up again, a command at a time, by answers that come among its bytes:
 * mouse_setup.c. */
struct mouse_setup {
    uint8_t step;    /* of the script, from 1; 0: nothing is under way */
    bool identity;   /* what comes next is its id */
    uint8_t id;      /* that it said */
    uint8_t last;    /* byte that came */
    uint8_t resends; /* of this step */
    uint8_t rounds;  /* begun since it was plugged in */
    uint32_t done, given_up;
};

struct mouse {
    struct ps2_port *port;
    struct event_queue *queue;
    struct mouse_decoder decoder;
    uint64_t stamp; /* of the last byte that left a packet unfinished, or was none of a packet's */
    struct mouse_setup setup;
    struct waker late; /* its answer is */
};

/* `device_id` is what the mouse answered when it was identified (drivers/i8042.h). */
void mouse_init(struct mouse *mouse, struct ps2_port *port, struct event_queue *queue, uint8_t device_id);

/* Decodes one byte; a complete packet is published as its motion and then its buttons, in the order of their bits.
 * Context: the driver, whichever style it is. */
void mouse_receive(struct mouse *mouse, struct ps2_byte byte, enum driver_style style);

/* The same, of a byte that may be anything: mouse_receive() calls it where it has to, and with what it was called with.
 */
void mouse_receive_any(struct mouse *mouse, struct ps2_byte byte, enum driver_style style);

/* Sets up, from the first step on, the mouse that has just been plugged in, if the port takes commands: until it is set
 * up, or given up, what comes are its answers. Resends and errors are tried again, and silence is an error. Context:
 * the driver. */
void mouse_setup_start(struct mouse *mouse);

/* Takes the next byte while that is under way; and is port->late. Context: as above. */
void mouse_setup_receive(struct mouse *mouse, uint8_t byte);
void mouse_setup_late(struct waker *late);

/* The driver as a future, ready once the port is closed. */
struct mouse_task {
    struct async async;
    struct mouse *mouse;
    struct ps2_read read;
};
struct mouse_task mouse_task(struct mouse *mouse);

/* The driver as a thread; the argument is the struct mouse. Returns once the port is closed. */
void *mouse_thread(void *mouse);

/* Two bounds, to measure the drivers by. The first decodes in the interrupt handler, as the waker that it wakes, and
 * ends once the port is closed: nobody is sooner, and everybody else waits for it with interrupts off. Context: thread;
 * the port has no reader. */
struct mouse_isr {
    struct waker waker;
    struct mouse *mouse;
};
void mouse_isr_start(struct mouse_isr *self, struct mouse *mouse);

/* The second is a thread that waits for nothing: it asks the port and yields, for ever, until the port is closed. */
void *mouse_poller(void *mouse);

#endif
