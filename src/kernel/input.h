/*
 * The PC's two PS/2 ports, their one interrupt routine, and the drivers that read them, each in either style.
 */
#ifndef DUET_KERNEL_INPUT_H
#define DUET_KERNEL_INPUT_H

#include "drivers/i8042.h"
#include "drivers/keyboard.h"
#include "drivers/mouse.h"
#include "kernel/executor_thread.h"
#include "kernel/options.h"

struct input {
    struct i8042_info info;
    struct ps2_port ports[DEVICE_ALL]; /* by enum device */
    struct event_queue events;         /* what all drivers publish to */
    struct keyboard keyboard;
    struct mouse mouse;

    /* interrupt routine only */
    uint32_t empty; /* interrupts that came without a byte */
};

extern struct input input;

/* Brings the controller and its devices up, says what is missing, and lets their interrupts in. Context: thread. */
void input_init(void);

/* Opens the lines of the devices that are there, and takes the bytes that are waiting. Context: thread. */
void input_let_in(void);

/* Starts the driver of one device: as a thread of `priority`, or as a task of `executor`. A device that is not there
 * gets a driver all the same, which then has nothing to do. STATUS_NO_MEMORY if there is none for a thread's stack, and
 * the device has no driver; a task needs none. Context: thread; the device has no driver. */
enum status input_driver_start(enum device device, enum style style, unsigned priority,
                               struct executor_thread *executor) must_check;

/* Ends the driver and waits until it has. What it had not read is left for the next one. Context: thread. */
void input_driver_stop(enum device device);

/* The style of the device's driver, as text: "async" or "thread". Context: any. */
const char *style_name(enum style style);

#endif
