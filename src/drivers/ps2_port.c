/* Opening and closing, and what is not on a byte's way. */
#include "drivers/ps2_port.h"

#include "lib/critical.h"

void ps2_read_drop(struct future *future)
{
    waker_slot_clear(&container_of(future, struct ps2_read, future)->port->reader);
}

void ps2_close(struct ps2_port *port)
{
    uint64_t flags = critical_enter();

    atomic_store(&port->closed, true);
    waker_slot_wake(&port->reader);
    critical_leave_woken(flags);
}

void ps2_open(struct ps2_port *port)
{
    atomic_store(&port->closed, false);
}
