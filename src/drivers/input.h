/*
 * Input events, and the queue that drivers publish them to. Names and codes are Linux's (linux/input-event-codes.h).
 */
#ifndef DUET_DRIVERS_INPUT_H
#define DUET_DRIVERS_INPUT_H

#include "lib/critical.h"
#include "lib/probe.h"
#include "lib/ring.h"
#include "lib/waker.h"

enum input_type {
    INPUT_KEY,    /* code, value, text */
    INPUT_BUTTON, /* code, value */
    INPUT_REL,    /* dx, dy, wheel */
    /* Not of a device: */
    INPUT_TEXT,  /* text: a byte from the serial line */
    INPUT_ENDED, /* a child of the process that reads the events has ended */
};

/* How the driver that published an event was waiting. */
enum driver_style {
    DRIVER_ASYNC,
    DRIVER_THREAD,
    DRIVER_USER, /* in a process of its own */
    DRIVER_ISR,  /* not at all: the interrupt handler's wake decodes */
    DRIVER_POLL, /* by asking again and again */
};

struct input_event {
    uint64_t stamp; /* clock_ticks() when the interrupt handler took the event's last byte */
    uint8_t type;   /* enum input_type */
    uint8_t style;  /* enum driver_style */
    char text;      /* KEY: the character it types, 0 for none */
    union {
        int8_t value; /* KEY, BUTTON: 1 press, 0 release; KEY: 2 repeat */
        int8_t wheel; /* REL: detents, positive away from the user */
    };
    union {
        uint16_t code; /* KEY, BUTTON: KEY_* or BTN_* */
        struct {
            int16_t dx, dy; /* REL: counts; dy grows downwards */
        };
    };
};
_Static_assert(sizeof(struct input_event) == 16, "two words: it is copied twice on its way");

enum { EVENT_QUEUE_EVENTS = 256 };

/* Several publishers, one reader. */
struct event_queue {
    struct waker_slot reader;
    struct ring ring;
    struct input_event events[EVENT_QUEUE_EVENTS];

    /* publishers, in a critical section, as is the ring's tail */
    uint32_t published; /* dropped ones not included */
    uint32_t dropped;   /* found the queue full */

    struct probe event; /* just after an event was published */
};

/* Appends a copy of the event, or counts it as dropped if the queue is full, and wakes the reader.
 * Context: any. */
void event_publish(struct event_queue *queue, struct input_event event);

/* The two halves of it, so that a driver makes its usual event where it stays: the place for one, if there is room, and
 * nothing but the event's making between them. Context: as above. */
struct event_place {
    struct input_event *event; /* NULL: dropped, and it is over */
    uint32_t index;
    uint64_t flags;
};

static inline struct event_place event_publish_begin(struct event_queue *queue)
{
    struct event_place place = {.flags = critical_enter()};

    if (likely(ring_can_push(&queue->ring, EVENT_QUEUE_EVENTS, &place.index))) {
        place.event = &queue->events[place.index % EVENT_QUEUE_EVENTS];
        return place;
    }
    queue->dropped++;
    critical_leave(place.flags);
    return place;
}

static inline void event_publish_end(struct event_queue *queue, struct event_place place)
{
    ring_push(&queue->ring, place.index);
    queue->published++;
    waker_slot_wake(&queue->reader);
    critical_leave_woken(place.flags);
    probe_hit(&queue->event);
}

/* Takes the oldest event, if there is one. Context: the one reader. */
bool event_try_read(struct event_queue *queue, struct input_event *event);

/* Waits for the next event. Context: thread, the one reader. */
void event_read(struct event_queue *queue, struct input_event *event);

/* As event_read(), but gives up at `deadline_ns`: false. */
bool event_read_until(struct event_queue *queue, struct input_event *event, uint64_t deadline_ns);

#endif
