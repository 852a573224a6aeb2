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

    struct event_queue passed; /* events that whoever reads them passes on */
};

extern struct input input;

/* Brings the controller and its devices up, says what is missing, and lets their interrupts in. Context: thread. */
void input_init(void);

/* Opens the lines of the devices that are there, and takes the bytes that are waiting. Context: thread. */
void input_let_in(void);

/* Starts the driver of one device: as a thread of `priority`, as a process whose thread has it, as a task of
 * `executor`, or in the interrupt handler. A device that is not there gets a driver all the same, which then has
 * nothing to do. STATUS_NO_MEMORY if there is none for a thread's stack, and the device has no driver; a task needs
 * none. A process may also be missing, STATUS_NOT_FOUND, or end before it has claimed the port, STATUS_CLOSED. Context:
 * thread; the device has no driver. */
enum status input_driver_start(enum device device, enum style style, unsigned priority,
                               struct executor_thread *executor) must_check;

/* Ends the driver and waits until it has. What it had not read is left for the next one. Context: thread. */
void input_driver_stop(enum device device);

/*
 * What processes may read: the bytes of the two ports, by enum device, the events, and those that the process which
 * reads the events passes on. Each has one reader: a driver of the kernel, whoever the kernel's mode is, or the process
 * that claimed it, until that ends.
 *
 * input_claim() is false for what has a reader. input_release() gives back all that a process had claimed; it says so
 * where that was a driver that nobody asked to end. Context: thread.
 */
enum { INPUT_EVENTS = DEVICE_ALL, INPUT_PASSED, INPUT_SOURCES };
bool input_claim(uint64_t source, uint64_t pid) must_check;
bool input_claimed_by(uint64_t source, uint64_t pid) must_check;
void input_release(uint64_t pid);

/* Passes an event on: STATUS_NOT_FOUND if nobody has claimed what is passed on. Context: thread. */
enum status input_pass(const struct input_event *event) must_check;

/* Says to the process that reads the events that a child of it has ended, if `parent` is that. Context: thread. */
void input_child_ended(uint64_t parent);

/* What comes over COM1 is events from now on, by a thread of `priority`. STATUS_NOT_FOUND: there is no COM1;
 * STATUS_NO_MEMORY. Context: thread, once. */
enum status input_serial_start(unsigned priority) must_check;

/* No process is to read the events: the kernel does. Context: thread. */
void input_take_events(void);

/* Waits for bytes of a port, and takes all that there are, `count_max` at most; *count 0: none until the deadline.
 * STATUS_CLOSED: the port is closed, or the running thread was cancelled. Context: thread, the one reader. */
enum status input_port_read(enum device device, struct ps2_byte *bytes, size_t count_max, uint64_t deadline_ns,
                            size_t *count) must_check;

/* The same of the next event, or the next one passed on, for a process; *there: one came. STATUS_CLOSED: the running
 * thread was cancelled. */
enum status input_event_read(uint64_t source, struct input_event *event, uint64_t deadline_ns, bool *there) must_check;

/* One thread at a time reads a source: false if one does already. Context: thread; input_read_end() by who began. */
bool input_read_begin(uint64_t source) must_check;
void input_read_end(uint64_t source);

/* What the driver of a device has to itself, in bytes. */
struct driver_memory {
    size_t frame;             /* its future and task, its waker, or its thread; and a process's pages */
    size_t stack, stack_used; /* of its thread; 0: it runs on another's */
};

/* Fills it in. Context: thread; the device has a driver. */
void input_driver_memory(enum device device, struct driver_memory *memory);

/* The thread that is the device's driver; NULL if it has none of its own. Context: thread; the device has a driver. */
const struct thread *input_driver_thread(enum device device);

/* The style of a driver, as the command line has it. Context: any. */
const char *style_name(enum style style);

#endif
