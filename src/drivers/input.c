/* The event queue between the drivers and their consumer. */
#include "drivers/input.h"

#include "thread/thread.h"

/* Copies the event into the ring, or counts it as dropped. */
static inline bool event_append(struct event_queue *queue, const struct input_event *event)
{
    uint64_t flags = lock_acquire(&queue->publishers);
    uint32_t slot;
    bool room = ring_can_push(&queue->ring, EVENT_QUEUE_EVENTS, &slot);

    if (likely(room)) {
        queue->events[slot] = *event;
        ring_push(&queue->ring);
        queue->published++;
    } else {
        queue->dropped++;
    }
    lock_release(&queue->publishers, flags);
    return room;
}

void event_publish(struct event_queue *queue, const struct input_event *event)
{
    if (unlikely(!event_append(queue, event)))
        return;
    waker_slot_wake(&queue->reader);
    probe_hit(&queue->event);
}

static inline bool event_pop(struct event_queue *queue, struct input_event *event)
{
    uint32_t slot;

    if (!ring_can_pop(&queue->ring, EVENT_QUEUE_EVENTS, &slot))
        return false;
    *event = queue->events[slot];
    ring_pop(&queue->ring);
    return true;
}

bool event_try_read(struct event_queue *queue, struct input_event *event)
{
    return event_pop(queue, event);
}

bool event_read_until(struct event_queue *queue, struct input_event *event, uint64_t deadline_ns)
{
    while (!event_pop(queue, event)) {
        waker_slot_register(&queue->reader, &thread_current()->waker);
        if (ring_count(&queue->ring) != 0)
            continue;
        if (deadline_ns != TIMER_NEVER && clock_now_ns() >= deadline_ns) {
            waker_slot_clear(&queue->reader);
            return false;
        }
        thread_park_until(deadline_ns);
    }
    return true;
}

void event_read(struct event_queue *queue, struct input_event *event)
{
    (void)event_read_until(queue, event, TIMER_NEVER);
}
