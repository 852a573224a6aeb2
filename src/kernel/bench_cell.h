/*
 * What the files of the matrix share: a cell, the streams of events that go through its drivers, and what runs beside.
 */
#ifndef DUET_KERNEL_BENCH_CELL_H
#define DUET_KERNEL_BENCH_CELL_H

#include "kernel/bench.h"
#include "kernel/input.h"
#include "thread/thread.h"

enum {
    CELL_THREADS_MAX = 20, /* that a cell has at a time: its load's, two drivers and two consumers */
    CELL_MOUSE_BYTES = 3,  /* a packet */
};

struct cell {
    enum style style;
    enum device device;
    enum bench_priority priority;
    struct load load;
    const char *load_text;
    struct arrival arrival;
    const char *arrival_text;
    uint32_t events;
    uint64_t period_ns;
    uint64_t seed;
    uint32_t handicap_ticks;
    bool series; /* each event is reported, too */
    bool trace;  /* and what happened */
};

/* What the injector notes of an event: of its last byte. */
struct injection {
    uint64_t planned_ns;
    uint64_t injected; /* ticks */
    bool dropped;      /* the port had no room for one of its bytes */
};

/* Injects the events of one device. Timer interrupt only while it runs. */
struct injector {
    struct waker waker;
    struct timer timer;
    struct waker *over; /* woken once the last byte was read */
    uint64_t random;
    uint64_t next_ns;       /* when the next event is to come */
    uint64_t byte_ns;       /* when its next byte is */
    uint32_t event;         /* being sent, or next to send */
    uint32_t byte;          /* of that event, next to send */
    uint32_t bytes;         /* sent so far */
    uint32_t first;         /* event since the port was looked at last */
    uint32_t dropped_bytes; /* by the port, when last looked at */
    uint32_t dropped;       /* events that lost a byte */
    uint32_t wakes;         /* bytes that found the driver waiting */
    uint32_t coalesced;     /* bytes that found it woken already */
    bool ended;
};

/* The consumer's record of one delivered event. */
struct delivery {
    uint64_t handled, consumed;
    uint32_t event;
    uint32_t place; /* among all that were published */
};

struct consumer {
    struct thread thread;
    uint32_t next;       /* event that is expected */
    uint32_t taken;      /* from the queue */
    uint32_t delivered;  /* of those, are what was injected and in its order */
    uint32_t lost;       /* events before them that never came */
    uint32_t disordered; /* is nothing that could come: doubled, or late */
};

/* The events of one device, from the injection to the consumer. */
struct stream {
    const struct cell *cell;
    enum device device;
    struct event_queue *queue;
    struct injection *injections; /* by event */
    struct delivery *deliveries;  /* NULL: they are counted, and not noted */
    struct injector injector;
    struct consumer consumer;
};

static inline struct ps2_port *stream_port(const struct stream *stream)
{
    return &input.ports[stream->device];
}

/* Of an event of that device. */
static inline uint32_t cell_event_bytes(enum device device)
{
    return device == DEVICE_MOUSE ? CELL_MOUSE_BYTES : 1;
}

/* Byte `byte` of event `event`. Every event carries its number, so that a lost, doubled or reordered one is known.
 * Context: any. */
uint8_t cell_event_byte(enum device device, uint32_t event, uint32_t byte);

/* Starts the consumer, a thread that only waits for events, as an application would. STATUS_NO_MEMORY: it has no stack.
 * Context: thread. */
enum status stream_consume(struct stream *stream, unsigned priority) must_check;

/* Starts injecting, a period from now. `over` is woken at the end. Context: thread. */
void stream_inject(struct stream *stream, struct waker *over);

/* Waits until every event was injected and is accounted for, or nothing has come for `patience_ns`. Context: thread. */
void stream_wait(struct stream *stream, uint64_t patience_ns);

/* Ends the injection, as far as it goes. Context: thread. */
void stream_stop(struct stream *stream);

/* Ends the consumer, whose driver has ended, and empties the queue. Context: thread. */
void stream_end(struct stream *stream);

/* Starts what runs beside the drivers. A future's neighbours share its executor, whatever that one's priority; beside
 * other drivers they run on the normal one. STATUS_NO_MEMORY, with what has started to be ended by load_end(); or
 * STATUS_INVALID: it would never let anybody else run. Context: thread. */
enum status load_begin(const struct cell *cell) must_check;

/* Ends it and waits until it has. Context: thread, the most urgent. */
void load_end(void);

/* How often it did what it does: lines printed, blocks allocated, interrupts. Context: thread. */
uint64_t load_done(void);

/* Reports a cell: a line on the console, the cell as JSON, and a histogram for each stage and each difference;
 * and with `series` each event. */
struct cell_counts {
    uint64_t entry; /* of a byte that is injected with interrupts on, to the handler */
    uint64_t switches, polls;
    uint64_t driver_ns, consumer_ns; /* that the threads they run on ran */
    struct driver_memory memory;
};
void cell_report(const struct stream *stream, const struct stream *other, const struct cell_counts *counts);

/* Records what happens from the first of these to the second; sends it once the cell has ended, with the moments of
 * each event, `stages` each, and the names of threads that were there at the beginning or when they were asked for.
 * STATUS_NO_MEMORY: there is none for it. Context: thread. */
enum status cell_trace_begin(void) must_check;
void cell_trace_names(void);
void cell_trace_end(void);
void cell_trace_send(const uint64_t *at, uint32_t events, uint32_t stages);

/* What cell_report() reads besides: when the driver went on with each byte, and when it had published each event. */
extern uint64_t *cell_resumed_at, *cell_published_at;
extern uint64_t *cell_samples; /* room for as many */

#endif
