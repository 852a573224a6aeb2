/*
 * Events into the controller, and out of the queue.
 *
 * They are injected from the timer interrupt, so that they strike whatever is running. Each has a moment that it is
 * planned for, whatever becomes of those before it: where the injector is late, because the byte before was not read
 * yet or because interrupts were off, that is part of the latency from the plan and not of that from the injection.
 */
#include "kernel/bench_cell.h"
#include "kernel/input.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum {
    BYTE_GAP_NS = 20000,  /* between the bytes of one packet */
    BUSY_RETRY_NS = 5000, /* the handler has not read the previous byte yet */
    BACK_TO_BACK_NS = 2000,

    SCAN_CODES = 27, /* scan codes 0x02 to 0x1c, whose KEY_* codes are the same numbers */
    SCAN_CODE_FIRST = 0x02,
    MOTION_SEQUENCE = 127, /* of dx, and again of dy */
    LOST_AT_ONCE = 16,     /* events of a burst that are not known to be dropped, but for their numbers */
};

uint8_t cell_event_byte(enum device device, uint32_t event, uint32_t byte)
{
    if (device == DEVICE_KEYBOARD)
        return (uint8_t)(SCAN_CODE_FIRST + event % SCAN_CODES);
    if (byte == 0)
        return 0x08; /* no buttons, both signs positive */
    return (uint8_t)(1 + (byte == 1 ? event : event / MOTION_SEQUENCE) % MOTION_SEQUENCE);
}

/* The number an event carries, as far as it goes before it repeats. */
static uint32_t event_number(enum device device, const struct input_event *event, uint32_t *modulus)
{
    if (device == DEVICE_KEYBOARD) {
        *modulus = SCAN_CODES;
        return event->code - SCAN_CODE_FIRST;
    }
    *modulus = MOTION_SEQUENCE * MOTION_SEQUENCE;
    return (uint32_t)(event->dx - 1 + (-event->dy - 1) * MOTION_SEQUENCE);
}

/* ---- the injector ---- */

static uint32_t events_at_once(const struct stream *stream)
{
    uint32_t events = stream->cell->arrival.bytes / cell_event_bytes(stream->device);

    return events ? events : 1;
}

/* From one event, or burst, to the next. At random it is half of the time to one and a half, uniformly. */
static uint64_t interval(struct stream *stream)
{
    uint64_t period = stream->cell->period_ns * events_at_once(stream);

    if (stream->cell->arrival.kind == ARRIVAL_PERIODIC)
        return period;
    stream->injector.random = bench_random(stream->injector.random);
    return period / 2 + stream->injector.random % (period + 1);
}

/* Notes whether the port had to drop a byte of what was injected last. Of a burst it may be any, and the consumer finds
 * out by the numbers; but if none was kept. */
static void injector_check(struct stream *stream)
{
    struct injector *self = &stream->injector;
    uint32_t dropped = stream_port(stream)->dropped - self->dropped_bytes;
    uint32_t bytes = cell_event_bytes(stream->device), last = self->byte ? self->event + 1 : self->event;

    self->dropped_bytes += dropped;
    if (last - self->first > 1) {
        self->dropped += (dropped + bytes - 1) / bytes;
        for (uint32_t i = self->first; dropped == (last - self->first) * bytes && i < last; i++)
            stream->injections[i].dropped = true;
    } else if (dropped && !stream->injections[self->first].dropped) {
        self->dropped++;
        stream->injections[self->first].dropped = true;
    }
    self->first = self->event;
}

/* Moves on to the next byte, and returns the one to be sent: the timer is armed for what follows it before it is, for
 * the injection is the last thing done, and as little as possible of this interrupt is to be counted as latency. */
static struct injection *injector_advance(struct stream *stream)
{
    struct injector *self = &stream->injector;
    struct injection *injection = &stream->injections[self->event];

    injection->planned_ns = self->byte_ns;
    self->bytes++;
    if (++self->byte < cell_event_bytes(stream->device)) {
        if (stream->cell->arrival.kind != ARRIVAL_BURST)
            self->byte_ns += BYTE_GAP_NS;
        return injection;
    }
    self->byte = 0;
    self->event++;
    return injection;
}

static void inject_burst(struct stream *stream)
{
    struct injector *self = &stream->injector;
    uint32_t end = self->event + events_at_once(stream);

    if (end > stream->cell->events)
        end = stream->cell->events;
    self->next_ns += interval(stream);
    sched_timer_start(&self->timer, self->next_ns, &self->waker);
    while (self->event < end) {
        uint8_t byte = cell_event_byte(stream->device, self->event, self->byte);
        struct injection *injection = injector_advance(stream);

        bench_inject(stream->device, byte, &injection->injected);
    }
    self->byte_ns = self->next_ns;
}

static void inject_one(struct stream *stream)
{
    struct injector *self = &stream->injector;
    uint8_t byte = cell_event_byte(stream->device, self->event, self->byte);
    struct injection *injection = injector_advance(stream);

    if (self->byte == 0) {
        self->next_ns = stream->cell->arrival.kind == ARRIVAL_BACK ? clock_now_ns() + BACK_TO_BACK_NS
                                                                   : self->next_ns + interval(stream);
        self->byte_ns = self->next_ns;
    }
    sched_timer_start(&self->timer, self->byte_ns, &self->waker);
    bench_inject(stream->device, byte, &injection->injected);
}

