/*
 * An i8042 with its two devices behind port_in8() and port_out8(), after IBM's technical reference and QEMU's
 * hw/input/pckbd.c and ps2.c in behaviour, and with faults to choose.
 *
 * Time is support_clock_ns and only passes when somebody reads the clock. Every command, argument and device byte is
 * traced: "ad" a controller command, "60=64" one with its argument, "k:f4" and "m:f4" bytes to a device. What a driver
 * must not do (write into a full input buffer, read an empty output buffer, talk to the devices with interrupts on,
 * wait for ever) fails the test on the spot.
 */
#ifndef DUET_TESTS_HOST_I8042_MODEL_H
#define DUET_TESTS_HOST_I8042_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define I8042_MODEL_QUEUE 64

struct i8042_model_device {
    /* Chosen by the test. */
    bool absent;           /* nothing on the wire: silence */
    unsigned silent_after; /* sends this many bytes and then no more; 0: never falls silent */
    unsigned resends;      /* answers this many bytes with fe before it takes one */
    uint8_t self_test;     /* what the self test ends with: aa */
    uint64_t answer_ns;    /* until it answers */
    uint64_t self_test_ns; /* until its self test ends */
    uint64_t chatter_ns;   /* sends chatter_byte this often, once it reports; 0: never */
    uint8_t chatter_byte;
    uint8_t max_id;   /* the mouse: 0, 3 or 4 */
    uint8_t reset_id; /* the mouse: what follows its self test: 0 */

    /* State. */
    bool reports; /* scanning, or sending motion */
    uint8_t id;
    uint8_t rate;
    uint8_t rates[3];    /* the last three, newest last */
    uint8_t argument_of; /* the command whose argument is the next byte; 0: none */
    unsigned taken;      /* bytes it was sent */
    uint64_t chattered_ns;
    struct {
        uint8_t byte;
        uint64_t ready_ns;
    } queue[I8042_MODEL_QUEUE];
    unsigned head, tail;
    unsigned sent;
};

struct i8042_model {
    /* Chosen by the test. */
    bool absent;         /* ports read ff */
    bool busy;           /* the input buffer stays full */
    unsigned busy_after; /* it stays full after this many writes; 0: never */
    uint64_t busy_ns;    /* for so long, and then works on; 0: for ever */
    bool endless_output; /* the output buffer stays full */
    bool no_mouse_port;
    bool mouse_port_opens_not; /* knows the command that closes it, but not the one that opens it */
    bool mute;                 /* answers no command */
    unsigned mute_after;       /* answers this many commands and then no more; 0: never falls silent */
    bool mute_self_test;
    bool forgets_config;         /* by its self test */
    unsigned self_test_failures; /* this many times fc instead of 55 */
    uint8_t port_test[2];        /* 00 passes; keyboard, mouse */
    uint64_t input_ns;           /* how long a write keeps the input buffer full */
    uint64_t answer_ns;
    bool brought_up;   /* from now on the devices may be written to with interrupts on */
    unsigned leftover; /* bytes found in the output buffer at first */
    bool leftover_from_mouse;

    /* State. */
    uint8_t config;
    bool output_full, output_aux;
    uint8_t output;
    uint64_t input_until_ns;
    uint64_t busy_until_ns;
    uint8_t pending; /* the command whose argument comes next; 0: none */
    bool answering;
    uint8_t answer;
    uint64_t answer_ready_ns;
    unsigned answers;
    unsigned writes, accesses;
    unsigned edges[2]; /* rising edges of IRQ 1 and IRQ 12 */
    struct i8042_model_device device[2];
};

enum { MODEL_KEYBOARD, MODEL_MOUSE };

extern struct i8042_model i8042_model;

/* A healthy controller, as firmware leaves it: both ports open, interrupts on; a keyboard and a five-button mouse. */
void i8042_model_init(void);

/* The device sends a byte of its own accord. */
void i8042_model_send(unsigned device, uint8_t byte);

#endif
