/*
 * From a byte of the keyboard or the mouse to the read() of its evdev node that returns with the event.
 *
 * The byte is one that the i8042 is told to hand out as if its device had sent it, by commands 0xd2 and 0xd3 (IBM PS/2
 * Technical Reference, keyboard controller), written by a process with the right to the ports: the same injection as of
 * Duet's own figures. The reader is another process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

enum {
    I8042_DATA = 0x60,
    I8042_COMMAND = 0x64,
    I8042_OUTPUT_FULL = 1,
    I8042_INPUT_FULL = 2,
    I8042_WRITE_KEYBOARD_OUTPUT = 0xd2,
    I8042_WRITE_MOUSE_OUTPUT = 0xd3,
    SCAN_CODE = 0x1e, /* A */
    SCAN_RELEASE = 0x80,
    PACKET_FIRST = 0x08, /* no button; bit 3 is always set */
    GAP_MIN = 100000,    /* instructions between two events, */
    GAP_SPREAD = 200000, /* and at most as many more */
    PAUSE_NS = 1000000,  /* the same for an injector that sleeps */
    HOG_NICE = 19,
};

/* What the injector and the reader share. */
struct meeting {
    volatile uint64_t arrived; /* the reader's stamp after the last event */
    volatile uint32_t events;  /* read so far */
    volatile bool ready;
    struct samples samples;
};

struct cell {
    const struct device *device;
    bool fifo;      /* the reader is of SCHED_FIFO; else of SCHED_OTHER at nice 0 */
    bool exclusive; /* nothing else in the kernel gets the event: EVIOCGRAB */
    bool idle;      /* the injector sleeps between events, and nobody else runs; else it computes */
    unsigned packet_bytes;
};

static bool is_awaited(const struct input_event *event)
{
    return event->type == EV_REL || (event->type == EV_KEY && event->value == 1);
}

static _Noreturn void read_events(const struct cell *cell, struct meeting *meeting)
{
    int node = open(cell->device->path, O_RDONLY | O_CLOEXEC);
    struct input_event events[64];

    if (node < 0 || (cell->exclusive && ioctl(node, EVIOCGRAB, 1) != 0))
        fail_errno(cell->device->path);
    if (cell->fifo)
        schedule_fifo(PRIORITY_WAITS);
    else
        schedule_other(0);
    meeting->ready = true;
    for (;;) {
        ssize_t size = read(node, events, sizeof(events));
        uint64_t now = rdtsc();
        bool awaited = false;

        for (size_t i = 0; size > 0 && i < (size_t)size / sizeof(events[0]); i++)
            awaited |= is_awaited(&events[i]);
        if (!awaited)
            continue;
        meeting->arrived = now;
        meeting->events++;
    }
}

static uint64_t inject(const struct device *device, uint8_t byte)
{
    uint64_t start;

    while (port_in8(I8042_COMMAND) & (I8042_OUTPUT_FULL | I8042_INPUT_FULL))
        continue;
    port_out8(I8042_COMMAND, !strcmp(device->name, "mouse") ? I8042_WRITE_MOUSE_OUTPUT : I8042_WRITE_KEYBOARD_OUTPUT);
    start = rdtsc();
    port_out8(I8042_DATA, byte);
    return start;
}

/* A press of A; or a packet that moves by one. Returns the stamp before its last byte. */
static uint64_t inject_event(const struct cell *cell)
{
    if (!strcmp(cell->device->name, "key"))
        return inject(cell->device, SCAN_CODE);
    inject(cell->device, PACKET_FIRST);
    inject(cell->device, 1);
    if (cell->packet_bytes == 3)
        return inject(cell->device, 0);
    inject(cell->device, 0);
    return inject(cell->device, 0);
}

/* What the console's line discipline kept of the keys; a login there would have read them. */
static void empty_console(int console)
{
    if (console >= 0)
        tcflush(console, TCIOFLUSH);
}

static void compute(uint64_t ticks)
{
    uint64_t end = rdtsc() + ticks;

    while (rdtsc() < end)
        continue;
}

static void rest(const struct cell *cell, uint64_t *random)
{
    uint64_t ticks = GAP_MIN + next_random(random) % GAP_SPREAD;

    if (cell->idle)
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS + (long)ticks}, NULL);
    else
        compute(ticks);
}

/* Until the reader has it. An idle injector sleeps at once. */
static void await(const struct cell *cell, const struct meeting *meeting, uint32_t events)
{
    uint64_t limit = rdtsc() + UINT64_C(2000000000);

    while (meeting->events == events) {
        if (rdtsc() > limit)
            fail("%s: an event was lost", cell->device->name);
        if (cell->idle)
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
}

static void inject_all(const struct cell *cell, struct meeting *meeting)
{
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    int console = open("/dev/tty1", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    while (!samples_full(&meeting->samples)) {
        uint32_t events = meeting->events;
        uint64_t start = inject_event(cell);

        await(cell, meeting, events);
        sample(&meeting->samples, meeting->arrived - start);
        rest(cell, &random);
        if (!strcmp(cell->device->name, "key"))
            inject(cell->device, SCAN_CODE | SCAN_RELEASE);
        rest(cell, &random);
        if (meeting->samples.count % 256 == 0)
            empty_console(console);
    }
    close(console);
}

static void measure_cell(const struct cell *cell, unsigned count)
{
    struct meeting *meeting = share(sizeof(*meeting));
    char name[64];
    pid_t reader;

    samples_begin(&meeting->samples, count);
    reader = fork();
    if (reader < 0)
        fail_errno("fork");
    if (reader == 0)
        read_events(cell, meeting);
    while (!meeting->ready)
        usleep(1000);
    usleep(100000);
    schedule_other(cell->idle ? 0 : HOG_NICE);
    inject_all(cell, meeting);
    schedule_other(0);
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    snprintf(name, sizeof(name), "%s.%s_%s%s", cell->device->name, cell->fifo ? "fifo" : "normal",
             cell->exclusive ? "lean" : "shipped", cell->idle ? "_idle" : "");
    samples_tell(&meeting->samples, name, "instructions");
}

/* Mice with a wheel, whose protocols the kernel calls ImPS/2 and ImExPS/2, send packets of four bytes. */
static unsigned packet_bytes(const struct device *device)
{
    return !strncmp(device->driver, "Im", 2) ? 4 : 3;
}

void measure_input(const struct device *device, unsigned count)
{
    for (unsigned i = 0; i < 8; i++) {
        measure_cell(&(struct cell){.device = device,
                                    .fifo = !(i & 4),
                                    .exclusive = !(i & 2),
                                    .idle = i & 1,
                                    .packet_bytes = packet_bytes(device)},
                     count);
    }
}
