/* See driver.h. What the drivers' sources ask of the scheduler's header is here too: it is never used. */
#include "user/driver.h"

#include "thread/sched.h"

enum { PUBLISHED_AT_ONCE = 16 };

struct cpu cpu_boot;

static _Noreturn void give_up(const char *file, int line, const char *why)
{
    print(file);
    print_number(": a driver gives up at line ", (uint64_t)line);
    print(why);
    print("\n");
    (void)duet_exit(-1);
    for (;;)
        ;
}

_Noreturn void panic_at(const char *file, int line, const char *format, ...)
{
    give_up(file, line, format);
}

_Noreturn void assertion_failed(const struct assertion *assertion)
{
    give_up(assertion->file, assertion->line, assertion->expression);
}

/* Nothing interrupts a driver's queue: it is its own. */
void critical_leave_woken(uint64_t flags)
{
    irq_restore(flags);
}

/* The port's alarm, of a program that waits for one port alone. */
static uint64_t alarm_ns = UINT64_MAX;

void ps2_alarm(struct ps2_port *port, uint64_t after_ns)
{
    (void)port;
    alarm_ns = after_ns ? clock_now_ns() + after_ns : UINT64_MAX;
}

uint64_t driver_patience_ns(void)
{
    uint64_t now_ns;

    if (alarm_ns == UINT64_MAX)
        return UINT64_MAX;
    now_ns = clock_now_ns();
    return now_ns < alarm_ns ? alarm_ns - now_ns : 0;
}

void driver_look_round(struct ps2_port *port)
{
    if (driver_patience_ns())
        return;
    alarm_ns = UINT64_MAX;
    waker_wake(port->late);
}

static bool pop(struct event_queue *queue, struct input_event *event)
{
    uint32_t index;

    if (!ring_can_pop(&queue->ring, &index))
        return false;
    *event = queue->events[index % EVENT_QUEUE_EVENTS];
    ring_pop(&queue->ring, index);
    return true;
}

void driver_publish(struct event_queue *queue)
{
    struct input_event events[PUBLISHED_AT_ONCE];
    uint64_t count;

    do {
        for (count = 0; count < PUBLISHED_AT_ONCE && pop(queue, &events[count]); count++)
            ;
        if (count)
            (void)duet_publish(events, count);
    } while (count == PUBLISHED_AT_ONCE);
}