/* Looks before it injects, with interrupts off: nothing comes between this and the handler. The rest of a burst comes
 * from one interrupt to the next, before a driver that was woken gets to wait again; one that is in the handler has. */
static void count_wakes(struct stream *stream)
{
    struct injector *self = &stream->injector;
    bool waits = atomic_load_explicit(&stream_port(stream)->reader.waker, memory_order_relaxed);
    uint32_t left = (stream->cell->events - self->event) * cell_event_bytes(stream->device);
    uint32_t bytes = events_at_once(stream) * cell_event_bytes(stream->device);

    if (stream->cell->arrival.kind != ARRIVAL_BURST)
        bytes = 1;
    if (bytes > left)
        bytes = left;
    self->wakes += stream->cell->style == STYLE_ISR ? bytes : waits;
    self->coalesced += stream->cell->style == STYLE_ISR || stream->cell->style == STYLE_POLL ? 0 : bytes - waits;
}

static void injector_wake(struct waker *waker)
{
    struct stream *stream = container_of(waker, struct stream, injector.waker);
    struct injector *self = &stream->injector;

    if (stream_port(stream)->received != self->bytes) {
        sched_timer_start(&self->timer, clock_now_ns() + BUSY_RETRY_NS, waker);
        return;
    }
    injector_check(stream);
    if (self->event == stream->cell->events) {
        self->ended = true;
        waker_wake(self->over);
        return;
    }
    count_wakes(stream);
    if (stream->cell->arrival.kind == ARRIVAL_BURST)
        inject_burst(stream);
    else
        inject_one(stream);
}

void stream_inject(struct stream *stream, struct waker *over)
{
    struct ps2_port *port = stream_port(stream);
    struct injector *self = &stream->injector;

    *self = (struct injector){.waker = {injector_wake}, .over = over};
    self->random = (stream->cell->seed + stream->device * (stream->device != stream->cell->device)) *
                   UINT64_C(0x9e3779b97f4a7c15);
    port->received = 0;
    port->dropped = 0;
    self->next_ns = self->byte_ns = clock_now_ns() + stream->cell->period_ns;
    sched_timer_start(&self->timer, self->next_ns, &self->waker);
}

void stream_stop(struct stream *stream)
{
    sched_timer_cancel(&stream->injector.timer);
    if (!stream->injector.ended)
        injector_check(stream);
}

/* ---- the consumer ---- */

/* Which event has this number: the next that can have come. Those passed over are known to be dropped, or, in a burst,
 * few. False if there is none. */
static bool find(const struct stream *stream, uint32_t number, uint32_t modulus, uint32_t *event)
{
    uint32_t unknown = 0;

    for (uint32_t i = stream->consumer.next; i < stream->injector.event; i++) {
        if (stream->injections[i].dropped)
            continue;
        if (i % modulus == number) {
            *event = i;
            return true;
        }
        if (++unknown > LOST_AT_ONCE)
            return false;
    }
    return false;
}

static void accept(struct stream *stream, const struct input_event *event, uint64_t consumed)
{
    struct consumer *self = &stream->consumer;
    uint32_t modulus, number = event_number(stream->device, event, &modulus), found;
    uint32_t place = self->taken++;

    if (place >= stream->cell->events || !find(stream, number, modulus, &found)) {
        self->disordered++;
        return;
    }
    self->lost += found - self->next;
    self->next = found + 1;
    if (stream->deliveries)
        stream->deliveries[self->delivered] = (struct delivery){event->stamp, consumed, found, place};
    self->delivered++;
}

static void *consumer_main(void *argument)
{
    struct stream *stream = argument;

    while (stream->consumer.next < stream->cell->events) {
        struct input_event event;
        uint64_t consumed;

        event_read(stream->queue, &event);
        consumed = clock_ticks();
        if (bench_is_end(&event))
            break;
        accept(stream, &event, consumed);
    }
    return NULL;
}

enum status stream_consume(struct stream *stream, unsigned priority)
{
    stream->consumer = (struct consumer){.next = 0};
    return thread_start(&stream->consumer.thread, "consumer", priority, consumer_main, stream);
}

void stream_wait(struct stream *stream, uint64_t patience_ns)
{
    const struct consumer *consumer = &stream->consumer;
    uint64_t give_up_ns;

    while (!stream->injector.ended)
        thread_park();
    give_up_ns = clock_now_ns() + patience_ns;
    while (completion_register(&stream->consumer.thread.done, &thread_current()->waker)) {
        if (clock_now_ns() >= give_up_ns ||
            consumer->delivered + stream->injector.dropped + stream->queue->dropped >= stream->cell->events)
            return;
        thread_park_until(give_up_ns);
    }
}

/* A consumer that had all its events did not take the one that would have ended it. */
void stream_end(struct stream *stream)
{
    struct input_event event;

    event_publish(stream->queue, (struct input_event){.type = INPUT_KEY, .code = KEY_RESERVED});
    (void)thread_join(&stream->consumer.thread);
    while (event_try_read(stream->queue, &event))
        ;
}
