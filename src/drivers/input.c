/* The event queue between the drivers and their consumer. */
#include "drivers/input.h"

#include "thread/thread.h"

void event_publish(struct event_queue *queue, struct input_event event)
{
    struct event_place place = event_publish_begin(queue);

    if (!place.event)
        return;
    *place.event = event;
    event_publish_end(queue, place);
}

static inline bool event_pop(struct event_queue *queue, struct input_event *event)
{
    uint32_t index;

    if (!ring_can_pop(&queue->ring, &index))
        return false;
    *event = queue->events[index % EVENT_QUEUE_EVENTS];
    ring_pop(&queue->ring, index);
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
    while (!event_pop(queue, event)) {
        waker_slot_register(&queue->reader, &thread_current()->waker);
        if (ring_count(&queue->ring) == 0)
            thread_park();
    }
}
