/* Opening and closing, and what is not on a byte's way. */
#include "drivers/ps2_port.h"

#include "lib/clock.h"
#include "lib/critical.h"
#include "thread/sched.h"

void ps2_read_drop(struct future *future)
{
    waker_slot_clear(&container_of(future, struct ps2_read, future)->port->reader);
}

void ps2_close(struct ps2_port *port)
{
    uint64_t flags = critical_enter();

    atomic_fetch_or(&port->attention, PS2_CLOSED);
    waker_slot_wake(&port->reader);
    critical_leave_woken(flags);
}

void ps2_open(struct ps2_port *port)
{
    atomic_fetch_and(&port->attention, (unsigned char)~PS2_CLOSED);
}

/* What has come is read first: it may be what the alarm was set for. */
bool ps2_attend(struct ps2_port *port)
{
    if (atomic_load(&port->attention) & PS2_LATE && ring_count(&port->ring) == 0) {
        atomic_fetch_and(&port->attention, (unsigned char)~PS2_LATE);
        waker_wake(port->late);
    }
    if (!(atomic_load(&port->attention) & PS2_CLOSED))
        return false;
    waker_slot_clear(&port->reader);
    return true;
}

static void ring(struct waker *waker)
{
    struct ps2_port *port = container_of(waker, struct ps2_port, alarm_rings);

    atomic_fetch_or(&port->attention, PS2_LATE);
    waker_slot_wake(&port->reader);
}

void ps2_alarm(struct ps2_port *port, uint64_t after_ns)
{
    sched_timer_cancel(&port->alarm);
    atomic_fetch_and(&port->attention, (unsigned char)~PS2_LATE);
    port->alarm_rings.wake = ring;
    if (after_ns)
        sched_timer_start(&port->alarm, clock_now_ns() + after_ns, &port->alarm_rings);
}
