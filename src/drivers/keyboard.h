/*
 * The keyboard driver: bytes in, key events out, and the lights that follow the locks.
 *
 * It exists twice: keyboard_task.c waits as a future, keyboard_thread.c as a thread. Both pass each byte to
 * keyboard_receive(), and that is all they do.
 */
#ifndef DUET_DRIVERS_KEYBOARD_H
#define DUET_DRIVERS_KEYBOARD_H

#include "drivers/input.h"
#include "drivers/ps2_port.h"
#include "executor/async.h"
#include "lib/keymap.h"
#include "lib/scancode.h"

struct keyboard {
    struct ps2_port *port;
    struct event_queue *queue;
    struct scancode_decoder decoder;
    struct keymap keymap;
    bool busy; /* the next byte may be more than a key: a sequence, an answer or the lights are under way */

    /* the lights: one command of two bytes, each acknowledged by the keyboard */
    uint8_t leds_shown;    /* what the keyboard was told last */
    uint8_t command_state; /* enum in keyboard.c */
    uint8_t resends;
    uint64_t command_sent_ns;
};

void keyboard_init(struct keyboard *keyboard, struct ps2_port *port, struct event_queue *queue);

/* Decodes one byte and publishes what it completes. Context: the driver, whichever style it is. */
void keyboard_receive(struct keyboard *keyboard, struct ps2_byte byte, enum driver_style style);

/* The same, of a byte that may be more than a key that types, and the lights: keyboard_receive() calls it where it has
 * to, and with what it was called with. */
void keyboard_receive_any(struct keyboard *keyboard, struct ps2_byte byte, enum driver_style style);

/* The driver as a future, ready once the port is closed. */
struct keyboard_task {
    struct async async;
    struct keyboard *keyboard;
    struct ps2_read read;
};
struct keyboard_task keyboard_task(struct keyboard *keyboard);

/* The driver as a thread; the argument is the struct keyboard. Returns once the port is closed. */
void *keyboard_thread(void *keyboard);

/* Two bounds, to measure the drivers by. The first decodes in the interrupt handler, as the waker that it wakes, and
 * ends once the port is closed: nobody is sooner, and everybody else waits for it with interrupts off. Context: thread;
 * the port has no reader. */
struct keyboard_isr {
    struct waker waker;
    struct keyboard *keyboard;
};
void keyboard_isr_start(struct keyboard_isr *self, struct keyboard *keyboard);

/* The second is a thread that waits for nothing: it asks the port and yields, for ever, until the port is closed. */
void *keyboard_poller(void *keyboard);

#endif
