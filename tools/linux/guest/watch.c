/*
 * The reader for a stopwatch that stands outside: it marks each read() that returned with events, and keeps them all
 * for the host to compare with what it sent. Words: watch=key|mouse, class=fifo|normal, grab=1, busy=1, count=N.
 */
#include <fcntl.h>
#include <linux/input.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

enum { EVENTS_MAX = 65536, HOG_NICE = 19, SETTLE_TICKS = 50000000 };

struct seen {
    volatile uint32_t count;
    volatile bool ready;
    volatile bool full; /* all that are awaited came */
    struct input_event events[EVENTS_MAX];
};

static bool is_word(const char *name, const char *value)
{
    const char *text = getenv(name);

    return text && !strcmp(text, value);
}

/* Repeats are the kernel's own, and reports only end what they belong to. */
static bool is_told(const struct input_event *event)
{
    return (event->type == EV_KEY && event->value != 2) || event->type == EV_REL;
}

static void keep(struct seen *seen, const struct input_event *event)
{
    if (is_told(event) && seen->count < EVENTS_MAX)
        seen->events[seen->count++] = *event;
}

static _Noreturn void read_all(const struct device *device, struct seen *seen)
{
    int node = open(device->path, O_RDONLY | O_CLOEXEC);
    struct input_event events[64];

    if (node < 0 || (is_word("grab", "1") && ioctl(node, EVIOCGRAB, 1) != 0))
        fail_errno(device->path);
    if (is_word("class", "fifo"))
        schedule_fifo(PRIORITY_WAITS);
    seen->ready = true;
    for (;;) {
        ssize_t size = read(node, events, sizeof(events));

        mark();
        for (size_t i = 0; size > 0 && i < (size_t)size / sizeof(events[0]); i++)
            keep(seen, &events[i]);
    }
}

/* Until the host ends the machine, or the last event it will send came: that is F12's release, or the side button's. */
static bool is_last(const struct seen *seen)
{
    const struct input_event *event = &seen->events[seen->count - 1];

    return seen->count && event->type == EV_KEY && !event->value && (event->code == KEY_F12 || event->code == BTN_SIDE);
}

/* The hog computes for some ticks before the first event: one that has just slept keeps a normal reader waiting. */
static void settle(void)
{
    uint64_t end = rdtsc() + SETTLE_TICKS;

    schedule_other(HOG_NICE);
    while (rdtsc() < end)
        continue;
}

static void stay(const struct seen *seen)
{
    if (is_word("busy", "1"))
        settle();
    mark_start();
    while (!is_last(seen))
        if (!is_word("busy", "1"))
            usleep(100000);
}

void watch_input(const struct device *devices)
{
    const struct device *device = &devices[is_word("watch", "mouse")];
    struct seen *seen = share(sizeof(*seen));
    pid_t reader = fork();

    if (reader < 0)
        fail_errno("fork");
    if (reader == 0)
        read_all(device, seen);
    while (!seen->ready)
        usleep(1000);
    usleep(100000);
    stay(seen);
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    for (uint32_t i = 0; i < seen->count; i++)
        tell("{\"event\":\"input\",\"type\":%u,\"code\":%u,\"value\":%d}\n", seen->events[i].type, seen->events[i].code,
             seen->events[i].value);
}
